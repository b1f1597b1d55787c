"""Redrive policies come back as they were set, the one that allows as well as the one that sends.

moto writes ``RedrivePolicy`` with other spaces than Terraform's provider sent and so never settles, and
keeps no ``RedriveAllowPolicy``, for which the provider waits until it gives up.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
"""

from __future__ import annotations

import json
from typing import Any

from moto.sqs.models import Queue

_ALLOW = "RedriveAllowPolicy"


def apply() -> None:
    """Keep and return both."""
    Queue.BASE_ATTRIBUTES = [*Queue.BASE_ATTRIBUTES, _ALLOW]
    Queue.redrive_allow_policy = None  # type: ignore[attr-defined]
    own: Any = Queue.attributes

    def attributes(self: Queue) -> dict[str, Any]:
        result: dict[str, Any] = own.fget(self)
        if result.get("RedrivePolicy"):
            result["RedrivePolicy"] = json.dumps(json.loads(result["RedrivePolicy"]), separators=(",", ":"))
        if not result.get(_ALLOW):
            result.pop(_ALLOW, None)
        return result

    Queue.attributes = property(attributes)  # type: ignore[assignment]
