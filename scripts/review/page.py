"""A review on one page: Markdown for a comment on a pull request, JSON for programs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from scripts.review.approvals import Approval, Judged
from scripts.review.findings import About, Finding
from scripts.review.words import code

LIMIT = 65_000
"""Bytes of UTF-8: GitHub takes 65,536 characters in one comment."""

_ROOM_TO_CLOSE = 400

_ABOUT: dict[About, str] = {
    "exposure": "Open to others",
    "access": "Wider access",
    "destruction": "Destroyed or replaced",
    "protection": "Less protection",
    "unknown": "Not decided",
}


@dataclass(frozen=True)
class Compared:
    """What was compared: the names of both sides, for the heading."""

    before: str
    after: str


def as_json(compared: Compared, judged: Judged) -> dict[str, Any]:
    """Return the review as data; its shape is in this package's README."""
    return {
        "version": 1,
        "before": compared.before,
        "after": compared.after,
        "verdict": _verdict(judged),
        "refused": len(judged.refused),
        "findings": [
            {
                **_fields(finding),
                "approved": [_entry(approval) for approval in judged.approved.get(finding.id, ())],
            }
            for finding in judged.findings
        ],
        "approvals": {
            "stale": [_entry(approval) for approval in judged.stale],
            "expired": [_entry(approval) for approval in judged.expired],
        },
    }


def _fields(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        **asdict(finding),
        "parts": [_fields(part) for part in finding.parts],
    }


def _verdict(judged: Judged) -> str:
    if judged.refused:
        return "refused"
    if any(finding.direction == "wider" for finding in judged.findings):
        return "approved"
    return "narrower" if judged.findings else "same"


def _entry(approval: Approval) -> dict[str, Any]:
    return {
        "entry": approval.number,
        "what": approval.what,
        "by": approval.by,
        "why": approval.why,
        "until": approval.until.isoformat(),
    }


def as_markdown(compared: Compared, judged: Judged, limit: int = LIMIT) -> str:
    """Return the review for a person, the worst first, cut to ``limit`` bytes; it says what was cut."""
    page = _Page(limit)
    page.add(f"## {_headline(judged)}", "", f"{code(compared.before)} → {code(compared.after)}", "")
    refused = judged.refused
    for about, title in _ABOUT.items():
        page.section(title, [finding for finding in refused if finding.about == about])
    if refused:
        page.add(
            "Intended changes need an entry in `terraform/access-approvals.yaml`: by principal, "
            "actions and resources, or by the `finding` in brackets. Its owners are in `CODEOWNERS`.",
            "",
        )
    wider = [finding for finding in judged.findings if finding.id in judged.approved]
    page.folded("Wider, and approved", wider, judged.approved)
    page.folded("Narrower or safer", [entry for entry in judged.findings if entry.direction == "narrower"])
    for what, entries in (("expired", judged.expired), ("matches nothing here", judged.stale)):
        page.lines(
            f"- entry {entry.number} of `access-approvals.yaml` {what} (by {code(entry.by)}, until "
            f"{entry.until.isoformat()}): {code(entry.what)}"
            for entry in entries
        )
    return page.text()


def _headline(judged: Judged) -> str:
    count = len(judged.refused)
    return {
        "refused": f"❌ {count} change{'s' if count > 1 else ''} of access or protection need"
        f"{'' if count > 1 else 's'} an approval",
        "approved": "✅ Access gets wider only where that is approved",
        "narrower": "✅ Access only gets narrower, protection stronger",
        "same": "✅ Nothing changes in access and protection",
    }[_verdict(judged)]


class _Page:
    """Lines up to a number of bytes; what does not fit is counted."""

    def __init__(self, limit: int) -> None:
        self._left = limit - _ROOM_TO_CLOSE
        self._lines: list[str] = []
        self._cut = 0

    def add(self, *lines: str) -> bool:
        """Add lines, all or none of them; return whether they fitted."""
        size = sum(len(line.encode()) + 1 for line in lines)
        if size > self._left:
            return False
        self._left -= size
        self._lines += lines
        return True

    def lines(self, lines: Iterable[str]) -> None:
        """Add lines one by one, and count those that do not fit."""
        for line in lines:
            self._cut += not self.add(line)

    def section(self, title: str, findings: list[Finding]) -> None:
        """Add findings under a title, by whom they are about."""
        if not findings:
            return
        by_subject: dict[str, list[Finding]] = defaultdict(list)
        for finding in findings:
            by_subject[finding.subject].append(finding)
        self.add(f"### {title}", "")
        for subject, entries in by_subject.items():
            indent = ""
            if len(entries) > 1:
                self.add(f"- **{subject}**")
                indent = "  "
            for entry in entries:
                text = entry.text.removeprefix(subject).lstrip(" :") if indent else entry.text
                self.lines([f"{indent}- {text} [`{entry.id}`]", *_part_lines(entry, indent)])
        self.add("")

    def folded(
        self, title: str, findings: list[Finding], approved: dict[str, tuple[Approval, ...]] | None = None
    ) -> None:
        """Add findings that are shown on a click."""
        if not findings or not self.add(
            f"<details><summary>{title}: {len(findings)}</summary>", "", "", "</details>", ""
        ):
            self._cut += len(findings)
            return
        closing = [self._lines.pop() for _ in range(3)]
        for entry in findings:
            self.lines([f"- {entry.text}{_approved(entry, approved or {})}", *_part_lines(entry)])
        self._lines += reversed(closing)

    def text(self) -> str:
        """Return the page."""
        cut = [f"**{self._cut} more do not fit here: all are in `review.json`.**"] if self._cut else []
        return "\n".join([*self._lines, *cut]).rstrip() + "\n"


def _part_lines(finding: Finding, indent: str = "") -> Iterator[str]:
    """Yield what a finding holds, the wider first; its id goes by the whole."""
    for part in finding.parts:
        mark = "" if part.direction == finding.direction else " (narrower)"
        yield f"{indent}  - {part.text}{mark}"


def _approved(finding: Finding, approved: dict[str, tuple[Approval, ...]]) -> str:
    entries = approved.get(finding.id, ())
    return "".join(
        f"; approved by {code(entry.by)} until {entry.until.isoformat()}: {code(entry.why)}"
        for entry in entries
    )
