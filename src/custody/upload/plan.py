"""Which files are uploaded to which keys: all are checked before any byte is sent."""

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
"""Maximum size of an object: Amazon S3 User Guide, "Amazon S3 multipart upload limits"."""


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file and the object it becomes a version of."""

    path: Path
    bucket: str
    key: str
    size_bytes: int
    """The size when it was planned; the size sent is that of the bytes read."""
    device: int
    inode: int
    """The identity of the planned file: no other file is sent in its place."""

    @property
    def uri(self) -> str:
        """``s3://bucket/key``, percent-encoded as everywhere."""
        return f"s3://{self.bucket}/{quote_key(self.key)}"


def default_destination(deployment: Deployment) -> S3Location:
    """The default destination: the recorded prefix of the raw-data bucket.

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
    """Plan for every file under ``paths`` which object it becomes.

    A file keeps its name, the files of a folder keep their names relative to it, below a destination that
    ends in ``/``. Any other destination is the full key of one file. A path that is a symbolic link is
    resolved here, once; a link within a folder is refused, since it may lead anywhere. After that, no link is
    followed.

    Raises ``UsageError`` for the first file that cannot become a recorded object.
    """
    if destination.version_id is not None:
        raise UsageError(
            "The destination must not have a version id.",
            "Leave out ?versionId=…: S3 assigns a new one.",
        )
    named_whole = bool(destination.key) and not destination.key.endswith("/")
    if named_whole and (len(paths) != 1 or paths[0].is_dir()):
        raise UsageError(
            "The destination is the key of one object, but there may be more than one file.",
            "End it with / to upload files below it.",
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
    """Every file of ``path``, with its name relative to it, sorted by name."""
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: of a loop of links, before Python 3.13
        reason = getattr(error, "strerror", None) or "its links form a loop"
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
        raise UsageError(f"There are no files in {path}.", "Name a file, or a folder with files.")


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise UsageError(
            f"{path} is a symbolic link in a folder, and may lead to an unintended file.",
            "Name it as a separate path, or replace it by the file.",
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
            f"{file} is not a regular file: a pipe, a socket or a device cannot be hashed.",
            "Write its data into a file first.",
        )
    if found.st_size > MAX_OBJECT_BYTES:
        raise UsageError(f"{file} is larger than 5 TiB, the maximum size of an object.", "Split it.")
    try:
        length = len(key.encode())
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{file} would have a key that is not UTF-8, as an object's key must be.",
            "Rename it, or give its full key with --to s3://bucket/key.",
        ) from error
    planned = PlannedFile(file, bucket, key, found.st_size, found.st_dev, found.st_ino)
    if length > MAX_KEY_BYTES:
        raise UsageError(
            f"{file} would have a key of {length:,} bytes; Amazon S3 allows {MAX_KEY_BYTES:,}.",
            "Shorten the names, or the prefix.",
        )
    if not {".", ".."}.isdisjoint(key.split("/")):
        raise UsageError(
            f"{planned.uri} has a segment . or .., which tools resolve to another key.",
            "Choose another destination.",
        )
    if not may_have_receipt(deployment, ObjectVersion(bucket, key, "")):
        raise UsageError(
            f"{planned.uri} is outside the recorded prefixes: the ledger would call it untracked.",
            f"Upload below {', '.join(_recorded(deployment))}.",
        )
    return planned


def _recorded(deployment: Deployment) -> list[str]:
    return [
        f"s3://{bucket}/{quote_key(prefix)}"
        for bucket, prefixes in deployment.recorded_prefixes.items()
        for prefix in prefixes
    ]
