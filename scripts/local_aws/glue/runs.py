"""All job runs of the account: start, state and logs.

A run is a process of its own; when it ends, an event is sent to EventBridge ("Glue Job State Change").
https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-jobs-runs.html
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import threading
import traceback
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moto.core.utils import unix_time_millis
from moto.glue.exceptions import ConcurrentRunsExceededException
from moto.glue.models import FakeJob
from moto.logs.models import logs_backends

from scripts.local_aws.account import ACCOUNT_ID
from scripts.local_aws.calls import S3Call
from scripts.local_aws.enforcement.behalf import assumes, in_name_of
from scripts.local_aws.functions.runtime import CALLS
from scripts.local_aws.glue.process import Ending, Order, RunProcess
from scripts.local_aws.identity import assume

SESSION_NAME = "GlueJobRunnerSession"
LOG_GROUP = "/aws-glue/jobs"
ACTIVE = frozenset({"STARTING", "RUNNING", "STOPPING"})
DEFAULT_TIMEOUT_MINUTES = 480
"""Glue 5.0 and later ("StartJobRun action")."""
_DPUS = {"G.025X": 0.25, "G.1X": 1.0, "G.2X": 2.0, "G.4X": 4.0, "G.8X": 8.0}
_MODULES = ("--additional-python-modules", "--extra-py-files")
_SEVERITIES = {
    "SUCCEEDED": ("INFO", "Job run succeeded"),
    "FAILED": ("ERROR", "JobName:{name} and JobRunId:{run_id} failed to execute with exception {error}"),
    "TIMEOUT": ("WARN", "Job run timed out"),
    "STOPPED": ("INFO", "Job run stopped"),
}
"""Message of the event, by the final state of the run."""

OnEnd = Callable[["JobRun"], None]


@dataclass(slots=True)
class JobRun:
    """One run. To change it, hold the lock of ``Runs``."""

    job: FakeJob
    job_run_id: str
    arguments: dict[str, str]
    settings: dict[str, Any]
    """What the run was given, else the job has: ``Timeout``, ``WorkerType`` and the like, as the API does."""
    started_on: datetime = field(default_factory=lambda: datetime.now(UTC))
    running_since: datetime | None = None
    completed_on: datetime | None = None
    state: str = "STARTING"
    message: str = ""
    process: RunProcess | None = None

    def as_dict(self) -> dict[str, Any]:
        """The run as GetJobRun answers it ("JobRun structure")."""
        end = self.completed_on or datetime.now(UTC)
        seconds = (end - self.running_since).total_seconds() if self.running_since else 0
        document = {
            "Id": self.job_run_id,
            "Attempt": 0,
            "JobName": self.job.name,
            "JobMode": "SCRIPT",
            "StartedOn": self.started_on,
            "LastModifiedOn": self.completed_on or self.running_since or self.started_on,
            "CompletedOn": self.completed_on,
            "JobRunState": self.state,
            "Arguments": self.arguments,
            "ErrorMessage": self.message or None,
            "PredecessorRuns": [],
            "ExecutionTime": int(seconds),
            "LogGroupName": LOG_GROUP,
            "GlueVersion": self.job.glue_version,
            "ExecutionClass": self.job.execution_class,
            **self.settings,
        }
        return {name: value for name, value in document.items() if value is not None}

    def given(self) -> dict[str, str]:
        """The run's arguments over the job's."""
        job = self.job
        return {**job.default_arguments, **self.arguments, **(job.non_overridable_arguments or {})}

    def log_prefix(self) -> str:
        """What the names of the run's log groups begin with: groups of its own, if they are encrypted."""
        prefix = self.given().get("--custom-logGroup-prefix", LOG_GROUP)
        security = self.job.backend.security_configurations.get(self.settings["SecurityConfiguration"])
        logs = (security.configuration if security else {}).get("CloudWatchEncryption", {})
        if security is None or logs.get("CloudWatchEncryptionMode") != "SSE-KMS":
            return prefix
        return f"{prefix}/{security.name}-role/{self.job.role.rpartition('/')[2]}"


@dataclass(slots=True)
class _History:
    """A job's runs, the oldest first, and what they came to."""

    runs: list[JobRun] = field(default_factory=list)
    failed: int = 0
    peak_rss_bytes: int = 0

    def active(self) -> list[JobRun]:
        """Those that are not at their end."""
        return [run for run in self.runs if run.state in ACTIVE]


class Runs:
    """Runs jobs. Thread-safe. ``endpoint`` is the AWS they are given, ``home`` holds their logs.

    ``on_end`` is called with each run that ended.
    """

    def __init__(self, home: Path, endpoint: str, on_end: OnEnd) -> None:
        self._home = home / "jobs"
        self._endpoint = endpoint
        self._on_end = on_end
        self._lock = threading.Lock()
        self._log_lock = threading.Lock()
        self._histories: defaultdict[str, _History] = defaultdict(_History)
        self._sessions: dict[str, tuple[str, str]] = {}
        self._stopped = False

    def start(self, job: FakeJob, arguments: dict[str, str], settings: dict[str, Any]) -> JobRun:
        """Begin a run. Raises ``ConcurrentRunsExceededException`` if the job has as many as it may."""
        run = JobRun(job, f"jr_{secrets.token_hex(32)}", arguments, _settings(job, settings))
        with self._lock:
            history = self._histories[job.name]
            if len(history.active()) >= int(job.execution_property.get("MaxConcurrentRuns", 1)):
                raise ConcurrentRunsExceededException(f"Concurrent runs exceeded for {job.name}")
            history.runs.append(run)
        threading.Thread(target=self._run, args=(run,), name="job run", daemon=True).start()
        return run

    def of(self, job: FakeJob) -> list[JobRun]:
        """The job's runs, the newest first."""
        with self._lock:
            return self._histories[job.name].runs[::-1]

    def stop_run(self, run: JobRun) -> bool:
        """Have a run end; false if it has ended already."""
        with self._lock:
            if run.state not in ACTIVE:
                return False
            run.state = "STOPPING"
            if run.process is not None:
                run.process.stop()
        return True

    def observe(self, call: S3Call) -> None:
        """Write down a call of S3 by a run's session, whatever in its process makes it: the engine too."""
        session = self._sessions.get(call.principal.access_key_id)
        if session is None or call.operation is None:
            return
        role, calls = session
        named = {
            "Bucket": call.bucket,
            "Key": call.key,
            "Prefix": call.query.get("prefix"),
            "VersionId": call.query.get("versionId"),
            "IfNoneMatch": call.headers.get("if-none-match"),
        }
        line = {
            "role": role,
            "service": "s3",
            "operation": call.operation.name,
            "params": {name: value for name, value in named.items() if value},
        }
        with Path(calls).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def status(self) -> dict[str, dict[str, Any]]:
        """By job name: the runs that are not at their end, how many ran and failed, and their memory."""
        with self._lock:
            return {
                name: {
                    "active": [run.job_run_id for run in history.active()],
                    "runs": len(history.runs),
                    "failed": history.failed,
                    "peak_rss_bytes": history.peak_rss_bytes,
                }
                for name, history in self._histories.items()
            }

    def stop(self) -> None:
        """End every run, without an event."""
        with self._lock:
            self._stopped = True
            for history in self._histories.values():
                for run in history.active():
                    if run.process is not None:
                        run.process.stop()

    def _run(self, run: JobRun) -> None:
        try:
            ending = self._carry_out(run)
        except Exception as error:  # noqa: BLE001 - with any exception, the run has failed
            traceback.print_exc()
            ending = Ending("FAILED", f"{type(error).__name__}: {error}")
        for line in (ending.traceback or ending.message).splitlines():
            self._write_log(run, "error", line)
        with self._lock:
            run.state, run.message = ending.state, ending.message
            run.completed_on, run.process = datetime.now(UTC), None
            history = self._histories[run.job.name]
            history.failed += ending.state != "SUCCEEDED"
            history.peak_rss_bytes = max(history.peak_rss_bytes, ending.peak_rss_bytes)
            if self._stopped:
                return
        self._on_end(run)

    def _carry_out(self, run: JobRun) -> Ending:
        folder = self._home / run.job_run_id
        (folder / "tmp").mkdir(parents=True)
        (self._home / run.job.name).mkdir(exist_ok=True)
        assumes(
            "glue",
            _role_arn(run.job),
            f"arn:aws:glue:{run.job.backend.region_name}:{ACCOUNT_ID}:job/{run.job.name}",
        )
        environment, order = self._environment(run.job, folder), self._order(run, folder)
        key = environment["AWS_ACCESS_KEY_ID"]
        self._sessions[key] = (order.role, order.calls)
        try:
            return self._process(run, order, environment)
        finally:
            del self._sessions[key]
            shutil.rmtree(folder)

    def _process(self, run: JobRun, order: Order, environment: dict[str, str]) -> Ending:
        with self._lock:
            if self._stopped or run.state == "STOPPING":
                return Ending("STOPPED")
            process = run.process = RunProcess(
                order, environment, lambda line: self._write_log(run, "output", line)
            )

        def on_running() -> None:
            with self._lock:
                run.running_since = datetime.now(UTC)
                if run.state == "STARTING":
                    run.state = "RUNNING"

        return process.wait(float(run.settings["Timeout"]) * 60, on_running)

    def _environment(self, job: FakeJob, folder: Path) -> dict[str, str]:
        region = job.backend.region_name
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder),
            "TMPDIR": str(folder / "tmp"),
            "LANG": "en_US.UTF-8",
            "TZ": "UTC",
            "RUST_LOG": "warn,sail_common::actor=error",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            **assume(_role_arn(job), SESSION_NAME),
        }

    def _order(self, run: JobRun, folder: Path) -> Order:
        job = run.job
        given = run.given()
        own = {"--JOB_ID": f"j_{'0' * 64}", "--JOB_NAME": job.name, "--JOB_RUN_ID": run.job_run_id}
        words = [word for name, value in {**given, **own}.items() for word in (name, value)]
        modules = [uri.strip() for name in _MODULES for uri in given.get(name, "").split(",")]
        command: Any = job.command
        return Order(
            role=_role_arn(job),
            script=command["ScriptLocation"],
            modules=[uri for uri in modules if uri],
            arguments=words,
            folder=str(folder),
            calls=str(self._home / job.name / CALLS),
        )

    def _write_log(self, run: JobRun, kind: str, line: str) -> None:
        """Append to the run's file, and to its stream in one of the log groups ("Logging for AWS Glue jobs").

        In ``output`` is what the script writes, in ``error`` what Glue says.
        """
        group, logs = f"{run.log_prefix()}/{kind}", logs_backends[ACCOUNT_ID][run.job.backend.region_name]
        event = {"timestamp": int(unix_time_millis()), "message": line}
        with self._log_lock:
            with (self._home / f"{run.job_run_id}.log").open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")
            if line:
                for operation in ("CreateLogStream", "PutLogEvents"):
                    named = {"logGroupName": group, "logStreamName": run.job_run_id}
                    in_name_of(_role_arn(run.job), SESSION_NAME, "logs", operation, named)
                logs.ensure_log_group(group)
                logs.ensure_log_stream(group, run.job_run_id)
                logs.put_log_events(group, run.job_run_id, [event])


def state_change(run: JobRun) -> dict[str, Any]:
    """The ``detail`` of the event "Glue Job State Change" ("AWS Glue events", EventBridge)."""
    severity, message = _SEVERITIES[run.state]
    if run.state == "FAILED":
        message = message.format(name=run.job.name, run_id=run.job_run_id, error=run.message)
    return {
        "jobName": run.job.name,
        "severity": severity,
        "state": run.state,
        "jobRunId": run.job_run_id,
        "message": message,
    }


def _role_arn(job: FakeJob) -> str:
    return job.role if job.role.startswith("arn:") else f"arn:aws:iam::{ACCOUNT_ID}:role/{job.role}"


def _settings(job: FakeJob, given: dict[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "Timeout": job.timeout or DEFAULT_TIMEOUT_MINUTES,
        "WorkerType": job.worker_type,
        "NumberOfWorkers": job.number_of_workers,
        "MaxCapacity": job.max_capacity,
        "SecurityConfiguration": job.security_configuration,
        "NotificationProperty": job.notification_property,
    } | {name: value for name, value in given.items() if value is not None}
    if settings["WorkerType"] in _DPUS and settings["NumberOfWorkers"]:
        settings["MaxCapacity"] = _DPUS[settings["WorkerType"]] * settings["NumberOfWorkers"]
    return settings
