"""A new alarm's state is INSUFFICIENT_DATA, and an alarm that is put again keeps its state.

moto's begins as OK, and each PutMetricAlarm makes it OK again.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
"""

from __future__ import annotations

from typing import Any

from moto.cloudwatch.models import Alarm, CloudWatchBackend

_KEPT = ("state_reason", "state_reason_data", "state_value", "state_updated_timestamp", "history")


def apply() -> None:
    """Set or keep the state of what is put."""
    put = CloudWatchBackend.put_metric_alarm

    def put_metric_alarm(self: CloudWatchBackend, name: str, *args: Any, **kwargs: Any) -> Alarm:
        before = self.alarms.get(name)
        alarm = put(self, name, *args, **kwargs)
        if before is None:
            alarm.state_value = "INSUFFICIENT_DATA"
        else:
            for field in _KEPT:
                setattr(alarm, field, getattr(before, field))
        return alarm

    CloudWatchBackend.put_metric_alarm = put_metric_alarm  # type: ignore[method-assign]
