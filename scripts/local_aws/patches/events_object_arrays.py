"""A rule's pattern looks into the objects of an array: it matches if one of them matches.

moto compares fields of objects alone. "Arrays in EventBridge event patterns",
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns-arrays.html
"""

from __future__ import annotations

from typing import Any

from moto.events.models import EventPattern


def apply() -> None:
    """Replace the matching of nested patterns."""
    match = EventPattern._does_event_match

    def matches(
        self: EventPattern, event_flat: dict[str, Any], pattern_node: dict[str, Any], prefix: str = ""
    ) -> bool:
        rest = dict(pattern_node)
        for name, node in pattern_node.items():
            held = event_flat.get(f"{prefix}.{name}" if prefix else name)
            if isinstance(node, dict) and isinstance(held, list):
                del rest[name]
                if not any(
                    matches(self, self._flatten_dict(one), node) for one in held if isinstance(one, dict)
                ):
                    return False
        return match(self, event_flat, rest, prefix)

    EventPattern._does_event_match = matches  # type: ignore[method-assign]
