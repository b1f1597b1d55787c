"""A stream to its end: its bytes, or its SHA-256 in constant memory, reading and hashing concurrently."""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

from custody.errors import CannotCheckError

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

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


def read_body(found: GetObjectOutputTypeDef, max_bytes: int) -> bytes:
    """The bytes of one response; if it is too long, one byte more than the limit, to detect that.

    Raises ``ShortStreamError`` if its stream ends early.

    botocore checks the number of bytes only where it is read to its end: ``read(amount)`` gives what came
    before a connection was closed, without a word.
    """
    data = found["Body"].read(max_bytes + 1)
    if len(data) < min(found["ContentLength"], max_bytes + 1):
        raise ShortStreamError(f"The stream gave {len(data)} bytes of {found['ContentLength']}.")
    return data


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
