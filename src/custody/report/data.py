"""The report's content as data: gathered once, rendered by a pure function."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from custody.deployment import Deployment
from custody.doctor.doctor import Check, State
from custody.evidence.objects import quote_key
from custody.findings import Claim, Finding, Severity
from custody.ledger.ledger import (
    DENIED,
    EVERYTHING,
    AccessCount,
    AccessRow,
    AccessSummary,
    LedgerCount,
    LedgerRow,
    LedgerStatus,
    Scope,
    TimelineCount,
    TimeUnit,
)
from custody.report.lineage import GoldLineage
from custody.times import format_time
from custody.verify.verify import VerificationReport

NOT_PROVEN = (LedgerStatus.MISMATCH, LedgerStatus.UNPROVENANCED, LedgerStatus.UNWITNESSED)
"""The statuses of a write that should be proven but is not."""
LISTED_FINDINGS = 500
"""Maximum findings on a page for people; the page gives the number of others."""


@dataclass(frozen=True, slots=True)
class Lap:
    """How long something took."""

    label: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything on the page. The same data always give the same page."""

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
    """Allowed accesses by caller and kind, most frequent first."""
    laps: tuple[Lap, ...]
    scope: Scope = EVERYTHING
    """Which part of the ledger and of the accesses the page shows."""
    lineage: GoldLineage | None = None
    """Where the gold tables come from; ``None`` if there are none."""
    health: tuple[Check, ...] = ()
    """Every stage of the pipeline, as examined for the page."""

    @property
    def scope_words(self) -> str:
        """Which part of the ledger the page shows; empty for the whole."""
        period = [
            f"{word} {format_time(moment)}"
            for word, moment in (("since", self.scope.since), ("before", self.scope.until))
            if moment is not None
        ]
        place = (
            []
            if self.scope.bucket is None
            else [f"in s3://{self.scope.bucket}/{quote_key(self.scope.prefix or '')}"]
        )
        return " and ".join([*period, *place])

    @property
    def total_rows(self) -> int:
        """The number of writes in the ledger, in its scope."""
        return sum(count.rows for count in self.counts)

    @property
    def by_status(self) -> dict[str, int]:
        """Status → writes, with every status of the contract, others after them."""
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
        """Severity → findings, worst first, without severities that have none."""
        counts = Counter(finding.severity for finding in self.verification.findings)
        return {severity: counts[severity] for severity in Severity if counts[severity]}

    @property
    def by_claim(self) -> dict[Claim, int]:
        """Claim → findings, most first."""
        return dict(Counter(finding.claim for finding in self.verification.findings).most_common())

    @property
    def worst_findings(self) -> list[Finding]:
        """The findings that the page lists, worst first."""
        rank = list(Severity).index
        worst = sorted(self.verification.findings, key=lambda finding: rank(finding.severity))
        return worst[:LISTED_FINDINGS]

    @property
    def unwell(self) -> list[Check]:
        """The stages that are broken or could not be examined."""
        return [check for check in self.health if check.state != State.OK]

    @property
    def by_subject(self) -> dict[str, int]:
        """Object version's URI → findings. A write can be verified although its bytes have changed since."""
        return dict(Counter(finding.subject for finding in self.verification.findings))

    @property
    def not_proven(self) -> int:
        """The number of writes that should be proven and are not."""
        return sum(self.by_status[status] for status in NOT_PROVEN)

    @property
    def denied_total(self) -> int:
        """The total number of denied attempts."""
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
        """The number of checks of the verification, over all claims."""
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
