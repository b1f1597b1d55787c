"""All functions of the account: their processes, invocations and resource use.

Each function keeps up to two processes warm. A function whose code or configuration changed gets new ones.
"""

from __future__ import annotations

import importlib.util
import io
import json
import shutil
import threading
import time
import uuid
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moto.awslambda.models import LambdaFunction
from moto.core.utils import unix_time_millis
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from scripts.local_aws.clock import Clock
from scripts.local_aws.cloudwatch.metrics import Metrics, sample
from scripts.local_aws.enforcement.behalf import assumes, in_name_of
from scripts.local_aws.functions.process import Code, FunctionProcess, Outcome
from scripts.local_aws.identity import assume

MAX_PROCESSES = 2
ASYNCHRONOUS_RETRIES = 2
RETRY_SECONDS = 1.0
"""Lambda waits one minute, then two, before it retries an asynchronous invocation."""
CALLS = "calls.jsonl"
"""The file of a function's AWS calls, next to its log."""
_REPOSITORY_RUNTIME = Path(__file__).resolve().parents[3] / "build" / "runtime"


@dataclass(slots=True)
class _Pool:
    """The processes of one function, and what they did."""

    fingerprint: tuple[Any, ...] = ()
    idle: list[FunctionProcess] = field(default_factory=list)
    busy: list[FunctionProcess] = field(default_factory=list)
    starting: int = 0
    invocations: int = 0
    errors: int = 0
    peak_rss_bytes: int = 0
    idle_rss_bytes: int = 0


class StoppedError(Exception):
    """The local AWS is stopping: nothing is invoked any more."""


class ThrottledError(Exception):
    """The function's reserved concurrency is 0: it is not invoked."""


class Functions:
    """Runs functions. Thread-safe. ``endpoint`` is the AWS they are given, ``home`` holds code and logs."""

    def __init__(self, home: Path, endpoint: str, metrics: Metrics, clock: Clock) -> None:
        self._home = home / "functions"
        self._metrics = metrics
        self._clock = clock
        self._endpoint = endpoint
        self._pools: dict[str, _Pool] = {}
        self._changed = threading.Condition()
        self._files_lock = threading.Lock()
        self._stopped = False

    def invoke(self, function: LambdaFunction, event: Any, request_id: str | None = None) -> Outcome:
        """Run the handler on one event and wait for it. Raises ``ThrottledError`` as ``require_room``."""
        self.require_room(function)
        pool, process = self._acquire(function)
        begin = time.monotonic()
        try:
            outcome = process.invoke(
                event, request_id or str(uuid.uuid4()), function.function_arn, float(function.timeout)
            )
        except BaseException:
            process.kill()
            raise
        finally:
            self._release(pool, process, function)
        with self._changed:
            pool.invocations += 1
            pool.errors += outcome.failed
        milliseconds = (time.monotonic() - begin) * 1000
        self._count(function, Duration=milliseconds, Invocations=1, Errors=outcome.failed, Throttles=0)
        return outcome

    def require_room(self, function: LambdaFunction) -> None:
        """Raise ``ThrottledError`` if the function may have no invocation at all."""
        if function.reserved_concurrency is not None and int(function.reserved_concurrency) == 0:
            self._count(function, Throttles=1)
            raise ThrottledError(f"{function.function_name} has a reserved concurrency of 0")

    def process_of(self, access_key_id: str) -> FunctionProcess | None:
        """The process that works as the session of this access key."""
        with self._changed:
            busy = [process for pool in self._pools.values() for process in pool.busy]
        return next((process for process in busy if process.access_key_id == access_key_id), None)

    def _count(self, function: LambdaFunction, **values: float) -> None:
        for name, value in values.items():
            self._metrics.add("AWS/Lambda", name, {"FunctionName": function.function_name}, sample(value))

    def invoke_later(self, function: LambdaFunction, event: Any) -> str:
        """Run the handler soon, and twice more if it fails.

        Then send the event to its dead-letter queue, and the invocation record to its on-failure destination.
        """
        request_id = str(uuid.uuid4())
        arguments = (function, event, request_id)
        threading.Thread(target=self._run_asynchronously, args=arguments, name="invoke", daemon=True).start()
        return request_id

    def status(self) -> dict[str, dict[str, int]]:
        """By function name: how often it ran and failed, and the memory of its processes."""
        with self._changed:
            return {
                name: {
                    "invocations": pool.invocations,
                    "errors": pool.errors,
                    "peak_rss_bytes": pool.peak_rss_bytes,
                    "idle_rss_bytes": pool.idle_rss_bytes,
                }
                for name, pool in self._pools.items()
            }

    def stop(self) -> None:
        """End every process."""
        with self._changed:
            self._stopped = True
            for pool in self._pools.values():
                for process in pool.idle:
                    process.end()
                pool.idle.clear()
                for process in pool.busy:
                    process.kill()
            self._changed.notify_all()

    def _run_asynchronously(self, function: LambdaFunction, event: Any, request_id: str) -> None:
        configured = function.event_invoke_config[0].config if function.event_invoke_config else {}
        retries = configured.get("MaximumRetryAttempts", ASYNCHRONOUS_RETRIES)
        for attempt in range(retries + 1):
            if attempt:
                time.sleep(RETRY_SECONDS)
            try:
                outcome = self.invoke(function, event, request_id)
            except (StoppedError, ThrottledError):
                return
            if not outcome.failed:
                return
        self._count(function, AsyncEventsDropped=1)
        dead_letters = (getattr(function, "dead_letter_config", None) or {}).get("TargetArn", "")
        _send(dead_letters, event)
        on_failure = configured.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")
        _send(on_failure, _record_of_failure(function, event, request_id, retries + 1, outcome))

    def _acquire(self, function: LambdaFunction) -> tuple[_Pool, FunctionProcess]:
        """A process of the function as it is now; waits while all are busy."""
        fingerprint = self._fingerprint(function)
        with self._changed:
            pool = self._pools.setdefault(function.function_name, _Pool())
            if pool.fingerprint != fingerprint:
                for outdated in pool.idle:
                    outdated.end()
                pool.idle.clear()
                pool.fingerprint = fingerprint
            self._changed.wait_for(lambda: self._stopped or len(pool.busy) + pool.starting < MAX_PROCESSES)
            if self._stopped:
                raise StoppedError
            if pool.idle:
                pool.busy.append(pool.idle.pop())
                return pool, pool.busy[-1]
            pool.starting += 1
        process: FunctionProcess | None = None
        try:
            process = FunctionProcess(self._code(function), lambda lines: self._write_log(function, lines))
        finally:
            with self._changed:
                pool.starting -= 1
                if process is not None:
                    pool.busy.append(process)
                self._changed.notify_all()
        return pool, process

    def _release(self, pool: _Pool, process: FunctionProcess, function: LambdaFunction) -> None:
        with self._changed:
            pool.busy.remove(process)
            pool.peak_rss_bytes = max(pool.peak_rss_bytes, process.peak_rss_bytes)
            pool.idle_rss_bytes = process.idle_rss_bytes or pool.idle_rss_bytes
            keep = process.is_alive and not self._stopped and pool.fingerprint == self._fingerprint(function)
            if keep:
                pool.idle.append(process)
            self._changed.notify_all()
        if not keep:
            process.end()

    def _code(self, function: LambdaFunction) -> Code:
        assumes("lambda", function.role, function.function_arn)
        task_root = self._unpack(function)
        name = function.function_name
        group = _log_group(function)
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "TZ": "UTC",
            "_HANDLER": str(function.handler),
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.run_time}",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": _version(function),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": group,
            "AWS_LAMBDA_LOG_STREAM_NAME": _log_stream(function),
            "AWS_REGION": function.region,
            "AWS_DEFAULT_REGION": function.region,
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "LAMBDA_TASK_ROOT": str(task_root),
            "LAMBDA_RUNTIME_DIR": str(_runtime_libraries()),
            **assume(function.role, name),
            **function.environment_vars,
        }
        return Code(
            handler=str(function.handler),
            task_root=task_root,
            libraries=_runtime_libraries(),
            environment=environment,
            role=str(function.role),
            calls=self._home / name / CALLS,
            rate=self._clock.rate or 1.0,
            skew_seconds=self._clock.skew_seconds,
        )

    def _fingerprint(self, function: LambdaFunction) -> tuple[Any, ...]:
        """What makes a process of the function out of date when it changes."""
        return (
            function.code_sha_256,
            function.handler,
            function.role,
            function.memory_size,
            tuple(sorted(function.environment_vars.items())),
            _log_group(function),
            self._clock.rate,
            self._clock.skew_seconds,
        )

    def _unpack(self, function: LambdaFunction) -> Path:
        """The folder with the function's code: unpacked once for each digest."""
        digest = function.code_digest.removeprefix("sha256:").replace("/", "_")
        folder: Path = self._home / function.function_name / digest[:32]
        with self._files_lock:
            if not folder.exists():
                partial = folder.with_suffix(".partial")
                shutil.rmtree(partial, ignore_errors=True)
                with zipfile.ZipFile(io.BytesIO(function.code_bytes)) as archive:
                    archive.extractall(partial)
                partial.rename(folder)
        return folder

    def _write_log(self, function: LambdaFunction, lines: list[str]) -> None:
        """Append to the function's file and to its log group in CloudWatch Logs."""
        with (self._home / function.function_name / "log.txt").open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
        group, stream = _log_group(function), _log_stream(function)
        for operation in ("CreateLogStream", "PutLogEvents"):
            named = {"logGroupName": group, "logStreamName": stream}
            in_name_of(function.role, function.function_name, "logs", operation, named)
        now = int(unix_time_millis())
        for line in lines:
            self._metrics.add_printed(line)
        with self._files_lock:
            function.logs_backend.ensure_log_group(group)
            function.logs_backend.ensure_log_stream(group, stream)
            function.logs_backend.put_log_events(
                group, stream, [{"timestamp": now, "message": line} for line in lines if line]
            )


def _send(target: str, document: Any) -> None:
    """Send JSON to a queue or a topic; nothing to no target."""
    if not target:
        return
    _, _, service, region, account_id, name = target.split(":")
    if service == "sqs":
        sqs_backends[account_id][region].send_message(name, json.dumps(document))
    elif service == "sns":
        sns_backends[account_id][region].publish(json.dumps(document), arn=target)
    else:
        raise NotImplementedError(f"failed invocations go to queues and topics here, not to {target}")


def _record_of_failure(
    function: LambdaFunction, event: Any, request_id: str, invocations: int, outcome: Outcome
) -> dict[str, Any]:
    """The invocation record for a destination ("Capturing records of Lambda asynchronous invocations")."""
    return {
        "version": "1.0",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"{function.function_arn}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": invocations,
        },
        "requestPayload": event,
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": json.loads(outcome.payload),
    }


def _version(function: LambdaFunction) -> str:
    return "$LATEST" if str(function.version) in {"1", "$LATEST"} else str(function.version)


def _log_group(function: LambdaFunction) -> str:
    configured: dict[str, str] = getattr(function, "logging_config", None) or {}
    return configured.get("LogGroup") or str(function.logs_group_name)


def _log_stream(function: LambdaFunction) -> str:
    return f"{datetime.now(UTC):%Y/%m/%d}/[{_version(function)}]{function.code_digest[-32:]}"


def _runtime_libraries() -> Path:
    """Where the runtime's boto3 is: the folder that set-up made, else where this Python has it."""
    if (_REPOSITORY_RUNTIME / "boto3").is_dir():
        return _REPOSITORY_RUNTIME
    found = importlib.util.find_spec("boto3")
    if found is None or found.origin is None:
        raise RuntimeError("boto3 is not installed")
    return Path(found.origin).parents[1]
