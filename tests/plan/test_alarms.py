"""Rules name calls as CloudTrail does, and alarms are about metrics that the kit emits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest

from custody.ledger.rules import all_rules
from scripts.local_aws.cloudwatch.evaluation import COMPARISONS, EXTRA_PERIODS, Settings, State, state_of
from scripts.toolchain.toolchain import REPO
from tests.plan.document import PlanDocument

pytestmark = pytest.mark.xdist_group("plan")

SERVICES = {"monitoring": "cloudwatch"}
"""boto3's names of services that CloudTrail names otherwise."""
S3_NAMES = {
    "DeleteBucketPublicAccessBlock",
    "PutBucketLifecycle",
    "PutBucketNotification",
    "PutBucketObjectLockConfiguration",
    "PutBucketPublicAccessBlock",
}
"""Names of CloudTrail's that no operation has: "Amazon S3 CloudTrail events" (Amazon S3 User Guide)."""

FOUND_BY = {
    "alerts-changed": {"alerts-silenced"},
    "alerts-overwritten": {"alerts-silenced"},
    "data-bucket-changed": {"access-log-changed", "data-bucket-changed", "notifications-changed"},
    "evidence-bucket-changed": {
        "access-log-changed",
        "evidence-encryption",
        "evidence-lifecycle",
        "evidence-lock",
        "evidence-opened",
        "notifications-changed",
    },
    "queue-changed": {"queue-purged"},
    "recording-changed": {"function-stopped"},
    "trail-changed": {"trail-narrowed", "trail-stopped"},
}
"""The anomaly rules that find what a rule of EventBridge tells at once. Of those of keys a plan does not know
the pattern."""


def names(pattern: Any) -> Iterator[Any]:
    """Every ``eventName`` of a pattern, as text or filter."""
    if isinstance(pattern, dict):
        yield from pattern.get("eventName", ())
        for node in pattern.values():
            yield from names(node)
    elif isinstance(pattern, list):
        for node in pattern:
            yield from names(node)


def unknown(pattern: dict[str, Any]) -> list[Any]:
    """The names of a pattern that are no operation of its services."""
    session = botocore.session.get_session()
    known = set(S3_NAMES)
    for source in pattern["source"]:
        name = source.removeprefix("aws.")
        known.update(session.get_service_model(SERVICES.get(name, name)).operation_names)
    return [
        each
        for each in names(pattern)
        if not (
            each in known
            if isinstance(each, str)
            else any(operation.startswith(each["prefix"]) for operation in known)
        )
    ]


def patterns(plan: PlanDocument) -> list[dict[str, Any]]:
    found = [
        json.loads(rule["event_pattern"])
        for rule in plan.resources("aws_cloudwatch_event_rule").values()
        if rule.get("event_pattern")
    ]
    return [each for each in found if each.get("detail-type") == ["AWS API Call via CloudTrail"]]


def test_calls_have_the_names_that_cloudtrail_gives_them(plan: PlanDocument) -> None:
    heard = patterns(plan)
    assert {source for each in heard for source in each["source"]} >= {
        "aws.cloudtrail",
        "aws.events",
        "aws.lambda",
        "aws.s3",
        "aws.sqs",
    }
    assert [unknown(each) for each in heard] == [[] for _ in heard]


def test_what_is_told_at_once_is_found_later_too(plan: PlanDocument) -> None:
    heard = {
        rule["name"].removeprefix("custody-local-"): json.loads(rule["event_pattern"])
        for rule in plan.resources("aws_cloudwatch_event_rule").values()
        if rule.get("event_pattern")
    }
    missing = []
    for short, rules in FOUND_BY.items():
        texts = [text for rule in rules for text in re.findall("'([^']*)'", all_rules()[rule].sql)]
        for each in names(heard[short]):
            name = each if isinstance(each, str) else each["prefix"]
            if not any(re.search(text, name) if text[:1] == "^" else text == name for text in texts):
                missing.append((short, name))
    assert missing == []


def test_a_misspelt_call_is_found() -> None:
    pattern = {
        "source": ["aws.sqs"],
        "detail": {"$or": [{"eventName": ["PurgeQueues", {"prefix": "Delet"}]}]},
    }
    assert unknown(pattern) == ["PurgeQueues"]
    assert unknown({"source": ["aws.sqs"], "detail": {"eventName": [{"prefix": "Purges"}]}}) == [
        {"prefix": "Purges"}
    ]


def test_the_kits_own_metrics_are_emitted(plan: PlanDocument) -> None:
    code = "\n".join(
        path.read_text() for folder in ("src", "lambda") for path in (REPO / folder).rglob("*.py")
    )
    filters = {
        transformation["name"]
        for each in plan.resources("aws_cloudwatch_log_metric_filter").values()
        for transformation in each["metric_transformation"]
    }
    own = {
        alarm["metric_name"]
        for alarm in plan.resources("aws_cloudwatch_metric_alarm").values()
        if alarm["namespace"].startswith("Custody/")
    }
    assert "VersionsWithheld" in own
    own |= {
        metric[1]
        for widget in dashboard(plan)
        for metric in widget["properties"].get("metrics", ())
        if metric[0].startswith("Custody/")
    }
    assert "ReceiptsWritten" in own
    assert {name for name in own - filters if not re.search(rf'"{name}"', code)} == set()


def test_every_alarm_fires_beyond_its_threshold_and_recovers(plan: PlanDocument) -> None:
    """By the local AWS's evaluation, also for those whose metric nothing here emits."""
    silent = set()
    for name, alarm in plan.resources("aws_cloudwatch_metric_alarm").items():
        compare, threshold = COMPARISONS[alarm["comparison_operator"]], float(alarm["threshold"])
        values = [threshold - 1, threshold + 1]
        breaching, well = sorted(values, key=lambda value: compare(value, threshold), reverse=True)
        count = alarm["evaluation_periods"]
        settings = Settings(
            lambda value, compare=compare, threshold=threshold: compare(value, threshold),
            count,
            alarm["datapoints_to_alarm"] or count,
            alarm["treat_missing_data"],
        )
        states = [state_of([value] * (count + EXTRA_PERIODS), settings) for value in (breaching, well)]
        assert states == [State.ALARM, State.OK], name
        if state_of([None] * (count + EXTRA_PERIODS), settings) is State.ALARM:
            silent.add(alarm["alarm_name"].removeprefix("custody-local-"))
    assert silent >= {"auditor-silent", "gate-silent", "sealer-silent"}


def dashboard(plan: PlanDocument) -> list[dict[str, Any]]:
    """The widgets, from top to bottom."""
    (board,) = plan.resources("aws_cloudwatch_dashboard").values()
    widgets: list[dict[str, Any]] = json.loads(board["dashboard_body"])["widgets"]
    return sorted(widgets, key=lambda widget: (widget["y"], widget["x"]))


def test_the_dashboard_begins_with_the_alarms_and_its_widgets_do_not_overlap(plan: PlanDocument) -> None:
    risk, alarms, *graphs = dashboard(plan)
    assert [arn.rpartition(":")[2] for arn in risk["properties"]["alarms"]] == [
        "custody-local-evidence-at-risk"
    ]
    assert len(alarms["properties"]["alarms"]) == len(plan.resources("aws_cloudwatch_metric_alarm"))
    assert {graph["type"] for graph in graphs} == {"metric"}
    assert len({graph["properties"]["title"] for graph in graphs}) == len(graphs) == 16
    cells = [
        (x, y)
        for widget in (risk, alarms, *graphs)
        for x in range(widget["x"], widget["x"] + widget["width"])
        for y in range(widget["y"], widget["y"] + widget["height"])
    ]
    assert len(set(cells)) == len(cells)
