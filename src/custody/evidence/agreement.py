"""Whether a receipt agrees with what Amazon S3 itself says: of the receipt, and of the object it is of.

A receipt's words are the signer's. The times at which Amazon S3 stored the receipt and the object are not: so
nobody who signs can date a receipt back into a key's validity, or ahead of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from custody.errors import EvidenceError
from custody.times import format_time

if TYPE_CHECKING:
    from custody.evidence.receipt import Receipt
    from custody.listing import VersionEntry

ROUNDING = timedelta(seconds=1)
"""Listings and answers to a GET both give whole seconds; nothing says that both are rounded the same way."""
CLOCK_TOLERANCE = timedelta(minutes=1)
"""How far the clocks of AWS Lambda and Amazon S3 may be apart; both are kept within milliseconds."""
RECORDING_TIME = timedelta(minutes=15)
"""The recorder dates a receipt, signs it and stores it in one call, and no call takes longer (AWS Lambda
Developer Guide, "Lambda quotas")."""


class WrongTimeError(EvidenceError):
    """A receipt says that it was recorded when it cannot have been."""


class Fact(StrEnum):
    """What Amazon S3 and a receipt both tell."""

    SIZE = "size"
    ETAG = "etag"
    LAST_MODIFIED = "last modified"
    RECORDED_AT = "recorded at"


@dataclass(frozen=True, slots=True)
class Contradiction:
    """What Amazon S3 says otherwise than a receipt, in a sentence; the receipt's words are quoted and cut."""

    fact: Fact
    detail: str


def compare_with_storage(receipt: Receipt, stored_at: datetime) -> list[Contradiction]:
    """What is wrong with a receipt that Amazon S3 stored at ``stored_at`` (its object's LastModified)."""
    recorded, stored = format_time(receipt.recorded_at), format_time(stored_at)
    if receipt.recorded_at - stored_at > CLOCK_TOLERANCE:
        words = f"The receipt says that it was recorded at {recorded}, after Amazon S3 stored it ({stored})."
    elif stored_at - receipt.recorded_at > RECORDING_TIME + CLOCK_TOLERANCE:
        words = (
            f"The receipt says that it was recorded at {recorded}, but Amazon S3 stored it at {stored}: "
            "it was dated back."
        )
    else:
        return []
    return [Contradiction(Fact.RECORDED_AT, words)]


def compare_with_object(receipt: Receipt, listed: VersionEntry) -> list[Contradiction]:
    """What is wrong with a receipt of an object version that Amazon S3 gives or lists so."""
    found = []
    if listed.size_bytes != receipt.size_bytes:
        words = f"Amazon S3 lists {listed.size_bytes} bytes, the receipt says {receipt.size_bytes}."
        found.append(Contradiction(Fact.SIZE, words))
    if listed.etag != receipt.etag:
        words = f"Amazon S3 lists the ETag {listed.etag[:80]!r}, the receipt says {receipt.etag[:80]!r}."
        found.append(Contradiction(Fact.ETAG, words))
    here, there = (moment.replace(microsecond=0) for moment in (listed.last_modified, receipt.last_modified))
    if abs(here - there) > ROUNDING:
        words = f"Amazon S3 lists it as of {format_time(here)}, the receipt says {format_time(there)}."
        found.append(Contradiction(Fact.LAST_MODIFIED, words))
    if listed.last_modified - receipt.recorded_at > CLOCK_TOLERANCE:
        words = (
            f"The receipt says that it was recorded at {format_time(receipt.recorded_at)}, before the object "
            f"version came to be ({format_time(listed.last_modified)})."
        )
        found.append(Contradiction(Fact.RECORDED_AT, words))
    return found


def require_possible_time(receipt: Receipt, stored_at: datetime, listed: VersionEntry) -> None:
    """Raise ``WrongTimeError`` if a receipt was not recorded between its object and its own storage."""
    found = [*compare_with_storage(receipt, stored_at), *compare_with_object(receipt, listed)]
    for contradiction in found:
        if contradiction.fact is Fact.RECORDED_AT:
            raise WrongTimeError(contradiction.detail)
