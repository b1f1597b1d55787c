"""Object Lock protects as S3 does: retention is not shortened, versioning stays on, multipart uploads count.

moto lets anyone shorten retention in compliance mode, gives multipart uploads no default retention, returns
the object when asked for its retention, and refuses to change the configuration of a bucket in use.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from moto.core.common_types import TYPE_RESPONSE
from moto.core.responses import ActionResult
from moto.s3.exceptions import (
    AccessDeniedByLock,
    InvalidArgumentError,
    InvalidBucketState,
    MissingKey,
    MissingVersion,
    S3ClientError,
)
from moto.s3.models import FakeKey, S3Backend
from moto.s3.responses import S3Response

from scripts.local_aws.calls import current


def apply() -> None:
    """Replace what decides about retention."""
    FakeKey.is_locked = _is_locked  # type: ignore[method-assign]
    S3Backend.put_object_retention = _put_retention  # type: ignore[method-assign]
    S3Backend.put_object_lock_configuration = _put_configuration  # type: ignore[method-assign]
    S3Response.get_object_retention = _get_retention  # type: ignore[attr-defined]
    _wrap_key_get()
    _wrap_versioning()
    _wrap_complete()


def _is_locked(self: FakeKey, governance_bypass: bool | str | None) -> bool:
    if self.lock_legal_status == "ON":
        return True
    if self.lock_mode == "GOVERNANCE" and str(governance_bypass).lower() == "true":
        return False
    return _retained_until(self) is not None


def _retained_until(key: FakeKey) -> datetime | None:
    """When the retention in force ends."""
    if key.lock_mode not in {"GOVERNANCE", "COMPLIANCE"} or not key.lock_until:
        return None
    until = _moment(key.lock_until)
    return until if until > datetime.now(UTC) else None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _put_retention(
    self: S3Backend,
    bucket_name: str,
    key_name: str,
    version_id: str | None,
    retention: tuple[str | None, str | None],
) -> None:
    key = self.get_object(bucket_name, key_name, version_id=version_id)
    if key is None:
        raise MissingVersion() if version_id else MissingKey(key=key_name)
    mode, until = retention
    if until and _moment(until) <= datetime.now(UTC):
        raise InvalidArgumentError("The retain until date must be in the future!", "RetainUntilDate", until)
    in_force = _retained_until(key)
    if in_force is not None and not _extends(key, in_force, mode, until):
        call = current()
        bypasses = call is not None and call.headers.get("x-amz-bypass-governance-retention") == "true"
        if key.lock_mode == "COMPLIANCE" or not bypasses:
            raise AccessDeniedByLock
    key.lock_mode, key.lock_until = mode, until


def _extends(key: FakeKey, in_force: datetime, mode: str | None, until: str | None) -> bool:
    return mode == key.lock_mode and until is not None and _moment(until) >= in_force


def _put_configuration(  # noqa: PLR0917 - as moto calls it
    self: S3Backend,
    bucket_name: str,
    lock_enabled: bool,
    mode: str | None = None,
    days: int | None = None,
    years: int | None = None,
) -> None:
    bucket = self.get_bucket(bucket_name)
    if not bucket.is_versioned:
        raise InvalidBucketState(
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration"
        )
    bucket.object_lock_enabled = bucket.object_lock_enabled or lock_enabled
    bucket.default_lock_mode = mode
    bucket.default_lock_days = days
    bucket.default_lock_years = years


def _get_retention(self: S3Response) -> TYPE_RESPONSE:
    key, _ = self._get_key()
    self.data["Action"] = "GetObjectRetention"
    if not key.lock_mode:
        raise S3ClientError(
            "NoSuchObjectLockConfiguration",
            "The specified object does not have a ObjectLock configuration",
        )
    retention = {"Mode": key.lock_mode, "RetainUntilDate": key.lock_until}
    return self.serialized(ActionResult({"Retention": retention}))


def _wrap_key_get() -> None:
    serve = S3Response._key_response_get

    def key_response_get(self: S3Response, query: dict[str, list[str]], key_name: str) -> TYPE_RESPONSE:
        return _get_retention(self) if "retention" in query else serve(self, query, key_name)

    S3Response._key_response_get = key_response_get  # type: ignore[method-assign]


def _wrap_versioning() -> None:
    put = S3Backend.put_bucket_versioning

    def put_bucket_versioning(self: S3Backend, bucket_name: str, status: str) -> None:
        if status != "Enabled" and self.get_bucket(bucket_name).object_lock_enabled:
            raise InvalidBucketState(
                "An Object Lock configuration is present on this bucket, "
                "so the versioning state cannot be changed."
            )
        put(self, bucket_name, status)

    S3Backend.put_bucket_versioning = put_bucket_versioning  # type: ignore[method-assign]


def _wrap_complete() -> None:
    complete = S3Backend.complete_multipart_upload

    def complete_multipart_upload(
        self: S3Backend, bucket_name: str, multipart_id: str, body: Iterator[tuple[int, str]]
    ) -> FakeKey | None:
        key = complete(self, bucket_name, multipart_id, body)
        bucket = self.get_bucket(bucket_name)
        if key is not None and bucket.has_default_lock:
            key.lock_mode, key.lock_until = bucket.default_lock_mode, bucket.default_retention()
        return key

    S3Backend.complete_multipart_upload = complete_multipart_upload  # type: ignore[method-assign]
