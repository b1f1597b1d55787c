"""Times in evidence; the examples of RFC 3339 are in tests/vectors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.errors import EvidenceError
from custody.times import format_time, parse_time

# Any offset keeps these within the years 1 to 9999.
FIRST, LAST = datetime(1, 1, 3), datetime(9999, 12, 29)  # noqa: DTZ001 - hypothesis adds the zone
MOMENTS = st.datetimes(FIRST, LAST, timezones=st.just(UTC))
ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(MOMENTS, ZONES)
def test_a_time_is_read_as_it_was_written(moment: datetime, zone: timezone) -> None:
    text = format_time(moment.astimezone(zone))
    assert text.endswith("Z")
    assert parse_time(text) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@given(MOMENTS)
def test_no_time_is_written_later_than_it_was(moment: datetime) -> None:
    assert timedelta() <= moment - parse_time(format_time(moment)) < timedelta(milliseconds=1)


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    try:
        moment = parse_time(text)
    except EvidenceError:
        return
    assert moment.tzinfo is UTC


def test_a_naive_time_names_no_moment() -> None:
    with pytest.raises(ValueError, match="zone"):
        format_time(datetime(2026, 11, 20))  # noqa: DTZ001 - that is what is tested
