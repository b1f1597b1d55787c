"""Listing the versions of a bucket's objects, in the order Amazon S3 keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectVersionsRequestTypeDef


@dataclass(frozen=True, slots=True)
class VersionEntry:
    """One object version, or one delete marker, as a listing gives it."""

    key: str
    version_id: str
    last_modified: datetime
    is_delete_marker: bool
    size_bytes: int = 0
    etag: str = ""
    """With its quotes, as a GET gives it; none of a delete marker."""


def list_versions(s3: S3Client, bucket: str, prefix: str) -> Iterator[VersionEntry]:
    """Every version under ``prefix``, a page in memory at a time.

    Versions of one key come newest first; its delete markers come among them or, since a page lists them
    apart, a little before or after.
    """
    request: ListObjectVersionsRequestTypeDef = {"Bucket": bucket, "Prefix": prefix}
    while True:
        page = s3.list_object_versions(**request)
        for version in page.get("Versions", ()):
            yield VersionEntry(
                version["Key"],
                version["VersionId"],
                version["LastModified"],
                False,
                version["Size"],
                version["ETag"],
            )
        for deleted in page.get("DeleteMarkers", ()):
            yield VersionEntry(deleted["Key"], deleted["VersionId"], deleted["LastModified"], True)
        if not page["IsTruncated"]:
            return
        request["KeyMarker"] = page["NextKeyMarker"]
        request["VersionIdMarker"] = page["NextVersionIdMarker"]
