from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.athena import Athena, Row
from custody.errors import CannotCheckError, UsageError
from custody.ledger import (
    AccessRow,
    LedgerRow,
    LedgerStatus,
    TimeUnit,
    access_summary,
    denied_rows,
    ledger_rows,
    ledger_timeline,
    parse_key,
    parse_since,
)
from tests.unit.report.sample import ledger_row

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)


class Recording(Athena):
    """Keeps what is asked instead of asking it."""

    def __init__(self, rows: Sequence[Row] = ()) -> None:
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        self._answer = rows

    def query(self, sql: str, parameters: Sequence[str] = ()) -> Iterator[Row]:
        self.asked.append((sql, tuple(parameters)))
        return iter(self._answer)


@given(st.text(), st.text(min_size=1), st.text(min_size=1))
def test_no_text_from_outside_gets_into_the_sql(bucket: str, key: str, version_id: str) -> None:
    athena, plain = Recording(), Recording()
    asked: dict[str, Any] = {"since": NOW, "status": LedgerStatus.VERIFIED, "limit": 7}
    list(ledger_rows(athena, bucket=bucket, key=key, version_id=version_id, **asked))
    list(ledger_rows(plain, bucket="b", key="k", version_id="v", **asked))
    assert athena.asked[0][0] == plain.asked[0][0]
    assert len(athena.asked[0][1]) == athena.asked[0][0].count("?")


def test_since_prunes_the_partitions_too() -> None:
    athena = Recording()
    list(ledger_rows(athena, since=NOW))
    sql, parameters = athena.asked[0]
    assert "WHERE event_date >= ? AND coalesce(event_time, recorded_at) >= ?" in sql
    assert parameters == ("CAST('2026-01-15' AS DATE)", "CAST('2026-01-15 12:00:00.000' AS TIMESTAMP)")
    assert "ORDER BY coalesce(event_time, recorded_at) DESC" in sql


def test_rows_are_read_by_name_and_written_as_json() -> None:
    row = ledger_row(1, "incoming/a b?.csv")
    columns: Row = {name: getattr(row, name) for name in LedgerRow.__dataclass_fields__}
    [read] = ledger_rows(Recording([columns | {"later": "more"}]))
    assert read == row
    assert read.uri == f"s3://{row.bucket_name}/incoming/a b%3F.csv?versionId={row.version_id}"
    document = read.to_dict()
    assert document["event_date"] == "2026-01-15"
    assert document["event_time"] == "2026-01-15T09:30:07Z"
    assert list(document) == list(LedgerRow.__dataclass_fields__)


def test_a_view_without_a_column_is_named() -> None:
    with pytest.raises(CannotCheckError, match="no column event_date"):
        list(ledger_rows(Recording([{"status": "verified"}])))


def test_denied_attempts_are_asked_by_code() -> None:
    athena = Recording([dict.fromkeys(AccessRow.__dataclass_fields__)])
    [row] = denied_rows(athena, since=NOW, limit=3)
    assert row.who == ""
    assert athena.asked[0][1][0] == "'AccessDenied'"
    assert athena.asked[0][0].endswith("LIMIT 3")


def test_a_missing_count_is_no_answer() -> None:
    row: Row = {"who": "a", "access": "read", "layer": "gold", "row_count": None, "last_time": None}
    with pytest.raises(CannotCheckError, match="row_count"):
        access_summary(Recording([row]))


def test_a_timeline_leaves_out_what_has_no_time() -> None:
    row: Row = {"start_time": NOW, "layer": "gold", "status": "verified", "row_count": 2}
    [count] = ledger_timeline(Recording([row, row | {"start_time": None}]), TimeUnit.HOUR)
    assert count.rows == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-10", datetime(2026, 1, 10, tzinfo=UTC)),
        ("2026-01-15T09:30:00Z", datetime(2026, 1, 15, 9, 30, tzinfo=UTC)),
        ("2026-01-15T09:30:00+02:00", datetime(2026, 1, 15, 7, 30, tzinfo=UTC)),
        ("90m", NOW - timedelta(minutes=90)),
        ("24h", NOW - timedelta(days=1)),
        ("7d", NOW - timedelta(days=7)),
        ("30s", NOW - timedelta(seconds=30)),
    ],
)
def test_since_is_a_time_a_day_or_how_long_ago(text: str, expected: datetime) -> None:
    assert parse_since(text, NOW) == expected


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-02-30", "7w", "-1d", "999999d", "2026-01-15T09:30:00", "٧d"]
)
def test_since_refuses_anything_else(text: str) -> None:
    with pytest.raises(UsageError, match="--since"):
        parse_since(text, NOW)


def test_key_is_a_key_or_a_uri() -> None:
    assert parse_key("incoming/a?b.csv") == (None, "incoming/a?b.csv", None)
    assert parse_key("s3://bucket/a%3Fb?versionId=v1") == ("bucket", "a?b", "v1")
    with pytest.raises(UsageError):
        parse_key("s3://bucket")


def test_who_and_when_fall_back() -> None:
    row = LedgerRow(
        **dict.fromkeys(LedgerRow.__dataclass_fields__)
        | {  # type: ignore[arg-type]
            "bucket_name": "b",
            "object_key": "k",
            "invoked_by": "s3.amazonaws.com",
            "recorded_at": NOW,
        }
    )
    assert row.who == "s3.amazonaws.com"
    assert row.time == NOW
    assert row.uri == "s3://b/k"
    assert row.to_dict()["event_date"] is None
