"""Typed DuckDB expressions, and the casts between Athena's types, explicit and implied.

DuckDB allows more conversions than Athena: those that Athena does not allow fail here too, so that a
statement that runs here also runs in Athena. https://trino.io/docs/current/functions/conversion.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from scripts.local_aws.athena.model import QueryError
from scripts.local_aws.athena.natives import moments, native
from scripts.local_aws.athena.natives.calendar_days import Zoned
from scripts.local_aws.athena.natives.registry import CLOSE, OPEN
from scripts.local_aws.athena.types import (
    BOOLEAN,
    DATE,
    DOUBLE,
    JSON,
    REAL,
    TIMESTAMP,
    TIMESTAMP_TZ,
    UNKNOWN,
    VARCHAR,
    Type,
    common_type,
    duckdb_type,
    quote_identifier,
    quote_text,
)
from scripts.local_aws.athena.zones import fixed_minutes

MILLIS = "'%Y-%m-%d %H:%M:%S.%g'"
_NESTED = ("array", "map", "row")


@dataclass(frozen=True, slots=True)
class Typed:
    """A DuckDB expression and its Athena type.

    ``text``: the text of a literal. ``domain``: its possible values, as texts (``None`` if not known).
    ``instant``: the time in UTC, for a time whose zone this engine cannot keep; ``sql`` fails if the zone is
    not UTC.
    """

    sql: str
    type: Type
    text: str | None = None
    domain: frozenset[str] | None = None
    instant: str | None = None


def cast_sql(sql: str, to: Type) -> str:
    """Return DuckDB's own cast."""
    return f"CAST({sql} AS {duckdb_type(to)})"


def check(condition: str, sql: str, to: Type, complaint: str) -> str:
    """Return ``sql`` if ``condition`` holds; otherwise fail with ``complaint`` (an SQL text).

    It fails by a cast of the complaint, which DuckDB quotes: unlike ``error()`` it is not volatile and can be
    used in ``TRY``. ``engine`` finds it by its brackets.
    """
    failure = native("failure", complaint)
    if to != VARCHAR:
        failure = cast_sql(f"{quote_text(OPEN)} || {complaint} || {quote_text(CLOSE)}", to)
    return f"CASE WHEN {condition} THEN {sql} ELSE {failure} END"


def text(value: str) -> Typed:
    """Return a text literal."""
    return Typed(quote_text(value), VARCHAR, value)


def coerce(value: Typed, to: Type) -> Typed | None:
    """Convert implicitly as Athena does; ``None`` if it does not.

    Such a conversion cannot fail, and DuckDB must know that, or filters are not pushed down through it.
    """
    if value.type == to:
        return value
    if value.type.name == to.name == "timestamp with time zone":
        return value
    if {value.type.name, to.name} == {"char", "varchar"}:
        return None
    if common_type(value.type, to) != to:
        return None
    if value.type.name == to.name == "char":
        return Typed(f"rpad({value.sql}, {to.params[0]}, ' ')", to)
    return Typed(f"TRY_{cast_sql(value.sql, to)}", to)


# --- Zones


def in_zone(local_sql: str, zone: str) -> str:
    """Return the instant of this local time in a zone."""
    minutes = fixed_minutes(zone)
    if minutes is None:
        return f"({local_sql} AT TIME ZONE {quote_text(zone)})"
    return f"(({local_sql}{_minus(minutes)}) AT TIME ZONE 'UTC')"


def _minus(minutes: int) -> str:
    return f" - to_minutes({minutes})" if minutes else ""


def local(value: Typed) -> str:
    """Return a date or time as a DuckDB timestamp in its own zone."""
    if value.type.name != "timestamp with time zone":
        return cast_sql(value.sql, TIMESTAMP)
    minutes = fixed_minutes(value.type.zone)
    if minutes is None:
        return f"({value.sql} AT TIME ZONE {quote_text(value.type.zone)})"
    return f"(({value.sql} AT TIME ZONE 'UTC'){_minus(-minutes)})"


def instant(value: Typed) -> str:
    """Return a date or time as a DuckDB timestamp in UTC."""
    if value.instant is not None:
        return value.instant
    if value.type.name != "timestamp with time zone":
        return cast_sql(value.sql, TIMESTAMP)
    return f"({value.sql} AT TIME ZONE 'UTC')"


# --- Explicit casts


def explicit_cast(value: Typed, to: Type) -> Typed:
    """Return ``CAST(value AS to)``. Raises ``QueryError`` if Athena, or this engine, has no such cast."""
    source = value.type
    if source == to or source.name == to.name == "timestamp with time zone":
        return value
    if source == UNKNOWN:
        return Typed(cast_sql("NULL", to), to)
    if source.name == "char" or to.name == "char":
        return _of_char(value, to)
    implied = coerce(value, to) if source.name not in _NESTED and to.name not in _NESTED else None
    if implied and to.name != "timestamp with time zone":
        return implied
    if value.text is not None and to.name == "timestamp with time zone":
        return zoned_literal(moments.to_zoned(value.text, str(TIMESTAMP_TZ)))
    sql = _cast(value, to)
    if sql is None:
        raise QueryError("TYPE_MISMATCH", f"Cannot cast {source} to {to}")
    of_any_zone = source == VARCHAR and to.name == "timestamp with time zone"
    return Typed(sql, to, instant=native("zoned_instant", value.sql) if of_any_zone else None)


def zoned_literal(read: Zoned) -> Typed:
    """Return a time whose zone is known before the statement runs."""
    written = quote_text(read.local.isoformat(" ", "milliseconds"))
    return Typed(in_zone(f"CAST({written} AS TIMESTAMP)", read.zone), replace(TIMESTAMP_TZ, zone=read.zone))


def try_cast(value: Typed, to: Type) -> Typed:
    """Return ``TRY_CAST(value AS to)``: NULL if the cast fails."""
    try:
        cast = explicit_cast(value, to)
    except QueryError as error:
        if error.code != "INVALID_CAST_ARGUMENT":
            raise
        return Typed(cast_sql("NULL", to), to)
    return tried(cast)


def tried(value: Typed) -> Typed:
    """Return ``TRY(value)``."""
    instant_ = None if value.instant is None else f"TRY({value.instant})"
    return Typed(f"TRY({value.sql})", value.type, instant=instant_)


def to_length(value: Typed, length: int) -> Typed:
    """Return ``CAST(value AS varchar(length))``: a text is cut, anything else must fit."""
    written = explicit_cast(value, VARCHAR)
    if value.type.name in ("varchar", "char", "unknown"):
        return Typed(f"substr({written.sql}, 1, {length})", VARCHAR)
    complaint = (
        f"'INVALID_CAST_ARGUMENT: Value ' || {written.sql} || ' cannot be represented as varchar({length})'"
    )
    fits = f"{written.sql} IS NULL OR length({written.sql}) <= {length}"
    return Typed(check(fits, written.sql, VARCHAR, complaint), VARCHAR)


def _of_char(value: Typed, to: Type) -> Typed:
    if to.name != "char":
        text_ = Typed(value.sql, VARCHAR)
        return text_ if to == VARCHAR else explicit_cast(Typed(f"rtrim({value.sql}, ' ')", VARCHAR), to)
    if value.type.name not in ("varchar", "char"):
        raise QueryError("TYPE_MISMATCH", f"Cannot cast {value.type} to {to}")
    length = to.params[0]
    return Typed(f"rpad(substr({value.sql}, 1, {length}), {length}, ' ')", to)


def _cast(value: Typed, to: Type) -> str | None:
    if value.type == JSON:
        return _from_json(value.sql, to)
    if value.type == VARCHAR:
        return _from_varchar(value.sql, to)
    if to == VARCHAR:
        return _to_varchar(value)
    if to == JSON:
        return to_json(value.sql, value.type)
    if value.type.name in _NESTED:
        return _between_nested(value, to)
    return _between(value, to)


def _between_nested(value: Typed, to: Type) -> str | None:
    """Cast each element; a row's by their places."""
    source = value.type
    if source.name != to.name or len(source.args) != len(to.args):
        return None
    depth = max(_depth(source), _depth(to))
    if source.name == "array":
        element = explicit_cast(Typed(f"x{depth}", source.args[0]), to.args[0])
        return cast_sql(f"list_transform({value.sql}, lambda x{depth}: {element.sql})", to)
    if source.name == "map":
        parts = [
            explicit_cast(Typed(f"x{depth}.{part}", of), into)
            for part, of, into in zip(("key", "value"), source.args, to.args, strict=True)
        ]
        entry = f"{{'key': {parts[0].sql}, 'value': {parts[1].sql}}}"
        cast = f"map_from_entries(list_transform(map_entries({value.sql}), lambda x{depth}: {entry}))"
        return f"CASE WHEN {value.sql} IS NOT NULL THEN {cast_sql(cast, to)} END"
    fields = []
    for name, old, of, into in zip(to.fields, source.fields, source.args, to.args, strict=True):
        part = Typed(f"struct_extract({value.sql}, {quote_text(old)})", of)
        fields.append(f"{quote_identifier(name)} := {explicit_cast(part, into).sql}")
    packed = cast_sql(f"struct_pack({', '.join(fields)})", to)
    return f"CASE WHEN {value.sql} IS NOT NULL THEN {packed} END"


def let(body: str, **values: str) -> str:
    """Write an expression of values that are each computed once: ``v.name`` in ``body``."""
    named = ", ".join(f"'{name}': {sql}" for name, sql in values.items())
    return f"list_transform([{{{named}}}], lambda v: {body})[1]"


def once(sql: str, body: Callable[[str], str]) -> str:
    """Write an expression of one value, which is computed once."""
    is_column = sql.replace(".", "").isalnum()
    return body(sql) if is_column else let(body("v.d"), d=sql)


def _depth(of: Type) -> int:
    return 1 + max(map(_depth, of.args), default=0)


def _between(value: Typed, to: Type) -> str | None:
    """Cast between numbers and booleans, or between dates and timestamps."""
    source = value.type
    if source.is_moment and to.is_moment:
        return _between_moments(value, to)
    if not (source.is_numeric or source == BOOLEAN) or not (to.is_numeric or to == BOOLEAN):
        return None
    if to == BOOLEAN:
        return f"({value.sql} <> 0)"
    if source in (DOUBLE, REAL) and to.is_integer:
        return once(cast_sql(value.sql, DOUBLE), lambda sql: _whole(sql, to))
    if source in (DOUBLE, REAL) and to.name == "decimal":
        return cast_sql(native("double_to_decimal", cast_sql(value.sql, DOUBLE), *map(str, to.params)), to)
    return cast_sql(value.sql, to)


def _whole(sql: str, to: Type) -> str:
    """Round a double; DuckDB casts what is whole and within the type's limits."""
    bits = {"tinyint": 7, "smallint": 15, "integer": 31, "bigint": 63}[to.name]
    exact = native("double_to_integer", sql, quote_text(to.name))
    plain = f"{sql} = trunc({sql}) AND abs({sql}) < {1 << bits}"
    return f"CASE WHEN {plain} THEN {cast_sql(sql, to)} ELSE {cast_sql(exact, to)} END"


def _between_moments(value: Typed, to: Type) -> str:
    if to.name == "timestamp with time zone":
        return in_zone(local(value), "UTC")
    moment = local(value)
    return (
        cast_sql(moment, DATE)
        if to == DATE
        else f"date_trunc('milliseconds', {moment})"
        if value.type.params
        else moment
    )


def _to_varchar(value: Typed) -> str | None:
    match value.type.name:
        case "boolean" | "tinyint" | "smallint" | "integer" | "bigint" | "decimal" | "date" | "uuid":
            return f"CAST({value.sql} AS VARCHAR)"
        case "timestamp":
            return f"strftime({value.sql}, {MILLIS})"
        case "timestamp with time zone":
            return printed_zoned(value)
        case "interval day to second" | "interval year to month":
            raise QueryError("NOT_SUPPORTED", f"cast({value.type} as varchar)")
    if value.type in (DOUBLE, REAL):
        raise QueryError("NOT_SUPPORTED", f"cast({value.type} as varchar): cast it to a decimal first")
    return None


def printed_zoned(value: Typed) -> str:
    """Return a time with its zone as Athena prints it."""
    digits = (value.type.params or (3,))[0]
    form = MILLIS if digits == 3 else "'%Y-%m-%d %H:%M:%S.%f" + "0" * (digits - 6) + "'"
    return f"(strftime({local(value)}, {form}) || {quote_text(' ' + value.type.zone)})"


_SIMPLE_MOMENT = r"\d{4}-\d{2}-\d{2} ([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,3})?"


def _from_varchar(sql: str, to: Type) -> str | None:
    """Read a text; DuckDB does it if its result is the same."""
    kind = "integer" if to.is_integer else to.name
    match kind:
        case "integer":
            return _fast(sql, r"-?[1-9]\d{0,17}|0", to, native("to_integer", sql, quote_text(to.name)))
        case "date":
            return _fast(sql, r"\d{4}-\d{2}-\d{2}", to, native("to_date", sql))
        case "timestamp":
            return _fast(sql, _SIMPLE_MOMENT, to, native("to_timestamp", sql))
        case "double":
            return once(sql, lambda text: _fast(text, r"-?\d+(\.\d+)?", to, native("to_double", text)))
        case "real":
            read = native("to_double", sql)
        case "decimal":
            read = native("to_decimal", sql, *map(str, to.params))
        case "json":
            read = native("json_text", sql)
        case "boolean":
            read = native("to_boolean", sql)
        case "varbinary":
            read = f"encode({sql})"
        case "timestamp with time zone":
            read = f"({native('zoned_in_utc', sql)} AT TIME ZONE 'UTC')"
        case "uuid":
            complaint = f"'INVALID_CAST_ARGUMENT: Cannot cast value to UUID: ' || {sql}"
            form = quote_text("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
            read = check(
                f"{sql} IS NULL OR regexp_full_match({sql}, {form})", cast_sql(sql, to), to, complaint
            )
        case _:
            return None
    return cast_sql(read, to)


def _fast(sql: str, form: str, to: Type, exact: str) -> str:
    """Return DuckDB's cast if it reads the text's form like Athena, otherwise ``exact``."""
    simple = f"CASE WHEN regexp_full_match({sql}, {quote_text(form)}) THEN TRY_{cast_sql(sql, to)} END"
    return f"coalesce({simple}, {cast_sql(exact, to)})"


# --- JSON


def _from_json(sql: str, to: Type) -> str | None:
    if _has(to, "date", "timestamp", "timestamp with time zone", "varbinary", "uuid", "char"):
        return None
    return cast_sql(
        native("json_cast", f"CAST({sql} AS VARCHAR)", quote_text(str(to)))
        + ("::JSON" if to.name in _NESTED else ""),
        to,
    )


def _has(of: Type, *names: str) -> bool:
    return of.name in names or any(_has(inner, *names) for inner in of.args)


def to_json(sql: str, of: Type) -> str | None:
    """Write a value as JSON; NULL stays NULL."""
    written = _json(sql, of)
    return written and f"CAST({written} AS JSON)"


def _json(sql: str, of: Type) -> str | None:
    match of.name:
        case "boolean" | "tinyint" | "smallint" | "integer" | "bigint" | "decimal" | "json":
            return f"CAST({sql} AS VARCHAR)"
        case "varchar":
            return native("json_text", sql)
        case "double":
            return native("json_double", sql)
        case "date" | "timestamp" | "timestamp with time zone":
            return f"('\"' || {_to_varchar(Typed(sql, of))} || '\"')"
        case "array" | "map" | "row":
            return _json_of_many(sql, of)
    return None


def _json_of_many(sql: str, of: Type) -> str | None:
    item = f"j{_depth(of)}"
    if of.name == "array":
        element = _json(item, of.args[0])
        many = f"list_transform({sql}, lambda {item}: coalesce({element}, 'null'))"
        return element and f"('[' || array_to_string({many}, ',') || ']')"
    if of.name == "map":
        if of.args[0].name not in (
            "varchar",
            "boolean",
            "tinyint",
            "smallint",
            "integer",
            "bigint",
            "decimal",
        ):
            return None
        value = _json(f"{item}.value", of.args[1])
        key = native("json_text", f"CAST({item}.key AS VARCHAR)")
        entries = (
            f"list_transform(map_entries({sql}), lambda {item}: {key} || ':' || coalesce({value}, 'null'))"
        )
        return value and f"('{{' || array_to_string(list_sort({entries}), ',') || '}}')"
    fields = []
    for name, inner in zip(of.fields, of.args, strict=True):
        written = _json(f"struct_extract({sql}, {quote_text(name)})", inner)
        if written is None:
            return None
        shown = "" if name.startswith("field") else name
        fields.append(f"'\"{shown}\":' || coalesce({written}, 'null')".replace("''", "'"))
    joined = " || ',' || ".join(fields) if fields else "''"
    return f"CASE WHEN {sql} IS NOT NULL THEN ('{{' || {joined} || '}}') END"
