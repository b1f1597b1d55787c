from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from dataclasses import asdict
from pathlib import Path

import pytest

from custody import __version__
from custody.cli import main
from custody.cli.commands import app
from tests.unit.report.sample import DEPLOYMENT

COMMANDS = ("ledger", "show", "lineage", "verify", "upload", "record", "backfill", "report", "doctor")
NEEDED = {"lineage": ["a_table"], "upload": [__file__]}
NEEDED |= {command: ["s3://b/k"] for command in ("show", "record", "backfill")}


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "deployment.json"
    path.write_text(json.dumps(asdict(DEPLOYMENT)))
    monkeypatch.setenv("CUSTODY_DEPLOYMENT", str(path))
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    return path


def test_there_are_the_commands_that_work_and_no_others() -> None:
    assert (
        tuple(command.callback.__name__ for command in app.registered_commands if command.callback)
        == COMMANDS
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"Usage: custody {command}")
    assert "--format" in out
    assert "--deployment" in out
    assert "CUSTODY_DEPLOYMENT" in out
    assert not re.search(r"\x1b|``|\[bold", out)
    assert err == ""


def test_help_and_version_are_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    everything = capsys.readouterr().out
    assert all(f"  {command} " in everything for command in COMMANDS)
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"custody {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["ledger", "--nonsense"],
        ["ledger", "--status", "\x1b[31mred"],
        ["ledger", "--since", "once upon a time"],
        ["ledger", "--format", "xml"],
        ["ledger", "surplus"],
        ["show"],
        ["show", "incoming/a"],
        ["show", "s3://"],
        ["show", "s3://bucket/%ff"],
        ["record", "s3://bucket/key", "--timeout", "soon"],
        ["record", "s3://bucket/key", "--timeout", "-1"],
        ["verify", "--sample", "many"],
        ["backfill", "s3://another-bucket/"],
        ["--nonsense"],
    ],
)
def test_wrong_use_is_one_sentence_and_2(
    arguments: list[str], deployment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"custody: [^\x00-\x1f\x7f]+\n", err)


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_deployment_nothing_is_done(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for content, words in ((None, "no deployment file"), ("{", "cannot be read"), ("{}", "lacks")):
        path = tmp_path / "deployment.json"
        if content is not None:
            path.write_text(content)
        assert main([command, *NEEDED.get(command, []), "--deployment", str(path)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert words in err
        assert "make apply" in err


def test_the_deployment_is_found_by_env(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CUSTODY_DEPLOYMENT", raising=False)
    monkeypatch.delenv("ENV", raising=False)
    main(["ledger"])
    assert "build/local/deployment.json" in capsys.readouterr().err
    monkeypatch.setenv("ENV", "prod")
    main(["ledger"])
    assert "build/prod/deployment.json" in capsys.readouterr().err


@pytest.mark.parametrize("command", [each for each in COMMANDS if each not in ("doctor", "backfill")])
def test_without_credentials_nothing_can_be_checked(
    command: str, deployment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, *NEEDED.get(command, [])]) in (2, 3)
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"custody: [^\x00-\x1f\x7f]+\n", err)


def test_no_credentials_is_said_with_the_remedy(deployment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger"]) == 3
    assert "no AWS credentials" in capsys.readouterr().err


def test_an_endpoint_that_is_not_there_is_3(
    deployment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert main(["ledger"]) == 3
    assert "could not be asked" in capsys.readouterr().err


def run(program: str, *, deployment: Path) -> subprocess.Popen[str]:
    """Start the command line as its own process, with ``program`` run before it."""
    code = textwrap.dedent(program) + "\nimport sys; from custody.cli import main; sys.exit(main())"
    environ = {**os.environ, "CUSTODY_DEPLOYMENT": str(deployment), "PYTHONPATH": "src"}
    return subprocess.Popen(
        [sys.executable, "-c", code, "ledger"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


ENDLESS = """
    import signal, sys
    import botocore.client
    from custody.ledger.ledger import LedgerRow
    def answer(self, operation, parameters):
        if operation == "StartQueryExecution":
            return {"QueryExecutionId": "1"}
        if operation == "GetQueryExecution":
            POLLED
            return {"QueryExecution": {"Status": {"State": STATE}}}
        if operation == "StopQueryExecution":
            sys.stderr.write("stopped\\n")
            return {}
        columns = [{"Name": name, "Type": "varchar"} for name in NAMES]
        row = [{} if name in ("event_time", "recorded_at") else {"VarCharValue": "x"} for name in NAMES]
        rows = [{"Data": row}] * 1000
        token = str(int(parameters.get("NextToken", 0)) + 1)
        return {"ResultSet": {"Rows": rows, "ResultSetMetadata": {"ColumnInfo": columns}}, "NextToken": token}
    NAMES = [name for name in LedgerRow.__dataclass_fields__]
    botocore.client.BaseClient._make_api_call = answer
"""


def test_a_reader_that_goes_away_ends_it_quietly(deployment: Path) -> None:
    program = ENDLESS.replace("STATE", '"SUCCEEDED"').replace("POLLED", "pass")
    process = run(program, deployment=deployment)
    assert process.stdout is not None
    assert process.stderr is not None
    assert "status" in process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=30) == 128 + signal.SIGPIPE
    assert process.stderr.read() == ""
    process.stderr.close()


def test_an_interrupt_is_one_word_and_stops_the_query(deployment: Path) -> None:
    program = ENDLESS.replace("STATE", '"RUNNING"').replace("POLLED", "signal.raise_signal(signal.SIGINT)")
    process = run(program, deployment=deployment)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "stopped\ncustody: Interrupted.\n")


def test_the_module_runs_as_the_script_does() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "custody.cli", "--version"],
        env={**os.environ, "PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"custody {__version__}\n"
