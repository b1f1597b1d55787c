"""Helpers for tests of the local AWS: clients, names, queues and their messages."""

from __future__ import annotations

import io
import itertools
import json
import time
import zipfile
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config

from scripts.local_aws.account import OPERATOR_ACCESS_KEY, OPERATOR_SECRET_KEY

ACCOUNT = "123456789012"
REGION = "us-east-1"
_numbers = itertools.count(1)

PATIENCE_SECONDS = 300.0
"""Timeout for expected events: long enough for a busy machine; tests wait only as long as necessary."""


class Account:
    """Clients of one server, and names that no other test uses."""

    def __init__(self, endpoint: str, credentials: dict[str, str] | None = None) -> None:
        self.endpoint = endpoint
        self._session = boto3.Session(
            aws_access_key_id=(credentials or {}).get("AccessKeyId", OPERATOR_ACCESS_KEY),
            aws_secret_access_key=(credentials or {}).get("SecretAccessKey", OPERATOR_SECRET_KEY),
            aws_session_token=(credentials or {}).get("SessionToken"),
            region_name=REGION,
        )

    def client(self, service: str, *, signature_version: str | None = None) -> Any:
        return self._session.client(
            service,
            endpoint_url=self.endpoint,
            config=Config(
                retries={"total_max_attempts": 1},
                max_pool_connections=20,
                signature_version=signature_version,
            ),
        )

    def name(self, stem: str = "test") -> str:
        return f"{stem}-{next(_numbers)}"

    def bucket(self, *, lock: bool = False) -> str:
        name = self.name("bucket")
        s3 = self.client("s3")
        s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    def queue(self, **attributes: str) -> tuple[str, str]:
        """URL and ARN of a new queue."""
        name = self.name("queue")
        url = self.client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"

    def rules_queue(self) -> tuple[str, str]:
        """URL and ARN of a new queue to which the account's rules may send."""
        url, arn = self.queue()
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/*"}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        return url, arn

    def messages(self, url: str, count: int) -> list[dict[str, Any]]:
        """The bodies of ``count`` messages, and no more of them."""
        sqs = self.client("sqs")
        bodies: list[dict[str, Any]] = []
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
            for message in answer.get("Messages", []):
                bodies.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            if len(bodies) >= count and not answer.get("Messages"):
                break
            time.sleep(0.05)
        assert len(bodies) == count, bodies
        return bodies

    @staticmethod
    def zip(files: dict[str, str]) -> bytes:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        return content.getvalue()

    def function(self, code: str, *, timeout: int = 60, **more: Any) -> str:
        """A new function whose handler is ``handler`` in ``code``, with a role of its own; its name."""
        name = self.name("function")
        role = self.client("iam").create_role(RoleName=f"{name}-role", AssumeRolePolicyDocument="{}")["Role"]
        self.client("lambda").create_function(
            FunctionName=name,
            Role=role["Arn"],
            Runtime="python3.13",
            Handler="code.handler",
            Timeout=timeout,
            **{"Code": {"ZipFile": self.zip({"code.py": code})}, **more},
        )
        return name

    def job(self, script: str, *, modules: dict[str, bytes] | None = None, **more: Any) -> str:
        """A new Glue job of this script, with a role and a bucket of its own, all named as the job."""
        name = self.name("job")
        s3 = self.client("s3")
        s3.create_bucket(Bucket=name)
        for key, body in {"job.py": script.encode(), **(modules or {})}.items():
            s3.put_object(Bucket=name, Key=key, Body=body)
        role = self.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]
        arguments = more.pop("DefaultArguments", {})
        if modules:
            arguments["--additional-python-modules"] = ",".join(f"s3://{name}/{key}" for key in modules)
        self.client("glue").create_job(
            Name=name,
            Role=role["Arn"],
            Command={"Name": "glueetl", "ScriptLocation": f"s3://{name}/job.py"},
            DefaultArguments=arguments,
            **{"GlueVersion": "5.1", "WorkerType": "G.1X", "NumberOfWorkers": 2, **more},
        )
        return name

    def job_run(self, name: str, run_id: str, *states: str) -> dict[str, Any]:
        """The run, once it is in one of these states; without any, once it has ended."""

        def there() -> dict[str, Any] | None:
            run = dict(self.client("glue").get_job_run(JobName=name, RunId=run_id)["JobRun"])
            at_end = "CompletedOn" in run
            return run if run["JobRunState"] in states or (at_end and not states) else None

        return dict(eventually(there))

    def run_job(self, name: str, **arguments: str) -> dict[str, Any]:
        """A run of the job with these arguments, once it has ended."""
        given = {f"--{key}": value for key, value in arguments.items()}
        run_id = self.client("glue").start_job_run(JobName=name, Arguments=given)["JobRunId"]
        return self.job_run(name, run_id)

    def notify(self, bucket: str, queue_arn: str, **more: Any) -> None:
        self.client("s3").put_bucket_notification_configuration(
            Bucket=bucket,
            NotificationConfiguration={
                "QueueConfigurations": [{"QueueArn": queue_arn, "Events": ["s3:ObjectCreated:*"], **more}]
            },
        )


def eventually(state: Callable[[], Any]) -> Any:
    """Wait until ``state`` is true, and return it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        value = state()
        if value or time.monotonic() > deadline:
            assert value, "did not come about in time"
            return value
        time.sleep(0.05)
