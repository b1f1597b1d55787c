"""Making a proof: what goes into it, and when there is none."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from custody.errors import CannotCheckError, EvidenceError, UsageError
from custody.log.cosigning import Witnesses
from custody.log.note import Algorithm, Note, parse_note
from custody.log.policy import format_policy
from custody.log.proof import verify
from custody.log.proof.bundle import open_bundle
from custody.log.proof.check import BundleClaim, BundleReport, check_bundle
from custody.log.proof_file import parse_proof_file
from custody.log.succession import PlannedEnd
from tests.support.digests import Keys, rsa_key
from tests.support.evidence import World
from tests.support.log import LOG_SIGNER
from tests.support.proofs import ProvableWorld
from tests.support.small_log import NoteSigner
from tests.support.witnesses import running
from tests.unit.log.proof.conftest import Made, unpack, write

HOSTILE = "incoming/\x1b[31m/é/" + "k" * 950
"""A receipt of it has a key that is only a hash."""


@pytest.fixture
def world(new_world: Callable[[], World]) -> ProvableWorld:
    return ProvableWorld(new_world())


def test_the_receipt_in_a_proof_is_byte_by_byte_the_entry(made: Made) -> None:
    world = made.world.world
    assert made.files["receipt.json"] == world.read(world.provenance, made.versions[1].receipt_key)
    assert parse_proof_file(made.files["receipt.tlog-proof"]).index == 1


def test_a_proof_has_every_version_of_the_registry(made: Made) -> None:
    names = [name for name in made.files if name.startswith("registry/")]
    assert [name[:13] for name in names] == ["registry/0001", "registry/0002", "registry/0003"]


def test_the_same_evidence_gives_the_same_bytes(made: Made, tmp_path: Path) -> None:
    outputs = [tmp_path / name for name in ("one.zip", "two.zip")]
    for output in outputs:
        made.world.prove(made.versions[1], output)
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    with zipfile.ZipFile(outputs[0]) as packed:
        assert all(info.external_attr >> 16 == 0o644 for info in packed.infolist())


def test_by_the_newest_checkpoint_there_is_nothing_to_extend(made: Made, tmp_path: Path) -> None:
    report = made.world.prove(made.versions[1], tmp_path / "b.zip")
    assert report.exit_code == 0
    assert {"extension.txt", "object"} & set(unpack(tmp_path / "b.zip")) == set()


@pytest.mark.parametrize("key", [HOSTILE, "incoming/e\u0301", "incoming/a b+c%20?#"])
def test_keys_of_any_kind(world: ProvableWorld, tmp_path: Path, key: str) -> None:
    version = world.put(key, b"data")
    world.seal(version)
    assert world.prove(version, tmp_path / "b.zip", with_object=True).exit_code == 0
    files = unpack(tmp_path / "b.zip")
    assert "\x1b" not in files["README.txt"].decode()
    assert all(holds for holds, _ in verify.check(write(tmp_path / "out", files)).values())


def test_proofs_from_an_ended_log_say_so_and_stay_valid(world: ProvableWorld, tmp_path: Path) -> None:
    versions = [world.put(f"incoming/{name}", b"data") for name in ("a", "b")]
    world.seal(versions[0])
    before = world.world.read(world.world.provenance, "log/checkpoint")
    end = PlannedEnd(world.start.replace(year=2020), "logs.example/next")
    sealer = world.sealer()
    sealer.sweep(lambda: 900.0)
    assert sealer.freeze(end)
    for checkpoint in (None, before):
        assert world.prove(versions[0], tmp_path / "b.zip", checkpoint=checkpoint).exit_code == 0
        files = unpack(tmp_path / "b.zip")
        assert b"it has ended with 2 entries, and logs.example/next goes on" in files["README.txt"]
        assert all(
            holds for holds, _ in verify.check(write(tmp_path / str(bool(checkpoint)), files)).values()
        )
    with pytest.raises(CannotCheckError, match="the log has ended"):
        world.prove(versions[1], tmp_path / "c.zip")


def test_an_object_that_is_gone_is_still_proven_without_it(world: ProvableWorld, tmp_path: Path) -> None:
    version = world.put("incoming/a", b"data")
    world.seal(version)
    world.world.s3.delete_object(Bucket=version.bucket, Key=version.key, VersionId=version.version_id)
    assert world.prove(version, tmp_path / "b.zip").exit_code == 0
    with pytest.raises(UsageError, match="Leave out --object"):
        world.prove(version, tmp_path / "c.zip", with_object=True)
    assert not (tmp_path / "c.zip").exists()


def test_witnesses(made: Made, tmp_path: Path) -> None:
    """A checkpoint with cosignatures, and a policy that asks for them."""
    witnesses = {
        name: NoteSigner(f"{name}.example", Algorithm.ED25519_COSIGNATURE) for name in ("w1", "w2", "w3")
    }
    lines = [f"witness {name} {signer.key.to_verifier_key()}" for name, signer in witnesses.items()]
    lines += ["group g 2 w1 w2 w3", "quorum g", ""]
    policy = format_policy([LOG_SIGNER.key]).replace(b"quorum none\n", "\n".join(lines).encode())
    note = parse_note(made.older)

    def cosigned(*names: str) -> bytes:
        more = tuple(witnesses[name].sign(note.text) for name in names)
        return Note(note.text, (*note.signatures, *more)).to_bytes()

    report = made.world.prove(
        made.versions[1], tmp_path / "b.zip", policy=policy, checkpoint=cosigned("w1", "w3")
    )
    assert report.exit_code == 0
    [checkpoint] = [each for each in report.results if each.claim is BundleClaim.CHECKPOINT]
    assert "cosigned by w1, w3" in checkpoint.detail
    theirs = verify.check(write(tmp_path / "out", unpack(tmp_path / "b.zip")))
    assert theirs["log.checkpoint"] == (True, checkpoint.detail.rstrip("."))
    with pytest.raises(EvidenceError, match="lacks the cosignatures of the quorum 'g'"):
        made.world.prove(made.versions[1], tmp_path / "c.zip", policy=policy, checkpoint=cosigned("w2"))
    with pytest.raises(CannotCheckError, match="lacks the cosignatures"):
        made.world.prove(made.versions[1], tmp_path / "c.zip", policy=policy)


def test_the_newest_checkpoint_that_a_witness_has_cosigned(world: ProvableWorld, tmp_path: Path) -> None:
    """From the sealer to the auditor, with the server of ``custody witness``."""
    output = tmp_path / "b.zip"
    first, second = (world.put(f"incoming/{number}", b"data") for number in range(2))
    world.seal(first)
    with running(tmp_path / "state", [LOG_SIGNER.key]) as (witness, _):
        line = f"witness ours {witness.key.to_verifier_key()}\nquorum ours\n"
        policy = format_policy([LOG_SIGNER.key]).replace(b"quorum none\n", line.encode())
        with pytest.raises(CannotCheckError, match=r"Neither has an earlier one\."):
            world.prove(first, output, policy=policy)
        witnesses = Witnesses([witness])
        assert world.sealer().cosign(witnesses) == 1
        assert_cosigned(
            world.prove(first, output, policy=policy), output, tmp_path / "newest", extended=False
        )
        world.seal(second)
        assert_cosigned(
            world.prove(first, output, policy=policy), output, tmp_path / "earlier", extended=True
        )
        with pytest.raises(CannotCheckError, match=r"not among the 1 entries .* the entry 1\."):
            world.prove(second, output, policy=policy)
        assert world.sealer().cosign(witnesses) == 1
        assert_cosigned(world.prove(second, output, policy=policy), output, tmp_path / "next", extended=False)
    third = world.put("incoming/third", b"data")
    world.seal(third)
    assert world.sealer().cosign(witnesses) == 0
    assert world.prove(third, output).exit_code == 0
    with pytest.raises(CannotCheckError, match=r"not among the 2 entries .* the entry 2\."):
        world.prove(third, output, policy=policy)


def assert_cosigned(report: BundleReport, output: Path, folder: Path, *, extended: bool) -> None:
    """Both verifiers say so."""
    theirs = verify.check(write(folder, unpack(output)))
    ours = {str(each.claim): (each.holds, each.detail.rstrip(".")) for each in report.results}
    for claims in (ours, theirs):
        assert all(holds for holds, _ in claims.values())
        assert claims["log.checkpoint"][1].endswith("cosigned by ours")
        assert ("log.consistency" in claims) == extended


def test_what_is_not_there_yet(world: ProvableWorld, tmp_path: Path) -> None:
    output = tmp_path / "b.zip"
    drop = world.world.put("incoming/a", b"data")
    with pytest.raises(UsageError, match="has no receipt"):
        world.prove(drop.version, output)
    world.world.record(drop)
    other = world.put("incoming/b", b"data")
    world.seal(other)
    with pytest.raises(CannotCheckError, match="not among the 1 entries of the checkpoint yet"):
        world.prove(drop.version, output)
    world.seal(drop.version)
    with pytest.raises(CannotCheckError, match="No log file of the trail has the event"):
        world.prove(drop.version, output)
    world.world.witness(drop)
    with pytest.raises(CannotCheckError, match="No digest covers the log file"):
        world.prove(drop.version, output)
    with pytest.raises(CannotCheckError, match=r"it is the entry 1\. Use a newer checkpoint"):
        world.prove(drop.version, output, checkpoint=first_checkpoint(world))
    assert list(tmp_path.iterdir()) == []


def first_checkpoint(world: ProvableWorld) -> bytes:
    """The checkpoint of the log of one entry."""
    s3, bucket = world.world.s3, world.world.provenance
    versions = s3.list_object_versions(Bucket=bucket, Prefix="log/checkpoint")["Versions"]
    for version in versions:
        data: bytes = s3.get_object(Bucket=bucket, Key="log/checkpoint", VersionId=version["VersionId"])[
            "Body"
        ].read()
        if b"\n1\n" in data:
            return data
    raise AssertionError("there was no such checkpoint")


def test_evidence_that_does_not_hold_is_no_proof(world: ProvableWorld, tmp_path: Path) -> None:
    version = world.put("incoming/a", b"data")
    world.seal(version)
    output = tmp_path / "b.zip"
    world.prove(version, output)
    before = output.read_bytes()
    world.world.tamper(version, b"DATA")
    with pytest.raises(EvidenceError, match=r"no proof, .* object\.hash"):
        world.prove(version, output, with_object=True)
    world.register(log={"public_key": NoteSigner().public_key})
    with pytest.raises(EvidenceError, match=r"registry\.history: .* replaces the public key"):
        world.prove(version, output)
    assert output.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["b.zip"]


def test_a_receipt_in_anothers_place_is_not_its_receipt(world: ProvableWorld, tmp_path: Path) -> None:
    version, drop = world.put("incoming/a", b"data"), world.world.put("incoming/b", b"data")
    data = world.world.read(world.world.provenance, version.receipt_key)
    world.world.s3.put_object(Bucket=world.world.provenance, Key=drop.version.receipt_key, Body=data)
    with pytest.raises(EvidenceError, match=r"is that of .*incoming/a"):
        world.prove(drop.version, tmp_path / "b.zip")


def test_a_digest_that_cloudtrail_has_not_signed_is_none(world: ProvableWorld, tmp_path: Path) -> None:
    version = world.put("incoming/a", b"data")
    world.seal(version)
    with pytest.raises(CannotCheckError, match="No digest covers"):
        world.prove(version, tmp_path / "b.zip", keys=Keys(**{"us-east-1": rsa_key("another")}))


def test_an_index_that_lies_is_not_believed(world: ProvableWorld, tmp_path: Path) -> None:
    versions = [world.put(f"incoming/{number}", b"data") for number in range(2)]
    world.seal(*versions)
    s3, bucket = world.world.s3, world.world.provenance
    [item] = s3.list_objects_v2(Bucket=bucket, Prefix="log/index/")["Contents"]
    rows = world.world.read(bucket, item["Key"])
    swapped = rows[:48] + rows[104:112] + rows[56:104] + rows[48:56]
    s3.put_object(Bucket=bucket, Key=item["Key"], Body=swapped)
    with pytest.raises(CannotCheckError, match="not among the 2 entries"):
        world.prove(versions[0], tmp_path / "b.zip")


def test_a_log_that_was_rolled_back_or_forked(made: Made, tmp_path: Path) -> None:
    """Against the checkpoint that somebody kept."""
    text = parse_note(made.older).text
    lines = text.split("\n")
    for changed in ("\n".join([lines[0], "9", lines[2], ""]), "\n".join([lines[0], "4", lines[2], ""])):
        signature = LOG_SIGNER.sign(changed.encode())
        line = parse_note(made.older).signatures[0]
        note = Note(changed, (type(line)(line.name, line.key_id, signature),))
        with pytest.raises(EvidenceError):
            made.world.prove(made.versions[1], tmp_path / "b.zip", checkpoint=note.to_bytes())


def test_what_is_no_bundle(tmp_path: Path, made: Made) -> None:
    def check(path: Path) -> int:
        with open_bundle(path) as bundle:
            return check_bundle(bundle).exit_code

    with pytest.raises(UsageError, match="There is no"):
        check(tmp_path / "missing.zip")
    (tmp_path / "text.zip").write_bytes(b"text")
    with pytest.raises(EvidenceError, match="not a zip file"):
        check(tmp_path / "text.zip")
    assert check(tmp_path) == 1
    twice = tmp_path / "twice.zip"
    with zipfile.ZipFile(twice, "w") as packed:
        for name, data in made.files.items():
            packed.writestr(name, data)
        with pytest.warns(UserWarning, match="Duplicate name"):
            packed.writestr("receipt.json", b"{}")
    with pytest.raises(EvidenceError, match="two files of one name"):
        check(twice)


def test_every_byte_of_a_zip_file_is_harmless(made: Made, tmp_path: Path) -> None:
    """Broken or not: an answer, or one of our errors."""
    output = tmp_path / "b.zip"
    made.world.prove(made.versions[1], output)
    data, chance = output.read_bytes(), random.Random(7)
    for _ in range(400):
        changed = bytearray(data)
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        output.write_bytes(changed)
        try:
            with open_bundle(output) as bundle:
                report = check_bundle(bundle)
        except EvidenceError:
            continue
        assert {result.claim for result in report.results} >= {BundleClaim.FILES, BundleClaim.EVENT}
