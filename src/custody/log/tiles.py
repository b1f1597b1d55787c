"""Where a log's parts are, and the form of its entries: C2SP tlog-tiles v0.1.0 (https://c2sp.org/tlog-tiles).

A tile holds 256 hashes of one level, and its root is one hash of the level eight above. A tile that is not
full yet is *partial*, under a name with its width. Paths are relative to the log's prefix.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from custody.errors import EvidenceError

CHECKPOINT = "checkpoint"
TILE_WIDTH = 256
TILE_HEIGHT = 8
MAX_ENTRY_BYTES = 2**16 - 1
_LENGTH_BYTES = 2


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """The path of a tile: ``tile/<level>/<index>``, and ``.p/<width>`` if it is partial."""
    return f"tile/{level}/{_numbered(index, width)}"


def entries_path(index: int, width: int = TILE_WIDTH) -> str:
    """The path of the bundle with the entries of the level-0 tile at ``index``."""
    return f"tile/entries/{_numbered(index, width)}"


def tile_widths(size: int, level: int) -> Iterator[tuple[int, int]]:
    """Index and width of each tile of a level in a log of ``size`` entries."""
    count = size >> (TILE_HEIGHT * level)
    for index in range(0, count, TILE_WIDTH):
        yield index // TILE_WIDTH, min(TILE_WIDTH, count - index)


def pack_entries(entries: Sequence[bytes]) -> bytes:
    """A bundle: each entry after its length in two bytes, big-endian. Entries are at most 65,535 bytes."""
    return b"".join(len(entry).to_bytes(_LENGTH_BYTES) + entry for entry in entries)


def unpack_entries(data: bytes, width: int) -> list[bytes]:
    """The ``width`` entries of a bundle. Raises ``EvidenceError``."""
    entries = []
    position, end = 0, len(data)
    while position < end:
        start = position + _LENGTH_BYTES
        position = start + int.from_bytes(data[position:start])
        entries.append(data[start:position])
    if position != end or len(entries) != width:
        raise EvidenceError(f"The bundle of {len(data)} bytes does not have exactly {width} entries.")
    return entries


def _numbered(index: int, width: int) -> str:
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[place : place + 3] for place in range(0, len(digits), 3)]
    path = "/".join([*("x" + group for group in groups[:-1]), groups[-1]])
    return path if width == TILE_WIDTH else f"{path}.p/{width}"
