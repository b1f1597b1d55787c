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
    if (scope := _scope(environ)) is not None:
        return scope[1] == "s3" and not str(environ["PATH_INFO"]).startswith("/v20180820/")
    if "HTTP_AUTHORIZATION" in environ or "HTTP_X_AMZ_TARGET" in environ:
        return False
    path = str(environ["PATH_INFO"])
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
    scope = _scope(environ)
    length = headers.get("x-amz-decoded-content-length") or environ.get("CONTENT_LENGTH") or 0
    return S3Call(
        method=str(environ["REQUEST_METHOD"]),
        host=headers.get("host", ""),
        bucket=bucket,
        key=key,
        query=query,
        headers=headers,
        principal=resolve(scope[0] if scope else None),
        source_ip=str(environ["REMOTE_ADDR"]),
        operation=classify(str(environ["REQUEST_METHOD"]), bucket, key, query, headers),
        is_presigned="X-Amz-Credential" in query,
        bytes_in=int(length),
    )


def _scope(environ: Mapping[str, Any]) -> tuple[str, str] | None:
    """Access key id and service of a Signature Version 4, from the header or a presigned query."""
    text = str(environ.get("HTTP_AUTHORIZATION", ""))
    _, found, credential = text.partition("Credential=")
    if not found:
        query = str(environ.get("QUERY_STRING", ""))
        _, found, credential = unquote(query).partition("X-Amz-Credential=")
    parts = credential.replace("&", ",").partition(",")[0].split("/")
    if not found or len(parts) < 5:
        return None
    return parts[0], parts[-2]
