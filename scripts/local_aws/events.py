"""EventBridge: delivers events to the targets of matching rules, and fires schedules on request.

It supports Lambda functions, SNS topics and SQS queues as targets, if their policy allows the rule; moto
still delivers to other targets (log groups, other buses).
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html
"""

from __future__ import annotations

import copy
import json
import re
import sys
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from moto.awslambda.models import lambda_backends
from moto.events.models import EventsBackend, Rule, events_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from scripts.local_aws.account import ACCOUNT_ID, REGION
from scripts.local_aws.cloudwatch.metrics import Metrics, sample
from scripts.local_aws.delivery import DELIVERY
from scripts.local_aws.functions.runtime import Functions
from scripts.local_aws.policy import require_service

_SERVICE = "events.amazonaws.com"
_STEP = re.compile(r"\.([A-Za-z0-9_/-]+)|\[(\d+)\]")
_PATH = re.compile(rf"\$(?:{_STEP.pattern})*")
_TEMPLATE_PARTS = re.compile(r'(\\.|"|<[^<>"]+>)', re.DOTALL)
_HEARS_READS = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
_ENABLED = frozenset({"ENABLED", _HEARS_READS})
_NOT_AUTHORIZED = {
    "ErrorCode": "NotAuthorizedForSourceException",
    "ErrorMessage": "Not authorized for the source.",
}
_MOTO_SEND = Rule.send_to_targets


class Events:
    """Delivers events. Thread-safe."""

    def __init__(self, functions: Functions, metrics: Metrics) -> None:
        self._functions = functions
        self._metrics = metrics
        self._lock = threading.Lock()
        self._invocations: defaultdict[str, int] = defaultdict(int)
        self._failed: defaultdict[str, int] = defaultdict(int)

    def put(
        self, source: str, detail_type: str, detail: dict[str, Any], resources: Sequence[str] = ()
    ) -> None:
        """Send an event of an AWS service to the default bus.

        CloudTrail's record of a call is an event too: its detail type ends in "via CloudTrail".
        """
        event = _event(source, detail_type, [*resources], detail)
        for rule in list(events_backends[ACCOUNT_ID][REGION].event_buses["default"].rules.values()):
            self.offer(rule, event)

    def offer(self, rule: Rule, event: dict[str, Any]) -> None:
        """Deliver the event to the rule's targets if the rule's state and pattern match it."""
        pattern = rule.event_pattern
        if _hears(rule, event) and pattern.get_pattern() and pattern.matches_event(event):  # type: ignore[arg-type]
            self._deliver(rule, event)

    def tick(self, name: str) -> int:
        """Fire a rule's schedule; return the number of its targets.

        Raises ``LookupError`` if the rule does not exist, ``ValueError`` if it would not fire.
        """
        rule = events_backends[ACCOUNT_ID][REGION].event_buses["default"].rules.get(name)
        if rule is None:
            raise LookupError(f"there is no rule {name!r}")
        if not rule.scheduled_expression or rule.state not in _ENABLED:
            raise ValueError(f"the rule {name!r} has no schedule, or is disabled")
        self._deliver(rule, _event("aws.events", "Scheduled Event", [rule.arn], {}))
        return len(rule.targets)

    def status(self) -> dict[str, dict[str, int]]:
        """By rule name, as CloudWatch's metrics: calls of targets, and those that could not be made."""
        with self._lock:
            return {
                name: {"invocations": count, "failed": self._failed[name]}
                for name, count in self._invocations.items()
            }

    def _deliver(self, rule: Rule, event: dict[str, Any]) -> None:
        for target in list(rule.targets):
            try:
                self._call(rule, target, event)
                failed = False
            except Exception as error:  # noqa: BLE001 - one target's error must not affect the next one
                print(f"rule {rule.name}, target {target['Arn']}: {error}", file=sys.stderr)
                failed = True
            with self._lock:
                self._invocations[rule.name] += 1
                self._failed[rule.name] += failed
            by = {"RuleName": rule.name}
            self._metrics.add("AWS/Events", "Invocations", by, sample(1))
            if failed:
                self._metrics.add("AWS/Events", "FailedInvocations", by, sample(1))

    def _call(self, rule: Rule, target: dict[str, Any], event: dict[str, Any]) -> None:
        arn = str(target["Arn"])
        _, _, service, region, account_id, _ = arn.split(":", 5)
        match service:
            case "lambda":
                function = lambda_backends[account_id][region].get_function(arn)
                policy = {"Statement": function.policy.statements if function.policy else []}
                require_service(_SERVICE, policy, "lambda:InvokeFunction", arn, rule.arn)
                self._functions.invoke_later(function, json.loads(input_of(rule, target, event)))
            case "sns":
                topics = sns_backends[account_id][region]
                policy = topics.get_topic(arn)._policy_json
                require_service(_SERVICE, policy, "sns:Publish", arn, rule.arn)
                topics.publish(input_of(rule, target, event), arn=arn)
            case "sqs":
                queue = sqs_backends[account_id][region].get_queue(arn.rpartition(":")[2])
                policy = json.loads(queue.policy or "{}")
                require_service(_SERVICE, policy, "sqs:SendMessage", arn, rule.arn)
                DELIVERY.send(arn, input_of(rule, target, event))
            case _:
                _send_by_moto(rule, target, event)


def install(events: Events) -> None:
    """Serve PutEvents with ``events``; users cannot put events of an AWS service."""
    put = EventsBackend.put_events

    def put_events(self: EventsBackend, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        own = [entry for entry in entries if not _is_of_aws(entry)]
        answers = iter(put(self, own))
        return [_NOT_AUTHORIZED if _is_of_aws(entry) else next(answers) for entry in entries]

    def send_to_targets(self: Rule, original_event: Any, transform_input: bool = True) -> None:
        del transform_input  # The target defines its input.
        event = original_event | {"time": _time(float(original_event["time"]))}
        event.pop("ingestion-time", None)
        events.offer(self, event)

    EventsBackend.put_events = put_events  # type: ignore[method-assign,assignment]
    Rule.send_to_targets = send_to_targets  # type: ignore[method-assign]


def input_of(rule: Rule, target: dict[str, Any], event: dict[str, Any]) -> str:
    """The input of a target. Raises ``ValueError`` if its transformer does not produce JSON."""
    if target.get("Input"):
        return str(target["Input"])
    if target.get("InputPath"):
        return json.dumps(_at(event, target["InputPath"]))
    if target.get("InputTransformer"):
        return _transform(rule, target["InputTransformer"], event)
    return json.dumps(event)


def _hears(rule: Rule, event: dict[str, Any]) -> bool:
    """Whether a rule's state matches an event: ENABLED does not receive read-only management events.

    For management events from CloudTrail: "Receiving read-only management events from AWS services",
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail-management.html
    """
    detail = event["detail"]
    is_read = (
        event["detail-type"].endswith(" via CloudTrail")
        and detail.get("readOnly") is True
        and detail.get("managementEvent") is not False
    )
    return rule.state in ({_HEARS_READS} if is_read else _ENABLED)


def _transform(rule: Rule, transformer: dict[str, Any], event: dict[str, Any]) -> str:
    """Fill in a template ("Amazon EventBridge input transformation"): JSON, or text in quotes a line."""
    values = {name: _at(event, path) for name, path in transformer.get("InputPathsMap", {}).items()} | {
        "aws.events.rule-arn": rule.arn,
        "aws.events.rule-name": rule.name,
        "aws.events.event": {name: value for name, value in event.items() if name != "detail"},
        "aws.events.event.json": event,
        "aws.events.event.ingestion-time": event["time"],
    }
    written, quoted = "", False
    for part in _TEMPLATE_PARTS.split(transformer["InputTemplate"]):
        quoted ^= part == '"'
        written += _written(values[part[1:-1]], quoted=quoted) if part[1:-1] in values else part
    for document in [written] if written.lstrip().startswith(("{", "[")) else written.splitlines():
        try:
            json.loads(document)
        except ValueError as error:
            raise ValueError(f"its input template does not produce JSON: {document}") from error
    return written


def _written(value: Any, *, quoted: bool) -> str:
    """A value as JSON, or as a part of a string of JSON; nothing where the event has none."""
    if value is None:
        return "" if quoted else '""'
    if not quoted:
        return json.dumps(value)
    return json.dumps(value if isinstance(value, str) else json.dumps(value))[1:-1]


def _at(event: Any, path: str) -> Any:
    """What a JSON path of names and indices leads to; ``None`` if the event has nothing there."""
    if not _PATH.fullmatch(path):
        raise ValueError(f"{path} is no JSON path of names and indices")
    value = event
    for name, index in _STEP.findall(path):
        try:
            value = value[name or int(index)]
        except (IndexError, KeyError, TypeError):
            return None
    return value


def _send_by_moto(rule: Rule, target: dict[str, Any], event: dict[str, Any]) -> None:
    """Deliver the event with moto, whose events have times in seconds."""
    seconds = datetime.fromisoformat(event["time"]).timestamp()
    alone: Any = copy.copy(rule)
    alone.targets = [target]
    _MOTO_SEND(alone, event | {"time": seconds, "ingestion-time": seconds})  # type: ignore[arg-type]


def _event(source: str, detail_type: str, resources: list[str], detail: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": source,
        "account": ACCOUNT_ID,
        "time": _time(time.time()),
        "region": REGION,
        "resources": resources,
        "detail": detail,
    }


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _is_of_aws(entry: dict[str, Any]) -> bool:
    return str(entry.get("Source", "")).startswith("aws.")
