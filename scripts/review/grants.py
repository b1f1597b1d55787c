"""Policy statements split into single grants and denials, and those that the other side lacks.

A grant is one principal, one action, one resource, each a pattern (or all but some patterns: ``NotAction``
and its like), under conditions. It is kept on the other side if one grant there covers all four parts; one
kept only by several together counts as lost, for an answer that errs has to err towards a difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from scripts.review.conditions import Clause, all_imply, clauses
from scripts.review.patterns import covers, covers_arn, disjoint, disjoint_arns
from scripts.state.policies import Policy, statements

ANYONE = "*"


@dataclass(frozen=True, order=True)
class Region:
    """What one pattern stands for, or all that none of several does."""

    patterns: tuple[str, ...]
    negated: bool = False

    def __str__(self) -> str:
        return f"everything except {', '.join(self.patterns)}" if self.negated else self.patterns[0]


@dataclass(frozen=True, order=True)
class Grant:
    """One principal, action and resource, allowed or denied, under conditions. Actions are lower-case."""

    effect: str
    principal: Region
    action: Region
    resource: Region
    conditions: tuple[Clause, ...]


@dataclass(frozen=True)
class Stated:
    """A grant, with the policy and the statement that say it. ``action`` is as it stands there."""

    grant: Grant
    policy: Policy
    sid: str
    action: str


def stated(policy: Policy) -> list[Stated]:
    """Take a policy apart. A part that a statement lacks stands for everything."""
    return [
        Stated(
            Grant(
                statement.get("Effect", "Allow"),
                principal,
                Region(tuple(pattern.lower() for pattern in action.patterns), action.negated),
                resource,
                clauses(statement.get("Condition")),
            ),
            policy,
            statement.get("Sid", ""),
            str(action),
        )
        for statement in statements(policy.document)
        for principal in _principals(statement)
        for action in _regions(statement, "Action")
        for resource in _regions(statement, "Resource")
    ]


def lost(before: Iterable[Stated], after: Iterable[Stated]) -> Iterator[Stated]:
    """Yield what is stated before and not covered by anything stated after."""
    kept = [entry.grant for entry in after]
    same = frozenset(kept)
    for entry in before:
        if entry.grant not in same and not any(grant_covers(grant, entry.grant) for grant in kept):
            yield entry


def grant_covers(wider: Grant, narrower: Grant) -> bool:
    """Whether ``wider`` says for every request what ``narrower`` says for it."""
    return (
        wider.effect == narrower.effect
        and parts_cover(wider, narrower)
        and all_imply(narrower.conditions, wider.conditions)
    )


def parts_cover(wider: Grant, narrower: Grant) -> bool:
    """Whether principal, action and resource are covered, whatever the conditions say."""
    return (
        _covers(wider.action, narrower.action, covers, disjoint)
        and _covers(wider.resource, narrower.resource, covers_arn, disjoint_arns)
        and _covers(wider.principal, narrower.principal, _principal_covers, _principals_differ)
    )


def _covers(
    wider: Region,
    narrower: Region,
    pattern_covers: Callable[[str, str], bool],
    patterns_disjoint: Callable[[str, str], bool],
) -> bool:
    if wider.negated and narrower.negated:
        return all(any(pattern_covers(left, out) for left in narrower.patterns) for out in wider.patterns)
    if wider.negated:
        return all(patterns_disjoint(out, narrower.patterns[0]) for out in wider.patterns)
    if narrower.negated:
        return wider.patterns == (ANYONE,)
    return pattern_covers(wider.patterns[0], narrower.patterns[0])


def _principal_covers(wider: str, narrower: str) -> bool:
    return wider in {ANYONE, narrower}


def _principals_differ(one: str, other: str) -> bool:
    """Whether nobody is both. An account's root stands for all that is in the account."""
    return one != other and not any(name == ANYONE or name.endswith(":root") for name in (one, other))


def _regions(statement: dict[str, Any], part: str) -> list[Region]:
    if f"Not{part}" in statement:
        return [Region(tuple(sorted(_listed(statement[f"Not{part}"]))), negated=True)]
    return [Region((pattern,)) for pattern in _listed(statement.get(part, ANYONE))]


def _principals(statement: dict[str, Any]) -> list[Region]:
    if "NotPrincipal" in statement:
        return [Region(tuple(sorted(_names(statement["NotPrincipal"]))), negated=True)]
    return [Region((name,)) for name in _names(statement.get("Principal", ANYONE))]


def _names(element: Any) -> list[str]:
    """Return the principals of an element; an account's number stands for the ARN of its root."""
    if not isinstance(element, dict):
        return [ANYONE]
    found = [name for names in element.values() for name in _listed(names)]
    return [f"arn:aws:iam::{name}:root" if name.isdecimal() and len(name) == 12 else name for name in found]


def _listed(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]
