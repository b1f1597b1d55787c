"""A plan with two signing keys: one signs, the other only stays in the registry."""

from __future__ import annotations

import pytest

from tests.plan.document import PlanDocument
from tests.support.plans import local_plan

pytestmark = pytest.mark.xdist_group("plan")

ROTATED = {
    "signing_key": "b",
    "signing_keys": {
        "a": {"valid_from": "2025-01-01T00:00:00Z", "valid_until": "2026-01-01T00:00:00.5Z"},
        "b": {"valid_from": "2026-01-01T00:00:00.5Z"},
    },
}


@pytest.fixture(scope="module")
def rotated() -> PlanDocument:
    return PlanDocument(local_plan(ROTATED))


def test_a_retired_key_signs_no_more(rotated: PlanDocument) -> None:
    users = {
        statement.document: statement.sid
        for statement in rotated.statements()
        if statement.in_key_policy and "kms:Sign" in statement.actions
    }
    assert users == {
        'module.signing_key["b"].data.aws_iam_policy_document.this': "RecorderSigns",
        'module.log_key["b"].data.aws_iam_policy_document.this': "SealerSigns",
    }


def test_every_key_is_registered(rotated: PlanDocument) -> None:
    asked = {change["address"] for change in rotated.changes if change["type"] == "aws_kms_public_key"}
    assert asked == {
        f'data.aws_kms_public_key.{of}["{label}"]' for of in ("log", "signing") for label in "ab"
    }


def test_the_registry_is_kept_for_ten_years_after_the_change_and_the_evidence(rotated: PlanDocument) -> None:
    (registry,) = [
        values
        for values in rotated.resources("aws_s3_object").values()
        if values["key"] == "keys/registry.json"
    ]
    assert registry["object_lock_mode"] == "GOVERNANCE"
    assert registry["object_lock_retain_until_date"] == "2036-01-03T00:00:00Z"
