"""Objects other than tables: manifests are read, lineage is written, and raw versions are streamed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Protocol

from custody.errors import CannotCheckError, UsageError
from custody.etl.manifest import UnfitError
from custody.evidence.objects import ObjectVersion, parse_s3_uri

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

_GONE_CODES = frozenset({"NoSuchVersion", "NoSuchKey", "MethodNotAllowed"})
"""GetObject's errors for a version that no longer exists or is a delete marker (Amazon S3 API Reference)."""


class Store(Protocol):
    """Objects by their URI."""

    def read(self, uri: str) -> bytes:
        """The bytes of one object; the service's own error if it does not exist."""
        ...

    def create(self, uri: str, body: bytes) -> bool:
        """Create an object atomically if it does not exist; return whether it was created."""
        ...

    def names(self, folder: str) -> Iterator[str]:
        """The names directly below ``folder`` (its URI, which ends in ``/``), in byte order."""
        ...


class S3Store:
    """Amazon S3 with a boto3 client."""

    def __init__(self, s3: S3Client) -> None:
        self._s3 = s3

    def read(self, uri: str) -> bytes:
        """The bytes of the object, or of the version if the URI names one.

        Raises ``CannotCheckError`` if Amazon S3 refuses.
        """
        from botocore.exceptions import ClientError  # noqa: PLC0415 - installed where a client was created

        place = parse_s3_uri(uri)
        try:
            if place.version_id is None:
                return self._s3.get_object(Bucket=place.bucket, Key=place.key)["Body"].read()
            answer = self._s3.get_object(Bucket=place.bucket, Key=place.key, VersionId=place.version_id)
            return answer["Body"].read()
        except ClientError as error:
            raise CannotCheckError(f"{uri} cannot be read: {error.response['Error']['Code']}.") from error

    def create(self, uri: str, body: bytes) -> bool:
        """Write with ``If-None-Match: *``; retry on a conflict with another write."""
        from custody.evidence.creation import create_object  # noqa: PLC0415 - needs botocore

        place = parse_s3_uri(uri)
        return create_object(self._s3, place.bucket, place.key, body, "application/json") is not None

    def names(self, folder: str) -> Iterator[str]:
        """List in pages of a thousand."""
        place = parse_s3_uri(folder)
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=place.bucket, Prefix=place.key, Delimiter="/"
        )
        for page in pages:
            for item in page.get("Contents", []):
                yield item["Key"].removeprefix(place.key)


def open_s3_version(version: ObjectVersion) -> StreamingBody:
    """The stored bytes of exactly this version, as a stream; each worker has its own client.

    Raises ``UnfitError`` if Amazon S3 says that there is no such version, or that it is archived, and
    botocore's exceptions for any other error.
    """
    from botocore.exceptions import ClientError  # noqa: PLC0415 - installed where a client was created

    try:
        answer = _client().get_object(Bucket=version.bucket, Key=version.key, VersionId=version.version_id)
    except ClientError as error:
        if (code := error.response["Error"]["Code"]) in _GONE_CODES:
            raise UnfitError(f"no longer exists: Amazon S3 answers {code}") from error
        if code == "InvalidObjectState":
            raise UnfitError("is archived and cannot be read: upload it again") from error
        raise
    return answer["Body"]


@cache
def _client() -> S3Client:
    import boto3  # noqa: PLC0415 - a client cannot be sent to a worker

    return boto3.client("s3")


def table_uri(tables: str, name: str) -> str:
    """The URI of a table in the folder of tables. Raises ``UsageError`` for one that SQL cannot quote."""
    if "`" in tables or not tables.rstrip("/"):
        raise UsageError(f"The folder of the tables, {tables!r}, is empty or contains a backtick.")
    return f"{tables.rstrip('/')}/{name}"
