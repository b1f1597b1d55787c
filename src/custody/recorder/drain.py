"""Takes the messages of a queue until it is empty: for a process that has no AWS Lambda to bring them.

A message stays hidden from others while it is worked on, however long that takes, and is deleted once it is
done. Whatever ends the process, the message comes back: five minutes later, to the next process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

from custody.recorder.redelivery import delay_seconds

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger
    from mypy_boto3_sqs import SQSClient

HIDDEN_SECONDS = 300
"""How long a message is hidden from the last word of the process that has it."""
EXTEND_SECONDS = 100
"""Two such words may be lost."""
WAIT_SECONDS = 2
"""Without a wait, Amazon SQS asks only some of its servers, and a message that is there may be missed."""


def drain(sqs: SQSClient, queue_url: str, process: Callable[[str], object], logger: Logger) -> None:
    """Call ``process`` with the body of each message, one after another, until there is none.

    A message for which it raises an exception, or that cannot be deleted, comes again after a delay that
    grows with each time, and finally goes to the dead-letter queue. Raises botocore's exceptions if the queue
    cannot be used.
    """
    while messages := sqs.receive_message(
        QueueUrl=queue_url,
        MaxNumberOfMessages=1,
        MessageSystemAttributeNames=["ApproximateReceiveCount"],
        VisibilityTimeout=HIDDEN_SECONDS,
        WaitTimeSeconds=WAIT_SECONDS,
    ).get("Messages"):
        (message,) = messages
        handle = message["ReceiptHandle"]
        try:
            with _hidden(sqs, queue_url, handle, logger):
                process(message["Body"])
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=handle)
        except Exception:
            logger.exception("MessageFailed", extra={"message_id": message["MessageId"]})
            receives = int(message["Attributes"]["ApproximateReceiveCount"])
            _hide(sqs, queue_url, handle, delay_seconds(receives), logger)


@contextmanager
def _hidden(sqs: SQSClient, queue_url: str, handle: str, logger: Logger) -> Iterator[None]:
    """Keep a message hidden: Amazon SQS allows that for twelve hours; a longer one is delivered twice."""
    done = Event()

    def extend() -> None:
        while not done.wait(EXTEND_SECONDS):
            _hide(sqs, queue_url, handle, HIDDEN_SECONDS, logger)

    extender = Thread(target=extend, name="extend", daemon=True)
    extender.start()
    try:
        yield
    finally:
        done.set()
        extender.join()


def _hide(sqs: SQSClient, queue_url: str, handle: str, seconds: int, logger: Logger) -> None:
    """Hide a message; if that fails, for whatever reason, it comes again when its time is over."""
    try:
        sqs.change_message_visibility(QueueUrl=queue_url, ReceiptHandle=handle, VisibilityTimeout=seconds)
    except Exception:
        logger.exception("MessageNotHidden")
