"""Data through a pipeline on this machine: from files and a stream, through gate and jobs, to tables."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from custody.errors import CustodyError
from custody.etl.lineage import published, read_lineage
from custody.etl.store import S3Store
from custody.evidence.objects import ObjectVersion
from custody.ledger.athena import Athena, Row
from scripts.demo.dataset import File, Truth
from scripts.demo.pipeline import POLL_SECONDS, Pipeline, PipelineError

BATCH_RECORDS = 500
"""The maximum for one call (API Reference, PutRecordBatch)."""
UNDER_WAY = frozenset({"STARTING", "RUNNING", "STOPPING", "WAITING"})


@dataclass
class Delivery:
    """One kind of delivery: the number of rows, and how many the jobs must reject for which reason."""

    versions: list[ObjectVersion] = field(default_factory=list)
    rows: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    def add(self, truth: Truth) -> None:
        """Count one of the generator's files."""
        self.rows += truth.rows
        self.rejected += truth.rejected


@dataclass(frozen=True)
class Lake:
    """The lake of a deployed pipeline, with the actions of producers and of the schedule."""

    pipeline: Pipeline

    @property
    def silver(self) -> list[str]:
        """The tables that are made of raw objects."""
        return [table for table, inputs in self.pipeline.deployment.tables.items() if not inputs]

    @property
    def gold(self) -> dict[str, list[str]]:
        """The tables that are made of others, and of which."""
        return {table: inputs for table, inputs in self.pipeline.deployment.tables.items() if inputs}

    def deliver(self, table: str, files: Iterator[File], folder: Path) -> Delivery:
        """Deliver a table's files as its contract has it: upload them, or send their lines."""
        streamed = _stream(table) in self.pipeline.deployment.streams
        return self.stream(table, files) if streamed else self.upload(files, folder)

    def upload(self, files: Iterator[File], folder: Path) -> Delivery:
        """Upload files as a producer does, with ``custody upload``; wait for the receipts."""
        delivery = Delivery()
        for truth, path in _write(folder, files):
            delivery.add(truth)
            prefix = truth.key.removesuffix(path.name)
            done = self.pipeline.custody(
                *("upload", str(path), "--to", f"s3://{self._bucket('raw-data')}/{prefix}"),
                *("--wait", "--format", "json"),
                role="people-producer",
                session="alice@example.com",
            )
            if done.returncode:
                raise PipelineError(
                    f"custody upload ended with {done.returncode}: {done.stderr}{done.stdout}"
                )
            delivery.versions += [
                ObjectVersion(found["bucket"], found["key"], found["version_id"])
                for found in json.loads(done.stdout)["files"]
            ]
        return delivery

    def stream(self, table: str, files: Iterator[File]) -> Delivery:
        """Send records as devices do, and wait until Firehose has delivered them and they are recorded."""
        delivery = Delivery()
        firehose = self.pipeline.client(
            "firehose", role_arn=self.pipeline.roles["people-producer"], session="devices@example.com"
        )
        name = self.pipeline.deployment.streams[_stream(table)]
        before = set(self._versions("incoming/stream/"))
        for truth, chunks in files:
            lines = b"".join(chunks).splitlines()
            for start in range(0, len(lines), BATCH_RECORDS):
                records = [{"Data": line} for line in lines[start : start + BATCH_RECORDS]]
                answer = firehose.put_record_batch(DeliveryStreamName=name, Records=records)
                if answer["FailedPutCount"]:
                    raise PipelineError(f"Firehose rejected {answer['FailedPutCount']} records.")
            delivery.add(truth)
        self.pipeline.aws.admin("firehose/flush")
        delivery.versions = [v for v in self._versions("incoming/stream/") if v not in before]
        self.pipeline.await_receipts(delivery.versions)
        return delivery

    def process(
        self, *, timeout_seconds: float = 900, on_state: Callable[[str], None] = lambda _: None
    ) -> list[dict[str, Any]]:
        """Invoke the gate, as its schedule does, until gold is made from the newest silver.

        Returns the runs that ended meanwhile, as in Glue's GetJobRun. Raises ``PipelineError`` if one of them
        failed, or if gold is not ready in time.
        """
        there = self._runs()
        before = {run_id for run_id, run in there.items() if run["JobRunState"] not in UNDER_WAY}
        told = {(run_id, there[run_id]["JobRunState"]) for run_id in before}
        deadline = time.monotonic() + timeout_seconds
        while True:
            self.gate()
            runs = self._await_runs(deadline, told, on_state)
            new = [run for run_id, run in runs.items() if run_id not in before]
            if failed := [run for run in new if run["JobRunState"] != "SUCCEEDED"]:
                raise PipelineError(
                    f"{failed[0]['JobName']} ended as {failed[0]['JobRunState']}: "
                    f"{failed[0].get('ErrorMessage', 'it gave no reason')}"
                )
            if self._gold_is_new():
                return new
            if time.monotonic() > deadline:
                raise PipelineError("Gold was not made from the newest silver in time.")
            time.sleep(POLL_SECONDS)

    def gate(self, **event: Any) -> dict[str, Any]:
        """Invoke the gate as a data engineer; return its answer. Raises ``PipelineError`` if it fails."""
        client = self.pipeline.client(
            "lambda", role_arn=self.pipeline.roles["people-data-engineer"], session="erin@example.com"
        )
        answer = client.invoke(
            FunctionName=self.pipeline.deployment.functions["gate"], Payload=json.dumps(event).encode()
        )
        document: dict[str, Any] = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise PipelineError(f"The gate failed: {document.get('errorMessage')}")
        return document

    def query(self, sql: str, *, role: str | None = None, session: str = "") -> list[Row]:
        """Query Athena in the kit's workgroup, as the operator or as a session of a role.

        role: its short name. Raises ``PipelineError`` if the query fails.
        """
        pipeline, deployment = self.pipeline, self.pipeline.deployment
        client = pipeline.client("athena", role_arn=pipeline.roles[role] if role else None, session=session)
        athena = Athena(client, workgroup=deployment.workgroup, database=deployment.database)
        try:
            return list(athena.query(sql))
        except CustodyError as error:
            raise PipelineError(str(error)) from error

    def documents(self, bucket: str, table: str) -> list[dict[str, Any]]:
        """Return the lineage documents of a table, oldest first; ``bucket`` is a short name."""
        store = S3Store(self.pipeline.client("s3"))
        uri = f"s3://{self._bucket(bucket)}/tables/{table}"
        return [
            read_lineage(store, item) | {"delta_version": item.delta_version}
            for item in published(store, uri)
        ]

    def _gold_is_new(self) -> bool:
        silver = {
            f"s3://{self._bucket('processed')}/tables/{table}": documents[-1]["delta_version"]
            for table in self.silver
            if (documents := self.documents("processed", table))
        }
        for table in self.gold:
            documents = self.documents("analytics", table)
            inputs = documents[-1]["inputs"] if documents else []
            if not inputs or any(silver.get(found["table"]) != found["delta_version"] for found in inputs):
                return False
        return True

    def _runs(self) -> dict[str, dict[str, Any]]:
        glue = self.pipeline.client("glue")
        return {
            run["Id"]: run
            for job in self.pipeline.deployment.jobs.values()
            for run in glue.get_job_runs(JobName=job)["JobRuns"]
        }

    def _versions(self, prefix: str) -> list[ObjectVersion]:
        bucket = self._bucket("raw-data")
        pages = (
            self.pipeline.client("s3")
            .get_paginator("list_object_versions")
            .paginate(Bucket=bucket, Prefix=prefix)
        )
        return [
            ObjectVersion(bucket, found["Key"], found["VersionId"])
            for page in pages
            for found in page.get("Versions", ())
        ]

    def _bucket(self, short: str) -> str:
        return self.pipeline.deployment.buckets[short]

    def _await_runs(
        self, deadline: float, told: set[tuple[str, str]], on_state: Callable[[str], None]
    ) -> dict[str, dict[str, Any]]:
        """Wait until no run is in progress, reporting each new state; return all runs."""
        while True:
            runs = self._runs()
            for run_id, run in runs.items():
                if (state := (run_id, run["JobRunState"])) not in told:
                    told.add(state)
                    on_state(f"{run['JobName']}: {run['JobRunState'].lower()}")
            under_way = [run for run in runs.values() if run["JobRunState"] in UNDER_WAY]
            if not under_way:
                return runs
            if time.monotonic() > deadline:
                raise PipelineError(f"{under_way[0]['JobName']} did not end in time.")
            time.sleep(POLL_SECONDS)


def _stream(table: str) -> str:
    """The short name of a table's stream."""
    return table.replace("_", "-")


def _write(folder: Path, files: Iterator[File]) -> Iterator[tuple[Truth, Path]]:
    """Write the generator's files into a folder; yield each with its truth."""
    for truth, chunks in files:
        path = folder / truth.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(chunks))
        yield truth, path
