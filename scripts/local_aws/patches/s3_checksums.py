"""Bytes that do not have the SHA-256 they were sent with are refused; parts are listed with their checksums.

moto believes every checksum, and lists parts without.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html
"""

from __future__ import annotations

from functools import cache
from typing import Any

from moto.core.responses import ActionResult
from moto.s3.exceptions import S3ClientError
from moto.s3.responses import S3Response
from moto.s3.utils import compute_checksum


@cache
def apply() -> None:
    """Check before anything is stored, and add to what is listed."""
    S3Response.put_object = _checked(S3Response.put_object)  # type: ignore[method-assign]
    S3Response.upload_part = _checked(S3Response.upload_part)  # type: ignore[method-assign]
    S3Response.serialized = _with_checksums(S3Response.serialized)  # type: ignore[method-assign]


def _checked(store: Any) -> Any:
    def check_and_store(self: S3Response) -> Any:
        claimed = self.headers.get("x-amz-checksum-sha256")
        if claimed is not None and claimed != compute_checksum(self.body, "SHA256").decode():
            raise S3ClientError(
                "BadDigest", "The SHA256 you specified did not match the calculated checksum."
            )
        return store(self)

    return check_and_store


def _with_checksums(serve: Any) -> Any:
    def serialized(self: S3Response, answer: ActionResult) -> Any:
        listing: Any = answer.result
        if self.data.get("Action") == "ListParts" and isinstance(listing, dict):
            upload = self.backend.get_bucket(listing["Bucket"]).multiparts[listing["UploadId"]]
            algorithm = upload.metadata.get("x-amz-checksum-algorithm")
            if algorithm:
                for part in listing["Parts"]:
                    value = upload.parts[part["PartNumber"]].value
                    part[f"Checksum{algorithm}"] = compute_checksum(value, algorithm).decode()
        return serve(self, answer)

    return serialized
