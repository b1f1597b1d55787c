"""Objects that are written once: created if they do not exist, and never replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONFLICT_ATTEMPTS = 3
"""Attempts to put an object while another conditional write of the same key is in progress."""


def create_object(s3: S3Client, bucket: str, key: str, body: bytes, content_type: str) -> str | None:
    """Create an object atomically; return its version id, or ``None`` if the object already exists.

    Source: Amazon S3 User Guide, "How to prevent object overwrites with conditional writes": 412 when the key
    exists, 409 when another write of it is in progress, after which to retry. Raises botocore's
    ``ClientError`` if Amazon S3 refuses.
    """
    for attempts_left in reversed(range(CONFLICT_ATTEMPTS)):
        try:
            answer = s3.put_object(
                Bucket=bucket,
                Key=key,
                Body=body,
                ContentType=content_type,
                ChecksumAlgorithm="SHA256",
                IfNoneMatch="*",
            )
        except ClientError as error:
            code = error.response["Error"].get("Code", "")
            if code == "PreconditionFailed":
                return None
            if code != "ConditionalRequestConflict" or not attempts_left:
                raise
        else:
            return answer["VersionId"]
    raise AssertionError
