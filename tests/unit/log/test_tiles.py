"""Tiles and bundles, and the tree that is read from them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.errors import EvidenceError
from custody.log.checkpoint import parse_checkpoint
from custody.log.merkle import leaf_hash, root_of, verify_consistency, verify_inclusion
from custody.log.note import parse_note
from custody.log.tiles import CHECKPOINT, entries_path, pack_entries, tile_path, tile_widths, unpack_entries
from custody.log.tree import AbsentError, Tree
from tests.support.small_log import MemoryLog

SIZES = [1, 2, 255, 256, 257, 511, 512, 700, 66000]
ENTRIES = [b"%d" % number for number in range(max(SIZES))]


@pytest.fixture(scope="module")
def log() -> MemoryLog:
    """A log that was published at each size, so that the tiles of all are there."""
    log = MemoryLog()
    for size in SIZES:
        log.extend(ENTRIES[len(log.entries) : size])
    return log


@given(st.lists(st.binary(max_size=300), max_size=256))
def test_a_bundle_is_read_as_it_was_written(entries: list[bytes]) -> None:
    data = pack_entries(entries)
    assert unpack_entries(data, len(entries)) == entries
    for wrong in (data + b"\x00", data + b"\x00\x00", data[:-1] if data else b"\x00"):
        with pytest.raises(EvidenceError, match=f"exactly {len(entries)} entries"):
            unpack_entries(wrong, len(entries))


def test_the_longest_entry() -> None:
    assert unpack_entries(pack_entries([bytes(65535), b""]), 2) == [bytes(65535), b""]


@pytest.mark.parametrize("size", SIZES)
def test_root_and_proofs_come_from_tiles(log: MemoryLog, size: int) -> None:
    tree = Tree(log.fetch, size)
    leaves = [leaf_hash(entry) for entry in ENTRIES[:size]]
    assert tree.root() == root_of(leaves)
    for index in {0, 1, size // 2, size - 2, size - 1} & set(range(size)):
        verify_inclusion(index, size, leaves[index], tree.inclusion(index), tree.root())
        assert tree.entries(index // 256)[index % 256] == ENTRIES[index]
    for old in {1, size // 2, size - 1, size} - {0}:
        verify_consistency(old, size, tree.root(old), tree.root(), tree.consistency(old))


def test_the_checkpoint_names_the_root(log: MemoryLog) -> None:
    found = parse_checkpoint(parse_note(log.fetch(CHECKPOINT)).text)
    assert (found.size, found.root) == (max(SIZES), Tree(log.fetch, max(SIZES)).root())


def test_a_full_tile_stands_in_for_a_partial_one(log: MemoryLog) -> None:
    files = {path: data for path, data in log.files.items() if ".p/" not in path}
    short = Tree(MemoryLog(files=files).fetch, 255)
    assert short.root() == root_of([leaf_hash(entry) for entry in ENTRIES[:255]])
    assert short.entries(0) == ENTRIES[:255]


def test_what_is_missing_or_cut_is_told(log: MemoryLog) -> None:
    for level, path in ((0, tile_path(0, 0)), (1, tile_path(1, 0))):
        without = MemoryLog(files={name: data for name, data in log.files.items() if name != path})
        with pytest.raises(AbsentError, match=path):
            Tree(without.fetch, 66000).tile(level, 0)
        cut = MemoryLog(files=log.files | {path: log.files[path][:-1]})
        with pytest.raises(EvidenceError, match="does not hold 256 hashes"):
            Tree(cut.fetch, 66000).tile(level, 0)
    bundle = entries_path(0)
    cut = MemoryLog(files=log.files | {bundle: log.files[bundle][:-1]})
    with pytest.raises(EvidenceError, match="exactly 256 entries"):
        Tree(cut.fetch, 66000).entries(0)


@given(st.integers(0, 2**40), st.integers(0, 5))
def test_the_tiles_of_a_level_hold_its_hashes(size: int, level: int) -> None:
    count = size >> (8 * level)
    if count > 1_000_000:
        return
    tiles = list(tile_widths(size, level))
    assert sum(width for _, width in tiles) == count
    assert [index for index, _ in tiles] == list(range(len(tiles)))
    assert all(width == 256 for _, width in tiles[:-1])
    assert all(0 < width <= 256 for _, width in tiles[-1:])
