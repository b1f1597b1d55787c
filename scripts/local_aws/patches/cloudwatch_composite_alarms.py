"""Composite alarms can be put, and are described where they are asked for.

moto keeps the rule of an alarm but knows no PutCompositeAlarm, and describes alarms of both types always.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
"""

from __future__ import annotations

from typing import Any, cast

from moto.cloudwatch.exceptions import ValidationError
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from scripts.local_aws.cloudwatch.rules import parse

_KINDS = {"CompositeAlarm": "CompositeAlarms", "MetricAlarm": "MetricAlarms"}


def apply() -> None:
    """Add PutCompositeAlarm, and the types to DescribeAlarms."""
    describe = CloudWatchResponse.describe_alarms

    def put_composite_alarm(self: CloudWatchResponse) -> ActionResult:
        try:
            rule = parse(self._get_param("AlarmRule"))
        except ValueError as error:
            raise ValidationError(f"Error in AlarmRule: {error}") from error
        if absent := sorted(rule.names - self.cloudwatch_backend.alarms.keys()):
            raise ValidationError(
                f"Could not save the composite alarm as alarms [{', '.join(absent)}] "
                "in the alarm rule do not exist"
            )
        return self.put_metric_alarm()

    def describe_alarms(self: CloudWatchResponse) -> ActionResult:
        wanted = self._get_param("AlarmTypes", []) or ["MetricAlarm"]
        told = cast("dict[str, Any]", describe(self).result)
        kept = {name: told[name] if kind in wanted else [] for kind, name in _KINDS.items()}
        return ActionResult(kept)

    CloudWatchResponse.put_composite_alarm = put_composite_alarm  # type: ignore[attr-defined]
    CloudWatchResponse.describe_alarms = describe_alarms  # type: ignore[method-assign]
