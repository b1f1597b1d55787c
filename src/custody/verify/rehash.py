"""The bytes of every sealed object, hashed again by an engine's tasks: ``object.hash`` at any scale.

What is to be hashed comes from the segments of the log (``custody.log.segments``): they name each recorded
version with the hash, size, ETag and times of its receipt. An inventory names no hash, and is a day old. The
rows are not signed: that they are what was signed and sealed is for ``custody verify``, as is everything else
about receipts, log and trail (``ledger.row``, ``receipt.signature``, …), and so the report says.

It runs on Glue: nothing here may need more than its Python has (no cryptography, no msgspec).
"""

from __future__ import annotations

import gzip
import io
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ParamValidationError

from custody.concurrency import map_concurrently
from custody.documents import Fields, parse_object
from custody.errors import CustodyError, EvidenceError, describe_defect
from custody.evidence.dsse import MAX_ENVELOPE_BYTES
from custody.evidence.fetch import SERVICE_ERRORS, GoneError, Reader, UnreadableError, fetch_bytes
from custody.evidence.objects import ObjectVersion, S3Location
from custody.findings import CLAIMS, Claim, Finding, Severity, Status
from custody.log.segments import MAX_SEGMENT_BYTES, SEGMENT_PREFIX
from custody.times import parse_time
from custody.verify.object_bytes import compare_bytes, hash_version
from custody.verify.report import VerificationReport
from custody.verify.tally import Tally

if TYPE_CHECKING:
    import pyarrow as pa
    from mypy_boto3_s3 import S3Client
    from pyspark.sql import DataFrame, SparkSession

CONCURRENT_READS = 8
"""Objects that a task hashes at once, in about 5 MiB each: most of a small one's time is waiting for S3."""

_COLUMNS = (
    "bucket_name string, object_key string, version_id string, sha256 string, size_bytes bigint, "
    "etag string, last_modified string, recorded_at string, problem string"
)
_OUTCOMES = "kind string, detail string, subjects bigint"
_BATCH_ROWS = 1024


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a segment: what a receipt says of its object version."""

    version: ObjectVersion
    sha256: str
    size_bytes: int
    etag: str
    last_modified: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Window:
    """What is to be hashed: by days (both ends included), and by bucket and key."""

    since: date | None = None
    until: date | None = None
    place: S3Location | None = None

    def __str__(self) -> str:
        """It in words; empty, if it is everything."""
        days = [
            f"{word} {day}" for word, day in (("since", self.since), ("until", self.until)) if day is not None
        ]
        below = [] if self.place is None else [f"below s3://{self.place.bucket}/{self.place.key}"]
        return ", ".join([*days, *below])

    def has_day(self, day: date) -> bool:
        """Whether segments of a day are in it."""
        return (self.since is None or day >= self.since) and (self.until is None or day <= self.until)

    def has(self, bucket: str, key: str) -> bool:
        """Whether an object is in it."""
        place = self.place
        return place is None or (bucket == place.bucket and key.startswith(place.key))


def list_segments(s3: S3Client, provenance: str, window: Window) -> Iterator[str]:
    """The keys of the segments of a window, in the order of the days."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=provenance, Prefix=SEGMENT_PREFIX):
        for found in page.get("Contents", ()):
            day, _, name = found["Key"].removeprefix(f"{SEGMENT_PREFIX}dt=").partition("/")
            try:
                wanted = bool(name) and window.has_day(date.fromisoformat(day))
            except ValueError:
                continue
            if wanted:
                yield found["Key"]


def read_segment(s3: Reader, provenance: str, key: str) -> Iterator[dict[str, Any]]:
    """The rows of a segment as columns of ``_COLUMNS``; what cannot be read is one with a ``problem``."""
    version = ObjectVersion(provenance, key, "")
    where = version.uri.partition("?")[0]
    try:
        data = fetch_bytes(s3, version, MAX_SEGMENT_BYTES)
    except (GoneError, UnreadableError, *SERVICE_ERRORS, CustodyError) as error:
        yield {"problem": f"{where} could not be read: {error}"}
        return
    if len(data) > MAX_SEGMENT_BYTES:
        yield {"problem": f"{where} is longer than a segment can be."}
        return
    number = 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as lines:
            while line := lines.readline(MAX_ENVELOPE_BYTES + 1):
                number += 1
                try:
                    yield _columns(line)
                except EvidenceError as error:
                    yield {"problem": f"Row {number} of {where} is none: {error.message}"}
    except (OSError, EOFError, zlib.error) as error:
        yield {"problem": f"{where} is not gzip after row {number}: {error}"}
    else:
        if not number:
            yield {"problem": f"{where} has no row, and a segment has one."}


def judge(s3: Reader, columns: dict[str, Any]) -> tuple[str, str]:
    """Hash the version of a row: ``held``, or a kind and its words, a finding as JSON.

    Nothing that happens to one version is raised.
    """
    if columns["problem"] is not None:
        return "unchecked", columns["problem"]
    uri = ""
    try:
        row = _row(columns)
        uri = row.version.uri
        findings = compare_bytes(row, *hash_version(s3, row.version))
    except GoneError as error:
        is_no_name = isinstance(error.__cause__, ParamValidationError)
        return ("unchecked", f"{uri}: {error}.") if is_no_name else ("gone", uri)
    except UnreadableError as error:
        return "unchecked", str(error)
    except (*SERVICE_ERRORS, CustodyError) as error:
        return "unchecked", f"{uri or columns['object_key']} could not be read: {error}"
    except Exception as error:  # noqa: BLE001 - it is reported, and one version must not end the run
        return "unchecked", f"{uri or columns['object_key']}: {describe_defect(error)}"
    return ("finding", json.dumps([each.to_dict() for each in findings])) if findings else ("held", "")


def outcomes(spark: SparkSession, segments: Iterable[str], provenance: str, window: Window) -> DataFrame:
    """Read the segments and hash their objects, in the engine's tasks: columns ``kind, detail, subjects``.

    Rows are spread anew between reading and hashing, so that one segment of large objects is not one task.
    The number of tasks is ``spark.sql.shuffle.partitions``.
    """
    tasks = int(spark.conf.get("spark.sql.shuffle.partitions") or 1)

    def unpack(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        keys = (key for batch in batches for key in batch.column(0).to_pylist())
        rows = chain.from_iterable(read_segment(_client(), provenance, key) for key in keys)
        wanted = (
            row for row in rows if "problem" in row or window.has(row["bucket_name"], row["object_key"])
        )
        return _batches(wanted, _COLUMNS)

    def hash_all(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        s3, held = _client(), 0
        items = (item for batch in batches for item in batch.to_pylist())

        def told() -> Iterator[dict[str, Any]]:
            nonlocal held
            for kind, detail in map_concurrently(lambda item: judge(s3, item), items, CONCURRENT_READS):
                if kind == "held":
                    held += 1
                else:
                    yield {"kind": kind, "detail": detail, "subjects": 1}
            yield {"kind": "held", "detail": "", "subjects": held}

        return _batches(told(), _OUTCOMES)

    keys = spark.createDataFrame([(key,) for key in segments], "key string")
    rows = keys.repartition(tasks).mapInArrow(unpack, _COLUMNS)
    return rows.repartition(tasks).mapInArrow(hash_all, _OUTCOMES)


def report(rows: Iterable[Any], window: Window) -> VerificationReport:
    """The report of a window's outcomes, in the shape of ``custody verify``."""
    tally, gone, read = Tally((Claim.OBJECT_HASH,)), 0, 0
    for kind, detail, subjects in rows:
        if kind == "held":
            tally.hold(Claim.OBJECT_HASH, subjects)
            read += subjects
        elif kind == "finding":
            findings = [_finding(each) for each in json.loads(detail)]
            tally.judge(Claim.OBJECT_HASH, findings[0].subject, findings)
            read += 1
        elif kind == "gone":
            gone += 1
        else:
            tally.leave(detail)
    others = ", ".join(claim for claim in CLAIMS if claim is not Claim.OBJECT_HASH)
    notes = [f"Not judged here, but by custody verify: {others}; and objects that are not in the log."]
    if gone:
        versions = f"{gone:,} version{'' if gone == 1 else 's'} in the log"
        notes.append(
            f"{versions} no longer exist: whether they were deleted lawfully, custody verify judges."
        )
    if words := str(window):
        notes.append(f"Only what was written {words}.")
    if not read and not tally.unchecked_count:
        tally.leave("Nothing was checked: no object of the log that exists is in the window.")
    return VerificationReport(
        claims=tally.counts(),
        findings=tuple(sorted(tally.findings, key=lambda found: (found.subject, found.claim, found.detail))),
        unchecked=tuple(tally.unchecked),
        sample=1.0,
        seed="",
        unchecked_count=tally.unchecked_count,
        receipts=read + gone,
        receipts_read=read,
        notes=tuple(notes),
    )


@cache
def _client() -> S3Client:
    """The client of a worker's process; botocore's own check would make other bytes an unreadable object."""
    import boto3  # noqa: PLC0415 - a client cannot be sent to a worker

    os.environ["AWS_RESPONSE_CHECKSUM_VALIDATION"] = "when_required"  # older versions have no such setting
    return boto3.client("s3")


def _batches(rows: Iterable[dict[str, Any]], columns: str) -> Iterator[pa.RecordBatch]:
    """Rows in Arrow, with the columns of a schema of Spark's, ``name type, …``; what a row lacks is NULL."""
    import pyarrow as pa  # noqa: PLC0415 - not available to the rest of the package

    kinds = {"string": pa.string(), "bigint": pa.int64()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in (each.split() for each in columns.split(", "))])
    source = iter(rows)
    while batch := list(islice(source, _BATCH_ROWS)):
        yield pa.RecordBatch.from_pylist(batch, schema)


def _columns(line: bytes) -> dict[str, Any]:
    fields = Fields(parse_object(line, "row", MAX_ENVELOPE_BYTES), "row")
    return {
        **{name: fields.words(name) for name in ("bucket_name", "object_key", "version_id", "etag")},
        "sha256": fields.sha256("sha256"),
        "size_bytes": fields.natural("size_bytes"),
        **{name: _time(fields.text(name)) for name in ("last_modified", "recorded_at")},
    }


def _time(text: str) -> str:
    """A time of a row, which is in UTC without saying so, as RFC 3339 has it; it is one."""
    rfc3339 = f"{text.replace(' ', 'T', 1)}Z"
    parse_time(rfc3339)
    return rfc3339


def _row(columns: dict[str, Any]) -> Row:
    return Row(
        ObjectVersion(columns["bucket_name"], columns["object_key"], columns["version_id"]),
        columns["sha256"],
        columns["size_bytes"],
        columns["etag"],
        parse_time(columns["last_modified"]),
        parse_time(columns["recorded_at"]),
    )


def _finding(document: dict[str, str]) -> Finding:
    return Finding(
        Claim(document["claim"]),
        Status(document["status"]),
        document["subject"],
        document["detail"],
        Severity(document["severity"]),
    )
