from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from scripts.local_aws import LocalAws, LocalAwsError
from scripts.local_aws.launch import down, up
from scripts.local_aws.server import running_server
from tests.local_aws.account import PATIENCE_SECONDS, Account, eventually

ROOT = Path(__file__).resolve().parents[2]
PARENT = """
import sys, time
from pathlib import Path
from scripts.local_aws import LocalAws
with LocalAws(Path(sys.argv[1])) as aws:
    print(aws.endpoint, flush=True)
    time.sleep(600)
"""
SLEEP = "import time\ndef handler(event, context):\n    time.sleep(600)"


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie has ended, although its parent has not waited for it.
    with contextlib.suppress(FileNotFoundError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return Path("/proc").is_dir() is False


@contextlib.contextmanager
def parent(home: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that holds a local AWS, and the endpoint."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(home)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        process.kill()


def busy_function(endpoint: str, home: Path) -> int:
    """The process of a function during an invocation."""
    account = Account(endpoint)
    name = account.function(SLEEP, timeout=600)
    account.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")
    found = eventually(
        lambda: (
            subprocess.run(
                ["pgrep", "-f", f"worker.py code.handler {home}"], capture_output=True, text=True, check=False
            ).stdout
        )
    )
    return int(found)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_it_ends_with_its_parent_however_that_ends(tmp_path: Path, number: int) -> None:
    with parent(tmp_path) as (process, endpoint):
        server = json.loads((tmp_path / "server.json").read_bytes())
        worker = busy_function(endpoint, tmp_path)
        assert is_running(server["pid"])
        process.send_signal(number)
        process.wait(PATIENCE_SECONDS)
        eventually(lambda: not is_running(server["pid"]) and not is_running(worker))


def test_a_ctrl_c_at_the_terminal_ends_both(tmp_path: Path) -> None:
    with parent(tmp_path) as (process, _):
        server = json.loads((tmp_path / "server.json").read_bytes())
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) != 0
        eventually(lambda: not is_running(server["pid"]))
    assert not (tmp_path / "server.json").exists()


def test_a_killed_server_takes_its_functions_along(tmp_path: Path) -> None:
    with LocalAws(tmp_path) as aws:
        server = json.loads((tmp_path / "server.json").read_bytes())
        worker = busy_function(aws.endpoint, tmp_path)
        os.kill(server["pid"], signal.SIGKILL)
        eventually(lambda: not is_running(worker) and running_server(tmp_path) is None)
    # Files of the killed one do not matter.
    with LocalAws(tmp_path) as aws:
        assert aws.admin("status")["functions"] == {}


def test_the_announcement_is_the_environment_to_use(tmp_path: Path) -> None:
    with LocalAws(tmp_path) as aws:
        announced = json.loads((tmp_path / "server.json").read_bytes())
        assert announced["endpoint"] == aws.endpoint
        environment = aws.environ()
        assert environment["AWS_ENDPOINT_URL"] == aws.endpoint
        code = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
        said = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert said == "arn:aws:iam::123456789012:user/operator\n"
    assert not (tmp_path / "server.json").exists()


def test_a_second_one_in_the_same_home_is_refused(tmp_path: Path) -> None:
    with LocalAws(tmp_path) as aws:
        with pytest.raises(LocalAwsError, match="A local AWS already runs in"), LocalAws(tmp_path):
            pass
        assert aws.admin("status")


def test_a_taken_port_is_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(LocalAwsError, match=f"^Port {port} on 127.0.0.1 cannot be used"),
            LocalAws(tmp_path, port),
        ):
            pass


def test_only_this_machine_reaches_it(server: LocalAws) -> None:
    port = int(server.endpoint.rpartition(":")[2])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("no other address")
        address = probe.getsockname()[0]
    with socket.socket() as client:
        client.settimeout(2)
        assert client.connect_ex((address, port)) != 0


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.local_aws", *arguments, "--home", str(home)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_up_leaves_it_running_and_down_ends_it(tmp_path: Path) -> None:
    started = run(tmp_path, "up")
    try:
        assert (started.returncode, started.stderr) == (0, "The local AWS is running.\n")
        endpoint = json.loads((tmp_path / "server.json").read_bytes())["endpoint"]
        assert requests.post(f"{endpoint}/_local/status", timeout=PATIENCE_SECONDS).ok
        again = run(tmp_path, "up")
        assert (again.returncode, again.stdout, again.stderr) == (0, "", "The local AWS runs already.\n")
        assert json.loads((tmp_path / "server.json").read_bytes())["endpoint"] == endpoint
    finally:
        ended = run(tmp_path, "down")
    assert (ended.returncode, ended.stderr) == (0, "The local AWS has stopped.\n")
    with pytest.raises(requests.ConnectionError):
        requests.post(f"{endpoint}/_local/status", timeout=PATIENCE_SECONDS)
    none = run(tmp_path, "down")
    assert (none.returncode, none.stderr) == (0, f"No local AWS is running in {tmp_path}.\n")


def test_a_stale_announcement_is_not_believed(tmp_path: Path) -> None:
    announcement = up(tmp_path, 0)
    os.kill(announcement["pid"], signal.SIGKILL)
    eventually(lambda: running_server(tmp_path) is None)
    assert (tmp_path / "server.json").exists()
    assert not down(tmp_path)
    assert up(tmp_path, 0)["pid"] != announcement["pid"]
    assert down(tmp_path)


def test_serve_in_the_foreground_ends_on_ctrl_c(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "scripts.local_aws", "serve", "--home", str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["pid"] == process.pid
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 0


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("unknown", {}, "There is no 'unknown'"),
        ("tamper", {}, "KeyError"),
        ("tamper", {"action": "burn", "bucket": "b", "key": "k"}, "there is no action 'burn'"),
        ("tamper", {"action": "delete", "bucket": "none", "key": "k"}, "there is no bucket 'none'"),
        ("events", {"duplicate": 0}, "at least once"),
    ],
)
def test_a_wrong_administrative_request_says_so(
    server: LocalAws, path: str, body: dict[str, Any], error: str
) -> None:
    with pytest.raises(LocalAwsError, match=error):
        server.admin(path, **body)


def test_what_is_not_emulated_is_not_retried(aws: Account) -> None:
    answer = requests.post(
        aws.endpoint,
        headers={
            "X-Amz-Target": "TrentService.ImportKeyMaterial",
            "Authorization": "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/kms/aws4_request, X=Y",
            "Content-Type": "application/x-amz-json-1.1",
        },
        data="{}",
        timeout=PATIENCE_SECONDS,
    )
    assert answer.status_code == 501
    assert "not been implemented" in answer.text
