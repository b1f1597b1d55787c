"""What people are told of a daily run, in the form of the auditor's messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from custody.deployment import Deployment
from custody.ledger.notices import compose
from custody.terminal import visible

KIND = "daily-run"
FAILED, LATE, DONE = "daily-run-failed", "daily-run-late", "daily-run-done"


@dataclass(frozen=True, slots=True)
class Place:
    """A run of a DAG, or one task of it."""

    base_url: str
    """Airflow's own address."""
    dag_id: str
    run_id: str
    task_id: str = ""
    try_number: int = 0

    @property
    def url(self) -> str:
        """The page of the run, or the log of the task's try."""
        run = f"{self.base_url.rstrip('/')}/dags/{self.dag_id}/runs/{quote(self.run_id, safe='')}"
        return f"{run}/tasks/{self.task_id}?try_number={self.try_number}" if self.task_id else run


def failed(deployment: Deployment, place: Place) -> dict[str, Any]:
    """A task has failed, and will not be tried again."""
    return _message(
        deployment,
        "high",
        FAILED,
        place,
        {
            "What": f"The task {place.task_id} of a daily run failed, at try {place.try_number}",
            "Why it matters": "What comes after it was not done: tables or the warehouse may be old.",
        },
    )


def late(deployment: Deployment, place: Place, reason: str) -> dict[str, Any]:
    """A run was ended before its tasks were: its time was up, or none of them could go on."""
    return _message(
        deployment,
        "high",
        LATE,
        place,
        {
            "What": f"A daily run was ended ({visible(reason)})",
            "Why it matters": "Not all of it was done, and the next run waits for nothing.",
        },
    )


def done(deployment: Deployment, place: Place, counts: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """A run did all that it was to do; ``counts`` are the rows it took, by table."""
    rows = "; ".join(
        f"{table}: {', '.join(f'{number:,} {name}' for name, number in found.items()) or 'nothing new'}"
        for table, found in counts.items()
    )
    return _message(deployment, "info", DONE, place, {"What": "A daily run is done", "Rows": rows})


def _message(
    deployment: Deployment, severity: str, rule: str, place: Place, lines: Mapping[str, str]
) -> dict[str, Any]:
    what, *others = lines.items()
    where = f"{place.dag_id}/{place.task_id}" if place.task_id else place.dag_id
    remedy = {} if rule == DONE else {"What to do": f"docs/runbook_failures.md, section {rule}"}
    return compose(
        deployment.workgroup,
        severity,
        rule,
        {
            **dict([what]),
            "State": "done" if rule == DONE else "found",
            "Where": where,
            "Run": visible(place.run_id),
            **dict(others),
            **remedy,
            "Log": visible(place.url),
        },
        {"dag": place.dag_id, "run": visible(place.run_id)[:250], "task": place.task_id or "none"},
        kind=KIND,
    )
