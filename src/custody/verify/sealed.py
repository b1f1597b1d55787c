"""What a verification reads of the log, in any process: checkpoints, index, bundles with receipts, segments.

Jobs as those of ``custody.verify.reading``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any, NamedTuple

from custody.documents import Fields, parse_object
from custody.errors import CustodyError, EvidenceError, describe_defect
from custody.evidence.agreement import CLOCK_TOLERANCE
from custody.evidence.direct import DirectReader
from custody.evidence.dsse import MAX_ENVELOPE_BYTES, read_payload
from custody.evidence.fetch import SERVICE_ERRORS, GoneError, Reader, UnreadableError, fetch_bytes
from custody.evidence.objects import ObjectVersion
from custody.evidence.receipt import PAYLOAD_TYPE, STATEMENT_TYPE, parse_statement
from custody.evidence.registry import CurrentKeyRing, RegisteredKey
from custody.findings import Claim, Finding, Severity, Status
from custody.listing import VersionEntry
from custody.log.batch import MAX_BATCH_ENTRIES
from custody.log.checkpoint import Checkpoint, parse_checkpoint
from custody.log.index import ROW_BYTES
from custody.log.merkle import leaf_hash
from custody.log.note import MAX_NOTE_BYTES, NoteKey, parse_note
from custody.log.note_keys import verify_note
from custody.log.rebuild import Bundle, read_bundle
from custody.log.rows import BatchRows, RowProblem, Segment, hash_line, hash_row
from custody.log.segments import MAX_SEGMENT_BYTES, receipt_row, segment_row
from custody.log.store import LOG_PREFIX
from custody.log.succession import is_statement
from custody.log.tiles import CHECKPOINT, MAX_ENTRY_BYTES, TILE_WIDTH
from custody.log.trail_heads import TrailHead, parse_trail_head
from custody.log.tree import AbsentError, Fetch, Tree
from custody.times import format_time
from custody.verify.canonical import Canonical, read_canonical
from custody.verify.index import StoredReceipt
from custody.verify.log_index import StoredBatch
from custody.verify.reading import RegistryReader
from custody.verify.receipt import CheckedReceipt, ReceiptChecker, as_checked, describe_receipt_key

MAX_PART_BYTES = TILE_WIDTH * (MAX_ENTRY_BYTES + 2)


def log_fetcher(s3: Reader, bucket: str) -> Fetch:
    """Reads the parts of the log in a bucket. Raises ``AbsentError``, and what ``fetch`` raises."""

    def read(path: str) -> bytes:
        try:
            return fetch_bytes(s3, ObjectVersion(bucket, LOG_PREFIX + path, ""), MAX_PART_BYTES)
        except GoneError as error:
            raise AbsentError(f"There is no s3://{bucket}/{LOG_PREFIX}{path}.") from error

    return read


# Checkpoints


class LogKey(NamedTuple):
    """A key of the log, and when it may sign."""

    key: NoteKey
    registered: RegisteredKey

    def misuse(self, signed_at: datetime) -> str:
        """Why it may not have signed at that time; empty if it may."""
        registered, name = self.registered, self.registered.key_id
        if signed_at < registered.valid_from - CLOCK_TOLERANCE:
            return f"The key {name} was not valid before {format_time(registered.valid_from)}."
        for end, words in ((registered.revoked_at, "was revoked"), (registered.valid_until, "ended")):
            if end is not None and signed_at >= end + CLOCK_TOLERANCE:
                return f"The key {name} {words} at {format_time(end)}."
        return ""


class ReadCheckpoint(NamedTuple):
    """One version of the checkpoint."""

    place: int
    entry: VersionEntry
    checkpoint: Checkpoint | None = None
    """If it is one of this log, with valid signatures."""
    problem: str = ""
    misuse: tuple[str, ...] = ()
    """A sentence for each key that signed outside its time."""
    unchecked: str = ""


@dataclass(frozen=True, slots=True)
class ReadCheckpoints:
    """Reads versions of the checkpoint, and checks their signatures."""

    bucket: str
    origin: str
    keys: tuple[LogKey, ...]

    def __call__(self, s3: Reader) -> Callable[[tuple[int, VersionEntry]], ReadCheckpoint]:
        """Return the reader of one version, given with its place among them."""

        def read(item: tuple[int, VersionEntry]) -> ReadCheckpoint:
            place, entry = item
            version = ObjectVersion(self.bucket, LOG_PREFIX + CHECKPOINT, entry.version_id)
            try:
                return self._check(place, entry, fetch_bytes(s3, version, MAX_NOTE_BYTES))
            except EvidenceError as error:
                return ReadCheckpoint(place, entry, problem=error.message)
            except (GoneError, UnreadableError) as error:
                return ReadCheckpoint(place, entry, unchecked=f"{version.uri} could not be read: {error}")

        return read

    def _check(self, place: int, entry: VersionEntry, data: bytes) -> ReadCheckpoint:
        note = parse_note(data)
        checkpoint = parse_checkpoint(note.text)
        if checkpoint.origin != self.origin:
            raise EvidenceError(f"It is of the log {checkpoint.origin[:200]!r}, not {self.origin!r}.")
        signed = {one.key for one in verify_note(note, {each.key for each in self.keys})}
        misuse = [each.misuse(entry.last_modified) for each in self.keys if each.key in signed]
        if all(misuse):
            problem = f"No key that was valid when it was stored has signed it. {misuse[0]}"
            return ReadCheckpoint(place, entry, None, problem, tuple(misuse))
        return ReadCheckpoint(place, entry, checkpoint, "", tuple(filter(None, misuse)))


# Index


@dataclass(frozen=True, slots=True)
class ReadIndexFiles:
    """Reads files of the log's index."""

    bucket: str

    def __call__(self, s3: Reader) -> Callable[[str], tuple[str, bytes | None, str]]:
        """Return the reader of one path: it returns path, bytes and, if there are none, a sentence."""
        fetch = log_fetcher(s3, self.bucket)

        def read(path: str) -> tuple[str, bytes | None, str]:
            try:
                data = fetch(path)
            except (AbsentError, UnreadableError) as error:
                return path, None, f"The log's index {path} could not be read: {error}"
            if len(data) > MAX_BATCH_ENTRIES * ROW_BYTES:
                return path, None, f"The log's index {path} has {len(data)} bytes, more than it can have."
            return path, data, ""

        return read


# Bundles


class Asked(NamedTuple):
    """A receipt in a bundle, and what is to be read of it."""

    stored: StoredReceipt
    from_entry: bool
    """Its bytes are the entry's; otherwise those of its own object, which must be the same."""
    with_object: bool
    """Read the object version that it is of."""


class BundleTask(NamedTuple):
    """A bundle to read."""

    number: int
    asked: tuple[Asked, ...]
    sizes: tuple[int, ...]
    """Of checkpoints that end in it."""
    with_entries: bool
    names_strays: bool
    """Name the entries of which nothing is asked, too."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Plain tuples are pickled in a tenth of the time."""
        rows = tuple((*asked.stored, asked.from_entry, asked.with_object) for asked in self.asked)
        return _read_task, (self.number, rows, *self[2:])


def _read_task(number: int, rows: tuple[tuple[Any, ...], ...], *rest: Any) -> BundleTask:
    asked = tuple(Asked(StoredReceipt(*row[:-2]), *row[-2:]) for row in rows)
    return BundleTask(number, asked, *rest)


class Stray(NamedTuple):
    """An entry that the log's index gives no listed receipt for."""

    leaf: int
    version: ObjectVersion | None
    """The object version that it is a receipt of; ``None`` if it is no receipt."""
    is_statement: bool
    """Whether it is an in-toto statement, of whatever kind."""
    head: TrailHead | None = None
    """The digest of the trail that it is about."""
    statement: bytes = b""
    """The entry, if it is about the log itself (``custody.log.succession``)."""


class Held(NamedTuple):
    """A receipt of which everything that was checked holds."""

    receipt_key: str
    uri: str
    request_id: str | None
    sha256: str
    recorded_at: datetime
    with_object: bool


@dataclass(frozen=True, slots=True)
class CheckedBundle:
    """What was found in a bundle."""

    bundle: Bundle
    held: tuple[Held, ...] = ()
    checked: tuple[CheckedReceipt, ...] = ()
    """The receipts that are not in ``held``."""
    included: int = 0
    """Receipts whose bytes have the hash of their leaf."""
    strays: tuple[Stray, ...] = ()
    findings: tuple[Finding, ...] = ()
    row_hashes: bytes = b""
    registry_problems: tuple[str, ...] = ()
    unchecked: str = ""
    read: int = 0
    """Receipts that were read with the object that they are of."""
    reported: int = 0
    """Receipts whose object was judged by somebody else's word."""

    def __reduce__(self) -> tuple[Any, ...]:
        """As ``BundleTask.__reduce__``."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return _read_checked, (values | {"held": tuple(map(tuple, self.held))},)


def _read_checked(values: dict[str, Any]) -> CheckedBundle:
    return CheckedBundle(**values | {"held": tuple(map(Held._make, values["held"]))})


@dataclass(frozen=True, slots=True)
class CheckBundles:
    """Reads bundles, and checks the receipts in them and the objects that these are of."""

    provenance: str
    lake: frozenset[str]
    size: int
    """Of the log."""
    workers: int

    def inputs(self, item: BundleTask) -> object:
        """What a result depends on; of the log's size, only whether the bundle is the last and partial one.

        The tree is another matter: its root is built from all bundles, and compared in every run.
        """
        width = min(TILE_WIDTH, self.size - item.number * TILE_WIDTH)
        return self.provenance, sorted(self.lake), width, item

    def result_type(self) -> Any:
        """The type of a result."""
        return CheckedBundle

    def receipts(self, result: CheckedBundle) -> int | None:
        """How many there are, if everything holds."""
        bundle = result.bundle
        is_right = not (result.unchecked or result.findings or bundle.problems or bundle.differing)
        if not is_right or not all(checked.holds for checked in result.checked):
            return None
        return len(result.held) + len(result.checked)

    def __call__(self, s3: Reader) -> Callable[[BundleTask], CheckedBundle]:
        """Return the reader of one bundle."""
        client = s3.client if isinstance(s3, DirectReader) else s3
        registry = RegistryReader(client, self.provenance)
        checker = ReceiptChecker(s3, self.provenance, self.lake, CurrentKeyRing(registry))
        fetch = log_fetcher(s3, self.provenance)
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="objects")

        def check(task: BundleTask) -> CheckedBundle:
            reading = _BundleReading(self, task, checker, fetch, pool)
            try:
                return reading.run(registry)
            except UnreadableError as error:
                return CheckedBundle(Bundle(task.number), unchecked=str(error))
            except (*SERVICE_ERRORS, CustodyError):
                raise
            except Exception as error:  # noqa: BLE001 - it is reported, and one bundle must not end the run
                unchecked = f"Bundle {task.number} of the log: {describe_defect(error)}"
                return CheckedBundle(Bundle(task.number), unchecked=unchecked)

        return check


class _BundleReading:
    """One bundle, read once."""

    def __init__(
        self,
        job: CheckBundles,
        task: BundleTask,
        checker: ReceiptChecker,
        fetch: Fetch,
        pool: ThreadPoolExecutor,
    ) -> None:
        self._job = job
        self._task = task
        self._checker = checker
        self._fetch = fetch
        self._pool = pool
        self._findings: list[Finding] = []
        self._included: list[int] = []
        self._row_hashes: dict[int, bytes] = {}

    def run(self, registry: RegistryReader) -> CheckedBundle:
        """Read and check it. Raises ``UnreadableError`` and what Amazon S3 as a whole raises."""
        task = self._task
        tree = Tree(self._fetch, self._job.size)
        bundle, entries, hashes = read_bundle(tree, task.number, task.sizes, with_entries=task.with_entries)
        begun = [self._begin(asked, entries, hashes) for asked in task.asked]
        held, others, reported = [], [], 0
        for asked, outcome in zip(task.asked, begun, strict=True):
            found = outcome.result() if isinstance(outcome, Future) else outcome
            if isinstance(found, CheckedReceipt):
                reported += found.is_reported
                found = _held(found, with_object=asked.with_object) or found
            if isinstance(found, Held):
                held.append(found)
            else:
                others.append(found)
        strays = list(self._strays(entries)) if entries is not None and task.names_strays else []
        return CheckedBundle(
            bundle,
            tuple(held),
            tuple(others),
            len(self._included),
            tuple(strays),
            tuple(self._findings),
            b"" if entries is None else self._join_row_hashes(len(entries)),
            tuple(registry.problems),
            read=sum(asked.with_object and asked.stored.reported is None for asked in task.asked),
            reported=reported,
        )

    def _begin(
        self, asked: Asked, entries: list[bytes] | None, hashes: list[bytes]
    ) -> Held | Future[CheckedReceipt]:
        """Check a receipt here if that needs no request; otherwise as soon as there is a thread for it."""
        try:
            canonical = self._hold(asked, entries)
        except Exception:  # noqa: BLE001 - what follows meets it again, and reports it for this receipt alone
            canonical = None
        if canonical is None:
            return self._pool.submit(self._check, asked, entries, hashes)
        stored = asked.stored
        if asked.with_object:
            return self._pool.submit(self._check_object, stored, canonical)
        uri = stored.object_uri or canonical.version.uri
        return Held(
            stored.receipt_key, uri, canonical.request_id, canonical.sha256, canonical.recorded_at, False
        )

    def _hold(self, asked: Asked, entries: list[bytes] | None) -> Canonical | None:
        """What an entry says, if it is a receipt about which there is nothing to find by itself."""
        stored = asked.stored
        position = (stored.leaf or 0) - self._task.number * TILE_WIDTH
        if not asked.from_entry or stored.object_uri is None or entries is None or position >= len(entries):
            return None
        entry = entries[position]
        canonical = read_canonical(entry)
        if canonical is None or len(entry) != stored.size_bytes or not self._checker.holds(canonical, stored):
            return None
        self._row_hashes[position] = hash_line(canonical.row(stored.leaf or 0, stored.receipt_key))
        self._included.append(position)  # the hashes of the leaves are those of the entries
        return canonical

    def _check(self, asked: Asked, entries: list[bytes] | None, hashes: list[bytes]) -> CheckedReceipt:
        stored, checker = asked.stored, self._checker
        subject = stored.object_uri or describe_receipt_key(self._job.provenance, stored.receipt_key)
        position = (stored.leaf or 0) - self._task.number * TILE_WIDTH
        try:
            if asked.from_entry and entries is not None and position < len(entries):
                data = entries[position]
                if stored.size_bytes != len(data):
                    detail = (
                        f"The receipt has {stored.size_bytes} bytes in the bucket; "
                        f"{len(data)} were sealed as leaf {stored.leaf}."
                    )
                    self._find(Claim.LOG_COMPLETE, subject, detail)
            else:
                data = checker.fetch(stored)
            checked = checker.judge(stored, data)
            if asked.from_entry and checked.misplaced:  # the leaf may be another receipt's
                data = checker.fetch(stored)
                checked = checker.judge(stored, data)
            if position < len(hashes) and leaf_hash(data) == hashes[position]:
                self._included.append(position)
            elif hashes:
                detail = f"The receipt is not what was sealed as leaf {stored.leaf}."
                self._find(Claim.LOG_INCLUSION, subject, detail)
            if entries is not None and position < len(entries):
                self._row_hashes[position] = self._hash_row(checked, entries[position], stored)
            return checker.check_object(checked) if asked.with_object else checked
        except (GoneError, UnreadableError):
            if entries is not None and position < len(entries):  # its row is as right as it was
                row = segment_row(entries[position], stored.receipt_key, stored.leaf or 0)
                self._row_hashes[position] = hash_row(row)
            return checker.check(stored)  # which says so
        except (*SERVICE_ERRORS, CustodyError):
            raise
        except Exception as error:  # noqa: BLE001 - it is reported, and one receipt must not end the run
            return CheckedReceipt(stored, unchecked=f"{subject}: {describe_defect(error)}")

    def _check_object(self, stored: StoredReceipt, canonical: Canonical) -> CheckedReceipt:
        """Go on with the object version of a receipt about which there is nothing to find by itself."""
        try:
            return self._checker.check_object(as_checked(canonical, stored))
        except (*SERVICE_ERRORS, CustodyError):
            raise
        except Exception as error:  # noqa: BLE001 - it is reported, and one receipt must not end the run
            return CheckedReceipt(stored, unchecked=f"{stored.object_uri}: {describe_defect(error)}")

    def _hash_row(self, checked: CheckedReceipt, entry: bytes, stored: StoredReceipt) -> bytes:
        """The hash of the row that the sealer gave an entry."""
        leaf = stored.leaf or 0
        if checked.key_id and checked.receipt is not None and not checked.misplaced and checked.is_signed:
            return hash_row(receipt_row(checked.receipt, checked.key_id, leaf))
        return hash_row(segment_row(entry, stored.receipt_key, leaf))

    def _strays(self, entries: list[bytes]) -> Iterator[Stray]:
        first = self._task.number * TILE_WIDTH
        named = {asked.stored.leaf for asked in self._task.asked}
        for position, entry in enumerate(entries):
            leaf = first + position
            if leaf in named:
                continue
            stray = _name(leaf, entry)
            if stray.version is not None:
                row = segment_row(entry, stray.version.receipt_key, leaf)
                self._row_hashes[position] = hash_row(row)
            yield stray

    def _join_row_hashes(self, count: int) -> bytes:
        return b"".join(self._row_hashes.get(position) or hash_row(None) for position in range(count))

    def _find(self, claim: Claim, subject: str, detail: str) -> None:
        self._findings.append(Finding(claim, Status.FAILED, subject, detail, Severity.CRITICAL))


def _held(checked: CheckedReceipt, *, with_object: bool) -> Held | None:
    receipt, uri = checked.receipt, checked.stored.object_uri
    if (
        receipt is None
        or uri is None
        or checked.unchecked
        or checked.gone
        or checked.misplaced
        or any(verdict.findings for verdict in checked.verdicts)
    ):
        return None
    key, request_id = checked.stored.receipt_key, receipt.event.request_id
    return Held(key, uri, request_id, receipt.sha256, receipt.recorded_at, with_object)


def _name(leaf: int, entry: bytes) -> Stray:
    if is_statement(entry):
        return Stray(leaf, None, False, statement=entry)
    try:
        if (head := parse_trail_head(entry)) is not None:
            return Stray(leaf, None, True, head)
        payload = read_payload(entry, PAYLOAD_TYPE)
        kind = Fields(parse_object(payload, "statement", MAX_ENVELOPE_BYTES), "statement").text("_type")
    except EvidenceError:
        return Stray(leaf, None, False)
    try:
        return Stray(leaf, parse_statement(payload).version, True)
    except EvidenceError:
        return Stray(leaf, None, kind == STATEMENT_TYPE)


# Segments


class SegmentTask(NamedTuple):
    """The segments of one batch."""

    batch: StoredBatch
    expected: bytes


class CheckedSegments(NamedTuple):
    """What was found in the segments of one batch."""

    problems: tuple[RowProblem, ...]
    right: int
    unchecked: str = ""


@dataclass(frozen=True, slots=True)
class CheckSegments:
    """Compares segments with what their leaves give."""

    bucket: str
    since: date

    def __call__(self, s3: Reader) -> Callable[[SegmentTask], CheckedSegments]:
        """Return the reader of one batch's segments."""

        def check(task: SegmentTask) -> CheckedSegments:
            batch = task.batch
            segments, problems = [], []
            for day, key, version_id, last in batch.files:
                version = ObjectVersion(self.bucket, key, version_id)
                try:
                    segments.append(Segment(key, day, fetch_bytes(s3, version, MAX_SEGMENT_BYTES)))
                except (GoneError, UnreadableError) as error:
                    return CheckedSegments((), 0, f"{version.uri} could not be read: {error}")
                if last != batch.last:
                    detail = f"Its name says that the batch ends with leaf {last}; it ends with {batch.last}."
                    problems.append(RowProblem(key, Status.FAILED, detail))
            rows = BatchRows(batch.first, task.expected, batch.decided_at, self.since)
            rows.check(segments)
            return CheckedSegments((*problems, *rows.problems), rows.right)

        return check
