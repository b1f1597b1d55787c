"""Anomalies: what the rules of ``custody.ledger.rules`` find in a period, and which could not be asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from custody.deployment import Deployment
from custody.errors import CannotCheckError
from custody.findings import Severity, Status
from custody.ledger.athena import Athena, Row
from custody.ledger.rules import Period, Question, Rule, question, questions
from custody.times import format_time


@dataclass(frozen=True, slots=True)
class Anomaly:
    """What one rule found: one or more occurrences with the same subject, principal, address and hour."""

    rule: Rule
    subject: str
    principal: str | None
    source_ip: str | None
    hour: datetime
    occurrences: int
    first: datetime
    last: datetime
    detail: str
    """The first occurrence."""
    evidence: str
    """What shows it: the id of a trail event, the URI of a receipt, or a day."""

    @property
    def id(self) -> str:
        """The same for the same anomaly in every run: a digest of what makes it one."""
        parts = [self.rule.name, self.subject, self.principal, self.source_ip, format_time(self.hour)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """The anomaly for a JSON document: the fields of a finding, then its own."""
        return {
            "claim": f"anomaly.{self.rule.name}",
            "status": str(Status.UNEXPECTED),
            "subject": self.subject,
            "detail": self.detail,
            "severity": str(self.rule.severity),
            "id": self.id,
            "principal": self.principal,
            "source_ip": self.source_ip,
            "occurrences": self.occurrences,
            "first": format_time(self.first),
            "last": format_time(self.last),
            "evidence": self.evidence,
            "runbook": self.rule.runbook,
        }


@dataclass(slots=True)
class Found:
    """The answer of one run."""

    anomalies: list[Anomaly] = field(default_factory=list)
    """The most severe first, then by time."""
    unasked: dict[str, str] = field(default_factory=dict)
    """Rules that could not be asked, and why, with the id of the query."""


def find_anomalies(
    athena: Athena,
    deployment: Deployment,
    period: Period,
    rules: Sequence[Rule],
    *,
    most: int | None = None,
    may_ask: Callable[[], bool] = lambda: True,
    on_progress: Callable[[str], None] = lambda words: None,
) -> Found:
    """Ask the rules about a period. One that cannot be asked does not keep the others from being asked.

    ``most``: of one rule and hour, no more anomalies than these, the first. ``may_ask``: whether there
    is still time for a statement. Raises ``UsageError`` if the deployment's file is too old.
    """
    found = Found()
    waiting = questions(rules, deployment, period, most)
    while waiting:
        asked = waiting.pop(0)
        names = [rule.name for rule in asked.rules]
        if not may_ask():
            found.unasked |= dict.fromkeys(names, "There was no time left for it.")
            continue
        on_progress(f"Asking {names[0]}" + (f" and {len(names) - 1} more" if names[1:] else ""))
        try:
            found.anomalies += _answer(athena, asked)
        except CannotCheckError as error:
            if len(names) == 1:
                found.unasked[names[0]] = str(error)
            else:  # which of them is it?
                waiting += [question((rule,), deployment, period, most) for rule in asked.rules]
    order = list(Severity)
    found.anomalies.sort(key=lambda one: (order.index(one.rule.severity), one.first, one.id))
    return found


def _answer(athena: Athena, asked: Question) -> list[Anomaly]:
    rules = {rule.name: rule for rule in asked.rules}
    return [_anomaly(rules, row) for row in athena.query(asked.sql)]


def _anomaly(rules: dict[str, Rule], row: Row) -> Anomaly:
    hour, first, last, count = row["hour_start"], row["first_time"], row["last_time"], row["occurrences"]
    if not (isinstance(hour, datetime) and isinstance(first, datetime) and isinstance(last, datetime)):
        raise CannotCheckError(f"The rule {row['rule']} found something without a time.")
    return Anomaly(
        rule=rules[str(row["rule"])],
        subject=str(row["subject"]),
        principal=None if row["principal"] is None else str(row["principal"]),
        source_ip=None if row["source_ip"] is None else str(row["source_ip"]),
        hour=hour,
        occurrences=int(str(count)),
        first=first,
        last=last,
        detail=str(row["detail"] or ""),
        evidence=str(row["evidence"] or ""),
    )
