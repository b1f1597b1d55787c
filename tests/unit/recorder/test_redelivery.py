"""When a failed message is delivered again."""

from __future__ import annotations

import pytest

from custody.recorder.redelivery import delay_seconds


@pytest.mark.parametrize(
    ("receives", "seconds"), [(1, 15), (2, 60), (3, 240), (4, 300), (5, 300), (1000, 300)]
)
def test_each_failure_waits_longer_than_the_last(receives: int, seconds: int) -> None:
    assert delay_seconds(receives) == seconds


def test_half_an_hour_of_outage_is_shorter_than_ten_receives() -> None:
    """Ten are the queue's maximum; ``make chaos`` asks the one that is deployed."""
    assert sum(delay_seconds(receives) for receives in range(1, 10)) > 30 * 60


def test_ten_receives_end_within_the_default_watermark() -> None:
    assert sum(delay_seconds(receives) for receives in range(1, 11)) < 60 * 60
