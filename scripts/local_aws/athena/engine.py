"""The engine: runs one Athena statement and returns its result. It only reads the tables of its catalog."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from threading import Lock
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import duckdb

from scripts.local_aws.athena.analyze import Analyzer
from scripts.local_aws.athena.casts import Typed, printed_zoned
from scripts.local_aws.athena.delta import is_delta, read_delta
from scripts.local_aws.athena.model import (
    Cancellation,
    CancelledError,
    Catalog,
    ListingCatalog,
    QueryError,
    Result,
    ScanLimitExceededError,
    Store,
)
from scripts.local_aws.athena.natives.registry import CLOSE, OPEN, begin, noted
from scripts.local_aws.athena.parse import Explain, Show, parse
from scripts.local_aws.athena.scope import BaseTable, Column, Rows, Statement, View
from scripts.local_aws.athena.tables import location, read_table, read_view
from scripts.local_aws.athena.types import MONTH_INTERVAL, TIMESTAMP_TZ, VARCHAR, Type, render
from scripts.local_aws.athena.warehouse import Held, Table, Warehouse, release_memory

__all__ = [
    "Cancellation",
    "CancelledError",
    "Catalog",
    "Engine",
    "ListingCatalog",
    "QueryError",
    "Result",
    "ScanLimitExceededError",
    "Store",
    "release_memory",
]


class Engine:
    """Runs statements over a catalog and a store; thread-safe.

    It keeps the rows it has read; an object is read again only when its etag changes.
    """

    def __init__(
        self, catalog: Catalog, store: Store, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._clock = clock
        self._warehouse = Warehouse(store)
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the engine's resources; no statement may run any more."""
        self._warehouse.close()

    def run(
        self,
        sql: str,
        database: str,
        parameters: Sequence[str] = (),
        scan_limit: int | None = None,
        cancellation: Cancellation | None = None,
    ) -> Result:
        """Run one statement.

        ``database`` is the default database ("" for none); ``parameters`` are the SQL
        constants for its ``?``; ``scan_limit`` is in bytes.

        Raises ``QueryError`` if it fails, ``ScanLimitExceededError`` if it would read more than the limit,
        ``CancelledError`` if it was stopped.
        """
        cancellation = cancellation or Cancellation()
        statement = parse(sql, parameters)
        if isinstance(statement, Show):
            return self._show(statement, database.lower())
        explained, statement = (
            (statement, statement.query) if isinstance(statement, Explain) else (None, statement)
        )
        names = _Names(self._catalog, self._store, self._warehouse, self._clock())
        try:
            with self._lock:
                planned, rows = (
                    Analyzer(Statement(names, names.now, evaluate), sql, database.lower()).analyze(statement)
                    for evaluate in (self._warehouse.evaluate, None)
                )
                partitions = self._warehouse.plan(planned.sql)
                objects = self._warehouse.objects(partitions)
                if explained:
                    return _explanation(explained, rows, objects)
                scanned_bytes = sum(objects.values())
                if scan_limit is not None and scanned_bytes > scan_limit:
                    raise ScanLimitExceededError
                cancellation.bind(None)
                self._warehouse.load(partitions)
                cursor = self._warehouse.cursor(names.held, partitions, rows.sql)
            fetched = self._fetch(rows, cursor, cancellation)
            return Result(_columns(rows), fetched, scanned_bytes, frozenset(objects))
        except duckdb.Error as error:
            raise _query_error(error) from error

    def _fetch(
        self, rows: Rows, cursor: duckdb.DuckDBPyConnection, cancellation: Cancellation
    ) -> tuple[tuple[str | None, ...], ...]:
        kinds, statement = [column.type for column in rows.columns], uuid4().hex
        unsupported = None
        try:
            begin(cursor, statement)
            cancellation.bind(cursor.interrupt)
            fetched = cursor.execute(_printable(rows)).fetchall()
            cancellation.bind(None)
        except duckdb.InterruptException as error:
            raise CancelledError from error
        finally:
            cursor.close()
            unsupported = noted(statement)
        if unsupported:
            raise unsupported
        return tuple(tuple(render(v, kind) for v, kind in zip(row, kinds, strict=True)) for row in fetched)

    def _show(self, statement: Show, database: str) -> Result:
        database = statement.database or database
        if statement.what in ("columns", "describe"):
            table = self._catalog.get_table(database, statement.table or "")
            if table is None:
                full = f"awsdatacatalog.{database}.{statement.table}"
                raise QueryError("TABLE_NOT_FOUND", f"line 1:1: Table '{full}' does not exist")
            columns = [*table["StorageDescriptor"]["Columns"], *(table.get("PartitionKeys") or [])]
            if statement.what == "columns":
                return _listing(["field"], [[column["Name"]] for column in columns])
            described = [[c["Name"], c.get("Type", ""), c.get("Comment", "")] for c in columns]
            return _listing(["col_name", "data_type", "comment"], described)
        if not isinstance(self._catalog, ListingCatalog):
            raise QueryError("NOT_SUPPORTED", "SHOW needs a catalogue that can list")
        if statement.what == "databases":
            found, heading = list(self._catalog.databases()), "database_name"
        else:
            found, heading = list(self._catalog.tables(database)), "tab_name"
            if statement.what == "views":
                found, heading = [name for name in found if self._is_view(database, name)], "views"
        # Athena's pattern is a regular expression in which * stands for anything.
        pattern = re.compile((statement.like or "*").replace("*", ".*"))
        return _listing([heading], [[name] for name in sorted(found) if pattern.fullmatch(name)])

    def _is_view(self, database: str, name: str) -> bool:
        table = self._catalog.get_table(database, name)
        return table is not None and table.get("TableType") == "VIRTUAL_VIEW"


class _Names:
    """The tables that one statement names; each is looked up once."""

    def __init__(self, catalog: Catalog, store: Store, warehouse: Warehouse, now: datetime) -> None:
        self.now = now
        self._catalog = catalog
        self._store = store
        self._warehouse = warehouse
        self._known: dict[tuple[str, str], BaseTable | View | None] = {}
        self._held: dict[str, Held] = {}

    @property
    def held(self) -> list[Held]:
        return list(self._held.values())

    def resolve(self, database: str, name: str) -> BaseTable | View | None:
        if (database, name) not in self._known:
            self._known[database, name] = self._look_up(database, name)
        return self._known[database, name]

    def _look_up(self, database: str, name: str) -> BaseTable | View | None:
        table = self._catalog.get_table(database, name)
        if table is None:
            return None
        if table.get("TableType") == "VIRTUAL_VIEW":
            return read_view(table)
        held = self._warehouse.hold(database, name, self._read(table))
        self._held[held.relation] = held
        partitioned = [
            Column(column, kind, _domain(values[at] for values in held.partitions))
            for at, (column, kind) in enumerate(held.table.partition_columns)
        ]
        columns = [*(Column(column, kind) for column, kind in held.table.columns), *partitioned]
        ordered = [columns[place] for place in held.table.order]
        return BaseTable(held.relation, (*ordered, Column("$path", VARCHAR, hidden=True)))

    def _read(self, table: Mapping[str, Any]) -> Table:
        if not is_delta(table):
            return read_table(table, self.now)
        bucket, prefix = location(table["StorageDescriptor"]["Location"])
        return read_delta(table, bucket, f"{prefix.rstrip('/')}/", self._store)


def _domain(values: Iterable[str | None]) -> frozenset[str] | None:
    """The values of a partition column; not known if one of them is NULL."""
    found = frozenset(values)
    return None if None in found else frozenset(value for value in found if value is not None)


def _columns(rows: Rows) -> tuple[tuple[str, str], ...]:
    """Return the names, which Athena gives in lower case, and the types."""
    return tuple(
        ((column.name or f"_col{at}").lower(), str(column.type)) for at, column in enumerate(rows.columns)
    )


def _printable(rows: Rows) -> str:
    """Return the query, with columns that DuckDB's client cannot return converted to others."""
    kinds = [column.type for column in rows.columns]
    for kind in kinds:
        for inner in _within(kind)[1:]:
            if inner == MONTH_INTERVAL or inner.name == TIMESTAMP_TZ.name:
                raise QueryError("NOT_SUPPORTED", f"a result of type {kind}")
    if not any(kind == MONTH_INTERVAL or kind.name == TIMESTAMP_TZ.name for kind in kinds):
        return rows.sql
    reads = [_printed(f"q.c{at}", kind) for at, kind in enumerate(kinds)]
    return f"SELECT {', '.join(reads)} FROM ({rows.sql}) AS q"  # noqa: S608 - of names made here


def _printed(sql: str, kind: Type) -> str:
    if kind.name == TIMESTAMP_TZ.name:
        return printed_zoned(Typed(sql, kind))
    if kind == MONTH_INTERVAL:
        months = f"(date_part('year', {sql}) * 12 + date_part('month', {sql}))"
        sign = f"CASE WHEN {months} < 0 THEN '-' ELSE '' END"
        return f"({sign} || abs({months}) // 12 || '-' || abs({months}) % 12)"
    return sql


def _within(kind: Type) -> list[Type]:
    return [kind, *(inner for argument in kind.args for inner in _within(argument))]


def _explanation(explained: Explain, rows: Rows, objects: Mapping[str, int]) -> Result:
    """Describe the columns and the reads of a valid statement; Athena's own plan has another format."""
    if explained.validate:
        return Result((("Valid", "boolean"),), (("true",),))
    given = ", ".join(f"{name}:{kind}" for name, kind in _columns(rows))
    plan = [
        f"Output[{given}]",
        *(f"    TableScan[{uri}, {size} bytes]" for uri, size in sorted(objects.items())),
    ]
    return Result((("Query Plan", "varchar"),), (("\n".join(plan),),))


def _listing(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Result:
    return Result(tuple((h, "string") for h in headings), tuple(tuple(row) for row in rows))


_FAILURES = (
    (r'Could not parse string ("[^"]*") according', "INVALID_FUNCTION_ARGUMENT", "Invalid format: {}"),
    (r"Division by zero", "DIVISION_BY_ZERO", "{}"),
    (r"Overflow in .*|.*out of range for the destination.*", "NUMERIC_VALUE_OUT_OF_RANGE", "{}"),
    (
        r"must appear in the GROUP BY clause",
        "EXPRESSION_NOT_AGGREGATE",
        "a column must be an aggregate expression or appear in GROUP BY clause",
    ),
    (
        r"More than one row returned by a subquery",
        "SUBQUERY_MULTIPLE_ROWS",
        "Scalar sub-query has returned multiple rows",
    ),
)


def _query_error(error: duckdb.Error) -> QueryError:
    """Translate DuckDB's error into Athena's, if it is known."""
    message = str(error).splitlines()[0]
    # DuckDB cuts long texts short with dots.
    own = re.search(rf"{OPEN}([A-Z_]+): (.*?)(?:{CLOSE}|\.\.\.\"|$)", str(error), re.DOTALL)
    if own:
        return QueryError(own[1], own[2])
    for pattern, code, words in _FAILURES:
        match = re.search(pattern, message)
        if match:
            return QueryError(code, words.format(match[1] if match.groups() else match[0]))
    return QueryError("NOT_SUPPORTED", message)
