"""Benchmark of reading: what a row costs in each format, in processor seconds.

    python -m scripts.bench.formats ROWS

Reads the clean data of ``examples/streaming`` through ``read_columns``: each table as its contract has it,
the same compressed, as Parquet, and lines of JSON as one array of objects. Prints a JSON document: by format
and table, the seconds of a row, and under ``rows`` the number of rows.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
from pyarrow import parquet

from custody.etl.columns import read_columns
from custody.etl.contract import Contract, Format
from custody.evidence.hashing import CHUNK_BYTES
from scripts.datasets import load_dataset
from scripts.demo.dataset import load_generator
from scripts.toolchain.toolchain import REPO, ToolError

ROUNDS = 5
SEED = 1
_TYPES = {
    "integer": pa.int64(),
    "decimal": pa.decimal128(18, 2),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
}
"""What a table has in Parquet; all other columns are text."""

Source = tuple[bytes, Contract]


def sources(rows: int) -> Iterator[tuple[str, dict[str, Source]]]:
    """Yield each table with its data by format, ``plain`` first."""
    data_set = load_dataset(REPO / "examples" / "streaming")
    generator = load_generator(data_set.folder)
    if generator is None:
        raise ToolError(f"{data_set.folder} has no generator.")
    for table, files in generator.deliveries(rows, SEED, None).items():
        rules = data_set.silver[table]
        bodies = [b"".join(chunks) for _, chunks in files]
        if rules.raw().format == "csv":
            bodies[1:] = [body.partition(b"\n")[2] for body in bodies[1:]]
        plain = b"".join(bodies)
        found = {
            "plain": (plain, rules),
            "gzip": (gzip.compress(plain, 6), rules),
            "zstd": (pa.Codec("zstd").compress(plain).to_pybytes(), rules),
            "parquet": (_parquet(plain, rules), _in(rules, "parquet")),
        }
        if rules.raw().format == "jsonl":
            found["json"] = (b"[%s]" % b",".join(plain.splitlines()), _in(rules, "json"))
        yield table, found


def _in(rules: Contract, name: Format) -> Contract:
    return replace(rules, source=replace(rules.raw(), format=name))


def _parquet(plain: bytes, rules: Contract) -> bytes:
    found = pa.Table.from_batches(read_columns([plain], rules))
    columns = {
        column.name: found[f"text_{column.name}"].cast(_TYPES.get(column.type, pa.string()))
        for column in rules.columns
    }
    out = io.BytesIO()
    parquet.write_table(pa.table(columns), out)
    return out.getvalue()


def seconds_per_row(source: Source, least_rows: int) -> float:
    """The processor seconds of a row, of at least so many: a small table is read again and again."""
    body, rules = source
    chunks = [body[begin : begin + CHUNK_BYTES] for begin in range(0, len(body), CHUNK_BYTES)]
    start, rows = time.process_time(), 0
    while rows < least_rows:
        rows += sum(len(batch) for batch in read_columns(chunks, rules))
    return (time.process_time() - start) / rows


def main(rows: int) -> None:
    """Measure in alternating rounds, and print the best of each."""
    best: dict[str, dict[str, float]] = {}
    for table, found in sources(rows):
        best.setdefault("rows", {})[table] = sum(
            map(len, read_columns([found["plain"][0]], found["plain"][1]))
        )
        for _ in range(ROUNDS):
            for name, source in found.items():
                by_table = best.setdefault(name, {})
                by_table[table] = min(by_table.get(table, float("inf")), seconds_per_row(source, rows))
    print(json.dumps(best))


if __name__ == "__main__":
    main(int(sys.argv[1]))
