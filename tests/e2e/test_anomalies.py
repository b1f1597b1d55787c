"""The rules on a deployment: its views, its names and its keys."""

from __future__ import annotations

import json
from typing import Any

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


def test_the_auditor_tells_of_it_once(pipeline: Pipeline, landed: list[Landed]) -> None:
    raw = pipeline.deployment.buckets["raw-data"]
    sqs, sns = pipeline.client("sqs"), pipeline.client("sns")
    queue = sqs.create_queue(QueueName="heard-of-anomalies")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    subscribed = sns.subscribe(
        TopicArn=pipeline.deployment.topic_arn,
        Protocol="sqs",
        Endpoint=arn,
        Attributes={"FilterPolicy": json.dumps({"severity": ["high"]})},
    )
    pipeline.client("s3").put_object(Bucket=raw, Key="aside/told.txt", Body=b"note")
    pipeline.client("s3").delete_object(Bucket=raw, Key="aside/told.txt")
    pipeline.deliver_trail()

    first, second = audit(pipeline), audit(pipeline)

    sns.unsubscribe(SubscriptionArn=subscribed["SubscriptionArn"])
    assert first["known"] == second["known"] > 0
    messages = [json.loads(body) for body in received(sqs, queue)]
    assert {message["MessageAttributes"]["severity"]["Value"] for message in messages} == {"high"}
    told = [each for each in messages if each["MessageAttributes"]["rule"]["Value"] == "raw-deleted"]
    assert {each["Subject"] for each in told} == {"[high] custody-local: raw-deleted"}
    assert all(f"s3://{raw}" in each["Message"] for each in told)
    assert len({each["MessageAttributes"]["notice"]["Value"] for each in told}) == len(told)


def audit(pipeline: Pipeline) -> dict[str, Any]:
    """Invoke the deployed function as its rule does, and return its answer."""
    answer = pipeline.client("lambda").invoke(
        FunctionName=pipeline.deployment.functions["auditor"], Payload=b"{}"
    )
    payload = answer["Payload"].read()
    assert "FunctionError" not in answer, payload
    done: dict[str, Any] = json.loads(payload)
    return done


def received(sqs: Any, queue: str) -> list[str]:
    """What is in a queue, taken."""
    found = []
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            found.append(message["Body"])
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return found


def test_the_deployment_says_when_its_keys_sign(pipeline: Pipeline) -> None:
    keys = {key.arn: key.signs for key in pipeline.deployment.signing_keys}

    assert keys[pipeline.deployment.keys["signing"]] == "receipts"
    assert keys[pipeline.deployment.keys["log"]] == "log"
    assert pipeline.deployment.roles.keys() >= {"recorder", "sealer", "gate", "etl"}
