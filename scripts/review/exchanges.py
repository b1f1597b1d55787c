"""Statements in which some names of one list replace others: reported by these names.

If a deny now exempts somebody else, "anyone is no longer denied" would be true only of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from scripts.review.conditions import clauses
from scripts.review.grants import Stated
from scripts.state.policies import Policy, statements

_PARTS = ("Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource")

Place = tuple[str, str, str, str]
"""Where a statement stands: its policy's kind, address and name, and its Sid."""


@dataclass(frozen=True)
class Exchange:
    """A statement of which one list differs.

    names: what the list is of: a part of a statement, or a condition key. excepts: whether the names are
    those that the statement does not apply to. added, removed: names, at least one of each.
    """

    policy: Policy
    sid: str
    effect: str
    actions: tuple[str, ...]
    names: str
    excepts: bool
    added: tuple[str, ...]
    removed: tuple[str, ...]


def place(entry: Stated) -> Place:
    """Return where the statement of a grant stands."""
    return entry.policy.kind, entry.policy.address, entry.policy.name, entry.sid


def exchanges(before: Iterable[Stated], after: Iterable[Stated]) -> dict[Place, Exchange]:
    """Return the statements of which one list of names differs, in which some are in the place of others.

    Of principals, actions and resources, some have to stay: all of them is another statement.
    """
    olds, news = _by_place(before), _by_place(after)
    found = {}
    for where in olds.keys() & news.keys():
        (_, old), (policy, new) = olds[where], news[where]
        first, second = _lists(old), _lists(new)
        differ = [name for name in first.keys() | second.keys() if first.get(name) != second.get(name)]
        if len(differ) != 1 or differ[0] not in first or differ[0] not in second:
            continue
        (name,) = differ
        added, removed = (
            tuple(sorted(names)) for names in (second[name] - first[name], first[name] - second[name])
        )
        if added and removed and (name[1] or name[0] not in _PARTS or first[name] & second[name]):
            actions = tuple(
                sorted(second.get(("Action", False), second.get(("NotAction", True), frozenset())))
            )
            found[where] = Exchange(
                policy, where[-1], new.get("Effect", "Allow"), actions, name[0], name[1], added, removed
            )
    return found


def _by_place(entries: Iterable[Stated]) -> dict[Place, tuple[Policy, dict[str, Any]]]:
    """Return the statements that have a Sid of their own in their policy."""
    policies: dict[tuple[str, str, str], Policy] = {}
    for entry in entries:
        policies[place(entry)[:3]] = entry.policy
    found: dict[Place, list[tuple[Policy, dict[str, Any]]]] = defaultdict(list)
    for where, policy in policies.items():
        for statement in statements(policy.document):
            if statement.get("Sid"):
                found[(*where, statement["Sid"])].append((policy, statement))
    return {where: only[0] for where, only in found.items() if len(only) == 1}


_Name = tuple[Any, ...]
"""What a list is of, whether it excepts, and how it is compared."""


def _lists(statement: dict[str, Any]) -> dict[_Name, frozenset[str]]:
    """Return every list of names in a statement, by what it is of and whether it excepts."""
    found: dict[_Name, frozenset[str]] = {("Effect", False): frozenset({str(statement.get("Effect"))})}
    for part in _PARTS:
        if part in statement:
            found[part, part.startswith("Not")] = frozenset(_names(statement[part]))
    for clause in clauses(statement.get("Condition")):
        found[clause.key, clause.negated, clause.written] = frozenset(clause.values)
    return found


def _names(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [name for names in value.values() for name in _names(names)]
    return [str(name) for name in value] if isinstance(value, list) else [str(value)]
