from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.s3.models import FakeKey
from moto.s3.utils import _VersionedKeyStore

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


def test_a_page_costs_what_it_holds(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(300):
        s3.put_object(Bucket="bucket", Key=f"{number:03}")
    looked_at: list[str] = []
    getlist = _VersionedKeyStore.getlist
    monkeypatch.setattr(
        _VersionedKeyStore,
        "getlist",
        lambda self, key, *rest: looked_at.append(key) or getlist(self, key, *rest),
    )
    monkeypatch.setattr(FakeKey, "__getstate__", lambda self: pytest.fail("a version was copied"))
    page = s3.list_object_versions(Bucket="bucket", KeyMarker="099", MaxKeys=5)
    assert [version["Key"] for version in page["Versions"]] == [f"{number:03}" for number in range(100, 105)]
    assert len(looked_at) <= 6


@pytest.mark.parametrize("size", range(1, 8))
def test_pages_together_are_the_whole(s3: Any, size: int) -> None:
    for key in ("a", "a/1", "a/1", "a/2", "b", "c/1", "c/2", "d"):
        s3.put_object(Bucket="bucket", Key=key, Body=b"same millisecond")
    s3.delete_object(Bucket="bucket", Key="a/1")

    def listed(**options: Any) -> tuple[list[Any], ...]:
        whole = (
            s3.get_paginator("list_object_versions").paginate(Bucket="bucket", **options).build_full_result()
        )
        return tuple(whole.get(name, []) for name in ("Versions", "DeleteMarkers", "CommonPrefixes"))

    for more in ({}, {"Delimiter": "/"}, {"Prefix": "a/"}, {"Prefix": "c", "Delimiter": "/"}):
        assert listed(**more, PaginationConfig={"PageSize": size}) == listed(**more)
    versions, markers, _ = listed(Prefix="a/1")
    assert [entry["IsLatest"] for entry in (*markers, *versions)] == [True, False, False]
    assert versions[0]["VersionId"] != versions[1]["VersionId"]


def test_of_one_millisecond_the_later_version_is_the_latest(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = datetime(2026, 1, 1)  # noqa: DTZ001 - as moto has it
    monkeypatch.setattr("moto.s3.models.utcnow", lambda: moment)
    ids = [s3.put_object(Bucket="bucket", Key="key")["VersionId"] for _ in range(3)]
    listed = s3.list_object_versions(Bucket="bucket")["Versions"]
    assert [version["VersionId"] for version in listed] == ids[::-1]
    assert [version["IsLatest"] for version in listed] == [True, False, False]
