"""SHA-256 of a stream, in constant memory, reading and hashing concurrently."""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from custody.errors import CannotCheckError

CHUNK_BYTES = 1024 * 1024
"""Large enough that the cost per chunk is negligible, small enough for a processor's cache."""
CHUNKS_AHEAD = 4
"""How many chunks may wait to be hashed, which bounds memory."""


class Reader(Protocol):
    """A readable stream, such as botocore's ``StreamingBody``."""

    def read(self, amt: int, /) -> bytes:
        """The next bytes, at most ``amt``; ``b""`` only at the end."""
        ...


class ShortStreamError(CannotCheckError):
    """The stream had another number of bytes than announced."""


def hash_stream(reader: Reader, expected_bytes: int | None = None) -> tuple[str, int]:
    """Read ``reader`` to its end: its SHA-256 in lower-case hexadecimal, and its size in bytes.

    ``hashlib`` releases the GIL while it hashes, so a second thread hashes while the first one reads; a
    stream of a single chunk is hashed without it. Exceptions of ``reader`` are raised here, after the thread
    has ended. ``ShortStreamError`` if the size is not ``expected_bytes``.
    """
    digest = hashlib.sha256()
    chunk = reader.read(CHUNK_BYTES)
    size = len(chunk)
    if following := reader.read(CHUNK_BYTES) if chunk else b"":
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="hash") as hasher:
            waiting = deque([hasher.submit(digest.update, chunk)])
            while following:
                size += len(following)
                if len(waiting) == CHUNKS_AHEAD:
                    waiting.popleft().result()
                waiting.append(hasher.submit(digest.update, following))
                following = reader.read(CHUNK_BYTES)
            for hashed in waiting:
                hashed.result()
    else:
        digest.update(chunk)
    if expected_bytes is not None and size != expected_bytes:
        raise ShortStreamError(f"The stream gave {size} bytes of {expected_bytes}.")
    return digest.hexdigest(), size
