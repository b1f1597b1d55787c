"""The two sides of a review: Terraform documents in which random ids are replaced by names.

What an apply draws anew (ids of keys, networks and functions, a key's public half) is called by the alias or
address of the resource that has it, and so are all that name it. What is not of a resource here keeps its id.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from scripts.review.moves import Moves
from scripts.state.policies import (
    Policy,
    Resource,
    Role,
    data_sources,
    key_names,
    partition,
    policies,
    resources,
    roles,
)

_OWNERS = {
    "aws_iam_user": "user/{}",
    "aws_iam_group": "group/{}",
    "aws_ssoadmin_permission_set": "permission-set/{}",
}
_DRAWN = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # a key, a mapping, a subscription, a saved query
    r"|\b[a-z]+-[0-9a-f]{8}(?:[0-9a-f]{9})?\b"  # a network and what is in it
    r"|(?<=:secret:)\S+-\w{6}$"
)
_IN_ACCOUNTS = {
    "aws_iam_policy",
    "aws_iam_role",
    "aws_iam_user",
    "aws_kms_key",
    "aws_sns_topic",
    "aws_sqs_queue",
}
"""Types whose own ARN says which account they are in; of others, ``arn`` may be an argument."""
_ACCOUNT = re.compile(r"arn:[^:]+:(?:iam|kms|sqs|sns):[^:]*:(\d{12}):")


@dataclass(frozen=True)
class Side:
    """A state, or what a plan would make of one, with names for what has random ids.

    forgotten: addresses that the code of the other side says to leave alone, and no longer to manage.
    """

    document: dict[str, Any] = field(repr=False)
    forgotten: frozenset[str] = frozenset()

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
        """The accounts its own roles, keys, queues and topics are in.

        A role that a plan does not know yet is in the account of its permissions boundary.
        """
        arns = (
            str(resource.values.get("arn") or resource.values.get("permissions_boundary"))
            for resource in self.resources
            if resource.type in _IN_ACCOUNTS
        )
        return {match[1] for arn in arns if (match := _ACCOUNT.match(arn))}


def applied_sides(
    before: dict[str, Any], after: dict[str, Any], code: Moves | None = None
) -> tuple[Side, Side]:
    """Return the sides of two applied states; ``code``: what the code of the second says has moved."""
    code = code or Moves()
    olds, news = ([resource.address for resource in resources(side)] for side in (before, after))
    before = _at(before, code.of(olds, news))
    forgotten = code.forgotten([resource.address for resource in resources(before)])
    return (
        Side(_renamed(before, _drawn(before) | _names(before)), forgotten),
        Side(_renamed(after, _drawn(after) | _names(after))),
    )


def planned_sides(plan: dict[str, Any]) -> tuple[Side, Side]:
    """Return what a plan found and what it would leave. Two keys stay two, even if they share an alias."""
    moves = {
        change["previous_address"]: change["address"]
        for change in plan.get("resource_changes", ())
        if change.get("previous_address")
    }
    before = _at(plan.get("prior_state") or {}, moves)
    names = _names(before) | _names(plan)
    shared = {name for name in names.values() if sum(other == name for other in names.values()) > 1}
    own = {arn: name for arn, name in names.items() if name not in shared}
    return Side(_renamed(before, own)), Side(_renamed(plan, own))


def _at(value: Any, moves: Mapping[str, str]) -> Any:
    """Return a document with its resources at the addresses that they move to."""
    if isinstance(value, list):
        return [_at(inner, moves) for inner in value]
    if not isinstance(value, dict) or not moves:
        return value
    if value.keys() & {"mode", "change"} and value.get("address") in moves:
        return {**value, "address": moves[value["address"]]}
    return {name: _at(inner, moves) for name, inner in value.items()}


def _names(document: dict[str, Any]) -> dict[str, str]:
    """Return what stands for each random id: a key's alias (else its address), a set's or role's name."""
    found = {}
    for resource in resources(document):
        arn = resource.values.get("arn")
        if arn and resource.type == "aws_kms_key":
            address = re.sub(r"[^\w.-]", "_", resource.address)
            found[arn] = f"{arn.rpartition(':')[0]}:key/{address}"
        elif arn and resource.type == "aws_ssoadmin_permission_set":
            found[arn] = f"permission-set/{resource.values.get('name')}"
        elif resource.type == "aws_iam_role" and (drawn := resource.values.get("unique_id")):
            found[drawn] = f"<id of role {resource.values.get('name')}>"
        elif resource.type == "aws_kms_alias" and (alias := resource.values.get("name")):
            found[f":key/{_planned_id(alias)}"] = f":{alias}"
    for arn, alias in key_names(document).items():
        found[arn] = f"{arn.rpartition(':')[0]}:{alias}"
    return found


def _drawn(document: dict[str, Any]) -> dict[str, str]:
    """Return what stands for each random id that a resource was given, and for the public key of one."""
    found: dict[str, str] = {}
    keys = {}
    for argument in ("arn", "id"):  # what has both is what it is the id of
        for resource in resources(document):
            for match in _DRAWN.finditer(str(resource.values.get(argument) or "")):
                found.setdefault(match[0], f"<{resource.address}>")
            if resource.type == "aws_kms_key":
                keys[resource.values.get("arn")] = f"<public key of {resource.address}>"
    for data in data_sources(document, "aws_kms_public_key"):
        if data.get("key_id") in keys:
            for argument in ("public_key_pem", "public_key"):
                text = data.get(argument) or ""
                found |= dict.fromkeys({text, json.dumps(text)[1:-1]} - {""}, keys[data["key_id"]])
    return found


def _planned_id(alias: str) -> uuid.UUID:
    """Return the id that ``scripts.scan.known`` gives a key of this alias where a plan cannot know one."""
    return uuid.uuid5(uuid.NAMESPACE_DNS, alias.removeprefix("alias/"))


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if not names:
        return value
    pattern = re.compile("|".join(map(re.escape, sorted(names, key=len, reverse=True))))

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: renamed(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [renamed(inner) for inner in value]
        return pattern.sub(lambda found: names[found[0]], value) if isinstance(value, str) else value

    return renamed(value)
