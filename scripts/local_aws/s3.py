"""Serves S3 requests: moto's S3 behind the call's identity, identifiers and record.

moto's own routing is left out for S3: its patterns refuse a key with a newline, and every call pays for them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import BackendRequest
from moto.s3.responses import S3Response
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from scripts.local_aws.calls import S3Call, read_call, serving

Observer = Callable[[S3Call], None]
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


class S3Service:
    """A WSGI application for S3. ``observe`` is told of every call once its outcome is known."""

    def __init__(self, observe: Observer) -> None:
        self._observe = observe

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request."""
        call = read_call(environ)
        request = BackendRequest(environ)
        with serving(call):
            try:
                status, headers, body = _dispatch(call)(request, request.raw_url, dict(request.headers))
            except HTTPException as error:
                status, headers, body = error.code or 500, dict(error.get_headers()), error.get_body()
        if call.operation is not None and call.operation.name == "PostObject":
            call.key = request.form.get("key", "")
        answer = {str(name).lower(): str(value) for name, value in headers.items()}
        answer.pop("status", None)
        answer["x-amz-request-id"], answer["x-amz-id-2"] = call.request_id, call.host_id
        chunks: Iterable[bytes] = body
        if isinstance(body, str | bytes):
            whole = body.encode() if isinstance(body, str) else body
            chunks = [whole]
            answer.setdefault("content-length", str(len(whole)))
        _conclude(call, int(status), answer, body)
        self._observe(call)
        start_response(f"{status} {HTTP_STATUS_CODES.get(int(status), '')}", list(answer.items()))
        return chunks


def _dispatch(call: S3Call) -> Callable[..., Any]:
    handler: Callable[..., Any]
    if call.key:
        handler = S3Response.key_dispatch
    elif call.bucket:
        handler = S3Response.ambiguous_dispatch
    else:
        handler = S3Response.bucket_dispatch
    return handler


def _conclude(call: S3Call, status: int, headers: dict[str, str], body: Any) -> None:
    call.status, call.response_headers = status, headers
    call.bytes_out = 0 if call.method == "HEAD" else int(headers.get("content-length", 0))
    if status < 300:
        return
    match = _ERROR.search(body) if isinstance(body, bytes) else None
    if match:
        call.error_code, call.error_message = (part.decode() for part in match.groups())
    else:
        call.error_code, call.error_message = _STATUS_ERRORS.get(status, (str(status), ""))
