"""The plan with which all these tests compare the SQL, made once by the real Terraform."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from tests.sql.warehouse import PlannedTable, Warehouse
from tests.support.existing_trail import plan_with_organizations_trail
from tests.support.plans import local_plan

DATABASE = "custody_local"


def _resources(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from module.get("resources", ())
    for child in module.get("child_modules", ()):
        yield from _resources(child)


@pytest.fixture(scope="session")
def planned() -> list[dict[str, Any]]:
    """Every resource of the plan for local."""
    return list(_resources(local_plan()["planned_values"]["root_module"]))


@pytest.fixture(scope="session")
def planned_tables(planned: list[dict[str, Any]]) -> dict[str, PlannedTable]:
    """The tables and views that are made from SQL, by name."""
    return _tables(planned)


@pytest.fixture(scope="session")
def tables_of_organizations_trail() -> list[PlannedTable]:
    """The same, of a deployment that reads the trail of its account's organization."""
    plan = plan_with_organizations_trail()
    return list(_tables(_resources(plan["planned_values"]["root_module"])).values())


def _tables(resources: Iterable[dict[str, Any]]) -> dict[str, PlannedTable]:
    return {
        resource["values"]["name"]: resource["values"]
        for resource in resources
        if resource["address"].startswith("module.catalog.aws_glue_catalog_table.")
    }


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
