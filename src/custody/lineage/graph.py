"""Lineage as nodes and edges, kept on disk: a table may be made from millions of object versions.

A node is ``{"id", "kind", …facts}``. Edges point from an input to what was made from it: so everything
reachable from an object version was made from it, and everything that leads to a table's version is its
origin.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from enum import StrEnum
from types import TracebackType
from typing import Any, Self


class Kind(StrEnum):
    """The kinds of nodes, from the last to the first."""

    GOLD = "gold"
    SILVER = "silver"
    REJECTED = "rejected"
    MANIFEST = "manifest"
    OBJECT = "object"


class Link(StrEnum):
    """The kinds of edges."""

    NAMED = "named"
    """A manifest names an object version."""
    PROCESSED = "processed"
    """A run processed a manifest into a version of a table."""
    KEPT = "kept"
    """A version of a table keeps rows of the previous one."""
    READ = "read"
    """A run read a version of another table."""


_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -32768; -- KiB
CREATE TABLE nodes (id TEXT PRIMARY KEY, kind TEXT NOT NULL, facts TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE edges (source TEXT, target TEXT, kind TEXT NOT NULL, facts TEXT NOT NULL,
                    PRIMARY KEY (source, target)) WITHOUT ROWID;
BEGIN;
"""


class Graph:
    """A graph in a temporary file, deleted at the end. A context manager; for one thread only."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def add(self, identity: str, kind: Kind, **facts: Any) -> None:
        """Add a node; an existing one is kept, unless this one has more ``rows``."""
        self._database.execute(
            "INSERT INTO nodes VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET facts = excluded.facts"
            " WHERE json_extract(excluded.facts, '$.rows') > coalesce(json_extract(facts, '$.rows'), -1)",
            (identity, kind.value, json.dumps(facts)),
        )

    def link(self, source: str, target: str, kind: Link, **facts: Any) -> None:
        """Add an edge between two nodes; an existing one is kept."""
        self._database.execute(
            "INSERT OR IGNORE INTO edges VALUES (?, ?, ?, ?)", (source, target, kind.value, json.dumps(facts))
        )

    def count(self, kind: Kind) -> int:
        """The number of nodes of a kind."""
        (count,) = self._database.execute(
            "SELECT count(*) FROM nodes WHERE kind = ?", (kind.value,)
        ).fetchone()
        return int(count)

    def nodes(self, *kinds: Kind) -> Iterator[dict[str, Any]]:
        """The nodes of these kinds, or all: in the order of ``Kind``, newest versions first."""
        for kind in kinds or Kind:
            for identity, facts in self._database.execute(
                "SELECT id, facts FROM nodes WHERE kind = ? ORDER BY"
                " json_extract(facts, '$.table'), json_extract(facts, '$.delta_version') DESC, id",
                (kind.value,),
            ):
                yield {"id": identity, "kind": kind.value, **json.loads(facts)}

    def edges(self, *links: Link) -> Iterator[dict[str, Any]]:
        """The edges of these kinds, or all: ``{"from", "to", "kind", …facts}``."""
        kinds = json.dumps([link.value for link in links or Link])
        for source, target, kind, facts in self._database.execute(
            "SELECT source, target, kind, facts FROM edges"
            " WHERE kind IN (SELECT value FROM json_each(?)) ORDER BY source, target",
            (kinds,),
        ):
            yield {"from": source, "to": target, "kind": kind, **json.loads(facts)}

    def objects_of(self, table: str, limit: int) -> tuple[int, list[dict[str, Any]]]:
        """The number of object versions in a table's manifests, and those of the newest runs."""
        self._database.execute("CREATE INDEX IF NOT EXISTS edges_by_target ON edges (target)")
        found = (
            "FROM nodes v JOIN edges p ON p.target = v.id JOIN edges o ON o.target = p.source"
            " JOIN nodes n ON n.id = o.source WHERE json_extract(v.facts, '$.table') = ?"
            " AND p.kind = 'processed' AND o.kind = 'named'"
        )
        (count,) = self._database.execute(f"SELECT count(DISTINCT n.id) {found}", (table,)).fetchone()
        newest = self._database.execute(
            f"SELECT n.id, n.facts {found} GROUP BY n.id"
            " ORDER BY max(json_extract(v.facts, '$.delta_version')) DESC, n.id LIMIT ?",
            (table, limit),
        )
        return int(count), [
            {"id": identity, "kind": Kind.OBJECT.value, **json.loads(facts)} for identity, facts in newest
        ]
