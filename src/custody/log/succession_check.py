"""Checking where a log ends and which log goes on: its statements, and those of the log before.

It needs ``cryptography``, which the Lambda functions do not have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from custody.errors import EvidenceError
from custody.findings import Status
from custody.log.checkpoint import Checkpoint
from custody.log.note import NoteKey, parse_note
from custody.log.note_keys import verify_note
from custody.log.policy import Policy
from custody.log.succession import LogEnd, LogStart, Succession, parse_statement, read_entry
from custody.log.tiles import CHECKPOINT
from custody.log.tree import Fetch, Tree


class Misstatement(NamedTuple):
    """A statement that is not right, or an entry that must not be."""

    leaf: int
    status: Status
    detail: str


@dataclass(slots=True)
class Statements:
    """What the statements of a log say, and what is wrong with them."""

    end: LogEnd | None = None
    start: LogStart | None = None
    problems: list[Misstatement] = field(default_factory=list)


def check_statements(
    entries: Mapping[int, bytes], size: int, origin: str, keys: Sequence[NoteKey]
) -> Statements:
    """Check all statements of the log of ``size`` entries, given by their leaves; ``keys`` are the log's."""
    found = Statements()
    for leaf, entry in sorted(entries.items()):
        try:
            statement = parse_statement(entry)
            verify_note(statement.signed, keys)
        except EvidenceError as error:
            what = f"Leaf {leaf} is no valid statement of the log: {error.message}"
            found.problems.append(Misstatement(leaf, Status.FAILED, what))
            continue
        says = statement.says
        for status, detail in _judge(says, leaf, size, origin):
            found.problems.append(Misstatement(leaf, status, f"Leaf {leaf} {detail}"))
        if isinstance(says, LogEnd):
            found.end = found.end or says
        else:
            found.start = found.start or says
    return found


def compare_declared(found: Statements, declared: Succession, size: int) -> Iterator[Misstatement]:
    """Where statements are not what an operator has declared in the key registry."""
    said = None if found.start is None else found.start.predecessor
    if size and said != declared.predecessor:
        status = Status.MISSING if said is None else Status.FAILED
        detail = f"The log's first entry names {_name(said)}; declared is {_name(declared.predecessor)}."
        yield Misstatement(0, status, detail)
    if found.end is not None and declared.end is None:
        detail = "The log has ended, and the key registry does not declare that."
        yield Misstatement(found.end.size - 1, Status.UNEXPECTED, detail)
    elif found.end is not None and declared.end is not None and found.end.successor != declared.end.successor:
        detail = (
            f"The log has ended with the successor {found.end.successor!r}; "
            f"declared is {declared.end.successor!r}."
        )
        yield Misstatement(found.end.size - 1, Status.FAILED, detail)


def check_predecessor(fetch: Fetch, keys: Sequence[NoteKey], start: LogStart) -> Iterator[str]:
    """What is wrong with the statement that a log goes on for the one read with ``fetch``, in sentences.

    ``keys`` are those of the log before. Raises ``CannotCheckError`` if that cannot be read.
    """
    try:
        before = Policy(list(keys)).judge(parse_note(fetch(CHECKPOINT))).checkpoint
    except EvidenceError as error:
        yield f"The checkpoint of the predecessor is not valid: {error.message}"
        return
    if before != start.predecessor:
        yield f"The predecessor is {_name(before)}; the first entry names {_name(start.predecessor)}."
        return
    if not before.size:
        yield "The predecessor has not ended: it has no entries."
        return
    try:
        last = before.size - 1
        found = check_statements(
            {last: read_entry(Tree(fetch, before.size), last, before.root)}, before.size, before.origin, keys
        )
    except EvidenceError as error:
        yield f"The last entry of the predecessor cannot be read: {error.message}"
        return
    if found.end is None or found.problems:
        yield "The predecessor has not ended: its last entry does not say so."
    elif found.end.successor != start.origin:
        yield f"The predecessor names the successor {found.end.successor!r}, not {start.origin!r}."


def _judge(says: LogEnd | LogStart, leaf: int, size: int, origin: str) -> Iterator[tuple[Status, str]]:
    if says.origin != origin:
        yield Status.FAILED, f"is a statement of the log {says.origin[:200]!r}."
    elif isinstance(says, LogStart):
        if leaf:
            yield Status.UNEXPECTED, "says how the log begins, and is not its first entry."
        if says.predecessor.origin == origin:
            yield Status.FAILED, "says that the log follows itself."
    elif says.size != leaf + 1:
        yield Status.FAILED, f"says that the log ends with {says.size} entries."
    elif size > says.size:
        yield Status.UNEXPECTED, f"says that the log ends with it; {size - says.size} more entries follow."


def _name(state: Checkpoint | None) -> str:
    if state is None:
        return "no predecessor"
    return f"{state.origin[:200]!r} of {state.size} entries with the root {state.root.hex()}"
