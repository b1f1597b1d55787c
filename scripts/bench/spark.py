"""Benchmarks of the silver job on Spark, as in AWS Glue; each measurement in its own process.

    python -m scripts.bench.spark kit FOLDER     the job's whole way, on the generator's files
    python -m scripts.bench.spark bare FOLDER    Spark's own readers and a window, on the clean files

FOLDER is made by ``scripts.bench.etl data``. Nothing is written: no Python package has Delta's classes for
Spark. Instead of a table there is what would be written to it, which Spark computes and drops.

``bare`` is the reference: the same rows, read with the typed schema in mode PERMISSIVE, of which a window
keeps one for each key, in a session with the same settings. It has no manifest, hashes, rules, reasons,
counts, checks or lineage.

Each prints a JSON document: ``rows``, ``seconds`` of the clock and ``cpu_seconds`` of the processors, both
without the engine's start, and ``peak_bytes`` of its largest process. Java 17 is needed.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyspark.sql import Observation, SparkSession, Window
from pyspark.sql import functions as F  # noqa: N812

from custody.etl.delta import DeltaTable, configure
from custody.etl.lineage import Run
from custody.etl.silver_run import Lake, raw_to_processed
from scripts.bench.etl import BEGIN, DATA_SET, gate
from scripts.local_etl.folder_store import FolderStore, OpenFile
from scripts.toolchain.toolchain import REPO

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from custody.etl.contract import Contract

TASKS = 2


class Unwritten(DeltaTable):
    """A table without files: of what was written to it last, it knows how many rows each manifest has."""

    _rows: DataFrame | None = None

    def version(self) -> int | None:
        """The only version, once there is one."""
        return None if self._rows is None else 0

    def frame(self, version: int | None = None) -> DataFrame:
        """As many rows as were written last, of their manifest."""
        if self._rows is None:
            raise ValueError(self.name)
        return self._rows

    def ensure(
        self,
        like: DataFrame,
        partition: str | None,
        aliases: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        """Make it empty."""
        if self._rows is None:
            nothing = (F.lit(None).cast(field.dataType).alias(field.name) for field in like.schema.fields)
            self._rows = self._spark.range(0).select(*nothing)

    def merge(self, rows: DataFrame, key: tuple[str, ...], newer: str, within: str | None = None) -> None:
        """Compute the rows."""
        self.replace(rows)

    def replace(self, rows: DataFrame, where: str | None = None) -> None:
        """Compute the rows."""
        seen = Observation()
        facts = (F.count(F.lit(1)).alias("rows"), F.max("manifest_id").alias("manifest_id"))
        rows.observe(seen, *facts).write.format("noop").mode("overwrite").save()
        self._rows = self._spark.range(seen.get["rows"]).select(
            F.lit(seen.get["manifest_id"]).alias("manifest_id")
        )


@dataclass(frozen=True, slots=True)
class UnwrittenLake(Lake):
    """A lake of such tables."""

    made: dict[str, Unwritten] = field(default_factory=dict)

    def table(self, name: str) -> DeltaTable:
        """A table of this lake."""
        return self.made.setdefault(name, Unwritten(self.spark, self.store, self.tables, name))


def run_kit(spark: SparkSession, data: Path, out: str) -> int:
    """Run the silver job for each table; return how many rows were read."""
    rows, raw = 0, data / "raw"
    for rules in DATA_SET.silver.values():
        document = raw_to_processed(
            UnwrittenLake(spark, FolderStore(), out),
            gate(raw, rules),
            "manifest",
            rules,
            open_version=OpenFile(str(raw)),
            run=Run("raw_to_processed", "jr_1", "0" * 64, BEGIN),
        )
        rows += document["counts"]["rows"]
        spark.catalog.clearCache()
    return rows


def run_bare(spark: SparkSession, data: Path, _: str) -> int:
    """Read, type and choose with Spark's own means; nothing is counted."""
    for table, rules in DATA_SET.silver.items():
        _bare(spark, rules, data / f"{table}.clean")
    return 0


def _bare(spark: SparkSession, rules: Contract, path: Path) -> None:
    schema = ", ".join(f"{column.name} {column.kind.sql}" for column in rules.columns)
    reader = spark.read.schema(schema).option("mode", "PERMISSIVE")
    if rules.raw().format == "csv":
        frame = reader.option("header", value=True).csv(str(path))
    else:
        frame = reader.json(str(path))
    if rules.day is not None:
        frame = frame.withColumn(rules.day[0], F.col(rules.day[1]).cast("date"))
    frame = frame.withColumn("row", F.monotonically_increasing_id())
    order = F.col("row") if rules.raw().wins == "first" else F.col("row").desc()
    number = F.row_number().over(Window.partitionBy(*rules.key).orderBy(order))
    frame.withColumn("n", number).where("n = 1").write.format("noop").mode("overwrite").save()


def cpu_time(pid: int) -> int:
    """The processor seconds of a process so far."""
    words = ["ps", "-o", "cputime=", "-p", str(pid)]
    shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    seconds = 0
    for part in shown.partition(".")[0].replace("-", ":").split(":"):
        seconds = seconds * 60 + int(part)
    return seconds


def measure(what: str, data: Path) -> dict[str, float]:
    """Run one of the two."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYTHONPATH"] = os.pathsep.join([str(REPO), str(REPO / "src")])  # for Spark's workers
    spark = (
        SparkSession.builder.master(f"local[{TASKS}]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", str(TASKS))
        .getOrCreate()
    )
    configure(spark)
    context: Any = spark.sparkContext
    java = context._gateway.proc
    begun = cpu_time(java.pid)
    start, own = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory(prefix="tables-") as out:
        rows = {"kit": run_kit, "bare": run_bare}[what](spark, data, out)
    seconds, own = time.perf_counter() - start, time.process_time() - own
    spark.stop()
    context._gateway.shutdown()
    java.stdin.close()
    java.wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)  # of Java, and of its Python workers
    cpu_seconds = own + used.ru_utime + used.ru_stime - begun
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"rows": rows, "seconds": seconds, "cpu_seconds": cpu_seconds, "peak_bytes": peak}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))
