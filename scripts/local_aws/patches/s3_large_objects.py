"""An object of any size is stored and read in constant memory; a range costs what it is long.

moto reads the whole object for each GET, and holds a completed upload several times over in memory.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Any

from moto.s3.exceptions import EntityTooSmall, InvalidPart, MalformedXML
from moto.s3.models import FakeKey, FakeMultipart
from moto.s3.responses import S3Response
from moto.settings import S3_UPLOAD_PART_MIN_SIZE

from scripts.local_aws.calls import current
from scripts.local_aws.patches.s3_checksums import type_of
from scripts.local_aws.patches.s3_multipart_uploads import NamedPart
from scripts.local_aws.s3 import checksums
from scripts.local_aws.s3.errors import invalid_request

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


def _complete(self: FakeMultipart, body: list[NamedPart]) -> tuple[Assembled, str, tuple[str, str, int]]:
    parts: list[FakeKey] = []
    for named in body:
        part = self.parts.get(named.number)
        if part is None or part.etag.strip('"') != named.etag or not _has(part, named.checksums):
            raise InvalidPart()
        if parts and parts[-1].size < S3_UPLOAD_PART_MIN_SIZE:
            raise EntityTooSmall()
        parts.append(part)
    if not parts:
        raise MalformedXML
    digests = b"".join(bytes.fromhex(part.etag.strip('"')) for part in parts)
    etag_of_all = hashlib.md5(digests, usedforsecurity=False).hexdigest()
    checksum = _checksum(self, body, parts)
    size = sum(part.size for part in parts)
    _require_as_named(checksum, size)
    whole = SpooledTemporaryFile(parts[0]._max_buffer_size)  # noqa: SIM115 - the object's from here on
    for part in parts:
        whole.writelines(chunks(part))
    return Assembled(whole, size), f"{etag_of_all}-{len(parts)}", checksum


def _has(part: FakeKey, named: dict[str, str]) -> bool:
    return all(
        checksums.encoded(algorithm, chunks(part)) == value
        for algorithm, value in named.items()
        if algorithm in checksums.ALGORITHMS
    )


def _checksum(upload: FakeMultipart, named: list[NamedPart], parts: list[FakeKey]) -> tuple[str, str, int]:
    """The checksum that the upload asked for, or S3's own: type, value in base64, over how many parts."""
    algorithm = upload.metadata.get("x-amz-checksum-algorithm", "").upper()
    kind = type_of(algorithm, upload.metadata.get("x-amz-checksum-type")) if algorithm else "FULL_OBJECT"
    if kind == "FULL_OBJECT":
        whole = itertools.chain.from_iterable(chunks(part) for part in parts)
        return kind, checksums.encoded(algorithm or checksums.DEFAULT, whole), 1
    for part in named:
        if algorithm not in part.checksums:
            raise invalid_request(
                f"The upload was created using a {algorithm.lower()} checksum. The complete request must "
                f"include the checksum for each part. It was missing for part {part.number} in the request."
            )
    of_parts = b"".join(checksums.compute(algorithm, chunks(part)) for part in parts)
    return kind, checksums.encoded(algorithm, [of_parts]), len(parts)


def _require_as_named(checksum: tuple[str, str, int], size: int) -> None:
    """Raise ``S3Error`` if the completion names another checksum or size of the object."""
    call = current()
    headers = call.headers if call else {}
    kind, value, count = checksum
    for header, algorithm in checksums.HEADERS.items():
        if header in headers and headers[header] not in {
            value,
            f"{value}-{count}" if kind == "COMPOSITE" else value,
        }:
            raise checksums.mismatch(algorithm)
    named_size = headers.get("x-amz-mp-object-size")
    if named_size is not None and named_size != str(size):
        raise invalid_request(
            f"The provided 'x-amz-mp-object-size' header value {named_size} does not match what was "
            f"computed: {size}"
        )


def chunks(key: FakeKey) -> Iterator[bytes]:
    """The value of a key, in pieces."""
    value = _Reading(key).value
    yield from [value] if isinstance(value, bytes) else value
