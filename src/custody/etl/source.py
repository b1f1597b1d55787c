"""The records of a manifest's object versions as a DataFrame; each row knows its version and its number.

Spark's readers know neither versions of objects nor the number of a row, and engines differ in what else they
offer (pysail has no ``input_file_name()``). So the engine's tasks read the versions themselves, each as a
stream, hash what they read, and compare. After a version's records comes one row that says how many there
were, so that a lost row shows, and whether the bytes were those of the manifest: only then is any of its rows
to be used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import astuple
from itertools import islice
from typing import TYPE_CHECKING, Any

from custody.etl.contract import Contract
from custody.etl.manifest import Manifest, UnfitError
from custody.etl.records import Record, read_records
from custody.hashing import CHUNK_BYTES, Reader
from custody.objects import ObjectVersion

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

OpenVersion = Callable[[ObjectVersion], Reader]
"""Gives the stored bytes of one object version; ``UnfitError`` if it is gone.

It travels to the engine's workers, hence is picklable.
"""
MAX_TASKS = 128
"""How many tasks read at most: of the thousands of small objects of a stream, one task reads several."""
BATCH_ROWS = 250
"""Few: what is alive while a batch is read costs the garbage collector and the processor's cache."""

SOURCE_COLUMNS = "source_bucket string, source_key string, source_version_id string"
_ENTRY = f"{SOURCE_COLUMNS}, sha256 string, size_bytes bigint, source_rank string"


def read_manifest(
    spark: SparkSession, manifest: Manifest, contract: Contract, open_version: OpenVersion
) -> DataFrame:
    """The records of all entries, lazily: reading happens in the engine's tasks.

    Columns: ``source_bucket source_key source_version_id source_rank``; ``source_row`` (the record's
    number, 0 in the row that ends an object), ``object_rows`` (the number of records, in that row alone),
    ``refused`` (in that row alone: what there is instead of the manifest's bytes, else NULL),
    ``text_<column>`` for each column of the contract, ``extra``, ``problem``, ``unreadable``: all text.
    """
    rows = [
        (*astuple(entry.version), entry.sha256, entry.size_bytes, entry.rank) for entry in manifest.entries
    ]
    entries = spark.createDataFrame(rows, _ENTRY).repartition(min(len(rows), MAX_TASKS))
    texts = ", ".join(f"text_{column.name} string" for column in contract.columns)
    schema = (
        f"{SOURCE_COLUMNS}, source_rank string, source_row bigint, object_rows bigint, "
        f"refused string, {texts}, extra string, problem string, unreadable string"
    )

    def read(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for item in batch.to_pylist():
                yield from _batches(item, contract, open_version)

    return entries.mapInArrow(read, schema)


def _batches(
    item: Mapping[str, Any], contract: Contract, open_version: OpenVersion
) -> Iterator[pa.RecordBatch]:
    """Yield one version's records, ``BATCH_ROWS`` at a time, then the row that ends it."""
    import pyarrow as pa  # noqa: PLC0415 - the rest of the package must do without

    texts = [f"text_{column.name}" for column in contract.columns]
    identity = [item[name] for name in ("source_bucket", "source_key", "source_version_id", "source_rank")]
    names = ["source_bucket", "source_key", "source_version_id", "source_rank", "source_row", "object_rows"]
    names += ["refused", *texts, "extra", "problem", "unreadable"]

    def batch(
        records: list[Record], object_rows: int | None = None, refused: str | None = None
    ) -> pa.RecordBatch:
        numbers, values, extra, problem, unreadable = zip(*records, strict=True)
        arrays = [
            *(pa.repeat(pa.scalar(text), len(records)) for text in identity),
            pa.array(numbers, pa.int64()),
            pa.array([object_rows] * len(records), pa.int64()),
            pa.array([refused] * len(records), pa.string()),
            *(pa.array(column, pa.string()) for column in zip(*values, strict=True)),
            *(pa.array(column, pa.string()) for column in (extra, problem, unreadable)),
        ]
        return pa.RecordBatch.from_arrays(arrays, names=names)

    version = ObjectVersion(*identity[:3])
    records = read_records(_checked(version, item["sha256"], item["size_bytes"], open_version), contract)
    total, refused = 0, None
    try:
        while part := list(islice(records, BATCH_ROWS)):
            total += len(part)
            yield batch(part)
    except UnfitError as error:
        refused = str(error)
    yield batch([Record(0, [None] * len(texts))], total, refused)


def _checked(
    version: ObjectVersion, sha256: str, size_bytes: int, open_version: OpenVersion
) -> Iterator[bytes]:
    """Yield a version's bytes. Raises ``UnfitError`` at their end if they are not the manifest's."""
    reader = open_version(version)
    digest, size = hashlib.sha256(), 0
    while chunk := reader.read(CHUNK_BYTES):
        digest.update(chunk)
        size += len(chunk)
        yield chunk
    if digest.hexdigest() != sha256 or size != size_bytes:
        raise UnfitError(
            f"holds {size} bytes with SHA-256 {digest.hexdigest()}, not {size_bytes} bytes with {sha256}"
        )
