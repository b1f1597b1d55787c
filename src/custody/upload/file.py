"""A file during its upload: hashed in order, sent in parts, and checked not to change meanwhile."""

from __future__ import annotations

import errno
import os
import stat
from threading import Event
from typing import TYPE_CHECKING, Protocol

from custody.evidence.hashing import CHUNK_BYTES
from custody.upload.plan import PlannedFile
from custody.upload.state import FileIdentity

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

PART_BYTES = 8 * 1024 * 1024
"""The minimum part size, and the largest file sent in one request; parts are larger for large files."""
MAX_PARTS = 10_000
"""Amazon S3 User Guide, "Amazon S3 multipart upload limits"."""
_MIB = 1024 * 1024


class Digest(Protocol):
    """A hash object, such as those of ``hashlib``."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes."""
        ...


class FileChangedError(Exception):
    """The file has changed since its upload began."""


class NotSentError(BaseException):
    """A part's bytes are no longer available: the upload was interrupted, or the file is shorter now.

    Not an ``Exception``, since botocore treats exceptions from a body as a broken connection, and retries.
    """


def part_bytes_of(size_bytes: int) -> int:
    """The part size for a file: 8 MiB, or as many MiB as needed for at most 10,000 parts."""
    return max(PART_BYTES, -(-size_bytes // (MAX_PARTS * _MIB)) * _MIB)


def parts_of(size_bytes: int) -> int:
    """The number of parts of a file; with only one, it is sent in a single request."""
    return max(1, -(-size_bytes // part_bytes_of(size_bytes)))


class OpenFile:
    """The planned regular file, open; its identity is taken when it is opened."""

    def __init__(self, file: PlannedFile) -> None:
        """Raise ``OSError`` if it cannot be opened, ``FileChangedError`` if its path has changed."""
        self._path = file.path
        # if it has been replaced by a pipe, opening it must not wait for a writer
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._descriptor = os.open(file.path, flags)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise FileChangedError from error
            raise
        found = os.fstat(self._descriptor)
        self.identity = FileIdentity.of(found)
        # If a folder of the path was replaced by a link, this is another file.
        if (found.st_dev, found.st_ino) != (file.device, file.inode) or not stat.S_ISREG(found.st_mode):
            os.close(self._descriptor)
            raise FileChangedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def read(self, begin: int, size_bytes: int) -> bytes:
        """At most so many bytes from an offset; ``b""`` only at the end."""
        return os.pread(self._descriptor, size_bytes, begin)

    def hash_part(self, begin: int, size_bytes: int, *digests: Digest) -> None:
        """Add the bytes of a part to the digests. Raises ``FileChangedError`` if the file ends early."""
        end = begin + size_bytes
        while begin < end:
            chunk = self.read(begin, min(CHUNK_BYTES, end - begin))
            if not chunk:
                raise FileChangedError
            for digest in digests:
                digest.update(chunk)
            begin += len(chunk)

    def require_unchanged(self) -> None:
        """Raise ``FileChangedError`` unless its path still leads to this file, unchanged in size and time.

        Nor may it have more than its size says, as a file of ``/proc`` has.
        """
        try:
            found = self._path.lstat()
        except OSError as error:
            raise FileChangedError from error
        if FileIdentity.of(found) != self.identity or self.read(self.identity.size_bytes, 1):
            raise FileChangedError


class FilePart:
    """The bytes of a part as a body that botocore can send and resend; none are kept in memory."""

    def __init__(self, file: OpenFile, begin: int, size_bytes: int, stop: Event) -> None:
        self._file = file
        self._begin = begin
        self._size_bytes = size_bytes
        self._stop = stop
        self._position = 0

    def __len__(self) -> int:
        return self._size_bytes

    def tell(self) -> int:
        """The position within the part."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position within the part."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size_bytes}[whence]
        self._position = origin + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes, at most this many. Raises ``NotSentError`` if they cannot be sent."""
        left = self._size_bytes - self._position
        wanted = left if size is None or size < 0 else min(size, left)
        if wanted <= 0:
            return b""
        if self._stop.is_set():
            raise NotSentError
        data = self._file.read(self._begin + self._position, wanted)
        if not data:
            raise NotSentError
        self._position += len(data)
        return data
