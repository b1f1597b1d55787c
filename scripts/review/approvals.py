"""Approvals of wider access: ``terraform/access-approvals.yaml``.

An entry approves either one finding by its ``finding`` id, or grants by ``principal``, ``actions`` and
``resources`` (patterns, as IAM has them). It says by whom, why, and until when (the last day, UTC).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from scripts.review.findings import Finding
from scripts.review.grants import ANYONE
from scripts.review.patterns import covers, covers_arn
from scripts.toolchain.toolchain import ToolError

_WHAT = {"finding", "principal", "actions", "resources"}
_WHO = {"by", "why", "until"}


@dataclass(frozen=True)
class Approval:
    """One entry. ``number``: which one of the file, from 1. ``what`` says it again, for reports."""

    number: int
    by: str
    why: str
    until: date
    finding: str = ""
    principal: str = ""
    actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        """What it approves, in one line."""
        if self.finding:
            return f"finding {self.finding}"
        return f"{self.principal}: {', '.join(self.actions)} on {', '.join(self.resources)}"

    def covers(self, finding: Finding, action: str, resource: str) -> bool:
        """Whether it approves this action on this resource, out of what a finding is about."""
        if self.finding:
            return self.finding == finding.id
        return (
            bool(finding.principal)
            and finding.effect != "Deny"
            and self._is_for(finding.principal)
            and (not action or any(covers(pattern.lower(), action.lower()) for pattern in self.actions))
            and (not resource or any(covers_arn(pattern, resource) for pattern in self.resources))
        )

    def _is_for(self, principal: str) -> bool:
        """Whether it is for this principal. ``*`` means anyone, so it approves nobody in particular."""
        return self.principal == principal if self.principal == ANYONE else covers(self.principal, principal)


@dataclass(frozen=True)
class Judged:
    """Findings and what the approvals say to them.

    approved: by finding id, the entries that together cover it, or all that is wider of its parts. stale:
    entries in force that cover nothing.
    """

    findings: tuple[Finding, ...]
    approved: dict[str, tuple[Approval, ...]]
    stale: tuple[Approval, ...]
    expired: tuple[Approval, ...]

    @property
    def refused(self) -> tuple[Finding, ...]:
        """What is wider and not approved."""
        return tuple(
            finding
            for finding in self.findings
            if finding.direction == "wider" and finding.id not in self.approved
        )


def judge(findings: Sequence[Finding], approvals: Iterable[Approval], today: date) -> Judged:
    """Compare the findings with the approvals that have not expired ``today``."""
    every = tuple(approvals)
    in_force = [approval for approval in every if approval.until >= today]
    approved: dict[str, tuple[Approval, ...]] = {}
    used: set[Approval] = set()

    def covered(finding: Finding) -> tuple[Approval, ...]:
        """Return the entries that approve a finding; none if it is not approved."""
        own = [entry for entry in in_force if entry.finding and entry.finding == finding.id]
        wider = [part for part in finding.parts if part.direction == "wider"]
        if own or not finding.parts:
            pairs = [
                (action, resource)
                for action in finding.actions or ("",)
                for resource in finding.resources or ("",)
            ]
            by_pair = [[entry for entry in in_force if entry.covers(finding, *pair)] for pair in pairs]
        else:
            by_pair = [list(covered(part)) for part in wider]
        used.update(entry for entries in by_pair for entry in entries)
        return tuple(dict.fromkeys(entries[0] for entries in by_pair)) if all(by_pair) else ()

    for finding in findings:
        if finding.direction == "wider" and (entries := covered(finding)):
            approved[finding.id] = entries
    return Judged(
        findings=tuple(findings),
        approved=approved,
        stale=tuple(entry for entry in in_force if entry not in used),
        expired=tuple(entry for entry in every if entry not in in_force),
    )


def read_approvals(path: Path) -> list[Approval]:
    """Return the entries of the file; none if there is no file.

    Raises ``ToolError`` with one sentence that names the entry if one is not valid.
    """
    if not path.is_file():
        return []
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ToolError(f"{path.name} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict) or set(document) != {"approvals"}:
        raise ToolError(f"{path.name} must have one key, approvals: a list.")
    entries = document["approvals"] or []
    if not isinstance(entries, list):
        raise ToolError(f"{path.name}: approvals must be a list.")
    return [_approval(path.name, number, entry) for number, entry in enumerate(entries, 1)]


def _approval(file: str, number: int, entry: Any) -> Approval:
    where = f"{file}: entry {number}"
    if not isinstance(entry, dict):
        raise ToolError(f"{where} must be a mapping.")
    if unknown := sorted(str(name) for name in entry.keys() - _WHAT - _WHO):
        raise ToolError(f"{where} has {', '.join(unknown)}, which is unknown.")
    if set(entry) & _WHAT not in ({"finding"}, {"principal", "actions", "resources"}):
        raise ToolError(f"{where} must name either a finding, or a principal with actions and resources.")
    for name in ("by", "why", *({"finding", "principal"} & entry.keys())):
        if not isinstance(entry.get(name), str) or not entry[name].strip():
            raise ToolError(f"{where}: {name} must be a text (in quotes if it is all digits).")
    if type(entry.get("until")) is not date:
        raise ToolError(f"{where}: until must be a date, such as 2027-01-31.")
    for name in {"actions", "resources"} & entry.keys():
        if not isinstance(entry[name], list) or not all(isinstance(item, str) for item in entry[name]):
            raise ToolError(f"{where}: {name} must be a list of texts.")
        entry = {**entry, name: tuple(entry[name])}
    return Approval(number=number, **entry)
