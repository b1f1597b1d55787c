"""A stored log, read: hashes from its tiles, entries from its bundles.

Only a function that fetches a path is needed, so a folder, a bucket and a web server are read alike.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from custody.errors import CannotCheckError, EvidenceError
from custody.log.merkle import HASH_BYTES, prove_consistency, prove_inclusion, root_at, root_of
from custody.log.tiles import TILE_HEIGHT, TILE_WIDTH, entries_path, tile_path, unpack_entries

Fetch = Callable[[str], bytes]
"""The bytes at a path of the log. Raises ``AbsentError`` if there is nothing."""

_TILES_KEPT = 4096
"""32 MiB of hashes."""


class AbsentError(CannotCheckError):
    """There is nothing at a path of the log."""


class Tree:
    """The tree of a log at a size that a checkpoint names. Nothing read is believed: compare its root.

    A partial tile or bundle may be gone once the full one is there (tlog-tiles, "Partial tiles"), which is
    read instead.
    """

    def __init__(self, fetch: Fetch, size: int) -> None:
        self._fetch = fetch
        self.size = size
        self._tiles: OrderedDict[tuple[int, int], bytes] = OrderedDict()

    def subtree(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree (``custody.log.merkle.Subtree``)."""
        row, height = divmod(level, TILE_HEIGHT)
        first = index << height
        tile = self.tile(row, first // TILE_WIDTH)
        start = first % TILE_WIDTH * HASH_BYTES
        hashes = tile[start : start + (HASH_BYTES << height)]
        return root_of([hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)])

    def root(self, size: int | None = None) -> bytes:
        """The root at this size, or at an earlier one."""
        return root_at(self.size if size is None else size, self.subtree)

    def inclusion(self, index: int) -> list[bytes]:
        """The proof that the leaf at ``index`` is in the tree."""
        return prove_inclusion(index, self.size, self.subtree)

    def consistency(self, old: int) -> list[bytes]:
        """The proof that the tree begins with that of the first ``old`` leaves."""
        return prove_consistency(old, self.size, self.subtree)

    def tile(self, level: int, index: int) -> bytes:
        """The hashes of one tile. Raises ``AbsentError``, or ``EvidenceError`` if its length is wrong."""
        if (level, index) in self._tiles:
            self._tiles.move_to_end((level, index))
            return self._tiles[level, index]
        width = self._width(level, index)
        try:
            tile = self._fetch(tile_path(level, index, width))
        except AbsentError:
            if width == TILE_WIDTH:
                raise
            tile = self._fetch(tile_path(level, index))[: width * HASH_BYTES]
        if len(tile) != width * HASH_BYTES:
            raise EvidenceError(f"{tile_path(level, index, width)} does not hold {width} hashes.")
        self._tiles[level, index] = tile
        if len(self._tiles) > _TILES_KEPT:
            self._tiles.popitem(last=False)
        return tile

    def entries(self, index: int) -> list[bytes]:
        """The entries of the bundle at ``index``, as many as the tree has.

        Raises ``AbsentError``, or ``EvidenceError`` if it is not such a bundle.
        """
        width = self._width(0, index)
        try:
            return unpack_entries(self._fetch(entries_path(index, width)), width)
        except AbsentError:
            if width == TILE_WIDTH:
                raise
            return unpack_entries(self._fetch(entries_path(index)), TILE_WIDTH)[:width]

    def _width(self, level: int, index: int) -> int:
        return min(TILE_WIDTH, (self.size >> (TILE_HEIGHT * level)) - index * TILE_WIDTH)
