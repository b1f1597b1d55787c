"""``terraform/policies/exceptions.yaml``: accepted findings, of the tools without inline comments for that.

A list of ``{tool, finding, where, statement, value, reason}``. ``where`` is the policy's address or the
file's path; ``statement`` (a Sid) and ``value`` (a secret's digest) narrow it and may be left out. In the
first two, ``*`` matches anything. Each must match a finding: one that matches nothing is itself a finding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from scripts.scan.model import Accepted, Finding, ScanError
from scripts.toolchain.toolchain import REPO

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

FILE = REPO / "terraform" / "policies" / "exceptions.yaml"
_FIELDS = {"tool", "finding", "where", "statement", "value", "reason"}
_NEEDED = {"tool", "finding", "where", "reason"}


@dataclass(frozen=True)
class Exemption:
    """One entry of the file, and the line it is on."""

    tool: str
    finding: str
    where: str
    reason: str
    line: int
    statement: str = "*"
    value: str | None = None

    def covers(self, finding: Finding) -> bool:
        """Whether it is about this finding (of the same tool)."""
        return (
            self.finding == finding.rule
            and _fits(finding.where, self.where)
            and _fits(finding.statement, self.statement)
            and self.value in (None, finding.value)
        )


def read_exemptions(path: Path = FILE) -> list[Exemption]:
    """Return the entries. Raises ``ScanError`` if one lacks something or has something nobody knows."""
    node = yaml.compose(path.read_text())
    entries = yaml.safe_load(path.read_text()) or []
    if not isinstance(entries, list):
        raise ScanError(f"{path.name} must be a list of exceptions.")
    lines = [entry.start_mark.line + 1 for entry in node.value] if node else []
    for line, entry in zip(lines, entries, strict=True):
        if not isinstance(entry, dict) or not _NEEDED <= entry.keys() <= _FIELDS:
            raise ScanError(
                f"{path.name}:{line}: an exception has {', '.join(sorted(_NEEDED))}, and may have "
                f"{', '.join(sorted(_FIELDS - _NEEDED))}."
            )
        if not all(isinstance(value, str) and value.strip() for value in entry.values()):
            raise ScanError(f"{path.name}:{line}: every value of an exception must be a text.")
    return [Exemption(**entry, line=line) for line, entry in zip(lines, entries, strict=True)]


def _fits(text: str, pattern: str) -> bool:
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), text) is not None


def divide(
    tool: str, findings: Iterable[Finding], exemptions: Sequence[Exemption], path: Path = FILE
) -> tuple[tuple[Finding, ...], tuple[Accepted, ...]]:
    """Return what is left of one tool's findings, stale exceptions among them, and what is accepted."""
    name = path.relative_to(REPO).as_posix() if path.is_relative_to(REPO) else path.name
    left: set[Finding] = set()
    accepted: set[Accepted] = set()
    used: set[Exemption] = set()
    mine = [exemption for exemption in exemptions if exemption.tool == tool]
    for finding in findings:
        covering = [exemption for exemption in mine if exemption.covers(finding)]
        used.update(covering)
        if covering:
            accepted.add(Accepted(finding, covering[0].reason, f"{name}:{covering[0].line}"))
        else:
            left.add(finding)
    stale = {
        Finding(
            name,
            exemption.line,
            "stale-exception",
            exemption.where,
            detail=f"{tool} no longer finds {exemption.finding} there",
            title="An exception must match a finding",
            mend="Remove the entry.",
        )
        for exemption in mine
        if exemption not in used
    }
    return tuple(sorted(left | stale)), tuple(sorted(accepted))
