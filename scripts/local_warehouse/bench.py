"""A load and the connector's own ``executemany``, the same rows side by side, in alternating rounds.

    build/warehouse-test/bin/python -m scripts.local_warehouse.bench FOLDER ROWS ROUNDS

Prints ``{"load": …, "executemany": …}``: rows a second, each the best of its rounds. Both run on fakesnow,
into a table of its own each round; ``executemany`` sends a thousand rows a statement.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from custody.etl.contract import Contract, parse_contract
from custody.evidence.objects import ObjectVersion
from custody.warehouse.connection import Session, Settings, open_session
from custody.warehouse.gold import GoldFile, GoldVersion
from custody.warehouse.load import Checks, load
from custody.warehouse.proof import Proven
from custody.warehouse.setup import setup_statements
from custody.warehouse.sql import identifier
from custody.warehouse.tables import Target
from scripts.local_warehouse import local_snowflake, runs_here


def contract(table: str) -> Contract:
    """The contract of a table with a number, a text and an amount."""
    kinds = {"id": "integer", "name": "string", "amount": "decimal"}
    columns = [{"name": name, "type": kind, "required": True, "meaning": "."} for name, kind in kinds.items()]
    document = {
        "table": table,
        "meaning": ".",
        "key": ["id"],
        "inputs": [{"table": "raw"}],
        "sql": "SELECT 1",
    }
    return parse_contract(json.dumps({**document, "columns": columns}))


def timed(rows: int, work: Callable[[], object]) -> float:
    """Rows a second."""
    start = time.perf_counter()
    work()
    return rows / (time.perf_counter() - start)


def main(folder: Path, rows: int, rounds: int) -> None:
    """Measure, and print."""
    path = folder / "tables" / "bench" / "part-0.parquet"
    path.parent.mkdir(parents=True)
    ids = pa.array(range(rows), pa.int64())
    texts = pa.array([f"row {number}" for number in range(rows)])
    amounts = pa.array(map(Decimal, range(rows)), pa.decimal128(18, 2))
    pq.write_table(pa.table([ids, texts, amounts], ["id", "name", "amount"]), path)
    version = ObjectVersion("bench", "tables/bench/part-0.parquet", "1")
    proven = Proven(version, sha256(path.read_bytes()).hexdigest(), 0, "s3://bench/receipt")
    file = GoldFile("bench/part-0.parquet", proven, rows, None)
    values = [
        (*row, version.uri)
        for row in zip(ids.to_pylist(), texts.to_pylist(), amounts.to_pylist(), strict=True)
    ]
    settings = Settings("local", "BENCH", f"file://{folder}/tables/", "", "", "")
    best = {"load": 0.0, "executemany": 0.0}
    with local_snowflake(folder / "snowflake", settings), open_session(settings, b"", "bench") as session:
        for number in range(rounds):
            loaded, inserted = contract(f"loaded_{number}"), contract(f"inserted_{number}")
            for statement in filter(runs_here, setup_statements(settings, [loaded, inserted])):
                session.run(statement)
            gold = GoldVersion(loaded, number, "s3://bench/document", "", (file,))
            table = identifier(Target(inserted).name)
            best["load"] = max(best["load"], timed(rows, lambda: load(session, gold, Checks())))  # noqa: B023
            insert = f"INSERT INTO {table} VALUES (?, ?, ?, ?)"  # noqa: S608 - quoted
            best["executemany"] = max(
                best["executemany"],
                timed(rows, lambda: session.run_many(insert, values)),  # noqa: B023
            )
            _require_same(session, Target(loaded).name, Target(inserted).name)
    print(json.dumps(best))


def _require_same(session: Session, one: str, other: str) -> None:
    """Exit unless both tables have the same rows."""
    different = session.run(f"SELECT COUNT(*) FROM (SELECT * FROM {one} EXCEPT SELECT * FROM {other}) AS d")  # noqa: S608
    if different != [(0,)]:
        sys.exit("The load and executemany made different rows.")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
