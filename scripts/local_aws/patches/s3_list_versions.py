"""A listing of versions starts right after its key marker.

moto leaves out the first version after a ``KeyMarker`` that comes without a ``VersionIdMarker``, and keeps
those of the marker's own key.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
"""

from __future__ import annotations

from typing import Any

from moto.core.utils import unix_time_millis
from moto.s3.models import S3Backend


def apply() -> None:
    """Give a key marker that comes alone the version it stands for: the last one up to that key."""
    serve = S3Backend.list_object_versions

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

    S3Backend.list_object_versions = list_object_versions  # type: ignore[method-assign]
