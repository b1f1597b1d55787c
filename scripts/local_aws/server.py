"""Runs the local AWS in this process until it is stopped."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from scripts.local_aws.account import REGION
from scripts.local_aws.athena.reading import forgo_pandas
from scripts.local_aws.errors import LocalAwsError

SERVER_FILE = "server.json"
LOCK_FILE = "server.lock"
_SWITCH_SECONDS = 0.0005
"""A call is many short steps, and its thread waits for the turns of others between them (seconds)."""


def serve(home: Path, port: int, *, lifeline: bool, enforced: bool = False) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP, or with ``lifeline`` until standard input ends.

    Writes ``server.json`` to ``home`` and one line with the same content to standard output once it answers.
    Raises ``LocalAwsError`` if a local AWS already runs in this home, or the port is taken.
    """
    home = home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    with _sole_server(home):
        _prepare_process()
        from scripts.local_aws.emulation import Emulation  # noqa: PLC0415 - moto reads settings at import

        emulation = Emulation(home, port, enforced=enforced)
        # A pipe and no event: a handler runs in the midst of whatever waits, and would wait for its lock.
        stopping, stop = os.pipe()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: os.write(stop, b"."))
        if lifeline:
            threading.Thread(target=_watch_lifeline, args=(stop,), name="lifeline", daemon=True).start()
        server_file = home / SERVER_FILE
        try:
            emulation.start()
            announcement = json.dumps({"endpoint": emulation.endpoint, "pid": os.getpid()})
            server_file.write_text(announcement + "\n")
            print(announcement, flush=True)
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # Nobody reads what moto prints.
            os.read(stopping, 1)
        finally:
            server_file.unlink(missing_ok=True)
            emulation.stop()


def running_server(home: Path) -> dict[str, Any] | None:
    """What the local AWS that runs in this home announced, or ``None`` if none runs.

    Only a live server holds the lock, so a ``server.json`` left by one that was killed is not believed.
    """
    lock = home / LOCK_FILE
    if not lock.exists():
        return None
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            return None
    try:
        document = json.loads((home / SERVER_FILE).read_bytes())
    except FileNotFoundError as error:
        raise LocalAwsError(f"A local AWS is starting or stopping in {home}: try again.") from error
    return dict(document)


@contextmanager
def _sole_server(home: Path) -> Iterator[IO[str]]:
    """Hold this home's lock: the kernel frees it however the process ends."""
    with (home / LOCK_FILE).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LocalAwsError(
                f"A local AWS already runs in {home}: use it, or stop it with "
                f"python -m scripts.local_aws down --home {home}."
            ) from error
        yield file


def _prepare_process() -> None:
    """Settle what moto takes from the environment; a person's own AWS settings must not reach it."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "MOTO_")):
            del os.environ[name]
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.environ["AWS_DEFAULT_REGION"] = REGION
    os.environ["TZ"] = "UTC"
    time.tzset()
    sys.setswitchinterval(_SWITCH_SECONDS)
    forgo_pandas()
    # Every large object is an open file.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _watch_lifeline(stop: int) -> None:
    """Standard input is a pipe whose other end the parent holds: its end is the parent's."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.write(stop, b".")
