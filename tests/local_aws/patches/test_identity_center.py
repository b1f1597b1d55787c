"""Permission sets of IAM Identity Center: what Terraform's provider reads back of one."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.account import Account


def permission_set(account: Account) -> tuple[Any, dict[str, str]]:
    """A client, and the arguments that name a new permission set."""
    sso = account.client("sso-admin")
    instance = sso.list_instances()["Instances"][0]["InstanceArn"]
    created = sso.create_permission_set(
        InstanceArn=instance, Name=account.name("set"), Tags=[{"Key": "project", "Value": "custody"}]
    )
    arn = created["PermissionSet"]["PermissionSetArn"]
    return sso, {"InstanceArn": instance, "PermissionSetArn": arn}


def tags_are_told_and_changed(account: Account) -> None:
    sso, names = permission_set(account)
    named = {"InstanceArn": names["InstanceArn"], "ResourceArn": names["PermissionSetArn"]}
    assert sso.list_tags_for_resource(**named)["Tags"] == [{"Key": "project", "Value": "custody"}]
    given = [{"Key": "project", "Value": "other"}, {"Key": "owner", "Value": "data"}]
    sso.tag_resource(**named, Tags=given)
    assert sso.list_tags_for_resource(**named)["Tags"] == given
    sso.untag_resource(**named, TagKeys=["project"])
    assert sso.list_tags_for_resource(**named)["Tags"] == given[1:]


def a_boundary_is_kept_until_it_is_deleted(account: Account) -> None:
    sso, names = permission_set(account)
    boundary = {"CustomerManagedPolicyReference": {"Name": "people-boundary", "Path": "/"}}
    sso.put_permissions_boundary_to_permission_set(**names, PermissionsBoundary=boundary)
    assert sso.get_permissions_boundary_for_permission_set(**names)["PermissionsBoundary"] == boundary
    sso.delete_permissions_boundary_from_permission_set(**names)
    for gone in (
        sso.get_permissions_boundary_for_permission_set,
        sso.delete_permissions_boundary_from_permission_set,
    ):
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            gone(**names)


def provisioning_can_be_watched(account: Account) -> None:
    sso, names = permission_set(account)
    started = sso.provision_permission_set(**names, TargetType="ALL_PROVISIONED_ACCOUNTS")
    request = started["PermissionSetProvisioningStatus"]["RequestId"]
    told = sso.describe_permission_set_provisioning_status(
        InstanceArn=names["InstanceArn"], ProvisionPermissionSetRequestId=request
    )
    assert told["PermissionSetProvisioningStatus"]["RequestId"] == request
    assert told["PermissionSetProvisioningStatus"]["Status"] == "SUCCEEDED"


BEHAVIOURS = [
    a_boundary_is_kept_until_it_is_deleted,
    provisioning_can_be_watched,
    tags_are_told_and_changed,
]


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_the_local_aws(behaviour: Any, aws: Account) -> None:
    behaviour(aws)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_moto_alone_does_not(behaviour: Any, moto: Account) -> None:
    with pytest.raises((AssertionError, ClientError, KeyError, ValueError)):
        behaviour(moto)
