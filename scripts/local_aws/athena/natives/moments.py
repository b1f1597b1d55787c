"""Dates and times read and written: ISO 8601, the patterns of MySQL and of Joda-Time, and differences.

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
from scripts.local_aws.athena.natives.registry import invalid, provide
from scripts.local_aws.athena.zones import is_zone, offset_minutes, offset_name, zone_name

_MONTHS = list(calendar.month_name)[1:]
_DAYS = list(calendar.day_name)


# --- Patterns


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
    "j": (_Field("day of year", 3, 3),), "k": (_Field("hour", 1, 2),), "l": (_Field("clock hour of half", 1, 2),),
    "M": (_Field("month text"),), "m": (_Field("month", 2, 2),), "p": (_Field("half"),), "s": (_Field("second", 2, 2),),
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


def _joda_field(token: str, following: str) -> _Field:
    letter, count = token[0], len(token)
    if letter == "'":
        inner = token[1:].removesuffix("'")
        return _Field("", literal=inner.replace("''", "'") or "'")
    if not letter.isalpha():
        return _Field("", literal=token)
    number_follows = following[:1] in tuple(_NUMERIC) and not (following[:1] == "M" and len(following) >= 3)
    match letter:
        case "y" | "Y" | "x":
            return _year(letter, count, number_follows=number_follows)
        case "M" if count >= 3:
            return _Field("month text" if count >= 4 else "month text short")
        case "M":
            return _Field("month", count, 2)
        case "E":
            return _Field("day text" if count >= 4 else "day text short")
        case "S":
            return _Field("fraction", count, count)
        case "a":
            return _Field("half")
        case "G":
            return _Field("era")
        case "C":
            return _Field("century", count, count)
        case "Z":
            return _Field({1: "offset", 2: "offset with colon"}.get(count, "zone"))
        case "z":
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
        year = _kept(found.get("year", 2000 if parts else 1970))
        if "week year" in found and "year" not in found:
            start = date.fromisocalendar(_kept(found["week year"]), found.get("week", 1), 1)
            day = datetime(start.year, start.month, start.day)
        elif "week" in found or "week year" in found:
            raise QueryError("NOT_SUPPORTED", "a date by its week and not by the week's year")
        elif parts == {"day of week"} and "year" not in found:
            raise QueryError("NOT_SUPPORTED", "a date by its day of week alone")
        elif "day of year" in found and not {"month", "day"} & found.keys():
            day = _day_of_year(year, found["day of year"])
        else:
            day = datetime(year, found.get("month", 1), found.get("day", 1))
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


@dataclass(frozen=True, slots=True)
class Zoned:
    """A local time and the zone that is written with it."""

    local: datetime
    zone: str


def parse_datetime(text: str, written: str) -> Zoned:
    """Read a timestamp with its zone by a format of Joda's."""
    reader = _read(text, joda_pattern(written))
    return Zoned(reader.moment(), reader.zone or "UTC")


def _kept(year: int) -> int:
    """Return a year that Python's dates have."""
    if not 1 <= year <= 9999:
        raise QueryError("NOT_SUPPORTED", f"the year {year}")
    return year


def _day_of_year(year: int, day: int) -> datetime:
    days = 365 + calendar.isleap(year)
    if not 1 <= day <= days:
        raise ValueError(f"Value {day} for dayOfYear must be in the range [1,{days}]")
    return datetime(year, 1, 1) + timedelta(days=day - 1)


_DATE = r"(?P<year>[+-]?\d{1,9})(?:-(?:(?P<month>\d{1,2})(?:-(?P<day>\d{1,2}))?|W(?P<week>\d{1,2})(?:-(?P<weekday>\d))?|(?P<ordinal>\d{3})))?"
_FRACTION = r"(?:[.,](?P<fraction>\d{1,9}))?"
_TIME = rf"(?P<hour>\d{{1,2}})(?::(?P<minute>\d{{1,2}})(?::(?P<second>\d{{1,2}}))?)?{_FRACTION}"
_OFFSET = r"(?P<offset>Z|[+-]\d{2}(?::?\d{2}(?::?\d{2}(?:[.,]\d{1,3})?)?)?)?"
_ISO_DATE = re.compile(_DATE, re.ASCII | re.IGNORECASE)
_ISO_MOMENT = re.compile(
    rf"(?:(?P<all>{_DATE})(?:T(?:{_TIME})?{_OFFSET})?|T{_TIME.replace('?P<', '?P<t')}{_OFFSET.replace('?P<', '?P<t')})",
    re.ASCII | re.IGNORECASE,
)


def _iso_day(match: re.Match[str]) -> datetime:
    year = _kept(int(match["year"]))
    if match["week"]:
        return datetime.combine(
            date.fromisocalendar(year, int(match["week"]), int(match["weekday"] or 1)), datetime.min.time()
        )
    if match["ordinal"]:
        return _day_of_year(year, int(match["ordinal"]))
    return datetime(year, int(match["month"] or 1), int(match["day"] or 1))


@provide("VARCHAR -> DATE")
def from_iso8601_date(text: str) -> date:
    """Read a date of ISO 8601: of a month, a week or a year's day."""
    match = _ISO_DATE.fullmatch(text)
    if match is None:
        raise invalid(f'Invalid format: "{text}"')
    try:
        return _iso_day(match).date()
    except ValueError as error:
        raise invalid(f'Cannot parse "{text}": {error}') from error


def from_iso8601_timestamp(text: str) -> Zoned:
    """Read a time of ISO 8601 with its zone."""
    match = _ISO_MOMENT.fullmatch(text)
    if match is None:
        raise invalid(f'Invalid format: "{text}"')
    prefix = "" if match["all"] else "t"
    try:
        day = _iso_day(match) if match["all"] else datetime(1970, 1, 1)
        hour, minute, second = (match[f"{prefix}{part}"] for part in ("hour", "minute", "second"))
        if int(hour or 0) > 23 or int(minute or 0) > 59 or int(second or 0) > 59:
            raise ValueError("a part of the time is out of its range")
        millis = _fraction_millis(match[f"{prefix}fraction"], minute, second)
        time = timedelta(
            hours=int(hour or 0), minutes=int(minute or 0), seconds=int(second or 0), milliseconds=millis
        )
    except ValueError as error:
        raise invalid(f'Cannot parse "{text}": {error}') from error
    return Zoned(day + time, _iso_zone(match[f"{prefix}offset"], text))


def from_iso8601_nanos(text: str) -> Zoned:
    """Read a time of ISO 8601, of which microseconds are kept and no more are supported."""
    form = re.fullmatch(
        r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.(\d{1,9}))?)?(?:Z|[+-]\d{2}:\d{2})?",
        text,
        re.ASCII | re.I,
    )
    if form is None:
        raise invalid(f"Text '{text}' could not be parsed")
    read = from_iso8601_timestamp(text)
    nanos = (form[1] or "").ljust(9, "0")
    if nanos[6:] != "000":
        raise QueryError("NOT_SUPPORTED", f"nanoseconds: {text}")
    return Zoned(read.local.replace(microsecond=int(nanos[:6])), read.zone)


def _fraction_millis(fraction: str | None, minute: str | None, second: str | None) -> int:
    if not fraction:
        return 0
    unit = 1000 if second else 60_000 if minute else 3_600_000
    return int(fraction) * unit // 10 ** len(fraction)


def _iso_zone(offset: str | None, text: str) -> str:
    if not offset or offset in "Zz":
        return "UTC"
    digits = re.sub(r"[:.,]", "", offset[1:])
    if len(digits) > 4 and int(digits[4:]):
        raise QueryError("NOT_SUPPORTED", f"an offset with seconds: {text}")
    minutes = int(digits[:2]) * 60 + int(digits[2:4] or 0)
    if int(digits[:2]) > 23 or int(digits[2:4] or 0) > 59:
        raise invalid(f'Invalid format: "{text}"')
    return offset_name(-minutes if offset[0] == "-" else minutes)


def _in_utc(read: Zoned, text: str) -> datetime:
    if read.zone != "UTC":
        raise QueryError("NOT_SUPPORTED", f"a time zone other than UTC: {text}")
    return read.local


@provide("VARCHAR -> TIMESTAMP")
def iso_moment_in_utc(text: str) -> datetime:
    """Read a time of ISO 8601 in UTC; another zone, which a column could not keep, is refused."""
    return _in_utc(from_iso8601_timestamp(text), text)


@provide("VARCHAR, VARCHAR -> TIMESTAMP")
def parsed_in_utc(text: str, written: str) -> datetime:
    """Read a timestamp in UTC by a format of Joda's."""
    return _in_utc(parse_datetime(text, written), text)


# --- Casts

_MOMENT = re.compile(
    r"(?P<year>[-+]?\d{4,})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
    r"( (?:(?P<hour>\d{1,2}):(?P<minute>\d{1,2})(?::(?P<second>\d{1,2})(?:\.(?P<fraction>\d{1,12}))?)?)?\s*(?P<zone>.+)?)?",
    re.ASCII,
)


@provide("VARCHAR -> DATE")
def to_date(text: str) -> date:
    """Read a date, spaces around it left out."""
    match = re.fullmatch(r"([+-]?\d{1,9})-(\d{1,2})-(\d{1,2})", text.strip(), re.ASCII)
    try:
        if match:
            return date(_kept(int(match[1])), int(match[2]), int(match[3]))
    except ValueError:
        pass
    raise QueryError("INVALID_CAST_ARGUMENT", f"Value cannot be cast to date: {text}")


@provide("VARCHAR -> TIMESTAMP")
def to_timestamp(text: str) -> datetime:
    """Read a timestamp, to the millisecond; a zone behind it says nothing."""
    return to_zoned(text, "timestamp").local


def to_zoned(text: str, to: str) -> Zoned:
    """Read a timestamp and its zone."""
    match = _MOMENT.fullmatch(text.strip())
    complaint = QueryError("INVALID_CAST_ARGUMENT", f"Value cannot be cast to {to}: {text}")
    if match is None:
        raise complaint
    _kept(int(match["year"]))
    parts = [int(match[part] or 0) for part in ("year", "month", "day", "hour", "minute", "second")]
    fraction = (match["fraction"] or "").ljust(4, "0")
    millis = int(fraction[:3]) + (fraction[3] >= "5")
    try:
        local = datetime(*parts) + timedelta(milliseconds=millis)  # type: ignore[arg-type]
    except (ValueError, OverflowError) as error:
        raise complaint from error
    zone = match["zone"]
    if zone and to != "timestamp" and not is_zone(zone.strip()):
        raise complaint
    return Zoned(local, zone_name(zone.strip()) if zone and to != "timestamp" else "UTC")


@provide("VARCHAR -> TIMESTAMP")
def zoned_in_utc(text: str) -> datetime:
    """Read a timestamp with a zone, which must be UTC where a column keeps it."""
    return _in_utc(to_zoned(text, "timestamp with time zone"), text)


# --- Differences


@provide("VARCHAR, TIMESTAMP, TIMESTAMP -> BIGINT")
def months_between(unit: str, start: datetime, end: datetime) -> int:
    """Count the whole months, quarters or years between two moments, by Joda-Time's rules."""
    if unit == "year":
        return _years(start, end)
    months = _months(start, end)
    return months if unit == "month" else (abs(months) // 3) * (1 if months >= 0 else -1)


def _months(start: datetime, end: datetime) -> int:
    if end < start:
        return -_months(end, start)
    if end.day == calendar.monthrange(end.year, end.month)[1] and start.day > end.day:
        start = start.replace(day=end.day)
    difference = (end.year - start.year) * 12 + end.month - start.month
    return difference - (_within_month(end) < _within_month(start))


def _within_month(at: datetime) -> timedelta:
    return at - datetime(at.year, at.month, 1)


def _years(start: datetime, end: datetime) -> int:
    if end < start:
        return -_years(end, start)
    one, other = (at - datetime(at.year, 1, 1) for at in (start, end))
    late = timedelta(days=59)
    if one >= late:
        if calendar.isleap(start.year) and not calendar.isleap(end.year):
            one -= timedelta(days=1)
        elif other >= late and calendar.isleap(end.year) and not calendar.isleap(start.year):
            other -= timedelta(days=1)
    return end.year - start.year - (other < one)
