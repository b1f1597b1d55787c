"""A query about a day reads only the files of that day, of the trail and of the receipts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from custody.ledger.ledger import Scope, ledger_rows, read_rows
from scripts.local_aws.athena.planned import PlannedTable
from tests.sql.conftest import DATABASE
from tests.sql.evidence import NOON, RAW, get_object, put_object, receipt_of
from tests.sql.warehouse import Warehouse

DAYS = 40
ASKED = "2026-03-20"


@pytest.fixture(scope="module")
def full(planned_tables: dict[str, PlannedTable]) -> Warehouse:
    """Forty days with a write, its receipt and a read each."""
    warehouse = Warehouse(planned_tables.values(), DATABASE)
    for day in range(DAYS):
        at = NOON + timedelta(days=day)
        write = put_object(RAW, f"incoming/{day}", at)
        warehouse.deliver(write, get_object(RAW, f"incoming/{day}", at))
        warehouse.record(receipt_of(write))
    return warehouse


@pytest.mark.parametrize("view", ["cloudtrail_s3_events_flattened", "object_access"])
@pytest.mark.parametrize(
    ("condition", "days"),
    [
        (f"event_date = DATE '{ASKED}'", {ASKED}),
        ("event_date BETWEEN DATE '2026-03-19' AND DATE '2026-03-21'", {"2026-03-19", ASKED, "2026-03-21"}),
        ("event_date IN (DATE '2026-03-11', DATE '2026-04-02')", {"2026-03-11", "2026-04-02"}),
        ("event_date > DATE '2026-04-16'", {"2026-04-17", "2026-04-18"}),
        (f"event_date = DATE '{ASKED}' AND bucket_name = '{RAW}'", {ASKED}),
    ],
)
def test_a_days_events_cost_that_day(full: Warehouse, view: str, condition: str, days: set[str]) -> None:
    rows = full.rows(f"SELECT event_date FROM {view} WHERE {condition}")

    assert {row["event_date"] for row in rows} == days
    assert full.days_read() == days


@pytest.mark.parametrize("view", ["provenance_ledger", "ledger_evidence"])
def test_a_days_ledger_costs_that_day_and_its_neighbours(full: Warehouse, view: str) -> None:
    row = full.row(f"SELECT event_date, status FROM {view} WHERE event_date = DATE '{ASKED}'")

    assert row == {"event_date": ASKED, "status": "verified"}
    assert full.days_read() == {"2026-03-19", ASKED, "2026-03-21", "2026-03-22"}
    assert full.segment_days_read() == {f"2026-03-{day}" for day in range(18, 23)}


def test_a_days_integrity_costs_what_its_ledger_costs(full: Warehouse) -> None:
    ledger = full.run(f"SELECT status FROM provenance_ledger WHERE event_date = DATE '{ASKED}'").scanned
    asked = full.run(f"SELECT * FROM ledger_integrity WHERE event_date = DATE '{ASKED}'")

    assert len(asked.rows) == 1
    assert asked.scanned == ledger
    assert full.days_read() == {"2026-03-19", ASKED, "2026-03-21", "2026-03-22"}
    assert full.segment_days_read() == {f"2026-03-{day}" for day in range(18, 23)}


def test_a_period_of_the_command_line_costs_its_days_and_a_week(full: Warehouse) -> None:
    start = datetime(2026, 3, 20, tzinfo=UTC)
    period = Scope(start, start + timedelta(days=1))
    assert len(list(ledger_rows(full.athena(), period))) == 1
    assert full.days_read() == {f"2026-03-{day}" for day in range(19, 31)}
    assert len(list(read_rows(full.athena(), period))) == 1
    assert full.days_read() == {f"2026-03-{day}" for day in range(20, 29)}


def test_without_a_day_everything_is_read(full: Warehouse) -> None:
    assert len(full.rows("SELECT event_date FROM provenance_ledger")) == DAYS
    assert len(full.days_read()) == DAYS
    assert len(full.segment_days_read()) == DAYS


def test_the_bytes_are_counted(full: Warehouse) -> None:
    sql = f"SELECT event_date FROM object_access WHERE event_date = DATE '{ASKED}'"
    (read,) = [len(body) for (_, key), body in full.store.objects.items() if "/2026/03/20/" in key]

    assert full.run(sql).scanned_bytes == read
    assert len(full.run(sql).scanned) == 1
