"""A deployment's life: without data sets, with them, planned again, its key rotated, revoked, destroyed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from custody.deployment import load_deployment
from custody.evidence.objects import ObjectVersion
from custody.times import format_time
from scripts.demo.pipeline import Pipeline, deployed
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


def apply_with_keys(pipeline: Pipeline, active: str, keys: dict[str, Any]) -> Terraform:
    terraform = pipeline.terraform
    terraform.variables = {"signing_keys": keys, "signing_key": active}
    terraform.plan()
    terraform.apply()
    return terraform


def findings(pipeline: Pipeline) -> list[dict[str, str]]:
    done = pipeline.custody("verify", "--format", "json")
    assert done.returncode in (0, 1), done.stderr
    found: list[dict[str, str]] = json.loads(done.stdout)["findings"]
    assert bool(found) == (done.returncode == 1)
    return found


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Pipeline]:
    """A deployment without data sets."""
    work_dir = BUILD / "test" / "lifecycle"
    shutil.rmtree(work_dir, ignore_errors=True)
    with deployed(work_dir, lambda _: None, variables={"datasets": []}) as running:
        yield running


def test_evidence_without_a_table(pipeline: Pipeline, tmp_path: Path) -> None:
    """A file arrives, is recorded, and every claim about it holds."""
    assert pipeline.datasets == []
    assert "gate" not in pipeline.deployment.functions
    file = tmp_path / "letter.txt"
    file.write_text("Dear auditor")
    place = f"s3://{pipeline.deployment.buckets['raw-data']}/incoming/letters/"
    who = {"role": "people-producer", "session": "alice@example.com"}
    done = pipeline.custody("upload", str(file), "--to", place, "--wait", **who)
    assert done.returncode == 0, done.stderr
    pipeline.deliver_trail()
    done = pipeline.custody("verify", "--format", "json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["findings"]) == (0, []), done.stderr
    for claim in ("object.hash", "receipt.signature", "receipt.unique", "trail.event"):
        assert document["claims"][claim]["passed"] >= 1, claim
    for command in ("ledger", "doctor"):
        done = pipeline.custody(command)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_deployments_life(pipeline: Pipeline) -> None:
    """The data sets are added as the key is rotated for the first time."""
    first = drop(pipeline, "incoming/signed-by-a.csv")
    now = datetime.now(UTC)
    began, ended = format_time(now), format_time(now + timedelta(hours=1))
    terraform = apply_with_keys(
        pipeline, "b", {"a": {"valid_from": EPOCH, "valid_until": ended}, "b": {"valid_from": began}}
    )
    assert "gate" in load_deployment(terraform.deployment_path).functions
    again = terraform.plan()
    assert not again.has_changes, again.summary()
    second = drop(pipeline, "incoming/signed-by-b.csv")
    assert keyid(pipeline, first) != keyid(pipeline, second)
    assert findings(pipeline) == []

    terraform = apply_with_keys(
        pipeline,
        "c",
        {
            "a": {"valid_from": EPOCH, "valid_until": ended},
            "b": {"valid_from": began, "revoked_at": began},
            "c": {"valid_from": began},
        },
    )
    drop(pipeline, "incoming/signed-by-c.csv")
    found = findings(pipeline)
    (revoked,) = [each for each in found if each["claim"] == "receipt.signature"]
    assert revoked["subject"] == second.uri
    # A label's keys are revoked together: that of the log has signed checkpoints since.
    assert {each["claim"] for each in found} <= {"receipt.signature", "log.checkpoint", "key.use"}
    assert [each for each in found if "revoked" not in each["detail"]] == []

    terraform.destroy()
    assert "values" not in terraform.show_json()
    assert pipeline.client("s3").list_buckets()["Buckets"] == []


def keyid(pipeline: Pipeline, version: ObjectVersion) -> str:
    found = pipeline.client("s3").get_object(
        Bucket=pipeline.deployment.buckets["provenance"], Key=version.receipt_key
    )
    keyid: str = json.loads(found["Body"].read())["signatures"][0]["keyid"]
    return keyid
