"""A plan tells what the trail does not log that it would read."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from moto import mock_aws

from scripts.state.trails import existing_trail, unlogged_by

ACCOUNT = "123456789012"
ARN = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/everything"
BUCKETS = ("arn:aws:s3:::archive/letters/", "arn:aws:s3:::raw/")
OBJECTS = [
    {"Field": "eventCategory", "Equals": ["Data"]},
    {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
    {"Field": "resources.ARN", "StartsWith": list(BUCKETS)},
]
FUNCTIONS = [
    {"Field": "resources.type", "Equals": ["AWS::Lambda::Function"]},
    {"Field": "resources.ARN", "StartsWith": ["arn:aws:lambda:us-east-1:1:function:f"]},
]
WRITES = [
    {"Field": "eventCategory", "Equals": ["Management"]},
    {"Field": "readOnly", "Equals": ["false"]},
]
SELECTORS = [{"Name": "n", "FieldSelectors": fields} for fields in (OBJECTS, FUNCTIONS, WRITES)]


def plan(arn: str = ARN, folder: str = f"logs/AWSLogs/{ACCOUNT}/") -> dict[str, Any]:
    outputs = {
        "buckets": {"cloudtrail-log": "trails"},
        "existing_trail_folder": folder,
        "existing_trail_owner": {arn: {"event_selectors": json.dumps(SELECTORS)}},
        "management_trail_arn": arn,
        "trail_arn": arn,
    }
    return {"planned_values": {"outputs": {name: {"value": value} for name, value in outputs.items()}}}


@pytest.fixture
def cloudtrail(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("MOTO_ACCOUNT_ID", ACCOUNT)
    with mock_aws():
        boto3.client("s3", "us-east-1").create_bucket(Bucket="trails")
        client = boto3.client("cloudtrail", "us-east-1")
        client.create_trail(
            Name="everything",
            S3BucketName="trails",
            S3KeyPrefix="logs",
            IsMultiRegionTrail=True,
            EnableLogFileValidation=True,
        )
        client.start_logging(Name="everything")
        client.put_event_selectors(TrailName="everything", AdvancedEventSelectors=SELECTORS)
        yield client


def test_a_trail_that_logs_all_is_not_spoken_of(cloudtrail: Any) -> None:
    assert list(unlogged_by(cloudtrail, plan())) == []


def test_what_a_trail_does_not_do_is_told_at_once(cloudtrail: Any) -> None:
    cloudtrail.stop_logging(Name="everything")
    cloudtrail.update_trail(Name="everything", EnableLogFileValidation=False, IsMultiRegionTrail=False)
    some = [*OBJECTS[:2], {"Field": "resources.ARN", "StartsWith": [BUCKETS[0]]}, WRITES[1]]
    cloudtrail.put_event_selectors(
        TrailName="everything", AdvancedEventSelectors=[{"Name": "n", "FieldSelectors": some}]
    )
    folder = f"AWSLogs/{ACCOUNT}/"
    assert list(unlogged_by(cloudtrail, plan(folder=folder))) == [
        "The trail is not logging.",
        f"The trail delivers to s3://trails/logs/AWSLogs/{ACCOUNT}…, and s3://trails/{folder} is read.",
        "The trail writes no digests: nobody can tell whether its log files are whole.",
        "The trail logs only one Region, and no global service.",
        f"The trail does not log reads of {BUCKETS[0]}*.",
        f"The trail does not log reads of {BUCKETS[1]}*.",
        f"The trail does not log writes of {BUCKETS[1]}*.",
        "The trail does not log management write events.",
    ]


def test_what_aws_does_not_say_is_not_taken_for_well(cloudtrail: Any) -> None:
    arn = "arn:aws:cloudtrail:us-east-1:210987654321:trail/everybody"
    (told,) = unlogged_by(cloudtrail, plan(arn))
    assert told.startswith(f"What the trail {arn} logs is not known here: An error occurred (TrailNotFound")


def test_of_a_trail_of_its_own_the_plan_is_enough() -> None:
    assert (existing_trail(plan()), existing_trail(plan(folder="")), existing_trail({})) == (ARN, "", "")
