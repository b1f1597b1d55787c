"""The plan of ``local``, for reviewers: resources, policies, and unknown values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

UNKNOWN = "(known after apply)"


@dataclass(frozen=True)
class Statement:
    """One statement of a policy document, with ``UNKNOWN`` for values that the plan does not know."""

    document: str
    sid: str
    effect: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    services: tuple[str, ...]
    principals: tuple[str, ...]
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]
    negations: tuple[str, ...]

    @property
    def condition_keys(self) -> set[str]:
        return {variable for _, variable, _ in self.conditions}

    @property
    def in_boundary(self) -> bool:
        """Whether it is a boundary, which limits and grants nothing."""
        return self.document.startswith("module.boundary[")

    @property
    def in_key_policy(self) -> bool:
        return re.search(r"module\.(\w+_)?key(\[[^]]*\])?\.data\.", self.document) is not None


@dataclass(frozen=True)
class PlanDocument:
    """``terraform show -json`` of a plan, where nothing exists yet."""

    document: dict[str, Any]

    @property
    def changes(self) -> list[dict[str, Any]]:
        changes: list[dict[str, Any]] = self.document["resource_changes"]
        return changes

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """The planned values of the managed resources of a type, by address."""
        return {
            change["address"]: change["change"]["after"]
            for change in self.changes
            if change["mode"] == "managed" and change["type"] == kind
        }

    def by_bucket(self, kind: str) -> dict[str, dict[str, Any]]:
        """The planned values of an S3 resource of which a bucket has one, by the bucket's name."""
        found = {values["bucket"]: values for values in self.resources(kind).values()}
        assert len(found) == len(self.resources(kind)), (
            f"a bucket has two {kind}: the second erases the first"
        )
        return found

    def unknown_arguments(self) -> Iterator[tuple[str, str]]:
        """Every address and argument that the code sets and the plan does not know."""
        configured = dict(_expressions(self.document["configuration"]["root_module"], ""))
        for change in self.changes:
            address = re.sub(r"\[[^]]*\]", "", change["address"])
            for argument, unknown in change["change"]["after_unknown"].items():
                if _unknown_where_configured(unknown, configured[address].get(argument)):
                    yield change["address"], argument

    def statements(self) -> list[Statement]:
        """Every statement of every policy document, known or not."""
        documents = {
            resource["address"]: resource["values"]["statement"]
            for resource in _resources(self.document["prior_state"]["values"]["root_module"])
            if resource["type"] == "aws_iam_policy_document"
        }
        for change in self.changes:
            if change["type"] == "aws_iam_policy_document":
                documents[change["address"]] = change["change"]["after"].get("statement", UNKNOWN)
        undecided = [address for address, statements in documents.items() if statements == UNKNOWN]
        assert undecided == [], "of these policies a plan cannot even tell the statements"
        return [_statement(address, block) for address, blocks in documents.items() for block in blocks or ()]


def _statement(address: str, block: dict[str, Any]) -> Statement:
    def identifiers(of_type: Iterable[str]) -> tuple[str, ...]:
        return tuple(
            sorted(
                identifier or UNKNOWN
                for principal in block["principals"]
                if principal["type"] in of_type
                for identifier in principal["identifiers"]
            )
        )

    return Statement(
        document=address,
        sid=block["sid"] or "",
        effect=block["effect"] or "Allow",
        actions=tuple(sorted(block["actions"] or ())),
        resources=tuple(sorted(resource or UNKNOWN for resource in block["resources"] or ())),
        services=identifiers(["Service"]),
        principals=identifiers(["AWS", "*", "Federated"]),
        conditions=tuple(
            (
                condition["test"],
                condition["variable"],
                tuple(value or UNKNOWN for value in condition["values"]),
            )
            for condition in block["condition"]
        ),
        negations=tuple(
            name for name in ("not_actions", "not_principals", "not_resources") if block.get(name)
        ),
    )


def _resources(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from module.get("resources", ())
    for child in module.get("child_modules", ()):
        yield from _resources(child)


def _expressions(module: dict[str, Any], prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for resource in module.get("resources", ()):
        yield prefix + resource["address"], resource.get("expressions", {})
    for name, call in module.get("module_calls", {}).items():
        yield from _expressions(call["module"], f"{prefix}module.{name}.")


def _unknown_where_configured(unknown: Any, expression: Any) -> bool:
    """Whether an expression of the code is unknown.

    Blocks of the code (a dict of expressions, or a list of such) are included; attributes that only the
    provider computes are not.
    """
    if not unknown or expression is None:
        return False
    if isinstance(expression, list):
        blocks = unknown if isinstance(unknown, list) else [unknown]
        return any(_unknown_where_configured(block, inner) for block in blocks for inner in expression)
    if "references" in expression or "constant_value" in expression or not expression:
        return _any_true(unknown)
    if isinstance(unknown, dict):
        return any(_unknown_where_configured(unknown.get(name), inner) for name, inner in expression.items())
    if isinstance(unknown, list):
        return any(_unknown_where_configured(block, expression) for block in unknown)
    return bool(unknown)


def _any_true(unknown: Any) -> bool:
    if isinstance(unknown, dict):
        return any(_any_true(value) for value in unknown.values())
    if isinstance(unknown, list):
        return any(_any_true(value) for value in unknown)
    return bool(unknown)
