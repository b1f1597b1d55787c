"""Access that no policy document gives: assignments, grants and filters, compared by their arguments."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from scripts.review.findings import Direction, Finding
from scripts.review.sides import Side
from scripts.review.words import code, codes
from scripts.state.policies import Resource

GRANTS = frozenset(
    {
        "aws_iam_access_key",
        "aws_iam_group_membership",
        "aws_iam_openid_connect_provider",
        "aws_iam_saml_provider",
        "aws_iam_user",
        "aws_iam_user_group_membership",
        "aws_iam_user_login_profile",
        "aws_identitystore_group_membership",
        "aws_kms_grant",
        "aws_lakeformation_opt_in",
        "aws_lakeformation_permissions",
        "aws_lakeformation_resource",
        "aws_lambda_function_url",
        "aws_ram_principal_association",
        "aws_ram_resource_association",
        "aws_s3_access_point",
        "aws_s3_bucket_acl",
        "aws_security_group",
        "aws_security_group_rule",
        "aws_ssoadmin_account_assignment",
        "aws_ssoadmin_application_assignment",
        "aws_ssoadmin_customer_managed_policy_attachment",
        "aws_vpc_security_group_egress_rule",
        "aws_vpc_security_group_ingress_rule",
    }
)
"""More of these is more access."""

LIMITS = frozenset({"aws_lakeformation_data_cells_filter", "aws_ssoadmin_permissions_boundary_attachment"})
"""Fewer of these is more access, and another one may be."""

UNDECIDED = frozenset(
    {
        "aws_lakeformation_data_lake_settings",
        "aws_lakeformation_lf_tag",
        "aws_lakeformation_resource_lf_tag",
        "aws_lakeformation_resource_lf_tags",
    }
)
"""What these do to access depends on others: every change counts as more."""

_NOT_ACCESS = frozenset(
    {
        "arn",
        "create_date",
        "created_date",
        "description",
        "encrypted_secret",
        "id",
        "key_fingerprint",
        "secret",
    }
    | {"ses_smtp_password_v4", "status", "tags", "tags_all", "timeouts", "unique_id", "create_time"}
)


def compare_assignments(before: Side, after: Side) -> Iterator[Finding]:
    """Yield what was added, removed or changed among these types, wherever the code has it."""
    olds, news = _index(before), _index(after)
    gone = [old for key, old in olds.items() if key not in news]
    come = {key: new for key, new in news.items() if key not in olds}
    by_address = {new.address: key for key, new in come.items()}
    for old in gone:
        changed_to = by_address.get(old.address)
        if changed_to is not None:
            yield _changed(old, come.pop(changed_to))
        else:
            direction: Direction = "narrower" if old.type in GRANTS else "wider"
            yield _finding(direction, old, f"is gone: {_shown(old)}")
    for new in come.values():
        yield _finding("narrower" if new.type in LIMITS else "wider", new, f"is new: {_shown(new)}")


def _index(side: Side) -> dict[tuple[str, str], Resource]:
    return {
        (resource.type, json.dumps(_arguments(resource), sort_keys=True)): resource
        for resource in side.resources
        if resource.type in GRANTS | LIMITS | UNDECIDED
    }


def _arguments(resource: Resource) -> dict[str, Any]:
    return {
        name: value
        for name, value in resource.values.items()
        if name not in _NOT_ACCESS and value not in (None, "", [], {})
    }


def _changed(old: Resource, new: Resource) -> Finding:
    was, now = _arguments(old), _arguments(new)
    names = sorted(name for name in was.keys() | now.keys() if was.get(name) != now.get(name))
    shrinks = new.type in GRANTS and all(_is_less(now.get(name), was.get(name)) for name in names)
    said = [f"{code(name)} {_value(was.get(name))} → {_value(now.get(name))}" for name in names]
    return _finding("narrower" if shrinks else "wider", new, f"changes: {', '.join(said)}")


def _is_less(one: Any, other: Any) -> bool:
    """Whether a list holds a part of another, and something of it: an empty one may mean all."""
    if not (isinstance(one, list) and isinstance(other, list)):
        return False
    return all(item in other for item in one)


def _finding(direction: Direction, resource: Resource, said: str) -> Finding:
    who = f"{resource.type.removeprefix('aws_').replace('_', ' ')} {code(resource.address)}"
    return Finding(direction, "access", who, f"{who} {said}", address=resource.address)


def _shown(resource: Resource) -> str:
    arguments = _arguments(resource)
    return codes(f"{name} = {json.dumps(arguments[name], sort_keys=True)}" for name in arguments)


def _value(value: Any) -> str:
    return "none" if value is None else code(json.dumps(value, sort_keys=True))
