"""A change of a queue's other attributes leaves its policy as it is.

moto takes a policy that is not named for one that is removed, so that a plan after a change of a redrive
policy puts the queue's policy back, for ever anew.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
"""

from __future__ import annotations

from typing import Any

from moto.sqs.models import Queue


def apply() -> None:
    """Set only what is named."""
    own = Queue._set_attributes

    def set_attributes(self: Queue, attributes: dict[str, Any], now: float | None = None) -> None:
        before = getattr(self, "policy", None)
        own(self, attributes, now)
        if "Policy" not in attributes and before is not None:
            self.policy = before

    Queue._set_attributes = set_attributes  # type: ignore[method-assign]
