"""A queue that hears what the topic of alerts is told."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from scripts.drill.stack import Stack

Message = dict[str, Any]
"""A message that is a JSON object, else its attributes."""


class Ear:
    """Hears the topic for the length of a ``with`` block; queue and subscription end with it."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._sqs, self._sns = stack.client("sqs"), stack.client("sns")
        self._url = ""
        self._subscription = ""
        self._heard: list[Message] = []

    def __enter__(self) -> Self:
        # Not named as the deployment's queues are: its deletion is no attack on one of them.
        self._url = self._sqs.create_queue(QueueName=f"drill-ear-{secrets.token_hex(4)}")["QueueUrl"]
        try:
            self._subscribe()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _subscribe(self) -> None:
        topic = self._stack.deployment.topic_arn
        asked = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        queue = asked["Attributes"]["QueueArn"]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": policy})
        answer = self._sns.subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=queue, ReturnSubscriptionArn=True
        )
        self._subscription = answer["SubscriptionArn"]

    def _end(self) -> None:
        try:
            if self._subscription:
                self._sns.unsubscribe(SubscriptionArn=self._subscription)
        finally:
            self._sqs.delete_queue(QueueUrl=self._url)

    @property
    def mark(self) -> int:
        """Where the messages begin that are heard from now on."""
        self._listen()
        return len(self._heard)

    def hear(
        self,
        is_wanted: Callable[[Message], bool],
        since: int,
        timeout_seconds: float,
        look: Callable[[], object] = lambda: None,
    ) -> Message | None:
        """The first message after the mark ``since`` that is wanted; ``None`` if none comes in time.

        ``look`` is called before each look into the queue.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            look()
            found = self.find(is_wanted, since)
            if found is not None or time.monotonic() > deadline:
                return found
            time.sleep(self._stack.patience.look)

    def find(self, is_wanted: Callable[[Message], bool], since: int) -> Message | None:
        """The first message after the mark ``since`` that is wanted, if it is there by now."""
        self._listen()
        return next((message for message in self._heard[since:] if is_wanted(message)), None)

    def _listen(self) -> None:
        """Take everything that is there."""
        while messages := self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                self._heard.append(_for_machines(json.loads(message["Body"])))
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])


def _for_machines(told: dict[str, Any]) -> Message:
    if told["Message"].startswith("{"):
        return dict(json.loads(told["Message"]))
    return {name: each["Value"] for name, each in told.get("MessageAttributes", {}).items()}
