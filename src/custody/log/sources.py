"""Where a stored log is read from: a folder, a web server, or a bucket.

Nothing that is read is believed here; whoever reads checks it against a signed checkpoint.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPException, IncompleteRead
from pathlib import Path
from typing import TYPE_CHECKING

from custody.errors import CannotCheckError, UsageError
from custody.evidence.fetch import GoneError, UnreadableError, fetch_bytes
from custody.evidence.objects import ObjectVersion, parse_s3_uri
from custody.log.tiles import MAX_ENTRY_BYTES, TILE_WIDTH
from custody.log.tree import AbsentError, Fetch
from custody.log.versions import versions_in_bucket

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from custody.evidence.fetch import Reader

MAX_PART_BYTES = TILE_WIDTH * (MAX_ENTRY_BYTES + 2)
"""The largest part of a log: a full bundle of the longest entries."""

_TIMEOUT_SECONDS = 30
_NOT_THERE = frozenset({404, 410})


def open_log(place: str, s3: Callable[[], Reader]) -> Fetch:
    """The parts of the log at a place: an ``s3://`` URI, an http or https URL, or a folder.

    ``s3`` gives the client, if it is needed. Raises ``UsageError`` if it is no such place; what is returned
    raises ``AbsentError``, or ``CannotCheckError`` if a part cannot be read.
    """
    scheme = place.partition("://")[0].lower() if "://" in place else ""
    if scheme == "s3":
        location = parse_s3_uri(place)
        if location.version_id is not None:
            raise UsageError("The place of a log has no version.", "Write s3://bucket/prefix.")
        return in_bucket(s3(), location.bucket, _folder(location.key))
    if scheme in {"http", "https"}:
        return _at_url(_folder(place))
    if scheme or not place or not Path(place).is_dir():
        raise UsageError(
            f"{place[:200]!r} is no place of a log.", "Give a folder, an http(s):// URL or an s3:// URI."
        )
    return _in_folder(Path(place))


def open_versions(place: str, s3: Callable[[], S3Client]) -> Iterator[bytes]:
    """The versions of the checkpoint of the log at a place that ``open_log`` takes; none but in a bucket."""
    if place.lower().startswith("s3://"):
        location = parse_s3_uri(place)
        yield from versions_in_bucket(s3(), location.bucket, _folder(location.key))


def in_bucket(s3: Reader, bucket: str, prefix: str) -> Fetch:
    """The parts of a log in a bucket, whose keys begin with ``prefix``."""

    def fetch(path: str) -> bytes:
        version = ObjectVersion(bucket, prefix + path, "")
        try:
            return _whole(fetch_bytes(s3, version, MAX_PART_BYTES), path)
        except GoneError as error:
            raise AbsentError(f"There is no s3://{bucket}/{prefix}{path}.") from error
        except UnreadableError as error:
            raise CannotCheckError(str(error), "Reading a log needs s3:GetObject and kms:Decrypt.") from error

    return fetch


def _at_url(base: str) -> Fetch:
    def fetch(path: str) -> bytes:
        try:
            with urllib.request.urlopen(base + path, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - http(s)
                data = _whole(answer.read(MAX_PART_BYTES + 1), path)
                if answer.length:  # bytes that were announced and did not come: read(amount) gives no error
                    raise IncompleteRead(data, answer.length)
                return data
        except urllib.error.HTTPError as error:
            kind = AbsentError if error.code in _NOT_THERE else CannotCheckError
            raise kind(f"{base}{path} is answered with {error.code} {error.reason}.") from error
        except (OSError, HTTPException, ValueError) as error:
            raise CannotCheckError(f"{base}{path} cannot be read: {error}.") from error

    return fetch


def _in_folder(folder: Path) -> Fetch:
    def fetch(path: str) -> bytes:
        try:
            with (folder / path).open("rb") as file:
                return _whole(file.read(MAX_PART_BYTES + 1), path)
        except FileNotFoundError as error:
            raise AbsentError(f"There is no {folder / path}.") from error
        except OSError as error:
            raise CannotCheckError(f"{folder / path} cannot be read: {error.strerror}.") from error

    return fetch


def _folder(place: str) -> str:
    return place if not place or place.endswith("/") else place + "/"


def _whole(data: bytes, path: str) -> bytes:
    if len(data) > MAX_PART_BYTES:
        raise CannotCheckError(f"{path} is larger than any part of a log.")
    return data
