"""The functions of Athena that this engine has, and what each means in DuckDB.

The table is the allow-list: a function that is not in it does not run, whatever DuckDB makes of its name.
Where DuckDB's function of the same name differs from Athena's, the entry restores Athena's meaning.
https://trino.io/docs/current/functions.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from scripts.local_aws.athena.casts import Typed, cast_sql, check, coerce, explicit_cast
from scripts.local_aws.athena.model import QueryError
from scripts.local_aws.athena.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    JSON,
    TIMESTAMP,
    TIMESTAMP_TZ,
    UNKNOWN,
    VARCHAR,
    Type,
    array,
    common_type,
    decimal,
    duckdb_type,
    parse_type,
    quote_text,
)


@dataclass(frozen=True, slots=True)
class Lambda:
    """A lambda among the arguments: its parameters' count and how to write its body for their types."""

    parameters: int
    body: Callable[[Sequence[Type]], tuple[Sequence[str], Typed]]


Argument = Typed | Lambda
Builder = Callable[[Sequence[Argument]], Typed]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """An aggregate's call, which FILTER and OVER can follow, and what is put around the whole."""

    call: str
    type: Type
    wrap: str = "{}"


def call(name: str, arguments: Sequence[Argument]) -> Typed:
    """Write the call of a scalar function. Raises ``QueryError`` if there is no such function or overload."""
    builder = SCALARS.get(name.lower())
    if builder is None:
        raise QueryError("FUNCTION_NOT_FOUND", f"Function '{name.lower()}' not registered")
    try:
        return builder(arguments)
    except _NoOverloadError as error:
        raise _unexpected(name, arguments) from error


def aggregate(name: str, arguments: Sequence[Typed], *, distinct: bool, order: str) -> Aggregate:
    """Write the call of an aggregate or window function, as ``call`` does."""
    try:
        return AGGREGATES_AND_WINDOWS[name.lower()](arguments, "DISTINCT " if distinct else "", order)
    except _NoOverloadError as error:
        raise _unexpected(name, arguments) from error


class _NoOverloadError(Exception):
    """The arguments fit no form of the function."""


def _unexpected(name: str, arguments: Sequence[Argument]) -> QueryError:
    types = ", ".join(str(a.type) if isinstance(a, Typed) else "function" for a in arguments)
    return QueryError("FUNCTION_NOT_FOUND", f"Unexpected parameters ({types}) for function {name.lower()}")


# --- Reading arguments


def _typed(arguments: Sequence[Argument], *counts: int) -> list[Typed]:
    values = [argument for argument in arguments if isinstance(argument, Typed)]
    if len(values) != len(arguments) or (counts and len(values) not in counts):
        raise _NoOverloadError
    return values


def _as(value: Argument, to: Type) -> str:
    converted = coerce(value, to) if isinstance(value, Typed) else None
    if converted is None:
        raise _NoOverloadError
    return converted.sql


def _constant(value: Argument, what: str) -> str:
    if isinstance(value, Typed) and value.text is not None:
        return value.text
    raise QueryError("NOT_SUPPORTED", f"a {what} that is no literal")


def _common(values: Sequence[Typed]) -> tuple[list[str], Type]:
    found = UNKNOWN
    for value in values:
        wider = common_type(found, value.type)
        if wider is None:
            raise _NoOverloadError
        found = wider
    return [_as(value, found) for value in values], found


def _of(value: Argument, name: str) -> Type:
    if not isinstance(value, Typed) or value.type.name != name:
        raise _NoOverloadError
    return value.type


# --- Forms written as templates


def _form(*overloads: str) -> Builder:
    """Build from forms ``argument types -> result type := template``, tried in order."""
    parsed = []
    for overload in overloads:
        signature, _, template = overload.partition(" := ")
        left, _, right = signature.partition(" -> ")
        parsed.append(([parse_type(part) for part in left.split(", ") if part], parse_type(right), template))

    def build(arguments: Sequence[Argument]) -> Typed:
        for types, result, template in parsed:
            if len(types) != len(arguments):
                continue
            values = [
                coerce(argument, to) if isinstance(argument, Typed) else None
                for argument, to in zip(arguments, types, strict=True)
            ]
            if None not in values:
                return Typed(template.format(*[value.sql for value in values if value]), result)
        raise _NoOverloadError

    return build


def _generic(name: str, *counts: int) -> Builder:
    """Build a DuckDB function over values of one common type, with that type as its result."""

    def build(arguments: Sequence[Argument]) -> Typed:
        sqls, found = _common(_typed(arguments, *counts))
        return Typed(f"{name}({', '.join(sqls)})", found)

    return build


# --- Conditions and numbers


def _nullif(arguments: Sequence[Argument]) -> Typed:
    values = _typed(arguments, 2)
    sqls, _ = _common(values)
    return Typed(f"CASE WHEN {sqls[0]} = {sqls[1]} THEN NULL ELSE {values[0].sql} END", values[0].type)


def _extreme(name: str) -> Builder:
    def build(arguments: Sequence[Argument]) -> Typed:
        sqls, found = _common(_typed(arguments))
        missing = " OR ".join(f"{sql} IS NULL" for sql in sqls)
        return Typed(f"CASE WHEN {missing} THEN NULL ELSE {name}({', '.join(sqls)}) END", found)

    return build


def _try(arguments: Sequence[Argument]) -> Typed:
    (value,) = _typed(arguments, 1)
    return Typed(f"TRY({value.sql})", value.type)


def _numeric(name: str) -> Builder:
    def build(arguments: Sequence[Argument]) -> Typed:
        (value,) = _typed(arguments, 1)
        if not value.type.is_numeric:
            raise _NoOverloadError
        return Typed(cast_sql(f"{name}({value.sql})", value.type), value.type)

    return build


def _whole(name: str) -> Builder:
    def build(arguments: Sequence[Argument]) -> Typed:
        (value,) = _typed(arguments, 1)
        if value.type.is_integer:
            return value
        if value.type.name == "decimal":
            precision, scale = value.type.params
            result = decimal(precision - scale + min(scale, 1), 0)
            return Typed(cast_sql(f"{name}({value.sql})", result), result)
        return Typed(f"{name}({_as(value, DOUBLE)})", DOUBLE)

    return build


def _round(arguments: Sequence[Argument]) -> Typed:
    values = _typed(arguments, 1, 2)
    if not values[0].type.is_numeric:
        raise _NoOverloadError
    places = f", {_as(values[1], parse_type('integer'))}" if len(values) == 2 else ""
    return Typed(cast_sql(f"round({values[0].sql}{places})", values[0].type), values[0].type)


# --- Texts


def _concat(arguments: Sequence[Argument]) -> Typed:
    values = _typed(arguments)
    sqls, found = _common(values)
    if len(values) < 2 or found.name not in ("varchar", "varbinary", "array"):
        raise _NoOverloadError
    return Typed(f"({' || '.join(sqls)})", found)


def _concat_ws(arguments: Sequence[Argument]) -> Typed:
    sqls = [_as(value, VARCHAR) for value in _typed(arguments)]
    if len(sqls) < 2:
        raise _NoOverloadError
    return Typed(f"concat_ws({', '.join(sqls)})", VARCHAR)


def _regexp_replace(arguments: Sequence[Argument]) -> Typed:
    subject, pattern, *rest = (_as(value, VARCHAR) for value in _typed(arguments, 2, 3))
    replacement = "''"
    if rest:
        written = _constant(arguments[2], "replacement")
        escaped = re.sub(r"\\(?!\$)", r"\\\\", written)
        replacement = quote_text(re.sub(r"(?<!\\)\$(\d)", r"\\\1", escaped).replace(r"\$", "$"))
    return Typed(f"regexp_replace({subject}, {pattern}, {replacement}, 'g')", VARCHAR)


def _regexp_extract(arguments: Sequence[Argument]) -> Typed:
    subject, pattern = (_as(value, VARCHAR) for value in _typed(arguments, 2, 3)[:2])
    group = _as(arguments[2], parse_type("integer")) if len(arguments) == 3 else "0"
    found = f"regexp_extract({subject}, {pattern}, {group})"
    return Typed(f"CASE WHEN regexp_matches({subject}, {pattern}) THEN {found} END", VARCHAR)


# --- JSON

_PATH_STEP = re.compile(r"""\.([A-Za-z_][\w-]*)|\["([^"]*)"\]|\[(\d+)\]|\['([^']*)'\]""")


def _path(value: Argument) -> str:
    written = _constant(value, "JSON path")
    at, steps = 1, ["$"]
    while written.startswith("$") and at < len(written):
        step = _PATH_STEP.match(written, at)
        if step is None:
            break
        at = step.end()
        dotted, double_quoted, index, single_quoted = step.groups()
        name = next((n for n in (dotted, double_quoted, single_quoted) if n is not None), "")
        steps.append(f"[{index}]" if index else '."' + name.replace("\\", "\\\\") + '"')
    if not written.startswith("$") or at < len(written):
        raise QueryError("INVALID_FUNCTION_ARGUMENT", f"Invalid JSON path: '{written}'")
    return quote_text("".join(steps))


def _json_text(value: Argument) -> tuple[str, str]:
    """Return the JSON's text and the condition that it is valid."""
    if isinstance(value, Typed) and value.type == JSON:
        return value.sql, "true"
    sql = _as(value, VARCHAR)
    if isinstance(value, Typed) and value.text is not None and not _is_json(value.text):
        return "CAST(NULL AS VARCHAR)", "true"  # DuckDB evaluates a CASE over constants before it decides it
    return sql, f"json_valid({sql})"


def _is_json(written: str) -> bool:
    try:
        json.loads(written)
    except ValueError:
        return False
    return True


def _json_extract(arguments: Sequence[Argument]) -> Typed:
    document, path = _typed(arguments, 2)
    sql, valid = _json_text(document)
    return Typed(f"CASE WHEN {valid} THEN json_extract({sql}, {_path(path)}) END", JSON)


def _json_extract_scalar(arguments: Sequence[Argument]) -> Typed:
    document, path = _typed(arguments, 2)
    sql, valid = _json_text(document)
    kind = f"json_type({sql}, {_path(path)})"
    scalar = f"json_extract_string({sql}, {_path(path)})"
    return Typed(
        f"CASE WHEN {valid} THEN CASE WHEN {kind} NOT IN ('OBJECT', 'ARRAY') THEN {scalar} END END", VARCHAR
    )


def _json_parse(arguments: Sequence[Argument]) -> Typed:
    (value,) = _typed(arguments, 1)
    sql = _as(value, VARCHAR)
    complaint = f"'INVALID_FUNCTION_ARGUMENT: Cannot convert value to JSON: ''' || {sql} || ''''"
    return Typed(check(f"json_valid({sql})", f"json({sql})", JSON, complaint), JSON)


def _json_array_length(arguments: Sequence[Argument]) -> Typed:
    (value,) = _typed(arguments, 1)
    sql, valid = _json_text(value)
    length = f"CAST(json_array_length({sql}) AS BIGINT)"
    return Typed(f"CASE WHEN {valid} THEN CASE WHEN json_type({sql}) = 'ARRAY' THEN {length} END END", BIGINT)


# --- Dates and times

_MYSQL = {
    "a": "%a", "b": "%b", "c": "%-m", "d": "%d", "e": "%-d", "f": "%f", "H": "%H", "h": "%I", "I": "%I",
    "i": "%M", "j": "%j", "k": "%-H", "l": "%-I", "M": "%B", "m": "%m", "p": "%p", "r": "%I:%M:%S %p",
    "S": "%S", "s": "%S", "T": "%H:%M:%S", "W": "%A", "Y": "%Y", "y": "%y", "%": "%%",
}  # fmt: skip
_JODA = {
    "yyyy": "%Y", "YYYY": "%Y", "yy": "%y", "MMMM": "%B", "MMM": "%b", "MM": "%m", "M": "%-m", "dd": "%d",
    "d": "%-d", "HH": "%H", "H": "%-H", "hh": "%I", "h": "%-I", "mm": "%M", "m": "%-M", "ss": "%S",
    "s": "%-S", "SSS": "%g", "a": "%p", "EEEE": "%A", "EEE": "%a", "E": "%a", "DDD": "%j",
}  # fmt: skip
_UNITS = ("millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year")


def mysql_format(written: str) -> str:
    """Turn a format of ``date_parse`` into DuckDB's. Raises ``QueryError`` for what DuckDB has not."""

    def directive(match: re.Match[str]) -> str:
        known = _MYSQL.get(match[1])
        if known is None:
            raise QueryError("INVALID_FUNCTION_ARGUMENT", f"%{match[1]} not supported in date format string")
        return known

    return re.sub(r"%(.?)", directive, written, flags=re.DOTALL)


def joda_format(written: str) -> str:
    """Turn a format of ``parse_datetime`` into DuckDB's. Raises ``QueryError`` for what DuckDB has not."""

    def token(match: re.Match[str]) -> str:
        if match["quoted"] is not None:
            return (match["quoted"].replace("''", "'") or "'").replace("%", "%%")
        if match["letters"]:
            known = _JODA.get(match["letters"])
            if known is None:
                raise QueryError("NOT_SUPPORTED", f"{match['letters']!r} in a date format")
            return known
        return match[0].replace("%", "%%")

    return re.sub(r"'(?P<quoted>(?:[^']|'')*)'|(?P<letters>([A-Za-z])\3*)|[^A-Za-z']+", token, written)


def _strptime(value: Argument, written: str) -> str:
    return f"strptime({_as(value, VARCHAR)}, {quote_text(written)})"


def _date_parse(arguments: Sequence[Argument]) -> Typed:
    value, written = _typed(arguments, 2)
    return Typed(_strptime(value, mysql_format(_constant(written, "date format"))), TIMESTAMP)


def _parse_datetime(arguments: Sequence[Argument]) -> Typed:
    value, written = _typed(arguments, 2)
    parsed = _strptime(value, joda_format(_constant(written, "date format")))
    return Typed(f"({parsed} AT TIME ZONE 'UTC')", TIMESTAMP_TZ)


def local(value: Argument) -> str:
    """Return a date or timestamp as a DuckDB timestamp in UTC."""
    if not isinstance(value, Typed) or not (value.type.is_moment or value.type == UNKNOWN):
        raise _NoOverloadError
    return explicit_cast(value, TIMESTAMP).sql


def _formatter(reading: Callable[[str], str]) -> Builder:
    def build(arguments: Sequence[Argument]) -> Typed:
        value, written = _typed(arguments, 2)
        pattern = quote_text(reading(_constant(written, "date format")))
        return Typed(f"strftime({local(value)}, {pattern})", VARCHAR)

    return build


_ISO_TIMESTAMP = r"\d{4}-\d{2}-\d{2}(T\d{2}(:\d{2}(:\d{2}([.,]\d{1,9})?)?)?(Z|[+-]00:?00)?)?"
_OFFSET = r".*T.*[+-]\d{2}(:?\d{2})?"


def _from_iso8601_timestamp(arguments: Sequence[Argument]) -> Typed:
    """Read an ISO 8601 time in UTC; another zone, which this engine could not keep, is refused."""
    (value,) = _typed(arguments, 1)
    sql = _as(value, VARCHAR)
    parsed = cast_sql(f"regexp_replace({sql}, '(Z|[+-]00:?00)$', '')", TIMESTAMP)
    moment = f"(date_trunc('millisecond', {parsed}) AT TIME ZONE 'UTC')"
    complaint = (
        f"CASE WHEN regexp_full_match({sql}, '{_OFFSET}') "
        f"THEN 'NOT_SUPPORTED: a time zone other than UTC: ' || {sql} "
        f"ELSE 'INVALID_FUNCTION_ARGUMENT: Invalid format: \"' || {sql} || '\"' END"
    )
    return Typed(
        check(f"regexp_full_match({sql}, {quote_text(_ISO_TIMESTAMP)})", moment, TIMESTAMP_TZ, complaint),
        TIMESTAMP_TZ,
    )


def _from_iso8601_date(arguments: Sequence[Argument]) -> Typed:
    (value,) = _typed(arguments, 1)
    sql = _as(value, VARCHAR)
    complaint = f"'INVALID_FUNCTION_ARGUMENT: Invalid format: \"' || {sql} || '\"'"
    form = quote_text(r"\d{4}-\d{2}-\d{2}")
    return Typed(check(f"regexp_full_match({sql}, {form})", cast_sql(sql, DATE), DATE, complaint), DATE)


def _to_iso8601(arguments: Sequence[Argument]) -> Typed:
    (value,) = _typed(arguments, 1)
    form = {"date": "'%Y-%m-%d'", "timestamp": "'%Y-%m-%dT%H:%M:%S.%g'"}.get(
        value.type.name, "'%Y-%m-%dT%H:%M:%S.%gZ'"
    )
    return Typed(f"strftime({local(value)}, {form})", VARCHAR)


def _from_unixtime(arguments: Sequence[Argument]) -> Typed:
    (value,) = _typed(arguments, 1)
    millis = cast_sql(f"round({_as(value, DOUBLE)} * 1000)", BIGINT)
    return Typed(f"(epoch_ms({millis}) AT TIME ZONE 'UTC')", TIMESTAMP_TZ)


def _date(arguments: Sequence[Argument]) -> Typed:
    (value,) = _typed(arguments, 1)
    return explicit_cast(value, DATE)


def _unit(value: Argument, *, smallest: str = "millisecond") -> str:
    unit = _constant(value, "unit").lower()
    if unit not in _UNITS[_UNITS.index(smallest) :]:
        raise QueryError("INVALID_FUNCTION_ARGUMENT", f"'{unit}' is not a valid Timestamp field")
    return unit


def _date_trunc(arguments: Sequence[Argument]) -> Typed:
    unit, value = _typed(arguments, 2)
    truncated = f"date_trunc('{_unit(unit)}', {local(value)})"
    return explicit_cast(Typed(truncated, TIMESTAMP), value.type)


def _date_diff(arguments: Sequence[Argument]) -> Typed:
    """Count the whole units between two moments; DuckDB's own ``date_diff`` counts boundaries."""
    unit, start, end = _typed(arguments, 3)
    return Typed(f"date_sub('{_unit(unit)}', {local(start)}, {local(end)})", BIGINT)


def _date_add(arguments: Sequence[Argument]) -> Typed:
    unit, amount, value = _typed(arguments, 3)
    name, count = _unit(unit), _as(amount, BIGINT)
    if value.type == DATE and name in _UNITS[:4]:
        raise QueryError("INVALID_FUNCTION_ARGUMENT", f"'{name}' is not a valid DATE field")
    step = f"{count} * INTERVAL '1 {name}'" if name != "quarter" else f"{count} * INTERVAL '3 month'"
    return explicit_cast(Typed(f"({local(value)} + {step})", TIMESTAMP), value.type)


def field(name: str, value: Argument) -> Typed:
    """Return a part of a date or timestamp: ``EXTRACT(name FROM value)``."""
    parts = {
        "day_of_week": "isodow", "dow": "isodow", "day_of_month": "day", "day_of_year": "dayofyear",
        "doy": "dayofyear", "week_of_year": "week", "year_of_week": "isoyear", "yow": "isoyear",
    } | {unit: unit for unit in _UNITS}  # fmt: skip
    if name not in parts:
        raise QueryError("SYNTAX_ERROR", f"Invalid EXTRACT field: {name.upper()}")
    part = f"{parts[name]}({local(value)})"
    return Typed(f"CAST({f'{part} % 1000' if name == 'millisecond' else part} AS BIGINT)", BIGINT)


def _field(name: str) -> Builder:
    return lambda arguments: field(name, _typed(arguments, 1)[0])


def _last_day(arguments: Sequence[Argument]) -> Typed:
    (value,) = _typed(arguments, 1)
    return Typed(f"last_day({local(value)})", DATE)


def _at_timezone(arguments: Sequence[Argument]) -> Typed:
    value, zone = _typed(arguments, 2)
    if _constant(zone, "time zone").upper() not in ("UTC", "Z", "+00:00", "GMT"):
        raise QueryError("NOT_SUPPORTED", "a time zone other than UTC")
    if value.type == DATE:
        raise _NoOverloadError
    return explicit_cast(Typed(local(value), TIMESTAMP), TIMESTAMP_TZ)


def moment(at: datetime) -> Typed:
    """Return ``current_timestamp``: the time at which the statement began, to the millisecond."""
    written = at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "milliseconds")
    return Typed(f"TIMESTAMPTZ '{written}+00'", TIMESTAMP_TZ)


# --- Arrays and maps


def _cardinality(arguments: Sequence[Argument]) -> Typed:
    (value,) = _typed(arguments, 1)
    if value.type.name not in ("array", "map"):
        raise _NoOverloadError
    return Typed(
        f"CAST({'len' if value.type.name == 'array' else 'cardinality'}({value.sql}) AS BIGINT)", BIGINT
    )


def _contains(arguments: Sequence[Argument]) -> Typed:
    values, wanted = _typed(arguments, 2)
    (element,) = _of(values, "array").args
    item = _as(wanted, element)
    found = f"list_contains({values.sql}, {item})"
    unsure = f"len({values.sql}) > len(list_filter({values.sql}, lambda e: e IS NOT NULL))"
    return Typed(f"CASE WHEN {found} THEN true WHEN {unsure} THEN NULL ELSE {found} END", BOOLEAN)


def _element_at(arguments: Sequence[Argument]) -> Typed:
    values, key = _typed(arguments, 2)
    if values.type.name == "map":
        return Typed(f"{values.sql}[{_as(key, values.type.args[0])}]", values.type.args[1])
    (element,) = _of(values, "array").args
    return Typed(f"{values.sql}[{_as(key, BIGINT)}]", element)


def _subscript(arguments: Sequence[Argument]) -> Typed:
    """Return ``values[key]``, which fails where there is no such element."""
    values, key = _typed(arguments, 2)
    found = _element_at(arguments)
    if values.type.name == "map":
        there = f"map_contains({values.sql}, {_as(key, values.type.args[0])})"
        complaint = "'INVALID_FUNCTION_ARGUMENT: Key not present in map'"
    else:
        there = f"{key.sql} BETWEEN 1 AND len({values.sql})"
        complaint = (
            "'INVALID_FUNCTION_ARGUMENT: Array subscript must be less than or equal to array length: ' "
            f"|| {key.sql} || ' > ' || len({values.sql})"
        )
    present = check(f"{values.sql} IS NULL OR {there}", "true", BOOLEAN, complaint)
    return Typed(f"CASE WHEN {present} THEN {found.sql} END", found.type)


def _on_array(template: str, result: Callable[[Type], Type]) -> Builder:
    """Build a function of one array and of values of its element type: ``{0}`` and so on."""

    def build(arguments: Sequence[Argument]) -> Typed:
        values = _typed(arguments, template.count("{1}") + 1)
        (element,) = _of(values[0], "array").args
        return Typed(
            template.format(values[0].sql, *[_as(value, element) for value in values[1:]]),
            result(element),
        )

    return build


def _on_arrays(name: str, result: Callable[[Type], Type]) -> Builder:
    def build(arguments: Sequence[Argument]) -> Typed:
        sqls, found = _common(_typed(arguments, 2))
        return Typed(f"{name}({', '.join(sqls)})", result(found))

    return build


def _array_join(arguments: Sequence[Argument]) -> Typed:
    values, separator = _typed(arguments, 2)
    if _of(values, "array").args[0] != VARCHAR:
        raise _NoOverloadError
    return Typed(f"array_to_string({values.sql}, {_as(separator, VARCHAR)})", VARCHAR)


def _slice(arguments: Sequence[Argument]) -> Typed:
    values, start, length = _typed(arguments, 3)
    begin, count = _as(start, BIGINT), _as(length, BIGINT)
    _of(values, "array")
    return Typed(f"list_slice({values.sql}, {begin}, {begin} + {count} - 1)", values.type)


def _flatten(arguments: Sequence[Argument]) -> Typed:
    (values,) = _typed(arguments, 1)
    (inner,) = _of(values, "array").args
    _of(Typed("", inner), "array")
    return Typed(f"flatten({values.sql})", inner)


def _sequence(arguments: Sequence[Argument]) -> Typed:
    sqls = [_as(value, BIGINT) for value in _typed(arguments, 2, 3)]
    return Typed(f"generate_series({', '.join(sqls)})", array(BIGINT))


def _map_part(name: str, part: int) -> Builder:
    def build(arguments: Sequence[Argument]) -> Typed:
        (value,) = _typed(arguments, 1)
        return Typed(f"{name}({value.sql})", array(_of(value, "map").args[part]))

    return build


def _map(arguments: Sequence[Argument]) -> Typed:
    keys, values = _typed(arguments, 2)
    types = (_of(keys, "array").args[0], _of(values, "array").args[0])
    return Typed(f"map({keys.sql}, {values.sql})", Type("map", types))


def _reverse(arguments: Sequence[Argument]) -> Typed:
    (value,) = _typed(arguments, 1)
    if value.type.name == "array":
        return Typed(f"list_reverse({value.sql})", value.type)
    return Typed(f"reverse({_as(value, VARCHAR)})", VARCHAR)


def _lambda(arguments: Sequence[Argument]) -> tuple[Typed, Type, str, Typed]:
    """Read ``(array, x -> …)``: the array, its element type, the lambda in DuckDB, its body."""
    if len(arguments) != 2 or not isinstance(arguments[1], Lambda) or arguments[1].parameters != 1:
        raise _NoOverloadError
    values = _typed(arguments[:1])[0]
    (element,) = _of(values, "array").args
    (parameter,), body = arguments[1].body([element])
    return values, element, f"lambda {parameter}: {body.sql}", body


def _filter(arguments: Sequence[Argument]) -> Typed:
    values, _, function, body = _lambda(arguments)
    _as(body, BOOLEAN)
    return Typed(f"list_filter({values.sql}, {function})", values.type)


def _transform(arguments: Sequence[Argument]) -> Typed:
    values, _, function, body = _lambda(arguments)
    return Typed(f"list_transform({values.sql}, {function})", array(body.type))


def _match(decisive: str, found: str, *, otherwise: str) -> Builder:
    """Build ``any_match`` and its kin: ``found`` if a result is ``decisive``, NULL if one is NULL."""

    def build(arguments: Sequence[Argument]) -> Typed:
        values, _, function, body = _lambda(arguments)
        _as(body, BOOLEAN)
        results = f"list_transform({values.sql}, {function})"
        return Typed(
            f"CASE WHEN {values.sql} IS NULL THEN NULL "
            f"WHEN list_contains({results}, {decisive}) THEN {found} "
            f"WHEN len(list_filter({results}, lambda e: e IS NULL)) > 0 THEN NULL ELSE {otherwise} END",
            BOOLEAN,
        )

    return build


_SPACES = r"E' \t\n\x0b\x0c\r'"

SUBSCRIPT = "[]"
"""The name under which ``call`` knows ``values[key]``; no statement can write it."""

SCALARS: dict[str, Builder] = {
    SUBSCRIPT: _subscript,
    "coalesce": _generic("coalesce"),
    "nullif": _nullif,
    "try": _try,
    "greatest": _extreme("greatest"),
    "least": _extreme("least"),
    "abs": _numeric("abs"),
    "sign": _numeric("sign"),
    "ceil": _whole("ceil"),
    "ceiling": _whole("ceil"),
    "floor": _whole("floor"),
    "round": _round,
    "truncate": _whole("trunc"),
    "mod": _form("bigint, bigint -> bigint := ({0} % {1})"),
    "power": _form("double, double -> double := power({0}, {1})"),
    "pow": _form("double, double -> double := power({0}, {1})"),
    "sqrt": _form("double -> double := sqrt({0})"),
    "exp": _form("double -> double := exp({0})"),
    "ln": _form("double -> double := ln({0})"),
    "log2": _form("double -> double := log2({0})"),
    "log10": _form("double -> double := log10({0})"),
    "is_nan": _form("double -> boolean := isnan({0})"),
    "lower": _form("varchar -> varchar := lower({0})"),
    "upper": _form("varchar -> varchar := upper({0})"),
    "length": _form("varchar -> bigint := length({0})", "varbinary -> bigint := octet_length({0})"),
    "trim": _form(f"varchar -> varchar := trim({{0}}, {_SPACES})"),
    "ltrim": _form(f"varchar -> varchar := ltrim({{0}}, {_SPACES})"),
    "rtrim": _form(f"varchar -> varchar := rtrim({{0}}, {_SPACES})"),
    "substr": _form(
        "varchar, bigint -> varchar := CASE WHEN {1} = 0 THEN '' ELSE substr({0}, {1}) END",
        "varchar, bigint, bigint -> varchar := "
        "CASE WHEN {1} = 0 OR {2} <= 0 THEN '' ELSE substr({0}, {1}, {2}) END",
    ),
    "replace": _form(
        "varchar, varchar -> varchar := replace({0}, {1}, '')",
        "varchar, varchar, varchar -> varchar := replace({0}, {1}, {2})",
    ),
    "concat": _concat,
    "concat_ws": _concat_ws,
    "strpos": _form("varchar, varchar -> bigint := CAST(strpos({0}, {1}) AS BIGINT)"),
    "split": _form("varchar, varchar -> array(varchar) := string_split({0}, {1})"),
    "split_part": _form(
        "varchar, varchar, bigint -> varchar := "
        "CASE WHEN {2} <= len(string_split({0}, {1})) THEN split_part({0}, {1}, {2}) END"
    ),
    "starts_with": _form("varchar, varchar -> boolean := starts_with({0}, {1})"),
    "lpad": _form("varchar, bigint, varchar -> varchar := lpad({0}, CAST({1} AS INTEGER), {2})"),
    "rpad": _form("varchar, bigint, varchar -> varchar := rpad({0}, CAST({1} AS INTEGER), {2})"),
    "chr": _form("bigint -> varchar := chr(CAST({0} AS INTEGER))"),
    "translate": _form("varchar, varchar, varchar -> varchar := translate({0}, {1}, {2})"),
    "levenshtein_distance": _form("varchar, varchar -> bigint := levenshtein({0}, {1})"),
    "reverse": _reverse,
    "regexp_like": _form("varchar, varchar -> boolean := regexp_matches({0}, {1})"),
    "regexp_extract": _regexp_extract,
    "regexp_extract_all": _form(
        "varchar, varchar -> array(varchar) := regexp_extract_all({0}, {1})",
        "varchar, varchar, integer -> array(varchar) := regexp_extract_all({0}, {1}, {2})",
    ),
    "regexp_replace": _regexp_replace,
    "regexp_split": _form("varchar, varchar -> array(varchar) := string_split_regex({0}, {1})"),
    "url_decode": _form("varchar -> varchar := url_decode(replace({0}, '+', ' '))"),
    "to_utf8": _form("varchar -> varbinary := encode({0})"),
    "from_utf8": _form("varbinary -> varchar := decode({0})"),
    "to_base64": _form("varbinary -> varchar := to_base64({0})"),
    "from_base64": _form(
        "varchar -> varbinary := from_base64({0})", "varbinary -> varbinary := from_base64(decode({0}))"
    ),
    "to_hex": _form("varbinary -> varchar := hex({0})"),
    "from_hex": _form("varchar -> varbinary := unhex({0})"),
    "sha256": _form("varbinary -> varbinary := unhex(sha256({0}))"),
    "sha1": _form("varbinary -> varbinary := unhex(sha1({0}))"),
    "md5": _form("varbinary -> varbinary := unhex(md5({0}))"),
    "json_extract": _json_extract,
    "json_extract_scalar": _json_extract_scalar,
    "json_parse": _json_parse,
    "json_format": _form("json -> varchar := CAST({0} AS VARCHAR)"),
    "json_array_length": _json_array_length,
    "date": _date,
    "date_parse": _date_parse,
    "date_format": _formatter(mysql_format),
    "parse_datetime": _parse_datetime,
    "format_datetime": _formatter(joda_format),
    "from_iso8601_timestamp": _from_iso8601_timestamp,
    "from_iso8601_date": _from_iso8601_date,
    "to_iso8601": _to_iso8601,
    "from_unixtime": _from_unixtime,
    "to_unixtime": lambda arguments: Typed(f"epoch({local(_typed(arguments, 1)[0])})", DOUBLE),
    "date_trunc": _date_trunc,
    "date_diff": _date_diff,
    "date_add": _date_add,
    "last_day_of_month": _last_day,
    "at_timezone": _at_timezone,
    "with_timezone": _at_timezone,
    **{
        name: _field(name)
        for name in (
            *(
                "year",
                "quarter",
                "month",
                "week",
                "week_of_year",
                "day",
                "day_of_month",
                "day_of_week",
                "dow",
            ),
            *("day_of_year", "doy", "hour", "minute", "second", "millisecond", "year_of_week", "yow"),
        )
    },
    "cardinality": _cardinality,
    "contains": _contains,
    "element_at": _element_at,
    "array_distinct": _on_array("list_distinct({0})", array),
    "array_sort": _on_array("list_sort({0}, 'ASC', 'NULLS LAST')", array),
    "array_max": _on_array("list_max({0})", lambda element: element),
    "array_min": _on_array("list_min({0})", lambda element: element),
    "array_position": _on_array("CAST(coalesce(list_position({0}, {1}), 0) AS BIGINT)", lambda _: BIGINT),
    "array_remove": _on_array("list_filter({0}, lambda e: e IS DISTINCT FROM {1})", array),
    "array_join": _array_join,
    "array_intersect": _on_arrays("list_intersect", lambda found: found),
    "arrays_overlap": _on_arrays("list_has_any", lambda _: BOOLEAN),
    "slice": _slice,
    "flatten": _flatten,
    "sequence": _sequence,
    "map": _map,
    "map_keys": _map_part("map_keys", 0),
    "map_values": _map_part("map_values", 1),
    "filter": _filter,
    "transform": _transform,
    "any_match": _match("true", "true", otherwise="false"),
    "all_match": _match("false", "false", otherwise="true"),
    "none_match": _match("true", "false", otherwise="true"),
}
SCALARS["substring"] = SCALARS["substr"]


# --- Aggregates and window functions

AggregateBuilder = Callable[[Sequence[Typed], str, str], Aggregate]


def _simple(template: str, result: Type | None = None, *types: Type, wrap: str = "{}") -> AggregateBuilder:
    """Build ``template`` (``{d}`` DISTINCT, ``{o}`` ORDER BY); its type is ``result``, or the argument's."""
    count = len(set(re.findall(r"\{(\d)\}", template)))

    def build(arguments: Sequence[Typed], distinct: str, order: str) -> Aggregate:
        if (
            len(arguments) != count
            or (distinct and "{d}" not in template)
            or (order and "{o}" not in template)
        ):
            raise _NoOverloadError
        sqls = [_as(value, types[at]) if at < len(types) else value.sql for at, value in enumerate(arguments)]
        found = result or arguments[0].type
        return Aggregate(template.format(*sqls, d=distinct, o=order), found, wrap)

    return build


def _count(arguments: Sequence[Typed], distinct: str, order: str) -> Aggregate:
    if len(arguments) > 1 or order:
        raise _NoOverloadError
    return Aggregate(f"count({distinct}{arguments[0].sql if arguments else '*'})", BIGINT)


def _sum(arguments: Sequence[Typed], distinct: str, order: str) -> Aggregate:
    if len(arguments) != 1 or not arguments[0].type.is_numeric or order:
        raise _NoOverloadError
    source = arguments[0].type
    result = BIGINT if source.is_integer else source
    if source.name == "decimal":
        result = decimal(38, source.params[1])
    return Aggregate(f"sum({distinct}{arguments[0].sql})", result, f"CAST({{}} AS {duckdb_type(result)})")


def _avg(arguments: Sequence[Typed], distinct: str, order: str) -> Aggregate:
    if len(arguments) != 1 or not arguments[0].type.is_numeric or order:
        raise _NoOverloadError
    source = arguments[0].type
    result = DOUBLE if source.is_integer else source
    return Aggregate(f"avg({distinct}{arguments[0].sql})", result, f"CAST({{}} AS {duckdb_type(result)})")


def _array_agg(arguments: Sequence[Typed], distinct: str, order: str) -> Aggregate:
    if len(arguments) != 1:
        raise _NoOverloadError
    return Aggregate(f"list({distinct}{arguments[0].sql}{order})", array(arguments[0].type))


def _map_agg(arguments: Sequence[Typed], distinct: str, order: str) -> Aggregate:
    if len(arguments) != 2 or distinct:
        raise _NoOverloadError
    key, value = arguments
    entries = f"list({{'key': {key.sql}, 'value': {value.sql}}}{order})"
    return Aggregate(entries, Type("map", (key.type, value.type)), "map_from_entries({})")


def _offset(name: str) -> AggregateBuilder:
    """Build ``lag`` and ``lead``: a value, how far away, what to give where there is none."""

    def build(arguments: Sequence[Typed], distinct: str, order: str) -> Aggregate:
        if not 1 <= len(arguments) <= 3 or distinct or order:
            raise _NoOverloadError
        value, *rest = arguments
        sqls = [value.sql, *[_as(a, t) for a, t in zip(rest, (BIGINT, value.type), strict=False)]]
        return Aggregate(f"{name}({', '.join(sqls)})", value.type)

    return build


AGGREGATES: dict[str, AggregateBuilder] = {
    "count": _count,
    "count_if": _simple("count_if({0})", BIGINT, BOOLEAN, wrap="CAST({} AS BIGINT)"),
    "sum": _sum,
    "avg": _avg,
    "min": _simple("min({0})"),
    "max": _simple("max({0})"),
    "min_by": _simple("arg_min_null({0}, {1})"),
    "max_by": _simple("arg_max_null({0}, {1})"),
    "arbitrary": _simple("any_value({0})"),
    "any_value": _simple("any_value({0})"),
    "bool_and": _simple("bool_and({0})", BOOLEAN, BOOLEAN),
    "every": _simple("bool_and({0})", BOOLEAN, BOOLEAN),
    "bool_or": _simple("bool_or({0})", BOOLEAN, BOOLEAN),
    "approx_distinct": _simple("count(DISTINCT {0})", BIGINT),
    "approx_percentile": _simple("quantile_disc({0}, {1})"),
    "stddev": _simple("stddev_samp({0})", DOUBLE, DOUBLE),
    "stddev_samp": _simple("stddev_samp({0})", DOUBLE, DOUBLE),
    "stddev_pop": _simple("stddev_pop({0})", DOUBLE, DOUBLE),
    "variance": _simple("var_samp({0})", DOUBLE, DOUBLE),
    "var_samp": _simple("var_samp({0})", DOUBLE, DOUBLE),
    "var_pop": _simple("var_pop({0})", DOUBLE, DOUBLE),
    "array_agg": _array_agg,
    "listagg": _simple("string_agg({d}{0}, {1}{o})", VARCHAR, VARCHAR, VARCHAR),
    "map_agg": _map_agg,
}
WINDOWS: dict[str, AggregateBuilder] = {
    "row_number": _simple("row_number()", BIGINT),
    "rank": _simple("rank()", BIGINT),
    "dense_rank": _simple("dense_rank()", BIGINT),
    "ntile": _simple("ntile({0})", BIGINT, BIGINT),
    "percent_rank": _simple("percent_rank()", DOUBLE),
    "cume_dist": _simple("cume_dist()", DOUBLE),
    "first_value": _simple("first_value({0})"),
    "last_value": _simple("last_value({0})"),
    "nth_value": _simple("nth_value({0}, {1})"),
    "lag": _offset("lag"),
    "lead": _offset("lead"),
}
AGGREGATES_AND_WINDOWS = AGGREGATES | WINDOWS
