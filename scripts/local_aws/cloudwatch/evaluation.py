"""From datapoints to an alarm's state.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

EXTRA_PERIODS = 2
"""Periods that are looked at beyond the evaluation periods, for datapoints in the place of missing ones.

As in the documentation's tables, where they are 5 for 3; it says no number for other alarms.
"""
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanOrEqualToThreshold": operator.le,
    "LessThanThreshold": operator.lt,
}


class State(StrEnum):
    """An alarm's state."""

    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides about a state, beside the datapoints."""

    breaches: Callable[[float], bool]
    evaluation_periods: int
    datapoints_to_alarm: int
    treat_missing_data: str
    """``breaching``, ``notBreaching``, ``ignore`` or ``missing``."""


def state_of(datapoints: Sequence[float | None], settings: Settings) -> State | None:
    """The state after these datapoints, oldest first, ``None`` for a missing one; ``None``: it stays.

    They are those of ``evaluation_periods + EXTRA_PERIODS`` periods.
    """
    real = [settings.breaches(value) for value in datapoints if value is not None]
    wanted = settings.evaluation_periods
    breaching = sum(real[-wanted:])
    missing = max(0, wanted - len(real))
    if missing and settings.treat_missing_data == "breaching":
        breaching += missing
    if breaching >= settings.datapoints_to_alarm:
        return State.ALARM
    if not missing or settings.treat_missing_data in {"breaching", "notBreaching"}:
        return State.OK
    if settings.treat_missing_data == "ignore":
        return None if all(real) else State.OK
    if not real:
        return State.INSUFFICIENT_DATA
    return State.ALARM if _is_premature(datapoints, real, settings) else State.OK


def _is_premature(datapoints: Sequence[float | None], real: Sequence[bool], settings: Settings) -> bool:
    """Whether all that there is breaches, and the oldest is old enough.

    "Avoiding premature transitions to alarm state".
    """
    oldest = next(number for number, value in enumerate(datapoints) if value is not None)
    return all(real) and len(datapoints) - oldest >= settings.datapoints_to_alarm
