"""The log's objects in the provenance bucket, as its one writer, the sealer, reads and writes them.

Every object but two is created once: found there already and identical, it is done. The two that are replaced
(the checkpoint and the sweep's position) are replaced only by who has read them, by their ETag.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError

from custody.errors import CannotCheckError, EvidenceError
from custody.evidence.creation import create_object
from custody.evidence.fetch import READ_ATTEMPTS
from custody.evidence.hashing import ShortStreamError, read_body
from custody.log.tree import AbsentError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, PutObjectRequestTypeDef

LOG_PREFIX = "log/"
BINARY = "application/octet-stream"
MAX_OBJECT_BYTES = 64 * 1024 * 1024
"""Above any object of the log; a batch is the largest."""

_LOST_RACE = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})


class TooLongError(EvidenceError):
    """An object is longer than any that belongs there."""


class DeletedError(AbsentError):
    """What was at a key is hidden by a delete marker."""


class ChangedError(EvidenceError):
    """An object that is created once is there already, with other bytes."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as it was read."""

    data: bytes
    etag: str
    version_id: str
    last_modified: datetime


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as a listing has it."""

    key: str
    last_modified: datetime


class LogStore:
    """The objects of one bucket. May be used from several threads.

    Every method raises botocore's ``ClientError`` if Amazon S3 refuses.
    """

    def __init__(self, s3: S3Client, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def fetch(self, path: str) -> bytes:
        """The bytes at a path of the log (``custody.log.tree.Fetch``). Raises ``AbsentError``."""
        return self.read(LOG_PREFIX + path).data

    def read(self, key: str, most: int = MAX_OBJECT_BYTES) -> Stored:
        """An object's newest version; it is read again if its stream ends early.

        Raises ``AbsentError``, which is a ``DeletedError`` if there was one, ``TooLongError`` over ``most``
        bytes, or ``CannotCheckError`` if it is never read whole.
        """
        attempt = 1
        while True:
            found = self._get(key)
            try:
                with closing(found["Body"]):
                    data = read_body(found, most)
            except (HTTPClientError, IncompleteReadError, ShortStreamError) as error:
                if attempt == READ_ATTEMPTS:
                    raise CannotCheckError(
                        f"{key} in {self._bucket} could not be read: {error}", "It is tried again."
                    ) from error
                attempt += 1
            else:
                break
        if len(data) > most:
            raise TooLongError(f"{key} in {self._bucket} has {found['ContentLength']} bytes, over {most}.")
        return Stored(data, found["ETag"], found["VersionId"], found["LastModified"])

    def _get(self, key: str) -> GetObjectOutputTypeDef:
        try:
            return self._s3.get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response["Error"].get("Code") != "NoSuchKey":
                raise
            headers = error.response["ResponseMetadata"].get("HTTPHeaders", {})
            if headers.get("x-amz-delete-marker") == "true":
                raise DeletedError(f"{key} in {self._bucket} has a delete marker.") from error
            raise AbsentError(f"There is nothing at {key} in {self._bucket}.") from error

    def create(self, key: str, data: bytes, content_type: str = BINARY) -> None:
        """Create an object, unless it is there with these bytes. Raises ``ChangedError``."""
        if create_object(self._s3, self._bucket, key, data, content_type) is not None:
            return
        if self.read(key).data != data:
            raise ChangedError(
                f"{key} in {self._bucket} has other bytes than the log's entries give.",
                "Nothing was published. Look in CloudTrail for who wrote it, and run custody fsck.",
            )

    def create_first(self, key: str, data: bytes, content_type: str = BINARY) -> bool:
        """Create an object; whether it was not there yet."""
        return create_object(self._s3, self._bucket, key, data, content_type) is not None

    def replace(self, key: str, data: bytes, content_type: str, etag: str | None) -> bool:
        """Replace the object that has this ETag, or create it where ``etag`` is ``None``.

        Whether that was done: not if somebody else was quicker.
        Source: Amazon S3 User Guide, "How to prevent object overwrites with conditional writes".
        """
        request: PutObjectRequestTypeDef = {
            "Bucket": self._bucket,
            "Key": key,
            "Body": data,
            "ContentType": content_type,
            "ChecksumAlgorithm": "SHA256",
        }
        if etag is None:
            request["IfNoneMatch"] = "*"
        else:
            request["IfMatch"] = etag
        try:
            self._s3.put_object(**request)
        except ClientError as error:
            if error.response["Error"].get("Code") in _LOST_RACE:
                return False
            raise
        return True

    def list(self, prefix: str, after: str = "") -> Iterator[list[Listed]]:
        """The objects below a prefix and after a key, a page at a time, in the keys' order."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=prefix, StartAfter=after
        )
        for page in pages:
            yield [Listed(item["Key"], item["LastModified"]) for item in page.get("Contents", ())]
