"""The records of a manifest's object versions as a DataFrame; each row has its object version and its number.

Spark's readers support neither object versions nor row numbers, and engines differ in what else they offer
(pysail has no ``input_file_name()``). So the engine's tasks read the versions themselves, each as a stream,
hash the bytes, and compare. After a version's records there is one row with the number of records, so that a
lost row is noticed, and with the result of the comparison: only if the bytes match may its rows be used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import astuple
from datetime import date
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol

from custody.etl.contract import Contract
from custody.etl.lineage import MAX_UNKNOWN_COLUMNS
from custody.etl.manifest import Entry, Manifest, UnfitError
from custody.evidence.hashing import CHUNK_BYTES, Reader
from custody.evidence.objects import ObjectVersion

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession


class Opened(Reader, Protocol):
    """A stream that is closed after use."""

    def close(self) -> None:
        """Give back what it holds."""


OpenVersion = Callable[[ObjectVersion], Opened]
"""Gives the stored bytes of one object version; ``UnfitError`` if it no longer exists.

It is sent to the engine's workers, and so must be picklable.
"""
BATCH_ROWS = 16_384
"""Each batch has a fixed cost."""

_DELIVERED = slice(11, 21)
"""Where a rank has the day of the delivery."""
_ENTRY = (
    "source_entry int, source_bucket string, source_key string, source_version_id string, "
    "source_rank string, sha256 string, size_bytes bigint"
)


def ranked(manifest: Manifest, contract: Contract) -> list[tuple[str, Entry]]:
    """The entries in the order that decides which of several rows with one key is kept, with their ranks."""
    latest = contract.raw().wins == "latest"
    ranks = [(entry.rank if latest else entry.arrival_rank, entry) for entry in manifest.entries]
    return sorted(ranks, key=itemgetter(0))


def numbered(entries: Sequence[tuple[str, Entry]]) -> dict[ObjectVersion, int]:
    """Each object version's number in ``entries_frame``."""
    return {entry.version: number for number, (_, entry) in enumerate(entries)}


def entries_frame(spark: SparkSession, entries: Sequence[tuple[str, Entry]]) -> DataFrame:
    """Ranked entries by number, ``source_entry``: the object version, its rank, and its bytes' hash."""
    rows = [
        (number, *astuple(entry.version), rank, entry.sha256, entry.size_bytes)
        for number, (rank, entry) in enumerate(entries)
    ]
    return spark.createDataFrame(rows, _ENTRY)


def read_entries(
    spark: SparkSession,
    entries: Sequence[tuple[str, Entry]],
    contract: Contract,
    open_version: OpenVersion,
) -> DataFrame:
    """The records of all (ranked) entries, typed and judged; read lazily in the engine's tasks.

    The number of tasks is ``spark.sql.shuffle.partitions``, or the number of entries if that is lower.

    Columns: ``source_entry``; ``source_row`` (the record's number, 0 in the last row of an object),
    ``object_rows`` (the number of records, only in the last row), ``read_bytes`` (only in the last row: how
    many of the object's bytes were read as records), ``refused`` (only in the last row: what was found
    instead of the manifest's bytes, else NULL), ``unknown_columns`` (only in the last row: names of fields
    that the contract does not list, else NULL); the day column and the contract's columns, of their types;
    ``extra``; ``reason``: NULL for a valid row; and only for rejected rows, ``unreadable`` and
    ``source_texts``, the columns' texts as delivered.
    """
    tasks = min(len(entries), int(spark.conf.get("spark.sql.shuffle.partitions") or 1))
    day = f"{contract.day[0]} date, " if contract.day else ""
    typed = ", ".join(f"{column.name} {column.kind.sql}" for column in contract.columns)
    schema = (
        "source_entry int, source_row bigint, object_rows bigint, read_bytes bigint, refused string, "
        "unknown_columns array<string>, "
        f"{day}{typed}, extra string, reason string, unreadable string, source_texts array<string>"
    )

    def read(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        items = (item for batch in batches for item in batch.to_pylist())
        return _joined(batch for item in items for batch in _batches(item, contract, open_version))

    return entries_frame(spark, entries).repartition(tasks).mapInArrow(read, schema)


def _joined(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the same rows, in another order, in batches of at least ``BATCH_ROWS``, except the last."""
    import pyarrow as pa  # noqa: PLC0415 - not available to the rest of the package

    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        if batch.num_rows >= BATCH_ROWS:
            yield batch
            continue
        waiting.append(batch)
        if sum(part.num_rows for part in waiting) >= BATCH_ROWS:
            yield from pa.Table.from_batches(waiting).combine_chunks().to_batches()
            waiting.clear()
    if waiting:
        yield from pa.Table.from_batches(waiting).combine_chunks().to_batches()


def _batches(
    item: Mapping[str, Any], contract: Contract, open_version: OpenVersion
) -> Iterator[pa.RecordBatch]:
    """Yield one version's records in batches, then its last row."""
    from custody.etl.batches import Tally  # noqa: PLC0415 - needs pyarrow
    from custody.etl.columns import read_columns  # noqa: PLC0415 - likewise
    from custody.etl.rows import last_row, typed, unknown_names  # noqa: PLC0415 - likewise

    version = ObjectVersion(item["source_bucket"], item["source_key"], item["source_version_id"])
    delivered = date.fromisoformat(item["source_rank"][_DELIVERED])
    total, tally, refused = 0, Tally(), None
    unknown: set[str] = set()
    try:
        with closing(open_version(version)) as reader:
            chunks = _checked(reader, item["sha256"], item["size_bytes"])
            for records in read_columns(chunks, contract, tally):
                total += records.num_rows
                if len(unknown) < MAX_UNKNOWN_COLUMNS:
                    unknown |= unknown_names(records)
                yield typed(records, contract, item["source_entry"], delivered)
    except UnfitError as error:
        refused = str(error)
    yield last_row(
        contract,
        item["source_entry"],
        total,
        read_bytes=tally.read_bytes,
        refused=refused,
        unknown=sorted(unknown)[:MAX_UNKNOWN_COLUMNS],
    )


def _checked(reader: Reader, sha256: str, size_bytes: int) -> Iterator[bytes]:
    """Yield a version's bytes. Raises ``UnfitError`` at the end if they do not match the manifest."""
    digest, size = hashlib.sha256(), 0
    while chunk := reader.read(CHUNK_BYTES):
        digest.update(chunk)
        size += len(chunk)
        yield chunk
    if digest.hexdigest() != sha256 or size != size_bytes:
        raise UnfitError(
            f"has {size} bytes with SHA-256 {digest.hexdigest()}, not {size_bytes} bytes with {sha256}"
        )
