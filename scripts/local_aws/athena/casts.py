"""Typed DuckDB expressions, and the casts between Athena's types, explicit and implied.

DuckDB converts more, and more kindly, than Athena: what Athena refuses is refused here too, so that a
statement that runs here runs there. https://trino.io/docs/current/functions/conversion.html
"""

from __future__ import annotations

from dataclasses import dataclass

from scripts.local_aws.athena.model import QueryError
from scripts.local_aws.athena.types import (
    BOOLEAN,
    DATE,
    DOUBLE,
    JSON,
    REAL,
    TIMESTAMP,
    TIMESTAMP_TZ,
    VARCHAR,
    Type,
    common_type,
    duckdb_type,
    quote_text,
)

OPEN, CLOSE = "⟦", "⟧"
MILLIS = "'%Y-%m-%d %H:%M:%S.%g'"


@dataclass(frozen=True, slots=True)
class Typed:
    """A DuckDB expression and its Athena type.

    ``text``: the text, of a literal. ``domain``: the values it can have, as texts (``None`` if not known).
    """

    sql: str
    type: Type
    text: str | None = None
    domain: frozenset[str] | None = None


def cast_sql(sql: str, to: Type) -> str:
    """Return DuckDB's own cast."""
    return f"CAST({sql} AS {duckdb_type(to)})"


def check(condition: str, sql: str, to: Type, complaint: str) -> str:
    """Return ``sql`` where ``condition`` holds; where not, fail with ``complaint`` (an SQL text).

    What fails is a cast of the complaint, which DuckDB repeats: unlike ``error()`` it is not volatile and can
    stand in ``TRY``. ``engine`` finds it again by its brackets.
    """
    failure = cast_sql(f"{quote_text(OPEN)} || {complaint} || {quote_text(CLOSE)}", to)
    return f"CASE WHEN {condition} THEN {sql} ELSE {failure} END"


def text(value: str) -> Typed:
    """Return a text literal."""
    return Typed(quote_text(value), VARCHAR, value)


def coerce(value: Typed, to: Type) -> Typed | None:
    """Convert as Athena does without being asked; ``None`` if it does not.

    Such a conversion cannot fail, and must be one that DuckDB knows not to, or filters stop at it.
    """
    if value.type == to:
        return value
    if common_type(value.type, to) != to:
        return None
    return Typed(f"TRY_{cast_sql(value.sql, to)}", to)


_MOMENT = r"\d{4}-\d{1,2}-\d{1,2}( \d{1,2}:\d{1,2}(:\d{1,2}(\.\d{1,12})?)?)?"
_VARCHAR_FORMS = {
    "boolean": r"(?i)true|false|t|f|1|0",
    "integer": r"[+-]?\d+",
    "number": r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|NaN|[+-]?Infinity",
    "date": r"\d{4}-\d{1,2}-\d{1,2}",
    "timestamp": _MOMENT,
    "timestamp with time zone": rf"{_MOMENT} ?(UTC|Z|\+00:00)",
}


def explicit_cast(value: Typed, to: Type) -> Typed:
    """Return ``CAST(value AS to)``. Raises ``QueryError`` if Athena, or this engine, has no such cast."""
    source = value.type
    if source == to:
        return value
    implied = coerce(value, to)
    if implied:
        return implied
    sql = _cast(value, to)
    if sql is None:
        raise QueryError("TYPE_MISMATCH", f"Cannot cast {source} to {to}")
    return Typed(sql, to)


def try_cast(value: Typed, to: Type) -> Typed:
    """Return ``TRY_CAST(value AS to)``: NULL where the cast fails."""
    return Typed(f"TRY({explicit_cast(value, to).sql})", to)


def _cast(value: Typed, to: Type) -> str | None:
    if value.type == JSON:
        return _from_json(value.sql, to)
    if value.type == VARCHAR:
        return _from_varchar(value.sql, to)
    if to == VARCHAR:
        return _to_varchar(value)
    if to == JSON:
        return None if value.type.is_moment or value.type.name == "varbinary" else f"to_json({value.sql})"
    return _between(value, to)


def _between(value: Typed, to: Type) -> str | None:
    """Cast between numbers and booleans, or between dates and timestamps."""
    source = value.type
    if source.is_moment and to.is_moment:
        return _between_moments(value, to)
    if not (source.is_numeric or source == BOOLEAN) or not (to.is_numeric or to == BOOLEAN):
        return None
    if to == BOOLEAN:
        return f"({value.sql} <> 0)"
    rounded = to.is_integer and source in (DOUBLE, REAL)
    return cast_sql(f"round({value.sql})" if rounded else value.sql, to)


def _between_moments(value: Typed, to: Type) -> str:
    if value.type == TIMESTAMP_TZ:
        local = f"({value.sql} AT TIME ZONE 'UTC')"
        return cast_sql(local, DATE) if to == DATE else local
    moment = cast_sql(value.sql, TIMESTAMP if to == TIMESTAMP_TZ else to)
    return f"({moment} AT TIME ZONE 'UTC')" if to == TIMESTAMP_TZ else moment


def _to_varchar(value: Typed) -> str | None:
    match value.type.name:
        case "boolean" | "tinyint" | "smallint" | "integer" | "bigint" | "decimal" | "date":
            return f"CAST({value.sql} AS VARCHAR)"
        case "timestamp":
            return f"strftime({value.sql}, {MILLIS})"
        case "timestamp with time zone":
            return f"(strftime({value.sql} AT TIME ZONE 'UTC', {MILLIS}) || ' UTC')"
    if value.type in (DOUBLE, REAL):
        raise QueryError("NOT_SUPPORTED", f"cast({value.type} as varchar): cast it to a decimal first")
    return None


def _from_varchar(sql: str, to: Type) -> str | None:
    if to == JSON:
        return f"to_json({sql})"
    if to.is_integer or to == BOOLEAN:
        form = _VARCHAR_FORMS["integer" if to.is_integer else "boolean"]
        complaint = f"'INVALID_CAST_ARGUMENT: Cannot cast ''' || {sql} || ''' to {str(to).upper()}'"
    elif to.is_numeric:
        form = _VARCHAR_FORMS["number"]
        complaint = f"'INVALID_CAST_ARGUMENT: Cannot cast ''' || {sql} || ''' to {str(to).upper()}'"
    elif to.is_moment:
        form = _VARCHAR_FORMS[to.name]
        complaint = f"'INVALID_CAST_ARGUMENT: Value cannot be cast to {to}: ' || {sql}"
    else:
        return None
    good = cast_sql(sql, to)
    if to == TIMESTAMP:
        good = cast_sql(f"CAST({good} AS TIMESTAMP_MS)", TIMESTAMP)
    return check(f"regexp_full_match({sql}, {quote_text(form)})", good, to, complaint)


def _from_json(sql: str, to: Type) -> str | None:
    if to.name in ("array", "map", "row"):
        return cast_sql(sql, to)
    if to.name in ("date", "timestamp", "timestamp with time zone", "varbinary"):
        return None
    complaint = f"'INVALID_CAST_ARGUMENT: Cannot cast to {to}: ' || {sql}"
    scalar = f"({sql} ->> '$')"
    if to != VARCHAR:
        whole = _from_varchar(scalar, to)
        number = cast_sql(f"round({cast_sql(scalar, DOUBLE)})", to)
        scalar = (
            f"CASE WHEN json_type({sql}) = 'DOUBLE' THEN {number} ELSE {whole} END"
            if to.is_integer
            else whole or ""
        )
    return check(f"json_type({sql}) NOT IN ('OBJECT', 'ARRAY')", scalar, to, complaint)
