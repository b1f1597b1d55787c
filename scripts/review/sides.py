"""The two sides of a review: documents of Terraform in which what has a random id has one name."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from scripts.state.policies import Policy, Resource, Role, key_names, partition, policies, resources, roles

_OWNERS = {
    "aws_iam_user": "user/{}",
    "aws_iam_group": "group/{}",
    "aws_ssoadmin_permission_set": "permission-set/{}",
}
_ACCOUNT = re.compile(r"arn:[^:]+:(?:iam|kms|sqs|sns):[^:]*:(\d{12}):")


@dataclass(frozen=True)
class Side:
    """A state, or what a plan would make of one, with names for what has random ids."""

    document: dict[str, Any] = field(repr=False)

    @cached_property
    def resources(self) -> list[Resource]:
        """Its managed resources."""
        return resources(self.document)

    @cached_property
    def policies(self) -> list[Policy]:
        """Its policies."""
        return policies(self.document)

    @cached_property
    def roles(self) -> dict[str, Role]:
        """Its roles by name."""
        return roles(self.document)

    @cached_property
    def owners(self) -> set[str]:
        """Whatever exists and may have a policy, in the words of ``Policy.owner``."""
        found = set(self.roles)
        for resource in self.resources:
            found |= {resource.address, str(resource.values.get("arn"))}
            if resource.type in _OWNERS:
                found.add(_OWNERS[resource.type].format(resource.values.get("name")))
            if resource.type == "aws_s3_bucket":
                found.add(f"arn:{partition(self.document)}:s3:::{resource.values.get('bucket')}")
        return found

    @cached_property
    def accounts(self) -> set[str]:
        """The accounts its own roles, keys, queues and topics are in."""
        arns = (str(resource.values.get("arn")) for resource in self.resources)
        return {match[1] for arn in arns if (match := _ACCOUNT.match(arn))}


def applied_sides(before: dict[str, Any], after: dict[str, Any]) -> tuple[Side, Side]:
    """Return the sides of two applied states: key ids are drawn anew by each, so aliases name the keys."""
    return Side(_renamed(before, _names(before))), Side(_renamed(after, _names(after)))


def planned_sides(plan: dict[str, Any]) -> tuple[Side, Side]:
    """Return what a plan found and what it would leave. Two keys stay two, even if they share an alias."""
    before: dict[str, Any] = plan.get("prior_state") or {}
    names = _names(before) | _names(plan)
    shared = {name for name in names.values() if sum(other == name for other in names.values()) > 1}
    own = {arn: name for arn, name in names.items() if name not in shared}
    return Side(_renamed(before, own)), Side(_renamed(plan, own))


def _names(document: dict[str, Any]) -> dict[str, str]:
    """Return what stands for each ARN with a random id: a key's alias (else its address), a set's name."""
    found = {}
    for resource in resources(document):
        arn = resource.values.get("arn")
        if arn and resource.type == "aws_kms_key":
            address = re.sub(r"[^\w.-]", "_", resource.address)
            found[arn] = f"{arn.rpartition(':')[0]}:key/{address}"
        elif arn and resource.type == "aws_ssoadmin_permission_set":
            found[arn] = f"permission-set/{resource.values['name']}"
        elif resource.type == "aws_kms_alias":
            found[f":key/{_planned_id(resource.values['name'])}"] = f":{resource.values['name']}"
    for arn, alias in key_names(document).items():
        found[arn] = f"{arn.rpartition(':')[0]}:{alias}"
    return found


def _planned_id(alias: str) -> uuid.UUID:
    """Return the id that ``scripts.scan.known`` gives a key of this alias where a plan cannot know one."""
    return uuid.uuid5(uuid.NAMESPACE_DNS, alias.removeprefix("alias/"))


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _renamed(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, names) for inner in value]
    if isinstance(value, str):
        for arn, name in names.items():
            value = value.replace(arn, name)
    return value
