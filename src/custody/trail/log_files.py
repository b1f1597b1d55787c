"""CloudTrail's log files: which object writes they witness.

Sources: AWS CloudTrail User Guide, "CloudTrail record contents" and "Finding your CloudTrail log files". Of a
record only what every schema version has is read, and only of writes to Amazon S3 that succeeded; everything
else in a record varies by caller and is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from posixpath import commonpath
from typing import TYPE_CHECKING

import msgspec
from isal import isal_zlib
from isal.igzip_lib import IsalError

from custody.errors import EvidenceError
from custody.listing import list_versions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

WRITES = frozenset({"PutObject", "CopyObject", "CompleteMultipartUpload", "PostObject"})
MAX_LOG_FILE_BYTES = 1024**3
"""CloudTrail's files are some megabytes; one that unpacks to more than this is not CloudTrail's."""


@dataclass(frozen=True, slots=True)
class TrailWrite:
    """One successful write of an object, as CloudTrail witnessed it."""

    event_id: str
    event_name: str
    event_time: datetime
    bucket: str
    key: str
    version_id: str | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class LogFile:
    """One log file: the first version that was stored under its key, since CloudTrail writes each once."""

    key: str
    version_id: str


class _Record(msgspec.Struct):
    eventID: str  # noqa: N815 - the names are CloudTrail's
    eventTime: datetime  # noqa: N815
    eventSource: str  # noqa: N815
    eventName: str  # noqa: N815
    errorCode: str | None = None  # noqa: N815
    requestID: str | None = None  # noqa: N815
    requestParameters: msgspec.Raw = msgspec.Raw(b"null")  # noqa: N815
    responseElements: msgspec.Raw = msgspec.Raw(b"null")  # noqa: N815


class _LogFile(msgspec.Struct):
    Records: list[_Record]


class _Request(msgspec.Struct):
    bucket: str = msgspec.field(name="bucketName")
    key: str


class _Response(msgspec.Struct):
    version_id: str | None = msgspec.field(name="x-amz-version-id", default=None)


_LOG_FILE = msgspec.json.Decoder(_LogFile)
_REQUEST = msgspec.json.Decoder(_Request)
_RESPONSE = msgspec.json.Decoder(_Response | None)


def parse_log_file(data: bytes) -> list[TrailWrite]:
    """The object writes in one gzipped log file, in its order, duplicates and all.

    Raises ``EvidenceError`` if it is no log file, or if a write in it does not say what was written.
    """
    text = _unpack(data)
    try:
        return [
            _write(record)
            for record in _LOG_FILE.decode(text).Records
            if record.eventName in WRITES
            and record.errorCode is None
            and record.eventSource == "s3.amazonaws.com"
        ]
    except msgspec.DecodeError as error:
        raise EvidenceError(f"The log file does not hold CloudTrail's records: {error}.") from error


def list_log_files(
    s3: S3Client, bucket: str, account_id: str, first_day: date | None, last_day: date
) -> Iterator[LogFile]:
    """Every log file of one account, of all regions, delivered in these days (UTC; ``None``: from the first).

    Files that were overwritten or deleted later are still listed, by their first version.
    """
    root = f"AWSLogs/{account_id}/CloudTrail/"
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
                oldest = LogFile(entry.key, entry.version_id)
            if oldest is not None:
                yield oldest


def _unpack(data: bytes) -> bytes:
    unpacker = isal_zlib.decompressobj(wbits=isal_zlib.MAX_WBITS | 16)  # 16: with a gzip header
    try:
        text = unpacker.decompress(data, MAX_LOG_FILE_BYTES)
    except IsalError as error:  # type: ignore[misc]  # the stub declares the class as an instance
        raise EvidenceError(f"The log file is not gzip: {error}.") from error
    if unpacker.unconsumed_tail:
        raise EvidenceError(f"The log file unpacks to over {MAX_LOG_FILE_BYTES} bytes.")
    if not unpacker.eof or unpacker.unused_data:
        raise EvidenceError("The log file is not one whole gzip member.")
    return text


def _write(record: _Record) -> TrailWrite:
    if record.eventTime.tzinfo is None:
        raise EvidenceError(f"The record {record.eventID[:80]!r} has a time without a zone.")
    request = _REQUEST.decode(record.requestParameters)
    response = _RESPONSE.decode(record.responseElements)
    return TrailWrite(
        event_id=record.eventID,
        event_name=record.eventName,
        event_time=record.eventTime,
        bucket=request.bucket,
        key=request.key,
        version_id=response.version_id if response else None,
        request_id=record.requestID,
    )
