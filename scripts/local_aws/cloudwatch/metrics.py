"""The samples of metrics: what the local services measure, and what functions print.

Sources: "CloudWatch concepts" (Amazon CloudWatch User Guide) for what a metric is; "Embedded metric format
specification", https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

KEPT = timedelta(days=1)
"""An alarm looks back a day at most: "the evaluation interval is less than one day"."""
_EMBEDDED = '"CloudWatchMetrics"'


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: metrics with other dimensions are other metrics."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Sample:
    """Values at a time, as a statistic set."""

    at: datetime
    count: float
    total: float
    least: float
    most: float


def sample(value: float, at: datetime | None = None) -> Sample:
    """One value, now unless it is said when."""
    return Sample(at or datetime.now(UTC), 1, value, value, value)


class Metrics:
    """The samples of the last day. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._samples: defaultdict[Metric, list[Sample]] = defaultdict(list)

    def add(self, namespace: str, name: str, dimensions: Mapping[str, str], *samples: Sample) -> None:
        """Keep samples, and forget those of this metric that are older than a day."""
        metric = Metric(namespace, name, frozenset(dimensions.items()))
        oldest = datetime.now(UTC) - KEPT
        with self._lock:
            held = self._samples[metric]
            held += samples
            while held and held[0].at < oldest:
                del held[0]

    def add_printed(self, line: str) -> None:
        """Keep the metrics of a line of a log, if it is a document of the embedded metric format."""
        if _EMBEDDED not in line:
            return
        try:
            document = json.loads(line)
            directives = document["_aws"]["CloudWatchMetrics"]
        except (ValueError, KeyError, TypeError):
            return
        at = datetime.fromtimestamp(document["_aws"]["Timestamp"] / 1000, UTC)
        for directive in directives:
            for names in directive["Dimensions"]:
                dimensions = {name: str(document[name]) for name in names}
                for metric in directive["Metrics"]:
                    values = document[metric["Name"]]
                    listed = values if isinstance(values, list) else [values]
                    samples = [sample(float(value), at) for value in listed]
                    self.add(directive["Namespace"], metric["Name"], dimensions, *samples)

    def of(self, metric: Metric) -> tuple[Sample, ...]:
        """The samples of a metric, in no order."""
        with self._lock:
            return tuple(self._samples.get(metric, ()))
