"""Uses of signing keys outside their time, as the trail tells of them: what was signed need not be here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from custody.evidence.agreement import RECORDING_TIME
from custody.evidence.registry import RegisteredKey
from custody.findings import Claim, Finding, Severity, Status
from custody.times import format_time
from custody.trail.log_files import TrailSignature
from custody.verify.tally import Tally


@dataclass(slots=True)
class _Misuse:
    """Signatures of one key outside its time."""

    count: int = 0
    first: datetime | None = None
    last: datetime | None = None


class KeyUse:
    """Collects the trail's ``Sign`` events of registered keys."""

    def __init__(self, keys: Mapping[str, RegisteredKey]) -> None:
        self.keys = keys
        self._misuses: dict[str, _Misuse] = {}
        """By key, of those that have signed."""

    def add(self, signatures: Iterable[TrailSignature]) -> None:
        """Add signatures by registered keys."""
        for signature in signatures:
            misuse, at = self._misuses.setdefault(signature.key_id, _Misuse()), signature.event_time
            if is_over(self.keys[signature.key_id], at):
                misuse.count += 1
                misuse.first = min(at, misuse.first or at)
                misuse.last = max(at, misuse.last or at)

    def judge(self, tally: Tally) -> None:
        """Judge ``key.use`` of each key that has signed."""
        claim = Claim.KEY_USE
        for key_id, misuse in sorted(self._misuses.items()):
            findings = []
            if misuse.first is not None and misuse.last is not None:
                detail = (
                    f"The trail has {misuse.count:,} signatures with it after its end, from "
                    f"{format_time(misuse.first)} to {format_time(misuse.last)}."
                )
                findings.append(Finding(claim, Status.UNEXPECTED, key_id, detail, Severity.CRITICAL))
            tally.judge(claim, key_id, findings)


def is_over(key: RegisteredKey, at: datetime) -> bool:
    """Whether a key may not sign any more; what a recorder had begun in time, it still signs."""
    if key.revoked_at is not None and at >= key.revoked_at:
        return True
    return key.valid_until is not None and at >= key.valid_until + RECORDING_TIME
