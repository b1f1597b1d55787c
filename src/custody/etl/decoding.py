"""A raw object's stored bytes as its format has them: decompressed, and text as UTF-8 without a mark.

gzip (RFC 1952) and Zstandard (RFC 8878) are known by their first bytes, whatever the object is named. Several
members or frames are one text. Memory is bounded: nothing is held but the current piece.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa

from custody.etl.records import not_encoded

_MAX_EXPANSION = 200
"""How many times its stored size an object may have decompressed. Data of this kind shrink to a fifth to a
fiftieth; an object made to be large would keep a job busy for days."""
_FREE_BYTES = 256 * 1024 * 1024
"""This much it may have in any case."""
_PIECE_BYTES = 2 * 1024 * 1024
_UTF_8 = "utf-8"
_MARK = "\ufeff".encode()
_GZIP, _ZSTD, _SKIPPABLE = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18"
_UNDECODABLE = "custody.undecodable"


def _undecodable(error: UnicodeError) -> tuple[str, int]:
    """Stand for bytes that are no text: a surrogate becomes a byte that no UTF-8 has."""
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 - this handler is given to decoders only
    return "\udcff", error.end


codecs.register_error(_UNDECODABLE, _undecodable)


class Broken(NamedTuple):
    """Why an object cannot be read to its end."""

    problem: str
    reason: str
    """In words, for the person who examines it."""


class Decoded:
    """The decoded bytes of one object, in pieces of any size.

    They end early if the object is broken; ``broken`` then says why.
    """

    def __init__(self, chunks: Iterable[bytes], encoding: str | None = None) -> None:
        """Decode ``chunks``; ``encoding`` is that of a text, ``None`` for a format that is not text."""
        self._chunks = iter(chunks)
        self._encoding = encoding
        self.stored_bytes = 0
        """How many of the object's bytes were taken."""
        self.bytes_ = 0
        """How many were yielded."""
        self.broken: Broken | None = None

    def __iter__(self) -> Iterator[bytes]:
        pieces = self._decompressed()
        if self._encoding is not None:
            pieces = _without_mark(self._as_utf_8(pieces))
        for piece in filter(None, pieces):
            self.bytes_ += len(piece)
            yield piece

    def has_expanded_to(self, size: int) -> bool:
        """Whether this is too much for what is stored; then it is broken."""
        if size > max(_FREE_BYTES, _MAX_EXPANSION * self.stored_bytes):
            self.broken = Broken("too_large", f"It is more than {_MAX_EXPANSION} times what is stored.")
        return self.broken is not None

    def drain(self) -> None:
        """Take what is left of the stored bytes, so that all of them are hashed and counted."""
        for _ in self._stored():
            pass

    def _stored(self) -> Iterator[bytes]:
        for chunk in filter(None, self._chunks):
            self.stored_bytes += len(chunk)
            yield chunk

    def _decompressed(self) -> Iterator[bytes]:
        stored = _Stored(self._stored())
        if (codec := _codec(stored.peek(4))) is None:
            yield from stored.rest()
            return
        stream = pa.CompressedInputStream(pa.PythonFile(stored, mode="r"), codec)
        size = 0
        while True:
            try:
                piece = stream.read(_PIECE_BYTES)
            except OSError as error:
                if stored.failed:
                    raise
                self.broken = Broken(f"broken_{codec}", f"{error}")
                return
            if not piece:
                return
            size += len(piece)
            if self.has_expanded_to(size):
                return
            yield piece

    def _as_utf_8(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        if self._encoding == _UTF_8:
            yield from pieces
            return
        decoder = codecs.getincrementaldecoder(str(self._encoding))(_UNDECODABLE)
        try:
            for piece in pieces:
                yield decoder.decode(piece).encode(errors="surrogateescape")
            yield decoder.decode(b"", final=True).encode(errors="surrogateescape")
        except UnicodeError as error:  # UTF-16 without a byte-order mark
            self.broken = Broken(not_encoded(str(self._encoding)), f"{error}")


def _codec(head: bytes) -> str | None:
    if head.startswith(_GZIP):
        return "gzip"
    is_skippable = head[1:] == _SKIPPABLE and head[0] >> 4 == 5
    return "zstd" if head == _ZSTD or is_skippable else None


def _without_mark(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces without a byte-order mark at the begin."""
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= len(_MARK):
            break
    yield head.removeprefix(_MARK)
    yield from pieces


class _Stored:
    """Chunks as a file for Arrow, which reads some KiB at a time."""

    closed = False

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._chunk, self._at = b"", 0
        self.failed = False
        """The chunks raised an exception."""

    def peek(self, size: int) -> bytes:
        """The first bytes, before anything is read."""
        while len(self._chunk) < size and (chunk := next(self._chunks, b"")):
            self._chunk += chunk
        return self._chunk[:size]

    def rest(self) -> Iterator[bytes]:
        """What is left, in chunks."""
        yield self._chunk
        yield from self._chunks

    def read(self, size: int) -> bytes:
        """The next bytes, at most ``size``; ``b""`` at the end."""
        if self._at == len(self._chunk):
            self.failed = True
            self._chunk, self._at = next(self._chunks, b""), 0
            self.failed = False
        piece = self._chunk[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def close(self) -> None:
        """Arrow closes its files; the chunks are their owner's."""
