"""Requests to S3 without an SDK, both valid and invalid ones."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import re
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from scripts.local_aws.account import OPERATOR_ACCESS_KEY, OPERATOR_SECRET_KEY
from tests.local_aws.account import REGION, Account


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The error code; empty for a successful response."""
        found = re.search(rb"<Code>(.*?)</Code>", self.body)
        return found[1].decode() if found else ""


@dataclass
class Client:
    """Signs and sends requests; a test may change a request between the two."""

    account: Account
    access_key: str = OPERATOR_ACCESS_KEY
    secret_key: str = OPERATOR_SECRET_KEY
    token: str | None = None
    host: str = ""
    hidden: dict[str, str] = field(default_factory=dict)
    """Headers that are sent and not signed."""

    def sign(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None, **query: str
    ) -> AWSRequest:
        """A request with a signature in its headers."""
        request = self._request(method, path, body, headers, query)
        signer = S3SigV4Auth(self._credentials(), "s3", REGION)
        if "X-Amz-Content-SHA256" in request.headers:
            said = request.headers["X-Amz-Content-SHA256"]
            signer.payload = lambda _: said  # type: ignore[method-assign,assignment]
        signer.add_auth(request)
        return request

    def presign(
        self,
        method: str,
        path: str,
        *,
        expires: int = 60,
        headers: dict[str, str] | None = None,
        **query: str,
    ) -> str:
        """A presigned URL."""
        request = self._request(method, path, b"", headers, query)
        S3SigV4QueryAuth(self._credentials(), "s3", REGION, expires=expires).add_auth(request)
        return str(request.url)

    def send(self, request: AWSRequest) -> Answer:
        """Send a request as it is."""
        parts = urlsplit(request.url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        return self.raw(request.method, target, request.body or b"", dict(request.headers.items()))

    def call(self, method: str, path: str, body: bytes = b"", **options: Any) -> Answer:
        """Sign and send."""
        return self.send(self.sign(method, path, body, **options))

    def raw(
        self, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        """Send what is given, to the letter."""
        where = urlsplit(self.account.endpoint)
        connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=30)
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        sent = {"Host": self.host or where.netloc, **(headers or {}), **self.hidden}
        if not any(name.lower() == "content-length" for name in sent):
            sent["Content-Length"] = str(len(body))
        for name, value in sent.items():
            if name.lower() != "host" or name == "Host":
                connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        found = Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        connection.close()
        return found

    def _request(
        self, method: str, path: str, body: bytes, headers: dict[str, str] | None, query: dict[str, str]
    ) -> AWSRequest:
        where = f"http://{self.host}" if self.host else self.account.endpoint
        url = f"{where}{path}" + (f"?{urlencode(query, quote_via=quote)}" if query else "")
        request = AWSRequest(method, url, headers=dict(headers or {}), data=body)
        request.context["payload_signing_enabled"] = True
        return request

    def _credentials(self) -> Any:
        return Credentials(self.access_key, self.secret_key, self.token)


def aws_chunked(body: bytes, *trailers: tuple[str, str], size: int = 8) -> bytes:
    """A payload in chunks that are not signed, with trailing headers."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return chunks + b"0\r\n" + b"".join(f"{n}:{v}\r\n".encode() for n, v in trailers) + b"\r\n"


def signed_chunks(request: AWSRequest, secret_key: str, body: bytes, size: int = 8) -> bytes:
    """The payload of a signed request whose chunks are signed too, one after the other."""
    authorization = str(request.headers["Authorization"])
    scope = re.search(r"Credential=[^/]+/([^,]+)", authorization)
    seed = re.search(r"Signature=(\w+)", authorization)
    assert scope is not None
    assert seed is not None
    key = f"AWS4{secret_key}".encode()
    for part in scope[1].split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    previous, encoded = seed[1], b""
    for piece in [*(body[at : at + size] for at in range(0, len(body), size)), b""]:
        digests = [hashlib.sha256(b"").hexdigest(), hashlib.sha256(piece).hexdigest()]
        lines = ["AWS4-HMAC-SHA256-PAYLOAD", request.headers["X-Amz-Date"], scope[1], previous, *digests]
        previous = hmac.digest(key, "\n".join(lines).encode(), "sha256").hex()
        encoded += b"%x;chunk-signature=%s\r\n%s\r\n" % (len(piece), previous.encode(), piece)
    return encoded


def base64(data: bytes) -> str:
    return b64encode(data).decode()


def ago(**delta: float) -> str:
    """A moment in the past as signatures write it."""
    return f"{datetime.now(UTC) - timedelta(**delta):%Y%m%dT%H%M%SZ}"
