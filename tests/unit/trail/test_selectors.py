"""Which management write events and which access to objects a trail logs, according to its selectors."""

from __future__ import annotations

from typing import Any

import pytest

from custody.trail.selectors import unlogged_management_writes, unlogged_objects

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


DATA = {"Field": "eventCategory", "Equals": ["Data"]}
OBJECTS = {"Field": "resources.type", "Equals": ["AWS::S3::Object"]}
RAW, LETTERS = "arn:aws:s3:::raw/", "arn:aws:s3:::archive/letters/"
SESSION = "arn:aws:sts::123456789012:assumed-role/custody-local-auditor/"


def below(*beginnings: str) -> dict[str, Any]:
    return {"Field": "resources.ARN", "StartsWith": list(beginnings)}


def objects_of(*values: str, **settings: Any) -> dict[str, Any]:
    return basic(DataResources=[{"Type": "AWS::S3::Object", "Values": list(values)}], **settings)


@pytest.mark.parametrize(
    "selectors",
    [
        objects_of("arn:aws:s3"),
        objects_of(RAW, "arn:aws:s3:::archive/"),
        objects_of(RAW, LETTERS),
        advanced([DATA, OBJECTS]),
        advanced([DATA, OBJECTS, below(RAW, LETTERS)]),
        advanced([DATA, OBJECTS, READS], [DATA, OBJECTS, WRITES, below(RAW, "arn:aws:s3:::archive/")]),
        advanced(
            [DATA, OBJECTS, WRITES],
            [DATA, OBJECTS, READS, {"Field": "userIdentity.arn", "NotStartsWith": [SESSION]}],
        ),
    ],
)
def test_all_access_to_objects_is_logged(selectors: dict[str, Any]) -> None:
    assert unlogged_objects(selectors, [RAW, LETTERS], frozenset([SESSION])) == []


@pytest.mark.parametrize(
    ("selectors", "unlogged"),
    [
        ({}, ["reads", "writes"]),
        (basic(), ["reads", "writes"]),
        (objects_of(RAW, ReadWriteType="WriteOnly"), ["reads"]),
        (objects_of(f"{RAW}incoming/"), ["reads", "writes"]),
        (
            basic(DataResources=[{"Type": "AWS::Lambda::Function", "Values": ["arn:aws"]}]),
            ["reads", "writes"],
        ),
        (advanced([MANAGEMENT, OBJECTS]), ["reads", "writes"]),
        (
            advanced([DATA, {"Field": "resources.type", "Equals": ["AWS::Lambda::Function"]}]),
            ["reads", "writes"],
        ),
        (advanced([DATA, OBJECTS, WRITES]), ["reads"]),
        (advanced([DATA, OBJECTS, below(f"{RAW}incoming/")]), ["reads", "writes"]),
        (
            advanced([DATA, OBJECTS, {"Field": "resources.ARN", "NotStartsWith": ["arn:aws:s3:::x/"]}]),
            ["reads", "writes"],
        ),
        (advanced([DATA, OBJECTS, {"Field": "eventName", "Equals": ["PutObject"]}]), ["reads", "writes"]),
        (
            advanced([DATA, OBJECTS, {"Field": "userIdentity.arn", "NotStartsWith": [SESSION]}]),
            ["writes"],
        ),
        (
            advanced(
                [DATA, OBJECTS, {"Field": "userIdentity.arn", "NotStartsWith": [SESSION, "arn:aws:sts::1"]}]
            ),
            ["reads", "writes"],
        ),
    ],
)
def test_access_that_is_not_logged_is_told(selectors: dict[str, Any], unlogged: list[str]) -> None:
    found = unlogged_objects(selectors, [RAW], frozenset([SESSION]))
    assert found == [f"{access} of {RAW}*" for access in unlogged]
