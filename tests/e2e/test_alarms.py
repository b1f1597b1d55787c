"""The alarms for management events, tested with CloudTrail's events: no local trail logs such calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scripts.demo.pipeline import Pipeline

pytestmark = pytest.mark.xdist_group("pipeline")


def test_whoever_assumes_the_emergency_role_is_heard(pipeline: Pipeline) -> None:
    """And no role other than the emergency role."""
    sqs, sns = pipeline.client("sqs"), pipeline.client("sns")
    url = sqs.create_queue(QueueName="heard-of-emergency")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    subscription = sns.subscribe(TopicArn=pipeline.deployment.topic_arn, Protocol="sqs", Endpoint=arn)
    try:
        for role in ("people-auditor", "people-break-glass"):
            pipeline.aws.admin(
                "events/put",
                source="aws.sts",
                **{"detail-type": "AWS API Call via CloudTrail", "detail": assumed(pipeline.roles[role])},
            )
        heard: list[dict[str, Any]] = [
            json.loads(json.loads(message["Body"])["Message"])
            for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        ]
    finally:
        sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    of_sts = [event["detail"] for event in heard if event.get("source") == "aws.sts"]
    assert of_sts == [assumed(pipeline.roles["people-break-glass"])]


def assumed(role_arn: str) -> dict[str, Any]:
    """The fields of CloudTrail's record of AssumeRole that rules match: a read-only management event."""
    return {
        "eventSource": "sts.amazonaws.com",
        "eventName": "AssumeRole",
        "readOnly": True,
        "managementEvent": True,
        "requestParameters": {"roleArn": role_arn, "roleSessionName": "someone"},
    }
