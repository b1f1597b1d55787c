from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from scripts.local_aws.patches import s3_list_versions


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        s3_list_versions.apply()
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="bucket")
        client.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
        yield client


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("", ["a", "a", "b", "c"]),
        ("a", ["b", "c"]),
        ("aa", ["b", "c"]),
        ("b", ["c"]),
        ("c", []),
        ("0", ["a", "a", "b", "c"]),
    ],
)
def test_a_listing_starts_right_after_its_key_marker(s3: Any, marker: str, expected: list[str]) -> None:
    for key in ("a", "a", "b", "c"):
        s3.put_object(Bucket="bucket", Key=key)
    page = s3.list_object_versions(Bucket="bucket", KeyMarker=marker)
    assert [version["Key"] for version in page.get("Versions", [])] == expected


def test_a_listing_holds_any_key(s3: Any) -> None:
    keys = sorted(["a+b c", "a%41", "é\u202e", "\x1b[2J", "quo\"te'", "x/y/z"])
    for key in keys:
        s3.put_object(Bucket="bucket", Key=key)
        s3.delete_object(Bucket="bucket", Key=key)
    pages = s3.get_paginator("list_object_versions").paginate(
        Bucket="bucket", PaginationConfig={"PageSize": 1}
    )
    listed = [entry["Key"] for page in pages for entry in page.get("Versions", [])]
    assert listed == keys
    [prefix] = s3.list_object_versions(Bucket="bucket", Prefix="x", Delimiter="/")["CommonPrefixes"]
    assert prefix["Prefix"] == "x/"
