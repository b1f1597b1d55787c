"""The results of verification: named claims, and a finding for each one that does not hold."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum


class Claim(StrEnum):
    """The claims that are verified; their names are a contract."""

    OBJECT_HASH = "object.hash"
    RECEIPT_SIGNATURE = "receipt.signature"
    RECEIPT_UNIQUE = "receipt.unique"
    TRAIL_EVENT = "trail.event"
    TRAIL_DIGEST = "trail.digest"
    TRAIL_COMPLETE = "trail.complete"
    LINEAGE_INPUTS = "lineage.inputs"
    LOG_CHECKPOINT = "log.checkpoint"
    LOG_CONSISTENCY = "log.consistency"
    LOG_INCLUSION = "log.inclusion"
    LOG_COMPLETE = "log.complete"
    LEDGER_ROW = "ledger.row"
    KEY_USE = "key.use"
    COPY_COMPLETE = "copy.complete"
    COPY_HASH = "copy.hash"


CLAIMS_OF_COPY = (Claim.COPY_COMPLETE, Claim.COPY_HASH)
"""The claims about a second copy of the evidence; the others are about a deployment."""
CLAIMS = tuple(claim for claim in Claim if claim not in CLAIMS_OF_COPY)


class Status(StrEnum):
    """In which way a claim does not hold."""

    FAILED = "failed"
    MISSING = "missing"
    UNEXPECTED = "unexpected"


class Severity(StrEnum):
    """``critical`` is evidence of tampering, ``high`` is missing evidence."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Finding:
    """One claim that does not hold for one subject (an object version's URI), and why, in a sentence."""

    claim: Claim
    status: Status
    subject: str
    detail: str
    severity: Severity

    def to_dict(self) -> dict[str, str]:
        """The finding for a JSON document."""
        return {name: str(value) for name, value in asdict(self).items()}
