"""The endpoint and credentials of a program that runs in an environment."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.local_aws.server import running_server
from scripts.toolchain.environment import LOCAL_HOME, environ_of, local_environ, shell_lines, without_aws
from scripts.toolchain.toolchain import BUILD, REPO, ToolError

MINE = {"PATH": "/bin", "AWS_PROFILE": "prod", "AWS_SECRET_ACCESS_KEY": "mine", "AWS_CA_BUNDLE": "/ca.pem"}


SHOW = 'import os; print(*(f"{name}={value}" for name, value in os.environ.items()), sep="\\n")'


def test_nothing_of_the_callers_aws_reaches_the_local_one() -> None:
    assert without_aws(MINE) == {
        "PATH": "/bin",
        "AWS_CA_BUNDLE": "/ca.pem",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }


@pytest.mark.parametrize("env", ["dev", "prod"])
def test_a_real_environment_takes_the_callers_own_and_no_endpoint(env: str) -> None:
    deployment = {"CUSTODY_DEPLOYMENT": str(BUILD / env / "deployment.json")}
    assert environ_of(env, MINE) == {**MINE, **deployment}


def test_no_server_is_none(tmp_path: Path) -> None:
    assert local_environ(tmp_path) is None


@pytest.mark.skipif(running_server(LOCAL_HOME) is not None, reason="make local-up has started one")
def test_without_a_server_a_person_is_told_what_to_run() -> None:
    with pytest.raises(ToolError, match="make local-up"):
        environ_of("local", MINE)


def test_a_shell_gets_the_same_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = tmp_path / "it's $HOME; `x`"
    odd.mkdir()
    endpoint = {"endpoint": "http://127.0.0.1:9"}
    monkeypatch.setattr("scripts.toolchain.environment.BUILD", odd)
    monkeypatch.setattr("scripts.toolchain.environment.running_server", lambda _home: endpoint)
    mine = {**MINE, "HOME": str(tmp_path)}
    script = "\n".join([*shell_lines("local", mine), f"exec {shlex.quote(sys.executable)} -c '{SHOW}'"])
    done = subprocess.run(["/bin/sh", "-c", script], env=mine, capture_output=True, text=True, check=True)
    shown = dict(line.split("=", 1) for line in done.stdout.splitlines())
    wanted = environ_of("local", mine)
    assert {name: shown.get(name) for name in wanted} == wanted
    assert not {name for name in shown.keys() - wanted.keys() if name.startswith("AWS_")}


def test_the_command_is_run_with_the_tools_of_the_environment_first() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "scripts.toolchain.environment",
            "--env",
            "dev",
            "--",
            "sh",
            "-c",
            "echo $PATH; exit 7",
        ],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith(f"{Path(sys.executable).parent}:")
    assert done.returncode == 7
