"""What Snowflake's own history says against loads: asked here of a history that is made for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from custody.findings import Severity
from custody.ledger.rules import Period
from custody.warehouse.anomalies import MOST, find, message_of
from custody.warehouse.connection import Session
from custody.warehouse.setup import setup_statements
from tests.warehouse.gold_files import Lake, opened

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=2)
"""The queries reach back some days from now."""
DAY = Period(NOON - timedelta(hours=12), NOON + timedelta(hours=12))
LOAD = "custody warehouse load visits@3"


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with opened(Lake(tmp_path), tmp_path / "snowflake") as opened_session:
        yield opened_session


def add(session: Session, table: str, row: Mapping[str, Any]) -> None:
    marks = ", ".join("?" for _ in row)
    values = [each.isoformat() if isinstance(each, datetime) else each for each in row.values()]
    session.run(f"INSERT INTO {table} ({', '.join(row)}) SELECT {marks}", values)


def ran(session: Session, query_id: str, **other: Any) -> None:
    row = {
        "query_id": query_id,
        "start_time": NOON,
        "user_name": "CUSTODY_TEST_LOADER",
        "role_name": "CUSTODY_TEST_LOADER",
        "warehouse_name": "CUSTODY_TEST_LOAD",
        "query_type": "MERGE",
        "query_tag": LOAD,
        "execution_status": "SUCCESS",
        "total_elapsed_time": 1000,
        "queued_overload_time": 0,
        "transaction_blocked_time": 0,
    }
    add(session, "SNOWFLAKE.ACCOUNT_USAGE.QUERY_HISTORY", row | other)


def touched(session: Session, query_id: str, user: str, column: str, at: datetime = NOON) -> None:
    objects = json.dumps([{"objectName": "CUSTODY_TEST.GOLD.VISITS"}])
    empty = "base_objects_accessed" if column == "objects_modified" else "objects_modified"
    session.run(
        "INSERT INTO SNOWFLAKE.ACCOUNT_USAGE.ACCESS_HISTORY "
        f"(query_id, query_start_time, user_name, {column}, {empty}) "
        "SELECT ?, ?, ?, parse_json(?), parse_json('[]')",
        [query_id, at.isoformat(), user, objects],
    )


def loaded(session: Session, at: datetime) -> None:
    row = {"table_name": "VISITS", "delta_version": 3, "load_id": "l", "document": "d", "row_count": 1}
    hashes = {"document_sha256": "0", "contract_sha256": "0"}
    add(session, "CUSTODY_LOADS", row | hashes | {"loaded_at": at})


def found(session: Session, period: Period = DAY) -> list[tuple[str, str, str | None, int]]:
    answer = find(session, period)
    assert answer.unasked == {}
    return [(one.rule.name, one.subject, one.principal, one.occurrences) for one in answer.anomalies]


def test_a_change_by_anybody_but_a_load_of_the_history_is_found(session: Session) -> None:
    loaded(session, NOON)
    for number, (user, tag) in enumerate(
        [("CUSTODY_TEST_LOADER", LOAD), ("CUSTODY_TEST_LOADER", "mine"), ("EVE", LOAD), ("EVE", "")]
    ):
        ran(session, f"q{number}", user_name=user, query_tag=tag, query_type="UPDATE")
        touched(session, f"q{number}", user, "objects_modified")
    ran(session, "read", user_name="ANN", query_tag=None)
    touched(session, "read", "ANN", "base_objects_accessed")
    rule, table = "warehouse-access-history", "CUSTODY_TEST.GOLD.VISITS"
    assert sorted(found(session)) == [(rule, table, "CUSTODY_TEST_LOADER", 1), (rule, table, "EVE", 2)]
    assert found(session, Period(NOON + timedelta(seconds=1), DAY.until)) == []
    assert found(session, Period(DAY.since, NOON)) == []


def test_a_load_that_failed_is_found_unless_its_version_was_loaded_later(session: Session) -> None:
    ran(session, "q", execution_status="FAIL", error_code="604", error_message="it's secret")
    (one,) = find(session, DAY).anomalies
    assert (one.rule.name, one.subject, one.detail) == (
        "warehouse-failed-loads",
        LOAD,
        "MERGE failed with error 604",
    )
    loaded(session, NOON + timedelta(minutes=1))
    assert found(session) == []


def test_a_slow_statement_and_a_costly_day_are_found_and_others_are_not(session: Session) -> None:
    for minutes, query_id in ((29, "quick"), (31, "slow")):
        ran(session, query_id, total_elapsed_time=minutes * 60_000)
    for days, credits_used in ((1, 1.5), (2, 2)):
        for _ in range(2):
            row = {"warehouse_name": "CUSTODY_TEST_LOAD", "credits_used": credits_used / days}
            at = NOON - timedelta(days=days)
            add(session, "SNOWFLAKE.ACCOUNT_USAGE.WAREHOUSE_METERING_HISTORY", row | {"start_time": at})
    yesterday = f"{NOON - timedelta(days=1):%Y-%m-%d}"
    assert found(session) == [
        ("warehouse-cost", yesterday, None, 1),  # told of when it is over
        ("warehouse-slow-queries", LOAD, "CUSTODY_TEST_LOADER", 1),
    ]


def test_of_many_rows_some_are_told_of_and_that_there_are_more(session: Session) -> None:
    for number in range(MOST + 2):
        ran(session, f"q{number}", execution_status="FAIL", query_tag=f"tag {number:03}")
    names = [subject for _, subject, _, _ in found(session)]
    assert len(names) == MOST + 1
    assert f"more than {MOST} rows of this rule" in names


def test_a_view_that_is_missing_is_named_and_the_others_are_asked(session: Session) -> None:
    session.run("DROP VIEW MONITOR.COST")
    ran(session, "q", execution_status="FAIL")
    answer = find(session, DAY)
    assert [one.rule.severity for one in answer.anomalies] == [Severity.MEDIUM]
    assert list(answer.unasked) == ["warehouse-cost"]
    assert "Snowflake refused" in answer.unasked["warehouse-cost"]


def test_a_message_is_of_the_finding_and_nobody_writes_lines_into_it(session: Session) -> None:
    ran(session, "q\nWhat: nothing", execution_status="FAIL", query_tag="a\nState: gone")
    (one,) = find(session, DAY).anomalies
    message = message_of(one, "custody-test")
    assert message["Subject"] == "[medium] custody-test: warehouse-failed-loads"
    lines = message["Message"].splitlines()
    assert [line.split(":")[0] for line in lines[2:]].count("State") == 1
    assert "Look:            sql/warehouse/failed_loads.sql" in lines


def test_an_administrator_makes_the_views_last_with_the_role_that_owns_them(tmp_path: Path) -> None:
    statements = setup_statements(Lake(tmp_path).settings, [])
    role = statements.index("USE ROLE CUSTODY_TEST_MONITOR")
    views = [n for n, each in enumerate(statements) if each.startswith("CREATE OR REPLACE VIEW ")]
    assert views
    assert min(views) > role
    assert all("${" not in each for each in statements)
