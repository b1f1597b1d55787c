"""Every custom check finds its problem, and accepts the correct configuration."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from scripts.scan.engine import Engine, engine
from scripts.toolchain.toolchain import REPO
from tests.policy.conftest import EXAMPLES, FIXTURES

pytestmark = pytest.mark.xdist_group("policy")

POLICIES = REPO / "terraform" / "policies"
CHECKS = sorted({example.split("/")[0] for example in EXAMPLES})
SAYS = {
    "01_trail_covers_bucket": [
        "both reads and writes of the objects in example-data",
        "both reads and writes of the objects in example-provenance-1",
    ],
    "02_tls_only": ["s3:* on …:::example-data is not", "s3:* on …:::example-data/* is not"],
    "03_evidence_is_locked": ["superseded versions after 7 days"],
    "04_evidence_is_written_once": ["s3:BypassGovernanceRetention"],
    "05_own_key": ["uploads under another key than its own", "stored be put under another key"],
    "06_documents_only": ["none of the plan's aws_iam_policy_documents"],
    "07_no_action_wildcard": ["allows s3:Get*"],
    "08_access_is_logged": ["not of this deployment"],
    "09_nobody_at_large": ["all of the account"],
    "10_services_act_for_ours": ["for any resource"],
    "11_trust_is_pinned": [
        "lambda.amazonaws.com may act for any resource of its kind",
        "firehose.amazonaws.com may act for any account",
        "needs no MFA",
        "sub is not pinned",
    ],
    "12_bounded": ["no permissions boundary"],
    "13_nothing_is_emptied": ["would be emptied in environment example"],
    "14_logs_are_kept": ["kept 7 days"],
    "15_keys_die_slowly": ["can be saved for None days"],
    "16_principals_are_named": ["s3:GetObjectVersion in example-data"],
    "17_one_signer": [
        "role/example-gate and arn:aws:iam::123456789012:role/example-recorder sign",
        "checks what it signs",
    ],
    "18_readable_at_once": ["storage classes from which they cannot be read at once"],
    "19_alarms_can_fire": [
        "example-misspelt: AWS/SQS has no metric AproximateAgeOfOldestMessage",
        "example-unnamed: Errors has the dimension FunctionName, not QueueName",
        "example-absent: example-gone is no QueueName of this deployment",
        "example-elsewhere: example-data is no SourceBucket of this deployment",
        "example-too-many needs 5 data points of 3",
        "example-too-long looks at 108000 s, of 86400 at most",
        "example-mute tells nobody",
        "example-itself is about example-itself, which is no alarm of this deployment",
        "example-gone is about example-mispelt, which is no alarm of this deployment",
        'example-loud: LOUD "example-misspelt" is no state of an alarm',
        "example-nothing is about no alarm",
        "example-nothing: FALSE is no state of an alarm",
        "example-mute-too tells nobody",
    ],
    "20_rules_can_match": [
        "example-never: 'rate(0 minutes)' is refused",
        "example-plural: 'rate(1 minutes)' is refused",
        "example-words: 'every morning' is no schedule",
        "example-misspelt: aws.glue sends no 'Glue Job Status Change'",
        "example-elsewhere: calls of aws.kms are not those of s3.amazonaws.com",
        "example-field: no event has the field details",
        "example-filter: detail.jobName: begins is no filter",
        "example-empty: detail.jobName can match nothing",
        "example-mute has no target",
        "example-mute is disabled",
    ],
    "21_dashboards_show_what_there_is": [
        "it shows no alarm example-forgotten",
        "there is no alarm example-bcklog",
        "Many has 101 alarms, of 100 at most",
        "Wide ends beyond column 24",
        "Namespace: AWS/Sqs has no metric ApproximateAgeOfOldestMessage",
        "Metric: AWS/SQS has no metric AproximateAgeOfOldestMessage",
        "Dimension: ApproximateAgeOfOldestMessage has the dimension QueueName, not Queue",
        "Queue: example-gone is no QueueName of this deployment",
        "State: SUCEEDED is no QueryState of this deployment",
        "Statistic: Maximal is no statistic",
        "Own: no function has metrics in Custody/exampel by {'service': 'gate'}",
        "Service: no function has metrics in Custody/example by {'service': 'gatte'}",
        "Empty: it shows nothing",
        "Nowhere: it is of no Region",
        "Words is a widget that this check cannot read",
    ],
}
"""The check's message for the failing example."""


def rule(check: str) -> str:
    return f"CKV_CUSTODY_{int(check.split('_', maxsplit=1)[0])}"


def failed(checkov: Engine, plan: Path, check: str) -> list[dict[str, Any]]:
    answer = checkov.ask(file=str(plan), folder=str(FIXTURES / check), checks=[rule(check)])
    assert answer["errors"] == []
    assert answer["rules"] == 1, "the check looked at nothing"
    return list(answer["failed"])


def test_every_check_has_its_examples_and_its_line() -> None:
    written = re.findall(
        r"^    number = (\d+)$",
        "".join(path.read_text() for path in POLICIES.glob("plan/*.py")),
        re.MULTILINE,
    )
    listed = re.findall(r"^\| CKV_CUSTODY_(\d+) \|", (POLICIES / "README.md").read_text(), re.MULTILINE)
    numbers = sorted(int(check.split("_")[0]) for check in CHECKS)
    assert sorted(map(int, written)) == sorted(map(int, listed)) == numbers
    assert sorted(f"{check}/{kind}" for check in CHECKS for kind in ("failing", "passing")) == EXAMPLES


@pytest.mark.parametrize("check", CHECKS)
def test_what_is_sound_passes(check: str, plans: dict[str, Path], checkov: Engine) -> None:
    assert failed(checkov, plans[f"{check}/passing"], check) == []


@pytest.mark.parametrize("check", CHECKS)
def test_what_is_weak_is_caught(check: str, plans: dict[str, Path], checkov: Engine) -> None:
    found = failed(checkov, plans[f"{check}/failing"], check)
    details = "\n".join(detail for record in found for detail in record["details"])
    assert {record["rule"] for record in found} == {rule(check)}
    assert [words for words in SAYS[check] if words not in details] == []
    assert all(record["mend"] for record in found)


def test_a_policy_that_the_plan_does_not_tell_is_not_passed(
    plans: dict[str, Path], checkov: Engine, tmp_path: Path
) -> None:
    check = "10_services_act_for_ours"
    text = plans[f"{check}/passing"].read_text()
    untold = re.sub(r'"policy": "(\\.|[^"\\])*"', '"policy": null', text)
    assert untold != text
    (tmp_path / "plan.json").write_text(untold)
    (record,) = failed(checkov, tmp_path / "plan.json", check)
    assert record["details"] == ["the plan knows no policy of aws_sqs_queue.this"]


def test_how_a_policy_is_written_is_seen_in_the_source(tmp_path: Path) -> None:
    with engine("source", tmp_path) as asked:
        answers = {
            kind: asked.ask(folder=str(FIXTURES / "06_documents_only" / kind), checks=["CKV_CUSTODY_6"])
            for kind in ("passing", "failing")
        }
    assert answers["passing"]["failed"] == []
    assert [record["resource"] for record in answers["failing"]["failed"]] == ["aws_iam_role_policy.this"]


def test_a_clone_below_a_folder_called_policies_is_scanned_all_the_same(tmp_path: Path) -> None:
    clone = tmp_path / "policies" / "clone"
    clone.mkdir(parents=True)
    (clone / "main.tf").write_text((FIXTURES / "06_documents_only" / "failing" / "main.tf").read_text())
    with engine("source", tmp_path / "work") as asked:
        answer = asked.ask(folder=str(clone), checks=["CKV_CUSTODY_6"])
    assert [record["resource"] for record in answer["failed"]] == ["aws_iam_role_policy.this"]


@pytest.mark.parametrize("written", ['file("policy.json")', 'templatefile("policy.json", { a = var.a })'])
def test_a_policy_from_a_file_is_seen_in_the_source(tmp_path: Path, written: str) -> None:
    (tmp_path / "main.tf").write_text(
        'variable "a" {\n  type = string\n}\n\n'
        f'resource "aws_sqs_queue" "this" {{\n  name   = "q"\n  policy = {written}\n}}\n'
    )
    with engine("source", tmp_path / "work") as asked:
        answer = asked.ask(folder=str(tmp_path), checks=["CKV_CUSTODY_6"])
    assert [record["resource"] for record in answer["failed"]] == ["aws_sqs_queue.this"]
