"""Listing versions, page after page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.utils import parse_timestamp
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from custody import listing
from custody.listing import list_versions, list_versions_concurrently, read_times_fast
from tests.support.evidence import REGION, World, worlds
from tests.unit.gate_world import S3, CrashError, GateWorld, Lifeline


@pytest.fixture(scope="module")
def new_world() -> Iterator[Callable[[], World]]:
    with worlds() as new:
        yield new


def test_every_version_of_every_page_is_listed(new_world: Callable[[], World]) -> None:
    world = new_world()
    put = [
        (key, world.put(key, b"x").version.version_id)
        for key in ("incoming/a\nb", "incoming/a&b<c>", "incoming/b +%é", "incoming/b +%é", "other/a")
    ]
    marker = world.s3.delete_object(Bucket=world.raw, Key="incoming/b +%é")["VersionId"]

    # Two at a time, as Amazon S3 gives a thousand.
    world.s3.meta.events.register(
        "provide-client-params.s3.ListObjectVersions", lambda params, **_: params | {"MaxKeys": 2}
    )
    entries = list(list_versions(world.s3, world.raw, "incoming/"))

    assert sorted((e.key, e.version_id) for e in entries if not e.is_delete_marker) == sorted(put[:4])
    assert [(e.key, e.version_id) for e in entries if e.is_delete_marker] == [("incoming/b +%é", marker)]
    versions = [e.version_id for e in entries if e.key == "incoming/b +%é" and not e.is_delete_marker]
    assert versions == [put[3][1], put[2][1]]
    assert all(entry.last_modified.tzinfo is not None for entry in entries)


def test_nothing_is_listed_of_an_empty_prefix(new_world: Callable[[], World]) -> None:
    world = new_world()
    assert list(list_versions(world.s3, world.raw, "incoming/")) == []


KEYS = st.lists(
    st.lists(st.sampled_from(["a", "b", "2026", "+", "\xff", ""]), min_size=1, max_size=4).map("/".join),
    max_size=30,
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(
    keys=[f"{folder}/{name}" for folder in "abcdef" for name in ("", "1", "2")],
    deleted=set(),
    pages=4,
    before=0,
)
@given(keys=KEYS, deleted=st.sets(st.integers(0, 29)), pages=st.integers(1, 5), before=st.integers(0, 3))
def test_a_concurrent_listing_has_each_version_once(
    keys: list[str], deleted: set[int], pages: int, before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "CONCURRENT_PAGES", pages)
    monkeypatch.setattr(listing, "PAGES_BEFORE_SPLIT", before)
    world = GateWorld()
    for number, key in enumerate(keys):
        world.put("raw", f"incoming/{key}", None if number in deleted else b"x")
    world.put("raw", "other/a", b"x")
    s3: Any = S3(world, Lifeline())

    def order(entry: listing.VersionEntry) -> str:
        return entry.version_id

    concurrent = sorted(list_versions_concurrently(s3, "raw", "incoming/"), key=order)
    assert concurrent == sorted(list_versions(s3, "raw", "incoming/"), key=order)
    assert len(concurrent) == len(keys)

    def versions_of(listed: list[listing.VersionEntry], key: str) -> list[str]:
        return [entry.version_id for entry in listed if entry.key == key and not entry.is_delete_marker]

    parted = list(list_versions_concurrently(s3, "raw", "incoming/"))
    whole = list(list_versions(s3, "raw", "incoming/"))
    for entry in whole:
        assert versions_of(parted, entry.key) == versions_of(whole, entry.key)  # newest first


def test_many_versions_are_listed_concurrently(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGES_BEFORE_SPLIT", 2)
    world = GateWorld()
    for month in range(1, 13):
        for day in range(1, 11):
            world.put("raw", f"incoming/2026/{month:02d}/{day:02d}/part", b"x")
    markers: list[str] = []

    class Seen(S3):
        def list_object_versions(self, **asked: Any) -> dict[str, Any]:
            if "Delimiter" not in asked and "VersionIdMarker" not in asked:
                markers.append(asked.get("KeyMarker", ""))
            return super().list_object_versions(**asked)

    s3: Any = Seen(world, Lifeline())
    assert len(list(list_versions_concurrently(s3, "raw", "incoming/"))) == 120
    assert len(markers) == listing.CONCURRENT_PAGES  # each begins at another key
    assert markers == sorted(set(markers))


def test_a_concurrent_listing_ends_when_one_page_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGES_BEFORE_SPLIT", 1)
    world = GateWorld()
    for number in range(100):
        world.put("raw", f"incoming/{number % 10}/{number}", b"x")
    s3: Any = S3(world, Lifeline(20))
    with pytest.raises(CrashError):
        list(list_versions_concurrently(s3, "raw", "incoming/"))


@given(moment=st.datetimes(timezones=st.just(UTC)).filter(lambda moment: moment.year >= 1000))
def test_the_times_of_headers_are_read_without_botocore(moment: datetime) -> None:
    text = format_datetime(moment, usegmt=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(listing, "parse_timestamp")
        assert listing.parse_aws_time(text) == moment.replace(microsecond=0)


@pytest.mark.parametrize("text", ["Sat, 31 Feb 2026 00:00:00 GMT", "Thu, 01 Jan 2026 25:00:00 GMT", "then"])
def test_what_is_no_time_is_refused_as_botocore_refuses_it(text: str) -> None:
    for read in (listing.parse_aws_time, parse_timestamp):
        with pytest.raises(ValueError):  # noqa: PT011 - each has words of its own
            read(text)


def test_times_are_read_as_botocore_reads_them(new_world: Callable[[], World]) -> None:
    session = botocore.session.Session()
    read_times_fast(session)
    fast = boto3.Session(botocore_session=session, region_name=REGION).client("s3")
    world = new_world()
    drop = world.put("incoming/a", b"x")
    slow = world.s3.list_object_versions(Bucket=world.raw)["Versions"][0]["LastModified"]
    entry = next(list_versions(fast, world.raw, ""))
    assert entry.last_modified == slow
    assert entry.last_modified.utcoffset() == timedelta(0)
    got = fast.get_object(Bucket=world.raw, Key="incoming/a", VersionId=drop.version.version_id)
    assert got["LastModified"] == slow.replace(microsecond=0)
    kms = boto3.Session(botocore_session=session, region_name=REGION).client("kms")
    assert kms.create_key()["KeyMetadata"]["CreationDate"].tzinfo is not None
