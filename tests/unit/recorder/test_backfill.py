from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from custody.errors import CannotCheckError, UsageError
from custody.evidence.objects import ObjectVersion, S3Location, parse_s3_uri
from custody.recorder import backfill as module
from custody.recorder.backfill import (
    BackfillCounts,
    ReceiptState,
    await_receipt,
    backfill,
    find_version,
    receipt_states,
    request_receipts,
)
from custody.recorder.notification import ObjectCreated, backfill_message, parse_message
from tests.unit.cloud import Cloud, deployed
from tests.unit.report.sample import DEPLOYMENT, HOSTILE, RAW

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with deployed(monkeypatch) as cloud:
        yield cloud


def run(cloud: Cloud, uri: str = f"s3://{RAW}/incoming/") -> BackfillCounts:
    cloud.messages()  # the notifications of the uploads
    return backfill(
        cloud.client("s3"), cloud.client("sqs"), cloud.deployment, parse_s3_uri(uri), requested_at=NOW
    )


def test_every_version_without_a_receipt_is_asked_for_once(cloud: Cloud) -> None:
    overwritten = [cloud.put("incoming/same.csv") for _ in range(3)]
    cloud.record(overwritten[1])
    others = [cloud.put(key) for key in HOSTILE]
    others += [cloud.put(f"incoming/{n:03d}") for n in range(25)]
    cloud.client("s3").delete_object(Bucket=RAW, Key="incoming/000")

    counts = run(cloud)

    wanted = {overwritten[0], overwritten[2], *others}
    assert counts == BackfillCounts(listed=len(wanted) + 1, recorded=1, sent=len(wanted))
    assert counts.exit_code == 0
    bodies = []
    sqs, url = cloud.client("sqs"), cloud.deployment.queues["recorder"]
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        bodies += [message["Body"] for message in messages]
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    events = [event for body in bodies for event in parse_message(body)]
    assert {event.version for event in events if isinstance(event, ObjectCreated)} == wanted
    assert len(events) == len(wanted)


def test_it_can_be_run_again(cloud: Cloud) -> None:
    versions = [cloud.put(f"incoming/{n}") for n in range(12)]
    assert run(cloud).sent == 12
    for version in versions[:7]:
        cloud.record(version)
    counts = run(cloud)
    assert (counts.recorded, counts.sent) == (7, 5)
    for version in versions[7:]:
        cloud.record(version)
    assert run(cloud).sent == 0


def test_a_hidden_receipt_is_a_finding_and_not_made_again(cloud: Cloud) -> None:
    version = cloud.put("incoming/a.csv")
    cloud.record(version)
    cloud.client("s3").delete_object(Bucket=cloud.deployment.buckets["provenance"], Key=version.receipt_key)
    counts = run(cloud)
    assert (counts.hidden, counts.sent) == (1, 0)
    assert counts.exit_code == 1


def test_what_nobody_records_is_left_alone(cloud: Cloud) -> None:
    cloud.put("elsewhere/a.csv")
    cloud.put("incoming/a.csv")
    counts = run(cloud, f"s3://{RAW}")
    assert (counts.outside, counts.sent) == (1, 1)


def test_a_key_that_reads_like_a_receipts_is_recorded_as_any_other(cloud: Cloud) -> None:
    processed = cloud.deployment.buckets["processed"]
    cloud.put("provenance/a.csv", bucket="processed")
    counts = run(cloud, f"s3://{processed}")
    assert (counts.outside, counts.sent) == (0, 1)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        (f"s3://{RAW}/elsewhere/", "Nothing under"),
        ("s3://another-bucket", "Nothing under"),
        (f"s3://{RAW}/incoming/a?versionId=1", "record for one version"),
    ],
)
def test_a_scope_that_makes_no_sense_is_refused(cloud: Cloud, uri: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        run(cloud, uri)


def test_objects_from_before_versioning_have_no_identity(cloud: Cloud) -> None:
    s3 = cloud.client("s3")
    s3.put_bucket_versioning(Bucket=RAW, VersioningConfiguration={"Status": "Suspended"})
    s3.put_object(Bucket=RAW, Key="incoming/old.csv", Body=b"")
    s3.put_bucket_versioning(Bucket=RAW, VersioningConfiguration={"Status": "Enabled"})
    counts = run(cloud)
    assert (counts.unversioned, counts.sent) == (1, 0)
    with pytest.raises(UsageError, match="no version id"):
        find_version(s3, cloud.deployment, S3Location(RAW, "incoming/old.csv"))


def test_receipts_are_found_across_pages_and_names_that_sort_apart(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = ["incoming/a", "incoming/a!", "incoming/a/b", "incoming/a0", "incoming/" + "é" * 480]
    versions = [cloud.put(key) for key in keys for _ in range(3)]
    for version in versions[::2]:
        cloud.record(version)
    s3 = cloud.client("s3")
    list_versions = s3.list_object_versions
    pages = []

    def small_pages(**request: Any) -> Any:
        pages.append(request)
        return list_versions(MaxKeys=2, **request)

    monkeypatch.setattr(s3, "list_object_versions", small_pages)
    states = receipt_states(s3, cloud.deployment, versions)
    assert len(pages) > 3
    assert [state is ReceiptState.PRESENT for state in states.values()] == [
        n % 2 == 0 for n in range(len(versions))
    ]
    assert versions[-1].receipt_key.startswith("provenance/_long/")


class Queue:
    """Amazon SQS with prepared answers; botocore's stubber checks each request."""

    def __init__(self) -> None:
        self.client = boto3.client(
            "sqs", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        self.stub = Stubber(self.client)
        self.versions = [ObjectVersion(RAW, f"incoming/{n}", f"v{n}") for n in range(3)]
        self.pauses: list[float] = []

    def expect(self, ids: list[int], failed: dict[int, bool]) -> None:
        request = {
            "QueueUrl": DEPLOYMENT.queues["recorder"],
            "Entries": [{"Id": str(n), "MessageBody": backfill_message(self.versions[n], NOW)} for n in ids],
        }
        answer = {
            "Successful": [
                {"Id": str(n), "MessageId": "m", "MD5OfMessageBody": "0"} for n in ids if n not in failed
            ],
            "Failed": [{"Id": str(n), "SenderFault": ours, "Code": "c"} for n, ours in failed.items()],
        }
        self.stub.add_response("send_message_batch", answer, request)

    def request(self) -> list[ObjectVersion]:
        with self.stub:
            failed = request_receipts(
                self.client, DEPLOYMENT, self.versions, requested_at=NOW, sleep=self.pauses.append
            )
        self.stub.assert_no_pending_responses()
        return failed


def test_only_what_the_queue_did_not_take_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue()
    # moto is off here: a prepared answer has no checksum of the body
    queue.client.meta.events.unregister("after-call.sqs.SendMessageBatch")
    queue.expect([0, 1, 2], failed={1: False, 2: True})
    queue.expect([1], failed={1: False})
    queue.expect([1], failed={})
    assert queue.request() == [queue.versions[2]]
    assert queue.pauses == sorted(queue.pauses)
    assert len(queue.pauses) == 2


def test_what_the_queue_never_takes_is_given_back() -> None:
    queue = Queue()
    for _ in range(module.SEND_ATTEMPTS):
        queue.expect([0, 1, 2], failed={0: False, 1: False, 2: False})
    assert queue.request() == queue.versions
    assert BackfillCounts(failed=3).exit_code == 3


def test_a_version_is_found_by_its_uri(cloud: Cloud) -> None:
    s3 = cloud.client("s3")
    old, new = cloud.put("incoming/a.csv"), cloud.put("incoming/a.csv")
    assert find_version(s3, cloud.deployment, S3Location(RAW, "incoming/a.csv")) == new
    assert find_version(s3, cloud.deployment, S3Location(RAW, "incoming/a.csv", old.version_id)) == old
    for location in (S3Location(RAW, "incoming/b"), S3Location(RAW, "incoming/a.csv", "no-such-version")):
        with pytest.raises(UsageError, match="no object version"):
            find_version(s3, cloud.deployment, location)
    cloud.put("elsewhere/a.csv")
    with pytest.raises(UsageError, match="outside the recorded prefixes"):
        find_version(s3, cloud.deployment, S3Location(RAW, "elsewhere/a.csv"))
    with pytest.raises(UsageError, match="no object"):
        find_version(s3, cloud.deployment, S3Location(RAW, ""))


def test_waiting_ends_with_the_receipt_or_the_time(cloud: Cloud) -> None:
    version = cloud.put("incoming/a.csv")
    now = 0.0
    s3 = cloud.client("s3")

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        if now == 3:
            cloud.record(version)

    with pytest.raises(CannotCheckError, match="within 1 s"):
        await_receipt(s3, cloud.deployment, version, timeout_seconds=1, sleep=sleep, clock=lambda: now)
    now = 0.0
    await_receipt(s3, cloud.deployment, version, timeout_seconds=9, sleep=sleep, clock=lambda: now)
