"""The auditor as AWS Lambda runs it, with S3, SNS, EventBridge and Athena of moto."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import boto3
import pytest
from moto import mock_aws

from custody.errors import CannotCheckError, UsageError
from custody.ledger.auditor import STATE_KEY
from tests.support.normal_life import DEPLOYMENT

SETTINGS = {
    "ARTIFACTS_BUCKET": DEPLOYMENT.buckets["artifacts"],
    "DEPLOYMENT_KEY": "deployments/custody-local.json",
    "POWERTOOLS_SERVICE_NAME": "auditor",
}


@dataclass
class Context:
    """AWS Lambda's context object."""

    function_name: str = "custody-local-auditor"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:custody-local-auditor"
    aws_request_id: str = "11111111-2222-3333-4444-555555555555"
    seconds_left: int = 900

    def get_remaining_time_in_millis(self) -> int:
        """Until the function is stopped."""
        return self.seconds_left * 1000


@pytest.fixture(autouse=True)
def _lambda(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in (SETTINGS | {"AWS_DEFAULT_REGION": "us-east-1"}).items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield


def start() -> Any:
    """Import the function again, like a cold start."""
    sys.modules.pop("auditor.handler", None)
    return importlib.import_module("auditor.handler")


@pytest.mark.parametrize("name", SETTINGS)
def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(UsageError, match=name):
        start()


def test_it_asks_the_deployment_that_its_bucket_names() -> None:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=SETTINGS["ARTIFACTS_BUCKET"])
    deployment = asdict(DEPLOYMENT) | {"functions": {"auditor": "arn"}}
    for name in ("queues", "jobs", "streams"):
        deployment[name] = {}
    s3.put_object(
        Bucket=SETTINGS["ARTIFACTS_BUCKET"],
        Key=SETTINGS["DEPLOYMENT_KEY"],
        Body=json.dumps(deployment).encode(),
    )
    boto3.client("athena").create_work_group(Name=DEPLOYMENT.workgroup, Configuration={})
    function = start()

    assert function.handler({}, Context()) == {"told": 0, "known": 0}

    stored = s3.get_object(Bucket=SETTINGS["ARTIFACTS_BUCKET"], Key=STATE_KEY)["Body"].read()
    assert json.loads(stored)["known"] == []

    with pytest.raises(CannotCheckError, match="no time left"):
        function.handler({}, Context(seconds_left=300))
