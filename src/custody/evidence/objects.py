"""The identity of an object, everywhere in this kit: bucket + key + versionId; and the key of its receipt."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote

from custody.errors import UsageError

RECEIPT_PREFIX = "provenance/"
LONG_RECEIPT_PREFIX = f"{RECEIPT_PREFIX}_long/"
"""Prefix for receipts whose plain keys would be too long; a bucket name cannot contain an underscore."""
_SAFE = "".join(chr(c) for c in range(0x20, 0x7F) if chr(c) not in "%?#")
MAX_KEY_BYTES = 1024
"""Amazon S3 refuses longer object keys (UTF-8 bytes): Amazon S3 User Guide, "Naming Amazon S3 objects"."""


@dataclass(frozen=True, slots=True, order=True)
class ObjectVersion:
    """One version of one object. ``key`` is the plain key, never URL-encoded."""

    bucket: str
    key: str
    version_id: str

    @property
    def uri(self) -> str:
        """The URI of this version: ``s3://bucket/key?versionId=…``, with the key percent-encoded.

        Only ``%``, ``?``, ``#`` and non-printable or non-ASCII characters are encoded, so that usual keys
        stay readable; ``parse_s3_uri`` returns the same version.
        """
        return f"s3://{self.bucket}/{quote_key(self.key)}?versionId={quote(self.version_id, safe='')}"

    @property
    def receipt_key(self) -> str:
        """The key of this version's receipt in the provenance bucket.

        ``provenance/<bucket>/<key>/<versionId>.json``, or if that is over 1,024 bytes
        ``provenance/_long/<sha256>.json``, the hash of the three names joined by newlines (bucket names and
        version ids contain none, so no two versions have the same key).
        """
        plain = f"{RECEIPT_PREFIX}{self.bucket}/{self.key}/{self.version_id}.json"
        if len(plain.encode()) <= MAX_KEY_BYTES:
            return plain
        identity = f"{self.bucket}\n{self.key}\n{self.version_id}".encode()
        return f"{LONG_RECEIPT_PREFIX}{hashlib.sha256(identity).hexdigest()}.json"


def parse_receipt_key(receipt_key: str) -> ObjectVersion | None:
    """The object version of a receipt's key.

    ``None`` for a key under ``provenance/_long/``, for which the receipt must be read, and for a key that is
    not a receipt's.
    """
    bucket, _, rest = receipt_key.removeprefix(RECEIPT_PREFIX).partition("/")
    key, _, name = rest.rpartition("/")
    version = ObjectVersion(bucket, key, name.removesuffix(".json"))
    return version if all((bucket, key, version.version_id)) and version.receipt_key == receipt_key else None


@dataclass(frozen=True, slots=True)
class S3Location:
    """The parts of an ``s3://`` URI: a bucket, a key or key prefix (may be empty), optionally a version."""

    bucket: str
    key: str
    version_id: str | None = None


def quote_key(key: str) -> str:
    """Percent-encode only the characters of ``key`` that are unsafe in an ``s3://`` URI or on a terminal."""
    return quote(key, safe=_SAFE)


def parse_s3_uri(text: str) -> S3Location:
    """Read ``s3://bucket[/key][?versionId=…]``, percent-encoded as ``ObjectVersion.uri`` writes it.

    Raises ``UsageError`` naming what is wrong.
    """
    if not text.startswith("s3://"):
        raise UsageError(
            f"{text[:200]!r} is not an S3 URI.", "Write s3://bucket/key or s3://bucket/key?versionId=ID."
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:  # a command-line argument that is not UTF-8
        raise UsageError(f"{text[:200]!r} is not UTF-8.") from error
    path, _, query = text[len("s3://") :].partition("?")
    bucket, _, key = path.partition("/")
    if not bucket:
        raise UsageError(f"{text[:200]!r} names no bucket.", "Write s3://bucket/key.")
    version_id = None
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name != "versionId" or not value:
            raise UsageError(
                f"{text[:200]!r} has a query other than ?versionId=ID.", "Write a '?' in a key as %3F."
            )
        version_id = value
    try:
        return S3Location(bucket, unquote(key, errors="strict"), version_id)
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{text[:200]!r} is not UTF-8 once decoded.", "Write a '%' in a key as %25."
        ) from error
