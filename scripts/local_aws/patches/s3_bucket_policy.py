"""A bucket's policy is evaluated with its principals and conditions, for every operation.

moto looks at neither, so that the usual statement that denies calls without TLS refuses everything, and it
answers a denied call without an error document. A call over the loopback address stands for one over TLS to
AWS. Calls of the bucket's own account pass unless denied, those of another account must be allowed: what IAM
policies say counts only if there is an authority (``scripts/local_aws/enforcement``), which then decides.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-policy-language-overview.html
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from moto.iam.access_control import PermissionResult
from moto.s3.exceptions import MissingKey, S3AccessDeniedError, S3ClientError
from moto.s3.models import FakeBucket, S3Backend
from moto.s3.responses import S3Response

from scripts.local_aws.calls import S3Call, current
from scripts.local_aws.enforcement.actions import Need
from scripts.local_aws.enforcement.authority import Authority, DeniedError
from scripts.local_aws.enforcement.current import authority
from scripts.local_aws.enforcement.s3 import key_needs
from scripts.local_aws.policy import Decision, Request, evaluate

_HEADER_KEYS = (
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-metadata-directive",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
    "if-match",
    "if-none-match",
)
_QUERY_KEYS = {"prefix": "prefix", "delimiter": "delimiter", "max-keys": "max-keys", "versionid": "versionId"}
_LOCK_KEYS = {
    "object-lock-mode": "x-amz-object-lock-mode",
    "object-lock-retain-until-date": "x-amz-object-lock-retain-until-date",
    "object-lock-legal-hold": "x-amz-object-lock-legal-hold",
}
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
_CREATING = {"CompleteMultipartUpload", "CopyObject", "PostObject", "PutObject"}
_AUTH_TYPES = {"QueryString": "REST-QUERY-STRING", "HtmlForm": "POST"}
KNOWN_KEYS = frozenset(
    [
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalisawsservice",
        "aws:principalservicename",
        "aws:principaltype",
        "aws:securetransport",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceip",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:userid",
        "aws:useragent",
        "aws:username",
        "aws:viaawsservice",
        "s3:authtype",
        "s3:objectcreationoperation",
        "s3:object-lock-remaining-retention-days",
        "s3:signatureversion",
        "s3:tlsversion",
        *(f"s3:{name}" for name in (*_HEADER_KEYS, *_QUERY_KEYS, *_LOCK_KEYS)),
    ]
)


class AccessDeniedError(S3AccessDeniedError):
    """The error document of a call that a bucket policy denies."""

    def __init__(self, call: S3Call, action: str, resource: str, message: str = "") -> None:
        super().__init__()
        self.message = message or (
            f"User: {call.principal.arn} is not authorized to perform: {action} on resource: "
            f'"{resource}" with an explicit deny in a resource-based policy'
            if not call.principal.is_anonymous
            else "Access Denied"
        )


def apply() -> None:
    """Check the policy before moto serves a call, and where moto asks for it."""
    _check_before("_key_response")
    _check_before("_bucket_response")
    FakeBucket.get_permission = _get_permission  # type: ignore[method-assign]


def _check_before(name: str) -> None:
    serve = getattr(S3Response, name)

    def checked(self: S3Response, *args: Any) -> Any:
        call = current()
        if call is None:
            return serve(self, *args)
        _authorize(self, call)
        try:
            answer = serve(self, *args)
        except MissingKey as error:
            _hide(call, error)
            raise
        if isinstance(answer, tuple) and answer[0] == 404:
            _hide(call, None)
        return answer

    setattr(S3Response, name, checked)


def _authorize(response: S3Response, call: S3Call) -> None:
    if call.operation is None or call.operation.name == "DeleteObjects":
        return  # The one is a question of a browser's, the other is decided key by key.
    if call.operation.name in {"CreateBucket", "ListBuckets"}:  # There is no policy yet, or none.
        if call.principal.is_anonymous:
            raise AccessDeniedError(call, f"s3:{call.operation.action}", "*")
        arn = f"arn:aws:s3:::{call.bucket}" if call.bucket else "*"
        _enforce(call, f"s3:{call.operation.action}", arn, {})
        return
    check = _Check(response.backend, call, _context(call) | _lock_context(response, call))
    check.require(call.operation.action, call.bucket, call.key)
    if call.headers.get("x-amz-bypass-governance-retention", "").lower() == "true":
        check.require("BypassGovernanceRetention", call.bucket, call.key)
    if "x-amz-copy-source" in call.headers and call.key:
        path, _, version = call.headers["x-amz-copy-source"].partition("?versionId=")
        bucket, _, key = unquote(path).lstrip("/").partition("/")
        check.require("GetObjectVersion" if version else "GetObject", bucket, key)
    if deciding := authority():
        for need in key_needs(response.backend, call):
            _require(deciding, call, need)


def _hide(call: S3Call, error: MissingKey | None) -> None:
    """Refuse who may not know whether there is such an object.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """
    deciding = authority()
    is_read = call.operation is not None and call.operation.name in {"GetObject", "HeadObject"}
    if deciding is not None and is_read and deciding.hides(call.principal, call.bucket):
        raise AccessDeniedError(call, "s3:ListBucket", f"arn:aws:s3:::{call.bucket}") from error


def allows(bucket: FakeBucket, call: S3Call, action: str, key: str) -> bool:
    """Whether the policies let a call do ``action`` (without its ``s3:``) to one of several keys."""
    resource = f"arn:aws:s3:::{bucket.name}/{key}"
    try:
        if _enforce(call, f"s3:{action}", resource, _context(call)):
            return True
    except AccessDeniedError:
        return False
    decision = _decide(bucket.policy, call, _context(call), f"s3:{action}", resource)
    return _passes(decision, bucket, call)


def _passes(decision: Decision, bucket: FakeBucket, call: S3Call) -> bool:
    is_own = call.principal.account_id == bucket.account_id
    return decision is Decision.ALLOW or (decision is Decision.NEUTRAL and is_own)


@dataclass(frozen=True, slots=True)
class _Check:
    """What is asked of the policies for one call."""

    backend: S3Backend
    call: S3Call
    context: dict[str, str]

    def require(self, action: str, bucket_name: str, key: str) -> None:
        """Raise ``AccessDeniedError`` if the policy denies it, or does not allow it to strangers."""
        try:
            bucket = self.backend.get_bucket(bucket_name)
        except S3ClientError:
            return  # There is no such bucket: moto says so.
        resource = f"arn:aws:s3:::{bucket_name}/{key}" if key else f"arn:aws:s3:::{bucket_name}"
        if _enforce(self.call, f"s3:{action}", resource, self.context):
            return
        decision = _decide(bucket.policy, self.call, self.context, f"s3:{action}", resource)
        if not _passes(decision, bucket, self.call):
            raise AccessDeniedError(self.call, f"s3:{action}", resource)


def _enforce(call: S3Call, action: str, resource: str, context: Mapping[str, str]) -> bool:
    """Have the authority decide; false if there is none. Raises ``AccessDeniedError``."""
    if (deciding := authority()) is None:
        return False
    of_s3 = {name: value for name, value in context.items() if name.startswith("s3:")}
    _require(deciding, call, Need(action, resource, of_s3))
    return True


def _require(deciding: Authority, call: S3Call, need: Need) -> None:
    try:
        deciding.require(call.principal, need)
    except DeniedError as error:
        raise AccessDeniedError(call, need.action, need.resource, str(error)) from error


def _get_permission(self: FakeBucket, action: str, resource: str) -> PermissionResult:
    """What moto asks once more, in actions of its own making: it was decided before."""
    del self, action, resource
    return PermissionResult.PERMITTED


def _decide(
    policy: bytes | None, call: S3Call, context: dict[str, str], action: str, resource: str
) -> Decision:
    if policy is None:
        return Decision.NEUTRAL
    return evaluate(_parsed(policy), Request(call.principal, action, resource, context, KNOWN_KEYS))


@lru_cache(maxsize=256)
def _parsed(policy: bytes) -> dict[str, Any]:
    return dict(json.loads(policy))


def _context(call: S3Call) -> dict[str, str]:
    principal = call.principal
    context = {
        "aws:principalisawsservice": "false",
        "aws:principaltype": "Anonymous" if principal.is_anonymous else principal.kind,
        "aws:securetransport": "true",
        "aws:sourceip": call.source_ip,
        "aws:useragent": call.headers.get("user-agent", ""),
        "aws:userid": principal.principal_id,
        "aws:viaawsservice": "false",
        "s3:authtype": _AUTH_TYPES.get(call.authentication, "REST-HEADER"),
        "s3:signatureversion": "AWS4-HMAC-SHA256",
        "s3:tlsversion": "1.3",
    }
    if not principal.is_anonymous:
        context["aws:principalaccount"] = principal.account_id
        context["aws:principalarn"] = principal.role_arn or principal.arn
    if call.operation is not None and call.operation.action == "PutObject":
        context["s3:objectcreationoperation"] = "true" if call.operation.name in _CREATING else "false"
    if principal.user_name:
        context["aws:username"] = principal.user_name
    for name in _HEADER_KEYS:
        if name in call.headers:
            context[f"s3:{name}"] = call.headers[name]
    for name, parameter in _QUERY_KEYS.items():
        if parameter in call.query:
            context[f"s3:{name}"] = call.query[parameter]
    return context


def _lock_context(response: S3Response, call: S3Call) -> dict[str, str]:
    """What the request asks of Object Lock: in its headers, or the document of a PutObjectRetention."""
    context = {
        f"s3:{name}": call.headers[header] for name, header in _LOCK_KEYS.items() if header in call.headers
    }
    if call.operation is not None and call.operation.name == "PutObjectRetention":
        mode, until = response._mode_until_from_body()
        context |= {"s3:object-lock-mode": mode or "", "s3:object-lock-retain-until-date": until or ""}
    until = context.get("s3:object-lock-retain-until-date")
    if until:
        remaining = (datetime.fromisoformat(until) - datetime.now(UTC)) / timedelta(days=1)
        context["s3:object-lock-remaining-retention-days"] = str(math.ceil(remaining))
    return context
