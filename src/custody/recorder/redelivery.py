"""When a failed message is delivered again.

AWS recommends a visibility timeout of six times the function's timeout (AWS Lambda Developer Guide, "Using
Lambda with Amazon SQS"): 90 minutes for the longest timeout. A failed message stays hidden that long by
default, so one throttled call would make a receipt late. So the function sets a shorter timeout for failed
messages, which grows with each failure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

FIRST_DELAY_SECONDS = 15
LONGEST_DELAY_SECONDS = 900


def delay_seconds(receive_count: int) -> int:
    """How long to hide a failed message, by the number of receives: 15 s, then 1, 4 and 15 minutes."""
    return min(FIRST_DELAY_SECONDS << 2 * (receive_count - 1), LONGEST_DELAY_SECONDS)


def hide_for_delay(sqs: SQSClient, queue_arn: str, receipt_handle: str, receive_count: int) -> None:
    """Set the time after which a failed message is delivered again.

    Raises botocore's ``ClientError`` if Amazon SQS denies it; the message is then delivered when the queue's
    own timeout ends.
    """
    *_, account_id, name = queue_arn.split(":")
    sqs.change_message_visibility(
        QueueUrl=f"{sqs.meta.endpoint_url}/{account_id}/{name}",
        ReceiptHandle=receipt_handle,
        VisibilityTimeout=delay_seconds(receive_count),
    )
