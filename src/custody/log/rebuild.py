"""A log's tree, built again from its entries: which stored part is not what the checkpoint names, and where.

Bundles may come in any order and from several processes; of each only its root is kept (32 bytes for 256
entries), so a log of any size is checked in little memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from custody.errors import EvidenceError
from custody.findings import Status
from custody.log.merkle import EMPTY_ROOT, HASH_BYTES, leaf_hash, node_hash, root_of
from custody.log.tiles import CHECKPOINT, TILE_HEIGHT, TILE_WIDTH, entries_path, tile_path, tile_widths
from custody.log.tree import AbsentError, Tree

_MOST_PLACES = 100
"""So many wrong places of one kind are named; of more, their number."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A part of a log that is not as it must be."""

    path: str
    """In the log."""
    status: Status
    detail: str
    """A sentence, with the place in it."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What one bundle and its tile give."""

    index: int
    root: bytes | None = None
    """Over the entries; ``None`` if they cannot be read, or were not."""
    tile_root: bytes | None = None
    """Over the hashes in the tile; ``None`` if it cannot be read."""
    ends: Mapping[int, bytes] = field(default_factory=dict)
    """For sizes of the log that end in the bundle: the root over its entries up to there."""
    tile_ends: Mapping[int, bytes] = field(default_factory=dict)
    """The same, over the tile's hashes."""
    differing: tuple[tuple[int, int], ...] = ()
    """Leaves whose entry does not have the hash in the tile, each with its byte in the bundle."""
    problems: tuple[Problem, ...] = ()


def read_bundle(
    tree: Tree, index: int, sizes: Collection[int] = (), *, with_entries: bool = True
) -> tuple[Bundle, list[bytes] | None, list[bytes]]:
    """Read a bundle with its tile, and compare them; also the entries, and the hashes of the leaves.

    ``sizes`` are sizes of the log that end in the bundle. The hashes are the entries', or the tile's where
    there are no entries. Raises what the tree's ``fetch`` raises, but for what is not there.
    """
    problems: list[Problem] = []
    tile: list[bytes] | None = None
    entries: list[bytes] | None = None
    width = min(TILE_WIDTH, tree.size - index * TILE_WIDTH)
    try:
        data = tree.tile(0, index)
        tile = [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]
    except (AbsentError, EvidenceError) as error:
        problems.append(_lost(tile_path(0, index, width), error))
    if with_entries:
        try:
            entries = tree.entries(index)
        except (AbsentError, EvidenceError) as error:
            problems.append(_lost(entries_path(index, width), error))
    hashes = None if entries is None else [leaf_hash(entry) for entry in entries]
    root = None if hashes is None else root_of(hashes)
    bundle = Bundle(
        index,
        root=root,
        tile_root=None if tile is None else root if tile == hashes else root_of(tile),
        ends=_ends(hashes or [], sizes),
        tile_ends=_ends(tile or [], sizes),
        differing=_differing(index, entries, hashes, tile),
        problems=tuple(problems),
    )
    return bundle, entries, hashes or tile or []


class Rebuild:
    """Collects the bundles of a log, then finds what does not belong to the tree with this root.

    ``tree`` reads the stored tiles at the checkpoint's size.
    """

    def __init__(self, tree: Tree, root: bytes) -> None:
        self._tree = tree
        self._root = root
        self._count = -(-tree.size // TILE_WIDTH)
        self._full = tree.size // TILE_WIDTH
        self._rows = [bytearray(HASH_BYTES * self._count)]
        self._ends: dict[int, bytes] = {}
        self._suspects: dict[int, Bundle] = {}
        """Bundles that do not agree with their tile."""
        self._lost: set[int] = set()
        """Bundles of which neither entries nor tile can be read."""
        self._seen = 0
        self.is_right = False
        """Whether the entries have the checkpoint's root; known after ``problems``."""
        self.wrong: set[int] = set()
        """Bundles whose entries are not those of the tree; known after ``problems``."""

    def add(self, bundle: Bundle) -> None:
        """Add one bundle; each comes once."""
        self._seen += 1
        chosen = bundle.root or bundle.tile_root
        if chosen is None:
            self._lost.add(bundle.index)
            return
        if bundle.root and bundle.tile_root and bundle.root != bundle.tile_root:
            self._suspects[bundle.index] = bundle
        self._set(bundle.index, chosen)
        self._ends.update(bundle.ends or bundle.tile_ends)

    def problems(self) -> Iterator[Problem]:
        """What is wrong with entries and tiles, once every bundle was added.

        Raises what the tree's ``fetch`` raises, but for what is not there.
        """
        if self._lost or self._seen < self._count:
            yield from self._settle_without_root()
            return
        if self.root_at(self._tree.size) != self._root:
            self._believe_tiles()
        self.is_right = self.root_at(self._tree.size) == self._root
        for bundle in self._suspects.values():
            yield from self._judge(bundle)
        located = False
        for problem in self._compare_tiles():
            located = True
            yield problem
        if not self.is_right:
            where = " (see the places that differ)" if located or self._suspects else ""
            detail = f"The log's {self._tree.size} entries do not have the root that it names{where}."
            yield Problem(CHECKPOINT, Status.FAILED, detail)

    def root_at(self, size: int) -> bytes | None:
        """The root over the first ``size`` entries, for the tree's size and those given to ``read_bundle``.

        ``None`` if one of them cannot be read.
        """
        full, rest = divmod(size, TILE_WIDTH)
        if not size:
            return EMPTY_ROOT
        if any(index <= full - (not rest) for index in self._lost):
            return None
        parts: list[bytes] = []
        at = 0
        for level in reversed(range(full.bit_length())):
            if full >> level & 1:
                parts.append(self._subtree(level, at >> level))
                at += 1 << level
        if rest:
            last = self._row(0, full) if size == self._tree.size else self._ends.get(size)
            if last is None:
                return None
            parts.append(last)
        root = parts.pop()
        while parts:
            root = node_hash(parts.pop(), root)
        return root

    def _believe_tiles(self) -> None:
        """For bundles that do not agree with their tile, take the side that the tile above them takes."""
        for index, bundle in self._suspects.items():
            if bundle.tile_root is None:
                continue
            before = self._row(0, index)
            if index < self._full:
                is_tile = self._named_above(index) == bundle.tile_root
            else:
                self._set(index, bundle.tile_root)
                is_tile = self.root_at(self._tree.size) == self._root
            self._set(index, bundle.tile_root if is_tile else before)
            if is_tile:
                self.wrong.add(index)
                self._ends.update(bundle.tile_ends)

    def _named_above(self, index: int) -> bytes:
        """The root of a full bundle in the tile above it; empty if that cannot be read."""
        try:
            tile = self._tree.tile(1, index // TILE_WIDTH)
        except (AbsentError, EvidenceError):
            return b""
        at = index % TILE_WIDTH * HASH_BYTES
        return tile[at : at + HASH_BYTES]

    def _judge(self, bundle: Bundle) -> Iterator[Problem]:
        """The leaves at which a bundle and its tile differ, as problems of the one that is wrong."""
        width = min(TILE_WIDTH, self._tree.size - bundle.index * TILE_WIDTH)
        bundle_path, path = entries_path(bundle.index, width), tile_path(0, bundle.index, width)
        for leaf, byte in bundle.differing[:_MOST_PLACES]:
            if bundle.index in self.wrong:
                detail = f"Leaf {leaf} (byte {byte}): the entry is not the one that was sealed."
                yield Problem(bundle_path, Status.FAILED, detail)
            else:
                at = leaf % TILE_WIDTH * HASH_BYTES
                detail = f"Leaf {leaf} (byte {at}): the hash is not that of its entry."
                yield Problem(path, Status.FAILED, detail)
        if more := len(bundle.differing[_MOST_PLACES:]):
            where = bundle_path if bundle.index in self.wrong else path
            yield Problem(where, Status.FAILED, f"{more} more of its leaves are not what was sealed.")

    def _compare_tiles(self) -> Iterator[Problem]:
        """Where the stored tiles above the leaves differ from what the entries give."""
        named = 0
        for level in range(1, self._levels()):
            for index, width in tile_widths(self._tree.size, level):
                path = tile_path(level, index, width)
                try:
                    tile = self._tree.tile(level, index)
                except (AbsentError, EvidenceError) as error:
                    yield _lost(path, error)
                    continue
                for at in range(width):
                    number = index * TILE_WIDTH + at
                    if tile[at * HASH_BYTES : (at + 1) * HASH_BYTES] == self._tile_hash(level, number):
                        continue
                    named += 1
                    if named > _MOST_PLACES:
                        return
                    yield self._misnamed(path, level, number, at)

    def _misnamed(self, path: str, level: int, number: int, at: int) -> Problem:
        span = TILE_WIDTH**level
        leaves = f"leaves {number * span} to {(number + 1) * span - 1}"
        if self.is_right or level > 1:
            detail = f"Hash {at} (byte {at * HASH_BYTES}) is not that of the {leaves}."
            return Problem(path, Status.FAILED, detail)
        self.wrong.add(number)
        detail = f"The {leaves} are not what the tree has for them ({path}, hash {at})."
        return Problem(entries_path(number), Status.FAILED, detail)

    def _settle_without_root(self) -> Iterator[Problem]:
        """Judge bundles by the tiles above them, where some bundles are gone and there is no root."""
        for index, bundle in self._suspects.items():
            if index < self._full and self._named_above(index) == bundle.tile_root:
                self.wrong.add(index)
            yield from self._judge(bundle)

    def _levels(self) -> int:
        levels = 1
        while self._tree.size >> (TILE_HEIGHT * levels):
            levels += 1
        return levels

    def _tile_hash(self, level: int, number: int) -> bytes:
        """The hash that a tile of ``level`` has at ``number``: over ``256 ** level`` leaves."""
        return self._subtree(TILE_HEIGHT * (level - 1), number)

    def _subtree(self, height: int, index: int) -> bytes:
        """The root over ``1 << height`` full bundles."""
        while len(self._rows) <= height:
            below = self._rows[-1]
            self._rows.append(
                bytearray(
                    b"".join(
                        node_hash(bytes(below[at : at + HASH_BYTES]), bytes(below[at + HASH_BYTES : at + 64]))
                        for at in range(0, len(below) // 64 * 64, 64)
                    )
                )
            )
        return self._row(height, index)

    def _row(self, height: int, index: int) -> bytes:
        return bytes(self._rows[height][index * HASH_BYTES : (index + 1) * HASH_BYTES])

    def _set(self, index: int, root: bytes) -> None:
        del self._rows[1:]
        self._rows[0][index * HASH_BYTES : (index + 1) * HASH_BYTES] = root


def _lost(path: str, error: AbsentError | EvidenceError) -> Problem:
    if isinstance(error, AbsentError):
        return Problem(path, Status.MISSING, "It is gone, and the checkpoint names what was in it.")
    return Problem(path, Status.FAILED, error.message)


def _ends(hashes: list[bytes], sizes: Collection[int]) -> dict[int, bytes]:
    return {size: root_of(hashes[: size % TILE_WIDTH]) for size in sizes if hashes and size % TILE_WIDTH}


def _differing(
    index: int, entries: list[bytes] | None, hashes: list[bytes] | None, tile: list[bytes] | None
) -> tuple[tuple[int, int], ...]:
    if entries is None or hashes is None or tile is None or hashes == tile:
        return ()
    found, byte = [], 0
    for position, (entry, one, other) in enumerate(zip(entries, hashes, tile, strict=True)):
        if one != other:
            found.append((index * TILE_WIDTH + position, byte))
        byte += 2 + len(entry)
    return tuple(found)
