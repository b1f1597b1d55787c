"""Verification: every claim about every object, checked from bytes and public keys.

No service of ours is asked: only Amazon S3 for listings and bytes. Every claim that does not hold is
reported, never only the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from custody.deployment import Deployment
from custody.errors import CannotCheckError
from custody.findings import Claim, Finding
from custody.objects import S3Location

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


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
    """What could not be read (an object Amazon S3 refused), a sentence each; the rest was checked."""
    sample: float
    seed: str
    """Draws the same sample again."""

    @property
    def exit_code(self) -> int:
        """0 all holds, 1 findings, 3 nothing found but something could not be checked."""
        return 1 if self.findings else 3 if self.unchecked else 0

    def to_dict(self) -> dict[str, Any]:
        """The JSON document: claims, findings, unchecked, sample and seed."""
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
            "sample": self.sample,
            "seed": self.seed,
        }


class Progress(Protocol):
    """Told from time to time how far verification is; ``total`` is ``None`` while it is not known."""

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """``stage`` is a few words for a person: "objects listed", "trail files read", "receipts checked"."""
        ...


def verify(
    s3: S3Client,
    deployment: Deployment,
    *,
    now: datetime,
    scope: S3Location | None = None,
    sample: float = 1.0,
    seed: str | None = None,
    progress: Progress | None = None,
    workers: int = 16,
) -> VerificationReport:
    """Check every claim for the recorded objects of a deployment, or for those in ``scope``.

    ``scope`` is a bucket, a key prefix in one, or (with a version id) one object version.
    ``now`` (aware) decides with the deployment's watermark what may still be pending.
    ``sample`` (0..1] is the share of object versions whose bytes and receipts are read; listings and the
    trail are always checked whole. Which ones is drawn by SHA-256 over ``seed`` and the version's identity:
    ``seed`` is random unless given, so nobody who writes objects can know what will be left out, and stands
    in the report, so that anybody can draw the same again.
    ``workers`` requests run side by side: give ``s3`` a connection pool of that size
    (``max_pool_connections``) and ``response_checksum_validation="when_required"``.

    Raises ``UsageError`` for a scope or sample that makes no sense, ``CannotCheckError`` if the listings, the
    registry or Amazon S3 as a whole cannot be reached. One object that cannot be read is in ``unchecked``.
    """
    raise CannotCheckError("Verification is not built yet.")
