"""CloudTrail's digest files: each names the log files of a period and the digest before it, and is signed.

Source: AWS CloudTrail User Guide, "CloudTrail digest file structure" and "Custom implementations of
CloudTrail log file integrity validation". A digest whose name ends in ``_backfill`` names log files that came
too late for the digest of their period; those digests are a chain of their own.

It needs ``cryptography``, which the Lambda functions do not have.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from custody.errors import EvidenceError
from custody.times import parse_time
from custody.trail.chains import Chain, parse_chain
from custody.trail.log_files import decompress


class DigestedFile(msgspec.Struct, frozen=True):
    """A log file that a digest names."""

    bucket: str = msgspec.field(name="s3Bucket")
    key: str = msgspec.field(name="s3Object")
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")] = msgspec.field(name="hashValue")
    """Of its uncompressed content."""
    algorithm: Literal["SHA-256"] = msgspec.field(name="hashAlgorithm")


class _Document(msgspec.Struct, frozen=True):
    start: str = msgspec.field(name="digestStartTime")
    end: str = msgspec.field(name="digestEndTime")
    bucket: str = msgspec.field(name="digestS3Bucket")
    key: str = msgspec.field(name="digestS3Object")
    fingerprint: str = msgspec.field(name="digestPublicKeyFingerprint")
    algorithm: Literal["SHA256withRSA"] = msgspec.field(name="digestSignatureAlgorithm")
    previous_bucket: str | None = msgspec.field(name="previousDigestS3Bucket")
    previous_key: str | None = msgspec.field(name="previousDigestS3Object")
    previous_sha256: str | None = msgspec.field(name="previousDigestHashValue")
    previous_signature: str | None = msgspec.field(name="previousDigestSignature")
    files: list[DigestedFile] = msgspec.field(name="logFiles")


_DOCUMENT = msgspec.json.Decoder(_Document)


@dataclass(frozen=True, slots=True)
class Previous:
    """What a digest says of the one before it."""

    bucket: str
    key: str
    sha256: str
    signature: str


@dataclass(frozen=True, slots=True)
class Digest:
    """One digest file. What it says is CloudTrail's word only once its signature was checked."""

    bucket: str
    key: str
    """Where it says that it is."""
    start: datetime
    end: datetime
    files: list[DigestedFile]
    previous: Previous | None
    """``None``: it is the first since the trail began to log or to write digests."""
    fingerprint: str
    """Of the public key."""
    sha256: str
    """Of its uncompressed content."""
    signature: str
    """In hexadecimal digits."""
    signed_text: bytes
    signed_about: datetime
    """About when it was signed: its end, or, for late files, when it was made."""

    def is_signed_by(self, public_key: bytes) -> bool:
        """Whether its signature verifies with a public key (PKCS #1, DER): RSA PKCS #1 v1.5 with SHA-256."""
        try:
            key = load_der_public_key(public_key)
            if not isinstance(key, RSAPublicKey):
                return False
            key.verify(bytes.fromhex(self.signature), self.signed_text, PKCS1v15(), SHA256())
        except (InvalidSignature, UnsupportedAlgorithm, ValueError):
            return False
        return True


def parse_digest(data: bytes, metadata: Mapping[str, str]) -> Digest:
    """Read one digest file, as stored, with the object's metadata. Raises ``EvidenceError``."""
    return parse_digest_content(decompress(data), metadata)


def parse_digest_content(content: bytes, metadata: Mapping[str, str]) -> Digest:
    """As ``parse_digest``, of the uncompressed content."""
    try:
        content.decode()  # msgspec does not validate the bytes that it skips
        document = _DOCUMENT.decode(content)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise EvidenceError(f"It is not a digest file: {error}.") from error
    signature = metadata.get("signature", "")
    if not re.fullmatch(r"(?:[0-9a-f]{2})+", signature):
        raise EvidenceError("Its metadata have no signature.")
    sha256, end = hashlib.sha256(content).hexdigest(), parse_time(document.end)
    late = (parse_chain(document.key) or Chain("", "", "", "", late=False)).late
    before = document.previous_signature
    place = f"{document.bucket}/{document.key}"
    return Digest(
        bucket=document.bucket,
        key=document.key,
        start=parse_time(document.start),
        end=end,
        files=document.files,
        previous=_previous(document),
        fingerprint=document.fingerprint,
        sha256=sha256,
        signature=signature,
        signed_text="\n".join([document.end, place, sha256, "null" if before is None else before]).encode(),
        signed_about=parse_time(metadata.get("backfill-generation-timestamp", "")) if late else end,
    )


def _previous(document: _Document) -> Previous | None:
    named = (
        document.previous_bucket,
        document.previous_key,
        document.previous_sha256,
        document.previous_signature,
    )
    if named == (None, None, None, None):
        return None
    if None in named:
        raise EvidenceError("It names the digest before it only in part.")
    return Previous(*map(str, named))
