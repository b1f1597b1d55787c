"""The trail's log files and digests as verification compares them, on disk instead of in memory."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from custody.times import from_microseconds, to_microseconds
from custody.trail.digests import Digest
from custody.trail.log_files import LogFile
from custody.verify.index import TemporaryDatabase

_SCHEMA = """
CREATE TABLE files (key TEXT PRIMARY KEY, stored INTEGER NOT NULL, sha256 TEXT, is_read INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE digests (
    key TEXT PRIMARY KEY, folder TEXT NOT NULL, late INTEGER NOT NULL, starts INTEGER NOT NULL,
    ends INTEGER NOT NULL, sha256 TEXT NOT NULL, signature TEXT NOT NULL, before TEXT, before_sha256 TEXT,
    before_signature TEXT
) WITHOUT ROWID;
CREATE INDEX digests_by_before ON digests (before);
CREATE TABLE named (key TEXT, digest TEXT, sha256 TEXT NOT NULL, PRIMARY KEY (key, digest)) WITHOUT ROWID;
"""


class Link(NamedTuple):
    """A digest of CloudTrail, as it is linked with the one before it."""

    key: str
    folder: str
    late: int
    starts: int
    ends: int
    before: str | None
    """The key of the digest before it, as this one says."""
    is_there: int
    """Whether that digest is there, and CloudTrail's."""
    is_same: int
    """Whether it is as this one says."""
    is_named: int
    """Whether a digest says that this one is before it."""


class TrailIndex(TemporaryDatabase):
    """The log files and digests of a trail. A context manager; for one thread only."""

    schema = _SCHEMA

    def add_file(self, file: LogFile, sha256: str | None, *, is_read: bool) -> None:
        """Add a log file of the listing with the hash of its content, if it could be read."""
        self.database.execute(
            "INSERT OR IGNORE INTO files VALUES (?, ?, ?, ?)",
            (file.key, to_microseconds(file.stored_at), sha256, is_read),
        )

    def add_digest(self, digest: Digest, folder: str, *, late: bool) -> None:
        """Add a digest that is CloudTrail's, and the log files that it names in its bucket."""
        before = digest.previous
        self.database.execute(
            "INSERT INTO digests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                digest.key,
                folder,
                late,
                to_microseconds(digest.start),
                to_microseconds(digest.end),
                digest.sha256,
                digest.signature,
                before and before.key,
                before and before.sha256,
                before and before.signature,
            ),
        )
        self.database.executemany(
            "INSERT OR IGNORE INTO named VALUES (?, ?, ?)",
            ((file.key, digest.key, file.sha256) for file in digest.files if file.bucket == digest.bucket),
        )

    def digest_sha256(self, key: str) -> str | None:
        """The hash of a digest's content; ``None`` if there is no such digest of CloudTrail's."""
        row = self.database.execute("SELECT sha256 FROM digests WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def links(self) -> Iterator[Link]:
        """Every digest, chain by chain, in the order of their times."""
        return map(
            Link._make,
            self.database.execute(
                "SELECT d.key, d.folder, d.late, d.starts, d.ends, d.before, p.key IS NOT NULL,"
                " coalesce((p.sha256, p.signature) = (d.before_sha256, d.before_signature), 0),"
                " EXISTS (SELECT 1 FROM digests n WHERE n.before = d.key)"
                " FROM digests d LEFT JOIN digests p ON p.key = d.before"
                " ORDER BY d.folder, d.late, d.ends, d.key"
            ),
        )

    def named_files(self) -> Iterator[tuple[str, bool | None, bool]]:
        """Every log file that a digest names, as (key, whether it was read, whether its content is that).

        Whether it was read is ``None`` for a log file that is not there.
        """
        for key, is_read, is_same in self.database.execute(
            "SELECT n.key, f.is_read, min(coalesce(n.sha256 = f.sha256, 0))"
            " FROM named n LEFT JOIN files f USING (key) GROUP BY n.key"
        ):
            yield key, None if is_read is None else bool(is_read), bool(is_same)

    def unnamed_files(self) -> Iterator[tuple[str, datetime]]:
        """Every log file of the listing that no digest names, and when it was stored."""
        for key, stored in self.database.execute(
            "SELECT key, stored FROM files f WHERE NOT EXISTS (SELECT 1 FROM named n WHERE n.key = f.key)"
        ):
            yield key, from_microseconds(stored)
