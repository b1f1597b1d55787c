from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import boto3
import duckdb
import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from custody.errors import CannotCheckError
from custody.ledger.athena import MAX_LITERAL_CHARACTERS, Athena, Filter, compare, literals, where

QUERY_ID = "12345678-1234-1234-1234-123456789012"
STRING_LITERAL = re.compile(r"'(?:[^']|'')*'", re.DOTALL)


@given(st.text(st.characters(exclude_characters="\x00")))
def test_a_string_is_one_literal_whatever_it_holds(text: str) -> None:
    pieces = literals(text)
    assert all(STRING_LITERAL.fullmatch(piece) for piece in pieces)
    assert all(len(piece) <= MAX_LITERAL_CHARACTERS for piece in pieces)
    assert "".join(piece[1:-1].replace("''", "'") for piece in pieces) == text


@pytest.mark.parametrize(
    "text", ["", "'", "''", "'; DROP TABLE x; --", "' OR '1'='1", "\\'", "a\nb", "?", "'" * 1024, "x" * 5000]
)
def test_an_engine_reads_back_the_string(text: str) -> None:
    assert duckdb.execute(f"SELECT {' || '.join(literals(text))}").fetchall() == [(text,)]


@given(st.datetimes(timezones=st.just(UTC)) | st.dates())
def test_an_engine_reads_back_the_time(value: date | datetime) -> None:
    expected: date = value
    if isinstance(value, datetime):
        expected = value.replace(microsecond=value.microsecond // 1000 * 1000, tzinfo=None)
    assert duckdb.execute(f"SELECT {literals(value)[0]}").fetchall() == [(expected,)]


def test_times_are_written_in_utc_and_need_a_zone() -> None:
    noon = datetime(2026, 1, 15, 12, tzinfo=timezone(timedelta(hours=2)))
    assert literals(noon) == ("CAST('2026-01-15 10:00:00.000' AS TIMESTAMP)",)
    with pytest.raises(ValueError, match="zone"):
        literals(datetime(2026, 1, 15, 12))  # noqa: DTZ001


def test_conditions_hold_placeholders_only() -> None:
    clause = where([compare("a", "=", "x'y"), Filter("b IS NULL", ()), compare("c", ">=", "z" * 1500)])
    assert clause.sql == "WHERE a = ? AND b IS NULL AND c >= ? || ?"
    assert clause.parameters[0] == "'x''y'"
    assert where([]) == Filter("", ())


class Service:
    """Athena with prepared answers: botocore's stubber checks each request and answer."""

    def __init__(self) -> None:
        self.client = boto3.client(
            "athena", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        self.stub = Stubber(self.client)
        self.now = 0.0
        self.words: list[str] = []

    def athena(self, timeout_seconds: float = 600) -> Athena:
        return Athena(
            self.client,
            workgroup="custody-local",
            database="custody_local",
            timeout_seconds=timeout_seconds,
            on_progress=self.words.append,
            sleep=self.sleep,
            clock=lambda: self.now,
        )

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def expect_start(self, sql: str, parameters: list[str] | None = None) -> None:
        request: dict[str, Any] = {
            "QueryString": sql,
            "QueryExecutionContext": {"Database": "custody_local"},
            "WorkGroup": "custody-local",
        }
        if parameters is not None:
            request["ExecutionParameters"] = parameters
        self.stub.add_response("start_query_execution", {"QueryExecutionId": QUERY_ID}, request)

    def expect_state(self, state: str, reason: str = "") -> None:
        status = {"State": state} | ({"StateChangeReason": reason} if reason else {})
        execution = {"Status": status, "Statistics": {"DataScannedInBytes": 2048}}
        self.stub.add_response(
            "get_query_execution", {"QueryExecution": execution}, {"QueryExecutionId": QUERY_ID}
        )

    def expect_page(
        self, columns: dict[str, str], rows: list[list[str | None]], token: str = "", after: str = ""
    ) -> None:
        request: dict[str, Any] = {"QueryExecutionId": QUERY_ID, "MaxResults": 1000}
        if after:
            request["NextToken"] = after
        info = [{"Name": name, "Type": kind} for name, kind in columns.items()]
        data = [{"Data": [{} if cell is None else {"VarCharValue": cell} for cell in row]} for row in rows]
        answer: dict[str, Any] = {"ResultSet": {"Rows": data, "ResultSetMetadata": {"ColumnInfo": info}}}
        if token:
            answer["NextToken"] = token
        self.stub.add_response("get_query_results", answer, request)


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    with service.stub:
        yield service
    service.stub.assert_no_pending_responses()


def test_values_travel_as_execution_parameters_and_rows_come_typed(service: Service) -> None:
    columns = {
        "t": "timestamp",
        "z": "timestamp with time zone",
        "d": "date",
        "n": "bigint",
        "f": "double",
        "p": "decimal(10,2)",
        "b": "boolean",
        "s": "varchar",
        "e": "varchar",
        "nothing": "bigint",
    }
    first = ["2026-01-15 09:30:00.123", "2026-01-15 09:30:00.000 UTC", "2026-01-15", "9007199254740993"]
    first += ["0.5", "1.20", "true", "it's", ""]
    service.expect_start("SELECT * FROM t WHERE k = ?", ["'it''s'"])
    service.expect_state("QUEUED")
    service.expect_state("RUNNING")
    service.expect_state("SUCCEEDED")
    service.expect_page(columns, [list(columns), [*first, None]], token="more")
    service.expect_page(columns, [[*first[:3], "2", *first[4:], None]], after="more")

    rows = list(service.athena().query("SELECT * FROM t WHERE k = ?", literals("it's")))

    assert rows[0] == {
        "t": datetime(2026, 1, 15, 9, 30, 0, 123000, tzinfo=UTC),
        "z": datetime(2026, 1, 15, 9, 30, tzinfo=UTC),
        "d": date(2026, 1, 15),
        "n": 9007199254740993,
        "f": 0.5,
        "p": Decimal("1.20"),
        "b": True,
        "s": "it's",
        "e": "",
        "nothing": None,
    }
    assert rows[1]["n"] == 2
    assert service.words == ["Athena: queued, 2,048 bytes read", "Athena: running, 2,048 bytes read"]


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
def test_a_failed_query_gives_athenas_reason(service: Service, state: str) -> None:
    service.expect_start("SELECT 1")
    service.expect_state(state, "COLUMN_NOT_FOUND: line 1:8")
    with pytest.raises(CannotCheckError, match=f"{state}: COLUMN_NOT_FOUND: line 1:8"):
        service.athena().query("SELECT 1")


def test_a_reason_that_quotes_the_data_is_cut(service: Service) -> None:
    service.expect_start("SELECT 1")
    service.expect_state("FAILED", "HIVE_BAD_DATA: " + "x" * 100_000)
    with pytest.raises(CannotCheckError) as caught:
        service.athena().query("SELECT 1")
    assert len(str(caught.value)) < 700


def test_a_query_that_takes_too_long_is_stopped(service: Service) -> None:
    service.expect_start("SELECT 1")
    for _ in range(4):
        service.expect_state("RUNNING")
    service.stub.add_response("stop_query_execution", {}, {"QueryExecutionId": QUERY_ID})
    with pytest.raises(CannotCheckError, match="did not answer"):
        service.athena(timeout_seconds=0.4).query("SELECT 1")


def test_an_interrupted_query_is_stopped(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(service, "sleep", interrupt)
    service.expect_start("SELECT 1")
    service.expect_state("RUNNING")
    service.stub.add_response("stop_query_execution", {}, {"QueryExecutionId": QUERY_ID})
    with pytest.raises(KeyboardInterrupt):
        service.athena().query("SELECT 1")


def test_a_cell_that_is_not_of_its_columns_type_is_no_answer(service: Service) -> None:
    service.expect_start("SELECT 1")
    service.expect_state("SUCCEEDED")
    service.expect_page({"b": "boolean"}, [["b"], ["yes"]])
    with pytest.raises(CannotCheckError, match="boolean column b"):
        list(service.athena().query("SELECT 1"))
