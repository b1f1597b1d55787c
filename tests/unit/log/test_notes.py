"""Signed notes and their keys, of every type; checkpoints."""

from __future__ import annotations

import random

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from custody.errors import EvidenceError
from custody.log.checkpoint import Checkpoint, parse_checkpoint
from custody.log.merkle import EMPTY_ROOT
from custody.log.note import (
    MAX_NOTE_BYTES,
    Algorithm,
    Note,
    NoteKey,
    NoteSignature,
    parse_note,
    parse_verifier_key,
    verify_lines,
)
from custody.log.note_keys import (
    UncheckableKeyError,
    WrongNoteSignatureError,
    require_readable,
    verify_note,
)
from tests.support.small_log import ORIGIN, NoteSigner, flips, stranger

TEXT = Checkpoint(ORIGIN, 0, EMPTY_ROOT).to_text()
TYPES = [Algorithm.ED25519, Algorithm.ECDSA, Algorithm.ED25519_COSIGNATURE]
LOG, SECOND = NoteSigner(), NoteSigner(algorithm=Algorithm.ED25519)
WITNESS = NoteSigner("witness.example", Algorithm.ED25519_COSIGNATURE)
SIGNERS = [LOG, SECOND, WITNESS]
KEYS = [signer.key for signer in SIGNERS]


def signed_note(*signers: NoteSigner) -> Note:
    return Note(TEXT, tuple(signer.sign(TEXT) for signer in signers))


@pytest.mark.parametrize("algorithm", TYPES)
def test_a_signature_of_each_type_verifies(algorithm: Algorithm) -> None:
    signer = NoteSigner(algorithm=algorithm)
    [signed] = verify_note(parse_note(signed_note(signer).to_bytes()), [signer.key])
    assert signed.key == signer.key
    assert signed.seconds == (1_763_640_000 if algorithm is Algorithm.ED25519_COSIGNATURE else None)
    assert parse_verifier_key(signer.key.to_verifier_key()) == signer.key


@pytest.mark.parametrize("algorithm", TYPES)
def test_every_byte_of_a_note_counts(algorithm: Algorithm) -> None:
    signer = NoteSigner(algorithm=algorithm)
    for changed in flips(signed_note(signer).to_bytes()):
        with pytest.raises(EvidenceError):
            verify_note(parse_note(changed), [signer.key])


@given(st.integers())
def test_lines_of_unknown_keys_are_ignored_in_any_order(seed: int) -> None:
    chance = random.Random(seed)
    lines = [*signed_note(*SIGNERS).signatures, *(stranger(chance) for _ in range(chance.randrange(13)))]
    chance.shuffle(lines)
    note = parse_note(Note(TEXT, tuple(lines)).to_bytes())

    assert {signed.key for signed in verify_note(note, KEYS)} == set(KEYS)


@pytest.mark.parametrize("wrong", range(len(SIGNERS)))
def test_a_wrong_line_of_a_known_key_refuses_the_note(wrong: int) -> None:
    lines = [
        signer.sign("another text\n" if place == wrong else TEXT) for place, signer in enumerate(SIGNERS)
    ]
    note = Note(TEXT, tuple(lines))
    with pytest.raises(WrongNoteSignatureError):
        verify_note(note, KEYS)
    others = [key for place, key in enumerate(KEYS) if place != wrong]
    assert len(verify_note(note, others)) == 2


def test_a_note_that_no_known_key_has_signed_is_refused() -> None:
    with pytest.raises(EvidenceError, match=r"no known key \(witness.example\)"):
        verify_note(signed_note(LOG), [WITNESS.key])
    with pytest.raises(EvidenceError, match="none is known"):
        verify_note(signed_note(LOG), [])


def test_a_key_is_known_by_name_and_id_together() -> None:
    other_name = NoteSigner("another.example", Algorithm.ECDSA, ecdsa=LOG.ecdsa)
    assert other_name.key.key_id == LOG.key.key_id  # type 0x02: the id is of the key alone
    with pytest.raises(EvidenceError, match="no known key"):
        verify_note(signed_note(other_name), [LOG.key])
    assert (
        NoteSigner("another.example", Algorithm.ED25519, ed25519=SECOND.ed25519).key.key_id
        != SECOND.key.key_id
    )


def test_a_signature_is_of_one_type_only() -> None:
    """A log's Ed25519 line is no cosignature, and the other way round."""
    cosigner = NoteSigner(ORIGIN, Algorithm.ED25519_COSIGNATURE, ed25519=SECOND.ed25519)
    assert cosigner.key.key_id != SECOND.key.key_id
    line = SECOND.sign(TEXT)
    claimed = Note(TEXT, (NoteSignature(ORIGIN, cosigner.key.key_id, bytes(8) + line.signature),))
    with pytest.raises(WrongNoteSignatureError):
        verify_note(claimed, [cosigner.key])


@pytest.mark.parametrize("seconds", [0, 2**63 - 1])
def test_the_time_of_a_cosignature(seconds: int) -> None:
    [signed] = verify_note(Note(TEXT, (WITNESS.sign(TEXT, seconds),)), [WITNESS.key])
    assert signed.seconds == seconds


def test_a_cosignature_with_a_time_out_of_range_is_refused() -> None:
    with pytest.raises(WrongNoteSignatureError, match="out of range"):
        verify_note(Note(TEXT, (WITNESS.sign(TEXT, 2**63),)), [WITNESS.key])


def test_at_least_sixteen_signatures_are_read_and_far_too_many_refused() -> None:
    chance = random.Random(0)
    strangers = tuple(
        NoteSignature(f"stranger.example/{number}", chance.randbytes(4), chance.randbytes(64))
        for number in range(100)
    )
    assert len(parse_note(Note(TEXT, strangers).to_bytes()).signatures) == 100
    with pytest.raises(EvidenceError, match="101 signatures"):
        parse_note(Note(TEXT, (*strangers, strangers[0])).to_bytes())
    with pytest.raises(EvidenceError, match="over the limit"):
        parse_note(b"a" * MAX_NOTE_BYTES + signed_note(LOG).to_bytes())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text\n",
        b"text\n\n",
        b"text\n\n\xe2\x80\x94 name AAAAAAA=",
        b"text\n\n- name AAAAAAA=\n",
        b"text\n\n\xe2\x80\x94  AAAAAAA=\n",
        b"text\n\n\xe2\x80\x94 na+me AAAAAAA=\n",
        "text\n\n— na\u2003me AAAAAAA=\n".encode(),
        b"text\n\n\xe2\x80\x94 name AAAAAAB=\n",
        b"text\n\n\xe2\x80\x94 name AAAAA\n",
        b"text\n\n\xe2\x80\x94 name AAAA\n",
        b"text\n\n\xe2\x80\x94 name AAAAAAA=\r\n",
        b"te\txt\n\n\xe2\x80\x94 name AAAAAAA=\n",
        b"te\xffxt\n\n\xe2\x80\x94 name AAAAAAA=\n",
        b"text\n\n\xe2\x80\x94 name AAAAAAA=\n\n",
    ],
)
def test_what_is_no_note_is_refused(data: bytes) -> None:
    with pytest.raises(EvidenceError):
        parse_note(data)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (NoteKey("n", 0x06, bytes(1312)), "type 0x06"),
        (NoteKey("n", 0xFF, b""), "type 0xff"),
        (NoteKey("n", Algorithm.ED25519, bytes(31)), "cannot be read"),
        (NoteKey("n", Algorithm.ECDSA, b"\x30"), "cannot be read"),
        (
            NoteKey(
                "n",
                Algorithm.ECDSA,
                ec.generate_private_key(ec.SECP384R1())
                .public_key()
                .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            ),
            "not on the curve P-256",
        ),
    ],
)
def test_keys_that_cannot_be_checked_here(key: NoteKey, words: str) -> None:
    with pytest.raises(UncheckableKeyError, match=words):
        require_readable(key)


def test_a_verifier_key_is_text() -> None:
    """An argument of the command line that is not UTF-8 has lone surrogates."""
    with pytest.raises(EvidenceError, match="not a verifier key"):
        parse_verifier_key("\udcff" + LOG.key.to_verifier_key())


def test_every_byte_of_a_verifier_key_counts() -> None:
    for signer in SIGNERS:
        for changed in flips(signer.key.to_verifier_key().encode()):
            text = changed.decode("utf-8", "replace")
            if signer.algorithm is Algorithm.ECDSA and text.endswith(
                signer.key.to_verifier_key()[len(ORIGIN) :]
            ):
                continue  # the id of type 0x02 does not cover the name
            with pytest.raises(EvidenceError):
                parse_verifier_key(text)


@given(
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1),
    st.integers(0, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
)
def test_a_checkpoint_is_read_as_it_was_written(origin: str, size: int, root: bytes) -> None:
    checkpoint = Checkpoint(origin, size, root)
    assert parse_checkpoint(checkpoint.to_text()) == checkpoint


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("o\n1\n", "three lines"),
        (TEXT + "extension\n", "three lines"),
        (TEXT[:-1], "three lines"),
        (TEXT.replace(ORIGIN, ""), "names no log"),
        (TEXT.replace("\n0\n", "\n00\n"), "leading zeros"),
        (TEXT.replace("\n0\n", "\n-1\n"), "leading zeros"),
        (TEXT.replace("\n0\n", "\n٣\n"), "leading zeros"),
        (TEXT.replace("\n0\n", "\n10000000000000000000\n"), "leading zeros"),
        ("o\n1\n????\n", "not base64"),
        ("o\n1\nAAAA\n", "canonical base64"),
        (TEXT.replace("U=\n", "V=\n"), "canonical base64"),
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str, words: str) -> None:
    with pytest.raises(EvidenceError, match=words):
        parse_checkpoint(text)


def test_a_line_that_is_there_many_times_is_verified_once() -> None:
    """To verify takes a function a part of a second: who has one signature must not make it many."""
    line = LOG.sign(TEXT)
    verified: list[NoteSignature] = []
    verify_lines(Note(TEXT, (line,) * 100), [LOG.key], lambda _, each, __: verified.append(each))
    assert verified == [line]
