"""A proof of an object that went the whole way: sealed, witnessed by the trail, verified alone."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from custody.log.proof.check import BundleClaim
from scripts.demo.pipeline import Landed, Pipeline
from tests.local_aws.account import PATIENCE_SECONDS

pytestmark = pytest.mark.xdist_group("pipeline")

CLAIMS = {str(claim) for claim in BundleClaim} - {"log.consistency", "registry.trusted"}


@pytest.fixture(scope="module")
def proof(pipeline: Pipeline, landed: list[Landed], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("proof") / "proof.zip"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        done = pipeline.custody(
            "prove", landed[0].version.uri, "-o", str(path), "--object", "--format", "json"
        )
        if done.returncode != 3 or time.monotonic() > deadline:
            break
        time.sleep(2)  # it is not sealed yet
    assert done.returncode == 0, done.stderr
    claims = json.loads(done.stdout)["claims"]
    assert {each["claim"] for each in claims if each["holds"]} == CLAIMS
    return path


def test_the_program_in_it_verifies_it(proof: Path, landed: list[Landed], tmp_path: Path) -> None:
    with zipfile.ZipFile(proof) as packed:
        packed.extractall(tmp_path)
    for options in (["-I"], ["-I", "-S"]):
        command = [sys.executable, *options, "verify.py"]
        done = subprocess.run(
            command, cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert {line.split()[1] for line in done.stdout.splitlines()} == CLAIMS
        assert landed[0].version.version_id in done.stdout
    (tmp_path / "object").write_bytes(b"something else")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1


def test_the_kit_verifies_it_with_a_registry_of_ones_own(
    pipeline: Pipeline, proof: Path, tmp_path: Path
) -> None:
    provenance = pipeline.deployment.buckets["provenance"]
    registry = tmp_path / "registry.json"
    found = pipeline.client("s3").get_object(Bucket=provenance, Key="keys/registry.json")
    registry.write_bytes(found["Body"].read())
    done = pipeline.custody("verify", "--bundle", str(proof), "--registry", str(registry))
    assert done.returncode == 0, done.stdout
    assert "FAILED" not in done.stdout
    assert "registry.trusted" in done.stdout


def test_the_log_is_watched(pipeline: Pipeline, proof: Path, tmp_path: Path) -> None:
    assert proof.exists()
    seen = tmp_path / "seen"
    for _ in range(2):
        done = pipeline.custody("watch", "--seen", str(seen))
        assert done.returncode == 0, done.stderr
    assert seen.read_bytes().startswith(pipeline.deployment.buckets["provenance"].encode())
