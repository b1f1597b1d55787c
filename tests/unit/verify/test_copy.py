"""The second copy: what is missing, surplus or different there is found, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.errors import CannotCheckError, UsageError
from custody.evidence.copy import places_in_copy, read_elsewhere
from custody.evidence.objects import ObjectVersion, S3Location
from custody.evidence.registry import REGISTRY_KEY
from custody.findings import CLAIMS, Claim, Severity, Status
from custody.listing import VersionEntry
from custody.verify import copy as verify_copy
from custody.verify import log as verify_log
from custody.verify.copy import compare_with_copy
from custody.verify.report import VerificationReport
from custody.verify.verify import verify
from tests.support.copies import DEPLOYMENT_KEY, CopiedWorld
from tests.support.digests import Keys
from tests.support.evidence import World, answered, refused, worlds
from tests.support.sealed import SealedWorld

COMPLETE, HASH = Claim.COPY_COMPLETE, Claim.COPY_HASH
SETTLED = timedelta(hours=2)


@pytest.fixture(scope="module")
def new_world() -> Iterator[Callable[[], World]]:
    with worlds() as new:
        yield new


@pytest.fixture
def copied(new_world: Callable[[], World]) -> CopiedWorld:
    """Three objects with all evidence, copied."""
    copied = CopiedWorld(new_world())
    for number in range(3):
        copied.world.drop(f"incoming/{number}", b"x")
    copied.replicate()
    return copied


def compare(copied: CopiedWorld, later: timedelta = SETTLED, **options: Any) -> VerificationReport:
    now = datetime.now(UTC) + later
    return compare_with_copy(copied.s3, copied.s3, copied.deployment, now=now, **options)


def found(report: VerificationReport) -> set[tuple[Claim, Status, str]]:
    return {(finding.claim, finding.status, finding.subject) for finding in report.findings}


def receipt(copied: CopiedWorld, key: str) -> ObjectVersion:
    """The receipt of the object of a key."""
    (stored,) = copied.s3.list_object_versions(Bucket=copied.world.raw, Prefix=key)["Versions"]
    return copied.world.receipt_of(ObjectVersion(copied.world.raw, key, stored["VersionId"]))


def test_nothing_is_found_where_all_is_there(copied: CopiedWorld) -> None:
    report = compare(copied)
    assert (report.findings, report.unchecked, report.exit_code) == ((), (), 0)
    assert list(report.claims) == [COMPLETE, HASH]
    assert report.notes == (f"The copy is s3://{copied.bucket}, by the deployment's file.",)
    assert report.claims[COMPLETE].passed == 8, (
        "3 receipts, 3 trail files, the registry, the deployment's file"
    )
    assert report.claims[HASH].passed == report.receipts_read == report.receipts == 7


def test_a_version_that_is_missing_is_pending_until_the_watermark(copied: CopiedWorld) -> None:
    lost = receipt(copied, "incoming/1")
    copied.remove(copied.bucket, lost.key, lost.version_id)
    young = compare(copied, timedelta())
    assert (young.findings, young.claims[COMPLETE].pending) == ((), 1)
    report = compare(copied)
    assert found(report) == {(COMPLETE, Status.MISSING, lost.uri)}
    assert report.exit_code == 1


def test_other_bytes_of_the_same_length_are_found(copied: CopiedWorld) -> None:
    changed = receipt(copied, "incoming/1")
    data = copied.world.read(changed.bucket, changed.key)
    copied.replace(changed.key, data[:-1] + bytes([data[-1] ^ 1]))
    report = compare(copied)
    assert found(report) == {(HASH, Status.FAILED, changed.uri)}
    assert report.findings[0].severity is Severity.CRITICAL
    unseen = compare(copied, sample=1e-9)
    assert (unseen.findings, unseen.receipts_read) == ((), 0), "a sample that draws nothing reads nothing"


def test_another_length_is_found_without_reading(copied: CopiedWorld) -> None:
    changed = receipt(copied, "incoming/1")
    copied.replace(changed.key, b"short")
    assert found(compare(copied, sample=1e-9)) == {(HASH, Status.FAILED, changed.uri)}


def test_an_original_that_was_deleted_is_found(copied: CopiedWorld) -> None:
    gone = receipt(copied, "incoming/1")
    copied.remove(gone.bucket, gone.key, gone.version_id)
    uri = replace(gone, bucket=copied.bucket).uri
    assert found(compare(copied)) == {(COMPLETE, Status.UNEXPECTED, uri)}


def test_a_superseded_original_may_go_after_its_retention_and_not_before(copied: CopiedWorld) -> None:
    (first,) = copied.s3.list_object_versions(Bucket=copied.world.provenance, Prefix=REGISTRY_KEY)["Versions"]
    copied.world.write_registry(copied.world.signer.registered())
    copied.replicate()
    copied.remove(copied.world.provenance, REGISTRY_KEY, first["VersionId"])
    uri = ObjectVersion(copied.bucket, REGISTRY_KEY, first["VersionId"]).uri
    assert found(compare(copied, timedelta(days=29))) == {(COMPLETE, Status.UNEXPECTED, uri)}
    assert found(compare(copied, timedelta(days=31))) == set()
    copied.deployment = replace(copied.deployment, evidence_days=0)
    assert found(compare(copied, timedelta(days=31))) == {(COMPLETE, Status.UNEXPECTED, uri)}, "not known"


def test_a_superseded_replica_may_go_after_its_retention_and_not_before(copied: CopiedWorld) -> None:
    """Both accounts have the same lifecycle rule, and S3 does not apply it to both at the same time."""
    (first,) = copied.s3.list_object_versions(Bucket=copied.world.provenance, Prefix=REGISTRY_KEY)["Versions"]
    copied.world.write_registry(copied.world.signer.registered())
    copied.replicate()
    copied.remove(copied.bucket, REGISTRY_KEY, first["VersionId"])
    uri = ObjectVersion(copied.world.provenance, REGISTRY_KEY, first["VersionId"]).uri
    assert found(compare(copied, timedelta(days=29))) == {(COMPLETE, Status.MISSING, uri)}
    assert found(compare(copied, timedelta(days=31))) == set()


def test_a_delete_marker_counts_in_the_copy_alone(copied: CopiedWorld) -> None:
    hidden = receipt(copied, "incoming/1")
    copied.s3.delete_object(Bucket=copied.world.provenance, Key=hidden.key)
    assert found(compare(copied)) == set(), "what hides the original is custody verify's finding"
    marker = copied.s3.delete_object(Bucket=copied.bucket, Key=hidden.key)["VersionId"]
    uri = ObjectVersion(copied.bucket, hidden.key, marker).uri
    assert found(compare(copied)) == {(COMPLETE, Status.UNEXPECTED, uri)}


def test_the_deployments_file_must_be_the_current_one(copied: CopiedWorld) -> None:
    subject = f"s3://{copied.artifacts}/{DEPLOYMENT_KEY}"
    copied.s3.put_object(Bucket=copied.artifacts, Key=DEPLOYMENT_KEY, Body=b"[]")
    assert compare(copied, timedelta()).claims[COMPLETE].pending == 1
    report = compare(copied)
    assert found(report) == {(COMPLETE, Status.MISSING, subject)}
    assert "another deployment's file" in report.findings[0].detail


def test_what_cannot_be_read_is_unchecked_and_no_finding(copied: CopiedWorld) -> None:
    unread = receipt(copied, "incoming/1")
    with refused(copied.s3, "GetObject", 403, "AccessDenied", key=unread.key):
        report = compare(copied)
    assert (report.findings, report.unchecked_count, report.exit_code) == ((), 1, 3)
    assert report.claims[HASH].passed == 6


def test_an_answer_that_nobody_expects_ends_no_comparison(copied: CopiedWorld) -> None:
    odd = receipt(copied, "incoming/1")
    odd_answer = {"Body": BytesIO(b"x"), "ResponseMetadata": {"HTTPStatusCode": 200}}
    with answered(copied.s3, "GetObject", lambda: odd_answer, key=odd.key):
        report = compare(copied)
    assert (report.findings, report.unchecked_count, report.exit_code) == ((), 1, 3)
    assert report.unchecked[0].startswith(f"{odd.uri}: ")


def test_a_copy_that_cannot_be_listed_is_no_answer(copied: CopiedWorld) -> None:
    copied.deployment = replace(
        copied.deployment, evidence_copy={"bucket": "not-there", "region": "us-east-1"}
    )
    with pytest.raises(CannotCheckError, match="s3://not-there cannot be listed"):
        compare(copied)


def test_no_evidence_is_not_a_copy_that_holds(new_world: Callable[[], World]) -> None:
    copied = CopiedWorld(new_world())
    copied.replicate()
    (registry,) = copied.s3.list_object_versions(Bucket=copied.world.provenance)["Versions"]
    for bucket in (copied.world.provenance, copied.bucket):
        copied.remove(bucket, REGISTRY_KEY, registry["VersionId"])
    report = compare(copied)
    assert (report.exit_code, report.unchecked) == (3, ("Nothing was compared: there is no evidence yet.",))


def test_a_copy_of_which_all_may_still_arrive_does_not_hold(copied: CopiedWorld) -> None:
    copied.empty(copied.bucket)
    report = compare(copied, timedelta())
    assert report.findings == ()
    assert (report.exit_code, report.unchecked) == (3, ("Nothing was compared: all may still arrive.",))


def test_what_is_compared_with_itself_is_no_copy(copied: CopiedWorld) -> None:
    own = copied.world.provenance
    copied.deployment = replace(copied.deployment, evidence_copy={"bucket": own, "region": "us-east-1"})
    with pytest.raises(UsageError, match=f"{own} is a bucket of the deployment itself"):
        compare(copied)


def test_there_must_be_a_copy_and_a_sample(copied: CopiedWorld) -> None:
    with pytest.raises(UsageError, match="sample of 2"):
        compare(copied, sample=2)
    copied.deployment = replace(copied.deployment, evidence_copy={})
    with pytest.raises(UsageError, match="has no second copy"):
        compare(copied)


def entry(key: str, version_id: str, second: int = 0) -> VersionEntry:
    return VersionEntry(key, version_id, datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC), False)


_VERSIONS = st.sets(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), max_size=12)


@given(_VERSIONS, _VERSIONS, st.randoms(use_true_random=False))
def test_two_listings_are_matched_whatever_the_order_within_a_key(
    mine: set[tuple[str, int]], theirs: set[tuple[str, int]], chance: Any
) -> None:
    def listed(versions: set[tuple[str, int]]) -> list[VersionEntry]:
        shuffled = sorted(versions)
        chance.shuffle(shuffled)
        return [entry(key, str(number)) for key, number in sorted(shuffled, key=lambda each: each[0])]

    pairs = list(verify_copy._pairs((("b", each) for each in listed(mine)), iter(listed(theirs))))
    both = {(one.original.key, int(one.original.version_id)) for one in pairs if one.original and one.replica}
    lone = {
        (one.original.key, int(one.original.version_id)) for one in pairs if one.original and not one.replica
    }
    surplus = {
        (one.replica.key, int(one.replica.version_id)) for one in pairs if one.replica and not one.original
    }
    assert (both, lone, surplus) == (mine & theirs, mine - theirs, theirs - mine)
    assert len(pairs) == len(mine | theirs)


@pytest.fixture(params=["receipts", "bundles"])
def lost(
    new_world: Callable[[], World], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> CopiedWorld:
    """Nine sealed objects whose evidence is copied, and of the deployment's own buckets nothing is left."""
    if request.param == "bundles":
        monkeypatch.setattr(verify_log, "FEW_RECEIPTS", 0)
    sealed = SealedWorld(new_world())
    sealed.grow(3, 1, 5)
    copied = CopiedWorld(sealed.world)
    copied.replicate()
    for bucket in copied.deployment.buckets.values():
        copied.empty(bucket)
    return copied


def verify_from_copy(copied: CopiedWorld, **options: Any) -> VerificationReport:
    elsewhere = boto3.client("s3", region_name="us-east-1", config=copied.s3.meta.config)
    return verify(
        read_elsewhere(elsewhere, places_in_copy(copied.deployment)),
        copied.deployment,
        now=datetime.now(UTC) + SETTLED,
        digest_keys=Keys(),
        with_objects=False,
        workers=4,
        **options,
    )


def test_from_the_copy_alone_all_but_the_objects_is_verified(lost: CopiedWorld) -> None:
    report = verify_from_copy(lost)
    assert report.findings == ()
    counts = {claim: (count.checked, count.passed) for claim, count in report.claims.items()}
    assert counts == dict.fromkeys(CLAIMS, (0, 0)) | {
        Claim.RECEIPT_SIGNATURE: (9, 9),
        Claim.RECEIPT_UNIQUE: (9, 9),
        Claim.TRAIL_EVENT: (9, 9),
        Claim.TRAIL_COMPLETE: (3, 0),  # pending: of the hour that has no digest yet
        Claim.LOG_CHECKPOINT: (4, 4),
        Claim.LOG_CONSISTENCY: (4, 4),
        Claim.LOG_INCLUSION: (9, 9),
        Claim.LOG_COMPLETE: (9, 9),
        Claim.LEDGER_ROW: (9, 9),
        Claim.KEY_USE: (4, 4),
    }
    assert report.exit_code == 3
    assert report.unchecked == (
        "The bytes of 9 objects, and what tables were made from: the copy has neither.",
    )
    assert (report.unchecked_count, report.receipts_read) == (9, 0)


def test_from_the_copy_alone_what_is_wrong_is_found_under_its_own_name(lost: CopiedWorld) -> None:
    (checkpoint, *_) = lost.s3.list_object_versions(Bucket=lost.bucket, Prefix="log/checkpoint")["Versions"]
    stored = lost.stored("log/checkpoint", checkpoint["VersionId"])
    stored.value = stored.value.replace(b"\n9\n", b"\n8\n")
    report = verify_from_copy(lost)
    uri = ObjectVersion(lost.world.provenance, "log/checkpoint", checkpoint["VersionId"]).uri
    assert (Claim.LOG_CHECKPOINT, Status.FAILED, uri) in found(report)


def test_from_the_copy_alone_a_sample_reads_no_object(lost: CopiedWorld) -> None:
    report = verify_from_copy(lost, sample=0.5)
    assert (report.findings, report.receipts_read) == ((), 0)


def test_one_objects_evidence_is_verified_from_the_copy_alone(lost: CopiedWorld) -> None:
    report = verify_from_copy(lost, scope=S3Location(lost.world.raw, "incoming/batch-1/"))
    assert (report.findings, report.claims[Claim.RECEIPT_SIGNATURE].passed) == ((), 1)


def test_receipts_of_long_keys_are_verified_from_the_copy_alone(new_world: Callable[[], World]) -> None:
    world = new_world()
    world.drop("incoming/" + "x" * 1000, b"x")
    copied = CopiedWorld(world)
    copied.replicate()
    for bucket in copied.deployment.buckets.values():
        copied.empty(bucket)
    report = verify_from_copy(copied)
    assert (report.findings, report.claims[Claim.RECEIPT_SIGNATURE].passed) == ((), 1)


def test_an_existing_trail_that_cannot_be_listed_leaves_the_rest(new_world: Callable[[], World]) -> None:
    """It is in no copy, and its owner lets the roles of the lost account alone read it."""
    sealed = SealedWorld(new_world())
    sealed.world.use_trail_of_organization()
    sealed.grow(2)
    copied = CopiedWorld(sealed.world)
    copied.replicate()
    copied.deployment.buckets["cloudtrail-log"] = "not-there"
    report = verify_from_copy(copied)
    assert (report.findings, report.claims[Claim.RECEIPT_SIGNATURE].passed) == ((), 2)
    assert [words for words in report.unchecked if "s3://not-there/logs/AWSLogs/" in words][1:] != []
    assert report.exit_code == 3


def test_an_empty_copy_holds_nothing(new_world: Callable[[], World]) -> None:
    copied = CopiedWorld(new_world())
    with pytest.raises(CannotCheckError, match="registry"):
        verify_from_copy(copied)
