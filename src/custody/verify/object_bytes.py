"""The claim ``object.hash``: an object version's bytes, and what Amazon S3 says about it, are as recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from custody.evidence.agreement import StatedObject, compare_with_object
from custody.evidence.fetch import Reader, fetch
from custody.evidence.hashing import hash_stream
from custody.evidence.objects import ObjectVersion
from custody.findings import Claim, Finding, Severity, Status
from custody.listing import VersionEntry

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef


class RecordedObject(StatedObject, Protocol):
    """An object version and its hash, by its receipt or by the receipt's row in the ledger."""

    @property
    def version(self) -> ObjectVersion:
        """Which one it is."""

    @property
    def sha256(self) -> str:
        """The SHA-256 of its bytes."""


def hash_version(s3: Reader, version: ObjectVersion) -> tuple[str, VersionEntry]:
    """Read a version in constant memory: its SHA-256, and what S3 says about it. Raises like ``fetch``."""

    def read(found: GetObjectOutputTypeDef) -> tuple[str, VersionEntry]:
        sha256, size_bytes = hash_stream(found["Body"], found["ContentLength"])
        return sha256, VersionEntry(
            version.key, version.version_id, found["LastModified"], False, size_bytes, found["ETag"]
        )

    return fetch(s3, version, read)


def compare_bytes(
    recorded: RecordedObject, sha256: str, listed: VersionEntry, word: str = ""
) -> tuple[Finding, ...]:
    """What does not hold. ``word``: whose the hash is, if the bytes were not read here."""
    uri = recorded.version.uri
    problems = [found.detail for found in compare_with_object(recorded, listed)]
    if (sha256, listed.size_bytes) != (recorded.sha256, recorded.size_bytes):
        whose = f" The SHA-256 is by the word of {word}, not read by us." if word else ""
        problems = [
            f"The object is {listed.size_bytes} bytes with SHA-256 {sha256}; "
            f"its receipt says {recorded.size_bytes} bytes with SHA-256 {recorded.sha256}.{whose}"
        ]
    return tuple(
        Finding(Claim.OBJECT_HASH, Status.FAILED, uri, problem, Severity.CRITICAL) for problem in problems
    )
