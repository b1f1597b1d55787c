"""The rotator as AWS Lambda starts it and Secrets Manager invokes it."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto import mock_aws

from custody.errors import UsageError
from custody.warehouse.rotation import RotationError

SETTINGS = {
    "ACCOUNT_ENDPOINT": "https://accounts.example.org/v1",
    "ACCOUNT_NAME": "loader",
    "AWS_REGION": "us-east-1",
    "POWERTOOLS_SERVICE_NAME": "rotator",
}


@dataclass
class Context:
    """AWS Lambda's context object."""

    function_name: str = "custody-local-rotator"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:custody-local-rotator"
    aws_request_id: str = "11111111-2222-3333-4444-555555555555"


@pytest.fixture(autouse=True)
def _lambda(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield


def start() -> Any:
    """Import the function again, like a cold start."""
    sys.modules.pop("rotator.handler", None)
    return importlib.import_module("rotator.handler")


@pytest.mark.parametrize("name", SETTINGS)
def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(UsageError, match=name):
        start()


def test_an_endpoint_without_tls_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCOUNT_ENDPOINT", "http://accounts.example.org")
    with pytest.raises(UsageError, match="https URL"):
        start()


def test_the_first_version_is_made_and_a_step_out_of_turn_refused() -> None:
    secrets = boto3.client("secretsmanager")
    secret = secrets.create_secret(Name="custody-local-warehouse")["ARN"]
    rotator = start()
    event = {"Step": "firstVersion", "SecretId": secret}
    assert rotator.handler(event, Context()) == {"done": "made"}
    assert rotator.handler(event, Context()) == {"done": "already done"}
    assert json.loads(secrets.get_secret_value(SecretId=secret)["SecretString"]) == {"username": "loader"}
    with pytest.raises(RotationError, match="not enabled"):
        rotator.handler({"Step": "setSecret", "SecretId": secret, "ClientRequestToken": "x" * 32}, Context())
