"""A conditional write is decided and done in one step; a part of an unknown upload is refused.

moto checks ``If-None-Match`` before it writes, in a thread a request: of two writers both could win. And
it keeps the versions of a key in a list that two writers of that key rebuild at once.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

import threading
from typing import Any

from moto.s3.exceptions import NoSuchUpload
from moto.s3.models import MultipartDict, S3Backend
from moto.s3.responses import S3Response

_STRIPES = [threading.RLock() for _ in range(64)]


def apply() -> None:
    """Serialise the writes of one key."""
    for name in (
        "put_object",
        "copy_object",
        "delete_object",
        "put_object_retention",
        "put_object_legal_hold",
        "_key_response_post",
    ):
        _serialise_response(name)
    _serialise_backend("put_object")
    _serialise_backend("delete_object")
    MultipartDict.__missing__ = _missing_upload  # type: ignore[attr-defined]


def _lock(bucket: str, key: str) -> threading.RLock:
    return _STRIPES[hash((bucket, key)) % len(_STRIPES)]


def _serialise_response(name: str) -> None:
    serve = getattr(S3Response, name)

    def serialised(self: S3Response, *args: Any) -> Any:
        with _lock(self.bucket_name, self.parse_key_name()):
            return serve(self, *args)

    setattr(S3Response, name, serialised)


def _serialise_backend(name: str) -> None:
    """What writes without a request: deletes of many keys, form uploads, the emulation itself."""
    serve = getattr(S3Backend, name)

    def serialised(self: S3Backend, bucket_name: str, key_name: str, *args: Any, **kwargs: Any) -> Any:
        with _lock(bucket_name, key_name):
            return serve(self, bucket_name, key_name, *args, **kwargs)

    setattr(S3Backend, name, serialised)


def _missing_upload(_: MultipartDict, upload_id: str) -> None:
    raise NoSuchUpload(upload_id=upload_id)
