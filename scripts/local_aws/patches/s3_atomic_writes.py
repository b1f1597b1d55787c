"""A conditional write is decided and done in one step; what is refused has stored nothing.

moto checks ``If-None-Match`` before it writes, in a thread a request: of two writers both could win. And
it keeps the versions of a key in a list that two writers of that key rebuild at once. It looks at tags and
ACLs after the object is stored and its event sent.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

import threading
from typing import Any

from moto.s3.exceptions import BadRequest, InvalidTagError, NoSuchUpload
from moto.s3.models import MultipartDict, S3Backend
from moto.s3.responses import S3Response

MAX_TAGS = 10
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
    S3Response._tagging_from_headers = _valid_tags(  # type: ignore[method-assign]
        S3Response._tagging_from_headers
    )
    S3Response.copy_object = _decided_first(S3Response.copy_object)  # type: ignore[method-assign]
    MultipartDict.__missing__ = _missing_upload  # type: ignore[attr-defined]


def lock_of(bucket: str, key: str) -> threading.RLock:
    """The lock that the writers of a key hold."""
    return _STRIPES[hash((bucket, key)) % len(_STRIPES)]


def _serialise_response(name: str) -> None:
    serve = getattr(S3Response, name)

    def serialised(self: S3Response, *args: Any) -> Any:
        with lock_of(self.bucket_name, self.parse_key_name()):
            return serve(self, *args)

    setattr(S3Response, name, serialised)


def _serialise_backend(name: str) -> None:
    """What writes without a request: deletes of many keys, form uploads, the emulation itself."""
    serve = getattr(S3Backend, name)

    def serialised(self: S3Backend, bucket_name: str, key_name: str, *args: Any, **kwargs: Any) -> Any:
        with lock_of(bucket_name, key_name):
            return serve(self, bucket_name, key_name, *args, **kwargs)

    setattr(S3Backend, name, serialised)


def _valid_tags(read: Any) -> Any:
    def tagging_from_headers(self: S3Response, headers: Any) -> dict[str, str]:
        tags: dict[str, str] = read(self, headers)
        if len(tags) > MAX_TAGS:
            raise BadRequest(f"Object tags cannot be greater than {MAX_TAGS}")
        tagger = self.backend.tagger
        fault = tagger.validate_tags(tagger.convert_dict_to_tags_input(tags))
        if fault or any(name.startswith("aws") for name in tags):
            raise InvalidTagError(fault or "Your TagKey cannot be prefixed with aws:")
        return tags

    return tagging_from_headers


def _decided_first(copy: Any) -> Any:
    def copy_object(self: S3Response) -> Any:
        self._tagging_from_headers(self.headers)
        self._acl_from_headers(self.headers)
        return copy(self)

    return copy_object


def _missing_upload(_: MultipartDict, upload_id: str) -> None:
    raise NoSuchUpload(upload_id=upload_id)
