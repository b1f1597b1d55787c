"""Which files an upload puts where: all are looked at, and refused if need be, before a byte is sent."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from custody.deployment import Deployment
from custody.errors import UsageError
from custody.evidence.objects import MAX_KEY_BYTES, ObjectVersion, S3Location, quote_key
from custody.recorder.backfill import may_have_receipt

MAX_OBJECT_BYTES = 5 * 1024**4
"""What one object may hold: Amazon S3 User Guide, "Amazon S3 multipart upload limits"."""


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file and the object it becomes a version of."""

    path: Path
    bucket: str
    key: str
    size_bytes: int
    """When it was looked at; what is sent is told by what is read."""
    device: int
    inode: int
    """Which file was looked at: no other one is sent in its place."""

    @property
    def uri(self) -> str:
        """``s3://bucket/key``, percent-encoded as everywhere."""
        return f"s3://{self.bucket}/{quote_key(self.key)}"


def default_destination(deployment: Deployment) -> S3Location:
    """Where files go if nobody says: the recorded prefix of the raw-data bucket.

    Raises ``UsageError`` if it has none, or several.
    """
    bucket = deployment.buckets["raw-data"]
    prefixes = deployment.recorded_prefixes.get(bucket, [])
    if len(prefixes) != 1:
        raise UsageError(
            f"{bucket} has {len(prefixes)} recorded prefixes, so there is no default destination.",
            "Name one with --to s3://bucket/prefix/.",
        )
    return S3Location(bucket, prefixes[0])


def plan_upload(deployment: Deployment, paths: Sequence[Path], destination: S3Location) -> list[PlannedFile]:
    """Say for every file under ``paths`` which object it becomes.

    A file keeps its name, the files of a folder keep their names relative to it; they go under a destination
    that ends in ``/``. Any other destination is the whole key of one file. A path that is a symbolic link is
    resolved here, once, and stands for what it leads to now; a link within a folder is refused, since it may
    lead anywhere. Nothing follows a link after that.

    Raises ``UsageError`` for the first thing that cannot become a recorded object.
    """
    if destination.version_id is not None:
        raise UsageError(
            "A destination with a version id cannot be written.",
            "Leave ?versionId=… away: S3 gives a new one.",
        )
    named_whole = bool(destination.key) and not destination.key.endswith("/")
    if named_whole and (len(paths) != 1 or paths[0].is_dir()):
        raise UsageError(
            "That destination names one object, and there may be more than one file.",
            "End it with / to put files below it.",
        )
    planned: dict[str, PlannedFile] = {}
    for path in paths:
        for file, name in _files(path):
            key = destination.key if named_whole else destination.key + name
            one = _plan_file(deployment, file, destination.bucket, key)
            if (other := planned.get(key)) is not None:
                raise UsageError(
                    f"{other.path} and {file} would both become {one.uri}.",
                    "Upload them one after the other, to different prefixes.",
                )
            planned[key] = one
    return list(planned.values())


def _files(path: Path) -> Iterator[tuple[Path, str]]:
    """Every file that ``path`` stands for, with its name relative to it, in the order of their names."""
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: of links that lead to each other, before 3.13
        reason = getattr(error, "strerror", None) or "its links lead nowhere"
        raise UsageError(f"{path} cannot be read: {reason}.", "Nothing was sent.") from error
    if not real.is_dir():
        yield real, path.name
        return
    empty = True
    for folder, folders, names in os.walk(real, onerror=_refuse_folder):
        folders.sort()
        for name in folders:
            _refuse_link(Path(folder, name))
        for name in sorted(names):
            file = Path(folder, name)
            _refuse_link(file)
            empty = False
            yield file, file.relative_to(real).as_posix()
    if empty:
        raise UsageError(f"There are no files in {path}.", "Name a file, or a folder that holds some.")


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise UsageError(
            f"{path} is a symbolic link, and what it leads to may not be meant.",
            "Name it as a path of its own, or put the file in its place.",
        )


def _refuse_folder(error: OSError) -> None:
    raise UsageError(f"The folder cannot be read: {error}.", "Nothing was sent.") from error


def _plan_file(deployment: Deployment, file: Path, bucket: str, key: str) -> PlannedFile:
    try:
        found = file.lstat()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.", "Nothing was sent.") from error
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(
            f"{file} is no file: a pipe, a socket and a device have no end that could be hashed.",
            "Write what it gives into a file first.",
        )
    if found.st_size > MAX_OBJECT_BYTES:
        raise UsageError(f"{file} is larger than 5 TiB, the most an object holds.", "Split it.")
    try:
        length = len(key.encode())
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{file} would have a key that is not UTF-8, as an object's key must be.",
            "Rename it, or give its whole key with --to s3://bucket/key.",
        ) from error
    planned = PlannedFile(file, bucket, key, found.st_size, found.st_dev, found.st_ino)
    if length > MAX_KEY_BYTES:
        raise UsageError(
            f"{file} would have a key of {length:,} bytes; Amazon S3 takes {MAX_KEY_BYTES:,}.",
            "Shorten the names, or the prefix.",
        )
    if not {".", ".."}.isdisjoint(key.split("/")):
        raise UsageError(
            f"{planned.uri} has a segment . or .., which tools resolve to another key.",
            "Choose another destination.",
        )
    if not may_have_receipt(deployment, ObjectVersion(bucket, key, "")):
        raise UsageError(
            f"{planned.uri} lies where nothing is recorded: the ledger would call it untracked.",
            f"Upload below {', '.join(_recorded(deployment))}.",
        )
    return planned


def _recorded(deployment: Deployment) -> list[str]:
    return [
        f"s3://{bucket}/{quote_key(prefix)}"
        for bucket, prefixes in deployment.recorded_prefixes.items()
        for prefix in prefixes
    ]
