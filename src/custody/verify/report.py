"""The report of a verification, and its progress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from custody.findings import Claim, Finding
from custody.times import format_time


@dataclass(frozen=True, slots=True)
class ClaimCount:
    """The number of subjects a claim was checked for: ``checked = passed + failed + pending``."""

    checked: int
    passed: int
    failed: int
    pending: int
    """Incomplete, but younger than the watermark; not a finding."""


class Deleted(StrEnum):
    """In which way an object version was deleted lawfully; the names are a contract."""

    ERASED = "erased"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Deletion:
    """An object version that was deleted lawfully, and why, in a sentence."""

    subject: str
    state: Deleted
    detail: str

    def to_dict(self) -> dict[str, str]:
        """The deletion for a JSON document."""
        return {name: str(value) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class ReportedObjects:
    """Objects whose bytes were judged by a completion report of S3 Batch Operations, and not read."""

    job: str
    report: str
    """The URI or path of the report's manifest."""
    created_at: datetime
    """When the report was written, as it says."""
    objects: int
    """How many of ``object.hash`` were judged so."""

    def to_dict(self) -> dict[str, Any]:
        """The fields for a JSON document."""
        return asdict(self) | {"created_at": format_time(self.created_at)}


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """The results of a verification."""

    claims: Mapping[Claim, ClaimCount]
    findings: tuple[Finding, ...]
    unchecked: tuple[str, ...]
    """A sentence for each subject that could not be checked (such as a denied object); the rest was
    checked."""
    sample: float
    seed: str
    """With it, the same sample can be drawn again."""
    unchecked_count: int = 0
    """Their total number; ``unchecked`` has the first of them."""
    receipts: int = 0
    """The number of receipts."""
    receipts_read: int = 0
    """How many of them were read, each with the bytes of its object: a sample is a share of ``receipts``."""
    deletions: tuple[Deletion, ...] = ()
    """Object versions that were deleted lawfully: no findings. The first of each state are named."""
    deletion_counts: Mapping[Deleted, int] = field(default_factory=dict)
    """Their number by state."""
    notes: tuple[str, ...] = ()
    """What a reader should know of this run, in sentences: no findings."""
    other_records: Mapping[str, int] = field(default_factory=dict)
    """The number of trail records of categories without single writes, by event category."""
    reused: int = 0
    """Of how many receipts the results are those of an earlier run, which was interrupted."""
    reported: ReportedObjects | None = None
    """The objects that are judged by the word of Amazon S3, if there is a report."""

    @property
    def exit_code(self) -> int:
        """0 all holds, 1 findings, 3 nothing found, but something or everything could not be checked."""
        return 1 if self.findings else 3 if self.unchecked else 0

    def to_dict(self) -> dict[str, Any]:
        """The JSON document: every field by its name."""
        return {
            "claims": {
                str(claim): {
                    "checked": count.checked,
                    "passed": count.passed,
                    "failed": count.failed,
                    "pending": count.pending,
                }
                for claim, count in self.claims.items()
            },
            "findings": [finding.to_dict() for finding in self.findings],
            "unchecked": list(self.unchecked),
            "unchecked_count": self.unchecked_count,
            "deletions": [deletion.to_dict() for deletion in self.deletions],
            "deletion_counts": {str(state): count for state, count in self.deletion_counts.items()},
            "notes": list(self.notes),
            "other_records": dict(self.other_records),
            "receipts": self.receipts,
            "receipts_read": self.receipts_read,
            "reported": None if self.reported is None else self.reported.to_dict(),
            "reused": self.reused,
            "sample": self.sample,
            "seed": self.seed,
        }


class Progress(Protocol):
    """Progress callback; ``total`` is ``None`` while it is not known."""

    def __call__(self, stage: str, done: int, total: int | None, /) -> None:
        """``stage`` is a few words for a person: "objects listed", "trail files read", "receipts checked"."""
        ...
