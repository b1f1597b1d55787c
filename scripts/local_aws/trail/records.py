"""The CloudTrail record of one call of S3.

After "CloudTrail record contents" (CloudTrail User Guide) and "Amazon S3 CloudTrail events" (S3 User Guide).
A call over the loopback address is recorded as the one to AWS it stands for: over TLS, to the bucket's host.
"""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import unquote

from moto.s3.exceptions import S3ClientError

from scripts.local_aws.calls import S3Call
from scripts.local_aws.identity import Principal
from scripts.local_aws.operations import Operation
from scripts.local_aws.storage import bucket_named

EVENT_VERSION = "1.11"
_CIPHER_SUITE = "TLS_AES_128_GCM_SHA256"
_SECRET_PARAMETERS = {
    "AWSAccessKeyId",
    "Expires",
    "Signature",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
}
_RECORDED_HEADERS = (
    "x-amz-acl",
    "x-amz-bypass-governance-retention",
    "x-amz-checksum-algorithm",
    "x-amz-copy-source",
    "x-amz-copy-source-range",
    "x-amz-metadata-directive",
    "x-amz-object-lock-legal-hold",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-bucket-key-enabled",
    "x-amz-storage-class",
)
_RESPONSE_ELEMENTS = (
    "x-amz-copy-source-version-id",
    "x-amz-delete-marker",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-bucket-key-enabled",
    "x-amz-version-id",
)


def record(call: S3Call, operation: Operation, region: str) -> dict[str, Any]:
    """What CloudTrail says of a call that was served; ``region`` is the bucket's."""
    account_id = call.principal.account_id
    document: dict[str, Any] = {
        "eventVersion": EVENT_VERSION,
        "userIdentity": user_identity(call.principal),
        "eventTime": f"{call.received:%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": "s3.amazonaws.com",
        "eventName": operation.name,
        "awsRegion": region,
        "sourceIPAddress": call.source_ip,
        "userAgent": f"[{call.headers.get('user-agent', '')}]",
    }
    if call.error_code:
        document["errorCode"] = call.error_code
        document["errorMessage"] = call.error_message
    document |= {
        "requestParameters": request_parameters(call, region),
        "responseElements": None if call.error_code or operation.read_only else _response_elements(call),
        "additionalEventData": _additional_event_data(call),
        "requestID": call.request_id,
        "eventID": str(uuid.uuid4()),
        "readOnly": operation.read_only,
        "resources": _resources(call, account_id),
        "eventType": "AwsApiCall",
        "managementEvent": False,
        "recipientAccountId": account_id,
        "eventCategory": "Data",
        "tlsDetails": {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": _CIPHER_SUITE,
            "clientProvidedHostHeader": _host(call, region),
        },
    }
    return document


def user_identity(principal: Principal) -> dict[str, Any]:
    """The element ``userIdentity`` of whoever calls."""
    identity: dict[str, Any] = {
        "type": principal.kind,
        "principalId": principal.principal_id,
        "accountId": principal.account_id,
    }
    if principal.is_anonymous:
        return identity
    identity |= {"arn": principal.arn, "accessKeyId": principal.access_key_id}
    if principal.kind == "IAMUser":
        identity["userName"] = principal.user_name
    if principal.kind == "AssumedRole":
        identity["sessionContext"] = {
            "sessionIssuer": {
                "type": "Role",
                "principalId": principal.principal_id.partition(":")[0],
                "arn": principal.role_arn,
                "accountId": principal.account_id,
                "userName": principal.role_arn.rpartition("/")[2],
            },
            "attributes": {
                "creationDate": f"{principal.issued_at:%Y-%m-%dT%H:%M:%SZ}",
                "mfaAuthenticated": "false",
            },
        }
    return identity


def request_parameters(call: S3Call, region: str) -> dict[str, Any]:
    """The element ``requestParameters`` of a call of S3, without what signs it."""
    parameters: dict[str, Any] = {"bucketName": call.bucket, "Host": _host(call, region)}
    if call.key:
        parameters["key"] = call.key
    parameters |= {name: value for name, value in call.query.items() if name not in _SECRET_PARAMETERS}
    parameters |= {name: call.headers[name] for name in _RECORDED_HEADERS if name in call.headers}
    return parameters


def _response_elements(call: S3Call) -> dict[str, Any] | None:
    headers = call.response_headers
    return {name: headers[name] for name in _RESPONSE_ELEMENTS if name in headers} or None


def _additional_event_data(call: S3Call) -> dict[str, Any]:
    data: dict[str, Any] = {
        "SignatureVersion": "SigV4",
        "CipherSuite": _CIPHER_SUITE,
        "bytesTransferredIn": call.bytes_in,
        "AuthenticationMethod": call.authentication,
        "x-amz-id-2": call.host_id,
        "bytesTransferredOut": call.bytes_out,
    }
    if call.principal.is_anonymous:
        del data["SignatureVersion"], data["AuthenticationMethod"]
    if call.key and not call.error_code and call.method != "DELETE":
        data["SSEApplied"] = _encryption(call)
    return data


def _encryption(call: S3Call) -> str:
    asked = "x-amz-server-side-encryption" in call.headers
    applied = call.response_headers.get("x-amz-server-side-encryption")
    if applied is None:
        rule = (bucket_named(call.bucket).encryption or {}).get("Rule", {})
        applied = rule.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm", "AES256")
    name = "SSE_KMS" if applied.startswith("aws:kms") else "SSE_S3"
    return name if asked else f"Default_{name}"


def _resources(call: S3Call, account_id: str) -> list[dict[str, Any]]:
    bucket_arn = f"arn:aws:s3:::{call.bucket}"
    owner = _owner(call.bucket, account_id)
    bucket = {"accountId": owner, "type": "AWS::S3::Bucket", "ARN": bucket_arn}
    if not call.key:
        prefix = call.query.get("prefix", "")
        return [{"type": "AWS::S3::Object", "ARNPrefix": f"{bucket_arn}/{prefix}"}, bucket]
    resources: list[dict[str, Any]] = [{"type": "AWS::S3::Object", "ARN": f"{bucket_arn}/{call.key}"}, bucket]
    if "x-amz-copy-source" in call.headers:
        source = unquote(call.headers["x-amz-copy-source"].partition("?")[0]).lstrip("/")
        resources.append({"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{source}"})
    return resources


def _owner(bucket_name: str, default: str) -> str:
    try:
        return str(bucket_named(bucket_name).account_id)
    except S3ClientError:
        return default


def _host(call: S3Call, region: str) -> str:
    return f"{call.bucket}.s3.{region}.amazonaws.com"
