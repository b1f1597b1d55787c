"""Evidence for the tests: CloudTrail records as AWS writes them, and receipts as the recorder signs them.

The records follow the examples in the CloudTrail and Amazon S3 user guides ("Amazon S3 log file entries",
"CloudTrail userIdentity element"): what varies there, varies here.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from custody.evidence.dsse import sign_envelope
from custody.evidence.objects import ObjectVersion
from custody.evidence.receipt import PAYLOAD_TYPE, Receipt, RecorderIdentity
from custody.recorder.notification import BACKFILL_NAME, ObjectCreated

ACCOUNT = "123456789012"
REGION = "us-east-1"
RAW = f"custody-local-raw-data-{ACCOUNT}"
PROCESSED = f"custody-local-processed-{ACCOUNT}"
ANALYTICS = f"custody-local-analytics-{ACCOUNT}"
PROVENANCE = f"custody-local-provenance-{ACCOUNT}"
TRAIL_LOG = f"custody-local-cloudtrail-log-{ACCOUNT}"
ARTIFACTS = f"custody-local-artifacts-{ACCOUNT}"

Record = dict[str, Any]

NOON = datetime(2026, 3, 10, 12, 0, 0, tzinfo=UTC)
"""A time long past every watermark."""

_numbers = itertools.count(1)


def iam_user(name: str) -> Record:
    """A user of IAM with a key."""
    return {
        "type": "IAMUser",
        "principalId": "AIDACKCEVSQ6C2EXAMPLE",
        "arn": f"arn:aws:iam::{ACCOUNT}:user/{name}",
        "accountId": ACCOUNT,
        "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
        "userName": name,
    }


def assumed_role(role: str, session: str, path: str = "") -> Record:
    """A session of a role: of a function, a job, a CI run."""
    return {
        "type": "AssumedRole",
        "principalId": f"AROADBQP57FF2AEXAMPLE:{session}",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session}",
        "accountId": ACCOUNT,
        "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": "AROADBQP57FF2AEXAMPLE",
                "arn": f"arn:aws:iam::{ACCOUNT}:role/{path}{role}",
                "accountId": ACCOUNT,
                "userName": role,
            },
            "attributes": {"creationDate": "2026-03-10T08:00:00Z", "mfaAuthenticated": "false"},
        },
    }


def sso_user(name: str) -> Record:
    """A person who signed in through IAM Identity Center."""
    identity = assumed_role(
        "AWSReservedSSO_DataEngineer_0123456789abcdef", name, "aws-reserved/sso.amazonaws.com/"
    )
    identity["onBehalfOf"] = {
        "userId": "d11111f0-0000-1111-2222-EXAMPLE33333",
        "identityStoreArn": f"arn:aws:identitystore::{ACCOUNT}:identitystore/d-1234567890",
    }
    return identity


def service(name: str) -> Record:
    """A service that acts for itself: it has no ARN."""
    return {"type": "AWSService", "invokedBy": name}


RECORDER = assumed_role("custody-local-recorder", "custody-local-recorder")


def event(
    name: str,
    bucket: str,
    key: str | None,
    at: datetime = NOON,
    *,
    identity: Record | None = None,
    parameters: Record | None = None,
    response: Record | None = None,
    extra: Record | None = None,
    read_only: bool = False,
    **fields: Any,
) -> Record:
    """A data event of S3; ``fields`` replace or add to what is at the record's top."""
    number = next(_numbers)
    place = {"bucketName": bucket} | ({} if key is None else {"key": key})
    host = f"{bucket}.s3.{REGION}.amazonaws.com"
    return {
        "eventVersion": "1.11",
        "userIdentity": identity or iam_user("ada"),
        "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": "s3.amazonaws.com",
        "eventName": name,
        "awsRegion": REGION,
        "sourceIPAddress": "192.0.2.10",
        "userAgent": "[aws-cli/2.31.0]",
        "requestParameters": place | {"Host": host} | (parameters or {}),
        "responseElements": response,
        "additionalEventData": {
            "SignatureVersion": "SigV4",
            "CipherSuite": "TLS_AES_128_GCM_SHA256",
            "bytesTransferredIn": 0,
            "AuthenticationMethod": "AuthHeader",
            "x-amz-id-2": "EXAMPLE/abcdefghijklmnopqrstuvwxyz",
            "bytesTransferredOut": 0,
        }
        | (extra or {}),
        "requestID": f"{number:016X}",
        "eventID": str(uuid.uuid5(uuid.NAMESPACE_OID, str(number))),
        "readOnly": read_only,
        "resources": [
            {"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{bucket}/{key or ''}"},
            {"accountId": ACCOUNT, "type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{bucket}"},
        ],
        "eventType": "AwsApiCall",
        "managementEvent": False,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Data",
        "tlsDetails": {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": host,
        },
    } | fields


def put_object(
    bucket: str, key: str, at: datetime = NOON, *, version: str | None = "", **options: Any
) -> Record:
    """A write. ``version`` "" is a new one; None leaves it out of the record."""
    return event("PutObject", bucket, key, at, **_written(version, options))


def copy_object(bucket: str, key: str, source: str, at: datetime = NOON, **options: Any) -> Record:
    """A copy from another object (``source``: bucket/key), which is also in the resources."""
    options["parameters"] = {"x-amz-copy-source": source} | options.get("parameters", {})
    record = event("CopyObject", bucket, key, at, **_written("", options))
    record["resources"].insert(0, {"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{source}"})
    return record


def complete_multipart(bucket: str, key: str, at: datetime = NOON, **options: Any) -> Record:
    """The end of a multipart upload, which alone names the version."""
    options["parameters"] = {"uploadId": "EXAMPLEJZ6e0YupT2h66iePQCc9IEbYbD"} | options.get("parameters", {})
    record = event("CompleteMultipartUpload", bucket, key, at, **_written("", options))
    record["responseElements"] |= {"bucket": bucket, "key": key, "location": f"https://{bucket}/{key}"}
    return record


def get_object(bucket: str, key: str, at: datetime = NOON, **options: Any) -> Record:
    """A read."""
    options.setdefault("extra", {"bytesTransferredOut": 25701.0})
    return event("GetObject", bucket, key, at, read_only=True, **options)


def denied(record: Record) -> Record:
    """The same call, denied."""
    return record | {"errorCode": "AccessDenied", "errorMessage": "Access Denied", "responseElements": None}


def _written(version: str | None, options: Record) -> Record:
    if version == "":
        version = f"EXAMPLE.{next(_numbers)}"
    response = {
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/EXAMPLE",
    }
    if version is not None:
        response["x-amz-version-id"] = version
    return {"response": response, "extra": {"bytesTransferredIn": 25701.0, "SSEApplied": "SSE_KMS"}} | options


def version_of(record: Record) -> str:
    """The version id that a write's record names."""
    return str(record["responseElements"]["x-amz-version-id"])


NOTIFIED = {
    "PutObject": "ObjectCreated:Put",
    "PostObject": "ObjectCreated:Post",
    "CopyObject": "ObjectCreated:Copy",
    "CompleteMultipartUpload": "ObjectCreated:CompleteMultipartUpload",
}
"""What Amazon S3's notifications call the writes that CloudTrail calls so."""


def receipt_of(record: Record, *, after: timedelta = timedelta(seconds=2)) -> Receipt:
    """The receipt that the recorder makes for this write, so long after it."""
    at = datetime.fromisoformat(record["eventTime"])
    place = record["requestParameters"]
    identity = record["userIdentity"].get("principalId", "")
    came_in = (record.get("additionalEventData") or {}).get("bytesTransferredIn")
    return Receipt(
        event=ObjectCreated(
            version=ObjectVersion(place["bucketName"], place["key"], version_of(record)),
            name=NOTIFIED[record["eventName"]],
            time=at + timedelta(milliseconds=412),
            request_id=record["requestID"],
            principal_id=f"AWS:{identity}",
            source_ip=record["sourceIPAddress"],
            sequencer="0055AED6DCD90281E5",
        ),
        sha256=hashlib.sha256(version_of(record).encode()).hexdigest(),
        size_bytes=int(came_in) if came_in and isinstance(came_in, int | float) else 25701,
        etag='"d41d8cd98f00b204e9800998ecf8427e"',
        last_modified=at,
        content_type="text/csv",
        recorded_at=at + after,
        recorder=RecorderIdentity("custody-local-recorder", "ab" * 32, "0.1.0"),
    )


def backfill_of(record: Record, *, after: timedelta) -> Receipt:
    """The receipt for this write, requested this long after it: it names no request."""
    receipt = receipt_of(record, after=after)
    asked = replace(
        receipt.event,
        name=BACKFILL_NAME,
        time=receipt.recorded_at,
        request_id=None,
        principal_id=None,
        source_ip=None,
        sequencer=None,
    )
    return replace(receipt, event=asked)


def with_event(receipt: Receipt, **changes: object) -> Receipt:
    """The receipt, with changed facts of its notification."""
    return replace(receipt, event=replace(receipt.event, **changes))  # type: ignore[arg-type]


class Signer:
    """Signs with a constant: no view looks at a signature."""

    keyid = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/signing"

    def sign(self, message: bytes) -> bytes:
        return hashlib.sha256(message).digest()


def envelope(receipt: Receipt) -> bytes:
    """The DSSE envelope as it is stored."""
    return sign_envelope(receipt.to_statement(), PAYLOAD_TYPE, Signer())


def statement_envelope(statement: object) -> bytes:
    """A signed envelope around any statement."""
    return sign_envelope(json.dumps(statement).encode(), PAYLOAD_TYPE, Signer())
