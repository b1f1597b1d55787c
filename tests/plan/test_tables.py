"""The Data Catalog has the tables that the jobs make, with the columns of the contracts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from custody.etl.contract import Contract
from custody.etl.frames import rejected, silver_rows
from custody.etl.manifest import Entry
from custody.etl.source import entries_frame, ranked, read_entries
from custody.evidence.objects import ObjectVersion
from scripts.datasets import load_dataset
from scripts.local_etl.engine import pysail_session
from tests.glue.local import BEGIN, DATA_SET, OpenFile, manifest
from tests.plan.document import PlanDocument

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.xdist_group("plan")

DATA = load_dataset(DATA_SET)
CONTRACTS, SILVER, GOLD = DATA.contracts, [*DATA.silver.values()], [*DATA.gold.values()]


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    with pysail_session() as (session, _):
        yield session


@pytest.fixture(scope="module")
def tables(plan: PlanDocument) -> dict[str, dict[str, Any]]:
    """The tables in the plan that are not made from SQL, by name."""
    planned = plan.resources("aws_glue_catalog_table")
    return {
        table["name"]: table for address, table in planned.items() if address.startswith("module.delta_table")
    }


def described(table: dict[str, Any]) -> list[tuple[str, str]]:
    return [(column["name"], column["type"]) for column in table["storage_descriptor"][0]["columns"]]


def written(frame: DataFrame) -> list[tuple[str, str]]:
    return [(field.name, field.dataType.simpleString()) for field in frame.schema.fields]


def made(spark: SparkSession, contract: Contract) -> tuple[DataFrame, DataFrame]:
    """What a job makes of a manifest, and its entries; nothing is read."""
    entry = Entry(ObjectVersion("raw", contract.raw().prefix, "v1"), "0" * 64, 1, BEGIN)
    entries = ranked(manifest(contract.table, [entry]), contract)
    return read_entries(spark, entries, contract, OpenFile("")), entries_frame(spark, entries)


@pytest.mark.parametrize("contract", SILVER, ids=lambda contract: contract.table)
def test_silver_has_the_columns_the_job_writes(
    contract: Contract, tables: dict[str, dict[str, Any]], spark: SparkSession
) -> None:
    rows, entries = made(spark, contract)
    silver = silver_rows(rows, entries, contract, "0")
    assert described(tables[contract.table]) == written(silver)
    assert described(tables[contract.rejected_table]) == written(rejected(rows, entries, contract, "0"))


@pytest.mark.parametrize("contract", GOLD, ids=lambda contract: contract.table)
def test_gold_has_the_columns_of_its_contract(contract: Contract, tables: dict[str, dict[str, Any]]) -> None:
    assert described(tables[contract.table]) == [
        (column.name, column.kind.sql) for column in contract.columns
    ]


def test_every_column_says_what_the_contract_says_it_means(tables: dict[str, dict[str, Any]]) -> None:
    assert tables.keys() == {*CONTRACTS, *(contract.rejected_table for contract in SILVER)}
    for name, table in tables.items():
        contract = CONTRACTS[name.removesuffix("_rejected")]
        comments = {column["name"]: column["comment"] for column in table["storage_descriptor"][0]["columns"]}
        assert comments.items() >= {(column.name, column.meaning) for column in contract.columns}
        assert contract.meaning in table["description"]


def test_tables_lie_where_the_jobs_write_them(tables: dict[str, dict[str, Any]]) -> None:
    bucket = dict.fromkeys((contract.table for contract in GOLD), "analytics")
    for name, table in tables.items():
        where = bucket.get(name, "processed")
        location = f"s3://custody-local-{where}-123456789012/tables/{name}"
        assert table["storage_descriptor"][0]["location"] == location
        assert table["database_name"] == "custody_local"
