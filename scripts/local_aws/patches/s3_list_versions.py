"""A listing of versions starts right after its key marker, and writes keys as it was asked to.

moto leaves out the first version after a ``KeyMarker`` that comes without a ``VersionIdMarker``, and keeps
those of the marker's own key. It ignores ``encoding-type=url``, so a key that XML cannot hold (a control
character) ends the listing with an internal error.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
"""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import quote

from moto.core.responses import ActionResult
from moto.core.utils import unix_time_millis
from moto.s3.models import S3Backend
from moto.s3.responses import S3Response


@cache
def apply() -> None:
    """Mend the marker in the backend and the encoding in the response."""
    list_after_marker = _after_marker(S3Backend.list_object_versions)
    S3Backend.list_object_versions = list_after_marker  # type: ignore[method-assign]
    S3Response.serialized = _encoded(S3Response.serialized)  # type: ignore[method-assign]


def _after_marker(serve: Any) -> Any:
    """Give a key marker that comes alone the version it stands for: the last one up to that key."""

    def list_object_versions(  # noqa: PLR0917 - moto's own parameters
        self: S3Backend,
        bucket_name: str,
        delimiter: str | None = None,
        key_marker: str | None = None,
        max_keys: int | None = 1000,
        prefix: str = "",
        version_id_marker: str | None = None,
    ) -> Any:
        if key_marker is not None and not version_id_marker and not delimiter:
            passed = [
                version
                for _, versions in self.get_bucket(bucket_name).keys.iterlists()
                for version in versions
                if version.name <= key_marker
            ]
            # moto's own order
            passed.sort(key=lambda version: (version.name, -unix_time_millis(version.last_modified)))
            key_marker = passed[-1].name if passed else None
            version_id_marker = passed[-1].version_id if passed else None
        return serve(self, bucket_name, delimiter, key_marker, max_keys, prefix, version_id_marker)

    return list_object_versions


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
