from __future__ import annotations

import pytest

from custody.etl.quality import Counts, QualityError, assert_quality
from tests.glue.local import contract_with

CHECKS = """checks:
  - {kind: row_count, at_least: "10"}
  - {kind: rejected_ratio, at_most: "0.10"}
  - {kind: duplicate_ratio, at_most: "0.50"}
  - {kind: completeness, column: email, at_least: "0.80"}
  - {kind: completeness, column: last_login, at_least: "0.5"}
"""
OLD = """checks:
  - {kind: rejected_ratio, at_most: "0.20"}
  - {kind: completeness, column: email, at_least: "0.80"}
"""
RULES = contract_with("customers", (OLD, CHECKS))


def test_thresholds_that_are_just_met() -> None:
    assert_quality(RULES, Counts(100, 40, 10, 50), {"email": 32, "last_login": 20})


@pytest.mark.parametrize(
    ("counts", "present", "sentence"),
    [
        (Counts(9, 9), (9, 9), "row_count at least 10 is wanted, 9 found."),
        (Counts(100, 79, 11, 10), (79, 79), "rejected_ratio at most 0.10 is wanted, 0.1100 found."),
        (Counts(100, 49, 0, 51), (49, 49), "duplicate_ratio at most 0.50 is wanted, 0.5100 found."),
        (Counts(100, 100), (79, 100), "completeness of email at least 0.80 is wanted, 0.7900 found."),
        (
            Counts(100, 100),
            (0, 0),
            "completeness of email at least 0.80 is wanted, 0.0000 found; "
            "completeness of last_login at least 0.5 is wanted, 0.0000 found.",
        ),
    ],
)
def test_each_threshold_that_is_not_met_is_named(
    counts: Counts, present: tuple[int, int], sentence: str
) -> None:
    with pytest.raises(QualityError) as caught:
        assert_quality(RULES, counts, dict(zip(("email", "last_login"), present, strict=True)))
    assert caught.value.message == f"customers is not published: {sentence}"
    assert caught.value.exit_code == 1


def test_of_no_rows_none_is_incomplete() -> None:
    rules = contract_with("customers")
    assert_quality(rules, Counts(0, 0), {"email": 0})
    assert_quality(rules, Counts(5, 0, 0, 5), {"email": 0})
