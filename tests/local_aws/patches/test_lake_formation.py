"""Lake Formation: filters of rows and columns, grants on them, and revoking."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.account import ACCOUNT, Account

ANALYST = {"DataLakePrincipalIdentifier": f"arn:aws:iam::{ACCOUNT}:role/analyst"}


def table_data(account: Account, **more: Any) -> dict[str, Any]:
    return {
        "TableCatalogId": ACCOUNT,
        "DatabaseName": "gold",
        "TableName": "customers",
        "Name": account.name("filter"),
        "RowFilter": {"FilterExpression": "country = 'DE'"},
        "ColumnWildcard": {"ExcludedColumnNames": ["email"]},
        **more,
    }


def names(data: dict[str, Any]) -> dict[str, str]:
    return {field: data[field] for field in ("TableCatalogId", "DatabaseName", "TableName", "Name")}


def a_filter_is_kept_changed_and_deleted(account: Account) -> None:
    lake = account.client("lakeformation")
    data = table_data(account)
    lake.create_data_cells_filter(TableData=data)
    with pytest.raises(ClientError, match="AlreadyExistsException"):
        lake.create_data_cells_filter(TableData=data)
    told = lake.get_data_cells_filter(**names(data))["DataCellsFilter"]
    first = told.pop("VersionId")
    assert told == data
    changed = {**data, "ColumnWildcard": {"ExcludedColumnNames": ["email", "first_name"]}}
    lake.update_data_cells_filter(TableData=changed)
    told = lake.get_data_cells_filter(**names(data))["DataCellsFilter"]
    assert told.pop("VersionId") != first
    assert told == changed
    lake.delete_data_cells_filter(**names(data))
    with pytest.raises(ClientError, match="EntityNotFoundException"):
        lake.get_data_cells_filter(**names(data))
    with pytest.raises(ClientError, match="EntityNotFoundException"):
        lake.update_data_cells_filter(TableData=data)


def a_grant_on_a_filter_is_listed(account: Account) -> None:
    lake = account.client("lakeformation")
    granted, other = ({"DataCellsFilter": names(table_data(account))} for _ in range(2))
    lake.grant_permissions(Principal=ANALYST, Resource=granted, Permissions=["SELECT"])
    [found] = lake.list_permissions(Principal=ANALYST, Resource=granted)["PrincipalResourcePermissions"]
    assert found["Permissions"] == ["SELECT"]
    assert found["Resource"] == granted
    assert lake.list_permissions(Principal=ANALYST, Resource=other)["PrincipalResourcePermissions"] == []


def what_is_not_granted_is_not_revoked(account: Account) -> None:
    lake = account.client("lakeformation")
    grant = {
        "Principal": ANALYST,
        "Resource": {"Database": {"CatalogId": ACCOUNT, "Name": account.name("database")}},
        "Permissions": ["DESCRIBE"],
    }
    lake.grant_permissions(**grant)
    lake.revoke_permissions(**grant)
    with pytest.raises(ClientError, match=r"InvalidInputException.*No permissions revoked"):
        lake.revoke_permissions(**grant)


BEHAVIOURS = [
    a_filter_is_kept_changed_and_deleted,
    a_grant_on_a_filter_is_listed,
    what_is_not_granted_is_not_revoked,
]


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_the_local_aws(behaviour: Any, aws: Account) -> None:
    behaviour(aws)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_moto_alone_does_not(behaviour: Any, moto: Account) -> None:
    with pytest.raises((AssertionError, ClientError, KeyError, ValueError, pytest.fail.Exception)):
        behaviour(moto)
