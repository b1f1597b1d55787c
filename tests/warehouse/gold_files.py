"""Gold tables as files in a folder, with invented evidence, and a Snowflake that is set up for them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from custody.etl.contract import Contract, parse_contract
from custody.evidence.objects import ObjectVersion
from custody.warehouse.connection import Session, Settings, open_session
from custody.warehouse.gold import GoldFile, GoldVersion
from custody.warehouse.proof import Proven
from custody.warehouse.setup import setup_statements
from scripts.local_warehouse import local_snowflake, runs_here

Rows = Sequence[Mapping[str, Any]]

COLUMNS = [
    {"name": "id", "type": "string", "required": True, "pii": True, "meaning": "Who's it? \\ ; -- ?"},
    {"name": "amount", "type": "integer", "meaning": "How much."},
]
BY_DAY = [{"name": "day", "type": "date", "required": True, "meaning": "The day."}, *COLUMNS]
SCHEMA = pa.schema([("id", pa.string()), ("amount", pa.int64())])


def contract(*, by: str | None = None, **changes: Any) -> Contract:
    """The contract of ``visits``."""
    document = {
        "table": "visits",
        "meaning": "It's who came.",
        "key": ["id"] if by is None else [by, "id"],
        "inputs": [{"table": "arrivals", **({} if by is None else {"by": by})}],
        "sql": "SELECT 1",
        "columns": COLUMNS if by is None else BY_DAY,
    }
    return parse_contract(json.dumps(document | changes))


class Lake:
    """Data files below ``tables/`` in a folder."""

    def __init__(self, folder: Path) -> None:
        self.tables = folder / "tables"
        self.settings = Settings(
            "account", "CUSTODY_TEST", f"file://{self.tables}/", "arn:role", "id", "arn:secret"
        )

    def file(self, path: str, rows: Rows | pa.Table, leaf: int = 0, day: str | None = None) -> GoldFile:
        """Write a data file of ``visits``."""
        table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(list(rows), SCHEMA)
        place = self.tables / "visits" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, place)
        return self.known(place, table.num_rows, leaf, path, day)

    @staticmethod
    def known(place: Path, rows: int, leaf: int, path: str = "", day: str | None = None) -> GoldFile:
        """A data file that is there; its path below ``visits`` is its name, unless it is given."""
        path = path or place.name
        version = ObjectVersion("gold", f"tables/visits/{path}", f"v{leaf}")
        proven = Proven(version, sha256(place.read_bytes()).hexdigest(), leaf, f"s3://evidence/{path}.json")
        return GoldFile(f"visits/{path}", proven, rows, day)


def version(number: int, files: Sequence[GoldFile], of: Contract | None = None) -> GoldVersion:
    """A version of ``visits``."""
    return GoldVersion(of or contract(), number, f"s3://gold/{number}.json", "d0" * 32, tuple(files))


@contextmanager
def opened(lake: Lake, folder: Path, *contracts: Contract) -> Iterator[Session]:
    """A session with a Snowflake in a folder that was set up as far as it can be."""
    with local_snowflake(folder, lake.settings), open_session(lake.settings, b"", "test") as session:
        for statement in setup_statements(lake.settings, contracts or [contract()]):
            if runs_here(statement):
                session.run(statement)
        yield session


def rows_of(session: Session) -> dict[Any, Any]:
    """The target: by id, the amount and the object."""
    return {row[0]: row[1:] for row in session.run("SELECT ID, AMOUNT, CUSTODY_OBJECT FROM VISITS")}
