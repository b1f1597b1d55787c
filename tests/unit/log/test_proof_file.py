"""Proof files (C2SP tlog-proof)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from custody.errors import EvidenceError
from custody.log.policy import Policy
from custody.log.proof_file import ProofFile, parse_proof_file
from custody.log.tree import Tree
from tests.support.small_log import MemoryLog, NoteSigner, flips

EXAMPLE = json.loads((Path(__file__).parents[2] / "vectors" / "proof_file.json").read_text(encoding="utf-8"))
ENTRIES = [b"entry %d" % number for number in range(300)]
LOG = MemoryLog()
NOTE = LOG.extend(ENTRIES)
TREE = Tree(LOG.fetch, len(ENTRIES))
POLICY = Policy([LOG.signer.key])


def proof_of(index: int, extra: bytes | None = None) -> ProofFile:
    return ProofFile(index, tuple(TREE.inclusion(index)), NOTE, extra)


def test_the_form_is_that_of_the_specification() -> None:
    data = "".join(f"{line}\n" for line in EXAMPLE["lines"]).encode()
    proof = parse_proof_file(data)

    assert (proof.index, len(proof.path)) == (EXAMPLE["index"], EXAMPLE["steps"])
    assert proof.checkpoint.text.split("\n")[0] == EXAMPLE["origin"]
    assert proof.extra == EXAMPLE["extra"].encode()
    assert proof.to_bytes() == data


@pytest.mark.parametrize("index", [0, 1, 255, 256, 299])
@pytest.mark.parametrize("extra", [None, b"", b"anything"])
def test_a_proof_is_read_as_it_was_written_and_verifies(index: int, extra: bytes | None) -> None:
    proof = parse_proof_file(proof_of(index, extra).to_bytes())
    assert proof == proof_of(index, extra)
    judged = proof.verify(ENTRIES[index], POLICY)
    assert (judged.checkpoint.size, judged.log_keys) == (300, (LOG.signer.key,))


def test_a_log_of_one_entry() -> None:
    log = MemoryLog()
    proof = ProofFile(0, (), log.extend([b"alone"]))
    assert parse_proof_file(proof.to_bytes()).verify(b"alone", Policy([log.signer.key])).checkpoint.size == 1


def test_every_byte_of_a_proof_file_counts() -> None:
    for changed in flips(proof_of(7).to_bytes()):
        with pytest.raises(EvidenceError):
            parse_proof_file(changed).verify(ENTRIES[7], POLICY)


def test_a_proof_is_of_one_entry_place_and_log() -> None:
    proof = proof_of(7)
    with pytest.raises(EvidenceError, match="does not lead to the root"):
        proof.verify(ENTRIES[8], POLICY)
    with pytest.raises(EvidenceError, match="does not lead to the root"):
        replace(proof, index=6).verify(ENTRIES[7], POLICY)
    with pytest.raises(EvidenceError, match="no known key"):
        proof.verify(ENTRIES[7], Policy([NoteSigner().key]))


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("@v1", "@v2", "not of the type"),
        ("\n\n", "\n", "ends before its checkpoint|no signatures|SHA-256|base64"),
        ("index 7", "index 07", "no index"),
        ("index 7", "index -1", "no index"),
        ("index 7", "index 99999999999999999999", "no index"),
        ("index 7", "extra AAAA", "no index"),
        ("index 7", "extra ****\nindex 7", "not base64"),
        ("index 7", "index 7\nAAAA", "not a SHA-256"),
        ("index 7", "index 7" + "\n" + "A" * 43 + "=" + ("\n" + "A" * 43 + "=") * 63, "over the limit of 63"),
        ("index 7", "index 7\né", "not text"),
    ],
)
def test_what_is_no_proof_file_is_refused(before: str, after: str, words: str) -> None:
    data = proof_of(7).to_bytes().decode().replace(before, after, 1).encode()
    with pytest.raises(EvidenceError, match=words):
        parse_proof_file(data)


def test_a_file_that_is_far_too_long_is_refused() -> None:
    with pytest.raises(EvidenceError, match="over the limit"):
        parse_proof_file(bytes(1_000_000))
