"""One Delta table: the subset of Delta that both Spark and pysail support; each write is one atomic commit.

A table has only one writer: so the version after a write is the newest in the log.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from custody.errors import CannotCheckError, UsageError
from custody.etl.change import sources, widens
from custody.etl.store import Store, table_uri

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, DataFrameWriter, SparkSession

_COMMIT = re.compile(r"([0-9]{20})\.json")
_SOURCE = "custody_merge_source"


def configure(spark: SparkSession) -> None:
    """Set what every run relies on: UTC, casts that return NULL, timestamps that Athena and others can read.

    And no clean-up of table logs: lineage names old versions, and the job may not delete. Persisted rows are
    not compressed: Spark would take longer for it than to read them.
    """
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    spark.conf.set("spark.sql.ansi.enabled", "false")
    spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    spark.conf.set("spark.sql.inMemoryColumnarStorage.compressed", "false")
    spark.conf.set("spark.databricks.delta.properties.defaults.enableExpiredLogCleanup", "false")


def describe_commits(spark: SparkSession, facts: Mapping[str, str]) -> None:
    """Set ``facts`` as the user metadata of the commits that follow, on an engine that supports it.

    Spark does, pysail does not; nothing depends on it.
    """
    spark.conf.set("spark.databricks.delta.commitInfo.userMetadata", json.dumps(facts, sort_keys=True))


class DeltaTable:
    """A Delta table at ``<tables>/<name>``, which may not exist yet."""

    def __init__(self, spark: SparkSession, store: Store, tables: str, name: str) -> None:
        self._spark = spark
        self._store = store
        self.name = name
        self.uri = table_uri(tables, name)

    def version(self) -> int | None:
        """The newest version, or ``None`` if the table does not exist."""
        matches = (_COMMIT.fullmatch(name) for name in self._store.names(f"{self.uri}/_delta_log/"))
        return max((int(match[1]) for match in matches if match), default=None)

    def frame(self, version: int | None = None) -> DataFrame:
        """The table's rows, of the newest version or the given one."""
        reader = self._spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return reader.load(self.uri)

    def ensure(
        self, like: DataFrame, partition: str | None, aliases: Mapping[str, Iterable[str]] | None = None
    ) -> None:
        """Create the table if it does not exist, or give it the columns of ``like``, with every value there.

        Missing columns are added at its end, and are NULL. A column whose earlier name ``aliases`` has is
        renamed, and one of an exact number may become wider: then the table is written anew, in one commit.
        Raises ``UsageError`` if a column is gone, or has a type that does not hold its values: that requires
        a new table.
        """
        wanted = {field.name: field.dataType.simpleString() for field in like.schema.fields}
        nothing = self._spark.createDataFrame(
            [], ", ".join(f"{name} {kind}" for name, kind in wanted.items())
        )
        if self.version() is None:
            self._writer(nothing, partition).save(self.uri)
            return
        there = {field.name: field.dataType.simpleString() for field in self.frame().schema.fields}
        came_from = sources(there, wanted, aliases or {})
        if gone := sorted(there.keys() - {*came_from.values()}):
            raise UsageError(
                f"The contract lacks the column {gone[0]} of {self.uri}, whose values would be lost.",
                "Keep the column, or list its name in the aliases of the one that has its values now; "
                "or give the table another name.",
            )
        kept = {name: source for name, source in came_from.items() if source is not None}
        for name, source in kept.items():
            if not widens(_of_contract(there[source]), wanted[name]) or self._overflows(source, wanted[name]):
                raise UsageError(
                    f"The column {name} of {self.uri} has the type {there[source]}, "
                    f"the contract says {wanted[name]}.",
                    "Give the column another name, or create a new table.",
                )
        if any(name != source or there[source] != wanted[name] for name, source in kept.items()):
            self.make(conformed(self.frame(), wanted, aliases or {}), partition)
        elif not there.keys() >= wanted.keys():
            nothing.write.format("delta").mode("append").option("mergeSchema", "true").save(self.uri)

    def make(self, rows: DataFrame, partition: str | None) -> None:
        """Replace all rows and columns, in one commit, or create the table."""
        self._writer(rows, partition).mode("overwrite").option("overwriteSchema", "true").save(self.uri)

    def _writer(self, rows: DataFrame, partition: str | None) -> DataFrameWriter:
        writer = rows.write.format("delta")
        return writer.partitionBy(partition) if partition else writer

    def _overflows(self, column: str, kind: str) -> bool:
        """Whether a number of 64 bits does not fit into a decimal that holds any of 18 digits."""
        frame = self.frame()
        if not kind.startswith("decimal") or frame.schema[column].dataType.simpleString() != "bigint":
            return False
        lost = f"`{column}` IS NOT NULL AND CAST(`{column}` AS {kind}) IS NULL"
        return frame.where(lost).limit(1).count() > 0

    def merge(self, rows: DataFrame, key: tuple[str, ...], newer: str, within: str | None = None) -> None:
        """Insert each row, or replace the row of its key if ``t.source_order <newer> s.source_order``.

        ``rows`` has one row per key. Merging the same rows again changes nothing. ``within`` is a condition
        on a key column that all ``rows`` meet, such as on the partition: the engine reads only matching rows.
        """
        if newer not in {"<", ">"}:
            raise ValueError(newer)
        conditions = [f"t.{name} = s.{name}" for name in key]
        if within:
            conditions.append(f"t.{within}")
        rows.createOrReplaceTempView(_SOURCE)
        try:
            self._spark.sql(
                f"MERGE INTO delta.`{self.uri}` t USING {_SOURCE} s ON {' AND '.join(conditions)} "
                f"WHEN MATCHED AND t.source_order {newer} s.source_order THEN UPDATE SET * "
                "WHEN NOT MATCHED THEN INSERT *"
            ).collect()
        finally:
            self._spark.catalog.dropTempView(_SOURCE)

    def touch(self) -> None:
        """Commit a version with the same rows. Raises ``CannotCheckError`` if the engine commits none."""
        before = self.version()
        self.replace(self.frame())
        if self.version() == before:
            raise CannotCheckError(
                f"The engine committed no new version of {self.uri}.", "Run the job again."
            )

    def replace(self, rows: DataFrame, where: str | None = None) -> None:
        """Replace the rows that match the SQL condition ``where``, or all rows, by ``rows``."""
        writer = rows.write.format("delta").mode("overwrite")
        (writer.option("replaceWhere", where) if where else writer).save(self.uri)


def conformed(frame: DataFrame, wanted: Mapping[str, str], aliases: Mapping[str, Iterable[str]]) -> DataFrame:
    """A version of a table with the columns of a later one: those wanted, with their types, then all others.

    A column has the values of its earlier name, if the frame has that one; one that is new has none.
    """
    there = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
    came_from = sources(there, wanted, aliases)
    if all(name == source and there[name] == wanted[name] for name, source in came_from.items()):
        return frame
    columns = [
        f"CAST({'NULL' if source is None else f'`{source}`'} AS {wanted[name]}) AS `{name}`"
        for name, source in came_from.items()
    ]
    others = [f"`{name}`" for name in there if name not in {*came_from.values()}]
    return frame.selectExpr(*columns, *others)


def _of_contract(kind: str) -> str:
    """The type of a contract that is stored as this one: an ``integer`` has at most 18 digits."""
    return "integer" if kind == "bigint" else kind
