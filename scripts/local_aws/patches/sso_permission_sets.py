"""A permission set has tags and a boundary, and its provisioning can be watched.

moto keeps the tags it is given and cannot say or change them. It knows neither the boundary's operations nor
DescribePermissionSetProvisioningStatus, which Terraform's provider asks after every change.
https://docs.aws.amazon.com/singlesignon/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import json
from typing import Any

from moto.core.utils import unix_time
from moto.ssoadmin.exceptions import ResourceNotFoundException
from moto.ssoadmin.models import PermissionSet
from moto.ssoadmin.responses import SSOAdminResponse


def apply() -> None:
    """Add the operations; a status is always that of work that is done, since here nothing takes time."""
    operations = {
        "delete_permissions_boundary_from_permission_set": _delete_boundary,
        "describe_permission_set_provisioning_status": _provisioning_status,
        "get_permissions_boundary_for_permission_set": _boundary,
        "list_tags_for_resource": _list_tags,
        "put_permissions_boundary_to_permission_set": _put_boundary,
        "tag_resource": _tag,
        "untag_resource": _untag,
    }
    for name, operation in operations.items():
        setattr(SSOAdminResponse, name, operation)


def _permission_set(response: SSOAdminResponse, parameter: str = "PermissionSetArn") -> Any:
    return response.ssoadmin_backend._find_permission_set(
        instance_arn=response._get_param("InstanceArn"), permission_set_arn=response._get_param(parameter)
    )


def _put_boundary(self: SSOAdminResponse) -> str:
    _permission_set(self).permissions_boundary = self._get_param("PermissionsBoundary")
    return "{}"


def _boundary(self: SSOAdminResponse) -> str:
    return json.dumps({"PermissionsBoundary": _boundary_of(_permission_set(self))})


def _delete_boundary(self: SSOAdminResponse) -> str:
    permission_set = _permission_set(self)
    _boundary_of(permission_set)
    del permission_set.permissions_boundary
    return "{}"


def _boundary_of(permission_set: PermissionSet) -> Any:
    try:
        return permission_set.permissions_boundary  # type: ignore[attr-defined]
    except AttributeError:
        raise ResourceNotFoundException("The permission set has no permissions boundary.") from None


def _list_tags(self: SSOAdminResponse) -> str:
    return json.dumps({"Tags": _permission_set(self, "ResourceArn").tags or []})


def _tag(self: SSOAdminResponse) -> str:
    given = self._get_param("Tags")
    _drop_tags(self, {tag["Key"] for tag in given})
    _permission_set(self, "ResourceArn").tags.extend(given)
    return "{}"


def _untag(self: SSOAdminResponse) -> str:
    _drop_tags(self, set(self._get_param("TagKeys")))
    return "{}"


def _drop_tags(response: SSOAdminResponse, keys: set[str]) -> None:
    permission_set = _permission_set(response, "ResourceArn")
    permission_set.tags = [tag for tag in permission_set.tags or [] if tag["Key"] not in keys]


def _provisioning_status(self: SSOAdminResponse) -> str:
    status = {
        "RequestId": self._get_param("ProvisionPermissionSetRequestId"),
        "Status": "SUCCEEDED",
        "CreatedDate": unix_time(),
    }
    return json.dumps({"PermissionSetProvisioningStatus": status})
