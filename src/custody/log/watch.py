"""Watching a log: every checkpoint that is seen extends the one seen before it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from custody.errors import EvidenceError
from custody.log.checkpoint import Checkpoint
from custody.log.merkle import verify_consistency
from custody.log.note import parse_note
from custody.log.policy import Policy
from custody.log.seen import read_seen, write_seen
from custody.log.tiles import CHECKPOINT
from custody.log.tree import AbsentError, Fetch, Tree


class BrokenLogError(EvidenceError):
    """A log was rolled back or forked: it shows different people different entries."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What a look at a log has shown."""

    before: Checkpoint | None
    """The checkpoint seen before; ``None`` at the first look."""
    now: Checkpoint


def watch(fetch: Fetch, policy: Policy, seen: Path) -> Watched:
    """Look at a log once: compare its checkpoint with the one in the file ``seen``, and keep the new one.

    Raises ``BrokenLogError`` on a rollback or a fork: the old checkpoint stays, and the other one is put
    beside it (``<name>.conflict``); the two together are the proof. Raises ``EvidenceError`` if the
    checkpoint is not valid by ``policy``, ``CannotCheckError`` if the log or the file cannot be read.
    """
    before = read_seen(seen)
    try:
        note = parse_note(fetch(CHECKPOINT))
        now = policy.judge(note).checkpoint
        if before is not None:
            _require_extended(fetch, before, now)
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
    write_seen(seen, note)
    return Watched(before, now)


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
