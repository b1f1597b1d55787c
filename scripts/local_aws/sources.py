"""Event source mappings: what Lambda does between an SQS queue and a function.

Each enabled mapping is polled, batches are collected, the function is invoked, and processed messages are
deleted. A failed message is redelivered after ``REDELIVERY_SECONDS``: with Lambda this is the queue's
visibility timeout, six times the function's timeout, which is too long to wait on one machine, unless its
clock has a rate. After the queue's ``maxReceiveCount`` it goes to the dead-letter queue.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

import json
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from moto.awslambda.models import EventSourceMapping, LambdaBackend, lambda_backends
from moto.core.utils import unix_time_millis
from moto.sqs.models import Message, Queue, sqs_backends

from scripts.local_aws.account import ACCOUNT_ID
from scripts.local_aws.clock import Clock
from scripts.local_aws.enforcement.behalf import poll
from scripts.local_aws.faults import Faults
from scripts.local_aws.functions.process import Outcome
from scripts.local_aws.functions.runtime import MAX_PROCESSES, Functions, StoppedError

REDELIVERY_SECONDS = 1.0
_LOOK_SECONDS = 0.25
_WAIT_SECONDS = 0.5


class EventSources:
    """Polls the queues of every mapping there is, from ``start`` to ``stop``."""

    def __init__(self, functions: Functions, clock: Clock, faults: Faults) -> None:
        self._functions = functions
        self._clock = clock
        self._faults = faults
        self._stopped = threading.Event()
        self._pollers: dict[str, _Poller] = {}
        self._held: set[str] = set()

    def hold(self, queue: str, is_held: bool) -> None:
        """Let the messages of a queue wait, as if its function did not keep up, or poll it again."""
        (self._held.add if is_held else self._held.discard)(queue)

    def start(self) -> None:
        """Begin to look for mappings."""
        threading.Thread(target=self._supervise, name="event sources", daemon=True).start()

    def stop(self) -> None:
        """Poll no more."""
        self._stopped.set()

    def _supervise(self) -> None:
        while not self._stopped.wait(_LOOK_SECONDS):
            mappings = {m.uuid: (backend, m) for backend in _backends() for m in _enabled(backend)}
            for gone in self._pollers.keys() - mappings.keys():
                self._pollers.pop(gone).stopped.set()
            for new in mappings.keys() - self._pollers.keys():
                self._pollers[new] = _Poller(
                    *mappings[new], self._functions, self._clock, self._faults, self._held, threading.Event()
                )
                self._pollers[new].start(self._stopped)


@dataclass(frozen=True, slots=True)
class _Poller:
    backend: LambdaBackend
    mapping: EventSourceMapping
    functions: Functions
    clock: Clock
    faults: Faults
    held: set[str]
    """Names of the queues that are not polled."""
    stopped: threading.Event

    def start(self, all_stopped: threading.Event) -> None:
        limit = (self.mapping.scaling_config or {}).get("MaximumConcurrency", MAX_PROCESSES)
        for _ in range(min(MAX_PROCESSES, int(limit))):
            threading.Thread(target=self._poll, args=(all_stopped,), name="poller", daemon=True).start()

    def _poll(self, all_stopped: threading.Event) -> None:
        while not (self.stopped.is_set() or all_stopped.is_set()):
            queue = _queue(self.mapping.event_source_arn)
            if queue is None or queue.name in self.held:
                time.sleep(_WAIT_SECONDS)
                continue
            batch = self._gather(queue)
            if batch:
                self._handle(queue, batch)

    def _gather(self, queue: Queue) -> list[Message]:
        """Up to a batch of messages; after the first, as many as come within the batching window."""
        size = self.mapping.batch_size
        batch = receive(queue, size)
        if not batch:
            queue.wait_for_messages(_WAIT_SECONDS)  # type: ignore[arg-type]
            return []
        deadline = time.monotonic() + float(self.mapping.max_batch_window or 0)
        while len(batch) < size and (left := deadline - time.monotonic()) > 0:
            queue.wait_for_messages(min(left, _WAIT_SECONDS))  # type: ignore[arg-type]
            batch += receive(queue, size - len(batch))
        return batch

    def _handle(self, queue: Queue, batch: list[Message]) -> None:
        event = {"Records": [_record(queue, message) for message in batch]}
        try:
            function = self.backend.get_function(self.mapping.function_arn)
            for operation in ("GetQueueAttributes", "ReceiveMessage", "DeleteMessage"):
                poll(function.role, function.function_name, queue, operation)
            outcome = self.functions.invoke(function, event)
        except StoppedError:
            return
        except Exception as error:  # noqa: BLE001 - Lambda retries after any error
            print(f"event source {self.mapping.uuid}: {type(error).__name__}: {error}", file=sys.stderr)
            _give_back(queue, batch, self.clock)
            return
        failed = _failed(outcome, batch, self.mapping.function_response_types or [])
        if self.faults.loses_delete():
            failed = {message.id for message in batch}
        _delete(queue, [message for message in batch if message.id not in failed])
        _give_back(queue, [message for message in batch if message.id in failed], self.clock)


def receive(queue: Queue, count: int) -> list[Message]:
    """Up to ``count`` messages, hidden for the visibility timeout; those received too often are moved on."""
    now = unix_time_millis()
    taken: list[Message] = []
    spent: list[Message] = []
    limit = int(queue.redrive_policy["maxReceiveCount"]) if queue.redrive_policy else None
    with queue._messages_lock:
        for message in queue._messages:
            if message.visible_at > now or message.delayed_until > now:
                continue
            if limit is not None and message.approximate_receive_count >= limit:
                spent.append(message)
                continue
            message.mark_received(visibility_timeout=queue.visibility_timeout)  # type: ignore[attr-defined]
            queue.pending_messages.add(message)
            taken.append(message)
            if len(taken) == count:
                break
        _remove(queue, spent)
    for message in spent:
        if queue.dead_letter_queue is not None:
            message.visible_at = 0.0
            queue.dead_letter_queue.add_message(message)
    return taken


def _delete(queue: Queue, messages: list[Message]) -> None:
    with queue._messages_lock:
        _remove(queue, messages)


def _remove(queue: Queue, messages: list[Message]) -> None:
    for message in messages:
        with suppress(ValueError):  # somebody else has deleted it
            queue._messages.remove(message)
    queue.pending_messages.difference_update(messages)


def _give_back(queue: Queue, messages: list[Message], clock: Clock) -> None:
    now = unix_time_millis()
    with queue._messages_lock:
        for message in messages:
            hidden = REDELIVERY_SECONDS * 1000
            if clock.rate is not None:
                hidden = max(0.0, message.visible_at - now) / clock.rate
            message.visible_at = now + hidden
            queue.pending_messages.discard(message)


def _failed(outcome: Outcome, batch: list[Message], response_types: list[str]) -> set[str]:
    """Ids of the messages the function did not handle ("Reporting batch item failures")."""
    every = {message.id for message in batch}
    if outcome.failed:
        return every
    if "ReportBatchItemFailures" not in response_types:
        return set()
    response = json.loads(outcome.payload)
    if response is None:
        return set()
    if not isinstance(response, dict):
        return every
    failures = response.get("batchItemFailures") or []
    named = {str(item.get("itemIdentifier")) if isinstance(item, dict) else "" for item in failures}
    return named if named <= every else every


def _record(queue: Queue, message: Message) -> dict[str, Any]:
    attributes = {
        "ApproximateReceiveCount": str(message.approximate_receive_count),
        "SentTimestamp": str(message.sent_timestamp),
        "SenderId": message.sender_id,
        "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
    }
    if message.group_id is not None:
        attributes["MessageGroupId"] = message.group_id
    return {
        "messageId": message.id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": attributes,
        "messageAttributes": {
            name: {
                "stringValue": value.get("StringValue"),
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": value["DataType"],
            }
            for name, value in message.message_attributes.items()
        },
        "md5OfBody": message.body_md5,
        "eventSource": "aws:sqs",
        "eventSourceARN": queue.queue_arn,
        "awsRegion": queue.region,
    }


def _backends() -> list[LambdaBackend]:
    return list(lambda_backends[ACCOUNT_ID].values())


def _enabled(backend: LambdaBackend) -> list[EventSourceMapping]:
    mappings = list(backend._event_source_mappings.values())
    return [m for m in mappings if m.enabled and ":sqs:" in m.event_source_arn]


def _queue(arn: str) -> Queue | None:
    _, _, _, region, account_id, name = arn.split(":")
    queue: Queue | None = sqs_backends[account_id][region].queues.get(name)
    return queue
