"""The checksums that S3 computes of what it stores.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import anycrc

from scripts.local_aws.s3.errors import S3Error, invalid_request

DEFAULT = "CRC64NVME"
"""What S3 adds to an object that came without a checksum."""
_CRC_BYTES = {"CRC32": 4, "CRC32C": 4, "CRC64NVME": 8}
_HASHES = {"MD5": "md5", "SHA1": "sha1", "SHA256": "sha256", "SHA512": "sha512"}
_UNAVAILABLE = ("XXHASH64", "XXHASH3", "XXHASH128")
FULL_OBJECT_ONLY = {"CRC64NVME"}
COMPOSITE_ONLY = {"SHA1", "SHA256"}
ALGORITHMS = (*_CRC_BYTES, *_HASHES)
HEADERS = {f"x-amz-checksum-{name.lower()}": name for name in (*ALGORITHMS, *_UNAVAILABLE)}
_CRCS: dict[str, Callable[[bytes, int], int]] = {
    "CRC32": zlib.crc32,
    "CRC32C": anycrc.Model("CRC32-ISCSI").calc,
    "CRC64NVME": anycrc.Model("CRC64-NVME").calc,
}


@dataclass(frozen=True, slots=True)
class Checksum:
    """A checksum that was found right: its algorithm, and its value in base64."""

    algorithm: str
    value: str

    @property
    def header(self) -> str:
        """The name of its header."""
        return f"x-amz-checksum-{self.algorithm.lower()}"


def compute(algorithm: str, chunks: Iterable[bytes]) -> bytes:
    """Return the checksum of the chunks together."""
    if algorithm in _CRCS:
        crc = 0
        for chunk in chunks:
            crc = _CRCS[algorithm](chunk, crc)
        return crc.to_bytes(_CRC_BYTES[algorithm], "big")
    digest = hashlib.new(_HASHES[algorithm], usedforsecurity=False)
    for chunk in chunks:
        digest.update(chunk)
    return digest.digest()


def encoded(algorithm: str, chunks: Iterable[bytes]) -> str:
    """Return the checksum of the chunks together in base64, as headers carry it."""
    return base64.b64encode(compute(algorithm, chunks)).decode()


def claimed(headers: Mapping[str, str], trailers: Mapping[str, str]) -> Checksum | None:
    """Return the checksum a request names for its payload, not yet compared.

    Raises ``S3Error`` if it names several, an unreadable one, or one of an algorithm not known here.
    """
    found = {HEADERS[name]: value for name, value in headers.items() if name in HEADERS}
    announced = headers.get("x-amz-trailer", "").strip().lower()
    if announced:
        if announced not in HEADERS:
            raise invalid_request("The value specified in the x-amz-trailer header is not supported")
        if set(trailers) != {announced}:
            raise S3Error(
                400,
                "MalformedTrailerError",
                "The request contained trailing data that was not well-formed or did not conform to our "
                "published schema.",
            )
        found[HEADERS[announced]] = trailers[announced]
    if len(found) > 1:
        raise invalid_request(
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        )
    asked = headers.get("x-amz-sdk-checksum-algorithm", "").upper()
    if asked and not found and headers.get("content-md5") is None:
        raise invalid_request(
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer "
            "headers were found."
        )
    for algorithm, value in found.items():
        if asked and asked != algorithm:
            raise invalid_request("Value for x-amz-sdk-checksum-algorithm header is invalid.")
        return _readable(algorithm, value)
    return None


def check(claim: Checksum, body: bytes) -> None:
    """Raise ``S3Error`` if the payload has another checksum."""
    if encoded(claim.algorithm, [body]) != claim.value:
        raise mismatch(claim.algorithm)


def check_md5(header: str, body: bytes) -> None:
    """Raise ``S3Error`` if ``Content-MD5`` is not readable, or not the payload's."""
    if len(_decoded(header) or b"") != 16:
        raise S3Error(400, "InvalidDigest", "The Content-MD5 you specified was invalid.")
    if encoded("MD5", [body]) != header:
        raise S3Error(400, "BadDigest", "The Content-MD5 you specified did not match what we received.")


def mismatch(algorithm: str) -> S3Error:
    """Return the error of a checksum that is another."""
    return S3Error(400, "BadDigest", f"The {algorithm} you specified did not match the calculated checksum.")


def _readable(algorithm: str, value: str) -> Checksum:
    if algorithm in _UNAVAILABLE:
        raise S3Error(501, "NotImplemented", f"{algorithm} cannot be checked here.")
    if len(_decoded(value) or b"") != len(compute(algorithm, [])):
        raise invalid_request(f"Value for x-amz-checksum-{algorithm.lower()} header is invalid.")
    return Checksum(algorithm, value)


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def element(algorithm: str) -> str:
    """Return what the API's documents call a checksum of this algorithm."""
    return f"Checksum{algorithm}"
