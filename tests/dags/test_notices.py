"""What people are told of a daily run; that it is told is tested in an Airflow (``make test-airflow``)."""

from __future__ import annotations

from custody.deployment import Deployment
from custody_orchestration.notices import Place, done, failed, late
from tests.unit.test_deployment import OUTPUTS

DEPLOYMENT = Deployment(**OUTPUTS)
TASK = Place("https://airflow/", "w-shop", "manual__2026-03-02T00:00:00+00:00", "verify", 3)
RUN = Place("https://airflow", "w-shop", "scheduled__2026-03-02")


def test_a_failed_task_is_told_with_its_log() -> None:
    message = failed(DEPLOYMENT, TASK)
    assert message["Subject"] == "[high] w: daily-run-failed"
    assert message["Message"] == (
        "w: high\n"
        "\n"
        "What:           The task verify of a daily run failed, at try 3\n"
        "State:          found\n"
        "Where:          w-shop/verify\n"
        "Run:            manual__2026-03-02T00:00:00+00:00\n"
        "Why it matters: What comes after it was not done: tables or the warehouse may be old.\n"
        "What to do:     docs/runbook_failures.md, section daily-run-failed\n"
        "Log:            https://airflow/dags/w-shop/runs/manual__2026-03-02T00%3A00%3A00%2B00%3A00"
        "/tasks/verify?try_number=3\n"
    )
    assert {name: each["StringValue"] for name, each in message["MessageAttributes"].items()} == {
        "kind": "daily-run",
        "deployment": "w",
        "rule": "daily-run-failed",
        "severity": "high",
        "dag": "w-shop",
        "run": TASK.run_id,
        "task": "verify",
    }


def test_a_run_that_was_ended_is_told_with_its_page() -> None:
    message = late(DEPLOYMENT, RUN, "timed_out")
    assert message["Subject"] == "[high] w: daily-run-late"
    assert "What:           A daily run was ended (timed_out)\n" in message["Message"]
    assert message["Message"].endswith(
        "Log:            https://airflow/dags/w-shop/runs/scheduled__2026-03-02\n"
    )


def test_a_run_that_is_done_says_what_it_took() -> None:
    counts = {"orders": {"rows": 1200, "valid": 1180}, "returns": {}}
    message = done(DEPLOYMENT, RUN, counts)
    assert message["Subject"] == "[info] w: daily-run-done"
    assert "Rows:  orders: 1,200 rows, 1,180 valid; returns: nothing new\n" in message["Message"]
    assert "What to do" not in message["Message"]


def test_what_a_trigger_named_cannot_write_lines_of_its_own() -> None:
    place = Place("https://airflow", "w-shop", "mine\nWhat: all is well")
    for message in (failed(DEPLOYMENT, place), late(DEPLOYMENT, place, "a\nb"), done(DEPLOYMENT, place, {})):
        lines = [line for line in message["Message"].splitlines() if line.startswith("What:")]
        assert len(lines) == 1
        assert "\n" not in message["MessageAttributes"]["run"]["StringValue"]
