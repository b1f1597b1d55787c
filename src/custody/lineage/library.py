"""The tables of a deployment and their lineage documents: each listed once, read concurrently."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import unquote

from custody.concurrency import map_concurrently
from custody.deployment import Deployment
from custody.errors import CustodyError, EvidenceError, describe_defect
from custody.evidence.fetch import SERVICE_ERRORS, GoneError, UnreadableError, fetch
from custody.evidence.objects import ObjectVersion, parse_s3_uri
from custody.lineage.document import (
    TABLES,
    Lineage,
    Place,
    TableVersion,
    parse_commit,
    parse_lineage,
    parse_place,
    table_uri,
)
from custody.lineage.graph import Kind
from custody.listing import list_versions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

GRACE = timedelta(minutes=1)
"""Tolerance for times of Amazon S3: whole seconds, from several clocks."""

_BATCH = 64
_TELL_EVERY = 100


@dataclass(frozen=True, slots=True)
class Stored:
    """A lineage document in the listing: the first version of its key, since it is written once."""

    place: Place
    version_id: str
    stored_at: datetime


@dataclass(frozen=True, slots=True)
class Read:
    """A lineage document after reading; ``lineage`` is ``None`` if it is not valid, with the reason."""

    place: Place
    sha256: str
    lineage: Lineage | None
    problem: str = ""


class Library:
    """The tables of one deployment. ``tell`` is called with progress messages."""

    def __init__(
        self,
        s3: S3Client,
        deployment: Deployment,
        *,
        tell: Callable[[str], None] = lambda _: None,
        workers: int = 16,
    ) -> None:
        self.s3 = s3
        self.raw, self.processed, self.analytics = (
            deployment.buckets[short] for short in ("raw-data", "processed", "analytics")
        )
        self.hidden: list[str] = []
        """A sentence for each document that is hidden by a delete marker; it is read nevertheless."""
        self._tell = tell
        self._workers = workers
        self._documents: dict[str, list[Stored]] = {}
        self._versions: dict[str, list[int]] = {}

    def tables(self, bucket: str) -> list[str]:
        """The URIs of the folders below ``tables/`` of a bucket, in order."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=TABLES, Delimiter="/")
        return [
            table_uri(bucket, found["Prefix"].removesuffix("/"))
            for page in pages
            for found in page.get("CommonPrefixes", ())
            if found["Prefix"] != f"{TABLES}/"
        ]

    def documents(self, table: str) -> list[Stored]:
        """The lineage documents of a table, by version."""
        if table not in self._documents:
            self._tell(f"Listing the lineage of {table}")
            folder = parse_s3_uri(table)
            found: dict[Place, Stored] = {}
            for entry in list_versions(self.s3, folder.bucket, f"{folder.key}/_lineage/"):
                place = parse_place(folder.bucket, entry.key)
                if place is not None and entry.is_delete_marker:
                    self.hidden.append(f"{place.uri} was deleted: it is hidden by a delete marker.")
                elif place is not None:
                    found[place] = Stored(
                        place, entry.version_id, entry.last_modified
                    )  # The oldest comes last.
            self._documents[table] = [found[place] for place in sorted(found)]
            self._versions[table] = sorted({place.made.version for place in found})
        return self._documents[table]

    def versions(self, table: str) -> list[int]:
        """The versions of a table that have a document, in order."""
        self.documents(table)
        return self._versions[table]

    def before(self, made: TableVersion) -> TableVersion | None:
        """The newest earlier version that has a document."""
        versions = self.versions(made.table)
        index = bisect_left(versions, made.version)
        return TableVersion(made.table, versions[index - 1]) if index else None

    def kind(self, table: str) -> Kind:
        """The layer of a table, by its bucket."""
        return Kind.SILVER if parse_s3_uri(table).bucket == self.processed else Kind.GOLD

    def listed(self, bucket: str, prefix: str, after: str = "") -> Iterator[tuple[str, datetime]]:
        """Keys below a prefix after a given key, in order, with the times they were stored."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, StartAfter=after
        )
        for page in pages:
            for entry in page.get("Contents", ()):
                yield entry["Key"], entry["LastModified"]

    def read(self, documents: Sequence[Stored]) -> Iterator[Read]:
        """Read documents, in any order."""
        for number, found in enumerate(map_concurrently(self._read, documents, self._workers), start=1):
            if number % _TELL_EVERY == 0:
                self._tell(
                    f"{found.place.made.name}: {number:,} of {len(documents):,} lineage documents read"
                )
            yield found

    def _read(self, stored: Stored) -> Read:
        place = stored.place
        version = ObjectVersion(place.bucket, place.key, stored.version_id)
        sha256 = ""
        try:
            data = fetch(self.s3, version, lambda found: found["Body"].read())
            sha256 = hashlib.sha256(data).hexdigest()
            return Read(place, sha256, parse_lineage(data, place))
        except EvidenceError as error:
            problem = f"is not a lineage document: {error.message}"
        except (GoneError, UnreadableError) as error:
            problem = f"could not be read: {error}"
        except (*SERVICE_ERRORS, CustodyError):
            raise
        except Exception as error:  # noqa: BLE001 - it is reported, and one document must not end the walk
            problem = f"could not be read: {describe_defect(error)}"
        return Read(place, sha256, None, f"{place.uri} {problem}")

    def history(self, made: TableVersion) -> Iterator[Read]:
        """The documents that a table version depends on, newest first, up to one that replaced all rows."""
        documents = [item for item in self.documents(made.table) if item.place.made.version <= made.version]
        documents.reverse()
        start, size = 0, 1
        while start < len(documents):
            batch = sorted(self.read(documents[start : start + size]), key=lambda read: read.place)
            for found in reversed(batch):
                yield found
                if found.lineage is not None and not found.lineage.keeps:
                    return
            self._tell(f"{made.name}: {start + len(batch):,} of {len(documents):,} lineage documents read")
            start, size = start + size, _BATCH

    def commit_of(self, table: str, key: str) -> int | None:
        """The version of a table whose commit adds the file at ``key``; ``None`` if there is none."""
        folder = parse_s3_uri(table)
        stored = [at for found, at in self.listed(folder.bucket, key) if found == key]
        not_before = stored[0] - GRACE if stored else None
        commits = []
        for found, at in self.listed(folder.bucket, f"{folder.key}/_delta_log/"):
            commit = parse_commit(folder.bucket, found)
            if commit is not None and (not_before is None or at >= not_before):
                commits.append((commit.version, found))
        path = key.removeprefix(f"{folder.key}/")
        for start in range(0, len(commits), _BATCH):
            self._tell(f"{table}: {start:,} of {len(commits):,} commits read")
            batch = commits[start : start + _BATCH]
            adding = map_concurrently(
                lambda item: self._adds(folder.bucket, item, path), batch, self._workers
            )
            if versions := [version for version in adding if version is not None]:
                return min(versions)
        return None

    def _adds(self, bucket: str, commit: tuple[int, str], path: str) -> int | None:
        """The commit's version if it adds the file, whose path Delta encodes (its protocol, "Add File")."""
        version, key = commit
        try:
            data = fetch(self.s3, ObjectVersion(bucket, key, ""), lambda found: found["Body"].read())
        except (GoneError, UnreadableError):
            return None  # vacuumed, or access denied: another commit may add it
        for line in data.splitlines():
            try:
                added = json.loads(line)["add"]["path"]
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
            if isinstance(added, str) and path in (added, unquote(added)):
                return version
        return None
