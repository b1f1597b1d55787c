"""Verification: everything that does not hold is found, by claim and object, and nothing else."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.s3.models import s3_backends

from custody.errors import CannotCheckError, UsageError
from custody.evidence.dsse import sign_envelope
from custody.evidence.objects import ObjectVersion, S3Location
from custody.evidence.receipt import PAYLOAD_TYPE, parse_statement
from custody.evidence.registry import REGISTRY_KEY
from custody.findings import CLAIMS, Claim, Finding, Severity, Status
from custody.recorder.notification import backfill_message
from custody.times import format_time
from custody.verify import run as verify_run
from custody.verify import tally as verify_tally
from custody.verify.verify import VerificationReport, verify
from tests.support.digests import Keys
from tests.support.evidence import (
    ACCOUNT,
    IDENTITY,
    KEY_ID,
    Drop,
    LocalSigner,
    World,
    body,
    log_file,
    refused,
    s3_record,
    trail_record,
    worlds,
)
from tests.support.evidence import (
    given as s3_gives,
)

HASH, SIGNATURE, UNIQUE, TRAIL, DIGEST, COMPLETE, LINEAGE, *LOG = CLAIMS
OF_OBJECTS = (HASH, SIGNATURE, UNIQUE, TRAIL)
SETTLED = timedelta(hours=2)
"""Long after the watermark."""


@pytest.fixture(scope="module")
def new_world() -> Iterator[Callable[[], World]]:
    with worlds() as new:
        yield new


@pytest.fixture
def world(new_world: Callable[[], World]) -> World:
    return new_world()


def check(world: World, later: timedelta = SETTLED, **options: Any) -> VerificationReport:
    options = {"workers": 4, "digest_keys": Keys()} | options
    return verify(world.s3, world.deployment, now=datetime.now(UTC) + later, **options)


def found(report: VerificationReport) -> set[tuple[Claim, Status, str]]:
    assert report.exit_code == (1 if report.findings else 3 if report.unchecked else 0)
    return {(finding.claim, finding.status, finding.subject) for finding in report.findings}


def counts(report: VerificationReport) -> dict[Claim, tuple[int, int, int, int]]:
    return {
        claim: (count.checked, count.passed, count.failed, count.pending)
        for claim, count in report.claims.items()
    }


def all_passed(objects: int, log_files: int | None = None) -> dict[Claim, tuple[int, int, int, int]]:
    """What is counted where every claim of so many objects holds: no tables, and no digest is due."""
    nothing = dict.fromkeys((DIGEST, LINEAGE, *LOG), (0, 0, 0, 0))
    of_objects = dict.fromkeys(OF_OBJECTS, (objects, objects, 0, 0))
    log_files = objects if log_files is None else log_files
    return of_objects | {COMPLETE: (log_files, 0, 0, log_files)} | nothing


def envelope(world: World, version: ObjectVersion) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(world.read(world.provenance, version.receipt_key))
    return document


# Everything holds


KEYS = [
    "incoming/a.csv",
    "incoming/größe 1+1=100% \"x\" 'y'?#.csv",
    "incoming/../x",
    "incoming//x",
    "incoming/" + "é" * 500,  # its receipt's key is too long to be plain
    "incoming/v1.json",
]


def test_nothing_is_found_where_everything_holds(world: World) -> None:
    for key in KEYS:
        world.drop(key, key.encode())
    world.drop("incoming/empty", b"")
    world.drop("incoming/a.csv", b"overwritten")
    world.drop("silver/part-0", b"x", world.deployment.buckets["processed"])
    world.drop("gold/part-0", b"x", world.deployment.buckets["analytics"])
    world.s3.delete_object(Bucket=world.raw, Key="incoming/v1.json")
    total = len(KEYS) + 4

    report = check(world)

    assert report.findings == ()
    assert report.exit_code == 0
    assert counts(report) == all_passed(total)


def test_nothing_is_found_where_nothing_is(world: World) -> None:
    report = check(world)
    assert found(report) == set()
    assert counts(report) == all_passed(0)


def test_a_report_is_a_document(world: World) -> None:
    version = world.drop("incoming/a", b"x")
    world.tamper(version, b"y")
    document = json.loads(json.dumps(check(world, seed="s").to_dict()))
    passed = {"checked": 1, "passed": 1, "failed": 0, "pending": 0}
    failed = {"checked": 1, "passed": 0, "failed": 1, "pending": 0}
    (finding,) = document.pop("findings")
    assert document == {
        "claims": {
            "object.hash": failed,
            "receipt.signature": passed,
            "receipt.unique": passed,
            "trail.event": passed,
            "trail.digest": dict.fromkeys(passed, 0),
            "trail.complete": {"checked": 1, "passed": 0, "failed": 0, "pending": 1},
            "lineage.inputs": dict.fromkeys(passed, 0),
            **{str(claim): dict.fromkeys(passed, 0) for claim in LOG},
        },
        "notes": ["There is no log to check: The key registry names no log. make apply gives it one."],
        "unchecked": [],
        "unchecked_count": 0,
        "deletions": [],
        "deletion_counts": {},
        "other_records": {},
        "receipts": 1,
        "receipts_read": 1,
        "reported": None,
        "reused": 0,
        "sample": 1.0,
        "seed": "s",
    }
    detail = finding.pop("detail")
    assert "1 bytes with SHA-256" in detail
    assert finding == {
        "claim": "object.hash",
        "status": "failed",
        "subject": version.uri,
        "severity": "critical",
    }


def test_progress_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_run, "_TELL_EVERY", 1)
    for number in range(2):
        world.drop(f"incoming/{number}", b"x")
    told: list[tuple[str, int, int | None]] = []
    check(world, progress=lambda *stage: told.append(stage))
    stages = ["objects listed", "receipts listed", "trail files read"]
    expected = [step for stage in stages for step in [(stage, 1, None), (stage, 2, None), (stage, 2, 2)]]
    checked = "receipts checked"
    assert told == [*expected, (checked, 1, 2), (checked, 2, 2), (checked, 2, 2)]


# Any byte


def flip(data: bytes, where: int, mask: int) -> bytes:
    changed = bytearray(data)
    changed[where % len(data)] ^= mask
    return bytes(changed)


FLIPS = given(where=st.integers(0, 100_000), mask=st.integers(1, 255))
SOME = settings(max_examples=25)


@pytest.fixture(scope="module")
def kept(new_world: Callable[[], World]) -> tuple[World, ObjectVersion]:
    """A world that the properties tamper with and restore."""
    world = new_world()
    world.drop("incoming/other", b"untouched")
    return world, world.drop("incoming/a b+c%é.csv", bytes(range(256)) * 4)


def found_with(world: World, target: ObjectVersion, before: bytes, after: bytes) -> set[tuple[Any, ...]]:
    world.tamper(target, after)
    try:
        return found(check(world))
    finally:
        world.tamper(target, before)


@SOME
@FLIPS
def test_any_byte_of_an_object(kept: tuple[World, ObjectVersion], where: int, mask: int) -> None:
    world, version = kept
    before = world.read(world.raw, version.key)
    after = flip(before, where, mask)
    assert found_with(world, version, before, after) == {(HASH, Status.FAILED, version.uri)}


@SOME
@FLIPS
def test_any_byte_of_an_envelope(kept: tuple[World, ObjectVersion], where: int, mask: int) -> None:
    world, version = kept
    before = world.read(world.provenance, version.receipt_key)
    after = flip(before, where, mask)
    findings = found_with(world, world.receipt_of(version), before, after)
    assert (SIGNATURE, Status.FAILED, version.uri) in findings


@SOME
@FLIPS
@pytest.mark.parametrize("part", ["payload", "sig"])
def test_any_byte_of_a_payload_or_signature(
    kept: tuple[World, ObjectVersion], part: str, where: int, mask: int
) -> None:
    world, version = kept
    before = world.read(world.provenance, version.receipt_key)
    document = json.loads(before)
    holder = document if part == "payload" else document["signatures"][0]
    holder[part] = b64encode(flip(b64decode(holder[part]), where, mask)).decode()
    findings = found_with(world, world.receipt_of(version), before, json.dumps(document).encode())
    assert (SIGNATURE, Status.FAILED, version.uri) in findings


@SOME
@given(data=st.binary(max_size=300))
def test_any_bytes_for_a_receipt(kept: tuple[World, ObjectVersion], data: bytes) -> None:
    world, version = kept
    before = world.read(world.provenance, version.receipt_key)
    findings = found_with(world, world.receipt_of(version), before, data)
    assert findings == {(SIGNATURE, Status.FAILED, version.uri)}


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"x", lambda _data: b""])
def test_an_object_cut_or_grown(world: World, change: Callable[[bytes], bytes]) -> None:
    version = world.drop("incoming/a", b"hello")
    world.tamper(version, change(b"hello"))
    assert found(check(world)) == {(HASH, Status.FAILED, version.uri)}


def test_every_claim_that_fails_is_reported(world: World) -> None:
    """A forged receipt of a changed object without a trail: three claims, not the first."""
    drop = world.put("incoming/a", b"hello")
    world.record(drop)
    document = envelope(world, drop.version)
    document["signatures"][0]["sig"] = b64encode(b"forged").decode()
    world.tamper(world.receipt_of(drop.version), json.dumps(document).encode())
    world.tamper(drop.version, b"other")
    uri = drop.version.uri
    assert found(check(world)) == {
        (HASH, Status.FAILED, uri),
        (SIGNATURE, Status.FAILED, uri),
        (TRAIL, Status.MISSING, uri),
    }


# object.hash


def test_an_object_version_that_is_gone(world: World) -> None:
    version = world.drop("incoming/a", b"x")
    world.s3.delete_object(Bucket=world.raw, Key=version.key, VersionId=version.version_id)
    assert found(check(world)) == {(HASH, Status.MISSING, version.uri)}


def test_an_object_that_stops_in_the_middle_is_read_again(world: World) -> None:
    version = world.drop("incoming/a", b"hello")
    with s3_gives(world.s3, b"hel", 5, version.version_id, key=version.key) as urls:
        report = check(world)
    assert len(urls) == 3
    assert found(report) == set()
    assert report.exit_code == 3
    (sentence,) = report.unchecked
    assert version.uri in sentence


# receipt.signature


def resign(world: World, version: ObjectVersion, **changes: Any) -> None:
    """Replace the receipt by one with other content, properly signed."""
    signer = changes.pop("signer", world.signer)
    payload_type = changes.pop("payload_type", PAYLOAD_TYPE)
    statement = json.loads(b64decode(envelope(world, version)["payload"]))
    statement["predicate"] |= changes.pop("predicate", {})
    statement |= changes
    world.tamper(
        world.receipt_of(version), sign_envelope(json.dumps(statement).encode(), payload_type, signer)
    )


def problem(report: VerificationReport, version: ObjectVersion) -> str:
    (finding,) = [finding for finding in report.findings if finding.claim is SIGNATURE]
    assert (finding.status, finding.subject) == (Status.FAILED, version.uri)
    assert finding.severity is Severity.CRITICAL
    return finding.detail


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"signer": LocalSigner("arn:someone-elses")}, "not in the key registry"),
        ({"signer": LocalSigner(KEY_ID)}, "does not verify"),
        ({"payload_type": "application/json"}, "payload's type"),
        ({"_type": "https://in-toto.io/Statement/v0.1"}, "statement's type"),
        ({"predicateType": "urn:other"}, "predicate's type"),
        ({"subject": [{"name": "s3://x/y", "digest": {"sha256": "00" * 32}}]}, "not the object"),
        ({"predicate": {"size_bytes": "5"}}, "size_bytes"),
    ],
)
def test_a_receipt_that_is_not_what_it_should_be(world: World, changes: dict[str, Any], why: str) -> None:
    version = world.drop("incoming/a", b"hello")
    resign(world, version, **changes)
    assert why in problem(check(world), version)


def test_a_rotated_key_keeps_its_receipts_and_a_revoked_one_loses_the_later(world: World) -> None:
    ended = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    before = world.drop("incoming/before", b"x")
    old, world.signer = world.signer, LocalSigner("arn:new")
    far = "2040-01-01T00:00:00Z"
    world.write_registry(old.registered(valid_until=far), world.signer.registered())
    world.recorder = world.recorder_with(world.signer)
    after = world.drop("incoming/after", b"x")
    assert found(check(world)) == set()

    world.write_registry(old.registered(valid_until=far, revoked_at=ended), world.signer.registered())
    assert "revoked" in problem(check(world), before)
    assert (SIGNATURE, Status.FAILED, after.uri) not in found(check(world))


def test_a_registry_that_takes_back_is_tampering_and_hides_nothing(world: World) -> None:
    version = world.drop("incoming/a", b"x")
    world.write_registry(LocalSigner().registered())
    report = check(world)
    registry = f"s3://{world.provenance}/{REGISTRY_KEY}"
    assert found(report) == {(SIGNATURE, Status.FAILED, registry)}
    assert "replaces the public key" in report.findings[0].detail
    assert counts(report)[SIGNATURE] == (2, 1, 1, 0)

    world.tamper(version, b"y")
    assert (HASH, Status.FAILED, version.uri) in found(check(world))


def test_a_registry_that_was_deleted_is_found_and_its_keys_still_used(world: World) -> None:
    world.drop("incoming/a", b"x")
    world.s3.delete_object(Bucket=world.provenance, Key=REGISTRY_KEY)
    registry = f"s3://{world.provenance}/{REGISTRY_KEY}"
    assert found(check(world)) == {(SIGNATURE, Status.FAILED, registry)}


def test_without_any_registry_nothing_can_be_checked(world: World) -> None:
    for entry in world.s3.list_object_versions(Bucket=world.provenance)["Versions"]:
        world.s3.delete_object(Bucket=world.provenance, Key=entry["Key"], VersionId=entry["VersionId"])
    with pytest.raises(CannotCheckError, match="no key registry"):
        check(world)


# receipt.unique


def test_an_object_without_a_receipt(world: World) -> None:
    drop = world.put("incoming/a", b"x")
    world.witness(drop)

    report = check(world)
    assert found(report) == {(UNIQUE, Status.MISSING, drop.version.uri)}
    assert report.findings[0].severity is Severity.HIGH

    young = check(world, timedelta(minutes=59))
    assert found(young) == set()
    assert counts(young)[UNIQUE] == (1, 0, 0, 1)


def test_a_receipt_that_was_deleted(world: World) -> None:
    version = world.drop("incoming/a", b"x")
    world.s3.delete_object(Bucket=world.provenance, Key=version.receipt_key)
    assert found(check(world)) == {(UNIQUE, Status.UNEXPECTED, version.uri)}

    receipt = world.receipt_of(version)
    world.s3.delete_object(Bucket=world.provenance, Key=receipt.key, VersionId=receipt.version_id)
    # Even inside the watermark: a delete marker is not a pending receipt.
    for later in (SETTLED, timedelta()):
        report = check(world, later)
        assert found(report) == {(UNIQUE, Status.MISSING, version.uri)}
        assert report.findings[0].severity is Severity.CRITICAL


def test_a_receipt_written_over(world: World) -> None:
    """The first receipt of the recorder still counts, and the second is found."""
    version = world.drop("incoming/a", b"x")
    world.s3.put_object(Bucket=world.provenance, Key=version.receipt_key, Body=b"forged")
    report = check(world)
    assert found(report) == {(UNIQUE, Status.UNEXPECTED, version.uri)}
    assert "2 versions" in report.findings[0].detail
    assert counts(report)[SIGNATURE] == (1, 1, 0, 0)


def test_two_things_wrong_with_one_receipt_are_two_findings_of_one_subject(world: World) -> None:
    version = world.drop("incoming/a", b"x")
    world.s3.put_object(Bucket=world.provenance, Key=version.receipt_key, Body=b"forged")
    world.s3.delete_object(Bucket=world.provenance, Key=version.receipt_key)
    report = check(world)
    assert len(report.findings) == 2
    assert counts(report)[UNIQUE] == (1, 0, 1, 0)


def test_a_receipt_that_lies_elsewhere_too(world: World) -> None:
    version, other = world.drop("incoming/a", b"x"), world.drop("incoming/b", b"x")
    copy = world.read(world.provenance, version.receipt_key)
    elsewhere = ObjectVersion(world.raw, "incoming/a", "another-version")
    world.s3.put_object(Bucket=world.provenance, Key=elsewhere.receipt_key, Body=copy)
    report = check(world)
    assert found(report) == {
        (SIGNATURE, Status.FAILED, elsewhere.uri),
        (UNIQUE, Status.UNEXPECTED, version.uri),
    }
    assert other.uri not in {finding.subject for finding in report.findings}


def test_a_receipt_that_lies_in_anothers_place(world: World) -> None:
    """A valid receipt of one object is not valid for another."""
    good, bad = world.drop("incoming/good", b"x"), world.put("incoming/bad", b"x")
    world.witness(bad)
    copy = world.read(world.provenance, good.receipt_key)
    world.s3.put_object(Bucket=world.provenance, Key=bad.version.receipt_key, Body=copy)
    assert found(check(world)) == {
        (SIGNATURE, Status.FAILED, bad.version.uri),
        (UNIQUE, Status.UNEXPECTED, good.uri),
    }


def test_what_is_no_receipt_but_lies_among_them(world: World) -> None:
    world.drop("incoming/a", b"x")
    world.s3.put_object(Bucket=world.provenance, Key="provenance/notes.txt", Body=b"hello")
    place = {"Bucket": world.provenance, "Key": "provenance/nothing.txt"}
    version_id = world.s3.put_object(**place, Body=b"hello")["VersionId"]
    world.s3.delete_object(**place)
    world.s3.delete_object(**place, VersionId=version_id)
    assert found(check(world)) == {
        (SIGNATURE, Status.FAILED, f"s3://{world.provenance}/provenance/notes.txt"),
        (UNIQUE, Status.MISSING, f"s3://{world.provenance}/provenance/nothing.txt"),
    }


def test_a_receipt_of_somebody_elses_object(world: World) -> None:
    """Signed or not, it does not cause a read from a bucket outside the deployment."""
    version = world.drop("incoming/a", b"x")
    foreign = ObjectVersion("somebody-elses", "incoming/a", version.version_id)
    statement = json.loads(b64decode(envelope(world, version)["payload"]))
    statement["predicate"]["bucket"] = foreign.bucket
    statement["subject"][0]["name"] = "s3://somebody-elses/incoming/a"
    world.s3.put_object(
        Bucket=world.provenance,
        Key=foreign.receipt_key,
        Body=sign_envelope(json.dumps(statement).encode(), PAYLOAD_TYPE, world.signer),
    )
    report = check(world)
    assert found(report) == {(SIGNATURE, Status.FAILED, foreign.uri)}
    assert "not one of this deployment" in problem(report, foreign)


def test_a_receipt_of_an_object_that_need_not_be_recorded_is_checked_all_the_same(world: World) -> None:
    drop = world.put("scratch/a", b"x")
    world.recorder.process(backfill_message(drop.version, datetime.now(UTC)))
    world.witness(drop)
    report = check(world)
    assert counts(report) == all_passed(1)

    world.tamper(drop.version, b"y")
    assert found(check(world)) == {(HASH, Status.FAILED, drop.version.uri)}


def test_an_object_that_need_not_be_recorded_may_be_without(world: World) -> None:
    drop = world.put("scratch/a", b"x")
    world.witness(drop)
    assert counts(check(world)) == all_passed(0, log_files=1)


def test_a_version_id_of_null_has_no_receipt(world: World) -> None:
    """Where versioning was suspended, a write cannot be told from the next."""
    world.s3.put_bucket_versioning(Bucket=world.raw, VersioningConfiguration={"Status": "Suspended"})
    world.s3.put_object(Bucket=world.raw, Key="incoming/a", Body=b"x")
    uri = ObjectVersion(world.raw, "incoming/a", "null").uri
    assert (UNIQUE, Status.MISSING, uri) in found(check(world))


# trail.event


def test_a_write_that_the_trail_does_not_know(world: World) -> None:
    drop = world.put("incoming/a", b"x")
    world.record(drop)

    report = check(world)
    assert found(report) == {(TRAIL, Status.MISSING, drop.version.uri)}
    assert report.findings[0].severity is Severity.HIGH

    young = check(world, timedelta(minutes=59))
    assert found(young) == set()
    assert counts(young)[TRAIL] == (1, 0, 0, 1)


def test_a_write_is_known_by_its_request_alone(world: World) -> None:
    """CloudTrail does not always tell the version."""
    drop = world.put("incoming/a", b"x")
    world.record(drop)
    world.witness(drop, responseElements=None)
    assert found(check(world)) == set()


def test_a_write_is_known_by_its_version_alone(world: World) -> None:
    """A backfilled receipt names no request."""
    drop = world.put("incoming/a", b"x")
    world.recorder.process(backfill_message(drop.version, datetime.now(UTC)))
    world.witness(drop)
    assert found(check(world)) == set()


@pytest.mark.parametrize("changes", [{"key": "incoming/other"}, {"version_id": "other"}])
def test_a_request_that_wrote_something_else(world: World, changes: dict[str, str]) -> None:
    drop = world.put("incoming/a", b"x")
    world.record(drop)
    version = ObjectVersion(
        drop.version.bucket,
        changes.get("key", drop.version.key),
        changes.get("version_id", drop.version.version_id),
    )
    world.witness(Drop(version, drop.request_id))
    report = check(world)
    assert (TRAIL, Status.FAILED, drop.version.uri) in found(report)


def test_a_request_that_wrote_another_key_in_a_version_not_told(world: World) -> None:
    drop = world.put("incoming/a", b"x")
    world.record(drop)
    other = ObjectVersion(world.raw, "incoming/other", "")
    world.witness(Drop(other, drop.request_id), responseElements=None)
    assert (TRAIL, Status.FAILED, drop.version.uri) in found(check(world))


def test_a_write_of_which_nothing_is_left(world: World) -> None:
    """Removing an object and its receipt does not remove the trail's event."""
    version = world.drop("incoming/a", b"x")
    receipt = world.receipt_of(version)
    for gone in (version, receipt):
        world.s3.delete_object(Bucket=gone.bucket, Key=gone.key, VersionId=gone.version_id)
    report = check(world)
    assert found(report) == {(TRAIL, Status.MISSING, version.uri)}
    assert report.findings[0].severity is Severity.CRITICAL
    assert "PutObject at 2026-11-20T13:00:00Z" in report.findings[0].detail


def test_a_young_write_of_which_nothing_is_there_yet_is_pending(world: World) -> None:
    drop = Drop(ObjectVersion(world.raw, "incoming/a", "v1"), "R")
    world.witness(drop, eventTime=(datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ"))
    young = check(world, timedelta())
    assert found(young) == set()
    assert counts(young)[TRAIL] == (1, 0, 0, 1)
    assert found(check(world)) == {(TRAIL, Status.MISSING, drop.version.uri)}


@pytest.mark.parametrize(
    "place", [("scratch/a", "raw-data"), ("provenance/x", "provenance"), ("a", "cloudtrail-log")]
)
def test_writes_that_need_not_be_recorded_need_nothing(world: World, place: tuple[str, str]) -> None:
    key, short = place
    world.witness(Drop(ObjectVersion(world.deployment.buckets[short], key, "v1"), "R"))
    assert found(check(world)) == set()


def test_the_trail_of_an_organization_gives_the_same(new_world: Callable[[], World]) -> None:
    """Which logs what is done elsewhere too, and has the files of other accounts."""
    own, other = new_world(), new_world()
    other.use_trail_of_organization()
    folder = other.deployment.trail_folder
    elsewhere = Drop(ObjectVersion("bucket-of-somebody", "incoming/x", "v1"), "R1")
    in_another_account = Drop(ObjectVersion(other.raw, "incoming/x", "v1"), "R2")
    other.deployment = replace(
        other.deployment, existing_trail_folder=folder.replace(ACCOUNT, "999999999999")
    )
    other.witness(in_another_account)
    other.deployment = replace(other.deployment, existing_trail_folder=folder)
    other.witness(elsewhere)

    def judge(world: World) -> tuple[set[tuple[Claim, Status, str]], Any]:
        world.drop("incoming/a", b"all evidence")
        world.record(world.put("incoming/b", b"no event"))
        world.witness(world.put("incoming/c", b"no receipt"))
        report = check(world)
        keys = {(claim, status, uri.split("/", 3)[3].split("?")[0]) for claim, status, uri in found(report)}
        return keys, {claim: count for claim, count in counts(report).items() if claim is not COMPLETE}

    assert judge(own) == judge(other)


def test_one_event_delivered_twice_is_one(world: World) -> None:
    drop = Drop(ObjectVersion(world.raw, "incoming/a", "v1"), "R")
    record = trail_record(drop.version, "R", "same")
    world.deliver(log_file(record, record))
    world.deliver(log_file(record))
    report = check(world)
    assert len(report.findings) == 1
    assert counts(report)[TRAIL] == (1, 0, 1, 0)


def test_events_of_all_regions_count(world: World) -> None:
    drop = world.put("incoming/a", b"x")
    world.record(drop)
    world.witness(drop, region="eu-central-1")
    assert found(check(world)) == set()


def test_a_trail_file_that_cannot_be_read(world: World) -> None:
    version = world.drop("incoming/a", b"x")
    key = world.deliver(b"not gzip")
    report = check(world)
    (finding,) = report.findings
    assert (finding.claim, finding.status) == (TRAIL, Status.FAILED)
    assert finding.subject.startswith(f"s3://{world.trail}/{key}?versionId=")
    assert counts(report)[TRAIL] == (2, 1, 1, 0)
    assert version.uri not in finding.subject


def test_a_forged_receipt_is_no_witness_of_a_write(world: World) -> None:
    """It could name the request of the very write whose traces were removed."""
    removed, other = world.drop("incoming/removed", b"x"), world.drop("incoming/other", b"x")
    (request_id,) = {
        json.loads(b64decode(envelope(world, removed)["payload"]))["predicate"]["event"]["request_id"]
    }
    event = json.loads(b64decode(envelope(world, other)["payload"]))["predicate"]["event"]
    resign(world, other, signer=LocalSigner(), predicate={"event": event | {"request_id": request_id}})
    for gone in (removed, world.receipt_of(removed)):
        world.s3.delete_object(Bucket=gone.bucket, Key=gone.key, VersionId=gone.version_id)
    assert found(check(world)) == {
        (SIGNATURE, Status.FAILED, other.uri),
        (TRAIL, Status.MISSING, removed.uri),
    }


def test_a_write_whose_event_tells_no_version_and_no_receipt_names(world: World) -> None:
    drop = world.put("incoming/a", b"x")
    world.witness(drop, responseElements=None)
    report = check(world)
    place = f"s3://{world.raw}/incoming/a"
    assert found(report) == {
        (UNIQUE, Status.MISSING, drop.version.uri),
        (TRAIL, Status.MISSING, drop.version.uri),
        (TRAIL, Status.MISSING, place),
    }
    (finding,) = [finding for finding in report.findings if finding.subject == place]
    assert "not of which version, and no receipt names the request" in finding.detail


# Scope and sample


def test_keys_and_versions_that_run_together_keep_apart(world: World) -> None:
    """``incoming`` in a version ``v…`` has its receipt where those of ``incoming/v…`` begin."""
    world.deployment.recorded_prefixes[world.raw][:] = [""]
    short = world.drop("incoming", b"x")
    start = short.version_id[0]
    inside = world.drop(f"incoming/{start}", b"x")
    behind = world.drop(f"incoming/{short.version_id}.json", b"x")
    assert behind.receipt_key.startswith(short.receipt_key)

    for scope, versions in [
        (S3Location(world.raw, f"incoming/{start}"), {inside, behind}),
        (S3Location(world.raw, "incoming", short.version_id), {short}),
    ]:
        assert counts(check(world, scope=scope)) == all_passed(len(versions), log_files=3)


def test_receipts_with_long_keys_outside_a_prefix_are_left_out(world: World) -> None:
    """They share a prefix, for all objects."""
    world.drop("incoming/a", b"x")
    twice, marked = (world.drop(f"incoming/{name}" + "é" * 500, b"x") for name in "bc")
    world.s3.put_object(Bucket=world.provenance, Key=twice.receipt_key, Body=b"forged")
    receipt = world.receipt_of(marked)
    world.s3.delete_object(Bucket=world.provenance, Key=receipt.key)
    world.s3.delete_object(Bucket=world.provenance, Key=receipt.key, VersionId=receipt.version_id)

    assert found(check(world, scope=S3Location(world.raw, "incoming/a"))) == set()
    assert found(check(world)) == {
        (UNIQUE, Status.UNEXPECTED, twice.uri),
        (UNIQUE, Status.MISSING, marked.uri),
    }


def test_one_version(world: World) -> None:
    """Only objects in scope are read, found and counted."""
    versions = [world.drop("incoming/a", data) for data in (b"1", b"2")]
    other = world.drop("incoming/a/b", b"3")
    for version in (*versions, other):
        world.tamper(version, b"tampered")
    for version in (*versions, other):
        report = check(world, scope=S3Location(version.bucket, version.key, version.version_id))
        assert found(report) == {(HASH, Status.FAILED, version.uri)}
        assert counts(report)[UNIQUE] == (1, 1, 0, 0)
        assert counts(report)[TRAIL] == (1, 1, 0, 0)


def test_one_version_that_nothing_is_left_of(world: World) -> None:
    scope = S3Location(world.raw, "incoming/a", "v1")
    world.witness(Drop(ObjectVersion(world.raw, "incoming/a", "v1"), "R"))
    world.witness(Drop(ObjectVersion(world.raw, "incoming/a", "v2"), "R2"))
    world.witness(Drop(ObjectVersion(world.raw, "incoming/a", ""), "R3"), responseElements=None)
    uri = ObjectVersion(world.raw, "incoming/a", "v1").uri
    assert found(check(world, scope=scope)) == {(TRAIL, Status.MISSING, uri)}


@pytest.mark.parametrize(
    ("key", "inside"),
    [
        ("incoming/a", {"incoming/a", "incoming/ab", "incoming/a" + "é" * 500}),
        (
            "incoming/",
            {"incoming/a", "incoming/ab", "incoming/a" + "é" * 500, "incoming/b", "incoming/" + "é" * 500},
        ),
        ("", {"incoming/a", "incoming/ab", "incoming/a" + "é" * 500, "incoming/b", "incoming/" + "é" * 500}),
        ("incoming/c", set()),
        ("scratch/", set()),
    ],
)
def test_a_prefix(world: World, key: str, inside: set[str]) -> None:
    versions = {
        name: world.drop(name, b"x")
        for name in (
            "incoming/a",
            "incoming/ab",
            "incoming/b",
            "incoming/a" + "é" * 500,
            "incoming/" + "é" * 500,
        )
    }
    world.drop("incoming/a", b"x", world.deployment.buckets["processed"])
    for version in versions.values():
        world.tamper(version, b"tampered")
    report = check(world, scope=S3Location(world.raw, key))
    assert found(report) == {(HASH, Status.FAILED, versions[name].uri) for name in inside}
    assert counts(report)[UNIQUE] == (len(inside), len(inside), 0, 0)
    assert counts(report)[TRAIL] == (len(inside), len(inside), 0, 0)


def test_a_prefix_tells_of_the_receipts_in_it_and_no_others(world: World) -> None:
    """A receipt in the scope that names an object outside of it is in the wrong place."""
    outside = world.drop("incoming/b", b"x")
    copy = world.read(world.provenance, outside.receipt_key)
    inside = ObjectVersion(world.raw, "incoming/a", "v1")
    world.s3.put_object(Bucket=world.provenance, Key=inside.receipt_key, Body=copy)
    report = check(world, scope=S3Location(world.raw, "incoming/a"))
    assert found(report) == {
        (SIGNATURE, Status.FAILED, inside.uri),
        (UNIQUE, Status.UNEXPECTED, outside.uri),
    }


def test_a_bucket_that_is_not_of_the_lake_is_wrong_use(world: World) -> None:
    with pytest.raises(UsageError, match="not a data bucket"):
        check(world, scope=S3Location(world.provenance, ""))


@pytest.mark.parametrize("sample", [0, -1, 1.1, float("nan")])
def test_a_sample_of_no_size_is_wrong_use(world: World, sample: float) -> None:
    with pytest.raises(UsageError, match="sample"):
        check(world, sample=sample)


def test_prefixes_within_prefixes_are_listed_once(world: World) -> None:
    world.deployment.recorded_prefixes[world.raw][:] = ["incoming/x/", "incoming/", "incoming/"]
    world.drop("incoming/x/a", b"x")
    assert counts(check(world))[UNIQUE] == (1, 1, 0, 0)


def test_a_sample_reads_some_and_can_be_drawn_again(world: World) -> None:
    versions = [world.drop(f"incoming/{number}", b"x") for number in range(40)]
    for version in versions:
        world.tamper(version, b"y")

    first = check(world, sample=0.5, seed="one")
    subjects = {finding.subject for finding in first.findings}
    assert 5 < len(subjects) < 35
    assert counts(first)[UNIQUE] == counts(first)[TRAIL] == (40, 40, 0, 0)
    assert counts(first)[HASH] == (len(subjects), 0, len(subjects), 0)
    assert (first.receipts, first.receipts_read) == (40, len(subjects))

    again = check(world, sample=0.5, seed=first.seed)
    assert {finding.subject for finding in again.findings} == subjects
    more = check(world, sample=0.9, seed=first.seed)
    assert subjects < {finding.subject for finding in more.findings}


def test_nobody_can_know_what_a_sample_leaves_out(world: World) -> None:
    """Names are the writer's to choose; the draw depends on a seed that is made afterwards."""
    seeds = {check(world, sample=0.5).seed for _ in range(3)}
    assert len(seeds) == 3
    assert min(len(seed) for seed in seeds) == 32


def test_a_sample_still_reads_where_the_listings_leave_a_question(world: World) -> None:
    """The version is not in the trail: only the receipt can name the request."""
    drop = world.put("incoming/a", b"x")
    world.record(drop)
    world.witness(drop, responseElements=None)
    report = check(world, sample=1e-9, seed="s")
    assert found(report) == set()
    assert counts(report)[TRAIL] == (1, 1, 0, 0)


# What cannot be checked


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidObjectState", "KMS.DisabledException"])
def test_an_object_that_cannot_be_read_is_told_and_the_rest_checked(world: World, code: str) -> None:
    locked, tampered = world.drop("incoming/locked", b"x"), world.drop("incoming/tampered", b"x")
    with refused(world.s3, "GetObject", 403, code, key=locked.key):
        report = check(world)
        assert report.exit_code == 3
        world.tamper(tampered, b"y")
        both = check(world)
    assert found(report) == set()
    assert len(report.unchecked) == 1
    assert locked.uri in report.unchecked[0]
    assert code in report.unchecked[0]
    assert found(both) == {(HASH, Status.FAILED, tampered.uri)}
    assert both.unchecked == report.unchecked


def test_a_receipt_that_cannot_be_read_is_told(world: World) -> None:
    version = world.drop("incoming/a", b"x")
    with refused(world.s3, "GetObject", 403, "AccessDenied", key=version.receipt_key):
        report = check(world)
    assert report.exit_code == 3
    assert version.receipt_key in report.unchecked[0]


def test_a_receipt_that_vanishes_meanwhile(world: World) -> None:
    version = world.drop("incoming/a", b"x")
    with refused(world.s3, "GetObject", 404, "NoSuchVersion", key=version.receipt_key):
        report = check(world)
    assert found(report) == {(UNIQUE, Status.MISSING, version.uri)}
    assert counts(report)[UNIQUE] == (1, 0, 1, 0)


def test_much_that_cannot_be_read_hides_no_finding(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_tally, "MAX_UNCHECKED", 2)
    archived = [world.drop(f"incoming/archived/{number}", b"x") for number in range(5)]
    tampered = world.drop("incoming/z", b"x")
    world.tamper(tampered, b"y")
    with ExitStack() as stack:
        for version in archived:
            stack.enter_context(refused(world.s3, "GetObject", 403, "InvalidObjectState", key=version.key))
        report = check(world)
    assert found(report) == {(HASH, Status.FAILED, tampered.uri)}
    assert len(report.unchecked) == 2
    assert report.unchecked_count == 5
    assert report.exit_code == 1


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidAccessKeyId"])
def test_credentials_that_do_not_work_end_it(world: World, code: str) -> None:
    version = world.drop("incoming/a", b"x")
    with (
        refused(world.s3, "GetObject", 403, code, key=version.key),
        pytest.raises(CannotCheckError, match=code),
    ):
        check(world)


@pytest.mark.parametrize("operation", ["ListObjectVersions", "ListObjectsV2"])
def test_listings_that_are_denied_end_it(world: World, operation: str) -> None:
    with (
        refused(world.s3, operation, 403, "AccessDenied"),
        pytest.raises(CannotCheckError, match="AccessDenied"),
    ):
        check(world)


def test_a_trail_file_that_is_denied_accuses_nobody(world: World) -> None:
    """Half a trail would accuse every write that is in the other half."""
    world.drop("incoming/a", b"x")
    tampered = world.drop("incoming/b", b"x")
    world.tamper(tampered, b"y")
    with refused(world.s3, "GetObject", 403, "AccessDenied", key=".json.gz"):
        report = check(world)
    assert found(report) == {(HASH, Status.FAILED, tampered.uri)}
    assert report.unchecked_count == 4
    assert "AccessDenied" in report.unchecked[0]
    assert "2 object versions have no event" in report.unchecked[-1]


def test_credentials_that_end_meanwhile_hide_no_finding(world: World) -> None:
    tampered, last = world.drop("incoming/a", b"x"), world.drop("incoming/b", b"x")
    world.tamper(tampered, b"y")
    with refused(world.s3, "GetObject", 403, "ExpiredToken", key=last.key):
        report = check(world, workers=1)
    assert found(report) == {(HASH, Status.FAILED, tampered.uri)}
    assert "ended before everything was checked" in report.unchecked[0]


def test_a_service_that_is_not_there_ends_it(world: World) -> None:
    world.drop("incoming/a", b"x")

    def down(**_kwargs: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://s3")

    world.s3.meta.events.register_first("before-call.s3.GetObject", down)
    try:
        with pytest.raises(CannotCheckError, match="cannot be used"):
            check(world)
    finally:
        world.s3.meta.events.unregister("before-call.s3.GetObject", down)


def test_the_receipt_that_verification_reads_is_the_recorders(world: World) -> None:
    """The two sides of the format agree on who made it."""
    version = world.drop("incoming/a", b"x")
    assert parse_statement(b64decode(envelope(world, version)["payload"])).recorder == IDENTITY


def test_findings_come_in_a_fixed_order(world: World) -> None:
    for name in ("b", "a", "c"):
        world.put(f"incoming/{name}", b"x")
    report = check(world)
    order = [(finding.subject, finding.claim) for finding in report.findings]
    assert order == sorted(order)
    assert isinstance(report.findings[0], Finding)


# What Amazon S3 itself says of times, sizes and ETags


def age(world: World, version: ObjectVersion, by: timedelta) -> None:
    """Let Amazon S3 report that it stored the version this much earlier."""
    kept = s3_backends[ACCOUNT]["aws"].buckets[version.bucket].keys.getlist(version.key)
    (stored,) = [entry for entry in kept if entry.version_id == version.version_id]
    stored.last_modified -= by


@pytest.mark.parametrize(
    ("ago", "why"),
    [
        (timedelta(days=200), "it was backdated"),
        (timedelta(minutes=17), "it was backdated"),
        (timedelta(minutes=-3), "after Amazon S3 stored it"),
        (timedelta(days=-365_000), "after Amazon S3 stored it"),
    ],
)
def test_a_receipt_of_another_time_than_its_storage(world: World, ago: timedelta, why: str) -> None:
    version = world.drop("incoming/a", b"x")
    age(world, version, timedelta(days=400))
    resign(world, version, predicate={"recorded_at": format_time(datetime.now(UTC) - ago)})
    assert why in problem(check(world), version)


def test_a_key_that_ended_cannot_sign_for_the_time_before(world: World) -> None:
    ended = datetime.now(UTC) - timedelta(days=30)
    world.write_registry(world.signer.registered(valid_until=format_time(ended)))
    version = world.drop("incoming/a", b"x")
    age(world, version, timedelta(days=60))
    before = format_time(ended - timedelta(days=1))
    resign(world, version, predicate={"recorded_at": before, "last_modified": before})
    assert (SIGNATURE, Status.FAILED, version.uri) in found(check(world))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"last_modified": "2026-01-01T00:00:00Z"}, "the receipt says 2026-01-01T00:00:00Z"),
        ({"last_modified": "0001-01-01T00:00:00Z"}, "the receipt says 0001-01-01T00:00:00Z"),
        ({"last_modified": "9999-12-31T23:59:59Z"}, "the receipt says 9999-12-31T23:59:59Z"),
        ({"etag": '"another"'}, "the receipt says '\"another\"'"),
        ({"size_bytes": 2**63 - 1}, "its receipt says 9223372036854775807 bytes"),
    ],
)
def test_a_receipt_that_contradicts_what_amazon_s3_says(
    world: World, changes: dict[str, Any], why: str
) -> None:
    version = world.drop("incoming/a", b"x")
    resign(world, version, predicate=changes)
    report = check(world)
    assert found(report) == {(HASH, Status.FAILED, version.uri)}
    (finding,) = report.findings
    assert why in finding.detail
    assert finding.severity is Severity.CRITICAL


def test_a_receipt_from_before_its_object(world: World) -> None:
    version = world.drop("incoming/a", b"x")
    now = datetime.now(UTC)
    age(world, world.receipt_of(version), timedelta(minutes=10))
    resign(world, version, predicate={"recorded_at": format_time(now - timedelta(minutes=10))})
    report = check(world)
    assert found(report) == {(HASH, Status.FAILED, version.uri)}
    assert "before the object version was created" in report.findings[0].detail


def in_parts(world: World, key: str) -> ObjectVersion:
    """Put an object by an upload in parts that began two days ago and is complete only now."""
    upload = world.s3.create_multipart_upload(Bucket=world.raw, Key=key)["UploadId"]
    part = world.s3.upload_part(Bucket=world.raw, Key=key, UploadId=upload, PartNumber=1, Body=b"x")
    version_id = world.s3.complete_multipart_upload(
        Bucket=world.raw,
        Key=key,
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )["VersionId"]
    version = ObjectVersion(world.raw, key, version_id)
    age(world, version, timedelta(days=2))
    return version


def test_an_upload_in_parts_is_judged_by_its_completion(world: World) -> None:
    """Amazon S3 says of it when it began."""
    version = in_parts(world, "incoming/large")
    now = timedelta()
    report = check(world, now)
    assert report.findings == ()
    assert report.exit_code == 3  # nothing could be checked yet

    world.record(Drop(version, "R"))
    report = check(world, now)
    assert report.findings == ()
    assert counts(report)[TRAIL] == (1, 0, 0, 1)
    assert found(check(world, SETTLED)) == {(TRAIL, Status.MISSING, version.uri)}

    world.witness(Drop(version, "R"), eventName="CompleteMultipartUpload")
    assert counts(check(world, now)) == all_passed(1)


def test_an_upload_in_parts_that_the_trail_has_seen_must_have_a_receipt_in_time(world: World) -> None:
    version = in_parts(world, "incoming/large")
    world.witness(
        Drop(version, "R"),
        eventName="CompleteMultipartUpload",
        eventTime=format_time(datetime.now(UTC) - timedelta(minutes=1)),
    )
    assert found(check(world, timedelta())) == set()
    assert found(check(world, SETTLED)) == {(UNIQUE, Status.MISSING, version.uri)}


def test_an_upload_in_parts_of_which_nothing_is_known_is_missed_in_the_end(world: World) -> None:
    version = in_parts(world, "incoming/large")
    missing = {(UNIQUE, Status.MISSING, version.uri), (TRAIL, Status.MISSING, version.uri)}
    assert found(check(world, timedelta(days=4))) == set()
    assert found(check(world, timedelta(days=6))) == missing


# A rotation during a run


def test_a_rotation_during_a_run_is_no_finding(world: World) -> None:
    world.drop("incoming/a", b"x")
    successor = LocalSigner("arn:aws:kms:us-east-1:123456789012:key/successor")

    def rotate(stage: str, _done: int, _total: int | None) -> None:
        if stage != "objects listed" or rotated:
            return
        rotated.append(stage)
        world.write_registry(world.signer.registered(), successor.registered())
        drop = world.put("incoming/b", b"y")
        world.recorder_with(successor).process(body(s3_record(drop.version, drop.request_id)))
        world.witness(drop)

    rotated: list[str] = []
    assert found(check(world, progress=rotate)) == set()
    assert rotated


def test_a_registry_that_is_tampered_with_during_a_run_is_found(world: World) -> None:
    version = world.drop("incoming/a", b"x")
    stranger = LocalSigner("arn:aws:kms:us-east-1:123456789012:key/stranger")
    resign(world, version, signer=stranger)

    def tamper(stage: str, _done: int, _total: int | None) -> None:
        if stage == "trail files read":
            world.write_registry(stranger.registered())

    uri = f"s3://{world.provenance}/{REGISTRY_KEY}"
    assert (SIGNATURE, Status.FAILED, uri) in found(check(world, progress=tamper))


# Nothing checked is never "holds"


def nothing_checked(report: VerificationReport) -> str:
    assert report.findings == ()
    assert report.exit_code == 3
    assert report.unchecked_count == 1
    (sentence,) = report.unchecked
    assert sentence.startswith("Nothing was checked.")
    return sentence


def test_where_there_is_nothing_nothing_was_checked(world: World) -> None:
    assert "no object versions" in nothing_checked(check(world))


def test_a_mistyped_prefix_checks_nothing(world: World) -> None:
    world.drop("incoming/a", b"x")
    sentence = nothing_checked(check(world, scope=S3Location(world.raw, "incoming/b")))
    assert f"s3://{world.raw}/incoming/b" in sentence
    sentence = nothing_checked(check(world, scope=S3Location(world.raw, "incomming/")))
    assert "outside the recorded prefixes" in sentence
    assert f"s3://{world.raw}/incoming/" in sentence


@pytest.mark.parametrize("version_id", [None, ""])
def test_an_object_outside_the_recorded_prefixes_is_not_checked(world: World, version_id: str | None) -> None:
    world.drop("incoming/a", b"x")
    put = world.put("other/secret.csv", b"x").version
    scope = S3Location(world.raw, put.key, None if version_id is None else put.version_id)
    assert "outside the recorded prefixes" in nothing_checked(check(world, scope=scope))


def test_a_named_version_that_is_not_there_is_a_finding(world: World) -> None:
    world.drop("incoming/a", b"x")
    uri = ObjectVersion(world.raw, "incoming/a", "no-such-version").uri
    report = check(world, scope=S3Location(world.raw, "incoming/a", "no-such-version"))
    assert found(report) == {(HASH, Status.MISSING, uri)}


def test_a_delete_marker_has_nothing_to_check(world: World) -> None:
    version = world.drop("incoming/a", b"x")
    marker = world.s3.delete_object(Bucket=world.raw, Key=version.key)["VersionId"]
    report = check(world, scope=S3Location(world.raw, version.key, marker))
    assert report.exit_code == 3
    assert "is a delete marker" in report.unchecked[0]


def test_what_is_too_young_to_say_was_not_checked(world: World) -> None:
    world.put("incoming/a", b"x")
    assert "younger than the watermark" in nothing_checked(check(world, timedelta()))


# Adopted buckets


def test_what_is_written_to_an_adopted_bucket_needs_all_its_evidence(world: World) -> None:
    bucket = world.adopt("letters/", datetime.now(UTC) - timedelta(days=1))
    whole = world.drop("letters/a b.csv", b"1", bucket)
    unheard, unlogged = (world.put(f"letters/{name}", b"1", bucket) for name in ("unheard", "unlogged"))
    world.witness(unheard)
    world.record(unlogged)
    world.put("elsewhere/c.csv", b"1", bucket)
    report = check(world, scope=S3Location(bucket, "letters/"))
    assert found(report) == {
        (Claim.RECEIPT_UNIQUE, Status.MISSING, unheard.version.uri),
        (Claim.TRAIL_EVENT, Status.MISSING, unlogged.version.uri),
    }
    assert counts(report)[Claim.OBJECT_HASH][:2] == (2, 2)
    world.tamper(whole, b"2")
    assert (Claim.OBJECT_HASH, Status.FAILED, whole.uri) in found(check(world))


def test_of_what_lay_there_before_the_trail_need_not_tell(world: World) -> None:
    """A receipt is asked of it all the same, and its bytes are compared with it."""
    bucket = world.adopt("", datetime.now(UTC) + timedelta(minutes=1))
    older, unrecorded = (world.put(key, b"1", bucket) for key in ("older", "unrecorded"))
    world.record(older)
    report = check(world)
    assert found(report) == {(Claim.RECEIPT_UNIQUE, Status.MISSING, unrecorded.version.uri)}
    assert report.notes[-1].startswith("2 object versions lay in an adopted bucket before its adoption")
    assert counts(report)[Claim.TRAIL_EVENT][:2] == (0, 0)
    raw = world.put("incoming/a.csv", b"1")
    world.record(raw)
    assert (Claim.TRAIL_EVENT, Status.MISSING, raw.version.uri) in found(check(world))


def test_nothing_expires_in_an_adopted_bucket(world: World) -> None:
    """Its owner's lifecycle rules are not known here."""
    world.deployment = replace(world.deployment, noncurrent_days=1)
    bucket = world.adopt("", datetime.now(UTC) - timedelta(days=1))
    old = world.drop("a", b"1", bucket)
    world.drop("a", b"2", bucket)
    world.s3.delete_object(Bucket=bucket, Key="a", VersionId=old.version_id)
    report = check(world, timedelta(days=3))
    assert (Claim.OBJECT_HASH, Status.MISSING, old.uri) in found(report)


def test_an_adopted_bucket_that_is_gone_ends_no_run(world: World) -> None:
    bucket = world.adopt("letters/", datetime.now(UTC) - timedelta(days=1))
    world.s3.delete_bucket(Bucket=bucket)
    world.drop("incoming/a.csv", b"1")
    report = check(world)
    assert found(report) == set()
    assert report.exit_code == 3
    assert report.unchecked[0].startswith(f"s3://{bucket}/letters/ of an adopted bucket cannot be listed")
    assert counts(report)[Claim.OBJECT_HASH][:2] == (1, 1)
