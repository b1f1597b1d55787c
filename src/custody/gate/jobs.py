"""The jobs that the gate starts: whether one is running, its earlier runs, and when to retry.

A manifest whose run failed is retried by itself, unchanged: the cause may have gone away. It does not hold up
later manifests, since silver is the same in whatever order they are processed. A failed run costs money and
an alarm, so the delays grow: ten minutes, then twice as long each time, at most a day. After fixing the
cause, invoke the gate for the table to retry at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient

FIRST_PAUSE = timedelta(minutes=10)
LONGEST_PAUSE = timedelta(days=1)
_ENDED = frozenset({"SUCCEEDED", "FAILED", "ERROR", "TIMEOUT", "STOPPED", "EXPIRED"})
_RUNS = 200
"""How many of the newest runs are requested: the maximum of AWS Glue."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a job."""

    run_id: str
    state: str
    started_at: datetime
    ended_at: datetime | None
    arguments: Mapping[str, str]
    message: str = ""
    """The error message of the run or of AWS Glue."""

    @property
    def is_over(self) -> bool:
        """Whether the run has ended, successfully or not."""
        return self.state in _ENDED


class Job:
    """One Glue job."""

    def __init__(self, glue: GlueClient, name: str) -> None:
        self._glue = glue
        self.name = name

    def attempts(self) -> list[Attempt]:
        """The job's newest runs, newest first."""
        runs = self._glue.get_job_runs(JobName=self.name, MaxResults=_RUNS)["JobRuns"]
        found = [
            Attempt(
                run["Id"],
                run["JobRunState"],
                run["StartedOn"],
                run.get("CompletedOn"),
                run.get("Arguments", {}),
                run.get("ErrorMessage", ""),
            )
            for run in runs
        ]
        return sorted(found, key=lambda attempt: attempt.started_at, reverse=True)

    def start(self, arguments: Mapping[str, str]) -> str | None:
        """Start a run; return its id, or ``None`` if one is running: a job has at most one concurrent run."""
        try:
            return self._glue.start_job_run(JobName=self.name, Arguments=arguments)["JobRunId"]
        except ClientError as error:
            if error.response["Error"].get("Code") == "ConcurrentRunsExceededException":
                return None
            raise


def running(attempts: Iterable[Attempt]) -> Attempt | None:
    """The run that has not ended, if there is one."""
    return next((attempt for attempt in attempts if not attempt.is_over), None)


def is_due(attempts: Iterable[Attempt], concerns: Callable[[Attempt], bool], now: datetime) -> bool:
    """Whether it is time to retry after these ended runs, of which only the relevant ones count."""
    failed = [attempt for attempt in attempts if attempt.is_over and concerns(attempt)]
    if not failed:
        return True
    last = max(attempt.ended_at or attempt.started_at for attempt in failed)
    doublings = min(len(failed) - 1, 10)
    return now >= last + min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)
