from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.ledger.ledger import TimelineCount, TimeUnit
from custody.report.charts import LAYERS, STATUSES, WIDTH, choose_unit, order, stacked, timeline

START = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)


@given(st.dictionaries(st.sampled_from(STATUSES), st.integers(0, 10**9)))
def test_segments_fill_the_bar_and_show_every_count(counts: dict[str, int]) -> None:
    segments = stacked(counts)
    assert {segment.name for segment in segments} == {name for name, count in counts.items() if count}
    x = 0.0
    for segment in segments:
        assert segment.x == pytest.approx(x, abs=0.05)
        assert segment.width >= 4
        x += segment.width
    assert not segments or x == pytest.approx(WIDTH, abs=0.1)


@given(
    st.lists(
        st.builds(
            TimelineCount,
            start=st.integers(0, 10**8).map(lambda seconds: START + timedelta(seconds=seconds)),
            layer=st.sampled_from(LAYERS),
            status=st.sampled_from(STATUSES),
            rows=st.integers(1, 1000),
        ),
        min_size=1,
        max_size=30,
    ),
    st.sampled_from(TimeUnit),
)
def test_a_timeline_counts_every_write_within_its_frame(counts: list[TimelineCount], unit: TimeUnit) -> None:
    picture = timeline(counts, unit)
    assert picture is not None
    assert sum(lane.total for lane in picture.lanes) == sum(count.rows for count in counts)
    numbers = [
        int(box.words.rpartition(": ")[2].split()[0].replace(",", ""))
        for lane in picture.lanes
        for box in lane.boxes
    ]
    assert sum(numbers) == sum(count.rows for count in counts)
    for lane in picture.lanes:
        for box in lane.boxes:
            assert box.width > 0
            assert 96 <= box.x <= box.x + box.width <= WIDTH
            assert 0 <= box.y <= box.y + box.height <= lane.base + 0.1
    assert len(picture.ticks) <= 9
    assert all(tick.x < WIDTH for tick in picture.ticks)


def test_nothing_is_no_timeline() -> None:
    assert timeline([], TimeUnit.DAY) is None


@pytest.mark.parametrize(
    ("span", "unit"),
    [
        (timedelta(), TimeUnit.SECOND),
        (timedelta(minutes=10), TimeUnit.SECOND),
        (timedelta(minutes=11), TimeUnit.MINUTE),
        (timedelta(hours=11), TimeUnit.HOUR),
        (timedelta(days=26), TimeUnit.DAY),
        (timedelta(days=9999), TimeUnit.DAY),
    ],
)
def test_the_unit_fits_the_span(span: timedelta, unit: TimeUnit) -> None:
    assert choose_unit(span) is unit


def test_names_stand_in_their_order_and_others_behind() -> None:
    assert order(["zeta", "gold", "bronze", "alpha"], LAYERS) == ["bronze", "gold", "alpha", "zeta"]
