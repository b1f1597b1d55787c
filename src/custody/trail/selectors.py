"""What a trail logs according to its event selectors: management writes, and access to objects.

Source: AWS CloudTrail API Reference, ``GetEventSelectors``, ``EventSelector`` and ``AdvancedEventSelector``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_READ_ONLY = {"reads": "true", "writes": "false"}


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


def unlogged_objects(
    selectors: Mapping[str, Any], beginnings: Iterable[str], unlogged_readers: frozenset[str] = frozenset()
) -> list[str]:
    """Describe the access to objects that a trail does not log, such as ``reads of arn:aws:s3:::bucket/``.

    selectors: the answer to ``GetEventSelectors``. beginnings: what the ARNs of the objects begin with, a
    bucket's ARN, a slash, and a prefix or nothing. unlogged_readers: what the ARNs of those sessions begin
    with whose reads need not be logged. A selector with a condition that is not known here counts as none.
    """
    basic, advanced = selectors.get("EventSelectors") or [], selectors.get("AdvancedEventSelectors") or []
    return [
        f"{access} of {beginning}*"
        for beginning in beginnings
        for access in _READ_ONLY
        if not any(_basic_logs(one, beginning, access) for one in basic)
        and not any(_advanced_logs(one, beginning, access, unlogged_readers) for one in advanced)
    ]


def _basic_logs(selector: Mapping[str, Any], beginning: str, access: str) -> bool:
    """Whether it logs this access; ``arn:aws:s3`` stands for all objects of all buckets."""
    one = {"reads": "ReadOnly", "writes": "WriteOnly"}[access]
    resources = selector.get("DataResources") or ()
    logged = [value for each in resources if each["Type"] == "AWS::S3::Object" for value in each["Values"]]
    return selector.get("ReadWriteType", "All") in ("All", one) and any(map(beginning.startswith, logged))


def _advanced_logs(
    selector: Mapping[str, Any], beginning: str, access: str, unlogged_readers: frozenset[str]
) -> bool:
    fields = {field["Field"]: field for field in selector.get("FieldSelectors", ())}
    if fields.keys() - {"eventCategory", "resources.type", "resources.ARN", "readOnly", "userIdentity.arn"}:
        return False
    left_out = _only(fields.get("userIdentity.arn"), "NotStartsWith")
    return (
        _only(fields.get("eventCategory"), "Equals") == {"Data"}
        and _only(fields.get("resources.type"), "Equals") == {"AWS::S3::Object"}
        and ("readOnly" not in fields or _READ_ONLY[access] in _only(fields["readOnly"], "Equals"))
        and (
            "resources.ARN" not in fields
            or any(map(beginning.startswith, _only(fields["resources.ARN"], "StartsWith")))
        )
        and ("userIdentity.arn" not in fields or (access == "reads" and set() < left_out <= unlogged_readers))
    )


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
