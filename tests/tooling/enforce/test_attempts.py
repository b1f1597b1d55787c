"""Rows that deny become calls: one that is refused counts, one that is not is told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import pytest

from scripts.access.matrix import Row
from scripts.access.world import AbsentError, World
from scripts.enforce.attempts import CannotCallError, attempt, call_of
from scripts.local_aws import LocalAws

HERE = "us-east-1:123456789012"
RAW = "custody-local-raw-data-123456789012"
BUS = f"arn:aws:events:{HERE}:event-bus/another"
KEY = f"arn:aws:kms:{HERE}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
CONTROL = {"Version": "2012-10-17", "Statement": []}
OUTPUTS = {
    "account_id": "123456789012",
    "control_policies": {"resource": json.dumps(CONTROL), "service": json.dumps(CONTROL)},
    "database": "custody_local",
    "keys": {"signing": KEY},
    "region": "us-east-1",
    "trail_arn": f"arn:aws:cloudtrail:{HERE}:trail/custody-local",
    "workgroup": "custody-local",
}


@pytest.fixture(scope="module")
def world() -> World:
    bucket = {
        "address": "aws_s3_bucket.this",
        "mode": "managed",
        "type": "aws_s3_bucket",
        "name": "this",
        "values": {"bucket": RAW, "arn": f"arn:aws:s3:::{RAW}"},
    }
    outputs = {name: {"value": value} for name, value in OUTPUTS.items()}
    return World({"values": {"outputs": outputs, "root_module": {"resources": [bucket]}}})


def row(words: str, context: Mapping[str, str | list[str]] | None = None, **more: Any) -> Row:
    who, action, resource = words.split()
    return Row("deny", who, action, resource, (), context or {}, "of a test", **more)


@pytest.mark.parametrize(
    ("denied", "expected"),
    [
        (
            row("role/etl s3:PutObject raw-data/incoming/a", {"s3:if-none-match": "*"}),
            ("s3", "PutObject", {"Bucket": RAW, "Key": "incoming/a", "Body": b"forged", "IfNoneMatch": "*"}),
        ),
        (
            row("role/etl s3:ListBucket raw-data", {"s3:prefix": "incoming/"}),
            ("s3", "ListObjectsV2", {"Bucket": RAW, "Prefix": "incoming/"}),
        ),
        (
            row("people/producer sqs:ReceiveMessage queue/recorder"),
            ("sqs", "ReceiveMessage", {"QueueUrl": "https://sqs/123456789012/custody-local-recorder"}),
        ),
        (
            row("people/analyst lambda:InvokeFunction function/gate"),
            ("lambda", "Invoke", {"FunctionName": "custody-local-gate"}),
        ),
        (
            row("role/etl glue:GetTable table/orders"),
            ("glue", "GetTable", {"DatabaseName": "custody_local", "Name": "orders"}),
        ),
        (
            row(f"role/auditor events:PutEvents {BUS}", {"events:source": ["custody"]}),
            (
                "events",
                "PutEvents",
                {"Entries": [{"Source": "custody", "EventBusName": BUS}]},
            ),
        ),
    ],
)
def test_a_row_becomes_the_call_that_asks_for_it(
    world: World, denied: Row, expected: tuple[str, str, dict[str, Any]]
) -> None:
    assert call_of(denied, world) == expected


def test_what_an_operation_requires_is_filled_in(world: World) -> None:
    service, operation, parameters = call_of(row("role/etl kms:Sign key/signing"), world)
    assert (service, operation, parameters["KeyId"]) == ("kms", "Sign", KEY)
    assert parameters.keys() == {"KeyId", "Message", "SigningAlgorithm"}


@pytest.mark.parametrize(
    "denied",
    [
        row("role/etl s3:GetObject raw-data/a", {"aws:SecureTransport": "false"}),
        row("role/etl s3:ReplicateObject raw-data/a"),
        row("role/etl iam:PassRole *"),
        row("role/etl s3:GetObject raw-data/a", guarded=True),
        row("role/etl s3:GetObject raw-data/a", parts=True),
        row("anonymous sqs:SendMessage queue/recorder"),
        row("role/etl execute-api:Invoke *"),
    ],
    ids=str,
)
def test_a_row_that_no_call_can_be_made_of_is_not_made_to_one(world: World, denied: Row) -> None:
    with pytest.raises(CannotCallError):
        call_of(denied, world)


def test_what_is_not_deployed_is_told(world: World) -> None:
    with pytest.raises(AbsentError):
        call_of(row("role/etl s3:GetObject adopted/letters/a.csv"), world)


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with LocalAws(tmp_path_factory.mktemp("attempts"), enforced=True) as running:
        yield running


def keys(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: environ[name.upper()] for name in ("aws_access_key_id", "aws_secret_access_key")}


def test_what_is_refused_counts_and_what_is_not_is_told(world: World, aws: LocalAws) -> None:
    def credentials(who: str) -> dict[str, str]:
        if who == "github":
            raise CannotCallError("of nobody here")
        return keys(aws.environ() if who == "operator" else aws.person_environ(who))

    where = {"endpoint_url": aws.endpoint, "region_name": "us-east-1"}
    boto3.client("s3", **where, **keys(aws.environ())).create_bucket(Bucket=RAW)  # type: ignore[call-overload]
    rows = [
        row("ann s3:PutObject raw-data/a"),
        row("ann sqs:SendMessage queue/recorder"),
        row("operator s3:PutObject raw-data/a"),
        row("ann s3:GetObject raw-data/nothing", {"s3:versionid": "v1"}),
        row("github s3:PutObject raw-data/a"),
        row("ann s3:GetObject adopted/a"),
    ]
    outcome = attempt(rows, world, aws.endpoint, credentials)
    assert (outcome.refused, dict(outcome.by)) == (2, {"ann": 2})
    assert outcome.passed == ["deny operator s3:PutObject raw-data/a: it was allowed"]
    assert outcome.elsewhere == [
        f"deny ann s3:GetObject raw-data/nothing: s3:GetObjectVersion on arn:aws:s3:::{RAW}/nothing"
    ]
    assert dict(outcome.left_out) == {"of nobody here": 1, "of what the demonstration does not deploy": 1}
