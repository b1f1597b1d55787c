"""Whether a document in a bucket of the kit is accepted: its receipt is valid, and the right role wrote it.

The recorder signs every object. So the receipt of a lineage document, of a summary or of a decision shows
that nobody has changed it since, and names the writer in ``principal_id``; so does the trail. A document of
another principal is refused: it has no effect, and is counted until somebody removes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from custody.errors import CannotCheckError, EvidenceError
from custody.evidence.objects import ObjectVersion
from custody.gate.receipts import Pending, ReceiptGate, Withheld
from custody.listing import VersionEntry

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ASSUMED_ROLE = "AWS:"
"""Start of the principal in a notification of Amazon S3: ``AWS:<id of the role>:<name of the session>``."""


class NotRecordedError(CannotCheckError):
    """A document has no receipt yet."""


class NotItsWriterError(EvidenceError):
    """A document's receipt is valid, but names a principal that may not write such documents."""


@dataclass(frozen=True, slots=True)
class Document:
    """An accepted document."""

    version: ObjectVersion
    body: bytes
    principal: str | None
    """The writer according to the receipt; ``None`` if the receipt was requested later."""


class Writers:
    """Reads documents that one of certain roles must have written, given by unique role ids."""

    def __init__(self, s3: S3Client, receipts: ReceiptGate) -> None:
        self._s3 = s3
        self._receipts = receipts

    def read(
        self, bucket: str, key: str, is_writer: Callable[[str | None], bool], max_bytes: int
    ) -> Document:
        """Read the newest version of a document.

        Raises ``NotRecordedError`` if its receipt may still arrive, ``EvidenceError`` if its receipt is not
        valid, is for other bytes or names another writer, and what ``ReceiptGate`` and Amazon S3 raise.
        """
        found = self._s3.get_object(Bucket=bucket, Key=key)
        version = ObjectVersion(bucket, key, found["VersionId"])
        if found["ContentLength"] > max_bytes:
            raise EvidenceError(f"{version.uri} has {found['ContentLength']} bytes, over {max_bytes}.")
        body = found["Body"].read()
        listed = VersionEntry(key, version.version_id, found["LastModified"], False, len(body), found["ETag"])
        match self._receipts.receipt(bucket, listed):
            case Pending():
                raise NotRecordedError(
                    f"{version.uri} has no receipt yet.", "Call the gate again in a minute."
                )
            case Withheld(_, reason, detail):
                raise EvidenceError(f"{version.uri} is not valid: {reason}. {detail}".rstrip())
            case receipt:
                sha256 = hashlib.sha256(body).hexdigest()
                if receipt.sha256 != sha256:
                    raise EvidenceError(
                        f"{version.uri} hashes to {sha256}, its receipt says {receipt.sha256}."
                    )
                principal = receipt.event.principal_id
                if not is_writer(principal):
                    raise NotItsWriterError(
                        f"{version.uri} was written by {str(principal)[:200]!r}, who is not allowed to."
                    )
                return Document(version, body, principal)


def is_session_of(principal: str | None, role_ids: Collection[str]) -> bool:
    """Whether a principal is a session of one of these roles."""
    role, _, session = (principal or "").removeprefix(_ASSUMED_ROLE).partition(":")
    return bool(session) and role in role_ids


def is_gone(error: ClientError) -> bool:
    """Whether the object does not exist (any more)."""
    return error.response["Error"].get("Code") in {"NoSuchKey", "404"}
