"""Athena's types: reading their names (Hive's and Trino's), their place in DuckDB, their printed values.

Types and their coercions: https://trino.io/docs/current/language/types.html and
https://docs.aws.amazon.com/athena/latest/ug/data-types.html
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from scripts.local_aws.athena.model import QueryError

INTEGERS = ("tinyint", "smallint", "integer", "bigint")
_INTEGER_DIGITS = {"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19}
_MAX_PRECISION = 38


@dataclass(frozen=True, slots=True)
class Type:
    """A Trino type: its element types, a row's names of fields, its numbers.

    ``params``: a decimal's precision and scale, a char's length. ``zone``: the time zone of all values of a
    timestamp with time zone, which Athena keeps with each of them.
    """

    name: str
    args: tuple[Type, ...] = ()
    fields: tuple[str, ...] = ()
    params: tuple[int, ...] = ()
    zone: str = "UTC"

    def __str__(self) -> str:
        if self.name == "row":
            inner = ", ".join(f"{f} {t}" for f, t in zip(self.fields, self.args, strict=True))
            return f"row({inner})"
        inner = ", ".join([*map(str, self.args), *map(str, self.params)])
        return f"{self.name}({inner})" if inner else self.name

    @property
    def is_integer(self) -> bool:
        """Whether this is one of the four integer types."""
        return self.name in INTEGERS

    @property
    def is_numeric(self) -> bool:
        """Whether arithmetic is defined on this type."""
        return self.is_integer or self.name in ("real", "double", "decimal")

    @property
    def is_moment(self) -> bool:
        """Whether this is a date or a timestamp."""
        return self.name in ("date", "timestamp", "timestamp with time zone")


UNKNOWN = Type("unknown")
BOOLEAN = Type("boolean")
INTEGER = Type("integer")
BIGINT = Type("bigint")
REAL = Type("real")
DOUBLE = Type("double")
VARCHAR = Type("varchar")
VARBINARY = Type("varbinary")
DATE = Type("date")
TIMESTAMP = Type("timestamp")
TIMESTAMP_TZ = Type("timestamp with time zone")
JSON = Type("json")
UUID = Type("uuid")
DAY_INTERVAL = Type("interval day to second")
MONTH_INTERVAL = Type("interval year to month")


def array(element: Type) -> Type:
    """Return the type ``array(element)``."""
    return Type("array", (element,))


def decimal(precision: int, scale: int) -> Type:
    """Return the type ``decimal(precision, scale)``."""
    return Type("decimal", params=(min(precision, _MAX_PRECISION), scale))


_SCALARS = {
    "boolean": BOOLEAN,
    "tinyint": Type("tinyint"),
    "smallint": Type("smallint"),
    "int": INTEGER,
    "integer": INTEGER,
    "bigint": BIGINT,
    "float": REAL,
    "real": REAL,
    "double": DOUBLE,
    "string": VARCHAR,
    "varchar": VARCHAR,
    "char": Type("char", params=(1,)),
    "binary": VARBINARY,
    "varbinary": VARBINARY,
    "date": DATE,
    "timestamp": TIMESTAMP,
    "timestamp(3)": TIMESTAMP,
    "timestamp with time zone": TIMESTAMP_TZ,
    "timestamp(3) with time zone": TIMESTAMP_TZ,
    "json": JSON,
    "interval day to second": DAY_INTERVAL,
}


def parse_type(text: str) -> Type:
    """Read a type as Glue writes it, Hive's ``array<struct<a:string>>`` or Trino's ``array(row(a varchar))``.

    Raises ``ValueError`` for a type that Athena has and this engine has not, and for no type at all.
    """
    lowered = text.strip().lower()
    if lowered in _SCALARS:
        return _SCALARS[lowered]
    match = re.fullmatch(r"(\w+)\s*[<(](.*)[>)]", lowered, re.DOTALL)
    if match is None:
        raise ValueError(f"type {text!r}")
    name, inner = match.groups()
    parts = _split(inner)
    if name in ("varchar", "char"):
        return VARCHAR if name == "varchar" else Type("char", params=(int(parts[0]),))
    if name == "decimal":
        precision, scale = (int(part) for part in (*parts, "0")[:2])
        return decimal(precision, scale)
    if name == "array" and len(parts) == 1:
        return array(parse_type(parts[0]))
    if name == "map" and len(parts) == 2:
        return Type("map", tuple(parse_type(part) for part in parts))
    if name in ("struct", "row"):
        pairs = [re.split(r"\s*:\s*" if name == "struct" else r"\s+", part, maxsplit=1) for part in parts]
        if all(len(pair) == 2 for pair in pairs):
            return Type("row", tuple(parse_type(t) for _, t in pairs), tuple(f.strip('"`') for f, _ in pairs))
    raise ValueError(f"type {text!r}")


def _split(text: str) -> list[str]:
    """Split at the commas that stand outside every bracket."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(text):
        if char in "<(":
            depth += 1
        elif char in ">)":
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    return [*parts, text[start:].strip()]


_DUCKDB = {
    "unknown": "INTEGER",
    "boolean": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "real": "FLOAT",
    "double": "DOUBLE",
    "varchar": "VARCHAR",
    "char": "VARCHAR",
    "uuid": "UUID",
    "varbinary": "BLOB",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "timestamp with time zone": "TIMESTAMPTZ",
    "json": "JSON",
    "interval day to second": "INTERVAL",
    "interval year to month": "INTERVAL",
}


def duckdb_type(of: Type) -> str:
    """Return the DuckDB type that holds the values of an Athena type."""
    if of.name == "array":
        return f"{duckdb_type(of.args[0])}[]"
    if of.name == "map":
        return f"MAP({duckdb_type(of.args[0])}, {duckdb_type(of.args[1])})"
    if of.name == "row":
        inner = ", ".join(
            f"{quote_identifier(f)} {duckdb_type(t)}" for f, t in zip(of.fields, of.args, strict=True)
        )
        return f"STRUCT({inner})"
    if of.name == "decimal":
        return f"DECIMAL({of.params[0]}, {of.params[1]})"
    return _DUCKDB[of.name]


def quote_identifier(name: str) -> str:
    """Write a name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Write a text as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def common_type(left: Type, right: Type) -> Type | None:
    """Return the type both sides are coerced to, as Trino does without a cast; ``None`` if there is none."""
    if UNKNOWN in (left, right) or left == right:
        return left if right == UNKNOWN else right
    if left.is_numeric and right.is_numeric:
        return _common_number(left, right)
    if left.is_moment and right.is_moment:
        return _common_moment(left, right)
    if {left.name, right.name} <= {"char", "varchar"}:
        return _common_text(left, right)
    if left.name == right.name and left.args and len(left.args) == len(right.args):
        args = [common_type(a, b) for a, b in zip(left.args, right.args, strict=True)]
        if None not in args:
            return Type(left.name, tuple(a for a in args if a), left.fields)
    return None


def _common_moment(left: Type, right: Type) -> Type:
    if left.name == right.name and left.zone != right.zone:
        raise QueryError("NOT_SUPPORTED", f"times of {left.zone} and {right.zone} as values of one type")
    order = ("date", "timestamp", "timestamp with time zone")
    return max(left, right, key=lambda of: (order.index(of.name), of.params))


def _common_text(left: Type, right: Type) -> Type:
    if left.name != right.name:
        raise QueryError("NOT_SUPPORTED", "char and varchar as values of one type: cast one of them")
    return max(left, right, key=lambda of: of.params)


def _common_number(left: Type, right: Type) -> Type:
    if DOUBLE in (left, right) or REAL in (left, right):
        return DOUBLE if DOUBLE in (left, right) else REAL
    if left.is_integer and right.is_integer:
        return max(left, right, key=lambda t: _INTEGER_DIGITS[t.name])
    (p1, s1), (p2, s2) = decimal_of(left).params, decimal_of(right).params
    scale = max(s1, s2)
    return decimal(max(p1 - s1, p2 - s2) + scale, scale)


def decimal_of(number: Type) -> Type:
    """Return the decimal type that holds every value of an integer or decimal type."""
    return number if number.name == "decimal" else decimal(_INTEGER_DIGITS[number.name], 0)


def render(value: Any, of: Type) -> str | None:
    """Print a value as Athena does in its results; ``None`` for NULL.

    The forms are those of the ``VarCharValue`` of ``GetQueryResults``: https://docs.aws.amazon.com/athena/latest/APIReference/API_Datum.html
    """
    return None if value is None else _RENDERERS.get(of.name, _scalar)(value, of)


def _nested(value: Any, of: Type) -> str:
    printed = render(value, of)
    return "null" if printed is None else printed


def _array(value: Any, of: Type) -> str:
    return f"[{', '.join(_nested(item, of.args[0]) for item in value)}]"


def _map(value: Any, of: Type) -> str:
    key, item = of.args
    return f"{{{', '.join(f'{_nested(k, key)}={_nested(v, item)}' for k, v in value.items())}}}"


def _row(value: Any, of: Type) -> str:
    named = zip(of.fields, of.args, value.values(), strict=True)
    return f"{{{', '.join(f'{f}={_nested(v, t)}' for f, t, v in named)}}}"


def _scalar(value: object, _: Type) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat(" ", "milliseconds")
        case date():
            return value.isoformat()
        case timedelta():
            return _interval(value)
        case Decimal():
            return f"{value:f}"
    return str(value)


_RENDERERS: dict[str, Callable[[Any, Type], str]] = {
    "array": _array,
    "map": _map,
    "row": _row,
    "varbinary": lambda value, _: " ".join(f"{byte:02x}" for byte in value),
    "double": lambda value, _: java_double(value),
    "real": lambda value, _: java_double(value, single=True),
}


def _interval(value: timedelta) -> str:
    """Print an interval day to second: ``0 00:05:00.000``, a minus before it if it is negative."""
    millis = round(value / timedelta(milliseconds=1))
    sign, millis = ("-", -millis) if millis < 0 else ("", millis)
    seconds, millis = divmod(millis, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{sign}{days} {hours:02d}:{minutes:02d}:{seconds:02d}.{millis:03d}"


def java_double(value: float, *, single: bool = False) -> str:
    """Print a floating-point number as ``java.lang.Double.toString`` (or ``Float.toString``) does."""
    if value != value:  # noqa: PLR0124 - the one test that only NaN passes
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    text = _shortest_single(value) if single else repr(float(value))
    sign, digits, exponent = Decimal(text).as_tuple()
    shift = int(exponent) + len(digits) - 1
    minus = "-" if sign else ""
    if not any(digits):
        return f"{minus}0.0"
    if -3 <= shift < 7:
        plain = f"{Decimal((0, digits, int(exponent))):f}"
        whole, _, fraction = plain.partition(".")
        return f"{minus}{whole}.{fraction.rstrip('0') or '0'}"
    mantissa = "".join(map(str, digits)).rstrip("0") or "0"
    return f"{minus}{mantissa[0]}.{mantissa[1:] or '0'}E{shift}"


def _shortest_single(value: float) -> str:
    for precision in range(1, 10):
        text = f"{value:.{precision}g}"
        if struct.pack("f", float(text)) == struct.pack("f", value):
            break
    return text
