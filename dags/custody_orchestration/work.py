"""What each task does, by the gate, AWS Glue, Amazon Athena and the command line; Airflow is not imported.

Every function may be called again: the gate hands a version out once, a job runs once for its inputs, a
warehouse has a version once. Errors are ours: ``CannotCheckError`` may go away by itself, ``EvidenceError``
and ``UsageError`` do not.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from custody.deployment import Deployment
from custody.documents import Fields, parse_object
from custody.errors import CannotCheckError, EvidenceError, UsageError
from custody.etl.lineage import Published, published, read_lineage
from custody.etl.store import S3Store
from custody.evidence.fetch import SERVICE_ERRORS
from custody.evidence.objects import ObjectVersion, parse_s3_uri
from custody.gate.jobs import Job, running
from custody.ledger.athena import Athena, compare, starts_with, where
from custody.terminal import visible
from custody.times import format_time
from custody.warehouse.anomalies import LATE

GATE_SECONDS = 900
"""The longest that a function may run (AWS Lambda quotas)."""
_MAX_ANSWER_BYTES = 6 * 1024 * 1024
_LAWLESS = re.compile(r"[^A-Za-z0-9_.-]")
_COUNTS = ("rows", "valid", "rejected", "duplicates")
_SUMMARY = ("entries", "bytes", "withheld", "pending")

logger = logging.getLogger(__name__)


def dag_ids(deployment: Deployment) -> dict[str, str]:
    """The id of each data set's DAG, in the characters that Airflow allows.

    Raises ``UsageError`` if two are the same, or if the deployment's file is too old to say which data sets
    there are.
    """
    if deployment.tables and not deployment.datasets:
        raise UsageError("The deployment's file does not say which data sets there are.", "Run make apply.")
    ids: dict[str, str] = {}
    for name in deployment.datasets:
        dag_id = f"{deployment.workgroup}-{_LAWLESS.sub('-', name)}"
        if dag_id in ids.values():
            raise UsageError(f"Two data sets would have the DAG {dag_id}.", "Rename the folder of one.")
        ids[name] = dag_id
    return ids


def expected(deployment: Deployment, table: str) -> dict[str, int]:
    """The prefixes below which files of a silver table are expected, and every how many hours."""
    own = deployment.sources[table].prefix
    return {
        prefix: hours
        for prefix, hours in deployment.expected_files.items()
        if prefix.startswith(own) or own.startswith(prefix)
    }


def until(end: datetime) -> tuple[str, str]:
    """What ``custody warehouse tell`` is asked of the day before ``end``."""
    return "--until", format_time(end - LATE)


@dataclass(frozen=True)
class Work:
    """The work of one deployment."""

    deployment: Deployment
    path: Path
    """The deployment's file."""
    client: Callable[[str], Any]
    """A boto3 client by its service; that of AWS Lambda waits for ``GATE_SECONDS``, and asks once."""

    def missing(self, table: str, end: datetime, now: datetime) -> list[str]:
        """The prefixes of a silver table below which no expected file has come for the run that ends then.

        A file counts if it was written within the declared hours before ``end``, or as many after it: what
        comes later is the next run's. Raises ``EvidenceError`` if it is too late for what is missing.
        """
        missing = []
        for prefix, hours in expected(self.deployment, table).items():
            since, until = end - timedelta(hours=hours), end + timedelta(hours=hours)
            if self._arrived(prefix, since, until):
                continue
            if now >= until + timedelta(minutes=self.deployment.watermark_minutes):
                raise EvidenceError(f"No file has come below {prefix} from {since} to {until}.")
            missing.append(prefix)
        return missing

    def look(self, table: str) -> dict[str, Any]:
        """Have the gate check a silver table's arrivals, and hand out what is verified.

        Returns its counts, and as ``manifests`` the digests of those that are handed out and not done: what
        comes later is for a later run.
        """
        answer = self._gate(table, "tables")
        logger.info("The gate: %s", json.dumps(answer, default=str))
        names: list[str] = []
        if (oldest := answer["waiting"]) is not None:
            first = f"{_number(oldest):010d}.json"
            names = [
                name
                for name in self._store.names(self._uri("processed", f"manifests/{table}/"))
                if name >= first and name.removesuffix(".json").isdecimal()
            ]
        digests = [
            hashlib.sha256(self._store.read(self._uri("processed", f"manifests/{table}/{name}"))).hexdigest()
            for name in names
        ]
        done = {document.id for document in self._documents("processed", table)} if names else set()
        return {
            **{name: answer[name] for name in _SUMMARY},
            "manifests": [digest for digest in digests if digest not in done],
        }

    def silver(self, table: str, manifests: Sequence[str], since: datetime) -> int | None:
        """The newest version of a silver table if these manifests are done, ``-1`` if it has none yet.

        ``None`` if they are not done. Raises ``CannotCheckError`` if the table's job has failed since then.
        """
        if self._is_running(f"raw-to-processed-{_short(table)}", since):
            return None
        documents = self._documents("processed", table)
        mine = [document for document in documents if document.id in manifests]
        if len({document.id for document in mine}) < len(set(manifests)):
            self._gate(table, "tables")
            return None
        if not all(map(self._has_receipt, mine)):
            return None
        return max((document.delta_version for document in documents), default=-1)

    def gold(self, table: str, inputs: Mapping[str, int | None], since: datetime) -> int | None:
        """The newest version of a gold table if it was made from these versions of its inputs, or later ones.

        An input without a version is of another data set: whatever it has will do. ``None`` if it was not.
        Raises ``CannotCheckError`` if the table's job has failed since then.
        """
        if self._is_running(f"processed-to-analytics-{_short(table)}", since):
            return None
        documents = self._documents("analytics", table)
        newest = [item for item in documents if item.delta_version == documents[-1].delta_version]
        for document in newest:
            made_of = self._made_of(document)
            if all(made_of.get(name, -1) >= (version or 0) for name, version in inputs.items()):
                return document.delta_version if self._has_receipt(document) else None
        self._gate(table, "gold")
        return None

    def check_quality(self, manifests: Mapping[str, Sequence[str]]) -> dict[str, dict[str, int]]:
        """Count the rows that the manifests of each silver table gave.

        Raises ``EvidenceError`` if an object version of one of the tables is withheld: its rows are in no
        table until somebody decides about it.
        """
        counts: dict[str, dict[str, int]] = {}
        withheld = {}
        for table, digests in manifests.items():
            found = counts.setdefault(table, {})
            for document in self._documents("processed", table):
                if document.id in digests:
                    told = self._lineage(document).object("counts")
                    for name in _COUNTS:
                        found[name] = found.get(name, 0) + told.natural(name)
            if number := self._gate(table, "tables")["withheld"]:
                withheld[table] = number
        logger.info("Rows by table: %s", json.dumps(counts))
        if withheld:
            named = ", ".join(f"{number} of {table}" for table, number in withheld.items())
            raise EvidenceError(
                f"Object versions are withheld: {named}.",
                "Decide about them (docs/runbook_failures.md, gate-versions-withheld), then clear this task.",
            )
        return counts

    def verify(self, tables: Sequence[str], sample: float) -> None:
        """Verify all that is stored of these tables with ``custody verify``, as far as they exist.

        Raises ``EvidenceError`` if there are findings.
        """
        findings = []
        for table in tables:
            layer = "analytics" if self.deployment.tables[table] else "processed"
            if not self._documents(layer, table):
                continue
            try:
                self._custody("verify", self._uri(layer, f"tables/{table}/"), "--sample", str(sample))
            except EvidenceError as error:
                findings.append(f"{table}: {error}")
        if findings:
            raise EvidenceError(" ".join(findings))

    def load(self, table: str) -> None:
        """Load a gold table's newest version into the warehouse, as the role that may."""
        self._custody("warehouse", "load", table, environ=self._as_loader())

    def tell_history(self, end: datetime) -> None:
        """Tell what the warehouse's history says against the loads of the day before ``end``.

        A day that ends as much earlier as that history may be late. The same finding is told with the same
        ``notice`` if this is done again. Raises ``CannotCheckError`` if a query could not be asked; what the
        others found is told then.
        """
        self._custody("warehouse", "tell", *until(end), environ=self._as_loader())

    def start_loader(self, *arguments: str) -> str:
        """Start the loader's task with these arguments; its ARN. Raises ``CannotCheckError`` if it cannot."""
        name, network = f"{self.deployment.name}-loader", self.deployment.loader_network
        place = {"assignPublicIp": "DISABLED", "subnets": network["subnet_ids"]}
        with self._service_errors():
            answer = self.client("ecs").run_task(
                cluster=name,
                taskDefinition=name,
                launchType="FARGATE",
                networkConfiguration={
                    "awsvpcConfiguration": {**place, "securityGroups": network["security_group_ids"]}
                },
                overrides={"containerOverrides": [{"name": name, "command": list(arguments)}]},
            )
        for task in answer["tasks"]:
            logger.info("Started %s", task["taskArn"])
            return str(task["taskArn"])
        raise CannotCheckError(f"The loader's task was not started: {answer['failures']}")

    def has_ended(self, task_arn: str) -> bool:
        """Whether the loader's task is done. Raises ``EvidenceError`` if it did not succeed.

        It tries again itself what may go away: another look at the same task would not mend it.
        """
        name = f"{self.deployment.name}-loader"
        with self._service_errors():
            answer = self.client("ecs").describe_tasks(cluster=name, tasks=[task_arn])
        for task in answer["tasks"]:
            if task["lastStatus"] != "STOPPED":
                return False
            # whatever AWS runs beside it
            codes = [each.get("exitCode") for each in task["containers"] if each.get("name") == name]
            if codes == [0]:
                return True
            raise EvidenceError(
                f"{task_arn} ended with {codes[0] if codes else None}: {task.get('stoppedReason')}.",
                f"Its log is /aws/ecs/{name} (docs/runbook_failures.md, loader-failed). "
                "Then clear the task that started it.",
            )
        raise CannotCheckError(  # just started, or stopped long ago
            f"Amazon ECS does not know {task_arn}.", "If that lasts, clear the task that started it."
        )

    def _as_loader(self) -> dict[str, str]:
        """The environment of the loader's role."""
        with self._service_errors():
            issued = self.client("sts").assume_role(
                RoleArn=self.deployment.roles["loader"],
                RoleSessionName="airflow",
                ExternalId=f"{self.deployment.workgroup}-loader",
            )["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": issued["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": issued["SecretAccessKey"],
            "AWS_SESSION_TOKEN": issued["SessionToken"],
        }

    def publish(self, message: Mapping[str, Any]) -> None:
        """Send a message to the alerts topic."""
        with self._service_errors():
            self.client("sns").publish(TopicArn=self.deployment.topic_arn, **message)

    def _arrived(self, prefix: str, since: datetime, until: datetime) -> bool:
        # the day of a receipt's row is that of its write, or a later one if its clock was wrong
        found = where(
            [
                compare("event_date", ">=", since.date()),
                compare("written_at", ">=", since),
                compare("written_at", "<", until),
                compare("layer", "=", "bronze"),
                starts_with("object_key", prefix),
            ]
        )
        athena = Athena(
            self.client("athena"),
            workgroup=self.deployment.workgroup,
            database=self.deployment.database,
        )
        with self._service_errors():
            sql = f"SELECT count(*) AS files FROM object_receipts {found.sql}"  # noqa: S608 - names of ours
            (row,) = athena.query(sql, found.parameters)
        return bool(row["files"])

    def _gate(self, table: str, part: str) -> dict[str, Any]:
        """Invoke the gate for a table, and return that part of its answer. Raises ``CannotCheckError``."""
        with self._service_errors():
            answer = self.client("lambda").invoke(
                FunctionName=self.deployment.functions["gate"], Payload=json.dumps({"table": table}).encode()
            )
            body = answer["Payload"].read()
        document = parse_object(body, "answer of the gate", _MAX_ANSWER_BYTES)
        if "FunctionError" in answer:
            raise CannotCheckError(f"The gate failed: {document.get('errorMessage')}")
        try:
            found: dict[str, Any] = document[part][table]
        except (KeyError, TypeError) as error:
            raise CannotCheckError(f"The gate's answer has nothing about {table}.") from error
        return found

    def _is_running(self, short: str, since: datetime) -> bool:
        """Whether a job is running. Raises ``CannotCheckError`` if its newest run since then has failed."""
        job = Job(self.client("glue"), self.deployment.jobs[short])
        with self._service_errors():
            attempts = job.attempts()
        if running(attempts) is not None:
            return True
        if attempts and attempts[0].state != "SUCCEEDED" and (attempts[0].ended_at or since) > since:
            raise CannotCheckError(
                f"{job.name} ended as {attempts[0].state}: {attempts[0].message or 'it gave no reason'} "
                f"(run {attempts[0].run_id}).",
                "Its logs are in /aws-glue/jobs (docs/runbook_failures.md, job-failed).",
            )
        return False

    def _documents(self, layer: str, table: str) -> list[Published]:
        with self._service_errors():
            return published(self._store, self._uri(layer, f"tables/{table}"))

    def _made_of(self, document: Published) -> dict[str, int]:
        content = self._lineage(document)
        return {
            item.words("table").rpartition("/")[2]: item.natural("delta_version")
            for item in content.objects("inputs")
        }

    def _lineage(self, document: Published) -> Fields:
        return Fields(read_lineage(self._store, document), f"lineage document {document.uri}")

    def _has_receipt(self, document: Published) -> bool:
        place, s3 = parse_s3_uri(document.uri), self.client("s3")
        with self._service_errors():
            version_id = s3.head_object(Bucket=place.bucket, Key=place.key)["VersionId"]
            receipt = ObjectVersion(place.bucket, place.key, version_id).receipt_key
            answer = s3.list_objects_v2(
                Bucket=self.deployment.buckets["provenance"], Prefix=receipt, MaxKeys=1
            )
        return bool(answer["KeyCount"])

    def _custody(self, *arguments: str, environ: Mapping[str, str] | None = None) -> None:
        """Run the command line; what it prints goes to the task's log."""
        words = ["custody", *arguments, "--deployment", str(self.path)]
        logger.info("$ %s", visible(" ".join(words)))
        said = []
        with subprocess.Popen(
            words,
            env={**os.environ, "COLUMNS": "160", **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                for line in process.stdout or ():
                    said.append(visible(line.rstrip("\n")))
                    logger.info("%s", said[-1])
            except BaseException:
                process.kill()  # the task's time is up, or it was cleared
                raise
        ended = f"custody {arguments[0]} ended with {process.returncode}: {' '.join(filter(None, said[-3:]))}"
        match process.returncode:
            case 0:
                return
            case 1:
                raise EvidenceError(ended)
            case 2:
                raise UsageError(ended)
            case _:
                raise CannotCheckError(ended)

    @cached_property
    def _store(self) -> S3Store:
        return S3Store(self.client("s3"))

    @contextmanager
    def _service_errors(self) -> Iterator[None]:
        try:
            yield
        except SERVICE_ERRORS as error:
            raise CannotCheckError(f"AWS could not be asked: {error}") from error

    def _uri(self, short: str, key: str) -> str:
        return f"s3://{self.deployment.buckets[short]}/{key}"


def clients(region: str) -> Callable[[str], Any]:
    """The clients of a process, each made once."""
    session = boto3.session.Session(region_name=region)
    patient = Config(connect_timeout=5, retries={"mode": "standard", "total_max_attempts": 5})
    once = Config(connect_timeout=5, read_timeout=GATE_SECONDS + 10, retries={"total_max_attempts": 1})
    return cache(lambda service: session.client(service, config=once if service == "lambda" else patient))


def _number(uri: str) -> int:
    """The number of a manifest that the gate names."""
    name = parse_s3_uri(uri).key.rpartition("/")[2].removesuffix(".json")
    if not name.isdecimal():
        raise CannotCheckError(f"The gate names a manifest that is none: {uri[:200]!r}.")
    return int(name)


def _short(table: str) -> str:
    return table.replace("_", "-")
