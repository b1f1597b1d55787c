"""SHA-256 of a stream: correct, constant in memory, complete or an error, and nothing left running."""

from __future__ import annotations

import hashlib
import io
import threading
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.evidence import hashing
from custody.evidence.hashing import CHUNK_BYTES, CHUNKS_AHEAD, ShortStreamError, hash_stream


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def digest(data: bytes) -> tuple[str, int]:
    return hashlib.sha256(data).hexdigest(), len(data)


@pytest.mark.parametrize(
    "size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 9 * CHUNK_BYTES + 7]
)
def test_the_hash_is_that_of_the_bytes(size: int) -> None:
    data = bytes(index % 251 for index in range(997)) * (size // 997 + 1)
    data = data[:size]
    assert hash_stream(io.BytesIO(data), size) == digest(data)
    assert hash_stream(io.BytesIO(data)) == digest(data)


class Pieces:
    """A reader that returns data in pieces, like a socket."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = iter(pieces)

    def read(self, amt: int, /) -> bytes:
        piece = next(self._pieces, b"")
        assert len(piece) <= amt
        return piece


@given(st.lists(st.binary(min_size=1, max_size=50)))
def test_the_pieces_a_reader_gives_do_not_matter(pieces: list[bytes]) -> None:
    assert hash_stream(Pieces(*pieces)) == digest(b"".join(pieces))


@pytest.mark.parametrize("expected", [0, 4, 6, CHUNK_BYTES])
def test_another_size_than_promised_is_an_error(expected: int) -> None:
    with pytest.raises(ShortStreamError, match=f"gave 5 bytes of {expected}"):
        hash_stream(io.BytesIO(b"hello"), expected)


class Breaking:
    """A reader that breaks after some chunks."""

    def __init__(self, chunks: int) -> None:
        self._left = chunks

    def read(self, amt: int, /) -> bytes:
        if not self._left:
            raise ConnectionResetError("gone")
        self._left -= 1
        return bytes(amt)


@pytest.mark.parametrize("chunks", [0, 1, 2, 20])
def test_what_the_reader_raises_is_raised(chunks: int) -> None:
    with pytest.raises(ConnectionResetError, match="gone"):
        hash_stream(Breaking(chunks))


def test_what_hashing_raises_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def update(self, _data: bytes) -> None:
            raise MemoryError("full")

    monkeypatch.setattr(hashing.hashlib, "sha256", Full)
    with pytest.raises(MemoryError, match="full"):
        hash_stream(Pieces(*[b"x"] * 20))


class Zeros:
    """A reader of many fresh chunks."""

    def __init__(self, chunks: int) -> None:
        self._left = chunks

    def read(self, amt: int, /) -> bytes:
        if not self._left:
            return b""
        self._left -= 1
        return bytes(amt)


def test_memory_does_not_grow_with_the_object() -> None:
    """The original function kept the whole body in memory."""
    tracemalloc.start()
    try:
        _, size = hash_stream(Zeros(256))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size == 256 * CHUNK_BYTES
    assert peak < (CHUNKS_AHEAD + 3) * CHUNK_BYTES


def test_reading_and_hashing_run_concurrently(monkeypatch: pytest.MonkeyPatch) -> None:
    read_on = threading.Event()

    class Waiting:
        def update(self, _data: bytes) -> None:
            assert read_on.wait(300), "nothing more was read while the first chunk was being hashed"

        def hexdigest(self) -> str:
            return ""

    class Telling(Zeros):
        reads = 0

        def read(self, amt: int, /) -> bytes:
            self.reads += 1
            if self.reads == 3:
                read_on.set()
            return super().read(amt)

    monkeypatch.setattr(hashing.hashlib, "sha256", Waiting)
    assert hash_stream(Telling(5)) == ("", 5 * CHUNK_BYTES)
