"""The queries of the command line, answered by the views."""

from __future__ import annotations

from datetime import timedelta

from custody.ledger.ledger import (
    BATCH_DELETION,
    LedgerStatus,
    access_counts,
    access_summary,
    denied_rows,
    ledger_counts,
    ledger_rows,
)
from custody.ledger.story import Tone, tell_access, tell_witness
from tests.sql.evidence import (
    NOON,
    PROCESSED,
    RAW,
    denied,
    event,
    get_object,
    iam_user,
    put_object,
    receipt_of,
    with_event,
)
from tests.sql.warehouse import Warehouse

KEY = "incoming/o'brien.csv"


def test_a_mismatch_says_in_what(warehouse: Warehouse) -> None:
    write = put_object(RAW, KEY)
    warehouse.deliver(write)
    warehouse.record(with_event(receipt_of(write), source_ip="198.51.100.7"))

    (row,) = ledger_rows(warehouse.athena(), key=KEY, since=NOON, status=LedgerStatus.MISMATCH)

    assert row.contradicts == "source_ip"
    sentence = tell_witness(row)
    assert "contradict each other. In: source_ip." in sentence.words
    assert sentence.tone is Tone.BAD


def test_an_objects_batch_deletions_are_counted_and_come_first(warehouse: Warehouse) -> None:
    warehouse.deliver(
        get_object(RAW, KEY),
        get_object(RAW, KEY),
        get_object(RAW, KEY),
        event("DeleteObjects", RAW, None, NOON + timedelta(minutes=1)),
        event("DeleteObjects", RAW, None, NOON + timedelta(minutes=2)),
        event("DeleteObjects", PROCESSED, None),
        event("ListObjects", RAW, None, read_only=True),
        denied(event("DeleteObjects", RAW, None, identity=iam_user("mallory"))),
    )

    batch, reads = access_summary(warehouse.athena(), bucket=RAW, key=KEY, limit=2)

    assert (batch.who, batch.access, batch.rows, batch.last) == (
        "ada",
        BATCH_DELETION,
        2,
        NOON + timedelta(minutes=2),
    )
    assert (reads.access, reads.rows) == ("read", 3)
    words = tell_access(batch).words
    assert words.startswith("2 times by ada, last 2026-03-10 12:02:00 UTC")
    assert "the trail does not log the keys" in words


def test_of_all_objects_a_batch_is_a_deletion(warehouse: Warehouse) -> None:
    warehouse.deliver(event("DeleteObjects", RAW, None))

    (summary,) = access_summary(warehouse.athena())

    assert (summary.who, summary.access, summary.rows) == ("ada", "delete", 1)


def test_refused_strangers_are_somebody(warehouse: Warehouse) -> None:
    nobody = {"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"}
    foreign = {"type": "AWSAccount", "principalId": "AIDAONE", "accountId": "999999999999"}
    warehouse.deliver(*(denied(get_object(RAW, KEY, identity=who)) for who in (nobody, foreign)))

    rows = list(denied_rows(warehouse.athena(), since=NOON))

    assert {(row.who, row.user_account_id) for row in rows} == {
        ("(anonymous)", "ANONYMOUS_PRINCIPAL"),
        ("999999999999/AIDAONE", "999999999999"),
    }


def test_a_stranger_who_wrote_is_somebody(warehouse: Warehouse) -> None:
    nobody = {"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"}
    warehouse.deliver(put_object(RAW, KEY, identity=nobody))

    (row,) = ledger_rows(warehouse.athena(), bucket=RAW)

    assert row.who == "(anonymous)"


def test_the_counts_add_up(warehouse: Warehouse) -> None:
    warehouse.deliver(put_object(RAW, KEY), get_object(RAW, KEY), denied(get_object(RAW, KEY)))

    (count,) = ledger_counts(warehouse.athena())
    accesses = access_counts(warehouse.athena())

    assert (count.layer, count.status, count.rows) == ("bronze", "unprovenanced", 1)
    assert [(access.access, access.error_code, access.rows) for access in accesses] == [
        ("read", "AccessDenied", 1),
        ("read", None, 1),
    ]
