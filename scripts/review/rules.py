"""Reads ``rules.yaml``: how a change of a resource counts.

Every change counts as wider until a row there says that it is safer, or harmless. The forms are described at
the head of that file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from scripts.review.comparisons import NAMED, Comparison, outside, rises
from scripts.review.findings import About

FILE = Path(__file__).with_name("rules.yaml")

Counts = Literal["wider", "safer", "harmless"]


@dataclass(frozen=True)
class Row:
    """What a change of one argument counts as, if it is of the kind that ``holds`` tells: wider if not.

    when: the comparison's name. says: what the argument is called, if its name does not say it. about: what
    a change is about that is wider, if it is not what is said of the type.
    """

    counts: Counts
    holds: Comparison
    when: str
    why: str
    says: str = ""
    about: About | None = None


@dataclass(frozen=True)
class Presence:
    """What it counts as that a resource is added, or gone: wider where one of these does not hold.

    allowed: values that these arguments have to have. ours: arguments that may name nothing but our own.
    without: arguments that may not be set. guards: types of which there must be one for the same bucket.
    from_nothing: arguments whose row is asked as if they had not been set before. beside_new: what it counts
    as where that which it is a part of is added as well.
    """

    counts: Counts = "wider"
    why: str = ""
    allowed: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    ours: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()
    from_nothing: tuple[str, ...] = ()
    beside_new: Counts | None = None


@dataclass(frozen=True)
class TypeRules:
    """All that ``rules.yaml`` says of one resource type; of a type that it does not have, nothing.

    named: the arguments that AWS knows it by. data: those of them, and others, that a change of replaces what
    holds data; empty if it holds none. locked: the argument that says whether it has to stay, if not all do.
    of: the type it is a part of, and the arguments of both that say of which one. content: whether it is the
    same as long as it says the same. wider: arguments that any change of counts as wider, for completeness.
    filled: those that AWS fills in where they are not set. computed: what AWS says, and is no argument.
    """

    named: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    locked: str = ""
    of: tuple[str, str, str] | None = None
    about: About = "protection"
    content: bool = False
    added: Presence = Presence()
    gone: Presence = Presence()
    rows: Mapping[str, Row] = field(default_factory=dict)
    wider: tuple[str, ...] = ()
    filled: frozenset[str] = frozenset()
    computed: frozenset[str] = frozenset()


_STATEMENTS = Row("harmless", NAMED["any"], "any", "compared statement by statement")


@cache
def all_rules(path: Path = FILE) -> dict[str, TypeRules]:
    """Return the rules by resource type; under no name those of a type that is not there.

    Raises ``ValueError`` with the place of what means nothing.
    """
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    beyond = {name: value for name, value in document["beyond"].items() if name != "types"}
    entries = {**document["types"], **dict.fromkeys(document["beyond"]["types"], beyond), "": {}}
    return {kind: _type(kind, entry, document["every type"]) for kind, entry in entries.items()}


def rules_of(kind: str) -> TypeRules:
    """Return the rules of a type."""
    rules = all_rules()
    return rules.get(kind) or rules[""]


def _type(kind: str, entry: Mapping[str, Any], common: Mapping[str, Any]) -> TypeRules:
    known = {
        "named",
        "data",
        "locked",
        "of",
        "about",
        "same",
        "added",
        "gone",
        "statements",
        "safer",
        "harmless",
    }
    if unknown := entry.keys() - known - {"wider", "filled", "computed"}:
        raise ValueError(f"{kind}: {', '.join(sorted(unknown))} is unknown")
    of = [
        (parent, own, theirs)
        for parent, arguments in entry.get("of", {}).items()
        for own, theirs in arguments.items()
    ]
    return TypeRules(
        named=tuple(entry.get("named", ())),
        data=tuple(entry.get("data", ())),
        locked=entry.get("locked", ""),
        of=of[0] if of else None,
        about=entry.get("about", "protection"),
        content=entry.get("same") == "content",
        added=_presence(kind, entry.get("added", {})),
        gone=_presence(kind, entry.get("gone", {})),
        rows={
            **_rows(common, "every type"),
            **dict.fromkeys(entry.get("statements", ()), _STATEMENTS),
            **_rows(entry, kind),
        },
        wider=tuple(entry.get("wider", ())),
        filled=frozenset(entry.get("filled", ())),
        computed=frozenset(entry.get("computed", common["computed"] if "wider" not in entry else ())),
    )


def _rows(entry: Mapping[str, Any], kind: str) -> dict[str, Row]:
    counts: tuple[Counts, ...] = ("safer", "harmless")
    return {
        argument: _row(f"{kind}.{argument}", verdict, **said)
        for verdict in counts
        for argument, said in entry.get(verdict, {}).items()
    }


def _row(
    place: str, counts: Counts, *, when: Any, why: str, says: str = "", about: About | None = None
) -> Row:
    if isinstance(when, dict):
        ((name, given),) = when.items()
        makers = {"rises": rises, "outside": outside}
        if name in makers:
            return Row(counts, makers[name](given), name, why, says, about)
    elif when in NAMED:
        return Row(counts, NAMED[when], when, why, says, about)
    raise ValueError(f"{place}: there is no comparison {when!r}")


def _presence(kind: str, entry: Mapping[str, Any]) -> Presence:
    known = {"counts", "why", "with", "ours", "without", "guards", "from nothing", "beside new"}
    if unknown := entry.keys() - known:
        raise ValueError(f"{kind}: {', '.join(sorted(unknown))} is unknown")
    return Presence(
        counts=entry.get("counts", "wider"),
        why=entry.get("why", ""),
        allowed={path: tuple(values) for path, values in entry.get("with", {}).items()},
        ours=tuple(entry.get("ours", ())),
        without=tuple(entry.get("without", ())),
        guards=tuple(entry.get("guards", ())),
        from_nothing=tuple(entry.get("from nothing", ())),
        beside_new=entry.get("beside new"),
    )
