"""A lake in a folder, for tests of the ETL."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from custody.etl.contract import Contract, parse_contract
from custody.etl.lineage import Run
from custody.etl.manifest import Entry, Manifest, parse_manifest, write_manifest
from custody.evidence.objects import ObjectVersion
from examples.streaming.generate import CUSTOMER_COLUMNS
from scripts.datasets import contract_text
from scripts.local_etl.folder_store import OpenFile

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from custody.etl.silver_run import Lake

REPO = Path(__file__).resolve().parents[2]
DATA_SET = REPO / "examples" / "streaming"
BUCKET = "raw"
BEGIN = datetime(2026, 1, 20, tzinfo=UTC)
CUSTOMERS, EVENTS = "incoming/customers/", "incoming/stream/viewing_events/"


def contract_path(table: str) -> Path:
    """Where a contract of the sample is."""
    (path,) = DATA_SET.glob(f"*/{table}.yaml")
    return path


@cache
def contract(table: str) -> Contract:
    return parse_contract(contract_text(contract_path(table)))


def contract_with(table: str, *changes: tuple[str, str]) -> Contract:
    """The contract with some of its text replaced."""
    path = contract_path(table)
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    select = path.with_suffix(".sql")
    document = yaml.safe_load(text) | ({"sql": select.read_text()} if select.exists() else {})
    return parse_contract(json.dumps(document))


@dataclass
class Raw:
    """A raw bucket in a folder: each version a file."""

    folder: Path
    entries: list[Entry] = field(default_factory=list)

    def put(self, key: str, chunks: Iterable[bytes]) -> Entry:
        number = len(self.entries)
        version_id = f"v{number:04d}"
        self.folder.mkdir(parents=True, exist_ok=True)
        body = b"".join(chunks)
        (self.folder / version_id).write_bytes(body)
        modified = BEGIN + timedelta(minutes=number)
        version = ObjectVersion(BUCKET, key, version_id)
        self.entries.append(Entry(version, hashlib.sha256(body).hexdigest(), len(body), modified))
        return self.entries[-1]

    @property
    def open(self) -> OpenFile:
        return OpenFile(str(self.folder), by_version_id=True)


def manifest(table: str, entries: Iterable[Entry], created_at: datetime = BEGIN) -> Manifest:
    return parse_manifest(write_manifest(table, entries, created_at))


def run(job: str = "raw_to_processed") -> Run:
    return Run(job, "jr_1", "0" * 64, BEGIN)


def process(
    lake: Lake,
    entries: Iterable[Entry],
    raw: Raw,
    rules: Contract,
    created_at: datetime = BEGIN,
    disregard: Collection[str] = (),
) -> dict[str, Any]:
    """Run raw to processed for some of the raw bucket's versions."""
    from custody.etl.silver_run import raw_to_processed  # noqa: PLC0415 - needs Spark

    what = manifest(rules.table, entries, created_at)
    return raw_to_processed(
        lake, what, "manifest.json", rules, open_version=raw.open, run=run(), disregard=disregard
    )


def stand(
    read: DataFrame,
    entries: DataFrame,
    rules: Contract,
    manifest_id: str = "1",
    table: DataFrame | None = None,
) -> DataFrame:
    """The rows read that a table has after the merge; without ``table``, one that was empty."""
    from custody.etl.frames import judged, kept, silver_rows  # noqa: PLC0415 - needs Spark

    there = silver_rows(read, entries, rules, "").limit(0) if table is None else table
    verdict = judged(read, entries, there, rules, manifest_id)
    return silver_rows(kept(read, verdict, rules, contested=0), entries, rules, manifest_id)


def rows(frame: DataFrame) -> list[tuple[str, ...]]:
    """The rows as texts, in order: what two tables are compared by."""
    names = sorted(frame.columns)
    return sorted(tuple(repr(row[name]) for name in names) for row in frame.select(*names).collect())


CUSTOMER_HEADER = ",".join(CUSTOMER_COLUMNS) + "\n"


def customer(number: int, *, first: str = "Amara", spent: str = "10.00", country: str = "NG") -> str:
    """One valid line of a customers file."""
    return (
        f"C{number:05d},{first},Okafor,a{number}@example.com,{country},2024-05-01,2024-06-01,3,{spent},TRUE\n"
    )


def customers(*lines: str) -> list[bytes]:
    return [(CUSTOMER_HEADER + "".join(lines)).encode()]


def event(name: str, time: str, *, watched: int = 60, customer_id: str = "C00001") -> str:
    """One valid line of the stream."""
    return (
        f'{{"event_id":"e-{name}","event_time":"{time}","customer_id":"{customer_id}","title_id":"t001",'
        f'"event_type":"play","watched_seconds":{watched},"device":"tv","country":"NG"}}\n'
    )


ALL_TYPES = parse_contract(
    json.dumps(
        {
            "table": "all_types",
            "meaning": "A column of each type.",
            "key": ["id"],
            "source": {
                "prefix": "incoming/all_types/",
                "format": "jsonl",
                "wins": "latest",
                "unknown_columns": "reject",
            },
            "columns": [
                {"name": name, "type": kind, "meaning": "m", **more}
                for name, kind, more in (
                    ("id", "bigint", {"required": True}),
                    ("price", "decimal(38,20)", {"maximum": "9999999"}),
                    ("share", "double", {"minimum": "-0.5"}),
                    ("born", "date", {"formats": ["%d.%m.%Y"]}),
                    ("seen", "timestamp", {"timezone": "Europe/Berlin"}),
                    ("open", "boolean", {"true_words": ["ja"], "false_words": ["nein"]}),
                    ("photo", "binary", {}),
                    ("tags", "array<string>", {}),
                    ("parts", "array<struct<id:integer,made:array<date>>>", {}),
                    ("place", "struct<lat:double,lon:double,names:struct<de:string>,since:timestamp>", {}),
                )
            ],
        }
    )
)
_VALUE = {
    "id": 9223372036854775807,
    "price": "123456.12345678901234567890",
    "share": 0.1,
    "born": "29.02.2024",
    "seen": "2026-07-01 12:00:00.123456",
    "open": "JA",
    "photo": "/+A=",
    "tags": ["a", None, "ä b"],
    "parts": [{"id": 1, "made": ["2026-01-15"]}, {}],
    "place": {"lat": 52.5, "lon": -0.0, "names": {"de": "Berlin"}, "since": "1999-12-31T23:59:59Z"},
}
_WRONG: dict[str, Any] = {
    "id": 9223372036854775808,
    "price": "0.123456789012345678901",
    "share": "1e999",
    "born": "2024-02-29",
    "seen": "2026-10-25 02:30:00",
    "open": "true",
    "photo": "?",
    "tags": "a",
    "parts": [{"id": 1.5}],
    "place": {"alt": 1},
}
ALL_VALUES = "".join(
    json.dumps(row) + "\n"
    for row in (
        _VALUE,
        {"id": 1},
        *(_VALUE | {"id": 2 + number, name: value} for number, (name, value) in enumerate(_WRONG.items())),
    )
).encode()
"""A row with all values, one without, and one for each type with a value that it does not hold."""
