"""The sealed log: what it names is there, is what was sealed, and nothing sealed is missing.

The log's checkpoint is read before the receipts are listed, so that the receipts of all its leaves must be in
the listing. The index says which leaf a receipt is; it is not signed, so what it says is checked with the
leaf. If about as many receipts are to be read as the log has bundles, every bundle is read once: the receipts
in it are the entries themselves, and the tree is built again from them. Otherwise only what is asked for is
read, and proved with the log's tiles.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from custody.deployment import Deployment
from custody.errors import EvidenceError
from custody.evidence.fetch import UnreadableError
from custody.evidence.objects import ObjectVersion, S3Location, quote_key
from custody.evidence.registry import REGISTRY_KEY
from custody.evidence.registry_versions import read_versions
from custody.findings import Claim, Finding, Severity, Status
from custody.listing import VersionEntry, list_versions, list_versions_concurrently
from custody.log.checkpoint import Checkpoint
from custody.log.index import INDEX_PREFIX, key_hash, parse_index, path_before
from custody.log.keys import RegisteredLog, note_key, read_log_history
from custody.log.merkle import HASH_BYTES, root_of
from custody.log.rebuild import Bundle, Problem, Rebuild
from custody.log.rows import ROW_HASH_BYTES
from custody.log.segments import SEGMENT_PREFIX
from custody.log.store import LOG_PREFIX, LogStore
from custody.log.succession import Succession, end_at, read_succession
from custody.log.succession_check import check_statements, compare_declared
from custody.log.tiles import CHECKPOINT, TILE_HEIGHT, TILE_WIDTH, entries_path, tile_path
from custody.log.trail_heads import KEY_PREFIX, TrailHead
from custody.log.tree import AbsentError, Tree
from custody.times import format_time
from custody.verify.index import StoredReceipt
from custody.verify.log_index import LogIndex, StoredCheckpoint
from custody.verify.receipt import describe_receipt_key
from custody.verify.sealed import (
    Asked,
    BundleTask,
    CheckBundles,
    CheckedBundle,
    CheckSegments,
    LogKey,
    ReadCheckpoint,
    ReadCheckpoints,
    ReadIndexFiles,
    SegmentTask,
    Stray,
    log_fetcher,
)
from custody.verify.tally import Tally

if TYPE_CHECKING:
    from custody.trail.log_files import LogFile
    from custody.verify.digests import DigestVerification
    from custody.verify.reading import Readers

CHECKPOINT_DUE = timedelta(days=1)
"""A checkpoint is signed anew before it is so old, even if there is nothing new, unless the log has ended."""
FEW_RECEIPTS = 1000
"""Up to so many receipts are read from their own objects, which must be the entries, byte for byte."""

_SWEEP_TIME = timedelta(days=2)
"""What was stored before the log began is in it this long after, since the sealer looks for it every day."""
_MOST_WANTED = 200_000
_MOST_FINDINGS = 100
_WORTH_BUNDLES = 16
_WHOLE_THREADS = 3
"""For whole bundles and segments: while one is checked, others are read. More would only wait for each other,
and a batch of rows takes about 30 MB."""
_SEGMENT = re.compile(r"segments/dt=(\d{4}-\d{2}-\d{2})/(\d{20})-(\d{20})\.ndjson\.gz", re.ASCII)
_BATCH = re.compile(r"log/batch/(\d{20})", re.ASCII)


class LogVerification:
    """Verifies the log of a deployment; does nothing where there is none yet."""

    def __init__(
        self,
        *,
        readers: Readers,
        deployment: Deployment,
        index: LogIndex,
        tally: Tally,
        scope: S3Location | None,
        sample: float,
        is_drawn: Callable[[str], bool],
        now: datetime,
        settled_before: datetime,
        tell: Callable[[str, int], None],
        workers: int,
        with_objects: bool,
    ) -> None:
        self._with_objects = with_objects
        self._readers = readers
        self._bucket = deployment.buckets["provenance"]
        self._lake = deployment.lake
        self._trail_bucket = deployment.buckets["cloudtrail-log"]
        self._since = deployment.ledger_since
        self._index = index
        self._tally = tally
        self._scope = scope
        self._sample = sample
        self._is_drawn = is_drawn
        self._now = now
        self._settled_before = settled_before
        self._tell = tell
        self._workers = workers
        self._fetch = log_fetcher(readers.s3, self._bucket)
        self.notes: list[str] = []
        self.log: RegisteredLog | None = None
        self._head: StoredCheckpoint | None = None
        self._began: datetime | None = None
        self._rebuild: Rebuild | None = None
        """If every bundle is read."""
        self._included: Counter[int] = Counter()
        self._parts: dict[int, Bundle] = {}
        self._misindexed: set[str] = set()
        self._heads: list[tuple[int, TrailHead]] = []
        self._declared = Succession()
        self._statements: dict[int, bytes] = {}
        self._unread_bundles = 0
        self._unread_index = 0

    # Before receipts are listed

    def read_checkpoints(self) -> None:
        """Read the log's keys and its checkpoint, with all its versions if the whole deployment is verified.

        Raises ``CannotCheckError`` if there is no readable key registry.
        """
        try:
            registries, _ = read_versions(self._readers.s3, self._bucket)
            log, problems = read_log_history(registries)
            self._declared, more = read_succession(registries)
            keys = tuple(LogKey(note_key(log.origin, key), key) for key in log.keys.values())
        except EvidenceError as error:
            self.notes.append(f"There is no log to check: {error.message} make apply gives it one.")
            return
        self.log = log
        for problem in (*problems, *more):
            self._find(Claim.LOG_CHECKPOINT, REGISTRY_KEY, Status.FAILED, problem)
        entries = [
            entry
            for entry in list_versions(self._readers.s3, self._bucket, LOG_PREFIX + CHECKPOINT)
            if entry.key == LOG_PREFIX + CHECKPOINT
        ]
        versions = [entry for entry in reversed(entries) if not entry.is_delete_marker]
        if len(versions) < len(entries):
            what = "The checkpoint was deleted: there is a delete marker."
            self._find(Claim.LOG_CHECKPOINT, LOG_PREFIX + CHECKPOINT, Status.UNEXPECTED, what)
        if not versions:
            self._judge_absence(min(key.registered.valid_from for key in keys))
            return
        self._began = versions[0].last_modified
        chosen = [item for item in enumerate(versions) if self._must_read(item[1], versions[-1])]
        job = ReadCheckpoints(self._bucket, log.origin, keys)
        for done, read in enumerate(self._readers.map(job, chosen), start=1):
            self._take_checkpoint(read, versions[-1])
            self._tell("checkpoints read", done)
        self._head = self._index.largest_checkpoint()
        if self._head is None and not self._tally.findings:
            self._tally.leave("No checkpoint of the log could be read: the log was not checked.")

    def _must_read(self, entry: VersionEntry, newest: VersionEntry) -> bool:
        return entry is newest or (self._scope is None and self._is_drawn(f"{entry.key}\n{entry.version_id}"))

    def _judge_absence(self, valid_from: datetime) -> None:
        """Judge a log that is registered, and has no checkpoint."""
        if valid_from > self._settled_before:
            self._tally.wait(Claim.LOG_CHECKPOINT)
        else:
            what = f"There is no checkpoint of the log, whose key is valid since {format_time(valid_from)}."
            self._find(Claim.LOG_CHECKPOINT, LOG_PREFIX + CHECKPOINT, Status.MISSING, what, Severity.HIGH)

    def _take_checkpoint(self, read: ReadCheckpoint, newest: VersionEntry) -> None:
        if read.unchecked:
            self._tally.leave(read.unchecked)
            return
        subject, stored_at = self._checkpoint_uri(read.entry.version_id), read.entry.last_modified
        claim, findings = Claim.LOG_CHECKPOINT, []
        if read.problem:
            findings.append(Finding(claim, Status.FAILED, subject, read.problem, Severity.CRITICAL))
        is_old = read.entry.version_id == newest.version_id and self._now - stored_at > CHECKPOINT_DUE
        if is_old and not self._has_ended(read.checkpoint):
            what = (
                f"The newest checkpoint is of {format_time(stored_at)}, over a day ago: the log stands still."
            )
            findings.append(Finding(claim, Status.MISSING, subject, what, Severity.HIGH))
        self._tally.judge(claim, subject, findings)
        if read.misuse or not read.problem:
            claim = Claim.KEY_USE
            self._tally.judge(
                claim,
                subject,
                [Finding(claim, Status.FAILED, subject, what, Severity.CRITICAL) for what in read.misuse],
            )
        if read.checkpoint is not None:
            self._index.add_checkpoint(read.place, read.entry.version_id, stored_at, read.checkpoint)

    def _has_ended(self, checkpoint: Checkpoint | None) -> bool:
        if checkpoint is None:
            return False
        try:
            tree = Tree(self._fetch, checkpoint.size)
            return end_at(tree, checkpoint.size, checkpoint.root) is not None
        except (AbsentError, EvidenceError, UnreadableError):
            return False  # what is wrong with the last entry is found with the tree

    # Before receipts are checked

    def place_receipts(self) -> None:
        """Read the log's index, and give the listed receipts their leaves."""
        head = self._head
        if head is None or not head.size:
            return
        earliest = None if self._scope is None else self._index.earliest()
        wanted = None if self._scope is None else self._wanted()
        if self._scope is None or wanted is None or wanted:
            self._read_index("" if earliest is None else path_before(earliest), wanted, head.size)
        self._index.match()

    def _wanted(self) -> set[bytes] | None:
        """What to find in the index; ``None`` to read all of it."""
        wanted = self._index.wanted_keys(_MOST_WANTED)
        scope = self._scope
        if wanted is not None and scope is not None and scope.version_id is not None:
            wanted.add(key_hash(ObjectVersion(scope.bucket, scope.key, scope.version_id).receipt_key))
        return wanted

    def _read_index(self, after: str, wanted: set[bytes] | None, size: int) -> None:
        """Read the index after a path, and no further than until all that is wanted was found."""
        paths = self._index_paths(after)
        if wanted is None:
            self._read_index_files(paths, size)
            return
        count = 8
        while wanted and (some := [path for _, path in zip(range(count), paths, strict=False)]):
            self._read_index_files(some, size)
            wanted = self._index.not_sealed(wanted)
            count = min(2 * count, 1000)

    def _read_index_files(self, paths: Iterable[str], size: int) -> None:
        """Add files of the index."""
        for done, (path, data, unchecked) in enumerate(
            self._readers.map(ReadIndexFiles(self._bucket), paths), start=1
        ):
            self._tell("index files read", done)
            if data is None:
                self._unread_index += 1
                self._tally.leave(unchecked)
                continue
            self._add_index(path, data, size)

    def _add_index(self, path: str, data: bytes, size: int) -> None:
        try:
            twice = self._index.add_rows(parse_index(data), size)
        except EvidenceError as error:
            self._find(Claim.LOG_COMPLETE, LOG_PREFIX + path, Status.FAILED, error.message)
            return
        if twice:
            what = f"It names {twice} leaves that another file of the index names."
            self._find(Claim.LOG_COMPLETE, LOG_PREFIX + path, Status.UNEXPECTED, what)

    def _index_paths(self, after: str) -> Iterator[str]:
        for page in LogStore(self._readers.s3, self._bucket).list(
            LOG_PREFIX + INDEX_PREFIX, LOG_PREFIX + after
        ):
            yield from (each.key.removeprefix(LOG_PREFIX) for each in page)

    def note_digest(self, file: LogFile) -> None:
        """Take note of a digest that is there: an entry about it need not be read to know of it."""
        self._index.add_other(f"{KEY_PREFIX}{self._trail_bucket}/{file.key}/{file.version_id}")

    # Receipts

    def check(
        self, sealed: Iterator[StoredReceipt], must_read: Callable[[StoredReceipt], bool], receipts: int
    ) -> Iterator[CheckedBundle]:
        """Read the bundles of the sealed receipts, of which ``must_read`` chooses.

        ``receipts`` is the number of all listed ones.
        """
        head = self._head
        if head is None:
            return
        bundles = -(-head.size // TILE_WIDTH)
        chosen = self._sample * receipts
        if self._scope is None and chosen >= bundles:
            self._rebuild = Rebuild(Tree(self._fetch, head.size), head.root)
            tasks = self._all_tasks(sealed, must_read, head.size, few=receipts <= FEW_RECEIPTS)
        else:
            tasks = self._some_tasks(sealed, must_read, head.size, few=chosen <= FEW_RECEIPTS)
        job = CheckBundles(self._bucket, self._lake, head.size, self._workers)
        threads = None if self._rebuild is None else _WHOLE_THREADS
        for checked in self._readers.map_kept(job, tasks, _WORTH_BUNDLES, threads):
            self._take(checked)
            yield checked

    def _all_tasks(
        self,
        sealed: Iterator[StoredReceipt],
        must_read: Callable[[StoredReceipt], bool],
        size: int,
        *,
        few: bool,
    ) -> Iterator[BundleTask]:
        """Every bundle of the log."""
        groups = groupby(sealed, key=_bundle_of)
        number, group = next(groups, (None, None))
        for index in range(-(-size // TILE_WIDTH)):
            asked: tuple[Asked, ...] = ()
            if number == index and group is not None:
                asked = tuple(
                    Asked(stored, not few, self._with_objects and must_read(stored)) for stored in group
                )
                number, group = next(groups, (None, None))
            low = index * TILE_WIDTH
            sizes = self._index.sizes_between(low, low + TILE_WIDTH)
            yield BundleTask(index, asked, sizes, with_entries=True, names_strays=True)

    def _some_tasks(
        self,
        sealed: Iterator[StoredReceipt],
        must_read: Callable[[StoredReceipt], bool],
        size: int,
        *,
        few: bool,
    ) -> Iterator[BundleTask]:
        """The bundles of what must be read, and of leaves whose receipt is not there."""
        whole = self._scope is None
        lost = {leaf // TILE_WIDTH for leaf in self._index.leaves_without_receipt()} if whole else set()
        groups = groupby((each for each in sealed if must_read(each)), key=_bundle_of)
        for index, group in groups:
            stored = list(group)
            from_entry = not few and len(stored) > 1
            asked = tuple(Asked(each, from_entry, self._with_objects) for each in stored)
            yield BundleTask(index, asked, (), with_entries=from_entry, names_strays=False)
        for index in sorted(lost):
            yield BundleTask(index, (), (), with_entries=True, names_strays=True)

    def _take(self, checked: CheckedBundle) -> None:
        bundle = checked.bundle
        if checked.unchecked:
            self._unread_bundles += 1
            self._tally.leave(checked.unchecked)
            return
        for finding in checked.findings:
            self._tally.judge(finding.claim, finding.subject, [finding])
        for problem in bundle.problems:
            self._report(problem)
        self._included[bundle.index] += checked.included
        if self._rebuild is not None:
            self._rebuild.add(bundle)
            self._index.add_hashes(bundle.index, checked.row_hashes)
        elif bundle.tile_root is not None or bundle.root is not None:
            self._parts[bundle.index] = bundle
        for stray in checked.strays:
            self._take_stray(stray)

    def _take_stray(self, stray: Stray) -> None:
        """Judge a leaf that the index gives no listed receipt for."""
        claim = Claim.LOG_COMPLETE
        if stray.version is None:
            if stray.statement:
                self._statements[stray.leaf] = stray.statement
            elif stray.head is not None:
                self._heads.append((stray.leaf, stray.head))
            elif not stray.is_statement:
                what = f"Leaf {stray.leaf} is neither a receipt nor another statement."
                self._find(claim, LOG_PREFIX + entries_path(stray.leaf // TILE_WIDTH), Status.FAILED, what)
            return
        receipt_key, subject = stray.version.receipt_key, stray.version.uri
        listed = self._index.listed(receipt_key)
        if listed is None or not listed[0]:
            self._index.add_lost(stray.version, stray.leaf)
            status, what = Status.MISSING, f"Its receipt was sealed as leaf {stray.leaf}, and is gone."
        elif listed[1] is None:
            self._misindexed.add(receipt_key)
            status, what = Status.FAILED, f"It is leaf {stray.leaf}, and the log's index does not say so."
        elif listed[1] == stray.leaf:
            return
        else:
            status = Status.UNEXPECTED
            what = f"Its receipt was sealed twice: as leaf {listed[1]} and as leaf {stray.leaf}."
        self._tally.judge(claim, subject, [Finding(claim, status, subject, what, Severity.CRITICAL)])

    # At the end

    def judge(self, digests: DigestVerification) -> None:
        """Judge what depends on everything that was read."""
        head = self._head
        if head is None:
            return
        try:
            if self._rebuild is not None:
                self._judge_tree(self._rebuild)
                self._judge_consistency(self._rebuild.root_at)
                self._judge_rows(head.size)
            else:
                self._judge_parts(Tree(self._fetch, head.size), head)
        except UnreadableError as error:
            self._tally.leave(f"The log could not be read: {error}")
        self._judge_complete()
        self._judge_statements(head.size)
        if digests.is_whole:
            self._judge_heads(digests)

    def _judge_statements(self, size: int) -> None:
        """Judge what the log says of its end and of the log before, and that nothing follows its end."""
        log = self.log
        if log is None or self._scope is not None:
            return
        keys = [note_key(log.origin, key) for key in log.keys.values()]
        found = check_statements(self._statements, size, log.origin, keys)
        problems = [*found.problems]
        if not self._unread_bundles and not self._unread_index:
            problems += compare_declared(found, self._declared, size)
        for leaf, status, detail in problems:
            path = entries_path(leaf // TILE_WIDTH, min(TILE_WIDTH, size - leaf // TILE_WIDTH * TILE_WIDTH))
            self._find(Claim.LOG_CONSISTENCY, LOG_PREFIX + path, status, detail)

    def _judge_heads(self, digests: DigestVerification) -> None:
        """Judge that each digest that the log names is there as it was."""
        claim = Claim.TRAIL_COMPLETE
        for leaf, head in self._heads:
            subject = f"s3://{head.bucket}/{quote_key(head.key)}"
            sha256 = digests.sha256_of(head.key)
            if sha256 is None:
                status, what = Status.MISSING, f"It is leaf {leaf} of the log, and there is no such digest."
            elif sha256 and sha256 != head.sha256:
                status, what = Status.FAILED, f"It is not the digest that is leaf {leaf} of the log."
            else:
                continue
            self._tally.judge(claim, subject, [Finding(claim, status, subject, what, Severity.CRITICAL)])

    def _judge_tree(self, rebuild: Rebuild) -> None:
        if self._unread_bundles:
            return
        for problem in rebuild.problems():
            self._report(problem)
        if rebuild.is_right or rebuild.wrong:
            count = sum(count for index, count in self._included.items() if index not in rebuild.wrong)
            self._tally.hold(Claim.LOG_INCLUSION, count)

    def _judge_parts(self, tree: Tree, head: StoredCheckpoint) -> None:
        """Judge bundles of which the rest of the tree was not read."""
        if not self._parts and self._scope is not None:
            return
        try:
            is_right = tree.root() == head.root
            problem = "" if is_right else "The log's tiles do not have the root that it names."
        except (AbsentError, EvidenceError) as error:
            is_right, problem = False, f"The log's tiles cannot prove anything: {error.message}"
        if problem:
            self._find(Claim.LOG_INCLUSION, LOG_PREFIX + CHECKPOINT, Status.FAILED, problem)
            return
        for index, bundle in sorted(self._parts.items()):
            self._judge_part(tree, index, bundle)
        if self._scope is None:
            self._judge_consistency(lambda size: _root_or_none(tree, size))

    def _judge_part(self, tree: Tree, index: int, bundle: Bundle) -> None:
        path = entries_path(index, min(TILE_WIDTH, tree.size - index * TILE_WIDTH))
        try:
            place = _misplaced(tree, index, bundle.tile_root or bundle.root or b"")
        except (AbsentError, EvidenceError) as error:
            place = error.message
        if place:
            what = f"Leaves {index * TILE_WIDTH} and on are not what the tree has for them: {place}"
            self._find(Claim.LOG_INCLUSION, LOG_PREFIX + path, Status.FAILED, what)
            return
        self._tally.hold(Claim.LOG_INCLUSION, self._included[index])
        for leaf, byte in bundle.differing[:_MOST_FINDINGS]:
            what = f"Leaf {leaf} (byte {byte}): the entry is not the one that was sealed."
            self._find(Claim.LOG_INCLUSION, LOG_PREFIX + path, Status.FAILED, what)

    def _judge_consistency(self, root_at: Callable[[int], bytes | None]) -> None:
        """Judge that each version of the checkpoint extends those before it."""
        claim = Claim.LOG_CONSISTENCY
        before: StoredCheckpoint | None = None
        good = 0
        for one in self._index.checkpoints():
            root, problem = root_at(one.size), ""
            if before is not None and one.size < before.size:
                problem = f"The log was rolled back: it has {one.size} entries and had {before.size} before."
            elif before is not None and one.size == before.size and one.root != before.root:
                problem = f"There are two different logs of {one.size} entries."
            elif root is not None and root != one.root:
                problem = (
                    f"The log was forked: its first {one.size} entries are not those that it had then; "
                    f"the last checkpoint that agrees has {good}."
                )
            subject = self._checkpoint_uri(one.version_id)
            if problem:
                finding = Finding(claim, Status.FAILED, subject, problem, Severity.CRITICAL)
                self._tally.judge(claim, subject, [finding])
            elif root is None:
                self._tally.leave(f"{subject}: the log as it was then could not be read.")
            else:
                good = max(good, one.size)
                self._tally.judge(claim, subject)
            if before is None or one.size >= before.size:
                before = one

    def _judge_complete(self) -> None:
        """Judge that every listed receipt is in the log, and what the index names is listed."""
        claim, uneven = Claim.LOG_COMPLETE, 0
        for receipt_key, stored_at, leaf in self._index.uneven():
            uneven += 1
            subject = describe_receipt_key(self._bucket, receipt_key)
            if receipt_key in self._misindexed:
                continue
            if leaf is not None:
                what = f"The receipt's object is not the one that was sealed as leaf {leaf}: it was replaced."
                status, severity = Status.FAILED, Severity.CRITICAL
            elif self._may_be_sealed_yet(stored_at):
                self._tally.wait(claim)
                continue
            elif self._unread_index:
                self._tally.leave(f"{subject}: whether its receipt is in the log could not be checked.")
                continue
            else:
                what = f"Its receipt, stored at {format_time(stored_at)}, is not in the log."
                status, severity = Status.MISSING, Severity.HIGH
            self._tally.judge(claim, subject, [Finding(claim, status, subject, what, severity)])
        self._tally.hold(claim, self._index.count_listed() - uneven)
        if self._rebuild is None:
            self._judge_index()

    def _judge_index(self) -> None:
        """Find by the log's index alone what was sealed twice, and what was sealed and is gone."""
        claim = Claim.LOG_COMPLETE
        for receipt_key, first, last in self._index.sealed_twice():
            subject = describe_receipt_key(self._bucket, receipt_key)
            what = f"Its receipt was sealed twice: as leaf {first} and as leaf {last}."
            self._tally.judge(
                claim, subject, [Finding(claim, Status.UNEXPECTED, subject, what, Severity.CRITICAL)]
            )
        gone = dict(self._index.objects_without_receipt())
        scope = self._scope
        if scope is not None and scope.version_id is not None:
            version = ObjectVersion(scope.bucket, scope.key, scope.version_id)
            leaf = self._index.leaf_of_key(version.receipt_key)
            listed = self._index.listed(version.receipt_key)
            if leaf is not None and (listed is None or not listed[0]):
                gone[version.uri] = leaf
        for subject, leaf in gone.items():
            what = f"Its receipt was sealed as leaf {leaf}, and is gone."
            self._tally.judge(
                claim, subject, [Finding(claim, Status.MISSING, subject, what, Severity.CRITICAL)]
            )

    def _may_be_sealed_yet(self, stored_at: datetime) -> bool:
        began = self._began
        is_early = began is not None and stored_at < began and self._now < began + _SWEEP_TIME
        return stored_at > self._settled_before or is_early

    # Segments

    def _judge_rows(self, size: int) -> None:
        """Compare the segments with what the entries give."""
        if self._unread_bundles or not size:
            return
        self._list_segments()
        since = _day(self._since) or _day(self._index.first_day()) or date.max
        claim = Claim.LEDGER_ROW
        for key in self._index.strange_segments(size):
            self._find(claim, key, Status.UNEXPECTED, "No batch of the log begins with its first leaf.")
        tasks = self._segment_tasks(size)
        job = CheckSegments(self._bucket, since)
        results = self._readers.map(job, tasks, _WORTH_BUNDLES, _WHOLE_THREADS)
        for done, checked in enumerate(results, start=1):
            self._tell("batches of rows read", done)
            if checked.unchecked:
                self._tally.leave(checked.unchecked)
            self._tally.hold(claim, checked.right)
            for problem in checked.problems:
                self._find(claim, problem.key, problem.status, problem.detail)

    def _list_segments(self) -> None:
        s3 = self._readers.s3
        for entry in list_versions_concurrently(s3, self._bucket, f"{LOG_PREFIX}batch/"):
            if (found := _BATCH.fullmatch(entry.key)) and not entry.is_delete_marker:
                self._index.add_batch(int(found[1]), entry.last_modified)
        for entry in list_versions_concurrently(s3, self._bucket, SEGMENT_PREFIX):
            found = _SEGMENT.fullmatch(entry.key)
            if found is None:
                what = "It is no segment, and a question to the ledger reads it."
                self._find(Claim.LEDGER_ROW, entry.key, Status.UNEXPECTED, what)
            elif entry.is_delete_marker:
                self._find(Claim.LEDGER_ROW, entry.key, Status.MISSING, "The segment was deleted.")
            elif not self._index.add_segment(
                int(found[2]), int(found[3]), found[1], entry.key, entry.version_id
            ):
                what = "There are several versions of the segment; it is written once."
                self._find(Claim.LEDGER_ROW, entry.key, Status.UNEXPECTED, what)

    def _segment_tasks(self, size: int) -> Iterator[SegmentTask]:
        for batch in self._index.batches(size):
            low, high = batch.first // TILE_WIDTH, batch.last // TILE_WIDTH
            hashes = self._index.hashes(low, high)
            if len(hashes) <= high - low or not all(hashes.values()):
                self._tally.leave(f"The rows of leaves {batch.first} to {batch.last} were not checked.")
                continue  # a bundle of it is gone, which was found
            joined = b"".join(hashes[index] for index in range(low, high + 1))
            start = (batch.first - low * TILE_WIDTH) * ROW_HASH_BYTES
            expected = joined[start : start + (batch.last + 1 - batch.first) * ROW_HASH_BYTES]
            yield SegmentTask(batch, expected)

    def _report(self, problem: Problem) -> None:
        self._find(Claim.LOG_INCLUSION, LOG_PREFIX + problem.path, problem.status, problem.detail)

    def _checkpoint_uri(self, version_id: str) -> str:
        return ObjectVersion(self._bucket, LOG_PREFIX + CHECKPOINT, version_id).uri

    def _find(
        self, claim: Claim, key: str, status: Status, detail: str, severity: Severity = Severity.CRITICAL
    ) -> None:
        subject = f"s3://{self._bucket}/{quote_key(key)}"
        self._tally.judge(claim, subject, [Finding(claim, status, subject, detail, severity)])


def _bundle_of(stored: StoredReceipt) -> int:
    return (stored.leaf or 0) // TILE_WIDTH


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _root_or_none(tree: Tree, size: int) -> bytes | None:
    try:
        return tree.root(size)
    except (AbsentError, EvidenceError):
        return None


def _misplaced(tree: Tree, index: int, root: bytes) -> str:
    """Where the tiles above a bundle have another root for it; empty if they have this one.

    The tree's root must be right. Raises ``AbsentError`` or ``EvidenceError`` if a tile is not there.
    """
    level, number, wanted = 0, index, root
    while True:
        level += 1
        if number >= tree.size >> (TILE_HEIGHT * level):
            data = tree.tile(level - 1, number)  # the last tile of its level: the tree's root is made from it
            same = root_of([data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]) == wanted
            return "" if same else tile_path(level - 1, number)
        tile, at = tree.tile(level, number // TILE_WIDTH), number % TILE_WIDTH * HASH_BYTES
        if tile[at : at + HASH_BYTES] != wanted:
            return f"{tile_path(level, number // TILE_WIDTH)}, hash {number % TILE_WIDTH}"
        wanted = root_of([tile[i : i + HASH_BYTES] for i in range(0, len(tile), HASH_BYTES)])
        number //= TILE_WIDTH
