"""The whole chain of custody on one machine: ``make demo``.

Starts the local AWS, applies the Terraform with ``local.tfvars``, drops a data set, waits for the receipts,
shows the ledger, verifies, then tampers in three ways and shows each one caught. Ends with
``build/report.html`` and the time each step took. Exit status 0 only if everything held that should hold and
everything was caught that should be caught; nothing is left running, however it ends.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from scripts.local_aws import LocalAws
from scripts.terraform import Terraform

from custody.deployment import Deployment, load_deployment
from custody.objects import ObjectVersion
from scripts.sample_data import Drop, drops

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "demo"
REPORT = ROOT / "build" / "report.html"
RECEIPT_TIMEOUT_SECONDS = 120


class DemoError(Exception):
    """The demonstration did not go as it must; the message says at which point."""


@dataclass
class Stopwatch:
    """Announces each step on the console and keeps the seconds it took."""

    console: Console
    laps: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce ``title``; the lap is kept when its body ends well."""
        self.console.rule(f"[bold]{len(self.laps) + 1}. {title}", align="left")
        start = time.monotonic()
        yield
        self.laps.append((title, time.monotonic() - start))

    def summary(self) -> Table:
        """Return the laps and their sum as a table."""
        table = Table("step", "seconds", title="Where the time went", title_justify="left")
        table.columns[1].justify = "right"
        for title, seconds in self.laps:
            table.add_row(title, f"{seconds:.1f}")
        table.add_section()
        table.add_row("in all", f"{sum(seconds for _, seconds in self.laps):.1f}")
        return table


@dataclass(frozen=True)
class Demo:
    """One run: the server, what was applied to it, and where its words go."""

    aws: LocalAws
    deployment: Deployment
    console: Console

    def client(self, service: str, who: str | None = None) -> Any:
        """Return a client for the operator, or for ``who`` by a role session as single sign-on makes it."""
        environ = self.aws.environ()
        keys = {
            "aws_access_key_id": environ["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": environ["AWS_SECRET_ACCESS_KEY"],
        }
        options: dict[str, str] = {"endpoint_url": self.aws.endpoint, "region_name": self.deployment.region}
        if who is not None:
            role = f"arn:aws:iam::{self.deployment.account_id}:role/{_SSO_PATH}{_SSO_ROLE}"
            session = boto3.client("sts", **options, **keys).assume_role(RoleArn=role, RoleSessionName=who)
            issued = session["Credentials"]
            keys = {
                "aws_access_key_id": issued["AccessKeyId"],
                "aws_secret_access_key": issued["SecretAccessKey"],
                "aws_session_token": issued["SessionToken"],
            }
        return boto3.client(service, **options, **keys)  # type: ignore[call-overload]

    def custody(self, *arguments: str, expect: int) -> dict[str, Any] | None:
        """Run the command line as a user would; ``--format json`` among the arguments gives the document back.

        Raises ``DemoError`` if it ends with another status than ``expect``.
        """
        as_json = "json" in arguments
        if not as_json:
            self.console.print(f"[dim]$ custody {' '.join(arguments)}[/dim]", highlight=False)
        done = subprocess.run(
            [sys.executable, "-m", "custody", *arguments],
            env={
                **os.environ,
                **self.aws.environ(),
                "CUSTODY_DEPLOYMENT": str(WORK / "deployment.json"),
                "COLUMNS": str(self.console.width),
            },
            stdout=subprocess.PIPE if as_json else None,
            check=False,
        )
        if done.returncode != expect:
            raise DemoError(
                f"`custody {' '.join(arguments)}` ended with {done.returncode} instead of {expect}."
            )
        return json.loads(done.stdout) if as_json else None

    def deliver_trail(self) -> None:
        """Have CloudTrail deliver at once, with a digest; on AWS this takes minutes."""
        self.aws.admin("trail/flush", digest=True)


_SSO_PATH = "aws-reserved/sso.amazonaws.com/"
_SSO_ROLE = "AWSReservedSSO_Producer_4f1c2d3e4b5a6978"


def create_people(demo: Demo) -> None:
    """Make the role that IAM Identity Center would make for the people of the demonstration."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{demo.deployment.account_id}:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    demo.client("iam").create_role(
        Path=f"/{_SSO_PATH}", RoleName=_SSO_ROLE, AssumeRolePolicyDocument=json.dumps(trust)
    )


def upload(demo: Demo) -> list[tuple[Drop, ObjectVersion]]:
    """Drop the data set, each object by its own person; return what landed."""
    clients: dict[str, S3Client] = {}
    landed = []
    multipart = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=8 << 20)
    for drop in drops():
        s3 = clients.get(drop.who) or clients.setdefault(drop.who, demo.client("s3", drop.who))
        bucket = demo.deployment.buckets[drop.bucket]
        if len(drop.body) > multipart.multipart_threshold:
            path = WORK / "upload.bin"
            path.write_bytes(drop.body)
            s3.upload_file(str(path), bucket, drop.key, Config=multipart)
            path.unlink()
            version_id = s3.head_object(Bucket=bucket, Key=drop.key)["VersionId"]
        else:
            version_id = s3.put_object(
                Bucket=bucket, Key=drop.key, Body=drop.body, ContentType=drop.content_type
            )["VersionId"]
        landed.append((drop, ObjectVersion(bucket, drop.key, version_id)))
        demo.console.print(
            f"{drop.who:>18}  {len(drop.body):>10,} B  {drop.key}", markup=False, highlight=False
        )
    return landed


def await_receipts(demo: Demo, versions: list[ObjectVersion]) -> None:
    """Wait until every version has its receipt."""
    s3 = demo.client("s3")
    provenance = demo.deployment.buckets["provenance"]
    wanted = {version.receipt_key for version in versions}
    deadline = time.monotonic() + RECEIPT_TIMEOUT_SECONDS
    columns = (TextColumn("receipts"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=demo.console) as progress:
        task = progress.add_task("receipts", total=len(wanted))
        while True:
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=provenance, Prefix="provenance/")
            written = {entry["Key"] for page in pages for entry in page.get("Contents", ())}
            progress.update(task, completed=len(wanted & written))
            if wanted <= written:
                return
            if time.monotonic() > deadline:
                raise DemoError(
                    f"{len(wanted - written)} receipts did not come: {sorted(wanted - written)[:3]}."
                )
            time.sleep(0.25)


def expect_caught(demo: Demo, what: str, claim: str, version: ObjectVersion) -> None:
    """Verify one object and require a finding of ``claim`` about it."""
    document = demo.custody("verify", version.uri, "--format", "json", expect=1)
    findings = document["findings"] if document else []
    if not any(f["claim"] == claim and f["subject"] == version.uri for f in findings):
        raise DemoError(f"{what} was not caught as {claim}: {findings}.")
    demo.console.print(f"[bold green]caught[/]  {what}:")
    demo.custody("verify", version.uri, expect=1)


def tamper(demo: Demo, landed: list[tuple[Drop, ObjectVersion]]) -> None:
    """Change storage behind the API, as someone inside the provider could; each change must be caught."""
    provenance = demo.deployment.buckets["provenance"]
    s3 = demo.client("s3")
    by_key = {drop.key: version for drop, version in landed}
    bytes_of = by_key["incoming/customers/2026-01-15.csv"]
    receipt_of = by_key["incoming/events/2026-01-15.jsonl"]
    deleted_of = by_key["incoming/names/with space.csv"]

    def receipt_version(version: ObjectVersion) -> str:
        return str(s3.head_object(Bucket=provenance, Key=version.receipt_key)["VersionId"])

    try:
        s3.delete_object(Bucket=provenance, Key=deleted_of.receipt_key, VersionId=receipt_version(deleted_of))
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code != "AccessDenied":
            raise
        demo.console.print("[bold green]refused[/] deleting a receipt by the API: AccessDenied (Object Lock)")
    else:
        raise DemoError("A receipt could be deleted through the API: Object Lock is not in force.")

    demo.aws.admin(
        "tamper",
        action="flip_byte",
        bucket=bytes_of.bucket,
        key=bytes_of.key,
        version_id=bytes_of.version_id,
        offset=99,
    )
    expect_caught(demo, "one byte of an object changed in storage", "object.hash", bytes_of)

    demo.aws.admin(
        "tamper",
        action="flip_byte",
        bucket=provenance,
        key=receipt_of.receipt_key,
        version_id=receipt_version(receipt_of),
        offset=120,
    )
    expect_caught(demo, "one byte of a receipt changed in storage", "receipt.signature", receipt_of)

    demo.aws.admin(
        "tamper",
        action="delete",
        bucket=provenance,
        key=deleted_of.receipt_key,
        version_id=receipt_version(deleted_of),
    )
    written = s3.head_object(Bucket=deleted_of.bucket, Key=deleted_of.key)["LastModified"].timestamp()
    due = written + 60 * demo.deployment.watermark_minutes + 1
    if due > time.time():
        demo.console.print(
            f"A receipt is gone from storage. One that is missing counts as late for "
            f"{demo.deployment.watermark_minutes} min (the watermark), and as a finding after that: "
            f"waiting {due - time.time():.0f} s."
        )
        time.sleep(due - time.time())
    expect_caught(demo, "a receipt deleted from storage", "receipt.unique", deleted_of)


def run(console: Console) -> None:
    """Run every step; raises ``DemoError`` at the first that does not go as it must."""
    watch = Stopwatch(console)
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    with ExitStack() as running:
        with watch.step("Start AWS on this machine"):
            aws = running.enter_context(LocalAws(WORK / "aws"))
        with watch.step("terraform apply"):
            terraform = Terraform("local", work_dir=WORK, environ=aws.environ())
            terraform.plan()
            terraform.apply()
        demo = Demo(aws, load_deployment(WORK / "deployment.json"), console)
        create_people(demo)
        with watch.step("Drop a data set"):
            landed = upload(demo)
        with watch.step("Hashed, signed, recorded"):
            await_receipts(demo, [version for _, version in landed])
            demo.deliver_trail()
        with watch.step("The ledger: who, what, when, where from, and is it proven"):
            demo.custody("ledger", expect=0)
            _, first = landed[0]
            demo.custody("show", first.uri, expect=0)
        with watch.step("Verify: every object against its receipt, signature and trail"):
            demo.custody("verify", expect=0)
            demo.custody("doctor", expect=0)
        with watch.step("Tamper, and be caught"):
            tamper(demo, landed)
        with watch.step("The report"):
            demo.deliver_trail()
            demo.custody("report", "-o", str(REPORT), expect=1)
    console.print(watch.summary())
    console.print(
        f"\n[bold green]All held, all caught.[/] The same as a page: [bold]{REPORT.relative_to(ROOT)}[/]"
    )


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> int:
    """Run the demonstration; 0 all as it must be, 1 not, 130 interrupted."""
    signal.signal(signal.SIGTERM, _stop)
    console = Console(highlight=False)
    try:
        run(console)
    except KeyboardInterrupt:
        console.print("\nInterrupted; nothing is left running.")
        return 130
    except DemoError as error:
        console.print(f"\n[bold red]The demonstration failed:[/] {error}", markup=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
