"""A later checkpoint and the proof that it extends an earlier one, in one text.

Standard: the request ``add-checkpoint`` of C2SP tlog-witness at commit 5ba5ee8 (https://c2sp.org/tlog-witness):
the old size, the consistency proof, an empty line and the new checkpoint.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from custody.errors import EvidenceError
from custody.log.note import MAX_NOTE_BYTES, Note, parse_note
from custody.log.proof_file import MAX_PROOF_STEPS, format_hashes, parse_hashes

ADD_CHECKPOINT = "/add-checkpoint"
"""Where a witness takes it, below its URL."""
SIZE_TYPE = "text/x.tlog.size"
"""The type of the answer that names the right old size."""
MAX_EXTENSION_BYTES = MAX_NOTE_BYTES + 64 * MAX_PROOF_STEPS

_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Extension:
    """What leads from one checkpoint to a later one; nothing of it is verified."""

    old: int
    """The number of entries of the earlier one."""
    path: tuple[bytes, ...]
    checkpoint: Note

    def to_bytes(self) -> bytes:
        """The text."""
        lines = [f"old {self.old}", *format_hashes(self.path), ""]
        return "".join(f"{line}\n" for line in lines).encode() + self.checkpoint.to_bytes()


def parse_extension(data: bytes) -> Extension:
    """Read the text. Raises ``EvidenceError``."""
    if len(data) > MAX_EXTENSION_BYTES:
        raise EvidenceError(f"It is {len(data)} bytes long, over the limit of {MAX_EXTENSION_BYTES}.")
    above, _, below = data.partition(b"\n\n")
    first, *hashes = above.decode("ascii", "replace").split("\n")
    match = _OLD.fullmatch(first)
    if match is None:
        raise EvidenceError("It does not begin with the old size.")
    return Extension(int(match[1]), tuple(parse_hashes(hashes)), parse_note(below))
