"""Text of policies as safe Markdown."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import Collection, Iterable
from typing import Any

from custody.terminal import shorten, visible
from scripts.review.conditions import Clause, all_imply
from scripts.review.grants import ANYONE, Grant, Stated
from scripts.state.policies import Policy

SHOWN = 6
"""How many names a sentence lists before it says how many more there are."""

_AROUND = 20
"""Characters shown before and behind where two long texts differ."""

LONGEST = 200
"""Characters of one name; of a longer one the middle goes."""

_VIEW = re.compile(r"/\* Presto View: ([A-Za-z0-9+/=]+) \*/")
"""What Athena keeps of a view: its SQL within JSON in Base64."""

_SERVICE = re.compile(r"[\w.-]+\.amazonaws\.com(\.cn)?")
_IDENTITY = re.compile(r"arn:[^:]+:iam::(\d{12}):(root|role|user)/?(.*)")


def code(name: str) -> str:
    """Return a name as a code span on one line (CommonMark 0.31, "Code spans")."""
    shown = shorten(visible(name), LONGEST) or " "
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {shown} {fence}" if longest else f"{fence}{shown}{fence}"


def codes(names: Iterable[str]) -> str:
    """Return names as a list of code spans."""
    found = sorted(set(names))
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(code(name) for name in found[:SHOWN]) + more


def change_shown(was: Any, now: Any) -> tuple[str, str]:
    """Show two values; of long texts no more than where they differ."""
    first, second = (_text(value) for value in (was, now))
    if first is not None and second is not None and max(len(first), len(second)) > LONGEST:
        start = _alike(first, second)
        end = _alike(first[start:][::-1], second[start:][::-1])
        first, second = (_cut(text, start - _AROUND, end - _AROUND) for text in (first, second))
    return _code_or_none(first), _code_or_none(second)


def _alike(first: str, second: str) -> int:
    """Return how many characters two texts begin with alike."""
    pairs = zip(first, second, strict=False)
    return next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(first), len(second)))


def _cut(text: str, start: int, end: int) -> str:
    """Leave out so many characters at the start and the end of a text."""
    middle = text[max(0, start) : len(text) - max(0, end)]
    return f"{'…' if start > 0 else ''}{middle}{'…' if end > 0 else ''}"


def _text(value: Any) -> str | None:
    if isinstance(value, str) and (match := _VIEW.fullmatch(value)):
        with contextlib.suppress(ValueError, KeyError, TypeError):  # else it is shown as it stands
            return str(json.loads(base64.b64decode(match[1], validate=True))["originalSql"])
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True)


def _code_or_none(text: str | None) -> str:
    return "none" if text is None else code(text)


def owner(policy: Policy) -> str:
    """Say whose policy it is."""
    if policy.owner.startswith("arn:") or policy.kind == "resource":
        return code(policy.owner)
    kind, _, name = policy.owner.rpartition("/")
    return f"{kind.replace('-', ' ') or 'role'} {code(name)}"


def principal(entry: Stated, accounts: Collection[str]) -> tuple[str, str]:
    """Return whom a grant is for: as an approval names it, and in words.

    ``accounts``: those whose roles and users are named without saying that they are of another one.
    """
    policy, region = entry.policy, entry.grant.principal
    if policy.kind == "boundary":
        return policy.name, f"whoever is within {code(policy.name)}"
    if policy.kind == "identity":
        held = policy.owner.startswith("arn:")
        return policy.owner, f"whoever has {code(policy.owner)}" if held else owner(policy)
    if region.negated:
        return str(region), f"everyone except {codes(region.patterns)}"
    return _named(region.patterns[0], accounts)


def _named(name: str, accounts: Collection[str]) -> tuple[str, str]:
    match = _IDENTITY.fullmatch(name)
    if match is None:
        words = "anyone" if name == ANYONE else code(name)
        return name, f"service {words}" if _SERVICE.fullmatch(name) else words
    account, kind, own_name = match.groups()
    if kind == "root":
        return name, f"account {code(account)}"
    if account in accounts:
        return own_name, f"{kind} {code(own_name)}"
    return name, f"{kind} {code(own_name)} of another account, {code(account)}"


def resource(entry: Stated) -> str:
    """Return what a grant is on: ``*`` in the policy of a key or of a role is what has the policy."""
    if str(entry.grant.resource) == ANYONE and entry.policy.kind in {"resource", "trust"}:
        return entry.policy.owner
    return str(entry.grant.resource)


def conditions(found: Iterable[Clause]) -> str:
    """Say under which conditions, `` where …``; nothing if there are none."""
    said = " and ".join(_clause(clause) for clause in found)
    return f" where {said}" if said else ""


def restrictions(grant: Grant, other: Grant, *, other_is_before: bool) -> str:
    """Say under which conditions alone ``other`` says what ``grant`` does; of a changed one, the values."""
    return "only where " + " and ".join(
        _clause(clause) + _changed_values(grant, clause, other_is_before) for clause in unmet(grant, other)
    )


def unmet(grant: Grant, other: Grant) -> list[Clause]:
    """Return the conditions of ``other`` that what meets those of ``grant`` need not meet."""
    return [clause for clause in other.conditions if not all_imply(grant.conditions, (clause,))]


def _changed_values(grant: Grant, clause: Clause, clause_is_before: bool) -> str:
    for ours in grant.conditions:
        if (ours.key.lower(), ours.written) == (clause.key.lower(), clause.written):
            old, new = (clause, ours) if clause_is_before else (ours, clause)
            changes = {
                "added": set(new.values) - set(old.values),
                "removed": set(old.values) - set(new.values),
            }
            return f" ({', '.join(f'{codes(values)} {word}' for word, values in changes.items() if values)})"
    return ""


def _clause(clause: Clause) -> str:
    return f"{code(clause.key)} {code(clause.written)} {codes(clause.values)}"
