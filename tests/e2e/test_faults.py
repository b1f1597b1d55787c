"""Faults: duplicates, reordering, deleted objects, malformed messages, and large objects."""

from __future__ import annotations

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig

from custody.evidence.objects import ObjectVersion
from custody.recorder.notification import backfill_message
from scripts.demo.pipeline import Pipeline

pytestmark = pytest.mark.xdist_group("pipeline")

MIB = 1 << 20
OBJECTS = 300


def receipts_below(pipeline: Pipeline, prefix: str) -> list[dict[str, Any]]:
    pages = (
        pipeline.client("s3")
        .get_paginator("list_object_versions")
        .paginate(
            Bucket=pipeline.deployment.buckets["provenance"],
            Prefix=f"provenance/{pipeline.deployment.buckets['raw-data']}/{prefix}",
        )
    )
    return [version for page in pages for version in page.get("Versions", ())]


def dead_letters(pipeline: Pipeline) -> list[str]:
    """Take everything out of the dead-letter queue."""
    sqs, url = pipeline.client("sqs"), pipeline.deployment.queues["recorder-dlq"]
    bodies: list[str] = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            bodies.append(message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return bodies


def await_dead_letter(pipeline: Pipeline, timeout_seconds: float = 300) -> str:
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        bodies = dead_letters(pipeline)
        if bodies:
            (body,) = bodies
            return body
        time.sleep(0.5)
    raise AssertionError("nothing reached the dead-letter queue")


def test_hundreds_of_objects_every_event_twice_and_shuffled(pipeline: Pipeline) -> None:
    bucket = pipeline.deployment.buckets["raw-data"]
    s3 = pipeline.client("s3")
    pipeline.aws.admin("events", duplicate=2, shuffle=7)
    try:

        def put(number: int) -> ObjectVersion:
            key = f"incoming/hundreds/{number:04d}.csv"
            body = random.Random(number).randbytes(number % 4096)
            return ObjectVersion(bucket, key, s3.put_object(Bucket=bucket, Key=key, Body=body)["VersionId"])

        with ThreadPoolExecutor(16) as pool:
            versions = list(pool.map(put, range(OBJECTS)))
        pipeline.await_receipts(versions, timeout_seconds=900)
        await_idle(pipeline)
    finally:
        pipeline.aws.admin("events", duplicate=1, shuffle=None)
    pipeline.deliver_trail()

    receipts = receipts_below(pipeline, "incoming/hundreds/")
    assert len(receipts) == OBJECTS
    assert {receipt["Key"] for receipt in receipts} == {version.receipt_key for version in versions}
    assert dead_letters(pipeline) == []
    done = pipeline.custody("ledger", "--format", "json")
    rows = [
        row for row in json.loads(done.stdout)["rows"] if row["object_key"].startswith("incoming/hundreds/")
    ]
    assert len(rows) == OBJECTS
    assert {row["status"] for row in rows} == {"verified"}
    done = pipeline.custody("verify", f"s3://{bucket}/incoming/hundreds/", "--format", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["claims"]["object.hash"]["passed"] == OBJECTS


def recorder_name(pipeline: Pipeline) -> str:
    """The name of the function, which is its queue's too."""
    return pipeline.deployment.functions["recorder"].rpartition(":")[2]


def await_idle(pipeline: Pipeline, timeout_seconds: float = 600) -> None:
    """Wait until every event was processed: none is delayed, visible or in flight."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        status = pipeline.aws.admin("status")
        queues = status["queues"]
        queue = queues[recorder_name(pipeline)]
        if status["notifications"]["held"] == queue["visible"] == queue["in_flight"] == 0:
            return
        time.sleep(0.5)
    raise AssertionError(f"the queue did not run empty: {queues}")


def test_an_object_that_is_gone_ends_in_the_dead_letter_queue(pipeline: Pipeline) -> None:
    gone = ObjectVersion(pipeline.deployment.buckets["raw-data"], "incoming/gone.csv", "no-such-version")
    body = backfill_message(gone, datetime.now(UTC))
    pipeline.client("sqs").send_message(QueueUrl=pipeline.deployment.queues["recorder"], MessageBody=body)
    assert await_dead_letter(pipeline) == body


@pytest.mark.parametrize(
    "body", ["", "not json", '{"Records": "none"}', '{"Records": [{"eventVersion": "2.1"}]}']
)
def test_a_message_that_means_nothing_ends_in_the_dead_letter_queue(pipeline: Pipeline, body: str) -> None:
    pipeline.client("sqs").send_message(
        QueueUrl=pipeline.deployment.queues["recorder"], MessageBody=body or " "
    )
    assert await_dead_letter(pipeline) == (body or " ")


def test_half_a_gibibyte_in_constant_memory(pipeline: Pipeline) -> None:
    """More than five times what the recorder may take for it."""
    bucket, key = pipeline.deployment.buckets["raw-data"], "incoming/large.bin"
    size = 512 * MIB
    s3 = pipeline.client("s3")
    s3.upload_fileobj(
        Zeros(size), bucket, key, Config=TransferConfig(multipart_chunksize=64 * MIB, max_concurrency=2)
    )
    version = ObjectVersion(bucket, key, s3.head_object(Bucket=bucket, Key=key)["VersionId"])
    pipeline.await_receipts([version], timeout_seconds=900)
    recorder = pipeline.aws.admin("status")["functions"][recorder_name(pipeline)]
    assert recorder["peak_rss_bytes"] - recorder["idle_rss_bytes"] <= 96 * MIB
    pipeline.client("s3").delete_object(Bucket=bucket, Key=key, VersionId=version.version_id)


class Zeros:
    """A file of zeros that takes no memory."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, amount: int = -1) -> bytes:
        amount = self._left if amount < 0 else min(amount, self._left)
        self._left -= amount
        return bytes(amount)
