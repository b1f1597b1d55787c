"""The jobs as Glue starts them, with moto's Amazon S3: parameters, versions, tables, lineage."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import deltalake
import pytest
from moto.server import ThreadedMotoServer
from pyspark.errors import PySparkException

import processed_to_analytics
import raw_to_processed
from custody.errors import EvidenceError
from custody.etl.manifest import Entry, write_manifest
from custody.etl.store import S3Store
from custody.evidence.objects import ObjectVersion
from scripts.datasets import contract_text
from scripts.local_etl.engine import pysail_session
from tests.glue.local import DATA_SET, EVENTS, customer, customers, event
from tests.support.evidence import refused

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from pyspark.sql import SparkSession

    from custody.etl.silver_run import Stage

CODE = "c" * 64
NOW = datetime(2026, 1, 16, tzinfo=UTC)


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ALLOW_HTTP", "true")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_REGION", "us-east-1")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def session(aws: str) -> Iterator[tuple[SparkSession, Stage]]:
    with pysail_session() as session:
        yield session


@pytest.fixture(scope="module")
def s3(aws: str) -> S3Client:
    s3 = boto3.client("s3")
    for name in ("raw", "processed", "analytics", "artifacts"):
        s3.create_bucket(Bucket=name)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for path in DATA_SET.glob("*/*.yaml"):
        body = contract_text(path).encode()
        s3.put_object(Bucket="artifacts", Key=f"glue/quality/{path.stem}.json", Body=body)
    return s3


def put(s3: S3Client, key: str, body: bytes) -> Entry:
    version = s3.put_object(Bucket="raw", Key=key, Body=body)["VersionId"]
    return Entry(ObjectVersion("raw", key, version), hashlib.sha256(body).hexdigest(), len(body), NOW)


def gate(s3: S3Client, table: str, *entries: Entry) -> str:
    body = write_manifest(table, entries, NOW)
    key = f"manifests/{table}/{hashlib.sha256(body).hexdigest()}.json"
    version = s3.put_object(Bucket="processed", Key=key, Body=body)["VersionId"]
    return f"s3://processed/{key}?versionId={version}"


def silver_arguments(manifest: str) -> list[str]:
    return [
        *("--JOB_NAME", "custody-raw-to-processed", "--JOB_RUN_ID", "jr_1", "--code_sha256", CODE),
        *(
            "--manifest",
            manifest,
            "--tables",
            "s3://processed/tables",
            "--contracts",
            "s3://artifacts/glue/quality",
        ),
    ]


GOLD_ARGUMENTS = [
    *("--JOB_RUN_ID", "jr_2", "--code_sha256", CODE, "--contracts", "s3://artifacts/glue/quality/"),
    *("--processed", "s3://processed/tables/", "--analytics", "s3://analytics/tables/"),
]


GOLD = ("daily_engagement", "customer_value")
PINNED = {"daily_engagement": "viewing_events@1", "customer_value": "customers@1,viewing_events@1"}


def rows(table: str) -> list[dict[str, Any]]:
    """A table as another reader of Delta sees it."""
    found: list[dict[str, Any]] = deltalake.DeltaTable(f"s3://{table}").to_pyarrow_table().to_pylist()
    return found


def test_from_raw_versions_to_gold(s3: S3Client, session: tuple[SparkSession, Stage]) -> None:
    """An older version is read although there is a newer one; the lineage leads from gold to raw versions."""
    key = "incoming/customers/a b%+ž/2026-01-15.csv"
    entry = put(s3, key, customers(customer(1, first="Recorded"))[0])
    put(s3, key, customers(customer(1, first="Newer"))[0])
    stream = put(s3, f"{EVENTS}2026/01/15/10/e", event("aaa", "2026-01-15T10:00:00Z").encode())
    manifests = [gate(s3, "customers", entry), gate(s3, "viewing_events", stream)]
    documents = [
        raw_to_processed.run(silver_arguments(uri), lambda: session[0], s3, session[1]) for uri in manifests
    ]
    assert [row["first_name"] for row in rows("processed/tables/customers")] == ["Recorded"]
    assert documents[0]["manifest"]["uri"] == manifests[0]
    assert (documents[0]["run_id"], documents[0]["code"]["sha256"]) == ("jr_1", CODE)

    engagement, value = (
        processed_to_analytics.run([*GOLD_ARGUMENTS, "--table", table], lambda: session[0], s3, session[1])
        for table in GOLD
    )
    assert engagement
    assert value
    (row,) = rows("analytics/tables/customer_value")
    assert (row["customer_id"], row["watched_seconds"], row["segment"]) == ("C00001", 60, "low")
    assert engagement["inputs"] == [{"table": "s3://processed/tables/viewing_events", "delta_version": 1}]
    walked = set()
    for source in value["inputs"]:
        bucket, _, prefix = source["table"].removeprefix("s3://").partition("/")
        for item in s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/_lineage/")["Contents"]:
            document = json.loads(s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read())
            assert document["outputs"][0]["delta_version"] <= source["delta_version"]
            walked |= {(raw["key"], raw["version_id"], raw["sha256"]) for raw in document["inputs"]}
    assert walked == {(e.version.key, e.version.version_id, e.sha256) for e in (entry, stream)}
    for table in GOLD:
        again = processed_to_analytics.run(
            [*GOLD_ARGUMENTS, "--table", table, "--versions", PINNED[table]],
            lambda: session[0],
            s3,
            session[1],
        )
        assert again is None


def test_an_object_that_is_replaced_or_gone_is_not_processed(
    s3: S3Client, session: tuple[SparkSession, Stage]
) -> None:
    """Not one whose bytes differ, nor a version that was deleted, nor a delete marker; the rest is."""
    days = [f"incoming/customers/2026-01-{day}.csv" for day in (17, 18, 19, 20)]
    replaced, deleted, marked, good = (
        put(s3, key, customers(customer(number))[0]) for number, key in enumerate(days, 7)
    )
    s3.delete_object(Bucket="raw", Key=days[1], VersionId=deleted.version.version_id)
    marker = s3.delete_object(Bucket="raw", Key=days[2])["VersionId"]
    entries = (
        dataclasses.replace(replaced, sha256="f" * 64),
        deleted,
        dataclasses.replace(marked, version=ObjectVersion("raw", days[2], marker)),
        good,
    )
    with pytest.raises(EvidenceError) as caught:
        raw_to_processed.run(
            silver_arguments(gate(s3, "customers", *entries)), lambda: session[0], s3, session[1]
        )
    for day, what in zip(days, ("has", "no longer exists", "no longer exists"), strict=False):
        assert re.search(rf"{day}\?versionId=[^ ;]+ {what}", str(caught.value))
    assert {row["customer_id"] for row in rows("processed/tables/customers")} & {
        f"C{number:05d}" for number in range(7, 11)
    } == {"C00010"}


def test_what_amazon_s3_does_not_say_clearly_stops_the_run(
    s3: S3Client, session: tuple[SparkSession, Stage]
) -> None:
    """A missing bucket, like denied access, says nothing about the version."""
    entry = put(s3, "incoming/customers/2026-01-21.csv", customers(customer(11))[0])
    elsewhere = ObjectVersion("nowhere", entry.version.key, entry.version.version_id)
    manifest = gate(s3, "customers", dataclasses.replace(entry, version=elsewhere))
    with pytest.raises(PySparkException, match="NoSuchBucket"):
        raw_to_processed.run(silver_arguments(manifest), lambda: session[0], s3, session[1])


@pytest.mark.parametrize("job", [raw_to_processed, processed_to_analytics])
def test_a_wrong_call_ends_with_a_sentence(job: Any, monkeypatch: pytest.MonkeyPatch, aws: str) -> None:
    for arguments, sentence in (
        ([], "The job has no parameter --"),
        (["--code_sha256", "abc", "--JOB_RUN_ID", "jr_1", "--tables", "s3://b/t"], "is not a SHA-256"),
        (
            ["--code_sha256", CODE, "--JOB_RUN_ID", "jr_1", "--tables", "t", "--processed", "t"],
            "'t', not the URI",
        ),
    ):
        monkeypatch.setattr(sys, "argv", [f"{job.JOB}.py", *arguments])
        with pytest.raises(SystemExit) as caught:
            job.main()
        assert str(caught.value).startswith(f"{job.JOB}: ")
        assert sentence in str(caught.value)


def test_lineage_is_written_once_and_a_conflict_is_tried_again(s3: S3Client) -> None:
    store, uri = S3Store(s3), "s3://processed/tables/x/_lineage/1.json"
    with refused(s3, "PutObject", 409, "ConditionalRequestConflict", times=1) as conflicts:
        assert store.create(uri, b"first")
    assert len(conflicts) == 1
    assert not store.create(uri, b"second")
    assert store.read(uri) == b"first"
