"""A GET of an object that was deleted says that there is a delete marker.

moto answers it as if the key had never been there.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
"""

from __future__ import annotations

from functools import cache
from typing import Any

from moto.core.responses import ActionResult
from moto.s3.exceptions import MissingKey
from moto.s3.models import FakeDeleteMarker
from moto.s3.responses import S3Response


@cache
def apply() -> None:
    """Add the header to the answer."""
    S3Response.get_object = _naming_markers(S3Response.get_object)  # type: ignore[method-assign]


def _naming_markers(serve: Any) -> Any:
    def served(self: S3Response) -> Any:
        try:
            return serve(self)
        except MissingKey as missing:
            newest = self.backend.get_bucket(self.bucket_name).keys.get(self.parse_key_name())
            if not isinstance(newest, FakeDeleteMarker):
                raise
            status, headers, body = self.serialized(ActionResult(missing))
            return status, headers | {"x-amz-delete-marker": "true"}, body

    return served
