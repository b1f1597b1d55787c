"""The queries of the command line, answered by the views."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from custody.ledger.ledger import (
    BATCH_DELETION,
    EVERYTHING,
    Layer,
    LedgerStatus,
    Scope,
    TimeUnit,
    access_counts,
    access_summary,
    denied_rows,
    ledger_counts,
    ledger_rows,
    ledger_timeline,
    read_rows,
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

    (row,) = ledger_rows(warehouse.athena(), Scope(NOON), key=KEY, status=LedgerStatus.MISMATCH)

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

    batch, reads = access_summary(warehouse.athena(), Scope(bucket=RAW), key=KEY, limit=2)

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

    rows = list(denied_rows(warehouse.athena(), Scope(NOON)))

    assert {(row.who, row.user_account_id) for row in rows} == {
        ("(anonymous)", "ANONYMOUS_PRINCIPAL"),
        ("999999999999/AIDAONE", "999999999999"),
    }


def test_a_stranger_who_wrote_is_somebody(warehouse: Warehouse) -> None:
    nobody = {"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"}
    warehouse.deliver(put_object(RAW, KEY, identity=nobody))

    (row,) = ledger_rows(warehouse.athena(), Scope(bucket=RAW))

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


def test_the_ledger_is_asked_by_user_place_and_period(warehouse: Warehouse) -> None:
    day = timedelta(days=1)
    warehouse.deliver(put_object(RAW, KEY))
    warehouse.deliver(put_object(RAW, "incoming/other", NOON + day, identity=iam_user("o'hara")))
    warehouse.deliver(put_object(PROCESSED, KEY, NOON + 2 * day))

    def keys(scope: Scope = EVERYTHING, **asked: Any) -> list[tuple[str, str]]:
        return [(row.bucket_name, row.object_key) for row in ledger_rows(warehouse.athena(), scope, **asked)]

    mine, hers, silver = (RAW, KEY), (RAW, "incoming/other"), (PROCESSED, KEY)
    assert keys() == [silver, hers, mine]
    assert keys(limit=2) == [silver, hers]
    assert keys(user="o'hara") == keys(user="arn:aws:iam::123456789012:user/o'hara") == [hers]
    assert keys(user="o") == []
    assert keys(layer=Layer.SILVER) == [silver]
    assert keys(Scope(prefix="incoming/o'")) == [silver, mine]
    assert keys(Scope(prefix="INCOMING/")) == keys(Scope(prefix="incoming/_ther")) == []
    assert keys(Scope(bucket=RAW, prefix="incoming/")) == [hers, mine]
    assert keys(Scope(NOON + day, NOON + 2 * day)) == [hers], "the end is not part of the period"
    period = Scope(until=NOON + day)
    (count,) = ledger_counts(warehouse.athena(), period)
    (point,) = ledger_timeline(warehouse.athena(), TimeUnit.DAY, period)
    assert (count.rows, point.rows) == (1, 1)


def test_reads_say_who_read_what_and_who_was_refused(warehouse: Warehouse) -> None:
    mallory = iam_user("mallory")
    warehouse.deliver(
        put_object(RAW, KEY),
        get_object(RAW, KEY, NOON + timedelta(minutes=1)),
        denied(get_object(RAW, KEY, identity=mallory)),
        get_object(PROCESSED, "silver/x", NOON + timedelta(minutes=2), identity=mallory),
        event("ListObjects", RAW, None, read_only=True),
    )

    def told(scope: Scope = EVERYTHING, **asked: Any) -> list[tuple[str, str | None, str | None]]:
        rows = read_rows(warehouse.athena(), scope, **asked)
        return [(row.who, row.object_key, row.error_code) for row in rows]

    refused, theirs = ("mallory", KEY, "AccessDenied"), ("mallory", "silver/x", None)
    assert told() == [theirs, ("ada", KEY, None), refused]
    assert told(by="mallory") == [theirs, refused]
    assert told(Scope(bucket=RAW, prefix="incoming/"), by="mallory") == [refused]
    assert told(Scope(NOON + timedelta(minutes=1), NOON + timedelta(minutes=2))) == [("ada", KEY, None)]
    assert told(version_id="none") == []
    assert [access.rows for access in access_counts(warehouse.athena(), Scope(prefix="silver/"))] == [1]
