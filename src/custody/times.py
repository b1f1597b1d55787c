"""UTC times in evidence: RFC 3339 (section 5.6), always with the zone ``Z``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from custody.errors import EvidenceError

_RFC3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(?:\.(\d+))?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def format_time(moment: datetime) -> str:
    """Write an aware time as RFC 3339 in UTC, to the millisecond if it has a fraction of a second.

    Fractions are cut, never rounded up: evidence must not claim a later time.
    Raises ``ValueError`` for a naive time, which is ambiguous.
    """
    if moment.tzinfo is None:
        raise ValueError("a time in evidence needs a zone")
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="milliseconds" if utc.microsecond else "seconds") + "Z"


def parse_time(text: str) -> datetime:
    """Read an RFC 3339 time, any offset, as an aware UTC time (digits past the microsecond are cut).

    Raises ``EvidenceError`` if the text is not such a time. A leap second (``:60``) is read as the second
    that follows it, since Python's clock has none.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise EvidenceError(f"{text[:40]!r} is not an RFC 3339 time.")
    day, clock, fraction, zone = match.groups()
    leap = clock.endswith(":60")
    if leap:
        clock = clock[:-2] + "59"
    micro = (fraction or "").ljust(6, "0")[:6]
    offset = "+00:00" if zone in "Zz" else zone
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}.{micro}{offset}").astimezone(UTC)
        return moment.replace(microsecond=0) + timedelta(seconds=1) if leap else moment
    except (ValueError, OverflowError) as error:
        raise EvidenceError(f"{text[:40]!r} is not an RFC 3339 time: {error}.") from error


def to_microseconds(moment: datetime) -> int:
    """An aware time as microseconds since 1970: exact, unlike a floating-point ``timestamp()``."""
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(count: int) -> datetime:
    """The inverse of ``to_microseconds``."""
    return _EPOCH + count * _MICROSECOND
