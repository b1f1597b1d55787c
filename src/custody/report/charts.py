"""Geometry of the report's charts: from numbers to positions. The template draws them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from custody.ledger.ledger import LedgerStatus, TimelineCount, TimeUnit

LAYERS = ("bronze", "silver", "gold", "adopted", "provenance", "audit_log", "unknown")
"""The layers of the ledger, in the order of the data flow."""

STATUSES = tuple(status.value for status in LedgerStatus)

WIDTH = 1000
"""Width of every chart in its own units; the page scales it."""

_MAX_BINS = 60
_LANE_HEIGHT = 64
_LANE_GAP = 22
_LEFT = 96
_RIGHT = 16
_STEPS = {
    TimeUnit.SECOND: (1, 2, 5, 10, 15, 30),
    TimeUnit.MINUTE: (1, 2, 5, 10, 15, 30),
    TimeUnit.HOUR: (1, 2, 3, 6, 12),
    TimeUnit.DAY: (1, 2, 7, 14, 28, 91, 182, 364),
}


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a stacked bar."""

    name: str
    count: int
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Box:
    """One block of the timeline: writes of one layer and status within one bin of time."""

    status: str
    x: float
    y: float
    width: float
    height: float
    words: str


@dataclass(frozen=True, slots=True)
class Lane:
    """The timeline of one layer; ``base`` is its baseline."""

    layer: str
    total: int
    base: float
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the axis of time."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Writes over time, one lane per layer."""

    height: float
    axis: float
    lanes: tuple[Lane, ...]
    ticks: tuple[Tick, ...]
    caption: str
    description: str


def order(names: Iterable[str], known: Sequence[str]) -> list[str]:
    """Sort names in the known order, any others after them."""
    return sorted(names, key=lambda name: (known.index(name) if name in known else len(known), name))


def stacked(counts: Mapping[str, int], width: float = WIDTH) -> tuple[Segment, ...]:
    """Lay out counts over ``width``, in the given order; every count above zero is visible.

    The minimum width of a segment is 0.5%, taken from the others in proportion.
    """
    present = {name: count for name, count in counts.items() if count > 0}
    total = sum(present.values())
    weights = {name: max(count / total, 0.005) for name, count in present.items()}
    scale = width / sum(weights.values()) if weights else 0
    segments, x = [], 0.0
    for name, count in present.items():
        extent = weights[name] * scale
        segments.append(Segment(name, count, round(x, 2), round(extent, 2)))
        x += extent
    return tuple(segments)


def choose_unit(span: timedelta) -> TimeUnit:
    """Return the smallest unit of which ``span`` has at most 600."""
    return next((unit for unit in TimeUnit if span <= 600 * unit.length), TimeUnit.DAY)


def timeline(counts: Sequence[TimelineCount], unit: TimeUnit) -> Timeline | None:
    """Lay out writes over time in at most 60 bins of a round length; None if there are no writes."""
    if not counts:
        return None
    step, bins = _bins(counts, unit)
    first, last = min(bins), max(bins)
    slots = (last - first) // step + 1
    slot_width = (WIDTH - _LEFT - _RIGHT) / slots
    tallest = max(sum(counter.values()) for by_layer in bins.values() for counter in by_layer.values())
    lanes = []
    for index, layer in enumerate(order({count.layer for count in counts}, LAYERS)):
        base = (index + 1) * _LANE_HEIGHT + index * _LANE_GAP + 16
        boxes = []
        for start, by_layer in sorted(bins.items()):
            x = _LEFT + (start - first) // step * slot_width
            y = float(base)
            for status in order(by_layer[layer], STATUSES):
                number = by_layer[layer][status]
                height = max(number / tallest * _LANE_HEIGHT, 1.5)
                y -= height
                boxes.append(
                    Box(
                        status,
                        x=round(x, 2),
                        y=round(y, 2),
                        width=round(min(slot_width - 1.5, 40), 2),
                        height=round(height, 2),
                        words=f"{_clock(start)}, {layer}: {number:,} {status}",
                    )
                )
        total = sum(count.rows for count in counts if count.layer == layer)
        lanes.append(Lane(layer, total, base, tuple(boxes)))
    axis = lanes[-1].base + 8
    return Timeline(
        height=axis + 28,
        axis=axis,
        lanes=tuple(lanes),
        ticks=_ticks(first, step, slots, slot_width),
        caption=f"Each column is {_duration(step)}; the tallest is {tallest:,} writes. Times are UTC.",
        description=_description(lanes, first, last),
    )


def _bins(counts: Sequence[TimelineCount], unit: TimeUnit) -> tuple[int, dict[int, dict[str, Counter[str]]]]:
    """Sum up counts in bins; return their length in seconds, and start (epoch seconds) → layer → status."""
    length = int(unit.length.total_seconds())
    starts = [int(count.start.timestamp()) for count in counts]
    units = (max(starts) - min(starts)) // length + 1
    step = length * next(
        (step for step in _STEPS[unit] if units <= step * (_MAX_BINS - 1)), -(-units // (_MAX_BINS - 1))
    )
    bins: dict[int, dict[str, Counter[str]]] = {}
    layers = {count.layer for count in counts}
    for start, count in zip(starts, counts, strict=True):
        by_layer = bins.setdefault(start - start % step, {layer: Counter() for layer in layers})
        by_layer[count.layer][count.status] += count.rows
    return step, bins


def _ticks(first: int, step: int, slots: int, slot_width: float) -> tuple[Tick, ...]:
    pattern = "%Y-%m-%d" if step % 86400 == 0 else "%H:%M:%S" if step < 60 else "%m-%d %H:%M"
    return tuple(
        Tick(round(_LEFT + slot * slot_width, 2), _moment(first + slot * step).strftime(pattern))
        for slot in range(0, slots, max(-(-slots // 8), 1))
    )


def _description(lanes: Sequence[Lane], first: int, last: int) -> str:
    layers = ", ".join(f"{lane.total:,} in {lane.layer}" for lane in lanes)
    return f"Writes from {_clock(first)} to {_clock(last)}: {layers}."


def _duration(seconds: int) -> str:
    units = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
    length, name = next(unit for unit in units if seconds % unit[0] == 0)
    number = seconds // length
    return f"one {name}" if number == 1 else f"{number} {name}s"


def _clock(epoch: int) -> str:
    return _moment(epoch).strftime("%Y-%m-%d %H:%M:%S")


def _moment(epoch: int) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)
