"""Four ways over each object version: whether it exists, its receipt, its event in the trail, its leaf.

It rests on a verification that has been run: what that lists and reads is in its index, and what is missing
and not among its findings may still arrive. The statuses are the ledger's, and two that only a listing can
tell. The trail's and the receipt's words about who, from where and how large are the ledger's to compare.
"""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from custody.deployment import Deployment
from custody.findings import Claim, Finding, Status
from custody.ledger.ledger import LedgerStatus, Scope, plain
from custody.ledger.story import Stored
from custody.times import format_time
from custody.verify.index import Index
from custody.verify.report import VerificationReport
from custody.verify.version_evidence import Evidence, join_versions, version_evidence

TOLD_LATE = timedelta(days=2)
"""An event that the trail's file brings later than this is late, as in the ledger."""


class ReconciledStatus(StrEnum):
    """What the four sources together say about one object version; the names are a contract."""

    VERIFIED = LedgerStatus.VERIFIED.value
    SUPERSEDED = "superseded"
    """As verified, and a newer version or a delete marker is over it."""
    LATE = LedgerStatus.LATE.value
    PENDING = LedgerStatus.PENDING.value
    """Something is missing that may still arrive, or that could not be read."""
    DELETED = "deleted"
    """It does not exist, and a receipt, an event or a leaf says that it did."""
    MISMATCH = LedgerStatus.MISMATCH.value
    UNPROVENANCED = LedgerStatus.UNPROVENANCED.value
    """There is no receipt, or none in the log."""
    UNWITNESSED = LedgerStatus.UNWITNESSED.value


_FINDINGS = frozenset(
    {ReconciledStatus.MISMATCH, ReconciledStatus.UNPROVENANCED, ReconciledStatus.UNWITNESSED}
)


@dataclass(frozen=True, slots=True)
class ReconciledRow:
    """One object version (or a write whose event does not say of which), its status, and the evidence."""

    uri: str
    status: ReconciledStatus
    time: datetime | None
    """When it was written: by the trail's event, or else by Amazon S3. ``None``: only a leaf is left."""
    exists: Stored | None
    """``None``: outside the recorded prefixes, where nothing is listed, or its version is unknown."""
    receipt_key: str | None
    sha256: str | None
    """The signed one; ``None`` if the receipt was not read, or its signature is not valid."""
    recorded_at: datetime | None
    event_id: str | None
    event_name: str | None
    event_time: datetime | None
    leaf_index: int | None
    deletion: str | None
    """``erased`` or ``expired``: it was deleted lawfully."""
    details: tuple[str, ...]
    """What is wrong, or late, or why it was deleted, in sentences."""
    repair: str | None
    """What repairs it; ``None`` if nothing does, or nothing has to."""

    @property
    def is_finding(self) -> bool:
        """Whether the sources contradict each other, for good."""
        if self.status is ReconciledStatus.UNWITNESSED:
            return bool(self.details)  # not of what lay in an adopted bucket before it was adopted
        return self.status in _FINDINGS or (
            self.status is ReconciledStatus.DELETED and self.deletion is None and bool(self.details)
        )

    def to_dict(self) -> dict[str, Any]:
        """The row for a JSON document: times as RFC 3339."""
        values = asdict(self)
        return {
            name: list(value) if isinstance(value, tuple) else plain(value) for name, value in values.items()
        }


class Reconciliation:
    """The rows of a period; they can be gone through any number of times while the index is open."""

    def __init__(
        self,
        index: Index,
        report: VerificationReport,
        deployment: Deployment,
        period: Scope,
        now: datetime,
    ) -> None:
        self._index = index
        self._report = report
        self._deployment = deployment
        self._period = period
        self._watermark = timedelta(minutes=deployment.watermark_minutes)
        self._now = now
        self._has_log = report.claims[Claim.LOG_CHECKPOINT].checked > 0
        self._found: dict[str, list[Finding]] = defaultdict(list)
        for finding in report.findings:
            if finding.claim is not Claim.LINEAGE_INPUTS:
                self._found[finding.subject].append(finding)
        self.counts: Counter[ReconciledStatus] = Counter()
        self._findings = 0
        join_versions(index)
        of_versions: set[str] = set()
        for evidence in self._every_version():
            of_versions.update(evidence.subjects)
            row = self._row(evidence)
            if self._is_within(row):
                self.counts[row.status] += 1
                self._findings += row.is_finding
        self.general = tuple(
            finding
            for subject, findings in self._found.items()
            if subject not in of_versions
            for finding in findings
        )
        """Findings about the trail and the log themselves, on which every row rests."""

    @property
    def exit_code(self) -> int:
        """1 if there are findings, 3 if something could not be checked or all is still pending, else 0."""
        if self._findings or self.general:
            return 1
        is_settled = self.counts.total() > self.counts[ReconciledStatus.PENDING]
        return 3 if self._report.unchecked or not is_settled else 0

    @property
    def has_log(self) -> bool:
        """Whether it is four ways; three, where there is no log yet."""
        return self._has_log

    @property
    def report(self) -> VerificationReport:
        """The verification that it rests on."""
        return self._report

    def rows(self) -> Iterator[ReconciledRow]:
        """The rows of the period, in the order of buckets and keys; those without a time are in each."""
        return filter(self._is_within, map(self._row, self._every_version()))

    def _is_within(self, row: ReconciledRow) -> bool:
        since, until = self._period.since, self._period.until
        if row.time is None:
            return True
        return (since is None or row.time >= since) and (until is None or row.time < until)

    def _every_version(self) -> Iterator[Evidence]:
        return version_evidence(self._index, self._deployment.buckets["provenance"])

    def _findings_of(self, evidence: Evidence) -> list[Finding]:
        return [finding for subject in evidence.subjects for finding in self._found.get(subject, ())]

    def _row(self, evidence: Evidence) -> ReconciledRow:
        exists = self._exists(evidence)
        status = self._status(evidence, exists)
        details = [finding.detail for finding in self._findings_of(evidence)]
        if evidence.deletion is not None:
            details.append(evidence.problem or "")
        if status is ReconciledStatus.LATE:
            details += self._lateness(evidence)
        row = ReconciledRow(
            uri=evidence.uri,
            status=status,
            time=evidence.time,
            exists=exists,
            receipt_key=evidence.receipt_key if evidence.versions else None,
            sha256=evidence.sha256,
            recorded_at=evidence.recorded_at if evidence.versions else None,
            event_id=evidence.event_id,
            event_name=evidence.event_name,
            event_time=evidence.event_time,
            leaf_index=evidence.leaf,
            deletion=evidence.deletion,
            details=tuple(details),
            repair=None,
        )
        return replace(row, repair=_repair(row, evidence))

    def _exists(self, evidence: Evidence) -> Stored | None:
        if evidence.is_latest is not None:
            return Stored.CURRENT if evidence.is_latest else Stored.EARLIER
        if evidence.is_gone:
            return Stored.GONE
        version = evidence.version
        if version is None or evidence.sha256 is not None:
            return None  # its receipt was read, and the object with it
        return Stored.GONE if self._deployment.is_recorded(version.bucket, version.key) else None

    def _status(self, evidence: Evidence, exists: Stored | None) -> ReconciledStatus:
        found = self._findings_of(evidence)
        if any(finding.status is not Status.MISSING for finding in found):
            return ReconciledStatus.MISMATCH
        if evidence.receipt_key is None:
            return self._unknown_version(evidence)
        missing = {finding.claim for finding in found}
        if exists is Stored.GONE or Claim.OBJECT_HASH in missing:
            is_known = evidence.versions or evidence.deletion is not None or missing
            return ReconciledStatus.DELETED if is_known else ReconciledStatus.PENDING
        if missing & {Claim.RECEIPT_UNIQUE, Claim.LOG_COMPLETE}:
            return ReconciledStatus.UNPROVENANCED
        return ReconciledStatus.UNWITNESSED if missing else self._without_findings(evidence, exists)

    def _unknown_version(self, evidence: Evidence) -> ReconciledStatus:
        is_young = evidence.time is None or evidence.time > self._now - self._watermark
        return ReconciledStatus.PENDING if is_young else ReconciledStatus.UNPROVENANCED

    def _without_findings(self, evidence: Evidence, exists: Stored | None) -> ReconciledStatus:
        is_sealed = evidence.leaf is not None or not self._has_log
        is_read = evidence.sha256 is not None or self._report.sample < 1
        if evidence.versions and is_sealed and is_read and self._is_older_than_adoption(evidence):
            return ReconciledStatus.UNWITNESSED
        if not (evidence.versions and evidence.event_id and is_sealed and is_read):
            return ReconciledStatus.PENDING
        if self._lateness(evidence):
            return ReconciledStatus.LATE
        return ReconciledStatus.SUPERSEDED if exists is Stored.EARLIER else ReconciledStatus.VERIFIED

    def _is_older_than_adoption(self, evidence: Evidence) -> bool:
        version, time = evidence.version, evidence.time
        return (
            evidence.event_id is None
            and version is not None
            and time is not None
            and self._deployment.is_older_than_adoption(version.bucket, time)
        )

    def _lateness(self, evidence: Evidence) -> list[str]:
        details = []
        written, recorded, delivered = evidence.written_by, evidence.recorded_at, evidence.delivered_at
        if written is not None and recorded is not None and recorded - written > self._watermark:
            details.append(
                f"It was recorded at {format_time(recorded)}, {_rough(recorded - written)} after the write: "
                "the receipt proves the bytes from then on."
            )
        if delivered is not None and evidence.event_time is not None:
            delay = delivered - evidence.event_time
            if delay > TOLD_LATE:
                details.append(f"The trail told of the write {_rough(delay)} after it.")
        return details


def _repair(row: ReconciledRow, evidence: Evidence) -> str | None:
    """What repairs a row: the command, or what to wait for."""
    if row.status is not ReconciledStatus.UNPROVENANCED or row.exists not in (Stored.CURRENT, Stored.EARLIER):
        return None
    if evidence.versions:
        return "custody doctor (the sealer looks every day for receipts that are not in the log)"
    if evidence.markers or evidence.leaf is not None:
        return None  # there was a receipt: a new one would cover that up
    if evidence.version is None or evidence.version.version_id == "null":
        return None
    return f"custody record {shlex.quote(row.uri)}"


def _rough(length: timedelta) -> str:
    """``90 minutes``, ``50 hours``, ``12 days``."""
    minutes = int(length.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} minutes"
    return f"{minutes // 60} hours" if minutes < 72 * 60 else f"{minutes // (24 * 60)} days"
