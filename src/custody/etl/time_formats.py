"""Formats of dates and times, as a contract names them in the words of ``strftime``.

``%Y %m %d %H %I %p %M %S %f %z %b %B``, and ``%-m %-d %-H %-I`` for numbers without a leading zero. Names of
months are English, in any case. ``%f`` has one to six digits; ``%z`` is ``Z``, ``+05:30`` or ``+0530``. A
directive stands once. Years of two digits are not read: nobody can say of which century they are. Nor are two
numbers of no fixed length with nothing but digits between: ``1112026`` may be of 1 November or of 11 January.
"""

from __future__ import annotations

import re
from functools import cache

MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_PATTERNS = {
    "Y": ("year", "[0-9]{4}"),
    "m": ("month", "[0-9]{2}"),
    "-m": ("month", "[0-9]{1,2}"),
    "b": ("month_name", f"(?i:{'|'.join(month[:3] for month in MONTHS)})"),
    "B": ("month_name", f"(?i:{'|'.join(MONTHS)})"),
    "d": ("day", "[0-9]{2}"),
    "-d": ("day", "[0-9]{1,2}"),
    "H": ("hour", "[0-9]{2}"),
    "-H": ("hour", "[0-9]{1,2}"),
    "I": ("half_hour", "[0-9]{2}"),
    "-I": ("half_hour", "[0-9]{1,2}"),
    "p": ("half", "(?i:AM|PM)"),
    "M": ("minute", "[0-9]{2}"),
    "S": ("second", "[0-9]{2}"),
    "f": ("fraction", "[0-9]{1,6}"),
    "z": ("offset", "Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9]"),
}
_PIECE = re.compile(r"%(-?[A-Za-z%])|([^%])", re.DOTALL)
_NUMBER = re.compile(r"[0-9]|%[YmdHIMS]|%(-[mdHI]|f)")
"""A piece that is read from digits alone; the group has one of no fixed length."""
_DAY, _CLOCK = {"year", "day"}, {"hour", "half_hour", "half", "minute", "second", "fraction", "offset"}


@cache
def parse_format(text: str, kind: str) -> tuple[str, frozenset[str]]:
    """The regular expression of a format for a date or timestamp, and the names of its groups.

    Raises ``ValueError``, saying what is wrong.
    """
    pieces, names, end, open_numbers = [], [], 0, 0
    for match in _PIECE.finditer(text):
        if match.start() != end:
            break
        end = match.end()
        directive = match[1]
        number = _NUMBER.fullmatch(match[0])
        open_numbers = open_numbers + bool(number[1]) if number else 0
        if open_numbers > 1:
            raise ValueError("has two numbers of no fixed length with nothing but digits between")
        if directive is None or directive == "%":
            pieces.append(rf"\x{{{ord(match[2] or '%'):x}}}")
        elif directive in _PATTERNS:
            name, pattern = _PATTERNS[directive]
            names.append(name)
            pieces.append(f"(?P<{name}>{pattern})")
        else:
            raise ValueError(f"has %{directive}, which is not read")
    if end != len(text) or not text:
        raise ValueError("ends in %" if text else "is empty")
    _assert_whole(names, kind)
    return rf"\A{''.join(pieces)}\z", frozenset(names)


def _assert_whole(names: list[str], kind: str) -> None:
    found = set(names)
    if len(found) != len(names):
        raise ValueError("has a directive twice")
    if not found >= _DAY or len(found & {"month", "month_name"}) != 1:
        raise ValueError("does not have %Y, %d and one of %m, %b, %B")
    if kind == "date":
        if found & _CLOCK:
            raise ValueError("has a time of day, and the type is date")
        return
    if len(found & {"hour", "half_hour"}) != 1 or ("half_hour" in found) != ("half" in found):
        raise ValueError("does not have %H, or %I with %p")
    if not found >= {"minute"} or ("fraction" in found and "second" not in found):
        raise ValueError("does not have %M, or has %f without %S")
