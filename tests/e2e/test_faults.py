"""Faults: duplicates, reordering, deleted objects, malformed messages, and large objects."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest
from boto3.s3.transfer import TransferConfig

from custody.evidence.objects import ObjectVersion
from custody.recorder.notification import backfill_message
from scripts.chaos.runs import Sizes, load, outage
from scripts.chaos.world import Check, World
from scripts.demo.pipeline import Pipeline

pytestmark = pytest.mark.xdist_group("pipeline")

MIB = 1 << 20
SIZES = Sizes(objects=200, outage=10, events=0)


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


def world_of(pipeline: Pipeline) -> tuple[World, list[Check]]:
    checks: list[Check] = []
    return World(pipeline, 14, lambda _: None, checks.append), checks


def wrong(checks: list[Check]) -> list[Check]:
    return [check for check in checks if not check.holds]


def test_hundreds_of_objects_while_every_third_call_fails_and_functions_die(pipeline: Pipeline) -> None:
    """``make chaos`` has thousands; every event comes three times and out of order."""
    world, checks = world_of(pipeline)
    load(world, SIZES)
    assert wrong(checks) == []
    assert len(checks) > 10
    done = pipeline.custody("ledger", "--format", "json")
    prefix = world.prefix("load")
    rows = [row for row in json.loads(done.stdout)["rows"] if row["object_key"].startswith(prefix)]
    assert len(rows) == SIZES.objects
    # Late is what was recorded after the watermark, here of a minute: a busy machine takes longer.
    assert {row["status"] for row in rows} <= {"verified", "late"}


def test_ten_minutes_without_kms_lose_nothing_and_sign_nothing_else(pipeline: Pipeline) -> None:
    world, checks = world_of(pipeline)
    outage(world, SIZES)
    assert wrong(checks) == []


def test_chaos_notices_an_object_without_a_receipt(pipeline: Pipeline) -> None:
    world, checks = world_of(pipeline)
    lost = ObjectVersion(world.raw, f"{world.prefix('load')}lost.csv", "v")
    world.check_receipts("load", [lost])
    assert {check.what for check in wrong(checks)} >= {"objects without a receipt", "receipts of nothing"}


def recorder_name(pipeline: Pipeline) -> str:
    """The name of the function, which is its queue's too."""
    return pipeline.deployment.functions["recorder"].rpartition(":")[2]


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
