"""What runs before a commit is what make lint runs."""

from __future__ import annotations

import copy
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from scripts.gates import GATES
from scripts.toolchain.toolchain import REPO

CONFIG: dict[str, Any] = yaml.safe_load((REPO / ".pre-commit-config.yaml").read_text())
FILES = [
    path.relative_to(REPO).as_posix()
    for folder in ("dags", "glue", "lambda", "scripts", "sql", "src", "task", "terraform", "tests")
    for path in (REPO / folder).rglob("*")
]


def disagreements(config: dict[str, Any]) -> Iterator[str]:
    """Where the hooks and the gates of make lint differ."""
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    yield from (
        f"{repo['repo']} brings tools of its own" for repo in config["repos"] if repo["repo"] != "local"
    )
    names, gates = [hook["name"] for hook in hooks], [gate.name for gate in GATES["lint"]]
    if names != gates:
        yield f"the hooks are {names}, the gates {gates}"
    for hook in hooks:
        name = hook["name"]
        if shlex.split(hook["entry"]) != [".venv/bin/python", "-m", "scripts.gates", name]:
            yield f"{name} does not run its gate"
        if hook["language"] != "system" or hook["pass_filenames"]:
            yield f"{name} does not run as the gate does"
        if not any(re.search(hook["files"], path) for path in FILES):
            yield f"{name} waits for files that there are none of"


def test_the_hooks_are_the_gates_of_make_lint() -> None:
    assert list(disagreements(CONFIG)) == []


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "mypy", "the hooks are"),
        ("entry", ".venv/bin/ruff check", "ruff does not run its gate"),
        ("language", "python", "ruff does not run as the gate does"),
        ("pass_filenames", True, "ruff does not run as the gate does"),
        ("files", r"\.rb$", "ruff waits for files that there are none of"),
    ],
)
def test_a_hook_that_differs_is_found(field: str, value: object, words: str) -> None:
    config = copy.deepcopy(CONFIG)
    config["repos"][0]["hooks"][0][field] = value
    assert any(words in found for found in disagreements(config))


def test_a_gate_without_a_hook_is_found() -> None:
    config = copy.deepcopy(CONFIG)
    del config["repos"][0]["hooks"][-1]
    (found,) = disagreements(config)
    assert found.startswith("the hooks are")


def test_a_hook_from_elsewhere_is_found() -> None:
    config = copy.deepcopy(CONFIG)
    config["repos"][0]["repo"] = "https://github.com/astral-sh/ruff-pre-commit"
    assert "brings tools of its own" in next(disagreements(config))
