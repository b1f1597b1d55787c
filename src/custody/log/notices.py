"""Which receipts a message to the sealer's queue tells of."""

from __future__ import annotations

from custody.evidence.objects import RECEIPT_PREFIX
from custody.recorder.notification import ObjectCreated, parse_message


def receipt_keys(body: str) -> list[str]:
    """The keys of the receipts that a message names; other objects, and test events, are passed over.

    Raises ``MalformedMessageError`` if any part of it cannot be read reliably.
    """
    return [
        event.version.key
        for event in parse_message(body)
        if isinstance(event, ObjectCreated) and event.version.key.startswith(RECEIPT_PREFIX)
    ]
