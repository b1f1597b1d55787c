"""What fails ``make enforce``, each told by name."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.enforce.__main__ import ATTEMPTS, Enforced, problems
from scripts.enforce.attempts import Outcome

RECEIPT = "arn:aws:s3:::custody-local-provenance-123456789012/provenance/a.json"


def enforced(refused: int = ATTEMPTS, **more: Any) -> Enforced:
    return Enforced(
        report={"refused": more.get("refusals", [])},
        undecided=more.get("undecided", {}),
        outcome=Outcome(refused=refused, passed=more.get("passed", [])),
    )


def test_nothing_is_wrong_if_all_that_must_be_is_refused_and_nothing_else() -> None:
    assert problems(enforced(refusals=[["operator", "s3:DeleteObjectVersion", RECEIPT, 1]])) == []


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (enforced(refused=ATTEMPTS - 1), f"only {ATTEMPTS - 1} attempts were refused, not {ATTEMPTS}"),
        (
            enforced(refusals=[["recorder", "s3:PutObject", RECEIPT, 2]]),
            f"recorder was refused s3:PutObject on {RECEIPT}, 2 times",
        ),
        (
            enforced(undecided={"sqs:Shred: there is no such action": 1}),
            "undecided, 1 time: sqs:Shred: there is no such action",
        ),
        (
            enforced(passed=["deny role/etl kms:Sign key/signing: it was allowed"]),
            "was not refused: deny role/etl kms:Sign key/signing: it was allowed",
        ),
    ],
)
def test_what_is_wrong_is_told(found: Enforced, told: str) -> None:
    assert problems(found) == [told]
