"""Checking a stored log as a whole, with nothing but a way to read it and the keys of its signers.

Root and tiles are built again from the bundles, every partial tile and bundle that was ever published is
compared with them, and the rows of the segments beside the log with its entries. So is what the log says of
its end and of the log that it goes on for, given a copy of that. A folder, a bucket and a web server are read
alike; where names cannot be listed (a web server), they are followed from the batches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from custody.concurrency import map_concurrently
from custody.errors import CannotCheckError, EvidenceError
from custody.findings import Claim, Finding, Severity, Status
from custody.log.batch import Batch, batch_path, parse_batch
from custody.log.checkpoint import Checkpoint, parse_checkpoint
from custody.log.merkle import HASH_BYTES, leaf_hash
from custody.log.note import NoteKey, parse_note
from custody.log.policy import Policy
from custody.log.rebuild import Bundle, Problem, Rebuild, read_bundle
from custody.log.rows import BatchRows, Segment, hash_row
from custody.log.segments import SEGMENT_PREFIX, segment_row
from custody.log.store import LOG_PREFIX
from custody.log.succession import is_statement
from custody.log.succession_check import Statements, check_predecessor, check_statements
from custody.log.tiles import (
    CHECKPOINT,
    TILE_HEIGHT,
    TILE_WIDTH,
    entries_path,
    tile_path,
    unpack_entries,
)
from custody.log.tree import AbsentError, Fetch, Tree
from custody.times import from_microseconds

_READS_AT_ONCE = 8
_MOST_FINDINGS = 1000
_NUMBER = re.compile(r"\d{20}", re.ASCII)
_NO_TIME = from_microseconds(0)


class Progress(Protocol):
    """Called with what is done, in a few words, how much of it, and of how much."""

    def __call__(self, stage: str, done: int, total: int | None, /) -> None:
        """Tell."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a log is, with what is beside it in its bucket."""

    name: str
    """What findings call it, such as ``s3://bucket/``; with the separator at its end."""
    fetch: Fetch
    """The bytes at a path below it."""
    list: Callable[[str], Iterable[str]] | None
    """The paths that begin so, if they can be listed."""


@dataclass(slots=True)
class FsckReport:
    """What a check has shown."""

    place: str
    origin: str = ""
    size: int = 0
    root: str = ""
    """In hexadecimal."""
    bundles: int = 0
    """How many were read; the same of tiles, batches and rows."""
    batches: int = 0
    rows: int = 0
    """How many are right."""
    ended: bool = False
    successor: str | None = None
    """The origin of the log that goes on after its end."""
    predecessor: str | None = None
    """The origin of the log that it goes on for."""
    findings: list[Finding] = field(default_factory=list)
    """The first thousand."""
    findings_count: int = 0
    unchecked: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 all holds, 1 findings, 3 nothing found, but something could not be checked."""
        return 1 if self.findings else 3 if self.unchecked else 0

    def to_dict(self) -> dict[str, Any]:
        """The JSON document: every field by its name."""
        return asdict(self) | {"findings": [finding.to_dict() for finding in self.findings]}


def fsck(
    place: Place, keys: Sequence[NoteKey], progress: Progress, predecessor: Fetch | None = None
) -> FsckReport:
    """Check the log at a place, signed by at least one of ``keys`` (C2SP tlog-tiles, signed-note).

    ``predecessor`` reads the log that it goes on for, of which ``keys`` has keys, too. Raises
    ``CannotCheckError`` if there is no log, or if nothing can be read there.
    """
    return _Fsck(place, keys, progress, predecessor).run()


class _Fsck:
    """One run."""

    def __init__(
        self, place: Place, keys: Sequence[NoteKey], progress: Progress, predecessor: Fetch | None
    ) -> None:
        self._predecessor = predecessor
        self._place = place
        self._keys = keys
        self._progress = progress
        self._report = FsckReport(place.name)
        self._prefix = LOG_PREFIX
        self._ends: dict[int, int] = {}
        """The first leaf of each batch that was read, and the leaf after its last."""

    def run(self) -> FsckReport:
        """Check everything, and return what was found."""
        checkpoint = self._read_checkpoint()
        if checkpoint is not None:
            report = self._report
            report.origin, report.size, report.root = (
                checkpoint.origin,
                checkpoint.size,
                checkpoint.root.hex(),
            )
            self._check_tree(checkpoint)
            self._check_batches(checkpoint.size)
        return self._report

    def _read_checkpoint(self) -> Checkpoint | None:
        """The checkpoint, also if it is not signed as it should be; ``None`` if it is none."""
        try:
            data = self._place.fetch(LOG_PREFIX + CHECKPOINT)
        except AbsentError:
            self._prefix = ""
            try:
                data = self._place.fetch(CHECKPOINT)
            except AbsentError as error:
                raise CannotCheckError(
                    f"There is no log at {self._place.name}: it has neither {LOG_PREFIX}{CHECKPOINT} "
                    f"nor {CHECKPOINT}."
                ) from error
        path = self._prefix + CHECKPOINT
        try:
            note = parse_note(data)
            checkpoint = parse_checkpoint(note.text)
        except EvidenceError as error:
            self._find(Claim.LOG_CHECKPOINT, path, Status.FAILED, error.message)
            return None
        try:
            Policy(list(self._keys)).judge(note)
        except EvidenceError as error:
            self._find(Claim.LOG_CHECKPOINT, path, Status.FAILED, error.message)
        return checkpoint

    # The tree

    def _check_tree(self, checkpoint: Checkpoint) -> None:
        total = -(-checkpoint.size // TILE_WIDTH)
        rebuild = Rebuild(self._tree(checkpoint.size), checkpoint.root)

        def read(index: int) -> tuple[Bundle, dict[int, bytes], str]:
            try:
                bundle, entries, _ = read_bundle(self._tree(checkpoint.size), index)
            except CannotCheckError as error:
                return Bundle(index), {}, str(error)
            leaves = enumerate(entries or [], start=index * TILE_WIDTH)
            return bundle, {leaf: entry for leaf, entry in leaves if is_statement(entry)}, ""

        unread, statements = 0, dict[int, bytes]()
        for done, (bundle, stated, unchecked) in enumerate(
            map_concurrently(read, range(total), _READS_AT_ONCE), start=1
        ):
            self._progress("bundles read", done, total)
            if unchecked:
                unread += 1
                self._leave(unchecked)
                continue
            self._report.bundles += 1
            for problem in bundle.problems:
                self._tell(problem)
            rebuild.add(bundle)
            statements |= stated
        self._check_statements(checkpoint, statements, is_whole=not unread)
        if not unread:
            for problem in rebuild.problems():
                self._tell(problem)

    def _check_statements(self, checkpoint: Checkpoint, entries: dict[int, bytes], *, is_whole: bool) -> None:
        """Check what the log says of its own end, and of the log before."""
        size, report = checkpoint.size, self._report
        found = check_statements(entries, size, checkpoint.origin, self._keys)
        for leaf, status, detail in found.problems:
            index = leaf // TILE_WIDTH
            path = entries_path(index, min(TILE_WIDTH, size - index * TILE_WIDTH))
            self._find(Claim.LOG_CONSISTENCY, self._prefix + path, status, detail)
        if found.end is not None:
            report.ended, report.successor = True, found.end.successor
        if found.start is not None:
            report.predecessor = found.start.predecessor.origin
        if self._predecessor is not None and is_whole:
            self._compare_predecessor(self._predecessor, found)

    def _compare_predecessor(self, fetch: Fetch, found: Statements) -> None:
        path = self._prefix + CHECKPOINT
        if found.start is None:
            what = "The log's first entry names no predecessor."
            self._find(Claim.LOG_CONSISTENCY, path, Status.MISSING, what)
            return
        keys = [key for key in self._keys if key.name == found.start.predecessor.origin]
        try:
            for problem in check_predecessor(fetch, keys, found.start):
                self._find(Claim.LOG_CONSISTENCY, path, Status.FAILED, problem)
        except CannotCheckError as error:
            self._leave(f"The predecessor cannot be read: {error}")

    # Batches: what was published, and its rows

    def _check_batches(self, size: int) -> None:
        if not size:
            return
        segments = self._segments()
        for done, (found, unchecked) in enumerate(
            map_concurrently(
                lambda first: self._check_batch(first, size, segments), self._firsts(size), _READS_AT_ONCE
            ),
            start=1,
        ):
            self._progress("batches read", done, None)
            if unchecked:
                self._leave(unchecked)
            else:
                self._report.batches += 1
            for finding in found:
                self._add(finding)
        end = 0
        while end in self._ends:
            end = self._ends[end]
        if end < size:
            self._leave(
                f"The batch that begins with leaf {end} could not be read: not all rows, nor all tiles that "
                "were published, were checked."
            )

    def _firsts(self, size: int) -> Iterator[int]:
        """The first leaf of each batch of the log."""
        if self._place.list is not None:
            listed = self._place.list(f"{self._prefix}batch/")
            names = (path.rpartition("/")[2] for path in listed)
            firsts = sorted(
                int(name) for name in names if name.isascii() and name.isdigit() and len(name) == 20
            )
            yield from (first for first in firsts if first < size)
            return
        first = 0
        while first < size:
            yield first
            try:
                first += len(self._batch(first).items)
            except (CannotCheckError, EvidenceError):
                return  # as is said at the end

    def _segments(self) -> dict[int, list[str]] | None:
        """The paths of segments by their first leaf; ``None`` if they cannot be listed."""
        if self._place.list is None:
            return None
        found: dict[int, list[str]] = {}
        for path in self._place.list(SEGMENT_PREFIX):
            first = path.rpartition("/")[2].partition("-")[0]
            if first.isascii() and first.isdigit():
                found.setdefault(int(first), []).append(path)
            elif path.rpartition("/")[2]:
                what = "It is no segment, and a question to the ledger reads it."
                self._find(Claim.LEDGER_ROW, path, Status.UNEXPECTED, what)
        return found

    def _check_batch(
        self, first: int, size: int, segments: dict[int, list[str]] | None
    ) -> tuple[list[Finding], str]:
        """Findings of one batch, and a sentence if it could not be checked."""
        path = self._prefix + batch_path(first)
        try:
            batch = self._batch(first)
        except AbsentError:
            return [], ""  # as is said at the end
        except EvidenceError as error:
            return [self._finding(Claim.LOG_INCLUSION, path, Status.FAILED, error.message)], ""
        except CannotCheckError as error:
            return [], str(error)
        self._ends[first] = first + len(batch.items)
        tree = self._tree(size)
        try:
            findings = [
                *self._compare_entries(tree, batch, path),
                *self._compare_partials(tree, first + len(batch.items)),
            ]
            if self._prefix:
                findings += self._compare_rows(batch, segments)
        except CannotCheckError as error:
            return [], str(error)
        return findings, ""

    def _compare_entries(self, tree: Tree, batch: Batch, path: str) -> Iterator[Finding]:
        for number, item in enumerate(batch.items):
            index, at = divmod(batch.first + number, TILE_WIDTH)
            try:
                tile = tree.tile(0, index)
            except (AbsentError, EvidenceError):
                continue  # which was found with the tree
            if batch.first + number >= tree.size:
                what = f"It has an entry {number} beyond the log's end."
                yield self._finding(Claim.LOG_INCLUSION, path, Status.UNEXPECTED, what)
                return
            if tile[at * HASH_BYTES : (at + 1) * HASH_BYTES] != leaf_hash(item.entry):
                what = f"Its entry {number} is not leaf {batch.first + number} of the log."
                yield self._finding(Claim.LOG_INCLUSION, path, Status.FAILED, what)

    def _compare_partials(self, tree: Tree, end: int) -> Iterator[Finding]:
        """Compare the partial tiles and the partial bundle that were published with ``end`` entries."""
        if end >= tree.size:
            return
        for level in range((end.bit_length() + TILE_HEIGHT - 1) // TILE_HEIGHT):
            index, width = divmod(end >> (TILE_HEIGHT * level), TILE_WIDTH)
            if not width:
                continue
            path = tile_path(level, index, width)
            is_full = tree.size >> (TILE_HEIGHT * level) >= (index + 1) * TILE_WIDTH
            try:
                whole = tree.tile(level, index)
            except (AbsentError, EvidenceError):
                continue
            expected = whole[: width * HASH_BYTES]
            yield from self._compare_partial(path, expected, lambda data: data, may_be_gone=is_full)
            if level == 0:
                path = entries_path(index, width)
                yield from self._compare_partial(path, expected, _hashes_of(width), may_be_gone=is_full)

    def _compare_partial(
        self, path: str, expected: bytes, hashes: Callable[[bytes], bytes], *, may_be_gone: bool
    ) -> Iterator[Finding]:
        """Compare the ``hashes`` of what is stored with those of the tree."""
        claim, path = Claim.LOG_INCLUSION, self._prefix + path
        try:
            stored = hashes(self._place.fetch(path))
        except AbsentError:
            if not may_be_gone:
                what = "It was published, its full one is not there yet, and it is gone."
                yield self._finding(claim, path, Status.MISSING, what)
            return
        except EvidenceError as error:
            yield self._finding(claim, path, Status.FAILED, error.message)
            return
        if stored != expected:
            same = (one == other for one, other in zip(stored, expected, strict=False))
            at = next((at for at, is_same in enumerate(same) if not is_same), len(expected))
            what = f"From its entry {at // HASH_BYTES} on it is not what the log has."
            yield self._finding(claim, path, Status.FAILED, what)

    def _compare_rows(self, batch: Batch, segments: dict[int, list[str]] | None) -> Iterator[Finding]:
        expected, days = [], set()
        newest = f"{max(item.stored_at for item in batch.items):%Y-%m-%d}"
        for number, item in enumerate(batch.items):
            row = segment_row(item.entry, item.key, batch.first + number)
            expected.append(hash_row(row))
            if row is not None:
                days.add(min(row["written_at"][:10], newest))
        name = f"{batch.first:020d}-{batch.first + len(batch.items) - 1:020d}.ndjson.gz"
        paths = (
            [f"{SEGMENT_PREFIX}dt={day}/{name}" for day in sorted(days)]
            if segments is None
            else sorted(segments.get(batch.first, []))
        )
        read = []
        for path in paths:
            try:
                read.append(Segment(path, "", self._place.fetch(path)))
            except AbsentError:
                if segments is None:
                    self._leave(f"{self._place.name}{path} is not there; where its rows are is not known.")
                    return
        rows = BatchRows(batch.first, b"".join(expected), None, None)
        rows.check(read)
        self._report.rows += rows.right
        for path in paths:
            if not path.endswith("/" + name):
                what = f"Its name is not that of its batch, {name}."
                yield self._finding(Claim.LEDGER_ROW, path, Status.UNEXPECTED, what)
        for problem in rows.problems:
            yield self._finding(Claim.LEDGER_ROW, problem.key, problem.status, problem.detail)

    def _batch(self, first: int) -> Batch:
        return parse_batch(self._place.fetch(self._prefix + batch_path(first)), first, _NO_TIME)

    def _tree(self, size: int) -> Tree:
        return Tree(lambda path: self._place.fetch(self._prefix + path), size)

    def _tell(self, problem: Problem) -> None:
        self._find(Claim.LOG_INCLUSION, self._prefix + problem.path, problem.status, problem.detail)

    def _find(self, claim: Claim, path: str, status: Status, detail: str) -> None:
        self._add(self._finding(claim, path, status, detail))

    def _finding(self, claim: Claim, path: str, status: Status, detail: str) -> Finding:
        return Finding(claim, status, self._place.name + path, detail, Severity.CRITICAL)

    def _add(self, finding: Finding) -> None:
        self._report.findings_count += 1
        if len(self._report.findings) < _MOST_FINDINGS:
            self._report.findings.append(finding)

    def _leave(self, sentence: str) -> None:
        if len(self._report.unchecked) < _MOST_FINDINGS:
            self._report.unchecked.append(sentence)


def _hashes_of(width: int) -> Callable[[bytes], bytes]:
    """The hashes of the entries of a bundle, as its tile has them. Raises ``EvidenceError``."""
    return lambda data: b"".join(leaf_hash(entry) for entry in unpack_entries(data, width))
