"""``custody warehouse`` where there is no connector, and the SQL that it prints, parsed as Snowflake's."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlfluff.core import Linter

from custody.cli import main
from custody.etl.contract import parse_contract
from custody.warehouse.connection import Settings
from custody.warehouse.setup import setup_statements
from scripts.datasets import load_dataset
from scripts.toolchain.toolchain import REPO
from tests.unit.cli.test_main import DEPLOYMENT

SETTINGS = Settings(
    "account", "CUSTODY_TEST", "s3://gold/tables/", "arn:aws:iam::1:role/r", "it's \\ an id", "arn"
)
DATASETS = [path for path in sorted((REPO / "examples").iterdir()) if (path / "gold").is_dir()]


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The deployment's file, as it is when the test is about to run a command."""
    document: dict[str, Any] = asdict(DEPLOYMENT)
    path = tmp_path / "deployment.json"
    monkeypatch.setenv("CUSTODY_DEPLOYMENT", str(path))
    document["write"] = lambda: path.write_text(
        json.dumps({k: v for k, v in document.items() if k != "write"})
    )
    document["write"]()
    return document


COMMANDS = [["load", "orders"], ["trace", "orders", "id=1"]]


@pytest.mark.parametrize("command", [["setup"], *COMMANDS])
def test_deployment_without_a_warehouse_is_one_sentence(
    command: list[str], deployed: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["warehouse", *command]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("custody: This deployment has no warehouse. Set snowflake in its tfvars")


@pytest.mark.skipif(find_spec("snowflake") is not None, reason="the connector is here")
@pytest.mark.parametrize("command", COMMANDS)
def test_without_the_connector_is_one_sentence(
    command: list[str], deployed: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    deployed["snowflake"] = asdict(SETTINGS)
    deployed["write"]()

    assert main(["warehouse", *command]) == 2

    assert capsys.readouterr().err == (
        "custody: The connector of Snowflake is not installed here. "
        "Run make warehouse, and then build/warehouse/bin/custody.\n"
    )


@pytest.mark.parametrize(("name", "value"), [("account", "a b"), ("name", "custody"), ("name", 'X"; --')])
def test_names_in_the_deployment_s_file_are_validated(
    name: str, value: str, deployed: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    deployed["snowflake"] = asdict(SETTINGS) | {name: value}
    deployed["write"]()

    assert main(["warehouse", "setup"]) == 2

    assert f"snowflake.{name} is" in capsys.readouterr().err


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda path: path.name)
def test_setup_is_snowflake_s_sql(dataset: Path) -> None:
    contracts = load_dataset(dataset).gold.values()

    statements = setup_statements(SETTINGS, contracts)

    known = [statement for statement in statements if "STORAGE INTEGRATION" not in statement]  # its id is not
    assert len(known) >= len(statements) - 1
    assert Linter(dialect="snowflake").parse_string(";\n".join(known) + ";\n").violations == []


def test_columns_with_personal_data_are_masked_by_a_policy_of_their_type() -> None:
    text = (REPO / "examples/streaming/gold/customer_value.yaml").read_text()
    document = yaml.safe_load(text) | {"sql": "SELECT 1"}
    for column in document["columns"]:
        column["pii"] = column["name"] in {"customer_id", "total_spent_usd"}

    statements = setup_statements(SETTINGS, [parse_contract(json.dumps(document))])

    assert [statement for statement in statements if "MASKING POLICY" in statement] == [
        'CREATE MASKING POLICY IF NOT EXISTS "CUSTODY_PII_VARCHAR" AS (val VARCHAR) RETURNS VARCHAR -> '
        "CASE WHEN IS_ROLE_IN_SESSION('CUSTODY_TEST_PII_READER') THEN val END",
        'CREATE MASKING POLICY IF NOT EXISTS "CUSTODY_PII_NUMBER_18_2_" AS (val NUMBER(18,2)) '
        "RETURNS NUMBER(18,2) -> CASE WHEN IS_ROLE_IN_SESSION('CUSTODY_TEST_PII_READER') THEN val END",
        'ALTER TABLE "CUSTOMER_VALUE" MODIFY COLUMN "CUSTOMER_ID" '
        'SET MASKING POLICY "CUSTODY_PII_VARCHAR" FORCE',
        'ALTER TABLE "CUSTOMER_VALUE" MODIFY COLUMN "TOTAL_SPENT_USD" '
        'SET MASKING POLICY "CUSTODY_PII_NUMBER_18_2_" FORCE',
    ]


def test_loader_is_granted_no_more_than_it_needs() -> None:
    statements = [re.sub(r"(?m)^--.*\n", "", each) for each in setup_statements(SETTINGS, [])]
    grants = [each for each in statements if re.match(r"GRANT.*_LOADER", each)]

    assert sorted(grants) == [
        "GRANT ROLE CUSTODY_TEST_LOADER TO USER CUSTODY_TEST_LOADER",
        "GRANT ROLE CUSTODY_TEST_PII_READER TO ROLE CUSTODY_TEST_LOADER",
        *(
            f"GRANT SELECT ON VIEW CUSTODY_TEST.MONITOR.{view} TO ROLE CUSTODY_TEST_LOADER"
            for view in ("ACCESS_HISTORY", "COST", "FAILED_LOADS", "SLOW_QUERIES")
        ),
        "GRANT SELECT, INSERT ON TABLE CUSTODY_FILES TO ROLE CUSTODY_TEST_LOADER",
        "GRANT SELECT, INSERT ON TABLE CUSTODY_LOADS TO ROLE CUSTODY_TEST_LOADER",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON FUTURE TABLES IN SCHEMA CUSTODY_TEST.GOLD "
        "TO ROLE CUSTODY_TEST_LOADER",
        "GRANT USAGE ON DATABASE CUSTODY_TEST TO ROLE CUSTODY_TEST_LOADER",
        "GRANT USAGE ON SCHEMA CUSTODY_TEST.GOLD TO ROLE CUSTODY_TEST_LOADER",
        "GRANT USAGE ON SCHEMA CUSTODY_TEST.MONITOR TO ROLE CUSTODY_TEST_LOADER",
        "GRANT USAGE ON STAGE CUSTODY_GOLD TO ROLE CUSTODY_TEST_LOADER",
        "GRANT USAGE ON WAREHOUSE CUSTODY_TEST_LOAD TO ROLE CUSTODY_TEST_LOADER",
    ]
