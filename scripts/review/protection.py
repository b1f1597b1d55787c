"""What protects data less than before, and what would be destroyed.

A resource is the same on both sides if AWS calls it the same (``rules.IDENTITY``), wherever the code has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scripts.review.findings import Direction, Finding
from scripts.review.rules import IDENTITY, PROTECTIVE, RULES, STATEFUL, Rule
from scripts.review.sides import Side
from scripts.review.words import code, codes
from scripts.state.policies import Resource

Actions = Mapping[str, list[str]]
"""What a plan does (``create``, ``update``, ``delete``, ``forget``), by address."""

Identity = tuple[str, ...]


def compare_protection(before: Side, after: Side, actions: Actions | None = None) -> list[Finding]:
    """Return what is protected less or more, and what is destroyed; ``actions`` if a plan says it."""
    olds, news = _index(before), _index(after)
    found = [*_weakened("wider", olds, news), *_weakened("narrower", news, olds)]
    if actions is None:
        found += _gone(olds, news, after)
    else:
        found += _planned_away(before, actions)
    return found


def _index(side: Side) -> dict[Identity, Resource]:
    return {_identity(resource): resource for resource in side.resources}


def _identity(resource: Resource) -> Identity:
    names = [resource.values.get(argument) for argument in IDENTITY.get(resource.type, ())]
    if not names or any(name is None for name in names):
        return (resource.type, resource.address)
    return (resource.type, *map(str, names))


def _called(identity: Identity) -> str:
    kind, *names = identity
    return f"{kind.removeprefix('aws_').replace('_', ' ')} {code('/'.join(name for name in names if name))}"


def _weakened(
    direction: Direction, olds: Mapping[Identity, Resource], news: Mapping[Identity, Resource]
) -> Iterator[Finding]:
    """Yield what ``news`` protects less than ``olds``. ``narrower``: they are given the other way round."""
    for identity, old in olds.items():
        new = news.get(identity)
        who = _called(identity)
        if new is None:
            if old.type in PROTECTIVE and _protects(identity) in (None, *news):
                text = f"{who} is {'gone' if direction == 'wider' else 'new'}"
                about = RULES[old.type][0].about if old.type in RULES else "protection"
                yield Finding(direction, about, who, text, address=old.address)
            continue
        for rule in RULES.get(old.type, ()):
            text = _weaker(direction, rule, old, new)
            if text:
                yield Finding(direction, rule.about, who, f"{who}: {text}", address=new.address)


def _protects(identity: Identity) -> Identity | None:
    """Return what a protecting resource is a part of: gone with it, it is not missed."""
    kind, *names = identity
    if kind.startswith("aws_s3_bucket_"):
        return ("aws_s3_bucket", names[0])
    if kind.startswith("aws_iam_role_"):
        return ("aws_iam_role", names[0])
    if kind == "aws_cloudwatch_event_target":
        return ("aws_cloudwatch_event_rule", *names[:2])
    return None


def _weaker(direction: Direction, rule: Rule, old: Resource, new: Resource) -> str:
    """Say in what ``new`` is weaker than ``old``; nothing if it is not."""
    was, now = _value(old, rule.path), _value(new, rule.path)
    argument = rule.path.partition(".")[0]
    if now is None and argument in new.unknown:
        return f"{rule.says} is not known until apply, before {_shown(rule, was)}" if was is not None else ""
    if was is None and argument in old.unknown:
        return ""
    if not rule.weaker(was, now) or (direction == "narrower" and rule.weaker(now, was)):
        return ""
    if rule.lost is not None:
        verb = "no longer" if direction == "wider" else "now also"
        return f"{rule.says}: {verb} {codes(rule.lost(was, now))}"
    first, then = (was, now) if direction == "wider" else (now, was)
    return f"{rule.says} {_shown(rule, first)} → {_shown(rule, then)}"


def _shown(rule: Rule, value: Any) -> str:
    if value is None:
        return "none"
    return code(value if isinstance(value, str) else rule.shown(value))


def _value(resource: Resource, path: str) -> Any:
    """Follow a path; None where nothing is set."""
    value: Any = resource.values
    for name in path.split("."):
        if isinstance(value, list):
            value = value[0] if value else None
        value = value.get(name) if isinstance(value, dict) else None
    return None if value in ("", [], {}) else value


def _gone(
    olds: Mapping[Identity, Resource], news: Mapping[Identity, Resource], after: Side
) -> Iterator[Finding]:
    """Yield what a state held and the other does not, as far as two states can tell."""
    addresses = {resource.address for resource in after.resources}
    for identity, old in olds.items():
        if not _holds_data(old):
            continue
        who, new = _called(identity), news.get(identity)
        if new is None:
            what = "is replaced" if old.address in addresses else "is destroyed"
        elif changed := [
            argument
            for argument in STATEFUL[old.type]
            if old.values.get(argument) != new.values.get(argument)
        ]:
            what = f"is replaced: {codes(changed)} changes"
        elif new.address != old.address:
            what = (
                f"is at {code(new.address)} now, before {code(old.address)}: destroyed and made anew, unless "
                "a `moved` block says that it is the same"
            )
        else:
            continue
        yield Finding("wider", "destruction", who, f"{who} {what}", address=old.address)


def _planned_away(before: Side, actions: Actions) -> Iterator[Finding]:
    for resource in before.resources:
        planned = actions.get(resource.address, [])
        if _holds_data(resource) and {"delete", "forget"} & set(planned):
            who = _called(_identity(resource))
            what = "is destroyed"
            if "forget" in planned:
                what = "is no longer managed"
            elif "create" in planned:
                what = "is replaced"
            yield Finding("wider", "destruction", who, f"{who} {what}", address=resource.address)


def _holds_data(resource: Resource) -> bool:
    """Whether it is stateful; of objects, whether one is under a lock."""
    if resource.type == "aws_s3_object":
        return bool(resource.values.get("object_lock_mode"))
    return resource.type in STATEFUL
