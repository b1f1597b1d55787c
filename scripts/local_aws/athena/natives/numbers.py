"""Numbers: what is read from texts, rounded, and computed as Java does.

io.trino.operator.scalar.MathFunctions and io.trino.type.DecimalOperators;
https://trino.io/docs/current/functions/math.html and https://trino.io/docs/current/functions/decimal.html
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import MAX_PREC, ROUND_DOWN, ROUND_HALF_UP, Context, Decimal, InvalidOperation

from scripts.local_aws.athena.model import QueryError
from scripts.local_aws.athena.natives.registry import invalid, provide

_EXACT = Context(prec=200, Emax=MAX_PREC, rounding=ROUND_HALF_UP)
_LONG = 2**63
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_INTEGERS = {"tinyint": 2**7, "smallint": 2**15, "integer": 2**31, "bigint": _LONG}
_INTEGER_NAMES = {"tinyint": "TINYINT", "smallint": "SMALLINT", "integer": "INT", "bigint": "BIGINT"}
JAVA_SPACES = "".join(map(chr, range(33)))
"""What ``String.trim`` of Java takes away."""


def _cast_error(text: str, to: str) -> QueryError:
    return QueryError("INVALID_CAST_ARGUMENT", f"Cannot cast '{text}' to {to}")


@provide("VARCHAR -> BOOLEAN")
def to_boolean(text: str) -> bool:
    """Read a boolean."""
    lowered = text.lower() if text.isascii() else ""
    if lowered in ("true", "t", "1"):
        return True
    if lowered in ("false", "f", "0"):
        return False
    raise _cast_error(text, "BOOLEAN")


@provide("VARCHAR, VARCHAR -> BIGINT")
def to_integer(text: str, to: str) -> int:
    """Read an integer, spaces around it left out."""
    written = text.strip(JAVA_SPACES)
    limit = _INTEGERS[to]
    if not re.fullmatch(r"[+-]?\d+", written) or not -limit <= int(written) < limit:
        raise _cast_error(text, _INTEGER_NAMES[to])
    return int(written)


@provide("VARCHAR -> DOUBLE")
def to_double(text: str) -> float:
    """Read a number as ``Double.parseDouble`` does: ``1.5d`` and ``NaN`` are numbers, ``nan`` is none."""
    written = text.strip(JAVA_SPACES)
    if re.fullmatch(r"[+-]?(NaN|Infinity)", written):
        return float(written)
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[dDfF]?", written):
        if re.fullmatch(r"[+-]?0[xX].*", written):
            raise QueryError("NOT_SUPPORTED", "a hexadecimal number")
        raise _cast_error(text, "DOUBLE")
    return float(written.rstrip("dDfF"))


@provide("VARCHAR, INTEGER, INTEGER -> VARCHAR")
def to_decimal(text: str, precision: int, scale: int) -> str:
    """Read a decimal, rounded half up to its scale."""
    to = f"DECIMAL({precision}, {scale})"
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?", text):
        message = f"Cannot cast VARCHAR '{text}' to {to}. Value is not a number."
        raise QueryError("INVALID_CAST_ARGUMENT", message)
    return _fitted(Decimal(text), precision, scale, f"Cannot cast VARCHAR '{text}' to {to}. Value too large.")


def _fitted(
    value: Decimal, precision: int, scale: int, complaint: str, code: str = "INVALID_CAST_ARGUMENT"
) -> str:
    fitted = value.quantize(Decimal(1).scaleb(-scale), context=_EXACT)
    if len(fitted.as_tuple().digits) > precision and fitted:
        raise QueryError(code, complaint)
    return f"{fitted or abs(fitted):f}"


@provide("DOUBLE, INTEGER, INTEGER -> VARCHAR")
def double_to_decimal(value: float, precision: int, scale: int) -> str:
    """Convert a double, rounded half up."""
    complaint = f"Cannot cast DOUBLE '{value}' to DECIMAL({precision}, {scale})"
    if value - value != 0:
        raise QueryError("INVALID_CAST_ARGUMENT", complaint)
    return _fitted(Decimal(value), precision, scale, complaint)


@provide("VARCHAR, VARCHAR, VARCHAR, INTEGER -> VARCHAR")
def decimal_operation(left: str, operator: str, right: str, scale: int) -> str:
    """Compute with decimals as Trino does; a quotient is rounded half up to its scale."""
    one, other = Decimal(left), Decimal(right)
    if operator in "/%" and not other:
        raise QueryError("DIVISION_BY_ZERO", "Division by zero")
    if operator == "/":
        wide = _EXACT.divide(one.scaleb(scale + 1, _EXACT), other)
        # a digit more than asked for, cut and not rounded, decides the rounding
        value = wide.to_integral_value(ROUND_DOWN).scaleb(-scale - 1, _EXACT)
    elif operator == "%":
        value = _EXACT.remainder(one, other)
    else:
        value = {"+": _EXACT.add, "-": _EXACT.subtract, "*": _EXACT.multiply}[operator](one, other)
    return _fitted(value, 38, scale, "Decimal overflow", "NUMERIC_VALUE_OUT_OF_RANGE")


@provide("VARCHAR, INTEGER, BOOLEAN -> VARCHAR")
def decimal_round(value: str, places: int, cut: bool) -> str:
    """Round half up, or cut, to decimal places; negative ones are before the point."""
    number = Decimal(value)
    if -int(number.as_tuple().exponent) <= places:
        return value
    if places < -38:
        return "0"
    rounded_ = number.quantize(
        Decimal(1).scaleb(-places), rounding=ROUND_DOWN if cut else None, context=_EXACT
    )
    return f"{rounded_ or abs(rounded_):f}"


@provide("VARCHAR[], INTEGER -> VARCHAR")
def decimal_average(values: list[str | None], scale: int) -> str | None:
    """Return the mean of decimals in their own scale, rounded half up."""
    present = [Decimal(value) for value in values if value is not None]
    if not present:
        return None
    total = sum(present, Decimal(0)) if len(present) == 1 else _sum(present)
    return decimal_operation(f"{total:f}", "/", str(len(present)), scale)


def _sum(values: list[Decimal]) -> Decimal:
    total = Decimal(0)
    for value in values:
        total = _EXACT.add(total, value)
    return total


def rounded(value: float) -> int:
    """Round a double half up, away from zero. Raises ``QueryError`` if it is not of a bigint's range."""
    if value - value != 0:
        raise QueryError("INVALID_CAST_ARGUMENT", f"Cannot cast double {value} to bigint")
    whole = int(Decimal(value).to_integral_value(ROUND_HALF_UP))
    if not -_LONG <= whole < _LONG:
        raise QueryError("INVALID_CAST_ARGUMENT", f"Unable to cast {value} to bigint")
    return whole


@provide("DOUBLE, VARCHAR -> BIGINT")
def double_to_integer(value: float, to: str) -> int:
    """Cast a double to an integer type."""
    whole = rounded(value)
    if not -_INTEGERS[to] <= whole < _INTEGERS[to]:
        code = "INVALID_CAST_ARGUMENT" if to == "integer" else "NUMERIC_VALUE_OUT_OF_RANGE"
        raise QueryError(code, f"Out of range for {to}: {value}")
    return whole


def _java_round(value: float) -> int:
    """Return ``Math.round``: half up, held within a bigint."""
    if value != value:  # noqa: PLR0124 - the one test that only NaN passes
        return 0
    if abs(value) >= _LONG:
        return _LONG - 1 if value > 0 else -_LONG
    return math.floor(Decimal(value) + Decimal("0.5"))


@provide("DOUBLE, INTEGER -> DOUBLE")
def round_double(value: float, places: int) -> float:
    """Round a double to decimal places."""
    if value - value != 0:
        return value
    factor = _power(10.0, float(places))
    if factor == 0 or math.isinf(factor):
        raise QueryError("NOT_SUPPORTED", f"rounding to {places} decimal places")
    scaled = abs(value) * factor
    if scaled >= _LONG:
        raise QueryError("NOT_SUPPORTED", f"rounding {value} to {places} decimal places")
    return math.copysign(_java_round(scaled) / factor, value) if value < 0 else _java_round(scaled) / factor


@provide("DOUBLE, INTEGER -> DOUBLE")
def truncate_double(value: float, places: int) -> float:
    """Cut a double to decimal places."""
    if value - value != 0:
        return value
    return float(
        Decimal(repr(value)).quantize(Decimal(1).scaleb(-places), rounding=ROUND_DOWN, context=_EXACT)
    )


@provide("BIGINT, INTEGER, BOOLEAN -> HUGEINT")
def round_integer(value: int, places: int, cut: bool) -> int:
    """Round an integer half up, or cut it, to tens, hundreds and so on."""
    if places >= 0:
        return value
    if places < -18:
        return 0
    factor = int(10**-places)
    half = 0 if cut else factor // 2
    result = (abs(value) + half) // factor * factor
    return -result if value < 0 else result


@provide("DOUBLE, DOUBLE -> DOUBLE")
def power(base: float, exponent: float) -> float:
    """Return ``Math.pow``."""
    return _power(base, exponent)


def _power(base: float, exponent: float) -> float:
    if exponent == 0:
        return 1.0
    if math.isnan(exponent) or math.isnan(base) or (abs(base) == 1 and math.isinf(exponent)):
        return math.nan
    odd = exponent % 2 == 1
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and odd else math.inf
    except ValueError:
        if base == 0:
            return math.copysign(math.inf, base) if odd else math.inf
        return math.nan


_REAL_FUNCTIONS: dict[str, Callable[[float], float]] = {
    **{name: getattr(math, name) for name in ("exp", "sin", "cos", "tan", "asin", "acos", "atan", "sinh")},
    **{name: getattr(math, name) for name in ("cosh", "tanh", "degrees", "radians", "sqrt", "log10", "log2")},
    "ln": math.log,
}


def _cube_root(value: float) -> float:
    if value == 0 or value - value != 0:
        return value
    precise = Context(prec=40)
    root = precise.exp(precise.divide(precise.ln(precise.create_decimal(abs(value))), 3))
    return math.copysign(float(root), value)


_REAL_FUNCTIONS["cbrt"] = _cube_root


@provide("VARCHAR, DOUBLE -> DOUBLE")
def real_function(name: str, value: float) -> float:
    """Return a function of ``java.lang.Math``: NaN where it has no value, infinity where it has no bound."""
    if name in ("ln", "log2", "log10") and value == 0:
        return -math.inf
    try:
        return _REAL_FUNCTIONS[name](value)
    except ValueError:
        return math.nan
    except OverflowError:
        return math.copysign(math.inf, value) if name == "sinh" else math.inf


@provide("DOUBLE, DOUBLE -> DOUBLE")
def logarithm(base: float, value: float) -> float:
    """Return the logarithm to a base."""
    one, other = real_function("ln", value), real_function("ln", base)
    if other == 0:
        return math.nan if one == 0 or math.isnan(one) else math.copysign(math.inf, one)
    return one / other


@provide("DOUBLE, DOUBLE -> DOUBLE")
def remainder(dividend: float, divisor: float) -> float:
    """Return Java's ``%`` of doubles."""
    if divisor == 0 or math.isinf(dividend) or math.isnan(dividend) or math.isnan(divisor):
        return math.nan
    return math.fmod(dividend, divisor)


@provide("DOUBLE, DOUBLE, DOUBLE, BIGINT -> BIGINT")
def width_bucket(value: float, low: float, high: float, count: int) -> int:
    """Return the bucket of equal widths in which a value is."""
    if count <= 0:
        raise invalid("bucketCount must be greater than 0")
    for bound, name in ((value, "operand"), (low, "bound1"), (high, "bound2")):
        if math.isnan(bound) or (name != "operand" and math.isinf(bound)):
            raise invalid(f"{name} must {'not be NaN' if name == 'operand' else 'be finite'}")
    if low == high:
        raise invalid("bounds cannot equal each other")
    lower, upper = min(low, high), max(low, high)
    if value < lower:
        result = 0
    elif value >= upper:
        result = count + 1
    else:
        result = int(count * (value - lower) / (upper - lower) + 1)
    return count - result + 1 if low > high else result


@provide("DOUBLE, DOUBLE[] -> BIGINT")
def width_bucket_of(value: float, bins: list[float | None]) -> int:
    """Return how many of the sorted bounds are not above a value."""
    if not bins:
        raise invalid("Bins cannot be an empty array")
    if math.isnan(value):
        raise invalid("Operand cannot be NaN")
    bounds = [bound for bound in bins if bound is not None]
    if len(bounds) < len(bins) or any(bound - bound != 0 for bound in bounds):
        raise invalid("Bin values must be finite")
    if bounds != sorted(bounds):
        raise invalid("Bin values are not sorted in ascending order")
    return sum(bound <= value for bound in bounds)


def _radix(radix: int) -> int:
    if not 2 <= radix <= 36:
        raise invalid("Radix must be between 2 and 36")
    return radix


@provide("BIGINT, BIGINT -> VARCHAR")
def to_base(value: int, radix: int) -> str:
    """Write an integer to a base."""
    _radix(radix)
    digits, rest = "", abs(value)
    while rest or not digits:
        rest, digit = divmod(rest, radix)
        digits = _DIGITS[digit] + digits
    return f"-{digits}" if value < 0 else digits


@provide("VARCHAR, BIGINT -> BIGINT")
def from_base(text: str, radix: int) -> int:
    """Read an integer to a base."""
    known = _DIGITS[: _radix(radix)]
    if re.fullmatch(rf"[+-]?[{known}]+", text, re.IGNORECASE | re.ASCII):
        value = int(text, radix)
        if -_LONG <= value < _LONG:
            return value
    raise invalid(f"Not a valid base-{radix} number: {text}")


@provide("DOUBLE[] -> DOUBLE")
def skewness(values: list[float | None]) -> float | None:
    """Return the skewness of a population."""
    present = [value for value in values if value is not None]
    if len(present) < 3:
        return None
    second, third = _moments(present)[:2]
    return math.sqrt(len(present)) * third / _power(second, 1.5) if second else math.nan


@provide("DOUBLE[] -> DOUBLE")
def kurtosis(values: list[float | None]) -> float | None:
    """Return the excess kurtosis of a sample."""
    present = [value for value in values if value is not None]
    n = len(present)
    if n < 4:
        return None
    second, _, fourth = _moments(present)
    if not second:
        return math.nan
    return (n - 1) * n * (n + 1) / ((n - 2) * (n - 3)) * fourth / second**2 - 3 * (n - 1) ** 2 / (
        (n - 2) * (n - 3)
    )


def _moments(values: list[float]) -> tuple[float, float, float]:
    mean = math.fsum(values) / len(values)
    second, third, fourth = (math.fsum((value - mean) ** power for value in values) for power in (2, 3, 4))
    return second, third, fourth


@provide("DOUBLE[], DOUBLE -> DOUBLE")
def percentile(values: list[float | None], share: float) -> float | None:
    """Return what ``approx_percentile`` does of values that its digest keeps one by one."""
    present = sorted(value for value in values if value is not None)
    if not 0 <= share <= 1:
        raise invalid("Percentile must be between 0 and 1")
    if not present:
        return None
    return present[min(int(share * len(present)), len(present) - 1)]


def as_decimal(text: str) -> Decimal | None:
    """Read a plain decimal, ``None`` if it is none."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


@provide("BIGINT, BIGINT -> BIGINT")
def bit_count(value: int, bits: int) -> int:
    """Count the bits that are set of a number of so many."""
    if not 2 <= bits <= 64:
        raise invalid(f"Bits specified in bit_count must be between 2 and 64, got {bits}")
    limit = 1 << (bits - 1)
    if not -limit <= value < limit:
        raise invalid(
            "Number must be representable with the bits specified. "
            f"{value} cannot be represented with {bits} bits"
        )
    return (value % (1 << bits)).bit_count()


@provide("BIGINT, BIGINT, INTEGER, BOOLEAN, BOOLEAN -> BIGINT")
def shifted(value: int, count: int, bits: int, left: bool, arithmetic: bool) -> int:
    """Shift an integer of so many bits; all are gone where the count is not below them."""
    if count < 0 or count >= bits:
        return -1 if arithmetic and value < 0 and count >= 0 else 0
    if arithmetic:
        return value >> count
    size = 1 << bits
    result = ((value % size) << count if left else (value % size) >> count) % size
    return result - size if result >= size // 2 else result
