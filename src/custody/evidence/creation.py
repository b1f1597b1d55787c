"""Objects that are written once: created where there is none, and never replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONFLICT_ATTEMPTS = 3
"""How often an object is put when another conditional write of the same key is under way."""


def create_object(s3: S3Client, bucket: str, key: str, body: bytes, content_type: str) -> str | None:
    """Create an object, whole or not at all; its version id, or ``None`` if there is one already.

    Source: Amazon S3 User Guide, "How to prevent object overwrites with conditional writes": 412 when the key
    exists, 409 when another write of it is under way, which is to be tried again. Raises botocore's
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
