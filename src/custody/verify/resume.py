"""What an interrupted verification has checked, kept so that the same command goes on from there.

One SQLite file for each command (deployment, URI, sample), readable only by its owner, deleted when the
verification has come to its end. It keeps results in which everything holds, each under a hash of all that it
depends on: the receipts and object versions as they are listed, the leaves, the key registry, this program.
What has changed is read again, and so is what did not hold, could not be read or was read over a day ago.

It is a hint that this user trusts himself with: whoever can write the file can make a verification believe
what he likes. So a file that somebody else owns or may open is not used, and a report says how many results
are not its own. A file that cannot be used costs only what is checked again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

import msgspec

from custody.errors import EvidenceError

if TYPE_CHECKING:
    from custody.evidence.fetch import Reader

KEEP_SECONDS = 24 * 3600

_COMMIT_SECONDS = 1.0
"""As much work is lost by a process that is killed."""
_SUM_BYTES = 16
_SETTINGS = "PRAGMA synchronous = OFF; PRAGMA trusted_schema = OFF;"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS run (seed TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS results (key BLOB PRIMARY KEY, at INTEGER NOT NULL, result BLOB NOT NULL);
"""

_Item = TypeVar("_Item")
_Item_contra = TypeVar("_Item_contra", contravariant=True)
_Result = TypeVar("_Result")


class Job(Protocol, Generic[_Item_contra, _Result]):
    """A job (``custody.verify.reading``) whose results can be kept."""

    def __call__(self, s3: Reader, /) -> Callable[[_Item_contra], _Result]:
        """The function that makes the result for an item."""
        ...

    def inputs(self, item: _Item_contra, /) -> object:
        """All that the result depends on, but for the key registry: of types that msgspec can encode."""
        ...

    def result_type(self) -> Any:
        """The type of results."""
        ...

    def receipts(self, result: _Result, /) -> int | None:
        """How many receipts a result is of; ``None`` if it is not to be kept."""
        ...


_KeyedItem = tuple[bytes, _Item | None]


@dataclass(frozen=True, slots=True)
class _Keyed(Generic[_Item, _Result]):
    """Runs a job for items with their keys; items that are known already only pass through."""

    job: Job[_Item, _Result]

    def __call__(self, s3: Reader) -> Callable[[_KeyedItem[_Item]], tuple[bytes, bytes | None]]:
        function, encode = self.job(s3), msgspec.msgpack.Encoder().encode

        def run(keyed: _KeyedItem[_Item]) -> tuple[bytes, bytes | None]:
            key, item = keyed
            return key, None if item is None else encode(function(item))

        return run


class Results:
    """The results of one command, in a folder of them. A context manager, for one thread only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder
        self._database: sqlite3.Connection | None = None
        self._context = b""
        self._committed = 0.0
        self.seed: str | None = None
        """With which the interrupted run drew its sample."""
        self.reused = 0
        """Receipts whose results are from before."""
        self.kept = 0
        """Receipts whose results are in the file for a next run."""
        self.problem = ""
        """Why the file could not be used, in a sentence."""

    def open(self, command: object, seed: str) -> None:
        """Open the file of this command; ``seed`` is kept for its next run, if this one begins anew.

        Never fails: what cannot be used is said in ``problem``.
        """
        name = hashlib.sha256(msgspec.msgpack.encode(command)).hexdigest()
        self._path = self._folder / f"{name}.sqlite"
        try:
            self._require_own_folder()
            self._forget_old()
            self._connect(seed)
        except EvidenceError as error:
            self.problem = error.message
        except (OSError, sqlite3.Error) as error:
            self.problem = f"What is checked cannot be kept in {self._folder}: {error}."
            self._close()

    def depend_on(self, context: object) -> None:
        """Say what all results depend on, such as the key registry."""
        code = hashlib.sha256()
        package = Path(__file__).parents[1]
        for path in sorted(package.rglob("*.py")):
            code.update(path.read_bytes())
        self._context = hashlib.sha256(code.digest() + msgspec.msgpack.encode(context)).digest()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def finish(self) -> None:
        """Delete the file: the verification has come to its end."""
        if self._database is None:
            return
        self._close()
        self.kept = 0
        with contextlib.suppress(OSError):
            self._delete()

    def map(
        self,
        job: Job[_Item, _Result],
        items: Iterable[_Item],
        run: Callable[
            [_Keyed[_Item, _Result], Iterator[_KeyedItem[_Item]]], Iterator[tuple[bytes, bytes | None]]
        ],
    ) -> Iterator[_Result]:
        """The results of a job: those that are kept, and for other items what ``run`` returns."""
        decode: Callable[[bytes], _Result] = msgspec.msgpack.Decoder(job.result_type()).decode
        known: dict[bytes, _Result] = {}

        def keyed() -> Iterator[_KeyedItem[_Item]]:
            for item in items:
                key = self._key(job, item)
                if (found := self._load(key, decode)) is None:
                    yield key, item
                else:
                    known[key] = found
                    yield key, None  # so that no more of them are in memory than items are under way

        for key, data in run(_Keyed(job), keyed()):
            if data is None:
                result = known.pop(key)
                receipts = job.receipts(result) or 0
                self.reused += receipts
                self.kept += receipts
            else:
                result = decode(data)
                self._save(key, data, job.receipts(result))
            yield result

    def _key(self, job: Job[_Item, _Result], item: _Item) -> bytes:
        inputs = msgspec.msgpack.encode((type(job).__name__, job.inputs(item)))
        return hashlib.sha256(self._context + inputs).digest()

    def _load(self, key: bytes, decode: Callable[[bytes], _Result]) -> _Result | None:
        if self._database is None:
            return None
        try:
            row = self._database.execute("SELECT result FROM results WHERE key = ?", (key,)).fetchone()
            if row is None:
                return None
            data = bytes(row[0])
            if data[:_SUM_BYTES] != _sum(key, data[_SUM_BYTES:]):
                raise ValueError("a result is not what was kept")  # noqa: TRY301 - as if it could not be read
            return decode(data[_SUM_BYTES:])
        except (sqlite3.Error, msgspec.MsgspecError, ValueError, TypeError) as error:
            self._give_up(error)
            return None

    def _save(self, key: bytes, data: bytes, receipts: int | None) -> None:
        if self._database is None or receipts is None:
            return
        try:
            row = key, int(time.time()), _sum(key, data) + data
            self._database.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", row)
            self.kept += receipts
            if time.monotonic() - self._committed >= _COMMIT_SECONDS:
                self._database.commit()
                self._committed = time.monotonic()
        except sqlite3.Error as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        """Use the file no more, and delete it."""
        self.problem = f"What an earlier run had checked could not be read or kept, and was checked: {error}."
        self.finish()

    def _require_own_folder(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = self._folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise EvidenceError(
                f"Others than you may write in {self._folder}: nothing is kept there, nor reused of it."
            )

    def _forget_old(self) -> None:
        for path in self._folder.iterdir():
            with contextlib.suppress(OSError):
                if path.lstat().st_mtime < time.time() - KEEP_SECONDS:
                    path.unlink()

    def _connect(self, seed: str) -> None:
        if self._is_there() and not self._begin(seed):
            self._delete()
        if self._database is None:
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW, 0o600))
            self._begin(seed)

    def _is_there(self) -> bool:
        """Whether there is a file to be used. One that others could have written is deleted."""
        try:
            found = self._path.lstat()
        except FileNotFoundError:
            return False
        if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077:
            return True
        self.problem = f"{self._path} is not a file that you alone may open: nothing of it was reused."
        self._delete()
        return False

    def _delete(self) -> None:
        """Delete the file, and the journal that a killed process leaves: it is of no other file."""
        self._path.with_name(f"{self._path.name}-journal").unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)

    def _begin(self, seed: str) -> bool:
        """Open the file; whether it is one of these."""
        database = sqlite3.connect(self._path)
        try:
            database.executescript(_SETTINGS + _SCHEMA)
            now = int(time.time())
            database.execute("DELETE FROM results WHERE at NOT BETWEEN ? AND ?", (now - KEEP_SECONDS, now))
            database.execute("DELETE FROM run WHERE NOT EXISTS (SELECT 1 FROM results)")
            database.execute("INSERT INTO run SELECT ? WHERE NOT EXISTS (SELECT 1 FROM run)", (seed,))
            ((self.seed,),) = database.execute("SELECT seed FROM run").fetchall()
            database.commit()
        except (sqlite3.DatabaseError, ValueError) as error:
            database.close()
            self.problem = f"{self._path} cannot be read ({error}): nothing of it was reused."
            return False
        self._database, self._committed = database, time.monotonic()
        return True

    def _close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            with contextlib.suppress(sqlite3.Error):
                database.commit()
            with contextlib.suppress(sqlite3.Error):
                database.close()


def _sum(key: bytes, data: bytes) -> bytes:
    """Finds damage, not forgery."""
    return hashlib.blake2b(key + data, digest_size=_SUM_BYTES).digest()
