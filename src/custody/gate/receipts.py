"""Whether one object version may be processed: its receipt is read and compared with Amazon S3's listing.

The latest version of the receipt is read, as returned by a GET. Older versions do not matter here: a valid
key must have signed exactly this content about exactly this object version, and the job compares the bytes.
That there is only one receipt is the claim ``receipt.unique`` of ``custody verify``; checking it here would
need a LIST for each version, at twelve times the price of the GET.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from custody.errors import EvidenceError
from custody.etl.manifest import Entry
from custody.evidence.agreement import WrongTimeError, require_possible_time
from custody.evidence.envelope import parse_envelope, read_envelope
from custody.evidence.objects import ObjectVersion
from custody.evidence.receipt import PAYLOAD_TYPE, Receipt, parse_statement
from custody.evidence.registry import (
    CurrentKeyRing,
    KeyRing,
    NotInForceError,
    NotRegisteredError,
    WrongSignatureError,
)
from custody.evidence.signing import UnusableKeyError
from custody.listing import VersionEntry
from custody.times import format_time

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CLOCK_TOLERANCE = timedelta(seconds=1)
"""Listings and answers to a GET both give whole seconds; nothing says that both are rounded the same way."""


class Reason(StrEnum):
    """Why an object version is withheld."""

    ARCHIVED = "archived"
    NO_RECEIPT = "no receipt"
    HIDDEN = "receipt under a delete marker"
    UNREADABLE = "receipt cannot be read"
    UNKNOWN_KEY = "key not in the registry"
    UNUSABLE_KEY = "key cannot be used"
    SIGNATURE = "signature"
    NOT_IN_FORCE = "key not in force"
    RECORDED_AT = "differs from its receipt: recorded at"
    OTHER_VERSION = "another version's receipt"
    SIZE = "differs from its receipt: size"
    ETAG = "differs from its receipt: etag"
    LAST_MODIFIED = "differs from its receipt: last modified"
    CONTRACT = "does not meet its contract"
    """Reported by the job: it read the object and published none of its rows."""
    OTHER_BYTES = "not the bytes of its receipt"
    """Reported by the job, which hashed the bytes, or did not find the object."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """An object version that must not be processed, and why."""

    version: ObjectVersion
    reason: str
    """One of ``Reason``, or in a report a reason of another version of this code."""
    detail: str = ""
    """What was found, in a sentence; text of a receipt is quoted and cut."""


@dataclass(frozen=True, slots=True)
class Pending:
    """An object version whose receipt may still arrive."""

    version: ObjectVersion


ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes whose objects cannot be read until they are restored (Amazon S3 User Guide, "Understanding
and managing Amazon S3 storage classes")."""

_REASONS: tuple[tuple[type[EvidenceError], Reason], ...] = (
    (NotRegisteredError, Reason.UNKNOWN_KEY),
    (WrongSignatureError, Reason.SIGNATURE),
    (NotInForceError, Reason.NOT_IN_FORCE),
    (UnusableKeyError, Reason.UNUSABLE_KEY),
    (WrongTimeError, Reason.RECORDED_AT),
)


class ReceiptGate:
    """Checks object versions by their receipts; may be used concurrently."""

    def __init__(
        self,
        s3: S3Client,
        provenance_bucket: str,
        ring: KeyRing | CurrentKeyRing,
        now: datetime,
        watermark: timedelta,
    ) -> None:
        self._s3 = s3
        self._provenance_bucket = provenance_bucket
        self._ring = ring
        self._settled_before = now - watermark

    def check(self, bucket: str, listed: VersionEntry) -> Entry | Withheld | Pending:
        """Check one version of ``bucket`` and return an entry for a manifest. Raises like ``receipt``."""
        version = ObjectVersion(bucket, listed.key, listed.version_id)
        if listed.storage_class in ARCHIVES:
            detail = f"Its storage class is {listed.storage_class}: no job can read it. Upload it again."
            return Withheld(version, Reason.ARCHIVED, detail)
        found = self.receipt(bucket, listed)
        if isinstance(found, Withheld | Pending):
            return found
        return Entry(version, found.sha256, found.size_bytes, found.last_modified)

    def receipt(self, bucket: str, listed: VersionEntry) -> Receipt | Withheld | Pending:
        """The receipt of one version of ``bucket``, if it is valid.

        Raises botocore's exceptions or ``ShortStreamError`` if a service denies or does not answer: this says
        nothing about the version.
        """
        version = ObjectVersion(bucket, listed.key, listed.version_id)
        try:
            found = self._s3.get_object(Bucket=self._provenance_bucket, Key=version.receipt_key)
        except ClientError as error:
            if error.response["Error"].get("Code") != "NoSuchKey":
                raise
            if error.response["ResponseMetadata"]["HTTPHeaders"].get("x-amz-delete-marker") == "true":
                return Withheld(version, Reason.HIDDEN)
            if listed.latest_creation > self._settled_before:
                return Pending(version)
            return Withheld(version, Reason.NO_RECEIPT)
        with closing(found["Body"]) as body:
            data = read_envelope(body, found["ContentLength"])
        try:
            receipt = self._read(data, found["LastModified"], listed)
        except EvidenceError as error:
            reason = next((reason for kind, reason in _REASONS if isinstance(error, kind)), Reason.UNREADABLE)
            return Withheld(version, reason, error.message)
        return _compare(version, listed, receipt)

    def _read(self, data: bytes, stored_at: datetime, listed: VersionEntry) -> Receipt:
        """The receipt, if its signature is valid and its time is possible. Raises ``EvidenceError``."""
        envelope = parse_envelope(data)
        if envelope.payload_type != PAYLOAD_TYPE:
            raise EvidenceError(f"The payload's type is {envelope.payload_type[:80]!r}, not {PAYLOAD_TYPE}.")
        self._ring.verify(envelope)
        receipt = parse_statement(envelope.payload)
        self._ring.require_in_force(envelope, receipt.recorded_at, stored_at)
        require_possible_time(receipt, stored_at, listed)
        return receipt


def _compare(version: ObjectVersion, listed: VersionEntry, receipt: Receipt) -> Receipt | Withheld:
    if receipt.version != version:
        return Withheld(version, Reason.OTHER_VERSION, f"It is the receipt of {receipt.version.uri}.")
    if listed.size_bytes != receipt.size_bytes:
        detail = f"Amazon S3 lists {listed.size_bytes} bytes, the receipt says {receipt.size_bytes}."
        return Withheld(version, Reason.SIZE, detail)
    if listed.etag != receipt.etag:
        detail = f"Amazon S3 lists {listed.etag[:80]!r}, the receipt says {receipt.etag[:80]!r}."
        return Withheld(version, Reason.ETAG, detail)
    here, there = (moment.replace(microsecond=0) for moment in (listed.last_modified, receipt.last_modified))
    if abs(here - there) > CLOCK_TOLERANCE:
        detail = f"Amazon S3 lists {format_time(here)}, the receipt says {format_time(there)}."
        return Withheld(version, Reason.LAST_MODIFIED, detail)
    return receipt
