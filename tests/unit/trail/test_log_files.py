"""CloudTrail's log files, in the shapes they come in."""

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
from custody.trail.log_files import TrailWrite, list_log_files, parse_log_file
from tests.support.evidence import ACCOUNT, World, log_file, trail_record, worlds

VERSION = ObjectVersion("raw", "incoming/a b+c%.csv", "v1")
WRITE = TrailWrite(
    event_id="E1",
    event_name="PutObject",
    event_time=datetime(2026, 11, 20, 13, tzinfo=UTC),
    bucket="raw",
    key="incoming/a b+c%.csv",
    version_id="v1",
    request_id="R1",
)


def record(**changes: Any) -> dict[str, Any]:
    return trail_record(VERSION, "R1", "E1", **changes)


def test_a_write_is_read() -> None:
    assert parse_log_file(log_file(record())) == [WRITE]


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
    assert parse_log_file(log_file(record(**changes))) == [WRITE]


@pytest.mark.parametrize("response", [None, {}, {"x-amz-server-side-encryption": "aws:kms"}])
def test_a_write_may_not_tell_its_version(response: dict[str, Any] | None) -> None:
    (write,) = parse_log_file(log_file(record(responseElements=response)))
    assert write.version_id is None


@pytest.mark.parametrize("name", ["PutObject", "CopyObject", "CompleteMultipartUpload", "PostObject"])
def test_every_way_to_write_is_one(name: str) -> None:
    (write,) = parse_log_file(log_file(record(eventName=name)))
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
    assert parse_log_file(log_file(record(**changes), record())) == [WRITE]


def test_every_record_is_read_duplicates_and_all() -> None:
    assert parse_log_file(log_file(record(), record(), record())) == [WRITE] * 3
    assert parse_log_file(log_file()) == []


PACKED = log_file(record())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "one whole gzip member"),
        (b"hello", "one whole gzip member"),
        (PACKED[:-1], "one whole gzip member"),
        (PACKED + PACKED, "one whole gzip member"),
        (PACKED + b"x", "one whole gzip member"),
        (PACKED[:-8] + bytes(8), "not gzip"),
        (gzip.compress(b"hello", mtime=0), "CloudTrail's records"),
        (gzip.compress(b"[]", mtime=0), "CloudTrail's records"),
        (gzip.compress(b"{}", mtime=0), "CloudTrail's records"),
        (gzip.compress(b'{"Records":[1]}', mtime=0), "CloudTrail's records"),
        (gzip.compress(b'{"Records":[{"eventID":"\\ud800"}]}', mtime=0), "CloudTrail's records"),
        (log_file({}), "CloudTrail's records"),
        (log_file(record(eventTime="yesterday")), "CloudTrail's records"),
        (log_file(record(eventTime="2026-11-20T13:00:00")), "without a zone"),
        (log_file(record(requestParameters=None)), "CloudTrail's records"),
        (log_file(record(requestParameters={"bucketName": "raw"})), "CloudTrail's records"),
        (log_file(record(requestParameters={"bucketName": "raw", "key": 1})), "CloudTrail's records"),
        (log_file(record(responseElements={"x-amz-version-id": 1})), "CloudTrail's records"),
    ],
)
def test_what_is_no_log_file_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(EvidenceError, match=why):
        parse_log_file(data)


def test_a_file_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trail, "MAX_LOG_FILE_BYTES", 1000)
    with pytest.raises(EvidenceError, match="unpacks to over 1000 bytes"):
        parse_log_file(gzip.compress(bytes(1001)))


@given(st.data())
def test_a_changed_byte_never_changes_what_is_read(data: st.DataObject) -> None:
    """The checksum of gzip sees it; a header that nobody reads may change."""
    changed = bytearray(PACKED)
    changed[data.draw(st.integers(0, len(PACKED) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        assert parse_log_file(bytes(changed)) == [WRITE]
    except EvidenceError:
        return


@pytest.fixture(scope="module")
def new_world() -> Iterator[Callable[[], World]]:
    with worlds() as new:
        yield new


def deliver(world: World, *keys: str) -> None:
    for key in keys:
        world.s3.put_object(Bucket=world.trail, Key=key, Body=json.dumps(key).encode())


def test_the_files_of_all_regions_and_days_are_listed(new_world: Callable[[], World]) -> None:
    world = new_world()
    root = f"AWSLogs/{ACCOUNT}/CloudTrail"
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
        f"AWSLogs/{ACCOUNT}/CloudTrail-Digest/us-east-1/2026/11/20/d.json.gz",
        "AWSLogs/999999999999/CloudTrail/us-east-1/2026/11/20/a.json.gz",
    )

    def listed(first_day: date | None, last_day: date) -> list[str]:
        return [file.key for file in list_log_files(world.s3, world.trail, ACCOUNT, first_day, last_day)]

    today = date(2026, 11, 20)
    assert listed(None, today) == keys
    assert listed(date(2025, 12, 31), today) == keys
    assert listed(date(2026, 1, 1), today) == [keys[0], *keys[2:]]
    assert listed(date(2026, 11, 20), today) == [keys[0], *keys[3:]]
    assert listed(date(2026, 11, 21), date(2026, 11, 21)) == []


def test_a_file_is_listed_as_it_was_first_written(new_world: Callable[[], World]) -> None:
    """Who overwrites or deletes a log file under Object Lock does not get it out of the way."""
    world = new_world()
    root = f"AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/2026/11/20"
    first = {}
    for name in ("a", "b", "c"):
        put = world.s3.put_object(Bucket=world.trail, Key=f"{root}/{name}", Body=b"first")
        first[f"{root}/{name}"] = put["VersionId"]
    world.s3.put_object(Bucket=world.trail, Key=f"{root}/b", Body=b"second")
    world.s3.delete_object(Bucket=world.trail, Key=f"{root}/c")

    files = list(list_log_files(world.s3, world.trail, ACCOUNT, None, date(2026, 11, 20)))

    assert {file.key: file.version_id for file in files} == first
