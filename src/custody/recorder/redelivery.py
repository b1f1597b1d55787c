"""When a failed message is delivered again.

AWS recommends a visibility timeout of six times the function's timeout (AWS Lambda Developer Guide, "Using
Lambda with Amazon SQS"): 90 minutes for the longest timeout. A failed message stays hidden that long by
default, so one throttled call would make a receipt late. So the function sets a shorter timeout for failed
messages, which grows with each failure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger
    from mypy_boto3_sqs import SQSClient

FIRST_DELAY_SECONDS = 15
LONGEST_DELAY_SECONDS = 300
"""Ten receives, as many as the queue has, are 35 minutes apart, and all within the default watermark."""


def delay_seconds(receive_count: int) -> int:
    """How long to hide a failed message, by the number of receives: 15 s, then 1, 4 and 5 minutes."""
    return min(FIRST_DELAY_SECONDS << 2 * (receive_count - 1), LONGEST_DELAY_SECONDS)


def hide_for_delay(sqs: Callable[[], SQSClient], message: Mapping[str, Any], logger: Logger) -> None:
    """Set the time after which a failed message, as AWS Lambda gave it, is delivered again.

    If it cannot be set, for whatever reason, that is logged: the message is then delivered when the queue's
    own timeout ends, and the rest of its batch is none the worse.
    """
    try:
        *_, account_id, name = message["eventSourceARN"].split(":")
        client = sqs()
        client.change_message_visibility(
            QueueUrl=f"{client.meta.endpoint_url}/{account_id}/{name}",
            ReceiptHandle=message["receiptHandle"],
            VisibilityTimeout=delay_seconds(int(message["attributes"]["ApproximateReceiveCount"])),
        )
    except Exception:
        logger.exception("MessageNotHidden", extra={"message_id": message["messageId"]})
