"""Published examples of the log's formats: Merkle trees and proofs, signed notes, checkpoints, tile paths."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from custody.log.checkpoint import Checkpoint, parse_checkpoint
from custody.log.cosignature import cosigned_message
from custody.log.merkle import (
    leaf_hash,
    prove_consistency,
    prove_inclusion,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from custody.log.note import Algorithm, parse_note, parse_verifier_key
from custody.log.note_keys import verify_note
from custody.log.tiles import entries_path, tile_path, tile_widths
from tests.support.small_log import subtrees_of

HERE = Path(__file__).parent


def load(name: str) -> Any:
    return json.loads((HERE / name).read_text(encoding="utf-8"))


TREES = load("merkle_trees.json")
LEAVES = [leaf_hash(bytes.fromhex(entry)) for entry in TREES["entries"]]
ROOTS = [bytes.fromhex(root) for root in TREES["roots"]]
NOTES = load("notes.json")


def note_of(example: dict[str, Any]) -> bytes:
    return (example["text"] + "\n" + "".join(f"{line}\n" for line in example["signatures"])).encode()


def path_of(example: dict[str, Any]) -> list[bytes]:
    return [bytes.fromhex(step) for step in example["path"]]


def test_the_roots_of_the_reference_tree() -> None:
    assert [root_of(LEAVES[:size]) for size in range(len(LEAVES) + 1)] == ROOTS


@pytest.mark.parametrize(
    "example", TREES["inclusion"], ids=lambda example: f"{example['index']}of{example['size']}"
)
def test_inclusion_proofs_of_the_reference_tree(example: dict[str, Any]) -> None:
    index, size = example["index"], example["size"]
    assert prove_inclusion(index, size, subtrees_of(LEAVES)) == path_of(example)
    verify_inclusion(index, size, LEAVES[index], path_of(example), ROOTS[size])


@pytest.mark.parametrize(
    "example", TREES["consistency"], ids=lambda example: f"{example['old']}to{example['new']}"
)
def test_consistency_proofs_of_the_reference_tree(example: dict[str, Any]) -> None:
    old, new = example["old"], example["new"]
    assert prove_consistency(old, new, subtrees_of(LEAVES)) == path_of(example)
    verify_consistency(old, new, ROOTS[old], ROOTS[new], path_of(example))


@pytest.mark.parametrize("name", ["signed", "signed_by_name"])
def test_signed_notes_verify(name: str) -> None:
    example = NOTES[name]
    keys = [parse_verifier_key(text) for text in example["keys"]]
    note = parse_note(note_of(example))

    assert note.text == example["text"]
    assert [signed.key for signed in verify_note(note, keys)] == keys
    assert note.to_bytes() == note_of(example)
    assert [key.to_verifier_key() for key in keys] == example["keys"]


def test_a_text_may_have_empty_lines() -> None:
    example = NOTES["empty_lines"]
    note = parse_note(note_of(example))

    assert note.text == example["text"]
    assert [line.name for line in note.signatures] == ["quasimodo.example/salvatore"]


def test_the_cosigned_checkpoint() -> None:
    example = NOTES["cosigned_checkpoint"]
    expected = Checkpoint(example["origin"], example["size"], b64decode(example["root"]))
    note = parse_note(note_of(example | {"text": expected.to_text()}))

    assert parse_checkpoint(note.text) == expected
    log, witness = note.signatures
    assert (log.name, witness.name) == (example["origin"], "witness.example.com/w1")
    assert int.from_bytes(witness.signature[:8]) == example["seconds"]
    assert len(witness.signature) == 8 + 64
    assert cosigned_message(note.text, example["seconds"]) == example["cosigned"].encode()


def test_the_key_of_a_cosigner() -> None:
    key = parse_verifier_key(NOTES["cosigner_key"]["key"])
    assert (key.name, key.algorithm) == ("remora.n621.de", Algorithm.ED25519_COSIGNATURE)


def test_paths_of_tiles_and_bundles() -> None:
    examples = NOTES["tile_paths"]
    for tile in examples["tiles"]:
        assert tile_path(tile["level"], tile["index"], tile["width"]) == tile["path"]
    for bundle in examples["entries"]:
        assert entries_path(bundle["index"], bundle["width"]) == bundle["path"]


def test_the_tiles_of_a_log_of_seventy_thousand_entries() -> None:
    """tlog-tiles, "Merkle Tree": 273 full tiles and one of 112 hashes; one full and one of 17; one of 1."""
    size = NOTES["tile_paths"]["size"]
    assert list(tile_widths(size, 0)) == [(index, 256) for index in range(273)] + [(273, 112)]
    assert list(tile_widths(size, 1)) == [(0, 256), (1, 17)]
    assert list(tile_widths(size, 2)) == [(0, 1)]
    assert list(tile_widths(size, 3)) == []
