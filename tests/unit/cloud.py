"""A deployment on moto, in this process, for the command line, with prepared answers for Athena."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from moto import mock_aws

from custody.deployment import Deployment
from custody.evidence.dsse import sign_envelope
from custody.evidence.hashing import hash_stream
from custody.evidence.objects import ObjectVersion
from custody.evidence.receipt import PAYLOAD_TYPE, Receipt, RecorderIdentity
from custody.evidence.registry import REGISTRY_KEY
from custody.ledger.athena import Athena
from custody.ledger.ledger import AccessRow, LedgerRow
from custody.recorder.notification import ObjectCreated
from scripts.local_aws.patches import kms_last_usage, s3_list_versions, s3_notification_settings
from tests.unit.report.sample import DEPLOYMENT

kms_last_usage.apply()
s3_list_versions.apply()
s3_notification_settings.apply()

QUEUE_ARN = "arn:aws:sqs:us-east-1:123456789012:custody-local-recorder"

Cell = str | int | bool | date | datetime | None


_SESSION = boto3.session.Session(
    aws_access_key_id="testing", aws_secret_access_key="testing", region_name="us-east-1"
)


@cache
def _client(service: str) -> Any:
    """A client for all tests: reading a service's model takes longer than most tests."""
    return _SESSION.client(service)  # type: ignore[call-overload]


@dataclass(frozen=True)
class Signer:
    """A P-256 key of our own: signs as AWS KMS does, which moto's does not."""

    key: ec.EllipticCurvePrivateKey
    keyid: str

    def sign(self, message: bytes) -> bytes:
        return self.key.sign(message, ec.ECDSA(SHA256()))

    @property
    def public_key(self) -> str:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@dataclass
class Cloud:
    """The services, and the deployment on them."""

    deployment: Deployment
    signer: Signer

    def client(self, service: str) -> Any:
        return _client(service)

    def put(self, key: str, body: bytes = b"a,b\n1,2\n", bucket: str = "raw-data") -> ObjectVersion:
        name = self.deployment.buckets[bucket]
        version_id = self.client("s3").put_object(Bucket=name, Key=key, Body=body)["VersionId"]
        return ObjectVersion(name, key, version_id)

    def record(self, version: ObjectVersion, body: bytes = b"a,b\n1,2\n") -> None:
        """Store the receipt that the recorder would make."""
        s3 = self.client("s3")
        head = s3.head_object(Bucket=version.bucket, Key=version.key, VersionId=version.version_id)
        sha256, size = hash_stream(io.BytesIO(body))
        receipt = Receipt(
            event=ObjectCreated(
                version, "ObjectCreated:Put", head["LastModified"], "REQUEST1", "AIDA", "203.0.113.1"
            ),
            sha256=sha256,
            size_bytes=size,
            etag=head["ETag"],
            last_modified=head["LastModified"],
            content_type="text/csv",
            recorded_at=head["LastModified"],
            recorder=RecorderIdentity("custody-local-recorder", "c0" * 32, "0.1.0"),
        )
        envelope = sign_envelope(receipt.to_statement(), PAYLOAD_TYPE, self.signer)
        s3.put_object(Bucket=self.deployment.buckets["provenance"], Key=version.receipt_key, Body=envelope)

    def put_registry(self, **entry: Any) -> None:
        key = {
            "key_id": self.signer.keyid,
            "algorithm": "ecdsa-sha2-nistp256",
            "public_key": self.signer.public_key,
            "valid_from": "2026-01-01T00:00:00Z",
            "valid_until": None,
            "revoked_at": None,
        }
        self.client("s3").put_object(
            Bucket=self.deployment.buckets["provenance"],
            Key=REGISTRY_KEY,
            Body=json.dumps({"keys": [key | entry]}),
        )

    def connect_recorder(self) -> str:
        """Have the function read the queue, and return the mapping's id; from then on moto empties it."""
        mapping = self.client("lambda").create_event_source_mapping(
            FunctionName="custody-local-recorder", EventSourceArn=QUEUE_ARN
        )
        return str(mapping["UUID"])

    def messages(self) -> list[dict[str, Any]]:
        """Take every record out of the recorder's queue."""
        sqs, url = self.client("sqs"), self.deployment.queues["recorder"]
        records = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                records += json.loads(message["Body"]).get("Records", [])
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return records

    def will_answer(self, columns: Mapping[str, str], rows: Iterable[Sequence[Cell]] = ()) -> None:
        """Prepare Athena's answer to the next query without one."""
        data = [{"Data": [_cell(name) for name in columns]}]
        data += [{"Data": [_cell(value) for value in row]} for row in rows]
        common: dict[str, Any] = dict.fromkeys(("CatalogName", "SchemaName", "TableName"), "")
        common |= {"Precision": 0, "Scale": 0, "Nullable": "UNKNOWN", "CaseSensitive": False}
        info = [common | {"Name": name, "Label": name, "Type": kind} for name, kind in columns.items()]
        requests.post(
            "http://motoapi.amazonaws.com/moto-api/static/athena/query-results",
            json={"region": "us-east-1", "results": [{"rows": data, "column_info": info}]},
            timeout=5,
        )

    def will_answer_rows(self, rows: Sequence[Any], row_class: type[LedgerRow | AccessRow]) -> None:
        """Prepare an answer from dataclass rows."""
        kinds = {"event_date": "date", "size_bytes": "bigint", "leaf_index": "bigint"}
        kinds |= dict.fromkeys(("event_time", "recorded_at"), "timestamp")
        names = list(row_class.__dataclass_fields__)
        self.will_answer(
            {name: kinds.get(name, "varchar") for name in names}, [list(asdict(row).values()) for row in rows]
        )

    def athena(self) -> Athena:
        return Athena(
            self.client("athena"),
            workgroup=self.deployment.workgroup,
            database=self.deployment.database,
            sleep=lambda _: None,
        )

    def asked(self) -> list[tuple[str, list[str]]]:
        """Every query so far with its parameters, oldest first."""
        athena = self.client("athena")
        ids = athena.list_query_executions(WorkGroup=self.deployment.workgroup)["QueryExecutionIds"]
        executions = [athena.get_query_execution(QueryExecutionId=each)["QueryExecution"] for each in ids]
        return [(each["Query"], each.get("ExecutionParameters", [])) for each in executions]


def _cell(value: Cell) -> dict[str, str]:
    if value is None:
        return {}
    if isinstance(value, datetime):
        return {"VarCharValue": value.replace(tzinfo=None).isoformat(" ", "milliseconds")}
    return {"VarCharValue": str(value)}


@contextmanager
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """Set up buckets, queues, function, keys, trail and workgroup of ``DEPLOYMENT``."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("MOTO_ACCOUNT_ID", DEPLOYMENT.account_id)
    with mock_aws():
        yield _deploy()


def _deploy() -> Cloud:
    s3, sqs = _client("s3"), _client("sqs")
    key = _client("kms").create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]
    for short, bucket in DEPLOYMENT.buckets.items():
        locked = short in ("provenance", "cloudtrail-log")
        s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=locked)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        if locked:
            s3.put_object_lock_configuration(
                Bucket=bucket,
                ObjectLockConfiguration={
                    "ObjectLockEnabled": "Enabled",
                    "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
                },
            )
    urls = {}
    for short, url in DEPLOYMENT.queues.items():
        urls[short] = sqs.create_queue(QueueName=url.rpartition("/")[2])["QueueUrl"]
    for bucket in DEPLOYMENT.recorded_prefixes:
        notification = {"QueueArn": QUEUE_ARN, "Events": ["s3:ObjectCreated:*"]}
        s3.put_bucket_notification_configuration(
            Bucket=bucket,
            NotificationConfiguration={"QueueConfigurations": [notification]},
        )
    role = _client("iam").create_role(RoleName="recorder", AssumeRolePolicyDocument="{}")["Role"]
    functions = {}
    for short in ("auditor", "gate", "recorder"):
        functions[short] = _client("lambda").create_function(
            FunctionName=f"custody-local-{short}",
            Runtime="python3.13",
            Role=role["Arn"],
            Handler=f"{short}.handler.handler",
            Code={"ZipFile": _empty_zip()},
        )["FunctionArn"]
    jobs = {
        short: f"custody-local-{short}"
        for short in ("raw-to-processed-customers", "processed-to-analytics-customer-value")
    }
    for name in jobs.values():
        _client("glue").create_job(Name=name, Role=role["Arn"], Command={"Name": "glueetl"})
    _client("athena").create_work_group(Name=DEPLOYMENT.workgroup, Configuration={})
    trail = _client("cloudtrail")
    trail.create_trail(Name="custody-local", S3BucketName=DEPLOYMENT.buckets["cloudtrail-log"])
    trail.put_event_selectors(
        TrailName="custody-local",
        EventSelectors=[
            {
                "ReadWriteType": "All",
                "IncludeManagementEvents": True,
                "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}],
            }
        ],
    )
    trail.start_logging(Name="custody-local")
    deployment = replace(
        DEPLOYMENT,
        keys={"signing": key["Arn"]},
        queues=urls,
        functions=functions,
        jobs=jobs,
    )
    cloud = Cloud(deployment, Signer(ec.generate_private_key(ec.SECP256R1()), key["Arn"]))
    cloud.put_registry()
    cloud.messages()  # the test events of the notification configuration
    return cloud


def _empty_zip() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as contents:
        contents.writestr("recorder/handler.py", "")
    return archive.getvalue()


def write_deployment(cloud: Cloud, directory: Path) -> Path:
    path = directory / "deployment.json"
    path.write_text(json.dumps(asdict(cloud.deployment)))
    return path
