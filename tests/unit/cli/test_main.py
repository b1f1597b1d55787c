from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import textwrap
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from custody import __version__
from custody.cli import main
from custody.cli.commands import app
from tests.unit.report.sample import DEPLOYMENT

COMMANDS = (
    "ledger",
    "reads",
    "show",
    "lineage",
    "verify",
    "reconcile",
    "fsck",
    "prove",
    "export",
    "watch",
    "upload",
    "record",
    "backfill",
    "erase",
    "report",
    "doctor",
    "anomalies",
)
WITHOUT_DEPLOYMENT = {"witness"}
NEEDED = {"lineage": ["a_table"], "upload": [__file__], "watch": ["--seen", "seen"]}
NEEDED |= {"prove": ["s3://b/k", "-o", "proof.zip"], "export": ["s3://b/k", "-o", "export.zip"]}
NEEDED |= {"erase": ["s3://b/k?versionId=v", "--reason", "why", "--yes"]}
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
    names = [command.callback.__name__ for command in app.registered_commands if command.callback]
    assert tuple(name for name in names if name not in WITHOUT_DEPLOYMENT) == COMMANDS
    assert set(names) >= WITHOUT_DEPLOYMENT


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
    assert "could not be reached" in capsys.readouterr().err


def run(program: str, *, deployment: Path, **variables: str) -> subprocess.Popen[str]:
    """Start the command line as its own process, with ``program`` run before it."""
    code = textwrap.dedent(program) + "\nimport sys; from custody.cli import main; sys.exit(main())"
    environ = {**os.environ, "CUSTODY_DEPLOYMENT": str(deployment), "PYTHONPATH": "src", **variables}
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
    assert process.wait(timeout=300) == 128 + signal.SIGPIPE
    assert process.stderr.read() == ""
    process.stderr.close()


def test_an_interrupt_is_one_word_and_stops_the_query(deployment: Path) -> None:
    program = ENDLESS.replace("STATE", '"RUNNING"').replace("POLLED", "signal.raise_signal(signal.SIGINT)")
    process = run(program, deployment=deployment)
    out, err = process.communicate(timeout=300)
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


def shell(words: str, deployment: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run ``custody`` by a shell that redirects its streams; no credentials, so nothing is asked."""
    return subprocess.run(
        ["sh", "-c", f"exec {shlex.quote(sys.executable)} -m custody.cli {words}"],
        env={**os.environ, "PYTHONPATH": "src", "CUSTODY_DEPLOYMENT": str(deployment), **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_closed_standard_output_is_wrong_use(deployment: Path) -> None:
    done = shell("--help >&-", deployment)
    assert done.returncode == 2
    assert re.fullmatch(r"custody: Standard output is closed[^\n]+\n", done.stderr)


def test_a_full_standard_output_is_one_sentence_and_3(deployment: Path) -> None:
    done = shell("--help >/dev/full", deployment)
    assert done.returncode == 3
    assert re.fullmatch(r"custody: The answer could not be written[^\n]+\n", done.stderr)


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_without_standard_error_the_status_stays(deployment: Path, redirection: str) -> None:
    done = shell(f"ledger --since never {redirection}", deployment)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


def test_what_an_encoding_cannot_print_is_escaped(deployment: Path) -> None:
    done = shell("show 'incoming/\N{SNOWMAN}'", deployment, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 2
    assert "\\u2603" in done.stderr
    program = ENDLESS.replace("STATE", '"SUCCEEDED"').replace("POLLED", "pass")
    program = program.replace('"NextToken": token', "").replace(
        '"VarCharValue": "x"', '"VarCharValue": "\u2603"'
    )
    process = run(program, deployment=deployment, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "Traceback" not in err
    assert "\\u2603" in out


@pytest.mark.parametrize(
    ("name", "value"), [("AWS_ENDPOINT_URL", "not a url"), ("AWS_ENDPOINT_URL", "http://[::1")]
)
def test_a_configuration_of_aws_that_cannot_be_used_is_2(
    name: str,
    value: str,
    deployment: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(name, value)
    for command in COMMANDS:
        assert main([command, *NEEDED.get(command, [])]) == 2, command
        assert re.fullmatch(r"custody: [^\x00-\x1f\x7f]+\n", capsys.readouterr().err)


def test_an_endpoint_that_is_no_aws_is_3(
    deployment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>Welcome")

        do_GET = do_PUT = do_POST  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        for command in ("ledger", "verify", "lineage"):
            assert main([command, *NEEDED.get(command, [])]) == 3, command
            assert re.fullmatch(r"custody: [^\x00-\x1f\x7f]+\n", capsys.readouterr().err)
        server.shutdown()


def test_what_nobody_foresaw_is_one_sentence_that_says_where_to_report_it(
    deployment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fail(path: Path) -> None:
        raise ZeroDivisionError("an\nodd one")

    monkeypatch.setattr("custody.cli.options.load_deployment", fail)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main(["ledger"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"custody: [^\x00-\x1f\x7f]+\n", err)
    (kept,) = tmp_path.glob("custody-*.txt")
    assert f"Report it to the maintainers of the kit, with the command you ran and {kept}." in err
    assert kept.stat().st_mode & 0o077 == 0
    assert "ZeroDivisionError" in kept.read_text()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    assert main(["ledger"]) == 3
    assert "Report it to the maintainers of the kit, with the command you ran." in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_said_before_anything_is_asked(
    deployment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "none" / "page", tmp_path / "file" / "page", Path("/proc/page")):
        assert main(["report", "-o", str(path)]) == 2, path
        out, err = capsys.readouterr()
        assert out == ""
        assert re.fullmatch(r"custody: [^\x00-\x1f\x7f]+ with -o\.\n", err)


def test_a_report_that_failed_leaves_what_was_there(
    deployment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "pages" / "page.html"
    page.parent.mkdir()
    page.write_text("the last one")
    assert main(["report", "-o", str(page)]) == 3
    assert "credentials" in capsys.readouterr().err
    assert [(path.name, path.read_text()) for path in page.parent.iterdir()] == [
        ("page.html", "the last one")
    ]


NEEDED_FOR_HELP = {
    "custody",
    *(
        f"custody.{name}"
        for name in ("cli", "deployment", "errors", "evidence", "ledger", "terminal", "times")
    ),
    *(f"custody.cli.{name}" for name in ("commands", "deployments", "options")),
    "custody.evidence.objects",
    *(f"custody.ledger.{name}" for name in ("athena", "ledger")),
}


def test_help_waits_for_nothing_it_does_not_need() -> None:
    code = (
        "import sys; from custody.cli import main; main(['--help']);"
        "sys.exit(' '.join({'boto3', 'botocore', 'jinja2', 'rich', 'msgspec', 'cryptography', 'sqlite3'}"
        " & sys.modules.keys()"
        f" | {{name for name in sys.modules if name.startswith('custody')}} - {NEEDED_FOR_HELP}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.strip() == ""
