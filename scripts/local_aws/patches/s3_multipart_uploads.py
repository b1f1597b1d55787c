"""An upload in parts belongs to its key, its parts to their numbers, and its completion to what it names.

moto takes an upload id under any key (so that a bucket policy is asked about another object than the one that
is written), parts in any order, and no checksum or size that the completion names.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.parsers.expat import ExpatError

import xmltodict
from moto.s3.exceptions import InvalidPartOrder, MalformedXML, NoSuchUpload
from moto.s3.models import FakeKey, FakeMultipart, S3Backend
from moto.s3.responses import S3Response

from scripts.local_aws.calls import current


@dataclass(frozen=True, slots=True)
class NamedPart:
    """A part as a completion names it. ``checksums`` are in base64, by algorithm."""

    number: int
    etag: str
    checksums: dict[str, str]


def apply() -> None:
    """Check whose upload it is before anything else; read a completion whole; list parts by number."""
    for name in ("upload_part", "upload_part_copy", "list_parts", "abort_multipart_upload"):
        _of_own_key(name)
    S3Response._complete_multipart_body = _named_parts  # type: ignore[method-assign,assignment]
    FakeMultipart.list_parts = _list_parts  # type: ignore[method-assign]
    S3Backend.is_truncated = _is_truncated  # type: ignore[method-assign]


def _of_own_key(name: str) -> None:
    serve = getattr(S3Response, name)

    def served(self: S3Response) -> Any:
        _require_own_key(self, self._get_param("uploadId"))
        return serve(self)

    setattr(S3Response, name, served)


def _require_own_key(response: S3Response, upload_id: str) -> None:
    uploads = response.backend.get_bucket(response.bucket_name).multiparts
    if upload_id not in uploads or uploads[upload_id].key_name != response.parse_key_name():
        raise NoSuchUpload(upload_id=upload_id)


def _named_parts(self: S3Response, body: bytes) -> list[NamedPart]:
    call = current()
    _require_own_key(self, call.query["uploadId"] if call else self._get_param("uploadId"))
    try:
        document = xmltodict.parse(body, force_list=("Part",))["CompleteMultipartUpload"]
        parts = [
            NamedPart(
                int(part["PartNumber"]),
                part["ETag"].strip('"'),
                {
                    name.removeprefix("Checksum"): value
                    for name, value in part.items()
                    if name.startswith("Checksum") and value
                },
            )
            for part in document["Part"]
        ]
    except (AttributeError, ExpatError, KeyError, TypeError, ValueError) as error:
        raise MalformedXML() from error
    if any(later.number <= earlier.number for earlier, later in itertools.pairwise(parts)):
        raise InvalidPartOrder()
    return parts


def _list_parts(self: FakeMultipart, part_number_marker: int, max_parts: int) -> Iterator[FakeKey]:
    start = bisect_right(self.partlist, part_number_marker)
    for number in self.partlist[start : start + max_parts]:
        yield self.parts[number]


def _is_truncated(self: S3Backend, bucket_name: str, multipart_id: str, next_part_number_marker: int) -> bool:
    upload = self.get_bucket(bucket_name).multiparts[multipart_id]
    return bool(upload.partlist and upload.partlist[-1] > next_part_number_marker)
