"""One run of verification: list everything into the index, read and check, then compare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from botocore.exceptions import ClientError

from custody.deployment import Deployment
from custody.errors import CannotCheckError
from custody.evidence.agreement import CLOCK_TOLERANCE
from custody.evidence.fetch import SERVICE_ERRORS
from custody.evidence.objects import (
    LONG_RECEIPT_PREFIX,
    RECEIPT_PREFIX,
    ObjectVersion,
    S3Location,
    parse_receipt_key,
    quote_key,
)
from custody.evidence.registry import REGISTRY_KEY, CurrentKeyRing
from custody.evidence.registry_versions import read_versions
from custody.findings import Claim, Finding, Severity, Status
from custody.lineage.document import parse_commit, parse_place
from custody.listing import VersionEntry, list_versions, list_versions_concurrently
from custody.times import format_time
from custody.trail.log_files import LogFile, TrailWrite, list_log_files
from custody.trail.public_keys import DigestKeys
from custody.verify.checksum_report import ChecksumReport
from custody.verify.deletions import DeletionJudge
from custody.verify.digests import DigestVerification
from custody.verify.index import Index, StoredReceipt
from custody.verify.key_use import KeyUse
from custody.verify.lineage import LineageVerification
from custody.verify.log import LogVerification
from custody.verify.log_index import LogIndex
from custody.verify.reading import (
    CheckReceipts,
    Readers,
    ReadLogFiles,
    RegistryReader,
    is_drawn,
    is_in_scope,
)
from custody.verify.receipt import CheckedReceipt, ReceiptChecker, describe_receipt_key
from custody.verify.report import Progress, ReportedObjects, VerificationReport
from custody.verify.resume import Results
from custody.verify.sealed import CheckedBundle
from custody.verify.tally import Tally
from custody.verify.trail_index import TrailIndex

_TELL_EVERY = 100
_MOST_NAMED = 10


class Verification:
    """One run over one index."""

    def __init__(
        self,
        *,
        deployment: Deployment,
        index: Index,
        trail: TrailIndex,
        digest_keys: DigestKeys,
        scope: S3Location | None,
        sample: float,
        seed: str,
        now: datetime,
        progress: Progress,
        readers: Readers,
        results: Results | None = None,
        since: datetime | None = None,
        with_objects: bool = True,
        checksums: ChecksumReport | None = None,
    ) -> None:
        self._with_objects = with_objects
        self._checksums = checksums
        self._results = results
        self._since = None if since is None else since - CLOCK_TOLERANCE
        self._s3 = readers.s3
        self._deployment = deployment
        self._index = index
        self._trail = trail
        self._digest_keys = digest_keys
        self._scope = scope
        self._sample = sample
        self._seed = seed
        self._progress = progress
        self._readers = readers
        self._now = now
        self._settled_before = now - timedelta(minutes=deployment.watermark_minutes)
        self._provenance = deployment.buckets["provenance"]
        self._lake = deployment.lake
        self._table_buckets = frozenset(deployment.buckets[short] for short in ("processed", "analytics"))
        self._tally = Tally()
        self._registry = RegistryReader(self._s3, self._provenance)
        self._registry_problems: dict[str, None] = {}
        self._other_records: Counter[str] = Counter()
        self._notes: list[str] = []
        self._unread_files = 0
        self._receipts = 0
        self._receipts_read = 0
        self._reported = 0
        self._log = LogVerification(
            readers=self._readers,
            deployment=deployment,
            index=LogIndex(index),
            tally=self._tally,
            scope=scope,
            sample=sample,
            is_drawn=self._is_drawn,
            now=now,
            settled_before=self._settled_before,
            tell=self._tell,
            workers=readers.workers,
            with_objects=with_objects,
        )

    def run(self) -> VerificationReport:
        """Check everything, and return the report.

        Findings are reported even if Amazon S3 fails meanwhile. Raises ``CannotCheckError`` or botocore's
        ``BotoCoreError`` or ``ClientError`` if it fails before there were any.
        """
        try:
            self._check_everything()
            if self._results is not None:
                self._results.finish()
        except (*SERVICE_ERRORS, CannotCheckError) as error:
            if not self._tally.findings:
                raise
            self._tally.leave(f"The run ended before everything was checked: {error}")
        finally:
            self._judge_registry()
        self._require_something_checked()
        return VerificationReport(
            claims=self._tally.counts(),
            findings=tuple(
                sorted(self._tally.findings, key=lambda found: (found.subject, found.claim, found.detail))
            ),
            unchecked=tuple(self._tally.unchecked),
            sample=self._sample,
            seed=self._seed,
            unchecked_count=self._tally.unchecked_count,
            deletions=tuple(sorted(self._tally.deletions, key=lambda deletion: deletion.subject)),
            deletion_counts=self._tally.deletion_counts,
            receipts=self._receipts,
            receipts_read=self._receipts_read,
            notes=(*self._log.notes, *self._notes),
            other_records=self._other_records,
            reused=0 if self._results is None else self._results.reused,
            reported=None
            if (checksums := self._checksums) is None
            else ReportedObjects(checksums.job, checksums.place, checksums.created_at, self._reported),
        )

    def _check_everything(self) -> None:
        """List objects, then receipts, then the trail: evidence written meanwhile is still found."""
        ring = CurrentKeyRing(self._registry)
        if self._checksums is not None:
            self._read_checksums(self._checksums)
        first_day = self._list_objects() if self._with_objects else None
        self._log.read_checkpoints()
        self._list_receipts()
        self._log.place_receipts()
        digests = self._digests(first_day)
        digests.read()
        self._read_trail(first_day)
        digests.judge()
        checker = ReceiptChecker(self._s3, self._provenance, self._lake, ring)
        self._check_receipts()
        DeletionJudge(
            s3=self._s3,
            deployment=self._deployment,
            checker=checker,
            index=self._index,
            tally=self._tally,
            now=self._now,
            trail_is_whole=self._unread_files == 0,
        ).run()
        if self._with_objects:
            self._check_lineage(checker)
        elif self._receipts:
            objects = f"{self._receipts:,} object{'' if self._receipts == 1 else 's'}"
            what = f"The bytes of {objects}, and what tables were made from: the copy has neither."
            self._tally.leave(what, self._receipts)
        self._compare_receipts()
        self._log.judge(digests)
        self._compare_trail()
        self._judge_named_version()

    def _read_checksums(self, checksums: ChecksumReport) -> None:
        """Put the digests of a report into the index, and note which of its rows give none."""
        self._index.word = f"S3 Batch Operations, job {checksums.job}"
        for done, (version, sha256) in enumerate(checksums.digests(), start=1):
            if version.bucket not in self._lake:
                checksums.unused["their bucket is not one of this deployment"] += 1
            elif is_in_scope(version, self._scope):
                self._index.add_digest(version, sha256)
            self._tell("checksums read", done)
        for why, count in sorted(checksums.unused.items()):
            rows = f"{count:,} row{'' if count == 1 else 's'} of the report {checksums.place}"
            self._notes.append(f"No object is judged by {rows}: {why}.")
        contradictory = [
            describe_receipt_key(self._provenance, key) for key in self._index.contradictory_digests()
        ]
        if contradictory:
            self._notes.append(
                f"The report {checksums.place} contradicts itself: it has different SHA-256 of "
                f"{', '.join(contradictory[:_MOST_NAMED])}"
                + (f" and {more:,} more" if (more := len(contradictory) - _MOST_NAMED) > 0 else "")
                + "; so their bytes are read."
            )

    def _judge_registry(self) -> None:
        claim, subject = Claim.RECEIPT_SIGNATURE, f"s3://{self._provenance}/{REGISTRY_KEY}"
        problems = dict.fromkeys(self._registry.problems) | self._registry_problems
        if problems:
            self._tally.judge(
                claim,
                subject,
                (Finding(claim, Status.FAILED, subject, what, Severity.CRITICAL) for what in problems),
            )

    def _judge_named_version(self) -> None:
        """Report that the one version to be checked does not exist."""
        scope = self._scope
        if scope is None or scope.version_id is None or not self._with_objects:
            return
        if not self._tally.is_empty or self._tally.pending:
            return
        uri = ObjectVersion(scope.bucket, scope.key, scope.version_id).uri
        for entry in list_versions(self._s3, scope.bucket, scope.key):
            if (entry.key, entry.version_id) == (scope.key, scope.version_id):
                if entry.is_delete_marker:
                    self._tally.leave(f"{uri} is a delete marker: it has no bytes to check.")
                return
        detail = (
            "There is no such object version, no receipt for it, and no event in the trail that wrote it."
        )
        claim = Claim.OBJECT_HASH
        self._tally.judge(claim, uri, [Finding(claim, Status.MISSING, uri, detail, Severity.HIGH)])

    def _require_something_checked(self) -> None:
        """Note that nothing was checked, and why: a run that checked nothing must not report success."""
        if not self._tally.is_empty or self._tally.unchecked_count or self._tally.findings:
            return
        if self._tally.pending:
            why = "everything is younger than the watermark, and its receipts or events are not there yet"
        elif not self._recorded_prefixes():
            recorded = ", ".join(
                f"s3://{bucket}/{quote_key(prefix)}"
                for bucket, prefixes in sorted(self._deployment.recorded_prefixes.items())
                for prefix in prefixes
            )
            why = f"it is outside the recorded prefixes; recorded are {recorded or 'none'}"
        else:
            why = "there are no object versions, no receipts, and no events that wrote one"
        scope = self._scope
        where = "The deployment" if scope is None else f"s3://{scope.bucket}/{quote_key(scope.key)}"
        self._tally.leave(f"Nothing was checked. {where}: {why}.")

    def _recorded_prefixes(self) -> list[tuple[str, str]]:
        """The buckets and prefixes to list."""
        return [
            (bucket, prefix)
            for bucket, prefixes in sorted(self._deployment.recorded_prefixes.items())
            for prefix in _narrow(bucket, prefixes, self._scope)
        ]

    def _list_objects(self) -> date | None:
        """Put the recorded object versions in scope into the index.

        Returns the first day of the trail that can have their events, if it need not be read from its start.
        """
        first_day = None
        listed = 0
        for bucket, prefix in self._recorded_prefixes():
            for entry in self._versions(bucket, prefix):
                version = ObjectVersion(bucket, entry.key, entry.version_id)
                latest = max(entry.last_modified, min(entry.latest_creation, self._now))
                if entry.is_delete_marker or not is_in_scope(version, self._scope):
                    self._index.add_other(bucket, entry.key, entry.last_modified, latest)
                    continue
                self._index.add_object(
                    version,
                    entry.last_modified,
                    latest,
                    etag=entry.etag,
                    size_bytes=entry.size_bytes,
                    is_latest=entry.is_latest,
                )
                self._note_table(version, entry.last_modified)
                listed += 1
                self._tell("objects listed", listed)
                if self._scope is not None and self._scope.version_id is not None:
                    first_day = entry.last_modified.astimezone(UTC).date()
        self._progress("objects listed", listed, listed)
        return first_day

    def _versions(self, bucket: str, prefix: str) -> Iterator[VersionEntry]:
        """List a recorded prefix; of an adopted bucket that cannot be listed, that is noted."""
        try:
            yield from list_versions_concurrently(self._s3, bucket, prefix)
        except ClientError as error:
            if bucket not in self._deployment.adopted_since:
                raise
            where = f"s3://{bucket}/{quote_key(prefix)}"
            self._tally.leave(f"{where} of an adopted bucket cannot be listed: {error}")

    def _note_table(self, version: ObjectVersion, stored_at: datetime) -> None:
        """Put lineage documents and commits into the index."""
        if version.bucket not in self._table_buckets:
            return
        if (place := parse_place(version.bucket, version.key)) is not None:
            self._index.add_document(version, place.made, stored_at)
        elif (made := parse_commit(version.bucket, version.key)) is not None:
            self._index.add_commit(made, stored_at)

    def _list_receipts(self) -> None:
        listed = 0
        for prefix in self._receipt_prefixes():
            for entry in list_versions_concurrently(self._s3, self._provenance, prefix):
                version = parse_receipt_key(entry.key)
                if version is not None and not is_in_scope(version, self._scope):
                    continue  # A key and a version id together can be the prefix of another key.
                if not self._with_objects and version is not None and version.bucket in self._lake:
                    self._index.add_object(version, entry.last_modified, entry.last_modified)
                self._index.add_receipt(entry)
                listed += 1
                self._tell("receipts listed", listed)
        self._progress("receipts listed", listed, listed)

    def _receipt_prefixes(self) -> list[str]:
        """The prefixes of receipts of the objects in scope; those with long keys share one prefix."""
        scope = self._scope
        if scope is None:
            return [RECEIPT_PREFIX]
        if scope.version_id is not None:
            return [ObjectVersion(scope.bucket, scope.key, scope.version_id).receipt_key]
        return [f"{RECEIPT_PREFIX}{scope.bucket}/{scope.key}", LONG_RECEIPT_PREFIX]

    def _read_trail(self, first_day: date | None) -> None:
        bucket = self._deployment.buckets["cloudtrail-log"]
        keys = {**self._registry().keys, **({} if self._log.log is None else self._log.log.keys)}
        key_use = KeyUse(keys)
        job = ReadLogFiles(bucket, self._lake, self._scope, keys)
        claim, done = Claim.TRAIL_EVENT, 0
        for file, contents, unchecked in self._readers.map(job, self._trail_files(bucket, first_day)):
            sha256 = None if contents is None else contents.sha256
            self._trail.add_file(file, sha256, is_read=contents is not None)
            if contents is None:
                self._unread_files += 1
                self._tally.leave(unchecked)
                continue
            for write in contents.writes:
                self._index.add_write(write, file.stored_at, must_match=self._must_match(write))
            for deletion in contents.deletions:
                self._index.add_deletion(deletion)
            key_use.add(contents.signatures)
            self._other_records += contents.others
            if contents.unreadable:
                uri = ObjectVersion(bucket, file.key, file.version_id).uri
                self._tally.judge(
                    claim,
                    uri,
                    [
                        Finding(claim, Status.FAILED, uri, problem, Severity.CRITICAL)
                        for problem in contents.unreadable
                    ],
                )
            done += 1
            self._tell("trail files read", done)
        self._progress("trail files read", done, done)
        key_use.judge(self._tally)

    def _trail_files(self, bucket: str, first_day: date | None) -> Iterator[LogFile]:
        """List the trail's files; of somebody else's trail that cannot be listed, that is noted."""
        folder, today = self._deployment.trail_folder, self._now.astimezone(UTC).date()
        try:
            yield from list_log_files(self._s3, bucket, folder, first_day, today)
        except ClientError as error:
            if self._deployment.has_own_trail:
                raise
            self._unread_files += 1
            self._tally.leave(f"The existing trail's files s3://{bucket}/{folder} cannot be listed: {error}")

    def _digests(self, first_day: date | None) -> DigestVerification:
        return DigestVerification(
            readers=self._readers,
            deployment=self._deployment,
            keys=self._digest_keys,
            index=self._trail,
            tally=self._tally,
            first_day=first_day,
            now=self._now,
            tell=self._tell,
            note=self._log.note_digest,
        )

    def _check_receipts(self) -> None:
        if self._results is not None:
            self._results.depend_on(read_versions(self._s3, self._provenance))
        total = self._receipts = self._index.count_receipts()
        done = 0
        for bundle in self._log.check(self._index.sealed_receipts(), self._must_read, total):
            done = self._take_bundle(bundle, done)
        chosen = (stored for stored in self._index.receipts() if self._must_read(stored))
        job = CheckReceipts(self._provenance, self._lake, self._with_objects)
        for checked, problems in self._readers.map_kept(job, chosen):
            self._registry_problems |= dict.fromkeys(problems)
            self._take(checked)
            self._receipts_read += self._with_objects and checked.stored.reported is None
            self._reported += checked.is_reported
            done += 1
            self._tell("receipts checked", done, total)
        self._progress("receipts checked", total, total)

    def _take_bundle(self, bundle: CheckedBundle, done: int) -> int:
        """Take note of the receipts in one bundle; how many are done with them."""
        self._registry_problems |= dict.fromkeys(bundle.registry_problems)
        for held in bundle.held:
            self._tally.judge(Claim.RECEIPT_SIGNATURE, held.uri)
            if held.with_object:
                self._tally.judge(Claim.OBJECT_HASH, held.uri)
        self._index.note_receipts(
            (held.request_id, held.sha256, held.recorded_at, held.receipt_key) for held in bundle.held
        )
        for checked in bundle.checked:
            self._take(checked)
        self._receipts_read += bundle.read
        self._reported += bundle.reported
        for _ in range(len(bundle.held) + len(bundle.checked)):
            done += 1
            self._tell("receipts checked", done, self._receipts)
        return done

    def _must_read(self, stored: StoredReceipt) -> bool:
        """Whether a receipt must be read: if it is drawn, or if the listings leave a question open."""
        if stored.object_uri is None or not stored.witnessed:
            return True
        is_asked = self._since is None or stored.stored_at >= self._since
        return is_asked and self._is_drawn(stored.receipt_key)

    def _is_drawn(self, receipt_key: str) -> bool:
        return is_drawn(self._seed, receipt_key, self._sample)

    def _check_lineage(self, checker: ReceiptChecker) -> None:
        LineageVerification(
            s3=self._s3,
            deployment=self._deployment,
            checker=checker,
            index=self._index,
            tally=self._tally,
            scope=self._scope,
            is_drawn=self._is_drawn,
            settled_before=self._settled_before,
            tell=self._tell,
            workers=self._readers.workers,
        ).run()

    def _take(self, checked: CheckedReceipt) -> None:
        receipt, stored = checked.receipt, checked.stored
        in_scope = receipt is None or is_in_scope(receipt.version, self._scope)
        if stored.receipt_key.startswith(LONG_RECEIPT_PREFIX) and not in_scope:
            self._index.forget_receipt(stored.receipt_key)
            return
        if checked.unchecked:
            self._tally.leave(checked.unchecked)
        for verdict in checked.verdicts:
            self._tally.judge(verdict.claim, verdict.subject, verdict.findings)
        if receipt is None:
            return
        if checked.gone:
            found = VersionEntry("", "", receipt.last_modified, is_delete_marker=False, etag=receipt.etag)
            latest = max(receipt.last_modified, min(found.latest_creation, receipt.recorded_at))
            self._index.add_gone(receipt.version, receipt.last_modified, latest, checked.gone)
        if in_scope and receipt.version.bucket in self._lake:
            self._index.add_object(receipt.version, stored.stored_at, stored.stored_at)
        if checked.is_signed:
            self._index.note_receipt(
                stored.receipt_key,
                request_id=receipt.event.request_id,
                sha256=receipt.sha256,
                recorded_at=receipt.recorded_at,
            )
        if checked.misplaced and receipt.version.bucket in self._lake:
            claim, subject = Claim.RECEIPT_UNIQUE, receipt.version.uri
            place = f"s3://{self._provenance}/{quote_key(stored.receipt_key)}"
            detail = f"Another receipt for it is at {place}."
            self._tally.judge(
                claim, subject, [Finding(claim, Status.UNEXPECTED, subject, detail, Severity.CRITICAL)]
            )

    def _compare_receipts(self) -> None:
        claim = Claim.RECEIPT_UNIQUE
        for count in self._index.receipt_counts():
            if count.versions == 0 and count.markers == 0 and self._is_young(count.since):
                self._tally.wait(claim)
            else:
                self._tally.judge(claim, count.uri, _uniqueness(count.uri, count.versions, count.markers))
        for receipt_key, versions, markers in self._index.stray_receipts():
            if not versions and receipt_key.startswith(LONG_RECEIPT_PREFIX) and self._scope is not None:
                continue  # Nothing is left that shows whose it was.
            subject = describe_receipt_key(self._provenance, receipt_key)
            self._tally.judge(claim, subject, _uniqueness(subject, versions, markers))

    def _compare_trail(self) -> None:
        claim, unwitnessed, older = Claim.TRAIL_EVENT, 0, 0
        for witness in self._index.witnesses():
            if witness.by_request is False:
                detail = (
                    "According to the trail, the request named in its receipt wrote another object version."
                )
                finding = Finding(claim, Status.FAILED, witness.uri, detail, Severity.CRITICAL)
                self._tally.judge(claim, witness.uri, [finding])
            elif witness.by_request or witness.by_version:
                self._tally.judge(claim, witness.uri)
            elif self._is_young(witness.since):
                self._tally.wait(claim)
            elif self._deployment.is_older_than_adoption(witness.bucket, witness.stored_at):
                older += 1
            elif self._unread_files:
                unwitnessed += 1
            else:
                detail = "The trail has no event of this write."
                finding = Finding(claim, Status.MISSING, witness.uri, detail, Severity.HIGH)
                self._tally.judge(claim, witness.uri, [finding])
        if unwitnessed:
            where = "in those of the trail's files that could be read"
            self._tally.leave(f"{unwitnessed:,} object versions have no event {where}.", unwitnessed)
        if older:
            lay = f"{older:,} object version{'' if older == 1 else 's'} lay in an adopted bucket"
            self._notes.append(f"{lay} before its adoption: the trail does not tell who wrote that.")
        for write in self._index.lone_writes():
            if self._is_young(write.since):
                self._tally.wait(claim)
            else:
                detail = f"The trail has a {write.name} at {format_time(write.since)}, but " + (
                    "there is neither the object version nor a receipt for it."
                    if write.version_known
                    else "not of which version, and no receipt names the request."
                )
                finding = Finding(claim, Status.MISSING, write.uri, detail, Severity.CRITICAL)
                self._tally.judge(claim, write.uri, [finding])

    def _must_match(self, write: TrailWrite) -> bool:
        """Whether a write without object and receipt is a finding here."""
        one_version = self._scope is not None and self._scope.version_id is not None
        if one_version and write.version_id is None:
            return False  # It may be of another version.
        return self._deployment.is_recorded(write.bucket, write.key)

    def _is_young(self, moment: datetime) -> bool:
        """Whether evidence for something of that time may still arrive."""
        return moment > self._settled_before

    def _tell(self, stage: str, done: int, total: int | None = None) -> None:
        if done % _TELL_EVERY == 0:
            self._progress(stage, done, total)


def _uniqueness(uri: str, versions: int, markers: int) -> list[Finding]:
    """The problem with this number of versions of an object version's receipt."""
    claim = Claim.RECEIPT_UNIQUE
    findings = []
    if versions == 0 and markers == 0:
        detail = "There is no receipt for this object version."
        findings.append(Finding(claim, Status.MISSING, uri, detail, Severity.HIGH))
    if versions == 0 and markers > 0:
        detail = "The receipt no longer exists, and a delete marker is in its place."
        findings.append(Finding(claim, Status.MISSING, uri, detail, Severity.CRITICAL))
    if versions > 0 and markers > 0:
        detail = "The receipt was deleted: it is hidden by a delete marker."
        findings.append(Finding(claim, Status.UNEXPECTED, uri, detail, Severity.CRITICAL))
    if versions > 1:
        detail = f"There are {versions} versions of the receipt; it must be written only once."
        findings.append(Finding(claim, Status.UNEXPECTED, uri, detail, Severity.CRITICAL))
    return findings


def _narrow(bucket: str, prefixes: Sequence[str], scope: S3Location | None) -> list[str]:
    """The prefixes of a bucket to list: those recorded, within ``scope``, without overlaps."""
    if scope is not None:
        if scope.bucket != bucket:
            return []
        prefixes = [
            max(prefix, scope.key, key=len)
            for prefix in prefixes
            if prefix.startswith(scope.key) or scope.key.startswith(prefix)
        ]
    narrowed: list[str] = []
    for prefix in sorted(prefixes):
        if not narrowed or not prefix.startswith(narrowed[-1]):
            narrowed.append(prefix)
    return narrowed
