from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from custody.errors import CannotCheckError, UsageError
from custody.ledger.ledger import (
    AccessRow,
    Layer,
    LedgerRow,
    LedgerStatus,
    Scope,
    TimeUnit,
    access_summary,
    denied_rows,
    ledger_rows,
    ledger_timeline,
    parse_key,
    parse_moment,
    parse_scope,
    read_rows,
)
from tests.unit.cloud import Cloud, deployed
from tests.unit.report.sample import ledger_row

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)


ACCESS_COLUMNS = {"who": "varchar", "access": "varchar", "layer": "varchar", "row_count": "bigint"}
ACCESS_COLUMNS |= {"last_time": "timestamp"}


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with deployed(monkeypatch) as cloud:
        yield cloud


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(bucket=st.text(), key=st.text(min_size=1), version_id=st.text(min_size=1))
def test_no_text_from_outside_gets_into_the_sql(cloud: Cloud, bucket: str, key: str, version_id: str) -> None:
    asked: dict[str, Any] = {"status": LedgerStatus.VERIFIED, "layer": Layer.GOLD, "limit": 7}
    for text, other, id_ in ((bucket, key, version_id), ("b", "k", "v")):
        scope = Scope(NOW, NOW + timedelta(days=1), text, other)
        list(ledger_rows(cloud.athena(), scope, key=other, version_id=id_, user=other, **asked))
        list(read_rows(cloud.athena(), scope, version_id=id_, by=other, limit=7))
    *hostile, (ledger, _), (reads, _) = cloud.asked()[-4:]
    assert [sql for sql, _ in hostile] == [ledger, reads]
    assert all(len(parameters) == sql.count("?") for sql, parameters in hostile)


def test_since_prunes_the_partitions_too(cloud: Cloud) -> None:
    list(ledger_rows(cloud.athena(), Scope(NOW, NOW + timedelta(days=1))))
    [(sql, parameters)] = cloud.asked()
    time = "coalesce(event_time, recorded_at)"
    assert f"WHERE event_date >= ? AND {time} >= ? AND event_date <= ? AND {time} < ?" in sql
    assert parameters == [
        "CAST('2026-01-15' AS DATE)",
        "CAST('2026-01-15 12:00:00.000' AS TIMESTAMP)",
        "CAST('2026-01-23' AS DATE)",
        "CAST('2026-01-16 12:00:00.000' AS TIMESTAMP)",
    ]
    assert "ORDER BY coalesce(event_time, recorded_at) DESC" in sql


def test_rows_are_read_by_name_and_written_as_json(cloud: Cloud) -> None:
    row = ledger_row(1, "incoming/a b?.csv")
    cloud.will_answer_rows([row], LedgerRow)
    [read] = ledger_rows(cloud.athena())
    assert read == row
    assert read.uri == f"s3://{row.bucket_name}/incoming/a b%3F.csv?versionId={row.version_id}"
    document = read.to_dict()
    assert document["event_date"] == "2026-01-15"
    assert document["event_time"] == "2026-01-15T09:30:07Z"
    assert list(document) == list(LedgerRow.__dataclass_fields__)


def test_a_view_without_a_column_is_named(cloud: Cloud) -> None:
    cloud.will_answer({"status": "varchar"}, [["verified"]])
    with pytest.raises(CannotCheckError, match="no column event_date"):
        list(ledger_rows(cloud.athena()))


def test_denied_attempts_are_asked_by_code(cloud: Cloud) -> None:
    cloud.will_answer_rows([AccessRow(*[None] * len(AccessRow.__dataclass_fields__))], AccessRow)
    [row] = denied_rows(cloud.athena(), Scope(NOW), limit=3)
    assert row.who == ""
    [(sql, parameters)] = cloud.asked()
    assert parameters[0] == "'AccessDenied'"
    assert sql.endswith("LIMIT 3")


def test_a_missing_count_is_no_answer(cloud: Cloud) -> None:
    cloud.will_answer(ACCESS_COLUMNS, [["a", "read", "gold", None, None]])
    with pytest.raises(CannotCheckError, match="row_count"):
        access_summary(cloud.athena())


def test_a_timeline_leaves_out_what_has_no_time(cloud: Cloud) -> None:
    columns = {"start_time": "timestamp", "layer": "varchar", "status": "varchar", "row_count": "bigint"}
    cloud.will_answer(columns, [[NOW, "gold", "verified", 2], [None, "gold", "verified", 1]])
    [count] = ledger_timeline(cloud.athena(), TimeUnit.HOUR)
    assert (count.start, count.rows) == (NOW, 2)


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
    assert parse_moment("--since", text, NOW) == expected


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-02-30", "7w", "-1d", "999999d", "2026-01-15T09:30:00", "٧d"]
)
def test_since_refuses_anything_else(text: str) -> None:
    with pytest.raises(UsageError, match="--since"):
        parse_moment("--since", text, NOW)


def test_a_scope_is_a_period_and_a_place() -> None:
    assert parse_scope(None, None, None, NOW) == Scope()
    assert parse_scope("2026-01-10", "24h", "incoming/", NOW) == Scope(
        datetime(2026, 1, 10, tzinfo=UTC), NOW - timedelta(days=1), prefix="incoming/"
    )
    assert parse_scope(None, "9999-12-31", "s3://b/a%3F", NOW).filters("t")[0].parameters == (
        "CAST('9999-12-31' AS DATE)",
    )
    assert parse_scope(None, None, "s3://b/a%3F", NOW) == Scope(bucket="b", prefix="a?")
    for since, until, prefix, words in (
        ("2026-01-10", "2026-01-10", None, "--until is not after --since"),
        (None, "later", None, "--until 'later' is not a time"),
        (None, "0001-01-01", None, "--until 0001-01-01 is too long ago"),
        (None, None, "s3://b/a?versionId=1", "one version"),
        (None, None, "s3://", "names no bucket"),
    ):
        with pytest.raises(UsageError, match=words):
            parse_scope(since, until, prefix, NOW)


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
