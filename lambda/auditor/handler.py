"""AWS Lambda function ``auditor``: wiring only; what it does is in ``custody.ledger.auditor``.

A rule invokes it on a schedule. It reads the deployment's file in each invocation: an apply may have changed
what is expected, trusted or signs.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from custody.deployment import parse_deployment
from custody.errors import UsageError
from custody.ledger.athena import Athena
from custody.ledger.auditor import Auditor

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

QUERY_SECONDS = 240
"""A statement that takes longer is stopped; the others are still asked."""
SECONDS_TO_TELL = 120
"""None is begun that could leave less than this to tell what the others have found."""


def _setting(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise UsageError(f"The environment variable {name} is not set.", "Terraform sets it: apply again.")
    return value


logger = Logger(service=_setting("POWERTOOLS_SERVICE_NAME"), serialize_stacktrace=False)
bucket, deployment_key = _setting("ARTIFACTS_BUCKET"), _setting("DEPLOYMENT_KEY")


@cache
def _client(service: str) -> Any:
    config = Config(
        connect_timeout=5,
        read_timeout=30,
        retries={"mode": "standard", "total_max_attempts": 4},
        tcp_keepalive=True,
    )
    return boto3.client(service, config=config)  # type: ignore[call-overload]


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Ask the rules and tell what has changed, whatever the event says; the answer has how many of each."""
    stored = _client("s3").get_object(Bucket=bucket, Key=deployment_key)["Body"].read()
    deployment = parse_deployment(stored, f"s3://{bucket}/{deployment_key}")
    done = Auditor(
        s3=_client("s3"),
        sns=_client("sns"),
        events=_client("events"),
        athena=Athena(
            _client("athena"),
            workgroup=deployment.workgroup,
            database=deployment.database,
            timeout_seconds=QUERY_SECONDS,
        ),
        deployment=deployment,
        bucket=bucket,
        may_ask=lambda: context.get_remaining_time_in_millis() / 1000 > QUERY_SECONDS + SECONDS_TO_TELL,
    ).run()
    logger.info("Audited", extra=dict(done))
    return dict(done)
