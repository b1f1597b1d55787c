"""Dates and times of ISO 8601 and of casts, and differences between them.

https://trino.io/docs/current/functions/datetime.html
"""

from __future__ import annotations

import calendar
import re
from datetime import date, datetime, timedelta

from scripts.local_aws.athena.model import QueryError
from scripts.local_aws.athena.natives.calendar_days import (
    Zoned,
    day_of_year,
    in_utc,
    kept,
    midnight,
    time_of_day,
    to_utc,
)
from scripts.local_aws.athena.natives.registry import invalid, provide
from scripts.local_aws.athena.zones import is_zone, offset_name, zone_name

_DATE = (
    r"(?P<year>[+-]?\d{1,9})(?:-(?:(?P<month>\d{1,2})(?:-(?P<day>\d{1,2}))?"
    r"|W(?P<week>\d{1,2})(?:-(?P<weekday>\d))?|(?P<ordinal>\d{3})))?"
)
_FRACTION = r"(?:[.,](?P<fraction>\d{1,9}))?"
_TIME = rf"(?P<hour>\d{{1,2}})(?::(?P<minute>\d{{1,2}})(?::(?P<second>\d{{1,2}}))?)?{_FRACTION}"
_OFFSET = r"(?P<offset>Z|[+-]\d{2}(?::?\d{2}(?::?\d{2}(?:[.,]\d{1,3})?)?)?)?"
_TIME_ALONE = f"{_TIME}{_OFFSET}".replace("?P<", "?P<t")
_ISO_DATE = re.compile(_DATE, re.ASCII | re.IGNORECASE)
_WITH_DATE = rf"(?P<all>{_DATE})(?:T(?:{_TIME})?{_OFFSET})?"
_ISO_MOMENT = re.compile(rf"(?:{_WITH_DATE}|T{_TIME_ALONE})", re.ASCII | re.IGNORECASE)


def _iso_day(match: re.Match[str]) -> datetime:
    year = kept(int(match["year"]))
    if match["week"]:
        return datetime.combine(
            date.fromisocalendar(year, int(match["week"]), int(match["weekday"] or 1)), datetime.min.time()
        )
    if match["ordinal"]:
        return day_of_year(year, int(match["ordinal"]))
    return midnight(year, int(match["month"] or 1), int(match["day"] or 1))


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
        day = _iso_day(match) if match["all"] else midnight(1970)
        hour, minute, second = (match[f"{prefix}{part}"] for part in ("hour", "minute", "second"))
        millis = _fraction_millis(match[f"{prefix}fraction"], minute, second)
        time = time_of_day(int(hour or 0), int(minute or 0), int(second or 0), millis)
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
    return int(fraction.ljust(9, "0")) * unit // 10**9


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


@provide("VARCHAR -> TIMESTAMP")
def iso_instant(text: str) -> datetime:
    """Read a time of ISO 8601 of any zone, in UTC."""
    return to_utc(from_iso8601_timestamp(text))


@provide("VARCHAR -> TIMESTAMP")
def iso_moment_in_utc(text: str) -> datetime:
    """Read a time of ISO 8601 in UTC; another zone, which a column could not keep, is refused."""
    return in_utc(from_iso8601_timestamp(text), text)


# --- Casts

_MOMENT = re.compile(
    r"(?P<year>[-+]?\d{4,})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
    r"( (?:(?P<hour>\d{1,2}):(?P<minute>\d{1,2})(?::(?P<second>\d{1,2})(?:\.(?P<fraction>\d{1,12}))?)?)?"
    r"\s*(?P<zone>.+)?)?",
    re.ASCII,
)


@provide("VARCHAR -> DATE")
def to_date(text: str) -> date:
    """Read a date, spaces around it left out."""
    match = re.fullmatch(r"([+-]?\d{1,9})-(\d{1,2})-(\d{1,2})", text.strip(), re.ASCII)
    try:
        if match:
            return date(kept(int(match[1])), int(match[2]), int(match[3]))
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
    kept(int(match["year"]))
    named = ("year", "month", "day", "hour", "minute", "second")
    year, month, day, hour, minute, second = (int(match[part] or 0) for part in named)
    fraction = (match["fraction"] or "").ljust(4, "0")
    millis = int(fraction[:3]) + (fraction[3] >= "5")
    try:
        local = midnight(year, month, day) + time_of_day(hour, minute, second, millis)
    except (ValueError, OverflowError) as error:
        raise complaint from error
    zone = match["zone"]
    if zone and to != "timestamp" and not is_zone(zone.strip()):
        raise complaint
    return Zoned(local, zone_name(zone.strip()) if zone and to != "timestamp" else "UTC")


@provide("VARCHAR -> TIMESTAMP")
def zoned_instant(text: str) -> datetime:
    """Read a timestamp with a zone, in UTC."""
    return to_utc(to_zoned(text, "timestamp with time zone"))


@provide("VARCHAR -> TIMESTAMP")
def zoned_in_utc(text: str) -> datetime:
    """Read a timestamp with a zone, which must be UTC where a column keeps it."""
    return in_utc(to_zoned(text, "timestamp with time zone"), text)


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
    return at - midnight(at.year, at.month)


def _years(start: datetime, end: datetime) -> int:
    if end < start:
        return -_years(end, start)
    one, other = (at - midnight(at.year) for at in (start, end))
    late = timedelta(days=59)
    if one >= late:
        if calendar.isleap(start.year) and not calendar.isleap(end.year):
            one -= timedelta(days=1)
        elif other >= late and calendar.isleap(end.year) and not calendar.isleap(start.year):
            other -= timedelta(days=1)
    return end.year - start.year - (other < one)
