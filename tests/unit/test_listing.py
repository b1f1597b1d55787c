"""Listing versions, page after page."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from custody.listing import list_versions
from tests.support.evidence import World, worlds


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
