"""The messages that Amazon S3, Amazon EventBridge and ``custody record``/``backfill`` send to the recorder.

Source: Amazon S3 User Guide, "Event message structure" and, of adopted buckets, "EventBridge event message
structure". The minor version of the former's schema has increased from 2.1 to 2.6 and will increase further;
all of them have the fields that are read here. A key is URL-encoded in the former, and plain in the latter.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from urllib.parse import quote_plus, unquote_plus

from custody.documents import Fields, parse_object
from custody.errors import CustodyError, EvidenceError
from custody.evidence.objects import MAX_KEY_BYTES, ObjectVersion
from custody.times import format_time

BACKFILL_SOURCE = "custody:backfill"
BACKFILL_NAME = "Backfill"
MAX_MESSAGE_BYTES = 1024 * 1024
"""The largest message of Amazon SQS (Amazon SQS Developer Guide, "Message quotas")."""
_MAX_BYTES = {"bucket's name": 255, "key": MAX_KEY_BYTES, "version id": 1024}
"""Amazon S3 has none that are longer (Amazon S3 User Guide)."""
_MAX_FACT_BYTES = 512
"""Far above what Amazon S3 says of a write. A receipt repeats all of it, and must stay one that is read."""

_NAMES = {
    "PutObject": "Put",
    "POST Object": "Post",
    "CopyObject": "Copy",
    "CompleteMultipartUpload": "CompleteMultipartUpload",
}
"""The reasons of EventBridge's events, and what notifications call them."""
_EVENT_VERSION = re.compile(r"2\.\d+", re.ASCII)


class MalformedMessageError(CustodyError):
    """A message does not reliably name an object version; it belongs in the dead-letter queue."""


class SkipReason(StrEnum):
    """Why a message needs no receipt. Nothing is skipped for any other reason."""

    TEST_EVENT = "test_event"
    """Amazon S3 sends ``s3:TestEvent`` when a notification is configured."""
    RECEIPT = "receipt"
    """An object of the provenance bucket: receipts for receipts would never end."""
    NOT_CREATED = "not_created"
    """An event that creates no object version."""
    DELETE_MARKER = "delete_marker"
    """A delete marker has no bytes."""


@dataclass(frozen=True, slots=True)
class ObjectCreated:
    """One new object version according to its notification; ``None`` for missing fields."""

    version: ObjectVersion
    name: str
    """``ObjectCreated:Put`` and so on; ``Backfill`` for our own messages."""
    time: datetime
    """When the write happened; for a backfill, when it was requested."""
    request_id: str | None = None
    principal_id: str | None = None
    source_ip: str | None = None
    sequencer: str | None = None

    @property
    def subject(self) -> str:
        """The object version's URI."""
        return self.version.uri


@dataclass(frozen=True, slots=True)
class Skipped:
    """One event that needs no receipt, and why."""

    reason: SkipReason
    subject: str
    """The object's URI; the bucket's for a test event."""


def parse_message(body: str) -> list[ObjectCreated | Skipped]:
    """Read the body of one SQS message: every record in it, in order.

    Raises ``MalformedMessageError`` if any part of it cannot be read reliably: then nothing of the message is
    used, since it is unknown what was lost.
    """
    try:
        document = parse_object(body, "message", MAX_MESSAGE_BYTES)
        fields = Fields(document, "message")
        if document.get("Event") == "s3:TestEvent" and "Records" not in document:
            return [Skipped(SkipReason.TEST_EVENT, f"s3://{fields.words('Bucket')}")]
        if "detail-type" in document:
            return [_parse_event(fields)]
        parsed = [_parse_record(record) for record in fields.objects("Records")]
    except EvidenceError as error:
        raise MalformedMessageError(error.message) from error
    if not parsed:
        raise MalformedMessageError("The message's Records are empty.")
    return parsed


def backfill_message(version: ObjectVersion, requested_at: datetime) -> str:
    """The body of a message that requests the receipt of an object version without one.

    It says nothing about who wrote the object: no request id, principal, address or sequencer.
    """
    return event_message(ObjectCreated(version, BACKFILL_NAME, requested_at))


def event_message(event: ObjectCreated) -> str:
    """The body of a message of one event, in the format of Amazon S3's own; ``parse_message`` reads it."""
    is_backfill = event.name == BACKFILL_NAME
    written: dict[str, dict[str, str | None]] = {
        "userIdentity": {"principalId": event.principal_id},
        "requestParameters": {"sourceIPAddress": event.source_ip},
        "responseElements": {"x-amz-request-id": event.request_id},
    }
    entity = {"key": quote_plus(event.version.key), "versionId": event.version.version_id}
    if event.sequencer is not None:
        entity["sequencer"] = event.sequencer
    record = {
        "eventVersion": "2.1",
        "eventSource": BACKFILL_SOURCE if is_backfill else "aws:s3",
        "eventTime": format_time(event.time),
        "eventName": event.name,
        "s3": {"bucket": {"name": event.version.bucket}, "object": entity},
    }
    facts = {part: fact for part, fact in written.items() if None not in fact.values()}
    return json.dumps({"Records": [record | facts]}, separators=(",", ":"))


def _parse_record(record: Fields) -> ObjectCreated | Skipped:
    source = record.words("eventSource")
    if source not in ("aws:s3", BACKFILL_SOURCE):
        raise EvidenceError(f"The message comes from {source[:80]!r}, not from Amazon S3.")
    schema = record.words("eventVersion")
    if _EVENT_VERSION.fullmatch(schema) is None:
        raise EvidenceError(f"The message has event version {schema[:20]!r}; this reads 2.x.")
    name = record.words("eventName")
    s3 = record.object("s3")
    bucket = s3.object("bucket").words("name")
    entity = s3.object("object")
    key = _decode_key(entity.words("key"))
    version_id = entity.optional_text("versionId")
    backfill = source == BACKFILL_SOURCE

    subject = _require_lengths(ObjectVersion(bucket, key, version_id or ""))
    if name.startswith("ObjectRemoved:DeleteMarkerCreated"):
        return Skipped(SkipReason.DELETE_MARKER, subject.uri)
    if not (name == BACKFILL_NAME if backfill else name.startswith("ObjectCreated:")):
        return Skipped(SkipReason.NOT_CREATED, subject.uri)
    _require_version(subject)
    time = record.time("eventTime")
    if backfill:
        return ObjectCreated(subject, name, time)
    return _require_short(
        ObjectCreated(
            version=subject,
            name=name,
            time=time,
            request_id=record.optional_object("responseElements").optional_text("x-amz-request-id"),
            principal_id=record.optional_object("userIdentity").optional_text("principalId"),
            source_ip=record.optional_object("requestParameters").optional_text("sourceIPAddress"),
            sequencer=entity.optional_text("sequencer"),
        )
    )


def _parse_event(event: Fields) -> ObjectCreated | Skipped:
    """Read an event of EventBridge, which names the account that wrote an object, not the principal."""
    if (source := event.words("source")) != "aws.s3":
        raise EvidenceError(f"The message comes from {source[:80]!r}, not from Amazon S3.")
    detail = event.object("detail")
    bucket = detail.object("bucket").words("name")
    entity = detail.object("object")
    version_id = entity.optional_text("version-id")
    subject = _require_lengths(ObjectVersion(bucket, entity.words("key"), version_id or ""))
    if event.words("detail-type") != "Object Created":
        return Skipped(SkipReason.NOT_CREATED, subject.uri)
    _require_version(subject)
    reason = detail.words("reason")
    return _require_short(
        ObjectCreated(
            version=subject,
            name=f"ObjectCreated:{_NAMES.get(reason, reason)}",
            time=event.time("time"),
            request_id=detail.optional_text("request-id"),
            source_ip=detail.optional_text("source-ip-address"),
            sequencer=entity.optional_text("sequencer"),
        )
    )


def _require_version(version: ObjectVersion) -> None:
    if version.version_id in ("", "null"):
        raise EvidenceError(
            f"The message names no version of s3://{version.bucket}/{version.key[:80]!r}: "
            "is versioning on in that bucket?"
        )


def _decode_key(encoded: str) -> str:
    """Amazon S3 URL-encodes keys in notifications like form data (a space as ``+``), and so does this kit."""
    try:
        key = unquote_plus(encoded, errors="strict")
        key.encode()
    except UnicodeError as error:
        raise EvidenceError(f"The message's key {encoded[:80]!r} is not UTF-8 once decoded.") from error
    return key


def _require_lengths(version: ObjectVersion) -> ObjectVersion:
    values = (version.bucket, version.key, version.version_id)
    for (what, most), value in zip(_MAX_BYTES.items(), values, strict=True):
        _require_length(what, value, most)
    return version


def _require_short(event: ObjectCreated) -> ObjectCreated:
    for fact in ("name", "request_id", "principal_id", "source_ip", "sequencer"):
        _require_length(fact, getattr(event, fact) or "", _MAX_FACT_BYTES)
    return event


def _require_length(what: str, value: str, most: int) -> None:
    if (length := len(value.encode())) > most:
        raise EvidenceError(f"The message's {what} is {length} bytes long, over {most}.")
