"""A checkpoint kept on disk: the last one that a witness cosigned, or that a watcher saw.

A file is replaced as a whole, and is on the disk before anybody is told: after a crash it holds the old
checkpoint or the new one, and never an older one than was told of.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from custody.errors import CannotCheckError, EvidenceError
from custody.log.checkpoint import Checkpoint, parse_checkpoint
from custody.log.note import MAX_NOTE_BYTES, Note, parse_note


def read_seen(path: Path) -> Checkpoint | None:
    """The checkpoint in a file; ``None`` if there is no file.

    Its signatures are not checked again: whoever can write here can also delete it. Raises
    ``CannotCheckError`` if it cannot be read or is malformed.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_NOTE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CannotCheckError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        return parse_checkpoint(parse_note(data).text)
    except EvidenceError as error:
        raise CannotCheckError(
            f"{path} holds no checkpoint: {error.message}", "Put back the one that was kept there."
        ) from error


def write_seen(path: Path, note: Note) -> None:
    """Put a checkpoint into a file. Raises ``CannotCheckError`` if that is not sure to be kept."""
    beside = path.with_name(path.name + ".new")
    try:
        with beside.open("wb") as file:
            file.write(note.to_bytes())
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise CannotCheckError(f"{path} cannot be written: {error.strerror}.") from error
