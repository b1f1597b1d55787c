"""One receipt and its object version: every claim that can be checked with these two."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from custody.errors import EvidenceError
from custody.evidence.agreement import compare_with_storage
from custody.evidence.dsse import pae
from custody.evidence.envelope import parse_envelope, read_envelope
from custody.evidence.fetch import GoneError, Reader, UnreadableError, fetch
from custody.evidence.objects import ObjectVersion, parse_receipt_key, quote_key
from custody.evidence.receipt import PAYLOAD_TYPE, Receipt, parse_statement
from custody.evidence.registry import CurrentKeyRing
from custody.findings import Claim, Finding, Severity, Status
from custody.listing import VersionEntry
from custody.verify.canonical import Canonical, read_canonical
from custody.verify.index import StoredReceipt
from custody.verify.object_bytes import compare_bytes, hash_version


@dataclass(frozen=True, slots=True)
class Verdict:
    """One claim about one subject; it holds if there are no findings."""

    claim: Claim
    subject: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckedReceipt:
    """The result for one receipt."""

    stored: StoredReceipt
    verdicts: tuple[Verdict, ...] = ()
    receipt: Receipt | None = None
    """The receipt, if it can be read, signed or not."""
    misplaced: bool = False
    """It is under another version's receipt key, or for a bucket outside the deployment."""
    unchecked: str = ""
    """What Amazon S3 did not return; empty if it returned everything."""
    key_id: str = ""
    """The key of the first signature, if the envelope can be read."""
    gone: str = ""
    """Why there is no object version to compare, in a sentence; it may have been deleted lawfully."""

    @property
    def holds(self) -> bool:
        """Whether everything was checked, and nothing found."""
        return not self.unchecked and not self.misplaced and not any(each.findings for each in self.verdicts)

    @property
    def is_reported(self) -> bool:
        """Whether the object was judged by somebody else's word."""
        return self.stored.reported is not None and any(
            verdict.claim is Claim.OBJECT_HASH for verdict in self.verdicts
        )

    @property
    def is_signed(self) -> bool:
        """Whether the claim ``receipt.signature`` was checked and holds."""
        return any(
            verdict.claim is Claim.RECEIPT_SIGNATURE and not verdict.findings for verdict in self.verdicts
        )


class ReceiptChecker:
    """Checks receipts of one provenance bucket; may be used concurrently."""

    def __init__(
        self, s3: Reader, provenance_bucket: str, lake: Collection[str], ring: CurrentKeyRing
    ) -> None:
        self._s3 = s3
        self._provenance_bucket = provenance_bucket
        self._lake = frozenset(lake)
        self._ring = ring

    def check(self, stored: StoredReceipt) -> CheckedReceipt:
        """Read a receipt, check it, then read the object version it names, if its bytes are not reported.

        The object is read even if the signature is not valid, so that every failed claim is reported; but
        never for a receipt in the wrong place, or from a bucket outside the deployment. Raises
        ``CannotCheckError`` or botocore's ``BotoCoreError`` if Amazon S3 as a whole cannot be used.
        """
        return self.check_object(self.read(stored))

    def check_object(self, checked: CheckedReceipt) -> CheckedReceipt:
        """Go on with the object version that a receipt names. Raises like ``check``."""
        if checked.receipt is None or checked.misplaced:
            return checked
        try:
            verdict = self._compare(checked.receipt, checked.stored)
            return replace(checked, verdicts=(*checked.verdicts, verdict))
        except GoneError as error:
            return replace(
                checked, gone=f"The object version does not exist ({error}), but its receipt does."
            )
        except UnreadableError as error:
            return replace(checked, unchecked=str(error))

    def read(self, stored: StoredReceipt) -> CheckedReceipt:
        """Read a receipt and check it, but not the object. Raises like ``check``."""
        try:
            return self.judge(stored, self.fetch(stored))
        except GoneError:
            return CheckedReceipt(stored, (_vanished(self._subject(stored)),))
        except UnreadableError as error:
            return CheckedReceipt(stored, unchecked=str(error))

    def fetch(self, stored: StoredReceipt) -> bytes:
        """The bytes of a receipt's own object. Raises like ``custody.evidence.fetch.fetch``."""
        location = ObjectVersion(self._provenance_bucket, stored.receipt_key, stored.version_id)
        return fetch(self._s3, location, lambda found: read_envelope(found["Body"], found["ContentLength"]))

    def judge(self, stored: StoredReceipt, data: bytes) -> CheckedReceipt:
        """Check a receipt's bytes, wherever they were read."""
        canonical = read_canonical(data)
        if canonical is not None and self.holds(canonical, stored):
            return as_checked(canonical, stored)
        subject = self._subject(stored)
        receipt, key_id, problems = self._examine(stored, data)
        misplacement = self._misplacement(stored, receipt)
        if misplacement:
            problems.append(misplacement)
        elif receipt is not None:
            subject = receipt.version.uri
        findings = [
            Finding(Claim.RECEIPT_SIGNATURE, Status.FAILED, subject, problem, Severity.CRITICAL)
            for problem in problems
        ]
        signature = Verdict(Claim.RECEIPT_SIGNATURE, subject, tuple(findings))
        return CheckedReceipt(stored, (signature,), receipt, bool(misplacement), key_id=key_id)

    def holds(self, canonical: Canonical, stored: StoredReceipt) -> bool:
        """Whether there is nothing to find about a receipt by itself."""
        return (
            canonical.version.receipt_key == stored.receipt_key
            and canonical.version.bucket in self._lake
            and not compare_with_storage(canonical.recorded_at, stored.stored_at)
            and self._ring.holds(
                canonical.key_id,
                canonical.signature,
                pae(canonical.payload, PAYLOAD_TYPE),
                canonical.recorded_at,
                stored.stored_at,
            )
        )

    def _subject(self, stored: StoredReceipt) -> str:
        return stored.object_uri or describe_receipt_key(self._provenance_bucket, stored.receipt_key)

    def _examine(self, stored: StoredReceipt, data: bytes) -> tuple[Receipt | None, str, list[str]]:
        """The receipt, as far as it can be read, the key that signed first, and all problems."""
        try:
            envelope = parse_envelope(data)
        except EvidenceError as error:
            return None, "", [error.message]
        problems = []
        if envelope.payload_type != PAYLOAD_TYPE:
            problems.append(f"The payload's type is {envelope.payload_type[:80]!r}, not {PAYLOAD_TYPE}.")
        try:
            self._ring.verify(envelope)
        except EvidenceError as error:
            problems.append(error.message)
        receipt = None
        try:
            receipt = parse_statement(envelope.payload)
            problems += [
                found.detail for found in compare_with_storage(receipt.recorded_at, stored.stored_at)
            ]
            self._ring.require_in_force(envelope, receipt.recorded_at, stored.stored_at)
        except EvidenceError as error:
            problems.append(error.message)
        return receipt, next(iter(envelope.signatures)), problems

    def _misplacement(self, stored: StoredReceipt, receipt: Receipt | None) -> str:
        if receipt is None:
            return ""
        if receipt.version.receipt_key != stored.receipt_key:
            return f"It is the receipt of {receipt.version.uri}, which belongs under another key."
        if receipt.version.bucket not in self._lake:
            return f"It is the receipt of an object in {receipt.version.bucket}, not one of this deployment."
        return ""

    def _compare(self, receipt: Receipt, stored: StoredReceipt) -> Verdict:
        """Compare the object version's bytes, and what Amazon S3 says about it, with the receipt.

        Raises ``GoneError`` if there is none.
        """
        version = receipt.version
        if (reported := stored.reported) is None:
            findings = compare_bytes(receipt, *hash_version(self._s3, version))
        else:
            sha256, size_bytes, last_modified, word = reported
            listed = VersionEntry(
                version.key, version.version_id, last_modified, False, size_bytes, stored.object_etag
            )
            findings = compare_bytes(receipt, sha256, listed, word)
        return Verdict(Claim.OBJECT_HASH, version.uri, findings)


def as_checked(canonical: Canonical, stored: StoredReceipt) -> CheckedReceipt:
    """The result for a receipt that ``ReceiptChecker.holds``."""
    signature = Verdict(Claim.RECEIPT_SIGNATURE, stored.object_uri or canonical.version.uri)
    return CheckedReceipt(stored, (signature,), canonical.receipt(), key_id=canonical.key_id)


def describe_receipt_key(provenance_bucket: str, receipt_key: str) -> str:
    """The URI of the object version of a receipt's key; the receipt's own if the key does not tell."""
    version = parse_receipt_key(receipt_key)
    return version.uri if version is not None else f"s3://{provenance_bucket}/{quote_key(receipt_key)}"


def _vanished(subject: str) -> Verdict:
    detail = "The receipt was there when the bucket was listed, and no longer exists."
    finding = Finding(Claim.RECEIPT_UNIQUE, Status.MISSING, subject, detail, Severity.CRITICAL)
    return Verdict(Claim.RECEIPT_UNIQUE, subject, (finding,))
