"""A ledger as after the demonstration, with names that try to inject HTML."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from custody.deployment import Deployment
from custody.doctor.doctor import Check, State
from custody.evidence.objects import ObjectVersion
from custody.findings import Claim, Finding, Severity, Status
from custody.ledger.ledger import (
    AccessCount,
    AccessRow,
    AccessSummary,
    LedgerCount,
    LedgerRow,
    TimelineCount,
    TimeUnit,
)
from custody.report import Lap, ReportData
from custody.verify.verify import ClaimCount, VerificationReport

START = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
RAW = "custody-local-raw-data-123456789012"
HOSTILE = (
    "incoming/<script>alert(1)</script>.csv",
    "incoming/\x1b[2J\x1b[31mred\r\nverified",
    "incoming/invoice\u202efdp.exe",
    "incoming/\"onload='--;",
    "incoming/=cmd|' /C calc'!A0",
    "incoming/{{ 7 * 7 }}{% raw %}",
    "incoming/naïve café \u65e5\u672c.csv",
)

DEPLOYMENT = Deployment(
    buckets={
        "raw-data": RAW,
        "processed": "custody-local-processed-123456789012",
        "analytics": "custody-local-analytics-123456789012",
        "provenance": "custody-local-provenance-123456789012",
        "cloudtrail-log": "custody-local-cloudtrail-log-123456789012",
        "artifacts": "custody-local-artifacts-123456789012",
    },
    keys={"signing": "arn:aws:kms:us-east-1:123456789012:key/5f0c7f0e-1b7c-4a33-9c44-2f4d3f9a1b11"},
    functions={"recorder": "arn:aws:lambda:us-east-1:123456789012:function:custody-local-recorder"},
    queues={
        "recorder": "https://sqs.us-east-1.amazonaws.com/123456789012/custody-local-recorder",
        "recorder-dlq": "https://sqs.us-east-1.amazonaws.com/123456789012/custody-local-recorder-dlq",
    },
    jobs={},
    streams={},
    workgroup="custody-local",
    database="custody_local",
    trail_arn="arn:aws:cloudtrail:us-east-1:123456789012:trail/custody-local",
    topic_arn="arn:aws:sns:us-east-1:123456789012:custody-local-alerts",
    account_id="123456789012",
    region="us-east-1",
    watermark_minutes=60,
    monitoring_urls={
        "dashboard": "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#dashboards",
        "sns_topic": "javascript:alert(1)//<a href=x>",
    },
    recorded_prefixes={RAW: ["incoming/"], "custody-local-processed-123456789012": [""]},
)


def ledger_row(number: int, key: str, status: str = "verified", layer: str = "bronze") -> LedgerRow:
    time = START + timedelta(seconds=7 * number)
    recorded = status not in ("unprovenanced", "untracked", "pending")
    person = ("ana.ferreira@example.org", "b.okafor@example.org", "nightly-load")[number % 3]
    return LedgerRow(
        event_date=date(2026, 1, 15),
        event_time=time,
        event_name=("PutObject", "CompleteMultipartUpload", "CopyObject")[number % 3],
        bucket_name=RAW,
        object_key=key,
        version_id=f"3sL4kqtJlcpXroDTDmJ-rmSpXd3dIbrHY{number:02d}",
        sha256=f"{number * 7919:064x}"[-64:] if recorded else None,
        size_bytes=1000 * number + 1,
        layer=layer,
        user_arn=f"arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Producer_4f1c/{person}",
        user_name=person,
        principal_id=f"AROAEXAMPLE:{person}",
        invoked_by=None,
        source_ip=f"203.0.113.{number + 1}",
        user_agent="[aws-cli/2.31.0 md/awscrt#0.27.6 ua/2.1 os/linux]",
        request_id=f"{number:016X}",
        recorded_at=time + timedelta(seconds=0.4 + number / 10) if recorded else None,
        leaf_index=None,
        match_basis="request_id" if recorded else "none",
        status=status,
        contradicts="principal_id, source_ip" if status == "mismatch" else "",
    )


def denied_row(number: int) -> AccessRow:
    return AccessRow(
        event_time=START + timedelta(seconds=11 * number),
        event_name="GetObject" if number % 2 else "DeleteObject",
        access="read" if number % 2 else "delete",
        bucket_name=RAW,
        object_key=HOSTILE[number % len(HOSTILE)],
        version_id=None,
        user_arn="arn:aws:iam::123456789012:user/mallory",
        user_name="mallory<b>",
        principal_id="AIDAEXAMPLE",
        invoked_by=None,
        source_ip="198.51.100.7",
        user_agent="curl/8.5 <img src=x>",
        request_id=f"A{number:015X}",
        error_code="AccessDenied",
        user_account_id="123456789012",
        caller="mallory<b>",
        deletion=None,
    )


def sample_data() -> ReportData:
    """Twenty-four writes in three layers, three of them tampered with."""
    rows = [ledger_row(n, key) for n, key in enumerate(HOSTILE)]
    statuses = ("verified",) * 6 + (
        "late",
        "pending",
        "mismatch",
        "unprovenanced",
        "unwitnessed",
        "untracked",
    )
    for n, status in enumerate(statuses, start=len(rows)):
        rows.append(ledger_row(n, f"incoming/customers/2026-01-{n:02d}.csv", status))
    for n in range(len(rows), len(rows) + 5):
        layer = "silver" if n % 2 else "gold"
        rows.append(ledger_row(n, f"customers/part-{n:05d}.snappy.parquet", layer=layer))
    counts: dict[tuple[str, str], list[LedgerRow]] = {}
    for row in rows:
        counts.setdefault((row.layer, row.status), []).append(row)
    version = ObjectVersion(RAW, HOSTILE[1], "3sL4kqtJlcpXroDTDmJ-rmSpXd3dIbrHY01")
    findings = (
        Finding(
            Claim.OBJECT_HASH,
            Status.FAILED,
            version.uri,
            "The stored bytes hash to 77ab…, the receipt says 1eef….",
            Severity.CRITICAL,
        ),
        Finding(
            Claim.RECEIPT_SIGNATURE,
            Status.FAILED,
            replace(version, key="incoming/events/2026-01-15.jsonl").uri,
            "The signature does not fit the receipt's bytes.",
            Severity.CRITICAL,
        ),
        Finding(
            Claim.RECEIPT_UNIQUE,
            Status.MISSING,
            replace(version, key="incoming/names/with space.csv").uri,
            "There is no receipt, 61 minutes after the write.",
            Severity.HIGH,
        ),
    )
    return ReportData(
        generated_at=START + timedelta(minutes=9),
        deployment=DEPLOYMENT,
        verification=VerificationReport(
            claims={
                Claim.OBJECT_HASH: ClaimCount(21, 20, 1, 0),
                Claim.RECEIPT_SIGNATURE: ClaimCount(21, 20, 1, 0),
                Claim.RECEIPT_UNIQUE: ClaimCount(22, 20, 1, 1),
                Claim.TRAIL_EVENT: ClaimCount(22, 21, 0, 1),
            },
            findings=findings,
            unchecked=("s3://b/k?versionId=v could not be read: SlowDown <b>.",),
            sample=0.25,
            seed="7d1f0a",
        ),
        counts=tuple(
            LedgerCount(layer, status, len(group), group[0].time, group[-1].time)
            for (layer, status), group in sorted(counts.items())
        ),
        unit=TimeUnit.SECOND,
        timeline=tuple(
            TimelineCount(row.event_time, row.layer, row.status, 1 + index % 3)
            for index, row in enumerate(rows)
            if row.event_time is not None
        ),
        rows=tuple(reversed(rows)),
        access_counts=(
            AccessCount("delete", "AccessDenied", 5),
            AccessCount("read", None, 61),
            AccessCount("write", "PreconditionFailed", 24),
        ),
        denied=tuple(denied_row(n) for n in range(3)),
        accesses=(
            AccessSummary("custody-local-recorder", "read", "bronze", 24, START),
            AccessSummary("ana\u202e.ferreira@example.org", "read", "gold", 37, START),
        ),
        laps=(Lap("Verification", 1.84), Lap("Athena's answers", 0.71)),
        health=(
            Check("account", State.OK, "123456789012"),
            Check("recorder", State.BROKEN, "3 messages of <b> could not be recorded.", "Look at its log."),
            Check("trail", State.UNKNOWN, "AWS refused GetTrailStatus: AccessDenied."),
        ),
    )
