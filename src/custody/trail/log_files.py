"""CloudTrail's log files: where they are, the object writes in them, and the deletions of versions.

Sources: AWS CloudTrail User Guide, "CloudTrail record contents" and "Finding your CloudTrail log files". Only
fields that all schema versions have are read, and only for successful writes to Amazon S3; other fields vary
by caller and are ignored. Records of categories other than management and data events (Insights, network
activity, aggregated records) do not describe a single write: they are only counted.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from posixpath import commonpath
from typing import TYPE_CHECKING, Any

import msgspec
from isal import isal_zlib
from isal.igzip_lib import IsalError

from custody.errors import EvidenceError
from custody.listing import list_versions
from custody.times import parse_time

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

WRITES = frozenset({"PutObject", "CopyObject", "CompleteMultipartUpload", "PostObject"})
DELETIONS = frozenset({"DeleteObject", "DeleteObjects"})
SIGN = "Sign"
"""AWS KMS's operation (AWS KMS Developer Guide, "Sign" in "Examples of AWS KMS log entries")."""
MAX_LOG_FILE_BYTES = 1024**3
"""CloudTrail's files have some megabytes; one that decompresses to more than this is not CloudTrail's."""
MAX_UNREADABLE = 100
"""How many unreadable records of a file are reported individually."""

_PART_BYTES = 1024 * 1024
"""Decompressed at a time: a buffer that grows to the whole is copied again and again."""

_CATEGORIES = frozenset({"Management", "Data", None})
"""Categories that are read; records of schema versions before 1.07 have no category."""


@dataclass(frozen=True, slots=True)
class TrailWrite:
    """One successful write of an object in the trail."""

    event_id: str
    event_name: str
    event_time: datetime
    bucket: str
    key: str
    version_id: str | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class TrailDeletion:
    """One successful deletion of an object version, or of a batch, in the trail.

    Of a batch (``DeleteObjects``) the trail has neither keys nor versions: ``key`` is ``None``.
    """

    event_time: datetime
    bucket: str
    key: str | None
    version_id: str


@dataclass(frozen=True, slots=True)
class TrailSignature:
    """One successful use of a key to sign, in AWS KMS, in the trail."""

    event_time: datetime
    key_id: str
    """The key's ARN; as the caller named it, if the record has no ARN."""


@dataclass(slots=True)
class LogContents:
    """The contents of one log file."""

    writes: list[TrailWrite] = field(default_factory=list)
    """In the file's order, including duplicates."""
    deletions: list[TrailDeletion] = field(default_factory=list)
    """Those of delete markers, and deletions that only set one, are not among them."""
    signatures: list[TrailSignature] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    """A sentence for each unreadable record; the last may stand for many."""
    others: Counter[str] = field(default_factory=Counter)
    """The number of records of other categories, by category."""
    sha256: str | None = None
    """Of the uncompressed content, as digest files have it; ``None`` if it cannot be read."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """One log or digest file: the first version of its key, since CloudTrail writes each file once."""

    key: str
    version_id: str
    stored_at: datetime


class _Addendum(msgspec.Struct, gc=False):
    originalEventID: str | None = None  # noqa: N815 - the names are CloudTrail's
    originalRequestID: str | None = None  # noqa: N815


class _Record(msgspec.Struct, gc=False):
    eventID: str | None = None  # noqa: N815
    eventTime: str | None = None  # noqa: N815
    eventSource: str | None = None  # noqa: N815
    eventName: str | None = None  # noqa: N815
    eventCategory: str | None = None  # noqa: N815
    errorCode: str | None = None  # noqa: N815
    requestID: str | None = None  # noqa: N815
    addendum: _Addendum | None = None
    requestParameters: msgspec.Raw = msgspec.Raw(b"null")  # noqa: N815
    responseElements: msgspec.Raw = msgspec.Raw(b"null")  # noqa: N815
    resources: msgspec.Raw = msgspec.Raw(b"null")


class _LogFile(msgspec.Struct, gc=False):
    Records: list[_Record]


class _Request(msgspec.Struct, gc=False):
    bucket: str = msgspec.field(name="bucketName")
    key: str


class _Response(msgspec.Struct, gc=False):
    version_id: str | None = msgspec.field(name="x-amz-version-id", default=None)


class _Deletion(msgspec.Struct, gc=False):
    bucket: str = msgspec.field(name="bucketName")
    key: str | None = None
    version_id: str | None = msgspec.field(name="versionId", default=None)


class _Deleted(msgspec.Struct, gc=False):
    marker: str | bool | None = msgspec.field(name="x-amz-delete-marker", default=None)


class _Signing(msgspec.Struct, gc=False):
    keyId: str  # noqa: N815


class _Resource(msgspec.Struct, gc=False):
    ARN: str | None = None


_time = lru_cache(maxsize=4096)(parse_time)
"""Events are told to the second: many share their time."""

_LOG_FILE = msgspec.json.Decoder(_LogFile)
_RECORD = msgspec.json.Decoder(_Record)
_REQUEST = msgspec.json.Decoder(_Request)
_RESPONSE = msgspec.json.Decoder(_Response | None)
_DELETION = msgspec.json.Decoder(_Deletion | None)
_DELETED = msgspec.json.Decoder(_Deleted | None)
_SIGNING = msgspec.json.Decoder(_Signing)
_RESOURCES = msgspec.json.Decoder(list[_Resource] | None)


def parse_log_file(data: bytes) -> LogContents:
    """Read one gzipped log file.

    An unreadable record does not affect the others. Raises ``EvidenceError`` if it is not a log file.
    """
    return parse_log_content(decompress(data))


def parse_log_content(text: bytes) -> LogContents:
    """As ``parse_log_file``, of the uncompressed content."""
    contents = LogContents(sha256=hashlib.sha256(text).hexdigest())
    unreadable = 0
    for record in _records(text):
        try:
            _read(record, contents)
        except EvidenceError as error:
            unreadable += 1
            if unreadable <= MAX_UNREADABLE:
                contents.unreadable.append(error.message)
    if unreadable > MAX_UNREADABLE:
        contents.unreadable.append(f"{unreadable - MAX_UNREADABLE} more of its records cannot be read.")
    return contents


def list_log_files(
    s3: S3Client,
    bucket: str,
    folder: str,
    first_day: date | None,
    last_day: date,
    *,
    digests: bool = False,
) -> Iterator[LogFile]:
    """Every log file of one account, all regions, delivered on these days (UTC; ``None``: from the first).

    ``folder`` is the account's in the bucket: ``[<prefix>/]AWSLogs/[<organization>/]<account>/``. With
    ``digests`` every digest file instead. Files that were overwritten or deleted later are still listed, by
    their first version.
    """
    root = f"{folder}{'CloudTrail-Digest' if digests else 'CloudTrail'}/"
    first = f"{first_day:%Y/%m/%d}" if first_day else ""
    days = commonpath([first, f"{last_day:%Y/%m/%d}"])
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=root, Delimiter="/"):
        for region in page.get("CommonPrefixes", ()):
            prefix = region["Prefix"]
            oldest: LogFile | None = None
            for entry in list_versions(s3, bucket, prefix + days):
                if entry.is_delete_marker or entry.key < prefix + first:
                    continue
                if oldest is not None and oldest.key != entry.key:
                    yield oldest
                oldest = LogFile(entry.key, entry.version_id, entry.last_modified)
            if oldest is not None:
                yield oldest


def decompress(data: bytes) -> bytes:
    """The content of a log or digest file. Raises ``EvidenceError`` unless it is one gzip member."""
    unpacker = isal_zlib.decompressobj(wbits=isal_zlib.MAX_WBITS | 16)  # 16: with a gzip header
    parts, size = [], 0
    try:
        while not unpacker.eof and (part := unpacker.decompress(data, _PART_BYTES)):
            parts.append(part)
            size += len(part)
            if size > MAX_LOG_FILE_BYTES:
                raise EvidenceError(f"The file decompresses to over {MAX_LOG_FILE_BYTES} bytes.")
            data = unpacker.unconsumed_tail
    except IsalError as error:  # type: ignore[misc]  # the stub declares the class as an instance
        raise EvidenceError(f"The file is not gzip: {error}.") from error
    if not unpacker.eof or unpacker.unused_data:
        raise EvidenceError("The file is not one complete gzip member.")
    return b"".join(parts)


def _records(text: bytes) -> Iterator[_Record | EvidenceError]:
    """The records of a file, or for each the reason why it is not one: all at once if all are valid."""
    try:
        try:
            if not text.isascii():
                text.decode()  # msgspec does not validate the bytes that it skips
            yield from _LOG_FILE.decode(text).Records
        except (msgspec.MsgspecError, ValueError):
            yield from map(_record, _one_by_one(text))
    except (ValueError, RecursionError) as error:
        raise EvidenceError(f"The log file does not contain CloudTrail records: {error}.") from error


def _one_by_one(text: bytes) -> list[Any]:
    """The records of a file with errors, so that an error affects only its record."""
    document = json.loads(text.decode(errors="surrogateescape"), parse_int=float)
    records = document.get("Records") if isinstance(document, dict) else None
    if not isinstance(records, list):
        raise ValueError("it has no list of records")  # noqa: TRY004 - one type of error for the caller
    return records


def _record(record: Any) -> _Record | EvidenceError:
    try:
        return _RECORD.decode(json.dumps(record))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return EvidenceError(f"A record of it cannot be read: {error}.")


def _read(record: _Record | EvidenceError, contents: LogContents) -> None:
    """Classify a record. Raises ``EvidenceError`` if it cannot be read."""
    if isinstance(record, EvidenceError):
        raise record
    if record.eventCategory not in _CATEGORIES:
        contents.others[str(record.eventCategory)[:80]] += 1
    elif record.eventName is None or record.eventSource is None:
        raise EvidenceError(f"{_name(record)} does not name the service and the action.")
    elif record.errorCode is not None:
        return
    elif record.eventSource == "kms.amazonaws.com" and record.eventName == SIGN:
        contents.signatures.append(_signature(record))
    elif record.eventSource != "s3.amazonaws.com":
        return
    elif record.eventName in WRITES:
        contents.writes.append(_write(record))
    elif record.eventName in DELETIONS and (deletion := _deletion(record)) is not None:
        contents.deletions.append(deletion)


def _write(record: _Record) -> TrailWrite:
    addendum = record.addendum or _Addendum()  # a second record of an event (record contents, "addendum")
    event_id = addendum.originalEventID or record.eventID
    if not event_id or record.eventTime is None:
        raise EvidenceError(f"{_name(record)} has no id or no time.")
    try:
        request = _REQUEST.decode(record.requestParameters)
        response = _RESPONSE.decode(record.responseElements)
        event_time = _time(record.eventTime)
    except EvidenceError as error:
        raise EvidenceError(f"{_name(record)} cannot be read: {error.message}") from error
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise EvidenceError(f"{_name(record)} does not say which object was written: {error}.") from error
    return TrailWrite(
        event_id=event_id,
        event_name=record.eventName or "",
        event_time=event_time,
        bucket=request.bucket,
        key=request.key,
        version_id=response.version_id if response else None,
        request_id=addendum.originalRequestID or record.requestID,
    )


def _deletion(record: _Record) -> TrailDeletion | None:
    """What a deletion destroyed; ``None`` if it set or removed a delete marker."""
    if record.eventTime is None:
        raise EvidenceError(f"{_name(record)} has no time.")
    try:
        request = _DELETION.decode(record.requestParameters)
        answer = _DELETED.decode(record.responseElements)
        event_time = _time(record.eventTime)
    except EvidenceError as error:
        raise EvidenceError(f"{_name(record)} cannot be read: {error.message}") from error
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise EvidenceError(f"{_name(record)} does not say what was deleted: {error}.") from error
    if request is None:
        return None
    if record.eventName == "DeleteObjects":
        return TrailDeletion(event_time, request.bucket, None, "")
    if request.key is None or not request.version_id or (answer and answer.marker in {True, "true"}):
        return None
    return TrailDeletion(event_time, request.bucket, request.key, request.version_id)


def _signature(record: _Record) -> TrailSignature:
    if record.eventTime is None:
        raise EvidenceError(f"{_name(record)} has no time.")
    try:
        request = _SIGNING.decode(record.requestParameters)
        resources = _RESOURCES.decode(record.resources) or []
        event_time = _time(record.eventTime)
    except EvidenceError as error:
        raise EvidenceError(f"{_name(record)} cannot be read: {error.message}") from error
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise EvidenceError(f"{_name(record)} does not say which key signed: {error}.") from error
    arns = [resource.ARN for resource in resources if resource.ARN]
    return TrailSignature(event_time, arns[0] if arns else request.keyId)


def _name(record: _Record) -> str:
    return f"The record {(record.eventID or '')[:80]!r} of a {(record.eventName or 'call')[:80]}"
