"""Data sets of domains that nobody here thought of: tables, columns, keys and values drawn by a seed.

The names are valid and hostile: reserved words of SQL, names as long as they may be, a table named like the
beginning of another, and delivered names that no contract can have.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from scripts.new_table.__main__ import new_table

Rows = list[dict[str, Any]]
WORDS = (
    "group",
    "select",
    "date",
    "table",
    "from",
    "where",
    "user",
    "index",
    "end",
    "true",
    "Größe (cm)",
    "漢字",
)
TEXTS = ("Žluťoučký kůň", "漢字", "🎬", "O'Neil", '"quoted", and more', "a;b|c", "#1", "{}", "null", "N/A")


@dataclass(frozen=True)
class Domain:
    """A data set, and what must come of it."""

    folder: Path
    silver: Mapping[str, int]
    """The number of rows of each silver table."""
    gold: str
    """A table that counts the rows of the first silver table."""
    group: str
    """By this column."""
    counts: Mapping[str, int]


def domain(number: int, parent: Path, seed: int = 0) -> Domain:
    """One of the domains."""
    tables, gold, write, suffix = SHAPES[number]
    rng, folder = random.Random(f"{number} {seed}"), parent / f"domain {number}"
    folder.mkdir()
    columns = rng.sample(WORDS, 5)
    made = {table: _rows(rng, columns) for table in tables}
    for table, rows in made.items():
        sample = parent / f"{number} {table[:20]}{suffix}"
        sample.write_bytes(write(rows))
        contract = new_table(table, sample, folder)
    first, group = tables[0], columns[0]
    name = next(
        column["name"]
        for column in yaml.safe_load((folder / "silver" / f"{first}.yaml").read_text())["columns"]
        if group in (column["name"], *column.get("aliases", ()))
    )
    assert contract.exists()
    _write_gold(folder, gold, first, name, by_function=number == 2)
    counts = Counter(row[group] for row in made[first])
    return Domain(folder, {table: len(rows) for table, rows in made.items()}, gold, name, counts)


def _rows(rng: random.Random, columns: list[str]) -> Rows:
    """Rows whose first two columns are their key; the others are of any type, and some lack a value."""
    begin = date(2026, 1, rng.randrange(1, 28))
    kinds: list[Callable[[], Any]] = [
        lambda: rng.choice(TEXTS),
        lambda: rng.randrange(-(10**12), 10**12),
        lambda: str(begin + timedelta(days=rng.randrange(900))),
        lambda: datetime.fromtimestamp(rng.randrange(10**9, 2 * 10**9), UTC).isoformat(),
        lambda: rng.choice((False, True)),
        lambda: round(rng.uniform(-99, 99), 2),
    ]
    others = [rng.choice(kinds) for _ in columns[2:]]
    rows: Rows = []
    for group in rng.sample(TEXTS, 4):
        for item in range(rng.randrange(2, 9)):
            values = [kind() if item == 0 or rng.random() < 0.9 else None for kind in others]
            rows.append(dict(zip(columns, [group, item, *values], strict=True)))
    return rows


def _as_csv(rows: Rows) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), delimiter=";", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return gzip.compress(out.getvalue().encode("utf-16"))


def _as_lines(rows: Rows) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _as_parquet(rows: Rows) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue()


SHAPES: tuple[tuple[tuple[str, ...], str, Callable[[Rows], bytes], str], ...] = (
    (("order",), "group", _as_csv, ".csv.gz"),
    (("a", "a_b"), "a_b_", _as_lines, ".jsonl"),
    (("select" + "_x" * 28 + "t",), "z" * 63, _as_parquet, ".parquet"),
)
"""The silver tables, the gold table, the format of the samples."""


def _write_gold(folder: Path, gold: str, silver: str, group: str, *, by_function: bool) -> None:
    """A table with the number of rows by a column."""
    (folder / "gold").mkdir()
    document = {
        "table": gold,
        "meaning": "How many rows there are.",
        "inputs": [{"table": silver}],
        "key": [group],
        "columns": [
            {"name": group, "type": "string", "required": True, "meaning": "Of what."},
            {"name": "count", "type": "integer", "required": True, "minimum": "1", "meaning": "How many."},
        ],
    }
    (folder / "gold" / f"{gold}.yaml").write_text(yaml.safe_dump(document))
    if by_function:
        module = f"def rows(spark, inputs):\n    return inputs[{silver!r}].groupBy({group!r}).count()\n"
        (folder / "gold" / f"{gold}.py").write_text(module)
    else:
        select = f"SELECT `{group}`, count(*) AS `count`\nFROM `{silver}`\nGROUP BY `{group}`\n"
        (folder / "gold" / f"{gold}.sql").write_text(select)
