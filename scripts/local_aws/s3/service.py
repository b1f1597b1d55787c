"""Serves S3 requests: moto's S3 behind the call's identity, payload, limits, policy, identifiers and record.

moto's own routing is not used for S3: its patterns reject a key with a newline, and slow down every call.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.moto_server.werkzeug_app import BackendRequest
from moto.s3.exceptions import S3ClientError
from moto.s3.responses import S3Response
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from scripts.local_aws.calls import S3Call, serving
from scripts.local_aws.operations import classify, not_emulated
from scripts.local_aws.s3 import checksums, forms, limits, wire
from scripts.local_aws.s3.errors import AuthenticationError, S3Error, invalid_request
from scripts.local_aws.s3.payload import read_payload
from scripts.local_aws.s3.signatures import Signature, authenticate, authenticate_form
from scripts.local_aws.storage import bucket_named

Observer = Callable[[S3Call], None]
Answer = tuple[int, dict[str, str], Any]
_ERROR = re.compile(rb"<Code>(.*?)</Code>.*?<Message>(.*?)</Message>", re.DOTALL)
_STATUS_ERRORS = {
    304: ("NotModified", "Not Modified"),
    400: ("BadRequest", "Bad Request"),
    403: ("AccessDenied", "Access Denied"),
    404: ("NoSuchKey", "The specified key does not exist."),
    405: ("MethodNotAllowed", "The specified method is not allowed against this resource."),
    412: ("PreconditionFailed", "At least one of the pre-conditions you specified did not hold"),
}
"""What CloudTrail says of an answer without a body, as those to HEAD are."""
_LOCKED_UPLOADS = {"PostObject", "PutObject", "UploadPart"}


class _Request(BackendRequest):
    """A request whose payload is bytes whatever its content type says: moto reads forms into fields."""

    form = ImmutableMultiDict()
    files = ImmutableMultiDict()
    want_form_data_parsed = False

    @property
    def data(self) -> bytes:
        """The payload."""
        return self.get_data(parse_form_data=False)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A call that moto may be given: who asks, for what, with which payload."""

    signature: Signature | None
    body: bytes
    form: forms.Form | None = None


class S3Service:
    """A WSGI application for S3. ``observe`` is called with every call once its outcome is known."""

    def __init__(self, observe: Observer) -> None:
        self._observe = observe

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request."""
        call = S3Call(str(environ["REQUEST_METHOD"]), source_ip=str(environ["REMOTE_ADDR"]))
        is_observed = True
        try:
            status, headers, body = _serve(call, environ)
        except S3Error as error:
            is_observed = not isinstance(error, AuthenticationError)
            document = error.document(call.request_id, call.host_id)
            status, headers, body = error.status, {"content-type": "application/xml"}, document
        except BaseException as error:
            # Whatever it was, it may have changed what is stored: the record has the attempt.
            _fail(call, error)
            self._observe(call)
            raise
        answer = {str(name).lower(): str(value) for name, value in headers.items()}
        answer.pop("status", None)
        answer["x-amz-request-id"], answer["x-amz-id-2"] = call.request_id, call.host_id
        chunks: Iterable[bytes] = body
        if isinstance(body, str | bytes):
            whole = body.encode() if isinstance(body, str) else body
            chunks = [whole]
            answer.setdefault("content-length", str(len(whole)))
        _conclude(call, int(status), answer, body)
        if is_observed:
            self._observe(call)
        start_response(f"{status} {HTTP_STATUS_CODES.get(int(status), '')}", list(answer.items()))
        return chunks


def _serve(call: S3Call, environ: Mapping[str, Any]) -> Answer:
    read = wire.read(environ)
    call.bucket, call.key = read.bucket, read.key
    call.query, call.headers = read.query(), {**read.headers, **read.hoisted_headers()}
    call.operation = classify(call.method, call.bucket, call.key, call.query, call.headers)
    call.bytes_in = _length(call.headers)
    prepared = _prepare(call, read, environ)
    method, operation = call.method, call.operation
    headers = read.hoisted_headers()
    if prepared.form is not None:
        method, headers = "PUT", prepared.form.headers()
    if call.checksum is not None:
        headers["x-amz-sdk-checksum-algorithm"] = (
            call.checksum.algorithm
        )  # without one, moto wants Content-MD5
    request = _Request(
        wire.for_moto(
            environ,
            read,
            method=method,
            key=call.key,
            body=prepared.body,
            headers=headers,
            authorization=prepared.signature.authorization if prepared.signature else "",
        )
    )
    with serving(call):
        try:
            answer: Answer = _dispatch(call)(request, request.raw_url, dict(request.headers))
        except HTTPException as error:
            return error.code or 500, dict(error.get_headers()), error.get_body()
    if prepared.form is None or operation is None or answer[0] != 200:
        return answer
    stored = {name.lower(): value for name, value in answer[1].items()}
    kept = {name: value for name, value in stored.items() if name.startswith("x-amz-") or name == "etag"}
    endpoint = f"http://{read.headers.get('host', '')}"
    status, of_form, body = forms.answer(prepared.form, endpoint, call.bucket, stored["etag"])
    return status, {**kept, **of_form}, body


def _prepare(call: S3Call, read: wire.Wire, environ: Mapping[str, Any]) -> _Prepared:
    """Find out who calls, and whether S3 would look any further."""
    now = datetime.now(UTC)
    signature = authenticate(read, now)
    _identify(call, signature)
    if name := not_emulated(call.method, call.bucket, call.key, call.query):
        raise S3Error(501, "NotImplemented", f"{name} is not emulated here.")
    limits.check(call.method, call.operation, call.key, call.query, call.headers)
    body, trailers = read_payload(environ["wsgi.input"], read.headers, signature)
    form = None
    if call.operation is not None and call.operation.name == "PostObject":
        form = forms.read_form(read.headers.get("content-type", ""), body)
        call.key, call.headers = form.key, {**read.headers, **form.headers()}
        body, call.bytes_in = form.file, len(form.file)
        signature = authenticate_form(form.fields) or signature
        _identify(call, signature)
        if "policy" in form.fields:
            forms.check_policy(form, call.bucket, now)
        limits.check(call.method, call.operation, call.key, call.query, call.headers)
    _check_region(call, signature)
    _check_integrity(call, body, trailers)
    return _Prepared(signature, body, form)


def _identify(call: S3Call, signature: Signature | None) -> None:
    if signature is not None:
        call.principal, call.authentication = signature.principal, signature.method


def _check_region(call: S3Call, signature: Signature | None) -> None:
    try:
        region = str(bucket_named(call.bucket).region_name)
    except S3ClientError:
        return  # There is no such bucket: moto says so.
    if signature is not None and signature.region != region:
        raise AuthenticationError(
            400,
            "AuthorizationHeaderMalformed",
            f"The authorization header is malformed; the region '{signature.region}' is wrong; expecting "
            f"'{region}'",
            Region=region,
        )


def _check_integrity(call: S3Call, body: bytes, trailers: Mapping[str, str]) -> None:
    if call.operation is None or call.operation.name == "CompleteMultipartUpload":
        return  # The checksum it names is that of the object.
    if call.method in {"PUT", "POST"} and "x-amz-copy-source" not in call.headers:
        call.checksum = checksums.claimed(call.headers, trailers)
        if call.checksum is not None:
            checksums.check(call.checksum, body)
        if "content-md5" in call.headers:
            checksums.check_md5(call.headers["content-md5"], body)
    if call.operation.name in _LOCKED_UPLOADS and _is_locked(call) and not limits.has_checksum(call.headers):
        raise invalid_request(
            "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock "
            "parameters"
        )


def _is_locked(call: S3Call) -> bool:
    if any(name.startswith("x-amz-object-lock-") for name in call.headers):
        return True
    try:
        return bool(bucket_named(call.bucket).has_default_lock)
    except S3ClientError:
        return False


def _length(headers: Mapping[str, str]) -> int:
    written = headers.get("x-amz-decoded-content-length") or headers.get("content-length") or "0"
    return int(written) if written.isdecimal() else 0


def _dispatch(call: S3Call) -> Callable[..., Any]:
    handler: Callable[..., Any] = S3Response.key_dispatch if call.key else S3Response.bucket_dispatch
    return handler


def _fail(call: S3Call, error: BaseException) -> None:
    call.status, call.error_code, call.error_message = 500, "InternalError", type(error).__name__


def _conclude(call: S3Call, status: int, headers: dict[str, str], body: Any) -> None:
    call.status, call.response_headers = status, headers
    call.bytes_out = 0 if call.method == "HEAD" else int(headers.get("content-length", 0))
    if status < 300 or status == 303:
        return
    match = _ERROR.search(body) if isinstance(body, bytes) else None
    if match:
        call.error_code, call.error_message = (part.decode() for part in match.groups())
    else:
        call.error_code, call.error_message = _STATUS_ERRORS.get(status, (str(status), ""))
