"""One call of Amazon S3 while it is served: who, what, and the identifiers its answer carries.

The call in progress is found with ``current()`` by whatever serves it: the bucket policy, the event
notification and the trail all have to tell the same story.
"""

from __future__ import annotations

import base64
import secrets
import string
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

from scripts.local_aws.identity import Principal, resolve
from scripts.local_aws.operations import Operation, classify

_REQUEST_ID_ALPHABET = string.ascii_uppercase + string.digits
_current: ContextVar[S3Call | None] = ContextVar("s3_call", default=None)


@dataclass(slots=True)
class S3Call:
    """A request to S3 and, once served, its outcome. Header names are lower-case, keys are plain."""

    method: str
    host: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    principal: Principal
    source_ip: str
    operation: Operation | None
    is_presigned: bool
    bytes_in: int
    received: datetime = field(default_factory=lambda: datetime.now(UTC))
    request_id: str = field(
        default_factory=lambda: "".join(secrets.choice(_REQUEST_ID_ALPHABET) for _ in range(16))
    )
    host_id: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(56)).decode())
    status: int = 0
    response_headers: dict[str, str] = field(default_factory=dict)
    bytes_out: int = 0
    error_code: str = ""
    error_message: str = ""

    @property
    def version_id(self) -> str:
        """The version the request names, else the one the answer names, else empty."""
        return self.query.get("versionId") or self.response_headers.get("x-amz-version-id", "")


def current() -> S3Call | None:
    """The call this thread serves, or ``None`` outside of one (what the emulation does itself)."""
    return _current.get()


@contextmanager
def serving(call: S3Call) -> Iterator[None]:
    """Make ``call`` the current one."""
    token = _current.set(call)
    try:
        yield
    finally:
        _current.reset(token)


def is_s3(environ: Mapping[str, Any]) -> bool:
    """Whether a WSGI request is one to S3: by its signature's scope; unsigned, by being nothing else."""
    path = str(environ["PATH_INFO"])
    if "HTTP_AUTHORIZATION" in environ:
        return "/s3/aws4_request" in environ["HTTP_AUTHORIZATION"] and not path.startswith("/v20180820/")
    if "HTTP_X_AMZ_TARGET" in environ:
        return False
    form = str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded")
    return not form and not path.startswith(("/moto-api", "/latest/"))


def read_call(environ: Mapping[str, Any]) -> S3Call:
    """Read a WSGI request to S3, addressed path-style as SDKs do with an IP address for an endpoint."""
    path = str(environ["RAW_URI"]).partition("?")[0]
    bucket, _, key = unquote(path).lstrip("/").partition("/")
    query = dict(parse_qsl(str(environ["QUERY_STRING"]), keep_blank_values=True))
    headers = {
        name[5:].replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    access_key_id = _access_key_id(environ, query)
    length = headers.get("x-amz-decoded-content-length") or environ.get("CONTENT_LENGTH") or 0
    return S3Call(
        method=str(environ["REQUEST_METHOD"]),
        host=headers.get("host", ""),
        bucket=bucket,
        key=key,
        query=query,
        headers=headers,
        principal=resolve(access_key_id),
        source_ip=str(environ["REMOTE_ADDR"]),
        operation=classify(str(environ["REQUEST_METHOD"]), bucket, key, query, headers),
        is_presigned=access_key_id is not None and "authorization" not in headers,
        bytes_in=int(length),
    )


def _access_key_id(environ: Mapping[str, Any], query: Mapping[str, str]) -> str | None:
    """Whose signature a request carries: in its header, or in a presigned URL (version 4 or 2)."""
    _, found, credential = str(environ.get("HTTP_AUTHORIZATION", "")).partition("Credential=")
    if not found:
        credential = query.get("X-Amz-Credential") or query.get("AWSAccessKeyId", "")
    return credential.partition("/")[0] or None
