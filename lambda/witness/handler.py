"""AWS Lambda function ``witness``: wiring only; what it does is in ``custody.log.witness``.

Its environment is read once, when the function starts. A request of the HTTP API is answered as C2SP
tlog-witness has it; an event of another kind, such as an invocation by hand, with the witness's verifier key.
"""

from __future__ import annotations

import os
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.metrics import MetricUnit
from botocore.config import Config

from custody.errors import UsageError
from custody.log.store import LogStore
from custody.log.witness import Witness
from custody.log.witness_account import BucketState, answer_event, kms_cosigner, parse_logs

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from custody.log.note import NoteKey
    from custody.log.signing import KmsNoteSigner

_COUNTED = {200: "CheckpointsCosigned", 422: "CheckpointsInConflict"}


def _setting(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise UsageError(f"The environment variable {name} is not set.", "Terraform sets it: apply again.")
    return value


logger = Logger(service=_setting("POWERTOOLS_SERVICE_NAME"), serialize_stacktrace=False)
_NAMESPACE = _setting("POWERTOOLS_METRICS_NAMESPACE")
_CONFIG = Config(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2})
"""The HTTP API, and a sealer, wait ten seconds for an answer."""


@lru_cache(maxsize=1)
def _logs() -> dict[str, list[NoteKey]]:
    return parse_logs(_setting("LOGS"))


@lru_cache(maxsize=1)
def _cosigner() -> KmsNoteSigner:
    kms = boto3.client("kms", config=_CONFIG)
    return kms_cosigner(kms, _setting("SIGNING_KEY_ID"), _setting("WITNESS_NAME"))


@lru_cache(maxsize=1)
def _witness() -> Witness:
    store = LogStore(boto3.client("s3", config=_CONFIG), _setting("STATE_BUCKET"))
    keys = [key for keys in _logs().values() for key in keys]
    return Witness(keys, _cosigner(), BucketState(store), time.time)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer a request of the HTTP API (payload format 2.0), or tell the verifier key."""
    if "requestContext" not in event:
        return {"key": _cosigner().key.to_verifier_key()}
    answer = answer_event(_witness(), event)
    if answer.origin is not None:
        label = next(label for label, keys in _logs().items() if keys[0].name == answer.origin)
        if answer.status == 422:
            # Signed by the log: if it is a fork, the proof of it.
            logger.error("CheckpointInConflict", extra={"log": label, "request": event["body"]})
        if (name := _COUNTED.get(answer.status)) is not None:
            with single_metric(name=name, unit=MetricUnit.Count, value=1, namespace=_NAMESPACE) as metric:
                metric.add_dimension(name="log", value=label)
    return {
        "statusCode": answer.status.value,
        "headers": {"content-type": answer.content_type},
        "body": answer.body,
    }
