"""One warm process of a function, seen from the server: start, invoke, end."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

_WORKER = Path(__file__).with_name("worker.py")
_INIT_SECONDS = 60.0
_LOG_SECONDS = 10.0

LogSink = Callable[[list[str]], None]


@dataclass(frozen=True, slots=True)
class Code:
    """What a process runs: code, environment, role, the file for its AWS calls, its clock."""

    handler: str
    task_root: Path
    libraries: Path
    environment: dict[str, str]
    role: str
    calls: Path
    rate: float
    skew_seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one invocation ended. ``payload`` is the handler's JSON, or AWS's error document if ``failed``."""

    payload: str
    failed: bool
    log: list[str] = field(default_factory=list)


class FunctionProcess:
    """A process that serves one invocation at a time. It ends with this process in any case."""

    def __init__(self, code: Code, log: LogSink) -> None:
        self._log = log
        self._is_expired = False
        self.access_key_id = code.environment["AWS_ACCESS_KEY_ID"]
        self._answers, answers_end = os.pipe()
        command = [sys.executable, "-I", "-S", "-u", str(_WORKER), code.handler]
        command += [str(code.task_root), str(code.libraries), str(answers_end), str(code.calls), code.role]
        command += [str(code.rate), str(code.skew_seconds)]
        self._process = subprocess.Popen(
            command,
            cwd=code.task_root,
            env=code.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(answers_end,),
            start_new_session=True,
        )
        os.close(answers_end)
        self._buffer = b""
        self._lines: list[str] = []
        self._lines_changed = threading.Condition()
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        self.idle_rss_bytes = 0
        self.peak_rss_bytes = 0
        self.failure: dict[str, Any] | None = None
        """Why the handler could not be imported, as AWS's error document."""
        ready = self._read_answer(time.monotonic() + _INIT_SECONDS)
        if ready is None or "failure" in ready:
            self.failure = ready["failure"] if ready else _document("Runtime.ExitError", "Runtime exited")
        else:
            self.idle_rss_bytes = self.peak_rss_bytes = int(ready["idle"])

    @property
    def is_alive(self) -> bool:
        """Whether it can serve another invocation."""
        return self.failure is None and self._process.poll() is None

    def invoke(self, event: Any, request_id: str, arn: str, timeout_seconds: float) -> Outcome:
        """Run the handler; a process that times out or crashes is ended, and the outcome says so."""
        started = time.monotonic()
        request = {
            "event": event,
            "request_id": request_id,
            "arn": arn,
            "deadline": time.time() + timeout_seconds,
            "trace": f"Root=1-{int(time.time()):08x}-{request_id.replace('-', '')[:24]};Sampled=0",
        }
        failure = self.failure and {**self.failure, "requestId": request_id}
        answer: dict[str, Any] | None = None
        if failure is None:
            stdin = cast("IO[bytes]", self._process.stdin)
            try:
                stdin.write(json.dumps(request).encode() + b"\n")
                stdin.flush()
                answer = self._read_answer(started + timeout_seconds)
            except BrokenPipeError:
                answer = None
        if answer is not None:
            self.peak_rss_bytes = max(self.peak_rss_bytes, int(answer["peak"]))
            failure = answer.get("failure")
        elif failure is None:
            failure = self._death(request_id, timeout_seconds)
        lines = self._collect_log(request_id if answer is not None else None)
        milliseconds = (time.monotonic() - started) * 1000
        lines.append(
            f"REPORT RequestId: {request_id}\tDuration: {milliseconds:.2f} ms\t"
            f"Max Memory Used: {self.peak_rss_bytes // 2**20} MB"
        )
        self._log(lines)
        if failure is not None:
            return Outcome(json.dumps(failure), failed=True, log=lines)
        return Outcome(str(cast("dict[str, Any]", answer)["payload"]), failed=False, log=lines)

    def kill(self) -> None:
        """Stop the process during an invocation, which then fails; its caller calls ``end``."""
        self._process.kill()

    def expire(self) -> None:
        """Stop it during an invocation, as if the function's timeout had passed."""
        self._is_expired = True
        self._process.kill()

    def end(self) -> None:
        """Stop the process at once, and release it."""
        self._process.kill()
        self._process.wait()
        if self._answers >= 0:
            os.close(self._answers)
            self._answers = -1
        cast("IO[bytes]", self._process.stdin).close()

    def _death(self, request_id: str, timeout_seconds: float) -> dict[str, Any]:
        if self._process.poll() is None or self._is_expired:
            self._process.kill()
            self._process.wait()
            message = f"RequestId: {request_id} Error: Task timed out after {timeout_seconds:.2f} seconds"
            return _document("Sandbox.Timedout", message, request_id)
        code = self._process.returncode
        ended = f"signal: {-code}" if code < 0 else f"exit status {code}"
        message = f"RequestId: {request_id} Error: Runtime exited with error: {ended}"
        return _document("Runtime.ExitError", message, request_id)

    def _read_answer(self, deadline: float) -> dict[str, Any] | None:
        """The next answer; ``None`` if there is none in time, or the process ended without one."""
        # Not select(2): the server has an open file for every large object, and this one may be beyond 1,024.
        answers = select.poll()
        answers.register(self._answers, select.POLLIN)
        while b"\n" not in self._buffer:
            readable = answers.poll(max(0.0, deadline - time.monotonic()) * 1000)
            data = os.read(self._answers, 2**20) if readable else b""
            if not data:
                if not readable:
                    return None
                self._process.wait()
                return None
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return dict(json.loads(line))

    def _read_log(self) -> None:
        output = cast("IO[bytes]", self._process.stdout)
        for line in output:
            with self._lines_changed:
                self._lines.append(line.decode(errors="replace").rstrip("\n"))
                self._lines_changed.notify_all()
        output.close()

    def _collect_log(self, request_id: str | None) -> list[str]:
        """What was printed: up to the end of this request, or of the process if it did not come to one."""
        end = f"END RequestId: {request_id}"
        if request_id is None and self._process.poll() is not None:
            self._reader.join(_LOG_SECONDS)
        with self._lines_changed:
            if request_id is not None:
                self._lines_changed.wait_for(lambda: end in self._lines, _LOG_SECONDS)
            lines, self._lines = self._lines, []
        return lines


def _document(kind: str, message: str, request_id: str = "") -> dict[str, Any]:
    return {"errorType": kind, "errorMessage": message, "requestId": request_id}
