"""Dates and times by patterns, those of MySQL and those of Joda-Time: read and written.

https://trino.io/docs/current/functions/datetime.html,
https://www.joda.org/joda-time/apidocs/org/joda/time/format/DateTimeFormat.html
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from scripts.local_aws.athena.model import QueryError
from scripts.local_aws.athena.natives.calendar_days import Zoned, day_of_year, in_utc, kept, midnight, to_utc
from scripts.local_aws.athena.natives.registry import invalid, provide
from scripts.local_aws.athena.zones import is_zone, offset_minutes, offset_name, zone_name

_MONTHS = list(calendar.month_name)[1:]
_DAYS = list(calendar.day_name)


@dataclass(frozen=True, slots=True)
class _Field:
    """A part of a pattern: a literal, or a field by name with its smallest and greatest count of digits.

    Of a year of two digits ``least`` is the middle of its century, and ``most`` whether more digits are read.
    """

    name: str
    least: int = 1
    most: int = 1
    literal: str = ""


_MYSQL: dict[str, tuple[_Field, ...]] = {
    "a": (_Field("day text short"),), "b": (_Field("month text short"),), "c": (_Field("month", 1, 2),),
    "d": (_Field("day", 2, 2),), "e": (_Field("day", 1, 2),), "f": (_Field("fraction", 6, 9),),
    "H": (_Field("hour", 2, 2),), "h": (_Field("clock hour of half", 2, 2),), "i": (_Field("minute", 2, 2),),
    "j": (_Field("day of year", 3, 3),), "k": (_Field("hour", 1, 2),),
    "l": (_Field("clock hour of half", 1, 2),),
    "M": (_Field("month text"),), "m": (_Field("month", 2, 2),), "p": (_Field("half"),),
    "s": (_Field("second", 2, 2),),
    "v": (_Field("week", 2, 2),), "x": (_Field("week year", 4, 4),), "W": (_Field("day text"),),
    "Y": (_Field("year", 4, 4),), "y": (_Field("two-digit year", 2020, 0),), "%": (_Field("", literal="%"),),
}  # fmt: skip
_COLON, _BLANK = _Field("", literal=":"), _Field("", literal=" ")
_MYSQL["I"], _MYSQL["S"] = _MYSQL["h"], _MYSQL["s"]
_MYSQL["T"] = (*_MYSQL["H"], _COLON, *_MYSQL["i"], _COLON, *_MYSQL["s"])
_MYSQL["r"] = (*_MYSQL["h"], _COLON, *_MYSQL["i"], _COLON, *_MYSQL["s"], _BLANK, *_MYSQL["p"])


@lru_cache(maxsize=256)
def mysql_pattern(written: str) -> tuple[_Field, ...]:
    """Read a format of ``date_format``."""
    fields: list[_Field] = []
    for match in re.finditer(r"%(.)|([^%]+)", written, re.DOTALL):
        letter, literal = match.groups()
        if literal or letter not in (*_MYSQL, *"wUuVXD"):
            fields.append(_Field("", literal=literal or letter))
        elif letter in _MYSQL:
            fields.extend(_MYSQL[letter])
        else:
            raise invalid(f"%{letter} not supported in date format string")
    if not fields:
        raise QueryError("NOT_SUPPORTED", "an empty date format")
    return tuple(fields)


_JODA_NUMBERS = {
    "d": "day", "D": "day of year", "e": "day of week", "H": "hour", "h": "clock hour of half",
    "k": "clock hour", "K": "hour of half", "m": "minute", "s": "second", "w": "week",
}  # fmt: skip
_MOST_DIGITS = {"D": 3, "e": 1}
_NUMERIC = "YyxMdDehHkKmswS"


@lru_cache(maxsize=256)
def joda_pattern(written: str) -> tuple[_Field, ...]:
    """Read a format of ``format_datetime``."""
    if not written:
        raise invalid("Invalid pattern specification")
    tokens = [match[0] for match in re.finditer(r"'(?:[^']|'')*(?:'|\Z)|([A-Za-z])\1*|[^A-Za-z']+", written)]
    fields = []
    for at, token in enumerate(tokens):
        following = tokens[at + 1] if at + 1 < len(tokens) else ""
        fields.append(_joda_field(token, following))
    return tuple(fields)


_JODA_OTHERS: Mapping[str, Callable[[int], _Field]] = {
    "E": lambda count: _Field("day text" if count >= 4 else "day text short"),
    "S": lambda count: _Field("fraction", count, count),
    "a": lambda count: _Field("half"),
    "G": lambda count: _Field("era"),
    "C": lambda count: _Field("century", count, count),
    "Z": lambda count: _Field({1: "offset", 2: "offset with colon"}.get(count, "zone")),
    "M": lambda count: (
        _Field("month", count, 2) if count < 3 else _Field("month text" if count >= 4 else "month text short")
    ),
}


def _joda_field(token: str, following: str) -> _Field:
    letter, count = token[0], len(token)
    if not letter.isalpha():
        inner = token[1:].removesuffix("'").replace("''", "'") or "'"
        return _Field("", literal=inner if letter == "'" else token)
    if letter in "yYx":
        is_text = following[:1] == "M" and len(following) >= 3
        return _year(letter, count, number_follows=following[:1] in tuple(_NUMERIC) and not is_text)
    if letter in _JODA_OTHERS:
        return _JODA_OTHERS[letter](count)
    if letter == "z":
        raise QueryError("NOT_SUPPORTED", f"{token!r} in a date format: the names of zones")
    if letter not in _JODA_NUMBERS:
        raise invalid(f"Illegal pattern component: {token}")
    return _Field(_JODA_NUMBERS[letter], count, max(count, _MOST_DIGITS.get(letter, 2)))


def _year(letter: str, count: int, *, number_follows: bool) -> _Field:
    if count == 2:
        pivot = datetime.now(UTC).year - 30
        return _Field(
            "two-digit week year" if letter == "x" else "two-digit year", pivot, 0 if number_follows else 1
        )
    name = {"y": "year", "Y": "year of era", "x": "week year"}[letter]
    return _Field(name, count, count if number_follows else 9)


# --- Writing


@dataclass(frozen=True, slots=True)
class _Zone:
    name: str = "UTC"
    minutes: int = 0


def _offset(minutes: int, colon: str) -> str:
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}{colon}{abs(minutes) % 60:02d}"


_WRITERS: Mapping[str, Callable[[datetime, _Field, _Zone], str]] = {
    "": lambda at, field, zone: field.literal,
    "year": lambda at, field, zone: f"{at.year:0{field.least}d}",
    "year of era": lambda at, field, zone: f"{at.year:0{field.least}d}",
    "two-digit year": lambda at, field, zone: f"{at.year % 100:02d}",
    "week year": lambda at, field, zone: f"{at.isocalendar().year:0{field.least}d}",
    "two-digit week year": lambda at, field, zone: f"{at.isocalendar().year % 100:02d}",
    "month": lambda at, field, zone: f"{at.month:0{field.least}d}",
    "month text": lambda at, field, zone: _MONTHS[at.month - 1],
    "month text short": lambda at, field, zone: _MONTHS[at.month - 1][:3],
    "day": lambda at, field, zone: f"{at.day:0{field.least}d}",
    "day of year": lambda at, field, zone: f"{at.timetuple().tm_yday:0{field.least}d}",
    "day of week": lambda at, field, zone: f"{at.isoweekday():0{field.least}d}",
    "day text": lambda at, field, zone: _DAYS[at.weekday()],
    "day text short": lambda at, field, zone: _DAYS[at.weekday()][:3],
    "week": lambda at, field, zone: f"{at.isocalendar().week:0{field.least}d}",
    "hour": lambda at, field, zone: f"{at.hour:0{field.least}d}",
    "clock hour": lambda at, field, zone: f"{at.hour or 24:0{field.least}d}",
    "hour of half": lambda at, field, zone: f"{at.hour % 12:0{field.least}d}",
    "clock hour of half": lambda at, field, zone: f"{at.hour % 12 or 12:0{field.least}d}",
    "half": lambda at, field, zone: "AM" if at.hour < 12 else "PM",
    "minute": lambda at, field, zone: f"{at.minute:0{field.least}d}",
    "second": lambda at, field, zone: f"{at.second:0{field.least}d}",
    "fraction": lambda at, field, zone: f"{at.microsecond // 1000:03d}".ljust(field.least, "0")[
        : field.least
    ],
    "era": lambda at, field, zone: "AD",
    "century": lambda at, field, zone: f"{at.year // 100:0{field.least}d}",
    "offset": lambda at, field, zone: _offset(zone.minutes, ""),
    "offset with colon": lambda at, field, zone: _offset(zone.minutes, ":"),
    "zone": lambda at, field, zone: zone.name,
}


@provide("TIMESTAMP, VARCHAR -> VARCHAR")
def date_format(at: datetime, written: str) -> str:
    """Write a moment by a format of MySQL's."""
    return "".join(_WRITERS[field.name](at, field, _Zone()) for field in mysql_pattern(written))


@provide("TIMESTAMP, VARCHAR, VARCHAR -> VARCHAR")
def format_datetime(at: datetime, written: str, zone: str) -> str:
    """Write a local time of a zone by a format of Joda's."""
    fields = joda_pattern(written)
    minutes = offset_minutes(zone, at) if any(field.name.startswith("offset") for field in fields) else 0
    return "".join(_WRITERS[field.name](at, field, _Zone(zone, minutes)) for field in fields)


@provide("TIMESTAMP, VARCHAR -> VARCHAR")
def to_iso8601(at: datetime, zone: str) -> str:
    """Write a local time of a zone by ISO 8601."""
    written = at.isoformat("T", "milliseconds")
    return f"{written}Z" if zone == "UTC" else f"{written}{_offset(offset_minutes(zone, at), ':')}"


# --- Reading


class _Reader:
    """Reads a text field by field."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[str, int] = {}
        self.zone: str | None = None

    def fail(self) -> QueryError:
        shown = f'Invalid format: "{self.text}"'
        if 0 < self.at < len(self.text):
            shown += f' is malformed at "{self.text[self.at :]}"'
        elif self.at and self.at >= len(self.text):
            shown += " is too short"
        return invalid(shown)

    def field(self, field: _Field) -> None:
        match field.name:
            case "":
                self.literal(field.literal)
            case "month text" | "month text short":
                self.found["month"] = self.word(_MONTHS) + 1
            case "day text" | "day text short":
                self.found["day of week"] = self.word(_DAYS) + 1
            case "half":
                self.found["half"] = self.word(["AM", "PM"])
            case "fraction":
                self.fraction(field.most)
            case "offset" | "offset with colon":
                self.offset()
            case "zone":
                self.zone_id()
            case "two-digit year" | "two-digit week year":
                self.two_digits(field)
            case "era" | "century":
                raise QueryError("NOT_SUPPORTED", f"a date format that reads the {field.name}")
            case "year" | "week year":
                self.found[field.name] = self.number(field.most, signed=True)
            case "year of era":
                self.found["year"] = self.number(field.most)
            case name:
                self.found[name] = self.number(field.most)

    def literal(self, literal: str) -> None:
        if self.text[self.at : self.at + len(literal)].lower() != literal.lower():
            raise self.fail()
        self.at += len(literal)

    def number(self, most: int, *, signed: bool = False) -> int:
        pattern = rf"[+-]?[0-9]{{1,{most}}}" if signed else rf"[0-9]{{1,{most}}}"
        match = re.compile(pattern).match(self.text, self.at)
        if match is None:
            raise self.fail()
        self.at = match.end()
        return int(match[0])

    def word(self, words: list[str]) -> int:
        rest = self.text[self.at :].lower()
        for length in (99, 3):
            for index, word in enumerate(words):
                if rest.startswith(word[:length].lower()):
                    self.at += len(word[:length])
                    return index
        raise self.fail()

    def fraction(self, most: int) -> None:
        match = re.compile(rf"[0-9]{{0,{most}}}").match(self.text, self.at)
        if match is None:
            raise self.fail()
        self.at = match.end()
        self.found["millisecond"] = int(match[0].ljust(3, "0")[:3])

    def offset(self) -> None:
        match = re.compile(r"Z|([+-])([0-9]{2})(?::?([0-9]{2}))?", re.IGNORECASE).match(self.text, self.at)
        if match is None or int(match[2] or 0) > 23 or int(match[3] or 0) > 59:
            raise self.fail()
        self.at = match.end()
        minutes = int(match[2] or 0) * 60 + int(match[3] or 0)
        self.zone = offset_name(-minutes if match[1] == "-" else minutes)

    def zone_id(self) -> None:
        match = re.compile(r"[A-Za-z][A-Za-z0-9_/+-]*|[+-][0-9]{2}:[0-9]{2}").match(self.text, self.at)
        if match is None or not is_zone(match[0]):
            raise self.fail()
        self.at = match.end()
        self.zone = zone_name(match[0])

    def two_digits(self, field: _Field) -> None:
        name = "week year" if "week" in field.name else "year"
        match = re.compile(r"[+-]?[0-9]+" if field.most else "[0-9]{2}").match(self.text, self.at)
        if match is None:
            raise self.fail()
        if len(match[0]) != 2:
            raise QueryError("NOT_SUPPORTED", "a year of other than two digits for yy")
        self.at = match.end()
        low = field.least - 50
        self.found[name] = low + (int(match[0]) - low) % 100

    def end(self) -> None:
        if self.at < len(self.text):
            raise self.fail()

    def moment(self) -> datetime:
        try:
            return self.day() + self.time()
        except ValueError as error:
            raise invalid(f'Cannot parse "{self.text}": {error}') from error

    def day(self) -> datetime:
        """Return the day: of 2000 if a part of a year is read without one, of 1970 if nothing of it is."""
        found = self.found
        parts = {"month", "day", "day of year", "day of week", "week"} & found.keys()
        year = kept(found.get("year", 2000 if parts else 1970))
        if "week year" in found and "year" not in found:
            start = date.fromisocalendar(kept(found["week year"]), found.get("week", 1), 1)
            day = midnight(start.year, start.month, start.day)
        elif "week" in found or "week year" in found:
            raise QueryError("NOT_SUPPORTED", "a date by its week and not by the week's year")
        elif parts == {"day of week"} and "year" not in found:
            raise QueryError("NOT_SUPPORTED", "a date by its day of week alone")
        elif "day of year" in found and not {"month", "day"} & found.keys():
            day = day_of_year(year, found["day of year"])
        else:
            day = midnight(year, found.get("month", 1), found.get("day", 1))
        weekday = found.get("day of week", day.isoweekday())
        if not 1 <= weekday <= 7:
            raise ValueError(f"Value {weekday} for dayOfWeek must be in the range [1,7]")
        if "week year" in found and "day of week" not in found:
            return day
        return day + timedelta(days=weekday - day.isoweekday())

    def time(self) -> timedelta:
        found = self.found
        hour = found.get("hour", 0)
        limits = {
            "hour": 23,
            "minute": 59,
            "second": 59,
            "hour of half": 11,
            "clock hour": 24,
            "clock hour of half": 12,
        }
        for name, most in limits.items():
            least = 1 if name.startswith("clock") else 0
            if name in found and not least <= found[name] <= most:
                raise ValueError(f"Value {found[name]} for {name} must be in the range [{least},{most}]")
        if "clock hour" in found:
            hour = found["clock hour"] % 24
        if "hour" not in found and {"clock hour of half", "hour of half", "half"} & found.keys():
            hour = found.get("clock hour of half", found.get("hour of half", 0)) % 12 + 12 * found.get(
                "half", 0
            )
        return timedelta(
            hours=hour,
            minutes=found.get("minute", 0),
            seconds=found.get("second", 0),
            milliseconds=found.get("millisecond", 0),
        )


def _read(text: str, fields: tuple[_Field, ...]) -> _Reader:
    reader = _Reader(text)
    for field in fields:
        reader.field(field)
    reader.end()
    return reader


@provide("VARCHAR, VARCHAR -> TIMESTAMP")
def date_parse(text: str, written: str) -> datetime:
    """Read a timestamp by a format of MySQL's."""
    return _read(text, mysql_pattern(written)).moment()


def parse_datetime(text: str, written: str) -> Zoned:
    """Read a timestamp with its zone by a format of Joda's."""
    reader = _read(text, joda_pattern(written))
    return Zoned(reader.moment(), reader.zone or "UTC")


@provide("VARCHAR, VARCHAR -> TIMESTAMP")
def parsed_instant(text: str, written: str) -> datetime:
    """Read a timestamp of any zone by a format of Joda's, in UTC."""
    return to_utc(parse_datetime(text, written))


@provide("VARCHAR, VARCHAR -> TIMESTAMP")
def parsed_in_utc(text: str, written: str) -> datetime:
    """Read a timestamp in UTC by a format of Joda's."""
    return in_utc(parse_datetime(text, written), text)
