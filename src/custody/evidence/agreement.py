"""Whether a receipt agrees with what Amazon S3 says about the receipt and about its object.

The signer controls a receipt's content, but not the times at which Amazon S3 stored the receipt and the
object: so no signer can backdate a receipt into a key's period of validity, or date it ahead.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from custody.errors import EvidenceError
from custody.times import format_time

if TYPE_CHECKING:
    from custody.evidence.receipt import Receipt
    from custody.listing import VersionEntry

ROUNDING = timedelta(seconds=1)
"""Listings and GET responses both give whole seconds, but may be rounded differently."""
CLOCK_TOLERANCE = timedelta(minutes=1)
"""The maximum difference between the clocks of AWS Lambda and Amazon S3; both are accurate to
milliseconds."""
RECORDING_TIME = timedelta(minutes=15)
"""The recorder dates, signs and stores a receipt in one invocation, which cannot take longer (AWS Lambda
Developer Guide, "Lambda quotas")."""


class WrongTimeError(EvidenceError):
    """A receipt has an impossible recording time."""


class StatedObject(Protocol):
    """What a receipt states about its object: the receipt, or its row in the ledger."""

    @property
    def size_bytes(self) -> int:
        """Its number of bytes."""

    @property
    def etag(self) -> str:
        """Its ETag, with quotes."""

    @property
    def last_modified(self) -> datetime:
        """Its time."""

    @property
    def recorded_at(self) -> datetime:
        """When the receipt was made."""


class Fact(StrEnum):
    """The facts that both Amazon S3 and a receipt state."""

    SIZE = "size"
    ETAG = "etag"
    LAST_MODIFIED = "last modified"
    RECORDED_AT = "recorded at"


@dataclass(frozen=True, slots=True)
class Contradiction:
    """How Amazon S3 contradicts a receipt, in a sentence; text of the receipt is quoted and cut."""

    fact: Fact
    detail: str


def compare_with_storage(recorded_at: datetime, stored_at: datetime) -> list[Contradiction]:
    """Check a receipt's time against ``stored_at``, the time at which Amazon S3 stored it (LastModified)."""
    lateness = stored_at - recorded_at
    if -CLOCK_TOLERANCE <= lateness <= RECORDING_TIME + CLOCK_TOLERANCE:
        return []
    recorded, stored = format_time(recorded_at), format_time(stored_at)
    if lateness < -CLOCK_TOLERANCE:
        words = f"The receipt says that it was recorded at {recorded}, after Amazon S3 stored it ({stored})."
    else:
        words = (
            f"The receipt says that it was recorded at {recorded}, but Amazon S3 stored it at {stored}: "
            "it was backdated."
        )
    return [Contradiction(Fact.RECORDED_AT, words)]


def compare_with_object(receipt: StatedObject, listed: VersionEntry) -> list[Contradiction]:
    """Check a receipt against an object version as Amazon S3 returns or lists it."""
    found = []
    if listed.size_bytes != receipt.size_bytes:
        words = f"Amazon S3 lists {listed.size_bytes} bytes, the receipt says {receipt.size_bytes}."
        found.append(Contradiction(Fact.SIZE, words))
    if listed.etag != receipt.etag:
        words = f"Amazon S3 lists the ETag {listed.etag[:80]!r}, the receipt says {receipt.etag[:80]!r}."
        found.append(Contradiction(Fact.ETAG, words))
    here, there = (moment.replace(microsecond=0) for moment in (listed.last_modified, receipt.last_modified))
    if abs(here - there) > ROUNDING:
        words = (
            f"Amazon S3 lists it with the time {format_time(here)}, the receipt says {format_time(there)}."
        )
        found.append(Contradiction(Fact.LAST_MODIFIED, words))
    if listed.last_modified - receipt.recorded_at > CLOCK_TOLERANCE:
        words = (
            f"The receipt says that it was recorded at {format_time(receipt.recorded_at)}, before the object "
            f"version was created ({format_time(listed.last_modified)})."
        )
        found.append(Contradiction(Fact.RECORDED_AT, words))
    return found


def require_possible_time(receipt: Receipt, stored_at: datetime, listed: VersionEntry) -> None:
    """Raise ``WrongTimeError`` unless a receipt was recorded after its object and before its own storage."""
    found = [*compare_with_storage(receipt.recorded_at, stored_at), *compare_with_object(receipt, listed)]
    for contradiction in found:
        if contradiction.fact is Fact.RECORDED_AT:
            raise WrongTimeError(contradiction.detail)
