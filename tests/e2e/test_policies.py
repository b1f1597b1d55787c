"""What a plan does not know: the policies that name keys, as applied, and whom the buckets deny."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scripts.demo.pipeline import Pipeline

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
        if resource["type"] == "aws_iam_role_policy"
        and (resource["values"]["role"], resource["values"]["name"]) == ("custody-local-recorder", "use-keys")
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
        buckets["artifacts"]: keys["data"],
        buckets["provenance"]: keys["provenance"],
        buckets["cloudtrail-log"]: keys["trail"],
    }


def test_each_bucket_re_encrypts_with_its_own_key_and_evidence_not_at_all(
    pipeline: Pipeline, applied: list[dict[str, Any]]
) -> None:
    variable = "s3:x-amz-server-side-encryption-aws-kms-key-id"
    unless = {
        resource["values"]["bucket"]: entry.get("Condition")
        for resource in applied
        if resource["type"] == "aws_s3_bucket_policy"
        for sid, entry in statements(resource["values"]["policy"]).items()
        if sid == "NobodyReencrypts"
    }
    buckets = pipeline.deployment.buckets
    own = {"StringNotEquals": {variable: pipeline.deployment.keys["data"]}}
    at_all = ("access-logs", "cloudtrail-log", "provenance")
    assert unless == {name: None if short in at_all else own for short, name in buckets.items()}


@pytest.mark.parametrize("storage_class", ["DEEP_ARCHIVE", "GLACIER", "ONEZONE_IA"])
def test_nothing_comes_into_a_class_that_cannot_be_read_at_once(
    pipeline: Pipeline, storage_class: str
) -> None:
    s3, place = pipeline.client("s3"), {"Bucket": pipeline.deployment.buckets["artifacts"], "Key": "tests/a"}
    s3.put_object(**place, Body=b"a", StorageClass="STANDARD_IA")
    for call in (
        lambda **settings: s3.put_object(**settings, Body=b"b"),
        lambda **settings: s3.copy_object(**settings, CopySource=place),
        s3.create_multipart_upload,
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            call(**place, StorageClass=storage_class)


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


PLACES = {
    "analytics": "tables/customer_value/x",
    "artifacts": "glue/x",
    "athena-results": "results/x",
    "cloudtrail-log": "AWSLogs/x",
    "processed": "tables/customers/x",
    "provenance": "log/x",
    "raw-data": "incoming/x",
}
ALLOWED = {
    "etl": {"analytics", "artifacts", "processed", "raw-data"},
    "gate": {"analytics", "processed", "provenance"},
    "people-analyst": {"analytics", "artifacts", "athena-results"},
    "people-producer": {"artifacts", "provenance", "raw-data"},
    "people-security-admin": set(),
    "sealer": {"cloudtrail-log", "provenance"},
}


def refused(pipeline: Pipeline, short: str, role_arn: str) -> bool:
    """Whether the bucket's own policy refuses a session of the role that asks for what is not there."""
    try:
        pipeline.client("s3", role_arn=role_arn, session="somebody").head_object(
            Bucket=pipeline.deployment.buckets[short], Key=PLACES[short]
        )
    except ClientError as error:
        code = error.response["Error"]["Code"]
        assert code in ("403", "404"), code
        return code == "403"
    raise AssertionError(f"{short} holds {PLACES[short]}")


@pytest.mark.parametrize("short", PLACES)
def test_a_bucket_refuses_whom_it_does_not_name(pipeline: Pipeline, short: str) -> None:
    """Whatever their own policies allow: IAM is not enforced here, so that only the bucket policy decides."""
    stranger = pipeline.client("iam").create_role(
        RoleName=f"stranger-to-{short}",
        AssumeRolePolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:aws:iam::{pipeline.deployment.account_id}:user/operator"},
                    "Action": "sts:AssumeRole",
                },
            }
        ),
    )["Role"]["Arn"]
    assert refused(pipeline, short, stranger)
    for role, buckets in ALLOWED.items():
        assert refused(pipeline, short, pipeline.roles[role]) == (short not in buckets), role


def test_only_the_sealer_writes_the_log_and_only_what_it_has_seen(pipeline: Pipeline) -> None:
    bucket, key = pipeline.deployment.buckets["provenance"], "log/checkpoint-of-a-test"

    def put(role: str, **condition: str) -> str:
        s3 = pipeline.client("s3", role_arn=pipeline.roles[role], session="somebody")
        try:
            return str(s3.put_object(Bucket=bucket, Key=key, Body=b"1", **condition)["ETag"])
        except ClientError as error:
            return str(error.response["Error"]["Code"])

    assert put("recorder", IfNoneMatch="*") == "AccessDenied"
    assert put("sealer") == "AccessDenied"
    etag = put("sealer", IfNoneMatch="*")
    assert etag.startswith('"')
    assert put("sealer", IfMatch='"0"') == "PreconditionFailed"
    assert put("sealer", IfMatch=etag) == etag
