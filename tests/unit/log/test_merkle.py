"""The tree and its proofs, against an independent implementation and with everything wrong that can be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scitt_cose import merkle as other

from custody.errors import EvidenceError
from custody.log.merkle import (
    EMPTY_ROOT,
    leaf_hash,
    node_hash,
    prove_consistency,
    prove_inclusion,
    prove_leaves,
    root_at,
    root_of,
    verify_consistency,
    verify_inclusion,
    verify_leaves,
)
from tests.support.small_log import flips, subtrees_of

ENTRIES = [b"entry %d" % number for number in range(70)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
HEX = [entry.hex() for entry in ENTRIES]
SUBTREES = subtrees_of(LEAVES)
ROOTS = [root_of(LEAVES[:size]) for size in range(len(LEAVES) + 1)]

sizes = st.integers(1, len(LEAVES))


def hexadecimal(path: list[bytes]) -> list[str]:
    return [step.hex() for step in path]


def test_every_proof_of_inclusion_is_that_of_another_implementation() -> None:
    for size in range(1, 40):
        assert ROOTS[size].hex() == other.merkle_root(HEX[:size])
        for index in range(size):
            path = prove_inclusion(index, size, SUBTREES)
            verify_inclusion(index, size, LEAVES[index], path, ROOTS[size])
            assert hexadecimal(path) == other.inclusion_proof(HEX[:size], index)


def test_every_proof_of_consistency_is_that_of_another_implementation() -> None:
    for new in range(1, 40):
        for old in range(1, new + 1):
            path = prove_consistency(old, new, SUBTREES)
            verify_consistency(old, new, ROOTS[old], ROOTS[new], path)
            assert hexadecimal(path) == other.consistency_proof(HEX[:new], old, new)


@given(sizes)
def test_the_root_from_subtrees_is_the_root_from_leaves(size: int) -> None:
    assert root_at(size, SUBTREES) == ROOTS[size]


def test_the_tree_without_leaves() -> None:
    assert root_of([]) == root_at(0, SUBTREES) == EMPTY_ROOT
    assert prove_consistency(0, 5, SUBTREES) == []
    verify_consistency(0, 5, EMPTY_ROOT, ROOTS[5], [])
    verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    with pytest.raises(EvidenceError, match="without entries is wrong"):
        verify_consistency(0, 5, ROOTS[1], ROOTS[5], [])
    with pytest.raises(EvidenceError, match="too long"):
        verify_consistency(0, 5, EMPTY_ROOT, ROOTS[5], [ROOTS[1]])


@given(st.data(), sizes)
def test_a_wrong_inclusion_proof_is_refused(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    path = prove_inclusion(index, size, SUBTREES)
    leaf, root = LEAVES[index], ROOTS[size]
    wrong = [
        (index, size, node_hash(leaf, leaf), path, root),
        (index, size, leaf, path, node_hash(root, root)),
        (index, size, leaf, [*path, root], root),
        (size, size, leaf, path, root),
        (-1, size, leaf, path, root),
    ]
    if path:
        place = data.draw(st.integers(0, len(path) - 1))
        wrong += [
            (index, size, leaf, path[:-1], root),
            (index, size, leaf, [*path[:place], ROOTS[0], *path[place + 1 :]], root),
            (index ^ 1, size, leaf, path, root),
        ]
    for case in wrong:
        with pytest.raises(EvidenceError):
            verify_inclusion(*case)


@given(st.data(), st.integers(2, len(LEAVES)))
def test_a_wrong_consistency_proof_is_refused(data: st.DataObject, new: int) -> None:
    old = data.draw(st.integers(1, new - 1))
    path = prove_consistency(old, new, SUBTREES)
    place = data.draw(st.integers(0, len(path) - 1))
    wrong = [
        (ROOTS[old], ROOTS[new], path[:-1]),
        (ROOTS[old], ROOTS[new], [*path, ROOTS[0]]),
        (ROOTS[old], ROOTS[new], []),
        (ROOTS[old], ROOTS[new], [*path[:place], ROOTS[0], *path[place + 1 :]]),
        (ROOTS[0], ROOTS[new], path),
        (ROOTS[old], ROOTS[0], path),
    ]
    for case in wrong:
        with pytest.raises(EvidenceError):
            verify_consistency(old, new, *case)


def test_a_proof_is_of_one_size_only() -> None:
    """The root and size of a checkpoint are signed together, but a proof must not depend on that."""
    with pytest.raises(EvidenceError, match="too short"):
        verify_inclusion(1, 3, LEAVES[1], prove_inclusion(1, 2, SUBTREES), ROOTS[2])
    with pytest.raises(EvidenceError, match="too short"):
        verify_consistency(1, 3, ROOTS[1], ROOTS[2], prove_consistency(1, 2, SUBTREES))
    with pytest.raises(EvidenceError, match="too long"):
        verify_inclusion(1, 2, LEAVES[1], prove_inclusion(1, 3, SUBTREES), ROOTS[3])


def test_a_log_does_not_shrink_and_does_not_fork() -> None:
    with pytest.raises(EvidenceError, match="has 4 entries and had 5"):
        verify_consistency(5, 4, ROOTS[5], ROOTS[4], [])
    with pytest.raises(EvidenceError, match="two different logs of 5"):
        verify_consistency(5, 5, ROOTS[5], ROOTS[4], [])


@given(st.data(), sizes)
def test_any_leaves_lead_to_the_root_and_nothing_else_does(data: st.DataObject, size: int) -> None:
    indices = sorted(data.draw(st.sets(st.integers(0, size - 1), min_size=1)))
    leaves = {index: LEAVES[index] for index in indices}
    hashes = prove_leaves(indices, size, SUBTREES)
    verify_leaves(leaves, size, hashes, ROOTS[size])
    assert len(hashes) <= sum(len(prove_inclusion(index, size, SUBTREES)) for index in indices)
    other = data.draw(st.sampled_from(indices))
    wrong = [
        (leaves | {other: leaf_hash(b"other")}, size, hashes),
        ({index: leaf for index, leaf in leaves.items() if index != other}, size, hashes),
        (leaves | {size: LEAVES[0]}, size, hashes),
        (leaves, size, [*hashes, LEAVES[0]]),
    ]
    wrong += [(leaves, size, hashes[:-1])] if hashes else []
    for case in wrong:
        with pytest.raises(EvidenceError):
            verify_leaves(*case, ROOTS[size])


def test_the_proof_of_one_leaf_has_the_hashes_of_its_inclusion_proof() -> None:
    for size in range(1, 40):
        for index in range(size):
            found = prove_leaves([index], size, SUBTREES)
            assert sorted(found) == sorted(prove_inclusion(index, size, SUBTREES))


def test_every_byte_of_a_proof_counts() -> None:
    path = prove_inclusion(37, 70, SUBTREES)
    consistency = prove_consistency(37, 70, SUBTREES)
    for joined, check in (
        (b"".join(path), lambda steps: verify_inclusion(37, 70, LEAVES[37], steps, ROOTS[70])),
        (b"".join(consistency), lambda steps: verify_consistency(37, 70, ROOTS[37], ROOTS[70], steps)),
    ):
        for changed in flips(joined):
            with pytest.raises(EvidenceError):
                check([changed[at : at + 32] for at in range(0, len(changed), 32)])
