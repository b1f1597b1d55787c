"""The records of a manifest's object versions as a DataFrame; each row has its object version and its number.

Spark's readers support neither object versions nor row numbers, and engines differ in what else they offer
(pysail has no ``input_file_name()``). So the engine's tasks read the versions themselves, each as a stream,
hash the bytes, and compare. After a version's records there is one row with the number of records, so that a
lost row is noticed, and with the result of the comparison: only if the bytes match may its rows be used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

from custody.etl.contract import Contract
from custody.etl.manifest import Manifest, UnfitError
from custody.etl.records import Record
from custody.evidence.hashing import CHUNK_BYTES, Reader
from custody.evidence.objects import ObjectVersion

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

OpenVersion = Callable[[ObjectVersion], Reader]
"""Gives the stored bytes of one object version; ``UnfitError`` if it no longer exists.

It is sent to the engine's workers, and so must be picklable.
"""
BATCH_ROWS = 16_384
"""Each batch has a fixed cost: pysail compiles each regular expression for it."""

_SOURCE = ("source_bucket", "source_key", "source_version_id")
_TEXTS = ", ".join(f"{name} string" for name in (*_SOURCE, "source_rank"))
_ENTRY = f"{_TEXTS}, sha256 string, size_bytes bigint"


def read_manifest(
    spark: SparkSession, manifest: Manifest, contract: Contract, open_version: OpenVersion
) -> DataFrame:
    """The records of all entries, read lazily in the engine's tasks.

    The number of tasks is ``spark.sql.shuffle.partitions``, or the number of entries if that is lower.

    Columns: ``source_bucket source_key source_version_id source_rank``; ``source_row`` (the record's
    number, 0 in the last row of an object), ``object_rows`` (the number of records, only in the last row),
    ``read_bytes`` (only in the last row: how many of the object's bytes were read as records),
    ``refused`` (only in the last row: what was found instead of the manifest's bytes, else NULL),
    ``text_<column>`` for each column of the contract, ``extra``, ``problem``, ``unreadable``: all text.
    """
    latest = contract.raw().wins == "latest"
    rows = [
        (
            *astuple(entry.version),
            entry.rank if latest else entry.arrival_rank,
            entry.sha256,
            entry.size_bytes,
        )
        for entry in manifest.entries
    ]
    tasks = min(len(rows), int(spark.conf.get("spark.sql.shuffle.partitions") or 1))
    entries = spark.createDataFrame(rows, _ENTRY).repartition(tasks)
    texts = ", ".join(f"text_{column.name} string" for column in contract.columns)
    schema = (
        f"{_TEXTS}, object_rows bigint, read_bytes bigint, refused string, "
        f"source_row bigint, {texts}, extra string, problem string, unreadable string"
    )

    def read(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        items = (item for batch in batches for item in batch.to_pylist())
        return _joined(batch for item in items for batch in _batches(item, contract, open_version))

    return entries.mapInArrow(read, schema)


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
    import pyarrow as pa  # noqa: PLC0415 - not available to the rest of the package

    from custody.etl.batches import Tally, as_batch  # noqa: PLC0415 - likewise
    from custody.etl.columns import read_columns  # noqa: PLC0415

    def batch(
        records: pa.RecordBatch,
        object_rows: int | None = None,
        read_bytes: int | None = None,
        refused: str | None = None,
    ) -> pa.RecordBatch:
        same = [pa.scalar(item[name], pa.string()) for name in (*_SOURCE, "source_rank")]
        same += [pa.scalar(number, pa.int64()) for number in (object_rows, read_bytes)]
        same.append(pa.scalar(refused, pa.string()))
        arrays = [pa.repeat(value, records.num_rows) for value in same]
        names = [*_SOURCE, "source_rank", "object_rows", "read_bytes", "refused", *records.schema.names]
        return pa.RecordBatch.from_arrays([*arrays, *records.columns], names=names)

    version = ObjectVersion(*(item[name] for name in _SOURCE))
    chunks = _checked(version, item["sha256"], item["size_bytes"], open_version)
    total, tally, refused = 0, Tally(), None
    try:
        for records in read_columns(chunks, contract, tally):
            total += records.num_rows
            yield batch(records)
    except UnfitError as error:
        refused = str(error)
    yield batch(
        as_batch([Record(0, [None] * len(contract.columns))], contract), total, tally.read_bytes, refused
    )


def _checked(
    version: ObjectVersion, sha256: str, size_bytes: int, open_version: OpenVersion
) -> Iterator[bytes]:
    """Yield a version's bytes. Raises ``UnfitError`` at the end if they do not match the manifest."""
    reader = open_version(version)
    digest, size = hashlib.sha256(), 0
    while chunk := reader.read(CHUNK_BYTES):
        digest.update(chunk)
        size += len(chunk)
        yield chunk
    if digest.hexdigest() != sha256 or size != size_bytes:
        raise UnfitError(
            f"has {size} bytes with SHA-256 {digest.hexdigest()}, not {size_bytes} bytes with {sha256}"
        )
