"""One object, end to end: uploaded, hashed, signed, recorded, logged, joined, verified; tampered with."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from custody.evidence.objects import ObjectVersion
from scripts.demo.pipeline import Landed, Pipeline
from tests.e2e.conftest import drop_unheard, tamper
from tests.support.aws_cli import AWS_CLI

pytestmark = pytest.mark.xdist_group("pipeline")

OBJECT_OFFSETS = (0, 7, 99)
RECEIPT_OFFSETS = (0, 40, 300, -20)


def ledger(pipeline: Pipeline, *arguments: str) -> list[dict[str, Any]]:
    done = pipeline.custody("ledger", *arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)["rows"]
    return rows


def envelope_of(pipeline: Pipeline, version: ObjectVersion) -> dict[str, Any]:
    found = pipeline.client("s3").get_object(
        Bucket=pipeline.deployment.buckets["provenance"], Key=version.receipt_key
    )
    document: dict[str, Any] = json.loads(found["Body"].read())
    return document


def drop(pipeline: Pipeline, key: str, body: bytes, bucket: str = "raw-data") -> ObjectVersion:
    name = pipeline.deployment.buckets[bucket]
    answer = pipeline.client("s3").put_object(Bucket=name, Key=key, Body=body)
    return ObjectVersion(name, key, answer["VersionId"])


@dataclass
class Bereft:
    """An object whose notification was lost, and until when it is pending (seconds since the epoch)."""

    version: ObjectVersion
    pending_until: float


@pytest.fixture(scope="module")
def bereft(pipeline: Pipeline) -> Bereft:
    version = drop_unheard(pipeline, "incoming/tamper/bereft", b"x")
    pending_until = time.time() + 60 * pipeline.deployment.watermark_minutes + 1
    pipeline.deliver_trail()
    return Bereft(version, pending_until)


def test_a_missing_receipt_may_be_on_its_way_at_first(pipeline: Pipeline, bereft: Bereft) -> None:
    """Before the other tests of this file, which take as long as it is waited for."""
    (row,) = ledger(pipeline, "--key", bereft.version.key)
    if time.time() < bereft.pending_until - 1:
        assert row["status"] == "pending"
    assert row["status"] in {"pending", "unprovenanced"}


def test_each_receipt_says_what_was_dropped(pipeline: Pipeline, landed: list[Landed]) -> None:
    for entry in landed:
        envelope = envelope_of(pipeline, entry.version)
        statement = json.loads(base64.b64decode(envelope["payload"]))
        predicate = statement["predicate"]
        assert statement["subject"][0]["digest"]["sha256"] == hashlib.sha256(entry.drop.body).hexdigest()
        assert (predicate["bucket"], predicate["key"], predicate["version_id"]) == (
            entry.version.bucket,
            entry.version.key,
            entry.version.version_id,
        )
        assert predicate["size_bytes"] == len(entry.drop.body)
        assert predicate["event"]["principal_id"].endswith(f":{entry.drop.who}")
        assert envelope["signatures"][0]["keyid"] == pipeline.deployment.keys["signing"]


def test_a_receipt_names_the_code_that_made_it(pipeline: Pipeline, landed: list[Landed]) -> None:
    shipped = pipeline.client("lambda").get_function_configuration(
        FunctionName=pipeline.deployment.functions["recorder"]
    )
    envelope = envelope_of(pipeline, landed[0].version)
    recorder = json.loads(base64.b64decode(envelope["payload"]))["predicate"]["recorder"]
    assert bytes.fromhex(recorder["code_sha256"]) == base64.b64decode(shipped["CodeSha256"])
    assert recorder["function"] == shipped["FunctionName"]


def test_openssl_alone_verifies_a_receipt(pipeline: Pipeline, landed: list[Landed], tmp_path: Path) -> None:
    envelope = envelope_of(pipeline, landed[0].version)
    payload, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"].encode()
    registry = pipeline.client("s3").get_object(
        Bucket=pipeline.deployment.buckets["provenance"], Key="keys/registry.json"
    )
    (key,) = json.loads(registry["Body"].read())["keys"]
    (tmp_path / "key.pem").write_text(key["public_key"])
    (tmp_path / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))

    def openssl_says(message: bytes) -> int:
        command = ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "sig"]
        return subprocess.run(
            command, input=message, cwd=tmp_path, check=False, capture_output=True
        ).returncode

    pae = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    assert openssl_says(pae) == 0
    assert openssl_says(pae + b" ") == 1


def test_the_ledger_joins_both_sides(pipeline: Pipeline, landed: list[Landed]) -> None:
    rows = {(row["bucket_name"], row["object_key"], row["version_id"]): row for row in ledger(pipeline)}
    for entry in landed:
        row = rows[entry.version.bucket, entry.version.key, entry.version.version_id]
        assert (row["status"], row["match_basis"]) == ("verified", "request_id")
        assert row["user_name"] == entry.drop.who
        assert row["sha256"] == hashlib.sha256(entry.drop.body).hexdigest()
        assert row["size_bytes"] == len(entry.drop.body)
        assert row["layer"] == "bronze"
        assert row["leaf_index"] is not None
        assert row["request_id"]


def test_the_ledger_filters(pipeline: Pipeline, landed: list[Landed]) -> None:
    key = landed[0].drop.key
    assert {row["object_key"] for row in ledger(pipeline, "--key", key)} == {key}
    assert ledger(pipeline, "--since", "2099-01-01") == []
    assert ledger(pipeline, "--key", "' OR 1=1 --") == []


def test_a_producer_finds_the_deployment_by_its_uri(pipeline: Pipeline, landed: list[Landed]) -> None:
    outputs = json.loads(pipeline.terraform.deployment_path.read_bytes())
    uri = outputs["deployment_uri"]
    place = dict(zip(("Bucket", "Key"), uri.removeprefix("s3://").split("/", 1), strict=True))
    stored = json.load(pipeline.client("s3").get_object(**place)["Body"])
    for_others = {"adopted_bucket_statements", "control_policies", "deployment_uri", "existing_trail_owner"}
    assert stored == {name: value for name, value in outputs.items() if name not in for_others}
    producer = {"role": "people-producer", "session": "ana"}
    done = pipeline.custody("ledger", "--deployment", uri, "--limit", "1", "--format", "json", **producer)
    assert (done.returncode, json.loads(done.stdout)["count"]) == (0, 1), done.stderr


def test_reads_name_who_read(pipeline: Pipeline, landed: list[Landed]) -> None:
    version = landed[0].version
    eve = pipeline.client("s3", role_arn=pipeline.roles["people-auditor"], session="eve")
    eve.get_object(Bucket=version.bucket, Key=version.key, VersionId=version.version_id)
    pipeline.deliver_trail()
    done = pipeline.custody("reads", "--by", "eve", "--of", version.uri, "--since", "1d", "--format", "json")
    (row,) = json.loads(done.stdout)["rows"]
    assert (row["user_name"], row["object_key"], row["error_code"]) == ("eve", version.key, None)


def test_what_a_recorded_decision_erased_is_no_finding(pipeline: Pipeline, landed: list[Landed]) -> None:
    s3, raw = pipeline.client("s3"), pipeline.deployment.buckets["raw-data"]
    put = s3.put_object(Bucket=raw, Key="incoming/erased/a.csv", Body=b"a")
    version = ObjectVersion(raw, "incoming/erased/a.csv", put["VersionId"])
    pipeline.await_receipts([version])
    pipeline.deliver_trail()
    done = pipeline.custody("erase", version.uri, "--reason", "asked for", "--yes", "--format", "json")
    assert done.returncode == 0, done.stderr
    pipeline.deliver_trail()
    done = pipeline.custody("verify", version.uri, "--format", "json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["findings"], document["unchecked"]) == (0, [], [])
    (deletion,) = document["deletions"]
    assert (deletion["subject"], deletion["state"]) == (version.uri, "erased")

    forger = pipeline.client("s3", role_arn=pipeline.roles["etl"], session="job")
    place = {"Bucket": pipeline.deployment.buckets["processed"], "Key": "erasures/forged.json"}
    with pytest.raises(ClientError, match="AccessDenied"):
        forger.put_object(**place, Body=b"{}", IfNoneMatch="*")


def test_all_of_it_verifies(pipeline: Pipeline, landed: list[Landed]) -> None:
    folders = Counter("/".join(entry.version.uri.split("/")[:5]) for entry in landed)
    for folder, count in folders.items():
        done = pipeline.custody("verify", folder, "--format", "json")
        document = json.loads(done.stdout)
        assert (done.returncode, document["findings"]) == (0, []), done.stderr
        not_here = ("lineage.inputs", "log.consistency", "ledger.row")
        of_more = [document["claims"].pop(name) for name in not_here]
        assert all(claim["checked"] == 0 for claim in of_more)
        as_a_whole = ("trail.digest", "trail.complete", "log.checkpoint", "key.use")
        of_others = [document["claims"].pop(name) for name in as_a_whole]
        assert all(claim["passed"] > 0 for claim in of_others)
        assert all(claim["passed"] == claim["checked"] == count for claim in document["claims"].values()), (
            document
        )


def test_the_story_of_an_object_is_told(pipeline: Pipeline, landed: list[Landed]) -> None:
    done = pipeline.custody("show", landed[0].version.uri)
    assert done.returncode == 0, done.stderr
    told = " ".join(done.stdout.split())
    assert landed[0].drop.who in told
    assert hashlib.sha256(landed[0].drop.body).hexdigest() in "".join(done.stdout.split())


def test_the_doctor_finds_every_stage_well(pipeline: Pipeline, landed: list[Landed]) -> None:
    done = pipeline.custody("doctor", "--format", "json")
    assert done.returncode == 0, done.stdout + done.stderr


def test_awss_own_tool_accepts_the_trail(pipeline: Pipeline, landed: list[Landed]) -> None:
    done = subprocess.run(
        [
            *(*AWS_CLI, "cloudtrail", "validate-logs", "--verbose"),
            *("--trail-arn", pipeline.deployment.trail_arn),
            *("--region", pipeline.deployment.region),
            *("--start-time", "2020-01-01T00:00:00Z"),
        ],
        env=pipeline.environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "INVALID" not in done.stdout
    assert "log files valid" in done.stdout


def findings_of(pipeline: Pipeline, scope: str) -> set[tuple[str, str, str]]:
    done = pipeline.custody("verify", scope, "--format", "json")
    assert done.returncode == 1, done.stdout + done.stderr
    return {(f["claim"], f["status"], f["subject"]) for f in json.loads(done.stdout)["findings"]}


@dataclass
class Changed:
    """Objects of which one stored byte has changed, and those of whose receipts one has; by its offset."""

    objects: dict[int, ObjectVersion]
    receipts: dict[int, ObjectVersion]
    findings: set[tuple[str, str, str]]
    """What verifying them all finds."""


@pytest.fixture(scope="module")
def changed(pipeline: Pipeline) -> Changed:
    folder = "incoming/changed"
    objects = {at: drop(pipeline, f"{folder}/object-{at}", bytes(range(100))) for at in OBJECT_OFFSETS}
    receipts = {at: drop(pipeline, f"{folder}/receipt-{at}", b"x") for at in RECEIPT_OFFSETS}
    pipeline.await_receipts([*objects.values(), *receipts.values()])
    pipeline.deliver_trail()
    for offset, version in objects.items():
        tamper(pipeline, version, "flip_byte", offset=offset)
    for offset, version in receipts.items():
        head = pipeline.client("s3").head_object(
            Bucket=pipeline.deployment.buckets["provenance"], Key=version.receipt_key
        )
        receipt = ObjectVersion(
            pipeline.deployment.buckets["provenance"], version.receipt_key, head["VersionId"]
        )
        tamper(pipeline, receipt, "flip_byte", offset=offset % head["ContentLength"])
    scope = f"s3://{pipeline.deployment.buckets['raw-data']}/{folder}/"
    return Changed(objects, receipts, findings_of(pipeline, scope))


@pytest.mark.parametrize("offset", OBJECT_OFFSETS)
def test_a_changed_byte_of_an_object_is_found(changed: Changed, offset: int) -> None:
    uri = changed.objects[offset].uri
    assert {found for found in changed.findings if found[2] == uri} == {("object.hash", "failed", uri)}


@pytest.mark.parametrize("offset", RECEIPT_OFFSETS)
def test_a_changed_byte_of_a_receipt_is_found(changed: Changed, offset: int) -> None:
    assert ("receipt.signature", "failed", changed.receipts[offset].uri) in changed.findings


def test_what_is_found_is_about_what_has_changed(changed: Changed) -> None:
    versions = [*changed.objects.values(), *changed.receipts.values()]
    assert {subject for _, _, subject in changed.findings} == {version.uri for version in versions}


def test_a_missing_receipt_is_found_and_can_be_made_later(pipeline: Pipeline, bereft: Bereft) -> None:
    version = bereft.version
    time.sleep(max(0.0, bereft.pending_until - time.time()))
    assert ("receipt.unique", "missing", version.uri) in findings_of(pipeline, version.uri)
    (row,) = ledger(pipeline, "--key", version.key)
    assert row["status"] == "unprovenanced"
    place = f"s3://{version.bucket}/{version.key}"
    compared = pipeline.custody("reconcile", "--prefix", place, "--format", "json")
    (row,) = json.loads(compared.stdout)["rows"]
    assert (row["uri"], row["status"], row["leaf_index"]) == (version.uri, "unprovenanced", None)
    assert (compared.returncode, row["repair"]) == (1, f"custody record '{version.uri}'")

    recorded = pipeline.custody("record", version.uri)
    assert recorded.returncode == 0, recorded.stderr
    pipeline.await_receipts([version])
    (row,) = ledger(pipeline, "--key", version.key)
    assert (row["status"], row["match_basis"]) == ("late", "version_id")
    assert pipeline.custody("verify", version.uri).returncode == 0


def test_a_write_beside_the_recorded_prefixes_is_shown(pipeline: Pipeline) -> None:
    version = drop(pipeline, "elsewhere/stray.csv", b"x")
    pipeline.deliver_trail()
    (row,) = ledger(pipeline, "--key", version.key)
    assert (row["status"], row["match_basis"], row["layer"]) == ("untracked", "none", "bronze")
