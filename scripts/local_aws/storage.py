"""Storage behind the S3 API: for writes of AWS services, and for tampering.

These changes bypass bucket policies and are not logged by a trail.
"""

from __future__ import annotations

from collections.abc import Mapping

from moto.s3.models import FakeBucket, FakeKey, S3Backend, s3_backends

from scripts.local_aws.account import ACCOUNT_ID, PARTITION
from scripts.local_aws.s3 import checksums

_removed: dict[tuple[str, str, str | None], tuple[int, FakeKey]] = {}
"""Versions that were deleted behind the API, and their places among those of their keys."""


def put(
    bucket_name: str,
    key_name: str,
    content: bytes,
    *,
    metadata: Mapping[str, str],
    kms_key_id: str | None,
) -> None:
    """Store an object as a service of AWS does: encrypted with the key, under the bucket's default retention.

    ``metadata`` holds header names, lower-case. Raises moto's ``MissingBucket``.
    """
    bucket = bucket_named(bucket_name)
    key = _backend().put_object(
        bucket_name,
        key_name,
        content,
        encryption="aws:kms" if kms_key_id else None,
        kms_key_id=kms_key_id,
        lock_mode=bucket.default_lock_mode if bucket.has_default_lock else None,
        lock_until=bucket.default_retention() if bucket.has_default_lock else None,
    )
    key.set_metadata(dict(metadata))


def flip_byte(bucket_name: str, key_name: str, version_id: str | None, offset: int) -> None:
    """Change one stored byte of a version, and nothing that would show it: ETag, time and retention stay.

    A stored checksum is recomputed, as somebody with access to the disks of S3 could do.
    Raises ``LookupError`` if there is no such version, ``ValueError`` if it has no byte there.
    """
    key = _version(bucket_name, key_name, version_id)
    if not 0 <= offset < key.size:
        raise ValueError(f"the object has {key.size} bytes, so none at offset {offset}")
    key.etag  # noqa: B018 - computed when first asked for: it must be that of the bytes as written
    with key.lock:
        buffer = key._value_buffer
        buffer.seek(offset)
        byte = buffer.read(1)
        buffer.seek(offset)
        buffer.write(bytes([byte[0] ^ 0xFF]))
        buffer.flush()
    if key.checksum_value and key.checksum_algorithm and key.checksum_type != "COMPOSITE":
        key.checksum_value = checksums.encoded(key.checksum_algorithm, [key.value])


def delete_version(bucket_name: str, key_name: str, version_id: str | None) -> None:
    """Remove a version whatever protects it. Raises ``LookupError`` if there is none."""
    key = _version(bucket_name, key_name, version_id)
    bucket = bucket_named(bucket_name)
    versions = bucket.keys.getlist(key_name, [])
    _removed[bucket_name, key_name, key.version_id] = versions.index(key), key
    rest = [version for version in versions if version is not key]
    # As in any dict: moto's own ways close what is taken out, which may be put back.
    if rest:
        dict.__setitem__(bucket.keys, key_name, rest)
    else:
        dict.pop(bucket.keys, key_name)


def restore_version(bucket_name: str, key_name: str, version_id: str | None) -> None:
    """Put a version back that ``delete_version`` removed. Raises ``LookupError`` if it removed none such."""
    number, key = _removed.pop((bucket_name, key_name, version_id))
    bucket = bucket_named(bucket_name)
    versions = bucket.keys.getlist(key_name, [])
    bucket.keys.setlist(key_name, [*versions[:number], key, *versions[number:]])


def bucket_named(name: str) -> FakeBucket:
    """A bucket of the account. Raises moto's ``MissingBucket``."""
    bucket: FakeBucket = _backend().get_bucket(name)
    return bucket


def _backend() -> S3Backend:
    backend: S3Backend = s3_backends[ACCOUNT_ID][PARTITION]
    return backend


def _version(bucket_name: str, key_name: str, version_id: str | None) -> FakeKey:
    """One version, or the latest."""
    if bucket_name not in _backend().buckets:
        raise LookupError(f"there is no bucket {bucket_name!r}")
    key = _backend().get_object(bucket_name, key_name, version_id=version_id)
    if key is None:
        raise LookupError(f"there is no version {version_id!r} of {key_name!r} in {bucket_name!r}")
    return key
