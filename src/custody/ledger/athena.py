"""Queries to Amazon Athena: start, wait, stream typed rows.

A value from a user is never part of the SQL text. It is an execution parameter, which Athena inserts as a
*literal*: strings must be quoted, other types are casts of quoted strings (Athena User Guide, "Use
parameterized queries"). Only ``literals`` writes them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from custody.errors import CannotCheckError
from custody.terminal import beginning

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient
    from mypy_boto3_athena.type_defs import (
        ColumnInfoTypeDef,
        QueryExecutionStatusTypeDef,
        QueryExecutionTypeDef,
    )

Value = str | int | float | bool | Decimal | date | datetime | None
Row = dict[str, Value]

MAX_LITERAL_CHARACTERS = 1024
"""Athena refuses a longer execution parameter (API Reference, StartQueryExecution)."""

MAX_REASON_CHARACTERS = 500
"""A reason may quote the data that caused the error, of any length."""

PAGE_ROWS = 1000
"""The maximum of rows that GetQueryResults returns (API Reference)."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition of a WHERE clause: SQL with placeholders, and their literals, in order."""

    sql: str
    parameters: tuple[str, ...]


def literals(value: str | date | datetime) -> tuple[str, ...]:
    """Write a value as Athena literals; a string too long for one parameter is split, to be concatenated.

    Quotes in a string are doubled and nothing else is special in an Athena string literal (Athena User Guide,
    "SELECT", escaping single quotes). Times must be aware and are written in UTC, as in the views.
    """
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a time in a query needs a zone")
        utc = value.astimezone(UTC).replace(tzinfo=None)
        return (f"CAST('{utc.isoformat(sep=' ', timespec='milliseconds')}' AS TIMESTAMP)",)
    if isinstance(value, date):
        return (f"CAST('{value.isoformat()}' AS DATE)",)
    room = MAX_LITERAL_CHARACTERS - 2
    pieces, piece = [], ""
    for character in value:
        quoted = "''" if character == "'" else character
        if len(piece) + len(quoted) > room:
            pieces.append(piece)
            piece = ""
        piece += quoted
    pieces.append(piece)
    return tuple(f"'{piece}'" for piece in pieces)


def compare(column: str, operator: str, value: str | date | datetime) -> Filter:
    """Return the condition ``column operator value``; only ``value`` may come from a user."""
    parameters = literals(value)
    return Filter(f"{column} {operator} {_placeholders(parameters)}", parameters)


def starts_with(column: str, prefix: str) -> Filter:
    """Return the condition that ``column`` begins with ``prefix``, which may come from a user."""
    parameters = literals(prefix)
    return Filter(f"starts_with({column}, {_placeholders(parameters)})", parameters)


def any_of(columns: Sequence[str], value: str) -> Filter:
    """Return the condition that one of the columns equals ``value``, which may come from a user."""
    parts = [compare(column, "=", value) for column in columns]
    parameters = tuple(parameter for part in parts for parameter in part.parameters)
    return Filter(f"({' OR '.join(part.sql for part in parts)})", parameters)


def _placeholders(parameters: Sequence[str]) -> str:
    return " || ".join("?" * len(parameters))


def where(filters: Sequence[Filter]) -> Filter:
    """Join conditions with AND into a WHERE clause (empty for none)."""
    if not filters:
        return Filter("", ())
    parameters = tuple(parameter for each in filters for parameter in each.parameters)
    return Filter("WHERE " + " AND ".join(each.sql for each in filters), parameters)


class Athena:
    """Runs queries in one workgroup and database.

    ``on_progress`` is called with a message at each poll; ``sleep`` and ``clock`` can be replaced in tests.
    """

    def __init__(
        self,
        client: AthenaClient,
        *,
        workgroup: str,
        database: str,
        timeout_seconds: float = 600,
        on_progress: Callable[[str], None] = lambda words: None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._workgroup = workgroup
        self._database = database
        self._timeout_seconds = timeout_seconds
        self._on_progress = on_progress
        self._sleep = sleep
        self._clock = clock

    def query(self, sql: str, parameters: Sequence[str] = ()) -> Iterator[Row]:
        """Run ``sql``, wait for it, and return its rows one by one, a page in memory at a time.

        The query has succeeded when this returns; only the pages are read later. Raises
        ``CannotCheckError`` with Athena's own reason when it fails, is cancelled or takes too long. A query
        is stopped when the wait ends for any reason, so that it causes no further cost.
        """
        request_parameters = {"ExecutionParameters": list(parameters)} if parameters else {}
        execution_id = self._client.start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": self._database},
            WorkGroup=self._workgroup,
            **request_parameters,  # type: ignore[arg-type]  # absent or a list of strings, as it must be
        )["QueryExecutionId"]
        try:
            status = self._await(execution_id)
        except (CannotCheckError, KeyboardInterrupt):
            self._client.stop_query_execution(QueryExecutionId=execution_id)
            raise
        if status["State"] != "SUCCEEDED":
            reason = status.get("StateChangeReason") or "Athena gave no reason"
            raise CannotCheckError(
                f"Athena ended query {execution_id} as {status['State']}: "
                f"{beginning(reason, MAX_REASON_CHARACTERS).rstrip('.')}.",
                f"See aws athena get-query-execution --query-execution-id {execution_id}.",
            )
        return self._rows(execution_id)

    def _await(self, execution_id: str) -> QueryExecutionStatusTypeDef:
        """Poll until the query has ended in any state."""
        deadline = self._clock() + self._timeout_seconds
        pause = 0.1
        while True:
            execution = self._client.get_query_execution(QueryExecutionId=execution_id)["QueryExecution"]
            status = execution["Status"]
            if status["State"] in ("SUCCEEDED", "FAILED", "CANCELLED"):
                return status
            if self._clock() > deadline:
                raise CannotCheckError(
                    f"Athena did not answer query {execution_id} in {self._timeout_seconds:.0f} seconds.",
                    "Limit the query with --since, or try again.",
                )
            self._on_progress(_progress_words(execution))
            self._sleep(pause)
            pause = min(pause * 1.5, 2.0)

    def _rows(self, execution_id: str) -> Iterator[Row]:
        pages = self._client.get_paginator("get_query_results").paginate(
            QueryExecutionId=execution_id, PaginationConfig={"PageSize": PAGE_ROWS}
        )
        header = True
        for page in pages:
            columns = page["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
            for row in page["ResultSet"]["Rows"][1 if header else 0 :]:
                cells = row.get("Data", [])
                yield {
                    column["Name"]: _typed(column, cell.get("VarCharValue"))
                    for column, cell in zip(columns, cells, strict=True)
                }
            header = False


def _progress_words(execution: QueryExecutionTypeDef) -> str:
    state = execution["Status"]["State"].lower()
    scanned = execution.get("Statistics", {}).get("DataScannedInBytes", 0)
    return f"Athena: {state}" + (f", {scanned:,} bytes read" if scanned else "")


def _typed(column: ColumnInfoTypeDef, text: str | None) -> Value:
    """Read one cell of a result by its column's type; a cell without a value is NULL."""
    if text is None:
        return None
    kind = column["Type"].partition("(")[0].strip().lower()
    try:
        return _READERS.get(kind, str)(text)
    except ValueError as error:
        raise CannotCheckError(
            f"Athena returned {text[:40]!r} in the {kind} column {column['Name']}."
        ) from error


def _read_boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


def _read_timestamp(text: str) -> datetime:
    """Read ``2026-01-15 09:30:00.000``, which is UTC by the views' contract; a zone may follow."""
    return datetime.fromisoformat(text.removesuffix(" UTC")).replace(tzinfo=UTC)


_READERS: dict[str, Callable[[str], Value]] = {
    "boolean": _read_boolean,
    "tinyint": int,
    "smallint": int,
    "integer": int,
    "int": int,
    "bigint": int,
    "real": float,
    "float": float,
    "double": float,
    "decimal": Decimal,
    "date": date.fromisoformat,
    "timestamp": _read_timestamp,
    "timestamp with time zone": _read_timestamp,
}
