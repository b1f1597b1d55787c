"""Functions of dates and times.

https://trino.io/docs/current/functions/datetime.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from scripts.local_aws.athena.casts import (
    Typed,
    cast_sql,
    explicit_cast,
    in_zone,
    instant,
    local,
    zoned_literal,
)
from scripts.local_aws.athena.functions.building import (
    Argument,
    Builder,
    NoOverloadError,
    as_type,
    constant,
    form,
    typed,
)
from scripts.local_aws.athena.model import QueryError
from scripts.local_aws.athena.natives import date_formats, moments, native
from scripts.local_aws.athena.operators import from_local, zoned
from scripts.local_aws.athena.types import (
    BIGINT,
    DATE,
    DAY_INTERVAL,
    DOUBLE,
    INTEGER,
    MONTH_INTERVAL,
    TIMESTAMP,
    TIMESTAMP_TZ,
    UNKNOWN,
    VARCHAR,
    Type,
    quote_text,
)
from scripts.local_aws.athena.zones import offset_name, zone_name

_TIME_UNITS = {"millisecond": 1, "second": 1000, "minute": 60_000, "hour": 3_600_000}
"""Units of the time of a day, in milliseconds."""
_DATE_UNITS = ("day", "week", "month", "quarter", "year")


def moment(at: datetime) -> Typed:
    """Return ``current_timestamp``: the time at which the statement began, to the millisecond."""
    written = at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "milliseconds")
    return Typed(f"TIMESTAMPTZ '{written}+00'", TIMESTAMP_TZ)


def _moment(value: Argument) -> Typed:
    """Return an argument that is a date or a time; NULL is one."""
    if isinstance(value, Typed) and value.type == UNKNOWN:
        return Typed(cast_sql("NULL", TIMESTAMP), TIMESTAMP)
    if not isinstance(value, Typed) or not value.type.is_moment:
        raise NoOverloadError
    return value


def _zone(value: Argument) -> str:
    return zone_name(constant(value, "time zone"))


def _is_zoned(value: Typed) -> bool:
    return value.type.name == "timestamp with time zone"


# --- Reading and writing


def _date_parse(arguments: Sequence[Argument]) -> Typed:
    value, written = typed(arguments, 2)
    if written.text is not None:
        date_formats.mysql_pattern(written.text)
    return Typed(native("date_parse", as_type(value, VARCHAR), as_type(written, VARCHAR)), TIMESTAMP)


def _date_format(arguments: Sequence[Argument]) -> Typed:
    value, written = typed(arguments, 2)
    if written.text is not None:
        date_formats.mysql_pattern(written.text)
    return Typed(native("date_format", local(_moment(value)), as_type(written, VARCHAR)), VARCHAR)


def _parse_datetime(arguments: Sequence[Argument]) -> Typed:
    value, written = typed(arguments, 2)
    if written.text is not None:
        date_formats.joda_pattern(written.text)
        if value.text is not None:
            return zoned_literal(date_formats.parse_datetime(value.text, written.text))
    given = as_type(value, VARCHAR), as_type(written, VARCHAR)
    checked = zoned(native("parsed_in_utc", *given), TIMESTAMP_TZ)
    return replace(checked, instant=native("parsed_instant", *given))


def _format_datetime(arguments: Sequence[Argument]) -> Typed:
    value, written = typed(arguments, 2)
    if written.text is not None:
        date_formats.joda_pattern(written.text)
    at = _moment(value)
    return Typed(
        native("format_datetime", local(at), as_type(written, VARCHAR), quote_text(at.type.zone)), VARCHAR
    )


_ISO_UTC = quote_text(r"\d{4}-\d{2}-\d{2}T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,3})?Z")


def _from_iso8601_timestamp(arguments: Sequence[Argument]) -> Typed:
    """Read an ISO 8601 time. Its zone must be UTC in a column, which this engine keeps in one zone."""
    (value,) = typed(arguments, 1)
    if value.text is not None:
        try:
            return zoned_literal(moments.from_iso8601_timestamp(value.text))
        except QueryError:
            pass  # it fails when it runs, and can be tried
    sql = as_type(value, VARCHAR)
    simple = (
        f"CASE WHEN regexp_full_match({sql}, {_ISO_UTC}) THEN TRY_CAST(rtrim({sql}, 'Z') AS TIMESTAMP) END"
    )
    checked = zoned(f"coalesce({simple}, {native('iso_moment_in_utc', sql)})", TIMESTAMP_TZ)
    return replace(checked, instant=f"coalesce({simple}, {native('iso_instant', sql)})")


def _from_iso8601_timestamp_nanos(arguments: Sequence[Argument]) -> Typed:
    (value,) = typed(arguments, 1)
    read = moments.from_iso8601_nanos(constant(value, "time with nanoseconds"))
    literal = zoned_literal(read)
    written = quote_text(read.local.isoformat(" ", "microseconds"))
    return Typed(in_zone(f"CAST({written} AS TIMESTAMP)", read.zone), replace(literal.type, params=(9,)))


def _to_iso8601(arguments: Sequence[Argument]) -> Typed:
    value = _moment(*typed(arguments, 1))
    if value.type == DATE:
        return Typed(f"strftime({value.sql}, '%Y-%m-%d')", VARCHAR)
    if not _is_zoned(value):
        return Typed(f"strftime({local(value)}, '%Y-%m-%dT%H:%M:%S.%g')", VARCHAR)
    return Typed(native("to_iso8601", local(value), quote_text(value.type.zone)), VARCHAR)


def _from_unixtime(arguments: Sequence[Argument]) -> Typed:
    seconds, *zone = typed(arguments, 1, 2, 3)
    millis = cast_sql(f"floor({as_type(seconds, DOUBLE)} * 1000 + 0.5)", BIGINT)
    name = "UTC"
    if len(zone) == 1:
        name = _zone(zone[0])
    elif zone:
        hours, minutes = (_literal_number(value) for value in zone)
        if abs(hours * 60 + minutes) > 14 * 60:
            raise QueryError("INVALID_FUNCTION_ARGUMENT", f"Invalid offset minutes {hours * 60 + minutes}")
        name = offset_name(hours * 60 + minutes)
    return zoned(f"epoch_ms({millis})", replace(TIMESTAMP_TZ, zone=name))


def _literal_number(value: Typed) -> int:
    written = value.sql.strip("()")
    if not value.type.is_integer or not written.lstrip("-").isdigit():
        raise QueryError("NOT_SUPPORTED", "an offset that is no literal")
    return int(written)


def _to_unixtime(arguments: Sequence[Argument]) -> Typed:
    return Typed(f"epoch({instant(_moment(*typed(arguments, 1)))})", DOUBLE)


def _date(arguments: Sequence[Argument]) -> Typed:
    (value,) = typed(arguments, 1)
    return explicit_cast(value, DATE)


# --- Zones


def _at_timezone(arguments: Sequence[Argument]) -> Typed:
    value, zone = typed(arguments, 2)
    at = _moment(value)
    if at.type == DATE:
        raise NoOverloadError
    return zoned(instant(at), replace(TIMESTAMP_TZ, zone=_zone(zone)))


def _with_timezone(arguments: Sequence[Argument]) -> Typed:
    value, zone = typed(arguments, 2)
    at = _moment(value)
    if _is_zoned(at):
        raise NoOverloadError
    name = _zone(zone)
    return Typed(in_zone(local(at), name), replace(TIMESTAMP_TZ, zone=name))


# --- Parts


def _unit(value: Argument, at: Type) -> str:
    unit = constant(value, "unit").lower()
    if unit not in _DATE_UNITS and (at == DATE or unit not in _TIME_UNITS):
        raise QueryError(
            "INVALID_FUNCTION_ARGUMENT",
            f"'{unit}' is not a valid {'DATE' if at == DATE else 'Timestamp'} field",
        )
    return unit


def _date_trunc(arguments: Sequence[Argument]) -> Typed:
    unit, value = typed(arguments, 2)
    at = _moment(value)
    return from_local(Typed(f"date_trunc('{_unit(unit, at.type)}', {local(at)})", TIMESTAMP), at.type)


def _date_diff(arguments: Sequence[Argument]) -> Typed:
    """Count the whole units between two moments; DuckDB's own ``date_diff`` counts boundaries."""
    unit, start, end = typed(arguments, 3)
    one, other = _moment(start), _moment(end)
    both_dates = one.type == other.type == DATE
    name = _unit(unit, DATE if both_dates else TIMESTAMP)
    if name in _TIME_UNITS:
        millis = f"(epoch_ms({instant(other)}) - epoch_ms({instant(one)}))"
        return Typed(f"({millis} // {_TIME_UNITS[name]})", BIGINT)
    if _is_zoned(one) and _is_zoned(other) and one.type.zone != other.type.zone:
        other = zoned(instant(other), one.type)
    begin, stop = local(one), local(other)
    if name in ("day", "week"):
        millis = f"(epoch_ms({stop}) - epoch_ms({begin}))"
        return Typed(f"({millis} // {86_400_000 * (7 if name == 'week' else 1)})", BIGINT)
    return Typed(native("months_between", quote_text(name), begin, stop), BIGINT)


def _date_add(arguments: Sequence[Argument]) -> Typed:
    unit, amount, value = typed(arguments, 3)
    at = _moment(value)
    name, count = _unit(unit, at.type), as_type(amount, BIGINT)
    if name in _TIME_UNITS:
        step = f"to_milliseconds({count} * {_TIME_UNITS[name]})"
        if _is_zoned(at):
            return zoned(f"({instant(at)} + {step})", at.type)
        return Typed(f"({at.sql} + {step})", at.type)
    whole = cast_sql(f"{count} * {({'week': 7, 'quarter': 3, 'year': 12}).get(name, 1)}", INTEGER)
    step = f"to_days({whole})" if name in ("day", "week") else f"to_months({whole})"
    return from_local(Typed(f"({local(at)} + {step})", TIMESTAMP), at.type)


_PARTS = {
    "day_of_week": "isodow", "dow": "isodow", "day_of_month": "day", "day_of_year": "dayofyear",
    "doy": "dayofyear", "week_of_year": "week", "year_of_week": "isoyear", "yow": "isoyear",
} | {name: name for name in (*_TIME_UNITS, *_DATE_UNITS)}  # fmt: skip
_OF_INTERVALS = {"day": 86_400_000, "day_of_month": 86_400_000, **_TIME_UNITS}
_WITHIN = {"hour": 86_400_000, "minute": 3_600_000, "second": 60_000, "millisecond": 1000}


def field(name: str, value: Argument) -> Typed:
    """Return a part of a date, time or interval: ``EXTRACT(name FROM value)``."""
    if name in ("timezone_hour", "timezone_minute"):
        return _offset_part(name, value)
    if name not in _PARTS:
        raise QueryError("SYNTAX_ERROR", f"Invalid EXTRACT field: {name.upper()}")
    if isinstance(value, Typed) and value.type in (DAY_INTERVAL, MONTH_INTERVAL):
        return _interval_part(name, value)
    part = f"{_PARTS[name]}({local(_moment(value))})"
    return Typed(f"CAST({f'{part} % 1000' if name == 'millisecond' else part} AS BIGINT)", BIGINT)


def _offset_part(name: str, value: Argument) -> Typed:
    at = _moment(value)
    if not _is_zoned(at):
        raise NoOverloadError
    minutes = f"((epoch_ms({local(at)}) - epoch_ms({instant(at)})) // 60000)"
    return Typed(f"({minutes} {'//' if name == 'timezone_hour' else '%'} 60)", BIGINT)


def _interval_part(name: str, value: Typed) -> Typed:
    if value.type == MONTH_INTERVAL:
        months = f"(date_part('year', {value.sql}) * 12 + date_part('month', {value.sql}))"
        if name not in ("year", "month"):
            raise NoOverloadError
        return Typed(f"CAST({months} {'//' if name == 'year' else '%'} 12 AS BIGINT)", BIGINT)
    if name not in _OF_INTERVALS:
        raise NoOverloadError
    millis = f"epoch_ms({value.sql})"
    if name in _WITHIN:
        millis = f"({millis} % {_WITHIN[name]})"
    return Typed(f"({millis} // {_OF_INTERVALS[name]})", BIGINT)


def _field(name: str) -> Builder:
    return lambda arguments: field(name, typed(arguments, 1)[0])


def _last_day(arguments: Sequence[Argument]) -> Typed:
    return Typed(f"last_day({local(_moment(*typed(arguments, 1)))})", DATE)


MOMENTS: dict[str, Builder] = {
    "date": _date,
    "date_parse": _date_parse,
    "date_format": _date_format,
    "parse_datetime": _parse_datetime,
    "format_datetime": _format_datetime,
    "from_iso8601_timestamp": _from_iso8601_timestamp,
    "from_iso8601_timestamp_nanos": _from_iso8601_timestamp_nanos,
    "from_iso8601_date": form(f"varchar -> date := {native('from_iso8601_date', '{0}')}"),
    "to_iso8601": _to_iso8601,
    "from_unixtime": _from_unixtime,
    "to_unixtime": _to_unixtime,
    "date_trunc": _date_trunc,
    "date_diff": _date_diff,
    "date_add": _date_add,
    "last_day_of_month": _last_day,
    "at_timezone": _at_timezone,
    "with_timezone": _with_timezone,
    "parse_duration": form(f"varchar -> interval day to second := {native('parse_duration', '{0}')}"),
    "to_milliseconds": form("interval day to second -> bigint := epoch_ms({0})"),
    **{name: _field(name) for name in (*_PARTS, "timezone_hour", "timezone_minute")},
}
