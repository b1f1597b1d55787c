"""Runs one function's handler in this process, as Lambda's Python runtime does.

Run as a script by an isolated interpreter without site-packages: it must import the standard library only.
Arguments: handler, folder of the function's code, folder of the runtime's libraries, the number of the
descriptor answers go to, the file for the calls of AWS the function makes, the ARN of its role, how many
times as fast waiting passes by, and by how many seconds its clock is ahead. Requests come in on standard
input, one JSON object a line; what the function prints goes to standard output and error.
The end of standard input ends the process, whatever it does.

Answers, one JSON object a line: ``{"idle": bytes}`` once the handler is imported, or ``{"failure": {…}}``;
then for each request ``{"payload": "…"}`` or ``{"failure": {…}}``, with ``peak``, the most memory ever held.
"""

from __future__ import annotations

import datetime
import importlib
import json
import os
import queue
import resource
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from importlib.machinery import PathFinder
from typing import Any

_REQUESTS = 0
_SHORTEST_TIMEOUT_SECONDS = 1.0
"""However fast waiting passes by, an answer on a busy machine takes a while."""
_true_time = time.time


class Context:
    """What a handler is told of its invocation ("AWS Lambda context object in Python")."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.aws_request_id: str = request["request_id"]
        self.invoked_function_arn: str = request["arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = None
        self.client_context = None
        self.tenant_id = None
        self._deadline: float = request["deadline"]

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function times out."""
        return max(0, int((self._deadline - _true_time()) * 1000))


class AfterImport:
    """Takes part in imports ("The meta path"): once a module is loaded, as ever, it is handed to ``action``.

    What nobody imports costs nothing.
    """

    def __init__(self, name: str, action: Callable[[Any], None]) -> None:
        self._name = name
        self._action = action

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Find the module as Python does, with the action behind its loading; no other module."""
        if name != self._name:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_act(module: Any) -> None:
                load(module)
                self._action(module)

            spec.loader.exec_module = load_and_act  # type: ignore[method-assign]
        return spec


class Calls:
    """Writes down each call of AWS that this process makes through botocore: what its role has to allow.

    One JSON object a line: ``role``, ``service``, ``operation``, and of ``params`` those that are text and
    that AWS does not call sensitive.
    """

    def __init__(self, path: str, role: str) -> None:
        self._path = path
        self._role = role

    def listen(self) -> None:
        """Begin, once botocore is imported."""
        sys.meta_path.insert(0, AfterImport("botocore.handlers", self._add_to))

    def _add_to(self, handlers: Any) -> None:
        handlers.BUILTIN_HANDLERS.append(("before-parameter-build", self._write))

    def _write(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        shapes = model.input_shape.members if model.input_shape else {}
        call = {
            "role": self._role,
            "service": model.service_model.service_name,
            "operation": model.name,
            "params": {
                name: value
                for name, value in params.items()
                if isinstance(value, str) and not (name in shapes and shapes[name].metadata.get("sensitive"))
            },
        }
        with open(self._path, "a", encoding="utf-8") as file:  # noqa: PTH123 - pathlib is slow to import
            file.write(json.dumps(call) + "\n")


def hasten(rate: float) -> None:
    """Have sleeps, and the timeouts of connections, pass by ``rate`` times as fast."""
    sleep, set_timeout = time.sleep, socket.socket.settimeout

    def set_shorter(self: socket.socket, seconds: float | None) -> None:
        set_timeout(self, seconds and max(seconds / rate, min(seconds, _SHORTEST_TIMEOUT_SECONDS)))

    time.sleep = lambda seconds: sleep(float(seconds) / rate)
    socket.socket.settimeout = set_shorter  # type: ignore[assignment,method-assign]


def skew(seconds: float) -> None:
    """Have all that asks for the time be told one that is ``seconds`` ahead."""
    of_the_interpreter: type[object] = datetime.datetime

    class AnyDatetime(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, of_the_interpreter)

    class Datetime(datetime.datetime, metaclass=AnyDatetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Datetime:
            return cls.fromtimestamp(time.time(), tz)

        @classmethod
        def utcnow(cls) -> Datetime:
            return cls.now(datetime.UTC).replace(tzinfo=None)

    time.time = lambda: _true_time() + seconds
    datetime.datetime = Datetime  # type: ignore[misc]


def main(handler_name: str, task_root: str, libraries: str, answers_fd: int, calls: Calls) -> None:
    """Serve requests until there are no more."""
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    incoming = os.fdopen(os.dup(_REQUESTS), "rb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), _REQUESTS)
    threading.Thread(target=_receive, args=(incoming, requests), daemon=True).start()
    sys.path.insert(0, task_root)
    sys.path.append(libraries)
    calls.listen()
    with os.fdopen(answers_fd, "w", buffering=1, encoding="utf-8") as answers:
        try:
            handler = _load(handler_name)
        except BaseException as error:  # noqa: BLE001 - the function's fault, whatever it is
            answers.write(json.dumps({"failure": _import_failure(handler_name, error)}) + "\n")
            return
        answers.write(json.dumps({"idle": memory("VmRSS:")}) + "\n")
        while True:
            answer = _run(handler, json.loads(requests.get()))
            answers.write(json.dumps({**answer, "peak": memory("VmHWM:")}) + "\n")


def _receive(incoming: Any, requests: queue.SimpleQueue[bytes]) -> None:
    for line in incoming:
        requests.put(line)
    os._exit(0)


def _load(handler_name: str) -> Callable[[Any, Context], Any]:
    module_name, _, function_name = handler_name.rpartition(".")
    module = importlib.import_module(module_name.replace("/", "."))
    handler: Callable[[Any, Context], Any] = getattr(module, function_name)
    return handler


def _import_failure(handler_name: str, error: BaseException) -> dict[str, Any]:
    module_name, _, function_name = handler_name.rpartition(".")
    if isinstance(error, AttributeError) and not hasattr(sys.modules.get(module_name), function_name):
        kind = "Runtime.HandlerNotFound"
        message = f"Handler '{function_name}' missing on module '{module_name}'"
    elif isinstance(error, ImportError):
        kind, message = "Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}"
    else:
        kind, message = type(error).__name__, str(error)
    traceback.print_exception(error)
    return {"errorMessage": message, "errorType": kind, "requestId": "", "stackTrace": []}


def _run(handler: Callable[[Any, Context], Any], request: dict[str, Any]) -> dict[str, Any]:
    context = Context(request)
    os.environ["_X_AMZN_TRACE_ID"] = request["trace"]
    print(f"START RequestId: {context.aws_request_id} Version: {context.function_version}", flush=True)
    try:
        result = handler(request["event"], context)
        try:
            answer: dict[str, Any] = {"payload": json.dumps(result)}
        except (TypeError, ValueError) as error:
            message = f"Unable to marshal response: {error}"
            answer = {"failure": _failure(context, "Runtime.MarshalError", message, [])}
    except Exception as error:  # noqa: BLE001 - the function's fault, whatever it is
        frames = traceback.extract_tb(error.__traceback__)[1:]
        answer = {
            "failure": _failure(context, type(error).__name__, str(error), traceback.format_list(frames))
        }
        print(f"[ERROR] {type(error).__name__}: {error}", file=sys.stderr)
        traceback.print_exception(error)
    sys.stderr.flush()
    print(f"END RequestId: {context.aws_request_id}", flush=True)
    return answer


def _failure(context: Context, kind: str, message: str, stack: list[str]) -> dict[str, Any]:
    return {
        "errorMessage": message,
        "errorType": kind,
        "requestId": context.aws_request_id,
        "stackTrace": stack,
    }


def memory(field: str) -> int:
    """Resident memory in bytes: ``VmRSS:`` now, ``VmHWM:`` at most so far (``proc_pid_status(5)``)."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - pathlib is slow to import
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))
    except FileNotFoundError:
        # Not Linux. getrusage(2) knows the peak only, in bytes on macOS.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    if (rate := float(sys.argv[7])) != 1:
        hasten(rate)
    if ahead := float(sys.argv[8]):
        skew(ahead)
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), Calls(sys.argv[5], sys.argv[6]))
