"""Kinds of changes of a value, by their names in ``rules.yaml``.

Each comparison says whether a change is certainly of its kind. If that cannot be decided it is not, and the
change counts as wider.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

FOREVER = float("inf")
_ARN = re.compile(r"arn:[^:\s\"]*:[^:\s\"]*:[^:\s\"]*:(\d*):[^\s\"]+")


@dataclass(frozen=True)
class Ours:
    """What a side calls its own: names and ARNs of its resources, and the accounts these are in."""

    names: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()

    def has(self, value: Any) -> bool:
        """Whether every ARN that a value names is of ours: made here, or in an account of ours."""
        text = value if isinstance(value, str) else json.dumps(value)
        return all(
            found[0] in self.names or found[1] in self.accounts for found in _ARN.finditer(text.strip('"'))
        )


@dataclass(frozen=True)
class Change:
    """A value before and after, None where nothing is set; ``others``: the resource's arguments after."""

    was: Any
    now: Any
    ours: Ours = Ours()
    others: Mapping[str, Any] | None = None


Comparison = Callable[[Change], bool]


def _number(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None


def _ordered(first: Any, second: Any) -> bool:
    """Whether both are numbers, and the first is less."""
    one, other = _number(first), _number(second)
    return one is not None and other is not None and one < other


def _days(value: Any) -> float | None:
    """Return a duration in days; 0 and none stand for ever, as in a log group."""
    return FOREVER if value in (None, 0, "0") else _number(value)


def _longer(change: Change) -> bool:
    was, now = _days(change.was), _days(change.now)
    return was is not None and now is not None and was < now


def _reserves_more(change: Change) -> bool:
    """Compare reserved concurrency: -1 reserves nothing and limits nothing."""
    return _number(change.was) not in {None, -1.0} and _ordered(change.was, change.now)


def _seconds(value: Any) -> float | None:
    """Return the seconds of an ISO 8601 duration of hours, minutes and seconds, as Identity Center has it."""
    match = re.fullmatch(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?", str(value))
    if match is None or not any(match.groups()):
        return None
    hours, minutes, seconds = (int(group or 0) for group in match.groups())
    return float(hours * 3600 + minutes * 60 + seconds)


def _later(change: Change) -> bool:
    """Compare times of one form (RFC 3339, UTC), which sort as texts."""
    return isinstance(change.now, str) and str(change.was or "") < change.now


def _tighter(change: Change) -> bool:
    """Compare an alarm's thresholds by its operator: which one is crossed sooner."""
    operator = str((change.others or {}).get("comparison_operator"))
    if operator.startswith("GreaterThan"):
        return _ordered(change.now, change.was)
    return operator.startswith("LessThan") and _ordered(change.was, change.now)


def members(value: Any) -> set[str]:
    """Return what a list holds, as texts."""
    listed = value if isinstance(value, list) else [] if value is None else [value]
    return {item if isinstance(item, str) else json.dumps(item, sort_keys=True) for item in listed}


def members_lost(before: Any, after: Any) -> list[str]:
    """Return what a list no longer holds."""
    return sorted(members(before) - members(after))


def _grows(change: Change) -> bool:
    added = members(change.now) - members(change.was)
    return not members_lost(change.was, change.now) and change.ours.has(sorted(added))


def _shrinks(change: Change) -> bool:
    """Whether a list holds a part of what it did, and something of it: an empty one may mean all."""
    return members(change.now) < members(change.was) and bool(members(change.now))


def _cut(change: Change) -> bool:
    """Whether a list holds a part of what it did, or nothing."""
    return members(change.now) < members(change.was)


def events_lost(before: Any, after: Any) -> list[str]:
    """Return what an event pattern (JSON) matched and no longer does: values gone, fields newly asked for."""
    old, new = _asked(json.loads(before or "{}")), _asked(json.loads(after or "{}"))
    gone = [
        f"{field} {value}" for field in old.keys() & new.keys() for value in sorted(old[field] - new[field])
    ]
    asked = [f"{field} other than {', '.join(sorted(new[field]))}" for field in new.keys() - old.keys()]
    return sorted(gone + asked)


def _asked(pattern: Any, path: str = "") -> dict[str, set[str]]:
    if isinstance(pattern, dict):
        inner = [_asked(value, f"{path}.{name}" if path else name) for name, value in pattern.items()]
        return {field: values for found in inner for field, values in found.items()}
    return {path: members(pattern)}


def _matches_more(change: Change) -> bool:
    """Compare event patterns; without one, a rule hears nothing."""
    try:
        return change.now is not None and not events_lost(change.was, change.now)
    except ValueError:
        return False


def selection_lost(before: Any, after: Any) -> list[str]:
    """Return what advanced event selectors of a trail logged and no longer do, value by value."""
    return [
        said
        for selector in before or ()
        for atom, said in _atoms(_fields(selector))
        if not any(_selector_covers(_fields(other), atom) for other in after or ())
    ]


_Fields = dict[tuple[str, str], set[str]]


def _fields(selector: dict[str, Any]) -> _Fields:
    return {
        (entry["field"], operator): {str(value) for value in values}
        for entry in selector.get("field_selector", ())
        for operator, values in entry.items()
        if operator != "field" and values
    }


def _atoms(fields: _Fields) -> list[tuple[_Fields, str]]:
    """Take the longest list of alternatives of a selector apart."""
    alternatives = {key: values for key, values in fields.items() if not key[1].startswith("not_")}
    if not alternatives:
        return [(fields, "all events")]
    longest = max(sorted(alternatives), key=lambda key: len(alternatives[key]))
    name = f"{longest[0]} {longest[1].replace('_', ' ')}"
    return [(fields | {longest: {value}}, f"{name} {value}") for value in sorted(fields[longest])]


def _selector_covers(wide: _Fields, narrow: _Fields) -> bool:
    return all(
        (values <= narrow.get(key, set()))
        if key[1].startswith("not_")
        else (key in narrow and narrow[key] <= values)
        for key, values in wide.items()
    )


@dataclass(frozen=True)
class _Removal:
    """What an enabled lifecycle rule does to objects: delete them, or put them into another storage class."""

    kind: str
    scope: str
    storage_class: str
    date: str
    days: float
    kept: float

    def __str__(self) -> str:
        to = f" to {self.storage_class}" if self.storage_class else ""
        when = f"on {self.date}" if self.date else f"{self.days:g} days"
        kept = f", keeping {self.kept:g}" if self.kept else ""
        return f"{self.kind}{to} {when}{kept}{f' of {self.scope}' if self.scope else ''}"


_RULE = frozenset({"id", "status", "filter", "prefix"})
_REMOVALS = {
    "abort_incomplete_multipart_upload": "days_after_initiation",
    "expiration": "days",
    "noncurrent_version_expiration": "noncurrent_days",
    "noncurrent_version_transition": "noncurrent_days",
    "transition": "days",
}


def _removals(rules: Any) -> list[_Removal]:
    """Return all that lifecycle rules do. Raises ``ValueError`` for what is not known here."""
    found = []
    for rule in rules or ():
        if rule.get("status") != "Enabled":
            continue
        unknown = {name for name, value in rule.items() if value} - _RULE - _REMOVALS.keys()
        if unknown:
            raise ValueError(f"unknown in a rule: {', '.join(sorted(unknown))}")
        scope = set_alone([rule.get("filter"), rule.get("prefix")])
        for kind, days in _REMOVALS.items():
            for block in rule.get(kind) or ():
                markers = kind == "expiration" and block.get("expired_object_delete_marker")
                found.append(
                    _Removal(
                        f"{kind} of delete markers" if markers else kind,
                        json.dumps(scope, sort_keys=True) if scope else "",
                        block.get("storage_class") or "",
                        block.get("date") or "",
                        float(block.get(days) or 0),
                        float(block.get("newer_noncurrent_versions") or 0),
                    )
                )
    return found


def set_alone(value: Any) -> Any:
    """Return a value without what is not set in it: nulls, and empty texts, lists and mappings."""
    if isinstance(value, dict):
        inner = {name: set_alone(part) for name, part in value.items()}
        return {name: part for name, part in inner.items() if part not in (None, "", [], {})}
    if isinstance(value, list):
        return [part for part in map(set_alone, value) if part not in (None, "", [], {})]
    return value


def removals_shown(rules: Any) -> str:
    """Say what lifecycle rules do to objects."""
    try:
        return ", ".join(sorted({str(removal) for removal in _removals(rules)})) or "never"
    except ValueError:
        return json.dumps(rules, sort_keys=True)


def _keeps_more(change: Change) -> bool:
    """Whether lifecycle rules do nothing to an object that others did not do to it as soon already."""
    try:
        old, new = _removals(change.was), _removals(change.now)
    except ValueError:
        return False
    return all(
        any(
            (was.kind, was.scope, was.storage_class, was.date)
            == (now.kind, now.scope, now.storage_class, now.date)
            and was.days <= now.days
            and was.kept <= now.kept
            for was in old
        )
        for now in new
    )


_MODES = (None, "GOVERNANCE", "COMPLIANCE")


def _locks_longer(change: Change) -> bool:
    """Compare default retentions of Object Lock: neither shorter nor easier to undo."""
    (was, old_mode), (now, new_mode) = _locked(change.was), _locked(change.now)
    if old_mode not in _MODES or new_mode not in _MODES:
        return False
    return was <= now and _MODES.index(old_mode) <= _MODES.index(new_mode)


def _locked(retention: Any) -> tuple[float, Any]:
    block = (retention or [{}])[0]
    return (block.get("days") or 0) + 365 * (block.get("years") or 0), block.get("mode") or None


NAMED: dict[str, Comparison] = {
    "any": lambda change: True,
    "cleared": lambda change: change.now is None,
    "content told": lambda change: any(
        (change.others or {}).get(name) for name in ("content", "content_base64")
    ),
    "cut": _cut,
    "first": lambda change: change.was is None and change.ours.has(change.now),
    "grows": _grows,
    "keeps more": _keeps_more,
    "later": _later,
    "less": lambda change: _ordered(change.now, change.was),
    "locks longer": _locks_longer,
    "longer": _longer,
    "matches more": _matches_more,
    "more": lambda change: _ordered(change.was, change.now),
    "turned off": lambda change: bool(change.was) and not change.now,
    "turned on": lambda change: bool(change.now) and not change.was,
    "reserves more": _reserves_more,
    "selects more": lambda change: bool(change.now) and not selection_lost(change.was, change.now),
    "shorter": lambda change: _ordered(_seconds(change.now), _seconds(change.was)),
    "shrinks": _shrinks,
    "tighter": _tighter,
}

LOST: dict[str, Callable[[Any, Any], list[str]]] = {
    "grows": members_lost,
    "matches more": events_lost,
    "selects more": selection_lost,
}
"""Of these comparisons, what of the first value the second lacks."""


def rises(order: list[Any]) -> Comparison:
    """Return the comparison of words that are known from the weakest to the strongest."""

    def compared(change: Change) -> bool:
        known = change.was in order and change.now in order
        return known and order.index(change.was) < order.index(change.now)

    return compared


def outside(names: list[str]) -> Comparison:
    """Return the comparison of mappings that are alike in these names."""

    def compared(change: Change) -> bool:
        was, now = change.was or {}, change.now or {}
        return all(was.get(name) == now.get(name) for name in names)

    return compared
