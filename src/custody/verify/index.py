"""The data of a verification, on disk instead of in memory: a temporary SQLite database.

There may be millions of object versions, receipts and trail writes, which must be compared with each other.
SQLite keeps them in a temporary file that is deleted with the process (under ``SQLITE_TMPDIR`` or
``TMPDIR``); memory is bounded by its cache. Measured with a million object versions, each with receipt and
trail write: about 70 MiB of memory and 1.3 GB of disk.

All three are identified by the receipt's key, which is unique for each object version. For tables it has the
lineage documents, the tables' versions that these name, and the commits of the logs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import ClassVar, NamedTuple, Self

from custody.evidence.objects import ObjectVersion, quote_key
from custody.lineage.document import TableVersion
from custody.listing import VersionEntry
from custody.times import from_microseconds, to_microseconds
from custody.trail.log_files import TrailDeletion, TrailWrite

_SETTINGS = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -32768; -- KiB
"""
_SCHEMA = """
CREATE TABLE objects (
    receipt_key TEXT PRIMARY KEY, uri TEXT NOT NULL, place TEXT NOT NULL, earliest INTEGER NOT NULL,
    latest INTEGER NOT NULL, etag TEXT NOT NULL, size INTEGER NOT NULL, is_latest INTEGER -- NULL: not listed
) WITHOUT ROWID;
CREATE TABLE digests (receipt_key TEXT PRIMARY KEY, sha256 TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE receipts (
    receipt_key TEXT PRIMARY KEY, version_id TEXT, stored INTEGER, versions INTEGER NOT NULL,
    markers INTEGER NOT NULL, request_id TEXT, sha256 TEXT, recorded INTEGER, size INTEGER, etag TEXT,
    leaf INTEGER
) WITHOUT ROWID;
CREATE TABLE writes (
    event_id TEXT PRIMARY KEY, name TEXT NOT NULL, uri TEXT NOT NULL, place TEXT NOT NULL,
    receipt_key TEXT, request_id TEXT, since INTEGER NOT NULL, must_match INTEGER NOT NULL,
    delivered INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE gone (
    receipt_key TEXT PRIMARY KEY, bucket TEXT NOT NULL, key TEXT NOT NULL, version_id TEXT NOT NULL,
    place TEXT NOT NULL, earliest INTEGER NOT NULL, latest INTEGER NOT NULL, problem TEXT NOT NULL,
    deletion TEXT
) WITHOUT ROWID;
CREATE TABLE others (place TEXT, earliest INTEGER, latest INTEGER);
CREATE TABLE deletions (bucket TEXT, receipt_key TEXT, since INTEGER NOT NULL);
CREATE TABLE documents (
    bucket TEXT, key TEXT, version_id TEXT, table_uri TEXT NOT NULL, delta_version INTEGER NOT NULL,
    since INTEGER NOT NULL, rows INTEGER NOT NULL, PRIMARY KEY (bucket, key, version_id)
) WITHOUT ROWID;
CREATE TABLE sources (
    table_uri TEXT, delta_version INTEGER, document TEXT, PRIMARY KEY (table_uri, delta_version, document)
) WITHOUT ROWID;
CREATE TABLE commits (
    table_uri TEXT, delta_version INTEGER, since INTEGER NOT NULL, PRIMARY KEY (table_uri, delta_version)
) WITHOUT ROWID;
CREATE TABLE covered (table_uri TEXT PRIMARY KEY, delta_version INTEGER NOT NULL) WITHOUT ROWID;
"""
# Made when first asked for, once the tables are full: far faster than entry by entry.
_WRITES_BY_VERSION = (
    "CREATE INDEX IF NOT EXISTS writes_by_version ON writes (receipt_key) WHERE receipt_key IS NOT NULL"
)
_DOCUMENTS_BY_TABLE = "CREATE INDEX IF NOT EXISTS documents_by_table ON documents (table_uri, delta_version)"
_OBJECTS_BY_PLACE = "CREATE INDEX IF NOT EXISTS objects_by_place ON objects (place)"
_OTHERS_BY_PLACE = "CREATE INDEX IF NOT EXISTS others_by_place ON others (place)"
_GONE_BY_PLACE = "CREATE INDEX IF NOT EXISTS gone_by_place ON gone (place)"
_DELETIONS_BY_VERSION = "CREATE INDEX IF NOT EXISTS deletions_by_version ON deletions (receipt_key)"
_WRITES_BY_REQUEST = (
    "CREATE INDEX IF NOT EXISTS writes_by_request ON writes (request_id) WHERE request_id IS NOT NULL"
)
_RECEIPTS_BY_REQUEST = (
    "CREATE INDEX IF NOT EXISTS receipts_by_request ON receipts (request_id) WHERE request_id IS NOT NULL"
)
_ROWS_AT_ONCE = 1000


class ReportedObject(NamedTuple):
    """An object version as it is listed, and its hash by somebody else's word."""

    sha256: str
    size_bytes: int
    last_modified: datetime
    word: str
    """Whose."""


class StoredReceipt(NamedTuple):
    """A receipt in the bucket's listing."""

    receipt_key: str
    version_id: str
    """Of the oldest version: the recorder creates a receipt once, so later versions are not its own."""
    stored_at: datetime
    object_uri: str | None
    """The object version it belongs to, if that exists."""
    witnessed: bool
    """Whether the trail has a write of that version."""
    size_bytes: int = 0
    leaf: int | None = None
    """Its leaf in the log, according to the log's index."""
    object_etag: str = ""
    """Of the object version, as it is listed."""
    reported: ReportedObject | None = None
    """The object version, if its bytes are judged by a report and not read."""


@dataclass(frozen=True, slots=True)
class KnownReceipt:
    """Facts of a receipt with a valid signature, and when Amazon S3 stored it."""

    sha256: str
    recorded_at: datetime
    stored_at: datetime


@dataclass(frozen=True, slots=True)
class GoneVersion:
    """An object version that has a receipt and does not exist."""

    version: ObjectVersion
    problem: str
    """What Amazon S3 says, in a sentence."""
    superseded_at: datetime | None
    """By when another version or a delete marker was put over it; ``None`` if none is known."""
    destroyed_at: datetime | None
    """When it was deleted by its version id, according to the trail."""
    batch_at: datetime | None
    """When a batch in its bucket was last deleted, after it was created; the trail does not name the keys."""


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A lineage document in the bucket's listing."""

    version: ObjectVersion
    made: TableVersion
    """The version of a table that its key names."""
    stored_at: datetime


@dataclass(frozen=True, slots=True)
class UncoveredCommits:
    """Commits of a table that are newer than its lineage."""

    first: TableVersion
    count: int
    since: datetime
    """When Amazon S3 stored the oldest."""


@dataclass(frozen=True, slots=True)
class ReceiptCount:
    """The number of versions and delete markers of the receipt of one object version."""

    uri: str
    since: datetime
    """The latest time at which the object version was created: by the listing, or by the trail's event."""
    versions: int
    markers: int


@dataclass(frozen=True, slots=True)
class Witness:
    """What the trail says about one object version."""

    uri: str
    bucket: str
    stored_at: datetime
    """When Amazon S3 says that it was created; an upload in parts may have been completed later."""
    since: datetime
    """The latest time at which it was created: by the listing, or by when its receipt was stored."""
    by_version: bool
    """A write of this version is in the trail."""
    by_request: bool | None
    """The receipt's request is in the trail and wrote this version (``False``: another one)."""


@dataclass(frozen=True, slots=True)
class LoneWrite:
    """A write in the trail without an object version and without a receipt."""

    uri: str
    name: str
    since: datetime
    version_known: bool
    """Its event names the version."""


class TemporaryDatabase:
    """A SQLite database in a temporary file, in one transaction that never ends. A context manager."""

    schema: ClassVar[str]

    def __init__(self) -> None:
        self.database = sqlite3.connect("", isolation_level=None)
        self.database.executescript(f"{_SETTINGS}{self.schema}BEGIN;")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.database.close()


class Index(TemporaryDatabase):
    """Everything listed and read so far. A context manager; for one thread only."""

    schema = _SCHEMA
    word = ""
    """Whose the digests are."""

    def add_object(
        self,
        version: ObjectVersion,
        earliest: datetime,
        latest: datetime,
        *,
        etag: str = "",
        size_bytes: int = 0,
        is_latest: bool | None = None,
    ) -> None:
        """Add an object version that exists, or that a receipt names, with its time of creation.

        The listing does not have the time at which a multipart upload was completed; trail or receipt narrow
        it down. ``is_latest``: nothing newer is over it; ``None`` if it is not in the listing.
        """
        self.database.execute(
            "INSERT OR IGNORE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                version.receipt_key,
                version.uri,
                _place(version.bucket, version.key),
                to_microseconds(earliest),
                to_microseconds(latest),
                etag,
                size_bytes,
                is_latest,
            ),
        )

    def add_digest(self, version: ObjectVersion, sha256: str) -> None:
        """Add the hash of a version's bytes by the word of a report; two that differ are none."""
        self.database.execute(
            "INSERT INTO digests VALUES (?, ?)"
            " ON CONFLICT DO UPDATE SET sha256 = '' WHERE sha256 <> excluded.sha256",
            (version.receipt_key, sha256),
        )

    def contradictory_digests(self) -> Iterator[str]:
        """The receipts' keys of versions for which the report has different hashes."""
        for (receipt_key,) in self.database.execute(
            "SELECT receipt_key FROM digests WHERE sha256 = '' ORDER BY receipt_key"
        ):
            yield receipt_key

    def add_other(self, bucket: str, key: str, earliest: datetime, latest: datetime) -> None:
        """Add what is over older versions of a key and is not itself checked, such as a delete marker."""
        self.database.execute(
            "INSERT INTO others VALUES (?, ?, ?)",
            (_place(bucket, key), to_microseconds(earliest), to_microseconds(latest)),
        )

    def add_gone(self, version: ObjectVersion, earliest: datetime, latest: datetime, problem: str) -> None:
        """Add a version that does not exist, with the time of its creation according to its receipt."""
        self.database.execute(
            "INSERT OR IGNORE INTO gone VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            (
                version.receipt_key,
                version.bucket,
                version.key,
                version.version_id,
                _place(version.bucket, version.key),
                to_microseconds(earliest),
                to_microseconds(latest),
                problem,
            ),
        )

    def note_deletion(self, version: ObjectVersion, state: str, detail: str) -> None:
        """Note in which way a version that does not exist was deleted lawfully, and why, in a sentence."""
        self.database.execute(
            "UPDATE gone SET deletion = ?, problem = ? WHERE receipt_key = ?",
            (state, detail, version.receipt_key),
        )

    def add_deletion(self, deletion: TrailDeletion) -> None:
        """Add one deletion of a version, or of a batch, in the trail."""
        receipt_key = None
        if deletion.key is not None:
            receipt_key = ObjectVersion(deletion.bucket, deletion.key, deletion.version_id).receipt_key
        self.database.execute(
            "INSERT INTO deletions VALUES (?, ?, ?)",
            (deletion.bucket, receipt_key, to_microseconds(deletion.event_time)),
        )

    def gone_versions(self) -> Iterator[GoneVersion]:
        """Every version that does not exist; what came after it is taken from listings and receipts."""
        if self.database.execute("SELECT 1 FROM gone").fetchone() is None:
            return
        for index in (_OBJECTS_BY_PLACE, _OTHERS_BY_PLACE, _GONE_BY_PLACE, _DELETIONS_BY_VERSION):
            self.database.execute(index)
        for bucket, key, version_id, problem, superseded, destroyed, batch in self.database.execute(
            "SELECT bucket, key, version_id, problem,"
            " (SELECT min(latest) FROM"
            "  (SELECT latest FROM objects o WHERE o.place = g.place AND o.earliest > g.latest"
            "    AND NOT EXISTS (SELECT 1 FROM gone x WHERE x.receipt_key = o.receipt_key)"
            "   UNION ALL SELECT latest FROM others o WHERE o.place = g.place AND o.earliest > g.latest"
            "   UNION ALL SELECT latest FROM gone o WHERE o.place = g.place AND o.earliest > g.latest)),"
            " (SELECT max(since) FROM deletions d WHERE d.receipt_key = g.receipt_key),"
            " (SELECT max(since) FROM deletions d"
            "  WHERE d.bucket = g.bucket AND d.receipt_key IS NULL AND d.since >= g.earliest)"
            " FROM gone g ORDER BY receipt_key"
        ):
            yield GoneVersion(
                ObjectVersion(bucket, key, version_id),
                problem,
                *(
                    None if moment is None else from_microseconds(moment)
                    for moment in (superseded, destroyed, batch)
                ),
            )

    def add_receipt(self, entry: VersionEntry) -> None:
        """Add one version of a receipt, or a delete marker over it; newest first, as listed."""
        if entry.is_delete_marker:
            self.database.execute(
                "INSERT INTO receipts VALUES (?, NULL, NULL, 0, 1, NULL, NULL, NULL, NULL, NULL, NULL)"
                " ON CONFLICT DO UPDATE SET markers = markers + 1",
                (entry.key,),
            )
        else:
            self.database.execute(
                "INSERT INTO receipts VALUES (?, ?, ?, 1, 0, NULL, NULL, NULL, ?, ?, NULL)"
                " ON CONFLICT DO UPDATE SET versions = versions + 1, version_id = excluded.version_id,"
                " stored = excluded.stored, size = excluded.size, etag = excluded.etag",
                (
                    entry.key,
                    entry.version_id,
                    to_microseconds(entry.last_modified),
                    entry.size_bytes,
                    entry.etag,
                ),
            )

    def add_write(self, write: TrailWrite, delivered_at: datetime, *, must_match: bool) -> None:
        """Add one write of the trail, once. ``must_match``: without a match it is a finding."""
        version = ObjectVersion(write.bucket, write.key, write.version_id or "")
        self.database.execute(
            "INSERT OR IGNORE INTO writes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                write.event_id,
                write.event_name,
                version.uri if write.version_id else f"s3://{write.bucket}/{quote_key(write.key)}",
                _place(write.bucket, write.key),
                version.receipt_key if write.version_id else None,
                write.request_id,
                to_microseconds(write.event_time),
                must_match,
                to_microseconds(delivered_at),
            ),
        )

    def note_receipt(
        self, receipt_key: str, *, request_id: str | None, sha256: str, recorded_at: datetime
    ) -> None:
        """Note the facts of a receipt with a valid signature."""
        self.note_receipts([(request_id, sha256, recorded_at, receipt_key)])

    def note_receipts(self, facts: Iterable[tuple[str | None, str, datetime, str]]) -> None:
        """Note request, hash and time of several, each with the receipt's key."""
        self.database.executemany(
            "UPDATE receipts SET request_id = ?, sha256 = ?, recorded = ? WHERE receipt_key = ?",
            ((request, sha256, to_microseconds(at), key) for request, sha256, at, key in facts),
        )

    def known_receipt(self, receipt_key: str) -> KnownReceipt | None:
        """The facts of a receipt, if it was read and its signature is valid."""
        row = self.database.execute(
            "SELECT sha256, recorded, stored FROM receipts WHERE receipt_key = ? AND sha256 IS NOT NULL",
            (receipt_key,),
        ).fetchone()
        return (
            None
            if row is None
            else KnownReceipt(row[0], from_microseconds(row[1]), from_microseconds(row[2]))
        )

    def forget_receipt(self, receipt_key: str) -> None:
        """Exclude a receipt from every comparison."""
        self.database.execute("DELETE FROM receipts WHERE receipt_key = ?", (receipt_key,))

    def count_receipts(self) -> int:
        """The number of receipts to read."""
        (count,) = self.database.execute("SELECT count(*) FROM receipts WHERE versions > 0").fetchone()
        return int(count)

    def receipts(self) -> Iterator[StoredReceipt]:
        """Every receipt with a version that has no leaf in the log, in the order of the keys.

        The index may be changed meanwhile.
        """
        return self._receipts("leaf IS NULL", "receipt_key", "")

    def sealed_receipts(self) -> Iterator[StoredReceipt]:
        """Every receipt with a version that has a leaf in the log, in the order of the leaves.

        The index may be changed meanwhile.
        """
        return self._receipts("leaf IS NOT NULL", "leaf", -1)

    def _receipts(self, which: str, order: str, last: str | int) -> Iterator[StoredReceipt]:
        self.database.execute(_WRITES_BY_VERSION)
        while rows := self.database.execute(
            "SELECT receipt_key, version_id, stored, uri, coalesce(objects.etag, ''),"  # noqa: S608 - from above
            " EXISTS (SELECT 1 FROM writes WHERE writes.receipt_key = receipts.receipt_key), receipts.size,"
            " CASE WHEN is_latest IS NOT NULL THEN digests.sha256 END, objects.size, earliest, leaf"
            " FROM receipts LEFT JOIN objects USING (receipt_key) LEFT JOIN digests USING (receipt_key)"
            f" WHERE {which} AND {order} > ? AND versions > 0 ORDER BY {order} LIMIT ?",
            (last, _ROWS_AT_ONCE),
        ).fetchall():
            for key, version_id, stored, uri, etag, witnessed, size, sha256, *listed, leaf in rows:
                moment, reported = from_microseconds(stored), None
                if sha256:
                    size_bytes, earliest = listed
                    reported = ReportedObject(sha256, size_bytes, from_microseconds(earliest), self.word)
                yield StoredReceipt(key, version_id, moment, uri, bool(witnessed), size, leaf, etag, reported)
            last = rows[-1][0 if order == "receipt_key" else -1]

    def receipt_counts(self) -> Iterator[ReceiptCount]:
        """For every object version, the number of versions and delete markers of its receipt."""
        self.database.execute(_WRITES_BY_VERSION)
        for uri, since, versions, markers in self.database.execute(
            "SELECT uri, max(earliest, min(latest, coalesce((SELECT min(since) FROM writes w"
            "  WHERE w.receipt_key = o.receipt_key), latest))), coalesce(versions, 0), coalesce(markers, 0)"
            " FROM objects o LEFT JOIN receipts USING (receipt_key)"
        ):
            yield ReceiptCount(uri, from_microseconds(since), versions, markers)

    def stray_receipts(self) -> Iterator[tuple[str, int, int]]:
        """Receipts without a known object version that do not have exactly one version.

        As (receipt's key, versions, delete markers).
        """
        return self.database.execute(
            "SELECT receipt_key, versions, markers FROM receipts WHERE (versions <> 1 OR markers > 0)"
            " AND NOT EXISTS (SELECT 1 FROM objects WHERE objects.receipt_key = receipts.receipt_key)"
        )

    def witnesses(self) -> Iterator[Witness]:
        """For every object version, what the trail says about it."""
        self.database.execute(_WRITES_BY_VERSION)
        self.database.execute(_WRITES_BY_REQUEST)
        for uri, place, earliest, since, by_version, by_request in self.database.execute(
            "SELECT o.uri, o.place, o.earliest, max(o.earliest, min(o.latest, coalesce(r.stored, o.latest))),"
            " EXISTS (SELECT 1 FROM writes w WHERE w.receipt_key = o.receipt_key),"
            " (SELECT min(w.place = o.place AND coalesce(w.receipt_key, o.receipt_key) = o.receipt_key)"
            "  FROM writes w WHERE w.request_id = r.request_id)"
            " FROM objects o LEFT JOIN receipts r USING (receipt_key)"
        ):
            yield Witness(
                uri,
                place.partition("/")[0],
                from_microseconds(earliest),
                from_microseconds(since),
                bool(by_version),
                None if by_request is None else bool(by_request),
            )

    def add_document(self, version: ObjectVersion, made: TableVersion, since: datetime) -> None:
        """Add a lineage document."""
        self.database.execute(
            "INSERT OR IGNORE INTO documents VALUES (?, ?, ?, ?, ?, ?, 0)",
            (
                version.bucket,
                version.key,
                version.version_id,
                made.table,
                made.version,
                to_microseconds(since),
            ),
        )
        self.cover(made)

    def note_rows(self, version: ObjectVersion, rows: int) -> None:
        """Note how many rows of its table version a document claims for its run."""
        self.database.execute(
            "UPDATE documents SET rows = ? WHERE (bucket, key, version_id) = (?, ?, ?)",
            (rows, version.bucket, version.key, version.version_id),
        )

    def add_commit(self, made: TableVersion, since: datetime) -> None:
        """Add a commit in the log of a table."""
        self.database.execute(
            "INSERT OR IGNORE INTO commits VALUES (?, ?, ?)",
            (made.table, made.version, to_microseconds(since)),
        )

    def add_source(self, source: TableVersion, document_uri: str) -> None:
        """Add a version of a table that a document names as input."""
        self.database.execute(
            "INSERT OR IGNORE INTO sources VALUES (?, ?, ?)", (source.table, source.version, document_uri)
        )

    def cover(self, made: TableVersion) -> None:
        """Note that lineage covers the table up to this version."""
        self.database.execute(
            "INSERT INTO covered VALUES (?, ?) ON CONFLICT DO UPDATE"
            " SET delta_version = max(delta_version, excluded.delta_version)",
            (made.table, made.version),
        )

    def count_documents(self) -> int:
        """The number of lineage documents."""
        (count,) = self.database.execute("SELECT count(*) FROM documents").fetchone()
        return int(count)

    def documents(self) -> Iterator[StoredDocument]:
        """Every lineage document, in the order of the keys; the index may be changed meanwhile."""
        last = ("", "", "")
        while rows := self.database.execute(
            "SELECT bucket, key, version_id, table_uri, delta_version, since FROM documents"
            " WHERE (bucket, key, version_id) > (?, ?, ?) ORDER BY bucket, key, version_id LIMIT ?",
            (*last, _ROWS_AT_ONCE),
        ).fetchall():
            for bucket, key, version_id, table, delta_version, since in rows:
                yield StoredDocument(
                    ObjectVersion(bucket, key, version_id),
                    TableVersion(table, delta_version),
                    from_microseconds(since),
                )
            last = rows[-1][:3]

    def rival_documents(self) -> Iterator[tuple[ObjectVersion, TableVersion]]:
        """Documents that claim rows of a version of a table for which another document claims rows too."""
        self.database.execute(_DOCUMENTS_BY_TABLE)
        for bucket, key, version_id, table, delta_version in self.database.execute(
            "SELECT bucket, key, version_id, table_uri, delta_version FROM documents d WHERE rows > 0 AND"
            " (SELECT count(*) FROM documents o WHERE"
            "  o.table_uri = d.table_uri AND o.delta_version = d.delta_version AND o.rows > 0) > 1"
        ):
            yield ObjectVersion(bucket, key, version_id), TableVersion(table, delta_version)

    def uncommitted_documents(self) -> Iterator[StoredDocument]:
        """Documents of a version that is not in its table's log."""
        for bucket, key, version_id, table, delta_version, since in self.database.execute(
            "SELECT bucket, key, version_id, table_uri, delta_version, since FROM documents d"
            " WHERE NOT EXISTS (SELECT 1 FROM commits c"
            "  WHERE c.table_uri = d.table_uri AND c.delta_version = d.delta_version)"
        ):
            yield StoredDocument(
                ObjectVersion(bucket, key, version_id),
                TableVersion(table, delta_version),
                from_microseconds(since),
            )

    def undocumented_sources(self) -> Iterator[tuple[TableVersion, str]]:
        """Inputs without a listed document of their own, each with the document that names it."""
        self.database.execute(_DOCUMENTS_BY_TABLE)
        for table, delta_version, document in self.database.execute(
            "SELECT table_uri, delta_version, document FROM sources s WHERE NOT EXISTS"
            " (SELECT 1 FROM documents d"
            "  WHERE d.table_uri = s.table_uri AND d.delta_version = s.delta_version)"
        ):
            yield TableVersion(table, delta_version), document

    def committed_tables(self) -> Iterator[tuple[str, UncoveredCommits | None]]:
        """Every table with a log, and its commits that lineage does not cover."""
        for table, first, count, since in self.database.execute(
            "SELECT table_uri, min(delta_version) FILTER (WHERE is_new), count(*) FILTER (WHERE is_new),"
            " min(since) FILTER (WHERE is_new) FROM"
            " (SELECT c.*, c.delta_version > coalesce(t.delta_version, -1) AS is_new"
            "  FROM commits c LEFT JOIN covered t USING (table_uri)) GROUP BY table_uri"
        ):
            yield (
                table,
                UncoveredCommits(TableVersion(table, first), count, from_microseconds(since))
                if count
                else None,
            )

    def lone_writes(self) -> Iterator[LoneWrite]:
        """Every write that must match but has neither an object version nor a receipt."""
        self.database.execute(_RECEIPTS_BY_REQUEST)
        for uri, name, since, version_known in self.database.execute(
            "SELECT uri, name, since, receipt_key IS NOT NULL FROM writes w WHERE must_match"
            " AND NOT EXISTS (SELECT 1 FROM objects o WHERE o.receipt_key = w.receipt_key)"
            " AND NOT EXISTS (SELECT 1 FROM receipts r WHERE r.receipt_key = w.receipt_key AND versions > 0)"
            " AND NOT EXISTS (SELECT 1 FROM receipts r WHERE r.request_id = w.request_id)"
        ):
            yield LoneWrite(uri, name, from_microseconds(since), bool(version_known))


def _place(bucket: str, key: str) -> str:
    return f"{bucket}/{key}"
