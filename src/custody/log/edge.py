"""The right edge of a log's tree: all that is needed to append to it.

That is the entries of its last bundle and the hashes of the last tile of each level, unless these are full.
"""

from __future__ import annotations

from collections.abc import Sequence

from custody.log.merkle import EMPTY_ROOT, HASH_BYTES, leaf_hash, root_of
from custody.log.tiles import TILE_HEIGHT, TILE_WIDTH, entries_path, pack_entries, tile_path
from custody.log.tree import Tree


class Edge:
    """The right edge of a tree; ``append`` moves it."""

    def __init__(self) -> None:
        self.size = 0
        self._entries: list[bytes] = []
        self._rows: list[list[bytes]] = []

    @classmethod
    def read(cls, tree: Tree) -> Edge:
        """The edge of a stored tree. Raises what ``Tree`` raises; compare its ``root``."""
        edge = cls()
        edge.size = size = tree.size
        if size % TILE_WIDTH:
            edge._entries = tree.entries(size // TILE_WIDTH)
        level = 0
        while count := size >> (TILE_HEIGHT * level):
            tile = tree.tile(level, count // TILE_WIDTH) if count % TILE_WIDTH else b""
            edge._rows.append([tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)])
            level += 1
        return edge

    @property
    def has_its_entries(self) -> bool:
        """Whether the entries of the last bundle are those that the last tile has the hashes of."""
        return [leaf_hash(entry) for entry in self._entries] == (self._rows[0] if self._rows else [])

    @property
    def root(self) -> bytes:
        """The root of the tree (RFC 6962 section 2.1)."""
        root: bytes | None = None
        for row in self._rows:
            if parts := [*row, *([] if root is None else [root])]:
                root = root_of(parts)
        return EMPTY_ROOT if root is None else root

    def append(self, entries: Sequence[bytes]) -> dict[str, bytes]:
        """Append entries; return the bundles and tiles that are new, by their path in the log."""
        written: dict[str, bytes] = {}
        index, self._entries = self.size // TILE_WIDTH, [*self._entries, *entries]
        while len(self._entries) >= TILE_WIDTH:
            written[entries_path(index)] = pack_entries(self._entries[:TILE_WIDTH])
            index, self._entries = index + 1, self._entries[TILE_WIDTH:]
        if self._entries:
            written[entries_path(index, len(self._entries))] = pack_entries(self._entries)
        level, hashes = 0, [leaf_hash(entry) for entry in entries]
        while hashes:
            if level == len(self._rows):
                self._rows.append([])
            row, index = self._rows[level] + hashes, self.size >> (TILE_HEIGHT * (level + 1))
            hashes = []
            full = len(row) // TILE_WIDTH * TILE_WIDTH
            for at in range(0, full, TILE_WIDTH):
                tile = row[at : at + TILE_WIDTH]
                written[tile_path(level, index)] = b"".join(tile)
                hashes.append(root_of(tile))
                index += 1
            if last := row[full:]:
                written[tile_path(level, index, len(last))] = b"".join(last)
            self._rows[level] = last
            level += 1
        self.size += len(entries)
        return written
