"""Which files are uploaded to which keys: all are checked before any byte is sent."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from custody.deployment import Deployment
from custody.errors import UsageError
from custody.evidence.objects import MAX_KEY_BYTES, ObjectVersion, S3Location, quote_key
from custody.recorder.backfill import may_have_receipt
from custody.terminal import shorten
from custody.upload.leftovers import is_leftover

MAX_OBJECT_BYTES = 5 * 1024**4
"""Maximum size of an object: Amazon S3 User Guide, "Amazon S3 multipart upload limits"."""
_MAX_NAMES = 10
"""How many names a sentence lists."""


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
    table: str | None = None
    """The table whose raw objects arrive under this key."""

    @property
    def uri(self) -> str:
        """``s3://bucket/key``, percent-encoded as everywhere."""
        return f"s3://{self.bucket}/{quote_key(self.key)}"


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """What is sent, and what stays."""

    files: list[PlannedFile]
    left_out: list[str] = field(default_factory=list)
    """The paths of hidden files and leftovers that nobody asked for; a folder's ends in ``/``."""


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


def table_destination(deployment: Deployment, table: str) -> S3Location:
    """Where the raw objects of a table arrive. Raises ``UsageError`` for a table that takes no files."""
    stream = deployment.streams.get(table.replace("_", "-"))
    if stream is not None and table in deployment.sources:
        raise UsageError(
            f"The table {table} takes no files: its records arrive through the stream {stream}.",
            "Send them to that stream.",
        )
    if (source := deployment.sources.get(table)) is not None:
        return S3Location(deployment.buckets["raw-data"], source.prefix)
    if inputs := deployment.tables.get(table):
        raise UsageError(
            f"The table {table} takes no files: it is made from {', '.join(inputs)}.",
            "Upload to one of those.",
        )
    raise UsageError(
        f"The deployment has no table {table}.", f"The tables that take files: {tables_of_files(deployment)}."
    )


def tables_of_files(deployment: Deployment) -> str:
    """The names of the tables that take files, for a sentence."""
    names = sorted(table for table in deployment.sources if table.replace("_", "-") not in deployment.streams)
    if len(names) > _MAX_NAMES:
        names[_MAX_NAMES:] = [f"and {len(names) - _MAX_NAMES:,} others"]
    return ", ".join(names) or "none"


def plan_upload(
    deployment: Deployment, paths: Sequence[Path], destination: S3Location, *, everything: bool = False
) -> UploadPlan:
    """Plan for every file under ``paths`` which object it becomes.

    A file keeps its name, the files of a folder keep their names relative to it, below a destination that
    ends in ``/``. Any other destination is the full key of one file. A path that is a symbolic link is
    resolved here, once; a link within a folder is refused, since it may lead anywhere. After that, no link is
    followed. Hidden files and leftovers (``is_leftover``) are left out unless ``everything`` is asked for.

    Raises ``UsageError`` for the first file that cannot become a recorded object, and if no file is left.
    """
    if destination.version_id is not None:
        raise UsageError(
            "The destination must not have a version id.",
            "Leave out ?versionId=…: S3 assigns a new one.",
        )
    if destination.bucket in deployment.adopted_since:
        raise UsageError(
            f"{destination.bucket} is an adopted bucket: the deployment reads it, and writes nothing there.",
            f"Upload below {', '.join(_recorded(deployment))}.",
        )
    named_whole = bool(destination.key) and not destination.key.endswith("/")
    if named_whole and (len(paths) != 1 or paths[0].is_dir()):
        raise UsageError(
            "The destination is the key of one object, but there may be more than one file.",
            "End it with / to upload files below it.",
        )
    planned: dict[str, PlannedFile] = {}
    left_out: list[str] = []
    for path in paths:
        for file, name in _files(path, None if everything else left_out):
            key = destination.key if named_whole else destination.key + name
            one = _plan_file(deployment, file, destination.bucket, key)
            if (other := planned.get(key)) is not None:
                raise UsageError(
                    f"{other.path} and {file} would both become {one.uri}.",
                    "Upload them one after the other, to different prefixes.",
                )
            planned[key] = one
    if not planned:
        raise UsageError(
            f"There is nothing to upload but {describe_left_out(left_out)}.", "Add --all to upload that too."
        )
    return UploadPlan(list(planned.values()), left_out)


def describe_left_out(paths: Sequence[str]) -> str:
    """How many hidden files and leftovers there are, and the first of them, for a sentence."""
    names = ", ".join(shorten(path, 80) for path in paths[:_MAX_NAMES])
    if len(paths) > _MAX_NAMES:
        names += ", …"
    return f"{len(paths):,} hidden or left behind by a program ({names})"


def _files(path: Path, left_out: list[str] | None) -> Iterator[tuple[Path, str]]:
    """Every file of ``path``, with its name relative to it, sorted by name.

    Leftovers are added to ``left_out`` instead, if that is given.
    """
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: of a loop of links, before Python 3.13
        reason = getattr(error, "strerror", None) or "its links form a loop"
        raise UsageError(f"{path} cannot be read: {reason}.", "Nothing was sent.") from error
    if not real.is_dir():
        # A shell's * names leftovers too: naming one does not ask for it.
        if left_out is not None and is_leftover(path.name):
            left_out.append(str(path))
        else:
            yield real, path.name
        return
    empty, before = True, len(left_out or ())
    for folder, folders, names in os.walk(real, onerror=_refuse_folder):
        if len(Path(folder).parts) - len(real.parts) > MAX_KEY_BYTES // 2:
            raise UsageError(
                f"{path} is nested too deep: no key is that long.", "Name a folder further down."
            )
        if left_out is not None:
            left_out += [str(Path(folder, name)) for name in sorted(names) if is_leftover(name)]
            left_out += [f"{Path(folder, name)}/" for name in sorted(folders) if is_leftover(name)]
            names[:] = [name for name in names if not is_leftover(name)]
            folders[:] = [name for name in folders if not is_leftover(name)]
        folders.sort()
        for name in folders:
            _refuse_link(Path(folder, name))
        for name in sorted(names):
            file = Path(folder, name)
            _refuse_link(file)
            empty = False
            yield file, file.relative_to(real).as_posix()
    if empty and len(left_out or ()) == before:
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
    table = _reader(deployment, bucket, key)
    planned = PlannedFile(file, bucket, key, found.st_size, found.st_dev, found.st_ino, table)
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


def _reader(deployment: Deployment, bucket: str, key: str) -> str | None:
    """The table that is made from objects with this key."""
    if bucket != deployment.buckets["raw-data"]:
        return None
    return next(
        (table for table, source in deployment.sources.items() if key.startswith(source.prefix)), None
    )


def _recorded(deployment: Deployment) -> list[str]:
    return [
        f"s3://{bucket}/{quote_key(prefix)}"
        for bucket, prefixes in deployment.recorded_prefixes.items()
        if bucket not in deployment.adopted_since
        for prefix in prefixes
    ]
