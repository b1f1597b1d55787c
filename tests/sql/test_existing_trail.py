"""The ledger from the trail of the account's organization is the one from a trail of the kit's own."""

from __future__ import annotations

import gzip
import json

from scripts.local_aws.athena.planned import PlannedTable
from tests.sql.conftest import DATABASE
from tests.sql.evidence import RAW, denied, get_object, put_object, receipt_of
from tests.sql.warehouse import Warehouse
from tests.support.existing_trail import BUCKET, FOLDER, ROOT

LEDGER = "SELECT * FROM ledger_evidence ORDER BY event_time, object_key, version_id"
ACCESS = "SELECT * FROM object_access WHERE layer <> 'unknown' ORDER BY event_time, event_id"


def test_it_is_the_same_ledger(
    warehouse: Warehouse, tables_of_organizations_trail: list[PlannedTable]
) -> None:
    organizations = Warehouse(tables_of_organizations_trail, DATABASE, (BUCKET, FOLDER))
    verified, unprovenanced, unrecorded = (
        put_object(RAW, f"incoming/{name}.csv") for name in ("verified", "unprovenanced", "other")
    )
    unwitnessed = put_object(RAW, "incoming/unwitnessed.csv")
    attempt = denied(get_object(RAW, "incoming/verified.csv"))
    for one in (warehouse, organizations):
        one.deliver(verified, unprovenanced, attempt)
        one.deliver(verified, region="us-east-1")
        one.record(receipt_of(verified), receipt_of(unwitnessed))
    organizations.deliver(put_object("bucket-of-somebody", "incoming/x.csv"))
    elsewhere = gzip.compress(json.dumps({"Records": [unrecorded]}).encode())
    key = f"{ROOT}999999999999/CloudTrail/us-east-1/2026/03/10/999999999999_CloudTrail_us-east-1_x.json.gz"
    organizations.store.objects[BUCKET, key] = elsewhere

    ledger = warehouse.rows(LEDGER)

    assert {row["status"] for row in ledger} == {"verified", "unprovenanced", "unwitnessed"}
    assert organizations.rows(LEDGER) == ledger
    assert organizations.rows(ACCESS) == warehouse.rows(ACCESS) != []
