"""What a scan found: findings, what was accepted and why, and what was looked at. No tool is named here."""

from __future__ import annotations

from dataclasses import dataclass, replace


class ScanError(Exception):
    """Something could not be scanned; the message is one for a person."""


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is wrong.

    path, line: where to look, from the repository's root; line 1 if nothing closer is known. rule, title: the
    rule's id and what it demands. where: the resource, policy or step it is about. statement: the Sid, if it
    is about one of a policy. value: a digest that tells one secret from another. detail: what is wrong. mend:
    what to do. link: the rule's own page.
    """

    path: str
    line: int
    rule: str
    where: str
    statement: str = ""
    detail: str = ""
    title: str = ""
    mend: str = ""
    link: str = ""
    value: str = ""

    @property
    def subject(self) -> str:
        """Say what it is about in one line."""
        return f"{self.where}, {self.statement}" if self.statement else self.where


@dataclass(frozen=True, order=True)
class Accepted:
    """A finding that stays, why, and the place (``path:line``) where that is written."""

    finding: Finding
    reason: str
    written: str


@dataclass(frozen=True)
class ToolReport:
    """What one tool looked at and found.

    asked: what it was run on, in words. rules: how many of its rules had something to look at; None if it
    does not say. checked, unit: how many of what. failure: why it could not look; empty if it could.
    """

    tool: str
    version: str
    asked: str
    rules: int | None
    checked: int
    unit: str
    findings: tuple[Finding, ...]
    accepted: tuple[Accepted, ...] = ()
    seconds: float = 0.0
    failure: str = ""

    @property
    def green(self) -> bool:
        """Whether it looked, and nothing is wrong."""
        return not self.findings and not self.failure

    def line(self) -> str:
        """Say it in one line, as the gates do."""
        mark = "green" if self.green else "RED  "
        if self.failure:
            return f"{mark}  {self.seconds:6.1f} s  {self.tool} could not be run"
        count = f"{len(self.findings)} findings, " if self.findings else ""
        rules = "" if self.rules is None else f"{self.rules} rules on "
        return (
            f"{mark}  {self.seconds:6.1f} s  {self.tool}: {count}{rules}{self.checked} {self.unit}, "
            f"{len(self.accepted)} accepted"
        )

    def took(self, seconds: float) -> ToolReport:
        """Return it with the time it took."""
        return replace(self, seconds=seconds)
