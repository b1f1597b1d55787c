"""Objects beside tables: manifests in, lineage out, and raw versions as streams."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Protocol

from custody.errors import CannotCheckError, UsageError
from custody.etl.manifest import UnfitError
from custody.evidence.hashing import Reader
from custody.evidence.objects import ObjectVersion, parse_s3_uri

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_GONE_CODES = frozenset({"NoSuchVersion", "NoSuchKey", "MethodNotAllowed"})
"""What GetObject answers for a version that is gone or is a delete marker (Amazon S3 API Reference)."""


class Store(Protocol):
    """Objects by their URI."""

    def read(self, uri: str) -> bytes:
        """The bytes of one object; an error of the service's own kind if there is none."""
        ...

    def create(self, uri: str, body: bytes) -> bool:
        """Write an object that is not there yet, whole or not at all; whether it was not there."""
        ...

    def names(self, folder: str) -> Iterator[str]:
        """The names directly below ``folder`` (its URI, which ends in ``/``), in the order of their bytes."""
        ...


class S3Store:
    """Amazon S3 by a client of boto3's."""

    def __init__(self, s3: S3Client) -> None:
        self._s3 = s3

    def read(self, uri: str) -> bytes:
        """The bytes of the object, of the version that the URI names if it names one.

        Raises ``CannotCheckError`` if Amazon S3 refuses.
        """
        from botocore.exceptions import ClientError  # noqa: PLC0415 - of whoever made the client

        place = parse_s3_uri(uri)
        try:
            if place.version_id is None:
                return self._s3.get_object(Bucket=place.bucket, Key=place.key)["Body"].read()
            answer = self._s3.get_object(Bucket=place.bucket, Key=place.key, VersionId=place.version_id)
            return answer["Body"].read()
        except ClientError as error:
            raise CannotCheckError(f"{uri} cannot be read: {error.response['Error']['Code']}.") from error

    def create(self, uri: str, body: bytes) -> bool:
        """Write by ``If-None-Match: *``; a conflict with another write is tried again."""
        from custody.evidence.creation import create_object  # noqa: PLC0415 - needs botocore

        place = parse_s3_uri(uri)
        return create_object(self._s3, place.bucket, place.key, body, "application/json") is not None

    def names(self, folder: str) -> Iterator[str]:
        """List by pages of a thousand."""
        place = parse_s3_uri(folder)
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=place.bucket, Prefix=place.key, Delimiter="/"
        )
        for page in pages:
            for item in page.get("Contents", []):
                yield item["Key"].removeprefix(place.key)


def open_s3_version(version: ObjectVersion) -> Reader:
    """The stored bytes of exactly this version, as a stream; each worker has a client of its own.

    Raises ``UnfitError`` if Amazon S3 says that there is no such version, or that it is archived; any other
    refusal is botocore's.
    """
    from botocore.exceptions import ClientError  # noqa: PLC0415 - of whoever made the client

    try:
        answer = _client().get_object(Bucket=version.bucket, Key=version.key, VersionId=version.version_id)
    except ClientError as error:
        if (code := error.response["Error"]["Code"]) in _GONE_CODES:
            raise UnfitError(f"is gone: Amazon S3 answers {code}") from error
        if code == "InvalidObjectState":
            raise UnfitError("is archived, and cannot be read: deliver it anew") from error
        raise
    return answer["Body"]


@cache
def _client() -> S3Client:
    import boto3  # noqa: PLC0415 - a client cannot travel to a worker

    return boto3.client("s3")


def table_uri(tables: str, name: str) -> str:
    """The URI of a table in the folder of tables. Raises ``UsageError`` for one that SQL cannot quote."""
    if "`" in tables or not tables.rstrip("/"):
        raise UsageError(f"The folder of the tables, {tables!r}, is empty or holds a backtick.")
    return f"{tables.rstrip('/')}/{name}"
