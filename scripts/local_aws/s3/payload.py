"""The payload of a request to S3: complete, as signed, and with its checksums.

"Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks (Chunked
Upload)" and its page on trailing headers (Amazon S3 API Reference).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import IO

from scripts.local_aws.s3.errors import S3Error, invalid_argument
from scripts.local_aws.s3.signatures import EMPTY_SHA256, UNSIGNED_PAYLOAD, Signature, does_not_match

MAX_BODY_BYTES = 5 * 1024**3
"""The largest object that one PUT uploads, and the largest part."""
_SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
_STREAMING = {_SIGNED_CHUNKS, f"{_SIGNED_CHUNKS}-TRAILER", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,9})(?:;chunk-signature=([0-9a-f]{64}))?\r\n")
_TRAILER = re.compile(rb"([A-Za-z0-9-]+):([^\r\n]*)\r?\n(?:\r\n)?")


def read_payload(
    stream: IO[bytes], headers: Mapping[str, str], signature: Signature | None
) -> tuple[bytes, dict[str, str]]:
    """Return the payload and its trailing headers (lower-case).

    Raises ``S3Error`` for one that is cut short, too long, framed wrongly, or not what was signed.
    """
    encoded = _received(stream, headers)
    kind = signature.payload_hash if signature else headers.get("x-amz-content-sha256", UNSIGNED_PAYLOAD)
    if kind in _STREAMING:
        body, trailers = _decoded(encoded, kind, signature)
        if str(len(body)) != headers.get("x-amz-decoded-content-length"):
            raise _incomplete()
        return body, trailers
    if kind != UNSIGNED_PAYLOAD and not _SHA256.fullmatch(kind):
        raise invalid_argument(
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid "
            "sha256 value.",
            "x-amz-content-sha256",
            kind,
        )
    if kind != UNSIGNED_PAYLOAD and hashlib.sha256(encoded).hexdigest() != kind:
        raise S3Error(
            400,
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )
    return encoded, {}


def _received(stream: IO[bytes], headers: Mapping[str, str]) -> bytes:
    length = headers.get("content-length")
    if length is None:
        if "chunked" not in headers.get("transfer-encoding", ""):
            return b""
        if "x-amz-decoded-content-length" not in headers:
            raise S3Error(
                501,
                "NotImplemented",
                "A header you provided implies functionality that is not implemented",
                Header="Transfer-Encoding",
            )
        return stream.read()
    if int(length) > MAX_BODY_BYTES:
        raise S3Error(
            400,
            "EntityTooLarge",
            "Your proposed upload exceeds the maximum allowed size",
            ProposedSize=length,
            MaxSizeAllowed=str(MAX_BODY_BYTES),
        )
    body = stream.read(int(length))
    if len(body) != int(length):
        raise _incomplete()
    return body


def _decoded(encoded: bytes, kind: str, signature: Signature | None) -> tuple[bytes, dict[str, str]]:
    """Take the payload out of its chunks, each checked against its signature if chunks are signed."""
    is_signed = kind.startswith(_SIGNED_CHUNKS)
    if is_signed and signature is None:
        raise S3Error(403, "AccessDenied", "Access Denied")
    body, position = bytearray(), 0
    previous = signature.value if signature else ""
    while True:
        head = _CHUNK.match(encoded, position)
        if head is None or (head[2] is None) == is_signed:
            raise _incomplete()
        size, start = int(head[1], 16), head.end()
        chunk = encoded[start : start + size]
        if len(chunk) != size:
            raise _incomplete()
        if signature is not None and is_signed:
            digest = hashlib.sha256(chunk).hexdigest()
            previous = _same(signature.of_chunk("PAYLOAD", previous, EMPTY_SHA256, digest), head[2])
        if not size:
            trailers = encoded[start:]
            break
        body += chunk
        position = start + size + 2
        if encoded[position - 2 : position] != b"\r\n":
            raise _incomplete()
    return bytes(body), _trailers(trailers, kind, signature, previous)


def _trailers(encoded: bytes, kind: str, signature: Signature | None, previous: str) -> dict[str, str]:
    found = {match[1].decode().lower(): match[2].strip() for match in _TRAILER.finditer(encoded)}
    trailer_signature = found.pop("x-amz-trailer-signature", None)
    if signature is not None and kind == f"{_SIGNED_CHUNKS}-TRAILER":
        text = b"".join(b"%s:%s\n" % (name.encode(), value) for name, value in found.items())
        _same(
            signature.of_chunk("TRAILER", previous, hashlib.sha256(text).hexdigest()),
            trailer_signature or b"",
        )
    return {name: value.decode("latin-1") for name, value in found.items()}


def _same(computed: str, given: bytes) -> str:
    if not hmac.compare_digest(computed.encode(), given):
        raise does_not_match()
    return computed


def _incomplete() -> S3Error:
    return S3Error(
        400,
        "IncompleteBody",
        "You did not provide the number of bytes specified by the Content-Length HTTP header.",
    )
