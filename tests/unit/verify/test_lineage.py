"""The claim ``lineage.inputs``: every false statement of a document is found, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto.s3.models import s3_backends

from custody.etl.manifest import Entry
from custody.evidence.objects import ObjectVersion, S3Location
from custody.findings import Claim, Finding, Severity, Status
from custody.verify.verify import VerificationReport, verify
from tests.support.digests import Keys
from tests.support.evidence import ACCOUNT, LocalSigner, World, body, refused, s3_record, worlds
from tests.support.lake import Lake

SETTLED = timedelta(hours=2)
"""Long after the watermark."""
Checked = tuple[int, int, int, int]


@pytest.fixture(scope="module")
def new_world() -> Iterator[Callable[[], World]]:
    with worlds() as new:
        yield new


@pytest.fixture
def world(new_world: Callable[[], World]) -> World:
    return new_world()


@pytest.fixture
def lake(world: World) -> Lake:
    """Only raw objects are recorded, and nothing is in the trail: so other claims have many findings."""

    def put(bucket: str, key: str, body: bytes) -> ObjectVersion:
        drop = world.put(key, body, bucket)
        if bucket == world.raw:
            world.record(drop)
        return drop.version

    return Lake(world.deployment.buckets, put)


@pytest.fixture(scope="module")
def holding(new_world: Callable[[], World]) -> World:
    """A world in which everything holds; read-only."""
    world = new_world()
    made(Lake(world.deployment.buckets, lambda bucket, key, body: world.drop(key, body, bucket)))
    world.drop("incoming/tables/x/_lineage/" + "0" * 20 + "-" + "a" * 64 + ".json", b"raw data, not lineage")
    return world


def check(world: World, later: timedelta = SETTLED, **options: Any) -> VerificationReport:
    return verify(
        world.s3, world.deployment, digest_keys=Keys(), now=datetime.now(UTC) + later, workers=4, **options
    )


def counted(report: VerificationReport) -> Checked:
    count = report.claims[Claim.LINEAGE_INPUTS]
    return (count.checked, count.passed, count.failed, count.pending)


def lineage_findings(report: VerificationReport) -> list[Finding]:
    return [finding for finding in report.findings if finding.claim is Claim.LINEAGE_INPUTS]


def only(world: World, **options: Any) -> tuple[Status, Severity, str]:
    """The only finding about lineage, by default for the document of customers@1."""
    (finding,) = lineage_findings(check(world, **options))
    return finding.status, finding.severity, finding.detail


def made(lake: Lake) -> Entry:
    """Two runs into silver, one into gold; the object that the first of them used."""
    entry = lake.raw("incoming/c/1")
    lake.silver("customers", 1, [entry], rejected=0)
    lake.silver("customers", 2, [lake.raw("incoming/c/2"), lake.raw("incoming/c/3")], rejected=3)
    lake.gold("customer_value", 1, [("customers", 2)])
    return entry


DOCUMENTS, TABLES = 3, 3


def document_of(world: World, table: str, version: int, bucket: str = "processed") -> ObjectVersion:
    """The newest version of the document of a table's version."""
    page = world.s3.list_object_versions(
        Bucket=world.deployment.buckets[bucket], Prefix=f"tables/{table}/_lineage/{version:020d}-"
    )
    entry = page["Versions"][0]
    return ObjectVersion(world.deployment.buckets[bucket], entry["Key"], entry["VersionId"])


# Everything holds


def test_nothing_is_found_where_everything_holds(holding: World) -> None:
    report = check(holding)
    assert report.findings == ()
    assert counted(report) == (DOCUMENTS + TABLES, DOCUMENTS + TABLES, 0, 0)


@pytest.mark.parametrize(
    ("scope", "documents", "tables"),
    [
        (("processed", ""), 2, 2),
        (("processed", "tables/customers"), 2, 2),
        (("processed", "tables/customers/"), 2, 1),
        (("processed", "tables/customers/_delta_log/"), 0, 0),
        (("processed", "tables/customers_rejected/"), 0, 0),
        (("processed", "tables/customers/_lineage/"), 2, 0),
        (("analytics", "tables/"), 1, 1),
        (("raw-data", ""), 0, 0),
    ],
)
def test_a_scope_has_its_documents_checked_and_the_tables_that_are_whole_in_it(
    holding: World, scope: tuple[str, str], documents: int, tables: int
) -> None:
    bucket, prefix = scope
    report = check(holding, scope=S3Location(holding.deployment.buckets[bucket], prefix))
    assert report.findings == ()
    assert counted(report) == (documents + tables, documents + tables, 0, 0)


def test_one_document_is_a_scope(holding: World) -> None:
    version = document_of(holding, "customers", 2)
    report = check(holding, scope=S3Location(version.bucket, version.key, version.version_id))
    assert report.findings == ()
    assert counted(report) == (1, 1, 0, 0)


def test_a_refused_object_needs_no_receipt_and_must_be_in_the_manifest(world: World, lake: Lake) -> None:
    bad = Entry(world.put("incoming/c/9", b"x").version, "ab" * 32, 1, datetime.now(UTC))
    lake.silver("customers", 1, [lake.raw("incoming/c/1")], refused=[bad])
    assert lineage_findings(check(world)) == []
    lake.silver("customers", 2, [], refused=[bad], named=[lake.raw("incoming/c/2")])
    status, _, detail = only(world)
    assert status is Status.FAILED
    assert "does not name the same inputs: they differ in 2 object versions" in detail


def test_progress_is_told(holding: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("custody.verify.run._TELL_EVERY", 1)
    told: list[tuple[str, int, int | None]] = []
    check(holding, progress=lambda *stage: told.append(stage))
    assert [step for step in told if step[0] == "lineage documents read"] == [
        ("lineage documents read", number, DOCUMENTS) for number in range(1, DOCUMENTS + 1)
    ]


# Inputs and their receipts


@pytest.fixture(params=["everything", "the document"])
def scope_of(request: pytest.FixtureRequest) -> Callable[[World], S3Location | None]:
    """A receipt in the scope has already been read; others are read for the document."""

    def scope(world: World) -> S3Location | None:
        if request.param == "everything":
            return None
        version = document_of(world, "customers", 1)
        return S3Location(version.bucket, version.key, version.version_id)

    return scope


ScopeOf = Callable[[World], S3Location | None]


def test_another_hash_than_the_receipts(world: World, lake: Lake, scope_of: ScopeOf) -> None:
    entry = replace(lake.raw("incoming/c/1"), sha256="ab" * 32)
    lake.silver("customers", 1, [entry])
    status, severity, detail = only(world, scope=scope_of(world))
    assert (status, severity) == (Status.FAILED, Severity.CRITICAL)
    assert f"names {entry.version.uri} with SHA-256 {entry.sha256}; the receipt says" in detail


def test_an_input_without_a_receipt(world: World, lake: Lake, scope_of: ScopeOf) -> None:
    version = world.put("incoming/c/1", b"x").version
    lake.silver("customers", 1, [Entry(version, "ab" * 32, 1, datetime.now(UTC))])
    status, severity, detail = only(world, scope=scope_of(world))
    assert (status, severity) == (Status.MISSING, Severity.HIGH)
    assert f"no receipt of {version.uri}" in detail


def test_a_receipt_later_than_the_commit(world: World, lake: Lake, scope_of: ScopeOf) -> None:
    entry = lake.raw("incoming/c/1")
    lake.silver("customers", 1, [entry], committed_at="2026-01-01T00:00:00Z")
    status, severity, detail = only(world, scope=scope_of(world))
    assert (status, severity) == (Status.FAILED, Severity.HIGH)
    assert "after the output was committed at 2026-01-01T00:00:00Z" in detail


def test_a_receipt_stored_after_a_document_that_says_it_is_of_later(
    world: World, lake: Lake, scope_of: ScopeOf
) -> None:
    drop = world.put("incoming/c/1", b"x")
    entry = replace(lake.raw("incoming/c/2", b"x"), version=drop.version)
    lake.silver("customers", 1, [entry], committed_at="2050-01-01T00:00:00Z")
    world.record(drop)
    place = document_of(world, "customers", 1)
    (document,) = s3_backends[ACCOUNT]["aws"].buckets[place.bucket].keys.getlist(place.key)
    document.last_modified -= timedelta(minutes=2)
    status, _, detail = only(world, scope=scope_of(world))
    assert status is Status.FAILED
    assert "it was not verified when it was read" in detail


def test_a_receipt_that_does_not_hold(world: World, lake: Lake, scope_of: ScopeOf) -> None:
    entry = made(lake)
    receipt = world.receipt_of(entry.version)
    world.tamper(receipt, world.read(receipt.bucket, receipt.key).replace(b'"sig":"', b'"sig":"AA'))
    status, severity, detail = only(world, scope=scope_of(world))
    assert (status, severity) == (Status.FAILED, Severity.CRITICAL)
    assert f"The receipt of {entry.version.uri}, which it names as input, is not valid: The" in detail


def test_a_receipt_that_somebody_else_signed(world: World, lake: Lake, scope_of: ScopeOf) -> None:
    drop = world.put("incoming/c/1", b"x")
    forger = world.recorder_with(LocalSigner("arn:aws:kms:us-east-1:123456789012:key/another"))
    forger.process(body(s3_record(drop.version, drop.request_id)))
    lake.silver("customers", 1, [replace(lake.raw("incoming/c/2", b"x"), version=drop.version)])
    status, severity, detail = only(world, scope=scope_of(world))
    assert (status, severity) == (Status.FAILED, Severity.CRITICAL)
    assert "is not valid: The signing key" in detail


def test_an_object_that_is_gone_since_is_no_matter_of_lineage(
    world: World, lake: Lake, scope_of: ScopeOf
) -> None:
    version = made(lake).version
    world.s3.delete_object(Bucket=version.bucket, Key=version.key, VersionId=version.version_id)
    assert lineage_findings(check(world, scope=scope_of(world))) == []


def test_what_a_sample_leaves_out_is_left_out_here_too(world: World, lake: Lake) -> None:
    entries = [replace(lake.raw(f"incoming/c/{number}"), sha256="ab" * 32) for number in range(24)]
    lake.silver("customers", 1, entries)
    report = check(world, sample=0.5, seed="s")
    found = lineage_findings(report)
    assert 0 < len(found) < len(entries)
    assert lineage_findings(check(world, sample=0.5, seed="s")) == found
    assert len(lineage_findings(check(world))) == len(entries)


# Manifests


def manifest_key(number: int) -> str:
    return f"manifests/customers/{number:010d}.json"


def test_a_manifest_that_is_gone(world: World, lake: Lake) -> None:
    made(lake)
    world.s3.delete_object(Bucket=world.deployment.buckets["processed"], Key=manifest_key(1))
    status, severity, detail = only(world)
    assert (status, severity) == (Status.MISSING, Severity.HIGH)
    assert manifest_key(1) in detail


def test_a_manifest_that_was_changed(world: World, lake: Lake) -> None:
    made(lake)
    bucket = world.deployment.buckets["processed"]
    world.put(manifest_key(1), world.read(bucket, manifest_key(1)) + b" ", bucket)
    status, severity, detail = only(world)
    assert (status, severity) == (Status.FAILED, Severity.CRITICAL)
    assert "hashes to" in detail


def test_a_manifest_that_names_a_version_keeps_it(world: World, lake: Lake) -> None:
    entry = lake.raw("incoming/c/1")
    bucket = world.deployment.buckets["processed"]
    document = lake.silver("customers", 1, [entry])
    first = world.s3.list_object_versions(Bucket=bucket, Prefix=manifest_key(1))["Versions"][0]["VersionId"]
    world.put(manifest_key(1), b"another", bucket)
    assert len(lineage_findings(check(world))) == 1
    pinned = document["manifest"] | {"uri": f"s3://{bucket}/{manifest_key(1)}?versionId={first}"}
    lake.silver("customers", 2, [entry], named=[entry])
    place = document_of(world, "customers", 1)
    world.tamper(place, json.dumps(document | {"manifest": pinned}).encode())
    assert lineage_findings(check(world)) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"named": []}, "The manifest names no object versions"),
        ({"inputs": []}, "names no inputs"),
    ],
)
def test_a_manifest_that_names_other_inputs(
    world: World, lake: Lake, changes: dict[str, Any], says: str
) -> None:
    lake.silver("customers", 1, [lake.raw("incoming/c/1")], **changes)
    status, severity, detail = only(world)
    assert (status, severity) == (Status.FAILED, Severity.CRITICAL)
    assert says in detail


def test_silver_without_a_manifest_and_gold_with_one(world: World, lake: Lake) -> None:
    document = lake.silver("customers", 1, [lake.raw("incoming/c/1")])
    tables = [{"table": lake.uri("customers"), "delta_version": 1}]
    lake.silver("viewing_events", 1, [lake.raw("incoming/e/1")], manifest=None, inputs=tables)
    lake.gold("customer_value", 1, [("customers", 1)])
    lake.publish(
        "job",
        lake.uri("daily_engagement", "analytics"),
        1,
        document["id"],
        document
        | {"outputs": [{"table": lake.uri("daily_engagement", "analytics"), "delta_version": 1, "rows": 1}]},
    )
    lake.commit("daily_engagement", 1, "analytics")
    found = lineage_findings(check(world))
    assert ["it says otherwise" in finding.detail for finding in found] == [True, True]


def test_a_manifest_of_another_table_or_another_place(world: World, lake: Lake) -> None:
    entry = lake.raw("incoming/c/1")
    document = lake.silver("customers", 1, [entry])
    place = document_of(world, "customers", 1)
    for uri, says in [
        ("manifest.json", "It names no manifest"),
        (f"s3://{world.raw}/manifests/x.json", "is not where the gate writes manifests"),
        (f"s3://{place.bucket}/tables/x.json", "is not where the gate writes manifests"),
    ]:
        changed = document | {"manifest": document["manifest"] | {"uri": uri}}
        world.tamper(place, json.dumps(changed).encode())
        assert says in only(world)[2]
    world.tamper(place, json.dumps(document).encode())
    lake.silver("viewing_events", 1, [entry], manifest_of="customers")
    assert "is for the table 'customers'" in only(world)[2]


# Tables


def test_an_input_that_has_no_document(world: World, lake: Lake) -> None:
    made(lake)
    lake.gold("customer_value", 2, [("customers", 9)])
    lake.gold(
        "customer_value", 3, [("customers", 2)], inputs=[{"table": "s3://x/tables/y", "delta_version": 1}]
    )
    found = lineage_findings(check(world))
    assert [(finding.status, finding.severity) for finding in found] == [(Status.MISSING, Severity.HIGH)] * 2
    assert f"{lake.uri('customers')}@9, which has no lineage document" in found[0].detail
    assert "s3://x/tables/y@1" in found[1].detail


def test_an_input_whose_document_is_deleted_has_none(world: World, lake: Lake) -> None:
    made(lake)
    place = document_of(world, "customers", 2)
    world.s3.delete_object(Bucket=place.bucket, Key=place.key, VersionId=place.version_id)
    found = {finding.detail.partition(",")[0] for finding in lineage_findings(check(world))}
    assert f"It was made from {lake.uri('customers')}@2" in found
    assert f"No lineage document covers 1 versions of the table from {lake.uri('customers')}@2 on" in found


def test_a_commit_that_no_document_tells_of(world: World, lake: Lake) -> None:
    made(lake)
    lake.commit("customers", 3)
    lake.commit("customers", 4)
    young = check(world, later=timedelta(minutes=5))
    assert lineage_findings(young) == []
    assert counted(young) == (DOCUMENTS + TABLES, DOCUMENTS + TABLES - 1, 0, 1)
    report = check(world)
    (finding,) = lineage_findings(report)
    assert (finding.status, finding.severity) == (Status.UNEXPECTED, Severity.HIGH)
    assert finding.subject == f"{lake.uri('customers')}/_delta_log/{3:020d}.json"
    assert "something other than a job wrote to the table" in finding.detail
    assert counted(report) == (DOCUMENTS + TABLES, DOCUMENTS + TABLES - 1, 1, 0)


@pytest.mark.parametrize("table", ["customers_rejected", "smuggled"])
def test_a_commit_to_a_quarantine_or_to_a_table_of_nobodys(world: World, lake: Lake, table: str) -> None:
    made(lake)
    lake.commit(table, 7)
    (finding,) = lineage_findings(check(world))
    assert finding.subject == f"{lake.uri(table)}/_delta_log/{7:020d}.json"


def test_a_document_of_a_version_that_was_never_committed(world: World, lake: Lake) -> None:
    made(lake)
    place = document_of(world, "customer_value", 1, "analytics")
    log = f"tables/customer_value/_delta_log/{1:020d}.json"
    (commit,) = world.s3.list_object_versions(Bucket=place.bucket, Prefix=log)["Versions"]
    world.s3.delete_object(Bucket=place.bucket, Key=log, VersionId=commit["VersionId"])
    assert lineage_findings(check(world, later=timedelta(minutes=5))) == [], "it was listed a little later"
    (finding,) = lineage_findings(check(world))
    assert (finding.status, finding.subject) == (Status.UNEXPECTED, place.uri)
    assert "log does not have" in finding.detail


def test_a_second_document_of_a_version(world: World, lake: Lake) -> None:
    made(lake)
    place = document_of(world, "customers", 2)
    world.put(place.key, world.read(place.bucket, place.key), place.bucket)
    found = lineage_findings(check(world))
    assert [finding.status for finding in found] == [Status.UNEXPECTED] * 2
    assert all("Another document" in finding.detail for finding in found)


def test_a_run_that_found_nothing_new_may_leave_its_document_at_the_version_there_was(
    world: World, lake: Lake
) -> None:
    made(lake)
    again = lake.raw("incoming/c/4")
    outputs = [{"table": lake.uri("customers"), "delta_version": 2, "rows": 0}]
    lake.silver("customers", 2, [again], outputs=outputs)
    assert lineage_findings(check(world)) == []


# The document itself


def test_what_is_no_json(world: World, lake: Lake) -> None:
    made(lake)
    place = document_of(world, "customers", 2)
    world.tamper(place, b'{"type": "x", "type": "y"}')
    found = lineage_findings(check(world))
    assert "is not strict JSON" in found[0].detail
    assert {finding.subject for finding in found} == {
        place.uri,
        f"{lake.uri('customers_rejected')}/_delta_log/{3:020d}.json",
    }


def test_a_document_that_vanishes_meanwhile(world: World, lake: Lake) -> None:
    made(lake)
    place = document_of(world, "customers", 1)
    with refused(world.s3, "GetObject", 404, "NoSuchVersion", key=place.key):
        found = lineage_findings(check(world))
    (finding,) = (finding for finding in found if finding.subject == place.uri)
    assert (finding.status, finding.severity) == (Status.MISSING, Severity.HIGH)


def test_what_cannot_be_read_is_told_and_not_counted(world: World, lake: Lake, scope_of: ScopeOf) -> None:
    entry = made(lake)
    place = document_of(world, "customers", 1)
    scope = scope_of(world)
    before = counted(check(world, scope=scope))
    for key in (place.key, manifest_key(1), entry.version.receipt_key):
        with refused(world.s3, "GetObject", 403, "AccessDenied", key=key):
            report = check(world, scope=scope)
        assert lineage_findings(report) == []
        assert any(key in sentence for sentence in report.unchecked)
        assert counted(report) == (before[0] - 1, before[1] - 1, 0, 0)


def test_a_number_no_table_can_have_is_no_document(world: World, lake: Lake) -> None:
    made(lake)
    world.put(
        f"tables/customers/_lineage/{'9' * 20}-{'a' * 64}.json", b"{", world.deployment.buckets["processed"]
    )
    world.put(f"tables/customers/_delta_log/{'9' * 20}.json", b"{", world.deployment.buckets["processed"])
    assert lineage_findings(check(world)) == []
