"""A batch: the entries that follow a log's size, and their order, decided once.

The object ``log/batch/<size>`` is created by the sealer that decides, if it does not exist. It holds the
entries themselves, so that whichever sealer comes next can complete it from it alone, after any crash.
Format: gzip (RFC 1952) of JSON lines, the first about the batch and then one an entry.
"""

from __future__ import annotations

import gzip
import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from custody.documents import Fields, parse_object
from custody.errors import EvidenceError
from custody.log.tiles import MAX_ENTRY_BYTES
from custody.times import format_time

MAX_BATCH_ENTRIES = 4096
MAX_BATCH_BYTES = 16 * 1024 * 1024
"""Of entries in a batch: whoever completes it holds all of them in memory."""

_MAX_LINE_BYTES = 2 * MAX_ENTRY_BYTES
_MAX_TEXT_BYTES = 2 * MAX_BATCH_BYTES + MAX_BATCH_ENTRIES * 4096


@dataclass(frozen=True, slots=True)
class Sealable:
    """An entry to be, and the object that it was read from."""

    key: str
    """The key in the provenance bucket, of a receipt."""
    version_id: str
    etag: str
    stored_at: datetime
    """When Amazon S3 stored it."""
    entry: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries in the order in which they are appended to a log of ``first`` entries."""

    first: int
    decided_at: datetime
    """When Amazon S3 stored the batch, and so not before any of its entries."""
    items: tuple[Sealable, ...]


def batch_path(first: int) -> str:
    """The path in the log of the batch that follows ``first`` entries."""
    return f"batch/{first:020d}"


def choose(items: Sequence[Sealable], size: int, width: int) -> list[Sealable]:
    """The first of ``items`` that fit in a batch after ``size`` entries.

    If more are waiting, the batch ends with a full tile of ``width``: then no partial one is written.
    """
    chosen: list[Sealable] = []
    bytes_left = MAX_BATCH_BYTES
    for item in items[:MAX_BATCH_ENTRIES]:
        bytes_left -= len(item.entry)
        if bytes_left < 0:
            break
        chosen.append(item)
    if len(chosen) < len(items):
        beyond = (size + len(chosen)) % width
        chosen = chosen[: -beyond or None] if beyond < len(chosen) else chosen
    return chosen


def format_batch(first: int, items: Iterable[Sealable]) -> bytes:
    """The bytes of the batch that follows ``first`` entries."""
    lines = [json.dumps({"first": first})]
    lines += [
        json.dumps(
            {
                "key": item.key,
                "version_id": item.version_id,
                "etag": item.etag,
                "stored_at": format_time(item.stored_at),
                "entry": b64encode(item.entry).decode(),
            },
            ensure_ascii=False,
        )
        for item in items
    ]
    return gzip.compress(("\n".join(lines) + "\n").encode(), 6, mtime=0)


def parse_batch(data: bytes, first: int, decided_at: datetime) -> Batch:
    """Read the batch that follows ``first`` entries, stored at ``decided_at``. Raises ``EvidenceError``."""
    unpacking = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        text = unpacking.decompress(data, _MAX_TEXT_BYTES)
    except zlib.error as error:
        raise EvidenceError(f"The batch after {first} entries is not gzip: {error}.") from error
    if not unpacking.eof or unpacking.unused_data:
        raise EvidenceError(f"The batch after {first} entries is not one whole gzip of its size.")
    head, *lines = text.removesuffix(b"\n").split(b"\n")
    about = Fields(parse_object(head, "batch", _MAX_LINE_BYTES), "batch")
    if (named := about.natural("first")) != first:
        raise EvidenceError(f"The batch after {first} entries says that it follows {named}.")
    if not 0 < len(lines) <= MAX_BATCH_ENTRIES:
        raise EvidenceError(f"The batch after {first} entries has {len(lines)} entries.")
    return Batch(first, decided_at, tuple(_parse_item(line) for line in lines))


def _parse_item(line: bytes) -> Sealable:
    fields = Fields(parse_object(line, "batch's entry", _MAX_LINE_BYTES), "batch's entry")
    try:
        entry = b64decode(fields.words("entry"), validate=True)
    except ValueError as error:
        raise EvidenceError(f"A batch's entry is not base64: {error}.") from error
    if len(entry) > MAX_ENTRY_BYTES:
        raise EvidenceError(f"A batch's entry is {len(entry)} bytes long, over {MAX_ENTRY_BYTES}.")
    return Sealable(
        key=fields.words("key"),
        version_id=fields.words("version_id"),
        etag=fields.words("etag"),
        stored_at=fields.time("stored_at"),
        entry=entry,
    )
