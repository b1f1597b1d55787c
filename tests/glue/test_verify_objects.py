"""The job that hashes objects again finds what ``custody verify`` finds of their bytes, in the same words."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

import verify_objects
from custody.errors import CannotCheckError, UsageError
from custody.evidence.objects import ObjectVersion, S3Location
from custody.findings import Claim
from custody.verify.rehash import read_segment
from custody.verify.report import VerificationReport
from custody.verify.verify import verify
from scripts.local_etl.engine import pysail_session
from tests.support.digests import Keys
from tests.support.evidence import World, refused
from tests.support.sealed import SealedWorld, later

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
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
        with pysail_session() as (session, _):
            yield session
    server.stop()


@pytest.fixture
def sealed(spark: SparkSession, request: pytest.FixtureRequest) -> SealedWorld:
    config = Config(max_pool_connections=32, response_checksum_validation="when_required")
    name = f"custody-{abs(hash(request.node.name)) % 10**6}"
    found = SealedWorld(World(boto3.client("s3", config=config), name))
    found.s3.create_bucket(Bucket=f"{name}-results")
    versioned = {"Status": "Enabled"}
    found.s3.put_bucket_versioning(Bucket=f"{name}-results", VersioningConfiguration=versioned)
    return found


def job(spark: SparkSession, sealed: SealedWorld, *more: str, run_id: str = "jr_1") -> dict[str, Any]:
    results = f"{sealed.world.provenance.partition('-provenance')[0]}-results"
    uri, _ = verify_objects.run(
        [
            *("--JOB_RUN_ID", run_id, "--provenance", sealed.world.provenance),
            *("--results", f"s3://{results}/verifications/", *more),
        ],
        lambda: spark,
        sealed.s3,
    )
    assert uri == f"s3://{results}/verifications/{run_id}.json"
    document: dict[str, Any] = json.loads(sealed.world.read(results, f"verifications/{run_id}.json"))
    return document


def command(sealed: SealedWorld, **options: Any) -> VerificationReport:
    return verify(
        sealed.s3, sealed.world.deployment, now=later(), workers=4, digest_keys=Keys(), seed="s", **options
    )


def of_bytes(document: dict[str, Any]) -> list[dict[str, str]]:
    return [finding for finding in document["findings"] if finding["claim"] == Claim.OBJECT_HASH]


def grown(sealed: SealedWorld) -> list[ObjectVersion]:
    """Objects in two batches, with hard names and sizes, all sealed."""
    versions = sealed.drop(5)
    sealed.seal(versions)
    for key, data in (
        ("incoming/größe 1+1=100% \"x\" 'y'?#.csv", b"y"),
        ("incoming/empty", b""),
        ("incoming/" + "é" * 500, b"long"),
        ("incoming/large", b"0123456789abcdef" * 200_000),
    ):
        versions.append(sealed.world.drop(key, data))
    sealed.seal(versions[5:])
    return versions


def test_nothing_is_found_where_everything_holds(spark: SparkSession, sealed: SealedWorld) -> None:
    versions = grown(sealed)
    found, expected = job(spark, sealed), command(sealed).to_dict()
    assert found.keys() == expected.keys()
    assert found["findings"] == expected["findings"] == []
    assert found["claims"] == {"object.hash": expected["claims"]["object.hash"]}
    assert (found["receipts"], found["receipts_read"], found["unchecked"]) == (
        len(versions),
        len(versions),
        [],
    )
    assert "receipt.signature" in found["notes"][0]


def test_what_is_tampered_with_is_found_by_both_in_the_same_words(
    spark: SparkSession, sealed: SealedWorld
) -> None:
    versions = grown(sealed)
    for number, data in ((0, b"1"), (2, b"20"), (5, b""), (8, b"0123456789abcdeF" * 200_000)):
        sealed.world.tamper(versions[number], data)
    found, expected = job(spark, sealed), command(sealed).to_dict()
    assert len(found["findings"]) == 4
    assert found["findings"] == of_bytes(expected)
    assert found["claims"]["object.hash"] == expected["claims"]["object.hash"]

    sample = command(sealed, sample=0.5).to_dict()
    assert all(finding in found["findings"] for finding in of_bytes(sample))

    below = f"s3://{versions[0].bucket}/incoming/000"
    found = job(spark, sealed, "--prefix", below, run_id="jr_2")
    scope = S3Location(versions[0].bucket, "incoming/000")
    assert found["findings"] == of_bytes(command(sealed, scope=scope).to_dict())
    assert (found["receipts_read"], len(found["findings"])) == (5, 2)


def test_a_window_reads_the_segments_of_its_days(spark: SparkSession, sealed: SealedWorld) -> None:
    versions = grown(sealed)
    sealed.world.tamper(versions[0], b"x")
    listed = sealed.s3.list_objects_v2(Bucket=sealed.bucket, Prefix="segments/")["Contents"]
    (day,) = {each["Key"].split("/")[1].removeprefix("dt=") for each in listed}
    assert len(job(spark, sealed, "--since", day, "--until", day)["findings"]) == 1
    before = job(spark, sealed, "--until", "2020-01-01", run_id="jr_2")
    assert before["findings"] == []
    assert before["unchecked"] == ["Nothing was checked: no object of the log that exists is in the window."]
    assert before["notes"][-1] == "Only what was written until 2020-01-01."


def test_one_subject_never_ends_a_run(spark: SparkSession, sealed: SealedWorld) -> None:
    versions = grown(sealed)
    sealed.s3.delete_object(Bucket=versions[0].bucket, Key=versions[0].key, VersionId=versions[0].version_id)
    sealed.world.tamper(versions[1], b"x")
    segments = "segments/dt=2026-01-01/"
    sealed.s3.put_object(Bucket=sealed.bucket, Key=f"{segments}a.ndjson.gz", Body=b"no gzip")
    lines = (
        b'{"bucket_name": "b"}\nnothing\n'
        + json.dumps(
            {
                "bucket_name": "no-such-bucket",
                "object_key": "k",
                "version_id": "v",
                "etag": '"e"',
                "sha256": "ab" * 32,
                "size_bytes": 1,
                "last_modified": "2026-01-01 00:00:00.000",
                "recorded_at": "2026-01-01 00:00:00.000",
            }
        ).encode()
    )
    sealed.s3.put_object(Bucket=sealed.bucket, Key=f"{segments}b.ndjson.gz", Body=gzip.compress(lines))
    sealed.s3.put_object(Bucket=sealed.bucket, Key=f"{segments}c.ndjson.gz", Body=b"")
    sealed.s3.put_object(
        Bucket=sealed.bucket,
        Key=f"{segments}d.ndjson.gz",
        Body=gzip.compress(lines.splitlines()[-1].replace(b"no-such-bucket", b"No Bucket!")),
    )
    found = job(spark, sealed)
    assert [finding["subject"] for finding in found["findings"]] == [versions[1].uri]
    assert found["receipts_read"] == len(versions) - 1
    assert "1 version in the log no longer exist" in found["notes"][1], found
    assert sorted(words.partition("s3://")[0] for words in found["unchecked"]) == [
        "",  # no gzip
        "",  # no row
        "",  # no name of a bucket
        "Amazon S3 refuses ",
        "Row 1 of ",
        "Row 2 of ",
    ]
    assert found["unchecked_count"] == 6


def test_a_segment_that_nobody_can_read_is_one_that_is_not_checked(sealed: SealedWorld) -> None:
    sealed.grow(1)
    (segment,) = sealed.s3.list_objects_v2(Bucket=sealed.bucket, Prefix="segments/")["Contents"]
    for status, code in ((503, "SlowDown"), (400, "ExpiredToken")):
        with refused(sealed.s3, "GetObject", status, code):
            (row,) = read_segment(sealed.s3, sealed.bucket, segment["Key"])
        assert " could not be read: " in row["problem"]
        assert code in row["problem"]


def test_a_report_is_written_once(spark: SparkSession, sealed: SealedWorld) -> None:
    sealed.grow(2)
    job(spark, sealed)
    with pytest.raises(CannotCheckError, match="There is a report"):
        job(spark, sealed)
    with pytest.raises(UsageError, match="--since is 'yesterday', not a day"):
        job(spark, sealed, "--since", "yesterday")
    with pytest.raises(UsageError, match="--since has no value"):
        job(spark, sealed, "--since", "--until", "2026-01-01")
    with pytest.raises(UsageError, match="--since 2026-01-02 is after --until 2026-01-01"):
        job(spark, sealed, "--since", "2026-01-02", "--until", "2026-01-01")
    with pytest.raises(UsageError, match="one version"):
        job(spark, sealed, "--prefix", "s3://raw/incoming/a?versionId=1")
