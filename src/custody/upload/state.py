"""The saved state of an upload: the same command resumes after an interruption, and sends nothing twice.

One small file for each uploaded file, readable only by its owner, replaced atomically, and deleted a week
after its last use. It is a hint and not evidence: Amazon S3 is asked what it really has, and an unreadable
state is ignored.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from custody.documents import Fields, parse_object
from custody.errors import EvidenceError, UsageError
from custody.upload.plan import PlannedFile

KEEP_SECONDS = 7 * 24 * 3600
"""As long as the buckets keep the parts of an incomplete upload (their lifecycle rule)."""

MAX_STATE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """What identifies an unchanged file, as far as its file system can tell."""

    size_bytes: int
    mtime_ns: int
    inode: int
    device: int

    @classmethod
    def of(cls, found: os.stat_result) -> FileIdentity:
        """The identity from a stat result."""
        return cls(found.st_size, found.st_mtime_ns, found.st_ino, found.st_dev)


@dataclass(frozen=True, slots=True)
class UploadState:
    """The progress of one file's upload."""

    identity: FileIdentity
    """The file's identity when its upload began."""
    upload_id: str | None = None
    """The id of its multipart upload."""
    part_bytes: int | None = None
    """The size of its parts, except the last."""
    version_id: str | None = None
    """The version id of the uploaded object."""
    sha256: str | None = None
    """SHA-256 of that version."""
    finished: bool = False
    """Whether the run that uploaded it came to its end: a new version is then not one that it owes."""


class UploadStates:
    """The states of uploads, in their own folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, now: float) -> None:
        """Create the folder, and delete what is older than a week (``now`` as of ``time.time``).

        Raises ``UsageError`` if nothing can be stored there. What cannot be stored later, on a disk that is
        full by then, costs bytes that are sent again, and no upload.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self._folder).close()
            paths = list(self._folder.iterdir())
        except OSError as error:
            raise UsageError(
                f"The state of the upload cannot be stored in {self._folder}: {error.strerror}.",
                "Set XDG_STATE_HOME to a folder in which you may write.",
            ) from error
        for path in paths:
            with contextlib.suppress(OSError):  # another run has replaced it
                if path.stat().st_mtime < now - KEEP_SECONDS:
                    path.unlink()

    def load(self, file: PlannedFile) -> UploadState | None:
        """The state of an earlier upload of this file to this key; ``None`` if there is no usable one."""
        try:
            fields = Fields(
                parse_object(self._path(file).read_bytes(), "state", MAX_STATE_BYTES), "state of the upload"
            )
            identity = fields.object("identity")
            return UploadState(
                identity=FileIdentity(
                    # numbers of a file system have up to 64 bits
                    *(identity.natural(name, 2**64 - 1) for name in FileIdentity.__dataclass_fields__)
                ),
                upload_id=fields.optional_text("upload_id"),
                part_bytes=fields.natural("part_bytes") if fields.optional_text("upload_id") else None,
                version_id=fields.optional_text("version_id"),
                sha256=fields.optional_text("sha256"),
                finished=fields.natural("finished", 1) == 1,
            )
        except (OSError, EvidenceError):
            return None

    def save(self, file: PlannedFile, state: UploadState) -> None:
        """Replace the saved state."""
        self._write(self._path(file), asdict(state) | {"finished": int(state.finished)})

    def finish(self, file: PlannedFile) -> None:
        """Note that the run which uploaded the file has ended well."""
        state = self.load(file)
        if state is not None and state.version_id is not None:
            self.save(file, replace(state, finished=True))

    def forget(self, file: PlannedFile) -> None:
        """Delete the state of a file, if there is one."""
        with contextlib.suppress(OSError):
            self._path(file).unlink()

    def may_look(self, bucket: str) -> bool:
        """Whether to ask which objects a bucket holds: not if that was denied in the last week.

        CloudTrail logs each denied attempt, and a producer has none to make.
        """
        return not self._denial(bucket).exists()

    def note_denial(self, bucket: str) -> None:
        """Note that it was denied."""
        self._write(self._denial(bucket), {"bucket": bucket})

    def _write(self, path: Path, document: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            with tempfile.NamedTemporaryFile(
                "w", dir=self._folder, delete=False
            ) as written:  # created with mode 0600
                json.dump(document, written)
            Path(written.name).replace(path)

    def _path(self, file: PlannedFile) -> Path:
        return self._named(f"{file.bucket}\n{file.key}\n".encode() + os.fsencode(file.path.absolute()))

    def _denial(self, bucket: str) -> Path:
        return self._named(bucket.encode())

    def _named(self, place: bytes) -> Path:
        return self._folder / f"{hashlib.sha256(place).hexdigest()}.json"
