"""Every policy in Terraform's JSON, with its owner.

It reads ``terraform show -json`` of a state, where everything is known, or of a plan, where a policy that
names something AWS has yet to make is not. ``_HOLDERS`` says which resource types hold policies; of any other
type, every argument that is a policy by its looks is taken too, so that no type is missed for being new.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["identity", "boundary", "trust", "resource"]


@dataclass(frozen=True)
class Resource:
    """A managed resource: its address, type and values.

    unknown: the names of arguments a plan does not know. secret: those that Terraform does not show.
    """

    address: str
    type: str
    values: dict[str, Any]
    unknown: frozenset[str]
    secret: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Policy:
    """A policy document where it takes effect.

    kind: what it does there. owner: the role's name (``user/…`` and ``group/…`` for the like,
    ``permission-set/…`` in Identity Center); for a resource policy the resource's ARN, or its address while a
    plan does not know it. A managed policy is listed once for each role that has it, under its own ARN if
    none has. name: the policy's, as AWS shows it; the ARN if it is made elsewhere. document: None if it is
    not known: a plan cannot tell yet, or it is made elsewhere.
    """

    address: str
    kind: Kind
    owner: str
    name: str
    document: dict[str, Any] | None


@dataclass(frozen=True)
class Role:
    """A role and all that decides what it may do.

    ``arn`` is its address while a plan does not know it. ``boundary`` is None if there is no boundary, or if
    the policy that ``boundary_arn`` names is made elsewhere.
    """

    name: str
    arn: str
    trust: Policy
    policies: tuple[Policy, ...]
    boundary_arn: str | None
    boundary: Policy | None


def resources(document: dict[str, Any]) -> list[Resource]:
    """Return the managed resources of a state, or those there will be after a plan, in Terraform's order."""
    values = document.get("planned_values") or document.get("values") or {}
    unknown = {
        change["address"]: frozenset(
            name for name, mark in (change["change"].get("after_unknown") or {}).items() if _holds_true(mark)
        )
        for change in document.get("resource_changes", ())
    }
    return [
        Resource(
            resource["address"],
            resource["type"],
            resource.get("values", {}),
            unknown.get(resource["address"], frozenset()),
            frozenset(
                name for name, mark in (resource.get("sensitive_values") or {}).items() if _holds_true(mark)
            ),
        )
        for resource in _walk(values.get("root_module", {}))
        if resource["mode"] == "managed"
    ]


def data_sources(document: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the values of every data source of a type in a state, or in the state a plan began with."""
    return [
        resource["values"]
        for part in (document, document.get("prior_state") or {})
        for resource in _walk(part.get("values", {}).get("root_module", {}))
        if resource["mode"] == "data" and resource["type"] == kind
    ]


def policies(document: dict[str, Any]) -> list[Policy]:
    """Return every policy in a state or plan."""
    index = _Index(document)
    before = _Index(document.get("prior_state") or {})
    # A resource also reads back what others gave it: that is said already, or a plan takes it away.
    taken = before.given_apart() - index.given_apart()
    made = [
        policy
        for resource, policy in index.given
        if resource.type in _APART or policy.kind != "resource" or policy.owner not in taken
    ]
    said = {(policy.owner, policy.kind, policy.name) for _, policy in [*index.given, *before.given]}
    for policy in (policy for resource in index.found for policy in _listed_by(resource, index)):
        if (policy.owner, policy.kind, policy.name) not in said:
            said.add((policy.owner, policy.kind, policy.name))
            made.append(policy)
    return made + index.unheld({policy.address for policy in made})


def roles(document: dict[str, Any]) -> dict[str, Role]:
    """Return every role in a state or plan, by its name."""
    every = policies(document)
    made = {}
    for resource in resources(document):
        if resource.type != "aws_iam_role":
            continue
        name = _name(resource)
        own = {
            kind: [policy for policy in every if (policy.owner, policy.kind) == (name, kind)]
            for kind in ("trust", "identity", "boundary")
        }
        made[name] = Role(
            name=name,
            arn=resource.values.get("arn") or resource.address,
            trust=own["trust"][0],
            policies=tuple(own["identity"]),
            boundary_arn=resource.values.get("permissions_boundary") or None,
            boundary=next((policy for policy in own["boundary"] if policy.document is not None), None),
        )
    return made


def key_names(document: dict[str, Any]) -> dict[str, str]:
    """Return the alias (``alias/…``) of every key whose ARN, with its random id, is known."""
    return {
        resource.values["target_key_arn"]: resource.values["name"]
        for resource in resources(document)
        if resource.type == "aws_kms_alias" and resource.values.get("target_key_arn")
    }


def statements(document: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return the statements of a policy document: IAM lets a single one stand without its list."""
    found = (document or {}).get("Statement", [])
    return [found] if isinstance(found, dict) else list(found)


def partition(document: dict[str, Any]) -> str:
    """Return the AWS partition the document is of: what its own data source says, if it has one."""
    return next((str(data["partition"]) for data in data_sources(document, "aws_partition")), "aws")


@dataclass(frozen=True)
class _Holder:
    """Where a resource type keeps a policy: the argument, the kind, and what says whose it is.

    owner: a form filled in with the resource's arguments. of: the type these arguments refer to, if it is
    another resource's policy.
    """

    argument: str
    kind: Kind
    owner: str
    of: str = ""


_HOLDERS = {
    "aws_iam_role": _Holder("assume_role_policy", "trust", "{name}"),
    "aws_iam_role_policy": _Holder("policy", "identity", "{role}"),
    "aws_iam_user_policy": _Holder("policy", "identity", "user/{user}"),
    "aws_iam_group_policy": _Holder("policy", "identity", "group/{group}"),
    "aws_kms_key": _Holder("policy", "resource", "{arn}"),
    "aws_kms_key_policy": _Holder("policy", "resource", "{key_id}", of="aws_kms_key"),
    "aws_s3_bucket_policy": _Holder("policy", "resource", "arn:{partition}:s3:::{bucket}"),
    "aws_secretsmanager_secret": _Holder("policy", "resource", "{arn}"),
    "aws_secretsmanager_secret_policy": _Holder("policy", "resource", "{secret_arn}"),
    "aws_sns_topic": _Holder("policy", "resource", "{arn}"),
    "aws_sns_topic_policy": _Holder("policy", "resource", "{arn}"),
    "aws_sqs_queue": _Holder("policy", "resource", "{arn}"),
    "aws_sqs_queue_policy": _Holder("policy", "resource", "{queue_url}", of="aws_sqs_queue"),
    "aws_ssoadmin_permission_set_inline_policy": _Holder(
        "inline_policy", "identity", "{permission_set_arn}", of="aws_ssoadmin_permission_set"
    ),
}
_APART = {
    "aws_kms_key_policy",
    "aws_secretsmanager_secret_policy",
    "aws_sns_topic_policy",
    "aws_sqs_queue_policy",
}
"""The types that give a resource its policy, which that one then reads back as its own."""

_NOT_THEIRS = {"aws_s3_bucket", "aws_iam_policy"}
"""The first reads back what its ``aws_s3_bucket_policy`` says; the second counts where it is attached."""

_ATTACHMENTS = {
    "aws_iam_role_policy_attachment": ("policy_arn", "{role}"),
    "aws_iam_user_policy_attachment": ("policy_arn", "user/{user}"),
    "aws_iam_group_policy_attachment": ("policy_arn", "group/{group}"),
    "aws_ssoadmin_managed_policy_attachment": ("managed_policy_arn", "{permission_set_arn}"),
}
_LATER = "a policy not known yet"
_FULL_ACCESS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
}
_POLICY_ARGUMENT = re.compile(r"(.*_)?polic(y|ies)(_document)?")


class _Index:
    """What the resources of a document say of one another, and the policies they were made to give."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.found = resources(document)
        self._partition = partition(document)
        self._managed = [resource for resource in self.found if resource.type == "aws_iam_policy"]
        self._owners = {
            (resource.type, reference): owner
            for resource in self.found
            for owner in [self._called(resource)]
            for argument in ("id", "key_id", "url", "function_name", "arn")
            for reference in [resource.values.get(argument)]
            if owner and reference
        }
        self.given = [
            (resource, policy) for resource in self.found for policy in _policies_of(resource, self)
        ]

    def given_apart(self) -> set[str]:
        """Return the owners of policies that stand in a resource of their own."""
        return {policy.owner for resource, policy in self.given if resource.type in _APART}

    @staticmethod
    def _called(resource: Resource) -> str:
        if resource.type == "aws_ssoadmin_permission_set":
            return f"permission-set/{resource.values.get('name')}"
        return resource.values.get("arn") or ""

    def owner(self, resource: Resource, form: str, of: str = "") -> str:
        """Fill in ``form``; the resource's address where something in it is unknown."""
        known = {name: value for name, value in resource.values.items() if isinstance(value, str) and value}
        try:
            owner = form.format_map({"partition": self._partition, **known})
        except KeyError:
            return resource.address
        return self._owners.get((of, owner), owner)

    def attached(self, arn: str, kind: Kind, owner: str, holder: Resource) -> Policy:
        """Return the managed policy as ``owner`` has it; without its document if it is made elsewhere."""
        for resource in self._managed:
            path = resource.values.get("path") or "/"
            if resource.values.get("arn") == arn or arn.endswith(f":policy{path}{_name(resource)}"):
                return Policy(resource.address, kind, owner, _name(resource), _document(resource, "policy"))
        return Policy(holder.address, kind, owner, arn, None)

    def unheld(self, held: set[str]) -> list[Policy]:
        """Return the managed policies that none of these addresses is."""
        return [
            Policy(
                resource.address,
                "identity",
                self.owner(resource, "{arn}"),
                _name(resource),
                _document(resource, "policy"),
            )
            for resource in self._managed
            if resource.address not in held
        ]


def _policies_of(resource: Resource, index: _Index) -> Iterator[Policy]:
    """Yield what a resource was made to say."""
    values = resource.values
    holder = _HOLDERS.get(resource.type)
    if holder is not None:
        if values.get(holder.argument) or holder.argument in resource.unknown:
            yield Policy(
                resource.address,
                holder.kind,
                index.owner(resource, holder.owner, holder.of),
                str(values.get("name") or holder.argument),
                _document(resource, holder.argument),
            )
    elif resource.type == "aws_lambda_permission":
        yield _of_lambda_permission(resource, index)
    elif resource.type in _ATTACHMENTS:
        argument, form = _ATTACHMENTS[resource.type]
        of = "aws_ssoadmin_permission_set" if form == "{permission_set_arn}" else ""
        yield index.attached(
            values.get(argument) or _LATER,
            "identity",
            index.owner(resource, form, of),
            resource,
        )
    elif resource.type == "aws_iam_policy_attachment":
        for argument, form in (("roles", "{}"), ("users", "user/{}"), ("groups", "group/{}")):
            for name in values.get(argument) or ():
                yield index.attached(
                    values.get("policy_arn") or _LATER, "identity", form.format(name), resource
                )
    elif resource.type == "aws_vpc_endpoint" and not (values.get("policy") or "policy" in resource.unknown):
        # "Control access to VPC endpoints using endpoint policies" (AWS PrivateLink): with none, all pass.
        yield Policy(resource.address, "resource", index.owner(resource, "{arn}"), "policy", _FULL_ACCESS)
    elif resource.type not in _NOT_THEIRS:
        yield from _by_its_looks(resource, index)
    if resource.type in {"aws_iam_role", "aws_iam_user"}:
        owner = index.owner(resource, _IDENTITIES[resource.type])
        if "permissions_boundary" in resource.unknown:
            yield Policy(resource.address, "boundary", owner, "permissions_boundary", None)
        elif values.get("permissions_boundary"):
            yield index.attached(values["permissions_boundary"], "boundary", owner, resource)


_IDENTITIES = {"aws_iam_role": "{name}", "aws_iam_user": "user/{name}"}


def _listed_by(resource: Resource, index: _Index) -> Iterator[Policy]:
    """Yield the policies a role lists among its own arguments, or an exclusive list gives it."""
    values = resource.values
    if resource.type == "aws_iam_role":
        owner = index.owner(resource, "{name}")
        for block in values.get("inline_policy") or ():
            if block.get("policy"):
                document = _parsed(block["policy"])
                yield Policy(resource.address, "identity", owner, str(block.get("name")), document)
    for argument in ("managed_policy_arns", "policy_arns"):
        if resource.type in {"aws_iam_role", "aws_iam_role_policy_attachments_exclusive"}:
            form = "{name}" if resource.type == "aws_iam_role" else "{role_name}"
            for arn in values.get(argument) or ():
                yield index.attached(arn or _LATER, "identity", index.owner(resource, form), resource)


def _by_its_looks(resource: Resource, index: _Index) -> Iterator[Policy]:
    owner = index.owner(resource, "{arn}")
    for argument, value in resource.values.items():
        if isinstance(value, str) and '"Statement"' in value:
            document = _document(resource, argument)
            if document is not None:
                yield Policy(resource.address, "resource", owner, argument, document)
    for argument in sorted(resource.unknown):
        if _POLICY_ARGUMENT.fullmatch(argument) and argument not in resource.values:
            yield Policy(resource.address, "resource", owner, argument, None)


def _of_lambda_permission(resource: Resource, index: _Index) -> Policy:
    """Return the statement that Lambda makes of the permission (AddPermission in its API reference)."""
    values = resource.values
    principal = values.get("principal") or ""
    conditions = {
        "ArnLike": {"AWS:SourceArn": values.get("source_arn")},
        "StringEquals": {
            "AWS:SourceAccount": values.get("source_account"),
            "aws:PrincipalOrgID": values.get("principal_org_id"),
            "lambda:FunctionUrlAuthType": values.get("function_url_auth_type"),
        },
    }
    set_ones = {
        test: {key: value for key, value in entries.items() if value} for test, entries in conditions.items()
    }
    function = index.owner(resource, "{function_name}", "aws_lambda_function")
    kind = "Service" if "." in principal else "AWS"
    statement = {
        "Sid": values.get("statement_id") or "",
        "Effect": "Allow",
        "Principal": "*" if principal == "*" else {kind: principal},
        "Action": values.get("action"),
        "Resource": function,
        "Condition": {test: entries for test, entries in set_ones.items() if entries},
    }
    undecided = resource.unknown & {"principal", "action", "function_name", "source_arn", "source_account"}
    document = None if undecided else {"Version": "2012-10-17", "Statement": [statement]}
    return Policy(resource.address, "resource", function, str(values.get("statement_id") or ""), document)


def _name(resource: Resource) -> str:
    return str(resource.values.get("name") or resource.address)


def _document(resource: Resource, argument: str) -> dict[str, Any] | None:
    parsed = _parsed(resource.values.get(argument) or "")
    return parsed if isinstance(parsed, dict) else None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return None


def _walk(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from module.get("resources", ())
    for child in module.get("child_modules", ()):
        yield from _walk(child)


def _holds_true(mark: Any) -> bool:
    if isinstance(mark, dict):
        return any(_holds_true(value) for value in mark.values())
    if isinstance(mark, list):
        return any(_holds_true(value) for value in mark)
    return bool(mark)
