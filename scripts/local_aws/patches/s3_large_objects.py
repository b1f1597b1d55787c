"""An object of any size is stored and read in constant memory; a range costs what it is long.

moto reads the whole object for each GET, and holds a completed upload several times over in memory.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Any

from moto.s3.exceptions import EntityTooSmall, InvalidPart, MalformedXML
from moto.s3.models import FakeKey, FakeMultipart
from moto.s3.responses import S3Response
from moto.s3.utils import compute_checksum
from moto.settings import S3_UPLOAD_PART_MIN_SIZE

CHUNK_BYTES = 1024 * 1024


class StoredBytes:
    """The bytes of a stored object from ``begin`` to ``end``, read when they are iterated over."""

    def __init__(self, file: io.FileIO, begin: int, end: int) -> None:
        self._file = file
        self._begin = begin
        self._end = end

    def __len__(self) -> int:
        return self._end - self._begin

    def __getitem__(self, part: slice) -> StoredBytes:
        begin, end, _ = part.indices(len(self))
        return StoredBytes(self._file, self._begin + begin, self._begin + end)

    def __iter__(self) -> Iterator[bytes]:
        position = self._begin
        while position < self._end:
            chunk = os.pread(self._file.fileno(), min(CHUNK_BYTES, self._end - position), position)
            if not chunk:
                return  # The version was deleted while it was read: the client sees too few bytes.
            position += len(chunk)
            yield chunk


@dataclass(frozen=True, slots=True)
class Assembled:
    """The bytes of a completed upload, on disk: moto gives up the parts before it stores the whole."""

    file: SpooledTemporaryFile[bytes]
    size: int


class _Reading:
    """A key whose value is read when it is sent."""

    def __init__(self, key: FakeKey) -> None:
        self._key = key

    def __getattr__(self, name: str) -> Any:
        return getattr(self._key, name)

    @property
    def value(self) -> bytes | StoredBytes:
        with self._key.lock:
            buffer: SpooledTemporaryFile[bytes] = self._key._value_buffer
            if buffer._rolled:  # type: ignore[attr-defined]
                buffer.flush()
                return StoredBytes(io.FileIO(os.dup(buffer.fileno())), 0, self._key.size)
        return self._key.value


def apply() -> None:
    """Replace how a value is read, stored and put together."""
    get_key = S3Response._get_key
    own: Any = FakeKey.value

    def reading(self: S3Response, validate_storage_class: bool = True) -> tuple[Any, bool]:
        key, not_modified = get_key(self, validate_storage_class)
        return _Reading(key), not_modified

    def store(self: FakeKey, value: bytes | Assembled) -> None:
        if isinstance(value, Assembled):
            self._value_buffer.close()
            self._value_buffer, self.contentsize = value.file, value.size
        else:
            if len(value) > self._max_buffer_size:
                self._value_buffer.rollover()
            own.fset(self, value)

    S3Response._get_key = reading  # type: ignore[method-assign]
    FakeKey.value = property(own.fget, store)  # type: ignore[method-assign,assignment]
    FakeMultipart.complete = _complete  # type: ignore[method-assign,assignment]


def _complete(
    self: FakeMultipart, body: Iterator[tuple[int, str]]
) -> tuple[Assembled, str, tuple[str, str, int] | None]:
    parts: list[FakeKey] = []
    for number, etag in body:
        part = self.parts.get(number)
        if part is None or part.etag.strip('"') != etag.strip('"'):
            raise InvalidPart()
        if parts and parts[-1].size < S3_UPLOAD_PART_MIN_SIZE:
            raise EntityTooSmall()
        parts.append(part)
    if not parts:
        raise MalformedXML
    digests = b"".join(bytes.fromhex(part.etag.strip('"')) for part in parts)
    etag_of_all = hashlib.md5(digests, usedforsecurity=False).hexdigest()
    whole = SpooledTemporaryFile(parts[0]._max_buffer_size)  # noqa: SIM115 - the object's from here on
    for part in parts:
        whole.writelines(_chunks(part))
    size = sum(part.size for part in parts)
    return Assembled(whole, size), f"{etag_of_all}-{len(parts)}", _checksum(self, parts)


def _checksum(upload: FakeMultipart, parts: list[FakeKey]) -> tuple[str, str, int] | None:
    """The checksum that the upload asked for: its type, its value in base64, over how many parts."""
    algorithm = upload.metadata.get("x-amz-checksum-algorithm")
    if not algorithm:
        return None
    if upload.metadata.get("x-amz-checksum-type") == "FULL_OBJECT":
        if algorithm != "CRC32":
            return None
        crc = 0
        for part in parts:
            for chunk in _chunks(part):
                crc = zlib.crc32(chunk, crc)
        return "FULL_OBJECT", base64.b64encode(crc.to_bytes(4, "big")).decode(), 1
    of_parts = b"".join(compute_checksum(part.value, algorithm, encode_base64=False) for part in parts)
    return "COMPOSITE", compute_checksum(of_parts, algorithm).decode(), len(parts)


def _chunks(key: FakeKey) -> Iterator[bytes]:
    value = _Reading(key).value
    yield from [value] if isinstance(value, bytes) else value
