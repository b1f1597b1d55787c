"""``format`` and ``format_number``: numbers and texts as ``java.util.Formatter`` writes them.

https://trino.io/docs/current/functions/conversion.html
"""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal

from scripts.local_aws.athena.model import QueryError
from scripts.local_aws.athena.natives.registry import invalid, provide
from scripts.local_aws.athena.types import java_double

_SPECIFIER = re.compile(r"%(?:(\d+)\$)?([-#+ 0,(<]*)(\d+)?(?:\.(\d+))?([tT])?([a-zA-Z%])")
_EXACT = Context(prec=400, rounding=ROUND_HALF_UP)
_DATES = {
    "Y": "%Y", "y": "%y", "m": "%m", "d": "%d", "e": "%-d", "H": "%H", "I": "%I", "k": "%-H", "l": "%-I",
    "M": "%M", "S": "%S", "p": "%p", "B": "%B", "b": "%b", "h": "%b", "A": "%A", "a": "%a", "j": "%j",
    "F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M", "D": "%m/%d/%y", "r": "%I:%M:%S %p",
}  # fmt: skip

_FLAGS = {
    "b": "-",
    "s": "-",
    "c": "-",
    "d": "-+ 0,(",
    "o": "-#0",
    "x": "-#0",
    "e": "-#+ 0(",
    "f": "-#+ 0,(",
    "g": "-+ 0,(",
}
"""The flags that a conversion takes."""

Value = bool | int | float | Decimal | str | datetime | date | None


@provide("VARCHAR, VARCHAR, VARCHAR[] -> VARCHAR")
def format_values(written: str, types: str, values: list[str | None]) -> str:
    """Write values by a format; ``types`` are their types' names, parted by commas."""
    given = [_value(value, kind) for value, kind in zip(values, types.split(","), strict=True)]
    result, end, following, last = [], 0, 0, -1
    for match in _SPECIFIER.finditer(written):
        result.append(_literal(written, written[end : match.start()]))
        end = match.end()
        number, flags, width, precision, time, kind = match.groups()
        if kind in "%n" and not time:
            if precision is not None or (kind == "n" and (width or flags)) or set(flags) - {"-"}:
                raise _broken(written, f"IllegalFormatFlags: Flags = '{flags}'")
            result.append("\n" if kind == "n" else _aligned("%", flags, width))
            continue
        if number:
            at = int(number) - 1
        elif "<" in flags:
            at = last
        else:
            at, following = following, following + 1
        if not 0 <= at < len(given):
            raise _broken(written, f"MissingFormatArgument: Format specifier '{match[0]}'")
        last = at
        if not time:
            _check(written, match[0], flags.replace("<", ""), width, precision, kind.lower())
        text = (
            _date(written, given[at], kind)
            if time
            else _written(written, match[0], given[at], flags, width, precision, kind)
        )
        result.append(
            _aligned(text.upper() if time == "T" or (kind.isupper() and not time) else text, flags, width)
        )
    result.append(_literal(written, written[end:]))
    return "".join(result)


def _value(text: str | None, kind: str) -> Value:
    if text is None:
        return None
    match kind:
        case "tinyint" | "smallint" | "integer" | "bigint":
            return int(text)
        case "double" | "real":
            return float(text)
        case "decimal":
            return Decimal(text)
        case "boolean":
            return text == "true"
        case "date":
            return date.fromisoformat(text)
        case "timestamp":
            return datetime.fromisoformat(text)
    return text


def _literal(written: str, text: str) -> str:
    if "%" in text:
        raise _broken(
            written, f"UnknownFormatConversion: Conversion = '{text[text.index('%') + 1 :][:1] or '%'}'"
        )
    return text


def _check(
    written: str, specifier: str, flags: str, width: str | None, precision: str | None, kind: str
) -> None:
    """Refuse flags, widths and precisions that a conversion does not take."""
    for flag in flags:
        if kind in _FLAGS and flag not in _FLAGS[kind]:
            raise _broken(written, f"FormatFlagsConversionMismatch: Conversion = {kind}, Flags = {flag}")
    if len(set(flags)) < len(flags):
        raise _broken(written, f"DuplicateFormatFlags: Flags = '{flags}'")
    if {"+", " "} <= set(flags) or {"-", "0"} <= set(flags):
        raise _broken(written, f"IllegalFormatFlags: Flags = '{flags}'")
    if set(flags) & {"-", "0"} and width is None:
        raise _broken(written, f"MissingFormatWidth: {specifier}")
    if kind in "cdox" and precision is not None:
        raise _broken(written, f"IllegalFormatPrecision: {precision}")


def _broken(written: str, reason: str) -> QueryError:
    return invalid(f"Invalid format string: {written} ({reason})")


def _aligned(text: str, flags: str, width: str | None) -> str:
    size = int(width or 0)
    return text.ljust(size) if "-" in flags else text.rjust(size)


def _written(
    written: str,
    specifier: str,
    value: Value,
    flags: str,
    width: str | None,
    precision: str | None,
    kind: str,
) -> str:
    lowered = kind.lower()
    if lowered not in "bscdoxefg" or (kind in "DOCF" and kind != "C"):
        raise (
            _broken(written, f"UnknownFormatConversion: Conversion = '{kind}'")
            if lowered not in "ha"
            else QueryError("NOT_SUPPORTED", f"{specifier} in a format")
        )
    if lowered == "b":
        return _cut(
            ("false" if value is None else str(value).lower() if isinstance(value, bool) else "true"),
            precision,
        )
    if value is None:
        return _cut("null", precision)
    if lowered == "s":
        return _cut(_plain(value), precision)
    number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    if lowered == "c" and isinstance(value, int) and number:
        return chr(value)
    if lowered in "dox" and isinstance(value, int) and number:
        return _integer(value, flags, width, lowered)
    if lowered in "efg" and isinstance(value, float | Decimal):
        return _real(value, flags, width, precision, lowered)
    raise _broken(written, f"IllegalFormatConversion: {kind} != {_java_class(value)}")


def _java_class(value: Value) -> str:
    for kind, name in ((bool, "Boolean"), (int, "Long"), (float, "Double"), (str, "String")):
        if isinstance(value, kind):
            return f"java.lang.{name}"
    if isinstance(value, Decimal):
        return "java.math.BigDecimal"
    return "java.time.LocalDateTime" if isinstance(value, datetime) else "java.time.LocalDate"


def _cut(text: str, precision: str | None) -> str:
    return text if precision is None else text[: int(precision)]


def _plain(value: Value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return java_double(value)
        case Decimal():
            return f"{value:f}"
        case datetime():
            spec = (
                "microseconds"
                if value.microsecond % 1000
                else "milliseconds"
                if value.microsecond
                else "seconds"
            )
            text = value.isoformat("T", spec)
            return text.removesuffix(":00") if value.second == 0 and value.microsecond == 0 else text
    return str(value)


def _integer(value: int, flags: str, width: str | None, kind: str) -> str:
    if kind in "ox":
        digits = f"{value % 2**64:{kind}}"
        prefix = {"o": "0", "x": "0x"}[kind] if "#" in flags else ""
        return prefix + _zeros(digits, flags, width, len(prefix))
    return _signed(value < 0, f"{abs(value):,}" if "," in flags else str(abs(value)), flags, width)


def _signed(negative: bool, digits: str, flags: str, width: str | None) -> str:
    before, after = "", ""
    if negative:
        before, after = ("(", ")") if "(" in flags else ("-", "")
    elif "+" in flags:
        before = "+"
    elif " " in flags:
        before = " "
    return before + _zeros(digits, flags, width, len(before + after)) + after


def _zeros(digits: str, flags: str, width: str | None, taken: int) -> str:
    return digits.rjust(int(width or 0) - taken, "0") if "0" in flags else digits


def _real(value: float | Decimal, flags: str, width: str | None, precision: str | None, kind: str) -> str:
    if isinstance(value, float) and (math.isnan(value) or math.isinf(value)):
        return "NaN" if math.isnan(value) else _signed(value < 0, "Infinity", flags.replace("0", ""), width)
    places = 6 if precision is None else int(precision)
    if isinstance(value, Decimal) and not value and kind in "eg":
        raise QueryError("NOT_SUPPORTED", "%e or %g of a decimal that is zero")
    number = Decimal(repr(value)) if isinstance(value, float) else value
    negative = number.is_signed()
    number = abs(number)
    if kind == "g":
        places = max(places, 1)
        scientific = (
            number != 0 and not Decimal("1e-4") <= _EXACT.create_decimal(number) < Decimal(10) ** places
        )
        kind = "e" if scientific else "f"
        places = places - 1 if kind == "e" else places - 1 - (number.adjusted() if number else 0)
    if kind == "e":
        text = _scientific(number, places)
    else:
        text = f"{number.quantize(Decimal(1).scaleb(-places), context=_EXACT):f}"
        if "," in flags:
            whole, dot, fraction = text.partition(".")
            text = f"{int(whole):,}{dot}{fraction}"
    return _signed(negative, text, flags, width)


def _scientific(number: Decimal, places: int) -> str:
    exponent = number.adjusted() if number else 0
    mantissa = number.scaleb(-exponent, _EXACT).quantize(Decimal(1).scaleb(-places), context=_EXACT)
    if mantissa >= 10:
        exponent += 1
        mantissa = (mantissa / 10).quantize(Decimal(1).scaleb(-places), context=_EXACT)
    return f"{mantissa:f}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _date(written: str, value: Value, kind: str) -> str:
    if value is None:
        return "null"
    if not isinstance(value, date):
        raise _broken(written, f"IllegalFormatConversion: {kind} != {_java_class(value)}")
    if kind == "L" and isinstance(value, datetime):
        return f"{value.microsecond // 1000:03d}"
    if kind == "N" and isinstance(value, datetime):
        return f"{value.microsecond * 1000:09d}"
    if kind not in _DATES:
        raise QueryError("NOT_SUPPORTED", f"%t{kind} in a format")
    if not isinstance(value, datetime) and kind in "HIklMSpTRr":
        raise _broken(written, f"UnsupportedTemporalType: {kind}")
    text = value.strftime(_DATES[kind])
    return text.lower() if kind == "p" else text


_SCALES = (("", 0), ("K", 3), ("M", 6), ("B", 9), ("T", 12), ("Q", 15))


@provide("DOUBLE -> VARCHAR")
def format_number(value: float) -> str:
    """Write a number shortly, with a unit: ``1.23M``."""
    if value - value != 0:
        raise QueryError("NOT_SUPPORTED", f"format_number of {value}")
    size, at = abs(value), 0
    while size >= 1000 and at < len(_SCALES) - 1:
        size, at = size / 1000, at + 1
    places = 2 if size < 10 else 1 if size < 100 else 0
    number = Decimal(size).quantize(Decimal(1).scaleb(-places), rounding="ROUND_HALF_EVEN")
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return f"{'-' if value < 0 else ''}{text}{_SCALES[at][0]}"
