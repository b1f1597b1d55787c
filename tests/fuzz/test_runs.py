"""No run ends because of one subject: problems elsewhere are still found."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from custody.evidence.dsse import sign_envelope
from custody.evidence.objects import ObjectVersion
from custody.evidence.receipt import PAYLOAD_TYPE
from custody.findings import Claim, Status
from custody.lineage.graph import Graph
from custody.lineage.library import Library
from custody.lineage.walk import walk
from custody.report.lineage import gather_lineage
from custody.verify.verify import VerificationReport, verify
from tests.fuzz import poison
from tests.fuzz.test_parsers import CORPUS, LINEAGE, STATEMENT
from tests.support.digests import Keys
from tests.support.evidence import LocalSigner, World, trail_record, worlds
from tests.support.lake import Lake

SETTLED = timedelta(hours=2)


@pytest.fixture(scope="module")
def new_world() -> Iterator[Callable[[], World]]:
    with worlds() as new:
        yield new


@pytest.fixture
def tampered(new_world: Callable[[], World]) -> tuple[World, ObjectVersion]:
    """A world with one object that was tampered with, which must be found in any case."""
    world = new_world()
    world.drop("incoming/good.csv", b"good")
    version = world.drop("incoming/z-tampered.csv", b"good")
    world.tamper(version, b"evil")
    return world, version


def check(world: World) -> VerificationReport:
    return verify(world.s3, world.deployment, digest_keys=Keys(), now=datetime.now(UTC) + SETTLED, workers=4)


def of(report: VerificationReport, claim: Claim) -> set[tuple[Status, str]]:
    return {(found.status, found.subject) for found in report.findings if found.claim is claim}


def some(wrong: Iterator[bytes], every: int) -> list[bytes]:
    """A part of them, the same each time."""
    return [data for index, data in enumerate(wrong) if index % every == 0]


def corpus(name: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]


def test_receipts(tampered: tuple[World, ObjectVersion]) -> None:
    """Signed by the recorder's key and by a stranger's, or no envelope at all."""
    world, victim = tampered
    stranger = LocalSigner("arn:stranger")
    wrong = [*corpus("statement"), *some(poison.texts(json.loads(STATEMENT)), 60)]
    subjects = set()
    for index, data in enumerate(wrong):
        drop = world.put(f"incoming/poison/{index:04d}", b"x")
        world.witness(drop)
        signer = world.signer if index % 2 else stranger
        envelope = data if index % 5 == 0 else sign_envelope(data, PAYLOAD_TYPE, signer)
        world.s3.put_object(Bucket=world.provenance, Key=drop.version.receipt_key, Body=envelope)
        subjects.add(drop.version.uri)
    report = check(world)
    assert report.unchecked_count == 0
    assert of(report, Claim.OBJECT_HASH) == {(Status.FAILED, victim.uri)}
    failed = {subject for _, subject in of(report, Claim.RECEIPT_SIGNATURE)}
    assert failed == subjects


def test_trail_files(tampered: tuple[World, ObjectVersion]) -> None:
    world, victim = tampered
    record = trail_record(ObjectVersion(world.raw, "incoming/good.csv", "v"), "R", "E")
    wrong = [*corpus("log_file"), *some(poison.texts({"Records": [record]}), 60), b"\xff", b""]
    for data in wrong:
        world.deliver(gzip.compress(data, 1))
    world.deliver(b"no gzip")
    unwitnessed = world.put("incoming/unwitnessed.csv", b"x")
    world.record(unwitnessed)
    report = check(world)
    assert report.unchecked_count == 0
    assert of(report, Claim.OBJECT_HASH) == {(Status.FAILED, victim.uri)}
    assert (Status.MISSING, unwitnessed.version.uri) in of(report, Claim.TRAIL_EVENT)
    assert sum(status is Status.FAILED for status, _ in of(report, Claim.TRAIL_EVENT)) >= len(wrong) // 4


def lake_of(world: World) -> Lake:
    def put(bucket: str, key: str, data: bytes) -> ObjectVersion:
        drop = world.put(key, data, bucket)
        world.record(drop)
        world.witness(drop)
        return drop.version

    return Lake(world.deployment.buckets, put)


def test_lineage_documents_and_manifests(tampered: tuple[World, ObjectVersion]) -> None:
    world, victim = tampered
    lake = lake_of(world)
    processed, analytics = (world.deployment.buckets[short] for short in ("processed", "analytics"))
    lake.silver("customers", 1, [lake.raw("incoming/customers/a")])
    lake.gold("value", 1, [("customers", 1)])
    for bucket, layer, table in (
        (processed, "processed", "customers"),
        (analytics, "analytics", "value"),
    ):
        right = json.loads(LINEAGE[layer][1])
        for index, data in enumerate(some(poison.texts(right), 150)):
            key = f"tables/{table}/_lineage/{index + 2:020d}-{hashlib.sha256(data).hexdigest()}.json"
            lake.put(bucket, key, data)
            lake.commit(table, index + 2, layer)
    for index, data in enumerate(poison.WHOLE.values()):
        digest = hashlib.sha256(data).hexdigest()
        key = f"manifests/poison/{index + 1:010d}.json"
        lake.put(processed, key, data)
        document = json.loads(LINEAGE["processed"][1]) | {
            "id": digest,
            "manifest": {"uri": f"s3://{processed}/{key}", "sha256": digest},
            "outputs": [{"table": lake.uri("poison"), "delta_version": index, "rows": 1}],
        }
        name = f"tables/poison/_lineage/{index:020d}-{digest}.json"
        lake.put(processed, name, json.dumps(document).encode())
        lake.commit("poison", index)
    report = check(world)
    assert of(report, Claim.OBJECT_HASH) == {(Status.FAILED, victim.uri)}
    assert len(of(report, Claim.LINEAGE_INPUTS)) > 20

    with Graph() as graph:
        found = walk(Library(world.s3, world.deployment), graph, "customers")
    assert found.exit_code == 1
    assert any("is not a lineage document" in sentence for sentence in found.missing)
    page = gather_lineage(world.s3, world.deployment)
    assert page is not None
    assert page.missing
