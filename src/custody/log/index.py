"""Which leaf an object's receipt is: one small file for each batch, found by time.

``log/index/<hour>/<first leaf>`` has a row for each entry, in the order of the hashes; ``hour`` is when the
batch was decided, which is never before an entry of it was stored. So whoever knows when a receipt was stored
finds its leaf from that hour on, and who finds none by now knows that it is not sealed yet.

The index is an aid that nobody has signed: what it says of a leaf is checked against the leaf itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from custody.concurrency import map_concurrently
from custody.errors import EvidenceError
from custody.log.batch import Batch, Sealable

ROW_BYTES = 56
INDEX_PREFIX = "index/"

_HOUR = "%Y-%m-%dT%H"
_KEY_BYTES = 32
_STORED_BYTES = 16
_CLOCKS_APART = timedelta(minutes=1)
"""More than the clocks of Amazon S3's servers differ."""


@dataclass(frozen=True, slots=True)
class IndexRow:
    """What the index says of one entry."""

    key_hash: bytes
    """SHA-256 of the key of the stored object, 32 bytes."""
    stored_hash: bytes
    """The first 16 bytes of SHA-256 of its version id, a newline and its ETag: of what was stored then."""
    leaf: int


def key_hash(key: str) -> bytes:
    """A receipt's key, as the index has it."""
    return hashlib.sha256(key.encode()).digest()


def stored_hash(version_id: str, etag: str) -> bytes:
    """The version of a receipt's object, as the index has it."""
    return hashlib.sha256(f"{version_id}\n{etag}".encode()).digest()[:_STORED_BYTES]


def index_path(batch: Batch) -> str:
    """The path of a batch's index in the log."""
    return f"{_hour_path(batch.decided_at)}{batch.first:020d}"


def format_index(batch: Batch) -> bytes:
    """The rows of a batch: hash of the key, of the stored version, and the leaf, eight bytes big-endian."""

    def row(leaf: int, item: Sealable) -> bytes:
        return key_hash(item.key) + stored_hash(item.version_id, item.etag) + leaf.to_bytes(8)

    return b"".join(sorted(row(batch.first + number, item) for number, item in enumerate(batch.items)))


def parse_index(data: bytes) -> Iterator[IndexRow]:
    """Read the rows of one file. Raises ``EvidenceError``."""
    if len(data) % ROW_BYTES:
        raise EvidenceError(f"A file of the log's index has {len(data)} bytes, no whole number of rows.")
    for at in range(0, len(data), ROW_BYTES):
        stored, leaf = at + _KEY_BYTES, at + _KEY_BYTES + _STORED_BYTES
        yield IndexRow(data[at:stored], data[stored:leaf], int.from_bytes(data[leaf : at + ROW_BYTES]))


def path_before(stored_at: datetime) -> str:
    """A path of the index before which there is no batch with an entry that was stored then."""
    return _hour_path(stored_at - _CLOCKS_APART)


def _hour_path(moment: datetime) -> str:
    return f"{INDEX_PREFIX}{moment:{_HOUR}}/"


def _hour_of(path: str) -> datetime:
    hour = path.removeprefix(INDEX_PREFIX).partition("/")[0]
    try:
        return datetime.strptime(hour, _HOUR).replace(tzinfo=UTC)
    except ValueError as error:
        raise EvidenceError(f"{path[:200]!r} is no path of the log's index.") from error


class SealedKeys:
    """The keys that are sealed, read as far back as somebody asks.

    ``list_after`` gives the paths of the index after one, in order; ``fetch`` the bytes at one.
    """

    def __init__(
        self, list_after: Callable[[str], Iterable[str]], fetch: Callable[[str], bytes], workers: int
    ) -> None:
        self._list_after = list_after
        self._fetch = fetch
        self._workers = workers
        self.forget()

    def forget(self) -> None:
        """Forget what was read: it is read again when needed."""
        self._since: datetime | None = None
        """Batches decided from then on are known up to ``_last``, the last path read."""
        self._last = ""
        self._read: set[str] = set()
        self._keys: set[bytes] = set()

    def unsealed(self, stored: Mapping[str, datetime]) -> set[str]:
        """Those of these keys, with the times at which they were stored, that are not in the log.

        Raises ``EvidenceError`` if a file of the index is malformed.
        """
        if not stored:
            return set()
        earliest = min(stored.values())
        if self._since is None or earliest < self._since:
            self._since, after = earliest, path_before(earliest)
        else:
            after = path_before(_hour_of(self._last)) if self._last else path_before(self._since)
        paths = list(self._list_after(after))
        unread = [path for path in paths if path not in self._read]
        for data in map_concurrently(self._fetch, unread, self._workers):
            self._keys.update(row.key_hash for row in parse_index(data))
        self._read.update(unread)
        self._last = max([self._last, *paths])
        return {key for key in stored if key_hash(key) not in self._keys}

    def add(self, path: str, items: Iterable[Sealable]) -> None:
        """Take note of a batch whose index is at ``path``: it need not be read."""
        self._keys.update(key_hash(item.key) for item in items)
        self._read.add(path)

    def __len__(self) -> int:
        return len(self._keys)
