"""Objects, parts and completed uploads have checksums, and say them.

moto believes every checksum, knows them by the SDKs' header alone, lists parts without, and answers a
completed upload with none. What came with a payload is checked before moto sees it (``s3/checksums.py``).
Here it is kept, completed uploads get the checksum of their type, and S3's own is added where none came.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/tutorial-s3-mpu-additional-checksums.html
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from moto.core.responses import ActionResult
from moto.s3 import models, responses
from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeKey, FakeMultipart, S3Backend
from moto.s3.responses import S3Response

from scripts.local_aws.calls import current
from scripts.local_aws.patches.s3_atomic_writes import lock_of
from scripts.local_aws.s3 import checksums
from scripts.local_aws.s3.checksums import Checksum
from scripts.local_aws.s3.errors import S3Error, invalid_request


@cache
def apply() -> None:
    """Replace where moto gets a checksum from, and add to what it answers."""
    S3Response._get_checksum = _of_payload  # type: ignore[method-assign]
    S3Response.put_object = _without_stray_header(S3Response.put_object)  # type: ignore[method-assign]
    S3Response.upload_part = _kept_with_the_part(S3Response.upload_part)  # type: ignore[method-assign]
    S3Response.get_object = _qualified(S3Response.get_object)  # type: ignore[method-assign]
    S3Response.head_object = _qualified(S3Response.head_object)  # type: ignore[method-assign]
    S3Response._key_response_post = _typed(S3Response._key_response_post)  # type: ignore[method-assign]
    S3Response.copy_object = _without_stray_header(S3Response.copy_object)  # type: ignore[method-assign]
    S3Backend.copy_object = _computed_anew(S3Backend.copy_object)  # type: ignore[method-assign]
    S3Backend.complete_multipart_upload = _named(  # type: ignore[method-assign]
        S3Backend.complete_multipart_upload
    )
    S3Response.serialized = _with_checksums(S3Response.serialized)  # type: ignore[method-assign]
    for module in (models, responses):
        module.compute_checksum = _compute  # type: ignore[attr-defined]


def type_of(algorithm: str, asked: str | None) -> str:
    """Return the type of an upload's checksum. Raises ``S3Error`` for one that the algorithm has not."""
    kind = asked or ("FULL_OBJECT" if algorithm in checksums.FULL_OBJECT_ONLY else "COMPOSITE")
    impossible = checksums.COMPOSITE_ONLY if kind == "FULL_OBJECT" else checksums.FULL_OBJECT_ONLY
    if kind not in {"FULL_OBJECT", "COMPOSITE"} or algorithm in impossible:
        raise invalid_request(
            f"The {kind} checksum type cannot be used with the {algorithm.lower()} checksum algorithm."
        )
    return kind


def checksum_of(key: FakeKey) -> Checksum | None:
    """Return the checksum an object or a part has; that of a composite says of how many parts."""
    if not key.checksum_algorithm or not key.checksum_value:
        return None
    composite = key.checksum_type == "COMPOSITE"
    value = f"{key.checksum_value}-{key.checksum_parts}" if composite else key.checksum_value
    return Checksum(key.checksum_algorithm, value)


def _compute(body: bytes, algorithm: str, encode_base64: bool = True) -> bytes:
    """Take the place of moto's function, which gives other algorithms' values for those it lacks."""
    if encode_base64:
        return checksums.encoded(algorithm, [body]).encode()
    return checksums.compute(algorithm, [body])


def _of_payload(self: S3Response, response_headers: dict[str, Any]) -> tuple[str, str | None]:
    """The checksum that came with the payload; of a new object that came without, the one S3 adds."""
    call = current()
    checksum = _sent(self)
    if call is None or call.operation is None or call.operation.name not in {"PutObject", "PostObject"}:
        return ("", None) if checksum is None else (checksum.algorithm, checksum.value)
    if checksum is None:
        body = self.body or b""
        checksum = Checksum(checksums.DEFAULT, checksums.encoded(checksums.DEFAULT, [body]))
    response_headers |= {checksum.header: checksum.value, "x-amz-checksum-type": "FULL_OBJECT"}
    return checksum.algorithm, checksum.value


def _sent(self: S3Response) -> Checksum | None:
    """The checksum that came with the payload and is right; where moto runs alone, it is checked here."""
    call = current()
    if call is not None:
        return call.checksum
    try:
        named = {name.lower(): value for name, value in self.headers.items()}
        claim = checksums.claimed({name: named[name] for name in named.keys() & checksums.HEADERS}, {})
        if claim is not None:
            checksums.check(claim, self.body or b"")
    except S3Error as error:
        raise S3ClientError(error.code, error.message) from error
    return claim


def _kept_with_the_part(serve: Any) -> Any:
    def upload_part(self: S3Response) -> Any:
        checksum = _sent(self)
        upload: FakeMultipart = self.backend.get_bucket(self.bucket_name).multiparts[
            self._get_param("uploadId")
        ]
        algorithm = upload.metadata.get("x-amz-checksum-algorithm")
        if algorithm and (checksum is None or checksum.algorithm != algorithm):
            actual = checksum.algorithm.lower() if checksum else "null"
            raise invalid_request(
                f"Checksum Type mismatch occurred, expected checksum Type: {algorithm.lower()}, "
                f"actual checksum Type: {actual}"
            )
        status, headers, body = serve(self)
        if checksum is not None:
            part = upload.parts[self._get_int_param("partNumber")]
            part.checksum_algorithm, part.checksum_value = checksum.algorithm, checksum.value
            headers[checksum.header] = checksum.value
        headers.pop("x-amz-sdk-checksum-algorithm", None)  # moto's own addition
        return status, headers, body

    return upload_part


def _qualified(serve: Any) -> Any:
    """Answer a GET or HEAD that asks for checksums with the whole value and its type, any other without.

    Nothing is written between its bytes and its checksum.
    """

    def served(self: S3Response, *args: Any, **kwargs: Any) -> Any:
        with lock_of(self.bucket_name, self.parse_key_name()):
            return qualified(self, *args, **kwargs)

    def qualified(self: S3Response, *args: Any, **kwargs: Any) -> Any:
        status, headers, body = serve(self, *args, **kwargs)
        headers.pop("x-amz-sdk-checksum-algorithm", None)
        headers.pop("x-amz-checksum-algorithm", None)
        if self.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED" and status in {200, 206}:
            version_id = self.querystring.get("versionId", [None])[0]
            key = self.backend.get_object(self.bucket_name, self.parse_key_name(), version_id=version_id)
            checksum = checksum_of(key) if key is not None else None
            if key is not None and checksum is not None:
                headers |= {checksum.header: checksum.value}
                headers["x-amz-checksum-type"] = key.checksum_type or "FULL_OBJECT"
        return status, headers, body

    return served


def _typed(serve: Any) -> Any:
    """Settle the type of an upload's checksum when it begins."""

    def key_response_post(  # noqa: PLR0917 - as moto calls it
        self: S3Response, request: Any, body: bytes, bucket_name: str, query: Mapping[str, Any], key_name: str
    ) -> Any:
        algorithm = self.headers.get("x-amz-checksum-algorithm", "").upper()
        if "uploads" not in query or not algorithm:
            return serve(self, request, body, bucket_name, query, key_name)
        if algorithm not in checksums.ALGORITHMS:
            raise invalid_request("Checksum algorithm provided is unsupported.")
        kind = type_of(algorithm, self.headers.get("x-amz-checksum-type"))
        status, headers, document = serve(self, request, body, bucket_name, query, key_name)
        return (
            status,
            headers | {"x-amz-checksum-algorithm": algorithm, "x-amz-checksum-type": kind},
            document,
        )

    return key_response_post


def _named(serve: Any) -> Any:
    """Name S3's own algorithm where the upload asked for none."""

    def complete_multipart_upload(self: S3Backend, *args: Any, **kwargs: Any) -> Any:
        key = serve(self, *args, **kwargs)
        if key is not None and key.checksum_value:
            key.checksum_algorithm = (key.checksum_algorithm or checksums.DEFAULT).upper()
        return key

    return complete_multipart_upload


def _computed_anew(serve: Any) -> Any:
    """A copy is one object, however its source came about."""

    def copy_object(
        self: S3Backend, src_key: FakeKey, bucket_name: str, key_name: str, *args: Any, **more: Any
    ) -> Any:
        answer = serve(self, src_key, bucket_name, key_name, *args, **more)
        key = self.get_object(bucket_name, key_name)
        if key is not None:
            key.checksum_algorithm = src_key.checksum_algorithm or checksums.DEFAULT
            key.checksum_value = checksums.encoded(key.checksum_algorithm, [key.value])
            key.checksum_type, key.checksum_parts = "FULL_OBJECT", None
        return answer

    return copy_object


def _without_stray_header(serve: Any) -> Any:
    def copy_object(self: S3Response) -> Any:
        status, headers, body = serve(self)
        headers.pop("Checksum", None)  # moto's own word for what the document says
        headers.pop("x-amz-sdk-checksum-algorithm", None)
        return status, headers, body

    return copy_object


def _with_checksums(serve: Any) -> Any:
    def serialized(self: S3Response, answer: ActionResult) -> Any:
        document: Any = answer.result
        action = self.data.get("Action")
        if isinstance(document, dict) and action == "ListParts":
            upload = self.backend.get_bucket(document["Bucket"]).multiparts[document["UploadId"]]
            for part in document["Parts"]:
                part.update(_elements(upload.parts[part["PartNumber"]]))
        if isinstance(document, dict) and action == "CompleteMultipartUpload":
            key = self.backend.get_object(document["Bucket"], document["Key"])
            if key is not None and _elements(key):
                document |= {**_elements(key), "ChecksumType": key.checksum_type}
        return serve(self, answer)

    return serialized


def _elements(key: FakeKey) -> dict[str, str]:
    checksum = checksum_of(key)
    return {checksums.element(checksum.algorithm): checksum.value} if checksum else {}
