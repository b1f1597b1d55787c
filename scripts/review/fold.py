"""One finding for one change, with its consequences as parts.

A module, a role, a bucket or a person that is new brings many differences; so does a module that goes, or
that the code has at another address. They are one change to whoever reviews it. An approval of the whole by
its id approves just these parts.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property

from scripts.review.findings import About, Finding
from scripts.review.resources import called, parent_of
from scripts.review.rules import rules_of
from scripts.review.sides import Side
from scripts.review.words import code, codes
from scripts.state.policies import Resource

_WORST: tuple[About, ...] = ("exposure", "destruction", "access", "protection", "unknown")
_MODULE = re.compile(r'module\.[\w-]+(?:\[(?:"(?:\\.|[^"\\])*"|\d+)\])?')

Cause = tuple[str, ...]


def folded(findings: Sequence[Finding], before: Side, after: Side) -> list[Finding]:
    """Return the findings, with those of one cause in one; a cause with one finding is that one."""
    causes = _Causes(before, after)
    told = {finding.id: finding for finding in findings}.values()
    found = _by(causes.of, told)
    destroying = [
        cause for cause, parts in found.items() if any(part.about == "destruction" for part in parts)
    ]
    if len(destroying) == 1:  # what is not known until apply names what is then recreated
        for cause in [
            cause for cause, parts in found.items() if all(part.about == "unknown" for part in parts)
        ]:
            found[destroying[0]] += found.pop(cause)
    single = [parts[0] for parts in found.values() if len(parts) == 1]
    found = {cause: parts for cause, parts in found.items() if len(parts) > 1} | _by(_alike, single)
    order = {finding.id: place for place, finding in enumerate(told)}
    return [
        parts[0] if len(parts) == 1 else _whole(*_said(cause, parts), parts)
        for cause, parts in sorted(found.items(), key=lambda entry: order[entry[1][0].id])
    ]


def _by(cause: Callable[[Finding], Cause], findings: Iterable[Finding]) -> dict[Cause, list[Finding]]:
    found: dict[Cause, list[Finding]] = defaultdict(list)
    for finding in findings:
        found[cause(finding)].append(finding)
    return found


def _whole(subject: str, text: str, parts: list[Finding]) -> Finding:
    ordered = sorted(parts, key=lambda part: (part.direction != "wider", _WORST.index(part.about)))
    worst = ordered[0]
    return Finding(worst.direction, worst.about, subject, text, address=worst.address, parts=tuple(ordered))


def _said(cause: Cause, parts: Sequence[Finding]) -> tuple[str, str]:
    """Return subject and text of a finding for all that comes from a cause."""
    kind, *names = cause
    if kind == "statement":
        return parts[0].subject, f"{parts[0].text}; the same in {len(parts) - 1} more statements"
    if kind == "alike":
        subjects = [part.subject for part in parts]
        listed = codes(subject.partition("`")[2].rstrip("`") for subject in subjects)
        subject = f"{subjects[0].partition('`')[0]}{listed}"
        return subject, f"{subject}{_what(parts[0])}"
    wider = sum(part.direction == "wider" for part in parts)
    brings = f"{len(parts)} differences, {wider} of them wider"
    match kind:
        case "new module" | "gone module":
            subject = f"module {code(names[0])}"
            what = f"is {kind.split()[0]}"
        case "moved module":
            subject = f"module {code(names[1])}"
            what = f"was {code(names[0])}, without a `moved` block: destroyed and recreated"
        case "person":
            subject, what = code(names[0]), "was not named before"
        case _:
            subject, what = names[1], names[2]
    return subject, f"{subject} {what}: {brings}"


def _alike(finding: Finding) -> Cause:
    """Return the change, if code that is used several times makes the same of several resources."""
    block = _block(finding.address)
    if finding.statement and " instead of " in finding.text:  # of names: whichever statements list them
        return "statement", finding.direction, finding.about, finding.text.rpartition(": ")[2]
    if finding.statement:
        who = finding.principal if finding.principal in finding.text else ""
        said = (finding.effect, who, finding.statement, *finding.actions)
        return "statement", finding.direction, finding.about, block, *said
    if finding.policy or not finding.change:
        return "finding", finding.id
    what = _what(finding)  # of one that comes or goes, no more than that
    return "alike", finding.direction, finding.about, block.partition(".")[0] if ":" in what else block, what


class _Causes:
    """What is new on one side, gone from it, or at another address."""

    def __init__(self, before: Side, after: Side) -> None:
        self._before, self._after = before, after

    def of(self, finding: Finding) -> Cause:
        """Return what a finding comes from."""
        address = finding.address
        role = self._new_roles.get(finding.principal)
        return (
            self._of_module(address)
            or (role and (self._of_module(role) or self._of_whole(role)))
            or self._of_grant(finding)
            or self._of_whole(address)
            or self._of_person(finding)
            or ("finding", finding.id)
        )

    def _of_module(self, address: str) -> Cause | None:
        """Return the outermost module that is not on the other side, if an address is in one."""
        if address in self._addresses[1] and (new := _outermost(address, self._modules[0])):
            old = self._moved_modules.get(new)
            return ("moved module", old, new) if old else ("new module", new)
        if address in self._addresses[0] and (gone := _outermost(address, self._modules[1])):
            moved = next((new for new, old in self._moved_modules.items() if old == gone), None)
            return ("moved module", gone, moved) if moved else ("gone module", gone)
        return None

    @cached_property
    def _addresses(self) -> tuple[dict[str, Resource], dict[str, Resource]]:
        before, after = (
            {resource.address: resource for resource in side.resources}
            for side in (self._before, self._after)
        )
        return before, after

    @cached_property
    def _modules(self) -> tuple[set[str], set[str]]:
        before, after = (_modules_of(addresses) for addresses in self._addresses)
        return before, after

    @cached_property
    def _moved_modules(self) -> dict[str, str]:
        """By modules that are new, those that are gone and had what AWS calls the same."""
        gone = {
            called(resource): module
            for resource in self._before.resources
            if (module := _outermost(resource.address, self._modules[1]))
        }
        return {
            module: gone[name]
            for resource in self._after.resources
            if (module := _outermost(resource.address, self._modules[0]))
            and (name := called(resource)) in gone
        }

    @cached_property
    def _new_roles(self) -> dict[str, str]:
        """The addresses of roles that are new, by name."""
        names = self._after.roles.keys() - self._before.roles.keys()
        return {name: self._after.roles[name].trust.address for name in names}

    def _of_whole(self, address: str) -> Cause | None:
        """Return what a resource is a part of, or is, if that is new or gone as a whole."""
        for here, there, kind, what in (
            (self._after, self._addresses[0], "new", "is new"),
            (self._before, self._addresses[1], "gone", "is gone"),
        ):
            resource = self._addresses[here is self._after].get(address)
            if resource is None:
                continue
            whole = resource
            while (parent := parent_of(whole, here.resources)) is not None:
                whole = parent
            if whole.address not in there:
                return kind, whole.address, called(whole).removeprefix("iam "), what
        return None

    def _of_grant(self, finding: Finding) -> Cause | None:
        """Return who is named nowhere before, of a resource that does no more than give."""
        resource = self._addresses[1].get(finding.address)
        return self._of_person(finding) if resource and rules_of(resource.type).content else None

    def _of_person(self, finding: Finding) -> Cause | None:
        """Return who is named on no policy and by no resource of the first side."""
        resource = self._addresses[1].get(finding.address)
        names = [finding.principal]
        if resource is not None and finding.principal == "":
            names = [str(resource.values.get(name) or "") for name in ("principal", "principal_id")]
        name = next(filter(None, names), "").rpartition("/")[2]  # of an ARN, the name
        if name in {"", "*"} or re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", self._text_before):
            return None
        return "person", name

    @cached_property
    def _text_before(self) -> str:
        return json.dumps(self._before.document)


def _what(finding: Finding) -> str:
    """Return what a finding says of its subject; of what is new or gone, no more than that."""
    said = finding.text.removeprefix(finding.subject)
    found = re.match(r" is (?:new|gone|destroyed)(?: \(.*?\))?", said)
    return found[0] if found else said


def _block(address: str) -> str:
    """Return the resource block that an address is of, wherever its module is called from, without keys."""
    inner = _MODULE.sub("", address).lstrip(".")
    return inner.partition("[")[0]


def _outermost(address: str, known: set[str]) -> str:
    """Return the outermost module of an address that is none of those known."""
    return next((module for module in _within(address) if module not in known), "")


def _within(address: str) -> Iterator[str]:
    at = 0
    while match := _MODULE.match(address, at):
        yield address[: match.end()]
        at = match.end() + 1


def _modules_of(addresses: set[str] | dict[str, Resource]) -> set[str]:
    return {module for address in addresses for module in _within(address)}
