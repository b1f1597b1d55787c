"""Time zones by the names that Athena knows them by.

https://docs.aws.amazon.com/athena/latest/ug/athena-supported-time-zones.html, io.trino.spi.type.TimeZoneKey
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from scripts.local_aws.athena.model import QueryError

_NAMES_OF_UTC = ("utc", "zulu", "ut", "uct", "gmt", "gmt0", "greenwich", "universal")
_UTC = {"z", "etc/gmt+0", "etc/gmt-0", *_NAMES_OF_UTC, *(f"etc/{name}" for name in _NAMES_OF_UTC)}
_OFFSET = re.compile(
    r"(?:(?:etc/)?(?:utc|gmt|ut))?(?P<sign>[+-])(?P<hours>\d{1,2})(?::?(?P<minutes>\d{2}))?", re.IGNORECASE
)


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    return {
        name.lower(): name for name in available_timezones() if "/" in name and not name.startswith("Etc/")
    }


@lru_cache(maxsize=256)
def zone_name(written: str) -> str:
    """Return Athena's name of a zone. Raises ``QueryError`` if it has no such zone."""
    lowered = written.lower()
    if lowered in _UTC:
        return "UTC"
    if lowered in _names():
        return _names()[lowered]
    match = _OFFSET.fullmatch(written)
    if match and not lowered.startswith("etc/"):
        minutes = int(match["hours"]) * 60 + int(match["minutes"] or 0)
        if minutes <= 14 * 60 and int(match["minutes"] or 0) < 60:
            return offset_name(-minutes if match["sign"] == "-" else minutes)
    raise QueryError("INVALID_FUNCTION_ARGUMENT", f"'{written}' is not a valid time zone")


def is_zone(written: str) -> bool:
    """Say whether Athena has a zone of this name."""
    try:
        zone_name(written)
    except QueryError:
        return False
    return True


def offset_name(minutes: int) -> str:
    """Return the name of a fixed offset: ``+02:00``; no offset is UTC."""
    if minutes == 0:
        return "UTC"
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def fixed_minutes(zone: str) -> int | None:
    """Return the minutes of a fixed offset, ``None`` of a region."""
    if zone == "UTC":
        return 0
    if zone[0] not in "+-":
        return None
    hours, _, minutes = zone[1:].partition(":")
    return (int(hours) * 60 + int(minutes)) * (-1 if zone[0] == "-" else 1)


def offset_minutes(zone: str, local: datetime) -> int:
    """Return the offset of a zone at a local time."""
    fixed = fixed_minutes(zone)
    if fixed is not None:
        return fixed
    offset = local.replace(tzinfo=ZoneInfo(zone)).utcoffset() or timedelta()
    return int(offset.total_seconds() // 60)


def to_local(zone: str, utc: datetime) -> datetime:
    """Return the local time of a zone at a time of UTC."""
    fixed = fixed_minutes(zone)
    if fixed is not None:
        return utc + timedelta(minutes=fixed)
    return utc.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
