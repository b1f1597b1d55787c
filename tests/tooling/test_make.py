"""The targets are a contract: each is listed with what it does, and continuous integration runs one."""

from __future__ import annotations

import os
import re
import subprocess

from scripts.toolchain.toolchain import REPO

TARGETS = {
    *(
        "help",
        "setup",
        "demo",
        "build",
        "bootstrap",
        "plan",
        "apply",
        "destroy",
        "test",
        "test-upgrade",
        "test-airflow",
        "test-warehouse",
        "warehouse",
        "lint",
        "fmt",
        "scan",
        "verify",
    ),
    *(
        "access",
        "review",
        "report",
        "doctor",
        "drill",
        "bench",
        "chaos",
        "enforce",
        "first-apply",
        "docs",
        "site",
        "local-up",
        "env",
        "local-down",
        "clean",
        "new-table",
    ),
}


def test_make_alone_lists_every_target() -> None:
    done = subprocess.run(["make"], cwd=REPO, capture_output=True, text=True, check=True)
    assert set(re.findall(r"^  ([a-z-]+)  +\S", done.stdout, re.MULTILINE)) == TARGETS


def test_no_target_is_taken_for_a_file() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", (REPO / "Makefile").read_text(), re.MULTILINE)
    assert set(phony.split()) == TARGETS


def test_continuous_integration_runs_make_test() -> None:
    script = REPO / ".ci" / "run"
    assert os.access(script, os.X_OK)
    targets = ["make test", "make site", "make test-warehouse", "exec make test-airflow"]
    assert script.read_text().splitlines()[-4:] == targets


def test_compiled_modules_are_kept_even_if_the_shell_says_otherwise() -> None:
    words = [
        "make",
        "--no-print-directory",
        "--eval",
        "shown: ; @echo $${PYTHONDONTWRITEBYTECODE-kept}",
        "shown",
    ]
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(words, cwd=REPO, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "kept\n"
