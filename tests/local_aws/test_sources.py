from __future__ import annotations

import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from scripts.local_aws import LocalAws, LocalAwsError
from tests.local_aws.account import Account, eventually

# Keeps each batch it gets, reports messages with "bad" in them as failed, and fails completely on "worse".
KEEP = """
import json, os, uuid, boto3
s3 = boto3.client("s3")
def handler(event, context):
    s3.put_object(Bucket=os.environ["KEPT"], Key=str(uuid.uuid4()), Body=json.dumps(event))
    bodies = {record["messageId"]: record["body"] for record in event["Records"]}
    if any("worse" in body for body in bodies.values()):
        raise ValueError("worse")
    failed = [message for message, body in bodies.items() if "bad" in body]
    return {"batchItemFailures": [{"itemIdentifier": message} for message in failed]}
"""


class Source:
    """A queue that feeds a function, its dead-letter queue, and the batches the function was given."""

    def __init__(self, account: Account, server: LocalAws, code: str = KEEP, **mapping: Any) -> None:
        self._account = account
        self._server = server
        self._kept = account.bucket()
        self.dead_url, dead_arn = account.queue()
        redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2})
        self.url, self.arn = account.queue(VisibilityTimeout="900", RedrivePolicy=redrive)
        name = account.function(code, Environment={"Variables": {"KEPT": self._kept}})
        self._mapping = account.client("lambda").create_event_source_mapping(
            EventSourceArn=self.arn,
            FunctionName=name,
            **{"FunctionResponseTypes": ["ReportBatchItemFailures"], **mapping},
        )["UUID"]

    def enable(self) -> None:
        self._account.client("lambda").update_event_source_mapping(UUID=self._mapping, Enabled=True)

    def send(self, *bodies: str) -> None:
        sqs = self._account.client("sqs")
        entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies)]
        sqs.send_message_batch(QueueUrl=self.url, Entries=entries)

    def drained(self) -> bool:
        depth = self._server.admin("status")["queues"][self.arn.rpartition(":")[2]]
        return depth == {"visible": 0, "in_flight": 0}

    def batches(self) -> list[list[dict[str, Any]]]:
        s3 = self._account.client("s3")
        listed = s3.list_objects_v2(Bucket=self._kept).get("Contents", [])
        documents = [s3.get_object(Bucket=self._kept, Key=o["Key"])["Body"].read() for o in listed]
        return [json.loads(document)["Records"] for document in documents]


def test_the_function_gets_the_event_that_lambda_gives(aws: Account, server: LocalAws) -> None:
    source = Source(aws, server)
    aws.client("sqs").send_message(
        QueueUrl=source.url,
        MessageBody="words",
        MessageAttributes={"kind": {"DataType": "String", "StringValue": "plain"}},
    )
    eventually(source.drained)
    [[record]] = source.batches()
    attributes = record.pop("attributes")
    assert attributes["ApproximateReceiveCount"] == "1"
    assert abs(int(attributes["SentTimestamp"]) / 1000 - time.time()) < 60
    assert attributes.keys() == {
        "ApproximateReceiveCount",
        "SentTimestamp",
        "SenderId",
        "ApproximateFirstReceiveTimestamp",
    }
    assert record.pop("messageId")
    assert record.pop("receiptHandle")
    assert record == {
        "body": "words",
        "messageAttributes": {
            "kind": {
                "stringValue": "plain",
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": "String",
            }
        },
        "md5OfBody": hashlib.md5(b"words", usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": source.arn,
        "awsRegion": "us-east-1",
    }


def test_only_what_failed_comes_again_and_ends_in_the_dead_letter_queue(
    aws: Account, server: LocalAws
) -> None:
    source = Source(aws, server)
    source.send("1", '"bad"', "3")
    assert aws.messages(source.dead_url, 1) == ["bad"]
    assert source.drained()
    received = [record["body"] for batch in source.batches() for record in batch]
    assert sorted(received) == ['"bad"', '"bad"', "1", "3"]
    counts = [
        r["attributes"]["ApproximateReceiveCount"] for b in source.batches() for r in b if "bad" in r["body"]
    ]
    assert sorted(counts) == ["1", "2"]


def test_a_failed_invocation_fails_its_batch(aws: Account, server: LocalAws) -> None:
    source = Source(aws, server, MaximumBatchingWindowInSeconds=1)
    source.send("1", '"worse"')
    assert sorted(aws.messages(source.dead_url, 2), key=str) == [1, "worse"]


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        ("None", 0),
        ("{}", 0),
        ('{"batchItemFailures": []}', 0),
        ('{"batchItemFailures": None}', 0),
        ('"words"', 1),
        ('{"batchItemFailures": [{"itemIdentifier": ""}]}', 1),
        ('{"batchItemFailures": [{"itemIdentifier": None}]}', 1),
        ('{"batchItemFailures": [{"itemIdentifier": "unknown"}]}', 1),
        ('{"batchItemFailures": [{"wrong": "key"}]}', 1),
    ],
)
def test_what_an_answer_means(aws: Account, server: LocalAws, answer: str, failed: int) -> None:
    source = Source(aws, server, f"def handler(event, context): return {answer}")
    source.send("1")
    aws.messages(source.dead_url, failed)
    eventually(source.drained)


def test_batches_are_gathered(aws: Account, server: LocalAws) -> None:
    source = Source(aws, server, BatchSize=5, MaximumBatchingWindowInSeconds=2, Enabled=False)
    source.send(*"1234567")
    source.enable()
    eventually(source.drained)
    assert max(len(batch) for batch in source.batches()) == 5


def test_a_disabled_mapping_polls_nothing(aws: Account, server: LocalAws) -> None:
    source = Source(aws, server, Enabled=False)
    source.send("1")
    time.sleep(1)
    assert not source.drained()
    assert source.batches() == []


def test_a_queue_that_is_held_is_not_polled(aws: Account, server: LocalAws) -> None:
    source = Source(aws, server)
    name = source.arn.rpartition(":")[2]
    server.admin("queues/hold", queue=name, held=True)
    try:
        source.send("1")
        time.sleep(1)
        assert not source.drained()
        assert source.batches() == []
    finally:
        server.admin("queues/hold", queue=name, held=False)
    eventually(source.drained)
    assert [[record["body"] for record in batch] for batch in source.batches()] == [["1"]]
    with pytest.raises(LocalAwsError, match="there is no queue 'absent'"):
        server.admin("queues/hold", queue="absent", held=True)


@pytest.mark.usefixtures("calm")
def test_events_come_twice_and_in_any_order(aws: Account, server: LocalAws) -> None:
    bucket = aws.bucket()
    url, arn = aws.queue()
    aws.notify(bucket, arn)
    aws.messages(url, 1)
    server.admin("events", duplicate=2, shuffle=7)
    keys = [f"{number:03}" for number in range(40)]
    s3 = aws.client("s3")
    with ThreadPoolExecutor(16) as threads:  # so that many are held together, however slow each is
        list(threads.map(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=b""), keys))
    events = aws.messages(url, 80)
    order = [event["Records"][0]["s3"]["object"]["key"] for event in events]
    assert sorted(order) == sorted(keys * 2)
    assert order != sorted(order)
    identities = [event["Records"][0]["s3"]["object"]["sequencer"] for event in events]
    assert len(set(identities)) == 40
    with pytest.raises(Exception, match="at least once"):
        server.admin("events", duplicate=0)


@pytest.mark.usefixtures("calm")
def test_a_burst_of_objects_is_handled_once_each(aws: Account, server: LocalAws) -> None:
    """The recorder in short: read, then create once."""
    code = """
import json, os, boto3
from urllib.parse import unquote_plus
s3 = boto3.client("s3")
def handler(event, context):
    for record in event["Records"]:
        for change in json.loads(record["body"]).get("Records", []):
            key = unquote_plus(change["s3"]["object"]["key"])
            s3.get_object(Bucket=change["s3"]["bucket"]["name"], Key=key)["Body"].read()
            try:
                s3.put_object(Bucket=os.environ["KEPT"], Key=key, Body=b"", IfNoneMatch="*")
            except s3.exceptions.ClientError as error:
                if error.response["Error"]["Code"] != "PreconditionFailed":
                    raise
    return {"batchItemFailures": []}
"""
    source = Source(aws, server, code)
    bucket, s3 = aws.bucket(), aws.client("s3")
    aws.notify(bucket, source.arn)
    server.admin("events", duplicate=2, shuffle=1)
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda n: s3.put_object(Bucket=bucket, Key=f"k {n}", Body=b"x"), range(200)))
    kept = source._kept

    def settled() -> bool:
        status = server.admin("status")
        return source.drained() and not status["notifications"]["held"]

    eventually(settled)
    versions = [
        version["Key"]
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=kept)
        for version in page["Versions"]
    ]
    assert sorted(versions) == sorted(f"k {n}" for n in range(200))
    assert server.admin("status")["queues"][source.dead_url.rpartition("/")[2]] == {
        "visible": 0,
        "in_flight": 0,
    }
