"""Whether a document in one of our own buckets counts: its receipt holds, and its writer's role wrote it.

The recorder signs whatever lands. So the receipt of a lineage document, of a summary or of a decision shows
that nobody changed it since, and names in ``principal_id`` who wrote it; the trail says the same. A document
of another principal is refused: it starts nothing and ends nothing, and is counted until somebody removes it.
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
"""How Amazon S3 begins the principal of a notification: ``AWS:<id of the role>:<name of the session>``."""


class NotRecordedError(CannotCheckError):
    """A document has no receipt yet."""


class NotItsWriterError(EvidenceError):
    """A document's receipt holds, and names somebody who does not write such documents."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document that counts."""

    version: ObjectVersion
    body: bytes
    principal: str | None
    """Who wrote it, as the receipt says; ``None`` if the receipt was asked for later."""


class Writers:
    """Reads documents that one of some roles must have written; ids of roles as AWS IAM gives them."""

    def __init__(self, s3: S3Client, receipts: ReceiptGate) -> None:
        self._s3 = s3
        self._receipts = receipts

    def read(
        self, bucket: str, key: str, is_writer: Callable[[str | None], bool], max_bytes: int
    ) -> Document:
        """Read the newest version of a document.

        Raises ``NotRecordedError`` if its receipt may still come, ``EvidenceError`` if its receipt does not
        hold, is of other bytes or names another writer, and what ``ReceiptGate`` and Amazon S3 raise.
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
                raise EvidenceError(f"{version.uri} does not hold: {reason}. {detail}".rstrip())
            case receipt:
                sha256 = hashlib.sha256(body).hexdigest()
                if receipt.sha256 != sha256:
                    raise EvidenceError(
                        f"{version.uri} hashes to {sha256}, its receipt says {receipt.sha256}."
                    )
                principal = receipt.event.principal_id
                if not is_writer(principal):
                    raise NotItsWriterError(
                        f"{version.uri} was written by {str(principal)[:200]!r}, who may not."
                    )
                return Document(version, body, principal)


def is_session_of(principal: str | None, role_ids: Collection[str]) -> bool:
    """Whether a principal is a session of one of these roles."""
    role, _, session = (principal or "").removeprefix(_ASSUMED_ROLE).partition(":")
    return bool(session) and role in role_ids


def is_gone(error: ClientError) -> bool:
    """Whether there is no such object (any more)."""
    return error.response["Error"].get("Code") in {"NoSuchKey", "404"}
