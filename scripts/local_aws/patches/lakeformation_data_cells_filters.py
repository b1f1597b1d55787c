"""A data cells filter is kept, and SELECT can be granted on it.

moto has none of the four operations on one filter, and lists no permission on any.
https://docs.aws.amazon.com/lake-formation/latest/APIReference/API_DataCellsFilter.html
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from moto.lakeformation.exceptions import AlreadyExists, EntityNotFound
from moto.lakeformation.models import LakeFormationBackend
from moto.lakeformation.responses import LakeFormationResponse
from moto.lakeformation.urls import url_paths

_OPERATIONS = (
    "CreateDataCellsFilter",
    "DeleteDataCellsFilter",
    "GetDataCellsFilter",
    "UpdateDataCellsFilter",
)
_IDENTITY = ("TableCatalogId", "DatabaseName", "TableName", "Name")


def apply() -> None:
    """Add the operations, and look at the filter where permissions on one are asked for."""
    LakeFormationResponse.create_data_cells_filter = _create  # type: ignore[attr-defined]
    LakeFormationResponse.delete_data_cells_filter = _delete  # type: ignore[attr-defined]
    LakeFormationResponse.get_data_cells_filter = _get  # type: ignore[attr-defined]
    LakeFormationResponse.update_data_cells_filter = _update  # type: ignore[attr-defined]
    for operation in _OPERATIONS:
        url_paths[f"{{0}}/{operation}$"] = LakeFormationResponse.dispatch
    list_permissions = LakeFormationResponse.list_permissions

    def list_permissions_on_filters_too(self: LakeFormationResponse) -> str:
        resource = self._get_param("Resource") or {}
        if "DataCellsFilter" not in resource:
            return list_permissions(self)
        granted = self.lakeformation_backend.list_permissions(
            self._get_param("CatalogId") or self.current_account, self._get_param("Principal")
        )
        found = [permission for permission in granted if permission["Resource"] == resource]
        return json.dumps({"PrincipalResourcePermissions": found})

    LakeFormationResponse.list_permissions = list_permissions_on_filters_too  # type: ignore[method-assign]


def _filters(backend: LakeFormationBackend) -> dict[tuple[str, ...], dict[str, Any]]:
    filters: dict[tuple[str, ...], dict[str, Any]] = backend.__dict__.setdefault("data_cells_filters", {})
    return filters


def _identity(named: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(named[field]) for field in _IDENTITY)


def _asked(response: LakeFormationResponse) -> tuple[str, ...]:
    """What a call names by parameters of its own; it must be there."""
    asked = _identity({field: response._get_param(field) for field in _IDENTITY})
    return _existing(response, asked)


def _existing(response: LakeFormationResponse, identity: tuple[str, ...]) -> tuple[str, ...]:
    if identity not in _filters(response.lakeformation_backend):
        raise EntityNotFound
    return identity


def _put(response: LakeFormationResponse) -> str:
    data = response._get_param("TableData")
    filters = _filters(response.lakeformation_backend)
    filters[_identity(data)] = {**data, "VersionId": str(uuid.uuid4())}
    return "{}"


def _create(self: LakeFormationResponse) -> str:
    if _identity(self._get_param("TableData")) in _filters(self.lakeformation_backend):
        raise AlreadyExists("A data cells filter of this name exists on the table.")
    return _put(self)


def _update(self: LakeFormationResponse) -> str:
    _existing(self, _identity(self._get_param("TableData")))
    return _put(self)


def _get(self: LakeFormationResponse) -> str:
    return json.dumps({"DataCellsFilter": _filters(self.lakeformation_backend)[_asked(self)]})


def _delete(self: LakeFormationResponse) -> str:
    del _filters(self.lakeformation_backend)[_asked(self)]
    return "{}"
