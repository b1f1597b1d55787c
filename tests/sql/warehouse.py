"""Athena for the tests: the catalog that Terraform plans, over objects in memory."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime

from custody.evidence.receipt import Receipt
from custody.ledger.athena import Athena, Row, _typed
from custody.log.batch import Batch, Sealable
from custody.log.segments import format_segments
from scripts.local_aws.athena.engine import Engine
from scripts.local_aws.athena.model import Result
from scripts.local_aws.athena.planned import PlannedCatalog, PlannedTable
from tests.sql.evidence import ACCOUNT, PROVENANCE, REGION, TRAIL_LOG, Record, envelope

SINCE = date(2025, 1, 1)
"""The first day of the ledger in the plan for local."""


class MemoryStore:
    """Objects by bucket and key."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}

    def list(self, bucket: str, prefix: str) -> Iterator[tuple[str, int, str]]:
        for (within, key), body in sorted(self.objects.items()):
            if within == bucket and key.startswith(prefix):
                yield key, len(body), hashlib.md5(body, usedforsecurity=False).hexdigest()

    def read(self, bucket: str, key: str) -> bytes:
        return self.objects[bucket, key]


class Warehouse:
    """The stored objects, and a client to query them."""

    def __init__(
        self,
        planned: Iterable[PlannedTable],
        database: str,
        trail: tuple[str, str] = (TRAIL_LOG, f"AWSLogs/{ACCOUNT}/"),
    ) -> None:
        self.trail_bucket, self.trail_folder = trail
        self.store = MemoryStore()
        self._database = database
        self._engine = Engine(PlannedCatalog(planned), self.store)
        self._files = itertools.count(1)
        self._scanned: frozenset[str] = frozenset()
        self._sealed: set[str] = set()

    def deliver(self, *records: Record, on: date | None = None, region: str = REGION) -> str:
        """Store one log file of these records, delivered on that day (by default: of the first event)."""
        day = (on or date.fromisoformat(records[0]["eventTime"][:10])).strftime("%Y/%m/%d")
        name = f"{ACCOUNT}_CloudTrail_{region}_{day.replace('/', '')}T1205Z_{next(self._files):016d}.json.gz"
        key = f"{self.trail_folder}CloudTrail/{region}/{day}/{name}"
        body = json.dumps({"Records": records}, ensure_ascii=False).encode()
        self.store.objects[self.trail_bucket, key] = gzip.compress(body, mtime=0)
        return key

    def record(self, *receipts: Receipt) -> None:
        """Store these receipts where the recorder stores them."""
        for receipt in receipts:
            self.store.objects[PROVENANCE, receipt.version.receipt_key] = envelope(receipt)

    def seal(self) -> None:
        """Store the segments of the receipts that are not sealed yet, as the sealer does."""
        keys = sorted(
            key
            for bucket, key in self.store.objects
            if bucket == PROVENANCE and key.startswith("provenance/") and key not in self._sealed
        )
        now = datetime.now(UTC)
        items = tuple(Sealable(key, "v", '"e"', now, self.store.objects[PROVENANCE, key]) for key in keys)
        for segment, rows in format_segments(Batch(len(self._sealed), now, items), SINCE):
            self.store.objects[PROVENANCE, segment] = rows
        self._sealed.update(keys)

    def run(self, sql: str, parameters: Sequence[str] = ()) -> Result:
        """Run one statement, once everything is sealed."""
        self.seal()
        result = self._engine.run(sql, self._database, parameters)
        self._scanned = result.scanned
        return result

    def rows(self, sql: str) -> list[dict[str, str | None]]:
        """Run one statement; return its rows by column, values as Athena prints them."""
        result = self.run(sql)
        names = [name for name, _ in result.columns]
        return [dict(zip(names, row, strict=True)) for row in result.rows]

    def row(self, sql: str) -> dict[str, str | None]:
        """Run one statement that has one row."""
        (row,) = self.rows(sql)
        return row

    def athena(self) -> Athena:
        """The command line's queries, answered by the same engine."""
        return _EngineAthena(self.run)

    def segment_days_read(self) -> set[str]:
        """The days of writes whose segments the last statement read."""
        return {uri.split("/dt=")[1][:10] for uri in self._scanned if "/segments/" in uri}

    def days_read(self) -> set[str]:
        """The days of delivery whose log files the last statement read."""
        return {"-".join(uri.split("/")[7:10]) for uri in self._scanned if "/AWSLogs/" in uri}


class _EngineAthena(Athena):
    """Athena without a server between."""

    def __init__(self, run: Callable[[str, Sequence[str]], Result]) -> None:
        self._run = run

    def query(self, sql: str, parameters: Sequence[str] = ()) -> Iterator[Row]:
        result = self._run(sql, parameters)
        for row in result.rows:
            yield {
                name: _typed({"Name": name, "Type": kind}, cell)
                for (name, kind), cell in zip(result.columns, row, strict=True)
            }
