"""The tables' rows in DuckDB, loaded from the store on demand, by partition.

Two in-memory databases, neither of which can reach files or network: ``data`` holds the rows, one DuckDB
table per partition; ``plans`` holds the same tables without rows. A statement is first planned there, with
each table as the UNION ALL of its partitions and partition columns as constants, so that DuckDB's optimiser
removes the partitions that the filters exclude; only the remaining partitions are read.
"""

# ruff: noqa: S608 - writing SQL is the purpose: names are made here, types and texts are quoted

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import chain
from typing import Any, TypeVar

import duckdb

from custody.concurrency import WorkerProcesses
from scripts.local_aws.athena.delta import DeltaTable
from scripts.local_aws.athena.model import QueryError, Store
from scripts.local_aws.athena.natives import register
from scripts.local_aws.athena.reading import Group, Reader, reader_of_process
from scripts.local_aws.athena.tables import StoredTable
from scripts.local_aws.athena.types import (
    TIMESTAMP_TZ,
    VARCHAR,
    Type,
    duckdb_type,
    quote_identifier,
    quote_text,
)

_GROUP_BYTES = 256 << 10
_PARALLEL_BYTES = 8 << 20
"""From so much on, several processes read: starting them takes seconds, and each takes memory."""
_PLANNING = {"expression_rewriter", "filter_pullup", "filter_pushdown", "empty_result_pullup", "cte_inlining"}
"""Optimisers that are needed to find the partitions that a filter excludes. The others cost time, and one,
statistics_propagation, would drop partitions because their tables have no rows here."""


Table = StoredTable | DeltaTable

_Item = TypeVar("_Item")


@dataclass(slots=True)
class Partition:
    """One partition of a table: the objects that are in it now, and those of which the rows are loaded."""

    relation: str
    values: tuple[str | None, ...]
    objects: dict[str, tuple[int, str]] = field(default_factory=dict)
    loaded: dict[str, str] = field(default_factory=dict)

    def fresh(self) -> dict[str, tuple[int, str]]:
        """Return the objects whose rows are not loaded."""
        return {key: each for key, each in self.objects.items() if self.loaded.get(key) != each[1]}


@dataclass(slots=True)
class Held:
    """A table as it is held here."""

    table: Table
    relation: str
    partitions: dict[tuple[str | None, ...], Partition]


class Warehouse:
    """See the module. Not thread-safe, but for cursors made by ``cursor``."""

    def __init__(self, store: Store, memory_limit: str = "2GB") -> None:
        self._store = store
        self._spill = tempfile.TemporaryDirectory(prefix="athena-")
        # DuckDB takes common parts of expressions out of TRY, too: they would fail outside it.
        settings = {"memory_limit": memory_limit, "disabled_optimizers": "common_subexpressions"}
        self._data = _sandbox({**settings, "temp_directory": self._spill.name})
        self._plans = _sandbox({"disabled_optimizers": ",".join(_optimizers() - _PLANNING)})
        self._natives: tuple[set[str], set[str]] = (set(), set())
        self._held: dict[tuple[str, str, Table], Held] = {}
        self._partitions: dict[str, tuple[Held, Partition]] = {}

    def close(self) -> None:
        """Give the memory and the spilled files back."""
        self._data.close()
        self._plans.close()
        self._spill.cleanup()

    def hold(self, database: str, name: str, table: Table) -> Held:
        """Look up what objects the table has now; nothing is read."""
        identity = (database, name, table)
        held = self._held.setdefault(identity, Held(table, f"b{len(self._held)}", {}))
        found: dict[tuple[str | None, ...], dict[str, tuple[int, str]]] = {}
        for values, key, size, etag in table.objects(self._store):
            found.setdefault(values, {})[key] = (size, etag)
        for values in found.keys() - held.partitions.keys():
            partition = Partition(f"p{len(self._partitions)}", values)
            held.partitions[values] = partition
            self._partitions[partition.relation] = (held, partition)
            columns = ", ".join(f"c{at} {duckdb_type(kind)}" for at, (_, kind) in enumerate(table.columns))
            for database_ in (self._data, self._plans):
                database_.execute(f"CREATE TABLE {partition.relation} ({columns}, path VARCHAR)")
        for values, partition in held.partitions.items():
            partition.objects = found.get(values, {})
        present = [partition for partition in held.partitions.values() if partition.objects]
        self._plans.execute(f"CREATE OR REPLACE VIEW {held.relation} AS {_union(table, present)}")
        return held

    def plan(self, sql: str) -> list[Partition]:
        """Return the partitions that a query of held tables would read."""
        register(self._plans, sql, self._natives[0])
        (_, plan), *_ = self._plans.execute(f"EXPLAIN (FORMAT JSON) {sql}").fetchall()
        return [self._partitions[name][1] for name in sorted(set(_scans(json.loads(plan))))]

    def evaluate(self, sql: str) -> list[tuple[str | None, str | None]]:
        """Run a query of constants."""
        register(self._plans, sql, self._natives[0])
        return self._plans.execute(sql).fetchall()

    def objects(self, partitions: Iterable[Partition]) -> dict[str, int]:
        """Return the size of each object of the partitions, by URI."""
        return {
            f"s3://{self._partitions[partition.relation][0].table.bucket}/{key}": size
            for partition in partitions
            for key, (size, _) in partition.objects.items()
        }

    def load(self, partitions: Iterable[Partition]) -> None:
        """Bring the rows of the partitions up to date with their objects."""
        chosen = list(partitions)
        much = sum(size for each in chosen for size, _ in each.fresh().values()) >= _PARALLEL_BYTES
        with WorkerProcesses(os.cpu_count() or 1) as processes:  # none is started before it has work
            for partition in chosen:
                held, _ = self._partitions[partition.relation]
                self._data.begin()
                try:
                    now = self._refresh(held.table, partition, processes if much else None)
                except BaseException:
                    self._data.rollback()
                    raise
                self._data.commit()
                partition.loaded = now

    def cursor(
        self, held: Iterable[Held], partitions: Sequence[Partition], sql: str
    ) -> duckdb.DuckDBPyConnection:
        """Return a connection of its own for ``sql``, with the held tables having these partitions' rows."""
        register(self._data, sql, self._natives[1])
        cursor = self._data.cursor()
        cursor.begin()
        for each in held:
            chosen = [partition for partition in each.partitions.values() if partition in partitions]
            cursor.execute(f"CREATE TEMP VIEW {each.relation} AS {_union(each.table, chosen)}")
        return cursor

    def _refresh(
        self, table: Table, partition: Partition, processes: WorkerProcesses | None
    ) -> dict[str, str]:
        now = {key: etag for key, (_, etag) in partition.objects.items()}
        gone = [
            f"s3://{table.bucket}/{key}" for key, etag in partition.loaded.items() if now.get(key) != etag
        ]
        if gone:
            self._data.execute(f"DELETE FROM {partition.relation} WHERE path IN (SELECT unnest(?))", [gone])
        fresh = partition.fresh()
        if not fresh:
            return now
        if isinstance(table, DeltaTable):
            self._load_files(table, partition.relation, fresh)
        else:
            self._load_lines(table, partition.relation, fresh, processes)
        return now

    def _load_files(self, table: DeltaTable, relation: str, keys: Iterable[str]) -> None:
        """Insert the rows of Parquet files."""
        reads = [
            _in_milliseconds(kind, f"CAST(c{at} AS {duckdb_type(kind)})")
            for at, (_, kind) in enumerate(table.columns)
        ]
        for key in keys:
            self._data.register("incoming", table.rows(key, self._store.read(table.bucket, key)))
            path = quote_text(f"s3://{table.bucket}/{key}")
            self._data.execute(f"INSERT INTO {relation} SELECT {', '.join([*reads, path])} FROM incoming")
            self._data.unregister("incoming")

    def _load_lines(
        self,
        table: StoredTable,
        relation: str,
        objects: Mapping[str, tuple[int, str]],
        processes: WorkerProcesses | None,
    ) -> None:
        """Insert the rows of objects of JSON, in the order of the objects."""
        bare = replace(table, projections=())  # those cannot be pickled
        groups = self._groups(table, objects)
        read = (
            _in_order(processes.map(partial(reader_of_process, bare), enumerate(groups), workers=1))
            if processes
            else map(Reader(bare).batches, groups)
        )
        kinds = [kind for _, kind in table.columns] + [VARCHAR]
        casts = ", ".join(f"CAST(c{at} AS {duckdb_type(kind)})" for at, kind in enumerate(kinds))
        for batch in chain.from_iterable(read):
            try:
                self._data.register("incoming", batch)
                self._data.execute(f"INSERT INTO {relation} SELECT {casts} FROM incoming")
                self._data.unregister("incoming")
            except duckdb.Error as error:
                raise QueryError("HIVE_BAD_DATA", str(error).splitlines()[0]) from error

    def _groups(self, table: StoredTable, objects: Mapping[str, tuple[int, str]]) -> Iterator[Group]:
        """Yield the objects and their bytes, together what is small."""
        group: Group = []
        taken = 0
        for key, (size, _) in objects.items():
            group.append((key, self._store.read(table.bucket, key)))
            taken += size
            if taken >= _GROUP_BYTES:
                yield group
                group, taken = [], 0
        if group:
            yield group


def _in_milliseconds(kind: Type, value: str, depth: int = 0) -> str:
    """A value of a type, of whose moments only the milliseconds are left: Athena reads no more of Parquet."""
    if kind == TIMESTAMP_TZ:
        return f"date_trunc('milliseconds', {value})"
    if str(TIMESTAMP_TZ) not in str(kind):
        return value
    if kind.name == "array":
        each = f"e{depth}"
        return f"list_transform({value}, lambda {each}: {_in_milliseconds(kind.args[0], each, depth + 1)})"
    fields = ", ".join(
        f"{quote_identifier(name)} := "
        + _in_milliseconds(of, f"struct_extract({value}, {quote_text(name)})", depth)
        for name, of in zip(kind.fields, kind.args, strict=True)
    )
    return f"CASE WHEN {value} IS NOT NULL THEN struct_pack({fields}) END"


def _in_order(numbered: Iterable[tuple[int, _Item]]) -> Iterator[_Item]:
    """Yield items by their numbers, which count from 0, as soon as those before are there."""
    waiting: dict[int, _Item] = {}
    following = 0
    for at, item in numbered:
        waiting[at] = item
        while following in waiting:
            yield waiting.pop(following)
            following += 1


def release_memory() -> None:
    """Return memory of finished statements to the operating system; the loaded rows stay.

    DuckDB's allocator, one for the process, keeps freed pages for every thread that had some: hundreds of
    megabytes after a join. It returns them when a database closes, whichever that is.
    """
    duckdb.connect(":memory:").close()


def _sandbox(settings: Mapping[str, str]) -> duckdb.DuckDBPyConnection:
    """Open an in-memory database that can read and write nothing outside itself, whatever it is asked."""
    database = duckdb.connect(":memory:", config=dict(settings))
    for setting in ("TimeZone = 'UTC'", "enable_external_access = false", "lock_configuration = true"):
        database.execute(f"SET {setting}")
    return database


@cache
def _optimizers() -> frozenset[str]:
    with duckdb.connect(":memory:") as database:
        names = database.execute("SELECT name FROM duckdb_optimizers()").fetchall()
    return frozenset(name for (name,) in names)


def _union(table: Table, partitions: Sequence[Partition]) -> str:
    """Write a table as the union of its partitions: its columns in their order, then ``"$path"``."""
    kinds = [kind for _, kind in (*table.columns, *table.partition_columns)]
    if not partitions:
        empty = [
            f"CAST(NULL AS {duckdb_type(kinds[place])}) AS c{at}" for at, place in enumerate(table.order)
        ]
        return f"SELECT {', '.join(empty)}, CAST(NULL AS VARCHAR) AS c{len(kinds)} WHERE false"
    parts = []
    for partition in partitions:
        reads = [f"c{at}" for at in range(len(table.columns))] + [
            f"CAST({'NULL' if value is None else quote_text(value)} AS {duckdb_type(kind)})"
            for value, (_, kind) in zip(partition.values, table.partition_columns, strict=True)
        ]
        ordered = [f"{reads[place]} AS c{at}" for at, place in enumerate(table.order)]
        parts.append(f"SELECT {', '.join(ordered)}, path AS c{len(kinds)} FROM {partition.relation}")
    return _balanced(parts)


def _balanced(parts: Sequence[str]) -> str:
    """Join by UNION ALL as a tree: its depth is what DuckDB's parser limits."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return f"({_balanced(parts[:half])}) UNION ALL ({_balanced(parts[half:])})"


def _scans(nodes: Any) -> Iterator[str]:
    for node in nodes if isinstance(nodes, list) else [nodes]:
        name = node.get("extra_info", {}).get("Table", "").rpartition(".")[2]
        if re.fullmatch(r"p\d+", name):
            yield name
        yield from _scans(node.get("children", []))
