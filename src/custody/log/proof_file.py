"""Proof files: that an entry is in a log, to be checked offline.

Standard: C2SP tlog-proof at commit 5ba5ee8 (https://c2sp.org/tlog-proof): the leaf's index, the inclusion
proof and the checkpoint, with whatever signatures it has. The entry itself is not in the file.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from custody.errors import EvidenceError
from custody.log.merkle import HASH_BYTES, leaf_hash, verify_inclusion
from custody.log.note import MAX_NOTE_BYTES, Note, parse_note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from custody.log.policy import Judged, Policy

PROOF_TYPE = "c2sp.org/tlog-proof@v1"
MAX_PROOF_STEPS = 63
"""The height of the largest tree that a checkpoint can name."""

_MAX_EXTRA_BYTES = 64 * 1024
_MAX_BYTES = MAX_NOTE_BYTES + 2 * _MAX_EXTRA_BYTES + 64 * MAX_PROOF_STEPS
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)
_EXTRA = "extra "


@dataclass(frozen=True, slots=True)
class ProofFile:
    """One entry's proof."""

    index: int
    path: tuple[bytes, ...]
    """The inclusion proof, the leaf's sibling first."""
    checkpoint: Note
    extra: bytes | None = None
    """Data of an application. Nothing vouches for it."""

    def to_bytes(self) -> bytes:
        """The file; its name ends in ``.tlog-proof``."""
        lines = [PROOF_TYPE]
        if self.extra is not None:
            lines.append(_EXTRA + b64encode(self.extra).decode())
        lines += [f"index {self.index}", *format_hashes(self.path)]
        return "".join(f"{line}\n" for line in [*lines, ""]).encode() + self.checkpoint.to_bytes()

    def verify(self, entry: bytes, policy: Policy) -> Judged:
        """Check the checkpoint by a policy, and that ``entry`` is the leaf at the index.

        Raises ``EvidenceError``.
        """
        judged = policy.judge(self.checkpoint)
        size, root = judged.checkpoint.size, judged.checkpoint.root
        verify_inclusion(self.index, size, leaf_hash(entry), self.path, root)
        return judged


def parse_proof_file(data: bytes) -> ProofFile:
    """Read a proof file. Raises ``EvidenceError``; nothing is verified."""
    if len(data) > _MAX_BYTES:
        raise EvidenceError(f"The proof file is {len(data)} bytes long, over the limit of {_MAX_BYTES}.")
    above, separator, checkpoint = data.partition(b"\n\n")
    try:
        kind, *lines = above.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise EvidenceError(f"The proof file is not text: {error}.") from error
    if kind != PROOF_TYPE or not separator:
        raise EvidenceError(f"The proof file is not of the type {PROOF_TYPE}, or ends before its checkpoint.")
    extra = None
    if lines and lines[0].startswith(_EXTRA):
        extra = _decode(lines.pop(0).removeprefix(_EXTRA))
    match = _INDEX.fullmatch(lines[0]) if lines else None
    if match is None:
        raise EvidenceError("The proof file has no index of a leaf.")
    return ProofFile(int(match[1]), tuple(parse_hashes(lines[1:])), parse_note(checkpoint), extra)


def format_hashes(hashes: Sequence[bytes]) -> list[str]:
    """The lines of a Merkle proof, as proof files and witnesses have them."""
    return [b64encode(each).decode() for each in hashes]


def parse_hashes(lines: Sequence[str]) -> list[bytes]:
    """Read the lines of a Merkle proof. Raises ``EvidenceError``."""
    if len(lines) > MAX_PROOF_STEPS:
        raise EvidenceError(f"The Merkle proof has {len(lines)} hashes, over the limit of {MAX_PROOF_STEPS}.")
    hashes = [_decode(line) for line in lines]
    if any(len(each) != HASH_BYTES for each in hashes):
        raise EvidenceError("A line of the Merkle proof is not a SHA-256.")
    return hashes


def _decode(line: str) -> bytes:
    try:
        raw = b64decode(line, validate=True)
    except ValueError as error:
        raise EvidenceError(f"A line of the proof is not base64: {error}.") from error
    if b64encode(raw).decode() != line:
        raise EvidenceError("A line of the proof is not canonical base64.")
    return raw
