"""What an attack is expected to be seen by."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from custody.ledger.notices import Change
from scripts.toolchain.toolchain import REPO

RUNBOOK = REPO / "docs" / "runbook_failures.md"


class Kind(StrEnum):
    """What sees an attack."""

    RULE = "rule of EventBridge"
    ALARM = "alarm"
    ANOMALY = "anomaly rule"
    CLAIM = "claim"


_CHAPTERS = {
    Kind.RULE: "Alarms",
    Kind.ALARM: "Alarms",
    Kind.ANOMALY: "Anomalies",
    Kind.CLAIM: "Findings of `custody verify`",
}
"""Of the runbook."""


@dataclass(frozen=True)
class Alert:
    """A rule, alarm, anomaly rule or claim by its name in the runbook."""

    kind: Kind
    name: str
    call: str = ""
    """What CloudTrail's name of the call begins with, of a rule of EventBridge."""

    @property
    def section(self) -> str:
        """The runbook's section about it, as a link names it. Raises ``LookupError`` if there is none."""
        return _sections()[_CHAPTERS[self.kind], self.name]

    def is_told_by(self, message: dict[str, Any], prefix: str) -> bool:
        """Whether a message of the topic is this alert; ``prefix`` is that of the deployment's names."""
        if self.kind is Kind.RULE:
            of_section = str(message.get("do", "")).endswith(f"#{self.section}")
            return of_section and str(message.get("call", "")).startswith(self.call)
        if self.kind is Kind.ANOMALY:
            told = (message.get("kind"), message.get("deployment"), message.get("rule"))
            return told == ("anomaly", prefix, self.name) and message.get("change") != Change.GONE
        is_alarm = message.get("AlarmName") == f"{prefix}-{self.name}"
        return self.kind is Kind.ALARM and is_alarm and message.get("NewStateValue") == "ALARM"


@cache
def _sections() -> dict[tuple[str, str], str]:
    """Chapter and name of each of the runbook's sections, and its heading as GitHub makes an anchor of it."""
    found: dict[tuple[str, str], str] = {}
    chapter = ""
    for level, heading in re.findall(r"^(##+) (.+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE):
        if level == "##":
            chapter = heading
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found |= {(chapter, name): anchor for name in re.findall(r"`([^`]+)`", heading)}
    return found
