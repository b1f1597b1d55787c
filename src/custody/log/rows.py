"""Checking segments: each row is what its leaf gives, under its day, and none is missing."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import blake2b
from typing import Any

import msgspec

from custody.errors import EvidenceError
from custody.findings import Status
from custody.log.segments import MAX_SEGMENT_BYTES, SEGMENT_PREFIX, format_row, ledger_day

ROW_HASH_BYTES = 16
NO_ROW = bytes(ROW_HASH_BYTES)
"""In the place of the hash of a row, for an entry that has none."""

_MOST_PLACES = 100


class _Row(msgspec.Struct):
    leaf_index: int
    written_at: str


_ROW = msgspec.json.Decoder(_Row)


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A row that is not as it must be."""

    key: str
    """Of the segment."""
    status: Status
    detail: str


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment, as it was read."""

    key: str
    day: str
    data: bytes


def hash_row(row: dict[str, Any] | None) -> bytes:
    """The hash of a row's line; ``NO_ROW`` if an entry has none."""
    return NO_ROW if row is None else hash_line(format_row(row).encode())


def hash_line(line: bytes) -> bytes:
    """The hash of a row's line, without its newline."""
    return blake2b(line, digest_size=ROW_HASH_BYTES).digest()


@dataclass(slots=True)
class BatchRows:
    """Compares the segments of one batch with what its entries give."""

    first: int
    """The batch's first leaf."""
    expected: bytes
    """The hash of each entry's row."""
    decided_at: datetime | None
    since: date | None
    """The ledger's first day; without it or ``decided_at``, days are not checked."""
    right: int = 0
    """How many rows are right."""
    problems: list[RowProblem] = field(default_factory=list)
    """At most a hundred and one."""
    _found: dict[int, str] = field(default_factory=dict)

    def check(self, segments: Sequence[Segment]) -> None:
        """Check all segments of the batch."""
        for segment in segments:
            try:
                lines = _unpack(segment.data)
            except EvidenceError as error:
                self.problems.append(RowProblem(segment.key, Status.FAILED, error.message))
                continue
            for number, line in enumerate(lines, start=1):
                if problem := self._compare(line, segment):
                    self.problems.append(RowProblem(segment.key, Status.FAILED, f"Row {number}: {problem}"))
                else:
                    self.right += 1
        name = segments[0].key if segments else f"{SEGMENT_PREFIX}dt=*/{self.first:020d}-*"
        for at in range(0, len(self.expected), ROW_HASH_BYTES):
            leaf = self.first + at // ROW_HASH_BYTES
            if leaf not in self._found and self.expected[at : at + ROW_HASH_BYTES] != NO_ROW:
                self.problems.append(RowProblem(name, Status.MISSING, f"The row of leaf {leaf} is missing."))
        if more := len(self.problems[_MOST_PLACES:]):
            what = f"{more} more rows of its batch are wrong or missing."
            self.problems[_MOST_PLACES:] = [RowProblem(name, Status.FAILED, what)]

    def _compare(self, line: bytes, segment: Segment) -> str:
        """What is wrong with a row; empty if nothing is."""
        try:
            row = _ROW.decode(line)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return "It is not a row of the ledger."
        leaf, at = row.leaf_index, (row.leaf_index - self.first) * ROW_HASH_BYTES
        before, wanted = self._found.get(leaf), self.expected[at : at + ROW_HASH_BYTES] if at >= 0 else b""
        problem = ""
        if not wanted:
            problem = f"It is of leaf {leaf}, which is not in this batch."
        elif before is not None:
            problem = f"It is of leaf {leaf}, which has a row already ({before})."
        elif wanted == NO_ROW:
            problem = f"It is of leaf {leaf}, which has no row."
        elif hash_line(line) != wanted:
            problem = f"It is not what leaf {leaf} gives."
        elif self.decided_at is not None and self.since is not None:
            day = ledger_day(row.written_at, self.decided_at, self.since)
            problem = "" if str(day) == segment.day else f"It is of leaf {leaf} and belongs to the day {day}."
        if wanted:
            self._found[leaf] = segment.key
        return problem


def _unpack(data: bytes) -> list[bytes]:
    unpacking = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        text = unpacking.decompress(data, MAX_SEGMENT_BYTES)
    except zlib.error as error:
        raise EvidenceError(f"The segment is not gzip: {error}.") from error
    if not unpacking.eof or unpacking.unused_data:
        raise EvidenceError("The segment is not one whole gzip of its size.")
    return text.removesuffix(b"\n").split(b"\n")
