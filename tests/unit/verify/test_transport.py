"""What goes to the worker processes and comes back is there what it was here."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest

from custody.findings import Claim, Finding, Severity, Status
from custody.log.rebuild import Bundle, Problem
from custody.verify.index import ReportedObject, StoredReceipt
from custody.verify.receipt import CheckedReceipt, Verdict
from custody.verify.sealed import Asked, BundleTask, CheckedBundle, Held, Stray

NOW = datetime(2026, 11, 20, 13, 0, 0, 123000, tzinfo=UTC)
STORED = StoredReceipt("provenance/raw/a/v.json", "v", NOW, "s3://raw/a?versionId=v", True, 1290, 5, '"e"')
REPORTED = ReportedObject("ab" * 32, 5, NOW, "S3 Batch Operations, job 1")
FINDING = Finding(Claim.LOG_COMPLETE, Status.FAILED, "s3://raw/a", "It is gone.", Severity.CRITICAL)


@pytest.mark.parametrize(
    "value",
    [
        BundleTask(3, (), (), with_entries=False, names_strays=False),
        BundleTask(
            3,
            (
                Asked(STORED, True, False),
                Asked(STORED._replace(reported=REPORTED), True, True),
                Asked(STORED._replace(object_uri=None, leaf=None), False, True),
            ),
            (700, 768),
            with_entries=True,
            names_strays=True,
        ),
        CheckedBundle(Bundle(3)),
        CheckedBundle(
            Bundle(
                3,
                b"r" * 32,
                b"t" * 32,
                {700: b"e" * 32},
                {},
                ((800, 7),),
                (Problem("p", Status.FAILED, "d"),),
            ),
            (Held("k", "u", None, "ab" * 32, NOW, True), Held("k2", "u2", "R", "cd" * 32, NOW, False)),
            (
                CheckedReceipt(
                    STORED, (Verdict(Claim.OBJECT_HASH, "s", (FINDING,)),), misplaced=True, key_id="k"
                ),
            ),
            2,
            (Stray(9, None, True, statement=b"s"),),
            (FINDING,),
            b"h" * 8,
            ("problem",),
            "unchecked",
            1,
            1,
        ),
    ],
    ids=["no receipts", "receipts", "nothing", "everything"],
)
def test_it_is_the_same_on_the_other_side(value: BundleTask | CheckedBundle) -> None:
    there = pickle.loads(pickle.dumps(value))  # noqa: S301 - of this test
    assert there == value
    assert type(there) is type(value)
    if isinstance(there, BundleTask):
        assert all(isinstance(asked.stored, StoredReceipt) for asked in there.asked)
    else:
        assert all(isinstance(held, Held) for held in there.held)
