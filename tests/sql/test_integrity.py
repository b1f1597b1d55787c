"""ledger_integrity: what the ledger and the log have of each day, counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from custody.log.batch import Batch, Sealable
from custody.log.segments import format_segments
from tests.sql.evidence import (
    NOON,
    PROVENANCE,
    RAW,
    envelope,
    iam_user,
    put_object,
    receipt_of,
)
from tests.sql.warehouse import SINCE, Warehouse

STATUSES = ["verified", "pending", "untracked", "late", "mismatch", "unprovenanced", "unwitnessed"]


def days(warehouse: Warehouse) -> dict[str | None, dict[str, int]]:
    """What is not zero of each day."""
    rows = warehouse.rows("SELECT * FROM ledger_integrity")
    return {
        row.pop("event_date"): {name: int(value or 0) for name, value in row.items() if value != "0"}
        for row in rows
    }


def test_a_day_has_the_counts_of_every_status(warehouse: Warehouse) -> None:
    writes = {name: put_object(RAW, f"incoming/{name}", NOON) for name in ("a", "b", "late", "other", "lost")}
    warehouse.deliver(*writes.values(), put_object(RAW, "scratch/x", NOON))
    warehouse.record(
        receipt_of(writes["a"]),
        receipt_of(writes["b"]),
        receipt_of(writes["late"], after=timedelta(hours=3)),
        receipt_of(put_object(RAW, "incoming/unseen", NOON)),
        receipt_of(writes["other"] | {"sourceIPAddress": "198.51.100.7"}),
    )

    assert days(warehouse) == {
        "2026-03-10": {
            "writes": 6,
            "receipts": 5,
            "sealed": 5,
            "findings": 4,
            "verified": 2,
            "late": 1,
            "mismatch": 1,
            "unprovenanced": 1,
            "unwitnessed": 1,
            "untracked": 1,
        }
    }


def test_every_row_of_the_ledger_is_counted_once(warehouse: Warehouse) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    for number in range(3):
        write = put_object(RAW, f"incoming/{number}", NOON + timedelta(days=number))
        warehouse.deliver(write, write)
        if number != 1:
            warehouse.record(receipt_of(write))
    young = put_object(RAW, "incoming/young", now, identity=iam_user("eve"))
    warehouse.deliver(young)
    counted = days(warehouse)

    rows = warehouse.rows("SELECT event_date, status FROM provenance_ledger")
    for day, counts in counted.items():
        of_day = [row["status"] for row in rows if row["event_date"] == day]
        assert {name: of_day.count(name) for name in STATUSES if name in of_day} == {
            name: counts[name] for name in STATUSES if name in counts
        }
    assert len(counted) == 4
    assert counted["2026-03-11"] == {"writes": 1, "findings": 1, "unprovenanced": 1}
    assert counted[now.date().isoformat()] == {"writes": 1, "pending": 1}


def test_a_receipt_that_is_two_leaves_is_seen(warehouse: Warehouse) -> None:
    write = put_object(RAW, "incoming/a", NOON)
    warehouse.deliver(write)
    warehouse.record(receipt_of(write))
    warehouse.seal()
    receipt = receipt_of(write)
    again = Sealable(receipt.version.receipt_key, "v", '"e"', NOON, envelope(receipt))
    for key, rows in format_segments(Batch(1, NOON, (again,)), SINCE):
        warehouse.store.objects[PROVENANCE, key] = rows

    assert days(warehouse) == {
        "2026-03-10": {"writes": 1, "receipts": 1, "sealed": 2, "verified": 1},
    }
