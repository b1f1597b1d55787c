"""Watching a log: every checkpoint that is seen extends the one seen before it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from custody.errors import CannotCheckError, EvidenceError
from custody.log.checkpoint import Checkpoint, parse_checkpoint
from custody.log.merkle import verify_consistency
from custody.log.note import parse_note
from custody.log.policy import Policy
from custody.log.seen import read_seen, write_seen
from custody.log.succession import LogEnd, end_at
from custody.log.tiles import CHECKPOINT
from custody.log.tree import AbsentError, Fetch, Tree
from custody.log.versions import newest_valid


class BrokenLogError(EvidenceError):
    """A log was rolled back, forked or continued after its end: different people see different entries."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What a look at a log has shown."""

    before: Checkpoint | None
    """The checkpoint seen before; ``None`` at the first look."""
    now: Checkpoint
    end: LogEnd | None = None
    """The statement that the log has ended, if that can be read."""


def watch(fetch: Fetch, policy: Policy, seen: Path, versions: Iterable[bytes] = ()) -> Watched:
    """Look at a log once: compare its checkpoint with the one in the file ``seen``, and keep the new one.

    ``policy`` says what the new one must have. If the newest checkpoint lacks cosignatures, the newest of its
    ``versions`` that has them is kept, and must be extended by it.

    Raises ``BrokenLogError`` on a rollback, a fork, or entries after the log's end: the old checkpoint stays,
    and the other one is put beside it (``<name>.conflict``); the two together are the proof. Raises
    ``EvidenceError`` if the checkpoint is not valid by ``policy``, ``CannotCheckError`` if the log or the
    file cannot be read, or no checkpoint has the cosignatures.
    """
    before = read_seen(seen)
    try:
        note = parse_note(fetch(CHECKPOINT))
        newest = Policy(policy.logs).judge(note).checkpoint
        if before is not None:
            _require_extended(fetch, before, newest)
        kept = newest_valid(policy, note, versions, 0 if before is None else before.size)
        now = parse_checkpoint(kept.text)
        if kept is not note:
            write_seen(seen, kept)
            _require_extended(fetch, now, newest)
        end = _end_at(Tree(fetch, newest.size), newest.size, newest.root)
    except BrokenLogError as error:
        conflict = seen.with_name(seen.name + ".conflict")
        write_seen(conflict, note)
        raise BrokenLogError(f"{error.message} Kept as proof: {seen} and {conflict}.") from error
    except AbsentError as error:
        if before is None:
            raise
        raise EvidenceError(
            f"A part of the log is gone: {error.message}",
            f"It had {before.size} entries. Look in CloudTrail for who removed it.",
        ) from error
    write_seen(seen, kept)
    return Watched(before, now, end)


def _require_extended(fetch: Fetch, before: Checkpoint, now: Checkpoint) -> None:
    if before.origin != now.origin:
        raise EvidenceError(
            f"The log is {now.origin[:200]!r}; seen before was {before.origin[:200]!r}.",
            "Keep what is seen of each log in a file of its own.",
        )
    if now.size < before.size:
        raise BrokenLogError(f"The log was rolled back: it has {now.size} entries and had {before.size}.")
    tree = Tree(fetch, now.size)
    if tree.root() != now.root:
        raise EvidenceError("The log's tiles are not those that its checkpoint names.")
    try:
        verify_consistency(before.size, now.size, before.root, now.root, tree.consistency(before.size))
    except EvidenceError as error:
        raise BrokenLogError(f"The log was forked: {error.message}") from error
    if before.size < now.size and _end_at(tree, before.size, now.root) is not None:
        raise BrokenLogError(f"The log had ended with {before.size} entries, and has {now.size} now.")


def _end_at(tree: Tree, size: int, root: bytes) -> LogEnd | None:
    """What the last of the first ``size`` entries says of the log's end, for whoever may read entries."""
    try:
        return end_at(tree, size, root)
    except CannotCheckError:
        return None
