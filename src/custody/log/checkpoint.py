"""The text of a checkpoint: which log, how many entries, which root.

Standard: C2SP tlog-checkpoint (https://c2sp.org/tlog-checkpoint). A checkpoint is this text in a signed note
(``custody.log.note``); this kit's log has no extension lines and accepts none.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass

from custody.errors import EvidenceError
from custody.log.merkle import HASH_BYTES

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log."""

    origin: str
    """The log's name: a URL without scheme, also the name of its key."""
    size: int
    root: bytes

    def to_text(self) -> str:
        """The note's text; it ends in a newline."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a note's text. Raises ``EvidenceError``."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise EvidenceError(f"A checkpoint has three lines; this one has {len(lines) - 1}.")
    origin, size, root = lines[:3]
    if not origin:
        raise EvidenceError("The checkpoint names no log.")
    if not _SIZE.fullmatch(size):
        raise EvidenceError(f"The checkpoint's size {size[:40]!r} is not a number without leading zeros.")
    try:
        raw = b64decode(root, validate=True)
    except ValueError as error:
        raise EvidenceError(f"The checkpoint's root is not base64: {error}.") from error
    if len(raw) != HASH_BYTES or b64encode(raw).decode() != root:
        raise EvidenceError("The checkpoint's root is not a SHA-256 in canonical base64.")
    return Checkpoint(origin, int(size), raw)
