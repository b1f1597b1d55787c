"""CloudTrail's log files, in all their formats."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.errors import EvidenceError
from custody.evidence.objects import ObjectVersion
from custody.trail import log_files as trail
from custody.trail.log_files import TrailWrite, decompress, list_log_files, parse_log_file
from tests.support.evidence import ACCOUNT, World, log_file, trail_record, worlds

VERSION = ObjectVersion("raw", "incoming/a b+c%.csv", "v1")
PART = trail._PART_BYTES
WRITE = TrailWrite(
    event_id="E1",
    event_name="PutObject",
    event_time=datetime(2026, 11, 20, 13, tzinfo=UTC),
    bucket="raw",
    key="incoming/a b+c%.csv",
    version_id="v1",
    request_id="R1",
)


def writes(data: bytes) -> list[TrailWrite]:
    contents = parse_log_file(data)
    assert contents.unreadable == []
    return contents.writes


def record(**changes: Any) -> dict[str, Any]:
    return trail_record(VERSION, "R1", "E1", **changes)


def test_a_write_is_read() -> None:
    assert writes(log_file(record())) == [WRITE]


@pytest.mark.parametrize(
    "changes",
    [
        {"eventVersion": "1.08"},
        {"eventVersion": "1.99", "somethingNew": {"a": [1]}},
        # A presigned upload puts its query into the parameters; Host is a text or a list.
        {
            "requestParameters": {
                "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
                "X-Amz-Expires": 3600.0,
                "Host": "raw.s3.amazonaws.com",
                "bucketName": "raw",
                "key": VERSION.key,
            }
        },
        {"responseElements": {"x-amz-server-side-encryption": "aws:kms", "x-amz-version-id": "v1"}},
        {"additionalEventData": None},
        {"additionalEventData": {"bytesTransferredIn": "25701"}},
        {"resources": [{"type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::raw"}]},
        {"userIdentity": {"type": "AWSService", "invokedBy": "glue.amazonaws.com"}},
        {"sourceIPAddress": "AWS Internal"},
        {"errorCode": None},
    ],
)
def test_what_varies_between_callers_does_not_matter(changes: dict[str, Any]) -> None:
    assert writes(log_file(record(**changes))) == [WRITE]


@pytest.mark.parametrize("response", [None, {}, {"x-amz-server-side-encryption": "aws:kms"}])
def test_a_write_may_not_tell_its_version(response: dict[str, Any] | None) -> None:
    (write,) = writes(log_file(record(responseElements=response)))
    assert write.version_id is None


@pytest.mark.parametrize("name", ["PutObject", "CopyObject", "CompleteMultipartUpload", "PostObject"])
def test_every_way_to_write_is_one(name: str) -> None:
    (write,) = writes(log_file(record(eventName=name)))
    assert write.event_name == name


@pytest.mark.parametrize(
    "changes",
    [
        {"eventName": "GetObject"},
        {"eventName": "CreateMultipartUpload"},
        {"eventName": "UploadPart"},
        {"eventName": "DeleteObject", "requestParameters": None},
        {"errorCode": "AccessDenied", "errorMessage": "Access Denied", "responseElements": None},
        {"eventSource": "dynamodb.amazonaws.com", "requestParameters": {"key": {"id": {"s": "1"}}}},
        {"eventSource": "kms.amazonaws.com", "eventName": "Decrypt", "requestParameters": []},
    ],
)
def test_what_writes_no_object_is_left_out(changes: dict[str, Any]) -> None:
    assert writes(log_file(record(**changes), record())) == [WRITE]


def test_every_record_is_read_duplicates_and_all() -> None:
    assert writes(log_file(record(), record(), record())) == [WRITE] * 3
    assert writes(log_file()) == []


PACKED = log_file(record())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "one complete gzip member"),
        (b"hello", "one complete gzip member"),
        (PACKED[:-1], "one complete gzip member"),
        (PACKED + PACKED, "one complete gzip member"),
        (PACKED + b"x", "one complete gzip member"),
        (PACKED[:-8] + bytes(8), "not gzip"),
        (gzip.compress(b"hello", mtime=0), "CloudTrail records"),
        (gzip.compress(b"[]", mtime=0), "CloudTrail records"),
        (gzip.compress(b"{}", mtime=0), "CloudTrail records"),
        (
            gzip.compress(b'{"Records":[{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}]}", mtime=0),
            "CloudTrail records",
        ),
    ],
)
def test_what_is_no_log_file_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(EvidenceError, match=why):
        parse_log_file(data)


NO_KEY = {"requestParameters": {"bucketName": "raw"}}


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        (b"1", "cannot be read"),
        (b'{"eventID":"\\ud800"}', "cannot be read"),
        (b'{"eventName":"\xff"}', "cannot be read"),
        (b'{"userAgent":"\xff"}', "cannot be read"),
        ({}, "does not name the service and the action"),
        ({"eventId": "a", "eventTime": "2026-11-20T13:00:00Z"}, "does not name the service and the action"),
        (record(eventName=None), "does not name the service and the action"),
        (record(eventName=["PutObject"]), "cannot be read"),
        (record(eventID=None), "has no id"),
        (record(eventTime=None), "no time"),
        (record(eventTime="yesterday"), "not an RFC 3339 time"),
        (record(eventTime="2026-11-20T13:00:00"), "not an RFC 3339 time"),
        (record(eventTime="9999-12-31T23:59:60Z"), "not an RFC 3339 time"),
        (record(eventTime="0001-01-01T00:00:00+23:00"), "not an RFC 3339 time"),
        (record(requestParameters=None), "which object"),
        (record(**NO_KEY), "'E1' of a PutObject does not say which object"),
        (record(requestParameters={"bucketName": "raw", "key": 1}), "which object"),
        (record(responseElements={"x-amz-version-id": 1}), "which object"),
        (record(addendum="yes"), "cannot be read"),
    ],
)
def test_a_record_that_cannot_be_read_costs_no_other(odd: dict[str, Any] | bytes, why: str) -> None:
    raw = odd if isinstance(odd, bytes) else json.dumps(odd).encode()
    good = json.dumps(record()).encode()
    contents = parse_log_file(gzip.compress(b'{"Records":[' + b",".join((good, raw, good)) + b"]}"))
    assert contents.writes == [WRITE, WRITE]
    (sentence,) = contents.unreadable
    assert why in sentence
    assert not contents.others


def test_many_records_that_cannot_be_read_are_told_of_in_few_sentences(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trail, "MAX_UNREADABLE", 2)
    contents = parse_log_file(log_file(*[record(**NO_KEY)] * 5, record()))
    assert contents.writes == [WRITE]
    assert len(contents.unreadable) == 3
    assert contents.unreadable[-1] == "3 more of its records cannot be read."


def test_records_of_other_kinds_are_counted() -> None:
    network = record(eventType="AwsVpceEvent", eventCategory="NetworkActivity")
    del network["requestParameters"], network["responseElements"]
    aggregated = {"eventCategory": "Aggregated", "eventId": "A1", "eventVersion": "1.0"}
    insight = {"eventCategory": "Insight", "eventType": "AwsCloudTrailInsight", "insightDetails": {}}
    contents = parse_log_file(log_file(network, aggregated, record(), insight, network))
    assert contents.writes == [WRITE]
    assert contents.unreadable == []
    assert contents.others == {"NetworkActivity": 2, "Aggregated": 1, "Insight": 1}


@pytest.mark.parametrize("category", ["Data", "Management", None])
def test_a_write_counts_in_every_category_that_has_writes(category: str | None) -> None:
    assert writes(log_file(record(eventCategory=category))) == [WRITE]


def test_an_addendum_tells_of_the_event_it_adds_to() -> None:
    added = {"reason": "UPDATED_DATA", "originalEventID": "E1", "originalRequestID": "R1"}
    later = record(eventID="E2", requestID="R2", addendum=added)
    assert writes(log_file(record(), later)) == [WRITE, WRITE]
    assert writes(log_file(record(addendum={"reason": "DELIVERY_DELAY"}))) == [WRITE]


def test_a_file_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trail, "MAX_LOG_FILE_BYTES", 1000)
    with pytest.raises(EvidenceError, match="decompresses to over 1000 bytes"):
        parse_log_file(gzip.compress(bytes(1001)))


@given(st.data())
def test_a_changed_byte_never_changes_what_is_read(data: st.DataObject) -> None:
    """The checksum of gzip detects it; a header that is not read may change."""
    changed = bytearray(PACKED)
    changed[data.draw(st.integers(0, len(PACKED) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        assert writes(bytes(changed)) == [WRITE]
    except EvidenceError:
        return


@pytest.fixture(scope="module")
def new_world() -> Iterator[Callable[[], World]]:
    with worlds() as new:
        yield new


def deliver(world: World, *keys: str) -> None:
    for key in keys:
        world.s3.put_object(Bucket=world.trail, Key=key, Body=json.dumps(key).encode())


@pytest.mark.parametrize("above", ["AWSLogs/", "logs/AWSLogs/o-exampleorgid/"])
def test_the_files_of_all_regions_and_days_are_listed(new_world: Callable[[], World], above: str) -> None:
    world = new_world()
    root = f"{above}{ACCOUNT}/CloudTrail"
    keys = [
        f"{root}/eu-central-1/2026/11/20/a.json.gz",
        f"{root}/us-east-1/2025/12/31/a.json.gz",
        f"{root}/us-east-1/2026/11/19/a.json.gz",
        f"{root}/us-east-1/2026/11/20/a.json.gz",
        f"{root}/us-east-1/2026/11/20/b.json.gz",
    ]
    deliver(
        world,
        *keys,
        f"{root}-Digest/us-east-1/2026/11/20/d.json.gz",
        f"{above}999999999999/CloudTrail/us-east-1/2026/11/20/a.json.gz",
    )

    def listed(first_day: date | None, last_day: date) -> list[str]:
        return [
            file.key
            for file in list_log_files(
                world.s3, world.trail, root.removesuffix("CloudTrail"), first_day, last_day
            )
        ]

    today = date(2026, 11, 20)
    assert listed(None, today) == keys
    assert listed(date(2025, 12, 31), today) == keys
    assert listed(date(2026, 1, 1), today) == [keys[0], *keys[2:]]
    assert listed(date(2026, 11, 20), today) == [keys[0], *keys[3:]]
    assert listed(date(2026, 11, 21), date(2026, 11, 21)) == []


def test_a_file_is_listed_as_it_was_first_written(new_world: Callable[[], World]) -> None:
    """Overwriting or deleting a log file under Object Lock does not remove it."""
    world = new_world()
    root = f"AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/2026/11/20"
    first = {}
    for name in ("a", "b", "c"):
        put = world.s3.put_object(Bucket=world.trail, Key=f"{root}/{name}", Body=b"first")
        first[f"{root}/{name}"] = put["VersionId"]
    world.s3.put_object(Bucket=world.trail, Key=f"{root}/b", Body=b"second")
    world.s3.delete_object(Bucket=world.trail, Key=f"{root}/c")

    files = list(list_log_files(world.s3, world.trail, f"AWSLogs/{ACCOUNT}/", None, date(2026, 11, 20)))

    assert {file.key: file.version_id for file in files} == first


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 2 * PART, 3 * PART + 7])
@pytest.mark.parametrize("level", [0, 6])
def test_a_file_of_any_size_is_decompressed_whole(size: int, level: int) -> None:
    text = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    packed = gzip.compress(text, level)
    assert decompress(packed) == text
    for damaged in (packed[:-1], packed[:-9], packed + b"\0", packed + packed):
        with pytest.raises(EvidenceError, match="one complete gzip member"):
            decompress(damaged)


def test_a_file_that_grows_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trail, "MAX_LOG_FILE_BYTES", 2 * PART)
    assert len(decompress(gzip.compress(bytes(2 * PART)))) == 2 * PART
    with pytest.raises(EvidenceError, match=f"over {2 * PART} bytes"):
        decompress(gzip.compress(bytes(2 * PART + 1)))
