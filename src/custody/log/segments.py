"""Segments: the rows of sealed receipts that Athena reads, by the day of the write.

``segments/dt=<day>/<first leaf>-<last leaf>.ndjson.gz`` has the receipts of one batch whose objects were
written on that day, a JSON object a line, with the columns of ``sql/tables/receipt_segments.sql``. The days
are those that the ledger looks at: its first one also has what was written before (and is backfilled), and
what claims to be of the future is on the day on which its batch was decided. The rows are not signed;
``custody verify`` compares them with the leaves.
"""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from custody.documents import Fields, parse_object
from custody.errors import EvidenceError
from custody.evidence.dsse import MAX_ENVELOPE_BYTES, read_payload
from custody.evidence.receipt import PAYLOAD_TYPE, Receipt, parse_statement
from custody.log.batch import MAX_BATCH_BYTES, MAX_BATCH_ENTRIES, Batch
from custody.recorder.notification import BACKFILL_NAME

SEGMENT_PREFIX = "segments/"
MAX_SEGMENT_BYTES = 2 * MAX_BATCH_BYTES + MAX_BATCH_ENTRIES * 4096
CONTENT_TYPE = "application/x-ndjson"

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def format_segments(batch: Batch, since: date) -> Iterator[tuple[str, bytes]]:
    """Key and bytes of each segment of a batch; ``since`` is the ledger's first day.

    Entries that are no receipt of their key have no row.
    """
    days: defaultdict[date, list[str]] = defaultdict(list)
    for number, item in enumerate(batch.items):
        row = segment_row(item.entry, item.key, batch.first + number)
        if row is not None:
            day = ledger_day(row["written_at"], batch.decided_at, since)
            days[day].append(format_row(row))
    last = batch.first + len(batch.items) - 1
    for day, rows in sorted(days.items()):
        key = f"{SEGMENT_PREFIX}dt={day}/{batch.first:020d}-{last:020d}.ndjson.gz"
        yield key, gzip.compress(("\n".join(rows) + "\n").encode(), 6, mtime=0)


def ledger_day(written_at: str, decided_at: datetime, since: date) -> date:
    """The day that a row belongs to, given its column ``written_at`` and when its batch was decided."""
    return max(since, min(date.fromisoformat(written_at[:10]), decided_at.date()))


def segment_row(entry: bytes, key: str, leaf: int) -> dict[str, Any] | None:
    """The columns of the receipt that is the entry at ``leaf`` and was stored under ``key``.

    ``None`` if the entry is no receipt, or of a version whose receipt has another key.
    """
    try:
        receipt = parse_statement(read_payload(entry, PAYLOAD_TYPE))
        key_id = _key_id(entry)
    except EvidenceError:
        return None
    return receipt_row(receipt, key_id, leaf) if receipt.version.receipt_key == key else None


def receipt_row(receipt: Receipt, key_id: str, leaf: int) -> dict[str, Any]:
    """The columns of a receipt that is in its place, first signed by the key ``key_id``."""
    event, version = receipt.event, receipt.version
    return {
        "leaf_index": leaf,
        "bucket_name": version.bucket,
        "object_key": version.key,
        "version_id": version.version_id,
        "sha256": receipt.sha256,
        "size_bytes": receipt.size_bytes,
        "etag": receipt.etag,
        "content_type": receipt.content_type,
        "last_modified": _timestamp(receipt.last_modified),
        "written_at": _timestamp(_written_at(receipt)),
        "event_name": event.name,
        "event_time": _timestamp(event.time),
        "request_id": event.request_id,
        "principal_id": event.principal_id,
        "source_ip": event.source_ip,
        "sequencer": event.sequencer,
        "recorded_at": _timestamp(receipt.recorded_at),
        "recorder_function": receipt.recorder.function,
        "recorder_code_sha256": receipt.recorder.code_sha256,
        "recorder_version": receipt.recorder.version,
        "key_id": key_id,
        "receipt_key": version.receipt_key,
    }


def format_row(row: dict[str, Any]) -> str:
    """A row's line, without its newline."""
    return _ENCODER.encode(row)


def _written_at(receipt: Receipt) -> datetime:
    """When the version was written; the event of a backfill is when the receipt was asked for."""
    return receipt.last_modified if receipt.event.name == BACKFILL_NAME else receipt.event.time


def _key_id(entry: bytes) -> str:
    signatures = Fields(parse_object(entry, "envelope", MAX_ENVELOPE_BYTES), "envelope").objects("signatures")
    if not signatures or not signatures[0].text("sig"):
        raise EvidenceError("The envelope has no signature.")
    return signatures[0].text("keyid")


def _timestamp(moment: datetime) -> str:
    """A time as Athena's JSON SerDe reads it: UTC, to the millisecond."""
    return moment.replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")
