"""What a verification knows of the log, in the database of the index, where receipts meet their leaves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from custody.evidence.objects import ObjectVersion
from custody.log.checkpoint import Checkpoint
from custody.log.index import IndexRow, key_hash, stored_hash
from custody.times import from_microseconds, to_microseconds
from custody.verify.index import Index

_SCHEMA = """
CREATE TABLE sealed (leaf INTEGER PRIMARY KEY, key_hash BLOB NOT NULL, stored_hash BLOB NOT NULL);
CREATE TABLE checkpoints (
    place INTEGER PRIMARY KEY, version_id TEXT, stored INTEGER, size INTEGER, root BLOB
);
CREATE TABLE batches (first INTEGER PRIMARY KEY, decided INTEGER);
CREATE TABLE segments (first INTEGER, last INTEGER, day TEXT, key TEXT PRIMARY KEY, version_id TEXT);
CREATE TABLE known_entries (key_hash BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE lost (receipt_key TEXT PRIMARY KEY, uri TEXT NOT NULL, leaf INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE rows (bundle INTEGER PRIMARY KEY, hashes BLOB NOT NULL);
"""


class StoredCheckpoint(NamedTuple):
    """One version of the log's checkpoint whose signatures are valid."""

    place: int
    """In the order in which the versions were stored, from 0."""
    version_id: str
    stored_at: datetime
    size: int
    root: bytes


class StoredBatch(NamedTuple):
    """One batch of the log, and its segments."""

    first: int
    last: int
    decided_at: datetime
    files: tuple[tuple[str, str, str, int], ...]
    """Day, key, version id and last leaf, as its name has it, of each segment."""


class Uneven(NamedTuple):
    """A receipt that is not in the log as it is in the listing."""

    receipt_key: str
    stored_at: datetime
    leaf: int | None
    """``None``: it is in no leaf; otherwise another version of its object was sealed."""


class LogIndex:
    """Leaves, checkpoints and segments. For one thread only."""

    def __init__(self, index: Index) -> None:
        self._database = index.database
        for statement in _SCHEMA.split(";"):
            self._database.execute(statement)
        self._database.create_function("key_hash", 1, key_hash, deterministic=True)
        self._database.create_function("stored_hash", 2, stored_hash, deterministic=True)

    def add_checkpoint(
        self, place: int, version_id: str, stored_at: datetime, checkpoint: Checkpoint
    ) -> None:
        """Add a version of the checkpoint."""
        self._database.execute(
            "INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?)",
            (place, version_id, to_microseconds(stored_at), checkpoint.size, checkpoint.root),
        )

    def checkpoints(self) -> Iterator[StoredCheckpoint]:
        """Every one, in the order in which they were stored."""
        for place, version_id, stored, size, root in self._database.execute(
            "SELECT place, version_id, stored, size, root FROM checkpoints ORDER BY place"
        ):
            yield StoredCheckpoint(place, version_id, from_microseconds(stored), size, root)

    def largest_checkpoint(self) -> StoredCheckpoint | None:
        """The one with most entries, and of these the newest."""
        row = self._database.execute(
            "SELECT place, version_id, stored, size, root FROM checkpoints"
            " ORDER BY size DESC, place DESC LIMIT 1"
        ).fetchone()
        return None if row is None else StoredCheckpoint(row[0], row[1], from_microseconds(row[2]), *row[3:])

    def sizes_between(self, low: int, high: int) -> tuple[int, ...]:
        """Sizes of checkpoints above ``low`` and up to ``high``."""
        self._database.execute("CREATE INDEX IF NOT EXISTS checkpoints_by_size ON checkpoints (size)")
        rows = self._database.execute(
            "SELECT DISTINCT size FROM checkpoints WHERE size > ? AND size <= ?", (low, high)
        )
        return tuple(size for (size,) in rows)

    def add_rows(self, rows: Iterable[IndexRow], size: int) -> int:
        """Add rows of the log's index up to ``size``; how many have a leaf that another row has."""
        before = self._database.total_changes
        count = 0

        def wanted() -> Iterator[tuple[int, bytes, bytes]]:
            nonlocal count
            for row in rows:
                if row.leaf < size:
                    count += 1
                    yield row.leaf, row.key_hash, row.stored_hash

        self._database.executemany("INSERT OR IGNORE INTO sealed VALUES (?, ?, ?)", wanted())
        return count - (self._database.total_changes - before)

    def wanted_keys(self, most: int) -> set[bytes] | None:
        """The hashes of the keys of all listed receipts, and of those that listed objects lack.

        ``None`` if there are over ``most``.
        """
        hashes: set[bytes] = set()
        for (found,) in self._database.execute(
            "SELECT key_hash(receipt_key) FROM receipts UNION SELECT key_hash(receipt_key) FROM objects"
            " LIMIT ?",
            (most + 1,),
        ):
            hashes.add(found)
        return hashes if len(hashes) <= most else None

    def earliest(self) -> datetime | None:
        """When the earliest listed receipt or object was stored."""
        (stored,) = self._database.execute(
            "SELECT min(stored) FROM (SELECT min(stored) AS stored FROM receipts"
            " UNION ALL SELECT min(earliest) FROM objects)"
        ).fetchone()
        return None if stored is None else from_microseconds(stored)

    def match(self) -> None:
        """Give each listed receipt its leaf."""
        self._database.execute("CREATE INDEX IF NOT EXISTS sealed_by_key ON sealed (key_hash)")
        self._database.execute(
            "UPDATE receipts SET leaf ="
            " (SELECT min(leaf) FROM sealed s WHERE s.key_hash = key_hash(receipt_key))"
        )
        self._database.execute("CREATE INDEX receipts_by_leaf ON receipts (leaf)")

    def add_lost(self, version: ObjectVersion, leaf: int) -> None:
        """Add a version whose receipt was sealed, and is gone."""
        self._database.execute(
            "INSERT OR IGNORE INTO lost VALUES (?, ?, ?)", (version.receipt_key, version.uri, leaf)
        )

    def add_other(self, key: str) -> None:
        """Add what an entry may be about that is no receipt, and is there: its key in the log's index."""
        self._database.execute("INSERT OR IGNORE INTO known_entries VALUES (?)", (key_hash(key),))

    def leaf_of_key(self, receipt_key: str) -> int | None:
        """The leaf that the log's index has for a receipt's key."""
        (leaf,) = self._database.execute(
            "SELECT min(leaf) FROM sealed WHERE key_hash = ?", (key_hash(receipt_key),)
        ).fetchone()
        return None if leaf is None else int(leaf)

    def listed(self, receipt_key: str) -> tuple[int, int | None] | None:
        """The number of versions of a listed receipt, and its leaf."""
        row = self._database.execute(
            "SELECT versions, leaf FROM receipts WHERE receipt_key = ?", (receipt_key,)
        ).fetchone()
        return None if row is None else (int(row[0]), row[1])

    def leaves_without_receipt(self) -> Iterator[int]:
        """Leaves for which the log's index names the key of no listed receipt."""
        for (leaf,) in self._database.execute(
            "SELECT leaf FROM sealed s WHERE NOT EXISTS"
            " (SELECT 1 FROM receipts r WHERE r.leaf = s.leaf AND r.versions > 0)"
            " AND NOT EXISTS (SELECT 1 FROM known_entries o WHERE o.key_hash = s.key_hash) ORDER BY leaf"
        ):
            yield leaf

    def objects_without_receipt(self) -> Iterator[tuple[str, int]]:
        """Objects that are listed and have no receipt, although one was sealed: URI and leaf."""
        yield from self._database.execute(
            "SELECT uri,"
            " (SELECT min(leaf) FROM sealed s WHERE s.key_hash = key_hash(o.receipt_key)) AS sealed_as"
            " FROM objects o LEFT JOIN receipts r USING (receipt_key)"
            " WHERE coalesce(r.versions, 0) = 0 AND sealed_as IS NOT NULL"
        )

    def uneven(self) -> Iterator[Uneven]:
        """Listed receipts without a leaf, or whose object is not the one that was sealed."""
        for key, stored, leaf in self._database.execute(
            "SELECT receipt_key, stored, r.leaf FROM receipts r LEFT JOIN sealed s ON s.leaf = r.leaf"
            " WHERE versions > 0 AND (r.leaf IS NULL OR s.stored_hash <> stored_hash(version_id, etag))"
        ):
            yield Uneven(key, from_microseconds(stored), leaf)

    def sealed_twice(self) -> Iterator[tuple[str, int, int]]:
        """Listed receipts that the log's index has twice: key, first and last leaf."""
        yield from self._database.execute(
            "SELECT receipt_key, low, high FROM (SELECT min(leaf) AS low, max(leaf) AS high FROM sealed"
            "  GROUP BY key_hash HAVING count(*) > 1) JOIN receipts ON leaf = low"
        )

    def not_sealed(self, keys: set[bytes]) -> set[bytes]:
        """Those of these hashes of keys that the log's index does not have so far."""
        sealed = {found for (found,) in self._database.execute("SELECT key_hash FROM sealed")}
        return keys - sealed

    def count_listed(self) -> int:
        """The number of listed receipts."""
        (count,) = self._database.execute("SELECT count(*) FROM receipts WHERE versions > 0").fetchone()
        return int(count)

    def add_hashes(self, bundle: int, hashes: bytes) -> None:
        """Add the hashes of the rows that a bundle's entries have in segments."""
        self._database.execute("INSERT OR REPLACE INTO rows VALUES (?, ?)", (bundle, hashes))

    def hashes(self, first: int, last: int) -> dict[int, bytes]:
        """Those of these bundles."""
        return dict(
            self._database.execute(
                "SELECT bundle, hashes FROM rows WHERE bundle BETWEEN ? AND ?", (first, last)
            )
        )

    def add_batch(self, first: int, decided_at: datetime) -> None:
        """Add a batch in the bucket's listing; the oldest version comes last."""
        self._database.execute(
            "INSERT OR REPLACE INTO batches VALUES (?, ?)", (first, to_microseconds(decided_at))
        )

    def add_segment(self, first: int, last: int, day: str, key: str, version_id: str) -> bool:
        """Add a segment in the bucket's listing, its newest version; whether it is the first of its key."""
        before = self._database.total_changes
        self._database.execute(
            "INSERT OR IGNORE INTO segments VALUES (?, ?, ?, ?, ?)", (first, last, day, key, version_id)
        )
        return self._database.total_changes > before

    def first_day(self) -> str:
        """The first day of all segments."""
        (day,) = self._database.execute("SELECT min(day) FROM segments").fetchone()
        return day or ""

    def batches(self, size: int) -> Iterator[StoredBatch]:
        """Every batch of the log of ``size`` entries, with its segments."""
        self._database.execute("CREATE INDEX IF NOT EXISTS segments_by_first ON segments (first)")
        rows = self._database.execute(
            "SELECT first, decided, lead(first, 1, ?) OVER (ORDER BY first) - 1 FROM batches WHERE first < ?"
            " ORDER BY first",
            (size, size),
        )
        for first, decided, last in rows:
            files = self._database.execute(
                "SELECT day, key, version_id, last FROM segments WHERE first = ? ORDER BY day", (first,)
            ).fetchall()
            yield StoredBatch(first, last, from_microseconds(decided), tuple(files))

    def strange_segments(self, size: int) -> Iterator[str]:
        """Keys of segments of entries that no batch begins with."""
        for (key,) in self._database.execute(
            "SELECT key FROM segments s WHERE first < ? AND NOT EXISTS"
            " (SELECT 1 FROM batches b WHERE b.first = s.first)",
            (size,),
        ):
            yield key
