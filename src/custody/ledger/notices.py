"""What is told of an anomaly: when it is found, found again after it was gone, and gone.

Each is a message of Amazon SNS to people, and an event of Amazon EventBridge to programs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self
from urllib.parse import quote

from custody.documents import Fields
from custody.ledger.anomalies import Anomaly
from custody.ledger.rules import Rule, all_rules
from custody.terminal import beginning, visible
from custody.times import format_time

MAX_SUBJECT_CHARACTERS = 100
"""Amazon SNS refuses a longer subject (API Reference, Publish); it must be ASCII."""
MAX_DETAIL_CHARACTERS = 1000
EVENT_SOURCE = "custody"
EVENT_TYPE = "Custody Anomaly"


class Change(StrEnum):
    """What has changed about an anomaly."""

    FOUND = "found"
    FOUND_AGAIN = "found again"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Notice:
    """One message about one anomaly, all of it text, so that it can be stored until it is told."""

    change: str
    anomaly_id: str
    number: int
    """Which notice of this anomaly: 1 for the first."""
    rule: str
    severity: str
    subject: str
    principal: str
    source_ip: str
    occurrences: int
    first: str
    last: str
    detail: str
    evidence: str

    @property
    def id(self) -> str:
        """The same if the notice is sent again: a receiver can ignore the second one."""
        return hashlib.sha256(f"{self.anomaly_id} {self.number}".encode()).hexdigest()[:32]

    def to_dict(self) -> dict[str, Any]:
        """The notice for a JSON document."""
        return asdict(self)

    @classmethod
    def of(cls, anomaly: Anomaly, change: Change, number: int) -> Self:
        """The notice of a change."""
        return cls(
            change=change.value,
            anomaly_id=anomaly.id,
            number=number,
            rule=anomaly.rule.name,
            severity=anomaly.rule.severity.value,
            subject=anomaly.subject,
            principal=anomaly.principal or "",
            source_ip=anomaly.source_ip or "",
            occurrences=anomaly.occurrences,
            first=format_time(anomaly.first),
            last=format_time(anomaly.last),
            detail=beginning(anomaly.detail, MAX_DETAIL_CHARACTERS),
            evidence=anomaly.evidence,
        )

    @classmethod
    def parse(cls, fields: Fields) -> Self:
        """Read what ``to_dict`` wrote. Raises ``EvidenceError``."""
        numbers = {name: fields.natural(name) for name in ("number", "occurrences")}
        texts = {name: fields.text(name) for name in cls.__dataclass_fields__ if name not in numbers}
        return cls(**texts, **numbers)  # type: ignore[arg-type]  # each of its own type


def message_of(notice: Notice, deployment: str, region: str) -> dict[str, Any]:
    """The message as ``Publish`` of Amazon SNS takes it: words for people, attributes for filters."""
    return message_about(
        notice,
        deployment,
        all_rules().get(notice.rule),
        kind="anomaly",
        look=f"custody anomalies --since {notice.first} --rule {notice.rule}",
        console=f"https://{region}.console.aws.amazon.com/cloudtrailv2/home?region={region}"
        f"#/events/{quote(notice.evidence, safe='')}"
        if _is_event(notice.evidence)
        else "",
    )


def message_about(
    notice: Notice, deployment: str, rule: Rule | None, *, kind: str, look: str, console: str = ""
) -> dict[str, Any]:
    """The message about a notice of any kind: ``look`` and ``console`` are where to look."""
    return compose(
        deployment,
        notice.severity,
        notice.rule,
        {**_lines(notice, rule), "Look": look, "Evidence": visible(notice.evidence), "Console": console},
        {"change": notice.change, "anomaly": notice.anomaly_id, "notice": notice.id},
        kind=kind,
        state="" if notice.change == Change.FOUND else notice.change,
    )


def compose(
    deployment: str,
    severity: str,
    rule: str,
    lines: Mapping[str, str],
    attributes: Mapping[str, str],
    *,
    kind: str,
    state: str = "",
) -> dict[str, Any]:
    """A message as ``Publish`` of Amazon SNS takes it, in the form of all that says what is wrong.

    ``rule`` is a section of the runbook. ``lines`` must be printable; one without words is left out.
    """
    title = f"[{severity}] {deployment}: {rule}{f' ({state})' if state else ''}"
    width = max(map(len, lines)) + 2
    by = {"kind": kind, "deployment": deployment, "rule": rule, "severity": severity, **attributes}
    return {
        "Subject": beginning(title, MAX_SUBJECT_CHARACTERS),
        "Message": f"{deployment}: {severity}\n\n"
        + "".join(f"{name + ':':<{width}}{words}\n" for name, words in lines.items() if words),
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in by.items()
        },
    }


def event_of(notice: Notice, deployment: str) -> dict[str, Any]:
    """The event as an entry of ``PutEvents`` of Amazon EventBridge.

    Its detail has the fields of the notice, the attributes of the message and the runbook's section.
    """
    detail = {**notice.to_dict(), "deployment": deployment, "notice": notice.id, "runbook": notice.rule}
    return {"Source": EVENT_SOURCE, "DetailType": EVENT_TYPE, "Detail": json.dumps(detail)}


def _lines(notice: Notice, rule: Rule | None) -> dict[str, str]:
    times = f"{notice.occurrences} times, the last at {notice.last}" if notice.occurrences > 1 else "once"
    return {
        "What": rule.question if rule else notice.rule,
        "State": notice.change,
        "Where": visible(notice.subject),
        "Who": visible(notice.principal or "nobody is named"),
        "From": visible(notice.source_ip or "no address"),
        "When": f"{notice.first}, {times} within that hour",
        "First": visible(notice.detail),
        "Why it matters": rule.why if rule else "",
        "May be harmless": rule.false_positives if rule else "",
        "What to do": f"docs/runbook_failures.md, section {notice.rule}",
    }


def _is_event(evidence: str) -> bool:
    """Whether it is the id of an event: a UUID."""
    return [len(part) for part in evidence.split("-")] == [8, 4, 4, 4, 12]
