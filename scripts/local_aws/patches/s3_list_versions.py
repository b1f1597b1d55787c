"""A listing of versions costs what its page holds, begins right after its marker, and writes keys as asked.

moto copies every version of the bucket, content and all, for each page. It leaves out the first version after
a ``KeyMarker`` that comes without a ``VersionIdMarker``, keeps those of the marker's own key, and takes two
versions of one millisecond for the wrong way round. It ignores ``encoding-type=url``, so a key that XML
cannot hold (a control character) ends the listing with an internal error.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from moto.s3.models import FakeBucket, FakeDeleteMarker, FakeKey
from moto.s3.responses import S3Response

from scripts.local_aws.s3.errors import S3Error, invalid_argument

MAX_KEYS = 1000
_OWNER = "<Owner><ID>75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a</ID></Owner>"
_Entry = tuple[str, FakeKey | FakeDeleteMarker | None, bool]
"""A key's version and whether it is the latest, or a common prefix and ``None``."""


def apply() -> None:
    """Answer the request from here, its document written as it goes: a serialiser took most of the time."""
    S3Response.list_object_versions = _list_object_versions  # type: ignore[method-assign]


def _list_object_versions(self: S3Response) -> tuple[int, dict[str, Any], bytes]:
    bucket = self.backend.get_bucket(self.bucket_name)
    asked = {name: values[0] for name, values in self.querystring.items()}
    size, entries, next_page = _page(bucket, asked)
    is_url = asked.get("encoding-type") == "url"
    name: Callable[[str], str] = quote if is_url else escape
    head = {
        "Name": escape(bucket.name),
        "Prefix": name(asked.get("prefix", "")),
        "KeyMarker": name(asked.get("key-marker", "")),
        "VersionIdMarker": escape(asked.get("version-id-marker", "")),
        "MaxKeys": str(size),
        "IsTruncated": "false" if next_page is None else "true",
    }
    if asked.get("delimiter"):
        head["Delimiter"] = name(asked["delimiter"])
    if is_url:
        head["EncodingType"] = "url"
    if next_page is not None:
        head["NextKeyMarker"] = name(next_page[0])
        if next_page[1] is not None:
            head["NextVersionIdMarker"] = next_page[1]
    parts = ['<?xml version="1.0" encoding="UTF-8"?>\n']
    parts.append('<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">')
    parts += (f"<{element}>{text}</{element}>" for element, text in head.items())
    parts += (_element(entry, name) for entry in entries)
    parts.append("</ListVersionsResult>")
    return 200, {"content-type": "application/xml"}, "".join(parts).encode()


def _element(entry: _Entry, name: Callable[[str], str]) -> str:
    key, version, is_latest = entry
    if version is None:
        return f"<CommonPrefixes><Prefix>{name(key)}</Prefix></CommonPrefixes>"
    said = (
        f"<Key>{name(key)}</Key><VersionId>{version.version_id}</VersionId>"
        f"<IsLatest>{str(is_latest).lower()}</IsLatest>"
        f"<LastModified>{_written(version.last_modified)}</LastModified>"
    )
    if isinstance(version, FakeDeleteMarker):
        return f"<DeleteMarker>{said}{_OWNER}</DeleteMarker>"
    return (
        f"<Version>{said}<ETag>{escape(version.etag)}</ETag><Size>{version.size}</Size>"
        f"<StorageClass>{version.storage_class}</StorageClass>{_OWNER}</Version>"
    )


def _written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"


def _page(
    bucket: FakeBucket, asked: dict[str, str]
) -> tuple[int, list[_Entry], tuple[str, str | None] | None]:
    """How many entries a page may hold, those of this one, and the markers of the next if there is one."""
    size = asked.get("max-keys", str(MAX_KEYS))
    if not size.isdecimal():
        raise invalid_argument("Provided max-keys not an integer or within integer range", "max-keys", size)
    if asked.get("version-id-marker") and not asked.get("key-marker"):
        raise S3Error(400, "InvalidArgument", "A version-id marker cannot be specified without a key marker.")
    limit = min(int(size), MAX_KEYS)
    entries: list[_Entry] = []
    for entry in _after(
        bucket,
        asked.get("prefix", ""),
        asked.get("delimiter"),
        asked.get("key-marker"),
        asked.get("version-id-marker"),
    ):
        if len(entries) == limit:
            if not entries:
                return limit, [], None
            name, version, _ = entries[-1]
            return limit, entries, (name, None if version is None else version.version_id)
        entries.append(entry)
    return limit, entries, None


def _after(
    bucket: FakeBucket,
    prefix: str,
    delimiter: str | None,
    key_marker: str | None,
    version_id_marker: str | None,
) -> Iterator[_Entry]:
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
                yield common, None, False
            continue
        marker = version_id_marker if name == key_marker else None
        yield from _versions(bucket, name, marker)


def _versions(bucket: FakeBucket, name: str, after: str | None) -> Iterator[_Entry]:
    """The versions of a key, newest first, from the one after ``after``."""
    versions = list(bucket.keys.getlist(name, []))
    is_passed = after is None
    for position, version in enumerate(reversed(versions)):
        if is_passed:
            yield name, version, position == 0
        elif version.version_id == after:
            is_passed = True
