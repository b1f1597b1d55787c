"""Object versions that have a receipt and are gone: erased by a decision, expired, or missing.

Erased: a recorded decision names the version (``custody.evidence.erasure``), and the decision's receipt and
bytes are valid. Expired: the deployment deletes versions so many days after they were superseded, the version
was superseded at least that long ago by Amazon S3's times, and the trail has no deletion of it. In an adopted
bucket nothing expires: which versions its owner deletes is not known. Of a batch
deletion the trail has no keys: after one in the bucket, nothing there is known to have expired. Anything else
is a finding.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from custody.deployment import Deployment
from custody.errors import EvidenceError
from custody.evidence.erasure import ERASURES, MAX_ERASURE_BYTES, Erasure, is_erasable, parse_erasure
from custody.evidence.fetch import GoneError, UnreadableError, fetch_bytes
from custody.evidence.objects import ObjectVersion
from custody.findings import Claim, Finding, Severity, Status
from custody.listing import VersionEntry, list_versions
from custody.times import format_time
from custody.verify.index import GoneVersion, Index, StoredReceipt
from custody.verify.receipt import ReceiptChecker
from custody.verify.report import Deleted, Deletion
from custody.verify.tally import Tally

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class DeletionJudge:
    """Judges what is in the index as gone, once trail and receipts have been read."""

    def __init__(
        self,
        *,
        s3: S3Client,
        deployment: Deployment,
        checker: ReceiptChecker,
        index: Index,
        tally: Tally,
        now: datetime,
        trail_is_whole: bool,
    ) -> None:
        self._s3 = s3
        self._deployment = deployment
        self._raw = deployment.buckets["raw-data"]
        self._processed = deployment.buckets["processed"]
        self._provenance = deployment.buckets["provenance"]
        self._checker = checker
        self._index = index
        self._tally = tally
        self._now = now
        self._trail_is_whole = trail_is_whole
        self._refused: list[str] = []

    def run(self) -> None:
        """Judge ``object.hash`` of every version that is gone, and note each lawful deletion."""
        erased: dict[ObjectVersion, str] | None = None
        for gone in self._index.gone_versions():
            if erased is None:
                erased = self._erased()
            if (why := erased.get(gone.version)) is not None:
                self._hold(gone, Deleted.ERASED, why)
            else:
                self._judge(gone)
        for sentence in self._refused:
            self._tally.leave(sentence)

    def _judge(self, gone: GoneVersion) -> None:
        """Judge a version that no decision names."""
        uri, days = gone.version.uri, self._deployment.noncurrent_days
        since = gone.superseded_at
        is_ours = gone.version.bucket not in self._deployment.adopted_since
        is_due = is_ours and days > 0 and since is not None and since + timedelta(days=days) <= self._now
        if since is None or not is_due:
            self._miss(uri, gone.problem)
        elif gone.destroyed_at is not None:
            self._miss(uri, f"{gone.problem} The trail has its deletion at {format_time(gone.destroyed_at)}.")
        elif gone.batch_at is not None:
            self._miss(
                uri,
                f"{gone.problem} It may have expired, or have been one of the keys, which the trail does not "
                f"log, of the batch deletion in its bucket at {format_time(gone.batch_at)}.",
            )
        elif not self._trail_is_whole:
            self._tally.leave(f"{uri} is gone; without the whole trail it cannot be said whether it expired.")
        else:
            detail = f"It was superseded by {format_time(since)}, and versions expire {days} days after that."
            self._hold(gone, Deleted.EXPIRED, detail)

    def _hold(self, gone: GoneVersion, state: Deleted, detail: str) -> None:
        self._tally.judge(Claim.OBJECT_HASH, gone.version.uri)
        self._index.note_deletion(gone.version, state, detail)
        self._tally.delete(Deletion(gone.version.uri, state, detail))

    def _miss(self, uri: str, detail: str) -> None:
        claim = Claim.OBJECT_HASH
        self._tally.judge(claim, uri, [Finding(claim, Status.MISSING, uri, detail, Severity.HIGH)])

    def _erased(self) -> dict[ObjectVersion, str]:
        """Every version that a valid decision names, with the words for it."""
        found: dict[ObjectVersion, str] = {}
        oldest: VersionEntry | None = None
        for entry in list_versions(self._s3, self._processed, ERASURES):
            if entry.is_delete_marker:
                continue
            if oldest is not None and oldest.key != entry.key:
                self._read(oldest, found)
            oldest = entry  # newest first: a decision is written once, so a later version is none
        if oldest is not None:
            self._read(oldest, found)
        return found

    def _read(self, entry: VersionEntry, found: dict[ObjectVersion, str]) -> None:
        """Read one decision into ``found``; one that is not valid has no effect, and is reported."""
        version = ObjectVersion(self._processed, entry.key, entry.version_id)
        what = f"decision {version.uri}"
        try:
            sha256, writer = self._receipt_of(version)
            erasure = _parse(fetch_bytes(self._s3, version, MAX_ERASURE_BYTES), sha256, what)
        except EvidenceError as error:
            self._refused.append(f"{error.message} It erases nothing.")
            return
        except (GoneError, UnreadableError) as error:
            self._refused.append(f"The {what} could not be read: {error}")
            return
        words = f"Erased by decision of {writer}: {erasure.reason} ({version.uri})"
        for each in erasure.versions:
            if is_erasable(each, self._raw):
                found.setdefault(each, words)

    def _receipt_of(self, version: ObjectVersion) -> tuple[str, str]:
        """The digest and the writer in a decision's receipt. Raises ``EvidenceError`` without a valid one."""
        first = None
        for entry in list_versions(self._s3, self._provenance, version.receipt_key):
            if entry.key == version.receipt_key and not entry.is_delete_marker:
                first = entry  # newest first
        if first is None:
            raise EvidenceError(f"The decision {version.uri} has no receipt.")
        stored = StoredReceipt(version.receipt_key, first.version_id, first.last_modified, version.uri, False)
        checked = self._checker.read(stored)
        if checked.receipt is None or not checked.is_signed:
            problems = [finding.detail for verdict in checked.verdicts for finding in verdict.findings]
            raise EvidenceError(
                f"The receipt of the decision {version.uri} is not valid: "
                f"{' '.join(problems) or checked.unchecked}"
            )
        return checked.receipt.sha256, checked.receipt.event.principal_id or "an unknown writer"


def _parse(data: bytes, sha256: str, what: str) -> Erasure:
    if hashlib.sha256(data).hexdigest() != sha256:
        raise EvidenceError(f"The {what} is not the object of its receipt.")
    return parse_erasure(data, what)
