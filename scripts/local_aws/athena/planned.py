"""The tables and views that Terraform plans, as a catalog: what is deployed, before it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

PlannedTable = Mapping[str, Any]


class PlannedCatalog:
    """The tables and views of a plan, in the shape of Glue's ``GetTable``."""

    def __init__(self, planned: Iterable[PlannedTable]) -> None:
        self._tables = {(table["database_name"], table["name"]): _glue_table(table) for table in planned}

    def get_table(self, database: str, name: str) -> Mapping[str, Any] | None:
        """As ``model.Catalog``."""
        return self._tables.get((database, name))

    def databases(self) -> Iterable[str]:
        """As ``model.ListingCatalog``."""
        return sorted({database for database, _ in self._tables})

    def tables(self, database: str) -> Iterable[str]:
        """As ``model.ListingCatalog``."""
        return sorted(name for within, name in self._tables if within == database)


def _glue_table(planned: PlannedTable) -> Mapping[str, Any]:
    storage = planned["storage_descriptor"][0]
    serde = storage["ser_de_info"][0]
    table = {
        "DatabaseName": planned["database_name"],
        "Name": planned["name"],
        "TableType": planned["table_type"],
        "Parameters": planned["parameters"],
        "PartitionKeys": _glue_columns(planned["partition_keys"]),
        "ViewOriginalText": planned["view_original_text"],
        "StorageDescriptor": {
            "Columns": _glue_columns(storage["columns"]),
            "Location": storage["location"],
            "InputFormat": storage["input_format"],
            "SerdeInfo": {
                "SerializationLibrary": serde["serialization_library"],
                "Parameters": serde["parameters"] or {},
            },
        },
    }
    return {name: value for name, value in table.items() if value is not None}


def _glue_columns(planned: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [{"Name": column["name"], "Type": column["type"]} for column in planned]


def tables_of(plan: Mapping[str, Any]) -> dict[str, PlannedTable]:
    """The tables and views of the catalog in ``terraform show -json`` of a plan, by name."""
    return {
        resource["values"]["name"]: resource["values"]
        for resource in resources_of(plan)
        if resource["address"].startswith("module.catalog.aws_glue_catalog_table.")
    }


def resources_of(plan: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every resource that a plan leaves."""
    return _resources(plan["planned_values"]["root_module"])


def _resources(module: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from module.get("resources", ())
    for child in module.get("child_modules", ()):
        yield from _resources(child)
