"""Whether an alarm or a rule can ever fire: a plan accepts what CloudWatch and EventBridge then never match.

Limits: PutMetricAlarm (Amazon CloudWatch API Reference), "Amazon EventBridge event patterns", "Schedule
expressions" (EventBridge).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from cloudwatch import ALARMS, faults
from kit import Plan, PlanCheck, Resource

DAY = 86_400
STATE = re.compile(r'\b(?:ALARM|OK|INSUFFICIENT_DATA)\(\s*(?:"([^"]*)"|([^\s"()]*))\s*\)')
"""What a composite alarm's rule asks about another alarm."""

EVENT_FIELDS = {"account", "detail", "detail-type", "id", "region", "resources", "source", "time", "version"}
DETAIL_TYPES = {
    "aws.ecs": {"ECS Task State Change"},
    "aws.glue": {"Glue Job State Change"},
    "aws.s3": {"Object Created", "Object Deleted", "Object Restore Completed"},
}
"""What a service itself sends; every service's calls come "via CloudTrail"."""
CALL = "AWS API Call via CloudTrail"
FILTERS = {
    "anything-but",
    "cidr",
    "equals-ignore-case",
    "exists",
    "numeric",
    "prefix",
    "suffix",
    "wildcard",
}
MAX_PATTERN = 2048


class AlarmsCanFire(PlanCheck):
    number = 19
    promise = "Every alarm is about what there is, can reach its state, and tells somebody"
    mend = "Name metric and dimension as the service does, other alarms as this plan, and give it an action."
    types = ALARMS

    def weaknesses(self, resource: Resource, plan: Plan) -> Iterator[str]:
        alarm = resource.values
        if not alarm.get("alarm_actions") or alarm.get("actions_enabled") is False:
            yield f"{alarm['alarm_name']} tells nobody"
        if resource.type == "aws_cloudwatch_composite_alarm":
            yield from _of_rule(alarm, plan)
        else:
            yield from _of_time(alarm)
            yield from _of_metric(alarm, plan)


class RulesCanMatch(PlanCheck):
    number = 20
    promise = "Every rule can match an event or a time, and has a target"
    mend = (
        "Write the pattern's fields and detail types as the service sends them, and give the rule a target."
    )
    types = ("aws_cloudwatch_event_rule",)

    def weaknesses(self, resource: Resource, plan: Plan) -> Iterator[str]:
        rule = resource.values
        name = rule["name"]
        if not any(target.values.get("rule") == name for target in plan.of("aws_cloudwatch_event_target")):
            yield f"{name} has no target"
        if rule.get("state") == "DISABLED" or rule.get("is_enabled") is False:
            yield f"{name} is disabled"
        if schedule := rule.get("schedule_expression"):
            yield from (f"{name}: {words}" for words in _of_schedule(schedule))
        if pattern := rule.get("event_pattern"):
            yield from (f"{name}: {words}" for words in _of_pattern(pattern))


def _of_rule(alarm: dict[str, Any], plan: Plan) -> Iterator[str]:
    name, rule = alarm["alarm_name"], alarm.get("alarm_rule")
    if not rule:
        yield f"{name} has a rule that the plan does not know"
        return
    known = {each.values.get("alarm_name") for each in plan.of(*ALARMS)} - {name}
    named = [quoted or bare for quoted, bare in STATE.findall(rule)]
    for absent in [each for each in named if each not in known]:
        yield f"{name} is about {absent}, which is no alarm of this deployment"
    if not named:
        yield f"{name} is about no alarm"
    words = re.findall(r"[^\s()]+", STATE.sub(" ", rule))
    if rest := [word for word in words if word not in {"AND", "NOT", "OR"}]:
        yield f"{name}: {' '.join(rest)} is no state of an alarm"


def _of_time(alarm: dict[str, Any]) -> Iterator[str]:
    name, period, periods = alarm["alarm_name"], alarm.get("period"), alarm["evaluation_periods"]
    if (needed := alarm.get("datapoints_to_alarm")) and needed > periods:
        yield f"{name} needs {needed} data points of {periods}"
    if period is None:
        return
    longest = DAY if period < DAY / 24 else 7 * DAY
    if period * periods > longest:
        yield f"{name} looks at {period * periods} s, of {longest} at most"


def _of_metric(alarm: dict[str, Any], plan: Plan) -> Iterator[str]:
    name, namespace, metric = alarm["alarm_name"], alarm.get("namespace"), alarm.get("metric_name")
    if not namespace or not metric:
        yield f"{name} is about no metric that this check can read"
        return
    if bool(alarm.get("statistic")) == bool(alarm.get("extended_statistic")):
        yield f"{name} has not one statistic"
    if namespace.startswith("AWS/"):
        for fault in faults(namespace, metric, alarm.get("dimensions") or {}, plan):
            yield f"{name}: {fault}"


def _of_schedule(schedule: str) -> Iterator[str]:
    rate = re.fullmatch(r"rate\((\d+) (minute|hour|day)(s?)\)", schedule)
    if rate is None and not re.fullmatch(r"cron\(\S+( \S+){5}\)", schedule):
        yield f"{schedule!r} is no schedule"
    elif rate and (int(rate[1]) < 1 or (int(rate[1]) == 1) == bool(rate[3])):
        yield f"{schedule!r} is refused: a rate is 1 minute, or 2 minutes and more"


def _of_pattern(text: str) -> Iterator[str]:
    pattern = json.loads(text)
    if len(text) > MAX_PATTERN:
        yield f"the pattern has {len(text)} characters, over {MAX_PATTERN}"
    if strange := sorted(set(pattern) - EVENT_FIELDS):
        yield f"no event has the field {', '.join(strange)}"
    sources, kinds = pattern.get("source", []), pattern.get("detail-type", [])
    known = {CALL}.union(*(DETAIL_TYPES.get(source, set()) for source in sources if isinstance(source, str)))
    for kind in kinds:
        if any(str(source).startswith("aws.") for source in sources) and kind not in known:
            yield f"{', '.join(sources)} sends no {kind!r}"
    yield from _of_node(pattern, "")
    if CALL in kinds:
        calls = pattern.get("detail", {}).get("eventSource", [])
        wanted = {f"{source.removeprefix('aws.')}.amazonaws.com" for source in sources}
        if set(calls) != wanted:
            yield f"calls of {', '.join(sources)} are not those of {', '.join(calls) or 'any service'}"


def _of_node(node: Any, place: str) -> Iterator[str]:
    """What can match nothing: an empty list, an unknown filter."""
    for name, value in node.items():
        where = f"{place}.{name}".lstrip(".")
        if name == "$or":
            for one in value:
                yield from _of_node(one, place)
        elif isinstance(value, dict):
            yield from _of_node(value, where)
        elif not isinstance(value, list) or not value:
            yield f"{where} can match nothing"
        else:
            strange = {key for one in value if isinstance(one, dict) for key in one} - FILTERS
            yield from (f"{where}: {each} is no filter" for each in sorted(strange))


checks = [AlarmsCanFire(), RulesCanMatch()]
