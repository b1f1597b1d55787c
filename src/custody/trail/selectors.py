"""Whether a trail logs management write events, according to its event selectors, basic or advanced.

Source: AWS CloudTrail API Reference, ``GetEventSelectors``, ``EventSelector`` and ``AdvancedEventSelector``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def unlogged_management_writes(selectors: Mapping[str, Any]) -> str:
    """Describe the management write events that a trail does not log; empty if it logs them all.

    selectors: the answer to ``GetEventSelectors``. If it has no selector, the trail is as created, and logs
    every management event (``CreateTrail``).
    """
    basic, advanced = selectors.get("EventSelectors") or [], selectors.get("AdvancedEventSelectors") or []
    if not basic and not advanced:
        return ""
    left_out = [_left_out_by_basic(one) for one in basic] + [_left_out_by_advanced(one) for one in advanced]
    logging = [sources for sources in left_out if sources is not None]
    if not logging:
        return "management write events"
    nowhere = frozenset.intersection(*logging)
    return f"management write events of {', '.join(sorted(nowhere))}" if nowhere else ""


def _left_out_by_basic(selector: Mapping[str, Any]) -> frozenset[str] | None:
    """Return the services whose management write events it leaves out; None if it logs no such events."""
    if not selector.get("IncludeManagementEvents", True) or selector.get("ReadWriteType") == "ReadOnly":
        return None
    return frozenset(selector.get("ExcludeManagementEventSources") or ())


def _left_out_by_advanced(selector: Mapping[str, Any]) -> frozenset[str] | None:
    """Return the same; a selector with an unknown field counts as none."""
    fields = {field["Field"]: field for field in selector.get("FieldSelectors", ())}
    if _only(fields.get("eventCategory"), "Equals") != {"Management"}:
        return None
    if "readOnly" in fields and _only(fields["readOnly"], "Equals") != {"false"}:
        return None
    if fields.keys() - {"eventCategory", "readOnly", "eventSource"}:
        return None
    if "eventSource" not in fields:
        return frozenset()
    left_out = _only(fields["eventSource"], "NotEquals")
    return frozenset(left_out) if left_out else None


def _only(field: Mapping[str, Iterable[str]] | None, operator: str) -> set[str]:
    """Return the values of this operator; none if the field has another one."""
    given = {name: set(values) for name, values in (field or {}).items() if name != "Field" and values}
    return given.get(operator, set()) if given.keys() == {operator} else set()
