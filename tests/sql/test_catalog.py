"""Terraform plans the Data Catalog as defined in the SQL files."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlglot import exp

from scripts.local_aws.athena.planned import PlannedTable
from tests.sql import statements
from tests.sql.evidence import ACCOUNT, PROVENANCE, TRAIL_LOG
from tests.sql.warehouse import Warehouse

TABLES = statements.names("tables")
VIEWS = statements.names("views")
REPORTS = statements.names("reports")

LEDGER = (
    "event_date event_time event_name bucket_name object_key version_id sha256 size_bytes layer user_arn "
    "user_name principal_id invoked_by source_ip user_agent request_id recorded_at leaf_index match_basis "
    "status"
)


def test_there_are_the_tables_and_views_of_the_design(planned_tables: dict[str, PlannedTable]) -> None:
    assert TABLES == ["cloudtrail_s3_events", "receipt_envelopes", "receipt_segments"]
    assert VIEWS == [
        "cloudtrail_s3_events_flattened",
        "ledger_evidence",
        "ledger_integrity",
        "object_access",
        "object_receipts",
        "provenance_ledger",
        "trail_calls",
    ]
    assert sorted(planned_tables) == sorted(TABLES + VIEWS)
    assert {table["database_name"] for table in planned_tables.values()} == {"custody_local"}


def test_the_ledger_has_the_columns_of_the_design() -> None:
    assert [name for name, _ in statements.declared_columns("provenance_ledger")] == LEDGER.split()


def ddl(name: str) -> exp.Create:
    """The table's statement, its placeholders put in by name."""
    text = re.sub(
        r"(\$?)\$\{(\w+)\}",
        lambda m: "${" + m[2] + "}" if m[1] else f"<{m[2]}>",
        statements.source("tables", name),
    )
    statement = statements.parsed(text)
    assert isinstance(statement, exp.Create)
    return statement


def hive_type(kind: exp.Expr) -> str:
    """A type as the Glue catalogue writes it."""
    text = kind.sql(dialect="hive").lower().replace(" ", "")
    return text.replace("varchar", "string")


def text_of(statement: exp.Create, kind: type[exp.Expr]) -> str:
    found = statement.find(kind)
    assert found is not None
    return str(found.this.name)


def properties(found: exp.Expr | None) -> dict[str, str]:
    return (
        {}
        if found is None
        else {
            p.this.name: p.args["value"].name
            for p in found.find_all(exp.Property)
            if isinstance(p.this, exp.Literal)
        }
    )


def planned_columns(columns: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(column["name"], column["type"]) for column in columns]


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_what_its_statement_says(planned_tables: dict[str, PlannedTable], name: str) -> None:
    statement, planned = ddl(name), planned_tables[name]
    storage = planned["storage_descriptor"][0]
    serde = storage["ser_de_info"][0]
    partitions = statement.find(exp.PartitionedByProperty)
    formats = statement.find(exp.InputOutputFormat)
    assert formats is not None

    assert statement.this.this.name == name
    assert planned["table_type"] == "EXTERNAL_TABLE"
    columns = [c for c in statement.this.expressions if isinstance(c, exp.ColumnDef)]
    assert planned_columns(storage["columns"]) == [(c.name, hive_type(c.args["kind"])) for c in columns]
    keys = [] if partitions is None else list(partitions.this.find_all(exp.ColumnDef))
    assert planned_columns(planned["partition_keys"]) == [(c.name, hive_type(c.args["kind"])) for c in keys]
    assert serde["serialization_library"] == text_of(statement, exp.RowFormatSerdeProperty)
    assert (serde["parameters"] or {}) == properties(statement.find(exp.SerdeProperties))
    assert storage["input_format"] == formats.args["input_format"].name
    assert storage["output_format"] == formats.args["output_format"].name


def test_the_trails_table_reads_the_folders_that_cloudtrail_writes(
    planned_tables: dict[str, PlannedTable],
) -> None:
    planned = planned_tables["cloudtrail_s3_events"]
    storage = planned["storage_descriptor"][0]

    assert storage["location"] == f"s3://{TRAIL_LOG}/AWSLogs/"
    assert storage["input_format"] == "com.amazon.emr.cloudtrail.CloudTrailInputFormat"
    assert planned["parameters"] == {
        "EXTERNAL": "TRUE",
        "classification": "cloudtrail",
        "projection.enabled": "true",
        "projection.account.type": "enum",
        "projection.account.values": ACCOUNT,
        "projection.region.type": "enum",
        "projection.region.values": "us-east-1",
        "projection.delivery_day.type": "date",
        "projection.delivery_day.format": "yyyy/MM/dd",
        "projection.delivery_day.range": "2025/01/01,NOW",
        "projection.delivery_day.interval": "1",
        "projection.delivery_day.interval.unit": "DAYS",
        "storage.location.template": f"s3://{TRAIL_LOG}/AWSLogs/${{account}}/CloudTrail/${{region}}/${{delivery_day}}",
    }


def test_the_receipts_table_reads_the_receipts(planned_tables: dict[str, PlannedTable]) -> None:
    planned = planned_tables["receipt_envelopes"]

    assert planned["storage_descriptor"][0]["location"] == f"s3://{PROVENANCE}/provenance/"
    assert planned["storage_descriptor"][0]["ser_de_info"][0]["parameters"]["ignore.malformed.json"] == "true"


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_what_its_file_says(planned_tables: dict[str, PlannedTable], name: str) -> None:
    planned = planned_tables[name]
    document = statements.view_document(planned)
    declared = statements.declared_columns(name)

    assert planned["table_type"] == "VIRTUAL_VIEW"
    assert planned["parameters"] == {"comment": "Presto View", "presto_view": "true"}
    assert planned["view_expanded_text"] == "/* Presto View */"
    assert (document["catalog"], document["schema"]) == ("awsdatacatalog", "custody_local")
    presto = {"timestamp": "timestamp(3)"}
    assert [(c["name"], c["type"]) for c in document["columns"]] == [
        (n, presto.get(t, t)) for n, t in declared
    ]
    hive = {"varchar": "string"}
    assert planned_columns(planned["storage_descriptor"][0]["columns"]) == [
        (n, hive.get(t, t)) for n, t in declared
    ]
    assert "${" not in document["originalSql"]


@pytest.mark.parametrize("name", TABLES + VIEWS)
def test_the_catalogue_says_which_question_it_answers(
    planned_tables: dict[str, PlannedTable], name: str
) -> None:
    kind = "tables" if name in TABLES else "views"
    first = statements.source(kind, name).splitlines()[0].removeprefix("-- ")

    assert planned_tables[name]["description"] == first
    assert "?" in first


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_gives_the_columns_it_declares(warehouse: Warehouse, name: str) -> None:
    result = warehouse.run(f"SELECT * FROM {name}")

    assert list(result.columns) == statements.declared_columns(name)


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_is_saved_with_its_question(reports: dict[str, dict[str, Any]], name: str) -> None:
    saved = reports[name]

    assert saved["description"].endswith((".", "?"))
    assert "?" in saved["description"]
    assert saved["database"] == "custody_local"
    assert saved["query"].startswith(f"-- {saved['description']}\n")
    assert "${" not in saved["query"]


def test_every_report_is_saved(reports: dict[str, dict[str, Any]]) -> None:
    assert sorted(reports) == REPORTS
