"""The sealer: every receipt becomes one leaf of the log, exactly once.

What is safe if it ends *here*, at any call:

1. The checkpoint says how many entries there are. The batch that follows them is created under that size, if
   it does not exist: from then on the next entries and their order are decided, and nobody has seen them yet.
   Ending before it: nothing happened, and the notices are delivered again.
2. Bundles, tiles, index and segments of the batch are created. Whoever does it, and however often, writes the
   same bytes, all of them taken from the batch alone. Ending here: the next sealer completes the batch.
3. The checkpoint is signed and replaced, if it is still the one that was read. Only now is there anything new
   for a reader, and all that it names is there. Ending here, or losing to another sealer, loses nothing.

A receipt is in a batch only if it is in no batch before it: all of these are complete, index included, since
the checkpoint names their entries. So notices may come twice, late or never (``sweep`` looks for receipts
without one), and any number of sealers may run at once.

A log that an operator has declared frozen ends with a statement of that: the one entry of a batch, decided
and completed like any other. Who finds it as the last entry appends nothing, whatever is declared by then.

Witnesses cosign a checkpoint after it is published: it is replaced by itself with their lines below it, if
it is still the newest. Every checkpoint is valid without them, and the next one begins without lines.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from custody.concurrency import map_concurrently
from custody.documents import Fields, parse_object
from custody.errors import CannotCheckError, EvidenceError
from custody.evidence.fetch import SERVICE_ERRORS
from custody.evidence.objects import RECEIPT_PREFIX
from custody.log.batch import (
    MAX_BATCH_ENTRIES,
    Batch,
    Sealable,
    batch_path,
    choose,
    format_batch,
    parse_batch,
)
from custody.log.checkpoint import Checkpoint, parse_checkpoint
from custody.log.cosigning import Witnesses
from custody.log.edge import Edge
from custody.log.index import INDEX_PREFIX, SealedKeys, format_index, index_path
from custody.log.merkle import EMPTY_ROOT
from custody.log.note import MAX_NOTE_BYTES, Note, NoteKey, NoteSignature, parse_note
from custody.log.segments import CONTENT_TYPE as SEGMENT_TYPE
from custody.log.segments import format_segments
from custody.log.store import BINARY, LOG_PREFIX, LogStore, TooLongError
from custody.log.succession import (
    LogEnd,
    LogStart,
    PlannedEnd,
    as_end,
    is_statement,
    make_statement,
    read_entry,
)
from custody.log.tiles import CHECKPOINT, MAX_ENTRY_BYTES, TILE_WIDTH
from custody.log.tree import AbsentError, Tree
from custody.times import format_time

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger, Metrics

REQUESTS_AT_ONCE = 32
CHECKPOINT_TYPE = "text/plain; charset=utf-8"
CHECKPOINT_MAX_AGE = timedelta(hours=20)
"""An older checkpoint is signed again: one of more than a day tells a reader that the log stands still."""

_SWEEP_KEY = f"{LOG_PREFIX}sweep"
_SWEEP_EVERY = timedelta(hours=20)
_SWEEP_OVERLAP = timedelta(hours=1)
_NOTICE_TIME = timedelta(minutes=15)
"""A younger receipt is left to its notice."""
_MAX_SWEEP_BYTES = 4096
_SECONDS_TO_FINISH = 90
_KEYS_KEPT = 1_000_000
_LOST_RACES = 20


class LogError(EvidenceError):
    """The stored log contradicts itself: nothing is appended to it."""


class EndedError(LogError):
    """The log is frozen: what comes later belongs to its successor."""


class NoteSigner(Protocol):
    """Signs checkpoints with one key of the log."""

    @property
    def key(self) -> NoteKey:
        """The public key, with the log's origin as its name."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The signature over ``message``, as the key's type has it."""
        ...


@dataclass(frozen=True, slots=True)
class Head:
    """The log's checkpoint, as it was read."""

    note: Note
    checkpoint: Checkpoint
    etag: str
    stored_at: datetime


@dataclass(frozen=True, slots=True)
class Sealing:
    """What became of some receipts."""

    sealed: int
    """How many entries this run appended, or helped to."""
    failed: Mapping[str, Exception]
    """By key, why a receipt is not in the log."""


class Sealer:
    """Appends to one log. One instance serves any number of calls, one after the other.

    ``since`` is the ledger's first day. ``predecessor`` is the last state of the log that this one goes on
    for: a log without entries begins with the statement of that.
    """

    def __init__(
        self,
        *,
        store: LogStore,
        origin: str,
        since: date,
        signers: Sequence[NoteSigner],
        logger: Logger,
        metrics: Metrics,
        predecessor: Checkpoint | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._origin = origin
        self._since = since
        self._signers = signers
        self._logger = logger
        self._metrics = metrics
        self._predecessor = predecessor
        self._clock = clock
        self._edge = Edge()
        self._last: tuple[bytes, bytes] | None = None
        """A root of the log, and the last entry then."""
        self._sealed = SealedKeys(self._list_index, store.fetch, REQUESTS_AT_ONCE)

    def seal(self, keys: Iterable[str]) -> Sealing:
        """Make the receipts at these keys leaves of the log, unless they are; in batches.

        A receipt that cannot be an entry or be read, is not there, or is not in the log when it ends, is a
        failure of its own. Raises ``LogError`` or ``ChangedError`` if the stored log is not what its
        checkpoint says, and botocore's exceptions.
        """
        failed: dict[str, Exception] = {}
        waiting: dict[str, Sealable] = {}
        for key, outcome in map_concurrently(self._read, dict.fromkeys(keys), REQUESTS_AT_ONCE):
            if isinstance(outcome, Sealable):
                waiting[key] = outcome
            else:
                failed[key] = outcome
        sealed = self._append_all(waiting)
        failed |= {key: EndedError("The log has ended: nothing is added to it.") for key in waiting}
        for key, error in failed.items():
            self._logger.error("NotSealed", extra={"object": key, "error": str(error)})
        self._metrics.add_metric(name="ReceiptsSealed", unit="Count", value=sealed)
        if failed:
            self._metrics.add_metric(name="FailedSealing", unit="Count", value=len(failed))
        return Sealing(sealed, failed)

    def refresh(self) -> bool:
        """Complete what a sealer has left, and sign the checkpoint again if that is due; whether it was.

        It is due if the checkpoint is old and the log has not ended, or the keys are others now.
        """
        head = self._head()
        if batch := self._decided(head):
            self._complete(head, batch)
            head = self._head()
        self._metrics.add_metric(name="LogSize", unit="Count", value=head.checkpoint.size)
        due = not self._is_signed_by_all(head)
        if not self._has_ended(head):
            age = self._clock() - head.stored_at
            seconds = max(0, int(age.total_seconds()))
            self._metrics.add_metric(name="CheckpointAge", unit="Seconds", value=seconds)
            due = due or age >= CHECKPOINT_MAX_AGE
        return due and self._publish(head, head.checkpoint)

    def freeze(self, end: PlannedEnd) -> bool:
        """End the log, once it has all that was stored before ``end.at``; whether it has ended.

        That is so when a sweep that began late enough is done. Raises as ``seal`` does.
        """
        for _ in range(_LOST_RACES):
            head = self._head()
            if self._has_ended(head):
                return True
            if batch := self._decided(head):
                self._complete(head, batch)
            elif not self._is_swept(end):
                return False
            else:
                says = LogEnd(self._origin, head.checkpoint.size + 1, end.successor)
                self._decide(head, self._first(head) or [make_statement(says, self._signers, self._clock())])
        raise CannotCheckError("Other sealers were quicker again and again.", "It is tried again.")

    def _is_swept(self, end: PlannedEnd) -> bool:
        position, _ = self._read_position()
        return position is not None and position.done and position.started_at >= end.at + _NOTICE_TIME

    def _has_ended(self, head: Head) -> bool:
        """Whether the last entry says that the log has ended. Raises ``LogError`` if that cannot be read."""
        checkpoint = head.checkpoint
        if not checkpoint.size:
            return False
        if self._last is None or self._last[0] != checkpoint.root:
            tree = Tree(self._store.fetch, checkpoint.size)
            try:
                self._last = checkpoint.root, read_entry(tree, checkpoint.size - 1, checkpoint.root)
            except (AbsentError, EvidenceError) as error:
                words = f"The last of the log's {checkpoint.size} entries cannot be read: {error.message}"
                raise LogError(words, "Nothing was appended. Run custody fsck.") from error
        return as_end(self._last[1]) is not None

    def cosign(self, witnesses: Witnesses) -> int:
        """Ask the witnesses that have not cosigned the newest checkpoint, and add their lines; how many.

        A witness that fails is told of, and keeps out no other. None is added if a newer checkpoint is
        published meanwhile. Raises as ``seal`` does.
        """
        head = self._head()
        if not self._is_signed_by_all(head):
            return 0  # signed again at the next refresh: a key that ended is not to be stored anew
        tree = Tree(self._store.fetch, head.checkpoint.size)
        cosigned = witnesses.cosign(head.note, tree.consistency)
        for witness, error in cosigned.failed.items():
            self._logger.error("NotCosigned", extra={"witness": witness, "error": str(error)})
        self._metrics.add_metric(name="FailedWitnesses", unit="Count", value=len(cosigned.failed))
        note = Note(head.note.text, (*head.note.signatures, *cosigned.lines))
        if not cosigned.lines or not self._replace_checkpoint(note, head.etag):
            return 0
        self._metrics.add_metric(name="CosignaturesAdded", unit="Count", value=len(cosigned.lines))
        return len(cosigned.lines)

    def _is_signed_by_all(self, head: Head) -> bool:
        """Whether the log's lines of a checkpoint are those of its present keys."""
        lines = {(line.name, line.key_id) for line in head.note.signatures if line.name == self._origin}
        return lines == {(signer.key.name, signer.key.key_id) for signer in self._signers}

    def sweep(self, seconds_left: Callable[[], float], end: PlannedEnd | None = None) -> int | None:
        """Seal receipts that no notice told of; the number sealed, or ``None`` if it is not time yet.

        Looks at every receipt stored since the last sweep began. If time is short it stops, and the next call
        goes on from there: its position is kept in the log's prefix. It is time once a day, and when ``end``
        waits for it; never again once the log has ended. Raises as ``seal`` does, and the reason why a
        receipt could not be read; the next call begins where this one did.
        """
        started = self._clock()
        position, etag = self._read_position()
        if position is None:
            position = _Position(started, datetime.min.replace(tzinfo=UTC), "")
        elif position.done:
            is_last = end is not None and position.started_at < end.at + _NOTICE_TIME <= started
            if started - position.started_at < _SWEEP_EVERY and not is_last:
                return None
            if self._has_ended(self._head()):
                return None
            position = _Position(started, position.started_at - _SWEEP_OVERLAP, "")
        until = started - _NOTICE_TIME
        sealed, after = 0, position.after
        missed: list[str] = []
        sweeping = SealedKeys(self._list_index, self._store.fetch, REQUESTS_AT_ONCE)
        for page in self._store.list(RECEIPT_PREFIX, after or ""):
            fresh = {
                each.key: each.last_modified for each in page if position.since <= each.last_modified < until
            }
            missed += sorted(sweeping.unsealed(fresh))
            short = seconds_left() < _SECONDS_TO_FINISH
            if len(missed) >= MAX_BATCH_ENTRIES or short:
                sealed += self._seal_missed(missed)
                missed, after = [], page[-1].key if page else after
            if short and page:
                break
        else:
            sealed += self._seal_missed(missed)
            after = None
        new = _Position(position.started_at, position.since, after)
        self._store.replace(_SWEEP_KEY, new.to_bytes(), "application/json", etag)
        self._metrics.add_metric(name="SweptReceipts", unit="Count", value=sealed)
        return sealed

    def _seal_missed(self, keys: Sequence[str]) -> int:
        for key in keys:
            self._logger.warning("NoNotice", extra={"object": key})
        sealing = self.seal(keys)
        for error in sealing.failed.values():
            if not isinstance(error, AbsentError | EvidenceError):
                raise error  # it may be read the next time, and only a sweep that has not gone on looks again
        return sealing.sealed

    def _read(self, key: str) -> tuple[str, Sealable | Exception]:
        try:
            stored = self._store.read(key, MAX_ENTRY_BYTES)
        except (*SERVICE_ERRORS, AbsentError, CannotCheckError, TooLongError) as error:
            return key, error
        if is_statement(stored.data):
            return key, LogError("It is a statement of the log's own, and no receipt.")
        return key, Sealable(key, stored.version_id, stored.etag, stored.last_modified, stored.data)

    def anchor(self, heads: Iterable[Sealable]) -> int:
        """Make the heads of the trail's digest chains leaves of the log, unless they are; how many were not.

        None once the log has ended. Raises as ``seal`` does.
        """
        anchored = self._append_all({head.key: head for head in heads})
        self._metrics.add_metric(name="TrailHeadsSealed", unit="Count", value=anchored)
        return anchored

    def _append_all(self, waiting: dict[str, Sealable]) -> int:
        """Append what is waiting and not sealed yet, in batches; how many entries that were.

        What is left in ``waiting`` then is not in the log, which has ended.
        """
        if len(self._sealed) > _KEYS_KEPT:
            self._sealed.forget()
        sealed = lost = 0
        while waiting:
            try:
                appended = self._append(waiting)
            except EndedError:
                break
            if appended is None:
                lost += 1
                if lost > _LOST_RACES:
                    raise CannotCheckError(
                        "Other sealers were quicker again and again.", "It is tried again."
                    )
                continue
            sealed += appended
        return sealed

    def _append(self, waiting: dict[str, Sealable]) -> int | None:
        """Complete one batch, and take what is sealed from ``waiting``; ``None`` after a lost race.

        Raises ``EndedError`` if the log has ended.
        """
        head = self._head()
        batch = self._decided(head)
        if batch is None:
            unsealed = self._sealed.unsealed({key: item.stored_at for key, item in waiting.items()})
            for key in waiting.keys() - unsealed:
                del waiting[key]
            if not waiting:
                return 0
            if self._has_ended(head):
                raise EndedError("The log has ended: nothing is added to it.")
            self._decide(head, self._first(head) or list(waiting.values()))
            batch = self._decided(head)
        if batch is None or not self._complete(head, batch):
            return None
        return sum(waiting.pop(item.key, None) is not None for item in batch.items)

    def _first(self, head: Head) -> list[Sealable]:
        """What a log without entries begins with, if it has a predecessor."""
        if head.checkpoint.size or self._predecessor is None:
            return []
        return [make_statement(LogStart(self._origin, self._predecessor), self._signers, self._clock())]

    def _decide(self, head: Head, items: Sequence[Sealable]) -> None:
        """Decide the next batch, unless somebody else just did."""
        size = head.checkpoint.size
        chosen = choose(sorted(items, key=lambda item: (item.stored_at, item.key)), size, TILE_WIDTH)
        self._store.create_first(LOG_PREFIX + batch_path(size), format_batch(size, chosen))

    def _decided(self, head: Head) -> Batch | None:
        """The batch that follows the checkpoint, if it is decided."""
        size = head.checkpoint.size
        try:
            stored = self._store.read(LOG_PREFIX + batch_path(size))
        except AbsentError:
            return None
        return parse_batch(stored.data, size, stored.last_modified)

    def _complete(self, head: Head, batch: Batch) -> bool:
        """Write all that belongs to a batch, then the checkpoint; whether that was replaced.

        Raises ``LogError`` if somebody has decided a batch after the log's end.
        """
        if self._has_ended(head):
            raise LogError("The log has ended, and there is a batch after its end.", "Run custody fsck.")
        edge = self._edge_of(head.checkpoint)
        written = edge.append([item.entry for item in batch.items])
        path = index_path(batch)
        derived = [
            (LOG_PREFIX + path, format_index(batch), BINARY),
            *((key, rows, SEGMENT_TYPE) for key, rows in format_segments(batch, self._since)),
        ]
        with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
            tiles = [pool.submit(self._store.create, LOG_PREFIX + to, data) for to, data in written.items()]
            # A later version of this code may write these otherwise: what is there stays.
            others = [pool.submit(self._store.create_first, *each) for each in derived]
        for tile in tiles:
            tile.result()
        for other in others:
            other.result()
        published = self._publish(head, Checkpoint(self._origin, edge.size, edge.root))
        if published:
            self._edge = edge
            self._last = edge.root, batch.items[-1].entry
            self._sealed.add(path, batch.items)
        return published

    def _edge_of(self, checkpoint: Checkpoint) -> Edge:
        """The edge of the tree that a checkpoint names. Raises ``LogError`` if another one is stored."""
        known = (self._edge.size, self._edge.root) == (checkpoint.size, checkpoint.root)
        edge, self._edge = (
            self._edge,
            Edge(),
        )  # it is changed by whoever asked for it, and may be left half done
        if known:
            return edge
        try:
            edge = Edge.read(Tree(self._store.fetch, checkpoint.size))
        except AbsentError as error:
            raise LogError(f"The log of {checkpoint.size} entries lacks a part: {error.message}") from error
        if edge.root != checkpoint.root or not edge.has_its_entries:
            raise LogError(
                f"The stored tiles are not those of the checkpoint with {checkpoint.size} entries.",
                "Nothing was appended. Run custody fsck, and look in CloudTrail for who wrote them.",
            )
        return edge

    def _head(self) -> Head:
        """The checkpoint; the first one, of no entries, is made where there is none."""
        try:
            stored = self._store.read(LOG_PREFIX + CHECKPOINT)
        except AbsentError:
            self._begin()
            stored = self._store.read(LOG_PREFIX + CHECKPOINT)
        note = parse_note(stored.data[: MAX_NOTE_BYTES + 1])
        checkpoint = parse_checkpoint(note.text)
        if checkpoint.origin != self._origin:
            raise LogError(f"The checkpoint is of the log {checkpoint.origin[:200]!r}, not {self._origin!r}.")
        return Head(note, checkpoint, stored.etag, stored.last_modified)

    def _begin(self) -> None:
        """Publish the checkpoint of no entries; never where there was a log before."""
        if any(page for page in self._store.list(f"{LOG_PREFIX}batch/")):
            raise LogError(
                "The log has batches and no checkpoint: somebody removed it.",
                "Nothing was appended. Restore the newest version of log/checkpoint, and look in CloudTrail.",
            )
        self._replace_checkpoint(self._sign(Checkpoint(self._origin, 0, EMPTY_ROOT)), None)

    def _publish(self, head: Head, checkpoint: Checkpoint) -> bool:
        """Sign and replace the checkpoint; whether nobody else was quicker."""
        if not self._replace_checkpoint(self._sign(checkpoint), head.etag):
            return False
        self._logger.info(
            "Published",
            extra={"size": checkpoint.size, "before": head.checkpoint.size, "root": checkpoint.root.hex()},
        )
        self._metrics.add_metric(name="CheckpointsSigned", unit="Count", value=1)
        return True

    def _replace_checkpoint(self, note: Note, etag: str | None) -> bool:
        return self._store.replace(LOG_PREFIX + CHECKPOINT, note.to_bytes(), CHECKPOINT_TYPE, etag)

    def _sign(self, checkpoint: Checkpoint) -> Note:
        text = checkpoint.to_text()
        lines = [
            NoteSignature(signer.key.name, signer.key.key_id, signer.sign(text.encode()))
            for signer in self._signers
        ]
        return Note(text, tuple(lines))

    def _list_index(self, after: str) -> Iterable[str]:
        for page in self._store.list(LOG_PREFIX + INDEX_PREFIX, LOG_PREFIX + after):
            yield from (each.key.removeprefix(LOG_PREFIX) for each in page)

    def _read_position(self) -> tuple[_Position | None, str | None]:
        try:
            stored = self._store.read(_SWEEP_KEY)
        except AbsentError:
            return None, None
        return _parse_position(stored.data), stored.etag


@dataclass(frozen=True, slots=True)
class _Position:
    """How far a sweep is."""

    started_at: datetime
    since: datetime
    """Receipts stored before are not looked at."""
    after: str | None
    """The key after which it goes on; ``None`` if it is done."""

    @property
    def done(self) -> bool:
        return self.after is None

    def to_bytes(self) -> bytes:
        times = {"started_at": format_time(self.started_at), "since": format_time(self.since)}
        return json.dumps(times | {"after": self.after}, ensure_ascii=False).encode()


def _parse_position(data: bytes) -> _Position:
    fields = Fields(parse_object(data, "sweep's position", _MAX_SWEEP_BYTES), "sweep's position")
    return _Position(fields.time("started_at"), fields.time("since"), fields.optional_text("after"))
