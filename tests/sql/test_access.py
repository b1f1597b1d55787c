"""The accesses: every call that is not a row of the ledger."""

from __future__ import annotations

from tests.sql.evidence import (
    ACCOUNT,
    ARTIFACTS,
    NOON,
    PROVENANCE,
    RAW,
    RECORDER,
    denied,
    event,
    get_object,
    put_object,
    receipt_of,
    sso_user,
)
from tests.sql.warehouse import Warehouse

ALL = "SELECT * FROM object_access ORDER BY event_name, bucket_name"


def test_a_read_in_columns(warehouse: Warehouse) -> None:
    read = get_object(RAW, "incoming/a.csv", identity=sso_user("grace@example.org"))
    warehouse.deliver(read)

    assert warehouse.row(ALL) == {
        "event_date": "2026-03-10",
        "event_time": "2026-03-10 12:00:00.000",
        "event_name": "GetObject",
        "access": "read",
        "bucket_name": RAW,
        "object_key": "incoming/a.csv",
        "version_id": None,
        "layer": "bronze",
        "bytes_out": "25701",
        "user_arn": read["userIdentity"]["arn"],
        "user_name": "grace@example.org",
        "principal_id": "AROADBQP57FF2AEXAMPLE:grace@example.org",
        "invoked_by": None,
        "source_ip": "192.0.2.10",
        "user_agent": "[aws-cli/2.31.0]",
        "request_id": read["requestID"],
        "event_id": read["eventID"],
        "error_code": None,
        "error_message": None,
        "user_type": "AssumedRole",
        "user_account_id": ACCOUNT,
        "on_behalf_of_user_id": read["userIdentity"]["onBehalfOf"]["userId"],
        "caller": "grace@example.org",
        "deletion": None,
    }


def test_reads_deletions_refusals_and_writes_elsewhere_are_accesses(warehouse: Warehouse) -> None:
    warehouse.deliver(
        get_object(RAW, "incoming/a.csv"),
        event("DeleteObject", RAW, "incoming/a.csv", parameters={"versionId": "EXAMPLE.1"}),
        denied(event("PutObjectAcl", RAW, "incoming/a.csv")),
        put_object(ARTIFACTS, "functions/recorder.zip"),
        put_object(PROVENANCE, "provenance/a.json", identity=RECORDER),
        put_object(RAW, "incoming/a.csv"),
    )

    rows = warehouse.rows(ALL)

    assert [(row["event_name"], row["access"], row["error_code"], row["layer"]) for row in rows] == [
        ("DeleteObject", "delete", None, "bronze"),
        ("GetObject", "read", None, "bronze"),
        ("PutObject", "write", None, "unknown"),
        ("PutObject", "write", None, "provenance"),
        ("PutObjectAcl", "change", "AccessDenied", "bronze"),
    ]


def test_every_event_is_in_the_ledger_or_an_access_and_in_neither_twice(warehouse: Warehouse) -> None:
    records = [
        kind
        for bucket in (RAW, PROVENANCE, ARTIFACTS)
        for key in ("incoming/a", "provenance/a", "a")
        for kind in (
            put_object(bucket, key),
            put_object(bucket, key, identity=RECORDER),
            denied(put_object(bucket, key)),
            get_object(bucket, key),
            event("DeleteObjects", bucket, None),
            event("PostObject", bucket, None),
            event("PutObject", bucket, key, NOON, response=None),
        )
    ]
    warehouse.deliver(*records)
    warehouse.record(receipt_of(records[0]))

    ledger = [str(row["request_id"]) for row in warehouse.rows("SELECT request_id FROM provenance_ledger")]
    accesses = [str(row["request_id"]) for row in warehouse.rows("SELECT request_id FROM object_access")]

    assert ledger
    assert accesses
    assert sorted(ledger + accesses) == sorted(record["requestID"] for record in records)
