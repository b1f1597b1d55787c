"""A small deployment on moto's S3: the code under test writes its receipts, this writes its trail files.

Signatures are made by a local P-256 key behind the protocol that ``KmsSigner`` has, because moto's KMS hashes
a digest once more. Nothing here decides what a test expects.
"""

from __future__ import annotations

import gzip
import io
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, quote_plus

import boto3
from aws_lambda_powertools import Logger, Metrics
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.response import StreamingBody
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from moto import mock_aws
from moto.s3.models import s3_backends

from custody.deployment import Deployment
from custody.evidence.objects import ObjectVersion
from custody.evidence.receipt import RecorderIdentity
from custody.evidence.registry import REGISTRY_KEY
from custody.evidence.signing import Signer
from custody.recorder.recorder import Recorder

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


def bus_event(version: ObjectVersion, request_id: str = "REQ0", **detail: Any) -> dict[str, Any]:
    """An event of EventBridge, as Amazon S3 shapes it (User Guide, "EventBridge event message structure")."""
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": ACCOUNT,
        "time": "2026-11-20T13:00:00Z",
        "region": REGION,
        "resources": [f"arn:aws:s3:::{version.bucket}"],
        "detail": {
            "version": "0",
            "bucket": {"name": version.bucket},
            "object": {
                "key": version.key,
                "size": 5,
                "etag": "d41d8cd98f00b204e9800998ecf8427e",
                "version-id": version.version_id,
                "sequencer": "0055AED6DCD90281E5",
            },
            "request-id": request_id,
            "requester": ACCOUNT,
            "source-ip-address": "203.0.113.7",
            "reason": "PutObject",
        }
        | detail,
    }


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
    return gzip.compress(json.dumps({"Records": list(records)}).encode(), mtime=0)


class Breaking(io.BytesIO):
    """A body that raises where its bytes end, as urllib3's does when a connection breaks."""

    def __init__(self, data: bytes, then: Exception | None) -> None:
        super().__init__(data)
        self._then = then

    def read(self, amt: int | None = -1, /) -> bytes:
        data = super().read(amt)
        if not data and self._then is not None:
            raise self._then
        return data


@contextmanager
def answered(
    client: Any, operation: str, answer: Callable[[], dict[str, Any]], times: int | None = None, key: str = ""
) -> Iterator[list[str]]:
    """Answer an operation of Amazon S3 in its place, the first ``times`` or always.

    Only for URLs that end in ``key``. Gives the URLs that were answered.
    """
    urls: list[str] = []

    def respond(params: dict[str, Any], **_kwargs: Any) -> tuple[AWSResponse, dict[str, Any]] | None:
        url = params["url"].partition("?")[0]
        if not url.endswith(quote(key)) or (times is not None and len(urls) >= times):
            return None
        urls.append(url)
        parsed = answer()
        status = parsed["ResponseMetadata"]["HTTPStatusCode"]
        return AWSResponse(url, status, HTTPHeaders(), io.BytesIO()), parsed

    name = f"before-call.s3.{operation}"
    client.meta.events.register_first(name, respond)
    try:
        yield urls
    finally:
        client.meta.events.unregister(name, respond)


def refused(
    client: Any, operation: str, status: int, code: str, times: int | None = None, key: str = ""
) -> AbstractContextManager[list[str]]:
    """Answer an operation of Amazon S3 with an error."""
    error = {
        "Error": {"Code": code, "Message": "said the test"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return answered(client, operation, lambda: error, times, key)


def given(
    client: Any, data: bytes, length: int, version_id: str, then: Exception | None = None, key: str = ""
) -> AbstractContextManager[list[str]]:
    """Answer GetObject with these bytes, of as many as are said to come."""

    def answer() -> dict[str, Any]:
        return {
            "Body": StreamingBody(Breaking(data, then), str(length)),
            "ContentLength": length,
            "VersionId": version_id,
            "ETag": '"e"',
            "LastModified": datetime(2026, 11, 20, 13, tzinfo=UTC),
            "ResponseMetadata": {"HTTPStatusCode": 200},
        }

    return answered(client, "GetObject", answer, key=key)


@dataclass
class Drop:
    """An object version that was put, and the id of the request that put it."""

    version: ObjectVersion
    request_id: str


class World:
    """Buckets, a signer, a recorder and a trail."""

    def __init__(self, s3: Any, name: str, watermark_minutes: int = 60) -> None:
        self.s3 = s3
        shorts = ("raw-data", "provenance", "processed", "analytics", "cloudtrail-log")
        buckets = {short: f"{name}-{short}-{ACCOUNT}" for short in shorts}
        for bucket in buckets.values():
            self.s3.create_bucket(Bucket=bucket)
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self.deployment = Deployment(
            buckets=buckets,
            keys={"signing": KEY_ID},
            functions={},
            queues={},
            jobs={},
            streams={},
            workgroup="custody-local",
            database="custody_local",
            trail_arn=f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/custody-test",
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
        self.metrics = Metrics(namespace="Custody", service="recorder")
        self.metrics.clear_metrics()
        self.recorder = self.recorder_with(self.signer)
        self._numbers = itertools.count(1)

    def recorder_with(self, signer: Signer, logger: Logger | None = None, **options: Any) -> Recorder:
        return Recorder(
            s3=self.s3,
            signer=signer,
            provenance_bucket=self.provenance,
            identity=IDENTITY,
            logger=logger or Logger(service="recorder"),
            metrics=self.metrics,
            **options,
        )

    def counted(self) -> dict[str, list[float]]:
        """The metrics of the recorder since the last call, but those of a time."""
        values = {
            name: metric["Value"]
            for name, metric in self.metrics.metric_set.items()
            if metric["Unit"] != "Seconds"
        }
        self.metrics.clear_metrics()
        return values

    def write_registry(self, *keys: dict[str, Any]) -> None:
        document = json.dumps({"keys": list(keys)})
        self.s3.put_object(Bucket=self.provenance, Key=REGISTRY_KEY, Body=document.encode())

    def put(self, key: str, data: bytes, bucket: str | None = None) -> Drop:
        """Put an object, without a notification."""
        bucket = bucket or self.raw
        version_id = self.s3.put_object(Bucket=bucket, Key=key, Body=data)["VersionId"]
        return Drop(ObjectVersion(bucket, key, version_id), f"REQ{next(self._numbers):06d}")

    def adopt(self, prefix: str, since: datetime) -> str:
        """Make a bucket that the deployment has adopted; its name."""
        bucket = f"{self.raw}.adopted"
        self.s3.create_bucket(Bucket=bucket)
        self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self.deployment.recorded_prefixes[bucket] = [prefix]
        self.deployment.adopted_since[bucket] = since
        return bucket

    def use_trail_of_organization(self) -> None:
        """From now on the trail's files are an organization trail's, of somebody else."""
        folder = f"logs/AWSLogs/o-exampleorgid/{ACCOUNT}/"
        self.deployment = replace(self.deployment, existing_trail_folder=folder)

    def record(self, drop: Drop) -> None:
        """Send the notification to the recorder."""
        self.recorder.process(body(s3_record(drop.version, drop.request_id)))

    def witness(self, *drops: Drop, region: str = REGION, **changes: Any) -> str:
        """Deliver one trail file with the writes; return its key."""
        records = [
            trail_record(drop.version, drop.request_id, f"event-{next(self._numbers)}", **changes)
            for drop in drops
        ]
        return self.deliver(log_file(*records), region)

    def deliver(self, data: bytes, region: str = REGION) -> str:
        """Deliver the bytes as a trail file of today."""
        today = datetime.now(UTC)
        name = f"{ACCOUNT}_CloudTrail_{region}_{today:%Y%m%dT%H%MZ}_{next(self._numbers):016d}.json.gz"
        key = f"{self.deployment.trail_folder}CloudTrail/{region}/{today:%Y/%m/%d}/{name}"
        self.s3.put_object(Bucket=self.trail, Key=key, Body=data)
        return key

    def drop(self, key: str, data: bytes, bucket: str | None = None) -> ObjectVersion:
        """An object with all evidence: stored, recorded, logged."""
        drop = self.put(key, data, bucket)
        self.record(drop)
        self.witness(drop)
        return drop.version

    def tamper(self, version: ObjectVersion, data: bytes) -> None:
        """Change stored bytes behind Amazon S3's back."""
        kept = s3_backends[ACCOUNT]["aws"].buckets[version.bucket].keys.getlist(version.key)
        (stored,) = [entry for entry in kept if entry.version_id == version.version_id]
        stored.value = data

    def receipt_of(self, version: ObjectVersion) -> ObjectVersion:
        """The one version of the object version's receipt."""
        page = self.s3.list_object_versions(Bucket=self.provenance, Prefix=version.receipt_key)
        (stored,) = page["Versions"]
        return ObjectVersion(self.provenance, version.receipt_key, stored["VersionId"])

    def read(self, bucket: str, key: str) -> bytes:
        data = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        assert isinstance(data, bytes)
        return data


@contextmanager
def worlds() -> Iterator[Callable[[], World]]:
    """Moto in this process, with any number of worlds, none sharing a bucket."""
    numbers = itertools.count()
    with mock_aws():
        s3 = boto3.client(
            "s3",
            region_name=REGION,
            config=Config(
                retries={"mode": "standard", "total_max_attempts": 1},
                max_pool_connections=32,
                response_checksum_validation="when_required",
            ),
        )
        yield lambda: World(s3, f"custody-{next(numbers)}")
