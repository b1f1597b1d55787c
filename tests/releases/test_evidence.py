"""The evidence of every release, verified by this version."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from custody.cli import main
from custody.errors import EvidenceError
from custody.etl.manifest import parse_manifest
from custody.evidence.dsse import read_payload
from custody.evidence.envelope import parse_envelope
from custody.evidence.keyring import parse_registry
from custody.evidence.receipt import PAYLOAD_TYPE, parse_statement
from custody.lineage.document import parse_lineage, parse_place
from scripts.release.changelog import CHANGELOG, parse_changelog

HERE = Path(__file__).parent
VERSIONS = [release.version for release in parse_changelog(CHANGELOG.read_text())]


@pytest.fixture(scope="module", params=VERSIONS)
def evidence(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``scripts.release.evidence`` wrote of a release, unpacked."""
    folder = tmp_path_factory.mktemp("evidence")
    with zipfile.ZipFile(HERE / f"{request.param}.zip") as packed:
        packed.extractall(folder)
    return folder


def test_the_whole_log(evidence: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fsck = ["fsck", str(evidence), "--registry", str(evidence / "registry.json"), "--format", "json"]
    assert main(fsck) == 0, capsys.readouterr()

    segment = next(evidence.glob("segments/*/*"))
    segment.rename(segment.with_name("elsewhere"))
    assert main(fsck) == 1
    segment.with_name("elsewhere").rename(segment)


def test_every_proof_by_this_version_and_by_its_own_verifier(
    evidence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proofs = sorted(evidence.glob("proofs/*.zip"))
    assert proofs
    for proof in proofs:
        verify = ["verify", "--bundle", str(proof), "--registry", str(evidence / "registry.json")]
        assert main(verify) == 0, capsys.readouterr()
        folder = tmp_path / proof.stem
        with zipfile.ZipFile(proof) as packed:
            packed.extractall(folder)
        alone = [sys.executable, "-I", "-S", "verify.py"]
        done = subprocess.run(alone, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    (changed,) = (tmp_path / "0").glob("object*")
    with changed.open("ab") as body:
        body.write(b"!")
    assert main(["verify", "--bundle", str(tmp_path / "0")]) == 1


def test_every_receipt(evidence: Path) -> None:
    ring = parse_registry((evidence / "registry.json").read_bytes())
    receipts = sorted(evidence.glob("receipts/*.json"))
    assert receipts
    for path in receipts:
        data = path.read_bytes()
        ring.verify(parse_envelope(data))
        assert parse_statement(read_payload(data, PAYLOAD_TYPE)).recorder.version in VERSIONS
        envelope = json.loads(data)
        envelope["payload"] = envelope["payload"].swapcase()
        with pytest.raises(EvidenceError):
            ring.verify(parse_envelope(json.dumps(envelope).encode()))


def test_every_lineage_document_and_its_manifest(evidence: Path) -> None:
    documents = list((evidence / "lineage").rglob("*.json"))
    assert documents
    for path in documents:
        bucket, _, key = str(path.relative_to(evidence / "lineage")).partition("/")
        place = parse_place(bucket, key)
        assert place is not None
        assert parse_lineage(path.read_bytes(), place).outputs
    manifests = list((evidence / "manifests").rglob("*.json"))
    assert manifests
    for path in manifests:
        assert parse_manifest(path.read_bytes()).entries
