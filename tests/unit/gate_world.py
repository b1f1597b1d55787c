"""The services that the gate uses, in memory: a gate can be stopped, or another one run, at any call.

They answer the gate's calls like AWS, independently of what a test expects.
"""
# ruff: noqa: N803 - the services' own names

from __future__ import annotations

import hashlib
import io
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import RLock
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from botocore.exceptions import ClientError

from custody.etl.manifest import Manifest, parse_manifest
from custody.evidence.dsse import sign_envelope
from custody.evidence.keyring import PublicKeyCheck
from custody.evidence.objects import ObjectVersion, parse_s3_uri
from custody.evidence.receipt import PAYLOAD_TYPE, Receipt
from custody.evidence.registry import REGISTRY_KEY
from custody.gate.gate import Gate, Settings
from custody.gate.requests import GoldTable, SilverTable
from custody.recorder.notification import ObjectCreated
from custody.times import format_time
from tests.support.evidence import IDENTITY, LocalSigner

SIGNER = LocalSigner()
START = datetime(2026, 11, 20, 13, tzinfo=UTC)
SETTINGS = Settings(
    provenance_bucket="provenance",
    raw_bucket="raw",
    processed_bucket="processed",
    analytics_bucket="analytics",
    topic_arn="arn:aws:sns:us-east-1:123456789012:alerts",
    watermark=timedelta(minutes=60),
    schedule=timedelta(minutes=15),
    silver={
        "customers": SilverTable("silver-customers", "incoming/customers/"),
        "viewing_events": SilverTable("silver-events", "incoming/stream/"),
    },
    gold={"customer_value": GoldTable("gold", ("customers", "viewing_events"))},
    etl_role_id="AROAETL",
    gate_role_id="AROAGATE",
    decider_role_ids=frozenset({"AROAENGINEER"}),
)
ETL, GATE = "AWS:AROAETL:GlueJobRunnerSession", "AWS:AROAGATE:custody-test-gate"
ENGINEER, INSIDER = "AWS:AROAENGINEER:erin@example.com", "AWS:AROAOTHER:mallory@example.com"


class CrashError(Exception):
    """The process of a gate ends here."""


class Lifeline:
    """Counts a gate's calls; does something before one of them, ends the process before or after one."""

    def __init__(
        self,
        dies_at: int | None = None,
        *,
        after: bool = False,
        before: dict[int, Callable[[], None]] | None = None,
    ) -> None:
        self._dies_at = dies_at
        self._after = after
        self._before = before or {}
        self._dead = False
        self._lock = RLock()
        self.calls = 0

    def call(self, serve: Callable[[], Any]) -> Any:
        with self._lock:
            if self._dead:
                raise CrashError
            self.calls += 1
            number = self.calls
            if number in self._before:
                self._before[number]()
            if number == self._dies_at:
                self._dead = True
                if not self._after:
                    raise CrashError
            answer = serve()
            if self._dead:
                raise CrashError
            return answer


def refusal(code: str, operation: str, **headers: str) -> ClientError:
    metadata: Any = {"HTTPHeaders": headers, "HTTPStatusCode": 400}
    return ClientError({"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": metadata}, operation)


@dataclass
class Stored:
    version_id: str
    body: bytes | None
    """``None``: a delete marker."""
    last_modified: datetime
    storage_class: str = "STANDARD"

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.body or b"", usedforsecurity=False).hexdigest()}"'


class S3:
    """Amazon S3 to one process."""

    def __init__(self, world: GateWorld, lifeline: Lifeline) -> None:
        self._world = world
        self._lifeline = lifeline

    def put_object(self, **asked: Any) -> dict[str, Any]:
        return self._lifeline.call(lambda: self._put(**asked))  # type: ignore[no-any-return]

    def get_object(self, **asked: Any) -> dict[str, Any]:
        return self._lifeline.call(lambda: self._get(**asked))  # type: ignore[no-any-return]

    def head_object(self, **asked: Any) -> dict[str, Any]:
        return self._lifeline.call(lambda: self._get(**asked))  # type: ignore[no-any-return]

    def list_object_versions(self, **asked: Any) -> dict[str, Any]:
        return self._lifeline.call(lambda: self._list_versions(**asked))  # type: ignore[no-any-return]

    def get_paginator(self, operation: str) -> S3:
        assert operation == "list_objects_v2"
        return self

    def paginate(self, StartAfter: str = "", **asked: Any) -> Iterator[dict[str, Any]]:
        after = StartAfter
        while page := self._lifeline.call(partial(self._list, StartAfter=after, **asked))[:2]:
            yield {"Contents": [{"Key": name} for name in page]}
            after = page[-1]

    def _put(self, Bucket: str, Key: str, Body: bytes, IfNoneMatch: str = "", **_: Any) -> dict[str, Any]:
        versions = self._world.objects.setdefault((Bucket, Key), [])
        if IfNoneMatch and versions and versions[-1].body is not None:
            raise refusal("PreconditionFailed", "PutObject")
        stored = self._world.put(Bucket, Key, Body)
        if self._world.records:
            self._world.record(ObjectVersion(Bucket, Key, stored.version_id), principal=GATE)
        return {"VersionId": stored.version_id}

    def _get(self, Bucket: str, Key: str, VersionId: str | None = None) -> dict[str, Any]:
        if (code := self._world.refused.get(Key)) is not None:
            raise refusal(code, "GetObject")
        versions = self._world.objects.get((Bucket, Key), [])
        found = [each for each in versions if VersionId in {None, each.version_id}]
        if not found:
            raise refusal("NoSuchKey", "GetObject")
        if (body := found[-1].body) is None:
            raise refusal("NoSuchKey", "GetObject", **{"x-amz-delete-marker": "true"})
        return {
            "Body": io.BytesIO(body),
            "ContentLength": len(body),
            "VersionId": found[-1].version_id,
            "LastModified": found[-1].last_modified,
            "ETag": found[-1].etag,
        }

    def _list_versions(
        self, Bucket: str, Prefix: str, KeyMarker: str = "", VersionIdMarker: str = "", Delimiter: str = ""
    ) -> dict[str, Any]:
        if Delimiter:
            keys = [key for bucket, key in self._world.objects if bucket == Bucket and key.startswith(Prefix)]
            folders = {
                Prefix + key[len(Prefix) :].split("/")[0] + "/" for key in keys if "/" in key[len(Prefix) :]
            }
            return {
                "CommonPrefixes": [{"Prefix": folder} for folder in sorted(folders)],
                "IsTruncated": False,
            }
        everything = [
            (key, stored)
            for (bucket, key), versions in sorted(self._world.objects.items())
            if bucket == Bucket and key.startswith(Prefix)
            for stored in reversed(versions)
        ]
        ids = [(key, stored.version_id) for key, stored in everything]
        begin = sum(key <= KeyMarker for key, _ in ids)
        if VersionIdMarker:
            begin = ids.index((KeyMarker, VersionIdMarker)) + 1
        page = everything[begin : begin + 3]
        entries = [
            {
                "Key": key,
                "VersionId": stored.version_id,
                "LastModified": stored.last_modified,
                "Size": len(stored.body or b""),
                "ETag": stored.etag,
                "StorageClass": stored.storage_class,
                "IsLatest": stored is self._world.objects[Bucket, key][-1],
            }
            for key, stored in page
        ]
        gone = [stored.body is None for _, stored in page]
        answer: dict[str, Any] = {
            "Versions": [entry for entry, marker in zip(entries, gone, strict=True) if not marker],
            "DeleteMarkers": [entry for entry, marker in zip(entries, gone, strict=True) if marker],
            "IsTruncated": begin + 3 < len(everything),
        }
        if answer["IsTruncated"]:
            answer |= {"NextKeyMarker": entries[-1]["Key"], "NextVersionIdMarker": entries[-1]["VersionId"]}
        return answer

    def _list(self, Bucket: str, Prefix: str, Delimiter: str = "", StartAfter: str = "") -> list[str]:
        return [
            key
            for (bucket, key), versions in sorted(self._world.objects.items())
            if bucket == Bucket
            and key.startswith(Prefix)
            and key > StartAfter
            and not (Delimiter and Delimiter in key[len(Prefix) :])
            and versions[-1].body is not None
        ]


class Glue:
    """AWS Glue to one process."""

    def __init__(self, world: GateWorld, lifeline: Lifeline) -> None:
        self._world = world
        self._lifeline = lifeline

    def get_job_runs(self, JobName: str, MaxResults: int) -> dict[str, Any]:
        runs = [run for run in self._world.runs if run["JobName"] == JobName]
        return self._lifeline.call(lambda: {"JobRuns": [dict(run) for run in runs][:MaxResults]})  # type: ignore[no-any-return]

    def start_job_run(self, JobName: str, Arguments: dict[str, str]) -> dict[str, Any]:
        return self._lifeline.call(lambda: self._start(JobName, Arguments))  # type: ignore[no-any-return]

    def _start(self, name: str, arguments: dict[str, str]) -> dict[str, Any]:
        if self._world.running(name):
            raise refusal("ConcurrentRunsExceededException", "StartJobRun")
        run = {
            "Id": f"jr_{len(self._world.runs)}",
            "JobName": name,
            "JobRunState": "RUNNING",
            "StartedOn": self._world.now,
            "Arguments": dict(arguments),
        }
        self._world.runs.append(run)
        return {"JobRunId": run["Id"]}


class Sns:
    """Amazon SNS to one process."""

    def __init__(self, world: GateWorld, lifeline: Lifeline) -> None:
        self._world = world
        self._lifeline = lifeline

    def publish(self, *, TopicArn: str, Subject: str, Message: str) -> Any:
        assert TopicArn == SETTINGS.topic_arn
        assert Subject.isascii()
        assert len(Subject) <= 100
        self._lifeline.call(lambda: self._world.messages.append((Subject, Message)))


@dataclass
class GateWorld:
    """What all processes share: objects, runs of jobs, messages, and the clock."""

    now: datetime = START
    settings: Settings = SETTINGS
    objects: dict[tuple[str, str], list[Stored]] = field(default_factory=dict)
    runs: list[dict[str, Any]] = field(default_factory=list)
    messages: list[tuple[str, str]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """Keys that cannot be read, and the error's code."""
    records: bool = True
    """Whether the recorder runs: objects that the gate writes have their receipts at once."""
    metrics: Metrics = field(default_factory=lambda: Metrics(namespace="Custody", service="gate"))
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.metrics.clear_metrics()
        self.put("provenance", REGISTRY_KEY, json.dumps({"keys": [SIGNER.registered()]}).encode())

    def put(self, bucket: str, key: str, body: bytes | None) -> Stored:
        stored = Stored(f"v{next(self.numbers):04d}", body, self.now)
        self.objects.setdefault((bucket, key), []).append(stored)
        return stored

    def arrive(
        self, key: str, body: bytes = b"a,b\n1,2\n", *, recorded: bool = True, storage_class: str = "STANDARD"
    ) -> ObjectVersion:
        """Add an object version to the raw bucket, with its receipt unless that is pending."""
        stored = self.put("raw", key, body)
        stored.storage_class = storage_class
        version = ObjectVersion("raw", key, stored.version_id)
        if recorded:
            self.record(version)
        return version

    def record(
        self,
        version: ObjectVersion,
        signer: LocalSigner = SIGNER,
        *,
        principal: str | None = None,
        **changes: Any,
    ) -> None:
        """Put the receipt that the recorder would write of a stored version, with ``changes``."""
        stored = self.stored(version)
        facts: dict[str, Any] = {
            "event": ObjectCreated(version, "ObjectCreated:Put", self.now, None, principal, None),
            "sha256": hashlib.sha256(stored.body or b"").hexdigest(),
            "size_bytes": len(stored.body or b""),
            "etag": stored.etag,
            "last_modified": stored.last_modified,
            "content_type": None,
            "recorded_at": self.now,
            "recorder": IDENTITY,
        }
        statement = Receipt(**(facts | changes)).to_statement()
        self.put("provenance", version.receipt_key, sign_envelope(statement, PAYLOAD_TYPE, signer))

    def stored(self, version: ObjectVersion) -> Stored:
        versions = self.objects[version.bucket, version.key]
        (found,) = [stored for stored in versions if stored.version_id == version.version_id]
        return found

    def gate(self, lifeline: Lifeline | None = None) -> Gate:
        """A gate in a process of its own."""
        lifeline = lifeline or Lifeline()
        s3: Any = S3(self, lifeline)
        glue: Any = Glue(self, lifeline)
        return Gate(
            self.settings,
            s3=s3,
            glue=glue,
            sns=Sns(self, lifeline),
            signatures=PublicKeyCheck(),
            logger=Logger(service="gate"),
            metrics=self.metrics,
            clock=lambda: self.now,
        )

    def call(
        self, event: object = None, seconds: float = 900, lifeline: Lifeline | None = None
    ) -> dict[str, Any]:
        return self.gate(lifeline).run({} if event is None else event, lambda: seconds)

    def running(self, job: str) -> dict[str, Any] | None:
        return next(
            (run for run in self.runs if run["JobName"] == job and run["JobRunState"] == "RUNNING"), None
        )

    def finish(self, job: str, state: str = "SUCCEEDED", *, publishes: bool = True, **facts: Any) -> None:
        """End the job's run, with its lineage document unless it published nothing."""
        run = self.running(job)
        assert run is not None
        run |= {"JobRunState": state, "CompletedOn": self.now}
        if publishes and "--manifest" in run["Arguments"]:
            place = parse_s3_uri(run["Arguments"]["--manifest"])
            (stored,) = self.objects[place.bucket, place.key]
            assert stored.version_id == place.version_id
            manifest = parse_manifest(stored.body or b"")
            uri = run["Arguments"]["--manifest"]
            told = {"uri": uri, "sha256": manifest.sha256}
            self.publish("processed", manifest.table, manifest.sha256, manifest=told, **facts)

    def publish(
        self,
        bucket: str,
        table: str,
        identity: str,
        *,
        recorded: bool = True,
        principal: str | None = ETL,
        **facts: Any,
    ) -> ObjectVersion:
        """A table's next lineage document, as a job writes it."""
        folder = f"tables/{table}/_lineage/"
        number = sum(key.startswith(folder) for place, key in self.objects if place == bucket)
        key = f"{folder}{number:020d}-{identity}.json"
        uri = f"s3://{bucket}/tables/{table}"
        document: dict[str, Any] = {
            "type": "urn:custody:lineage:v1",
            "id": identity,
            "job": "raw_to_processed",
            "run_id": "jr_0",
            "code": {"sha256": "0" * 64, "version": "1"},
            "started_at": format_time(self.now),
            "committed_at": format_time(self.now),
            "outputs": [{"table": uri, "delta_version": number, "rows": 0}],
        }
        if bucket == "processed":
            document |= {"manifest": {"uri": "s3://processed/m?versionId=v", "sha256": identity}}
            counts = dict.fromkeys(("rows", "valid", "rejected", "duplicates"), 0)
            some = {"bucket": "raw", "key": "k", "version_id": "v", "sha256": "0" * 64, "size_bytes": 0}
            document |= {"inputs": [some | counts], "counts": counts, "days": []}
        stored = self.put(bucket, key, json.dumps(document | facts).encode())
        version = ObjectVersion(bucket, key, stored.version_id)
        if recorded:
            self.record(version, principal=principal)
        return version

    def decide(
        self,
        action: str,
        /,
        *versions: ObjectVersion,
        principal: str | None = ENGINEER,
        name: str = "a",
        **changes: Any,
    ) -> ObjectVersion:
        """A decision about object versions of the customers' table."""
        document = {
            "type": "urn:custody:decision:v1",
            "table": "customers",
            "action": action,
            "reason": "Looked at.",
            "versions": [asdict(version) for version in versions],
        } | changes
        key = f"decisions/customers/{name}.json"
        stored = self.put("processed", key, json.dumps(document).encode())
        version = ObjectVersion("processed", key, stored.version_id)
        self.record(version, principal=principal)
        return version

    def manifests(self, table: str = "customers") -> list[Manifest]:
        """The manifests that were written, in their order; each object was written once."""
        found = []
        for (bucket, key), versions in sorted(self.objects.items()):
            if bucket == "processed" and key.startswith(f"manifests/{table}/0"):
                (stored,) = versions
                found.append(parse_manifest(stored.body or b""))
        return found

    def handed_out(self, table: str = "customers") -> list[ObjectVersion]:
        """The versions in all manifests, including repetitions."""
        return [entry.version for manifest in self.manifests(table) for entry in manifest.entries]

    def report(self, table: str = "customers") -> dict[ObjectVersion, str]:
        """The newest report of what is withheld."""
        reports = [key for bucket, key in self.objects if key.startswith(f"manifests/{table}/_withheld/")]
        (stored,) = self.objects["processed", max(reports)]
        return {
            ObjectVersion(item["bucket"], item["key"], item["version_id"]): item["reason"]
            for item in json.loads(stored.body or b"")["withheld"]
        }

    def counted(self) -> dict[str, float]:
        """The sums of the metrics since the last call."""
        values = {name: sum(metric["Value"]) for name, metric in self.metrics.metric_set.items()}
        self.metrics.clear_metrics()
        return values
