"""The results of all transforms for one data set, as lines of text: two engines must agree on them, and with
the benchmark's reference.

Run as a program it does so on Spark, in a process of its own: PySpark cannot be Spark and Spark Connect
in one.

    python -m tests.glue.agreement INPUT OUT
"""

from __future__ import annotations

import json
import pickle
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812

from custody.etl.columns import read_columns
from custody.etl.contract import Column, Csv
from custody.etl.delta import configure
from custody.etl.frames import SOURCE, rejected
from custody.etl.gold import gold_rows
from custody.etl.manifest import Entry
from custody.etl.source import entries_frame, ranked, read_entries
from custody.etl.values import read
from scripts.bench import reference
from tests.glue.local import ALL_TYPES, CUSTOMERS, EVENTS, Raw, contract, manifest, rows, stand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import Column, DataFrame

    from custody.etl.contract import Contract

KINDS = ("string", "integer", "decimal", "date", "timestamp", "boolean")
TABLES = (("customers", CUSTOMERS), ("viewing_events", EVENTS))


def everything(spark: SparkSession, raw: Raw) -> Iterator[str]:
    """Yield a line for each row of each frame: silver, quarantine, gold."""
    found = [entry for entry in raw.entries if entry.version.key.startswith(ALL_TYPES.raw().prefix)]
    order = ranked(manifest(ALL_TYPES.table, found), ALL_TYPES)
    read_rows, entries = read_entries(spark, order, ALL_TYPES, raw.open), entries_frame(spark, order)
    yield from _lines("all types", stand(read_rows, entries, ALL_TYPES))
    yield from _lines("all types rejected", rejected(read_rows, entries, ALL_TYPES, "1"))
    silver = {}
    for table, prefix in TABLES:
        rules = contract(table)
        found = [entry for entry in raw.entries if entry.version.key.startswith(prefix)]
        older, newer = (ranked(manifest(table, part), rules) for part in (found[::2], found[1::2]))
        old_rows, new_rows = (read_entries(spark, part, rules, raw.open).persist() for part in (older, newer))
        there = stand(old_rows, entries_frame(spark, older), rules).persist()
        yield from _lines(f"{table} rejected", rejected(old_rows, entries_frame(spark, older), rules, "1"))
        yield from _lines(f"{table} winners", there)
        batch = stand(new_rows, entries_frame(spark, newer), rules, "2", there)
        yield from _lines(f"{table} after a merge", batch)
        silver[table] = there
        forged = manifest(table, [replace(found[0], sha256="0" * 64), found[1]])
        part = read_entries(spark, ranked(forged, rules), rules, raw.open)
        yield from _lines(f"{table} forged", part.select("source_entry", "source_row", "refused", "reason"))
    for table in ("daily_engagement", "customer_value"):
        rules = contract(table)
        with gold_rows(spark, rules, {item.table: silver[item.table] for item in rules.inputs}) as made:
            yield from _lines(table, made)


def by_reference(spark: SparkSession, raw: Raw, texts: list[str]) -> Iterator[str]:
    """Yield the lines of silver and quarantine, and the values of ``texts``, as the reference makes them."""
    frame = spark.createDataFrame([(text,) for text in texts], "text string")
    values = [_shown(reference.read(F.col("text"), kind), kind).alias(kind) for kind in KINDS]
    yield from _lines("read", frame.select("text", *values))
    for table, prefix in TABLES:
        rules = contract(table)
        found = [entry for entry in raw.entries if entry.version.key.startswith(prefix)]
        older, newer = (
            reference.typed(as_texts(spark, raw, part, rules), rules).persist()
            for part in (found[::2], found[1::2])
        )
        yield from _lines(f"{table} rejected", reference.rejected(older, rules, "1"))
        there = reference.winners(older, rules).withColumn("manifest_id", F.lit("1")).persist()
        yield from _lines(f"{table} winners", there)
        batch = reference.judged(reference.winners(newer, rules), there, rules, "2")
        yield from _lines(f"{table} after a merge", batch.where("source_kept").drop("source_kept"))


def as_texts(spark: SparkSession, raw: Raw, entries: list[Entry], rules: Contract) -> DataFrame:
    """The records of object versions as the reference reads them: rows of text."""
    records = []
    for rank, entry in ranked(manifest(rules.table, entries), rules):
        body = (raw.folder / entry.version.version_id).read_bytes()
        for batch in read_columns([body], rules):
            columns = [column.to_pylist() for column in batch.columns]
            origin = (entry.version.bucket, entry.version.key, entry.version.version_id, rank)
            records += [(*origin, *row) for row in zip(*columns, strict=True)]
    names = [*SOURCE[:3], "source_rank", "source_row", *(f"text_{column.name}" for column in rules.columns)]
    kinds = ["bigint" if name == "source_row" else "string" for name in names]
    schema = ", ".join(f"{name} {kind}" for name, kind in zip(names, kinds, strict=True))
    return spark.createDataFrame(records, f"{schema}, extra string, problem string, unreadable string")


def read_here(texts: list[str]) -> list[str]:
    """The lines of the values of ``texts``, as the kit reads them in Arrow."""
    values = {"text": pa.array(texts)}
    for kind in KINDS:
        found = read(values["text"], Column("c", kind, ""), Csv())
        values[kind] = found.cast(pa.int64()) if kind == "timestamp" else found.cast(pa.string())
    names = sorted(values)
    found = zip(*(values[name].to_pylist() for name in names), strict=True)
    return [json.dumps(["read", *row]) for row in sorted(tuple(map(repr, row)) for row in found)]


def _shown(value: Column, kind: str) -> Column:
    return F.unix_micros(value) if kind == "timestamp" else value.cast("string")


def _lines(name: str, frame: DataFrame) -> Iterator[str]:
    for row in rows(frame):
        yield json.dumps([name, *row])


def main() -> None:
    raw, texts = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301 - written by the test
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.codegen.wholeStage", "false")
        .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1")
        .getOrCreate()
    )
    configure(spark)
    lines = {"kit": [*everything(spark, raw)], "reference": [*by_reference(spark, raw, texts)]}
    Path(sys.argv[2]).write_text(json.dumps(lines))
    spark.stop()


if __name__ == "__main__":
    main()
