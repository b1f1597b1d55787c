"""A mismatch: trail and signed receipt contradict each other about one write, and in which fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from custody.evidence.receipt import Receipt
from scripts.local_aws.athena.planned import PlannedTable
from tests.sql.conftest import DATABASE
from tests.sql.evidence import (
    ACCOUNT,
    NOON,
    RAW,
    Record,
    assumed_role,
    backfill_of,
    complete_multipart,
    copy_object,
    event,
    iam_user,
    put_object,
    receipt_of,
    service,
    sso_user,
    version_of,
    with_event,
)
from tests.sql.warehouse import Warehouse
from tests.support.plans import WATERMARK

KEY = "incoming/customers.csv"
SIDES = "SELECT status, contradicts, match_basis FROM ledger_evidence"
ADA = "AWS:AIDACKCEVSQ6C2EXAMPLE"
MALLORY = "AIDAMALLORYMALLORY00"
ROLE = "AROADBQP57FF2AEXAMPLE"
SECOND = timedelta(seconds=1)


def judged(warehouse: Warehouse, write: Record, receipt: Receipt) -> tuple[str | None, str | None]:
    warehouse.deliver(write)
    warehouse.record(receipt)
    row = warehouse.row(SIDES)
    return row["status"], row["contradicts"]


def by(identity: Record) -> Record:
    return put_object(RAW, KEY, identity=identity)


def sized(came_in: object, **options: Any) -> Record:
    return put_object(RAW, KEY, extra={"bytesTransferredIn": came_in}, **options)


ROOT = {"type": "Root", "principalId": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:root", "accountId": ACCOUNT}
FEDERATED = {
    "type": "FederatedUser",
    "principalId": f"{ACCOUNT}:jo",
    "arn": f"arn:aws:sts::{ACCOUNT}:federated-user/jo",
    "accountId": ACCOUNT,
}
FOREIGN = {"type": "AWSAccount", "principalId": "AIDAFOREIGNFOREIGN00", "accountId": "999999999999"}
ANONYMOUS = {"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"}

Change = Callable[[Receipt], Receipt]


def event_says(**changes: object) -> Change:
    return lambda receipt: with_event(receipt, **changes)


def says(**changes: object) -> Change:
    return lambda receipt: replace(receipt, **changes)  # type: ignore[arg-type]


CONTRADICTIONS: dict[str, tuple[Record, Change, str]] = {
    "another user": (by(iam_user("ada")), event_says(principal_id=f"AWS:{MALLORY}"), "principal_id"),
    "another role": (
        by(assumed_role("loader", "job")),
        event_says(principal_id="AWS:AROAOTHEROTHEROTHER0:job"),
        "principal_id",
    ),
    "another session": (
        by(sso_user("grace@example.org")),
        event_says(principal_id=f"AWS:{ROLE}:mallory@example.org"),
        "principal_id",
    ),
    "a session renamed in the ARN alone": (
        by(sso_user("grace@example.org") | {"arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/people/mallory"}),
        event_says(),
        "principal_id",
    ),
    "a user instead of a role": (
        by(iam_user("ada")),
        event_says(principal_id=f"AWS:{ROLE}:job"),
        "principal_id",
    ),
    "a user instead of nobody": (by(iam_user("ada")), event_says(principal_id="Anonymous"), "principal_id"),
    "nobody instead of a user": (by(ANONYMOUS), event_says(principal_id=ADA), "principal_id"),
    "root instead of a user": (by(ROOT), event_says(principal_id=ADA), "principal_id"),
    "another federated user": (by(FEDERATED), event_says(principal_id=f"AWS:{ACCOUNT}:mal"), "principal_id"),
    "another foreigner": (by(FOREIGN), event_says(principal_id=f"AWS:{MALLORY}"), "principal_id"),
    "another address": (put_object(RAW, KEY), event_says(source_ip="198.51.100.7"), "source_ip"),
    "another IPv6 address": (
        put_object(RAW, KEY, sourceIPAddress="2001:db8::1"),
        event_says(source_ip="2001:db8::2"),
        "source_ip",
    ),
    "another kind of address": (
        put_object(RAW, KEY),
        event_says(source_ip="2001:db8::2"),
        "source_ip",
    ),
    "a copy that was put": (
        put_object(RAW, KEY),
        event_says(name="ObjectCreated:Copy"),
        "event_name",
    ),
    "a put that was copied": (
        copy_object(RAW, KEY, f"{RAW}/a"),
        event_says(name="ObjectCreated:Put"),
        "event_name",
    ),
    "parts that were put": (complete_multipart(RAW, KEY), event_says(name="ObjectCreated:Put"), "event_name"),
    "a form that was put": (
        event("PostObject", RAW, KEY, response={"x-amz-version-id": "EXAMPLE.form"}),
        event_says(name="ObjectCreated:Put"),
        "event_name",
    ),
    "a byte too few": (put_object(RAW, KEY), says(size_bytes=25702), "size_bytes"),
    "many too few": (put_object(RAW, KEY), says(size_bytes=5 * 2**40), "size_bytes"),
    "too many": (put_object(RAW, KEY), says(size_bytes=11), "size_bytes"),
    "nothing of many": (put_object(RAW, KEY), says(size_bytes=0), "size_bytes"),
    "a form too small": (
        event(
            "PostObject",
            RAW,
            KEY,
            response={"x-amz-version-id": "EXAMPLE.small"},
            extra={"bytesTransferredIn": 10},
        ),
        says(size_bytes=11),
        "size_bytes",
    ),
    "notified hours later": (
        put_object(RAW, KEY),
        lambda receipt: with_event(
            replace(receipt, recorded_at=NOON + timedelta(hours=3)), time=NOON + timedelta(hours=3)
        ),
        "event_time",
    ),
    "notified hours before": (
        put_object(RAW, KEY),
        event_says(time=NOON - timedelta(hours=3)),
        "event_time",
    ),
    "modified after the write": (
        put_object(RAW, KEY),
        says(last_modified=NOON + timedelta(hours=1), recorded_at=NOON + timedelta(hours=1, minutes=1)),
        "event_time",
    ),
    "modified days before the write": (
        put_object(RAW, KEY),
        says(last_modified=NOON - timedelta(days=2)),
        "event_time",
    ),
    "recorded a minute before the write": (
        put_object(RAW, KEY),
        says(recorded_at=NOON - timedelta(minutes=1)),
        "recorded_at",
    ),
    "recorded seconds before the write": (
        put_object(RAW, KEY),
        says(recorded_at=NOON - 2 * SECOND),
        "recorded_at",
    ),
    "recorded in the future": (
        put_object(RAW, KEY),
        says(recorded_at=datetime(2999, 1, 1, tzinfo=UTC)),
        "recorded_at",
    ),
}


AGREEMENTS: dict[str, tuple[Record, Change]] = {
    "a user": (by(iam_user("ada")), event_says(principal_id=ADA)),
    "a user without the prefix": (by(iam_user("ada")), event_says(principal_id=ADA.removeprefix("AWS:"))),
    "a person": (by(sso_user("grace@example.org")), event_says()),
    "a job": (by(assumed_role("loader", "job-7") | {"invokedBy": "glue.amazonaws.com"}), event_says()),
    "root, by its customer id": (by(ROOT), event_says(principal_id="A3NL1KOZZKEXAMPLE")),
    "root, by its account": (by(ROOT), event_says(principal_id=f"AWS:{ACCOUNT}")),
    "a federated user": (by(FEDERATED), event_says(principal_id=f"AWS:{ACCOUNT}:jo")),
    "a foreigner": (by(FOREIGN), event_says(principal_id="AWS:AIDAFOREIGNFOREIGN00")),
    "nobody": (by(ANONYMOUS), event_says(principal_id="Anonymous")),
    "a service, which has no principal": (
        by(service("delivery.logs.amazonaws.com")),
        event_says(principal_id=f"AWS:{ROLE}:x"),
    ),
    "no principal in the receipt": (put_object(RAW, KEY), event_says(principal_id=None)),
    "an empty principal in the receipt": (put_object(RAW, KEY), event_says(principal_id="")),
    "no address in the receipt": (put_object(RAW, KEY), event_says(source_ip=None)),
    "a service's name for an address": (
        put_object(RAW, KEY, sourceIPAddress="s3.amazonaws.com"),
        event_says(source_ip="192.0.2.10"),
    ),
    "AWS for an address": (
        put_object(RAW, KEY, sourceIPAddress="AWS Internal"),
        event_says(source_ip="10.1.2.3"),
    ),
    "through a VPC endpoint": (
        put_object(RAW, KEY, sourceIPAddress="10.0.1.5", vpcEndpointId="vpce-0123456789abcdef0"),
        event_says(source_ip="192.0.2.77"),
    ),
    "an address in other letters": (
        put_object(RAW, KEY, sourceIPAddress="2001:DB8::A"),
        event_says(source_ip="2001:db8::a"),
    ),
    "an address written long": (
        put_object(RAW, KEY, sourceIPAddress="2001:db8::a:0:1"),
        event_says(source_ip="2001:0db8:0000:0000:0000:000a:0000:0001"),
    ),
    "an address of IPv4 within IPv6": (
        put_object(RAW, KEY),
        event_says(source_ip="::ffff:192.0.2.10"),
    ),
    "a kind of write that is not known yet": (
        put_object(RAW, KEY),
        event_says(name="ObjectCreated:Renamed"),
    ),
    "a size without a fraction": (sized(11), says(size_bytes=11)),
    "a size as text": (sized("11"), says(size_bytes=11)),
    "an empty object": (sized(0), says(size_bytes=0)),
    "no size in the trail": (sized(None), says(size_bytes=11)),
    "no number in the trail": (sized("many"), says(size_bytes=11)),
    "a size no number holds": (sized(1e300), says(size_bytes=11)),
    "a small object sent in signed chunks": (sized(11 + 350), says(size_bytes=11)),
    "a large object sent in signed chunks of 8 KiB": (
        sized(2**30 + 2**17 * 93 + 300),
        says(size_bytes=2**30),
    ),
    "a copy, of which nothing came in": (
        copy_object(RAW, KEY, f"{RAW}/a", extra={"bytesTransferredIn": 0}),
        says(size_bytes=9),
    ),
    "parts, of which a list came in": (
        complete_multipart(RAW, KEY, extra={"bytesTransferredIn": 640}),
        says(size_bytes=5 * 2**40),
    ),
    "a form, of which more came in": (
        event(
            "PostObject",
            RAW,
            KEY,
            response={"x-amz-version-id": "EXAMPLE.more"},
            extra={"bytesTransferredIn": 9_999},
        ),
        says(size_bytes=11),
    ),
    "clocks that differ by minutes": (
        put_object(RAW, KEY),
        lambda receipt: with_event(
            replace(receipt, recorded_at=NOON + timedelta(minutes=5)), time=NOON + timedelta(minutes=4)
        ),
    ),
    "parts that took days": (complete_multipart(RAW, KEY), says(last_modified=NOON - timedelta(days=6))),
}


Judgements = dict[str | None, tuple[str | None, str | None]]


@pytest.fixture(scope="module")
def judgements(planned_tables: dict[str, PlannedTable]) -> Judgements:
    """The ledger's result for all of these, each a separate write, by the name of the case."""
    warehouse = Warehouse(planned_tables.values(), DATABASE)
    cases = [(name, *case[:2]) for group in (CONTRADICTIONS, AGREEMENTS) for name, case in group.items()]
    for name, write, change in cases:
        placed = write | {"requestParameters": write["requestParameters"] | {"key": f"incoming/{name}"}}
        warehouse.deliver(placed)
        warehouse.record(change(receipt_of(placed)))
    rows = warehouse.rows("SELECT object_key, status, contradicts FROM ledger_evidence")
    assert len(rows) == len(cases)
    return {
        str(row["object_key"]).removeprefix("incoming/"): (row["status"], row["contradicts"]) for row in rows
    }


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_contradiction_is_a_mismatch_that_says_in_what(judgements: Judgements, name: str) -> None:
    assert judgements[name] == ("mismatch", CONTRADICTIONS[name][2])


@pytest.mark.parametrize("name", AGREEMENTS)
def test_what_only_looks_different_is_verified(judgements: Judgements, name: str) -> None:
    assert judgements[name] == ("verified", "")


def test_every_contradiction_is_named(warehouse: Warehouse) -> None:
    write = put_object(RAW, KEY)
    receipt = with_event(receipt_of(write), principal_id=f"AWS:{MALLORY}", source_ip="198.51.100.7")

    assert judged(warehouse, write, receipt) == ("mismatch", "principal_id, source_ip")


def test_a_backfilled_receipt_names_nobody_and_contradicts_nobody(warehouse: Warehouse) -> None:
    write = put_object(RAW, KEY)

    assert judged(warehouse, write, backfill_of(write, after=timedelta(minutes=3))) == ("verified", "")


def test_a_backfill_asked_for_by_a_fast_clock_is_no_contradiction(warehouse: Warehouse) -> None:
    write = put_object(RAW, KEY)
    receipt = with_event(backfill_of(write, after=timedelta(minutes=3)), time=NOON + timedelta(minutes=20))

    assert judged(warehouse, write, receipt) == ("verified", "")


def test_the_trails_time_is_held_against_a_backfilled_receipt_too(warehouse: Warehouse) -> None:
    write = put_object(RAW, KEY)
    receipt = backfill_of(write, after=timedelta(days=9))
    warehouse.deliver(write | {"eventTime": "2026-03-12T12:00:00Z"})
    warehouse.record(receipt)

    rows = warehouse.rows("SELECT event_date, status, contradicts FROM ledger_evidence ORDER BY event_date")

    assert [tuple(row.values()) for row in rows] == [
        ("2026-03-10", "unwitnessed", ""),
        ("2026-03-12", "mismatch", "event_time"),
    ]


def test_a_receipt_of_another_day_is_not_that_of_the_write(warehouse: Warehouse) -> None:
    """Neither side is verified, though the ledger does not see that they belong together."""
    write = put_object(RAW, KEY)
    warehouse.deliver(write | {"eventTime": "2026-03-14T12:00:00Z"})
    warehouse.record(backfill_of(write, after=timedelta(days=9)))

    rows = warehouse.rows("SELECT event_date, status FROM ledger_evidence ORDER BY event_date")

    assert [tuple(row.values()) for row in rows] == [
        ("2026-03-10", "unwitnessed"),
        ("2026-03-14", "unprovenanced"),
    ]


def test_a_record_rewritten_in_the_log_is_seen(warehouse: Warehouse) -> None:
    """Its file is digested, or not: no digest is read. The receipt is signed."""
    write = by(assumed_role("loader", "job-7"))
    receipt = receipt_of(write)
    write |= {"userIdentity": iam_user("ada"), "sourceIPAddress": "198.51.100.7"}

    assert judged(warehouse, write, receipt) == ("mismatch", "principal_id, source_ip")


def test_a_record_added_beside_the_true_one_hides_nothing(warehouse: Warehouse) -> None:
    write = put_object(RAW, KEY)
    forged = write | {"userIdentity": iam_user("mallory"), "eventTime": "2026-03-10T11:59:59Z"}
    warehouse.deliver(write)
    warehouse.deliver(forged)
    warehouse.record(receipt_of(write))

    rows = warehouse.rows("SELECT user_name, status, contradicts FROM ledger_evidence ORDER BY user_name")

    assert [tuple(row.values()) for row in rows] == [
        ("ada", "mismatch", "trail"),
        ("mallory", "mismatch", "trail"),
    ]


def test_a_record_with_the_event_id_of_another_hides_nothing(warehouse: Warehouse) -> None:
    write = put_object(RAW, KEY)
    warehouse.deliver(put_object(RAW, "incoming/decoy", NOON - SECOND, eventID=write["eventID"]), write)
    warehouse.record(receipt_of(write))

    rows = warehouse.rows("SELECT object_key, status FROM provenance_ledger ORDER BY object_key")

    assert [tuple(row.values()) for row in rows] == [
        (KEY, "verified"),
        ("incoming/decoy", "unprovenanced"),
    ]


def addendum_to(record: Record, **changes: Any) -> Record:
    """CloudTrail's second record of an event (user guide, "CloudTrail record contents", ``addendum``)."""
    return (
        record
        | {
            "eventID": "00000000-0000-4000-8000-000000000055",
            "requestID": "PLACEHOLDERREQ55",
            "addendum": {
                "reason": "UPDATED_DATA",
                "updatedFields": "sourceIPAddress",
                "originalRequestID": record["requestID"],
                "originalEventID": record["eventID"],
            },
        }
        | changes
    )


@pytest.mark.parametrize("days", [0, 1, 2, 5, 40])
@pytest.mark.parametrize("same_request", [False, True])
def test_an_addendum_is_no_second_write(warehouse: Warehouse, days: int, same_request: bool) -> None:
    write = put_object(RAW, KEY)
    request = write["requestID"] if same_request else "PLACEHOLDERREQ55"
    warehouse.deliver(write)
    warehouse.deliver(
        addendum_to(write, requestID=request, sourceIPAddress="198.51.100.7"),
        on=NOON.date() + timedelta(days=days),
    )
    warehouse.record(receipt_of(write))

    row = warehouse.row("SELECT event_id, status FROM ledger_evidence")

    assert row == {"event_id": write["eventID"], "status": "verified"}
    assert warehouse.rows("SELECT * FROM object_access") == []


@pytest.mark.parametrize("reason", ["DELIVERY_DELAY", "SERVICE_OUTAGE"])
def test_an_addendum_that_excuses_a_delay_is_the_only_record_of_its_write(
    warehouse: Warehouse, reason: str
) -> None:
    write = put_object(RAW, KEY, addendum={"reason": reason})

    assert judged(warehouse, write, receipt_of(write)) == ("verified", "")


def test_an_event_in_the_future_is_not_pending_for_ever(warehouse: Warehouse) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    alone = put_object(RAW, "incoming/0", now + timedelta(days=400))
    paired = put_object(RAW, "incoming/1", now + timedelta(minutes=10))
    seen_since = put_object(RAW, "incoming/2", NOON + timedelta(days=2))
    warehouse.deliver(alone, paired, on=now.date())
    warehouse.deliver(seen_since, on=NOON.date())
    warehouse.record(replace(receipt_of(paired), recorded_at=now))

    rows = warehouse.rows("SELECT object_key, status, contradicts FROM ledger_evidence ORDER BY object_key")

    assert [tuple(row.values()) for row in rows] == [
        ("incoming/0", "mismatch", "event_time"),
        ("incoming/1", "mismatch", "event_time, recorded_at"),
        ("incoming/2", "mismatch", "event_time"),
    ]


def test_a_receipt_in_the_future_is_not_pending_for_ever(warehouse: Warehouse) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    future = receipt_of(put_object(RAW, "incoming/0", now + timedelta(days=400)))
    warehouse.record(
        future,
        replace(receipt_of(put_object(RAW, "incoming/1", now + timedelta(days=400))), recorded_at=now),
        receipt_of(put_object(RAW, "incoming/2"), after=-timedelta(minutes=1)),
    )

    rows = warehouse.rows("SELECT object_key, status, contradicts FROM ledger_evidence ORDER BY object_key")

    assert [tuple(row.values()) for row in rows] == [
        ("incoming/0", "mismatch", "event_time, recorded_at"),
        ("incoming/1", "mismatch", "event_time, recorded_at"),
        ("incoming/2", "mismatch", "recorded_at"),
    ]


def test_a_receipt_whose_write_is_older_than_its_version_contradicts_itself(warehouse: Warehouse) -> None:
    honest = put_object(RAW, "incoming/0")
    receipt = receipt_of(put_object(RAW, "incoming/1"))
    dated_back = with_event(receipt, time=receipt.last_modified - timedelta(minutes=6))
    warehouse.record(receipt_of(honest), dated_back)

    rows = warehouse.rows("SELECT object_key, status, contradicts FROM ledger_evidence ORDER BY object_key")

    assert [tuple(row.values()) for row in rows] == [
        ("incoming/0", "unwitnessed", ""),
        ("incoming/1", "mismatch", "event_time"),
    ]


@pytest.mark.parametrize(
    "time", ["soon", "2026-13-10T12:00:00Z", "", "9999-12-31T23:59:59Z", "9999-12-31T23:59:60Z"]
)
def test_a_time_that_cannot_be_breaks_no_question(warehouse: Warehouse, time: str) -> None:
    write, odd = put_object(RAW, "incoming/a"), put_object(RAW, "incoming/b", eventTime=time)
    warehouse.deliver(write)
    warehouse.deliver(odd, on=NOON.date())
    warehouse.record(receipt_of(write))

    rows = warehouse.rows("SELECT object_key, status FROM provenance_ledger ORDER BY object_key")

    assert [tuple(row.values()) for row in rows] == [("incoming/a", "verified"), ("incoming/b", "mismatch")]


def test_an_upload_in_parts_that_took_longer_than_the_watermark_is_not_missing(warehouse: Warehouse) -> None:
    """Amazon S3 gives such an object the time at which the upload began."""
    now = datetime.now(UTC).replace(microsecond=0)
    began = now - 5 * WATERMARK
    done = complete_multipart(RAW, "incoming/done", now - timedelta(minutes=9))
    unseen = complete_multipart(RAW, "incoming/unseen", now - timedelta(minutes=9))
    asked = complete_multipart(RAW, "incoming/asked", now - timedelta(minutes=9))
    old = complete_multipart(RAW, "incoming/old", now - 3 * WATERMARK)
    in_parts = {"last_modified": began, "etag": '"d41d8cd98f00b204e9800998ecf8427e-13"'}
    warehouse.deliver(done, on=now.date())
    warehouse.record(
        replace(receipt_of(done), **in_parts),  # type: ignore[arg-type]
        replace(receipt_of(unseen), **in_parts),  # type: ignore[arg-type]
        replace(backfill_of(asked, after=timedelta(minutes=8)), **in_parts),  # type: ignore[arg-type]
        replace(receipt_of(old), **in_parts),  # type: ignore[arg-type]
    )

    rows = warehouse.rows("SELECT object_key, status FROM provenance_ledger ORDER BY object_key")

    assert [tuple(row.values()) for row in rows] == [
        ("incoming/asked", "pending"),
        ("incoming/done", "verified"),
        ("incoming/old", "unwitnessed"),
        ("incoming/unseen", "pending"),
    ]


@settings(
    deadline=None,
    max_examples=5,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_story_of_deliveries_has_one_row_a_write(warehouse: Warehouse, data: st.DataObject) -> None:
    """However often within two days, with addenda; and it is proven only if its receipt is true."""
    warehouse.store.objects.clear()
    expected = {}
    for number in range(8):
        at = NOON + timedelta(seconds=data.draw(st.integers(0, 3 * 86_400)))
        write = put_object(RAW, f"incoming/{number:02}", at)
        told = data.draw(st.sets(st.integers(0, 2), min_size=1))
        for day in told:
            repeated = [write] * data.draw(st.integers(1, 2))
            if data.draw(st.booleans()):
                repeated.append(addendum_to(write))
            warehouse.deliver(*repeated, on=at.date() + timedelta(days=day))
        kind = data.draw(st.sampled_from(["true", "none", "false"]))
        receipt = receipt_of(write)
        if kind != "none":
            warehouse.record(receipt if kind == "true" else with_event(receipt, source_ip="198.51.100.7"))
        status = {"true": "verified", "none": "unprovenanced", "false": "mismatch"}[kind]
        day = at.date() + timedelta(days=min(*told, 1))
        expected[write["requestParameters"]["key"]] = (version_of(write), status, str(day))

    rows = warehouse.rows("SELECT object_key, version_id, status, event_date FROM provenance_ledger")

    assert len(rows) == len(expected)
    assert {row["object_key"]: tuple(list(row.values())[1:]) for row in rows} == expected
    asked = date.fromisoformat(min(day for _, _, day in expected.values()))
    alone = warehouse.rows(f"SELECT * FROM provenance_ledger WHERE event_date = DATE '{asked}'")
    assert len(alone) == sum(day == str(asked) for _, _, day in expected.values())
