"""When a failed message is delivered again."""

from __future__ import annotations

import pytest

from custody.recorder.redelivery import delay_seconds


@pytest.mark.parametrize(
    ("receives", "seconds"), [(1, 15), (2, 60), (3, 240), (4, 900), (5, 900), (1000, 900)]
)
def test_each_failure_waits_longer_than_the_last(receives: int, seconds: int) -> None:
    assert delay_seconds(receives) == seconds


def test_ten_minutes_of_outage_are_fewer_than_five_receives() -> None:
    """Five are the queue's maximum; ``make chaos`` asks the one that is deployed."""
    assert sum(delay_seconds(receives) for receives in range(1, 5)) > 2 * 10 * 60


def test_five_receives_end_within_the_default_watermark() -> None:
    assert sum(delay_seconds(receives) for receives in range(1, 6)) < 60 * 60
