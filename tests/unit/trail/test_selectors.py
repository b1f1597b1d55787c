"""Which management write events a trail logs, according to its selectors."""

from __future__ import annotations

from typing import Any

import pytest

from custody.trail.selectors import unlogged_management_writes

MANAGEMENT = {"Field": "eventCategory", "Equals": ["Management"]}
WRITES = {"Field": "readOnly", "Equals": ["false"]}
READS = {"Field": "readOnly", "Equals": ["true"]}
WITHOUT_KMS = {"Field": "eventSource", "NotEquals": ["kms.amazonaws.com"]}


def basic(**settings: Any) -> dict[str, Any]:
    return {"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True} | settings]}


def advanced(*selectors: list[dict[str, Any]]) -> dict[str, Any]:
    return {"AdvancedEventSelectors": [{"FieldSelectors": fields} for fields in selectors]}


@pytest.mark.parametrize(
    "selectors",
    [
        {},  # a trail as it was created
        basic(),
        basic(ReadWriteType="WriteOnly"),
        basic(ExcludeManagementEventSources=[]),
        advanced([MANAGEMENT]),
        advanced([MANAGEMENT, WRITES]),
        advanced([{"Field": "eventCategory", "Equals": ["Data"]}], [MANAGEMENT, WRITES]),
        advanced([MANAGEMENT, WITHOUT_KMS], [MANAGEMENT, WRITES]),
    ],
)
def test_all_management_writes_are_logged(selectors: dict[str, Any]) -> None:
    assert unlogged_management_writes(selectors) == ""


@pytest.mark.parametrize(
    ("selectors", "unlogged"),
    [
        (basic(IncludeManagementEvents=False), "management write events"),
        (basic(ReadWriteType="ReadOnly"), "management write events"),
        (
            basic(ExcludeManagementEventSources=["kms.amazonaws.com"]),
            "management write events of kms.amazonaws.com",
        ),
        (advanced([{"Field": "eventCategory", "Equals": ["Data"]}]), "management write events"),
        (advanced([MANAGEMENT, READS]), "management write events"),
        (advanced([MANAGEMENT, WITHOUT_KMS]), "management write events of kms.amazonaws.com"),
        (
            advanced([MANAGEMENT, {"Field": "eventSource", "Equals": ["sts.amazonaws.com"]}]),
            "management write events",
        ),
        (
            advanced([MANAGEMENT, {"Field": "eventName", "Equals": ["StopLogging"]}]),
            "management write events",
        ),
        (
            advanced([{"Field": "eventCategory", "Equals": ["Management"], "NotEquals": ["Data"]}]),
            "management write events",
        ),
    ],
)
def test_what_is_not_logged_is_told(selectors: dict[str, Any], unlogged: str) -> None:
    assert unlogged_management_writes(selectors) == unlogged
