"""What the trail logs and what raises alarms: all functions, all keys, and management write events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from moto.events.models import EventPattern

from scripts.access.planned import planned_parts
from scripts.state.policies import key_names, resources
from tests.plan.document import PlanDocument

pytestmark = pytest.mark.xdist_group("plan")


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    """The plan of the kit with all its parts, in which keys are known."""
    return planned_parts(lambda _: None)


def values(document: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [resource.values for resource in resources(document) if resource.type == kind]


def selectors(trail: dict[str, Any]) -> dict[str, dict[str, list[str]]]:
    """The conditions of each selector on each field, by the selector's name."""
    return {
        selector["name"]: {
            field["field"]: [value for said in field.values() if isinstance(said, list) for value in said]
            for field in selector["field_selector"]
        }
        for selector in trail["advanced_event_selector"]
    }


def test_invocations_of_every_function_are_logged(parts: dict[str, Any]) -> None:
    (trail,) = values(parts, "aws_cloudtrail")
    logged = {arn.rpartition(":")[2] for arn in selectors(trail)["Invocations of functions"]["resources.ARN"]}
    assert logged == {function["function_name"] for function in values(parts, "aws_lambda_function")}


def test_management_writes_are_logged_by_default(plan: PlanDocument) -> None:
    (trail,) = plan.resources("aws_cloudtrail").values()
    assert selectors(trail)["Management writes"] == {"eventCategory": ["Management"], "readOnly": ["false"]}


def test_every_key_that_is_stopped_alarms(parts: dict[str, Any]) -> None:
    patterns = [
        json.loads(rule["event_pattern"])["detail"]
        for rule in values(parts, "aws_cloudwatch_event_rule")
        if rule["name"].startswith("custody-local-key-changed")
    ]
    assert {arn for pattern in patterns for arn in pattern["resources"]["ARN"]} == set(key_names(parts))
    assert all({"DisableKey", "ScheduleKeyDeletion"} <= set(pattern["eventName"]) for pattern in patterns)


def test_what_the_auditor_reads_is_left_out_where_that_is_asked(parts: dict[str, Any]) -> None:
    (trail,) = values(parts, "aws_cloudtrail")
    left_out = {
        name: said["userIdentity.arn"]
        for name, said in selectors(trail).items()
        if "userIdentity.arn" in said
    }
    assert left_out == {
        "Reads of evidence": ["arn:aws:sts::123456789012:assumed-role/custody-local-auditor/"]
    }


MALLORY = "arn:aws:sts::123456789012:assumed-role/Admin/mallory"
DEPLOYER = "arn:aws:iam::123456789012:user/operator"


@pytest.mark.parametrize(
    ("call", "asked", "who", "rules"),
    [
        ("PutMetricAlarm", {"alarmName": "custody-local-recorder-errors"}, MALLORY, ["alerts-overwritten"]),
        ("PutCompositeAlarm", {"alarmName": "custody-local-evidence"}, MALLORY, ["alerts-overwritten"]),
        ("PutDashboard", {"dashboardName": "custody-local-health"}, MALLORY, ["alerts-overwritten"]),
        ("PutRule", {"name": "custody-local-trail-changed"}, MALLORY, ["alerts-overwritten"]),
        ("PutTargets", {"rule": "custody-local-trail-changed"}, MALLORY, ["alerts-overwritten"]),
        ("PutMetricAlarm", {"alarmName": "custody-local-recorder-errors"}, DEPLOYER, []),
        ("PutTargets", {"rule": "custody-local-trail-changed"}, DEPLOYER, []),
        ("PutMetricAlarm", {"alarmName": "anothers"}, MALLORY, []),
        ("PutRule", {"name": "anothers"}, MALLORY, []),
        ("SetAlarmState", {"alarmName": "custody-local-recorder-errors"}, DEPLOYER, ["alerts-changed"]),
        ("DeleteDashboards", {"dashboardNames": ["custody-local-health"]}, MALLORY, ["alerts-changed"]),
        (
            "PutAlarmMuteRule",
            {"name": "quiet", "muteTargets": {"alarmNames": ["anothers", "custody-local-evidence-at-risk"]}},
            MALLORY,
            ["alerts-changed"],
        ),
        ("PutAlarmMuteRule", {"name": "quiet", "muteTargets": {"alarmNames": ["anothers"]}}, MALLORY, []),
    ],
)
def test_alarms_that_are_silenced_or_overwritten_are_heard(
    plan: PlanDocument, call: str, asked: dict[str, Any], who: str, rules: list[str]
) -> None:
    service = "events" if call in {"PutRule", "PutTargets"} else "monitoring"
    event: Any = {
        "source": f"aws.{service}",
        "detail-type": "AWS API Call via CloudTrail",
        "detail": {
            "eventSource": f"{service}.amazonaws.com",
            "eventName": call,
            "requestParameters": asked,
            "userIdentity": {"arn": who},
        },
    }
    heard = [
        rule["name"].removeprefix("custody-local-")
        for rule in plan.resources("aws_cloudwatch_event_rule").values()
        if rule.get("event_pattern") and EventPattern.load(rule["event_pattern"]).matches_event(event)
    ]
    assert heard == rules
