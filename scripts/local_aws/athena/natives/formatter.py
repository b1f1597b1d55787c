"""``format`` and ``format_number``: numbers and texts as ``java.util.Formatter`` writes them.

https://trino.io/docs/current/functions/conversion.html
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class _Specifier:
    """One ``%…`` of a format, in its parts."""

    format: str
    text: str
    flags: str
    width: int | None
    precision: int | None
    kind: str

    def fail(self, reason: str) -> QueryError:
        return invalid(f"Invalid format string: {self.format} ({reason})")

    def align(self, text: str) -> str:
        text = text.upper() if self.kind.isupper() else text
        return text.ljust(self.width or 0) if "-" in self.flags else text.rjust(self.width or 0)

    def cut(self, text: str) -> str:
        return text if self.precision is None else text[: self.precision]

    def zeros(self, digits: str, taken: int) -> str:
        return digits.rjust((self.width or 0) - taken, "0") if "0" in self.flags else digits

    def sign(self, digits: str, *, negative: bool) -> str:
        before, after = "", ""
        if negative:
            before, after = ("(", ")") if "(" in self.flags else ("-", "")
        elif "+" in self.flags:
            before = "+"
        elif " " in self.flags:
            before = " "
        return before + self.zeros(digits, len(before + after)) + after

    def check(self) -> None:
        """Refuse flags, widths and precisions that the conversion does not take."""
        kind, flags = self.kind.lower(), self.flags
        for flag in flags:
            if kind in _FLAGS and flag not in _FLAGS[kind]:
                raise self.fail(f"FormatFlagsConversionMismatch: Conversion = {kind}, Flags = {flag}")
        if len(set(flags)) < len(flags):
            raise self.fail(f"DuplicateFormatFlags: Flags = '{flags}'")
        if {"+", " "} <= set(flags) or {"-", "0"} <= set(flags):
            raise self.fail(f"IllegalFormatFlags: Flags = '{flags}'")
        if set(flags) & {"-", "0"} and self.width is None:
            raise self.fail(f"MissingFormatWidth: {self.text}")
        if kind in "cdox" and self.precision is not None:
            raise self.fail(f"IllegalFormatPrecision: {self.precision}")


@provide("VARCHAR, VARCHAR, VARCHAR[] -> VARCHAR")
def format_values(written: str, types: str, values: list[str | None]) -> str:
    """Write values by a format; ``types`` are their types' names, parted by commas."""
    given = [_value(value, kind) for value, kind in zip(values, types.split(","), strict=True)]
    result, end, following, last = [], 0, 0, -1
    for match in _SPECIFIER.finditer(written):
        result.append(_literal(written, written[end : match.start()]))
        end = match.end()
        number, flags, width, precision, time, kind = match.groups()
        specifier = _Specifier(
            written,
            match[0],
            flags.replace("<", ""),
            _count(width),
            _count(precision),
            kind,
        )
        if kind in "%n" and not time:
            result.append(_of_no_value(specifier))
            continue
        at = int(number) - 1 if number else last if "<" in flags else following
        following += at == following and not number and "<" not in flags
        if not 0 <= at < len(given):
            raise specifier.fail(f"MissingFormatArgument: Format specifier '{match[0]}'")
        last = at
        text = _date(specifier, given[at]) if time else _converted(specifier, given[at])
        if time:
            specifier = replace(specifier, kind=time)
        result.append(specifier.align(text))
    result.append(_literal(written, written[end:]))
    return "".join(result)


def _of_no_value(specifier: _Specifier) -> str:
    is_line = specifier.kind == "n"
    flags = set(specifier.flags) - ({"-"} if not is_line else set())
    if specifier.precision is not None or flags or (is_line and specifier.width is not None):
        raise specifier.fail(f"IllegalFormatFlags: Flags = '{specifier.flags}'")
    if "-" in specifier.flags and specifier.width is None:
        raise specifier.fail(f"MissingFormatWidth: {specifier.text}")
    return "\n" if is_line else specifier.align("%")


_READERS: dict[str, Callable[[str], Value]] = {
    **dict.fromkeys(("tinyint", "smallint", "integer", "bigint"), int),
    **dict.fromkeys(("double", "real"), float),
    "decimal": Decimal,
    "boolean": lambda text: text == "true",
    "date": date.fromisoformat,
    "timestamp": datetime.fromisoformat,
}


def _value(text: str | None, kind: str) -> Value:
    return None if text is None else _READERS.get(kind, str)(text)


def _count(written: str | None) -> int | None:
    return int(written) if written else None


def _literal(written: str, text: str) -> str:
    if "%" in text:
        after = text[text.index("%") + 1 :][:1] or "%"
        raise invalid(f"Invalid format string: {written} (UnknownFormatConversion: Conversion = '{after}')")
    return text


def _converted(specifier: _Specifier, value: Value) -> str:
    kind = specifier.kind.lower()
    if kind in "ha":
        raise QueryError("NOT_SUPPORTED", f"{specifier.text} in a format")
    if kind not in "bscdoxefg" or specifier.kind in "DOF":
        raise specifier.fail(f"UnknownFormatConversion: Conversion = '{specifier.kind}'")
    specifier.check()
    if kind == "b":
        return specifier.cut("false" if value in (None, False) and not _is_number(value) else "true")
    if value is None or kind == "s":
        return specifier.cut("null" if value is None else _plain(value))
    return _number(specifier, kind, value)


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _number(specifier: _Specifier, kind: str, value: Value) -> str:
    if isinstance(value, int) and _is_number(value) and kind in "cdox":
        if kind == "c" and not 0 <= value <= 0x10FFFF:
            raise specifier.fail(f"IllegalFormatCodePoint: Code point = {value:#x}")
        return chr(value) if kind == "c" else _integer(specifier, kind, value)
    if isinstance(value, float | Decimal) and kind in "efg":
        return _real(specifier, kind, value)
    raise specifier.fail(f"IllegalFormatConversion: {specifier.kind} != {_java_class(value)}")


def _java_class(value: Value) -> str:
    for kind, name in ((bool, "Boolean"), (int, "Long"), (float, "Double"), (str, "String")):
        if isinstance(value, kind):
            return f"java.lang.{name}"
    if isinstance(value, Decimal):
        return "java.math.BigDecimal"
    return "java.time.LocalDateTime" if isinstance(value, datetime) else "java.time.LocalDate"


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


def _integer(specifier: _Specifier, kind: str, value: int) -> str:
    if kind in "ox":
        prefix = {"o": "0", "x": "0x"}[kind] if "#" in specifier.flags else ""
        return prefix + specifier.zeros(f"{value % 2**64:{kind}}", len(prefix))
    digits = f"{abs(value):,}" if "," in specifier.flags else str(abs(value))
    return specifier.sign(digits, negative=value < 0)


def _real(specifier: _Specifier, kind: str, value: float | Decimal) -> str:
    if isinstance(value, float) and (math.isnan(value) or math.isinf(value)):
        unfilled = replace(specifier, flags=specifier.flags.replace("0", ""))
        return "NaN" if math.isnan(value) else unfilled.sign("Infinity", negative=value < 0)
    places = 6 if specifier.precision is None else specifier.precision
    if isinstance(value, Decimal) and not value and kind in "eg":
        raise QueryError("NOT_SUPPORTED", "%e or %g of a decimal that is zero")
    number = Decimal(repr(value)) if isinstance(value, float) else value
    negative, number = number.is_signed(), abs(number)
    if kind == "g":
        places = max(places, 1)
        scientific = number != 0 and not Decimal("1e-4") <= number < Decimal(10) ** places
        kind = "e" if scientific else "f"
        places = places - 1 if scientific else places - 1 - (number.adjusted() if number else 0)
    if kind == "e":
        return specifier.sign(_scientific(number, places), negative=negative)
    text = f"{number.quantize(Decimal(1).scaleb(-places), context=_EXACT):f}"
    if "," in specifier.flags:
        whole, dot, fraction = text.partition(".")
        text = f"{int(whole):,}{dot}{fraction}"
    return specifier.sign(text, negative=negative)


def _scientific(number: Decimal, places: int) -> str:
    exponent = number.adjusted() if number else 0
    mantissa = number.scaleb(-exponent, _EXACT).quantize(Decimal(1).scaleb(-places), context=_EXACT)
    if mantissa >= 10:
        exponent += 1
        mantissa = (mantissa / 10).quantize(Decimal(1).scaleb(-places), context=_EXACT)
    return f"{mantissa:f}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _date(specifier: _Specifier, value: Value) -> str:
    kind = specifier.kind
    if value is None:
        return "null"
    if not isinstance(value, date):
        raise specifier.fail(f"IllegalFormatConversion: {kind} != {_java_class(value)}")
    if kind == "L" and isinstance(value, datetime):
        return f"{value.microsecond // 1000:03d}"
    if kind == "N" and isinstance(value, datetime):
        return f"{value.microsecond * 1000:09d}"
    if kind not in _DATES:
        raise QueryError("NOT_SUPPORTED", f"%t{kind} in a format")
    if not isinstance(value, datetime) and kind in "HIklMSpTRr":
        raise specifier.fail(f"UnsupportedTemporalType: {kind}")
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
