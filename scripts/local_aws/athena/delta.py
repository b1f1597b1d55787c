"""Delta tables as Athena reads them natively: schema, partitions and files come from the table's own log.

Only the table's location in the catalog is used: https://docs.aws.amazon.com/athena/latest/ug/delta-lake-tables.html
The log: https://github.com/delta-io/delta/blob/master/PROTOCOL.md

The readers of logs and files are imported with the first Delta table: this takes half a second.
"""

# ruff: noqa: PLC0415 - as above

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from scripts.local_aws.athena.model import QueryError, Store
from scripts.local_aws.athena.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    REAL,
    TIMESTAMP,
    TIMESTAMP_TZ,
    VARBINARY,
    VARCHAR,
    Type,
    array,
    parse_type,
)

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable as DeltaLog

_TYPES = {
    "binary": VARBINARY,
    "boolean": BOOLEAN,
    "byte": Type("tinyint"),
    "date": DATE,
    "double": DOUBLE,
    "float": REAL,
    "integer": INTEGER,
    "long": BIGINT,
    "short": Type("smallint"),
    "string": VARCHAR,
    "timestamp": TIMESTAMP_TZ,
    "timestamp_ntz": TIMESTAMP,
}
"""A timestamp is an instant, as in Trino's connector, on which Athena's is based."""
_FEATURES = {"timestampNtz"}
"""Reader features supported here; Athena also supports column mapping."""


@dataclass(frozen=True, slots=True)
class DeltaTable:
    """A Delta table at its newest version. ``columns`` are those in its files."""

    bucket: str
    prefix: str
    columns: tuple[tuple[str, Type], ...]
    partition_columns: tuple[tuple[str, Type], ...]
    order: tuple[int, ...]
    """The index of each column of the schema in ``columns``, then ``partition_columns``."""
    files: Mapping[str, tuple[str | None, ...]] = field(compare=False)
    """By the key of each file of this version, the values of its partition."""

    def objects(self, store: Store) -> Iterator[tuple[tuple[str | None, ...], str, int, str]]:
        """Yield values of the partition, key, size and etag of each file.

        Raises ``QueryError`` if one no longer exists.
        """
        listed = {key: (size, etag) for key, size, etag in store.list(self.bucket, self.prefix)}
        for key, values in self.files.items():
            if key not in listed:
                raise QueryError(
                    "DELTA_LAKE_FILESYSTEM_ERROR",
                    f"Error opening Delta file s3://{self.bucket}/{key}: Not Found",
                )
            yield values, key, *listed[key]

    def rows(self, key: str, body: bytes) -> pa.Table:
        """Return the rows in a file as columns ``c0`` …; a column that was added later is NULL."""
        import pyarrow as pa
        from pyarrow import parquet

        try:
            stored = parquet.read_table(pa.BufferReader(body), partitioning=None)
        except pa.ArrowException as error:
            words = " ".join(str(error).split())
            raise QueryError("DELTA_LAKE_BAD_DATA", f"s3://{self.bucket}/{key}: {words}") from error
        named = {name.lower(): stored.column(at) for at, name in enumerate(stored.column_names)}
        absent = pa.nulls(stored.num_rows)
        return pa.table({f"c{at}": named.get(name, absent) for at, (name, _) in enumerate(self.columns)})


def is_delta(table: Mapping[str, Any]) -> bool:
    """Whether a table of the catalog is a Delta table, by Athena's or Spark's property."""
    parameters = {name.lower(): value.lower() for name, value in (table.get("Parameters") or {}).items()}
    return "delta" in {parameters.get("table_type"), parameters.get("spark.sql.sources.provider")}


def read_delta(table: Mapping[str, Any], bucket: str, prefix: str, store: Store) -> DeltaTable:
    """Read the log of the table below ``prefix``, which ends in ``/``.

    Raises ``QueryError`` if there is none, or for unsupported features.
    """
    import pyarrow as pa

    name = table["Name"]
    log = _read_log(name, bucket, prefix, store)
    protocol = log.protocol()
    asked = set(protocol.reader_features or [])
    if protocol.min_reader_version == 2 or asked - _FEATURES:
        raise QueryError(
            "NOT_SUPPORTED", f"Delta table '{name}' with {', '.join(sorted(asked)) or 'columnMapping'}"
        )
    schema = [
        (item["name"].lower(), _type(name, item)) for item in json.loads(log.schema().to_json())["fields"]
    ]
    partitions = [column.lower() for column in log.metadata().partition_columns]
    types = dict(schema)
    columns = tuple(item for item in schema if item[0] not in partitions)
    places = [*(column for column, _ in columns), *partitions]
    return DeltaTable(
        bucket=bucket,
        prefix=prefix,
        columns=columns,
        partition_columns=tuple((column, types[column]) for column in partitions),
        order=tuple(places.index(column) for column, _ in schema),
        files={
            prefix + unquote(added["path"]): tuple(
                None if value is None else str(value) for value in (added.get("partition") or {}).values()
            )
            for added in pa.table(log.get_add_actions()).to_pylist()
        },
    )


def _read_log(name: str, bucket: str, prefix: str, store: Store) -> DeltaLog:
    """Read the log from a copy of it: ``deltalake`` reads from folders, and does not read the data."""
    from deltalake import DeltaTable as DeltaLog
    from deltalake.exceptions import DeltaError

    keys = [key for key, _, _ in store.list(bucket, f"{prefix}_delta_log/")]
    with tempfile.TemporaryDirectory(prefix="delta-") as folder:
        for key in keys:
            path = Path(folder) / key.removeprefix(prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(store.read(bucket, key))
        try:
            if keys and DeltaLog.is_deltatable(folder):
                return DeltaLog(folder)
        except DeltaError as error:
            words = str(error).splitlines()[0].replace(folder, f"s3://{bucket}/{prefix}")
            raise QueryError("DELTA_LAKE_INVALID_SCHEMA", f"the log of table '{name}': {words}") from error
    raise QueryError(
        "DELTA_LAKE_INVALID_SCHEMA",
        f"Metadata not found in transaction log for '{name}': no Delta table lies at s3://{bucket}/{prefix}",
    )


def _type(table: str, item: Mapping[str, Any]) -> Type:
    try:
        return _type_of(item["type"])
    except LookupError as error:
        words = f"the type {error.args[0]} of column '{item['name']}' of Delta table '{table}'"
        raise QueryError("NOT_SUPPORTED", words) from error


def _type_of(kind: str | Mapping[str, Any]) -> Type:
    """Read a type (PROTOCOL.md, "Schema Serialization Format"). Raises ``KeyError`` for an unknown one."""
    if isinstance(kind, str):
        return parse_type(kind) if kind.startswith("decimal(") else _TYPES[kind]
    if kind["type"] == "array":
        return array(_type_of(kind["elementType"]))
    if kind["type"] == "struct":
        fields = kind["fields"]
        return Type(
            "row",
            tuple(_type_of(each["type"]) for each in fields),
            tuple(each["name"].lower() for each in fields),
        )
    raise KeyError(kind["type"])
