"""Benchmark of the rules of ``sql/anomalies``: a month of the trail, asked about as the auditor asks.

    python -m scripts.bench.rules EVENTS             the rules alone
    python -m scripts.bench.rules EVENTS compare     and the reference

The kit asks every rule, those that share a scan in one statement. The reference asks each rule in a statement
of its own, of the trail in the shape of ``cloudtrail_s3_events_flattened``, in which a record that was
delivered twice is there once. Both must find the same. Prints a JSON document of processor seconds: of the
statements, ``kit`` and ``flattened``, and of the reading of the files before them, ``reading``. The local
engine reads once, Amazon Athena in each statement, on machines of its own.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from custody.deployment import Deployment, SigningKey
from custody.evidence.objects import ObjectVersion
from custody.evidence.receipt import Receipt, RecorderIdentity
from custody.ledger.rules import Period, Question, all_rules, question, questions
from custody.log.segments import format_row, receipt_row
from custody.recorder.notification import ObjectCreated
from scripts.bench.trail import EVENTS_A_FILE, record
from scripts.local_aws.athena.engine import Engine
from scripts.local_aws.athena.planned import PlannedCatalog, PlannedTable, tables_of
from scripts.local_aws.athena.reading import forgo_pandas
from scripts.terraform import LOCAL, Terraform
from scripts.toolchain.toolchain import ToolError

ACCOUNT, REGION, PREFIX = "123456789012", "us-east-1", "custody-local"
DAYS = 30
BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/signing"
BUCKETS = {
    short: f"{PREFIX}-{short}-{ACCOUNT}"
    for short in ("analytics", "artifacts", "cloudtrail-log", "processed", "provenance", "raw-data")
}
DEPLOYMENT = Deployment(
    buckets=BUCKETS,
    keys={"signing": KEY},
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
    recorded_prefixes={BUCKETS["raw-data"]: ["incoming/"]},
    roles={
        name: f"arn:aws:iam::{ACCOUNT}:role/{PREFIX}-{name}" for name in ("etl", "gate", "recorder", "sealer")
    },
    signing_keys=[SigningKey(KEY, "receipts", "2026-01-01T00:00:00Z", "", "")],
    trusted_networks=["192.0.2.0/24"],
    deployer_arns=[f"arn:aws:iam::{ACCOUNT}:role/{PREFIX}-deploy"],
    expected_files={"incoming/orders/": 24},
)
_RECORDS = "FROM cloudtrail_s3_events\n"
_DELIVERED_ONCE = """FROM (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY
                delivery_day,
                eventid,
                requestid,
                eventname,
                eventtime,
                json_extract_scalar(requestparameters, '$.bucketName'),
                json_extract_scalar(requestparameters, '$.key'),
                coalesce(
                    json_extract_scalar(responseelements, '$["x-amz-version-id"]'),
                    json_extract_scalar(requestparameters, '$.versionId')
                ),
                json_extract_scalar(additionaleventdata, '$.bytesTransferredIn'),
                useridentity.arn,
                useridentity.principalid,
                useridentity.accountid,
                sourceipaddress,
                errorcode
            ORDER BY useragent
        ) AS delivery
    FROM cloudtrail_s3_events
) AS delivered
"""
"""As in ``cloudtrail_s3_events_flattened``."""


class Store:
    """Objects in memory."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], tuple[bytes, str]] = {}

    def put(self, bucket: str, key: str, text: str) -> None:
        """Store an object, compressed."""
        body = gzip.compress(text.encode(), 1, mtime=0)
        self.objects[bucket, key] = body, hashlib.sha256(body).hexdigest()

    def list(self, bucket: str, prefix: str) -> Iterator[tuple[str, int, str]]:
        """As ``model.Store``."""
        for (within, key), (body, etag) in sorted(self.objects.items()):
            if within == bucket and key.startswith(prefix):
                yield key, len(body), etag

    def read(self, bucket: str, key: str) -> bytes:
        """As ``model.Store``."""
        return self.objects[bucket, key][0]


def live(store: Store, count: int) -> None:
    """Store the log files of so many events, evenly over the days, and the segments of their receipts.

    Of eight events one is a write of raw data, two are the recorder's signature and receipt of it, four are
    reads of people and jobs, and one is a call of another service. Of the reads, one in a thousand is denied,
    and one in ten thousand is a deletion in its place.
    """
    chance = random.Random(1)  # noqa: S311 - the same data each time
    step = timedelta(days=DAYS) / count
    for day in range(DAYS):
        events, receipts = [], []
        for number in range(count * day // DAYS, count * (day + 1) // DAYS):
            at = (BEGIN + step * number).replace(microsecond=0)
            event = event_of(number, at, chance)
            events.append(event)
            if number % 8 == 0:
                receipts.append(format_row(receipt_row(receipt_of(event, at), KEY, number // 8)))
        store_day(store, day, events, receipts)


def store_day(store: Store, day: int, events: list[dict[str, Any]], receipts: list[str]) -> None:
    """Store the log files of a day's events, and the segment with the rows of its receipts."""
    date = BEGIN + timedelta(days=day)
    for first in range(0, len(events), EVENTS_A_FILE):
        key = f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/{date:%Y/%m/%d}/{first:09}.json.gz"
        records = json.dumps({"Records": events[first : first + EVENTS_A_FILE]})
        store.put(BUCKETS["cloudtrail-log"], key, records)
    store.put(BUCKETS["provenance"], f"segments/dt={date:%Y-%m-%d}/0.ndjson.gz", "\n".join(receipts))


def event_of(number: int, at: datetime, chance: random.Random) -> dict[str, Any]:
    """What its number stands for, in the shape of ``record``, whose events with odd numbers are reads."""
    event = record(number // 8 * 8 if number % 8 < 3 else number | 1, chance)
    event["eventTime"] = f"{at:%Y-%m-%dT%H:%M:%SZ}"
    place, kind = event["requestParameters"], number % 8
    issuer = event["userIdentity"]["sessionContext"]["sessionIssuer"]
    place["bucketName"] = BUCKETS["raw-data" if kind in (0, 4) else "analytics"]
    if kind in (1, 2):
        issuer["arn"] = DEPLOYMENT.roles["recorder"]
    if kind == 1:
        event |= {
            "eventSource": "kms.amazonaws.com",
            "eventName": "Sign",
            "requestParameters": {"keyId": KEY},
            "resources": [{"accountId": ACCOUNT, "type": "AWS::KMS::Key", "ARN": KEY}],
            "eventCategory": "Management",
        }
    elif kind == 2:
        place |= {"bucketName": BUCKETS["provenance"], "key": f"provenance/{number}.json"}
        event |= {"eventName": "PutObject", "readOnly": False}
    elif kind == 7:
        event |= {
            "eventSource": "logs.amazonaws.com",
            "eventName": "CreateLogStream",
            "requestParameters": {"logGroupName": "/aws/lambda/gate"},
            "eventCategory": "Management",
        }
    elif kind and chance.random() < 0.001:
        event |= {"errorCode": "AccessDenied", "errorMessage": "Access Denied"}
    elif kind and chance.random() < 0.0001:
        event |= {"eventName": "DeleteObject", "readOnly": False}
    return event


def receipt_of(event: dict[str, Any], at: datetime) -> Receipt:
    """The receipt of a write."""
    place, version = event["requestParameters"], event["responseElements"]["x-amz-version-id"]
    return Receipt(
        event=ObjectCreated(
            version=ObjectVersion(place["bucketName"], place["key"], version),
            name="ObjectCreated:Put",
            time=at,
            request_id=event["requestID"],
            principal_id=f"AWS:{event['userIdentity']['principalId']}",
            source_ip=event["sourceIPAddress"],
            sequencer="0055AED6DCD90281E5",
        ),
        sha256=hashlib.sha256(version.encode()).hexdigest(),
        size_bytes=25701,
        etag='"d41d8cd98f00b204e9800998ecf8427e"',
        last_modified=at,
        content_type="text/csv",
        recorded_at=at + timedelta(seconds=2),
        recorder=RecorderIdentity(f"{PREFIX}-recorder", "ab" * 32, "0.1.0"),
    )


def flattened(tables: dict[str, PlannedTable]) -> dict[str, PlannedTable]:
    """The same catalog, whose ``trail_calls`` are of records as the flattened view has them."""
    view = tables["trail_calls"]
    encoded = view["view_original_text"].removeprefix("/* Presto View: ").removesuffix(" */")
    document = json.loads(base64.b64decode(encoded))
    if _RECORDS not in document["originalSql"]:
        raise ToolError("trail_calls does not read the trail as this benchmark expects.")
    document["originalSql"] = (
        document["originalSql"]
        .replace(_RECORDS, _DELIVERED_ONCE)
        .replace("WHERE\n", "WHERE delivery = 1 AND\n", 1)
    )
    text = base64.b64encode(json.dumps(document).encode()).decode()
    return tables | {"trail_calls": {**view, "view_original_text": f"/* Presto View: {text} */"}}


def processor_seconds() -> float:
    """Of this process and of those that it has ended."""
    return sum(os.times()[:4])


def ask(engine: Engine, asked: list[Question]) -> tuple[float, float, list[tuple[str | None, ...]]]:
    """Ask all of it: the processor seconds of reading and of asking, and what was found."""
    begin = processor_seconds()
    for table in ("cloudtrail_s3_events", "receipt_segments"):
        engine.run(f"SELECT count(*) FROM {table}", DEPLOYMENT.database)  # noqa: S608
    read = processor_seconds()
    found = [row for each in asked for row in engine.run(each.sql, DEPLOYMENT.database).rows]
    return read - begin, processor_seconds() - read, sorted(found, key=repr)


def main() -> None:
    """Measure and print."""
    forgo_pandas()  # as the local Athena does
    count = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        tables = tables_of(Terraform(LOCAL, work_dir=Path(folder), say=lambda _: None).plan().document)
    store = Store()
    live(store, count)
    rules, period = tuple(all_rules().values()), Period(BEGIN, BEGIN + timedelta(days=DAYS))
    together = questions(rules, DEPLOYMENT, period)
    alone = [question((rule,), DEPLOYMENT, period) for rule in rules]
    told, answers = {}, {}
    shapes = {"kit": (tables, together), "flattened": (flattened(tables), alone)}
    for name in shapes if sys.argv[2:] else ("kit",):
        catalog, asked = shapes[name]
        with Engine(PlannedCatalog(catalog.values()), store) as engine:
            reading, told[name], answers[name] = ask(engine, asked)
            told.setdefault("reading", reading)
    if not answers["kit"] or answers["kit"] != answers.get("flattened", answers["kit"]):
        raise ToolError("The two have found different things, or nothing.")
    print(json.dumps(told))


if __name__ == "__main__":
    main()
