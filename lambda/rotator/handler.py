"""AWS Lambda function ``rotator``: wiring only; what it does is in ``custody.warehouse.rotation``.

AWS Secrets Manager invokes it for each step. Before a secret's rotation is enabled, Terraform invokes it once
with the step ``firstVersion``. Neither its log nor its answer contains any part of a secret's value.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from custody.errors import UsageError
from custody.warehouse.account_api import ApiAccount
from custody.warehouse.rotation import Rotator

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

FIRST_VERSION = "firstVersion"


def _setting(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise UsageError(f"The environment variable {name} is not set.", "Terraform sets it: apply again.")
    return value


logger = Logger(service=_setting("POWERTOOLS_SERVICE_NAME"), serialize_stacktrace=False)
session = boto3.Session()
credentials = session.get_credentials()
if credentials is None:
    raise UsageError("The function has no AWS credentials.", "Run it with an execution role.")
rotator = Rotator(
    secrets=session.client(
        "secretsmanager",
        config=Config(
            connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4}
        ),
    ),
    account=ApiAccount(
        endpoint=_setting("ACCOUNT_ENDPOINT"),
        name=_setting("ACCOUNT_NAME"),
        credentials=credentials,
        region=_setting("AWS_REGION"),
    ),
)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    """Do one step of a rotation; the answer has the result.

    Format of the event: AWS Secrets Manager User Guide, "Lambda rotation functions".
    """
    step, secret_id = event["Step"], event["SecretId"]
    if step == FIRST_VERSION:
        done = rotator.begin(secret_id)
    else:
        done = rotator.step(step, secret_id, event["ClientRequestToken"])
    logger.info("Stepped", extra={"step": step, "secret_id": secret_id, "done": done})
    return {"done": done}
