"""Reconciliation: every version once, with the status that the four sources together give it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custody.evidence.erasure import Erasure
from custody.evidence.objects import ObjectVersion, S3Location
from custody.findings import Claim, Finding
from custody.ledger.ledger import Scope
from custody.ledger.story import Stored
from custody.times import format_time
from custody.verify.reconcile import ReconciledRow, ReconciledStatus, Reconciliation
from custody.verify.verify import open_verification
from tests.support.digests import Keys
from tests.support.evidence import Drop, World, log_file, refused, trail_record, worlds
from tests.support.sealed import SealedWorld, later

S = ReconciledStatus
ALL = Scope()


@pytest.fixture(scope="module")
def new_world() -> Iterator[Callable[[], World]]:
    with worlds() as new:
        yield new


@dataclass
class Lake:
    """A world, with a log or without."""

    world: World
    log: SealedWorld | None

    def drop(self, key: str, *, bucket: str | None = None, **event: Any) -> ObjectVersion:
        """An object with all evidence; ``event`` changes its event in the trail."""
        made = self.world.put(key, b"x", bucket)
        self.record(made)
        self.witness(made, **event)
        return made.version

    def record(self, drop: Drop) -> None:
        self.world.record(drop)
        if self.log is not None:
            self.log.seal([drop.version])

    def witness(self, drop: Drop, at: datetime | None = None, **changes: Any) -> None:
        self.world.witness(drop, eventTime=format_time((at or now()).replace(microsecond=0)), **changes)

    def destroy(self, version: ObjectVersion) -> None:
        """Delete a version."""
        self.world.s3.delete_object(Bucket=version.bucket, Key=version.key, VersionId=version.version_id)

    def destroy_receipt(self, version: ObjectVersion) -> None:
        self.destroy(self.world.receipt_of(version))


@pytest.fixture(params=["log", "no log"])
def lake(request: pytest.FixtureRequest, new_world: Callable[[], World]) -> Lake:
    world = new_world()
    return Lake(world, SealedWorld(world) if request.param == "log" else None)


@pytest.fixture
def sealed(new_world: Callable[[], World]) -> Lake:
    world = new_world()
    return Lake(world, SealedWorld(world))


@dataclass
class Found:
    rows: list[ReconciledRow]
    reconciliation: Reconciliation

    @property
    def only(self) -> ReconciledRow:
        (row,) = self.rows
        return row

    @property
    def statuses(self) -> dict[str, ReconciledStatus]:
        assert len({row.uri for row in self.rows}) == len(self.rows)
        return {row.uri: row.status for row in self.rows}


def now() -> datetime:
    return datetime.now(UTC)


def reconcile(lake: Lake, period: Scope = ALL, hours: float = 2, **options: Any) -> Found:
    at = later(hours)
    opened = open_verification(
        lake.world.s3,
        lake.world.deployment,
        digest_keys=Keys(),
        now=at,
        since=period.since,
        workers=4,
        **options,
    )
    with opened as (verification, index):
        report = verification.run()
        found = Reconciliation(index, report, lake.world.deployment, period, at)
        rows = list(found.rows())
        assert list(found.rows()) == rows
    assert found.counts.total() == len(rows)
    return Found(rows, found)


def general(found: Found) -> list[Finding]:
    """Without that a log to which nothing was sealed has no checkpoint."""
    return [each for each in found.reconciliation.general if "There is no checkpoint" not in each.detail]


def test_what_has_everything_is_verified_and_shows_the_four(lake: Lake) -> None:
    version = lake.drop("incoming/a")
    found = reconcile(lake)
    row = found.only
    assert (row.uri, row.status, row.exists) == (version.uri, S.VERIFIED, Stored.CURRENT)
    assert row.receipt_key == version.receipt_key
    assert row.sha256 == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    assert row.event_id is not None
    assert (row.event_name, row.time) == ("PutObject", row.event_time)
    assert row.leaf_index == (None if lake.log is None else 0)
    assert (row.deletion, row.details, row.repair) == (None, (), None)
    assert found.reconciliation.has_log is (lake.log is not None)
    assert found.reconciliation.exit_code == 0


def no_receipt(lake: Lake) -> Drop:
    drop = lake.world.put("incoming/a", b"x")
    lake.witness(drop)
    return drop


def no_event(lake: Lake) -> Drop:
    drop = lake.world.put("incoming/a", b"x")
    lake.record(drop)
    return drop


def nothing_but_itself(lake: Lake) -> Drop:
    return lake.world.put("incoming/a", b"x")


def other_bytes(lake: Lake) -> Drop:
    version = lake.drop("incoming/a")
    lake.world.tamper(version, b"y")
    return Drop(version, "")


def receipt_twice(lake: Lake) -> Drop:
    version = lake.drop("incoming/a")
    data = lake.world.read(lake.world.provenance, version.receipt_key)
    lake.world.s3.put_object(Bucket=lake.world.provenance, Key=version.receipt_key, Body=data)
    return Drop(version, "")


def receipt_hidden(lake: Lake) -> Drop:
    version = lake.drop("incoming/a")
    lake.world.s3.delete_object(Bucket=lake.world.provenance, Key=version.receipt_key)
    return Drop(version, "")


def request_of_another(lake: Lake) -> Drop:
    drop = lake.world.put("incoming/a", b"x")
    lake.record(drop)
    lake.witness(Drop(replace(drop.version, key="incoming/other", version_id="v"), drop.request_id))
    return drop


def gone(lake: Lake) -> Drop:
    version = lake.drop("incoming/a")
    lake.destroy(version)
    return Drop(version, "")


def only_an_event(lake: Lake) -> Drop:
    drop = no_receipt(lake)
    lake.destroy(drop.version)
    return drop


def deleted_receipt(lake: Lake) -> Drop:
    version = lake.drop("incoming/a")
    lake.destroy_receipt(version)
    return Drop(version, "")


def late(lake: Lake) -> Drop:
    return Drop(lake.drop("incoming/a", at=now() - timedelta(hours=3)), "")


@pytest.mark.parametrize(
    ("make", "young", "status", "exists"),
    [
        (no_receipt, S.PENDING, S.UNPROVENANCED, Stored.CURRENT),
        (no_event, S.PENDING, S.UNWITNESSED, Stored.CURRENT),
        (nothing_but_itself, S.PENDING, S.UNPROVENANCED, Stored.CURRENT),
        (other_bytes, S.MISMATCH, S.MISMATCH, Stored.CURRENT),
        (receipt_twice, S.MISMATCH, S.MISMATCH, Stored.CURRENT),
        (receipt_hidden, S.MISMATCH, S.MISMATCH, Stored.CURRENT),
        (request_of_another, S.MISMATCH, S.MISMATCH, Stored.CURRENT),
        (gone, S.DELETED, S.DELETED, Stored.GONE),
        (only_an_event, S.PENDING, S.DELETED, Stored.GONE),
        (late, S.LATE, S.LATE, Stored.CURRENT),
    ],
    ids=lambda value: value.__name__ if callable(value) and not isinstance(value, type) else str(value),
)
def test_each_status(
    lake: Lake, make: Callable[[Lake], Drop], young: S, status: S, exists: Stored | None
) -> None:
    uri = make(lake).version.uri
    assert reconcile(lake, hours=0).statuses[uri] is young
    found = reconcile(lake)
    row = next(row for row in found.rows if row.uri == uri)
    assert (row.status, row.exists) == (status, exists)
    assert row.details
    assert row.is_finding is (status is not S.LATE)
    assert found.reconciliation.exit_code == (1 if row.is_finding else 0)
    assert not general(found)
    may_be_recorded = make in (no_receipt, nothing_but_itself)
    assert row.repair == (f"custody record '{uri}'" if may_be_recorded else None)


def test_a_receipt_that_was_sealed_and_deleted_is_not_to_be_made_again(sealed: Lake) -> None:
    uri = deleted_receipt(sealed).version.uri
    row = reconcile(sealed).only
    assert (row.uri, row.status, row.receipt_key, row.repair) == (uri, S.UNPROVENANCED, None, None)
    assert row.leaf_index == 0
    assert any("sealed as leaf 0, and is gone" in detail for detail in row.details)


def test_what_only_the_log_has_is_deleted(sealed: Lake) -> None:
    version = sealed.drop("incoming/kept")
    drop = no_event(sealed)
    sealed.destroy_receipt(drop.version)
    sealed.destroy(drop.version)
    found = reconcile(sealed, Scope(until=now() - timedelta(days=1)))
    assert found.only.uri == drop.version.uri, "its time is unknown: it is in every period"
    assert (found.only.status, found.only.time, found.only.leaf_index) == (S.DELETED, None, 1)
    assert reconcile(sealed).statuses[version.uri] is S.VERIFIED


def test_a_receipt_that_is_not_sealed_is_repaired_by_the_sealer(sealed: Lake) -> None:
    sealed.drop("incoming/sealed")
    drop = sealed.world.put("incoming/unsealed", b"x")
    sealed.world.record(drop)
    sealed.witness(drop)
    assert reconcile(sealed, hours=0).statuses[drop.version.uri] is S.PENDING
    row = next(row for row in reconcile(sealed, hours=50).rows if row.uri == drop.version.uri)
    assert (row.status, row.leaf_index) == (S.UNPROVENANCED, None)
    assert row.repair is not None
    assert row.repair.startswith("custody doctor")


LONG = "incoming/" + "é" * 500
"""Its receipt's key does not say of which object it is: findings by the receipt name the receipt."""


def test_a_replaced_receipt_of_a_long_key_is_a_mismatch(sealed: Lake) -> None:
    version = sealed.drop(LONG)
    data = sealed.world.read(sealed.world.provenance, version.receipt_key)
    sealed.destroy_receipt(version)
    sealed.world.s3.put_object(Bucket=sealed.world.provenance, Key=version.receipt_key, Body=data)
    found = reconcile(sealed)
    assert (found.only.uri, found.only.status) == (version.uri, S.MISMATCH)
    assert any("it was replaced" in detail for detail in found.only.details)
    assert Claim.LOG_COMPLETE not in {finding.claim for finding in found.reconciliation.general}


def test_an_unsealed_receipt_of_a_long_key_is_unprovenanced(sealed: Lake) -> None:
    sealed.drop("incoming/sealed")
    drop = sealed.world.put(LONG, b"x")
    sealed.world.record(drop)
    sealed.witness(drop)
    assert reconcile(sealed, hours=50).statuses[drop.version.uri] is S.UNPROVENANCED


@pytest.mark.parametrize("make", [no_receipt, no_event], ids=lambda make: make.__name__)
def test_a_period_in_which_all_is_pending_does_not_hold(lake: Lake, make: Callable[[Lake], Drop]) -> None:
    lake.drop("incoming/before", at=now() - timedelta(minutes=20))
    make(lake)
    found = reconcile(lake, Scope(since=now() - timedelta(minutes=10)), hours=0)
    assert found.only.status is S.PENDING
    assert found.reconciliation.exit_code == 3
    assert reconcile(lake, hours=0).reconciliation.exit_code == 0


def test_a_newer_version_or_a_delete_marker_supersedes(lake: Lake) -> None:
    first, second = lake.drop("incoming/a"), lake.drop("incoming/a")
    hidden, other = lake.drop("incoming/b"), lake.drop("incoming/bb")
    lake.world.s3.delete_object(Bucket=lake.world.raw, Key="incoming/b")
    unproven = lake.world.put("incoming/c", b"x").version
    lake.drop("incoming/c")
    found = reconcile(lake)
    statuses = found.statuses
    assert statuses[first.uri] is statuses[hidden.uri] is S.SUPERSEDED
    assert statuses[second.uri] is statuses[other.uri] is S.VERIFIED
    assert statuses[unproven.uri] is S.UNPROVENANCED, "that it is superseded says less"
    stored = {row.uri: row.exists for row in found.rows}
    assert stored[first.uri] is stored[hidden.uri] is stored[unproven.uri] is Stored.EARLIER


def test_a_lawful_deletion_is_deleted_and_no_finding(lake: Lake) -> None:
    version = lake.drop("incoming/a")
    decision = Erasure("asked for", now(), (version,)).to_bytes()
    drop = lake.world.put("erasures/1.json", decision, lake.world.deployment.buckets["processed"])
    lake.record(drop)
    lake.witness(drop)
    lake.destroy(version)
    found = reconcile(lake)
    row = next(row for row in found.rows if row.uri == version.uri)
    assert (row.status, row.deletion, row.is_finding) == (S.DELETED, "erased", False)
    assert "asked for" in row.details[0]
    assert found.reconciliation.exit_code == 0


def test_events_that_name_no_version(lake: Lake) -> None:
    """One belongs to the receipt of its request; the other stands for itself."""
    drop = lake.world.put("incoming/a", b"x")
    lake.record(drop)
    lake.witness(drop, responseElements=None)
    lake.witness(Drop(replace(drop.version, key="incoming/b"), "REQX"), responseElements=None)
    found = reconcile(lake)
    assert found.statuses == {
        drop.version.uri: S.VERIFIED,
        f"s3://{lake.world.raw}/incoming/b": S.UNPROVENANCED,
    }
    unknown = found.rows[-1]
    assert (unknown.exists, unknown.receipt_key, unknown.repair) == (None, None, None)
    assert reconcile(lake, hours=0).statuses[unknown.uri] is S.PENDING


def test_an_event_of_another_object_with_the_request_of_a_receipt_stands_for_itself(lake: Lake) -> None:
    drop = lake.world.put("incoming/a", b"x")
    lake.record(drop)
    lake.witness(Drop(replace(drop.version, key="incoming/b"), drop.request_id), responseElements=None)
    assert reconcile(lake).statuses == {
        drop.version.uri: S.MISMATCH,
        f"s3://{lake.world.raw}/incoming/b": S.UNPROVENANCED,
    }


def test_an_event_told_twice_or_of_a_repeated_request_is_one_row(lake: Lake) -> None:
    drop = lake.world.put("incoming/a", b"x")
    lake.record(drop)
    at = now().replace(microsecond=0) - timedelta(minutes=1)
    records = [
        trail_record(drop.version, drop.request_id, event, eventTime=format_time(when))
        for event, when in (("b", at), ("a", at), ("b", at), ("0", at + timedelta(seconds=1)))
    ]
    lake.world.deliver(log_file(*records))
    lake.world.deliver(log_file(*records[:1]))
    row = reconcile(lake).only
    assert (row.status, row.event_id) == (S.VERIFIED, "a")


def test_an_event_that_is_told_late_makes_it_late(lake: Lake) -> None:
    days = 24 * 60
    lake.world.deployment = replace(lake.world.deployment, watermark_minutes=30 * days)
    lake.drop("incoming/a", at=now() - timedelta(days=3))
    row = reconcile(lake).only
    assert row.status is S.LATE
    assert row.details == ("The trail told of the write 3 days after it.",)


def test_a_period_has_its_start_and_not_its_end(lake: Lake) -> None:
    start = now().replace(microsecond=0) - timedelta(minutes=30)
    uris = [
        lake.drop(f"incoming/{minute}", at=start + timedelta(minutes=minute)).uri for minute in (0, 10, 20)
    ]
    everything = reconcile(lake)
    assert set(everything.statuses.values()) == {S.VERIFIED}
    minute = timedelta(minutes=1)
    for since, until, expected in (
        (start, start + 10 * minute, uris[:1]),
        (start + minute, None, uris[1:]),
        (start + 10 * minute, start + 20 * minute, uris[1:2]),
        (None, start + 20 * minute, uris[:2]),
        (start + 21 * minute, None, []),
    ):
        found = reconcile(lake, Scope(since, until))
        assert [row.uri for row in found.rows] == expected
        assert [row for row in everything.rows if row.uri in expected] == found.rows
        assert found.reconciliation.exit_code == (0 if expected else 3), "nothing compared is not: it holds"


def test_a_sample_says_of_which_rows_nothing_was_read(lake: Lake) -> None:
    lake.drop("incoming/a")
    found = reconcile(lake, sample=1e-9)
    assert (found.only.status, found.only.sha256) == (S.VERIFIED, None)
    assert found.only.recorded_at is not None


def test_a_finding_outside_of_the_period_is_none(lake: Lake) -> None:
    version = no_receipt(lake).version
    found = reconcile(lake, Scope(until=now() - timedelta(days=1)))
    assert (found.rows, general(found)) == ([], [])
    assert reconcile(lake, Scope(since=now() - timedelta(days=1))).only.uri == version.uri


def test_what_was_recorded_before_the_period_is_not_read_again(lake: Lake) -> None:
    lake.drop("incoming/a")
    since = now() + timedelta(hours=1)
    assert reconcile(lake, Scope(since=since)).reconciliation.report.receipts_read == 0
    assert reconcile(lake, Scope(since=now() - timedelta(hours=1))).reconciliation.report.receipts_read == 1


def test_a_prefix(lake: Lake) -> None:
    version = lake.drop("incoming/a/1")
    lake.drop("incoming/b/1")
    no_receipt(lake)
    scope = S3Location(lake.world.raw, "incoming/a/")
    assert reconcile(lake, scope=scope).statuses == {version.uri: S.VERIFIED}


def test_what_is_wrong_with_the_log_itself_is_general(sealed: Lake) -> None:
    sealed.drop("incoming/a")
    assert sealed.log is not None
    sealed.log.flip("log/checkpoint", len(sealed.log.read("log/checkpoint")) - 20)
    found = reconcile(sealed).reconciliation
    assert {finding.claim for finding in found.general} == {Claim.LOG_CHECKPOINT}
    assert found.exit_code == 1


def test_what_could_not_be_read_is_not_verified(lake: Lake) -> None:
    version = lake.drop("incoming/a")
    with refused(lake.world.s3, "GetObject", 403, "AccessDenied", key=version.receipt_key):
        found = reconcile(lake)
    assert found.only.status is S.PENDING
    assert found.only.sha256 is None
    assert found.reconciliation.exit_code == 3


def test_an_object_outside_of_the_recorded_prefixes_counts_with_its_receipt(lake: Lake) -> None:
    with_receipt = lake.drop("elsewhere/a")
    lake.witness(lake.world.put("elsewhere/b", b"x"))
    row = reconcile(lake).only
    assert (row.uri, row.status, row.exists) == (with_receipt.uri, S.VERIFIED, None)


def test_a_row_is_a_document(lake: Lake) -> None:
    lake.drop("incoming/a")
    row = reconcile(lake).only.to_dict()
    assert (row["status"], row["exists"], row["details"]) == ("verified", "current", [])
    assert row["time"].endswith("Z")


KEYS = ("incoming/a", "incoming/a/b.json", "incoming/größe 1+1?#%.csv", "incoming/" + "é" * 500)
VERSIONS = st.lists(
    st.tuples(st.sampled_from(KEYS), *(st.booleans() for _ in range(5))), min_size=1, max_size=6
)


@settings(max_examples=12, deadline=None)
@given(made=VERSIONS, has_log=st.booleans())
def test_every_version_of_the_four_sources_comes_once(
    new_world: Callable[[], World], made: list[tuple[str, bool, bool, bool, bool, bool]], has_log: bool
) -> None:
    world = new_world()
    lake = Lake(world, SealedWorld(world) if has_log else None)
    expected = set()
    unsealed = Lake(world, None)
    for key, is_recorded, is_witnessed, is_sealed, loses_object, loses_receipt in made:
        drop = world.put(key, b"x")
        if is_recorded:
            (lake if is_sealed else unsealed).record(drop)
        if is_witnessed:
            lake.witness(drop)
        if loses_object:
            lake.destroy(drop.version)
        if is_recorded and loses_receipt:
            lake.destroy_receipt(drop.version)
        has_receipt = is_recorded and not loses_receipt
        has_leaf = is_recorded and is_sealed and has_log
        if not loses_object or has_receipt or is_witnessed or has_leaf:
            expected.add(drop.version.uri)
    assert set(reconcile(lake).statuses) == expected


def test_what_lay_in_an_adopted_bucket_before_is_unwitnessed_and_no_finding(lake: Lake) -> None:
    bucket = lake.world.adopt("", now() + timedelta(minutes=1))
    older = lake.world.put("older", b"x", bucket)
    lake.record(older)
    found = reconcile(lake)
    assert (found.only.status, found.only.is_finding) == (S.UNWITNESSED, False)
    assert found.only.sha256 is not None
    lake.witness(older)
    assert reconcile(lake).only.status is S.VERIFIED
