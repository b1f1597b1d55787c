"""What the report says, as data: gathered once, rendered by a pure function."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from custody.deployment import Deployment
from custody.findings import Severity
from custody.ledger.ledger import (
    DENIED,
    AccessCount,
    AccessRow,
    AccessSummary,
    LedgerCount,
    LedgerRow,
    LedgerStatus,
    TimelineCount,
    TimeUnit,
)
from custody.report.lineage import GoldLineage
from custody.verify.verify import VerificationReport

NOT_PROVEN = (LedgerStatus.MISMATCH, LedgerStatus.UNPROVENANCED, LedgerStatus.UNWITNESSED)
"""The statuses of a write that the kit is there to prove and cannot."""


@dataclass(frozen=True, slots=True)
class Lap:
    """How long something took."""

    label: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything the page shows. The same data always give the same page."""

    generated_at: datetime
    deployment: Deployment
    verification: VerificationReport
    counts: tuple[LedgerCount, ...]
    unit: TimeUnit
    timeline: tuple[TimelineCount, ...]
    rows: tuple[LedgerRow, ...]
    """The newest rows of the ledger, newest first."""
    access_counts: tuple[AccessCount, ...]
    denied: tuple[AccessRow, ...]
    """The newest denied attempts, newest first."""
    accesses: tuple[AccessSummary, ...]
    """Who was let through to do what, most often first."""
    laps: tuple[Lap, ...]
    lineage: GoldLineage | None = None
    """Where the gold tables come from; ``None`` if there are none."""

    @property
    def total_rows(self) -> int:
        """How many writes the whole ledger has."""
        return sum(count.rows for count in self.counts)

    @property
    def by_status(self) -> dict[str, int]:
        """Status → writes, each status of the contract present, others behind."""
        counts: Counter[str] = Counter({status.value: 0 for status in LedgerStatus})
        for count in self.counts:
            counts[count.status] += count.rows
        return dict(counts)

    @property
    def by_layer(self) -> dict[str, dict[str, int]]:
        """Layer → status → writes, for the layers that have any."""
        layers: dict[str, dict[str, int]] = {}
        for count in self.counts:
            layers.setdefault(count.layer, {})[count.status] = count.rows
        return layers

    @property
    def by_severity(self) -> dict[Severity, int]:
        """Severity → findings, worst first, without those of which there are none."""
        counts = Counter(finding.severity for finding in self.verification.findings)
        return {severity: counts[severity] for severity in Severity if counts[severity]}

    @property
    def by_subject(self) -> dict[str, int]:
        """Object version's URI → findings. A write can be verified and its bytes be others today."""
        return dict(Counter(finding.subject for finding in self.verification.findings))

    @property
    def not_proven(self) -> int:
        """How many writes should be proven and are not."""
        return sum(self.by_status[status] for status in NOT_PROVEN)

    @property
    def denied_total(self) -> int:
        """How many attempts were denied, in all."""
        return sum(count.rows for count in self.access_counts if count.error_code == DENIED)

    @property
    def other_failures(self) -> dict[str, int]:
        """Error code → attempts that failed for another reason than a denial."""
        counts: Counter[str] = Counter()
        for count in self.access_counts:
            if count.error_code not in (None, DENIED):
                counts[str(count.error_code)] += count.rows
        return dict(counts)

    @property
    def checked(self) -> int:
        """How many checks verification made, over all claims."""
        return sum(count.checked for count in self.verification.claims.values())

    @property
    def span(self) -> tuple[datetime, datetime] | None:
        """The times of the first and the last write."""
        firsts = [count.first for count in self.counts if count.first is not None]
        lasts = [count.last for count in self.counts if count.last is not None]
        return (min(firsts), max(lasts)) if firsts and lasts else None

    @property
    def recording_seconds(self) -> tuple[float, float] | None:
        """The median and the longest time from a write to its receipt, of the rows shown."""
        delays = [
            (row.recorded_at - row.event_time).total_seconds()
            for row in self.rows
            if row.recorded_at is not None and row.event_time is not None
        ]
        return (statistics.median(delays), max(delays)) if delays else None
