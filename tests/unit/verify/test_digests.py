"""The trail's digests: what was changed, removed or added is found, and nothing else."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custody.errors import CannotCheckError
from custody.evidence.fetch import READ_ATTEMPTS
from custody.evidence.objects import S3Location
from custody.findings import Claim, Finding, Status
from custody.verify.verify import VerificationReport, verify
from tests.support.digests import DigestFile, Keys, rsa_key
from tests.support.evidence import REGION, World, log_file, refused, worlds
from tests.support.evidence import given as given_by_s3

DIGEST, COMPLETE = Claim.TRAIL_DIGEST, Claim.TRAIL_COMPLETE
HOUR = timedelta(hours=1)
OTHER_REGION = "eu-west-1"


@pytest.fixture(scope="module")
def new_world() -> Iterator[Callable[[], World]]:
    with worlds() as new:
        yield new


class Trail:
    """A trail that delivers one log file before each of four digests, an hour apart."""

    def __init__(self, world: World, region: str = REGION) -> None:
        self.world = world
        self.region = region
        self.start = datetime.now(UTC).replace(microsecond=0)
        version = world.put(f"incoming/{region}", b"x")
        world.record(version)
        witness = world.witness(version, region=region)
        written = witness, gzip.decompress(world.read(world.trail, witness))
        self.log_files = [*(self.deliver() for _ in range(3)), written]
        self.digests: list[DigestFile] = []
        for file in self.log_files:
            self.digests.append(self.next_digest(file))
        for digest in self.digests:
            self.store(digest)

    def deliver(self) -> tuple[str, bytes]:
        packed = log_file()
        return self.world.deliver(packed, self.region), gzip.decompress(packed)

    def next_digest(self, *files: tuple[str, bytes], **changes: Any) -> DigestFile:
        """The digest that follows; the log files' own times, all of now, are before the end of each."""
        before = self.digests[-1] if self.digests else None
        start = self.start if before is None else before.end
        return self.digest(start, start + HOUR, files, before).but(**changes)

    def digest(self, *parts: Any, **fields: Any) -> DigestFile:
        folder = self.world.deployment.trail_folder
        return DigestFile(self.world.trail, *parts, region=self.region, folder=folder, **fields)

    def store(self, digest: DigestFile, key: str | None = None) -> None:
        self.world.s3.put_object(
            Bucket=self.world.trail, Key=key or digest.key, Body=digest.stored, Metadata=digest.metadata
        )

    def remove(self, key: str) -> None:
        """Remove every version, as somebody with access to the storage can."""
        for version in self.world.s3.list_object_versions(Bucket=self.world.trail, Prefix=key)["Versions"]:
            self.world.s3.delete_object(Bucket=self.world.trail, Key=key, VersionId=version["VersionId"])

    def change(self, key: str, data: bytes, metadata: dict[str, str] | None = None) -> None:
        self.remove(key)
        self.world.s3.put_object(Bucket=self.world.trail, Key=key, Body=data, Metadata=metadata or {})

    def uri(self, key: str) -> str:
        return f"s3://{self.world.trail}/{key}"

    def folder(self) -> str:
        return self.uri(f"{self.world.deployment.trail_folder}CloudTrail-Digest/{self.region}/")

    def check(self, keys: Any = None, hours: float = 6, **options: Any) -> VerificationReport:
        """Verify so many hours after the start; the newest digest is of the fourth."""
        now = self.start + hours * HOUR
        keys = keys or Keys(**{REGION: rsa_key(), OTHER_REGION: rsa_key("other")})
        return verify(self.world.s3, self.world.deployment, digest_keys=keys, now=now, workers=4, **options)


of_any = pytest.mark.parametrize("trail", ["account", "organization"], indirect=True)
"""Of a test that is made with the account's own trail and with an organization's."""


@pytest.fixture
def trail(request: pytest.FixtureRequest, new_world: Callable[[], World]) -> Trail:
    world = new_world()
    if getattr(request, "param", "") == "organization":
        world.use_trail_of_organization()
    return Trail(world)


def found(report: VerificationReport) -> dict[tuple[Claim, Status, str], str]:
    return {(each.claim, each.status, each.subject): each.detail for each in report.findings}


def only(report: VerificationReport) -> Finding:
    [finding] = report.findings
    return finding


def counts(report: VerificationReport, claim: Claim) -> tuple[int, int, int, int]:
    count = report.claims[claim]
    return count.checked, count.passed, count.failed, count.pending


@of_any
def test_a_whole_trail_holds(trail: Trail) -> None:
    report = trail.check()
    assert report.exit_code == 0, report
    assert counts(report, DIGEST) == (8, 8, 0, 0)
    assert counts(report, COMPLETE) == (5, 5, 0, 0)  # the log files, and the region


def test_each_region_has_its_chain_and_its_keys(trail: Trail) -> None:
    other = Trail(trail.world, OTHER_REGION)
    for digest in other.digests:
        trail.remove(digest.key)
    resigned: DigestFile | None = None
    for digest in other.digests:
        resigned = digest.but(key_pair=rsa_key("other"), previous=resigned)
        trail.store(resigned)
    assert trail.check().exit_code == 0
    report = trail.check(keys=Keys(**{REGION: rsa_key(), OTHER_REGION: rsa_key()}))
    assert {status for claim, status, _ in found(report) if claim is DIGEST} == {Status.FAILED}
    assert all(OTHER_REGION in subject for _, _, subject in found(report))


@of_any
def test_late_files_are_named_by_a_chain_of_their_own(trail: Trail) -> None:
    late = [trail.deliver() for _ in range(2)]
    assert {status for _, status, _ in found(trail.check())} == {Status.UNEXPECTED}
    first = trail.digest(trail.start, trail.start + HOUR, (late[0],), late=True)
    second = trail.digest(trail.start + 3 * HOUR, trail.start + 4 * HOUR, (late[1],), first, late=True)
    trail.store(first)
    trail.store(second)
    assert trail.check().exit_code == 0
    trail.remove(first.key)
    report = trail.check()
    assert (DIGEST, Status.MISSING, trail.uri(first.key)) in found(report)


@of_any
def test_a_log_file_is_pending_until_its_digest_is_due(trail: Trail) -> None:
    key, _ = trail.deliver()
    trail.start -= 4 * HOUR  # now is two hours after the log file, and all digests end later
    report = trail.check()
    assert report.exit_code == 0
    assert counts(report, COMPLETE) == (6, 5, 0, 1)
    trail.start += 4 * HOUR
    assert set(found(trail.check())) == {(COMPLETE, Status.UNEXPECTED, trail.uri(key))}


# Log files


@of_any
def test_a_changed_log_file_is_found(trail: Trail) -> None:
    key, _ = trail.log_files[1]
    trail.change(
        key, log_file({"eventName": "PutObject", "eventSource": "s3.amazonaws.com", "errorCode": "x"})
    )
    finding = only(trail.check())
    assert (finding.claim, finding.status, finding.subject) == (DIGEST, Status.FAILED, trail.uri(key))


def test_a_log_file_with_another_compression_is_the_same(trail: Trail) -> None:
    key, content = trail.log_files[1]
    trail.change(key, gzip.compress(content, 1))
    assert trail.check().exit_code == 0


def test_a_log_file_that_cannot_be_read_is_not_the_one_named(trail: Trail) -> None:
    key, _ = trail.log_files[1]
    trail.change(key, b"no gzip")
    assert (DIGEST, Status.FAILED, trail.uri(key)) in found(trail.check())


def test_a_log_file_that_is_refused_is_unchecked(trail: Trail) -> None:
    key, _ = trail.log_files[1]
    with refused(trail.world.s3, "GetObject", 403, "AccessDenied", key=key):
        report = trail.check()
    assert (report.exit_code, report.unchecked_count) == (3, 1)


@of_any
def test_a_removed_log_file_is_found(trail: Trail) -> None:
    key, _ = trail.log_files[1]
    trail.remove(key)
    finding = only(trail.check())
    assert (finding.claim, finding.status, finding.subject) == (DIGEST, Status.MISSING, trail.uri(key))


def test_a_log_file_of_another_name_is_found(trail: Trail) -> None:
    key = f"{trail.world.deployment.trail_folder}CloudTrail/{REGION}/forged.json.gz"
    trail.world.s3.put_object(Bucket=trail.world.trail, Key=key, Body=log_file())
    assert set(found(trail.check())) == {(COMPLETE, Status.UNEXPECTED, trail.uri(key))}


# Digests


@pytest.mark.parametrize("place", range(4))
@of_any
def test_a_removed_digest_is_found(trail: Trail, place: int) -> None:
    trail.remove(trail.digests[place].key)
    removed, (named, _) = trail.uri(trail.digests[place].key), trail.log_files[place]
    expected = {(COMPLETE, Status.UNEXPECTED, trail.uri(named)), (DIGEST, Status.MISSING, removed)}
    if place == 3:  # no other digest names it
        expected = {
            (COMPLETE, Status.UNEXPECTED, trail.uri(named)),
            (COMPLETE, Status.MISSING, trail.folder()),
        }
    assert set(found(trail.check(hours=6.5))) == expected


def test_removed_digests_in_a_row_are_one_finding_with_the_time(trail: Trail) -> None:
    for digest in trail.digests[1:3]:
        trail.remove(digest.key)
    detail = found(trail.check())[DIGEST, Status.MISSING, trail.uri(trail.digests[2].key)]
    since, until = trail.digests[1].start, trail.digests[2].end
    assert f"from {since:%Y-%m-%dT%H:%M:%SZ} to {until:%Y-%m-%dT%H:%M:%SZ}" in detail


@of_any
def test_removed_last_digests_are_found_though_a_forged_log_file_is_there(trail: Trail) -> None:
    for digest in trail.digests[2:]:
        trail.remove(digest.key)
    forged, _ = trail.deliver()
    report = trail.check(hours=20)
    named_by_them = [key for key, _ in trail.log_files[2:]]
    assert set(found(report)) == {
        (COMPLETE, Status.MISSING, trail.folder()),
        *((COMPLETE, Status.UNEXPECTED, trail.uri(key)) for key in (forged, *named_by_them)),
    }


@of_any
def test_a_trail_without_any_digest_is_found(trail: Trail) -> None:
    for digest in trail.digests:
        trail.remove(digest.key)
    assert trail.check(hours=2).findings == ()
    finding = only(trail.check())
    assert (finding.claim, finding.status, finding.subject) == (COMPLETE, Status.MISSING, trail.folder())
    assert "4 log files" in finding.detail


@of_any
def test_the_time_in_which_a_trail_was_stopped_is_found_and_what_was_added_in_it(trail: Trail) -> None:
    added, _ = trail.deliver()
    again = trail.digests[-1].end + 2 * HOUR
    trail.store(trail.digest(again, again + HOUR))
    report = trail.check(hours=8)
    finding = found(report)
    stopped = [detail for (claim, status, _), detail in finding.items() if status is Status.MISSING]
    assert len(stopped) == 1
    assert "did not log or wrote no digests" in stopped[0]
    assert (COMPLETE, Status.UNEXPECTED, trail.uri(added)) in finding
    assert len(finding) == 2


def test_a_chain_begun_anew_without_a_time_between_holds(trail: Trail) -> None:
    end = trail.digests[-1].end
    trail.store(trail.digest(end, end + HOUR))
    assert trail.check().exit_code == 0


@pytest.mark.parametrize("place", range(4))
def test_a_changed_digest_is_found_alone_with_the_files_it_named(trail: Trail, place: int) -> None:
    digest, (named, _) = trail.digests[place], trail.log_files[place]
    changed = digest.but(files=())
    trail.change(digest.key, changed.stored, digest.metadata)
    assert set(found(trail.check())) == {
        (DIGEST, Status.FAILED, trail.uri(digest.key)),
        (COMPLETE, Status.UNEXPECTED, trail.uri(named)),
    }


def test_a_digest_signed_again_with_another_key_is_found(trail: Trail) -> None:
    digest = trail.digests[1].but(key_pair=rsa_key("attacker"))
    trail.change(digest.key, digest.stored, digest.metadata)
    detail = found(trail.check())[DIGEST, Status.FAILED, trail.uri(digest.key)]
    assert "signature is not valid" in detail


def test_a_key_that_cloudtrail_does_not_list_is_found(trail: Trail) -> None:
    digest = trail.digests[1].but(changes={"digestPublicKeyFingerprint": "another"})
    trail.change(digest.key, digest.stored, digest.metadata)
    detail = found(trail.check())[DIGEST, Status.FAILED, trail.uri(digest.key)]
    assert "does not list: another" in detail


def test_another_digest_of_cloudtrail_in_its_place_is_found(trail: Trail) -> None:
    """For example of a trail of somebody else's, whose digests CloudTrail signs as well."""
    other = trail.digests[1].but(files=())
    trail.change(other.key, other.stored, other.metadata)
    report = found(trail.check())
    detail = report[DIGEST, Status.FAILED, trail.uri(trail.digests[2].key)]
    assert "is not the one that it names" in detail


def test_a_moved_digest_is_found(trail: Trail) -> None:
    moved = trail.digests[1].but(start=trail.start + 5 * HOUR, end=trail.start + 6 * HOUR)
    trail.store(trail.digests[1], key=moved.key)
    finding = only(trail.check())
    assert (finding.claim, finding.subject) == (DIGEST, trail.uri(moved.key))
    assert "moved or copied" in finding.detail


def test_a_digest_outside_the_chain_is_found(trail: Trail) -> None:
    """CloudTrail signed it, but no other digest is of its time: such as one of the trail's namesake."""
    end = trail.digests[1].end + HOUR / 2
    extra = trail.digest(end - HOUR, end, previous=trail.digests[0])
    trail.store(extra)
    finding = only(trail.check())
    assert (finding.claim, finding.subject) == (DIGEST, trail.uri(extra.key))
    assert "outside the chain" in finding.detail


@of_any
def test_a_digest_of_another_trail_is_found(trail: Trail) -> None:
    other = trail.digest(trail.start, trail.start + HOUR, trail="another")
    trail.store(other)
    finding = only(trail.check())
    assert (finding.claim, finding.status) == (COMPLETE, Status.UNEXPECTED)
    assert finding.subject == trail.uri(other.key)


# What cannot be checked


def test_without_public_keys_nothing_is_said_of_digests(trail: Trail) -> None:
    class Refused:
        def find(self, region: str, fingerprint: str, about: datetime) -> bytes | None:
            raise CannotCheckError("CloudTrail does not list its public keys", "Ask.")

    report = trail.check(keys=Refused())
    assert report.exit_code == 3
    assert "The trail's digests were not checked: CloudTrail does not list" in report.unchecked[0]
    assert counts(report, DIGEST) == counts(report, COMPLETE) == (0, 0, 0, 0)


def test_a_refused_digest_makes_no_finding_of_what_it_names(trail: Trail) -> None:
    with refused(trail.world.s3, "GetObject", 403, "AccessDenied", key=trail.digests[1].key):
        report = trail.check()
    assert (report.exit_code, report.unchecked_count) == (3, 2)


def test_the_newest_digest_refused_makes_no_finding_of_the_end(trail: Trail) -> None:
    with refused(trail.world.s3, "GetObject", 403, "AccessDenied", key=trail.digests[3].key):
        report = trail.check(hours=6.5)
    assert report.findings == ()
    assert report.exit_code == 3


def test_a_digest_whose_stream_ends_early_is_read_again(trail: Trail) -> None:
    digest = trail.digests[1]
    cut = digest.stored[:-9]
    with given_by_s3(trail.world.s3, cut, len(digest.stored), "v", key=digest.key) as asked:
        report = trail.check()
    assert len(asked) == READ_ATTEMPTS
    assert (report.exit_code, report.findings) == (3, ())


def test_what_is_delivered_during_the_run_is_no_finding(trail: Trail) -> None:
    """A digest that comes after the digests were read may name log files that come after these were."""
    delivered: list[str] = []

    def deliver(stage: str, _done: int, _total: int | None) -> None:
        if stage == "trail files read" and not delivered:
            file = trail.deliver()
            delivered.append(file[0])
            trail.store(trail.next_digest(file))

    assert trail.check(progress=deliver).findings == ()
    assert delivered
    assert trail.check().exit_code == 0


def test_only_the_days_of_one_object_are_read(trail: Trail) -> None:
    """A digest that was removed on an earlier day is not looked for there."""
    version = trail.world.drop("incoming/a", b"x")
    day = timedelta(days=1)
    before = trail.digest(trail.start - day - HOUR, trail.start - day)
    yesterday = trail.digest(
        trail.start - day,
        trail.start,
        (("AWSLogs/1/CloudTrail/x/2020/01/01/a", b""),),
        before,
    )
    for digest in trail.digests:
        trail.remove(digest.key)
    chain = yesterday
    for digest in trail.digests:
        chain = digest.but(previous=chain)
        trail.store(chain)
    scope = S3Location(version.bucket, version.key, version.version_id)
    report = trail.check(hours=2, scope=scope)
    subjects = {subject for _, _, subject in found(report)}
    assert trail.uri(before.key) not in subjects
    assert not any("2020/01/01" in subject for subject in subjects)


def test_no_flipped_byte_stays_unnoticed(trail: Trail) -> None:
    stored = {
        **{digest.key: (digest.content, digest.metadata) for digest in trail.digests},
        **{key: (content, {}) for key, content in trail.log_files},
    }

    @settings(max_examples=60, deadline=None)
    @given(data=st.data())
    def flip(data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(stored)))
        content, metadata = bytearray(stored[key][0]), stored[key][1]
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= data.draw(st.integers(1, 255))
        trail.change(key, gzip.compress(bytes(content)), metadata)
        assert (DIGEST, Status.FAILED, trail.uri(key)) in found(trail.check())
        trail.change(key, gzip.compress(stored[key][0]), metadata)

    flip()
    assert trail.check().exit_code == 0
