"""The plan with which all these tests compare the SQL, made once by the real Terraform."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.local_aws.athena.planned import PlannedTable, resources_of, tables_of
from tests.sql.warehouse import Warehouse
from tests.support.existing_trail import plan_with_organizations_trail
from tests.support.plans import local_plan

DATABASE = "custody_local"


@pytest.fixture(scope="session")
def planned() -> list[dict[str, Any]]:
    """Every resource of the plan for local."""
    return list(resources_of(local_plan()))


@pytest.fixture(scope="session")
def planned_tables() -> dict[str, PlannedTable]:
    """The tables and views that are made from SQL, by name."""
    return tables_of(local_plan())


@pytest.fixture(scope="session")
def tables_of_organizations_trail() -> list[PlannedTable]:
    """The same, of a deployment that reads the trail of its account's organization."""
    return list(tables_of(plan_with_organizations_trail()).values())


@pytest.fixture(scope="session")
def reports(planned: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The saved queries, by name."""
    return {
        resource["values"]["name"]: resource["values"]
        for resource in planned
        if resource["type"] == "aws_athena_named_query"
    }


@pytest.fixture
def warehouse(planned_tables: dict[str, PlannedTable]) -> Warehouse:
    """An empty trail, no receipts."""
    return Warehouse(planned_tables.values(), DATABASE)
