"""What somebody has already: a trail that is read, a bucket that is adopted and recorded where it lies."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from rich.console import Console
from rich.markup import escape

from custody.evidence.objects import ObjectVersion
from custody.times import format_time
from scripts.demo.lake import Lake
from scripts.demo.pipeline import Pipeline, PipelineError
from scripts.local_aws import LocalAws
from scripts.terraform import LOCAL

BUCKET, PREFIX = "letters-of-the-archive", "letters/"
TRAIL, TRAIL_BUCKET = "everybody", "trails-of-the-organization"


class Adopted:
    """A deployment without a trail of its own, and a second apply, beside notifications that were there."""

    before_tampering = False
    title = "Adopt a bucket that is there already, with notifications of its own"

    def set_up(self) -> None:
        """Nothing: it needs what all of it needs."""

    def prepare(self, aws: LocalAws) -> Mapping[str, object]:
        """The organization's trail; as docs/existing_trail.md has its owner do, it logs the kit's buckets."""
        s3, cloudtrail, organizations = (
            _operators(aws, service) for service in ("s3", "cloudtrail", "organizations")
        )
        s3.create_bucket(Bucket=TRAIL_BUCKET)
        s3.put_bucket_versioning(Bucket=TRAIL_BUCKET, VersioningConfiguration={"Status": "Enabled"})
        organization = organizations.create_organization()["Organization"]["Id"]
        arn = cloudtrail.create_trail(
            Name=TRAIL,
            S3BucketName=TRAIL_BUCKET,
            IsMultiRegionTrail=True,
            IsOrganizationTrail=True,
            EnableLogFileValidation=True,
        )["TrailARN"]
        _log(cloudtrail, f"custody-{LOCAL}-")
        cloudtrail.start_logging(Name=TRAIL)
        return {"existing_trail": {"arn": arn, "bucket": TRAIL_BUCKET, "organization_id": organization}}

    def run(self, lake: Lake, work_dir: Path, console: Console) -> None:
        """Adopt a bucket, write to it, verify, and record what lay there before."""
        pipeline = lake.pipeline
        s3 = pipeline.client("s3")
        before = _bucket_of_somebody(pipeline, s3)
        older = _put(s3, "yesterday.txt")
        since = format_time(datetime.now(UTC))
        entry = {"bucket": BUCKET, "prefixes": [PREFIX], "since": since}
        pipeline = pipeline.changed(adopted_buckets={"archive": entry})
        _log(pipeline.client("cloudtrail"), f"custody-{LOCAL}-", f"{BUCKET}/")
        if _notifications(s3) != before:
            raise PipelineError(f"The notifications of {BUCKET} are not what they were.")
        console.print(f"[bold green]kept[/] the bucket's own notifications: {', '.join(before)}")
        ana = pipeline.client("s3", role_arn=pipeline.roles["people-producer"], session="ana@example.com")
        newer = _put(ana, "today.txt")
        pipeline.await_receipts([newer])
        pipeline.deliver_trail()
        _custody(pipeline, console, "ledger", "--key", newer.key)
        _custody(pipeline, console, "backfill", f"s3://{BUCKET}/{PREFIX}")
        pipeline.await_receipts([older])
        _custody(pipeline, console, "ledger", "--prefix", f"s3://{BUCKET}/{PREFIX}")
        _require_verified(pipeline, console)


def _operators(aws: LocalAws, service: str) -> Any:
    """A client, before there is a deployment."""
    environ = aws.environ()
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=aws.endpoint,
        region_name=environ["AWS_REGION"],
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
    )


def _log(cloudtrail: Any, *buckets: str) -> None:
    """Have the trail log management events, and data events of the buckets that begin so."""
    data = {
        "eventCategory": {"Equals": ["Data"]},
        "resources.type": {"Equals": ["AWS::S3::Object"]},
        "resources.ARN": {"StartsWith": [f"arn:aws:s3:::{bucket}" for bucket in buckets]},
    }
    management = {"eventCategory": {"Equals": ["Management"]}}
    cloudtrail.put_event_selectors(
        TrailName=TRAIL,
        AdvancedEventSelectors=[
            {"FieldSelectors": [{"Field": name, **test} for name, test in tests.items()]}
            for tests in (management, data)
        ],
    )


def _bucket_of_somebody(pipeline: Pipeline, s3: Any) -> dict[str, Any]:
    """Make a bucket as its owner has it, its events sent to EventBridge too; its notifications."""
    sqs = pipeline.client("sqs")
    url = sqs.create_queue(QueueName="search-index")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET,
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": queue, "Events": ["s3:ObjectCreated:*"]}],
            "EventBridgeConfiguration": {},
        },
    )
    return _notifications(s3)


def _notifications(s3: Any) -> dict[str, Any]:
    found = s3.get_bucket_notification_configuration(Bucket=BUCKET)
    return {name: value for name, value in found.items() if name != "ResponseMetadata"}


def _put(s3: Any, name: str) -> ObjectVersion:
    key = f"{PREFIX}{name}"
    answer = s3.put_object(Bucket=BUCKET, Key=key, Body=b"Dear archivist\n", ContentType="text/plain")
    return ObjectVersion(BUCKET, key, answer["VersionId"])


def _require_verified(pipeline: Pipeline, console: Console) -> None:
    """Verify the bucket: of the trail, which was tampered with before, other findings are left."""
    done = pipeline.custody("verify", f"s3://{BUCKET}/{PREFIX}", "--format", "json")
    document = json.loads(done.stdout)
    found = [one for one in document["findings"] if one["subject"].startswith(f"s3://{BUCKET}/")]
    claims = {name: document["claims"][name]["passed"] for name in ("object.hash", "trail.event")}
    if found or claims != {"object.hash": 2, "trail.event": 1}:
        raise PipelineError(f"The adopted bucket does not verify: {found} {claims}")
    console.print("[bold green]verified[/] both objects; the trail tells who wrote today's.")
    console.print(escape(document["notes"][-1]))


def _custody(pipeline: Pipeline, console: Console, *arguments: str) -> None:
    console.print(f"[dim]$ custody {escape(shlex.join(arguments))}[/dim]", soft_wrap=True)
    done = pipeline.custody(*arguments, width=console.width)
    console.print(escape(done.stdout + done.stderr), end="")
    if done.returncode:
        raise PipelineError(f"custody {arguments[0]} ended with {done.returncode}.")
