"""The recorder: a receipt for each object version, and a named outcome for every event."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import Stubber
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from custody.evidence.creation import CONFLICT_ATTEMPTS
from custody.evidence.dsse import CONTENT_TYPE, sign_envelope
from custody.evidence.envelope import parse_envelope
from custody.evidence.hashing import CHUNK_BYTES
from custody.evidence.keyring import parse_registry
from custody.evidence.objects import ObjectVersion
from custody.evidence.receipt import PAYLOAD_TYPE, parse_statement
from custody.evidence.signing import KmsSigner
from custody.recorder.notification import (
    MalformedMessageError,
    ObjectCreated,
    SkipReason,
    backfill_message,
    parse_message,
)
from custody.recorder.recorder import (
    Failure,
    KeyNotInForceError,
    LargeObjects,
    ObjectGoneError,
    Outcome,
    PlaceTakenError,
    Result,
    StreamBrokenError,
    WrongVersionError,
    classify,
)
from custody.times import format_time
from tests.support.evidence import (
    IDENTITY,
    KEY_ID,
    REGION,
    Drop,
    LocalSigner,
    World,
    body,
    given,
    refused,
    s3_record,
    worlds,
)


@pytest.fixture(scope="module")
def new_world() -> Iterator[Callable[[], World]]:
    with worlds() as new:
        yield new


@pytest.fixture
def world(new_world: Callable[[], World]) -> World:
    return new_world()


def process(world: World, *drops: Drop) -> list[Outcome]:
    return world.recorder.process(body(*(s3_record(drop.version, drop.request_id) for drop in drops)))


def failure(world: World, drop: Drop) -> Exception:
    """The exception that recording one object version ends in; there must be no receipt then."""
    with pytest.raises(ExceptionGroup) as raised:
        process(world, drop)
    (error,) = raised.value.exceptions
    assert receipts(world) == []
    assert isinstance(error, Exception)
    return error


def receipts(world: World) -> list[str]:
    page = world.s3.list_object_versions(Bucket=world.provenance, Prefix="provenance/")
    return [version["Key"] for version in page.get("Versions", [])]


def test_a_large_object_is_handed_over_unread_and_said_as_it_was_heard(world: World) -> None:
    sent: list[str] = []
    recorder = world.recorder_with(world.signer, large_objects=LargeObjects(5, sent.append))
    small, large = world.put("incoming/small", b"hello"), world.put("incoming/large", b"hello!")
    message = body(s3_record(small.version), s3_record(large.version))

    ends = [(outcome.result, outcome.size_bytes) for outcome in recorder.process(message)]

    assert ends == [(Result.RECORDED, 5), (Result.HANDED_OVER, 0)]
    assert receipts(world) == [small.version.receipt_key]
    assert [parse_message(text) for text in sent] == [parse_message(body(s3_record(large.version)))]
    assert world.counted()["HandedOver"] == [1.0]


def test_a_large_object_that_cannot_be_handed_over_comes_again(world: World) -> None:
    def refuse(text: str) -> None:
        raise EndpointConnectionError(endpoint_url="https://sqs")

    recorder = world.recorder_with(world.signer, large_objects=LargeObjects(5, refuse))
    large = world.put("incoming/large", b"hello!")
    with pytest.raises(ExceptionGroup):
        recorder.process(body(s3_record(large.version)))


@pytest.mark.parametrize(("ahead", "lag"), [(0, 0.0), (-3600, 3600.0), (3600, 0.0)])
def test_the_lag_is_from_the_event_to_its_receipt_and_of_new_receipts_only(
    world: World, ahead: int, lag: float
) -> None:
    """``ahead``: by how many seconds the clock that dates the event is ahead of the recorder's."""
    drop = world.put("incoming/a", b"hello")
    record = s3_record(drop.version)
    now = datetime.now(UTC).replace(microsecond=0)
    record["eventTime"] = format_time(now + timedelta(seconds=ahead))
    world.recorder._clock = lambda: now
    message = body(record)
    assert [outcome.lag_seconds for outcome in world.recorder.process(message)] == [lag]
    assert [outcome.lag_seconds for outcome in world.recorder.process(message)] == [None]


@pytest.mark.parametrize(
    ("key", "data"),
    [
        ("incoming/a.csv", b"hello"),
        ("incoming/empty", b""),
        ("incoming/größe 1+1=100% \"x\" 'y' <z>&.csv", b"hello"),
        ("incoming/" + "k" * 1015, b"a key of 1,024 bytes"),
        ("incoming/large", b"0123456789" * 350_000),
    ],
)
def test_a_receipt_says_what_is_stored(world: World, key: str, data: bytes) -> None:
    drop = world.put(key, data)

    (outcome,) = process(world, drop)
    assert (outcome.result, outcome.subject, outcome.size_bytes) == (
        Result.RECORDED,
        drop.version.uri,
        len(data),
    )

    stored = world.s3.get_object(Bucket=world.provenance, Key=drop.version.receipt_key)
    envelope = parse_envelope(stored["Body"].read())
    parse_registry(world.read(world.provenance, "keys/registry.json")).verify(envelope)
    assert envelope.payload_type == PAYLOAD_TYPE
    assert stored["ContentType"] == CONTENT_TYPE
    receipt = parse_statement(envelope.payload)
    head = world.s3.head_object(Bucket=world.raw, Key=key)
    assert receipt.version == drop.version
    assert receipt.sha256 == hashlib.sha256(data).hexdigest()
    assert receipt.size_bytes == len(data)
    assert receipt.etag == head["ETag"]
    assert receipt.last_modified == head["LastModified"]
    assert receipt.content_type == head["ContentType"]
    assert receipt.event.request_id == drop.request_id
    assert receipt.recorder == IDENTITY
    hashed = {"BytesHashed": [float(len(data))]} if data else {}
    assert world.counted() == {"ReceiptsWritten": [1.0]} | hashed


def test_the_longest_message_gives_a_receipt_that_is_read(world: World) -> None:
    fact = "\x01" * 512
    record = s3_record(
        ObjectVersion("b" * 255, "\x01" * 1024, "v" * 1024),
        fact,
        eventName=f"ObjectCreated:{fact[14:]}",
        userIdentity={"principalId": fact},
        requestParameters={"sourceIPAddress": fact},
    )
    record["s3"]["object"]["sequencer"] = fact
    (event,) = parse_message(body(record))
    assert isinstance(event, ObjectCreated)
    with given(world.s3, b"x", 1, "v" * 1024):
        world.recorder.record(event)
    receipt = world.receipt_of(event.version)
    envelope = parse_envelope(world.read(receipt.bucket, receipt.key))
    assert parse_statement(envelope.payload).event == event


def test_the_bytes_are_hashed_as_they_are_stored(world: World) -> None:
    data = gzip.compress(b"hello")
    stored = world.s3.put_object(Bucket=world.raw, Key="incoming/a", Body=data, ContentEncoding="gzip")
    drop = Drop(ObjectVersion(world.raw, "incoming/a", stored["VersionId"]), "REQ")
    process(world, drop)
    envelope = parse_envelope(world.read(world.provenance, drop.version.receipt_key))
    assert parse_statement(envelope.payload).sha256 == hashlib.sha256(data).hexdigest()


def test_every_record_of_a_message_gets_its_receipt(world: World) -> None:
    """The original function recorded the first and lost the rest."""
    drops = [world.put(f"incoming/{number}", b"x") for number in range(5)]
    process(world, *drops)
    assert sorted(receipts(world)) == sorted(drop.version.receipt_key for drop in drops)


def test_a_version_that_was_superseded_gets_the_receipt_of_its_own_bytes(world: World) -> None:
    """The original function hashed the latest version by then, and kept one record per key."""
    first, second = world.put("incoming/a", b"first"), world.put("incoming/a", b"second")
    process(world, first)
    process(world, second)
    hashes = [
        parse_statement(parse_envelope(world.read(world.provenance, drop.version.receipt_key)).payload).sha256
        for drop in (first, second)
    ]
    assert hashes == [hashlib.sha256(data).hexdigest() for data in (b"first", b"second")]


def test_receipts_lie_where_those_who_write_objects_cannot_write(world: World) -> None:
    """The original function wrote them into the raw bucket, where any producer could forge one."""
    drop = world.put("incoming/a", b"x")
    process(world, drop)
    assert drop.version.receipt_key in receipts(world)
    assert [entry["Key"] for entry in world.s3.list_objects_v2(Bucket=world.raw)["Contents"]] == [
        "incoming/a"
    ]


def test_an_event_that_comes_twice_is_recorded_once(world: World) -> None:
    drop = world.put("incoming/a", b"hello")
    process(world, drop)
    before = world.read(world.provenance, drop.version.receipt_key)
    world.counted()

    assert process(world, drop, drop) == [Outcome(Result.ALREADY_RECORDED, drop.version.uri, 5)] * 2

    assert receipts(world) == [drop.version.receipt_key]
    assert world.read(world.provenance, drop.version.receipt_key) == before
    assert world.counted() == {"AlreadyRecorded": [1.0, 1.0], "BytesHashed": [5.0, 5.0]}


def test_a_backfill_gets_a_receipt_that_claims_no_writer(world: World) -> None:
    drop = world.put("incoming/a", b"hello")
    asked = datetime(2026, 11, 20, 14, tzinfo=UTC)
    world.recorder.process(backfill_message(drop.version, asked))
    event = parse_statement(
        parse_envelope(world.read(world.provenance, drop.version.receipt_key)).payload
    ).event
    assert (event.name, event.time) == ("Backfill", asked)
    assert (event.request_id, event.principal_id, event.source_ip, event.sequencer) == (None,) * 4


def test_the_put_is_conditional_and_checked(world: World) -> None:
    asked: list[dict[str, Any]] = []
    drop = world.put("incoming/a", b"x")
    world.s3.meta.events.register(
        "provide-client-params.s3.PutObject", lambda params, **_: asked.append(dict(params))
    )
    process(world, drop)
    (params,) = asked
    assert params["IfNoneMatch"] == "*"
    assert params["ChecksumAlgorithm"] == "SHA256"
    # The bucket's defaults decide about encryption and retention.
    assert params.keys() == {"Bucket", "Key", "Body", "ContentType", "ChecksumAlgorithm", "IfNoneMatch"}


@pytest.mark.parametrize(
    ("record", "reason", "metric"),
    [
        ({"eventName": "ObjectRemoved:Delete"}, SkipReason.NOT_CREATED, "SkippedNotCreated"),
        (
            {"eventName": "ObjectRemoved:DeleteMarkerCreated"},
            SkipReason.DELETE_MARKER,
            "SkippedDeleteMarker",
        ),
    ],
)
def test_what_is_skipped_is_counted_by_its_reason(
    world: World, record: dict[str, Any], reason: SkipReason, metric: str
) -> None:
    version = ObjectVersion(world.raw, "incoming/a", "v1")
    (outcome,) = world.recorder.process(body(s3_record(version, **record)))
    assert outcome == Outcome(Result.SKIPPED, version.uri, reason=reason)
    assert world.counted() == {metric: [1.0]}


def test_a_test_event_is_skipped(world: World) -> None:
    (outcome,) = world.recorder.process(json.dumps({"Event": "s3:TestEvent", "Bucket": world.raw}))
    assert (outcome.result, outcome.reason) == (Result.SKIPPED, SkipReason.TEST_EVENT)
    assert world.counted() == {"SkippedTestEvent": [1.0]}


def test_a_receipt_of_a_receipt_is_skipped(world: World) -> None:
    drop = world.put("provenance/a", b"x", world.provenance)
    (outcome,) = process(world, drop)
    assert (outcome.result, outcome.reason) == (Result.SKIPPED, SkipReason.RECEIPT)
    assert world.counted() == {"SkippedReceipt": [1.0]}


def test_a_key_that_reads_like_a_receipts_is_recorded_as_any_other(world: World) -> None:
    drop = world.put("provenance/a", b"x", world.deployment.buckets["processed"])
    (outcome,) = process(world, drop)
    assert outcome.result is Result.RECORDED
    assert receipts(world) == [drop.version.receipt_key]


def envelope_of(world: World, drop: Drop, **predicate: Any) -> bytes:
    """The receipt of an object version, with some fields changed, signed by somebody."""
    process(world, drop)
    receipt = world.receipt_of(drop.version)
    payload = json.loads(parse_envelope(world.read(receipt.bucket, receipt.key)).payload)
    world.s3.delete_object(Bucket=receipt.bucket, Key=receipt.key, VersionId=receipt.version_id)
    payload["predicate"] |= predicate
    if digest := predicate.pop("sha256", None):
        payload["subject"][0]["digest"]["sha256"] = digest
    return sign_envelope(json.dumps(payload).encode(), PAYLOAD_TYPE, LocalSigner())


@pytest.mark.parametrize("garbage", [b"", b"garbage", b"{}", b"[" * 100_000, b"x" * 100_000, b"\xff"])
def test_garbage_in_a_receipts_place_is_told(world: World, garbage: bytes) -> None:
    drop = world.put("incoming/a", b"x")
    world.s3.put_object(Bucket=world.provenance, Key=drop.version.receipt_key, Body=garbage)
    with pytest.raises(ExceptionGroup) as raised:
        process(world, drop)
    (error,) = raised.value.exceptions
    assert isinstance(error, PlaceTakenError)
    assert drop.version.uri in str(error)
    assert world.counted() == {"FailedPlaceTaken": [1.0]}
    assert world.read(world.provenance, drop.version.receipt_key) == garbage


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": "00" * 32},
        {"version_id": "another"},
        {"recorded_at": "9999-12-31T23:59:60Z"},
        {"size_bytes": 2**64},
    ],
)
def test_another_receipt_in_a_receipts_place_is_told(world: World, changes: dict[str, Any]) -> None:
    drop = world.put("incoming/a", b"x")
    envelope = envelope_of(world, drop, **changes)
    world.counted()
    world.s3.put_object(Bucket=world.provenance, Key=drop.version.receipt_key, Body=envelope)
    with pytest.raises(ExceptionGroup):
        process(world, drop)
    assert world.counted() == {"FailedPlaceTaken": [1.0]}


def test_a_key_that_is_not_valid_yet_signs_nothing(world: World) -> None:
    drop = world.put("incoming/a", b"x")
    soon = datetime.now(UTC) + timedelta(hours=1)
    world.recorder = world.recorder_with(world.signer, key_valid_from=soon)
    error = failure(world, drop)
    assert isinstance(error, KeyNotInForceError)
    assert "valid only from" in str(error)
    assert world.counted() == {"FailedKeyNotInForce": [1.0]}

    world.recorder = world.recorder_with(world.signer, key_valid_from=datetime.now(UTC))
    (outcome,) = process(world, drop)
    assert outcome.result is Result.RECORDED


def test_a_delete_marker_has_no_bytes_and_is_skipped(world: World) -> None:
    drop = world.put("incoming/a", b"x")
    with refused(world.s3, "GetObject", 405, "MethodNotAllowed"):
        (outcome,) = process(world, drop)
    assert (outcome.result, outcome.reason) == (Result.SKIPPED, SkipReason.DELETE_MARKER)
    assert world.counted() == {"SkippedDeleteMarker": [1.0]}
    assert receipts(world) == []


def test_an_object_that_is_gone_fails(world: World) -> None:
    drop = world.put("incoming/a", b"x")
    world.s3.delete_object(Bucket=world.raw, Key="incoming/a", VersionId=drop.version.version_id)
    assert isinstance(failure(world, drop), ObjectGoneError)
    assert world.counted() == {"FailedObjectGone": [1.0]}


@pytest.mark.parametrize("code", ["NoSuchVersion", "NoSuchKey"])
def test_both_ways_to_be_gone_count_as_gone(world: World, code: str) -> None:
    drop = world.put("incoming/a", b"x")
    with refused(world.s3, "GetObject", 404, code):
        assert isinstance(failure(world, drop), ObjectGoneError)


@pytest.mark.parametrize("operation", ["GetObject", "PutObject"])
@pytest.mark.parametrize(
    ("status", "code", "metric"),
    [
        (503, "SlowDown", "FailedThrottled"),
        (503, "ServiceUnavailable", "FailedThrottled"),
        (400, "KMS.ThrottlingException", "FailedThrottled"),
        (403, "AccessDenied", "FailedAccessDenied"),
        (403, "KMS.AccessDeniedException", "FailedAccessDenied"),
        (404, "NoSuchBucket", "FailedOther"),
        (403, "InvalidObjectState", "FailedArchived"),
        (500, "InternalError", "FailedOther"),
    ],
)
def test_a_refusal_of_amazon_s3_fails_by_its_name(
    world: World, operation: str, status: int, code: str, metric: str
) -> None:
    drop = world.put("incoming/a", b"x")
    with refused(world.s3, operation, status, code):
        error = failure(world, drop)
    assert isinstance(error, ClientError)
    assert world.counted() == {metric: [1.0]}
    # Delivered again once Amazon S3 works, the same message gets its receipt.
    assert process(world, drop)[0].result is Result.RECORDED


@pytest.mark.parametrize(
    ("code", "metric"),
    [
        ("ThrottlingException", "FailedThrottled"),
        ("LimitExceededException", "FailedThrottled"),
        ("AccessDeniedException", "FailedAccessDenied"),
        ("DisabledException", "FailedOther"),
    ],
)
def test_a_refusal_of_aws_kms_fails_by_its_name(world: World, code: str, metric: str) -> None:
    drop = world.put("incoming/a", b"x")
    kms = boto3.client("kms", region_name=REGION)
    world.recorder = world.recorder_with(KmsSigner(kms, KEY_ID))
    with Stubber(kms) as stub:
        stub.add_client_error("sign", code)
        assert isinstance(failure(world, drop), ClientError)
    assert world.counted() == {metric: [1.0]}


@pytest.mark.parametrize("sent", [0, 5, CHUNK_BYTES + 1])
@pytest.mark.parametrize(
    "then",
    [None, ProtocolError("reset"), ReadTimeoutError(None, "url", "slow")],
    ids=["eof", "reset", "slow"],
)
def test_a_stream_that_breaks_fails(world: World, sent: int, then: Exception | None) -> None:
    drop = world.put("incoming/a", b"x")
    with given(world.s3, bytes(sent), 2 * CHUNK_BYTES, drop.version.version_id, then):
        assert isinstance(failure(world, drop), StreamBrokenError)
    assert world.counted() == {"FailedStreamBroken": [1.0]}


def test_an_answer_of_another_version_fails(world: World) -> None:
    drop = world.put("incoming/a", b"x")
    with given(world.s3, b"x", 1, "other"):
        assert isinstance(failure(world, drop), WrongVersionError)
    assert world.counted() == {"FailedOther": [1.0]}


def test_a_receipt_that_is_not_read_whole_is_not_taken_for_another_object(world: World) -> None:
    drop = world.put("incoming/a", b"x")
    process(world, drop)
    stored = world.read(world.provenance, drop.version.receipt_key)
    half = stored[: len(stored) // 2]
    with given(world.s3, half, len(stored), "v", key=drop.version.receipt_key):  # noqa: SIM117
        with pytest.raises(ExceptionGroup) as raised:
            process(world, drop)
    assert [type(error) for error in raised.value.exceptions] == [StreamBrokenError]
    assert process(world, drop)[0].result is Result.ALREADY_RECORDED


def test_a_message_that_cannot_be_read_fails(world: World) -> None:
    with pytest.raises(MalformedMessageError):
        world.recorder.process("{}")
    assert world.counted() == {"FailedMalformed": [1.0]}


@pytest.mark.parametrize("conflicts", range(CONFLICT_ATTEMPTS))
def test_a_conflicting_write_is_tried_again(world: World, conflicts: int) -> None:
    drop = world.put("incoming/a", b"x")
    with refused(world.s3, "PutObject", 409, "ConditionalRequestConflict", times=conflicts) as urls:
        assert process(world, drop)[0].result is Result.RECORDED
    assert len(urls) == conflicts
    assert receipts(world) == [drop.version.receipt_key]


def test_a_conflict_that_lasts_fails(world: World) -> None:
    drop = world.put("incoming/a", b"x")
    with refused(world.s3, "PutObject", 409, "ConditionalRequestConflict") as urls:
        failure(world, drop)
    assert len(urls) == CONFLICT_ATTEMPTS
    assert world.counted() == {"FailedOther": [1.0]}


def test_a_failing_event_keeps_none_of_the_others_back(world: World) -> None:
    drops = [world.put(f"incoming/{number}", b"x") for number in range(4)]
    for drop in (drops[0], drops[2]):
        world.s3.delete_object(Bucket=world.raw, Key=drop.version.key, VersionId=drop.version.version_id)
    with pytest.raises(ExceptionGroup, match="2 of 4 events") as raised:
        process(world, *drops)
    assert [type(error) for error in raised.value.exceptions] == [ObjectGoneError] * 2
    assert sorted(receipts(world)) == [drops[1].version.receipt_key, drops[3].version.receipt_key]
    assert world.counted() == {
        "FailedObjectGone": [1.0, 1.0],
        "ReceiptsWritten": [1.0, 1.0],
        "BytesHashed": [1.0, 1.0],
    }


def test_each_end_is_one_line_of_the_log(world: World) -> None:
    """A key can contain line breaks that would fake a log line; they are escaped."""
    log = io.StringIO()
    world.recorder = world.recorder_with(world.signer, Logger(service="ends", stream=log))
    good, gone = world.put('incoming/a"}\n{"level":"INFO', b"hello"), world.put("incoming/b", b"x")
    world.s3.delete_object(Bucket=world.raw, Key="incoming/b", VersionId=gone.version.version_id)
    with pytest.raises(ExceptionGroup):
        process(world, good, gone)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [(line["level"], line["message"], line["object"]) for line in lines] == [
        ("INFO", "ReceiptsWritten", good.version.uri),
        ("ERROR", "FailedObjectGone", gone.version.uri),
    ]
    assert lines[0]["size_bytes"] == 5
    assert "deleted before it was hashed" in lines[1]["error"]


def test_an_exception_nobody_thought_of_has_a_name_too() -> None:
    assert classify(EndpointConnectionError(endpoint_url="x")) is Failure.OTHER
    assert classify(ZeroDivisionError()) is Failure.OTHER
