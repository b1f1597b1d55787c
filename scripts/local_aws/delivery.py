"""Delivers events of S3 and EventBridge to their queues, at least once and in any order, as these do.

Without chaos, an event is in its queue before the call that caused it returns. With chaos, each event is
delivered several times, and events within the same window are shuffled.
"""

from __future__ import annotations

import random
import sys
import threading
import uuid
from dataclasses import dataclass

from moto.sqs.exceptions import QueueDoesNotExist
from moto.sqs.models import Message, sqs_backends

SHUFFLE_SECONDS = 0.25
"""How long events are held to be shuffled."""


@dataclass(frozen=True, slots=True)
class _Letter:
    queue_arn: str
    body: str


class Delivery:
    """Sends events to queues. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: list[_Letter] = []
        self._copies = 1
        self._shuffle: random.Random | None = None

    def configure(self, copies: int, seed: int | None) -> None:
        """Deliver each event ``copies`` times from here on; shuffle them with this seed if it is given.

        Raises ``ValueError`` for fewer than one copy.
        """
        if copies < 1:
            raise ValueError("an event is delivered at least once")
        with self._lock:
            self._copies = copies
            self._shuffle = None if seed is None else random.Random(seed)  # noqa: S311 - chaos, not a secret
            held, self._held = self._held, []
        _send(held)

    def send(self, queue_arn: str, body: str) -> None:
        """Deliver one event to a queue; if the queue does not exist, the event is lost, as with S3."""
        letters = [_Letter(queue_arn, body)] * self._copies
        with self._lock:
            if self._shuffle is not None:
                if not self._held:
                    threading.Timer(SHUFFLE_SECONDS, self._release).start()
                self._held += letters
                return
        _send(letters)

    @property
    def held(self) -> int:
        """How many events are on their way."""
        with self._lock:
            return len(self._held)

    def _release(self) -> None:
        with self._lock:
            held = self._held
            if self._shuffle is not None:
                self._shuffle.shuffle(held)
            _send(held)
            self._held = []


def _send(letters: list[_Letter]) -> None:
    for letter in letters:
        _, _, _, region, account_id, name = letter.queue_arn.split(":")
        try:
            queue = sqs_backends[account_id][region].get_queue(name)
        except QueueDoesNotExist:
            print(f"event lost: there is no queue {letter.queue_arn}", file=sys.stderr)
            continue
        # Not moto's send_message: it counts all that is in the queue, three times.
        message = Message(str(uuid.uuid4()), letter.body)
        message.mark_sent(delay_seconds=int(queue.delay_seconds))  # type: ignore[attr-defined]
        queue.add_message(message)


DELIVERY = Delivery()
"""The delivery from S3 and EventBridge to the queues of this process."""
