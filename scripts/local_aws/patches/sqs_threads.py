"""A queue keeps every message, whoever sends, receives and deletes at once, however many there are.

moto rebuilds the list of messages on each deletion without a lock: a message sent meanwhile is lost. It asks
the clock several times for each message in the queue whenever one is sent. And it calls the functions that
read a queue from within SendMessage; here they poll, as Lambda does.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/standard-queues.html
"""

from __future__ import annotations

from typing import Any

from moto.core.utils import unix_time_millis
from moto.sqs.models import Message, Queue, SQSBackend


class _NoMappings(dict[str, Any]):
    """A place for event source mappings that keeps none: moto then calls no function itself."""

    def __setitem__(self, key: str, value: Any) -> None:
        """Forget it at once."""


def apply() -> None:
    """Hold the queue's lock, which waiting for messages releases, wherever its messages change."""
    for name in ("delete_message", "add_message"):
        _lock_queue(name)
    for name in ("receive_message", "change_message_visibility", "purge_queue"):
        _lock_backend(name)
    Queue.messages = property(_messages)  # type: ignore[assignment]
    Queue.approximate_number_of_messages_delayed = property(_delayed)  # type: ignore[assignment]
    Queue.approximate_number_of_messages_not_visible = property(_invisible)  # type: ignore[assignment]
    initialise = Queue.__init__

    def without_mappings(self: Queue, *args: Any, **kwargs: Any) -> None:
        initialise(self, *args, **kwargs)
        self.lambda_event_source_mappings = _NoMappings()

    Queue.__init__ = without_mappings  # type: ignore[method-assign]


def _messages(queue: Queue) -> list[Message]:
    now = unix_time_millis()
    return [m for m in list(queue._messages) if m.visible_at < now and m.delayed_until <= now]


def _delayed(queue: Queue) -> int:
    now = unix_time_millis()
    return sum(message.delayed_until > now for message in list(queue._messages))


def _invisible(queue: Queue) -> int:
    now = unix_time_millis()
    return sum(message.visible_at >= now for message in list(queue._messages))


def _lock_queue(name: str) -> None:
    change = getattr(Queue, name)

    def locked(self: Queue, *args: Any, **kwargs: Any) -> Any:
        with self._messages_lock:
            return change(self, *args, **kwargs)

    setattr(Queue, name, locked)


def _lock_backend(name: str) -> None:
    change = getattr(SQSBackend, name)

    def locked(self: SQSBackend, queue_name: str, *args: Any, **kwargs: Any) -> Any:
        with self.get_queue(queue_name)._messages_lock:
            return change(self, queue_name, *args, **kwargs)

    setattr(SQSBackend, name, locked)
