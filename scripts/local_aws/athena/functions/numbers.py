"""Functions of numbers.

https://trino.io/docs/current/functions/math.html and functions/bitwise.html
"""

from __future__ import annotations

from collections.abc import Sequence

from scripts.local_aws.athena.casts import Typed, cast_sql, check
from scripts.local_aws.athena.functions.building import (
    Argument,
    Builder,
    NoOverloadError,
    as_type,
    form,
    numeric,
    typed,
)
from scripts.local_aws.athena.natives import native
from scripts.local_aws.athena.operators import arithmetic
from scripts.local_aws.athena.types import BIGINT, DOUBLE, INTEGER, Type, array, decimal


def _abs(arguments: Sequence[Argument]) -> Typed:
    value = numeric(*typed(arguments, 1))
    return Typed(f"abs({value.sql})", value.type)


def _sign(arguments: Sequence[Argument]) -> Typed:
    value = numeric(*typed(arguments, 1))
    result = decimal(1, 0) if value.type.name == "decimal" else value.type
    return Typed(cast_sql(f"sign({value.sql})", result), result)


def _whole(name: str) -> Builder:
    """Build ``ceil`` or ``floor``."""

    def build(arguments: Sequence[Argument]) -> Typed:
        value = numeric(*typed(arguments, 1))
        if value.type.is_integer:
            return value
        if value.type.name == "decimal":
            precision, scale = value.type.params
            result = decimal(precision - scale + min(scale, 1), 0)
            return Typed(cast_sql(f"{name}({value.sql})", result), result)
        return Typed(f"{name}({value.sql})", value.type)

    return build


def _to_places(*, cut: bool) -> Builder:
    """Build ``round`` or, if ``cut``, ``truncate``."""

    def build(arguments: Sequence[Argument]) -> Typed:
        value, *places = typed(arguments, 1, 2)
        value = numeric(value)
        count = as_type(places[0], INTEGER) if places else "0"
        how = "true" if cut else "false"
        if value.type.is_integer:
            if not places:
                return value
            return Typed(cast_sql(native("round_integer", value.sql, count, how), value.type), value.type)
        if value.type.name == "decimal":
            result = _rounded_type(value.type, to_places=bool(places), cut=cut)
            written = native("decimal_round", f"CAST({value.sql} AS VARCHAR)", count, how)
            return Typed(cast_sql(written, result), result)
        name = "truncate_double" if cut else "round_double"
        return Typed(cast_sql(native(name, f"CAST({value.sql} AS DOUBLE)", count), value.type), value.type)

    return build


def _rounded_type(of: Type, *, to_places: bool, cut: bool) -> Type:
    precision, scale = of.params
    if to_places:
        return of if cut else decimal(precision + 1, scale)
    if cut:
        return decimal(max(precision - scale, 1), 0)
    return decimal(precision - scale + min(scale, 1), 0)


def _mod(arguments: Sequence[Argument]) -> Typed:
    left, right = typed(arguments, 2)
    result = arithmetic("%", numeric(left), numeric(right))
    if result is None:
        raise NoOverloadError
    return result


def _real(name: str) -> Builder:
    return form(f"double -> double := {native('real_function', repr(name), '{0}')}")


def _width_bucket(arguments: Sequence[Argument]) -> Typed:
    values = typed(arguments, 2, 4)
    if len(values) == 2:
        sqls = [as_type(values[0], DOUBLE), as_type(values[1], array(DOUBLE))]
        return Typed(native("width_bucket_of", *sqls), BIGINT)
    sqls = [as_type(value, DOUBLE) for value in values[:3]]
    return Typed(native("width_bucket", *sqls, as_type(values[3], BIGINT)), BIGINT)


def _shift(*, left: bool, arithmetic_: bool = False) -> Builder:
    """Build a shift of 64 bits, or of as many as the type has."""

    def build(arguments: Sequence[Argument]) -> Typed:
        value, count = typed(arguments, 2)
        if not value.type.is_integer:
            raise NoOverloadError
        bits = {"tinyint": 8, "smallint": 16, "integer": 32, "bigint": 64}[value.type.name]
        flags = f"{'true' if left else 'false'}, {'true' if arithmetic_ else 'false'}"
        return Typed(
            cast_sql(native("shifted", value.sql, as_type(count, BIGINT), str(bits), flags), value.type),
            value.type,
        )

    return build


def _between(low: str, high: str) -> str:
    """Write a random integer, which DuckDB's ``random`` makes."""
    complaint = "'INVALID_FUNCTION_ARGUMENT: bound must be positive'"
    size = check(f"({high}) > ({low})", f"({high}) - ({low})", BIGINT, complaint)
    return f"CAST(floor(random() * {size}) AS BIGINT) + ({low})"


NUMBERS: dict[str, Builder] = {
    "abs": _abs,
    "sign": _sign,
    "ceil": _whole("ceil"),
    "ceiling": _whole("ceil"),
    "floor": _whole("floor"),
    "round": _to_places(cut=False),
    "truncate": _to_places(cut=True),
    "mod": _mod,
    "power": form(f"double, double -> double := {native('power', '{0}', '{1}')}"),
    "log": form(f"double, double -> double := {native('logarithm', '{0}', '{1}')}"),
    **{name: _real(name) for name in ("sqrt", "cbrt", "exp", "ln", "log2", "log10", "degrees", "radians")},
    **{name: _real(name) for name in ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh")},
    "atan2": form("double, double -> double := atan2({0}, {1})"),
    "e": form(" -> double := CAST('2.718281828459045' AS DOUBLE)"),
    "pi": form(" -> double := pi()"),
    "nan": form(" -> double := CAST('NaN' AS DOUBLE)"),
    "infinity": form(" -> double := CAST('Infinity' AS DOUBLE)"),
    "is_nan": form("double -> boolean := isnan({0})"),
    "is_finite": form("double -> boolean := isfinite({0})"),
    "is_infinite": form("double -> boolean := isinf({0})"),
    "width_bucket": _width_bucket,
    "to_base": form(f"bigint, bigint -> varchar := {native('to_base', '{0}', '{1}')}"),
    "from_base": form(f"varchar, bigint -> bigint := {native('from_base', '{0}', '{1}')}"),
    "bit_count": form(f"bigint, bigint -> bigint := {native('bit_count', '{0}', '{1}')}"),
    "bitwise_and": form("bigint, bigint -> bigint := ({0} & {1})"),
    "bitwise_or": form("bigint, bigint -> bigint := ({0} | {1})"),
    "bitwise_xor": form("bigint, bigint -> bigint := xor({0}, {1})"),
    "bitwise_not": form("bigint -> bigint := (~{0})"),
    "bitwise_left_shift": _shift(left=True),
    "bitwise_right_shift": _shift(left=False),
    "bitwise_right_shift_arithmetic": _shift(left=False, arithmetic_=True),
    "random": form(
        " -> double := random()",
        f"bigint -> bigint := {_between('0', '{0}')}",
        f"bigint, bigint -> bigint := {_between('{0}', '{1}')}",
    ),
}
NUMBERS["pow"], NUMBERS["rand"] = NUMBERS["power"], NUMBERS["random"]
