"""A small deployment on moto's S3: the code under test writes its receipts, this writes its trail files.

Signatures are made by a local P-256 key behind the protocol that ``KmsSigner`` has, because moto's KMS hashes
a digest once more. Nothing here decides what a test expects.
"""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import boto3
from aws_lambda_powertools import Logger, Metrics
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from custody.deployment import Deployment
from custody.keyring import REGISTRY_KEY
from custody.objects import ObjectVersion
from custody.receipt import RecorderIdentity
from custody.recorder import Recorder
from custody.times import format_time

ACCOUNT = "123456789012"
REGION = "us-east-1"
KEY_ID = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
VALID_FROM = "2020-01-01T00:00:00Z"
IDENTITY = RecorderIdentity("custody-local-recorder", "ab" * 32, "0.1.0")


class LocalSigner:
    """A ``Signer`` with a P-256 key of its own."""

    def __init__(self, keyid: str = KEY_ID) -> None:
        self.keyid = keyid
        self._key = ec.generate_private_key(ec.SECP256R1())

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message, ec.ECDSA(SHA256()))

    @property
    def public_key(self) -> str:
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def registered(self, **changes: Any) -> dict[str, Any]:
        """The key's entry in a registry."""
        return {
            "key_id": self.keyid,
            "algorithm": "ecdsa-sha2-nistp256",
            "public_key": self.public_key,
            "valid_from": VALID_FROM,
            "valid_until": None,
            "revoked_at": None,
        } | changes


def s3_record(version: ObjectVersion, request_id: str = "REQ0", **changes: Any) -> dict[str, Any]:
    """One record of a notification, shaped as Amazon S3 shapes it (User Guide, "Event message structure")."""
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": REGION,
        "eventTime": "2026-11-20T13:00:00.123Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:AROAEXAMPLE:alice@example.com"},
        "requestParameters": {"sourceIPAddress": "203.0.113.7"},
        "responseElements": {"x-amz-request-id": request_id, "x-amz-id-2": "id2"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "recorder",
            "bucket": {
                "name": version.bucket,
                "ownerIdentity": {"principalId": "A1EXAMPLE"},
                "arn": f"arn:aws:s3:::{version.bucket}",
            },
            "object": {
                "key": quote_plus(version.key),
                "size": 5,
                "eTag": "d41d8cd98f00b204e9800998ecf8427e",
                "versionId": version.version_id,
                "sequencer": "0055AED6DCD90281E5",
            },
        },
    } | changes


def body(*records: dict[str, Any]) -> str:
    """The body of one SQS message."""
    return json.dumps({"Records": list(records)})


def trail_record(
    version: ObjectVersion, request_id: str | None, event_id: str, **changes: Any
) -> dict[str, Any]:
    """One CloudTrail record of a PutObject."""
    return {
        "eventVersion": "1.11",
        "userIdentity": {"type": "AssumedRole", "principalId": "AROAEXAMPLE:alice@example.com"},
        "eventTime": "2026-11-20T13:00:00Z",
        "eventSource": "s3.amazonaws.com",
        "eventName": "PutObject",
        "awsRegion": REGION,
        "sourceIPAddress": "203.0.113.7",
        "userAgent": "[aws-cli/2]",
        "requestParameters": {"bucketName": version.bucket, "key": version.key, "Host": ["s3", "x"]},
        "responseElements": {"x-amz-version-id": version.version_id},
        "additionalEventData": {"bytesTransferredIn": 25701.0},
        "requestID": request_id,
        "eventID": event_id,
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": False,
        "eventCategory": "Data",
    } | changes


def log_file(*records: dict[str, Any]) -> bytes:
    """A log file as CloudTrail delivers it."""
    return gzip.compress(json.dumps({"Records": list(records)}).encode())


def answer_with(client: Any, operation: str, status: int, code: str, times: int = -1) -> Callable[[], None]:
    """Let the service answer an operation with an error (``times`` times, or until the result is called)."""
    left = itertools.count(times, -1) if times >= 0 else itertools.repeat(1)
    error = (
        f"<Error><Code>{code}</Code><Message>said the test</Message></Error>"
        if client.meta.service_model.service_name == "s3"
        else json.dumps({"__type": code, "message": "said the test"})
    )

    class Raw:
        def stream(self, *_args: Any, **_kwargs: Any) -> Any:
            yield error.encode()

        def read(self, *_args: Any) -> bytes:
            return error.encode()

    def answer(request: Any, **_kwargs: Any) -> AWSResponse | None:
        return AWSResponse(request.url, status, HTTPHeaders(), Raw()) if next(left) > 0 else None

    name = f"before-send.{client.meta.service_model.service_name}.{operation}"
    client.meta.events.register_first(name, answer)
    return lambda: client.meta.events.unregister(name, answer)


@dataclass
class Drop:
    """An object version that was put, and the id of the request that put it."""

    version: ObjectVersion
    request_id: str


class World:
    """Buckets, a signer, a recorder and a trail."""

    def __init__(self, watermark_minutes: int = 60) -> None:
        self.s3: Any = boto3.client(
            "s3",
            region_name=REGION,
            config=Config(
                retries={"mode": "standard", "total_max_attempts": 1},
                max_pool_connections=32,
                response_checksum_validation="when_required",
            ),
        )
        shorts = ("raw-data", "provenance", "processed", "analytics", "cloudtrail-log")
        buckets = {short: f"custody-local-{short}-{ACCOUNT}" for short in shorts}
        for bucket in buckets.values():
            self.s3.create_bucket(Bucket=bucket)
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self.deployment = Deployment(
            buckets=buckets,
            keys={"signing": KEY_ID},
            functions={},
            queues={},
            workgroup="custody-local",
            database="custody_local",
            trail_arn="",
            topic_arn="",
            account_id=ACCOUNT,
            region=REGION,
            watermark_minutes=watermark_minutes,
            recorded_prefixes={
                buckets["raw-data"]: ["incoming/"],
                buckets["processed"]: [""],
                buckets["analytics"]: [""],
            },
        )
        self.raw = buckets["raw-data"]
        self.provenance = buckets["provenance"]
        self.trail = buckets["cloudtrail-log"]
        self.signer = LocalSigner()
        self.write_registry(self.signer.registered())
        self.recorder = Recorder(
            s3=self.s3,
            signer=self.signer,
            provenance_bucket=self.provenance,
            identity=IDENTITY,
            logger=Logger(service="recorder"),
            metrics=Metrics(namespace="Custody", service="recorder"),
        )
        self._numbers = itertools.count(1)

    def write_registry(self, *keys: dict[str, Any]) -> None:
        document = json.dumps({"keys": list(keys)})
        self.s3.put_object(Bucket=self.provenance, Key=REGISTRY_KEY, Body=document.encode())

    def put(self, key: str, data: bytes, bucket: str | None = None) -> Drop:
        """Put an object, and tell nobody."""
        bucket = bucket or self.raw
        version_id = self.s3.put_object(Bucket=bucket, Key=key, Body=data)["VersionId"]
        return Drop(ObjectVersion(bucket, key, version_id), f"REQ{next(self._numbers):06d}")

    def record(self, drop: Drop) -> None:
        """Let the recorder have the notification."""
        self.recorder.process(body(s3_record(drop.version, drop.request_id)))

    def witness(self, *drops: Drop, region: str = REGION, **changes: Any) -> str:
        """Deliver one trail file that tells of the writes; its key."""
        records = [
            trail_record(drop.version, drop.request_id, f"event-{next(self._numbers)}", **changes)
            for drop in drops
        ]
        return self.deliver(log_file(*records), region)

    def deliver(self, data: bytes, region: str = REGION) -> str:
        """Deliver the bytes as a trail file of today."""
        today = datetime.now(UTC)
        name = f"{ACCOUNT}_CloudTrail_{region}_{today:%Y%m%dT%H%MZ}_{next(self._numbers):016d}.json.gz"
        key = f"AWSLogs/{ACCOUNT}/CloudTrail/{region}/{today:%Y/%m/%d}/{name}"
        self.s3.put_object(Bucket=self.trail, Key=key, Body=data)
        return key

    def drop(self, key: str, data: bytes, bucket: str | None = None) -> ObjectVersion:
        """An object that went all the way: put, recorded, witnessed."""
        drop = self.put(key, data, bucket)
        self.record(drop)
        self.witness(drop)
        return drop.version

    def read(self, bucket: str, key: str) -> bytes:
        data = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        assert isinstance(data, bytes)
        return data


def now_text() -> str:
    """This moment, as it stands in evidence."""
    return format_time(datetime.now(UTC))
