"""A pipeline deployed on this machine, for the demonstration and the end-to-end tests."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from custody.deployment import Deployment, load_deployment
from custody.evidence.objects import RECEIPT_PREFIX, ObjectVersion
from custody.log.checkpoint import parse_checkpoint
from custody.log.note import parse_note
from custody.log.store import LOG_PREFIX
from custody.log.tiles import CHECKPOINT
from scripts.datasets import folder_of
from scripts.demo.sample_data import Drop, drops
from scripts.local_aws import LocalAws
from scripts.terraform import Terraform, serverless_environ, working_root
from scripts.toolchain.environment import without_aws
from scripts.toolchain.provider import served_provider

POLL_SECONDS = 0.25
PART_BYTES = 8 * 1024 * 1024
"""The largest size that the SDKs upload in one request."""


class PipelineError(Exception):
    """Something expected did not arrive in time."""


@dataclass(frozen=True)
class Landed:
    """A sample object, and the version it became."""

    drop: Drop
    version: ObjectVersion


@dataclass(frozen=True)
class Pipeline:
    """The server, the Terraform that was applied to it, and its outputs."""

    aws: LocalAws
    terraform: Terraform
    deployment: Deployment
    roles: dict[str, str]
    """Role ARNs by short name."""
    datasets: list[Path]
    """The folders of the data sets that are deployed."""

    def changed(self, **variables: object) -> Pipeline:
        """Apply the Terraform again with some variables changed; return what is deployed then."""
        self.terraform.variables |= variables
        return _applied(self.aws, self.terraform, lambda _: None)

    def environ(self, *, role: str | None = None, session: str = "") -> dict[str, str]:
        """Return the full environment for a program that uses this deployment.

        It runs as the operator, or as a session named ``session`` of the role with that short name.
        """
        keys = {} if role is None else self._issue(self.roles[role], session)
        return {
            **without_aws(os.environ),
            **self.aws.environ(),
            **{name.upper(): value for name, value in keys.items()},
            "CUSTODY_DEPLOYMENT": str(self.terraform.deployment_path),
        }

    def client(self, service: str, *, role_arn: str | None = None, session: str = "") -> Any:
        """Return a boto3 client for the operator, or for a session of a role named ``session``."""
        keys = _keys(self.aws.environ()) if role_arn is None else self._issue(role_arn, session)
        return boto3.client(service, **self._where(), **keys)  # type: ignore[call-overload]

    def _where(self) -> dict[str, str]:
        return {"endpoint_url": self.aws.endpoint, "region_name": self.deployment.region}

    def _issue(self, role_arn: str, session: str) -> dict[str, str]:
        """Sign in as a person does: with his own key, the code of his device, and under his own name."""
        user = _keys(self.aws.person_environ(session))
        device = f"arn:aws:iam::{self.deployment.account_id}:mfa/{session}"
        sts = boto3.client("sts", **self._where(), **user)  # type: ignore[call-overload]
        issued = sts.assume_role(
            RoleArn=role_arn, RoleSessionName=session, SerialNumber=device, TokenCode="000000"
        )["Credentials"]
        return {
            "aws_access_key_id": issued["AccessKeyId"],
            "aws_secret_access_key": issued["SecretAccessKey"],
            "aws_session_token": issued["SessionToken"],
        }

    def custody(
        self,
        *arguments: str,
        capture: bool = True,
        width: int = 200,
        role: str | None = None,
        session: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line as a user would; its output is captured, or goes to this process's output."""
        return subprocess.run(
            [sys.executable, "-m", "custody.cli", *arguments],
            env={**self.environ(role=role, session=session), "COLUMNS": str(width)},
            capture_output=capture,
            text=True,
            check=False,
        )

    def drop_sample(self, on_drop: Callable[[Drop], None] = lambda _: None) -> list[Landed]:
        """Upload the sample objects, each as a session of its producer.

        A producer may have no read permission: the version is that of the write's own response.
        """
        clients: dict[str, Any] = {}
        landed = []
        producer, bucket = self.roles["people-producer"], self.deployment.buckets["raw-data"]
        for drop in drops():
            if drop.who not in clients:
                clients[drop.who] = self.client("s3", role_arn=producer, session=drop.who)
            landed.append(
                Landed(drop, ObjectVersion(bucket, drop.key, _put(clients[drop.who], bucket, drop)))
            )
            on_drop(drop)
        return landed

    def await_receipts(
        self,
        versions: Collection[ObjectVersion],
        *,
        timeout_seconds: float = 300,
        on_count: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Wait until every version has its receipt, reporting how many have, and all receipts are sealed.

        Raises ``PipelineError`` if that takes too long.
        """
        s3 = self.client("s3")
        wanted = {version.receipt_key for version in versions}
        deadline = time.monotonic() + timeout_seconds
        while True:
            pages = s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.deployment.buckets["provenance"], Prefix=RECEIPT_PREFIX
            )
            missing = wanted - {entry["Key"] for page in pages for entry in page.get("Contents", ())}
            on_count(len(wanted) - len(missing))
            if not missing:
                self._await_seals(deadline)
                return
            if time.monotonic() > deadline:
                raise PipelineError(
                    f"{len(missing)} receipts did not arrive, among them {sorted(missing)[0]}."
                )
            time.sleep(POLL_SECONDS)

    def _await_seals(self, deadline: float) -> None:
        s3, bucket = self.client("s3"), self.deployment.buckets["provenance"]
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=RECEIPT_PREFIX)
        receipts = sum(len(page.get("Contents", ())) for page in pages)
        while (sealed := self.log_size()) < receipts:
            if time.monotonic() > deadline:
                raise PipelineError(f"Of {receipts} receipts {sealed} were sealed.")
            time.sleep(POLL_SECONDS)

    def log_size(self) -> int:
        """How many entries the log has: those that its checkpoint names."""
        s3, bucket = self.client("s3"), self.deployment.buckets["provenance"]
        try:
            note = s3.get_object(Bucket=bucket, Key=f"{LOG_PREFIX}{CHECKPOINT}")["Body"].read()
        except s3.exceptions.NoSuchKey:
            return 0
        return parse_checkpoint(parse_note(note).text).size

    def deliver_trail(self) -> None:
        """Let CloudTrail deliver at once, with a digest; on AWS this takes minutes."""
        self.aws.admin("trail/flush", digest=True)

    def receipt_version(self, version: ObjectVersion) -> str:
        """Return the S3 version id of an object version's receipt."""
        head = self.client("s3").head_object(
            Bucket=self.deployment.buckets["provenance"], Key=version.receipt_key
        )
        return str(head["VersionId"])


def _keys(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: environ[name.upper()] for name in ("aws_access_key_id", "aws_secret_access_key")}


def _put(s3: Any, bucket: str, drop: Drop) -> str:
    """Put an object, in parts if it is large; return its version."""
    place = {"Bucket": bucket, "Key": drop.key}
    if len(drop.body) <= PART_BYTES:
        answer = s3.put_object(**place, Body=drop.body, ContentType=drop.content_type)
        return str(answer["VersionId"])
    upload = {
        **place,
        "UploadId": s3.create_multipart_upload(**place, ContentType=drop.content_type)["UploadId"],
    }
    parts = []
    for number, start in enumerate(range(0, len(drop.body), PART_BYTES), start=1):
        part = s3.upload_part(**upload, PartNumber=number, Body=drop.body[start : start + PART_BYTES])
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    return str(s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})["VersionId"])


def apply(
    aws: LocalAws,
    work_dir: Path,
    say: Callable[[str], None] = print,
    variables: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Pipeline:
    """Deploy the kit to a server that runs and ends with this process.

    variables: they go before ``local.tfvars``. environ: Terraform's, by default ``aws.environ()``.
    """
    terraform = Terraform(
        "local",
        work_dir=work_dir,
        environ=environ or aws.environ(),
        state_url=aws.state_url,
        variables=variables,
        say=say,
    )
    return _applied(aws, terraform, say)


def _applied(aws: LocalAws, terraform: Terraform, say: Callable[[str], None]) -> Pipeline:
    plan = terraform.plan()
    say(plan.summary())
    outputs = terraform.apply()
    if plan.is_first_step:
        return _applied(aws, terraform, say)
    deployment = load_deployment(terraform.deployment_path)
    return Pipeline(aws, terraform, deployment, outputs["roles"], [*map(folder_of, plan.datasets)])


@contextmanager
def deployed(
    work_dir: Path,
    say: Callable[[str], None] = print,
    variables: Mapping[str, object] | None = None,
) -> Iterator[Pipeline]:
    """Start a server, deploy the kit to it, and end the server at the end."""
    with (
        LocalAws(work_dir / "aws") as aws,
        served_provider(serverless_environ() | aws.environ(), working_root(work_dir)) as environ,
    ):
        yield apply(aws, work_dir, say, variables, environ)
