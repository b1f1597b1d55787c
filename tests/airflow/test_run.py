"""The daily run of a data set, whole, on the pipeline of this machine: judged by the states of its tasks.

Each Airflow has a pipeline of its own, so that the two run beside each other: both mostly wait.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from custody.evidence.objects import ObjectVersion
from examples.streaming.generate import customer_files, event_files
from scripts.demo.lake import Lake
from scripts.demo.pipeline import Pipeline, deployed
from scripts.local_airflow import Airflow
from scripts.toolchain.toolchain import BUILD
from tests.e2e.conftest import drop_customer, tamper

DAG_ID = "custody-local-streaming"
SILVER, GOLD = ("customers", "viewing_events"), ("customer_value", "daily_engagement")
TASKS = {
    "files.customers",
    *(f"{step}.{table}" for step in ("gate", "silver") for table in SILVER),
    *(f"gold.{table}" for table in GOLD),
    *("quality", "verify", "notify"),
}
DAY = f"{datetime.now(UTC):%Y-%m-%d}"
"""The data came today: so this run's day is one of a test, whose files are at most a day from its end."""


@pytest.fixture
def lake(folder: Path) -> Iterator[Lake]:
    work_dir = BUILD / "test" / f"{folder.name}-run"
    shutil.rmtree(work_dir, ignore_errors=True)
    with deployed(work_dir, variables={"expected_files": {"incoming/customers/": 26}}) as pipeline:
        yield Lake(pipeline)


@pytest.fixture
def airflow(folder: Path, lake: Lake, tmp_path: Path) -> Airflow:
    home = tmp_path / "airflow"
    home.mkdir()
    installed = Airflow(folder, home)
    installed.migrate(lake.pipeline.environ())
    return installed


class Messages:
    """What the alerts topic sends."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._sqs = pipeline.client("sqs")
        self._url = self._sqs.create_queue(QueueName="heard-of-runs")["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        pipeline.client("sns").subscribe(
            TopicArn=pipeline.deployment.topic_arn, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"]
        )

    def of_runs(self) -> list[dict[str, Any]]:
        """The new messages about runs: subject, text and attributes."""
        found = []
        while messages := self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                body = json.loads(message["Body"])
                attributes = {name: each["Value"] for name, each in body.get("MessageAttributes", {}).items()}
                if attributes.get("kind") == "daily-run":
                    found.append({**attributes, "subject": body["Subject"], "text": body["Message"]})
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return found


def run(airflow: Airflow, lake: Lake) -> tuple[dict[str, str], str]:
    """Run the DAG for the day; return the states and what was printed."""
    states, printed = airflow.run_day(DAG_ID, DAY, lake.pipeline.environ())
    print(printed, flush=True)
    return states, printed


def documents(lake: Lake) -> dict[str, int]:
    return {
        table: len(lake.documents(bucket, table))
        for bucket, tables in (("processed", SILVER), ("analytics", GOLD))
        for table in tables
    }


def test_a_day_is_made_once_and_its_failure_is_told(airflow: Airflow, lake: Lake, tmp_path: Path) -> None:
    heard = Messages(lake.pipeline)
    delivered = lake.upload(customer_files(100, seed=1), tmp_path)
    lake.stream("viewing_events", event_files(300, 1, 100))

    states, _ = run(airflow, lake)
    assert states == dict.fromkeys(["", *TASKS], "success")
    made = documents(lake)
    assert all(made.values())
    (told,) = heard.of_runs()
    assert told["subject"] == "[info] custody-local: daily-run-done"
    assert "customers: " in told["text"]
    assert delivered.versions

    states, _ = run(airflow, lake)  # again for the same day: nothing is left to do
    assert states == dict.fromkeys(["", *TASKS], "success")
    assert documents(lake) == made
    assert [message["rule"] for message in heard.of_runs()] == ["daily-run-done"]

    forged = drop_customer(lake.pipeline, "incoming/customers/forged.csv", 66001)
    lake.pipeline.await_receipts([forged])
    receipt = ObjectVersion(
        lake.pipeline.deployment.buckets["provenance"],
        forged.receipt_key,
        lake.pipeline.receipt_version(forged),
    )
    tamper(lake.pipeline, receipt, "flip_byte")
    states, printed = run(airflow, lake)
    not_begun = dict.fromkeys(("verify", "notify"), "upstream_failed")
    assert states == dict.fromkeys(["", *TASKS], "success") | {"": "failed", "quality": "failed"} | not_begun
    assert "Object versions are withheld: 1 of customers" in printed
    (told,) = heard.of_runs()
    assert told["subject"] == "[high] custody-local: daily-run-failed"
    assert (told["severity"], told["rule"], told["deployment"]) == (
        "high",
        "daily-run-failed",
        "custody-local",
    )
    assert (told["dag"], told["task"]) == (DAG_ID, "quality")
    assert f"Where:          {DAG_ID}/quality\n" in told["text"]
    assert "docs/runbook_failures.md, section daily-run-failed" in told["text"]
    assert "Log:            https://airflow.example.com/dags/custody-local-streaming/runs/" in told["text"]
    assert "/tasks/quality?try_number=1\n" in told["text"]
