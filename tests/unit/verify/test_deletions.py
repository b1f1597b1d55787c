"""A version that is gone was erased by a decision, has expired, or is missing: nothing else, and provably."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto.s3.models import s3_backends

from custody.evidence.erasure import Erasure
from custody.evidence.objects import ObjectVersion, S3Location
from custody.findings import Claim, Finding, Status
from custody.times import format_time
from custody.verify.report import Deleted, VerificationReport
from custody.verify.verify import verify
from tests.support.digests import Keys
from tests.support.evidence import ACCOUNT, Drop, LocalSigner, World, log_file, refused, trail_record, worlds

NOW = datetime.now(UTC)
DAYS = 30
LATER = timedelta(days=DAYS, hours=1)


@pytest.fixture(scope="module")
def new_world() -> Iterator[Callable[[], World]]:
    with worlds() as new:
        yield new


@pytest.fixture
def world(new_world: Callable[[], World]) -> World:
    world = new_world()
    world.deployment = replace(world.deployment, noncurrent_days=DAYS)
    return world


def check(world: World, scope: S3Location | None = None, later: timedelta = LATER) -> VerificationReport:
    now = datetime.now(UTC) + later
    return verify(world.s3, world.deployment, digest_keys=Keys(), now=now, scope=scope, workers=4)


def of_objects(report: VerificationReport) -> list[Finding]:
    """Without those that say that after so many days there should be digests of the trail."""
    return [finding for finding in report.findings if finding.claim is not Claim.TRAIL_COMPLETE]


def missing(report: VerificationReport) -> set[str]:
    found = of_objects(report)
    assert {finding.claim for finding in found} <= {Claim.OBJECT_HASH}
    assert {finding.status for finding in found} <= {Status.MISSING}
    return {finding.subject for finding in found}


def named(report: VerificationReport) -> dict[str, Deleted]:
    assert sum(report.deletion_counts.values()) == len(report.deletions)
    return {deletion.subject: deletion.state for deletion in report.deletions}


def destroy(world: World, version: ObjectVersion) -> None:
    world.s3.delete_object(Bucket=version.bucket, Key=version.key, VersionId=version.version_id)


def decision(*versions: ObjectVersion) -> bytes:
    return Erasure("asked for by the \x1b[31mdata subject", NOW, versions).to_bytes()


def decide(world: World, *versions: ObjectVersion, key: str = "erasures/1.json") -> ObjectVersion:
    return world.drop(key, decision(*versions), world.deployment.buckets["processed"])


def test_what_a_decision_names_is_erased_and_no_finding(world: World) -> None:
    erased, kept = world.drop("incoming/a", b"x"), world.drop("incoming/b", b"x")
    decided = decide(world, erased)
    destroy(world, erased)
    whole = S3Location(world.raw, "incoming/", None)
    for scope in (None, whole, S3Location(erased.bucket, erased.key, erased.version_id)):
        report = check(world, scope, timedelta(hours=2))
        assert (report.findings, report.unchecked, report.exit_code) == ((), (), 0)
        (deletion,) = report.deletions
        assert (deletion.subject, deletion.state) == (erased.uri, Deleted.ERASED)
        assert "AWS:AROAEXAMPLE:alice@example.com: asked for by the" in deletion.detail
        assert decided.uri in deletion.detail
    document = check(world).to_dict()
    assert document["deletion_counts"] == {"erased": 1}
    assert [deletion["state"] for deletion in document["deletions"]] == ["erased"]

    destroy(world, kept)
    assert missing(check(world)) == {kept.uri}
    destroy(world, decided)
    assert missing(check(world)) == {erased.uri, kept.uri, decided.uri}, "a decision must stay"


def without_receipt(world: World, gone: ObjectVersion) -> None:
    world.witness(world.put("erasures/1.json", decision(gone), world.deployment.buckets["processed"]))


def changed(world: World, gone: ObjectVersion) -> None:
    other = replace(gone, version_id="v" * len(gone.version_id))
    world.tamper(decide(world, other), decision(gone))


def signed_by_another(world: World, gone: ObjectVersion) -> None:
    drop = world.put("erasures/1.json", decision(gone), world.deployment.buckets["processed"])
    world.recorder, own = world.recorder_with(LocalSigner()), world.recorder
    world.record(drop)
    world.recorder = own
    world.witness(drop)


def replaced(world: World, gone: ObjectVersion) -> None:
    decide(world, ObjectVersion(gone.bucket, gone.key, "another"))
    decide(world, gone)


def elsewhere(world: World, gone: ObjectVersion) -> None:
    world.drop("incoming/erasures/1.json", decision(gone))
    world.drop("erasures/1.json", decision(gone), world.deployment.buckets["analytics"])
    decide(world, gone, key="tables/erasures/1.json")


def of_another_version(world: World, gone: ObjectVersion) -> None:
    decide(world, replace(gone, version_id="another"), replace(gone, key="incoming/other"))


def of_no_type(world: World, gone: ObjectVersion) -> None:
    body = decision(gone).replace(b"urn:custody:erasure:v1", b"urn:custody:decision:v1")
    world.drop("erasures/1.json", body, world.deployment.buckets["processed"])


def without_a_reason(world: World, gone: ObjectVersion) -> None:
    body = Erasure("", NOW, (gone,)).to_bytes()
    world.drop("erasures/1.json", body, world.deployment.buckets["processed"])


@pytest.mark.parametrize(
    "attack",
    [
        without_receipt,
        changed,
        signed_by_another,
        replaced,
        elsewhere,
        of_another_version,
        of_no_type,
        without_a_reason,
    ],
)
def test_nothing_else_makes_a_missing_version_lawful(
    world: World, attack: Callable[[World, ObjectVersion], None]
) -> None:
    gone = world.drop("incoming/a", b"x")
    attack(world, gone)
    destroy(world, gone)
    report = check(world)
    assert gone.uri in {found.subject for found in report.findings if found.claim is Claim.OBJECT_HASH}
    assert report.deletions == ()


@pytest.mark.parametrize(
    "key", ["manifests/a.json", "decisions/t/a.json", "erasures/0.json", "tables/t/_lineage/0.json"]
)
def test_what_is_itself_evidence_cannot_be_erased(world: World, key: str) -> None:
    gone = world.drop(key, b"{}", world.deployment.buckets["processed"])
    decide(world, gone)
    destroy(world, gone)
    assert gone.uri in {found.subject for found in check(world).findings}


def age(world: World, bucket: str, key: str) -> None:
    """Let the newest version or delete marker of a key have been put yesterday."""
    stored = s3_backends[ACCOUNT]["aws"].buckets[bucket].keys.getlist(key)[-1]
    stored.last_modified = stored.last_modified - timedelta(days=1)


def old_drop(world: World, key: str) -> ObjectVersion:
    """A version of yesterday, with all evidence."""
    drop = world.put(key, b"x")
    age(world, world.raw, key)
    world.record(drop)
    world.witness(drop)
    return drop.version


def supersede(world: World, version: ObjectVersion, *, by_marker: bool) -> None:
    if by_marker:
        world.s3.delete_object(Bucket=version.bucket, Key=version.key)
    else:
        world.drop(version.key, b"new", version.bucket)


@pytest.mark.parametrize("by_marker", [True, False])
def test_what_was_superseded_long_enough_ago_has_expired(world: World, by_marker: bool) -> None:
    old = old_drop(world, "incoming/a")
    supersede(world, old, by_marker=by_marker)
    destroy(world, old)
    one = S3Location(old.bucket, old.key, old.version_id)
    for scope in (None, S3Location(world.raw, "", None), one):
        due, not_yet = LATER, timedelta(days=DAYS, hours=-1)
        report = check(world, scope, due)
        assert missing(report) == set()
        assert named(report) == {old.uri: Deleted.EXPIRED}
        assert f"versions expire {DAYS} days after that" in report.deletions[0].detail
        assert missing(check(world, scope, not_yet)) == {old.uri}
    world.deployment = replace(world.deployment, noncurrent_days=0)
    assert missing(check(world, None, timedelta(days=1000))) == {old.uri}, "nothing says that versions expire"


def test_a_current_version_does_not_expire(world: World) -> None:
    world.s3.put_object(Bucket=world.raw, Key="incoming/a", Body=b"x")
    world.s3.delete_object(Bucket=world.raw, Key="incoming/a")
    age(world, world.raw, "incoming/a")
    current, alone = world.drop("incoming/a", b"x"), world.drop("incoming/ab", b"x")
    destroy(world, current)
    destroy(world, alone)
    report = check(world, S3Location(world.raw, "incoming/a", None), timedelta(days=1000))
    assert {current.uri, alone.uri} <= {found.subject for found in report.findings}
    assert report.deletions == ()


def test_a_chain_of_superseded_versions_expires(world: World) -> None:
    first = old_drop(world, "incoming/a")
    supersede(world, first, by_marker=False)
    page = world.s3.list_object_versions(Bucket=world.raw, Prefix="incoming/a")
    second = ObjectVersion(world.raw, "incoming/a", page["Versions"][0]["VersionId"])
    destroy(world, first)
    destroy(world, second)
    report = check(world, None, timedelta(days=1000))
    assert named(report) == {first.uri: Deleted.EXPIRED}, "the receipt of the second proves it"
    assert missing(report) == {second.uri}, "nothing was over the second"


DELETION = {"eventName": "DeleteObject", "responseElements": None}


@pytest.mark.parametrize(
    ("changes", "parameters", "words"),
    [
        (DELETION, {"versionId": "{}"}, "The trail has its deletion at 2026-11-20T13:00:00Z"),
        ({"eventName": "DeleteObjects", "eventTime": "{now}"}, {}, "of the batch deletion in its bucket at"),
        (DELETION, {}, ""),
        (DELETION, {"versionId": "another"}, ""),
        (DELETION | {"errorCode": "AccessDenied"}, {"versionId": "{}"}, ""),
        (DELETION | {"responseElements": {"x-amz-delete-marker": "true"}}, {"versionId": "{}"}, ""),
        ({"eventName": "DeleteObjects"}, {}, ""),  # before the version was written
    ],
)
def test_what_the_trail_says_was_deleted_has_not_expired(
    world: World, changes: dict[str, Any], parameters: dict[str, str], words: str
) -> None:
    old = old_drop(world, "incoming/a")
    supersede(world, old, by_marker=True)
    destroy(world, old)
    record = trail_record(old, "R", "deletion", **changes)
    record["eventTime"] = record["eventTime"].replace("{now}", format_time(datetime.now(UTC)))
    given = {name: value.replace("{}", old.version_id) for name, value in parameters.items()}
    if record["eventName"] == "DeleteObjects":
        del record["requestParameters"]["key"]
    record["requestParameters"] |= given
    world.deliver(log_file(record))
    report = check(world, None, timedelta(days=1000))
    assert missing(report) == ({old.uri} if words else set())
    assert all(words in finding.detail for finding in of_objects(report))
    assert named(report) == ({} if words else {old.uri: Deleted.EXPIRED})


def test_without_the_whole_trail_nothing_is_known_to_have_expired(world: World) -> None:
    old = old_drop(world, "incoming/a")
    supersede(world, old, by_marker=True)
    destroy(world, old)
    key = world.witness(Drop(world.drop("incoming/b", b"x"), "R"))
    with refused(world.s3, "GetObject", 403, "AccessDenied", key=key):
        report = check(world)
    assert (missing(report), report.deletions) == (set(), ())
    assert any("it cannot be said whether it expired" in words for words in report.unchecked)
