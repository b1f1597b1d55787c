"""An export: what goes into it, what is missing, and every way to tamper with it."""

from __future__ import annotations

import json
import random
import shutil
import zipfile
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from custody.errors import CannotCheckError, EvidenceError, UsageError
from custody.log.note import parse_note
from custody.log.proof import verify
from custody.log.proof.bundle import open_bundle
from custody.log.proof.check import BundleClaim, check_bundle
from tests.support.digests import Keys, rsa_key
from tests.support.evidence import World
from tests.support.proofs import ProvableWorld
from tests.support.small_log import NoteSigner
from tests.unit.log.proof import test_tampering as one
from tests.unit.log.proof.conftest import Made, summed, unpack, write

Files = dict[str, bytes]
HISTORY_FAILS = one.HISTORY_FAILS
RECEIPT_FAILS = one.RECEIPT_FAILS
LOG_FAILS = one.LOG_FAILS
OF_ONE_PROOF = {one.spare_bits, one.other_index, one.cut_path, one.grown_path}
"""Ways to tamper with an inclusion proof that an export has otherwise."""
HOSTILE = "incoming/\u202e/é/" + "k" * 950
"""A receipt of it has a key that is only a hash."""


@pytest.fixture
def world(new_world: Callable[[], World]) -> ProvableWorld:
    return ProvableWorld(new_world())


@pytest.fixture(scope="module")
def exported(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Three of five objects by a checkpoint at which the log had three entries, with everything in it."""
    output = tmp_path_factory.mktemp("export") / "out"
    done = made.world.export("incoming/", output, with_objects=True, checkpoint=made.older)
    assert done.receipts == 3
    files = {
        path.relative_to(output).as_posix(): path.read_bytes() for path in output.rglob("*") if path.is_file()
    }
    return replace(made, files=files)


def as_export(changed: Files) -> Files:
    """What was done to a proof, done to an export."""
    names = {one.RECEIPT: "receipts/1.json", one.PROOF: "log/checkpoint", "object": "objects/1"}
    return {
        names.get(name, name): data.partition(b"\n\n")[2] if name == one.PROOF else data
        for name, data in changed.items()
    }


def test_what_is_in_it(exported: Made) -> None:
    world = exported.world.world
    for number, version in enumerate(exported.versions[:3]):
        data = world.read(world.provenance, version.receipt_key)
        assert exported.files[f"receipts/{number}.json"] == data
        assert exported.files[f"objects/{number}"] == b"%d" % number * 300
    assert parse_note(exported.files["log/checkpoint"]) == parse_note(exported.older)
    kinds = {name.partition("/")[0] for name in exported.files}
    assert kinds == {
        *("README.txt", "SHA256SUMS", "verify.py", "policy.txt", "extension.txt"),
        *("receipts", "objects", "log", "registry", "trail"),
    }
    assert exported.files["log/hashes"] == b""  # all entries are here
    assert len([name for name in exported.files if name.startswith("trail/logs/")]) == 3


def test_what_is_missing_is_named(exported: Made, made: Made, tmp_path: Path) -> None:
    done = made.world.export("incoming/", tmp_path / "out", checkpoint=made.older)
    assert (done.exit_code, done.receipts) == (1, 3)
    assert {str(finding.claim) for finding in done.findings} == {"log.complete"}
    page = (tmp_path / "out" / "README.txt").read_text()
    for version, finding in zip(made.versions[3:], done.findings, strict=True):
        assert version.key in finding.subject
        assert finding.subject in page


def test_the_untouched_export_holds(exported: Made, tmp_path: Path) -> None:
    found = one.judge(tmp_path / "out", exported.files, one.registry_of(exported))
    assert found == {str(claim): True for claim in BundleClaim}


def test_a_zip_file_has_the_same_files(made: Made, tmp_path: Path) -> None:
    outputs = [tmp_path / name for name in ("one.zip", "two.zip", "folder")]
    for output in outputs:
        assert made.world.export("incoming/1", output).exit_code == 0
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    files = unpack(outputs[0])
    assert all((outputs[2] / name).read_bytes() == data for name, data in files.items())
    with open_bundle(outputs[0]) as bundle:
        assert check_bundle(bundle).exit_code == 0
    with zipfile.ZipFile(outputs[0]) as packed:
        assert all(info.external_attr >> 16 == 0o644 for info in packed.infolist())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "one.zip", "two.zip"]


def test_others_entries_are_not_disclosed(made: Made, tmp_path: Path) -> None:
    made.world.export("incoming/1", tmp_path / "out")
    text = b"".join(path.read_bytes() for path in (tmp_path / "out" / "receipts").iterdir())
    assert b"later" not in text
    assert [path.name for path in (tmp_path / "out" / "receipts").iterdir()] == ["1.json"]
    assert len((tmp_path / "out" / "log" / "hashes").read_bytes()) % 32 == 0


@pytest.mark.parametrize("seed", range(2))
def test_any_receipts_of_a_log_of_many_tiles(
    new_world: Callable[[], World], tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    world = ProvableWorld(new_world())
    chosen = {chance.randrange(300) for _ in range(4)}
    drops = []
    for number in range(300):
        name = f"incoming/{'chosen' if number in chosen else 'other'}/{number}"
        if number in chosen:
            drops.append(world.put(name, b"data"))
        else:
            drop = world.world.put(name, b"data")
            world.world.record(drop)
            drops.append(drop.version)
    world.seal(*drops)
    done = world.export("incoming/chosen/", tmp_path / "out")
    assert (done.exit_code, done.receipts) == (0, len(chosen))
    assert all(holds for holds, _ in verify.check(tmp_path / "out").values())


@pytest.mark.parametrize("key", [HOSTILE, "incoming/e\u0301", "incoming/a b+c%20?#"])
def test_keys_of_any_kind(world: ProvableWorld, tmp_path: Path, key: str) -> None:
    version = world.put(key, b"data")
    drop = world.world.put(key + "2", b"data")
    world.seal(version)
    done = world.export("incoming/", tmp_path / "out", with_objects=True)
    assert (done.exit_code, done.receipts) == (1, 1)
    assert [finding.subject for finding in done.findings] == [drop.version.uri]
    assert "\u202e" not in (tmp_path / "out" / "README.txt").read_text()
    assert all(holds for holds, _ in verify.check(tmp_path / "out").values())


def test_each_thing_that_is_missing(world: ProvableWorld, tmp_path: Path) -> None:
    """The rest is exported nevertheless."""
    right = world.put("incoming/right", b"data")
    no_receipt = world.world.put("incoming/no-receipt", b"data").version
    unsealed = world.world.put("incoming/unsealed", b"data")
    world.world.record(unsealed)
    no_event = world.world.put("incoming/no-event", b"data")
    world.world.record(no_event)
    no_digest = world.world.put("incoming/no-digest", b"data")
    world.world.record(no_digest)
    world.world.witness(no_digest)
    gone = world.put("incoming/gone", b"data")
    changed = world.put("incoming/changed", b"data")
    world.seal(right, no_event.version, no_digest.version, gone, changed)
    world.world.s3.delete_object(Bucket=gone.bucket, Key=gone.key, VersionId=gone.version_id)
    world.world.tamper(changed, b"DATA")

    done = world.export("incoming/", tmp_path / "out", with_objects=True)
    assert (done.exit_code, done.receipts) == (1, 3)
    found = {(str(each.claim), str(each.status), each.subject.partition("?")[0]) for each in done.findings}
    assert found == {
        ("receipt.signature", "missing", no_receipt.uri.partition("?")[0]),
        ("log.complete", "missing", f"s3://{world.world.provenance}/{unsealed.version.receipt_key}"),
        ("trail.event", "missing", no_event.version.uri.partition("?")[0]),
        ("trail.digest", "missing", no_digest.version.uri.partition("?")[0]),
        ("object.hash", "missing", gone.uri.partition("?")[0]),
        ("object.hash", "failed", changed.uri.partition("?")[0]),
    }
    [kept] = (tmp_path / "out" / "objects").iterdir()
    said = json.loads((tmp_path / "out" / "receipts" / f"{kept.name}.json").read_bytes())
    assert b"incoming/right" in b64decode(said["payload"])
    assert all(holds for holds, _ in verify.check(tmp_path / "out").values())


def test_a_period(world: ProvableWorld, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    versions = [world.put(f"incoming/{number}", b"data") for number in range(2)]
    gone = world.put("incoming/gone", b"data")
    world.seal(*versions, gone)
    world.world.s3.delete_object(Bucket=gone.bucket, Key=gone.key, VersionId=gone.version_id)
    world.world.put("incoming/2", b"data")
    hour = timedelta(hours=1)
    assert world.export("incoming/", tmp_path / "all", since=now - hour).receipts == 3
    for limits in ({"since": now + hour}, {"until": now - hour}):
        with pytest.raises(CannotCheckError, match="nothing to export"):
            world.export("incoming/", tmp_path / "none", **limits)
    assert [path.name for path in tmp_path.iterdir()] == ["all"]


def test_nothing_to_write(world: ProvableWorld, tmp_path: Path) -> None:
    with pytest.raises(CannotCheckError):
        world.export("incoming/", tmp_path / "out")
    drop = world.world.put("incoming/a", b"data")
    other = world.put("other/b", b"data")
    world.seal(other)
    done = world.export("incoming/", tmp_path / "out")
    assert (done.report, done.exit_code, done.receipts) == (None, 1, 0)
    assert [finding.subject for finding in done.findings] == [drop.version.uri]
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageError, match="exists"):
        world.export("other/", tmp_path / "out")


def test_an_index_that_lies_is_not_believed(world: ProvableWorld, tmp_path: Path) -> None:
    versions = [world.put(f"incoming/{number}", b"data") for number in range(3)]
    world.seal(*versions)
    s3, bucket = world.world.s3, world.world.provenance
    [item] = s3.list_objects_v2(Bucket=bucket, Prefix="log/index/")["Contents"]
    rows = world.world.read(bucket, item["Key"])
    swapped = rows[:48] + rows[104:112] + rows[56:104] + rows[48:56] + rows[112:]
    s3.put_object(Bucket=bucket, Key=item["Key"], Body=swapped)
    done = world.export("incoming/", tmp_path / "out")
    assert {(str(each.claim), str(each.status)) for each in done.findings} == {("log.inclusion", "failed")}
    assert (len(done.findings), done.receipts) == (2, 1)


def test_evidence_that_does_not_hold(world: ProvableWorld, tmp_path: Path) -> None:
    version = world.put("incoming/a", b"data")
    world.seal(version)
    done = world.export("incoming/", tmp_path / "out", keys=Keys(**{"us-east-1": rsa_key("another")}))
    assert [str(each.claim) for each in done.findings] == ["trail.digest"]
    world.register(log={"public_key": NoteSigner().public_key})
    with pytest.raises(EvidenceError, match="cannot be trusted"):
        world.export("incoming/", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("tamper", "expected"), [case for case in one.MATRIX if case[0] not in OF_ONE_PROOF])
def test_the_matrix(
    made: Made, exported: Made, tmp_path: Path, tamper: Callable[[Made], Files], expected: set[str]
) -> None:
    """As of a proof: one bad receipt of three, one bad file of CloudTrail."""
    if tamper is one.another_version:  # the trail tells of that one too
        expected = expected - {"trail.event"}
    changed = {name: data for name, data in (exported.files | as_export(tamper(made))).items() if data}
    changed |= {"log/hashes": b""}
    assert changed != exported.files
    assert one.failed(tmp_path / "again", summed(changed)) == expected
    assert BundleClaim.FILES in one.failed(
        tmp_path / "at-once", changed | {one.SUMS: exported.files[one.SUMS]}
    )


def without(*names: str) -> Callable[[Files], Files]:
    return lambda files: {name: data for name, data in files.items() if name not in names}


def renamed(before: str, after: str) -> Callable[[Files], Files]:
    return lambda files: without(before)(files) | {after: files[before]}


def with_file(name: str, data: bytes) -> Callable[[Files], Files]:
    return lambda files: files | {name: data}


def hashes_cut(files: Files) -> Files:
    return files | {"log/hashes": files["log/hashes"][:-32]}


def hashes_changed(files: Files) -> Files:
    return files | {"log/hashes": bytes([files["log/hashes"][0] ^ 1]) + files["log/hashes"][1:]}


def not_in_the_log(files: Files) -> Files:
    """A right receipt in other bytes, under an index that the log has."""
    data = files["receipts/1.json"].replace(b'{"payload"', b'{ "payload"', 1)
    return files | {"receipts/1.json": data}


@pytest.mark.parametrize(
    ("tamper", "expected"),
    [
        (without("log/hashes"), {"log.inclusion"}),
        (hashes_cut, {"log.inclusion"}),
        (hashes_changed, {"log.inclusion"}),
        (with_file("log/hashes", b"a" * 31), {"log.inclusion"}),
        (with_file("log/hashes", b"a" * 32 * 99), {"log.inclusion"}),
        (without("receipts/1.json"), RECEIPT_FAILS),
        (renamed("receipts/1.json", "receipts/0.json"), {"log.inclusion", "object.hash"}),
        (renamed("receipts/1.json", "receipts/99.json"), {"log.inclusion", "object.hash"}),
        (renamed("receipts/1.json", "receipts/01.json"), RECEIPT_FAILS),
        (renamed("receipts/1.json", "receipts/999999999999999999.json"), {"log.inclusion", "object.hash"}),
        (not_in_the_log, {"log.inclusion"}),
        (renamed("objects/1", "objects/2"), {"object.hash"}),
        (renamed("objects/1", "objects/001"), set()),
        (without("log/checkpoint"), {*RECEIPT_FAILS, *LOG_FAILS} - {"log.consistency", "object.hash"}),
        (with_file("receipt.json", b"{}"), set()),
        (with_file("object", b"other"), set()),
    ],
)
def test_what_only_an_export_has(
    made: Made, tmp_path: Path, tamper: Callable[[Files], Files], expected: set[str]
) -> None:
    """Of one object in the middle of the log."""
    made.world.export("incoming/1", tmp_path / "untouched", with_objects=True)
    files = {
        path.relative_to(tmp_path / "untouched").as_posix(): path.read_bytes()
        for path in (tmp_path / "untouched").rglob("*")
        if path.is_file()
    }
    shutil.rmtree(tmp_path / "untouched")
    assert one.failed(tmp_path / "again", summed(tamper(files))) == expected


@pytest.mark.parametrize("again", [False, True])
def test_flips_of_one_byte_are_all_seen(exported: Made, tmp_path: Path, again: bool) -> None:
    """Though the sums are written again: of what is signed, or what verifies it."""
    chance = random.Random(17)
    beginnings = ("receipts/", "log/", "objects/", "trail/", "extension") if again else ("",)
    names = sorted(name for name, data in exported.files.items() if data and name.startswith(beginnings))
    write(tmp_path, exported.files)
    for _ in range(300):
        name = chance.choice(names)
        changed = bytearray(exported.files[name])
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        files = {name: bytes(changed)}
        if again:
            files[one.SUMS] = summed(exported.files | files)[one.SUMS]
        assert one.is_seen(tmp_path, files), (name, bytes(changed)[:100])
        (tmp_path / name).write_bytes(exported.files[name])


def test_every_receipt_must_be_of_a_key_in_ones_own_registry(exported: Made, tmp_path: Path) -> None:
    registry = json.loads(one.registry_of(exported))
    registry["keys"] = []
    mine = json.dumps(registry).encode()
    assert one.failed(tmp_path / "out", exported.files, mine) == {"registry.trusted"}
