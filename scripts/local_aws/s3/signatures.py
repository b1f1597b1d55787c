"""Verifies the signature of a request to S3: Signature Version 4 in a header, a presigned URL or a form.

"Authenticating Requests (AWS Signature Version 4)" (Amazon S3 API Reference). Version 2 is refused, as by
every bucket made since June 2020.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote_to_bytes

from scripts.local_aws.identity import Credentials, Principal, issued
from scripts.local_aws.s3.errors import AuthenticationError
from scripts.local_aws.s3.wire import Wire

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256().hexdigest()
MAX_SKEW = timedelta(minutes=15)
MAX_EXPIRES_SECONDS = 7 * 24 * 60 * 60
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM}\s+Credential=(?P<credential>[^,\s]+)\s*,\s*"
    r"SignedHeaders=(?P<headers>[^,\s]+)\s*,\s*Signature=(?P<signature>[0-9a-f]{64})"
)
_SCOPE = re.compile(r"(?P<key>[^/]+)/(?P<date>\d{8})/(?P<region>[a-z0-9-]+)/s3/aws4_request")
_PRESIGNED = ("Algorithm", "Credential", "Signature", "Date", "SignedHeaders", "Expires")
_MAY_BE_UNSIGNED = {"x-amz-content-sha256"}


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that was found right, and what the signatures of chunks continue from it."""

    principal: Principal
    method: str
    """``AuthHeader``, ``QueryString`` or ``HtmlForm``, as CloudTrail's ``AuthenticationMethod`` has it."""
    region: str
    payload_hash: str
    """What was signed for the payload: its SHA-256, or a word."""
    value: str
    timestamp: str
    scope: str
    signing_key: bytes

    @property
    def authorization(self) -> str:
        """A header that names the same key and Region."""
        credential = f"{self.principal.access_key_id}/{self.scope}"
        return f"{ALGORITHM} Credential={credential}, SignedHeaders=host, Signature={self.value}"

    def of_chunk(self, kind: str, previous: str, *digests: str) -> str:
        """Return the signature of a chunk (``PAYLOAD``) or the trailers (``TRAILER``) after ``previous``."""
        lines = [f"{ALGORITHM}-{kind}", self.timestamp, self.scope, previous, *digests]
        return _hmac(self.signing_key, "\n".join(lines)).hex()


def authenticate(wire: Wire, now: datetime) -> Signature | None:
    """Return the signature of a request, ``None`` for an anonymous one.

    Raises ``AuthenticationError`` for whatever signature is not right, not in time, or leaves out what it
    must cover.
    """
    authorization = wire.headers.get("authorization")
    if authorization is not None and wire.is_presigned:
        raise AuthenticationError(
            400,
            "InvalidArgument",
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query "
            "string parameter or the Authorization header should be specified",
        )
    if authorization is not None:
        return _by_header(wire, authorization, now)
    if wire.is_presigned:
        return _by_query(wire, now)
    return None


def authenticate_form(fields: Mapping[str, str]) -> Signature | None:
    """Return the signature of a form's policy, ``None`` for a form without one. ``fields`` are lower-case."""
    if "signature" in fields or "awsaccesskeyid" in fields:
        raise _version_2()
    if "policy" not in fields and "x-amz-signature" not in fields:
        return None
    for name in ("policy", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"):
        if name not in fields:
            raise AuthenticationError(
                400, "InvalidArgument", f"Bucket POST must contain a field named '{name}'.", ArgumentName=name
            )
    if fields["x-amz-algorithm"] != ALGORITHM:
        raise AuthenticationError(400, "InvalidArgument", f"X-Amz-Algorithm only supports {ALGORITHM}")
    scope = _scope(fields["x-amz-credential"], fields["x-amz-date"], "AuthorizationQueryParametersError")
    credentials = _credentials(scope["key"], fields.get("x-amz-security-token"))
    key = _signing_key(credentials.secret_access_key, scope)
    if not hmac.compare_digest(_hmac(key, fields["policy"]).hex(), fields["x-amz-signature"].lower()):
        raise does_not_match()
    return Signature(
        credentials.principal,
        "HtmlForm",
        scope["region"],
        UNSIGNED_PAYLOAD,
        fields["x-amz-signature"],
        fields["x-amz-date"],
        _scope_text(scope),
        key,
    )


def _by_header(wire: Wire, authorization: str, now: datetime) -> Signature:
    if authorization.startswith("AWS "):
        raise _version_2()
    if not authorization.startswith("AWS4-"):
        raise AuthenticationError(
            400, "InvalidArgument", "Unsupported Authorization Type", ArgumentName="Authorization"
        )
    found = _AUTHORIZATION.fullmatch(authorization.strip())
    if found is None:
        raise _malformed("AuthorizationHeaderMalformed", "The authorization header is malformed.")
    timestamp = wire.headers.get("x-amz-date", "")
    moment = _moment(timestamp)
    if moment is None:
        raise AuthenticationError(
            403, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"
        )
    if abs(now - moment) > MAX_SKEW:
        raise AuthenticationError(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        )
    payload_hash = wire.headers.get("x-amz-content-sha256")
    if payload_hash is None:
        raise AuthenticationError(
            400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256"
        )
    return _verify(
        wire,
        "AuthHeader",
        credential=found["credential"],
        signed_headers=found["headers"],
        signature=found["signature"],
        timestamp=timestamp,
        payload_hash=payload_hash,
        token=wire.headers.get("x-amz-security-token"),
    )


def _by_query(wire: Wire, now: datetime) -> Signature:
    code = "AuthorizationQueryParametersError"
    query = dict(reversed(wire.parameters))  # the first of a name counts
    if "Signature" in query or "AWSAccessKeyId" in query:
        raise _version_2()
    if any(f"X-Amz-{name}" not in query for name in _PRESIGNED):
        raise _malformed(
            code,
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "
            "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        )
    if query["X-Amz-Algorithm"] != ALGORITHM:
        raise _malformed(code, f'X-Amz-Algorithm only supports "{ALGORITHM}"')
    moment = _moment(query["X-Amz-Date"])
    if moment is None:
        raise _malformed(code, "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
    if not query["X-Amz-Expires"].isdecimal():
        raise _malformed(code, "X-Amz-Expires should be a number, and must be non-negative")
    expires = int(query["X-Amz-Expires"])
    if expires > MAX_EXPIRES_SECONDS:
        raise _malformed(
            code, f"X-Amz-Expires must be less than a week (in seconds) that is {MAX_EXPIRES_SECONDS}"
        )
    if moment - now > MAX_SKEW:
        raise AuthenticationError(403, "AccessDenied", "Request is not yet valid")
    if now > moment + timedelta(seconds=expires):
        raise AuthenticationError(
            403,
            "AccessDenied",
            "Request has expired",
            **{"X-Amz-Expires": query["X-Amz-Expires"], "ServerTime": f"{now:%Y-%m-%dT%H:%M:%SZ}"},
        )
    signed_headers = query["X-Amz-SignedHeaders"]
    of_header = (
        wire.headers.get("x-amz-content-sha256") if _names(signed_headers, "x-amz-content-sha256") else None
    )
    return _verify(
        wire,
        "QueryString",
        credential=query["X-Amz-Credential"],
        signed_headers=signed_headers,
        signature=query["X-Amz-Signature"].lower(),
        timestamp=query["X-Amz-Date"],
        payload_hash=of_header or query.get("X-Amz-Content-Sha256") or UNSIGNED_PAYLOAD,
        token=query.get("X-Amz-Security-Token") or wire.headers.get("x-amz-security-token"),
    )


def _verify(
    wire: Wire,
    method: str,
    *,
    credential: str,
    signed_headers: str,
    signature: str,
    timestamp: str,
    payload_hash: str,
    token: str | None,
) -> Signature:
    in_header = method == "AuthHeader"
    scope = _scope(
        credential,
        timestamp,
        "AuthorizationHeaderMalformed" if in_header else "AuthorizationQueryParametersError",
    )
    credentials = _credentials(scope["key"], token)
    key, scope_text = _signing_key(credentials.secret_access_key, scope), _scope_text(scope)
    canonical = _canonical_request(wire, signed_headers, payload_hash)
    lines = [ALGORITHM, timestamp, scope_text, hashlib.sha256(canonical).hexdigest()]
    if not hmac.compare_digest(_hmac(key, "\n".join(lines)).hex(), signature):
        raise does_not_match()
    must_sign = {"host"} | {
        name for name in wire.headers if name.startswith("x-amz-") and name not in _MAY_BE_UNSIGNED
    }
    unsigned = sorted(name for name in must_sign if not _names(signed_headers, name))
    if unsigned:
        raise AuthenticationError(
            403,
            "AccessDenied",
            "There were headers present in the request which were not signed",
            HeadersNotSigned=", ".join(unsigned),
        )
    return Signature(
        credentials.principal,
        method,
        scope["region"],
        payload_hash,
        signature,
        timestamp,
        scope_text,
        key,
    )


def _names(signed_headers: str, name: str) -> bool:
    return name in signed_headers.split(";")


def _canonical_request(wire: Wire, signed_headers: str, payload_hash: str) -> bytes:
    path = quote(unquote_to_bytes(wire.path.encode("latin-1")), safe="/-_.~")
    query = "&".join(
        sorted(
            f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
            for name, value in wire.parameters
            if name != "X-Amz-Signature"
        )
    )
    headers = "".join(
        f"{name}:{' '.join(wire.headers.get(name, '').split())}\n" for name in signed_headers.split(";")
    )
    return "\n".join([wire.method, path, query, headers, signed_headers, payload_hash]).encode(
        "latin-1", "replace"
    )


def _scope(credential: str, timestamp: str, code: str) -> re.Match[str]:
    scope = _SCOPE.fullmatch(credential)
    if scope is None:
        raise _malformed(
            code,
            'The Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request", '
            "with s3 for the service.",
        )
    if scope["date"] != timestamp[:8]:
        raise _malformed(
            code, f'Invalid credential date "{scope["date"]}". This date is not the same as X-Amz-Date.'
        )
    return scope


def _scope_text(scope: re.Match[str]) -> str:
    return f"{scope['date']}/{scope['region']}/s3/aws4_request"


def _credentials(access_key_id: str, token: str | None) -> Credentials:
    credentials = issued(access_key_id)
    if credentials is None or (credentials.session_token and not token):
        raise AuthenticationError(
            403,
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
            AWSAccessKeyId=access_key_id,
        )
    if token and not hmac.compare_digest(token.encode(), credentials.session_token.encode()):
        raise AuthenticationError(
            400, "InvalidToken", "The provided token is malformed or otherwise invalid."
        )
    return credentials


def _signing_key(secret: str, scope: re.Match[str]) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (scope["date"], scope["region"], "s3", "aws4_request"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _moment(timestamp: str) -> datetime | None:
    try:
        return datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def does_not_match() -> AuthenticationError:
    """Return the error of a signature that is another."""
    return AuthenticationError(
        403,
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your key and "
        "signing method.",
    )


def _malformed(code: str, message: str) -> AuthenticationError:
    return AuthenticationError(400, code, message)


def _version_2() -> AuthenticationError:
    return AuthenticationError(
        400,
        "InvalidRequest",
        f"The authorization mechanism you have provided is not supported. Please use {ALGORITHM}.",
    )
