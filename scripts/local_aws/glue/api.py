"""Glue's job runs, which really run; moto's only change their state.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-jobs-runs.html
"""

from __future__ import annotations

import json
from typing import Any

from moto.glue.exceptions import EntityNotFoundException, JobRunNotFoundException
from moto.glue.models import FakeJob
from moto.glue.responses import GlueResponse

from scripts.local_aws.glue.runs import JobRun, Runs

_SETTINGS = {
    "timeout": "Timeout",
    "worker_type": "WorkerType",
    "number_of_workers": "NumberOfWorkers",
    "max_capacity": "MaxCapacity",
    "security_configuration": "SecurityConfiguration",
    "notification_property": "NotificationProperty",
    "previous_run_id": "PreviousRunId",
}
"""moto's name of what StartJobRun is given → the API's."""


def install(runs: Runs) -> None:
    """Serve StartJobRun, GetJobRun, GetJobRuns and BatchStopJobRun with ``runs``."""

    def start_job_run(self: FakeJob, arguments: dict[str, str] | None, **given: Any) -> str:
        settings = {name: given[mine] for mine, name in _SETTINGS.items()}
        return runs.start(self, arguments or {}, settings).job_run_id

    def get_job_run(self: FakeJob, run_id: str) -> JobRun:
        for run in runs.of(self):
            if run.job_run_id == run_id:
                return run
        raise JobRunNotFoundException(run_id)

    def get_job_runs(self: FakeJob) -> list[JobRun]:
        return runs.of(self)

    def batch_stop_job_run(self: GlueResponse) -> str:
        job = self.glue_backend.get_job(self._get_param("JobName"))
        stopped, errors = [], []
        for run_id in self._get_param("JobRunIds"):
            named = {"JobName": job.name, "JobRunId": run_id}
            if (error := _stop(runs, job, run_id)) is None:
                stopped.append(named)
            else:
                errors.append({**named, "ErrorDetail": error})
        return json.dumps({"SuccessfulSubmissions": stopped, "Errors": errors})

    FakeJob.start_job_run = start_job_run  # type: ignore[method-assign,assignment]
    FakeJob.get_job_run = get_job_run  # type: ignore[method-assign,assignment]
    FakeJob.get_job_runs = get_job_runs  # type: ignore[method-assign,assignment]
    GlueResponse.batch_stop_job_run = batch_stop_job_run  # type: ignore[attr-defined]


def _stop(runs: Runs, job: FakeJob, run_id: str) -> dict[str, str] | None:
    """Why a run cannot be stopped ("ErrorDetail structure"), or ``None`` once it is being stopped."""
    try:
        run: Any = job.get_job_run(run_id)
    except EntityNotFoundException as error:
        return {"ErrorCode": "EntityNotFoundException", "ErrorMessage": str(error.message)}
    if runs.stop_run(run):
        return None
    return {
        "ErrorCode": "JobRunInTerminalStateException",
        "ErrorMessage": f"Job run {run_id} is in the terminal state {run.state}.",
    }
