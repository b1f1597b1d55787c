"""``custody verify --bundle`` and ``custody prove``, as somebody runs them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from custody.cli import main
from custody.cli.options import Run
from custody.log.proof.check import BundleClaim
from tests.support.digests import Keys
from tests.support.evidence import World, worlds
from tests.support.proofs import ProvableWorld
from tests.unit.log.proof.conftest import unpack, write

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def new_world() -> Iterator[Callable[[], World]]:
    with worlds() as new:
        yield new


@pytest.fixture(scope="module")
def proof(new_world: Callable[[], World], tmp_path_factory: pytest.TempPathFactory) -> Path:
    world = ProvableWorld(new_world())
    version = world.put("incoming/\u202e", b"data")
    world.seal(version)
    output = tmp_path_factory.mktemp("cli") / "proof.zip"
    world.prove(version, output, with_object=True)
    return output


def run(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    status = main(arguments)
    told = capsys.readouterr()
    return status, told.out, told.err


def test_a_proof_needs_no_deployment(
    proof: Path, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUSTODY_DEPLOYMENT", raising=False)
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile(proof) as packed:
        packed.extractall(tmp_path / "out")
    for path in (proof, tmp_path / "out"):
        status, out, _ = run(capsys, "verify", "--bundle", str(path))
        assert status == 0
        assert out.count("holds") == len(BundleClaim) - 2
        assert "\u202e" not in out


def test_what_does_not_hold_is_named(proof: Path, capsys: Capture, tmp_path: Path) -> None:
    files = unpack(proof)
    write(tmp_path, files | {"object": b"DATA"})
    status, out, _ = run(capsys, "verify", "--bundle", str(tmp_path))
    assert status == 1
    assert "FAILED bundle.files      object was changed." in out
    status, out, _ = run(capsys, "verify", "--bundle", str(tmp_path), "--format", "json")
    found = {each["claim"]: each["holds"] for each in json.loads(out)["claims"]}
    assert {name for name, holds in found.items() if not holds} == {"bundle.files", "object.hash"}


def test_with_a_registry_of_ones_own(proof: Path, capsys: Capture, tmp_path: Path) -> None:
    files = unpack(proof)
    mine = tmp_path / "mine.json"
    mine.write_bytes(files[max(name for name in files if name.startswith("registry/"))])
    assert run(capsys, "verify", "--bundle", str(proof), "--registry", str(mine))[0] == 0
    mine.write_bytes(b'{"keys":[],"log":{"origin":"o","keys":[]}}')
    status, out, _ = run(capsys, "verify", "--bundle", str(proof), "--registry", str(mine))
    assert (status, "FAILED registry.trusted" in out) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["verify", "--bundle", "/nowhere.zip"], "There is no /nowhere.zip"),
        (["verify", "s3://a/b", "--bundle", "/nowhere.zip"], "checked as a whole"),
        (["verify", "--bundle", "/nowhere.zip", "--sample", "0.5"], "checked as a whole"),
        (["verify", "--registry", "/nowhere.json"], "--registry belongs to --bundle"),
        (
            ["verify", "--bundle", "/nowhere.zip", "--registry", "/nowhere.json"],
            "/nowhere.json cannot be read",
        ),
        (["prove", "s3://a/b", "-o", "/nowhere/proof.zip"], "no folder /nowhere"),
        (["prove", "s3://a/b", "-o", "proof.zip", "--policy", "/nowhere.txt"], "/nowhere.txt cannot be read"),
        (["prove", "a/b", "-o", "proof.zip"], "not an S3 URI"),
        (["prove", "s3://a/b"], "--output"),
        (["export", "s3://a/b", "-o", "/nowhere/out"], "no folder /nowhere"),
        (["export", "s3://a/b", "-o", "out", "--policy", "/nowhere.txt"], "/nowhere.txt cannot be read"),
        (["export", "s3://a/b?versionId=v", "-o", "out"], "Use custody prove"),
        (["export", "a/b", "-o", "out"], "not an S3 URI"),
        (["export", "s3://a/b", "-o", "out", "--since", "1d", "--until", "2d"], "not after --since"),
    ],
)
def test_wrong_use(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, err = run(capsys, *arguments)
    assert (status, words in err) == (2, True), err
    assert list(tmp_path.iterdir()) == []


def test_an_export_names_what_is_missing_and_goes_on(
    new_world: Callable[[], World], capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = ProvableWorld(new_world())
    version, other = world.put("incoming/a", b"data"), world.world.put("incoming/\u202e", b"data").version
    world.seal(version)
    monkeypatch.setattr(Run, "deployment", world.world.deployment)
    monkeypatch.setattr(Run, "s3", world.world.s3)
    monkeypatch.setattr(Run, "digest_keys", Keys())
    arguments = ["export", f"s3://{version.bucket}/incoming/", "-o"]
    status, out, err = run(capsys, *arguments, str(tmp_path / "out"))
    assert (status, "holds  log.inclusion" in out, "receipt.signature missing" in out) == (1, True, True)
    assert "\u202e" not in out
    assert "1 receipt. 1 finding: README.txt names them." in err
    assert run(capsys, "verify", "--bundle", str(tmp_path / "out"))[0] == 0
    status, out, _ = run(capsys, *arguments, str(tmp_path / "out.zip"), "--format", "json")
    document = json.loads(out)
    assert (status, document["receipts"]) == (1, 1)
    assert [finding["subject"] for finding in document["findings"]] == [other.uri]
    assert all(claim["holds"] for claim in document["claims"])
    status, _, err = run(capsys, *arguments, str(tmp_path / "out"))
    assert (status, "exists" in err) == (2, True)
    status, out, err = run(capsys, *arguments, str(tmp_path / "none"), "--until", "2020-01-01")
    assert (status, "nothing to export" in err) == (3, True)


def test_a_file_that_is_no_proof(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "proof.zip"
    path.write_bytes(b"text")
    status, _, err = run(capsys, "verify", "--bundle", str(path))
    assert (status, "not a zip file" in err) == (1, True)
