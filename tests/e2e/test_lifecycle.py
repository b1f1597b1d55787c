"""A deployment's life: applied, planned again, its signing key rotated and revoked, destroyed."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from typing import Any

import pytest

from custody.evidence.objects import ObjectVersion
from custody.times import format_time
from scripts.demo.pipeline import Pipeline, apply
from scripts.local_aws import LocalAws
from scripts.terraform import Terraform
from scripts.toolchain.toolchain import BUILD

pytestmark = pytest.mark.xdist_group("lifecycle")

EPOCH = "2025-01-01T00:00:00Z"


def drop(pipeline: Pipeline, key: str) -> ObjectVersion:
    bucket = pipeline.deployment.buckets["raw-data"]
    answer = pipeline.client("s3").put_object(Bucket=bucket, Key=key, Body=key.encode())
    version = ObjectVersion(bucket, key, answer["VersionId"])
    pipeline.await_receipts([version])
    pipeline.deliver_trail()
    return version


def apply_with_keys(pipeline: Pipeline, active: str, keys: dict[str, Any]) -> None:
    terraform = Terraform(
        "local",
        work_dir=pipeline.terraform.work_dir,
        environ=pipeline.aws.environ(),
        variables={"signing_keys": keys, "signing_key": active},
    )
    terraform.plan()
    terraform.apply()


def findings(pipeline: Pipeline) -> list[dict[str, str]]:
    done = pipeline.custody("verify", "--format", "json")
    assert done.returncode in (0, 1), done.stderr
    found: list[dict[str, str]] = json.loads(done.stdout)["findings"]
    assert bool(found) == (done.returncode == 1)
    return found


def test_a_deployments_life() -> None:
    work_dir = BUILD / "test" / "lifecycle"
    shutil.rmtree(work_dir, ignore_errors=True)
    with LocalAws(work_dir / "aws") as aws:
        pipeline = apply(aws, work_dir)
        again = pipeline.terraform.plan()
        assert not again.has_changes, again.summary()

        first = drop(pipeline, "incoming/signed-by-a.csv")
        ended = format_time(datetime.now(UTC))
        apply_with_keys(
            pipeline, "b", {"a": {"valid_from": EPOCH, "valid_until": ended}, "b": {"valid_from": ended}}
        )
        second = drop(pipeline, "incoming/signed-by-b.csv")
        assert keyid(pipeline, first) != keyid(pipeline, second)
        assert findings(pipeline) == []

        apply_with_keys(
            pipeline,
            "c",
            {
                "a": {"valid_from": EPOCH, "valid_until": ended},
                "b": {"valid_from": ended, "revoked_at": ended},
                "c": {"valid_from": ended},
            },
        )
        drop(pipeline, "incoming/signed-by-c.csv")
        (revoked,) = findings(pipeline)
        assert (revoked["claim"], revoked["subject"]) == ("receipt.signature", second.uri)
        assert "revoked" in revoked["detail"]

        pipeline.terraform.destroy()
        state = json.loads(pipeline.terraform.state_path.read_bytes())
        assert state["resources"] == []
        assert pipeline.client("s3").list_buckets()["Buckets"] == []


def keyid(pipeline: Pipeline, version: ObjectVersion) -> str:
    found = pipeline.client("s3").get_object(
        Bucket=pipeline.deployment.buckets["provenance"], Key=version.receipt_key
    )
    keyid: str = json.loads(found["Body"].read())["signatures"][0]["keyid"]
    return keyid
