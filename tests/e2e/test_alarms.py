"""Whoever attacks the evidence, or what it rests on, is heard: drills on the pipeline that is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from custody.recorder.notification import backfill_message
from scripts.demo.pipeline import Pipeline
from scripts.drill.alerts import Kind
from scripts.drill.attacks import ATTACKS, Attack
from scripts.drill.drill import Drill
from scripts.drill.ear import Ear, Message
from scripts.drill.scene import Scene
from scripts.drill.stack import Stack, stack_of
from scripts.local_aws.cloudwatch.evaluation import COMPARISONS, EXTRA_PERIODS
from tests.e2e.conftest import drop_unheard

pytestmark = pytest.mark.xdist_group("pipeline")

LEFT_TO_MAKE_DRILL = {
    "kms-outage": "the recorder tries ten times, each with the retries of its client",
    "raw-object-overwritten": "a rule of sql/anomalies sees it: tests/e2e/test_anomalies.py has one",
    "raw-version-deleted": "likewise",
    "receipt-deleted": "likewise",
    "receipt-forged": "likewise",
    "receipt-forged-in-storage": "tests of custody verify and make demo do that",
    "receipt-deleted-in-storage": "likewise",
}
ATTACKED = [attack for attack in ATTACKS if attack.name not in LEFT_TO_MAKE_DRILL]


@pytest.fixture(scope="module")
def stack(pipeline: Pipeline) -> Stack:
    return stack_of(pipeline)


@pytest.fixture(scope="module")
def ear(stack: Stack) -> Iterator[Ear]:
    with Ear(stack) as ear:
        yield ear


def test_whoever_assumes_the_emergency_role_is_heard(pipeline: Pipeline, stack: Stack, ear: Ear) -> None:
    """And no role other than the emergency role; no local trail logs this call, which is a read."""
    mark = ear.mark
    for role in ("people-auditor", "people-break-glass"):
        pipeline.aws.admin(
            "events/put",
            source="aws.sts",
            **{"detail-type": "AWS API Call via CloudTrail", "detail": assumed(pipeline.roles[role])},
        )
    told = ear.hear(lambda message: message.get("call") == "AssumeRole", mark, stack.patience.rule)
    assert told is not None
    assert told["asked"]["roleArn"] == pipeline.roles["people-break-glass"]


def assumed(role_arn: str) -> dict[str, Any]:
    """The fields of CloudTrail's record of AssumeRole that rules match: a read-only management event."""
    return {
        "eventSource": "sts.amazonaws.com",
        "eventName": "AssumeRole",
        "readOnly": True,
        "managementEvent": True,
        "requestParameters": {"roleArn": role_arn, "roleSessionName": "someone"},
    }


@pytest.mark.parametrize("attack", ATTACKED, ids=lambda attack: attack.name)
def test_an_attack_is_heard_and_undone(stack: Stack, ear: Ear, attack: Attack) -> None:
    outcome = Drill(stack, ear).attack(attack)
    assert (outcome.skipped, outcome.faults) == ("", [])
    told = outcome.message
    if attack.alert.kind is Kind.RULE:
        assert told["do"] == f"docs/runbook_failures.md#{attack.alert.section}"
        assert told["who"].endswith("/mallory" if attack.name == "rule-overwritten" else ":user/operator")
        assert told["what"]
        assert told["when"]
        assert told["asked"]
    else:
        assert told["AlarmDescription"]
        assert told["NewStateReason"].startswith("Threshold Crossed: ")


def test_what_puts_evidence_at_risk_is_told_once_more_together(
    pipeline: Pipeline, stack: Stack, ear: Ear
) -> None:
    """Its own alarm is silent here: its state is set, as if it had its reason."""
    cloudwatch, prefix = stack.client("cloudwatch"), stack.prefix
    composite, child = f"{prefix}-evidence-at-risk", f"{prefix}-auditor-silent"

    def told(state: str) -> dict[str, Any]:
        mark = ear.mark
        cloudwatch.set_alarm_state(AlarmName=child, StateValue=state, StateReason="a test")
        pipeline.aws.admin("alarms/evaluate", alarms=[composite])
        found = ear.hear(lambda message: message.get("AlarmName") == composite, mark, stack.patience.rule)
        assert found is not None
        return found

    pipeline.aws.admin("alarms/evaluate", alarms=[composite])
    at_risk = told("ALARM")
    assert at_risk["NewStateValue"] == "ALARM"
    assert [one["Arn"].rpartition(":")[2] for one in at_risk["TriggeringChildren"]] == [child]
    assert told("OK")["NewStateValue"] == "OK"


def test_receipts_that_are_late_are_heard(pipeline: Pipeline, stack: Stack, ear: Ear) -> None:
    """A request of two hours ago is recorded now."""
    version = drop_unheard(pipeline, "incoming/late.csv", b"late")
    body = backfill_message(version, datetime.now(UTC) - timedelta(hours=2))
    alarm, mark = f"{stack.prefix}-recorder-receipt-lag", ear.mark
    stack.client("sqs").send_message(QueueUrl=stack.deployment.queues["recorder"], MessageBody=body)
    pipeline.await_receipts([version])

    assert pipeline.aws.admin("alarms/evaluate", alarms=[alarm])["states"] == {alarm: "ALARM"}
    found = ear.hear(lambda message: message.get("AlarmName") == alarm, mark, stack.patience.rule)
    assert found is not None
    assert found["NewStateValue"] == "ALARM"
    assert found["NewStateReason"].startswith("Threshold Crossed: ")
    later = [
        pipeline.aws.admin("alarms/evaluate", alarms=[alarm])["states"][alarm]
        for _ in range(1 + EXTRA_PERIODS)
    ]
    assert later[-1] == "OK"


def test_every_alarm_is_heard_beyond_its_threshold_and_when_it_is_well(
    pipeline: Pipeline, stack: Stack, ear: Ear
) -> None:
    """Each is looked at as it is deployed: its metric is given values, whatever would have caused them."""
    pages = stack.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=stack.prefix)
    alarms = {alarm["AlarmName"]: alarm for page in pages for alarm in page["MetricAlarms"]}
    assert f"{stack.prefix}-recorder-slow" in alarms
    for name, alarm in alarms.items():
        breaches, threshold = COMPARISONS[alarm["ComparisonOperator"]], alarm["Threshold"]
        well, breaching = sorted((threshold - 1, threshold + 1), key=lambda value: breaches(value, threshold))
        drive(pipeline, alarm, well, "OK")
        for value, state, actions in ((breaching, "ALARM", "AlarmActions"), (well, "OK", "OKActions")):
            mark = ear.mark
            drive(pipeline, alarm, value, state)
            if not alarm[actions]:
                assert (name, state) == (f"{stack.prefix}-emergency-role-used", "OK")
                continue
            told = ear.hear(partial(is_of, name), mark, stack.patience.rule)
            assert told is not None, name
            assert (told["NewStateValue"], told["AlarmDescription"]) == (state, alarm["AlarmDescription"])


def is_of(alarm: str, message: Message) -> bool:
    return message.get("AlarmName") == alarm


def drive(pipeline: Pipeline, alarm: Mapping[str, Any], value: float, state: str) -> None:
    """Give the alarm's metric this value, period after period, until it has this state."""
    name, is_counted = alarm["AlarmName"], alarm["Statistic"] == "SampleCount"
    dimensions = {one["Name"]: one["Value"] for one in alarm["Dimensions"]}
    sample = {"namespace": alarm["Namespace"], "name": alarm["MetricName"], "dimensions": dimensions}
    for _ in range(2 * (alarm["EvaluationPeriods"] + EXTRA_PERIODS)):
        for _ in range(int(value) if is_counted else 1):
            pipeline.aws.admin("metrics/add", **sample, value=value)
        if pipeline.aws.admin("alarms/evaluate", alarms=[name])["states"] == {name: state}:
            return
    raise AssertionError(f"{name} is not {state} at {value}")


def named(name: str) -> Attack:
    return next(attack for attack in ATTACKS if attack.name == name)


def test_an_attack_that_is_interrupted_is_undone(stack: Stack, ear: Ear) -> None:
    disable, key = named("key-disabled"), stack.deployment.keys["signing"]

    def interrupted(scene: Scene) -> None:
        disable.act(scene)
        assert stack.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Disabled"
        raise KeyboardInterrupt

    drill = Drill(stack, ear)
    with pytest.raises(KeyboardInterrupt):
        drill.attack(replace(disable, act=interrupted))
    assert stack.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"
    assert [(one.is_known, one.faults) for one in drill.outcomes] == [(False, [])]


def test_an_attack_that_nobody_is_told_of_is_silent(stack: Stack, ear: Ear) -> None:
    hasty = replace(stack, patience=replace(stack.patience, rule=0.0))
    outcome = Drill(hasty, ear).attack(replace(named("trail-stopped"), act=lambda _: None))
    assert outcome.faults == ["silent: nobody was told"]


def test_what_needs_this_machine_is_skipped_in_an_account(stack: Stack, ear: Ear) -> None:
    attack = named("kms-outage")
    outcome = Drill(replace(stack, local=None), ear).attack(attack)
    assert (outcome.skipped, outcome.faults) == (attack.only_local, [])
