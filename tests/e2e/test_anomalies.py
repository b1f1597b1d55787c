"""The rules on a deployment: its views, its names and its keys."""

from __future__ import annotations

import json

import pytest

from scripts.demo.pipeline import Landed, Pipeline

pytestmark = pytest.mark.xdist_group("pipeline")


def test_a_deleted_raw_object_is_an_anomaly(pipeline: Pipeline, landed: list[Landed]) -> None:
    raw = pipeline.deployment.buckets["raw-data"]
    pipeline.client("s3").put_object(Bucket=raw, Key="aside/note.txt", Body=b"note")
    pipeline.client("s3").delete_object(Bucket=raw, Key="aside/note.txt")
    pipeline.deliver_trail()

    done = pipeline.custody("anomalies", "--since", "2h", "--format", "json")

    assert done.returncode == 1, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert answer["unchecked"] == {}
    deleted = [one for one in answer["findings"] if one["claim"] == "anomaly.raw-deleted"]
    assert [(one["subject"], one["severity"]) for one in deleted] == [(f"s3://{raw}", "high")]
    assert "aside/note.txt" in deleted[0]["detail"]


def test_the_deployment_says_when_its_keys_sign(pipeline: Pipeline) -> None:
    keys = {key.arn: key.signs for key in pipeline.deployment.signing_keys}

    assert keys[pipeline.deployment.keys["signing"]] == "receipts"
    assert keys[pipeline.deployment.keys["log"]] == "log"
    assert pipeline.deployment.roles.keys() >= {"recorder", "sealer", "gate", "etl"}
