"""A listing of versions costs what its page holds, begins right after its marker, and writes keys as asked.

moto copies every version of the bucket, content and all, for each page. It leaves out the first version after a
``KeyMarker`` that comes without a ``VersionIdMarker``, keeps those of the marker's own key, and takes two versions
of the same millisecond for the wrong way round. It ignores ``encoding-type=url``, so a key that XML cannot hold
(a control character) ends the listing with an internal error.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import quote

from moto.core.responses import ActionResult
from moto.s3.models import FakeBucket, FakeDeleteMarker, FakeKey, S3Backend
from moto.s3.responses import S3Response


@cache
def apply() -> None:
    """Replace the listing in the backend, and mend the encoding in the response."""
    S3Backend.list_object_versions = _list  # type: ignore[method-assign,assignment]
    S3Response.serialized = _encoded(S3Response.serialized)  # type: ignore[method-assign]


class Listed:
    """A version or delete marker as it stands in a listing."""

    def __init__(self, version: FakeKey | FakeDeleteMarker, *, is_latest: bool) -> None:
        self._version = version
        self.is_latest = is_latest

    def __getattr__(self, name: str) -> Any:
        return getattr(self._version, name)


def _list(  # noqa: PLR0917 - moto's own parameters
    self: S3Backend,
    bucket_name: str,
    delimiter: str | None = None,
    key_marker: str | None = None,
    max_keys: int | None = 1000,
    prefix: str = "",
    version_id_marker: str | None = None,
) -> tuple[list[Listed], list[str], list[Listed], str | None, str | None]:
    """Versions, common prefixes, delete markers, and the markers of the next page if there is one."""
    bucket = self.get_bucket(bucket_name)
    versions: list[Listed] = []
    markers: list[Listed] = []
    prefixes: list[str] = []
    last: tuple[str, str | None] | None = None
    for name, entry in _after(bucket, prefix, delimiter, key_marker, version_id_marker):
        if max_keys is not None and len(versions) + len(markers) + len(prefixes) >= max_keys:
            return versions, prefixes, markers, *(last or ("", None))
        if entry is None:
            prefixes.append(name)
            last = name, None
        else:
            (versions if isinstance(entry._version, FakeKey) else markers).append(entry)
            last = name, entry.version_id
    return versions, prefixes, markers, None, None


def _after(
    bucket: FakeBucket, prefix: str, delimiter: str | None, key_marker: str | None, version_id_marker: str | None
) -> Iterator[tuple[str, Listed | None]]:
    """Every entry after the markers, in the listing's order: a common prefix has no version."""
    names = sorted(dict(bucket.keys))
    start = bisect_left(names, prefix)
    if key_marker is not None:
        start = max(start, (bisect_left if version_id_marker else bisect_right)(names, key_marker))
    rolled_up = key_marker if delimiter and key_marker and key_marker.endswith(delimiter) else None
    for position in range(start, len(names)):
        name = names[position]
        if not name.startswith(prefix):
            return
        cut = name.find(delimiter, len(prefix)) if delimiter else -1
        if delimiter and cut >= 0:
            common = name[: cut + len(delimiter)]
            if common != rolled_up:
                rolled_up = common
                yield common, None
            continue
        marker = version_id_marker if name == key_marker else None
        for listed in _versions(bucket, name, marker):
            yield name, listed


def _versions(bucket: FakeBucket, name: str, after: str | None) -> Iterator[Listed]:
    """The versions of a key, newest first, from the one after ``after``."""
    versions = list(bucket.keys.getlist(name, []))
    is_passed = after is None
    for position, version in enumerate(reversed(versions)):
        if is_passed:
            yield Listed(version, is_latest=position == 0)
        elif version.version_id == after:
            is_passed = True


def _encoded(serve: Any) -> Any:
    """Percent-encode what a listing names, if the request asks for it."""

    def serialized(self: S3Response, answer: ActionResult) -> Any:
        listing: Any = answer.result
        wanted = self.querystring.get("encoding-type", [None])[0] == "url"
        if not wanted or self.data.get("Action") != "ListObjectVersions" or not isinstance(listing, dict):
            return serve(self, answer)
        for name in ("KeyMarker", "NextKeyMarker", "Prefix", "Delimiter"):
            if listing.get(name):
                listing[name] = quote(listing[name])
        for entry in (*listing["Versions"], *listing["DeleteMarkers"]):
            entry["Key"] = quote(entry["Key"])
        for entry in listing.get("CommonPrefixes", ()):
            entry["Prefix"] = quote(entry["Prefix"])
        return serve(self, ActionResult(listing | {"EncodingType": "url"}))

    return serialized
