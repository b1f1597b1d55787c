"""The saved queries, run as they are saved, on a pipeline in which everything happened."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.sql import statements
from tests.sql.evidence import (
    ANALYTICS,
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
)
from tests.sql.warehouse import Warehouse

ASKED = "incoming/customers.csv"
GRACE = sso_user("grace@example.org")
LOADER = assumed_role("loader", "job-7") | {"invokedBy": "glue.amazonaws.com"}

Reports = dict[str, dict[str, Any]]
Rows = list[dict[str, str | None]]


YESTERDAY = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) - timedelta(days=1)


def happened_at(minute: int) -> str:
    return (YESTERDAY + timedelta(minutes=minute)).strftime("%Y-%m-%d %H:%M:%S")


@pytest.fixture
def happened(warehouse: Warehouse) -> Warehouse:
    """A day's story, yesterday."""
    minutes = [YESTERDAY + timedelta(minutes=m) for m in range(20)]
    first = put_object(RAW, ASKED, minutes[0], identity=GRACE)
    second = put_object(RAW, ASKED, minutes[1], identity=iam_user("ada"))
    copied = copy_object(PROCESSED, "silver/customers", f"{RAW}/{ASKED}", minutes[2], identity=LOADER)
    late = complete_multipart(ANALYTICS, "gold/customers", minutes[3], identity=LOADER)
    receipts = {record["eventID"]: receipt_of(record) for record in (first, second, copied)}
    same_bytes = receipts[first["eventID"]].sha256
    receipts[copied["eventID"]] = replace(receipts[copied["eventID"]], sha256=same_bytes)
    warehouse.record(*receipts.values(), backfill_of(late, after=timedelta(hours=3)))
    warehouse.deliver(
        first,
        second,
        copied,
        late,
        put_object(RAW, "incoming/unproven.csv", minutes[4], identity=GRACE),
        put_object(RAW, "aside/note.txt", minutes[5], identity=GRACE),
        get_object(RAW, ASKED, minutes[6], identity=LOADER),
        denied(get_object(RAW, ASKED, minutes[7], identity=iam_user("mallory"))),
        denied(get_object(RAW, ASKED, minutes[8], identity=iam_user("mallory"))),
        event("DeleteObject", RAW, ASKED, minutes[9], parameters={"versionId": version_of(first)}),
        put_object(PROVENANCE, "provenance/1.json", minutes[10], identity=RECORDER),
        denied(
            event("DeleteObject", PROVENANCE, "provenance/1.json", minutes[11], identity=iam_user("mallory"))
        ),
        put_object(PROVENANCE, "provenance/2.json", minutes[12], identity=iam_user("mallory")),
        put_object(
            PROVENANCE, "provenance/1.json", minutes[13], identity=RECORDER, errorCode="PreconditionFailed"
        ),
        event("DeleteObject", PROVENANCE, "provenance/1.json", minutes[14], identity=RECORDER),
        event("DeleteObjects", RAW, None, minutes[15]),
        event("DeleteObjects", RAW, None, minutes[16]),
        denied(event("DeleteObjects", RAW, None, minutes[17], identity=iam_user("mallory"))),
        event("DeleteObjects", PROCESSED, None, minutes[18], identity=iam_user("mallory")),
    )
    return warehouse


def picked(rows: Rows, *columns: str) -> list[tuple[str | None, ...]]:
    return [tuple(row[column] for column in columns) for row in rows]


def test_who_wrote(happened: Warehouse, reports: Reports) -> None:
    rows = happened.rows(reports["who_wrote"]["query"])

    assert picked(rows, "user_name", "status") == [("ada", "verified"), ("grace@example.org", "verified")]


def test_who_touched(happened: Warehouse, reports: Reports) -> None:
    rows = happened.rows(reports["who_touched"]["query"])

    assert picked(rows, "what", "calls", "access", "caller", "error_code") == [
        ("batch in its bucket", "1", "delete", "mallory", "AccessDenied"),
        ("batch in its bucket", "2", "delete", "ada", None),
        ("this object", "1", "delete", "ada", None),
        ("this object", "1", "read", "mallory", "AccessDenied"),
        ("this object", "1", "read", "mallory", "AccessDenied"),
        ("this object", "1", "read", "loader", None),
    ]
    assert rows[1]["event_time"] == f"{happened_at(16)}.000"


def test_unproven_writes(happened: Warehouse, reports: Reports) -> None:
    rows = happened.rows(reports["unproven_writes"]["query"])

    assert picked(rows, "status", "object_key", "user_name") == [
        ("untracked", "provenance/2.json", "mallory"),
        ("untracked", "aside/note.txt", "grace@example.org"),
        ("unprovenanced", "incoming/unproven.csv", "grace@example.org"),
        ("late", "gold/customers", "loader"),
    ]


def test_status_by_day(happened: Warehouse, reports: Reports) -> None:
    rows = happened.rows(reports["status_by_day"]["query"])

    statuses = ("verified", "late", "mismatch", "pending", "unprovenanced", "unwitnessed", "untracked")
    assert picked(rows, "layer", "writes", *statuses) == [
        ("bronze", "4", "2", "0", "0", "0", "1", "0", "1"),
        ("gold", "1", "0", "1", "0", "0", "0", "0", "0"),
        ("provenance", "1", "0", "0", "0", "0", "0", "0", "1"),
        ("silver", "1", "1", "0", "0", "0", "0", "0", "0"),
    ]


def test_writers_by_layer(happened: Warehouse, reports: Reports) -> None:
    rows = happened.rows(reports["writers_by_layer"]["query"])

    assert picked(rows, "layer", "user_name", "invoked_by", "writes", "verified") == [
        ("bronze", "grace@example.org", None, "3", "1"),
        ("bronze", "ada", None, "1", "1"),
        ("gold", "loader", "glue.amazonaws.com", "1", "0"),
        ("provenance", "mallory", None, "1", "0"),
        ("silver", "loader", "glue.amazonaws.com", "1", "1"),
    ]


def test_denied_attempts(happened: Warehouse, reports: Reports) -> None:
    rows = happened.rows(reports["denied_attempts"]["query"])

    assert picked(rows, "caller", "event_name", "bucket_name", "attempts", "distinct_keys") == [
        ("mallory", "GetObject", RAW, "2", "1"),
        ("mallory", "DeleteObjects", RAW, "1", "0"),
        ("mallory", "DeleteObject", PROVENANCE, "1", "1"),
    ]


def test_strangers_who_were_refused_are_told_apart(warehouse: Warehouse, reports: Reports) -> None:
    strangers: list[dict[str, Any]] = [
        {"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"},
        {"type": "AWSAccount", "principalId": "AIDAONE", "accountId": "111111111111"},
        {"type": "AWSAccount", "principalId": "AIDATWO", "accountId": "111111111111"},
        {"type": "AWSAccount", "principalId": "AIDAONE", "accountId": "222222222222"},
        {"type": "AWSAccount", "accountId": "222222222222"},
        iam_user("ada"),
        iam_user("ada")
        | {
            "accountId": "222222222222",
            "arn": "arn:aws:iam::222222222222:user/ada",
            "principalId": "AIDATHREE",
        },
    ]
    warehouse.deliver(*(denied(get_object(RAW, ASKED, YESTERDAY, identity=who)) for who in strangers))

    rows = warehouse.rows(reports["denied_attempts"]["query"])

    assert sorted(picked(rows, "caller", "attempts")) == [
        ("(anonymous)", "1"),
        ("111111111111/AIDAONE", "1"),
        ("111111111111/AIDATWO", "1"),
        ("222222222222", "1"),
        ("222222222222/AIDAONE", "1"),
        ("ada", "1"),
        ("arn:aws:iam::222222222222:user/ada", "1"),
    ]


def test_deletions(happened: Warehouse, reports: Reports) -> None:
    rows = happened.rows(reports["deletions"]["query"])

    assert picked(rows, "layer", "object_key", "deletion", "error_code") == [
        ("silver", None, "batch", None),
        ("bronze", None, None, "AccessDenied"),
        ("bronze", None, "batch", None),
        ("bronze", None, "batch", None),
        ("provenance", "provenance/1.json", "marker_set", None),
        ("provenance", "provenance/1.json", None, "AccessDenied"),
        ("bronze", ASKED, "version_destroyed", None),
    ]


def test_mismatches(warehouse: Warehouse, reports: Reports) -> None:
    true, rewritten = put_object(RAW, ASKED, YESTERDAY), put_object(RAW, "incoming/b", YESTERDAY)
    warehouse.record(receipt_of(true), receipt_of(rewritten))
    rewritten |= {"userIdentity": LOADER, "sourceIPAddress": "198.51.100.7"}
    warehouse.deliver(true, rewritten)

    row = warehouse.row(reports["mismatches"]["query"])

    assert picked([row], "object_key", "contradicts", "principal_id", "receipt_principal_id") == [
        (
            "incoming/b",
            "principal_id, source_ip",
            LOADER["principalId"],
            f"AWS:{iam_user('ada')['principalId']}",
        )
    ]
    assert (row["source_ip"], row["receipt_source_ip"]) == ("198.51.100.7", "192.0.2.10")


def test_evidence_writes(happened: Warehouse, reports: Reports) -> None:
    """The recorder's repeated attempt, denied because the receipt exists, is not reported; a deletion is."""
    rows = happened.rows(reports["evidence_writes"]["query"])

    assert picked(rows, "event_name", "caller", "object_key", "error_code") == [
        ("DeleteObject", "custody-local-recorder", "provenance/1.json", None),
        ("PutObject", "mallory", "provenance/2.json", None),
        ("DeleteObject", "mallory", "provenance/1.json", "AccessDenied"),
    ]


def test_copies_of_content(happened: Warehouse, reports: Reports) -> None:
    rows = happened.rows(reports["copies_of_content"]["query"])

    assert sorted(picked(rows, "layer", "object_key")) == [
        ("bronze", ASKED),
        ("bronze", ASKED),
        ("silver", "silver/customers"),
    ]
    assert len({row["sha256"] for row in rows}) == 2


def test_late_receipts(happened: Warehouse, reports: Reports) -> None:
    row = happened.row(reports["late_receipts"]["query"])

    assert picked([row], "receipts", "late", "longest_seconds") == [("4", "1", "10800")]


def test_every_report_is_asked_here(reports: Reports) -> None:
    asked = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}

    assert set(reports) <= asked


@pytest.mark.parametrize("name", statements.names("reports"))
def test_an_empty_pipeline_gives_an_empty_report(warehouse: Warehouse, reports: Reports, name: str) -> None:
    assert warehouse.rows(reports[name]["query"]) == []
