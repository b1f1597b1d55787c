"""Renamed roles: reported as renamed, and not as one removed and one added role."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from scripts.review.findings import Finding
from scripts.review.sides import Side
from scripts.review.words import code
from scripts.state.policies import Role

_NAMES = {"id", "name", "role", "role_name", "roles"}
"""Arguments that hold a role's name alone; ``id`` and ``name`` of the role itself."""


def without_renames(before: Side, after: Side) -> tuple[Side, list[Finding]]:
    """Return the first side with the names that roles have on the second, and a finding for each of these."""
    renamed = _renamed_roles(before, after)
    findings = [
        Finding(
            "wider",
            "access",
            f"role {code(new)}",
            f"role {code(new)} was called {code(old)}: it is recreated, and references outside this "
            "code still name the old one",
            principal=new,
            address=after.roles[new].trust.address,
        )
        for old, new in renamed.items()
    ]
    if not renamed:
        return before, []
    return replace(before, document=_with_names(before.document, renamed)), findings


def _renamed_roles(before: Side, after: Side) -> dict[str, str]:
    """Return new names by old: of roles at one address, and of those that say the same to the letter."""
    gone = {name: role for name, role in before.roles.items() if name not in after.roles}
    new = {name: role for name, role in after.roles.items() if name not in before.roles}
    by_address = {role.trust.address: name for name, role in new.items()}
    found: dict[str, str] = {}
    for name, role in gone.items():
        other = by_address.get(role.trust.address) or next(
            (
                other
                for other in new
                if other not in found.values() and _said(role, name) == _said(new[other], other)
            ),
            None,
        )
        if other is not None and other not in found.values():
            found[name] = other
    return found


def _said(role: Role, name: str) -> Counter[str]:
    """Return all that a role's policies say, with one name in place of its own."""
    every = [role.trust, *role.policies]
    texts = [json.dumps([policy.kind, policy.document], sort_keys=True) for policy in every]
    return Counter([_in_arns({name: ""}, text) for text in [*texts, f"boundary {role.boundary_arn}"]])


def _in_arns(names: Mapping[str, str], text: str) -> str:
    """Put names in place of others where an ARN of a role, or of a session in it, has them."""
    pattern = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    return re.sub(
        rf"(?<=:role/)((?:[\w+=,.@-]+/)*)({pattern})(?![\w+=,.@*?/-])|(?<=:assumed-role/)()({pattern})(?=/)",
        lambda found: (found[1] or "") + names[found[2] or found[4]],
        text,
    )


def _with_names(value: Any, names: Mapping[str, str], of_role: bool = False) -> Any:
    if isinstance(value, dict):
        is_role = value.get("type") == "aws_iam_role" if "values" in value else of_role
        return {argument: _named(argument, inner, names, is_role) for argument, inner in value.items()}
    if isinstance(value, list):
        return [_with_names(inner, names, of_role) for inner in value]
    return _in_arns(names, value) if isinstance(value, str) else value


def _named(argument: str, value: Any, names: Mapping[str, str], of_role: bool) -> Any:
    if argument in _NAMES and (of_role or argument not in {"id", "name"}):
        if isinstance(value, str) and value in names:
            return names[value]
        if isinstance(value, list):
            return [names.get(item, item) if isinstance(item, str) else item for item in value]
    return _with_names(value, names, of_role)
