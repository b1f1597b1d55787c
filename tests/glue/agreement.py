"""The results of all transforms for one data set, as lines of text: two engines must agree on them.

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

from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812

from custody.etl.delta import configure
from custody.etl.frames import SOURCE, VERSION, judged, read, rejected, typed, winners, without
from custody.etl.gold import gold_rows
from custody.etl.source import read_manifest
from tests.glue.local import CUSTOMERS, EVENTS, Raw, contract, manifest, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import DataFrame

KINDS = ("string", "integer", "decimal", "date", "timestamp", "boolean")


def everything(spark: SparkSession, raw: Raw, texts: list[str]) -> Iterator[str]:
    """Yield a line for each row of each frame: types read from ``texts``, silver, quarantine, gold."""
    frame = spark.createDataFrame([(text,) for text in texts], "text string")
    values = [_shown(read(F.col("text"), kind), kind).alias(kind) for kind in KINDS]
    yield from _lines("read", frame.select("text", *values))
    silver = {}
    for table, prefix in (("customers", CUSTOMERS), ("viewing_events", EVENTS)):
        rules = contract(table)
        entries = [entry for entry in raw.entries if entry.version.key.startswith(prefix)]
        older, newer = (
            typed(read_manifest(spark, manifest(table, part), rules, raw.open), rules).persist()
            for part in (entries[::2], entries[1::2])
        )
        yield from _lines(f"{table} rejected", rejected(older, rules, "1"))
        there = winners(older, rules).withColumn("manifest_id", F.lit("1"))
        verdict = judged(winners(newer, rules), there, rules, "2")
        yield from _lines(f"{table} judged", verdict)
        silver[table] = there
        forged = manifest(table, [replace(entries[0], sha256="0" * 64), entries[1]])
        there = typed(read_manifest(spark, forged, rules, raw.open), rules).persist()
        refused = there.where(F.col("refused").isNotNull()).select(*VERSION)
        yield from _lines(f"{table} fit", without(there, refused).select(*SOURCE, "reason"))
    for table in ("daily_engagement", "customer_value"):
        rules = contract(table)
        with gold_rows(spark, rules, {item.table: silver[item.table] for item in rules.inputs}) as made:
            yield from _lines(table, made)


def _shown(value: F.Column, kind: str) -> F.Column:
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
    Path(sys.argv[2]).write_text("\n".join(everything(spark, raw, texts)))
    spark.stop()


if __name__ == "__main__":
    main()
