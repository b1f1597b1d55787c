"""The workflows: pinned, with the least permissions, and nothing a fork's code could use."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.toolchain.toolchain import REPO

WORKFLOWS = sorted((REPO / ".github" / "workflows").glob("*.yml"))

_USES = re.compile(r"^[ -]*uses: (\S+)(?: +(#.*))?$", re.MULTILINE)
_PINNED = re.compile(r"[\w.-]+(?:/[\w.-]+)+@[0-9a-f]{40}")
_OURS = re.compile(r"\bmake\b|\.venv|\bpython3?\b")
SAME_REPOSITORY = "github.event.pull_request.head.repo.full_name == github.repository"
READS = {"actions", "contents"}
WRITES = {"attestations", "contents", "id-token", "issues", "pull-requests", "security-events"}


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(), re.MULTILINE))


def oldest_python() -> str:
    wanted = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["requires-python"]
    return str(wanted).removeprefix(">=")


def faults(text: str) -> Iterator[str]:
    """A sentence for each problem of a workflow."""
    for action, comment in _USES.findall(text):
        if not _PINNED.fullmatch(action):
            yield f"{action} is not pinned to a commit"
        if not re.fullmatch(r"# v\d+\.\d+\.\d+", comment):
            yield f"{action} does not say its version"
    if re.search(r"\bsecrets *[.:[]", text):
        yield "it uses a secret"
    document = yaml.safe_load(text)
    triggers = set(document[True])  # what YAML 1.1 takes the key "on" for
    for trigger in triggers - {"pull_request", "push", "schedule", "workflow_dispatch"}:
        yield f"{trigger} runs with more than the sender has"
    if document.get("permissions") != {}:
        yield "it grants permissions to every job"
    if "group" not in document.get("concurrency", {}):
        yield "two of it may run at once"
    if document.get("defaults") != {"run": {"shell": "bash"}}:
        yield "a pipe that fails would pass"
    for name, job in document["jobs"].items():
        for fault in _job_faults(job, on_pull_request="pull_request" in triggers):
            yield f"{name}: {fault}"


def _job_faults(job: dict[str, Any], *, on_pull_request: bool) -> Iterator[str]:
    permissions = job.get("permissions")
    if not isinstance(permissions, dict):
        yield "it does not say its permissions"
        permissions = {}
    allowed = {(scope, "read") for scope in READS} | {(scope, "write") for scope in WRITES}
    yield from (f"{scope}: {level} is too much" for scope, level in permissions.items() - allowed)
    if "timeout-minutes" not in job:
        yield "it may run for hours"
    if not re.fullmatch(r"ubuntu-\d\d\.04", job.get("runs-on", "")):
        yield "its runner is not a named release"

    commands = [step["run"] for step in job["steps"] if "run" in step]
    actions = [step.get("uses", "").partition("@")[0] for step in job["steps"]]
    writes = {scope for scope, level in permissions.items() if level == "write"}
    runs_ours = any(_OURS.search(command) for command in commands)
    yield from ("an expression is pasted into a command" for command in commands if "${{" in command)
    if runs_ours and writes - {"id-token"}:
        yield "code of the repository runs beside a token that writes"
    if runs_ours and "github.token" in str(job):
        yield "code of the repository is given the token"
    if "contents" in writes and not job.get("environment"):
        yield "what changes the repository needs no approval"
    if on_pull_request and writes and SAME_REPOSITORY not in job.get("if", ""):
        yield "forks reach a token that writes"
    yield from _aws_faults(job, commands, actions, writes)
    yield from _step_faults(job["steps"])
    yield from _command_faults(commands)


def _aws_faults(
    job: dict[str, Any], commands: list[str], actions: list[str], writes: set[str]
) -> Iterator[str]:
    credentials = "aws-actions/configure-aws-credentials"
    uses_identity = credentials in actions or "actions/attest" in actions
    if uses_identity != ("id-token" in writes):
        yield "it has a token for AWS or Sigstore and no use for it, or the other way round"
    if credentials not in actions:
        return
    if not job.get("environment"):
        yield "its role is pinned to no environment"
    built = [index for index, step in enumerate(job["steps"]) if step.get("run", "").startswith("make build")]
    if not built or built[0] > actions.index(credentials):
        yield "packages are built while there are credentials"
    applies = any(re.search(r"\bmake (.* )?apply\b", command) for command in commands)
    if applies == str(job.get("environment", "")).endswith("-plan"):
        yield "the role that plans and the one that applies are mixed up"
    if applies and not any("sha256sum --check" in command for command in commands):
        yield "it applies a plan that may be another"


def _step_faults(steps: list[dict[str, Any]]) -> Iterator[str]:
    for step in steps:
        settings = step.get("with", {})
        if step.get("uses", "").startswith("actions/checkout@") and settings.get("persist-credentials", True):
            yield "the token is left in the checked-out repository"
        if "python-version" in settings and settings["python-version"] != oldest_python():
            yield f"its Python is not the oldest that must do, {oldest_python()}"
        if re.search(r"setup-(?!python@)", step.get("uses", "")):
            yield "a tool comes from elsewhere than the project's own locks"


def _command_faults(commands: list[str]) -> Iterator[str]:
    for words in re.findall(r"\bmake ([^\n#;|&]+)", "\n".join(commands)):
        for word in words.split():
            if "=" not in word and word not in targets():
                yield f"there is no make {word}"
    for module in re.findall(r"-m (scripts[\w.]*)", "\n".join(commands)):
        path = REPO / module.replace(".", "/")
        if not (path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()):
            yield f"there is no {module}"
    if re.search(r"\b(pip|curl|wget|apt-get|npm|npx) ", "\n".join(commands)):
        yield "a tool comes from elsewhere than the project's own locks"


def test_there_are_workflows() -> None:
    assert [path.stem for path in WORKFLOWS] == ["deploy", "nightly", "pull-request", "release"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_no_fault(path: Path) -> None:
    assert list(faults(path.read_text())) == []


def test_an_action_is_pinned_to_the_same_commit_everywhere() -> None:
    pins = {pin for path in WORKFLOWS for pin in _USES.findall(path.read_text())}
    names = [action.partition("@")[0] for action, _ in pins]
    assert len(names) == len(set(names))


CHECKOUT = "actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2"


@pytest.mark.parametrize(
    ("workflow", "old", "new", "fault"),
    [
        ("deploy", CHECKOUT, "actions/checkout@v6 # v6.0.2", "not pinned to a commit"),
        ("deploy", CHECKOUT, CHECKOUT.partition(" ")[0], "does not say its version"),
        ("nightly", "${{ github.token }}", "${{ secrets.TOKEN }}", "uses a secret"),
        ("pull-request", "  pull_request:", "  pull_request_target:", "more than the sender has"),
        ("pull-request", "permissions: {}", "permissions: read-all", "permissions to every job"),
        ("nightly", "  group: nightly\n", "", "two of it may run at once"),
        ("deploy", "    shell: bash", "    shell: sh", "a pipe that fails would pass"),
        (
            "nightly",
            "    permissions:\n      issues: write # the issue\n",
            "",
            "does not say its permissions",
        ),
        ("pull-request", "contents: read # the code", "contents: write", "needs no approval"),
        ("release", "environment: release", "environment:", "needs no approval"),
        ("pull-request", "    timeout-minutes: 45\n", "", "may run for hours"),
        ("pull-request", "ubuntu-24.04", "ubuntu-latest", "not a named release"),
        ("deploy", 'ENV="$ENV"', "ENV=${{ inputs.environment }}", "pasted into a command"),
        (
            "pull-request",
            "gh pr comment",
            "make review\n          gh pr comment",
            "beside a token that writes",
        ),
        ("nightly", "issues: write", "packages: write", "packages: write is too much"),
        (
            "pull-request",
            "- run: make test",
            "- run: make test\n        env: {T: '${{ github.token }}'}",
            "given the",
        ),
        ("pull-request", f"&& {SAME_REPOSITORY}", "", "forks reach a token"),
        ("pull-request", "id-token: write", "actions: read", "a token for AWS or Sigstore and no use for it"),
        ("pull-request", "    environment: dev-plan\n", "", "pinned to no environment"),
        ("pull-request", "- run: make build", "- run: echo", "built while there are credentials"),
        ("deploy", "'dev' }}-plan", "'dev' }}", "mixed up"),
        ("deploy", " | sha256sum --check", "", "a plan that may be another"),
        ("pull-request", "persist-credentials: false", "persist-credentials: true", "token is left"),
        ("deploy", 'python-version: "3.11"', 'python-version: "3.12"', "its Python is not"),
        ("deploy", "actions/setup-python@", "hashicorp/setup-terraform@", "elsewhere than the project's"),
        (
            "deploy",
            "- run: make test",
            "- run: pip install pytest && make test",
            "elsewhere than the project's",
        ),
        ("pull-request", "make scan", "make scan-all", "there is no make scan-all"),
        ("nightly", "scripts.terraform", "scripts.drift", "there is no scripts.drift"),
    ],
)
def test_a_fault_is_found(workflow: str, old: str, new: str, fault: str) -> None:
    text = (REPO / ".github" / "workflows" / f"{workflow}.yml").read_text()
    assert old in text
    assert any(fault in found for found in faults(text.replace(old, new)))
