"""Days and moments as Python has them, and the zones that are written with them."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from scripts.local_aws.athena.model import QueryError
from scripts.local_aws.athena.zones import offset_minutes


@dataclass(frozen=True, slots=True)
class Zoned:
    """A local time and the zone that is written with it."""

    local: datetime
    zone: str


def to_utc(read: Zoned) -> datetime:
    """Return the time in UTC."""
    return read.local - timedelta(minutes=offset_minutes(read.zone, read.local))


def in_utc(read: Zoned, text: str) -> datetime:
    """Return a time of UTC. Raises ``QueryError`` for another zone, which a column could not keep."""
    if read.zone != "UTC":
        raise QueryError("NOT_SUPPORTED", f"a time zone other than UTC: {text}")
    return read.local


def kept(year: int) -> int:
    """Return a year that Python's dates have."""
    if not 1 <= year <= 9999:
        raise QueryError("NOT_SUPPORTED", f"the year {year}")
    return year


def day_of_year(year: int, day: int) -> datetime:
    """Return the beginning of a year's day, counted from 1. Raises ``ValueError`` if there is no such day."""
    days = 365 + calendar.isleap(year)
    if not 1 <= day <= days:
        raise ValueError(f"Value {day} for dayOfYear must be in the range [1,{days}]")
    return midnight(year) + timedelta(days=day - 1)


def midnight(year: int, month: int = 1, day: int = 1) -> datetime:
    """Return the beginning of a day of no zone. Raises ``ValueError`` if there is no such day."""
    return datetime.combine(date(year, month, day), datetime.min.time())


def time_of_day(hour: int, minute: int, second: int, millis: int) -> timedelta:
    """Return a time since midnight. Raises ``ValueError`` if a part is out of its range."""
    for value, name, most in (
        (hour, "hourOfDay", 23),
        (minute, "minuteOfHour", 59),
        (second, "secondOfMinute", 59),
    ):
        if not 0 <= value <= most:
            raise ValueError(f"Value {value} for {name} must be in the range [0,{most}]")
    return timedelta(hours=hour, minutes=minute, seconds=second, milliseconds=millis)
