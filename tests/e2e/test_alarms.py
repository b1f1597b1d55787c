"""Whoever changes what the evidence rests on is heard: the call's record goes by a rule to the topic."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scripts.demo.pipeline import Pipeline

pytestmark = pytest.mark.xdist_group("pipeline")

PATIENCE_SECONDS = 300.0


class Ear:
    """A queue that gets what the topic is told."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._sqs, self._sns = pipeline.client("sqs"), pipeline.client("sns")
        self._url = self._sqs.create_queue(QueueName="heard-of-changes")["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        self.subscription = self._sns.subscribe(
            TopicArn=pipeline.deployment.topic_arn,
            Protocol="sqs",
            Endpoint=attributes["Attributes"]["QueueArn"],
        )["SubscriptionArn"]

    def close(self) -> None:
        self._sns.unsubscribe(SubscriptionArn=self.subscription)
        self._sqs.delete_queue(QueueUrl=self._url)

    def hear(self, call: str) -> dict[str, Any]:
        """The alert about a call, once it is there; those before it are forgotten."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            for message in self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get(
                "Messages", ()
            ):
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
                told = json.loads(message["Body"])["Message"]
                alert: dict[str, Any] = json.loads(told) if told.startswith("{") else {}
                if alert.get("call") == call:
                    return alert
            time.sleep(0.1)
        raise AssertionError(f"nobody was told of {call}")


@pytest.fixture
def ear(pipeline: Pipeline) -> Iterator[Ear]:
    ear = Ear(pipeline)
    yield ear
    ear.close()


def test_whoever_assumes_the_emergency_role_is_heard(pipeline: Pipeline, ear: Ear) -> None:
    """And no role other than the emergency role; no local trail logs this call, which is a read."""
    for role in ("people-auditor", "people-break-glass"):
        pipeline.aws.admin(
            "events/put",
            source="aws.sts",
            **{"detail-type": "AWS API Call via CloudTrail", "detail": assumed(pipeline.roles[role])},
        )
    assert ear.hear("AssumeRole")["asked"]["roleArn"] == pipeline.roles["people-break-glass"]


def assumed(role_arn: str) -> dict[str, Any]:
    """The fields of CloudTrail's record of AssumeRole that rules match: a read-only management event."""
    return {
        "eventSource": "sts.amazonaws.com",
        "eventName": "AssumeRole",
        "readOnly": True,
        "managementEvent": True,
        "requestParameters": {"roleArn": role_arn, "roleSessionName": "someone"},
    }


def stop_trail(pipeline: Pipeline) -> tuple[str, str]:
    client, name = pipeline.client("cloudtrail"), pipeline.deployment.trail_arn
    client.stop_logging(Name=name)
    client.start_logging(Name=name)
    return "StopLogging", "trail-changed"


def disable_key(pipeline: Pipeline) -> tuple[str, str]:
    client, key = pipeline.client("kms"), pipeline.deployment.keys["signing"]
    client.disable_key(KeyId=key)
    client.enable_key(KeyId=key)
    return "DisableKey", "key-changed"


def open_evidence(pipeline: Pipeline) -> tuple[str, str]:
    client, bucket = pipeline.client("s3"), pipeline.deployment.buckets["provenance"]
    policy = client.get_bucket_policy(Bucket=bucket)["Policy"]
    client.put_bucket_policy(Bucket=bucket, Policy=policy)
    return "PutBucketPolicy", "evidence-bucket-changed-data-bucket-changed"


def forget_notification(pipeline: Pipeline) -> tuple[str, str]:
    client, bucket = pipeline.client("s3"), pipeline.deployment.buckets["raw-data"]
    told = client.get_bucket_notification_configuration(Bucket=bucket)
    del told["ResponseMetadata"]
    client.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    client.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=told)
    return "PutBucketNotification", "evidence-bucket-changed-data-bucket-changed"


def stop_recorder(pipeline: Pipeline) -> tuple[str, str]:
    client, name = pipeline.client("lambda"), pipeline.deployment.functions["recorder"]
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    client.delete_function_concurrency(FunctionName=name)
    return "PutFunctionConcurrency20171031", "recording-changed-queue-changed"


def purge_queue(pipeline: Pipeline) -> tuple[str, str]:
    pipeline.client("sqs").purge_queue(QueueUrl=pipeline.deployment.queues["recorder-dlq"])
    return "PurgeQueue", "recording-changed-queue-changed"


def silence_rule(pipeline: Pipeline) -> tuple[str, str]:
    client, name = (
        pipeline.client("events"),
        f"{pipeline.deployment.trail_arn.rpartition('/')[2]}-key-changed",
    )
    client.disable_rule(Name=name)
    client.enable_rule(Name=name)
    return "DisableRule", "alerts-changed"


def silence_alarm(pipeline: Pipeline) -> tuple[str, str]:
    client = pipeline.client("cloudwatch")
    prefix = pipeline.deployment.trail_arn.rpartition("/")[2]
    (alarm, *_) = client.describe_alarms(AlarmNamePrefix=f"{prefix}-recorder-errors")["MetricAlarms"]
    client.disable_alarm_actions(AlarmNames=[alarm["AlarmName"]])
    client.enable_alarm_actions(AlarmNames=[alarm["AlarmName"]])
    return "DisableAlarmActions", "alerts-changed"


def silence_subscriber(pipeline: Pipeline) -> tuple[str, str]:
    client, topic = pipeline.client("sns"), pipeline.deployment.topic_arn
    made = client.subscribe(TopicArn=topic, Protocol="email", Endpoint="team@example.com")
    client.unsubscribe(SubscriptionArn=made["SubscriptionArn"])
    return "Unsubscribe", "alerts-changed"


@pytest.mark.parametrize(
    "attack",
    [
        stop_trail,
        disable_key,
        open_evidence,
        forget_notification,
        stop_recorder,
        purge_queue,
        silence_rule,
        silence_alarm,
        silence_subscriber,
    ],
)
def test_whoever_weakens_the_evidence_is_heard(
    pipeline: Pipeline, ear: Ear, attack: Callable[[Pipeline], tuple[str, str]]
) -> None:
    call, section = attack(pipeline)
    alert = ear.hear(call)
    assert alert["do"] == f"docs/runbook_failures.md#{section}"
    assert alert["who"].endswith(":user/operator")
    assert alert["what"]
    assert alert["when"]
    assert alert["asked"]
