"""Every way to tamper with a proof is seen, by this kit and by the program in the proof, which agree."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import random
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from custody.errors import EvidenceError
from custody.evidence.dsse import pae, sign_envelope
from custody.evidence.receipt import PAYLOAD_TYPE
from custody.log.checkpoint import Checkpoint, parse_checkpoint
from custody.log.extension import parse_extension
from custody.log.merkle import leaf_hash, node_hash
from custody.log.note import Algorithm, Note, NoteKey, NoteSignature, parse_note
from custody.log.policy import format_policy
from custody.log.proof import verify
from custody.log.proof.bundle import open_bundle
from custody.log.proof.check import BundleClaim, check_bundle
from custody.log.proof_file import parse_proof_file
from tests.support.digests import rsa_key
from tests.support.evidence import LocalSigner
from tests.support.log import LOG_SIGNER, ORIGIN
from tests.support.small_log import NoteSigner
from tests.unit.log.proof.conftest import Made, summed, write

VERIFIER = Path(verify.__file__)
SUMS, RECEIPT, PROOF, EXTENSION, POLICY = (
    "SHA256SUMS",
    "receipt.json",
    "receipt.tlog-proof",
    "extension.txt",
    "policy.txt",
)
Files = dict[str, bytes]


def judge(folder: Path, files: Files, trusted: bytes | None = None) -> dict[str, bool]:
    """Every claim as both see it, in a folder; they must agree on each."""
    ours, theirs = judge_both(folder, files, trusted)
    assert ours == theirs
    return ours


def failed(folder: Path, files: Files, trusted: bytes | None = None) -> set[str]:
    return {name for name, holds in judge(folder, files, trusted).items() if not holds}


def is_seen(folder: Path, files: Files) -> bool:
    """Whether a change is seen; they must agree."""
    ours, theirs = (all(found.values()) for found in judge_both(folder, files))
    assert ours == theirs
    return not ours


def judge_both(
    folder: Path, files: Files, trusted: bytes | None = None
) -> tuple[dict[str, bool], dict[str, bool]]:
    write(folder, files)
    theirs_at = None
    if trusted is not None:
        theirs_at = folder.with_name("trusted.json")
        theirs_at.write_bytes(trusted)
    theirs = {name: holds for name, (holds, _) in verify.check(folder, theirs_at).items()}
    with open_bundle(folder) as bundle:
        report = check_bundle(bundle, trusted)
    ours = {str(result.claim): result.holds for result in report.results}
    assert report.exit_code == (0 if all(ours.values()) else 1)
    return ours, theirs


def named(made: Made, beginning: str, end: str = "") -> str:
    """The last file of such a name."""
    return max(name for name in made.files if name.startswith(beginning) and name.endswith(end))


def registry_of(made: Made) -> bytes:
    return made.files[named(made, "registry/")]


def test_the_untouched_proof_holds(made: Made, tmp_path: Path) -> None:
    found = judge(tmp_path / "proof", made.files, registry_of(made))
    assert found == {str(claim): True for claim in BundleClaim}


def test_what_may_be_left_out(made: Made, tmp_path: Path) -> None:
    files = {
        name: data for name, data in made.files.items() if name not in {EXTENSION, "object", "README.txt"}
    }
    found = judge(tmp_path, summed(files))
    left_out = {BundleClaim.CONSISTENCY, BundleClaim.OBJECT, BundleClaim.TRUSTED}
    assert found == {str(claim): True for claim in BundleClaim if claim not in left_out}


@pytest.mark.parametrize("name", [SUMS, RECEIPT, "object"])
def test_what_is_no_regular_file_is_not_read(made: Made, tmp_path: Path, name: str) -> None:
    """To read it would have no end: an unzipped folder may have links to any file."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / name).symlink_to("pipe")
    files = {other: data for other, data in made.files.items() if other != name}
    assert str(BundleClaim.FILES) in failed(tmp_path, files)


def test_a_file_that_is_longer_than_its_kind_may_be_is_not_read_whole(made: Made, tmp_path: Path) -> None:
    """A zip of a few kilobytes may hold a gigabyte of blanks; a log file may be that long."""
    log = next(name for name in made.files if name.startswith("trail/logs/"))
    padded = dict.fromkeys((RECEIPT, log), b" " * (16 * 2**20 + 1))
    write(tmp_path, made.files | padded)
    with open_bundle(tmp_path) as bundle:
        assert bundle.read(log) == padded[log]
        with pytest.raises(EvidenceError, match=f"{RECEIPT} is longer than 16777216 bytes"):
            bundle.read(RECEIPT)


def test_what_is_not_listed_is_not_part_of_it(made: Made, tmp_path: Path) -> None:
    write(
        tmp_path,
        {".DS_Store": b"", "trail/logs/other.json": b"{", "registry/0000-20200101T000000Z.json": b"{"},
    )
    assert failed(tmp_path, made.files) == set()


def test_a_thousand_flips_of_one_byte_are_all_seen(made: Made, tmp_path: Path) -> None:
    """Of everything in a proof: each is seen by both."""
    chance = random.Random(13)
    names = sorted(made.files)
    write(tmp_path, made.files)
    for _ in range(1000):
        name = chance.choice(names)
        changed = bytearray(made.files[name])
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        assert is_seen(tmp_path, {name: bytes(changed)}), (name, bytes(changed)[:100])
        (tmp_path / name).write_bytes(made.files[name])


def test_flips_are_seen_though_the_sums_are_written_again(made: Made, tmp_path: Path) -> None:
    """Of what is signed, or what verifies it: by the signatures and hashes alone."""
    chance = random.Random(31)
    names = sorted(
        name
        for name in made.files
        if name in {RECEIPT, PROOF, EXTENSION, "object"} or name.startswith("trail/")
    )
    missed = []
    write(tmp_path, made.files)
    for number in range(1000):
        name = names[number % len(names)]
        changed = bytearray(made.files[name])
        place = chance.randrange(len(changed))
        changed[place] ^= 1 << chance.randrange(8)
        sums = summed(made.files | {name: bytes(changed)})[SUMS]
        if not is_seen(tmp_path, {name: bytes(changed), SUMS: sums}):
            missed.append((name, place, bytes(changed)))
        (tmp_path / name).write_bytes(made.files[name])
    assert missed == []


def payload_of(envelope: bytes) -> bytes:
    return b64decode(json.loads(envelope)["payload"])


def with_payload(made: Made, payload: bytes) -> Files:
    envelope = json.loads(made.files[RECEIPT]) | {"payload": b64encode(payload).decode()}
    return {RECEIPT: json.dumps(envelope).encode()}


def another_version(made: Made) -> Files:
    world = made.world.world
    return {RECEIPT: world.read(world.provenance, made.versions[0].receipt_key)}


def re_signed(made: Made) -> Files:
    """By another key under the same name."""
    other = LocalSigner(made.world.world.signer.keyid)
    return {RECEIPT: sign_envelope(payload_of(made.files[RECEIPT]), PAYLOAD_TYPE, other)}


def signed_twice(made: Made) -> Files:
    envelope = json.loads(made.files[RECEIPT])
    envelope["signatures"] *= 2
    return {RECEIPT: json.dumps(envelope).encode()}


def unsigned(made: Made) -> Files:
    return {RECEIPT: json.dumps(json.loads(made.files[RECEIPT]) | {"signatures": []}).encode()}


def another_hash(made: Made) -> Files:
    payload = json.loads(payload_of(made.files[RECEIPT]))
    payload["subject"][0]["digest"]["sha256"] = "ab" * 32
    return with_payload(made, json.dumps(payload).encode())


def another_type(made: Made) -> Files:
    signer = made.world.world.signer
    return {RECEIPT: sign_envelope(payload_of(made.files[RECEIPT]), "text/plain", signer)}


def name_twice(made: Made) -> Files:
    return {RECEIPT: made.files[RECEIPT].replace(b'{"payload"', b'{"payload":"","payload"', 1)}


def name_twice_within(made: Made) -> Files:
    """Signed by the right key, so that only the reading can see it."""
    payload = payload_of(made.files[RECEIPT]).replace(b'"size_bytes"', b'"size_bytes":1,"size_bytes"', 1)
    return {RECEIPT: sign_envelope(payload, PAYLOAD_TYPE, made.world.world.signer)}


def signed_as(made: Made, before: bytes, after: bytes) -> Files:
    """Another payload, signed by the right key: only its meaning is wrong."""
    payload = payload_of(made.files[RECEIPT]).replace(before, after, 1)
    return {RECEIPT: sign_envelope(payload, PAYLOAD_TYPE, made.world.world.signer)}


def another_statement(made: Made) -> Files:
    return signed_as(made, b"urn:custody:object-receipt:v1", b"urn:custody:object-receipt:v2")


def another_statement_type(made: Made) -> Files:
    return signed_as(made, b"in-toto.io/Statement/v1", b"in-toto.io/Statement/v0.1")


def another_subject(made: Made) -> Files:
    return signed_as(made, b'"name":"s3://', b'"name":"s3://other-')


def by_a_stranger(made: Made) -> Files:
    stranger = LocalSigner("arn:aws:kms:stranger")
    return {RECEIPT: sign_envelope(payload_of(made.files[RECEIPT]), PAYLOAD_TYPE, stranger)}


def spare_bits(made: Made) -> Files:
    """A hash of the path in base64 that is not canonical: the same 32 bytes."""
    first, index, step, *rest = made.files[PROOF].split(b"\n")
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = alphabet[alphabet.index(step[-2:-1]) + 1]
    assert b64decode(step[:-2] + bytes([last]) + b"=") == b64decode(step)
    return {PROOF: b"\n".join([first, index, step[:-2] + bytes([last]) + b"=", *rest])}


def wrong_key_id(made: Made) -> Files:
    name, _, key = LOG_SIGNER.key.to_verifier_key().split("+", 2)
    return {POLICY: f"log {name}+00000000+{key}\nquorum none\n".encode()}


def respelled(made: Made) -> Files:
    """The same JSON in other bytes: its signature holds, but it is no entry of the log."""
    return {RECEIPT: made.files[RECEIPT].replace(b'{"payload"', b'{ "payload"', 1)}


def other_index(made: Made) -> Files:
    return {PROOF: made.files[PROOF].replace(b"\nindex 1\n", b"\nindex 0\n")}


def cut_path(made: Made) -> Files:
    first, index, _, *rest = made.files[PROOF].split(b"\n")
    return {PROOF: b"\n".join([first, index, *rest])}


def grown_path(made: Made) -> Files:
    first, index, *rest = made.files[PROOF].split(b"\n")
    return {PROOF: b"\n".join([first, index, rest[0], *rest])}


def note_of(text: str, signer: Any) -> Note:
    key: NoteKey = signer.key
    return Note(text, (NoteSignature(key.name, key.key_id, signer.sign(text.encode())),))


class OtherLog:
    """Another key for the same log."""

    def __init__(self) -> None:
        self.signer = NoteSigner(ORIGIN)
        self.key = self.signer.key

    def sign(self, message: bytes) -> bytes:
        return self.signer.sign(message.decode()).signature


OTHER = OtherLog()


def forged_checkpoint(made: Made) -> Files:
    """By another key, whose id a verifier does not know."""
    proof = parse_proof_file(made.files[PROOF])
    note = note_of(proof.checkpoint.text, OTHER)
    return {PROOF: made.files[PROOF].replace(proof.checkpoint.to_bytes(), note.to_bytes())}


def forged_checkpoint_with_policy(made: Made) -> Files:
    return forged_checkpoint(made) | {POLICY: format_policy([OTHER.key])}


def a_fork(made: Made) -> Files:
    """Two checkpoints by the log itself: the newest does not begin with the proof's."""
    extension = parse_extension(made.files[EXTENSION])
    newest = parse_checkpoint(extension.checkpoint.text)
    fork = Checkpoint(ORIGIN, newest.size, node_hash(newest.root, newest.root)).to_text()
    return {
        EXTENSION: made.files[EXTENSION].replace(
            extension.checkpoint.to_bytes(), note_of(fork, LOG_SIGNER).to_bytes()
        )
    }


def a_rollback(made: Made) -> Files:
    """The newest checkpoint is older than the proof's."""
    smaller = note_of(Checkpoint(ORIGIN, 2, leaf_hash(b"")).to_text(), LOG_SIGNER)
    extension = parse_extension(made.files[EXTENSION])
    return {EXTENSION: made.files[EXTENSION].replace(extension.checkpoint.to_bytes(), smaller.to_bytes())}


def other_size(made: Made) -> Files:
    return {EXTENSION: made.files[EXTENSION].replace(b"old 3\n", b"old 4\n")}


def no_consistency(made: Made) -> Files:
    first, _, rest = made.files[EXTENSION].partition(b"\n\n")
    return {EXTENSION: first.split(b"\n")[0] + b"\n\n" + rest}


def another_log(made: Made) -> Files:
    """A log of another name, with the same key."""
    proof = parse_proof_file(made.files[PROOF])
    text = proof.checkpoint.text.replace(ORIGIN, "other.example/log")
    key = NoteKey("other.example/log", Algorithm.ECDSA, LOG_SIGNER.key.public_key)
    note = Note(text, (NoteSignature(key.name, key.key_id, LOG_SIGNER.sign(text.encode())),))
    replaced = made.files[PROOF].replace(proof.checkpoint.to_bytes(), note.to_bytes())
    return {PROOF: replaced, POLICY: format_policy([key])}


def no_quorum(made: Made) -> Files:
    witness = NoteSigner("witness.example", Algorithm.ED25519_COSIGNATURE).key.to_verifier_key()
    return {POLICY: made.files[POLICY].replace(b"quorum none", f"witness w {witness}\nquorum w".encode())}


def no_policy_for_it(made: Made) -> Files:
    return {POLICY: format_policy([OTHER.key])}


def registry_with(made: Made, change: Callable[[dict[str, Any]], None], versions: int = 9) -> Files:
    """The last versions of the registry changed."""
    changed = {}
    for name in sorted(name for name in made.files if name.startswith("registry/"))[-versions:]:
        document = json.loads(made.files[name])
        change(document)
        changed[name] = json.dumps(document).encode()
    return changed


def in_registry(versions: int = 9, section: str = "keys", **changes: Any) -> Callable[[Made], Files]:
    def tamper(made: Made) -> Files:
        def change(document: dict[str, Any]) -> None:
            if section == "keys":
                document["keys"][0] |= changes
            elif "log" in document:
                document["log"]["keys"][0] |= changes

        return registry_with(made, change, versions)

    return tamper


def key_removed(made: Made) -> Files:
    return registry_with(made, lambda document: document.update(keys=[]), 1)


def key_twice(made: Made) -> Files:
    return registry_with(made, lambda document: document.update(keys=document["keys"] * 2), 1)


def log_renamed(made: Made) -> Files:
    return registry_with(made, lambda document: document["log"].update(origin="other.example"), 1)


def rewritten_event(made: Made) -> Files:
    name = named(made, "trail/logs/")
    return {name: made.files[name].replace(b"alice@example.com", b"mallo@example.com")}


def digest_by_another_key(made: Made) -> Files:
    """A log file rewritten, and a digest for it that CloudTrail has not signed."""
    log, digest = named(made, "trail/logs/"), named(made, "trail/digests/", ".json")
    rewritten = rewritten_event(made)
    before, after = (hashlib.sha256(data).hexdigest().encode() for data in (made.files[log], rewritten[log]))
    content = made.files[digest].replace(before, after)
    said = json.loads(content)
    place = f"{said['digestS3Bucket']}/{said['digestS3Object']}"
    parts = [
        said["digestEndTime"],
        place,
        hashlib.sha256(content).hexdigest(),
        said["previousDigestSignature"] or "null",
    ]
    signature = rsa_key("mallory").sign("\n".join(parts).encode(), padding.PKCS1v15(), hashes.SHA256())
    return rewritten | {digest: content, digest[:-4] + "sig": signature}


def event_of_another_version(made: Made) -> Files:
    """The log file and the digest of another write, both right."""
    world = made.world.world
    digest = made.world.digests[0]
    [(key, content)] = digest.files
    mine = [name for name in made.files if name.startswith(("trail/logs/", "trail/digests/"))]
    stem = digest.key.rpartition("/")[2].removesuffix(".json.gz")
    assert world.trail == digest.bucket
    return dict.fromkeys(mine, b"") | {
        f"trail/logs/{key.rpartition('/')[2].removesuffix('.gz')}": content,
        f"trail/digests/{stem}.json": digest.content,
        f"trail/digests/{stem}.sig": bytes.fromhex(digest.signature),
    }


def key_of_another_kind(made: Made) -> Files:
    public = NoteSigner().ecdsa.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {named(made, "trail/keys/"): public}


def other_object(made: Made) -> Files:
    return {"object": made.files["object"] + b"\n"}


MALLORY = LocalSigner()
RECEIPT_FAILS = {"receipt.signature", "log.inclusion", "trail.event", "object.hash"}
LOG_FAILS = {"log.checkpoint", "log.inclusion", "log.consistency"}
HISTORY_FAILS = {"registry.history", *RECEIPT_FAILS, *LOG_FAILS}
MATRIX: list[tuple[Callable[[Made], Files], set[str]]] = [
    (another_version, {"log.inclusion", "trail.event", "object.hash"}),
    (re_signed, RECEIPT_FAILS),
    (signed_twice, RECEIPT_FAILS),
    (unsigned, RECEIPT_FAILS),
    (another_hash, RECEIPT_FAILS),
    (another_type, RECEIPT_FAILS),
    (name_twice, RECEIPT_FAILS),
    (name_twice_within, RECEIPT_FAILS),
    (another_statement, RECEIPT_FAILS),
    (another_statement_type, RECEIPT_FAILS),
    (another_subject, RECEIPT_FAILS),
    (by_a_stranger, RECEIPT_FAILS),
    (spare_bits, LOG_FAILS),
    (wrong_key_id, LOG_FAILS),
    (respelled, {"log.inclusion"}),
    (other_index, {"log.inclusion"}),
    (cut_path, {"log.inclusion"}),
    (grown_path, {"log.inclusion"}),
    (forged_checkpoint, LOG_FAILS),
    (forged_checkpoint_with_policy, LOG_FAILS),
    (another_log, LOG_FAILS),
    (no_quorum, LOG_FAILS),
    (no_policy_for_it, LOG_FAILS),
    (a_fork, {"log.consistency"}),
    (a_rollback, {"log.consistency"}),
    (other_size, {"log.consistency"}),
    (no_consistency, {"log.consistency"}),
    (key_removed, HISTORY_FAILS),
    (key_twice, HISTORY_FAILS),
    (log_renamed, HISTORY_FAILS),
    (in_registry(public_key=MALLORY.public_key), RECEIPT_FAILS),
    (in_registry(1, public_key=MALLORY.public_key), HISTORY_FAILS),
    (in_registry(section="log", public_key=MALLORY.public_key), LOG_FAILS),
    (in_registry(1, section="log", public_key=MALLORY.public_key), HISTORY_FAILS),
    (in_registry(algorithm="ed25519"), HISTORY_FAILS),
    (in_registry(section="log", algorithm="rsa-sha1"), HISTORY_FAILS),
    (in_registry(valid_from="2027-01-01T00:00:00Z"), RECEIPT_FAILS),
    (in_registry(1, valid_from="2021-01-01T00:00:00Z"), HISTORY_FAILS),
    (in_registry(valid_until="2026-01-01T00:00:00Z"), RECEIPT_FAILS),
    (in_registry(revoked_at="2026-01-01T00:00:00Z"), RECEIPT_FAILS),
    (in_registry(1, section="log", revoked_at="2026-01-01T00:00:00Z"), LOG_FAILS),
    (in_registry(valid_from="2020-01-01"), HISTORY_FAILS),
    (rewritten_event, {"trail.digest", "trail.event"}),
    (digest_by_another_key, {"trail.digest", "trail.event"}),
    (event_of_another_version, {"trail.event"}),
    (key_of_another_kind, {"trail.digest", "trail.event"}),
    (other_object, {"object.hash"}),
]


@pytest.mark.parametrize(("tamper", "expected"), MATRIX)
def test_the_matrix(made: Made, tmp_path: Path, tamper: Callable[[Made], Files], expected: set[str]) -> None:
    """With the sums written again, each is found in its place; else it is found at once."""
    changed = {name: data for name, data in (made.files | tamper(made)).items() if data}
    assert changed != made.files
    assert failed(tmp_path / "again", summed(changed)) == expected
    assert BundleClaim.FILES in failed(tmp_path / "at-once", changed | {SUMS: made.files[SUMS]})


@pytest.mark.parametrize(
    ("beginning", "expected"),
    [
        ("SHA256SUMS", {"bundle.files", *HISTORY_FAILS, "trail.digest"} - {"object.hash", "log.consistency"}),
        ("receipt.json", RECEIPT_FAILS),
        ("receipt.tlog-proof", LOG_FAILS),
        ("policy.txt", LOG_FAILS),
        ("registry/", HISTORY_FAILS),
        ("trail/logs/", {"trail.digest", "trail.event"}),
        ("trail/digests/", {"trail.digest", "trail.event"}),
        ("trail/keys/", {"trail.digest", "trail.event"}),
    ],
)
def test_removed_files(made: Made, tmp_path: Path, beginning: str, expected: set[str]) -> None:
    left = {name: data for name, data in made.files.items() if not name.startswith(beginning)}
    assert failed(tmp_path / "again", left if beginning == SUMS else summed(left)) == expected
    assert BundleClaim.FILES in failed(tmp_path / "at-once", left)


@pytest.mark.parametrize("name", [RECEIPT, PROOF, POLICY])
def test_a_file_that_is_there_and_not_listed_is_not_read(made: Made, tmp_path: Path, name: str) -> None:
    listed = summed({each: data for each, data in made.files.items() if each != name})
    assert failed(tmp_path, made.files | {SUMS: listed[SUMS]}) == (
        RECEIPT_FAILS if name == RECEIPT else LOG_FAILS
    )


@pytest.mark.parametrize(
    "sums", [b"", b"\n", b"abc\n", b"\xff", b"ab" * 32 + b"  ../receipt.json\n", b"ab" * 32 + b"  /etc/x\n"]
)
def test_sums_that_are_none(made: Made, tmp_path: Path, sums: bytes) -> None:
    assert BundleClaim.FILES in failed(tmp_path, made.files | {SUMS: sums})


def test_sums_that_name_a_file_twice(made: Made, tmp_path: Path) -> None:
    first = made.files[SUMS].split(b"\n")[0]
    assert BundleClaim.FILES in failed(tmp_path, made.files | {SUMS: first + b"\n" + made.files[SUMS]})


def test_everything_signed_again_with_other_keys_needs_a_registry_of_ones_own(
    made: Made, tmp_path: Path
) -> None:
    """Consistent in itself: only who has the right keys from elsewhere sees it."""
    signer = LocalSigner(made.world.world.signer.keyid)
    receipt = sign_envelope(payload_of(made.files[RECEIPT]), PAYLOAD_TYPE, signer)
    text = Checkpoint(ORIGIN, 1, leaf_hash(receipt)).to_text()
    note = note_of(text, OTHER)
    forged = {
        RECEIPT: receipt,
        PROOF: b"c2sp.org/tlog-proof@v1\nindex 0\n\n" + note.to_bytes(),
        POLICY: format_policy([OTHER.key]),
    }
    forged |= in_registry(public_key=signer.public_key)(made)
    files = made.files | forged
    log = registry_with(
        Made(made.world, made.versions, files, made.older),
        lambda document: document.get("log", {"keys": [{}]})["keys"][0].update(
            public_key=OTHER.signer.public_key
        ),
    )
    files = {name: data for name, data in (files | log).items() if name != EXTENSION}
    assert failed(tmp_path / "alone", summed(files)) == set()
    assert failed(tmp_path / "trusting", summed(files), registry_of(made)) == {"registry.trusted"}


@pytest.mark.parametrize(
    "trusted", [b"", b"{}", b'{"keys":[]}', b'{"keys":[],"log":{"origin":"o","keys":[]}}']
)
def test_a_registry_that_cannot_be_trusted(made: Made, tmp_path: Path, trusted: bytes) -> None:
    assert failed(tmp_path / "proof", made.files, trusted) == {"registry.trusted"}


def run(folder: Path, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The program in a proof, with this Python and nothing of this kit."""
    command = [sys.executable, *options, "verify.py"]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


NO_PACKAGES = ("-I", "-S")


@pytest.mark.parametrize("options", [("-I",), NO_PACKAGES], ids=["cryptography", "openssl"])
def test_the_program_alone(made: Made, tmp_path: Path, options: tuple[str, ...]) -> None:
    write(tmp_path, made.files)
    done = run(tmp_path, *options, PATH="/usr/bin:/bin")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["holds", str(claim)] for claim in BundleClaim if claim is not BundleClaim.TRUSTED
    ]
    for tamper in (re_signed, forged_checkpoint_with_policy, digest_by_another_key):
        done = run(write(tmp_path, summed(made.files | tamper(made))), *options, PATH="/usr/bin:/bin")
        assert (done.returncode, done.stderr) == (1, "")
        assert "FAILED" in done.stdout


def test_what_a_proof_lacks_is_named_as_people_name_files(made: Made, tmp_path: Path) -> None:
    there = {name: data for name, data in made.files.items() if not name.startswith(("registry/", "trail/"))}
    folder = write(tmp_path, summed(there))
    with open_bundle(folder) as bundle:
        ours = " ".join(result.detail for result in check_bundle(bundle).results).lower()
    for text in (ours, run(folder).stdout):
        assert "there is no registry/*" in text
        assert "there is no trail/digests/*" in text


def test_the_program_with_witnesses_and_ed25519_by_openssl(tmp_path: Path) -> None:
    """Every kind of signature, without the package."""
    code = "import sys; sys.path.insert(0, '.'); import verify; print(verify.serialization)\n"
    code += "for line in sys.stdin: print(verify.require_signed(*eval(line)))"
    message = b"what is signed"
    ed25519, p256 = NoteSigner(algorithm=Algorithm.ED25519), NoteSigner()
    lines = []
    for signer, kind in ((ed25519, verify.ED25519), (p256, verify.P256)):
        signature = signer.sign(message.decode()).signature
        key = signer.key.public_key if kind == verify.P256 else verify.ED25519 + signer.key.public_key
        lines.append(repr((kind, key, signature, message)))
    (tmp_path / "verify.py").write_bytes(VERIFIER.read_bytes())
    command = [sys.executable, *NO_PACKAGES, "-c", code]
    done = subprocess.run(
        command, cwd=tmp_path, input="\n".join(lines), capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["None", "True", "True"]
    wrong = lines[0].replace("what is signed", "what is forged")
    done = subprocess.run(command, cwd=tmp_path, input=wrong, capture_output=True, text=True, check=False)
    assert "does not verify" in done.stderr


def test_merkle_proofs_as_the_program_has_them() -> None:
    """The published trees, and the lengths that a proof may not have."""
    vectors = json.loads((Path(__file__).parents[3] / "vectors" / "merkle_trees.json").read_text())
    leaves = [leaf_hash(bytes.fromhex(entry)) for entry in vectors["entries"]]
    for each in vectors["inclusion"]:
        path = [bytes.fromhex(step) for step in each["path"]]
        place, last = each["index"], each["size"] - 1
        root = verify.climb(place, last, leaves[place], path)[1]
        assert root.hex() == vectors["roots"][each["size"]]
        with pytest.raises(ValueError, match="too long"):
            verify.climb(place, last, leaves[place], [*path, root])
    with pytest.raises(ValueError, match="too short"):
        verify.climb(1, 2, leaves[1], [leaves[0]])


@pytest.mark.parametrize("by_openssl", [False, True])
def test_a_key_of_another_kind_verifies_nothing(monkeypatch: pytest.MonkeyPatch, by_openssl: bool) -> None:
    """Not even what it has signed itself."""
    if by_openssl:
        monkeypatch.setattr(verify, "serialization", None)
    key = rsa_key()
    signature = key.sign(b"message", padding.PKCS1v15(), hashes.SHA256())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    verify.require_signed(verify.RSA, public, signature, b"message")
    for kind in (verify.P256, verify.ED25519):
        with pytest.raises(ValueError, match="of another kind"):
            verify.require_signed(kind, public, signature, b"message")


def test_the_program_without_any_cryptography(made: Made, tmp_path: Path) -> None:
    done = run(write(tmp_path, made.files), *NO_PACKAGES, PATH="")
    assert (done.returncode, done.stdout) == (3, "")
    assert "Install the Python package cryptography, or the program openssl" in done.stderr


def test_the_program_is_short_and_needs_nothing_of_ours(made: Made) -> None:
    assert made.files["verify.py"] == VERIFIER.read_bytes()
    source = VERIFIER.read_text()
    assert len(source.splitlines()) < 300
    tree = ast.parse(source, feature_version=(3, 9))
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name) or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    others = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names
    assert others == {"cryptography"}


def test_the_message_of_the_receipt_is_that_of_dsse(made: Made) -> None:
    """The program has its own encoding: it is the one that this kit signs."""
    payload = payload_of(made.files[RECEIPT])
    signature = b64decode(json.loads(made.files[RECEIPT])["signatures"][0]["sig"])
    key = json.loads(registry_of(made))["keys"][0]["public_key"]
    der = b64decode("".join(key.strip().split("\n")[1:-1]))
    verify.require_signed(verify.P256, der, signature, pae(payload, PAYLOAD_TYPE))


def test_what_the_program_prints_is_harmless(made: Made, tmp_path: Path) -> None:
    """A terminal interprets nothing of it."""
    digest = named(made, "trail/digests/", ".json")
    hostile = made.files[digest].replace(b"f00d", b"\\u001b[31m\\u202e")
    write(tmp_path, summed(made.files | {digest: hostile}))
    done = run(tmp_path, "-I", PATH="/usr/bin:/bin")
    assert done.returncode == 1
    assert done.stdout.isascii()
    assert "\x1b" not in done.stdout


def test_a_checkpoints_text_is_the_whole_note_less_its_signatures(made: Made) -> None:
    proof = parse_proof_file(made.files[PROOF])
    assert parse_note(made.older) == proof.checkpoint
