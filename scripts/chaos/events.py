"""Events that are broken in every way: bodies of messages, and batches of them as AWS Lambda gives them.

The same seed makes the same events. Shapes: Amazon S3 User Guide, "Event message structure" and "EventBridge
event message structure"; AWS Lambda Developer Guide, "Using Lambda with Amazon SQS"; Amazon SNS Developer
Guide, "HTTP/HTTPS JSON formats".
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

from custody.evidence.objects import ObjectVersion
from custody.recorder.notification import backfill_message

BATCH = 10
_SCALARS: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**31, 2**63, 2**64, 10**400, 1.5, 1e308, float("nan"), float("inf")),
    *(
        "",
        " ",
        "null",
        "0",
        "..",
        "/",
        "%",
        "%00",
        "%zz",
        "%ff",
        "+",
        "\x00",
        "\n",
        "\ud800",
        "\u202e",
        "ß" * 600,
    ),
    *(
        "a" * 2000,
        "arn:aws:s3:::b",
        "2026-02-30T00:00:00Z",
        "9999-12-31T23:59:59.999Z",
        "0000-01-01T00:00:00Z",
    ),
    *("ObjectCreated:", "ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated", "s3:ObjectCreated:Put"),
    *("aws:s3", "custody:backfill", "Backfill", "3.0", "2.99", "s3:TestEvent", {}, [], [[]], {"": {}}),
)
_LETTERS = '{}[]":,\\ue0123456789.-+truefalsnΩ\x00\x7f\u2028'


@dataclass(frozen=True)
class Batch:
    """What the function is given, and the ids of its messages."""

    event: Any
    ids: frozenset[str]
    is_misshapen: bool
    """Whether it is none that AWS Lambda makes of messages."""


class Batches:
    """Makes batches. ``known`` are versions that have receipts."""

    def __init__(self, seed: int, known: Sequence[ObjectVersion], provenance: str) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - chaos, not a secret
        self._known = known
        self._provenance = provenance
        self.made = 0
        """How many events were made."""

    def some(self, events: int) -> Iterator[Batch]:
        """Batches of ten events, ``events`` in all."""
        while self.made < events:
            count = min(BATCH, events - self.made)
            self.made += count
            yield self._batch(count)

    def body(self) -> str:
        """One message's body."""
        dice = self._dice
        shape = self._shape()
        kind = dice.random()
        if kind < 0.15:
            return json.dumps(shape)
        if kind < 0.6:
            for _ in range(dice.randint(1, 4)):
                shape = self._broken(shape)
            return json.dumps(shape)
        if kind < 0.85:
            return self._edited(json.dumps(shape))
        if kind < 0.9:
            return json.dumps(self._anything(5))
        if kind < 0.92:
            return "[" * dice.choice([10, 1000, 100_000])
        return dice.randbytes(dice.randrange(200)).decode(
            "utf-8", dice.choice(["replace", "surrogateescape"])
        )

    def _shape(self) -> Any:
        """A document as a service sends it."""
        dice, version = self._dice, self._dice.choice(self._known)
        record: dict[str, Any] = {
            "eventVersion": f"2.{dice.randint(0, 6)}",
            "eventSource": "aws:s3",
            "awsRegion": "us-east-1",
            "eventTime": "2026-01-20T10:00:00.000Z",
            "eventName": dice.choice(
                ["ObjectCreated:Put", "ObjectCreated:Copy", "ObjectRemoved:Delete", "ObjectTagging:Put"]
            ),
            "userIdentity": {"principalId": "AWS:AROAEXAMPLE:someone"},
            "requestParameters": {"sourceIPAddress": "192.0.2.1"},
            "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "host"},
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "recorder",
                "bucket": {"name": version.bucket, "arn": f"arn:aws:s3:::{version.bucket}"},
                "object": {
                    "key": quote_plus(version.key, safe="/"),
                    "size": 1,
                    "versionId": version.version_id,
                    "sequencer": "0055AED6DCD90281E5",
                },
            },
        }
        if dice.random() < 0.1:
            record["s3"]["bucket"]["name"] = self._provenance
        notification = {"Records": [copy.deepcopy(record) for _ in range(dice.choice([0, 1, 1, 1, 1, 2, 5]))]}
        match dice.randrange(8):
            case 0:
                return {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": version.bucket}
            case 1:
                return json.loads(backfill_message(version, datetime(2026, 1, 20, tzinfo=UTC)))
            case 2:
                detail = {
                    "version": "0",
                    "bucket": {"name": version.bucket},
                    "object": {"key": version.key, "version-id": version.version_id, "size": 1},
                    "reason": "PutObject",
                }
                return {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}
            case 3:
                return {"Type": "Notification", "Message": json.dumps(notification)}
            case _:
                return notification

    def _broken(self, document: Any) -> Any:
        """A copy with one value somewhere replaced, removed, doubled or moved."""
        document = copy.deepcopy(document)
        places = list(_places(document))
        if not places:
            return self._anything(2)
        holder, name = self._dice.choice(places)
        match self._dice.randrange(5):
            case 0:
                del holder[name]
            case 1:
                holder[name] = [holder[name]]
            case 2:
                holder[name] = self._anything(2)
            case 3 if isinstance(holder, dict):
                holder[self._dice.choice([name.upper(), name + "\x00", ""])] = holder.pop(name)
            case _:
                holder[name] = self._dice.choice(_SCALARS)
        return document

    def _edited(self, text: str) -> str:
        """A text with some letters changed, a part removed, doubled, or its end cut off."""
        dice = self._dice
        for _ in range(dice.randint(1, 3)):
            at, to = sorted(dice.randrange(len(text) + 1) for _ in range(2))
            match dice.randrange(5):
                case 0:
                    text = text[:at]
                case 1:
                    text = text[:at] + text[to:]
                case 2:
                    text = text[:to] + text[at:]
                case 3:
                    text = "\ufeff" + text
                case _:
                    text = text[:at] + "".join(dice.choices(_LETTERS, k=dice.randint(1, 4))) + text[at + 1 :]
        return text

    def _anything(self, depth: int) -> Any:
        dice = self._dice
        match dice.randrange(4 if depth else 2):
            case 2:
                return [self._anything(depth - 1) for _ in range(dice.randrange(4))]
            case 3:
                names = ("Records", "s3", "object", "key", "", "a")
                return {dice.choice(names): self._anything(depth - 1) for _ in range(dice.randrange(4))}
            case _:
                return dice.choice(_SCALARS)

    def _batch(self, count: int) -> Batch:
        messages = [self._message(f"{self.made:06d}-{number}") for number in range(count)]
        event: Any = {"Records": messages}
        is_misshapen = self._dice.random() < 0.1
        if is_misshapen:
            event = self._broken(event)
        return Batch(event, frozenset(message["messageId"] for message in messages), is_misshapen)

    def _message(self, message_id: str) -> dict[str, Any]:
        return {
            "messageId": message_id,
            "receiptHandle": "none",
            "body": self.body(),
            "attributes": {"ApproximateReceiveCount": str(self._dice.randint(1, 5)), "SentTimestamp": "1"},
            "messageAttributes": {},
            "md5OfBody": "",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:recorder",
            "awsRegion": "us-east-1",
        }


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every value in a document, as what holds it and its name there."""
    pairs = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    )
    for name, value in list(pairs):
        yield document, name
        yield from _places(value)
