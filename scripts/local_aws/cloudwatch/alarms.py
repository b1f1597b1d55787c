"""Alarms: their state follows their metric, a change is an event, and their actions tell SNS topics.

A look at an alarm ends its current period early, so that nobody waits for minutes. Queues are measured when
an alarm on one of their metrics is looked at.

Metrics: "Available CloudWatch metrics for Amazon SQS", "Types of metrics for Lambda functions", "Monitoring
Amazon EventBridge"; those that users put and functions print. Messages: "Acting on alarm changes", and the
events in https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
"""

from __future__ import annotations

import json
import sys
import threading
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from moto.cloudwatch.models import Alarm, MetricAggregatedDatum, MetricDatum, cloudwatch_backends
from moto.logs.models import logs_backends
from moto.sns.models import sns_backends
from moto.sqs.models import Queue, sqs_backends

from scripts.local_aws.account import ACCOUNT_ID, REGION
from scripts.local_aws.cloudwatch.evaluation import COMPARISONS, EXTRA_PERIODS, Settings, State, state_of
from scripts.local_aws.cloudwatch.metrics import Metric, Metrics, Sample, sample
from scripts.local_aws.cloudwatch.rules import parse
from scripts.local_aws.policy import require_service

KNOWN = {
    "AWS/Events": dict.fromkeys(("FailedInvocations", "Invocations"), frozenset({"RuleName"})),
    "AWS/Lambda": dict.fromkeys(
        ("AsyncEventsDropped", "Duration", "Errors", "Invocations", "Throttles"), frozenset({"FunctionName"})
    ),
    "AWS/S3": {"OperationsFailedReplication": frozenset({"DestinationBucket", "RuleId", "SourceBucket"})},
    "AWS/SQS": dict.fromkeys(
        ("ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"), frozenset({"QueueName"})
    ),
}
"""The metrics of AWS's own that are measured here, and the dimensions by which."""
REGION_NAME = "US East (N. Virginia)"
_LONGEST_SUBJECT = 100
_STATISTICS: dict[str, Callable[[list[Sample]], float]] = {
    "Average": lambda held: sum(one.total for one in held) / sum(one.count for one in held),
    "Maximum": lambda held: max(one.most for one in held),
    "Minimum": lambda held: min(one.least for one in held),
    "SampleCount": lambda held: sum(one.count for one in held),
    "Sum": lambda held: sum(one.total for one in held),
}
_WORDS = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanOrEqualToThreshold": "less than or equal to",
    "LessThanThreshold": "less than",
}


@dataclass(frozen=True, slots=True)
class _Datapoint:
    start: datetime
    value: float | None


class Alarms:
    """Looks at alarms. ``tell`` puts an event: source, detail type, detail, resources. Thread-safe."""

    def __init__(self, metrics: Metrics, tell: Callable[[str, str, dict[str, Any], list[str]], None]) -> None:
        self._metrics = metrics
        self._tell = tell
        self._lock = threading.Lock()
        self._looks: defaultdict[str, list[datetime]] = defaultdict(list)

    def evaluate(self, names: list[str]) -> dict[str, str]:
        """End the current period of these alarms, and return their states after it; composite alarms follow.

        Raises ``LookupError`` if there is no such alarm, ``NotImplementedError`` with the name of what is
        not known here: a metric, a statistic, an action.
        """
        with self._lock:
            alarms = [_alarm(name) for name in names]
            watched = [(alarm, self._metric(alarm)) for alarm in alarms if not alarm.rule]
            for metric in {metric for _, metric in watched if metric.namespace == "AWS/SQS"}:
                _measure(self._metrics, metric)
            now = datetime.now(UTC)
            for alarm, metric in watched:
                self._evaluate(alarm, metric, now)
            self._follow()
            return {alarm.name: str(alarm.state_value) for alarm in alarms}

    def _metric(self, alarm: Alarm) -> Metric:
        """What the alarm watches; ``NotImplementedError`` if nothing measures it here, nor gave samples."""
        if alarm.metric_data_queries:
            raise NotImplementedError(f"metric math, as {alarm.name}")
        if alarm.statistic not in _STATISTICS or alarm.unit:
            raise NotImplementedError(
                f"the statistic {alarm.extended_statistic or alarm.unit} of {alarm.name}"
            )
        if alarm.comparison_operator not in COMPARISONS:
            raise NotImplementedError(f"the comparison {alarm.comparison_operator} of {alarm.name}")
        dimensions = {str(one.name): str(one.value) for one in alarm.dimensions}
        metric = Metric(alarm.namespace, alarm.metric_name, frozenset(dimensions.items()))
        name = f"{alarm.namespace} {alarm.metric_name} by {', '.join(dimensions) or 'nothing'}"
        known = KNOWN.get(alarm.namespace, {}).get(alarm.metric_name)
        is_given = bool(self._metrics.of(metric))
        if alarm.namespace.startswith("AWS/") and dimensions.keys() != known and not is_given:
            raise NotImplementedError(f"the metric {name}")
        if _is_of_a_filter(alarm) and not is_given:
            raise NotImplementedError(f"the metric {name}, which a filter makes of a log group")
        return metric

    def _evaluate(self, alarm: Alarm, metric: Metric, now: datetime) -> None:
        looks = self._looks[alarm.alarm_arn]
        looks.append(now)
        wanted = int(alarm.evaluation_periods) + EXTRA_PERIODS
        periods = _periods(looks, timedelta(seconds=int(alarm.period)), wanted)
        samples = [*self._metrics.of(metric), *_put_by_users(metric)]
        held = [_datapoint(alarm, samples, period) for period in periods]
        state = state_of([one.value for one in held], _settings(alarm))
        if state is not None and state != alarm.state_value:
            self._change(alarm, state, _reason(alarm, state, held), _reason_data(alarm, held))

    def _follow(self) -> None:
        """Composite alarms take the state of their rules, as often as one may name another."""
        known = cloudwatch_backends[ACCOUNT_ID][REGION].alarms
        rules = [(alarm, parse(alarm.rule)) for alarm in known.values() if alarm.rule]
        for alarm, rule in rules * len(rules):
            if rule.names - known.keys():
                continue
            children = [known[name] for name in sorted(rule.names)]
            is_true = rule.holds({child.name: str(child.state_value) for child in children})
            state = State.ALARM if is_true else State.OK
            if state != alarm.state_value:
                data = {"triggeringAlarms": _triggering(children, state)}
                self._change(alarm, state, _reason_of_composite(alarm, children, state), data)

    def _change(self, alarm: Alarm, state: State, reason: str, data: dict[str, Any]) -> None:
        before = _described_state(alarm)
        alarm.update_state(reason, json.dumps(data), state.value)
        detail = {
            "alarmName": alarm.name,
            "configuration": _configuration(alarm),
            "previousState": before,
            "state": _described_state(alarm),
        }
        self._tell("aws.cloudwatch", "CloudWatch Alarm State Change", detail, [alarm.alarm_arn])
        if alarm.actions_enabled:
            message = _message(alarm, str(before["value"]))
            for action in _actions(alarm, state):
                try:
                    _publish(alarm, action, message)
                except Exception as error:  # noqa: BLE001 - CloudWatch tells nobody of an action that fails
                    print(f"alarm {alarm.name}, action {action}: {error}", file=sys.stderr)


def _alarm(name: str) -> Alarm:
    found = cloudwatch_backends[ACCOUNT_ID][REGION].alarms.get(name)
    if found is None:
        raise LookupError(f"there is no alarm {name!r}")
    for action in [*found.alarm_actions, *found.ok_actions, *found.insufficient_data_actions]:
        if ":sns:" not in action:
            raise NotImplementedError(f"the action {action}")
    return found


def _is_of_a_filter(alarm: Alarm) -> bool:
    return any(
        made["metricNamespace"] == alarm.namespace and made["metricName"] == alarm.metric_name
        for one in logs_backends[ACCOUNT_ID][REGION].filters.metric_filters
        for made in one["metricTransformations"]
    )


def _settings(alarm: Alarm) -> Settings:
    breaches, threshold = COMPARISONS[alarm.comparison_operator], float(alarm.threshold)
    return Settings(
        breaches=lambda value: breaches(value, threshold),
        evaluation_periods=int(alarm.evaluation_periods),
        datapoints_to_alarm=int(alarm.datapoints_to_alarm or alarm.evaluation_periods),
        treat_missing_data=alarm.treat_missing_data or "missing",
    )


def _measure(metrics: Metrics, metric: Metric) -> None:
    """Take a sample of a queue; one that is not there has none."""
    (name,) = (value for _, value in metric.dimensions)
    queue: Queue | None = sqs_backends[ACCOUNT_ID][REGION].queues.get(name)
    if queue is None:
        return
    with queue._messages_lock:
        waiting = list(queue._messages)
        visible = len(queue.messages)
    if metric.name == "ApproximateNumberOfMessagesVisible":
        value = float(visible)
    else:
        now = datetime.now(UTC).timestamp()
        value = max((now - float(message.sent_timestamp or 0) / 1000 for message in waiting), default=0.0)
    metrics.add(metric.namespace, metric.name, {"QueueName": name}, sample(value))


def _put_by_users(metric: Metric) -> Iterator[Sample]:
    """What PutMetricData brought of a metric."""
    for datum in list(cloudwatch_backends[ACCOUNT_ID][REGION].metric_data):
        dimensions = frozenset((str(one.name), str(one.value)) for one in datum.dimensions)
        if Metric(datum.namespace, datum.name, dimensions) != metric:
            continue
        at = datum.timestamp.replace(tzinfo=datum.timestamp.tzinfo or UTC)
        if isinstance(datum, MetricAggregatedDatum):
            yield Sample(at, datum.sample_count, datum.sum, datum.min, datum.max)
        elif isinstance(datum, MetricDatum):
            yield sample(datum.value, at)


def _periods(looks: list[datetime], length: timedelta, count: int) -> list[tuple[datetime, datetime]]:
    """The start and end of the last periods, oldest first; the last look ends the last one.

    A look begins a period, which the next look ends, if it is not over before.
    """
    found: list[tuple[datetime, datetime]] = []
    end = looks[-1]
    for look in reversed(looks[:-1]):
        whole = max(1, ceil((end - look) / length))
        for number in reversed(range(whole)):
            found.append((look + number * length, min(end, look + (number + 1) * length)))
        end = look
        if len(found) >= count:
            break
    while len(found) < count:
        found.append((end - length, end))
        end -= length
    return found[:count][::-1]


def _datapoint(alarm: Alarm, samples: list[Sample], period: tuple[datetime, datetime]) -> _Datapoint:
    start, end = period
    within = [one for one in samples if start <= one.at < end]
    return _Datapoint(start, _STATISTICS[alarm.statistic](within) if within else None)


def _reason(alarm: Alarm, state: State, held: list[_Datapoint]) -> str:
    """In CloudWatch's words."""
    recent = [one for one in reversed(held) if one.value is not None][: int(alarm.evaluation_periods)]
    if state is State.INSUFFICIENT_DATA:
        return f"Insufficient Data: {alarm.evaluation_periods} datapoints were unknown."
    if not recent:
        count = int(alarm.evaluation_periods)
        periods, missing = ("period", "datapoint was") if count == 1 else ("periods", "datapoints were")
        treated = "Breaching" if alarm.treat_missing_data == "breaching" else "NonBreaching"
        return (
            f"Threshold Crossed: no datapoints were received for {count} {periods} "
            f"and {count} missing {missing} treated as [{treated}]."
        )
    values = ", ".join(f"{one.value} ({one.start:%d/%m/%y %H:%M:%S})" for one in recent)
    count = len(recent)
    verb = ("was" if count == 1 else "were") + (" not" if state is State.OK else "")
    return (
        f"Threshold Crossed: {count} {'datapoint' if count == 1 else 'datapoints'} [{values}] {verb} "
        f"{_WORDS[alarm.comparison_operator]} the threshold ({float(alarm.threshold)})."
    )


def _reason_data(alarm: Alarm, held: list[_Datapoint]) -> dict[str, Any]:
    return {
        "version": "1.0",
        "queryDate": _time(datetime.now(UTC)),
        "startDate": _time(held[0].start),
        "statistic": alarm.statistic,
        "period": int(alarm.period),
        "recentDatapoints": [one.value for one in held if one.value is not None],
        "threshold": float(alarm.threshold),
        "evaluatedDatapoints": [
            {"timestamp": _time(one.start), "value": one.value}
            for one in reversed(held)
            if one.value is not None
        ],
    }


def _triggering(children: list[Alarm], state: State) -> list[dict[str, Any]]:
    """The alarms by which a composite one has its state."""
    return [
        {
            "arn": child.alarm_arn,
            "state": {"value": str(child.state_value), "timestamp": _time(child.state_updated_timestamp)},
        }
        for child in children
        if child.state_value == state
    ]


def _reason_of_composite(alarm: Alarm, children: list[Alarm], state: State) -> str:
    """In CloudWatch's words: the alarm that changed last."""
    if alarm.state_value == State.INSUFFICIENT_DATA or not children:
        return f"{alarm.alarm_arn} was created and its alarm rule evaluates to {state}"
    last = max(children, key=lambda child: child.state_updated_timestamp)
    at = f"{last.state_updated_timestamp:%A %d %B, %Y %H:%M:%S} UTC"
    return f"{last.alarm_arn} transitioned to {last.state_value} at {at}"


def _described_state(alarm: Alarm) -> dict[str, str]:
    return {
        "value": str(alarm.state_value),
        "reason": alarm.state_reason,
        "reasonData": alarm.state_reason_data,
        "timestamp": _time(alarm.state_updated_timestamp),
    }


def _configuration(alarm: Alarm) -> dict[str, Any]:
    described = {"description": alarm.description} if alarm.description else {}
    if alarm.rule:
        return described | {"alarmRule": alarm.rule}
    watched = {
        "metric": {
            "namespace": alarm.namespace,
            "name": alarm.metric_name,
            "dimensions": {one.name: one.value for one in alarm.dimensions},
        },
        "period": int(alarm.period),
        "stat": alarm.statistic,
    }
    metrics = [{"id": str(uuid.uuid4()), "metricStat": watched, "returnData": True}]
    return described | {"metrics": metrics}


def _message(alarm: Alarm, before: str) -> dict[str, Any]:
    """What an action tells a topic."""
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description or None,
        "AWSAccountId": ACCOUNT_ID,
        "AlarmConfigurationUpdatedTimestamp": _time(alarm.configuration_updated_timestamp),
        "NewStateValue": alarm.state_value,
        "NewStateReason": alarm.state_reason,
        "StateChangeTime": _time(alarm.state_updated_timestamp),
        "Region": REGION_NAME,
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": before,
        "OKActions": alarm.ok_actions,
        "AlarmActions": alarm.alarm_actions,
        "InsufficientDataActions": alarm.insufficient_data_actions,
        **(_children(alarm) if alarm.rule else {"Trigger": _trigger(alarm)}),
    }


def _children(alarm: Alarm) -> dict[str, Any]:
    held = json.loads(alarm.state_reason_data)["triggeringAlarms"]
    triggering = [
        {
            "Arn": one["arn"],
            "State": {"Value": one["state"]["value"], "Timestamp": one["state"]["timestamp"]},
        }
        for one in held
    ]
    return {"AlarmRule": alarm.rule, "TriggeringChildren": triggering}


def _trigger(alarm: Alarm) -> dict[str, Any]:
    return {
        "MetricName": alarm.metric_name,
        "Namespace": alarm.namespace,
        "StatisticType": "Statistic",
        "Statistic": alarm.statistic.upper(),
        "Unit": None,
        "Dimensions": [{"value": one.value, "name": one.name} for one in alarm.dimensions],
        "Period": int(alarm.period),
        "EvaluationPeriods": int(alarm.evaluation_periods),
        **({"DatapointsToAlarm": int(alarm.datapoints_to_alarm)} if alarm.datapoints_to_alarm else {}),
        "ComparisonOperator": alarm.comparison_operator,
        "Threshold": float(alarm.threshold),
        "TreatMissingData": alarm.treat_missing_data or "",
        "EvaluateLowSampleCountPercentile": "",
    }


def _actions(alarm: Alarm, state: State) -> list[str]:
    return {
        State.ALARM: alarm.alarm_actions,
        State.OK: alarm.ok_actions,
        State.INSUFFICIENT_DATA: alarm.insufficient_data_actions,
    }[state]


def _publish(alarm: Alarm, topic_arn: str, message: dict[str, Any]) -> None:
    topics = sns_backends[ACCOUNT_ID][topic_arn.split(":")[3]]
    policy = topics.get_topic(topic_arn)._policy_json
    require_service("cloudwatch.amazonaws.com", policy, "sns:Publish", topic_arn, alarm.alarm_arn)
    before, after = f'{alarm.state_value}: "', f'" in {REGION_NAME}'
    room = _LONGEST_SUBJECT - len(before) - len(after)
    name = alarm.name if len(alarm.name) <= room else f"{alarm.name[: room - 3]}..."
    topics.publish(json.dumps(message), arn=topic_arn, subject=f"{before}{name}{after}")


def _time(moment: datetime) -> str:
    """As CloudWatch writes it: 2026-01-15T10:00:00.000+0000."""
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "+0000"
