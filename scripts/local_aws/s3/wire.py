"""Parses a request to S3 once, and rewrites it for moto.

The code that decides about a call and the code that executes it must use the same bucket, key and parameters.
So a request is parsed here once, and moto gets one rewritten from the result: path-style, each parameter
once, without signature, with the payload decoded.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote_plus, unquote_to_bytes, urlencode

from scripts.local_aws.s3.errors import S3Error

_VIRTUAL_HOST = re.compile(r"(?P<bucket>.+)\.(?:localhost|s3(?:[.-][a-z0-9-]+)*\.amazonaws\.com(?:\.cn)?)")
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html"""
_UNRESERVED = "-_.~"
_SIGNATURE_PARAMETERS = {
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
}
_NOT_MOTOS = {
    "HTTP_AUTHORIZATION",
    "HTTP_CONTENT_MD5",  # checked already; moto would keep it as metadata of the object
    "HTTP_TRANSFER_ENCODING",
    "HTTP_X_AMZ_CONTENT_SHA256",  # the payload is decoded already
    "HTTP_X_AMZ_DECODED_CONTENT_LENGTH",
    "HTTP_X_AMZ_TRAILER",
    "HTTP_X_MOTO_ACCOUNT_ID",
}


@dataclass(frozen=True, slots=True)
class Wire:
    """A request to S3 as it came. Header names are lower-case; ``parameters`` are decoded, in their order."""

    method: str
    path: str
    """Percent-encoded, as it was sent."""
    bucket: str
    key: str
    parameters: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]

    @property
    def is_presigned(self) -> bool:
        """Whether the query string names a signature."""
        return any(
            name in {"X-Amz-Signature", "X-Amz-Credential", "Signature"} for name, _ in self.parameters
        )

    def query(self) -> dict[str, str]:
        """Each parameter that is not of a signature once: the first counts."""
        found: dict[str, str] = {}
        for name, value in self.parameters:
            if not (self.is_presigned and _is_hoisted(name)):
                found.setdefault(name, value)
        return found

    def hoisted_headers(self) -> dict[str, str]:
        """Headers that a presigned URL carries in its query string, as the JavaScript SDK's do."""
        if not self.is_presigned:
            return {}
        return {name.lower(): value for name, value in self.parameters if _is_hoisted(name)}


def read(environ: Mapping[str, Any]) -> Wire:
    """Read a WSGI request. Raises ``S3Error`` for one without an address that S3 could read."""
    target = str(environ["RAW_URI"])
    headers = {
        name[5:].replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = str(environ[name])
    if not target.startswith("/"):  # the absolute form (RFC 9112, 3.2.2): its host goes before the header
        _, _, rest = target.partition("://")
        headers["host"], slash, path = rest.partition("/")
        target = slash + path or "/"
    path, _, query = target.partition("?")
    bucket, key = _address(headers.get("host", ""), path)
    return Wire(str(environ["REQUEST_METHOD"]), path, bucket, key, _parameters(query), headers)


def for_moto(
    environ: Mapping[str, Any],
    wire: Wire,
    *,
    method: str,
    key: str,
    body: bytes,
    headers: Mapping[str, str],
    authorization: str,
) -> dict[str, Any]:
    """Return the WSGI request that moto serves; ``headers`` (lower-case names) go over those that came."""
    made = {name: value for name, value in environ.items() if name not in _NOT_MOTOS}
    made.pop("wsgi.input_terminated", None)
    if authorization:
        made["HTTP_AUTHORIZATION"] = authorization
    for name, value in headers.items():
        variable = name.upper().replace("-", "_")
        made[variable if variable == "CONTENT_TYPE" else f"HTTP_{variable}"] = value
    path = f"/{quote(wire.bucket, safe='')}" + (
        f"/{quote(key, safe='/' + _UNRESERVED)}" if wire.bucket else ""
    )
    if not key:
        path = path.rstrip("/") or "/"
    query = urlencode(
        {name: value for name, value in wire.query().items() if name.lower() not in _SIGNATURE_PARAMETERS}
    )
    return made | {
        "REQUEST_METHOD": method,
        "HTTP_HOST": f"127.0.0.1:{environ['SERVER_PORT']}",
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "RAW_URI": f"{path}?{query}" if query else path,
        "REQUEST_URI": f"{path}?{query}" if query else path,
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }


def _is_hoisted(name: str) -> bool:
    lower = name.lower()
    return lower.startswith("x-amz-") and lower not in _SIGNATURE_PARAMETERS


def _address(host: str, path: str) -> tuple[str, str]:
    try:
        plain = unquote_to_bytes(path.encode("latin-1")).decode()
    except UnicodeError as error:
        raise S3Error(400, "InvalidURI", "Couldn't parse the specified URI.") from error
    virtual = _VIRTUAL_HOST.fullmatch(host.partition(":")[0].lower())
    if virtual:
        return virtual["bucket"], plain[1:]
    bucket, _, key = plain[1:].partition("/")
    if key and not bucket:
        raise S3Error(400, "InvalidURI", "Couldn't parse the specified URI.")
    return bucket, key


def _parameters(query: str) -> tuple[tuple[str, str], ...]:
    pairs = (part.partition("=") for part in query.split("&") if part)
    return tuple((unquote_plus(name), unquote_plus(value)) for name, _, value in pairs)
