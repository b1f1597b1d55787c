"""Texts as dates and times, in Arrow: by default RFC 3339, or by the formats that the contract names."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from custody.etl.time_formats import MONTHS, parse_format

if TYPE_CHECKING:
    from custody.etl.contract import Column

UTC_TIME = pa.timestamp("us", "UTC")
LOCAL_TIME = pa.timestamp("us")
_LEAP_YEAR = "(?:19(?:0[48]|[2468][048]|[13579][26])|20(?:[02468][048]|[13579][26]))"
_DAY = (
    "(?:(?:19|20)[0-9]{2}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    f"|02-(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP_YEAR}-02-29)"
)
_CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_OFFSET = f"(?:Z|[+-]{_CLOCK})"
_PLAIN_TIMESTAMP = rf"\A{_DAY}[T ]{_CLOCK}:[0-5][0-9](?:\.[0-9]{{1,6}})?{_OFFSET}\z"
"""What Arrow can cast."""
_TIMESTAMP = rf"\A{_DAY}[Tt ]{_CLOCK}:(?:[0-5][0-9]|60)(?:\.[0-9]+)?(?i:{_OFFSET})\z"
_WITHOUT_OFFSET = rf"\A{_DAY}[Tt ]{_CLOCK}:[0-5][0-9](?:\.[0-9]+)?\z"
_LEAP_SECOND = r":60(?:\.[0-9]+)?"
_EPOCH_SECONDS = r"\A[0-9]{9,10}(?:\.[0-9]{1,6})?\z"
_EPOCH_MILLISECONDS = r"\A[0-9]{12,13}\z"
_MICROSECONDS = 1_000_000


def only(texts: pa.StringArray, pattern: str) -> pa.StringArray:
    """The texts that match, else null: a guard before a cast."""
    return pc.if_else(pc.match_substring_regex(texts, pattern), texts, None)


def dates(texts: pa.StringArray, column: Column) -> pa.Date32Array:
    """Texts as dates of the years 1900 to 2099: ``2026-01-15``, or in one of the column's formats."""
    if not column.formats:
        return _days(texts)
    return _agreed([_days_of(_fields(texts, text, "date")) for text in column.formats])


def timestamps(texts: pa.StringArray, column: Column) -> pa.TimestampArray:
    """Texts as times; those without an offset are in the column's time zone, if it has one.

    Without formats they are RFC 3339 by the rules of ``custody.times.parse_time`` (a space may stand for the
    T), or seconds (9 or 10 digits) or milliseconds (12 or 13) since 1970. A local time that its zone does not
    have, or has twice, is not one.
    """
    if column.formats:
        return _agreed([_formatted(texts, text, column) for text in column.formats])
    plain = pc.match_substring_regex(texts, _PLAIN_TIMESTAMP)
    values = pc.if_else(plain, texts, None).cast(UTC_TIME)
    if values.null_count == texts.null_count:
        return values
    odd = pc.and_(texts.is_valid(), values.is_null())
    others = texts.filter(odd)
    read = _odd_timestamps(others)
    if column.timezone is not None:
        local = _cut(pc.utf8_upper(only(others, _WITHOUT_OFFSET))).cast(LOCAL_TIME)
        read = pc.coalesce(read, _in_zone(local, column.timezone))
    return pc.replace_with_mask(values, odd, read)


def _odd_timestamps(texts: pa.StringArray) -> pa.TimestampArray:
    """Times in any other form: digits past the microsecond are cut, ``:60`` is the next second."""
    upper = pc.utf8_upper(only(texts, _TIMESTAMP))
    is_leap = pc.match_substring_regex(upper, _LEAP_SECOND)
    plain = pc.replace_substring_regex(_cut(upper), _LEAP_SECOND, ":59").cast(UTC_TIME).cast(pa.int64())
    rfc3339 = pc.add(plain, pc.if_else(is_leap, _MICROSECONDS, 0))
    seconds = only(texts, _EPOCH_SECONDS).cast(pa.decimal128(16, 6))
    seconds = pc.multiply(seconds, pa.scalar(Decimal(_MICROSECONDS))).cast(pa.int64())
    milliseconds = pc.multiply(only(texts, _EPOCH_MILLISECONDS).cast(pa.int64()), 1000)
    return pc.coalesce(rfc3339, seconds, milliseconds).cast(UTC_TIME)


def _cut(texts: pa.StringArray) -> pa.StringArray:
    return pc.replace_substring_regex(texts, r"(\.[0-9]{6})[0-9]+", r"\1")


def _days(texts: pa.StringArray) -> pa.Date32Array:
    return only(texts, rf"\A{_DAY}\z").cast(pa.date32())


def _in_zone(local: pa.TimestampArray, zone: str) -> pa.TimestampArray:
    """Local times in UTC; null for those that the zone skips or has twice."""
    first, last = (
        pc.assume_timezone(local, zone, ambiguous=which, nonexistent=which).cast(UTC_TIME)
        for which in ("earliest", "latest")
    )
    return pc.if_else(pc.equal(first, last), first, None)


def _agreed(found: list[pa.Array]) -> pa.Array:
    """The value by any of the formats; null if two formats make different values of a text."""
    value = pc.coalesce(*found)
    for other in found:
        value = pc.if_else(pc.fill_null(pc.not_equal(value, other), False), None, value)
    return value


def _fields(texts: pa.StringArray, text: str, kind: str) -> dict[str, pa.StringArray]:
    """The parts of texts in a format, by name; null where the text is not in it."""
    pattern, names = parse_format(text, kind)
    found = pc.extract_regex(texts, pattern)
    return {name: pc.struct_field(found, name) for name in names}


def _days_of(fields: dict[str, pa.StringArray]) -> pa.Date32Array:
    if "month_name" in fields:
        short = pc.utf8_slice_codeunits(pc.utf8_lower(fields["month_name"]), 0, 3)
        index = pc.index_in(short, value_set=pa.array([month[:3] for month in MONTHS]))
        month = pc.add(index, 1).cast(pa.string())
    else:
        month = fields["month"]
    two = (pc.utf8_lpad(part, 2, "0") for part in (month, fields["day"]))
    return _days(pc.binary_join_element_wise(fields["year"], *two, "-"))


def _formatted(texts: pa.StringArray, text: str, column: Column) -> pa.TimestampArray:
    fields = _fields(texts, text, "timestamp")
    if "half" in fields:
        half = fields["half_hour"].cast(pa.int64())
        afternoon = pc.equal(pc.utf8_upper(fields["half"]), "PM")
        hour = pc.add(pc.if_else(pc.equal(half, 12), 0, half), pc.if_else(afternoon, 12, 0))
        hour = pc.if_else(pc.and_(pc.greater(half, 0), pc.less_equal(half, 12)), hour, None)
    else:
        hour = fields["hour"].cast(pa.int64())
    parts = [(hour, 24, 3600), (fields["minute"].cast(pa.int64()), 60, 60)]
    if "second" in fields:
        parts.append((fields["second"].cast(pa.int64()), 60, 1))
    count = pc.multiply(_days_of(fields).cast(pa.int32()).cast(pa.int64()), 86_400)
    for number, limit, seconds in parts:
        count = pc.add(count, pc.multiply(pc.if_else(pc.less(number, limit), number, None), seconds))
    count = pc.multiply(count, _MICROSECONDS)
    if "fraction" in fields:
        count = pc.add(count, pc.utf8_rpad(fields["fraction"], 6, "0").cast(pa.int64()))
    if "offset" in fields:
        return pc.subtract(count, _offset(fields["offset"])).cast(UTC_TIME)
    return _in_zone(count.cast(LOCAL_TIME), str(column.timezone))


def _offset(texts: pa.StringArray) -> pa.Int64Array:
    """Offsets in microseconds."""
    digits = pc.replace_substring_regex(texts, "[^0-9]", "")
    digits = pc.if_else(pc.equal(digits, ""), "0000", digits).cast(pa.int64())
    hours = pc.divide(digits, 100)
    minutes = pc.add(pc.multiply(hours, 60), pc.subtract(digits, pc.multiply(hours, 100)))
    sign = pc.if_else(pc.starts_with(texts, "-"), -1, 1)
    return pc.multiply(pc.multiply(minutes, sign), 60 * _MICROSECONDS)
