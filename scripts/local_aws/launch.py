"""Starts and stops the local AWS from another process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

from scripts.local_aws.account import (
    OPERATOR_ACCESS_KEY,
    OPERATOR_SECRET_KEY,
    OTHER_ACCESS_KEY,
    OTHER_SECRET_KEY,
    REGION,
)
from scripts.local_aws.errors import LocalAwsError
from scripts.local_aws.server import running_server
from scripts.local_aws.state import STATE_PATH

_ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 300.0
_STOP_SECONDS = 60.0


class LocalAws:
    """The local AWS, for the length of a ``with`` block.

    It ends with the block, and with this process in any case. Its files (log, function logs, digest key) are
    in ``home``; its state is in memory. ``port`` 0 takes a free one. Entering raises ``LocalAwsError`` with a
    sentence that says why it cannot start.

    enforced: have policies decide every call; this needs the simulator.
    """

    def __init__(self, home: Path, port: int = 0, *, enforced: bool = False) -> None:
        self.home = home
        self._enforced = enforced
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self.endpoint = ""

    def __enter__(self) -> Self:
        self._process, announcement = _start(self.home, self._port, lifeline=True, enforced=self._enforced)
        self.endpoint = announcement["endpoint"]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process, self._process = self._process, None
        if process is not None:
            _end(process)

    def environ(self) -> dict[str, str]:
        """The environment variables with which a process uses only this AWS, as the operator."""
        return operator_environment(self.endpoint)

    def other_environ(self) -> dict[str, str]:
        """The same, as the operator of the other account."""
        keys = {"AWS_ACCESS_KEY_ID": OTHER_ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": OTHER_SECRET_KEY}
        return {**self.environ(), **keys}

    def person_environ(self, name: str) -> dict[str, str]:
        """The same, as the user of that name: one of his own if policies decide, else the operator."""
        return self.environ() | (self.admin("enforcement/user", name=name) if self._enforced else {})

    @property
    def state_url(self) -> str:
        """Where Terraform's ``http`` backend keeps a state as long as this AWS runs."""
        return f"{self.endpoint}{STATE_PATH}"

    def admin(self, path: str, **body: Any) -> dict[str, Any]:
        """Call ``/_local/<path>``. Raises ``LocalAwsError`` with the server's message if it fails."""
        return call_admin(self.endpoint, path, body)


def operator_environment(endpoint: str) -> dict[str, str]:
    """The environment variables for a user of the local AWS at ``endpoint``."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": OPERATOR_ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": OPERATOR_SECRET_KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


def call_admin(endpoint: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """POST ``body`` to the administrative path and return its answer."""
    request = urllib.request.Request(  # noqa: S310 - an http URL of this machine
        f"{endpoint}/_local/{path}", data=json.dumps(body).encode(), method="POST"
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=120) as answer:
            document: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        raise LocalAwsError(f"The local AWS refuses {path}: {error.read().decode()}") from error
    except OSError as error:
        raise LocalAwsError(f"The local AWS at {endpoint} does not answer: {error}.") from error
    return document


def up(home: Path, port: int) -> dict[str, Any]:
    """Start a local AWS that keeps running; return its announcement. Raises ``LocalAwsError``."""
    process, announcement = _start(home, port, lifeline=False)
    process.returncode = 0  # It is left running on purpose.
    return announcement


def down(home: Path) -> bool:
    """Stop the local AWS of this home; false if none is running."""
    server = running_server(home)
    if server is None:
        return False
    pid = int(server["pid"])
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline:
            if _has_ended(home):
                return True
            time.sleep(0.05)
    raise LocalAwsError(f"The local AWS of {home} (process {pid}) does not stop.")


def _has_ended(home: Path) -> bool:
    try:
        return running_server(home) is None
    except LocalAwsError:
        return False


def _start(
    home: Path, port: int, *, lifeline: bool, enforced: bool = False
) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    home.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "scripts.local_aws", "serve", "--home", str(home.absolute())]
    command += ["--port", str(port)]
    if lifeline:
        command.append("--lifeline")
    if enforced:
        command.append("--enforced")
    log = home / "server.log"
    with log.open("ab") as errors:
        start_of_log = errors.tell()
        process = subprocess.Popen(
            command,
            cwd=_ROOT,
            stdin=subprocess.PIPE if lifeline else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            # A Ctrl-C at the terminal is the parent's to handle; it ends the server by its lifeline.
            start_new_session=True,
        )
    try:
        announcement = _announcement(process)
    except BaseException:
        _end(process)
        raise
    if announcement is None:
        _end(process)
        with log.open("rb") as lines:
            lines.seek(start_of_log)
            words = lines.read().decode(errors="replace").strip().splitlines()
        raise LocalAwsError(words[-1] if words else f"The local AWS did not start; see {log}.")
    return process, announcement


def _announcement(process: subprocess.Popen[bytes]) -> dict[str, Any] | None:
    """The line the server prints once it answers; ``None`` if it ended before."""
    output = cast("IO[bytes]", process.stdout)
    too_late = threading.Timer(_START_SECONDS, process.kill)
    too_late.start()
    try:
        line = output.readline()
    finally:
        too_late.cancel()
        output.close()
    return dict(json.loads(line)) if line else None


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
