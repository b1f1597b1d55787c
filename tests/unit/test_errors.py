"""The exit codes of the command line, and what a finding looks like in JSON."""

from __future__ import annotations

import json

from custody.errors import CannotCheckError, CustodyError, EvidenceError, UsageError
from custody.findings import Claim, Finding, Severity, Status
from custody.recorder.notification import MalformedMessageError


def test_each_kind_of_error_has_its_exit_code() -> None:
    kinds = (EvidenceError, UsageError, CannotCheckError, CustodyError, MalformedMessageError)
    assert [kind.exit_code for kind in kinds] == [1, 2, 3, 3, 3]


def test_an_error_says_what_is_wrong_and_what_to_do() -> None:
    assert str(UsageError("No file.", "Make one.")) == "No file. Make one."
    assert str(UsageError("No file.")) == "No file."


def test_a_finding_in_json() -> None:
    finding = Finding(Claim.OBJECT_HASH, Status.FAILED, "s3://b/k?versionId=v", "differs", Severity.CRITICAL)
    assert json.loads(json.dumps(finding.to_dict())) == {
        "claim": "object.hash",
        "status": "failed",
        "subject": "s3://b/k?versionId=v",
        "detail": "differs",
        "severity": "critical",
    }


def test_the_names_of_the_claims_are_a_contract() -> None:
    assert [str(claim) for claim in Claim] == [
        "object.hash",
        "receipt.signature",
        "receipt.unique",
        "trail.event",
        "trail.digest",
        "trail.complete",
        "lineage.inputs",
        "log.checkpoint",
        "log.consistency",
        "log.inclusion",
        "log.complete",
        "ledger.row",
        "key.use",
        "copy.complete",
        "copy.hash",
    ]
