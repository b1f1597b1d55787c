"""Every version of the key registry, as it is stored."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from custody.errors import CannotCheckError
from custody.evidence.fetch import GoneError, UnreadableError, fetch_bytes
from custody.evidence.objects import ObjectVersion
from custody.evidence.registry import MAX_REGISTRY_BYTES, REGISTRY_KEY
from custody.listing import list_versions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class RegistryVersion(NamedTuple):
    """One version, as ``read_history`` takes it."""

    version_id: str
    stored_at: datetime
    data: bytes


def read_versions(s3: S3Client, provenance: str) -> tuple[list[RegistryVersion], bool]:
    """The versions, oldest first, and whether the registry was deleted (there is a delete marker).

    Raises ``CannotCheckError`` if there are none, or one cannot be read.
    """
    entries = [entry for entry in list_versions(s3, provenance, REGISTRY_KEY) if entry.key == REGISTRY_KEY]
    stored = [entry for entry in reversed(entries) if not entry.is_delete_marker]
    if not stored:
        raise CannotCheckError(
            f"There is no key registry at s3://{provenance}/{REGISTRY_KEY}.",
            "Terraform writes it: run make apply.",
        )
    versions = [
        RegistryVersion(entry.version_id, entry.last_modified, _read(s3, provenance, entry.version_id))
        for entry in stored
    ]
    return versions, len(stored) != len(entries)


def _read(s3: S3Client, provenance: str, version_id: str) -> bytes:
    version = ObjectVersion(provenance, REGISTRY_KEY, version_id)
    try:
        return fetch_bytes(s3, version, MAX_REGISTRY_BYTES)
    except (GoneError, UnreadableError) as error:
        raise CannotCheckError(f"The key registry {version.uri} cannot be read: {error}.") from error
