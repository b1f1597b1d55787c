"""SHA-256 of object versions by the word of Amazon S3: the completion report of a Batch Operations job.

The operation *Compute checksum* (Amazon S3 User Guide, "Compute checksums") hashes objects where they lie.
Its report is ``job-<id>/manifest.json``, which names CSV files with a row for each task ("Examples: S3 Batch
Operations completion reports"). It is not signed: it is as good as the bucket or folder that has it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote_plus

from custody.documents import Fields, is_sha256, parse_object
from custody.errors import CannotCheckError, EvidenceError, UsageError
from custody.evidence.fetch import GoneError, Reader, UnreadableError, fetch
from custody.evidence.hashing import CHUNK_BYTES, ShortStreamError
from custody.evidence.objects import ObjectVersion, parse_s3_uri

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

MAX_MANIFEST_BYTES = 16 * 1024 * 1024
MAX_ROW_CHARACTERS = 64 * 1024
"""A key of 1,024 bytes, percent-encoded, and the result of a task are a tenth of it."""

_MANIFEST = "manifest.json"
_FORMAT = "Report_CSV_20180820"
_COLUMNS = ("Bucket", "Key", "VersionId", "TaskStatus", "ResultMessage")
"""Those that are read. ``ErrorCode`` and ``HTTPStatusCode`` are not: in the User Guide's own rows the second
comes first, in its schema last."""
_SUCCEEDED = "succeeded"
_JOB = re.compile(r"(?:.*/)?job-([A-Za-z0-9_-]{5,36})/.+", re.ASCII | re.DOTALL)
_MD5 = re.compile(r"[0-9a-f]{32}", re.ASCII)

_Open = Callable[[str, str], IO[bytes]]
"""Opens a file of the report, by bucket and key."""


@dataclass(frozen=True, slots=True)
class ReportFile:
    """One CSV file of a report, as its manifest names it."""

    bucket: str
    key: str
    md5: str

    @property
    def name(self) -> str:
        """The last part of its key."""
        return self.key.rpartition("/")[2]


@dataclass(slots=True)
class ChecksumReport:
    """A completion report; its rows are read from disk or Amazon S3 each time that they are asked for."""

    place: str
    """The URI or path of its manifest."""
    job: str
    """The id of the job."""
    created_at: datetime
    files: tuple[ReportFile, ...]
    """Those of succeeded tasks."""
    columns: tuple[str, ...]
    open_file: _Open
    unused: Counter[str] = field(default_factory=Counter)
    """Why rows gave no SHA-256, in a few words, and how many, as of the last reading."""

    def digests(self) -> Iterator[tuple[ObjectVersion, str]]:
        """The SHA-256 of each version, as the rows have them: in any order, and as often.

        One row is in memory. Raises ``UsageError`` for a file that is not what the manifest says or no result
        of this operation, and ``CannotCheckError`` if it cannot be read.
        """
        self.unused.clear()
        for each in self.files:
            try:
                with self.open_file(each.bucket, each.key) as file:
                    _require_md5(file, each.md5)
                    yield from self._read(file)
            except EvidenceError as error:
                raise _refusal(self.place, f"{each.name} {error.message}") from error
            except OSError as error:
                raise _unreadable(f"{each.name} of {self.place}", error) from error

    def _read(self, file: IO[bytes]) -> Iterator[tuple[ObjectVersion, str]]:
        places = [self.columns.index(name) for name in _COLUMNS]
        header = [name.lower() for name in self.columns]
        for line, row in _rows(file):
            if line == 1 and [cell.strip().lower() for cell in row] == header:
                continue
            if len(row) != len(self.columns):
                raise EvidenceError(f"has {len(row)} columns in line {line}, not {len(self.columns)}.")
            bucket, key, version_id, status, message = (row[place] for place in places)
            if status != _SUCCEEDED:
                self.unused["their task did not succeed"] += 1
            elif version_id in {"", "null"}:
                self.unused["they name no version"] += 1
            elif "/" in version_id:  # with its key it would be another object's name
                raise EvidenceError(f"has no id of a version in line {line}.")
            else:
                try:
                    version = ObjectVersion(bucket, unquote_plus(key, errors="strict"), version_id)
                    sha256 = parse_result(message)
                except (EvidenceError, UnicodeDecodeError) as error:
                    raise EvidenceError(
                        f"is no result of Compute checksum in line {line}: {error}"
                    ) from error
                if sha256 is None:
                    self.unused["their checksum is no SHA256 of the FULL_OBJECT"] += 1
                else:
                    yield version, sha256


def open_report(place: str, s3: Reader) -> ChecksumReport:
    """Read the manifest of a report: its URI or path, or that of the folder in which it is.

    In Amazon S3 the manifest says where its files are; beside a manifest on disk they are in the folder
    ``results``, as S3 lays them out, or in the same folder. Raises as ``ChecksumReport.digests``.
    """
    if not place:
        raise UsageError("The place of the checksum report is empty.", f"Name the folder of its {_MANIFEST}.")
    manifest = (
        place if place.endswith(f"/{_MANIFEST}") or place == _MANIFEST else f"{place.rstrip('/')}/{_MANIFEST}"
    )
    if place.startswith("s3://"):
        found = parse_s3_uri(manifest)
        if found.version_id is not None:
            raise UsageError(f"{place[:200]!r} names a version.", f"Write s3://…/job-ID/{_MANIFEST}.")

        def open_file(bucket: str, key: str) -> IO[bytes]:
            return _download(s3, ObjectVersion(bucket, key, ""))

        opened = _download(s3, ObjectVersion(found.bucket, found.key, ""))
    else:
        folder = Path(manifest).parent

        def open_file(bucket: str, key: str) -> IO[bytes]:
            name = key.rpartition("/")[2]
            inner = folder / "results" / name
            return _open_regular(inner if os.path.exists(inner) else folder / name)  # noqa: PTH110 - raises not

        opened = _open_regular(Path(manifest))
    try:
        with opened as file:
            data = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise _unreadable(manifest, error) from error
    try:
        return parse_manifest(data, manifest, open_file)
    except EvidenceError as error:
        raise _refusal(manifest, error.message) from error


def parse_manifest(data: bytes, place: str, open_file: _Open) -> ChecksumReport:
    """Read the bytes of a manifest. Raises ``EvidenceError``."""
    manifest = Fields(parse_object(data, "manifest", MAX_MANIFEST_BYTES), "manifest")
    if (kind := manifest.text("Format")) != _FORMAT:
        raise EvidenceError(f"The manifest's Format is {kind[:80]!r}, not {_FORMAT}.")
    columns = tuple(name.strip() for name in manifest.text("ReportSchema").split(","))
    if lacking := [name for name in _COLUMNS if columns.count(name) != 1]:
        raise EvidenceError(f"The manifest's ReportSchema does not have {', '.join(lacking)} once.")
    jobs, files = set(), []
    for each in manifest.objects("Results"):
        file = ReportFile(each.words("Bucket"), each.words("Key"), each.text("MD5Checksum").lower())
        if (named := _JOB.fullmatch(file.key)) is None or file.name in {"", ".", ".."}:
            raise EvidenceError(f"The manifest names {file.key[:200]!r}, which is no file of a job's report.")
        if _MD5.fullmatch(file.md5) is None:
            raise EvidenceError(f"The manifest's MD5Checksum of {file.name[:200]!r} is no MD5.")
        jobs.add(named[1])
        if each.text("TaskExecutionStatus") == _SUCCEEDED:
            files.append(file)
    if not files:
        raise EvidenceError(
            "The manifest names no file of succeeded tasks: a job's ReportScope must be AllTasks."
        )
    if len(jobs) > 1:
        raise EvidenceError(f"The manifest names files of several jobs: {', '.join(sorted(jobs)[:3])}.")
    return ChecksumReport(
        place, jobs.pop(), manifest.time("ReportCreationDate"), tuple(files), columns, open_file
    )


def parse_result(message: str) -> str | None:
    """The SHA-256 in a task's ``ResultMessage``; ``None`` for another algorithm or a COMPOSITE checksum.

    Raises ``EvidenceError`` if it is no result of *Compute checksum*.
    """
    result = Fields(parse_object(message, "result", MAX_ROW_CHARACTERS * 4), "result")
    if (result.words("checksumAlgorithm"), result.words("checksumType")) != ("SHA256", "FULL_OBJECT"):
        return None
    sha256 = result.text("checksum_hex").lower()
    if not is_sha256(sha256):
        raise EvidenceError("The result's checksum_hex is not a SHA-256 in hexadecimal.")
    if b64encode(bytes.fromhex(sha256)).decode() != result.text("checksum_base64"):
        raise EvidenceError("The result's checksum_base64 is not its checksum_hex.")
    return sha256


def _rows(file: IO[bytes]) -> Iterator[tuple[int, list[str]]]:
    """The rows, each with the number of its last line; the limit is of a whole row, with all its lines."""
    text, taken = io.TextIOWrapper(file, "utf-8-sig", newline=""), 0

    def lines() -> Iterator[str]:
        nonlocal taken
        while line := text.readline(MAX_ROW_CHARACTERS + 1):
            taken += len(line)
            if taken > MAX_ROW_CHARACTERS:
                raise EvidenceError(f"has a row of more than {MAX_ROW_CHARACTERS} characters.")
            yield line

    reader = csv.reader(lines(), strict=True)
    try:
        for row in reader:
            taken = 0
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise EvidenceError(f"is no CSV in line {reader.line_num}: {error}.") from error
    except UnicodeDecodeError as error:
        raise EvidenceError(f"is not UTF-8 after line {reader.line_num}.") from error


def _require_md5(file: IO[bytes], md5: str) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
    if digest.hexdigest() != md5:
        raise EvidenceError("is not the file that the manifest names: its MD5 is another.")
    file.seek(0)


def _open_regular(path: Path) -> IO[bytes]:
    """Open a file, not a device or a pipe, whose bytes have no end."""
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is no regular file.", "Name the folder of a job's completion report.")
        return path.open("rb")
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or error
        raise UsageError(
            f"{path} cannot be read: {words}.", "Name the folder of a job's completion report."
        ) from error


def _download(s3: Reader, version: ObjectVersion) -> IO[bytes]:
    """Copy the current version of an object into a temporary file, so that it is whole before it is read."""

    def spool(found: GetObjectOutputTypeDef) -> IO[bytes]:
        with ExitStack() as stack:
            file = stack.enter_context(TemporaryFile())
            while chunk := found["Body"].read(CHUNK_BYTES):
                file.write(chunk)
            if file.tell() != found["ContentLength"]:
                raise ShortStreamError(f"The stream gave {file.tell()} bytes of {found['ContentLength']}.")
            file.seek(0)
            stack.pop_all()
            return file

    uri = version.uri.partition("?")[0]
    try:
        return fetch(s3, version, spool)
    except GoneError as error:
        raise UsageError(f"There is no {uri}.", f"Name the {_MANIFEST} of a completion report.") from error
    except UnreadableError as error:
        words = str(error.__cause__ or error).rstrip(".")
        raise CannotCheckError(f"{uri} cannot be read: {words}.") from error


def _unreadable(what: str, error: OSError) -> CannotCheckError:
    return CannotCheckError(f"{what[:500]} cannot be read: {error.strerror or error}.")


def _refusal(place: str, words: str) -> UsageError:
    return UsageError(
        f"{place[:500]} is no completion report of Compute checksum that can be used: {words}",
        "Give the report as S3 Batch Operations wrote it, or leave it out: then the objects are read.",
    )
