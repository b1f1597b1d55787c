"""Listing the versions of a bucket's objects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.utils import parse_timestamp

if TYPE_CHECKING:
    from botocore.session import Session
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectVersionsRequestTypeDef

CONCURRENT_PAGES = 8
"""Concurrent requests for pages: enough that reading them takes most of the time."""
PAGES_BEFORE_SPLIT = 20
"""This many pages are listed one after the other before the rest is split, which takes extra requests."""

LONGEST_UPLOAD = timedelta(days=7)
"""How long a multipart upload may take: then the buckets' lifecycle rule aborts it."""

_DEEPEST = 8
_ETAG_OF_PARTS = re.compile(r'"[0-9a-f]{32}-[0-9]+"')
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HTTP_DATE = re.compile(
    rf"[A-Z][a-z]{{2}}, (\d\d) ({'|'.join(_MONTHS)}) (\d{{4}}) (\d\d):(\d\d):(\d\d) GMT", re.ASCII
)
_ISO_8601 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class VersionEntry:
    """One object version or delete marker in a listing."""

    key: str
    version_id: str
    last_modified: datetime
    is_delete_marker: bool
    size_bytes: int = 0
    etag: str = ""
    """With quotes, as in a GET response; empty for a delete marker."""
    storage_class: str = ""
    """As in the listing; empty if it has none."""
    is_latest: bool = False
    """Nothing newer is over it: no version, and no delete marker."""

    @property
    def latest_creation(self) -> datetime:
        """The latest time at which it can have been created, according to the listing.

        That is ``last_modified``; but for a multipart upload this is when the upload was initiated (Amazon S3
        User Guide, "System-defined object metadata"), and it may have been completed days later. The ETag
        shows such an object ("Checking object integrity": the number of parts follows a hyphen).
        """
        in_parts = _ETAG_OF_PARTS.fullmatch(self.etag) is not None
        return self.last_modified + LONGEST_UPLOAD if in_parts else self.last_modified


def list_versions(s3: S3Client, bucket: str, prefix: str) -> Iterator[VersionEntry]:
    """Every version under ``prefix``, with one page in memory.

    Versions of one key come newest first; its delete markers come among them or, since a page lists them
    separately, a little before or after.
    """
    rest: _Range | None = _Range(bucket, prefix)
    while rest is not None:
        entries, rest = rest.fetch(s3)
        yield from entries


def list_versions_concurrently(s3: S3Client, bucket: str, prefix: str) -> Iterator[VersionEntry]:
    """Every version under ``prefix`` once; if there are many, with several concurrent requests for pages.

    Keys come in no order, but versions of one key as in ``list_versions``: they are in one range.

    Amazon S3 takes far longer to return a page than it takes to read one, and only a page says where the next
    begins. So the keys are split at folders; without folders there is only one range.
    """
    rest: _Range | None = _Range(bucket, prefix)
    for _ in range(PAGES_BEFORE_SPLIT):
        if rest is None:
            return
        entries, rest = rest.fetch(s3)
        yield from entries
    if rest is None:
        return
    pool = ThreadPoolExecutor(CONCURRENT_PAGES, thread_name_prefix="list")
    try:
        pages = {pool.submit(part.fetch, s3) for part in rest.split(_folders(s3, bucket, prefix))}
        while pages:
            done, pages = wait(pages, return_when=FIRST_COMPLETED)
            for page in done:
                entries, more = page.result()
                if more is not None:
                    pages.add(pool.submit(more.fetch, s3))
                yield from entries
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class _Range:
    """A range of versions still to be listed: after a position and up to a key."""

    bucket: str
    prefix: str
    after_key: str = ""
    after_version: str = ""
    until: str | None = None
    """The last key of the range; ``None`` if it goes to the end."""

    def fetch(self, s3: S3Client) -> tuple[list[VersionEntry], _Range | None]:
        """One page, and the rest of the range if there is more."""
        request: ListObjectVersionsRequestTypeDef = {"Bucket": self.bucket, "Prefix": self.prefix}
        if self.after_key:
            request["KeyMarker"] = self.after_key
        if self.after_version:
            request["VersionIdMarker"] = self.after_version
        page = s3.list_object_versions(**request)
        entries = [
            VersionEntry(
                version["Key"],
                version["VersionId"],
                version["LastModified"],
                False,
                version["Size"],
                version["ETag"],
                version.get("StorageClass", ""),
                version["IsLatest"],
            )
            for version in page.get("Versions", ())
        ]
        entries += [
            VersionEntry(deleted["Key"], deleted["VersionId"], deleted["LastModified"], True)
            for deleted in page.get("DeleteMarkers", ())
        ]
        within = [entry for entry in entries if self.until is None or entry.key <= self.until]
        if not page["IsTruncated"] or len(within) < len(entries):
            return within, None
        after = {"after_key": page["NextKeyMarker"], "after_version": page["NextVersionIdMarker"]}
        return within, replace(self, **after)

    def split(self, keys: Iterable[str]) -> list[_Range]:
        """The same range in at most ``CONCURRENT_PAGES`` parts, split at some of these keys."""
        inside = sorted(key for key in keys if key > self.after_key)
        count = min(CONCURRENT_PAGES - 1, len(inside))
        ends = [inside[len(inside) * number // (count + 1)] for number in range(1, count + 1)]
        starts = [replace(self, after_key=end, after_version="") for end in ends]
        return [replace(part, until=end) for part, end in zip([self, *starts], [*ends, None], strict=True)]


def _folders(s3: S3Client, bucket: str, prefix: str) -> list[str]:
    """Folders under ``prefix``, as deep as needed to find enough; a hint only, so some may be missing."""
    found: list[str] = []
    level = [prefix]
    for _ in range(_DEEPEST):
        if not level or len(found) >= CONCURRENT_PAGES:
            break
        found = level
        pages = [s3.list_object_versions(Bucket=bucket, Prefix=each, Delimiter="/") for each in level]
        level = [common["Prefix"] for page in pages for common in page.get("CommonPrefixes", ())]
    return found


def read_times_fast(session: Session) -> None:
    """Let the clients of a session parse times in Amazon S3's responses with ``datetime``.

    That is times in listings (ISO 8601) and in headers (RFC 9110 section 5.6.7). botocore's own parser takes
    twice as long as everything else done with a listing (65% of 51 microseconds per version).
    """
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=parse_aws_time)


def parse_aws_time(value: Any) -> datetime:
    """Read a time of Amazon S3's answers; others as botocore reads them, with its errors."""
    if isinstance(value, str):
        if _ISO_8601.fullmatch(value):
            return datetime.fromisoformat(value)
        if date := _HTTP_DATE.fullmatch(value):
            day, year, hour, minute, second = map(int, date.group(1, 3, 4, 5, 6))
            return datetime(year, _MONTHS.index(date[2]) + 1, day, hour, minute, second, tzinfo=UTC)
    return parse_timestamp(value)
