"""The process of one job run, seen from the server: start, wait, end."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, cast

_WORKER = Path(__file__).with_name("worker.py")
_OUTPUT_SECONDS = 5.0
"""How long the output may stay open behind the process: whatever it started is ended with it."""

LogSink = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What ``worker.py`` is told to run."""

    role: str
    script: str
    modules: list[str]
    arguments: list[str]
    folder: str
    calls: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: ``SUCCEEDED``, ``FAILED`` with a message, ``TIMEOUT`` or ``STOPPED``."""

    state: str
    message: str = ""
    traceback: str = ""
    peak_rss_bytes: int = 0


class RunProcess:
    """A process that runs one script. It ends with this process in any case, with all its children."""

    def __init__(self, order: Order, environment: dict[str, str], log: LogSink) -> None:
        self._words, words_end = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-u", str(_WORKER), str(words_end)],
            cwd=order.folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(words_end,),
            start_new_session=True,
        )
        os.close(words_end)
        self._stopped = False
        self._reader = threading.Thread(target=_read, args=(self._process.stdout, log), daemon=True)
        self._reader.start()
        stdin = cast("IO[bytes]", self._process.stdin)
        with contextlib.suppress(BrokenPipeError):  # It ended at once: so ``wait`` says.
            stdin.write(json.dumps(asdict(order)).encode() + b"\n")
            stdin.flush()

    def wait(self, seconds: float, on_running: Callable[[], None]) -> Ending:
        """Wait until the run ends; end it after the timeout. ``on_running`` is called when it starts."""
        deadline = time.monotonic() + seconds
        last: dict[str, Any] = {}
        buffer = b""
        words = select.poll()
        words.register(self._words, select.POLLIN)
        try:
            while True:
                if not words.poll(max(0.0, deadline - time.monotonic()) * 1000):
                    return Ending("STOPPED" if self._stopped else "TIMEOUT")
                if not (data := os.read(self._words, 2**16)):
                    return self._ending(last)
                *lines, buffer = (buffer + data).split(b"\n")
                for line in lines:
                    last = json.loads(line)
                    if "running" in last:
                        on_running()
        finally:
            self._end()

    def stop(self) -> None:
        """End the run at once; ``wait`` returns."""
        self._stopped = True
        self._kill()

    def _ending(self, last: dict[str, Any]) -> Ending:
        """The result in the run's last message; there is none if the process was killed or exited."""
        if "failure" in last:
            state = "SUCCEEDED" if last["failure"] is None else "FAILED"
            return Ending(state, last["failure"] or "", last["traceback"], int(last["peak"]))
        if self._stopped:
            return Ending("STOPPED")
        code = self._process.wait()
        ended = f"signal {-code}" if code < 0 else f"exit code {code}"
        return Ending("FAILED", f"Command failed with {ended}")

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _end(self) -> None:
        self._kill()
        self._process.wait()
        os.close(self._words)
        self._reader.join(_OUTPUT_SECONDS)
        cast("IO[bytes]", self._process.stdin).close()


def _read(output: IO[bytes] | None, log: LogSink) -> None:
    for line in cast("IO[bytes]", output):
        log(line.decode(errors="replace").rstrip("\n"))
    cast("IO[bytes]", output).close()
