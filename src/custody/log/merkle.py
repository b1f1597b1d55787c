"""The Merkle tree of a log: its root, and what proves a leaf or an earlier tree.

Standard: RFC 6962 section 2.1 (the tree, as C2SP tlog-tiles requires it); the proofs, and the algorithms that
verify them, are those of RFC 9162 section 2.1.3 and 2.1.4, which has the same tree. Hashes are 32 bytes
(SHA-256), indices start from 0. It needs neither the leaves in memory nor a stored tree: whoever asks for a
proof brings a function that gives the hash of a complete subtree.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence

from custody.errors import EvidenceError

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256().digest()
"""The root of the tree without leaves."""

Subtree = Callable[[int, int], bytes]
"""The hash of the complete subtree at (``level``, ``index``): over ``1 << level`` leaves, from the leaf at
``index << level`` on. Level 0 are the leaves' hashes."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf: SHA-256 of 0x00 and the entry."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node: SHA-256 of 0x01 and its two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root over adjacent subtrees of one height, of which the last may be lower.

    With the leaves' hashes this is MTH of RFC 6962 section 2.1. Since a tree is split at a power of two, the
    subtrees of the same height can take the leaves' place.
    """
    if not hashes:
        return EMPTY_ROOT
    level = list(hashes)
    while len(level) > 1:
        paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            paired.append(level[-1])
        level = paired
    return level[0]


def root_at(size: int, subtree: Subtree) -> bytes:
    """The root of the tree with the first ``size`` leaves."""
    return _range_hash(0, size, subtree) if size else EMPTY_ROOT


def prove_inclusion(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """The path from the leaf at ``index`` to the root of the tree of ``size`` (RFC 9162 section 2.1.3.1).

    The leaf's sibling comes first; the leaf itself is not part of it. ``index`` is below ``size``.
    """
    low, high = 0, size
    path: list[bytes] = []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(_range_hash(middle, high, subtree))
            high = middle
        else:
            path.append(_range_hash(low, middle, subtree))
            low = middle
    return path[::-1]


def prove_consistency(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """The proof that the tree of ``new`` leaves begins with that of ``old`` (RFC 9162 section 2.1.4.1).

    Empty if ``old`` is 0 or ``new``; ``old`` is at most ``new``.
    """
    if old in (0, new):
        return []
    low, high = 0, new
    path: list[bytes] = []
    complete = True  # whether the old tree is exactly the subtree looked at, and so its hash is known
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            path.append(_range_hash(middle, high, subtree))
            high = middle
        else:
            path.append(_range_hash(low, middle, subtree))
            low, complete = middle, False
    if not complete:
        path.append(_range_hash(low, high, subtree))
    return path[::-1]


def prove_leaves(indices: Sequence[int], size: int, subtree: Subtree) -> list[bytes]:
    """What leads from these leaves, in order, to the root of the tree of ``size``.

    The hashes, from left to right, of the largest parts of the tree (RFC 6962 section 2.1) that have none of
    them: with the leaves themselves the root can be built, and every hash is needed once for all of them.
    """
    hashes: list[bytes] = []

    def walk(low: int, high: int, first: int, last: int) -> None:
        if first == last:
            hashes.append(_range_hash(low, high, subtree))
        elif high - low > 1:
            middle = low + _split(high - low)
            between = bisect_left(indices, middle, first, last)
            walk(low, middle, first, between)
            walk(middle, high, between, last)

    walk(0, size, 0, len(indices))
    return hashes


def verify_leaves(leaves: Mapping[int, bytes], size: int, hashes: Iterable[bytes], root: bytes) -> None:
    """Check that the leaves with these hashes are at these indices, by ``prove_leaves``' hashes.

    Raises ``EvidenceError``.
    """
    indices, rest = sorted(leaves), iter(hashes)
    if not indices or indices[-1] >= size:
        raise EvidenceError(f"There are no such leaves in a log of {size} entries.")

    def build(low: int, high: int, first: int, last: int) -> bytes:
        if first == last:
            if (found := next(rest, None)) is None:
                raise EvidenceError("The inclusion proof is too short.")
            return found
        if high - low == 1:
            return leaves[low]
        middle = low + _split(high - low)
        between = bisect_left(indices, middle, first, last)
        return node_hash(build(low, middle, first, between), build(middle, high, between, last))

    built = build(0, size, 0, len(indices))
    if next(rest, None) is not None:
        raise EvidenceError("The inclusion proof is too long.")
    if built != root:
        raise EvidenceError("The inclusion proof of the leaves does not lead to the root.")


def verify_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf with this hash is at ``index`` of the tree (RFC 9162 section 2.1.3.2).

    Raises ``EvidenceError``.
    """
    if not 0 <= index < size:
        raise EvidenceError(f"There is no leaf {index} in a log of {size} entries.")
    position, last, result = index, size - 1, leaf
    for step in path:
        if last == 0:
            raise EvidenceError("The inclusion proof is too long.")
        if position & 1 or position == last:
            result = node_hash(step, result)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            result = node_hash(result, step)
        position, last = position >> 1, last >> 1
    if last:
        raise EvidenceError("The inclusion proof is too short.")
    if result != root:
        raise EvidenceError(f"The inclusion proof of leaf {index} does not lead to the root.")


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> None:
    """Check that the tree of ``new`` leaves begins with that of ``old`` (RFC 9162 section 2.1.4.2).

    The empty tree is the beginning of every tree, and its root is known. Raises ``EvidenceError``.
    """
    if old in (0, new):
        _verify_extremes(old, new, old_root, new_root, path)
        return
    if old > new:
        raise EvidenceError(f"The log has {new} entries and had {old} before.")
    steps = list(path)
    if old & (old - 1) == 0:
        steps.insert(0, old_root)
    if not steps:
        raise EvidenceError("The consistency proof is too short.")
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    before = after = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise EvidenceError("The consistency proof is too long.")
        if position & 1 or position == last:
            before, after = node_hash(step, before), node_hash(step, after)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            after = node_hash(after, step)
        position, last = position >> 1, last >> 1
    if last:
        raise EvidenceError("The consistency proof is too short.")
    if before != old_root or after != new_root:
        raise EvidenceError(f"The log of {new} entries does not begin with that of {old}.")


def _verify_extremes(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> None:
    """``verify_consistency`` where no proof is needed: the empty tree, or the same size."""
    if path:
        raise EvidenceError("The consistency proof is too long.")
    if old == new and old_root != new_root:
        raise EvidenceError(f"There are two different logs of {new} entries.")
    if old == 0 and old_root != EMPTY_ROOT:
        raise EvidenceError("The root of the log without entries is wrong.")


def _split(count: int) -> int:
    """The largest power of two below ``count``."""
    return 1 << ((count - 1).bit_length() - 1)


def _range_hash(low: int, high: int, subtree: Subtree) -> bytes:
    """The hash over the leaves from ``low`` up to ``high``, where a split of the tree leads to."""
    parts: list[bytes] = []
    while low < high:
        count = high - low
        size = count if count & (count - 1) == 0 else _split(count)
        parts.append(subtree(size.bit_length() - 1, low // size))
        low += size
    result = parts.pop()
    while parts:
        result = node_hash(parts.pop(), result)
    return result
