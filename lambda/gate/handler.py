"""AWS Lambda function ``gate``: wiring only; what it does is in ``custody.gate.gate``.

Its environment is read once, when the function starts. An event that fails raises an exception: AWS Lambda
then retries asynchronous invocations (the schedule, the end of a job), and returns the error to a synchronous
caller.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from aws_lambda_powertools import Logger, Metrics
from botocore.config import Config

from custody.errors import UsageError
from custody.evidence.signing import KmsSignatureCheck
from custody.gate.gate import Gate, Settings
from custody.gate.requests import parse_tables
from custody.gate.table import CHECKS_AT_ONCE
from custody.listing import read_times_fast

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


def _setting(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise UsageError(f"The environment variable {name} is not set.", "Terraform sets it: apply again.")
    return value


def _minutes(name: str) -> timedelta:
    value = _setting(name)
    if not value.isdecimal():
        raise UsageError(f"The environment variable {name} is {value!r}, not a number of minutes.")
    return timedelta(minutes=int(value))


_CONFIG = Config(
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 4},
    tcp_keepalive=True,
    max_pool_connections=CHECKS_AT_ONCE,
)

_core = botocore.session.get_session()
read_times_fast(_core)
_session = boto3.Session(botocore_session=_core)

logger = Logger(service=_setting("POWERTOOLS_SERVICE_NAME"), serialize_stacktrace=False)
metrics = Metrics(namespace=_setting("POWERTOOLS_METRICS_NAMESPACE"), service=logger.service)
silver, gold = parse_tables(_setting("TABLES"))
gate = Gate(
    Settings(
        provenance_bucket=_setting("PROVENANCE_BUCKET"),
        raw_bucket=_setting("RAW_BUCKET"),
        processed_bucket=_setting("PROCESSED_BUCKET"),
        analytics_bucket=_setting("ANALYTICS_BUCKET"),
        topic_arn=_setting("TOPIC_ARN"),
        watermark=_minutes("WATERMARK_MINUTES"),
        schedule=_minutes("SCHEDULE_MINUTES"),
        silver=silver,
        gold=gold,
        etl_role_id=_setting("ETL_ROLE_ID"),
        gate_role_id=_setting("GATE_ROLE_ID"),
        decider_role_ids=frozenset(_setting("DECIDER_ROLE_IDS").split(",")) - {"any"},
    ),
    s3=_session.client("s3", config=_CONFIG),
    glue=_session.client("glue", config=_CONFIG),
    sns=_session.client("sns", config=_CONFIG),
    signatures=KmsSignatureCheck(_session.client("kms", config=_CONFIG)),
    logger=logger,
    metrics=metrics,
)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle one invocation: ``custody.gate.requests`` has the events, ``Gate.run`` the answer."""
    return gate.run(event, lambda: context.get_remaining_time_in_millis() / 1000)
