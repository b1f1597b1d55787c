"""One Delta table: what of Delta both Spark and pysail can do, each write one atomic commit.

One writer a table: the version after a write is the newest in the log.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from custody.errors import CannotCheckError, UsageError
from custody.etl.store import Store, table_uri

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_COMMIT = re.compile(r"([0-9]{20})\.json")
_SOURCE = "custody_merge_source"


def configure(spark: SparkSession) -> None:
    """Set what every run relies on: UTC, casts that give NULL, timestamps as Athena and others read them.

    And logs of tables that are never cleaned up: lineage names old versions, and the job may not delete.
    """
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    spark.conf.set("spark.sql.ansi.enabled", "false")
    spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    spark.conf.set("spark.databricks.delta.properties.defaults.enableExpiredLogCleanup", "false")


def describe_commits(spark: SparkSession, facts: Mapping[str, str]) -> None:
    """Have the commits that follow carry ``facts`` as their user metadata, on an engine that keeps any.

    Spark does, pysail does not; nothing relies on it.
    """
    spark.conf.set("spark.databricks.delta.commitInfo.userMetadata", json.dumps(facts, sort_keys=True))


class DeltaTable:
    """A Delta table at ``<tables>/<name>``, whether it is there yet or not."""

    def __init__(self, spark: SparkSession, store: Store, tables: str, name: str) -> None:
        self._spark = spark
        self._store = store
        self.name = name
        self.uri = table_uri(tables, name)

    def version(self) -> int | None:
        """The newest version, or ``None`` if the table is not there."""
        matches = (_COMMIT.fullmatch(name) for name in self._store.names(f"{self.uri}/_delta_log/"))
        return max((int(match[1]) for match in matches if match), default=None)

    def frame(self, version: int | None = None) -> DataFrame:
        """The table's rows, of the newest version or the one given."""
        reader = self._spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return reader.load(self.uri)

    def ensure(self, like: DataFrame, partition: str | None) -> None:
        """See that the table is there, and has every column of ``like``; new ones are added at its end.

        Raises ``UsageError`` if a column has another type: that is a new table's business, not a run's.
        """
        wanted = {field.name: field.dataType.simpleString() for field in like.schema.fields}
        nothing = self._spark.createDataFrame(
            [], ", ".join(f"{name} {kind}" for name, kind in wanted.items())
        )
        if self.version() is None:
            writer = nothing.write.format("delta")
            (writer.partitionBy(partition) if partition else writer).save(self.uri)
            return
        there = {field.name: field.dataType.simpleString() for field in self.frame().schema.fields}
        for name, kind in wanted.items():
            if there.get(name, kind) != kind:
                raise UsageError(
                    f"The column {name} of {self.uri} is of type {there[name]}, the contract says {kind}.",
                    "Give the column another name, or make a new table.",
                )
        if not there.keys() >= wanted.keys():
            nothing.write.format("delta").mode("append").option("mergeSchema", "true").save(self.uri)

    def merge(self, rows: DataFrame, key: tuple[str, ...], newer: str, within: str | None = None) -> None:
        """Insert each row, or let it replace its key's if ``t.source_order <newer> s.source_order``.

        ``rows`` has one row a key. Merging the same rows again changes nothing. ``within`` is a condition on
        a column of the key that holds for all ``rows``, as on the partition: the engine looks nowhere else.
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
        """Commit a version with the same rows. Raises ``CannotCheckError`` if the engine does not."""
        before = self.version()
        self.replace(self.frame())
        if self.version() == before:
            raise CannotCheckError(f"The engine committed no new version of {self.uri}.", "Run it again.")

    def replace(self, rows: DataFrame, where: str | None = None) -> None:
        """Put ``rows`` in the place of those for which the SQL condition ``where`` holds, or of all."""
        writer = rows.write.format("delta").mode("overwrite")
        (writer.option("replaceWhere", where) if where else writer).save(self.uri)
