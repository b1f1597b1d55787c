"""What an upload remembers of itself, so that the same command goes on where it was interrupted.

One small file a file uploaded, readable by its owner alone, replaced as a whole. It is a hint and no
evidence: what Amazon S3 really has is asked of Amazon S3, and one that cannot be read is as good as none.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from custody.documents import Fields, parse_object
from custody.errors import EvidenceError, UsageError
from custody.upload.plan import PlannedFile

KEEP_SECONDS = 7 * 24 * 3600
"""As long as the buckets keep the parts of an upload that was not completed (their lifecycle rule)."""

MAX_STATE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """What tells that a file is still the same one, unchanged, as far as its file system can tell."""

    size_bytes: int
    mtime_ns: int
    inode: int
    device: int

    @classmethod
    def of(cls, found: os.stat_result) -> FileIdentity:
        """The identity of the file that was looked at."""
        return cls(found.st_size, found.st_mtime_ns, found.st_ino, found.st_dev)


@dataclass(frozen=True, slots=True)
class UploadState:
    """How far the upload of one file has come."""

    identity: FileIdentity
    """The file's, when its upload began."""
    upload_id: str | None = None
    """The multipart upload that its parts are sent to."""
    part_bytes: int | None = None
    """What each part of it holds but the last."""
    version_id: str | None = None
    """The object version that the file has become."""
    sha256: str | None = None
    """Of that version."""


class UploadStates:
    """The states of uploads, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, now: float) -> None:
        """Make the folder, and drop what is older than Amazon S3's own memory (``now`` as of ``time.time``).

        Raises ``UsageError`` if nothing can be kept there.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for path in self._folder.iterdir():
                if path.stat().st_mtime < now - KEEP_SECONDS:
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise self._unusable(error) from error

    def load(self, file: PlannedFile) -> UploadState | None:
        """What an earlier run left of this file's upload to this place; ``None`` if nothing of use."""
        try:
            fields = Fields(
                parse_object(self._path(file).read_bytes(), "state", MAX_STATE_BYTES), "state of the upload"
            )
            identity = fields.object("identity")
            return UploadState(
                identity=FileIdentity(
                    # a file system's own numbers take up to 64 bits
                    *(identity.natural(name, 2**64 - 1) for name in FileIdentity.__dataclass_fields__)
                ),
                upload_id=fields.optional_text("upload_id"),
                part_bytes=fields.natural("part_bytes") if fields.optional_text("upload_id") else None,
                version_id=fields.optional_text("version_id"),
                sha256=fields.optional_text("sha256"),
            )
        except (OSError, EvidenceError):
            return None

    def save(self, file: PlannedFile, state: UploadState) -> None:
        """Keep the state in the place of the one before. Raises ``UsageError`` if it cannot be kept."""
        try:
            with tempfile.NamedTemporaryFile("w", dir=self._folder, delete=False) as written:  # made 0600
                json.dump(asdict(state), written)
            Path(written.name).replace(self._path(file))
        except OSError as error:
            raise self._unusable(error) from error

    def forget(self, file: PlannedFile) -> None:
        """Drop the state of a file, if there is one. Raises ``UsageError`` if that cannot be done."""
        try:
            self._path(file).unlink(missing_ok=True)
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> UsageError:
        return UsageError(
            f"What an upload must remember cannot be kept in {self._folder}: {error.strerror}.",
            "Set XDG_STATE_HOME to a folder you may write.",
        )

    def _path(self, file: PlannedFile) -> Path:
        place = f"{file.bucket}\n{file.key}\n".encode() + os.fsencode(file.path.absolute())
        return self._folder / f"{hashlib.sha256(place).hexdigest()}.json"
