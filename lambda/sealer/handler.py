"""AWS Lambda function ``sealer``: wiring only; what it does is in ``custody.log.sealer``.

Its environment is read once, when the function starts. A batch of SQS messages is sealed together, and each
message of which a receipt is not in the log is reported (partial batch response); a rule's event, hourly, has
it put the heads of the trail's digest chains into the log, sign an old checkpoint again, look for receipts
without a notice, end the log if an operator has declared that, and ask witnesses for cosignatures.
"""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from botocore.config import Config

from custody.errors import CannotCheckError, EvidenceError, UsageError
from custody.evidence.fetch import SERVICE_ERRORS
from custody.evidence.registry import REGISTRY_KEY
from custody.log.cosigning import Witnesses, parse_witnesses
from custody.log.notices import receipt_keys
from custody.log.sealer import REQUESTS_AT_ONCE, Sealer
from custody.log.signing import signers_of
from custody.log.store import LogStore
from custody.log.succession import Succession, parse_succession
from custody.log.trail_heads import find_heads
from custody.recorder.notification import MalformedMessageError
from custody.recorder.redelivery import hide_for_delay

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_sqs import SQSClient

    from custody.log.batch import Sealable


SEAL_ATTEMPTS = 3
"""Of one invocation."""


def _setting(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise UsageError(f"The environment variable {name} is not set.", "Terraform sets it: apply again.")
    return value


def _config(read_timeout: int) -> Config:
    return Config(
        connect_timeout=5,
        read_timeout=read_timeout,
        retries={"mode": "standard", "total_max_attempts": 4},
        tcp_keepalive=True,
        max_pool_connections=REQUESTS_AT_ONCE,
    )


logger = Logger(service=_setting("POWERTOOLS_SERVICE_NAME"), serialize_stacktrace=False)
metrics = Metrics(namespace=_setting("POWERTOOLS_METRICS_NAMESPACE"), service=logger.service)


@lru_cache(maxsize=1)
def _sealer() -> Sealer:
    """Created when first needed: an error then, such as an absent registry, is that of a batch."""
    store = _store()
    origin = _setting("LOG_ORIGIN")
    registry = store.read(REGISTRY_KEY).data
    kms = boto3.client("kms", config=_config(10))
    signers = signers_of(registry, origin, _setting("LOG_KEY_IDS").split(","), kms)
    return Sealer(
        store=store,
        origin=origin,
        since=date.fromisoformat(_setting("LEDGER_SINCE")),
        signers=signers,
        logger=logger,
        metrics=metrics,
        predecessor=parse_succession(registry).predecessor,
    )


@lru_cache(maxsize=1)
def _store() -> LogStore:
    return LogStore(boto3.client("s3", config=_config(30)), _setting("PROVENANCE_BUCKET"))


def _declared() -> Succession:
    """What the key registry has by now: the end of a log is declared while functions run."""
    return parse_succession(_store().read(REGISTRY_KEY).data)


@lru_cache(maxsize=1)
def _witnesses() -> Witnesses:
    """Kept, since they remember what each has cosigned. An error in them keeps nothing from being sealed."""
    return Witnesses(parse_witnesses(_setting("WITNESSES")))


def _trail_heads() -> tuple[list[Sealable], Exception | None]:
    """The heads that can be read, and why one cannot: the trail's bucket may be somebody else's."""
    s3 = boto3.client("s3", config=_config(30))
    heads: list[Sealable] = []
    failed: Exception | None = None
    try:
        for head in find_heads(s3, _setting("TRAIL_BUCKET"), _setting("TRAIL_FOLDER"), datetime.now(UTC)):
            if isinstance(head, EvidenceError):
                logger.error("DigestUnreadable", exc_info=head)
                failed = head
            else:
                heads.append(head)
    except (*SERVICE_ERRORS, CannotCheckError) as error:
        failed = error
    return heads, failed


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Seal the receipts that a batch of SQS messages tells of; or, for a rule's event, do the upkeep.

    The answer lists the failed messages (AWS Lambda Developer Guide, "Implementing partial batch responses").
    """
    if "Records" not in event:
        sealer, end = _sealer(), _declared().end
        heads, trail_error = _trail_heads()
        anchored = sealer.anchor(heads)
        signed_again = sealer.refresh()
        swept = sealer.sweep(lambda: context.get_remaining_time_in_millis() / 1000, end)
        ended = end is not None and sealer.freeze(end)
        cosigned = sealer.cosign(_witnesses())
        if trail_error is not None:
            raise trail_error
        return {
            "anchored": anchored,
            "signed_again": signed_again,
            "swept": swept,
            "ended": ended,
            "cosigned": cosigned,
        }
    failed = _seal(event["Records"])
    for message in event["Records"]:
        if message["messageId"] in failed:
            # The answer to Amazon SQS has only the ids of failed messages, not the reasons.
            reason = failed[message["messageId"]]
            logger.error("MessageFailed", extra={"message_id": message["messageId"]}, exc_info=reason)
            hide_for_delay(_sqs, message, logger)
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _seal(messages: list[dict[str, Any]]) -> dict[str, Exception]:
    """Seal what the messages tell of; by message id, why one of its receipts is not in the log."""
    keys: dict[str, list[str]] = {}
    failed: dict[str, Exception] = {}
    for message in messages:
        try:
            keys[message["messageId"]] = receipt_keys(message["body"])
        except MalformedMessageError as error:
            failed[message["messageId"]] = error
    if wanted := [key for each in keys.values() for key in each]:
        reasons = _reasons(wanted)
        for message_id, its_keys in keys.items():
            if unsealed := [key for key in its_keys if key in reasons]:
                failed[message_id] = reasons[unsealed[0]]
    return failed


def _reasons(wanted: list[str]) -> Mapping[str, Exception]:
    """Seal receipts; by key, why one is not in the log.

    A seal that fails is gone on with at once: one call of its dozens that fails, after its client's retries,
    would send back up to a thousand messages. What is still not sealed is delivered again, and soon.
    """
    for attempts_left in reversed(range(SEAL_ATTEMPTS)):
        try:
            return _sealer().seal(wanted).failed
        except Exception as error:
            if not attempts_left or isinstance(error, EvidenceError | UsageError):
                return dict.fromkeys(wanted, error)
            logger.warning("SealedAgain", exc_info=error)
    raise AssertionError


@lru_cache(maxsize=1)
def _sqs() -> SQSClient:
    """Created when first needed: most functions never have a failed message."""
    return boto3.client("sqs", config=_config(10))
