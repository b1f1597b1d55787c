"""The ledger: one row per object version written, with its proof."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from custody.evidence.objects import ObjectVersion
from tests.sql.evidence import (
    ACCOUNT,
    ANALYTICS,
    ARTIFACTS,
    NOON,
    PROCESSED,
    PROVENANCE,
    RAW,
    RECORDER,
    assumed_role,
    backfill_of,
    complete_multipart,
    copy_object,
    denied,
    event,
    get_object,
    iam_user,
    put_object,
    receipt_of,
    sso_user,
    version_of,
    with_event,
)
from tests.sql.test_flattened import KEYS
from tests.sql.warehouse import Warehouse
from tests.support.plans import WATERMARK

ALL = "SELECT * FROM provenance_ledger ORDER BY event_time, bucket_name, object_key, version_id"
KEY = "incoming/customers.csv"


def outcome(row: dict[str, str | None]) -> tuple[str | None, str | None]:
    return row["status"], row["match_basis"]


def outcomes(warehouse: Warehouse) -> list[tuple[str | None, str | None]]:
    return [outcome(row) for row in warehouse.rows(ALL)]


def test_a_verified_write_in_columns(warehouse: Warehouse) -> None:
    write = put_object(RAW, KEY, identity=sso_user("grace@example.org"))
    receipt = receipt_of(write)
    warehouse.deliver(write)
    warehouse.record(receipt)

    assert warehouse.row(ALL) == {
        "event_date": "2026-03-10",
        "event_time": "2026-03-10 12:00:00.000",
        "event_name": "PutObject",
        "bucket_name": RAW,
        "object_key": KEY,
        "version_id": version_of(write),
        "sha256": receipt.sha256,
        "size_bytes": "25701",
        "layer": "bronze",
        "user_arn": write["userIdentity"]["arn"],
        "user_name": "grace@example.org",
        "principal_id": "AROADBQP57FF2AEXAMPLE:grace@example.org",
        "invoked_by": None,
        "source_ip": "192.0.2.10",
        "user_agent": "[aws-cli/2.31.0]",
        "request_id": write["requestID"],
        "recorded_at": "2026-03-10 12:00:02.000",
        "leaf_index": "0",
        "match_basis": "request_id",
        "status": "verified",
    }


def test_every_kind_of_write_is_verified(warehouse: Warehouse) -> None:
    writes = [
        put_object(RAW, KEY),
        event("PostObject", RAW, KEY, response={"x-amz-version-id": "EXAMPLE.post"}),
        copy_object(PROCESSED, "silver/a", f"{RAW}/{KEY}"),
        complete_multipart(ANALYTICS, "gold/a"),
    ]
    warehouse.deliver(*writes)
    warehouse.record(*map(receipt_of, writes))

    rows = warehouse.rows(ALL)

    assert {outcome(row) for row in rows} == {("verified", "request_id")}
    assert {row["event_name"] for row in rows} == {write["eventName"] for write in writes}


def test_any_key_is_verified(warehouse: Warehouse) -> None:
    writes = [put_object(RAW, key) for key in KEYS]
    warehouse.deliver(*writes)
    warehouse.record(*map(receipt_of, writes))

    assert outcomes(warehouse) == [("verified", "request_id")] * len(KEYS)


def test_what_was_recorded_later_is_matched_by_version_and_late(warehouse: Warehouse) -> None:
    write = put_object(RAW, KEY)
    warehouse.deliver(write)
    warehouse.record(backfill_of(write, after=timedelta(days=40)))

    assert outcomes(warehouse) == [("late", "version_id")]


def test_a_prompt_backfill_is_verified_by_version(warehouse: Warehouse) -> None:
    write = put_object(RAW, KEY)
    warehouse.deliver(write)
    warehouse.record(backfill_of(write, after=timedelta(minutes=30)))

    assert outcomes(warehouse) == [("verified", "version_id")]


@pytest.mark.parametrize(
    ("after", "status"), [(WATERMARK, "verified"), (WATERMARK + timedelta(milliseconds=1), "late")]
)
def test_the_watermark_is_the_limit(warehouse: Warehouse, after: timedelta, status: str) -> None:
    write = put_object(RAW, KEY)
    warehouse.deliver(write)
    warehouse.record(receipt_of(write, after=after))

    assert outcomes(warehouse) == [(status, "request_id")]


def test_a_write_without_a_receipt_is_unprovenanced(warehouse: Warehouse) -> None:
    warehouse.deliver(put_object(RAW, KEY))

    row = warehouse.row(ALL)

    assert outcome(row) == ("unprovenanced", "none")
    assert (row["sha256"], row["size_bytes"], row["recorded_at"]) == (None, None, None)


def test_a_young_write_without_a_receipt_is_pending(warehouse: Warehouse) -> None:
    now = datetime.now(UTC)
    warehouse.deliver(
        put_object(RAW, "incoming/young", now - WATERMARK + timedelta(minutes=5)),
        put_object(RAW, "incoming/old", now - WATERMARK - timedelta(minutes=5)),
        on=now.date(),
    )

    rows = {row["object_key"]: row["status"] for row in warehouse.rows(ALL)}

    assert rows == {"incoming/young": "pending", "incoming/old": "unprovenanced"}


def test_a_receipt_without_an_event_is_unwitnessed(warehouse: Warehouse) -> None:
    receipt = receipt_of(put_object(RAW, KEY))
    warehouse.record(receipt)

    row = warehouse.row(ALL)

    assert outcome(row) == ("unwitnessed", "none")
    assert row["event_date"] == "2026-03-10"
    assert row["event_time"] == "2026-03-10 12:00:00.412"
    assert (row["event_name"], row["layer"]) == ("ObjectCreated:Put", "bronze")
    assert (row["version_id"], row["sha256"]) == (receipt.version.version_id, receipt.sha256)
    assert (row["request_id"], row["source_ip"]) == (receipt.event.request_id, "192.0.2.10")
    assert row["principal_id"] == "AWS:AIDACKCEVSQ6C2EXAMPLE"
    assert (row["user_arn"], row["user_name"], row["invoked_by"], row["user_agent"]) == (None,) * 4


def test_a_young_receipt_without_an_event_is_pending(warehouse: Warehouse) -> None:
    now = datetime.now(UTC)
    warehouse.record(
        receipt_of(put_object(RAW, "incoming/young", now - WATERMARK + timedelta(minutes=5))),
        receipt_of(put_object(RAW, "incoming/old", now - WATERMARK - timedelta(minutes=5))),
    )

    rows = {row["object_key"]: row["status"] for row in warehouse.rows(ALL)}

    assert rows == {"incoming/young": "pending", "incoming/old": "unwitnessed"}


def test_a_late_receipt_of_an_old_unseen_write_is_not_pending(warehouse: Warehouse) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    warehouse.record(backfill_of(put_object(RAW, KEY), after=now - NOON))

    assert outcomes(warehouse) == [("unwitnessed", "none")]


@pytest.mark.parametrize(
    ("bucket", "key", "layer"),
    [
        (RAW, "elsewhere/a.csv", "bronze"),
        (RAW, "incoming", "bronze"),
        (PROVENANCE, "keys/registry.json", "provenance"),
    ],
)
def test_a_write_where_nothing_is_recorded_is_untracked(
    warehouse: Warehouse, bucket: str, key: str, layer: str
) -> None:
    warehouse.deliver(put_object(bucket, key))

    row = warehouse.row(ALL)

    assert outcome(row) == ("untracked", "none")
    assert row["layer"] == layer


def test_a_receipt_out_of_place_is_untracked_with_its_proof_beside_it(warehouse: Warehouse) -> None:
    write = put_object(RAW, "elsewhere/a.csv")
    receipt = receipt_of(write)
    warehouse.deliver(write)
    warehouse.record(receipt)

    row = warehouse.row(ALL)

    assert outcome(row) == ("untracked", "request_id")
    assert row["sha256"] == receipt.sha256


def test_a_forged_receipt_is_a_write_and_the_recorders_own_are_not(warehouse: Warehouse) -> None:
    warehouse.deliver(
        put_object(PROVENANCE, "provenance/own.json", identity=RECORDER),
        put_object(PROVENANCE, "provenance/forged.json", identity=iam_user("mallory")),
    )

    row = warehouse.row(ALL)

    assert (row["object_key"], row["status"]) == ("provenance/forged.json", "untracked")


@pytest.mark.parametrize(
    ("changes", "basis"),
    [
        ({"request_id": "FFFFFFFFFFFFFFFF"}, "version_id"),
        ({"version": ObjectVersion(RAW, KEY, "EXAMPLE.other")}, "request_id"),
    ],
    ids=["request-id", "version"],
)
def test_a_contradiction_is_a_mismatch(warehouse: Warehouse, changes: dict[str, object], basis: str) -> None:
    write = put_object(RAW, KEY)
    warehouse.deliver(write)
    warehouse.record(with_event(receipt_of(write), **changes))

    row = warehouse.row(ALL)

    assert outcome(row) == ("mismatch", basis)
    assert row["version_id"] == version_of(write)
    assert row["request_id"] == write["requestID"]


@pytest.mark.parametrize(
    "version", [ObjectVersion(PROCESSED, KEY, "v"), ObjectVersion(RAW, "incoming/other", "v")]
)
def test_a_receipt_of_another_object_proves_nothing(warehouse: Warehouse, version: ObjectVersion) -> None:
    write = put_object(RAW, KEY)
    warehouse.deliver(write)
    warehouse.record(with_event(receipt_of(write), version=version))

    assert sorted(outcomes(warehouse)) == [("unprovenanced", "none"), ("unwitnessed", "none")]


def test_without_identifiers_key_and_time_are_a_guess_and_no_proof(warehouse: Warehouse) -> None:
    write = put_object(RAW, KEY, version=None)
    receipt = backfill_of(put_object(RAW, KEY, NOON + timedelta(minutes=3)), after=timedelta(minutes=1))
    warehouse.deliver(write)
    warehouse.record(receipt)

    row = warehouse.row(ALL)

    assert outcome(row) == ("mismatch", "key_time")
    assert (row["version_id"], row["sha256"]) == (receipt.version.version_id, receipt.sha256)


def test_an_event_without_a_version_is_still_verified_by_its_request(warehouse: Warehouse) -> None:
    write = put_object(RAW, KEY)
    receipt = receipt_of(write)
    del write["responseElements"]["x-amz-version-id"]
    warehouse.deliver(write)
    warehouse.record(receipt)

    row = warehouse.row(ALL)

    assert outcome(row) == ("verified", "request_id")
    assert row["version_id"] == receipt.version.version_id


@pytest.mark.parametrize("apart", [timedelta(minutes=5, seconds=1), -timedelta(minutes=5, seconds=1)])
def test_a_guess_goes_no_further_than_five_minutes(warehouse: Warehouse, apart: timedelta) -> None:
    warehouse.deliver(put_object(RAW, KEY, version=None))
    warehouse.record(backfill_of(put_object(RAW, KEY, NOON + apart), after=timedelta(minutes=1)))

    assert sorted(outcomes(warehouse)) == [("unprovenanced", "none"), ("unwitnessed", "none")]


def test_a_guess_is_not_made_against_another_request(warehouse: Warehouse) -> None:
    warehouse.deliver(put_object(RAW, KEY, version=None))
    warehouse.record(receipt_of(put_object(RAW, KEY)))

    assert sorted(outcomes(warehouse)) == [("unprovenanced", "none"), ("unwitnessed", "none")]


def test_a_guess_is_not_made_against_another_version(warehouse: Warehouse) -> None:
    warehouse.deliver(put_object(RAW, KEY))
    warehouse.record(backfill_of(put_object(RAW, KEY), after=timedelta(minutes=1)))

    assert sorted(outcomes(warehouse)) == [("unprovenanced", "none"), ("unwitnessed", "none")]


def test_guesses_are_one_to_one_and_the_nearest(warehouse: Warehouse) -> None:
    early, late = (put_object(RAW, KEY, NOON + timedelta(minutes=m), version=None) for m in (0, 4))
    near = backfill_of(put_object(RAW, KEY, NOON + timedelta(minutes=3)), after=timedelta(minutes=1))
    warehouse.deliver(early, late)
    warehouse.record(near)

    assert outcomes(warehouse) == [("unprovenanced", "none"), ("mismatch", "key_time")]

    far = backfill_of(put_object(RAW, KEY, NOON + timedelta(minutes=1)), after=timedelta(minutes=1))
    warehouse.record(far)

    rows = warehouse.rows(ALL)
    assert [outcome(row) for row in rows] == [("mismatch", "key_time")] * 2
    assert [row["sha256"] for row in rows] == [far.sha256, near.sha256]


def test_a_proof_goes_before_a_guess(warehouse: Warehouse) -> None:
    proven, guessed = put_object(RAW, KEY), put_object(RAW, KEY, version=None)
    warehouse.deliver(proven, guessed)
    warehouse.record(backfill_of(proven, after=timedelta(minutes=1)))

    assert sorted(outcomes(warehouse)) == [("unprovenanced", "none"), ("verified", "version_id")]


def test_a_write_takes_its_proof_and_not_a_nearer_guess(warehouse: Warehouse) -> None:
    write = put_object(RAW, KEY)
    proof, nearer = receipt_of(write), backfill_of(put_object(RAW, KEY), after=timedelta(minutes=1))
    del write["responseElements"]["x-amz-version-id"]
    warehouse.deliver(write)
    warehouse.record(proof, nearer)

    assert sorted(outcomes(warehouse)) == [("unwitnessed", "none"), ("verified", "request_id")]


def test_a_suspended_buckets_null_version_has_one_receipt_for_one_write(warehouse: Warehouse) -> None:
    """Writes of the version "null" overwrite each other: the receipt is the first one's."""
    first = put_object(RAW, KEY, version="null")
    second = put_object(RAW, KEY, NOON + timedelta(minutes=1), version="null")
    warehouse.deliver(first, second)
    warehouse.record(receipt_of(first))

    assert outcomes(warehouse) == [("verified", "request_id"), ("unprovenanced", "none")]


def test_every_version_of_an_overwritten_object_has_its_own_proof(warehouse: Warehouse) -> None:
    writes = [put_object(RAW, KEY, NOON + timedelta(seconds=s)) for s in range(20)]
    warehouse.deliver(*writes)
    warehouse.record(*map(receipt_of, reversed(writes)))

    rows = warehouse.rows(ALL)

    assert [row["version_id"] for row in rows] == [version_of(write) for write in writes]
    assert [row["sha256"] for row in rows] == [receipt_of(write).sha256 for write in writes]
    assert {outcome(row) for row in rows} == {("verified", "request_id")}


def test_two_receipts_for_one_write_are_a_proof_and_a_finding(warehouse: Warehouse) -> None:
    write = put_object(RAW, KEY)
    receipt = receipt_of(write)
    other = with_event(receipt, version=ObjectVersion(RAW, KEY, "EXAMPLE.other"), request_id=None)
    warehouse.deliver(write)
    warehouse.record(receipt, other)

    assert sorted(outcomes(warehouse)) == [("unwitnessed", "none"), ("verified", "request_id")]


def test_reads_deletions_refusals_and_other_buckets_are_no_rows(warehouse: Warehouse) -> None:
    warehouse.deliver(
        get_object(RAW, KEY),
        event("DeleteObject", RAW, KEY, response={"x-amz-version-id": "EXAMPLE.marker"}),
        event("CreateMultipartUpload", RAW, KEY),
        event("PutObjectTagging", RAW, KEY),
        denied(put_object(RAW, KEY)),
        put_object(ARTIFACTS, "functions/recorder.zip"),
    )

    assert warehouse.rows(ALL) == []


def test_an_event_delivered_again_on_the_next_day_is_one_row(warehouse: Warehouse) -> None:
    write = put_object(RAW, KEY, NOON.replace(hour=23, minute=58))
    warehouse.deliver(write, write)
    warehouse.deliver(write, on=date(2026, 3, 11))
    warehouse.deliver(write, on=date(2026, 3, 12))
    warehouse.record(receipt_of(write))

    assert outcomes(warehouse) == [("verified", "request_id")]
    for day, count in (("2026-03-10", 1), ("2026-03-11", 0), ("2026-03-12", 0)):
        rows = warehouse.rows(f"SELECT * FROM provenance_ledger WHERE event_date = DATE '{day}'")
        assert len(rows) == count, day


def test_an_event_delivered_after_midnight_is_of_the_day_of_delivery(warehouse: Warehouse) -> None:
    write = put_object(RAW, KEY, NOON.replace(hour=23, minute=59, second=50))
    warehouse.deliver(write, on=date(2026, 3, 11))
    warehouse.record(receipt_of(write))

    row = warehouse.row(ALL)

    assert (row["event_date"], row["event_time"]) == ("2026-03-11", "2026-03-10 23:59:50.000")
    assert outcome(row) == ("verified", "request_id")
    assert warehouse.rows("SELECT * FROM provenance_ledger WHERE event_date = DATE '2026-03-10'") == []


DELIVERIES = [(0,), (1,), (2,), (0, 0), (0, 1), (0, 2), (1, 2), (0, 1, 2), (0, 3), (0, 2, 30)]
"""On which days after a write the trail delivers it."""


@pytest.mark.parametrize("at", [NOON.replace(hour=0), NOON.replace(hour=23, minute=59, second=59)])
def test_one_write_is_one_row_whenever_it_is_delivered(warehouse: Warehouse, at: datetime) -> None:
    for days in DELIVERIES:
        write = put_object(RAW, f"incoming/{days}", at)
        warehouse.record(receipt_of(write))
        for day in days:
            warehouse.deliver(write, on=at.date() + timedelta(days=day))

    rows = [(row["object_key"], *outcome(row), row["event_date"]) for row in warehouse.rows(ALL)]

    assert sorted(rows) == sorted(
        [
            (
                f"incoming/{days}",
                "verified",
                "request_id",
                str(at.date() + timedelta(days=min(days[0], 1))),
            )
            for days in DELIVERIES
        ]
        + [
            (f"incoming/{days}", "late", "none", str(at.date() + timedelta(days=day)))
            for days in DELIVERIES
            for day in days
            if day > 2
        ]
    )


def test_an_unproven_write_is_one_row_whenever_it_is_delivered(warehouse: Warehouse) -> None:
    soon = [days for days in DELIVERIES if max(days) <= 2]
    for days in soon:
        write = put_object(RAW, f"incoming/{days}")
        for day in days:
            warehouse.deliver(write, on=NOON.date() + timedelta(days=day))

    assert outcomes(warehouse) == [("unprovenanced", "none")] * len(soon)


def test_what_comes_days_late_is_a_row_of_its_own_and_late(warehouse: Warehouse) -> None:
    """The limit that the view's header states."""
    proven, unproven, forged = (put_object(RAW, f"incoming/{n}") for n in range(3))
    warehouse.record(receipt_of(proven), receipt_of(forged))
    forged |= {"sourceIPAddress": "198.51.100.7"}
    warehouse.deliver(proven, unproven, forged, on=date(2026, 3, 13))

    rows = warehouse.rows(
        "SELECT event_date, object_key, status FROM provenance_ledger ORDER BY event_date, object_key"
    )

    assert [tuple(row.values()) for row in rows] == [
        ("2026-03-10", "incoming/0", "unwitnessed"),
        ("2026-03-10", "incoming/2", "unwitnessed"),
        ("2026-03-13", "incoming/0", "late"),
        ("2026-03-13", "incoming/1", "late"),
        ("2026-03-13", "incoming/2", "late"),
    ]


def test_who_it_was_through_a_service(warehouse: Warehouse) -> None:
    identity = assumed_role("loader", "job-7") | {"invokedBy": "glue.amazonaws.com"}
    write = put_object(PROCESSED, "silver/a", identity=identity)
    warehouse.deliver(write)
    warehouse.record(receipt_of(write))

    row = warehouse.row(ALL)

    assert (row["user_name"], row["invoked_by"]) == ("loader", "glue.amazonaws.com")
    assert row["user_arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/loader/job-7"


def test_a_deleted_receipt_leaves_the_write_unprovenanced(warehouse: Warehouse) -> None:
    write = put_object(RAW, KEY)
    receipt = receipt_of(write)
    warehouse.deliver(write)
    warehouse.record(receipt)
    del warehouse.store.objects[PROVENANCE, receipt.version.receipt_key]

    assert outcomes(warehouse) == [("unprovenanced", "none")]


@pytest.mark.parametrize("day", ["2026-03-09", "2026-03-10", "2026-03-11", "2026-03-12"])
def test_a_day_asked_for_is_that_day_of_the_whole(warehouse: Warehouse, day: str) -> None:
    """A filter on event_date changes no row, on whichever side of it the evidence is."""
    for offset in range(-30, 31, 6):
        at = NOON.replace(hour=0) + timedelta(days=offset // 24, hours=offset % 24)
        proven, unproven, unseen, again = (put_object(RAW, f"incoming/{n}", at) for n in range(4))
        late = put_object(RAW, "incoming/4", at)
        warehouse.deliver(proven, unproven, again)
        warehouse.deliver(late, again, on=at.date() + timedelta(days=1))
        warehouse.record(
            *map(receipt_of, (proven, unseen, again)), backfill_of(late, after=timedelta(days=2))
        )

    whole = warehouse.rows(ALL)

    assert len(whole) == 5 * 11
    assert warehouse.rows(ALL.replace("ledger ", f"ledger WHERE event_date = DATE '{day}' ")) == [
        row for row in whole if row["event_date"] == day
    ]
