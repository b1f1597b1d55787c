"""AWS Lambda function ``recorder``: wiring only; what it does is in ``custody.recorder.recorder``.

Its environment is read once, when the function starts. Each failed message is reported separately (partial
batch response), so that Amazon SQS delivers it again without the rest of its batch.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from botocore.config import Config

import custody
from custody.errors import UsageError
from custody.evidence.receipt import RecorderIdentity
from custody.evidence.signing import KmsSigner
from custody.recorder.recorder import LargeObjects, Recorder
from custody.recorder.redelivery import hide_for_delay
from custody.times import parse_time

if TYPE_CHECKING:
    from datetime import datetime

    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_sqs import SQSClient

MESSAGES_AT_ONCE = 10
"""As many as a batch has: most of the time is spent waiting for Amazon S3 and AWS KMS."""


def _setting(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise UsageError(f"The environment variable {name} is not set.", "Terraform sets it: apply again.")
    return value


def _time(name: str) -> datetime | None:
    value = os.environ.get(name)
    return None if value is None else parse_time(value)


def _large_objects() -> LargeObjects | None:
    queue_url = os.environ.get("LARGE_OBJECTS_QUEUE_URL")
    if queue_url is None:
        return None
    return LargeObjects(
        above_bytes=int(_setting("LARGE_OBJECTS_ABOVE_BYTES")),
        send=lambda body: _sqs().send_message(QueueUrl=queue_url, MessageBody=body),
    )


logger = Logger(service=_setting("POWERTOOLS_SERVICE_NAME"), serialize_stacktrace=False)
metrics = Metrics(namespace=_setting("POWERTOOLS_METRICS_NAMESPACE"), service=logger.service)
recorder = Recorder(
    s3=boto3.client(
        "s3",
        config=Config(
            connect_timeout=5,
            read_timeout=30,
            retries={"mode": "standard", "total_max_attempts": 4},
            tcp_keepalive=True,
            # The recorder hashes every byte; botocore's own check would do so a second time.
            response_checksum_validation="when_required",
        ),
    ),
    signer=KmsSigner(
        boto3.client(
            "kms",
            config=Config(
                connect_timeout=5,
                read_timeout=10,
                retries={"mode": "standard", "total_max_attempts": 4},
                tcp_keepalive=True,
            ),
        ),
        _setting("SIGNING_KEY_ID"),
    ),
    provenance_bucket=_setting("PROVENANCE_BUCKET"),
    identity=RecorderIdentity(
        function=_setting("AWS_LAMBDA_FUNCTION_NAME"),
        code_sha256=_setting("CODE_SHA256"),
        version=custody.__version__,
    ),
    logger=logger,
    metrics=metrics,
    key_valid_from=_time("SIGNING_KEY_VALID_FROM"),
    large_objects=_large_objects(),
)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, list[dict[str, str]]]:
    """Record the object versions in a batch of SQS messages; the answer lists the failed messages.

    Format of the answer: AWS Lambda Developer Guide, "Implementing partial batch responses".
    """
    messages = event["Records"]
    with ThreadPoolExecutor(MESSAGES_AT_ONCE) as pool:
        ends = [pool.submit(_process, message) for message in messages]
    failed = []
    for message, end in zip(messages, ends, strict=True):
        if error := end.exception():
            # The answer to Amazon SQS has only the ids of failed messages, not the reasons.
            logger.error("MessageFailed", extra={"message_id": message["messageId"]}, exc_info=error)
            hide_for_delay(_sqs, message, logger)
            failed.append({"itemIdentifier": message["messageId"]})
    return {"batchItemFailures": failed}


def _process(message: dict[str, Any]) -> None:
    recorder.process(message["body"])


@lru_cache(maxsize=1)
def _sqs() -> SQSClient:
    """Created when first needed: most functions never have a failed message."""
    return boto3.client(
        "sqs",
        config=Config(
            connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4}
        ),
    )
