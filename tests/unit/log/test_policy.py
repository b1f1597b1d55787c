"""Trust policies (C2SP tlog-policy)."""

from __future__ import annotations

from itertools import combinations

import pytest

from custody.errors import EvidenceError
from custody.log.note import Algorithm, Note, NoteKey
from custody.log.policy import Judged, format_policy, parse_policy
from tests.support.small_log import ORIGIN, MemoryLog, NoteSigner

LOG = NoteSigner()
WITNESSES = {
    name: NoteSigner(f"{name.lower()}.example", Algorithm.ED25519_COSIGNATURE)
    for name in ("X1", "X2", "X3", "Y1", "Y2", "Y3")
}
LINES = [f"log {LOG.key.to_verifier_key()} https://logs.example/"]
LINES += [f"witness {name} {signer.key.to_verifier_key()}" for name, signer in WITNESSES.items()]
TWO_LEVELS = [
    *LINES,
    "group X-witnesses 2 X1 X2 X3",
    "group Y-witnesses any Y1 Y2 Y3",
    "group X-and-Y all X-witnesses Y-witnesses",
    "quorum X-and-Y",
]
"""The example of the specification."""


def policy_of(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def cosigned(*names: str) -> Note:
    return MemoryLog(signer=LOG).extend([b"e"], *(WITNESSES[name] for name in names))


def judge(lines: list[str], *names: str) -> Judged:
    return parse_policy(policy_of(*lines)).judge(cosigned(*names))


def test_every_set_of_cosignatures_by_the_example_of_the_specification() -> None:
    for count in range(len(WITNESSES) + 1):
        for names in combinations(WITNESSES, count):
            enough = sum(name[0] == "X" for name in names) >= 2 and any(name[0] == "Y" for name in names)
            if enough:
                assert judge(TWO_LEVELS, *names).seen_at.keys() == set(names)
            else:
                with pytest.raises(EvidenceError, match="lacks the cosignatures of the quorum 'X-and-Y'"):
                    judge(TWO_LEVELS, *names)


def test_one_witness_or_none() -> None:
    assert judge([*LINES, "quorum X1"], "X1").seen_at == {"X1": 1_763_640_000}
    with pytest.raises(EvidenceError, match="it has X2"):
        judge([*LINES, "quorum X1"], "X2")
    assert judge([*LINES, "quorum none"]).checkpoint.origin == ORIGIN
    assert judge([*LINES, "quorum none"]).log_keys == (LOG.key,)


def test_cosignatures_do_not_stand_in_for_the_log() -> None:
    note = cosigned("X1")
    without = Note(note.text, note.signatures[1:])
    with pytest.raises(EvidenceError, match="No log of the policy has signed"):
        parse_policy(policy_of(*LINES, "quorum X1")).judge(without)


def test_a_log_signs_only_its_own_checkpoints() -> None:
    other = NoteSigner("another.example/log")
    text = cosigned().text
    with pytest.raises(EvidenceError, match="signed by another log"):
        parse_policy(format_policy([LOG.key, other.key])).judge(Note(text, (other.sign(text),)))


def test_a_log_may_have_several_keys() -> None:
    second = NoteSigner(algorithm=Algorithm.ED25519)
    policy = parse_policy(format_policy([LOG.key, second.key]))
    text = cosigned().text
    for signers in ([LOG], [second], [LOG, second]):
        judged = policy.judge(Note(text, tuple(signer.sign(text) for signer in signers)))
        assert judged.log_keys == tuple(signer.key for signer in signers)


def test_blanks_comments_and_octets_that_are_no_utf8() -> None:
    data = policy_of("  # caf\xe9", "\t", f"\t log\t  {LOG.key.to_verifier_key()} ", "quorum  none\t")
    name = b"\xe2\x84\xaa\xff"
    key = WITNESSES["X1"].key.to_verifier_key().encode()
    policy = parse_policy(b"# \xff\nwitness " + name + b" " + key + b"\ngroup K any " + name + b"\n" + data)
    assert policy.logs == [LOG.key]
    assert policy.groups["K"].members == (name.decode("utf-8", "surrogateescape"),)
    with pytest.raises(EvidenceError, match="not defined above"):  # a Kelvin sign is no K
        parse_policy(b"witness " + name + b" " + key + b"\ngroup G any K\n" + data)


KEY = LOG.key.to_verifier_key()
WITNESS = WITNESSES["X1"].key.to_verifier_key()
RENAMED = NoteKey("renamed", Algorithm.ED25519_COSIGNATURE, WITNESSES["X1"].key.public_key).to_verifier_key()
ML_DSA = NoteKey("w", Algorithm.ML_DSA_44_COSIGNATURE, bytes(1312)).to_verifier_key()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "no quorum"),
        ([f"log {KEY}"], "no quorum"),
        (["quorum none", "quorum none"], "Line 2 of the policy: There is more than one quorum"),
        (["quorum X1"], "not one witness or group that is defined above"),
        (["quorum"], "not one witness"),
        (["quorum none none"], "not one witness"),
        (["quorum X1", f"witness X1 {WITNESS}"], "Line 1"),
        ([f"log {KEY}", f"log {KEY}", "quorum none"], "Line 2 of the policy: The key .* is there twice"),
        ([f"witness a {WITNESS}", f"witness b {RENAMED}", "quorum none"], "Line 2 .* there twice"),
        ([f"witness a {WITNESS}", f"witness a {WITNESSES['X2'].key.to_verifier_key()}"], "is taken"),
        ([f"witness none {WITNESS}", "quorum none"], "'none' is taken"),
        ([f"witness a {KEY}", "quorum none"], "not one of a witness"),
        ([f"witness a {ML_DSA}", "quorum none"], "type 0x06, which cannot be checked"),
        (["log", "quorum none"], "none of log, witness, group and quorum"),
        ([f"log {KEY} https://a b", "quorum none"], "none of log, witness, group and quorum"),
        (["LOG x", "quorum none"], "none of log, witness, group and quorum"),
        (["log abc", "quorum none"], "not a verifier key"),
        ([*LINES, "group g all"], "'all' of 0 members"),
        ([*LINES, "group g 0 X1"], "'0' of 1 members"),
        ([*LINES, "group g 2 X1"], "'2' of 1 members"),
        ([*LINES, "group g 01 X1"], "'01' of 1 members"),
        ([*LINES, "group g any none"], "'none' is not defined"),
        ([*LINES, "group g any g"], "'g' is not defined"),
        ([*LINES, "group g any X1 X1"], "in a group already"),
        ([*LINES, "group g any X1", "group h any X1"], "in a group already"),
        ([*LINES, "group X1 any X2"], "is taken"),
    ],
)
def test_what_is_no_policy_is_refused(lines: list[str], words: str) -> None:
    with pytest.raises(EvidenceError, match=words):
        parse_policy(policy_of(*lines))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"quorum none", "does not end in a newline"),
        (b"quorum none\r\n", "control character"),
        (b"quorum none\x7f\n", "control character"),
        (b"#" * 70_000, "over the limit"),
    ],
)
def test_bytes_that_are_no_policy_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(EvidenceError, match=words):
        parse_policy(data)
