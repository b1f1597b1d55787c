"""The claim ``lineage.inputs``: every version of a table names its inputs, and they are verified.

For each lineage document: it is valid and in the right place. Its manifest exists, unchanged, and names the
same object versions with the same hashes. Each of those that was used has a receipt with a valid signature
and that hash, recorded before the document was committed: so it was verified when it was read. (Whether its
bytes are still the same is ``object.hash``.) Each table version it names has a document too. No other
document claims rows of the same version, and the version is in the table's log. For each table: its log is
not newer than its lineage, otherwise something other than a job wrote to it.

A sample has the same object versions as for the other claims; documents and manifests are always read. The
receipts of inputs outside the scope are read only for this claim.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import ClientError

from custody.concurrency import map_concurrently
from custody.deployment import Deployment
from custody.errors import CustodyError, EvidenceError, UsageError, describe_defect
from custody.etl.lineage import MAX_LINEAGE_BYTES
from custody.etl.manifest import MAX_MANIFEST_BYTES, parse_manifest
from custody.evidence.fetch import SERVICE_ERRORS, GoneError, UnreadableError, fetch_bytes, require_usable
from custody.evidence.objects import ObjectVersion, S3Location, parse_s3_uri
from custody.findings import Claim, Finding, Severity, Status
from custody.lineage.document import (
    REJECTED,
    Lineage,
    ObjectInput,
    TableVersion,
    parse_lineage,
    parse_place,
)
from custody.listing import list_versions
from custody.times import format_time
from custody.verify.index import Index, KnownReceipt, StoredDocument, StoredReceipt, UncoveredCommits
from custody.verify.receipt import CheckedReceipt, ReceiptChecker
from custody.verify.tally import Tally

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MANIFESTS = "manifests/"
"""The prefix of manifests in the bucket of processed data."""

_CLAIM = Claim.LINEAGE_INPUTS


class Tell(Protocol):
    """Progress callback: a stage's number done, and its total."""

    def __call__(self, stage: str, done: int, total: int | None = None, /) -> None:
        """``stage`` is a few words for a person."""
        ...


@dataclass(frozen=True, slots=True)
class _Document:
    """A document with its manifest, as far as they could be read."""

    stored: StoredDocument
    lineage: Lineage | None = None
    findings: tuple[Finding, ...] = ()
    unchecked: str = ""


@dataclass(frozen=True, slots=True)
class _Question:
    """An input whose receipt has not been read yet."""

    stored: StoredDocument
    committed_at: datetime
    item: ObjectInput


class LineageVerification:
    """Checks the documents in the index; receipts in scope must have been checked before."""

    def __init__(
        self,
        *,
        s3: S3Client,
        deployment: Deployment,
        checker: ReceiptChecker,
        index: Index,
        tally: Tally,
        scope: S3Location | None,
        is_drawn: Callable[[str], bool],
        settled_before: datetime,
        tell: Tell,
        workers: int,
    ) -> None:
        self._s3 = s3
        self._deployment = deployment
        self._processed = deployment.buckets["processed"]
        self._provenance = deployment.buckets["provenance"]
        self._checker = checker
        self._index = index
        self._tally = tally
        self._scope = scope
        self._is_drawn = is_drawn
        self._settled_before = settled_before
        self._tell = tell
        self._workers = workers
        self._unread: set[str] = set()

    def run(self) -> None:
        """Judge every document and every table with a log in the index."""
        for question, checked in map_concurrently(self._ask, self._questions(), self._workers):
            self._answer(question, checked)
        self._judge_sources()
        for version, made in self._index.rival_documents():
            self._find(
                version.uri,
                Status.UNEXPECTED,
                Severity.CRITICAL,
                f"Another document also claims rows of {made} for its run.",
            )
        for stored in self._index.uncommitted_documents():
            is_settled = stored.stored_at <= self._settled_before  # The log is listed before the documents.
            if is_settled and self._is_whole(stored.made.table):
                detail = f"The table's log does not have {stored.made}."
                self._find(stored.version.uri, Status.UNEXPECTED, Severity.HIGH, detail)
        for stored in self._index.documents():
            if stored.version.uri not in self._unread:
                self._tally.judge(_CLAIM, stored.version.uri)
        for table, uncovered in self._index.committed_tables():
            if self._is_whole(table):
                self._judge_log(table, uncovered)

    def _questions(self) -> Iterator[_Question]:
        """Read every document, judge what can be judged, and yield the inputs whose receipts must be read."""
        total = self._index.count_documents()
        for done, document in enumerate(
            map_concurrently(self._read, self._index.documents(), self._workers), start=1
        ):
            stored, lineage, uri = document.stored, document.lineage, document.stored.version.uri
            self._tell("lineage documents read", done, total)
            if document.unchecked:
                self._leave(uri, document.unchecked)
            if document.findings:
                self._tally.judge(_CLAIM, uri, document.findings)
            if lineage is None:
                continue
            self._index.note_rows(stored.version, lineage.outputs[0].rows)
            for output in lineage.outputs:
                self._index.cover(output.made)
            for source in lineage.tables:
                self._index.add_source(source, uri)
            for item in lineage.objects:
                if not self._is_drawn(item.version.receipt_key):
                    continue
                version = item.version
                if not self._deployment.is_recorded(version.bucket, version.key):
                    detail = f"It names {version.uri} as input, which is outside the recorded prefixes."
                    self._find(uri, Status.MISSING, Severity.HIGH, detail)
                    continue
                question = _Question(stored, lineage.committed_at, item)
                known = self._index.known_receipt(item.version.receipt_key)
                if known is None:
                    yield question
                else:
                    self._compare(question, known)

    def _read(self, stored: StoredDocument) -> _Document:
        """Read a document and its manifest, in any thread."""
        uri = stored.version.uri
        place = parse_place(stored.version.bucket, stored.version.key)
        if place is None:
            raise ValueError(uri)
        lineage = None
        findings: tuple[Finding, ...] = ()
        unchecked = ""
        try:
            lineage = parse_lineage(fetch_bytes(self._s3, stored.version, MAX_LINEAGE_BYTES), place)
            self._check_manifest(lineage)
        except GoneError as error:
            what = "The document" if lineage is None else f"Its manifest {lineage.manifest_uri}"
            findings = (_finding(uri, Status.MISSING, Severity.HIGH, f"{what} is not there ({error})."),)
        except UnreadableError as error:
            unchecked = str(error)
        except EvidenceError as error:
            findings = (_finding(uri, Status.FAILED, Severity.CRITICAL, error.message),)
        except (*SERVICE_ERRORS, CustodyError):
            raise
        except Exception as error:  # noqa: BLE001 - it is reported, and one document must not end the run
            unchecked = f"{uri}: {describe_defect(error)}"
        return _Document(stored, lineage, findings, unchecked)

    def _check_manifest(self, lineage: Lineage) -> None:
        """Raise ``EvidenceError`` unless a silver table's manifest agrees with the document."""
        place, uri = lineage.place, lineage.manifest_uri
        if (uri is not None) != (place.bucket == self._processed):
            raise EvidenceError(
                "Processed data must be made from a manifest, analytics data from tables; it says otherwise."
            )
        if uri is None:
            return
        try:
            location = parse_s3_uri(uri)
        except UsageError as error:
            raise EvidenceError(f"It names no manifest: {error.message}") from error
        if location.bucket != self._processed or not location.key.startswith(MANIFESTS):
            raise EvidenceError(f"Its manifest {uri[:300]} is not where the gate writes manifests.")
        version = ObjectVersion(location.bucket, location.key, location.version_id or "")
        data = fetch_bytes(self._s3, version, MAX_MANIFEST_BYTES)
        if (digest := hashlib.sha256(data).hexdigest()) != place.id:
            raise EvidenceError(f"Its manifest {uri} hashes to {digest}, not to {place.id}.")
        manifest = parse_manifest(data)
        if manifest.table != place.made.name:
            raise EvidenceError(f"Its manifest {uri} is for the table {manifest.table[:200]!r}.")
        wanted = {(entry.version, entry.sha256) for entry in manifest.entries}
        told = {(item.version, item.sha256) for item in lineage.objects}
        told |= {(item.version, item.sha256) for item in lineage.refused}
        if different := {version for version, _ in wanted ^ told}:
            raise EvidenceError(
                f"Its manifest {uri} does not name the same inputs: they differ in {len(different)} object "
                f"versions, such as {min(different).uri}."
            )

    def _ask(self, question: _Question) -> tuple[_Question, CheckedReceipt | None]:
        """Read the first version of an input's receipt, in any thread; ``None`` if there is none."""
        version = question.item.version
        first = None
        try:
            for entry in list_versions(self._s3, self._provenance, version.receipt_key):
                if entry.key == version.receipt_key and not entry.is_delete_marker:
                    first = entry  # Newest first.
        except ClientError as error:  # a document may have a name that Amazon S3 cannot list
            require_usable(error)
            stored = StoredReceipt(version.receipt_key, "", question.stored.stored_at, version.uri, False)
            return question, CheckedReceipt(
                stored, unchecked=f"The receipt of {version.uri} could not be looked up: {error}"
            )
        if first is None:
            return question, None
        stored = StoredReceipt(version.receipt_key, first.version_id, first.last_modified, version.uri, False)
        return question, self._checker.read(stored)

    def _answer(self, question: _Question, checked: CheckedReceipt | None) -> None:
        """Judge an input by the receipt that was read for it."""
        uri, used = question.stored.version.uri, question.item.version.uri
        if checked is None:
            detail = f"There is no receipt of {used}, which it names as input."
            self._find(uri, Status.MISSING, Severity.HIGH, detail)
        elif checked.unchecked:
            self._leave(uri, checked.unchecked)
        elif checked.receipt is None or not checked.is_signed:
            problems = [finding.detail for verdict in checked.verdicts for finding in verdict.findings]
            detail = f"The receipt of {used}, which it names as input, is not valid: {' '.join(problems)}"
            self._find(uri, Status.FAILED, Severity.CRITICAL, detail)
        else:
            receipt = checked.receipt
            self._compare(
                question, KnownReceipt(receipt.sha256, receipt.recorded_at, checked.stored.stored_at)
            )

    def _compare(self, question: _Question, receipt: KnownReceipt) -> None:
        """Judge an input by the facts of its receipt."""
        item, uri = question.item, question.stored.version.uri
        if item.sha256 != receipt.sha256:
            detail = (
                f"It names {item.version.uri} with SHA-256 {item.sha256}; the receipt says {receipt.sha256}."
            )
            self._find(uri, Status.FAILED, Severity.CRITICAL, detail)
        if receipt.recorded_at > question.committed_at or receipt.stored_at > question.stored.stored_at:
            detail = (
                f"{item.version.uri} was recorded at {format_time(receipt.recorded_at)} (stored at "
                f"{format_time(receipt.stored_at)}), after the output was committed at "
                f"{format_time(question.committed_at)}: it was not verified when it was read."
            )
            self._find(uri, Status.FAILED, Severity.HIGH, detail)

    def _judge_sources(self) -> None:
        """Find inputs of gold tables without a document; those missing in the listing are looked up again."""
        pairs = map_concurrently(self._look_again, self._index.undocumented_sources(), self._workers)
        for source, document_uri, is_there in pairs:
            if not is_there:
                detail = f"It was made from {source}, which has no lineage document."
                self._find(document_uri, Status.MISSING, Severity.HIGH, detail)

    def _look_again(self, pair: tuple[TableVersion, str]) -> tuple[TableVersion, str, bool]:
        """Whether an input has a document outside the scope, or written since; in any thread."""
        source, document_uri = pair
        folder = parse_s3_uri(source.table)
        if folder.bucket != self._processed:
            return source, document_uri, False
        prefix = f"{folder.key}/_lineage/{source.version:020d}-"
        found = (
            parse_place(folder.bucket, entry.key)
            for entry in list_versions(self._s3, folder.bucket, prefix)
            if not entry.is_delete_marker
        )
        return source, document_uri, any(place is not None for place in found)

    def _judge_log(self, table: str, uncovered: UncoveredCommits | None) -> None:
        """Judge whether a table's lineage covers its log."""
        if uncovered is None:
            self._tally.judge(_CLAIM, table)
        elif uncovered.since > self._settled_before:
            self._tally.wait(_CLAIM)
        else:
            first = uncovered.first
            subject = f"{table}/_delta_log/{first.version:020d}.json"
            detail = (
                f"No lineage document covers {uncovered.count} versions of the table from {first} on, the "
                f"first stored at {format_time(uncovered.since)}: something other than a job wrote to the "
                "table, or a run did not finish."
            )
            self._find(subject, Status.UNEXPECTED, Severity.HIGH, detail)

    def _is_whole(self, table: str) -> bool:
        """Whether the whole table was listed, and the whole table with its lineage."""
        if self._scope is None:
            return True
        folder = parse_s3_uri(table)
        return (
            self._scope.version_id is None
            and self._scope.bucket == folder.bucket
            and f"{folder.key.removesuffix(REJECTED)}/".startswith(self._scope.key)
            and f"{folder.key}/".startswith(self._scope.key)
        )

    def _find(self, subject: str, status: Status, severity: Severity, detail: str) -> None:
        self._tally.judge(_CLAIM, subject, [_finding(subject, status, severity, detail)])

    def _leave(self, uri: str, sentence: str) -> None:
        """Note that a document could not be fully checked."""
        self._unread.add(uri)
        self._tally.leave(sentence)


def _finding(subject: str, status: Status, severity: Severity, detail: str) -> Finding:
    return Finding(_CLAIM, status, subject, detail, severity)
