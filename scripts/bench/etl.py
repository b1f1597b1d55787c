"""Benchmarks of the ETL; each measurement in its own process.

    python -m scripts.bench.etl data FOLDER ROWS   makes the generator's files, and clean ones
    python -m scripts.bench.etl kit FOLDER         the kit's jobs, on the generator's files
    python -m scripts.bench.etl bare FOLDER        the same transforms on the clean files

The data are those of ``examples/streaming``.

``bare`` is the reference: the same typed reading, rules, choice of winners, merge, quarantine and gold, with
the same engine and number of rows. But it uses the engine's own readers, with one clean file per table; and
it has no manifest, hashes, rejected rows, counts, checks or lineage.

Each prints a JSON document: ``rows``, ``seconds`` of the clock and ``cpu_seconds`` of the processors, both
without the engine's start, and ``peak_bytes``.
"""

from __future__ import annotations

import hashlib
import json
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812

from custody.etl.contract import Contract
from custody.etl.gold import gold_rows
from custody.etl.gold_run import Request, processed_to_analytics
from custody.etl.lineage import Run
from custody.etl.manifest import Entry, Manifest, parse_manifest, write_manifest
from custody.etl.silver_run import NEWER, Lake, raw_to_processed
from custody.evidence.objects import ObjectVersion
from scripts.bench.reference import judged, rejected, typed, winners
from scripts.datasets import load_dataset
from scripts.demo.dataset import load_generator
from scripts.local_etl.engine import pysail_session
from scripts.local_etl.folder_store import FolderStore, OpenFile
from scripts.toolchain.toolchain import REPO, ToolError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SEED = 1
BEGIN = datetime(2026, 1, 20, tzinfo=UTC)
DATA_SET = load_dataset(REPO / "examples" / "streaming")


def make_data(folder: Path, rows: int) -> int:
    """Write ``raw/`` as the generator makes it, and the same rows clean, a file a table; return the rows.

    The largest table has about ``rows``.
    """
    generator = load_generator(DATA_SET.folder)
    if generator is None:
        raise ToolError(f"{DATA_SET.folder} has no generator.")
    total = 0
    for dirt in (0.02, None):
        for table, files in generator.deliveries(rows, SEED, dirt).items():
            for truth, chunks in files:
                body = b"".join(chunks)
                if dirt is not None:
                    path = folder / "raw" / truth.key
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(body)
                    continue
                total += truth.rows
                path = folder / f"{table}.clean"
                if DATA_SET.silver[table].raw().format == "csv" and path.exists():
                    body = body.partition(b"\n")[2]
                with path.open("ab") as out:
                    out.write(body)
    return total


def gate(raw: Path, rules: Contract) -> Manifest:
    """Return a manifest of a table's raw files."""
    entries: list[Entry] = []
    for path in sorted(raw.joinpath(rules.raw().prefix).rglob("*.*")):
        body = path.read_bytes()
        version = ObjectVersion("raw", str(path.relative_to(raw)), "0" * 32)
        modified = BEGIN + timedelta(minutes=len(entries))
        entries.append(Entry(version, hashlib.sha256(body).hexdigest(), len(body), modified))
    return parse_manifest(write_manifest(rules.table, entries, BEGIN))


def prepare_kit(data: Path) -> Callable[[Lake], int]:
    """Return what runs both jobs on a folder's raw files, and returns how many rows were read."""
    raw = data / "raw"
    manifests = {table: gate(raw, rules) for table, rules in DATA_SET.silver.items()}

    def run(lake: Lake) -> int:
        rows = 0
        for table, manifest in manifests.items():
            document = raw_to_processed(
                lake,
                manifest,
                "manifest",
                DATA_SET.silver[table],
                open_version=OpenFile(str(raw)),
                run=Run("raw_to_processed", "jr_1", "0" * 64, BEGIN),
            )
            rows += document["counts"]["rows"]
        for rules in DATA_SET.gold.values():
            who = Run("processed_to_analytics", "jr_2", "0" * 64, BEGIN)
            processed_to_analytics(lake, lake, rules, Request(), who)
        return rows

    return run


def prepare_bare(data: Path) -> Callable[[Lake], int]:
    """Return what runs the transforms on a folder's clean files, and returns how many rows were read."""
    return lambda lake: _run_bare(lake, data)


def _run_bare(lake: Lake, data: Path) -> int:
    rows = 0
    for table, rules in DATA_SET.silver.items():
        records = lake.stage(typed(_clean(lake, rules, data / f"{table}.clean"), rules))
        silver, quarantine = lake.table(table), lake.table(rules.rejected_table)
        best = winners(records, rules)
        silver.ensure(best.withColumn("manifest_id", F.lit("1")), rules.day[0] if rules.day else None)
        verdict = lake.stage(judged(best, silver.frame(), rules, "1"))
        silver.merge(verdict.where("source_kept").drop("source_kept"), rules.key, NEWER[rules.raw().wins])
        out = rejected(records, rules, "1")
        quarantine.ensure(out, None)
        quarantine.replace(out)
        rows += int(records.count())
    for name, rules in DATA_SET.gold.items():
        with gold_rows(
            lake.spark, rules, {item.table: lake.table(item.table).frame() for item in rules.inputs}
        ) as made:
            lake.table(name).replace(made)
    return rows


def _clean(lake: Lake, rules: Contract, path: Path) -> DataFrame:
    """A clean file as the engine reads it, with the columns of ``read_manifest`` that transforms use."""
    if rules.raw().format == "csv":
        frame = lake.spark.read.option("header", value=True).csv(str(path))
    else:
        types = {column.name: column.kind.sql for column in rules.columns}
        types |= {name: "string" for name, kind in types.items() if kind == "timestamp"}
        schema = ", ".join(f"{name} {kind}" for name, kind in types.items())
        frame = lake.spark.read.schema(schema).json(str(path))
    rank = "2026-01-15|2026-01-20T00:00:00.000Z|0123456789abcdef"
    nothing = F.lit(None).cast("string")
    return frame.select(
        F.lit("raw").alias("source_bucket"),
        F.lit(f"{rules.raw().prefix}2026/01/15/00/records-1-2026-01-15-00.jsonl").alias("source_key"),
        F.lit("0" * 32).alias("source_version_id"),
        F.lit(rank).alias("source_rank"),
        (F.monotonically_increasing_id() + 1).alias("source_row"),
        *(F.col(column.name).cast("string").alias(f"text_{column.name}") for column in rules.columns),
        *(nothing.alias(name) for name in ("extra", "problem", "unreadable")),
    )


def measure(prepare: Callable[[Path], Callable[[Lake], int]], data: Path) -> dict[str, float]:
    """Run one of the two, in a temporary folder."""
    run = prepare(data)
    out = tempfile.mkdtemp(prefix="tables-", dir=data)
    try:
        with pysail_session() as (spark, stage):
            start, cpu_start = time.perf_counter(), time.process_time()
            rows = run(Lake(spark, FolderStore(), out, stage))
            seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    finally:
        shutil.rmtree(out)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"rows": rows, "seconds": seconds, "cpu_seconds": cpu_seconds, "peak_bytes": peak}


def main() -> None:
    """Run the one named on the command line."""
    what, folder, *numbers = sys.argv[1:]
    if what == "data":
        answer: dict[str, float] = {"rows": make_data(Path(folder), int(numbers[0]))}
    else:
        answer = measure({"kit": prepare_kit, "bare": prepare_bare}[what], Path(folder))
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
