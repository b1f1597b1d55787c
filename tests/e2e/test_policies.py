"""What the plan could not say yet: the policies that name keys, as they were applied."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from scripts.pipeline import Pipeline

pytestmark = pytest.mark.xdist_group("pipeline")


def _resources(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from module.get("resources", ())
    for child in module.get("child_modules", ()):
        yield from _resources(child)


@pytest.fixture(scope="module")
def applied(pipeline: Pipeline) -> list[dict[str, Any]]:
    """Every resource in the state."""
    return list(_resources(pipeline.terraform.show_json()["values"]["root_module"]))


def statements(policy: str) -> dict[str, dict[str, Any]]:
    return {statement["Sid"]: statement for statement in json.loads(policy)["Statement"]}


def test_the_recorder_uses_these_keys_alone(pipeline: Pipeline, applied: list[dict[str, Any]]) -> None:
    (policy,) = [
        resource["values"]["policy"]
        for resource in applied
        if resource["type"] == "aws_iam_role_policy" and resource["values"]["name"] == "use-keys"
    ]
    keys = pipeline.deployment.keys
    assert {sid: (entry["Action"], entry["Resource"]) for sid, entry in statements(policy).items()} == {
        "DecryptObjects": ("kms:Decrypt", keys["data"]),
        "EncryptReceipts": (["kms:GenerateDataKey", "kms:Decrypt"], keys["provenance"]),
        "SignReceipts": ("kms:Sign", keys["signing"]),
    }


def test_each_bucket_refuses_every_key_but_its_own(pipeline: Pipeline, applied: list[dict[str, Any]]) -> None:
    variable = "s3:x-amz-server-side-encryption-aws-kms-key-id"
    named = {
        resource["values"]["bucket"]: entry["Condition"]["StringNotEquals"][variable]
        for resource in applied
        if resource["type"] == "aws_s3_bucket_policy"
        for sid, entry in statements(resource["values"]["policy"]).items()
        if sid == "NobodyWithAnotherKey"
    }
    keys, buckets = pipeline.deployment.keys, pipeline.deployment.buckets
    assert named == {
        buckets["raw-data"]: keys["data"],
        buckets["processed"]: keys["data"],
        buckets["analytics"]: keys["data"],
        buckets["athena-results"]: keys["data"],
        buckets["artifacts"]: keys["provenance"],
        buckets["provenance"]: keys["provenance"],
        buckets["cloudtrail-log"]: keys["trail"],
    }


def test_no_applied_policy_lets_anybody_in(applied: list[dict[str, Any]]) -> None:
    policies = [
        (resource["address"], entry)
        for resource in applied
        if resource["mode"] == "managed"
        for argument in ("policy", "assume_role_policy")
        for entry in statements(resource["values"].get(argument) or '{"Statement": []}').values()
    ]
    assert len(policies) > 50
    for address, entry in policies:
        if entry["Effect"] == "Allow":
            assert entry.get("Principal") not in ("*", {"AWS": "*"}), address
            assert entry["Action"] != "*", address
