from __future__ import annotations

from decimal import Decimal

import pytest

from custody.etl.quality import Counts, QualityError, assert_quality, failures
from tests.glue.local import contract, contract_with

CHECKS = """checks:
  - {kind: row_count, at_least: "10"}
  - {kind: rejected_ratio, at_most: "0.10"}
  - {kind: completeness, column: email, at_least: "0.80"}
  - {kind: completeness, column: last_login, at_least: "0.5"}
"""
OLD = """checks:
  - {kind: row_count, at_least: "1"}
  - {kind: rejected_ratio, at_most: "0.20"}
  - {kind: completeness, column: email, at_least: "0.80"}
"""
RULES = contract_with("customers", (OLD, CHECKS))


def test_thresholds_that_are_just_met() -> None:
    assert failures(RULES, Counts(100, 90, 10), {"email": 72, "last_login": 45}, Decimal("0.1")) == []


@pytest.mark.parametrize(
    ("counts", "present", "unread", "sentences"),
    [
        (Counts(9, 9), (9, 9), "0", ["row_count at least 10 is required, found 9"]),
        (Counts(100, 89, 11), (89, 89), "0", ["rejected_ratio at most 0.10 is required, found 0.1100"]),
        (Counts(100, 99, 1), (99, 99), "0.6", ["rejected_ratio at most 0.10 is required, found 0.6000"]),
        (
            Counts(10**6, 0, 100_001),
            (0, 0),
            "0",
            ["row_count at least 10 is required, found 0"] * 1
            + ["rejected_ratio at most 0.10 is required, found 0.1000"],
        ),
        (Counts(100, 100), (79, 100), "0", ["completeness of email at least 0.80 is required, found 0.7900"]),
        (
            Counts(100, 100),
            (0, 0),
            "0",
            [
                "completeness of email at least 0.80 is required, found 0.0000",
                "completeness of last_login at least 0.5 is required, found 0.0000",
            ],
        ),
    ],
)
def test_each_threshold_that_is_not_met_is_named(
    counts: Counts, present: tuple[int, int], unread: str, sentences: list[str]
) -> None:
    by_column = dict(zip(("email", "last_login"), present, strict=True))
    assert failures(RULES, counts, by_column, Decimal(unread)) == sentences


def test_of_no_rows_none_is_incomplete() -> None:
    rules = contract("viewing_events")
    assert failures(rules, Counts(0, 0), {"watched_seconds": 0}) == []


def test_a_table_made_of_others_is_not_published_without_rows() -> None:
    rules = contract("customer_value")
    assert_quality(rules, Counts(1, 1), {})
    with pytest.raises(QualityError, match="customer_value is not published: row_count at least 1"):
        assert_quality(rules, Counts(0, 0), {})
