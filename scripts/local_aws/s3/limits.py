"""S3's checks of a request that do not depend on stored data.

"Error responses" (Amazon S3 API Reference); "Creating object key names", "Working with object metadata" and
"Amazon S3 multipart upload limits" (S3 User Guide).
"""

from __future__ import annotations

from collections.abc import Mapping

import botocore.session

from scripts.local_aws.operations import BUCKET_SUBRESOURCES, OBJECT_SUBRESOURCES, Operation
from scripts.local_aws.s3.checksums import HEADERS
from scripts.local_aws.s3.errors import S3Error, invalid_argument, invalid_request

MAX_KEY_BYTES = 1024
MAX_METADATA_BYTES = 2048
MAX_HEADER_BYTES = 8192
MAX_PART_NUMBER = 10_000
_METADATA = "x-amz-meta-"
_TAKES_NO_VERSION = {
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateMultipartUpload",
    "ListParts",
    "PostObject",
    "PutObject",
    "UploadPart",
    "UploadPartCopy",
}
_CREATING = {"CopyObject", "CreateMultipartUpload", "PostObject", "PutObject"}


def _need_checksums() -> frozenset[str]:
    """Operations whose payload must come with a checksum, as the service's own model says."""
    model = botocore.session.get_session().get_service_model("s3")
    return frozenset(
        name
        for name in model.operation_names
        if (model.operation_model(name).http_checksum or {}).get("requestChecksumRequired")
    )


_CHECKSUM_REQUIRED = _need_checksums()


def check(
    method: str, operation: Operation | None, key: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> None:
    """Raise ``S3Error`` for what no bucket and no policy would let pass. Names of headers are lower-case."""
    if operation is None:
        if method == "OPTIONS":
            return
        raise S3Error(
            405,
            "MethodNotAllowed",
            "The specified method is not allowed against this resource.",
            Method=method,
        )
    subresources = sorted((OBJECT_SUBRESOURCES if key else BUCKET_SUBRESOURCES) & set(query))
    if len(subresources) > 1:
        raise invalid_argument(
            f"Conflicting query string parameters: {', '.join(subresources)}", "ResourceType", subresources[0]
        )
    _check_key(key)
    if "versionId" in query and operation.name in _TAKES_NO_VERSION:
        raise invalid_argument(
            "This operation does not accept a version-id.", "versionId", query["versionId"]
        )
    if method == "PUT" and key:
        _check_part(query)
    if operation.name in _CREATING:
        _check_headers(headers)
    if operation.name in _CHECKSUM_REQUIRED and not has_checksum(headers):
        raise invalid_request("Missing required header for this request: Content-MD5 OR x-amz-checksum-*")


def has_checksum(headers: Mapping[str, str]) -> bool:
    """Whether the payload comes with a checksum, in a header or behind it."""
    return any(name in headers for name in ("content-md5", "x-amz-trailer", *HEADERS))


def _check_key(key: str) -> None:
    size = len(key.encode())
    if size > MAX_KEY_BYTES:
        raise S3Error(
            400,
            "KeyTooLongError",
            "Your key is too long",
            Size=str(size),
            MaxSizeAllowed=str(MAX_KEY_BYTES),
        )


def _check_part(query: Mapping[str, str]) -> None:
    if ("uploadId" in query) != ("partNumber" in query):
        missing = "partNumber" if "uploadId" in query else "uploadId"
        raise invalid_argument(f"This operation requires a {missing}.", missing)
    number = query.get("partNumber", "1")
    if not (number.isdecimal() and 1 <= int(number) <= MAX_PART_NUMBER):
        raise invalid_argument(
            f"Part number must be an integer between 1 and {MAX_PART_NUMBER}, inclusive", "partNumber", number
        )


def _check_headers(headers: Mapping[str, str]) -> None:
    metadata = sum(
        len(name) - len(_METADATA) + len(value.encode("latin-1", "replace"))
        for name, value in headers.items()
        if name.startswith(_METADATA)
    )
    if metadata > MAX_METADATA_BYTES:
        raise S3Error(
            400,
            "MetadataTooLarge",
            "Your metadata headers exceed the maximum allowed metadata size",
            Size=str(metadata),
            MaxSizeAllowed=str(MAX_METADATA_BYTES),
        )
    size = sum(len(name) + len(value) + 4 for name, value in headers.items())
    if size > MAX_HEADER_BYTES:
        raise S3Error(
            400,
            "RequestHeaderSectionTooLarge",
            "Your request header section exceeds the maximum allowed size",
            MaxSizeAllowed=str(MAX_HEADER_BYTES),
        )
    if headers.get("if-none-match", "*").strip('"') != "*":
        raise S3Error(
            501,
            "NotImplemented",
            "A header you provided implies functionality that is not implemented",
            Header="If-None-Match",
        )
