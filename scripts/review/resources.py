"""Changes of resources by argument, additions and removals, judged by ``rules.yaml``.

A resource is the same on both sides if it stands at the same address, or where the code says it moved to;
else if AWS calls it the same, which Terraform would destroy and make anew.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from scripts.review.comparisons import LOST, Change, Ours, removals_shown, set_alone
from scripts.review.findings import About, Direction, Finding, digest
from scripts.review.rules import Counts, Presence, Row, TypeRules, rules_of
from scripts.review.sides import Side
from scripts.review.words import change_shown, code, codes
from scripts.state.policies import Resource

Actions = Mapping[str, list[str]]
"""What a plan does (``create``, ``update``, ``delete``, ``forget``), by address."""


def compare_resources(before: Side, after: Side, actions: Actions | None = None) -> list[Finding]:
    """Return what changes in resources; ``actions`` if a plan says what it does with them."""
    return list(_Comparison(before, after, actions).findings())


def parent_of(resource: Resource, among: Iterable[Resource]) -> Resource | None:
    """Return the resource that this one is a part of."""
    of = rules_of(resource.type).of
    if of is None:
        return None
    kind, own, theirs = of
    name = resource.values.get(own)
    return next(
        (
            other
            for other in among
            if other.type == kind
            and name is not None
            and name in {other.values.get(theirs), other.values.get("id")}
        ),
        None,
    )


def called(resource: Resource) -> str:
    """Say which resource it is: by type, and by what AWS calls it, else by its address."""
    names = _names(resource)
    name = "/".join(name for name in names if name) if names else resource.address
    return f"{resource.type.removeprefix('aws_').replace('_', ' ')} {code(name)}"


def _names(resource: Resource) -> tuple[str, ...] | None:
    values = [resource.values.get(argument) for argument in rules_of(resource.type).named]
    if not values or all(value is None for value in values):
        return None
    return tuple("" if value is None else str(value) for value in values)


@dataclass(frozen=True)
class _Changed:
    """One argument that changes, with its row if it has one."""

    path: str
    was: Any
    now: Any
    row: Row | None
    counts: Counts
    secret: bool
    unknown: bool


class _Comparison:
    """Both sides, and which resource of one is which of the other."""

    def __init__(self, before: Side, after: Side, actions: Actions | None) -> None:
        self._before, self._after, self._actions = before, after, actions
        self._pairs: list[tuple[Resource, Resource]] = []
        self._gone = list(before.resources)
        self._added = list(after.resources)
        for key in (self._said, lambda resource: resource.address, _names):
            self._match(key)

    def findings(self) -> Iterator[Finding]:
        """Yield every difference that is not harmless."""
        for old, new in self._pairs:
            yield from self._of_pair(old, new)
        for old in self._gone:
            yield from self._of_gone(old)
        for new in self._added:
            yield from self._of_added(new)

    def _match(self, key: Callable[[Resource], Any]) -> None:
        """Pair what is left of both sides by a key; what has none, or no other side, stays."""
        waiting: dict[Any, list[Resource]] = defaultdict(list)
        for new in self._added:
            if (found := key(new)) is not None:
                waiting[new.type, found].append(new)
        for old in list(self._gone):
            found = key(old)
            if found is not None and (news := waiting.get((old.type, found))):
                new = news.pop(0)
                self._pairs.append((old, new))
                self._gone.remove(old)
                self._added.remove(new)

    @staticmethod
    def _said(resource: Resource) -> str | None:
        """Return all that it says, if it is the same as long as it says the same."""
        rules = rules_of(resource.type)
        if not rules.content or resource.unknown - rules.computed - {"id"}:
            return None
        return json.dumps(_arguments(resource), sort_keys=True)

    @cached_property
    def _ours(self) -> Ours:
        # What has an ARN of its own is ours; of what has none, or takes one, names may be those of strangers.
        names = {
            value
            for resource in self._after.resources
            if "arn" in rules_of(resource.type).computed
            for argument in ("arn", "id", "name", "bucket", "url", "function_name")
            if isinstance(value := resource.values.get(argument), str)
        }
        return Ours(frozenset(names), frozenset(self._after.accounts))

    def _of_pair(self, old: Resource, new: Resource) -> Iterator[Finding]:
        changes = list(self._changes(old, new))
        who = called(old)
        if fate := self._fate(old, new, changes):
            shown = [_shown(change) for change in changes if change.counts != "harmless"]
            text = f"{who} {fate}" + (f": {', '.join(shown)}" if shown else "")
            yield Finding("wider", "destruction", who, text, address=old.address, change=_digest(changes))
            return
        if _names(old) is None:
            who = called(new)
        judged: tuple[tuple[Direction, Counts], ...] = (("wider", "wider"), ("narrower", "safer"))
        for direction, counts in judged:
            if found := [change for change in changes if change.counts == counts]:
                yield _finding(direction, who, found, new)

    def _changes(self, old: Resource, new: Resource) -> Iterator[_Changed]:
        rules = rules_of(new.type)
        for argument in sorted(old.values.keys() | new.values.keys() | new.unknown):
            secret = argument in old.secret | new.secret
            was, now = old.values.get(argument), new.values.get(argument)
            if _is_unset(now) and argument in new.unknown:
                if self._may_be_another(argument, old, rules):
                    was = None if _is_unset(was) else was
                    yield _Changed(argument, was, None, None, "wider", secret, unknown=True)
                continue
            for path, first, second, row in _differences(argument, was, now, rules):
                change = Change(first, second, self._ours, new.values)
                unknown = argument in new.unknown and second is None
                holds = row is not None and (row.when == "any" or not unknown) and row.holds(change)
                counts: Counts = row.counts if row is not None and holds else "wider"
                yield _Changed(path, first, second, row, counts, secret, unknown)

    @staticmethod
    def _may_be_another(argument: str, old: Resource, rules: TypeRules) -> bool:
        """Whether an argument that a plan does not know may be set to another value by the code."""
        row = rules.rows.get(argument)
        if argument in rules.computed | {"id"} or (row is not None and row.when == "any"):
            return False
        return argument not in old.unknown | rules.filled or not _is_unset(old.values.get(argument))

    def _fate(self, old: Resource, new: Resource, changes: list[_Changed]) -> str:
        """Say what becomes of a resource that holds data; nothing if it stays, or holds none."""
        if not _holds_data(old):
            return ""
        if self._actions is not None and (old.address in self._actions or old.address == new.address):
            planned = {action: action in self._planned(old) for action in ("forget", "delete", "create")}
            fates = {
                "is no longer managed": planned["forget"],
                "is replaced": planned["delete"] and planned["create"],
                "is destroyed": planned["delete"],
            }
            return next((fate for fate, holds in fates.items() if holds), "")
        replacing = rules_of(old.type).data
        if any(change.path in replacing for change in changes):
            return "is replaced"
        if new.address != old.address:
            return (
                f"is at {code(new.address)} now, before {code(old.address)}: destroyed and "
                "recreated, since no `moved` block says that it is the same"
            )
        return ""

    def _planned(self, old: Resource) -> list[str]:
        return (self._actions or {}).get(old.address, [])

    def _of_gone(self, old: Resource) -> Iterator[Finding]:
        who, rules, change = called(old), rules_of(old.type), digest(_arguments(old))
        if "forget" in self._planned(old) or old.address in self._before.forgotten:
            text = f"{who} is no longer managed, and stays as it is"
            about: About = "destruction" if _holds_data(old) else rules.about
            yield Finding("wider", about, who, text, address=old.address, change=change)
        elif _holds_data(old):
            text = f"{who} is destroyed"
            yield Finding("wider", "destruction", who, text, address=old.address, change=change)
        else:
            why = next(self._not_so(rules.gone, old), "")
            yield from _presence_finding(old, "wider" if why else rules.gone.counts, "is gone", why)

    def _of_added(self, new: Resource) -> Iterator[Finding]:
        rules = rules_of(new.type)
        why = next(self._not_so(rules.added, new), "")
        counts = "wider" if why else rules.added.counts
        if rules.added.beside_new and parent_of(new, self._added) is not None:
            counts = rules.added.beside_new
        yield from _presence_finding(new, counts, "is new", why)

    def _not_so(self, presence: Presence, resource: Resource) -> Iterator[str]:
        """Yield why it counts as wider that a resource comes or goes: what it would have to be."""
        rows = rules_of(resource.type).rows
        for path in presence.without:
            if any(value not in (None, False) for value in _values(resource, path)):
                yield f"{code(path)} is set"
        for path, allowed in presence.allowed.items():
            if not all(value in allowed for value in _values(resource, path) or [None]):
                yield f"{code(path)} is not one of {codes(json.dumps(value) for value in allowed)}"
        for path in presence.ours:
            if not all(self._is_ours(value) for value in _values(resource, path)):
                yield f"{code(path)} is not ours"
        for path in presence.from_nothing:
            value = set_alone(resource.values.get(path)) or None
            if value is not None and not rows[path].holds(Change(None, value, self._ours, resource.values)):
                yield f"{code(path)} has an effect that was not there before"
        missing = [kind for kind in presence.guards if not self._guarded(resource, kind)]
        if missing:
            yield f"without {codes(missing)}"

    def _is_ours(self, value: Any) -> bool:
        return value in self._ours.names or ("arn:" in str(value) and self._ours.has(value))

    def _guarded(self, resource: Resource, kind: str) -> bool:
        return any(
            parent_of(other, [resource]) is not None for other in self._after.resources if other.type == kind
        )


def _presence_finding(resource: Resource, counts: Counts, what: str, why: str) -> Iterator[Finding]:
    if counts == "harmless":
        return
    who, rules, arguments = called(resource), rules_of(resource.type), _arguments(resource)
    text = f"{who} {what}{f' ({why})' if why and counts == 'wider' else ''}"
    if arguments and (counts == "wider" or rules.about == "access"):
        text += ": " + codes(
            f"{name} = {json.dumps(value, sort_keys=True)}" for name, value in arguments.items()
        )
    direction: Direction = "wider" if counts == "wider" else "narrower"
    yield Finding(direction, rules.about, who, text, address=resource.address, change=digest(arguments))


def _finding(direction: Direction, who: str, changes: list[_Changed], new: Resource) -> Finding:
    abouts = [change.row.about for change in changes if change.row and change.row.about]
    text = f"{who}: {', '.join(_shown(change) for change in changes)}"
    about = abouts[0] if abouts else rules_of(new.type).about
    if all(change.unknown for change in changes):
        about = "unknown"
    return Finding(direction, about, who, text, address=new.address, change=_digest(changes))


def _digest(changes: Iterable[_Changed]) -> str:
    return digest(
        *([change.path, *([] if change.secret else [change.was, change.now])] for change in changes)
    )


def _shown(change: _Changed) -> str:
    """Say what changes: from what to what, or what a collection no longer has or has as well."""
    row = change.row
    says = row.says if row and row.says else code(change.path)
    if change.secret:
        return f"{says} changes (not shown)"
    if change.unknown:
        was = "" if change.was is None else f", before {change_shown(change.was, None)[0]}"
        return f"{says} is not known until apply{was}"
    if row is not None and row.when in LOST:
        lost = LOST[row.when]
        try:
            less, more = lost(change.was, change.now), lost(change.now, change.was)
        except ValueError:
            less, more = [], []
        if less or more:
            parts = [f"no longer {codes(less)}"] if less else []
            parts += [f"now also {codes(more)}"] if more and (not less or change.counts != "wider") else []
            return f"{says}: {', '.join(parts)}"
    if row is not None and row.when == "keeps more":
        return f"{says} {code(removals_shown(change.was))} → {code(removals_shown(change.now))}"
    was, now = change_shown(change.was, change.now)
    return f"{says} {was} → {now}"


def _differences(
    path: str, was: Any, now: Any, rules: TypeRules
) -> Iterator[tuple[str, Any, Any, Row | None]]:
    """Yield the arguments that differ, as deep as blocks go that stand once, or as there are rows."""
    if path in rules.computed or path == "id" or set_alone(was) == set_alone(now) or _same_json(was, now):
        return
    was, now = (None if value in ("", [], {}) else value for value in (was, now))
    row = rules.rows.get(path)
    first, second = _block(was), _block(now)
    below = any(name.startswith(f"{path}.") for name in rules.rows)
    if row is None and first is not None and second is not None and (below or (first and second)):
        for name in sorted(first.keys() | second.keys()):
            yield from _differences(f"{path}.{name}", first.get(name), second.get(name), rules)
    else:
        yield path, was, now, row


def _is_unset(value: Any) -> bool:
    return set_alone(value) in (None, "", [], {})


def _block(value: Any) -> dict[str, Any] | None:
    """Return the arguments of a block that stands once, or not at all; None for anything else."""
    if isinstance(value, list) and len(value) < 2:
        value = value[0] if value else None
    return {} if value is None else value if isinstance(value, dict) else None


def _same_json(one: Any, other: Any) -> bool:
    """Whether two texts are JSON that says the same, written in another way."""
    try:
        return isinstance(one, str) and isinstance(other, str) and json.loads(one) == json.loads(other)
    except ValueError:
        return False


def _arguments(resource: Resource) -> dict[str, Any]:
    """Return what is set of a resource and can be an argument, without what is secret."""
    rules = rules_of(resource.type)
    left_out = rules.computed | {"id", "tags_all", "timeouts"}
    values = {
        name: "not shown" if name in resource.secret else value
        for name, value in resource.values.items()
        if name not in left_out
    }
    alone: dict[str, Any] = set_alone(values)
    return alone


def _values(resource: Resource, path: str) -> list[Any]:
    """Return what is set at a path, in every block that stands there; None for what a plan does not know."""
    found = [resource.values]
    for name in path.split("."):
        found = [
            part
            for value in found
            if isinstance(value, dict)
            for inner in [value.get(name)]
            for part in (inner if isinstance(inner, list) else [inner])
            if part is not None
        ]
    if not found and path.partition(".")[0] in resource.unknown:
        return [None]
    return found


def _holds_data(resource: Resource) -> bool:
    """Whether it is one of those that hold data; of those that need not stay, whether it has to."""
    rules = rules_of(resource.type)
    return bool(rules.data) and (not rules.locked or bool(resource.values.get(rules.locked)))
