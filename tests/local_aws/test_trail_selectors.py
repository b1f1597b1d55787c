from __future__ import annotations

from typing import Any

import pytest

from scripts.local_aws.trail.selectors import selects


def record(name: str = "PutObject", arn: str = "arn:aws:s3:::lake/a", **more: Any) -> dict[str, Any]:
    return {
        "eventCategory": "Data",
        "eventName": name,
        "eventSource": "s3.amazonaws.com",
        "eventType": "AwsApiCall",
        "readOnly": name.startswith(("Get", "List")),
        "resources": [{"type": "AWS::S3::Object", "ARN": arn}],
        "userIdentity": {"arn": "arn:aws:iam::123456789012:user/ana"},
        **more,
    }


OBJECTS = [
    {"Field": "eventCategory", "Equals": ["Data"]},
    {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
]


@pytest.mark.parametrize(
    ("field", "event", "selected"),
    [
        ({"Field": "resources.ARN", "StartsWith": ["arn:aws:s3:::lake/"]}, record(), True),
        (
            {"Field": "resources.ARN", "StartsWith": ["arn:aws:s3:::other/", "arn:aws:s3:::lake/"]},
            record(),
            True,
        ),
        ({"Field": "resources.ARN", "StartsWith": ["arn:aws:s3:::other/"]}, record(), False),
        ({"Field": "resources.ARN", "NotStartsWith": ["arn:aws:s3:::lake/"]}, record(), False),
        ({"Field": "resources.ARN", "NotStartsWith": ["arn:aws:s3:::log/"]}, record(), True),
        ({"Field": "resources.ARN", "EndsWith": [".csv"]}, record(arn="arn:aws:s3:::lake/a.csv"), True),
        ({"Field": "readOnly", "Equals": ["false"]}, record(), True),
        ({"Field": "readOnly", "Equals": ["false"]}, record("GetObject"), False),
        ({"Field": "eventName", "NotEquals": ["GetObject"]}, record("GetObject"), False),
        ({"Field": "userIdentity.arn", "NotEndsWith": ["/ana"]}, record(), False),
        ({"Field": "eventCategory", "Equals": ["Management"]}, record(), False),
        (
            {"Field": "resources.ARN", "StartsWith": ["arn:aws:s3:::lake/"]},
            record(resources=[{"type": "AWS::S3::Object", "ARNPrefix": "arn:aws:s3:::lake/"}]),
            True,
        ),
    ],
)
def test_advanced_selectors(field: dict[str, Any], event: dict[str, Any], selected: bool) -> None:
    assert selects([], [{"FieldSelectors": [*OBJECTS, field]}], event) is selected


@pytest.mark.parametrize(
    ("selector", "event", "selected"),
    [
        ({"DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}]}, record(), True),
        ({"DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::lake/"]}]}, record(), True),
        ({"DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::log/"]}]}, record(), False),
        ({"DataResources": [{"Type": "AWS::Lambda::Function", "Values": ["arn:aws:s3"]}]}, record(), False),
        (
            {
                "ReadWriteType": "WriteOnly",
                "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}],
            },
            record("GetObject"),
            False,
        ),
        ({"IncludeManagementEvents": True}, record(), False),
    ],
)
def test_basic_selectors(selector: dict[str, Any], event: dict[str, Any], selected: bool) -> None:
    assert selects([selector], [], event) is selected


def test_no_selector_selects_nothing() -> None:
    assert not selects([], [], record())
