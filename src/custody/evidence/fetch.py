"""Reading one object version from Amazon S3, and distinguishing the errors."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    ParamValidationError,
)
from urllib3.exceptions import HTTPError

from custody.errors import CannotCheckError
from custody.evidence.direct import DirectReader
from custody.evidence.hashing import ShortStreamError, read_body
from custody.evidence.objects import ObjectVersion

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

_Result = TypeVar("_Result")

Reader: TypeAlias = "S3Client | DirectReader"
"""A client or reader for object versions."""

SERVICE_ERRORS = (BotoCoreError, ClientError, HTTPError)
"""What a request to AWS raises: urllib3's if an answer is cut that says why a GetObject was refused."""

READ_ATTEMPTS = 3
"""Attempts to read an object from its start when its stream ends early."""

_GONE_CODES = frozenset(
    {"NoSuchKey", "NoSuchVersion", "MethodNotAllowed", "InvalidArgument", "KeyTooLongError"}
)
"""Amazon S3's errors for a GET of a version that does not exist, is a delete marker or has an invalid id."""
_WHOLE_SERVICE_CODES = frozenset(
    {"ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "RequestTimeTooSkewed", "SignatureDoesNotMatch"}
)
"""Errors that are not about the object: every other request would fail in the same way."""


class GoneError(Exception):
    """Amazon S3 says that there is no such version."""


class UnreadableError(Exception):
    """Amazon S3 did not return a version that may exist."""


def require_usable(error: ClientError) -> None:
    """Raise ``CannotCheckError`` if an error of Amazon S3 means that every other request would fail too."""
    if error.response["Error"].get("Code", "") in _WHOLE_SERVICE_CODES:
        raise CannotCheckError(f"Amazon S3 cannot be used: {error}.") from error


def fetch(
    s3: Reader, version: ObjectVersion, consume: Callable[[GetObjectOutputTypeDef], _Result]
) -> _Result:
    """GET one version and read it; start again if its stream ends early.

    A version without an id is the current one. Raises ``GoneError``, ``UnreadableError``, and, if Amazon S3
    as a whole cannot be used, ``CannotCheckError`` or botocore's ``BotoCoreError``.
    """
    attempt = 1
    while True:
        try:
            found = _get(s3, version)
            with closing(found["Body"]):
                return consume(found)
        except ClientError as error:
            require_usable(error)
            if (code := error.response["Error"].get("Code", "")) in _GONE_CODES:
                raise GoneError(code) from error
            raise UnreadableError(f"Amazon S3 refuses {version.uri}: {error}") from error
        except ParamValidationError as error:
            raise GoneError("no object version can have this name") from error
        except (HTTPClientError, HTTPError, IncompleteReadError, ShortStreamError) as error:
            if attempt == READ_ATTEMPTS:
                raise UnreadableError(f"{version.uri} could not be read: {error}") from error
            attempt += 1


def _get(s3: Reader, version: ObjectVersion) -> GetObjectOutputTypeDef:
    if version.version_id:
        return s3.get_object(Bucket=version.bucket, Key=version.key, VersionId=version.version_id)
    client = s3.client if isinstance(s3, DirectReader) else s3
    return client.get_object(Bucket=version.bucket, Key=version.key)


def fetch_bytes(s3: Reader, version: ObjectVersion, max_bytes: int) -> bytes:
    """The bytes of one version; if it is too long, one byte more than the limit, to detect that."""
    return fetch(s3, version, lambda found: read_body(found, max_bytes))
