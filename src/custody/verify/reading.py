"""What a verification reads, in any process: receipts with their objects, trail files, the key registry.

A job (``CheckReceipts``, ``ReadLogFiles``) has no client, so that it can be sent to another process; called
with a reader, it returns the function that reads there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from custody.concurrency import WorkerProcesses, map_concurrently
from custody.errors import CustodyError, EvidenceError, describe_defect
from custody.evidence.direct import DirectReader
from custody.evidence.fetch import SERVICE_ERRORS, GoneError, Reader, UnreadableError, fetch_bytes
from custody.evidence.keyring import read_history
from custody.evidence.objects import ObjectVersion, S3Location
from custody.evidence.registry import CurrentKeyRing, KeyRing, RegisteredKey
from custody.evidence.registry_versions import read_versions
from custody.trail.log_files import (
    MAX_LOG_FILE_BYTES,
    LogContents,
    LogFile,
    TrailDeletion,
    TrailWrite,
    parse_log_file,
)
from custody.verify.index import StoredReceipt
from custody.verify.receipt import CheckedReceipt, ReceiptChecker, describe_receipt_key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from custody.verify.resume import Job, Results

WORTH_PROCESSES = 1000
"""From this many items it is worth the second that a process takes to start."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Processes:
    """Processes to read with, since one interpreter uses only one processor.

    ``client`` creates a client for Amazon S3 in each of them; it is pickled, so it must be a function of a
    module, or a ``functools.partial`` of one.
    """

    client: Callable[[], S3Client]
    count: int


class Readers:
    """Runs jobs: with ``workers`` threads here, or in each of ``processes`` if there are many items.

    Those processes read objects with a ``DirectReader``. A context manager: they are ended with it.
    """

    def __init__(
        self,
        s3: S3Client,
        workers: int,
        processes: Processes | None,
        results: Results | None = None,
    ) -> None:
        self.s3 = s3
        self.workers = workers
        self._results = results
        self._client = None if processes is None else processes.client
        self._processes = WorkerProcesses(0 if processes is None else processes.count)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._processes.end()

    def map(
        self,
        job: Callable[[Reader], Callable[[_Item], _Result]],
        items: Iterable[_Item],
        worth: int | None = None,
        threads: int | None = None,
    ) -> Iterator[_Result]:
        """The results for items, as they complete, of the function that ``job`` (picklable) returns.

        Processes are started from ``worth`` items on; of small ones, from ``WORTH_PROCESSES``. Fewer
        ``threads``, here or in each, are for items that need much time or memory themselves.
        """
        source = iter(items)
        if self._client is not None:
            worth = worth or WORTH_PROCESSES
            first = list(islice(source, worth))
            source = chain(first, source)
            if len(first) == worth:
                make = partial(_equip, job, self._client)
                return self._processes.map(make, source, threads or self.workers)
        return map_concurrently(job(self.s3), source, threads or self.workers)

    def map_kept(
        self,
        job: Job[_Item, _Result],
        items: Iterable[_Item],
        worth: int | None = None,
        threads: int | None = None,
    ) -> Iterator[_Result]:
        """Like ``map``, without repeating what an interrupted run has done."""
        if self._results is None:
            return self.map(job, items, worth, threads)
        return self._results.map(job, items, partial(self.map, worth=worth, threads=threads))


def _equip(
    job: Callable[[Reader], Callable[[_Item], _Result]], client: Callable[[], S3Client]
) -> Callable[[_Item], _Result]:
    return job(DirectReader(client()))


@dataclass(slots=True)
class RegistryReader:
    """Reads the key registry with its history, any number of times."""

    s3: S3Client
    provenance: str
    problems: list[str] = field(default_factory=list)
    """Problems of the history, as of the last reading."""

    def __call__(self) -> KeyRing:
        """The current key ring. Raises ``CannotCheckError`` if there is no readable one."""
        versions, is_deleted = read_versions(self.s3, self.provenance)
        ring, problems = read_history(versions)
        if is_deleted:
            problems.append("The registry was deleted: there is a delete marker.")
        self.problems = problems
        return ring


@dataclass(frozen=True, slots=True)
class CheckReceipts:
    """Checks receipts and, if asked to, the objects they are of."""

    provenance: str
    lake: frozenset[str]
    with_objects: bool

    def inputs(self, item: StoredReceipt) -> object:
        """What a result depends on."""
        return self.provenance, sorted(self.lake), self.with_objects, item

    def result_type(self) -> Any:
        """The type of a result."""
        return tuple[CheckedReceipt, list[str]]

    def receipts(self, result: tuple[CheckedReceipt, list[str]]) -> int | None:
        """One, if everything holds."""
        return 1 if result[0].holds else None

    def __call__(self, s3: Reader) -> Callable[[StoredReceipt], tuple[CheckedReceipt, list[str]]]:
        """The function that checks one receipt, and the problems of the registry's history."""
        client = s3.client if isinstance(s3, DirectReader) else s3
        registry = RegistryReader(client, self.provenance)
        checker = ReceiptChecker(s3, self.provenance, self.lake, CurrentKeyRing(registry))
        check_one = checker.check if self.with_objects else checker.read

        def check(stored: StoredReceipt) -> tuple[CheckedReceipt, list[str]]:
            try:
                return check_one(stored), registry.problems
            except (*SERVICE_ERRORS, CustodyError):
                raise
            except Exception as error:  # noqa: BLE001 - it is reported, and one receipt must not end the run
                subject = describe_receipt_key(self.provenance, stored.receipt_key)
                unchecked = f"{subject}: {describe_defect(error)}"
                return CheckedReceipt(stored, unchecked=unchecked), registry.problems

        return check


@dataclass(frozen=True, slots=True)
class ReadLogFiles:
    """Reads the trail's files, and returns the writes and deletions of objects in scope."""

    bucket: str
    lake: frozenset[str]
    scope: S3Location | None
    keys: Mapping[str, RegisteredKey]
    """Of other keys no signatures are returned."""

    def __call__(self, s3: Reader) -> Callable[[LogFile], tuple[LogFile, LogContents | None, str]]:
        """Return the reader of one file: it returns file, contents and, if unreadable, a sentence."""

        def read(file: LogFile) -> tuple[LogFile, LogContents | None, str]:
            version = ObjectVersion(self.bucket, file.key, file.version_id)
            try:
                contents = parse_log_file(fetch_bytes(s3, version, MAX_LOG_FILE_BYTES))
                contents.writes = [
                    # no event is later than its file
                    replace(write, event_time=min(write.event_time, file.stored_at))
                    for write in contents.writes
                    if self._concerns(write)
                ]
                contents.deletions = [
                    deletion for deletion in contents.deletions if self._may_destroy(deletion)
                ]
                contents.signatures = [sign for sign in contents.signatures if sign.key_id in self.keys]
            except EvidenceError as error:
                return file, LogContents(unreadable=[error.message]), ""
            except (GoneError, UnreadableError) as error:
                return file, None, f"The trail's file {version.uri} could not be read: {error}"
            except (*SERVICE_ERRORS, CustodyError):
                raise
            except Exception as error:  # noqa: BLE001 - it is reported, and one file must not end the run
                return file, None, f"{version.uri}: {describe_defect(error)}"
            return file, contents, ""

        return read

    def _concerns(self, write: TrailWrite) -> bool:
        """Whether a write may be of an object in scope, even if its event names no version."""
        if write.bucket not in self.lake:
            return False
        scope_version = self.scope.version_id if self.scope is not None else None
        version = ObjectVersion(write.bucket, write.key, write.version_id or scope_version or "")
        return is_in_scope(version, self.scope)

    def _may_destroy(self, deletion: TrailDeletion) -> bool:
        """Whether a deletion may be of an object in scope."""
        if deletion.bucket not in self.lake:
            return False
        if deletion.key is None:
            return self.scope is None or deletion.bucket == self.scope.bucket
        return is_in_scope(ObjectVersion(deletion.bucket, deletion.key, deletion.version_id), self.scope)


def is_drawn(seed: str, name: str, sample: float) -> bool:
    """Whether a sample has the subject of this name: as likely as the share that ``sample`` is."""
    draw = hashlib.sha256(f"{seed}\n{name}".encode()).digest()
    return int.from_bytes(draw[:8]) < sample * 2**64


def is_in_scope(version: ObjectVersion, scope: S3Location | None) -> bool:
    """Whether an object version is to be checked."""
    if scope is None:
        return True
    if scope.version_id is not None:
        return version == ObjectVersion(scope.bucket, scope.key, scope.version_id)
    return version.bucket == scope.bucket and version.key.startswith(scope.key)
