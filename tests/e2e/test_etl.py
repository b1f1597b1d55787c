"""The data, end to end: uploaded and streamed, recorded, handed out, made into tables, traced back."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from custody.evidence.objects import ObjectVersion
from scripts.demo.lake import Lake
from scripts.demo.pipeline import Pipeline
from tests.e2e.conftest import GOLD, SILVER, Made

pytestmark = pytest.mark.xdist_group("pipeline")


def test_every_row_is_where_it_belongs(lake: Lake, made: Made) -> None:
    for table, delivery in zip(SILVER, (made.customers, made.events), strict=True):
        rejected = {
            str(row["reason"]): int(str(row["n"]))
            for row in lake.query(f"SELECT reason, count(*) AS n FROM {table}_rejected GROUP BY reason")
        }
        assert rejected == dict(delivery.rejected), table
        counts = Counter[str]()
        for document in made.documents[table]:
            counts.update(document["counts"])
        assert counts["rows"] == delivery.rows
        assert counts["rows"] == counts["valid"] + counts["rejected"] + counts["duplicates"]
        assert counts["rejected"] == delivery.rejected.total()


def test_a_customer_stands_once_as_last_corrected(lake: Lake, made: Made) -> None:
    (row,) = lake.query(
        "SELECT count(*) AS n, count(DISTINCT customer_id) AS customers, "
        "count_if(last_name LIKE '%-Corrected') AS corrected FROM customers"
    )
    assert row["n"] == row["customers"]
    assert row["corrected"] == made.corrected


def test_gold_adds_up_to_silver(lake: Lake, made: Made) -> None:
    (silver,) = lake.query("SELECT sum(watched_seconds) AS seconds, count(*) AS n FROM viewing_events")
    (gold,) = lake.query("SELECT sum(watched_seconds) AS seconds FROM daily_engagement")
    assert silver["n"]
    assert gold["seconds"] == silver["seconds"]
    (value,) = lake.query("SELECT count(*) AS n FROM customer_value")
    (customers,) = lake.query("SELECT count(*) AS n FROM customers")
    assert value["n"] == customers["n"]


def test_all_that_was_made_verifies_with_its_inputs(pipeline: Pipeline, lake: Lake, made: Made) -> None:
    pipeline.deliver_trail()
    for bucket, tables in (("processed", SILVER), ("analytics", GOLD)):
        done = pipeline.custody("verify", f"s3://{pipeline.deployment.buckets[bucket]}/", "--format", "json")
        document = json.loads(done.stdout)
        assert (done.returncode, document["findings"]) == (0, []), done.stderr
        lineage = document["claims"]["lineage.inputs"]
        assert lineage["passed"] >= sum(len(lake.documents(bucket, table)) for table in tables)
        assert lineage["failed"] == lineage["pending"] == 0


def test_the_ledger_shows_what_the_jobs_wrote(pipeline: Pipeline, lake: Lake, made: Made) -> None:
    pipeline.deliver_trail()
    rows = lake.query(
        "SELECT DISTINCT layer, user_name, status, match_basis FROM provenance_ledger "
        "WHERE layer IN ('silver', 'gold') AND object_key LIKE 'tables/%'"
    )
    assert {tuple(row.values()) for row in rows} == {
        (layer, "custody-local-etl", "verified", "request_id") for layer in ("silver", "gold")
    }


def test_lineage_leads_from_gold_to_every_version_and_back(
    pipeline: Pipeline, lake: Lake, made: Made
) -> None:
    done = pipeline.custody("lineage", "customer_value", "--format", "json")
    assert done.returncode == 0, done.stderr
    for version in (*made.customers.versions, *made.events.versions):
        assert version.uri in done.stdout
    done = pipeline.custody("lineage", made.customers.versions[0].uri, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert "tables/customer_value" in done.stdout
    assert "tables/daily_engagement" not in done.stdout


def test_the_job_touches_no_evidence_and_reads_what_the_gate_named(
    pipeline: Pipeline, lake: Lake, made: Made
) -> None:
    pipeline.deliver_trail()
    role = pipeline.roles["etl"]
    rows = lake.query(
        "SELECT DISTINCT eventname, bucket_name, object_key, version_id FROM cloudtrail_s3_events_flattened "
        f"WHERE role_arn = '{role}'"
    )
    buckets = pipeline.deployment.buckets
    assert {row["bucket_name"] for row in rows} == {
        buckets[short] for short in ("raw-data", "processed", "analytics", "artifacts")
    }
    read = {
        ObjectVersion(str(row["bucket_name"]), str(row["object_key"]), str(row["version_id"]))
        for row in rows
        if row["bucket_name"] == buckets["raw-data"]
    }
    named = {
        ObjectVersion(found["bucket"], found["key"], found["version_id"])
        for table in SILVER
        for document in lake.documents("processed", table)
        for found in (*document["inputs"], *document["refused"])
    }
    assert read <= named
    written = {
        str(row["object_key"]) for row in rows if str(row["eventname"]).startswith(("Put", "Complete"))
    }
    assert written
    assert all(key.startswith("tables/") for key in written)


def test_what_is_processed_is_not_processed_again(lake: Lake, made: Made) -> None:
    before = [lake.documents("processed", table) for table in SILVER]
    tables = lake.gate()["tables"]
    assert {(table, tables[table]["entries"], tables[table]["job_run_id"]) for table in tables} == {
        (table, 0, None) for table in SILVER
    }
    assert [lake.documents("processed", table) for table in SILVER] == before
