"""Whether a trail logs a data event: its event selectors, advanced or basic.

https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_AdvancedFieldSelector.html
https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_DataResource.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_Test = Callable[[str, str], bool]
_POSITIVE: dict[str, _Test] = {
    "Equals": lambda value, wanted: value == wanted,
    "StartsWith": lambda value, wanted: value.startswith(wanted),
    "EndsWith": lambda value, wanted: value.endswith(wanted),
}
_NEGATIVE: dict[str, _Test] = {f"Not{name}": test for name, test in _POSITIVE.items()}
_ALL_OBJECTS = {"arn:aws:s3", "arn:aws:s3:::"}


def selects(basic: list[dict[str, Any]], advanced: list[dict[str, Any]], record: Mapping[str, Any]) -> bool:
    """Whether any selector matches the record of a data event of S3, or of a management event.

    A trail without selectors logs management events.
    """
    fields = _fields(record)
    return any(_advanced_matches(selector, fields) for selector in advanced) or any(
        _basic_matches(selector, fields) for selector in (basic or [{}] if not advanced else [])
    )


def _fields(record: Mapping[str, Any]) -> dict[str, str]:
    """The fields a selector may name, with their values in this record."""
    resource: Mapping[str, Any] = next(iter(record.get("resources", ())), {})
    return {
        "eventCategory": record["eventCategory"],
        "eventName": record["eventName"],
        "eventSource": record["eventSource"],
        "eventType": record["eventType"],
        "readOnly": "true" if record["readOnly"] else "false",
        "resources.type": resource.get("type", ""),
        "resources.ARN": resource.get("ARN") or resource.get("ARNPrefix", ""),
        "userIdentity.arn": record["userIdentity"].get("arn", ""),
    }


def _advanced_matches(selector: Mapping[str, Any], fields: Mapping[str, str]) -> bool:
    return all(_field_matches(condition, fields) for condition in selector["FieldSelectors"])


def _field_matches(condition: Mapping[str, Any], fields: Mapping[str, str]) -> bool:
    """Every operator of a field selector must hold: one of its values, or for a negative one none of them."""
    value = fields.get(condition["Field"], "")
    positive = all(
        any(test(value, wanted) for wanted in condition[name])
        for name, test in _POSITIVE.items()
        if condition.get(name)
    )
    negative = all(
        not any(test(value, wanted) for wanted in condition[name])
        for name, test in _NEGATIVE.items()
        if condition.get(name)
    )
    return positive and negative


def _basic_matches(selector: Mapping[str, Any], fields: Mapping[str, str]) -> bool:
    wanted = selector.get("ReadWriteType", "All")
    if wanted == "ReadOnly" and fields["readOnly"] == "false":
        return False
    if wanted == "WriteOnly" and fields["readOnly"] == "true":
        return False
    if fields["eventCategory"] == "Management":
        excluded = selector.get("ExcludeManagementEventSources", ())
        return bool(selector.get("IncludeManagementEvents", True)) and fields["eventSource"] not in excluded
    return any(
        resource["Type"] == "AWS::S3::Object"
        and any(arn in _ALL_OBJECTS or fields["resources.ARN"].startswith(arn) for arn in resource["Values"])
        for resource in selector.get("DataResources", [])
    )
