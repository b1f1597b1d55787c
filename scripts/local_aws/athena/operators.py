"""Arithmetic by Trino's rules: of integers, decimals, doubles, dates and intervals.

https://trino.io/docs/current/functions/math.html, functions/decimal.html and functions/datetime.html
"""

from __future__ import annotations

from scripts.local_aws.athena.casts import (
    Typed,
    cast_sql,
    check,
    coerce,
    explicit_cast,
    in_zone,
    instant,
    local,
)
from scripts.local_aws.athena.natives import native
from scripts.local_aws.athena.types import (
    BOOLEAN,
    DATE,
    DAY_INTERVAL,
    DOUBLE,
    MONTH_INTERVAL,
    TIMESTAMP,
    Type,
    common_type,
    decimal,
    decimal_of,
)

_INTERVALS = (DAY_INTERVAL, MONTH_INTERVAL)


def arithmetic(operator: str, left: Typed, right: Typed) -> Typed | None:
    """Write ``left operator right``; ``None`` if Athena has no such operator for these types."""
    if left.type.is_moment or right.type.is_moment or left.type in _INTERVALS or right.type in _INTERVALS:
        return _of_moments(operator, left, right)
    found = common_type(left.type, right.type)
    if not found or not found.is_numeric:
        return None
    if found.name == "decimal":
        return _of_decimals(operator, left, right)
    one, other = (coerce(side, found) or side for side in (left, right))
    symbol = "//" if operator == "/" and found.is_integer else operator
    if operator == "%" and not found.is_integer:
        return Typed(cast_sql(native("remainder", one.sql, other.sql), found), found)
    return Typed(f"({one.sql} {symbol} {other.sql})", found)


def _of_decimals(operator: str, left: Typed, right: Typed) -> Typed:
    (p1, s1), (p2, s2) = decimal_of(left.type).params, decimal_of(right.type).params
    scale = max(s1, s2)
    match operator:
        case "*":
            precision, scale = p1 + p2, s1 + s2
        case "/":
            precision = p1 + s2 + max(s2 - s1, 0)
        case "%":
            precision = min(p2 - s2, p1 - s1) + scale
        case _:
            precision = max(p1 - s1, p2 - s2) + scale + 1
    result = decimal(max(precision, 1), scale)
    if operator in "+-*" and precision <= 38:
        return Typed(cast_sql(f"{left.sql} {operator} {right.sql}", result), result)
    one, other = (f"CAST({side.sql} AS VARCHAR)" for side in (left, right))
    return Typed(
        cast_sql(native("decimal_operation", one, f"'{operator}'", other, str(scale)), result), result
    )


def _of_moments(operator: str, left: Typed, right: Typed) -> Typed | None:
    if operator == "+" and left.type in _INTERVALS and right.type.is_moment:
        left, right = right, left
    if operator == "*" and left.type.is_numeric:
        left, right = right, left
    if operator in ("+", "-") and left.type.is_moment and right.type in _INTERVALS:
        return _moved(operator, left, right)
    if operator == "-" and left.type.is_moment and right.type.is_moment:
        return Typed(f"({instant(left)} - {instant(right)})", DAY_INTERVAL)
    if operator in ("+", "-") and left.type == right.type and left.type in _INTERVALS:
        return Typed(f"({left.sql} {operator} {right.sql})", left.type)
    if left.type in _INTERVALS and operator in ("*", "/") and right.type.is_numeric:
        return _scaled(operator, left, right)
    return None


def _moved(operator: str, left: Typed, right: Typed) -> Typed:
    if left.type == DATE and right.type == DAY_INTERVAL:
        days = f"(epoch_ms({right.sql}) // 86400000)"
        moved = f"CAST({left.sql} {operator} {days} * INTERVAL 1 DAY AS DATE)"
        complaint = "'INVALID_FUNCTION_ARGUMENT: Cannot add hour, minutes or seconds to a date'"
        whole = check(
            f"{right.sql} IS NULL OR epoch_ms({right.sql}) % 86400000 = 0", "true", BOOLEAN, complaint
        )
        return Typed(f"CASE WHEN {whole} THEN {moved} END", DATE)
    if right.type == DAY_INTERVAL and left.type.name == "timestamp with time zone":
        return zoned(f"({instant(left)} {operator} {right.sql})", left.type)
    moved_ = Typed(f"({local(left)} {operator} {right.sql})", TIMESTAMP)
    return from_local(moved_, left.type)


def _scaled(operator: str, left: Typed, right: Typed) -> Typed | None:
    if operator == "/" and right.type.is_integer:
        right = Typed(cast_sql(right.sql, DOUBLE), DOUBLE)
    if right.type.is_integer and operator == "*":
        return Typed(f"({left.sql} * {right.sql})", left.type)
    factor = coerce(right, DOUBLE)
    if factor is None:
        return None
    if left.type == MONTH_INTERVAL:
        months = f"(date_part('year', {left.sql}) * 12 + date_part('month', {left.sql}))"
        amount = native("double_to_integer", f"CAST({months} {operator} {factor.sql} AS DOUBLE)", "'integer'")
        return Typed(f"to_months(CAST({amount} AS INTEGER))", MONTH_INTERVAL)
    millis = f"CAST(epoch_ms({left.sql}) AS DOUBLE) {operator} {factor.sql}"
    amount = native("double_to_integer", f"CAST({millis} AS DOUBLE)", "'bigint'")
    return Typed(f"to_milliseconds({amount})", DAY_INTERVAL)


def zoned(utc: str, of: Type) -> Typed:
    """Return a timestamp with time zone of an expression that is a timestamp in UTC."""
    return Typed(f"({utc} AT TIME ZONE 'UTC')", of)


def from_local(value: Typed, of: Type) -> Typed:
    """Return a local timestamp as a date, a timestamp, or a timestamp of a zone."""
    if of.name != "timestamp with time zone":
        return explicit_cast(value, of)
    return Typed(in_zone(value.sql, of.zone), of)
