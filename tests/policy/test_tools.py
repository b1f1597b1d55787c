"""Each tool of the scan finds planted problems, and reports if it could not run."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scripts.scan.__main__ import scan_all
from scripts.scan.engine import engine
from scripts.scan.exceptions import read_exemptions
from scripts.scan.known import Tree, example_variables
from scripts.scan.model import ScanError
from scripts.scan.tools import ITSELF, Scan, complete, rendered, secrets, source, workflows
from scripts.state.policies import Policy
from scripts.toolchain.toolchain import REPO, ToolError

pytestmark = pytest.mark.xdist_group("policy")

SOUND_WORKFLOW = """\
name: Test
on:
  pull_request:
permissions: {}
concurrency:
  group: test
  cancel-in-progress: true
jobs:
  test:
    name: Test
    runs-on: ubuntu-24.04
    permissions: {}
    timeout-minutes: 5
    steps:
      - run: make test
"""
DOCUMENT = {
    "Version": "2012-10-17",
    "Statement": [
        {"Sid": "ReadObjects", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::a/*"},
        {"Sid": "ReadKeys", "Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"},
    ],
}


@pytest.fixture
def scan(tmp_path: Path) -> Scan:
    """A scan of an empty repository."""
    repo = tmp_path / "repo"
    (repo / "terraform").mkdir(parents=True)
    subprocess.run(["git", "init", "-q"], cwd=repo, check=True)
    return Scan(repo, (), tmp_path / "work", (), lambda _: None)


def plans(document: dict[str, object]) -> dict[str, dict[str, Any]]:
    plan = {
        "planned_values": {
            "root_module": {
                "resources": [
                    {
                        "address": "aws_iam_role_policy.this",
                        "mode": "managed",
                        "type": "aws_iam_role_policy",
                        "values": {"name": "this", "role": "example", "policy": json.dumps(document)},
                    }
                ]
            }
        }
    }
    return {"example": plan}


def test_a_planted_secret_is_found_and_only_there(scan: Scan) -> None:
    key = "AKIA" + "Q3EGRNM7ZK4XWJ2P"  # in two parts, or this file would be found itself
    (scan.repo / "settings.txt").write_text(f"region = us-east-1\naccess_key = {key}\n")
    (scan.repo / "ignored.txt").write_text(key)
    (scan.repo / ".gitignore").write_text("ignored.txt\n")
    report = secrets(scan)
    assert [(finding.path, finding.line) for finding in report.findings] == [("settings.txt", 2)]
    assert key not in repr(report)
    assert report.checked == 2


def test_a_repository_without_secrets_is_green(scan: Scan) -> None:
    (scan.repo / "settings.txt").write_text("region = us-east-1\n")
    assert secrets(scan).green


def test_a_weak_workflow_is_found_a_sound_one_is_not(scan: Scan) -> None:
    folder = scan.repo / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "test.yml").write_text(SOUND_WORKFLOW)
    assert workflows(scan).green
    (folder / "test.yml").write_text(
        SOUND_WORKFLOW.replace("make test", "echo ${{ github.event.pull_request.title }}")
    )
    (finding,) = workflows(scan).findings
    assert (finding.rule, finding.path, finding.line) == (
        "template-injection",
        ".github/workflows/test.yml",
        15,
    )


def test_what_a_workflow_ignores_is_accepted_with_its_reason(scan: Scan) -> None:
    folder = scan.repo / ".github" / "workflows"
    folder.mkdir(parents=True)
    text = SOUND_WORKFLOW.replace(
        "make test", "echo ${{ github.event.pull_request.title }} # zizmor: ignore[template-injection] %s"
    )
    (folder / "test.yml").write_text(text % "it is quoted")
    report = workflows(scan)
    assert report.green
    assert [accepted.reason for accepted in report.accepted] == ["it is quoted"]
    (folder / "test.yml").write_text(text % "")
    with pytest.raises(ScanError, match="without a reason"):
        workflows(scan)


def test_no_workflows_is_no_green(scan: Scan) -> None:
    with pytest.raises(ScanError, match="no workflows"):
        workflows(scan)


def test_what_cannot_be_run_is_said_and_the_rest_runs(scan: Scan, capsys: pytest.CaptureFixture[str]) -> None:
    reports = scan_all(scan, "zizmor") + scan_all(scan, "secrets")
    assert [(report.tool, report.green, bool(report.failure)) for report in reports] == [
        ("zizmor", False, True),
        ("secrets", True, False),
    ]
    printed = capsys.readouterr().out
    assert "There are no workflows" in printed
    assert "zizmor could not be run" in printed


def test_a_skip_is_accepted_where_it_is_written(scan: Scan) -> None:
    block = 'resource "aws_sqs_queue" "this" {\n  name = "q"\n%s}\n'
    (scan.terraform / "main.tf").write_text(block % "")
    assert "CKV_AWS_27" in {finding.rule for finding in source(scan).findings}
    (scan.terraform / "main.tf").write_text(block % "  # checkov:skip=CKV_AWS_27:It holds nothing\n")
    report = source(scan)
    assert "CKV_AWS_27" not in {finding.rule for finding in report.findings}
    (accepted,) = report.accepted
    assert (accepted.reason, accepted.written) == ("It holds nothing", "terraform/main.tf:3")


def test_what_cannot_be_read_is_no_green(scan: Scan) -> None:
    (scan.terraform / "main.tf").write_text('resource "aws_sqs_queue" {{{\n')
    with pytest.raises(ScanError, match=r"cannot read .*main\.tf"):
        source(scan)


def test_a_policy_that_gives_too_much_is_found_by_both_linters(scan: Scan) -> None:
    parliament, cloudsplaining = rendered(scan, plans(DOCUMENT))
    assert {(finding.rule, finding.statement) for finding in parliament.findings} == {
        ("RESOURCE_STAR", "ReadKeys")
    }
    assert {finding.rule for finding in cloudsplaining.findings} == {
        "InfrastructureModification",
        "ResourceExposure",
    }


def test_a_finding_says_where_to_look(scan: Scan) -> None:
    (scan.terraform / "roles.tf").write_text(
        'module "etl_role" {\n  source = "./modules/role"\n}\n\n'
        'resource "aws_iam_role_policy" "this" {\n}\n\n'
        'data "aws_iam_policy_document" "etl" {\n  statement {\n    sid = "ReadKeys"\n  }\n}\n'
    )
    looking = replace(scan, trees=(Tree("it", scan.terraform, scan.terraform / "it.tfvars"),))
    parliament, cloudsplaining = rendered(looking, plans(DOCUMENT))
    assert {(finding.path, finding.line) for finding in parliament.findings} == {("terraform/roles.tf", 10)}
    assert {(finding.path, finding.line) for finding in cloudsplaining.findings} == {
        ("terraform/roles.tf", 5)
    }
    assert looking.place('module.etl_role.aws_iam_role_policy.this["a.b"]', "") == ("terraform/roles.tf", 1)


def test_a_policy_that_names_what_it_gives_is_not(scan: Scan) -> None:
    sound = {**DOCUMENT, "Statement": DOCUMENT["Statement"][:1]}
    assert [report.green for report in rendered(scan, plans(sound))] == [True, True]


def test_a_policy_that_a_plan_does_not_tell_is_no_green(scan: Scan) -> None:
    untold = plans(DOCUMENT)
    (resource,) = untold["example"]["planned_values"]["root_module"]["resources"]
    untold["example"]["resource_changes"] = [
        {"address": resource["address"], "change": {"after_unknown": {"policy": True}}}
    ]
    del resource["values"]["policy"]
    with pytest.raises(ScanError, match=r"does not tell these policies: aws_iam_role_policy\.this"):
        rendered(scan, untold)


def test_a_key_s_policy_is_asked_about_with_the_key_in_it() -> None:
    policy = Policy("module.key.aws_kms_key.this", "resource", "", "policy", DOCUMENT)
    assert [statement["Resource"] for statement in complete(policy)["Statement"]] == [
        "arn:aws:s3:::a/*",
        ITSELF,
    ]
    other = replace(policy, address="aws_sqs_queue.this")
    assert complete(other) == DOCUMENT


def test_a_worker_that_fails_says_why(tmp_path: Path) -> None:
    with (
        engine("policies", tmp_path) as asked,
        pytest.raises(ScanError, match=r"(?s)KeyError.*gave no answer"),
    ):
        asked.ask(nothing=True)


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_every_placeholder_has_an_example(environment: str, tmp_path: Path) -> None:
    text = example_variables(REPO / "terraform" / "env" / f"{environment}.tfvars")
    code = "\n".join(line.partition("#")[0] for line in text.splitlines())
    assert not re.search(r"<[^<>\n]+>", code)
    (tmp_path / "x.tfvars").write_text('x = "<something new>"\n')
    with pytest.raises(ToolError, match="<something new>"):
        example_variables(tmp_path / "x.tfvars")


def test_skips_are_few_and_each_has_its_reason() -> None:
    skips = [
        skip
        for path in sorted((REPO / "terraform").rglob("*.tf"))
        for skip in re.findall(r"checkov:skip=(\w+):?(.*)", path.read_text())
    ]
    assert len(skips) <= 30
    assert [rule for rule, reason in skips if len(reason.split()) < 5] == []


def test_exceptions_are_read_and_each_has_its_reason() -> None:
    exemptions = read_exemptions()
    assert exemptions
    assert [exemption.line for exemption in exemptions if len(exemption.reason.split()) < 8] == []
