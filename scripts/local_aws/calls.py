"""One call of Amazon S3 while it is served: caller, operation, and the identifiers of its answer.

``current()`` returns the call in progress, so that the bucket policy, the event notification and the trail
all use the same facts.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from scripts.local_aws.identity import ANONYMOUS, Principal
from scripts.local_aws.operations import Operation
from scripts.local_aws.s3.checksums import Checksum

_current: ContextVar[S3Call | None] = ContextVar("s3_call", default=None)


@dataclass(slots=True)
class S3Call:
    """A request to S3 and, once served, its outcome. Header names are lower-case, keys are plain.

    Unknown fields are empty; it is anonymous until its signature has been verified.
    """

    method: str
    source_ip: str
    bucket: str = ""
    key: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    principal: Principal = ANONYMOUS
    authentication: str = ""
    """``AuthHeader``, ``QueryString`` or ``HtmlForm``."""
    operation: Operation | None = None
    checksum: Checksum | None = None
    """The verified checksum of the payload."""
    bytes_in: int = 0
    received: datetime = field(default_factory=lambda: datetime.now(UTC))
    request_id: str = field(default_factory=lambda: base64.b32encode(secrets.token_bytes(10)).decode())
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
    """Whether a WSGI request is one to S3: by its signature's scope; unsigned, by being nothing else.

    Other requests that moto's own routing sends to S3 are handled as S3 requests too.
    """
    path = str(environ["PATH_INFO"])
    if "HTTP_AUTHORIZATION" in environ:
        return "/s3/aws4_request" in environ["HTTP_AUTHORIZATION"] and not path.startswith("/v20180820/")
    if "X-Amz-Credential=" in str(environ["QUERY_STRING"]):
        return (
            "%2Fs3%2Faws4_request" in environ["QUERY_STRING"] or "/s3/aws4_request" in environ["QUERY_STRING"]
        )
    if "HTTP_X_AMZ_TARGET" in environ:
        return False
    form = str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded")
    queried = form and environ["REQUEST_METHOD"] == "POST"  # another service's query protocol
    return not queried and not path.startswith(("/moto-api", "/latest/"))
