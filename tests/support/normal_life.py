"""Days in the life of a small deployment, as CloudTrail records and receipts: nothing in it is an anomaly."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from custody.deployment import Deployment, SigningKey
from custody.evidence.receipt import Receipt
from tests.sql.evidence import (
    ACCOUNT,
    ANALYTICS,
    ARTIFACTS,
    PROCESSED,
    PROVENANCE,
    RAW,
    REGION,
    TRAIL_LOG,
    Record,
    assumed_role,
    complete_multipart,
    copy_object,
    denied,
    event,
    get_object,
    put_object,
    receipt_of,
    sso_user,
)

START = datetime(2026, 3, 2, tzinfo=UTC)
"""A Monday."""
OFFICE = "203.0.113.7"
PREFIX = "custody-local"
SIGNING_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/signing-2026"
LOG_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/log-2026"
RETIRED_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/signing-2025"
DATA_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/data"

RECORDER, SEALER, GATE, ETL, AUDITOR, INGEST, DEPLOYER = (
    assumed_role(f"{PREFIX}-{name}", f"{PREFIX}-{name}")
    for name in ("recorder", "sealer", "gate", "etl", "auditor", "ingest", "deploy")
)
PRODUCER = assumed_role(f"{PREFIX}-people-producer", "acme-uploads")
PEOPLE = [sso_user(f"{name}@example.org") for name in ("ada", "grace", "edsger")]

DEPLOYMENT = Deployment(
    buckets={
        "raw-data": RAW,
        "processed": PROCESSED,
        "analytics": ANALYTICS,
        "provenance": PROVENANCE,
        "cloudtrail-log": TRAIL_LOG,
        "artifacts": ARTIFACTS,
    },
    keys={"data": DATA_KEY, "signing": SIGNING_KEY, "log": LOG_KEY},
    functions={},
    queues={},
    jobs={},
    streams={},
    workgroup=PREFIX,
    database="custody_local",
    trail_arn=f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/{PREFIX}",
    topic_arn=f"arn:aws:sns:{REGION}:{ACCOUNT}:{PREFIX}-alerts",
    account_id=ACCOUNT,
    region=REGION,
    watermark_minutes=60,
    recorded_prefixes={RAW: ["incoming/"], PROCESSED: [""], ANALYTICS: [""]},
    roles={
        name: f"arn:aws:iam::{ACCOUNT}:role/{PREFIX}-{name}"
        for name in ("auditor", "etl", "gate", "ingest", "recorder", "sealer", "people-producer")
    },
    signing_keys=[
        SigningKey(RETIRED_KEY, "receipts", "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z", ""),
        SigningKey(SIGNING_KEY, "receipts", "2026-01-01T00:00:00Z", "", ""),
        SigningKey(LOG_KEY, "log", "2026-01-01T00:00:00Z", "", ""),
    ],
    trusted_networks=["203.0.113.0/24", "10.0.0.0/8"],
    deployer_arns=[
        f"arn:aws:iam::{ACCOUNT}:role/{PREFIX}-deploy",
        f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_custody-deploy_*",
        f"arn:aws:iam::{ACCOUNT}:user/operator",
    ],
    expected_files={"incoming/customers/": 26},
)


def management(
    source: str, name: str, at: datetime, parameters: Record, *, identity: Record = DEPLOYER, **fields: object
) -> Record:
    """A management event of a service."""
    record = event(name, "-", None, at, identity=identity)
    for field_ in ("additionalEventData", "resources", "tlsDetails"):
        del record[field_]
    return (
        record
        | {
            "eventSource": f"{source}.amazonaws.com",
            "requestParameters": parameters,
            "managementEvent": True,
            "eventCategory": "Management",
            "sourceIPAddress": OFFICE,
        }
        | fields
    )


def sign(key: str, at: datetime, identity: Record, **fields: object) -> Record:
    """A signature with a key of KMS, as the functions request it."""
    return management(
        "kms",
        "Sign",
        at,
        {"keyId": key, "messageType": "DIGEST", "signingAlgorithm": "ECDSA_SHA_256"},
        identity=identity,
        resources=[{"accountId": ACCOUNT, "type": "AWS::KMS::Key", "ARN": key}],
        readOnly=True,
        **fields,
    )


@dataclass(slots=True)
class Life:
    """What happened: records by the day of their delivery, and the receipts."""

    records: dict[datetime, list[Record]] = field(default_factory=dict)
    receipts: list[Receipt] = field(default_factory=list)

    def tell(self, *records: Record, late: timedelta = timedelta(0)) -> None:
        for record in records:
            at = datetime.fromisoformat(record["eventTime"]) + timedelta(minutes=5) + late
            self.records.setdefault(at.replace(hour=0, minute=0, second=0), []).append(record)

    def write(self, record: Record) -> None:
        """A write that is told, recorded and signed."""
        at = datetime.fromisoformat(record["eventTime"])
        receipt = receipt_of(record)
        self.receipts.append(receipt)
        self.tell(
            record,
            sign(SIGNING_KEY, at, RECORDER),
            put_object(PROVENANCE, receipt.version.receipt_key, at, identity=RECORDER),
        )


def normal_life(days: int, seed: int = 14) -> Life:
    """Live so many days from ``START``; the same seed gives the same life."""
    life, luck = Life(), random.Random(seed)
    for day in range(days):
        _live_a_day(life, START + timedelta(days=day), luck)
    return life


def _live_a_day(life: Life, day: datetime, luck: random.Random) -> None:
    date = f"{day:%Y/%m/%d}"
    is_workday = day.weekday() < 5
    for hour in range(24):
        _live_an_hour(life, day + timedelta(hours=hour), luck)
    life.write(
        complete_multipart(
            RAW,
            f"incoming/customers/{date}.csv",
            day + timedelta(hours=2),
            identity=PRODUCER,
            sourceIPAddress=OFFICE,
        )
    )
    for order, at in enumerate(_moments(day, luck, 12 if is_workday else 4)):
        key = f"incoming/orders/{date}/{order}.csv"
        life.write(put_object(RAW, key, at, identity=PRODUCER, sourceIPAddress=OFFICE))
    for part, at in enumerate(_moments(day, luck, 4)):
        life.write(_by_job(put_object(PROCESSED, f"tables/orders/{date}-{part}.parquet", at, identity=ETL)))
        life.write(_by_job(put_object(ANALYTICS, f"tables/daily/{date}-{part}.parquet", at, identity=ETL)))
        life.tell(_by_job(get_object(RAW, f"incoming/orders/{date}/{part}.csv", at, identity=ETL)))
    if is_workday:
        _work(life, day, luck)


def _live_an_hour(life: Life, at: datetime, luck: random.Random) -> None:
    address = f"{luck.randrange(1, 223)}.{luck.randrange(256)}.{luck.randrange(256)}.9"
    own = {"sourceIPAddress": address}
    life.tell(
        management(
            "lambda",
            "Invoke",
            at,
            {"functionName": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{PREFIX}-gate"},
            identity={"type": "AWSService", "invokedBy": "events.amazonaws.com"},
            sourceIPAddress="events.amazonaws.com",
            eventCategory="Data",
        ),
        put_object(PROVENANCE, "log/checkpoint", at, identity=SEALER, **own),
        put_object(PROVENANCE, f"segments/dt={at:%Y-%m-%d}/{at:%H}.ndjson.gz", at, identity=SEALER, **own),
        sign(LOG_KEY, at, SEALER, **own),
        get_object(PROVENANCE, "log/checkpoint", at, identity=GATE, **own),
        get_object(PROVENANCE, "log/checkpoint", at, identity=AUDITOR, **own),
        management(
            "logs",
            "CreateLogStream",
            at,
            {"logGroupName": f"/aws/lambda/{PREFIX}-gate"},
            identity=GATE,
            **own,
        ),
        put_object(
            PROVENANCE, "provenance/again.json", at, identity=RECORDER, errorCode="PreconditionFailed", **own
        ),
    )
    # Delivered twice, once late.
    again = get_object(RAW, "incoming/customers/again.csv", at, identity=GATE, **own)
    life.tell(again)
    life.tell(again, late=timedelta(hours=luck.randrange(30)))


def _work(life: Life, day: datetime, luck: random.Random) -> None:
    for person in PEOPLE:
        at = {"identity": person, "sourceIPAddress": OFFICE}
        moments = _moments(day, luck, 5)
        life.tell(
            *(get_object(ANALYTICS, "tables/daily/part.parquet", moment, **at) for moment in moments),
            denied(get_object(RAW, "incoming/orders/1.csv", moments[0], **at)),
            event("ListObjects", ANALYTICS, None, moments[1], read_only=True, **at),
            management("athena", "StartQueryExecution", moments[2], {"workGroup": PREFIX}, identity=person),
            get_object(ANALYTICS, "gone.parquet", moments[3], errorCode="NoSuchKey", **at),
        )
    if day.weekday() == 1:
        noon = day + timedelta(hours=12)
        life.write(copy_object(PROCESSED, f"tables/copied/{day:%j}", f"{RAW}/incoming/x", noon, identity=ETL))
        life.tell(
            management(
                "lambda", "UpdateFunctionCode20150331v2", noon, {"functionName": f"{PREFIX}-recorder"}
            ),
            management("monitoring", "PutMetricAlarm", noon, {"alarmName": f"{PREFIX}-recorder-errors"}),
            management("monitoring", "PutDashboard", noon, {"dashboardName": f"{PREFIX}-health"}),
            management("events", "PutRule", noon, {"name": f"{PREFIX}-alerts-changed"}),
            management("events", "PutTargets", noon, {"rule": f"{PREFIX}-alerts-changed"}),
            management("s3", "PutBucketTagging", noon, {"bucketName": RAW}),
            management("cloudtrail", "PutEventSelectors", noon, {"trailName": "somebody-elses"}),
            put_object(ARTIFACTS, "functions/recorder.zip", noon, identity=DEPLOYER, sourceIPAddress=OFFICE),
            put_object(PROVENANCE, "keys/registry.json", noon, identity=DEPLOYER, sourceIPAddress=OFFICE),
        )


def _by_job(record: Record) -> Record:
    return record | {"sourceIPAddress": "52.95.4.20"}


def _moments(day: datetime, luck: random.Random, count: int) -> list[datetime]:
    """So many moments of working hours, in order."""
    return sorted(day + timedelta(seconds=luck.randrange(7 * 3600, 19 * 3600)) for _ in range(count))
