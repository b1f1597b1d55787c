"""The runbook has a section for every alarm and rule of the plan."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.plan.document import PlanDocument
from tests.support.runbook import PAGE, named

pytestmark = pytest.mark.xdist_group("plan")

PREFIX = "custody-local-"
ELSEWHERE = {
    "adopted-<short>",
    "adopted-<short>-undelivered",
    "airflow-silent",
    "cosigner-errors",
    "cosigner-slow",
    "cosigner-throttles",
    "evidence-copy-<short>-failed",
    "hasher-dead-letters",
    "hasher-failed",
    "hasher-not-started",
    "hasher-start",
    "hasher-undelivered",
    "hasher-waiting",
    "loader-event",
    "loader-event-undelivered",
    "loader-failed",
    "loader-not-started",
    "loader-start",
    "loader-undelivered",
    "log-LABEL-conflict",
    "log-LABEL-silent",
    "rotator-errors",
    "rotator-slow",
    "sealer-witnesses",
}
"""Of parts that ``local`` does not have, and of a witness in another account."""
TEXT = PAGE.read_text(encoding="utf-8")


def bells(plan: PlanDocument) -> set[str]:
    """The names of all alarms and rules, without the deployment's prefix."""
    types = ("aws_cloudwatch_composite_alarm", "aws_cloudwatch_metric_alarm")
    alarms = [alarm for kind in types for alarm in plan.resources(kind).values()]
    rules = plan.resources("aws_cloudwatch_event_rule").values()
    names = {alarm["alarm_name"] for alarm in alarms} | {rule["name"] for rule in rules}
    return {name.removeprefix(PREFIX) for name in names}


def gaps(plan: PlanDocument, text: str) -> Iterator[str]:
    sections = set(named(text, "Alarms"))
    yield from (f"no section for {name}" for name in sorted(bells(plan) - sections))
    yield from (f"there is no {name}" for name in sorted(sections - bells(plan) - ELSEWHERE))


def test_every_alarm_and_rule_has_its_section(plan: PlanDocument) -> None:
    assert list(gaps(plan, TEXT)) == []


def anchors(text: str) -> set[str]:
    """The page's anchors, as GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_what_an_alert_says_to_read_is_there(plan: PlanDocument) -> None:
    templates = [
        transformer["input_template"]
        for target in plan.resources("aws_cloudwatch_event_target").values()
        for transformer in target.get("input_transformer") or ()
    ]
    named = {anchor for each in templates for anchor in re.findall(r"runbook_failures\.md#([\w-]+)", each)}
    assert "key-changed" in named
    assert named - anchors(TEXT) == set()
    assert anchors(TEXT.replace("### `key-changed`", "### `key-changes`")) & named == named - {"key-changed"}


def test_one_that_has_none_is_found(plan: PlanDocument) -> None:
    assert "no section for recorder-errors" in list(
        gaps(plan, TEXT.replace("### `recorder-errors`", "###", 1))
    )
    more = TEXT.replace("### `recorder-errors`", "### `recorder-errors`, `recorder-bored`", 1)
    assert "there is no recorder-bored" in list(gaps(plan, more))
