"""CloudTrail's records of management writes: calls that change how something is set up, and not data.

After "CloudTrail record contents" (CloudTrail User Guide): parameters are those of the API, with a small
first letter. Reads are not recorded, nor are data events, such as messages sent and functions invoked.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import determine_request_protocol
from moto.core.responses import BaseResponse
from moto.core.utils import get_service_model
from moto.kms.models import kms_backends

from scripts.local_aws.account import ACCOUNT_ID
from scripts.local_aws.calls import S3Call
from scripts.local_aws.identity import ANONYMOUS, issued
from scripts.local_aws.trail.records import EVENT_VERSION, request_parameters, user_identity

Observer = Callable[[], Callable[[dict[str, Any]], None]]
"""Called before a call is served, it returns what takes the call's record: a call may stop the trail."""

_READ = re.compile(
    "Assume|BatchGet|Check|Decrypt|Describe|Encrypt|Estimate|Filter|Generate|Get|Head|List|Lookup|Query|ReEncrypt|"
    "Receive|Search|Select|Sign|Simulate|Test|Validate|Verify"
)
_DATA = {
    "events": {"PutEvents"},
    "firehose": {"PutRecord", "PutRecordBatch"},
    "lambda": {"Invoke", "InvokeAsync"},
    "logs": {"PutLogEvents"},
    "monitoring": {"PutMetricData"},
    "sns": {"Publish", "PublishBatch"},
    "sqs": {
        "ChangeMessageVisibility",
        "ChangeMessageVisibilityBatch",
        "DeleteMessage",
        "DeleteMessageBatch",
        "SendMessage",
        "SendMessageBatch",
    },
}
"""Writes that are data events, or that CloudTrail does not record, by endpoint prefix."""
_ERROR = re.compile(r'^(\w+)|"__type": *"(?:[^"#]*#)?(\w+)|<Code>(?:[\w.]*\.)?(\w+)</Code>')
"""The code of an error: in a header, in JSON, in XML."""
_LAMBDA_VERSION = re.compile(r"^/(\d{4})-(\d\d)-(\d\d)/")
_S3_NAMES = {
    "DeletePublicAccessBlock": "DeleteBucketPublicAccessBlock",
    "PutBucketLifecycleConfiguration": "PutBucketLifecycle",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
}
"""As the S3 User Guide, "Amazon S3 CloudTrail events", names operations that the API names otherwise."""


def install(observe: Observer) -> None:
    """Observe every management write of moto's services but S3."""
    serve = BaseResponse.call_action

    def call_action(self: BaseResponse) -> Any:
        name = "" if self.service_name in {None, "s3"} else str(self._get_action() or "")
        if not name or _READ.match(name):
            return serve(self)
        tell = observe()
        answer = serve(self)
        if document := _record(self, name, answer):
            tell(document)
        return answer

    BaseResponse.call_action = call_action  # type: ignore[method-assign]


def bucket_record(call: S3Call, region: str) -> dict[str, Any] | None:
    """The record of a served call that changes a bucket; ``None`` for any other call."""
    operation = call.operation
    if operation is None or operation.is_data_event or operation.read_only or not call.bucket:
        return None
    document = _document(
        user_identity(call.principal), "s3", _S3_NAMES.get(operation.name, operation.name), region
    )
    if call.error_code:
        document |= {"errorCode": call.error_code, "errorMessage": call.error_message}
    arn = f"arn:aws:s3:::{call.bucket}"
    return document | {
        "sourceIPAddress": call.source_ip,
        "userAgent": f"[{call.headers.get('user-agent', '')}]",
        "requestParameters": request_parameters(call, region),
        "requestID": call.request_id,
        "resources": [{"accountId": ACCOUNT_ID, "type": "AWS::S3::Bucket", "ARN": arn}],
    }


def _record(response: BaseResponse, name: str, answer: Any) -> dict[str, Any] | None:
    """The record of a served call; ``None`` if CloudTrail has none of it."""
    model = get_service_model(response.boto3_service_name)
    source = str(model.endpoint_prefix)
    if name in _DATA.get(source, ()) or name not in model.operation_names:
        return None
    parameters = cast("dict[str, Any]", _named(asked(response, name)))
    version = _LAMBDA_VERSION.match(response.normalized_request.path) if source == "lambda" else None
    credentials = issued(response.get_access_key())
    document = _document(
        user_identity(credentials.principal if credentials else ANONYMOUS),
        source,
        name + "".join(version.groups() if version else ()),
        response.region,
    )
    status, headers, body = answer
    if int(status) >= 400:
        text = body.decode() if isinstance(body, bytes) else str(body)
        told = _ERROR.search(f"{headers.get('x-amzn-errortype', '')}\n{text}")
        document["errorCode"] = next(filter(None, told.groups())) if told else "ClientError"
    if source == "kms" and (arn := _key_arn(response, parameters.get("keyId"))):
        document["resources"] = [{"accountId": ACCOUNT_ID, "type": "AWS::KMS::Key", "ARN": arn}]
    return document | {
        "sourceIPAddress": "127.0.0.1",
        "userAgent": str(response.headers.get("User-Agent", "")),
        "requestParameters": parameters,
        "requestID": str(response.response_headers.get("x-amzn-requestid") or uuid.uuid4()),
    }


def _document(identity: dict[str, Any], source: str, name: str, region: str) -> dict[str, Any]:
    return {
        "eventVersion": EVENT_VERSION,
        "userIdentity": identity,
        "eventTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": f"{source}.amazonaws.com",
        "eventName": name,
        "awsRegion": region,
        "responseElements": None,
        "eventID": str(uuid.uuid4()),
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT_ID,
        "eventCategory": "Management",
    }


def asked(response: BaseResponse, name: str) -> dict[str, Any]:
    """The parameters of a call, as the API names them."""
    request = response.normalized_request
    model = get_service_model(response.boto3_service_name)
    parser = PROTOCOL_PARSERS[determine_request_protocol(model, request.content_type)](
        model.operation_model(name), map_type=response.PROTOCOL_PARSER_MAP_TYPE
    )
    return parser.parse(
        {
            "method": request.method,
            "values": request.values,
            "headers": request.headers,
            "body": request.data,
            "url_path": request.path,
            "url_params": response.uri_match,
        }
    )


def _named(value: Any) -> Any:
    """Parameters as CloudTrail names them, without what it leaves out: secrets, code and other bytes."""
    if isinstance(value, dict):
        return {
            f"{key[:1].lower()}{key[1:]}": _named(one)
            for key, one in value.items()
            if key not in {"SecretString", "ZipFile"} and not isinstance(one, bytes)
        }
    return [_named(one) for one in value] if isinstance(value, list) else value


def _key_arn(response: BaseResponse, key_id: str | None) -> str:
    backend = kms_backends[ACCOUNT_ID][response.region]
    try:
        return str(backend.describe_key(key_id).arn) if key_id else ""
    except Exception:  # noqa: BLE001 - there is no such key, whatever moto says of it
        return ""
