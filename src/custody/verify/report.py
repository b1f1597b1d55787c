"""What verification says in the end, and how it is told of meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from custody.findings import Claim, Finding


@dataclass(frozen=True, slots=True)
class ClaimCount:
    """How many subjects a claim was checked for: ``checked = passed + failed + pending``."""

    checked: int
    passed: int
    failed: int
    pending: int
    """Younger than the watermark with something not there yet; no finding."""


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """What verification found."""

    claims: Mapping[Claim, ClaimCount]
    findings: tuple[Finding, ...]
    unchecked: tuple[str, ...]
    """What could not be checked (an object Amazon S3 refused, say), a sentence each; the rest was checked."""
    sample: float
    seed: str
    """Draws the same sample again."""
    unchecked_count: int = 0
    """How many there are; ``unchecked`` has the first of them."""
    other_records: Mapping[str, int] = field(default_factory=dict)
    """How many records of the trail are of categories that witness no write, by event category."""

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
            "other_records": dict(self.other_records),
            "sample": self.sample,
            "seed": self.seed,
        }


class Progress(Protocol):
    """Told from time to time how far verification is; ``total`` is ``None`` while it is not known."""

    def __call__(self, stage: str, done: int, total: int | None, /) -> None:
        """``stage`` is a few words for a person: "objects listed", "trail files read", "receipts checked"."""
        ...
