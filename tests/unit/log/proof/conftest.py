from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from custody.evidence.objects import ObjectVersion
from custody.log.proof.bundle import format_sums
from tests.support.evidence import World, worlds
from tests.support.proofs import ProvableWorld


@pytest.fixture(scope="module")
def new_world() -> Iterator[Callable[[], World]]:
    with worlds() as new:
        yield new


@dataclass(frozen=True)
class Made:
    """A proof, with everything in it, and what it was made of."""

    world: ProvableWorld
    versions: list[ObjectVersion]
    files: dict[str, bytes]
    """Of the proof of the second version."""
    older: bytes
    """The checkpoint of the proof; the log has gone on since."""


def unpack(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def made(new_world: Callable[[], World], tmp_path_factory: pytest.TempPathFactory) -> Made:
    world = ProvableWorld(new_world())
    versions = [world.put(f"incoming/{number}", b"%d" % number * 300) for number in range(3)]
    world.seal(*versions)
    older = world.world.read(world.world.provenance, "log/checkpoint")
    world.register()
    later = [world.put(f"incoming/later-{number}", b"later") for number in range(2)]
    world.seal(*later)
    output = tmp_path_factory.mktemp("made") / "bundle.zip"
    report = world.prove(versions[1], output, with_object=True, checkpoint=older)
    assert report.exit_code == 0
    return Made(world, [*versions, *later], unpack(output), older)


def summed(files: dict[str, bytes]) -> dict[str, bytes]:
    """The same files, as somebody leaves them who writes SHA256SUMS again."""
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name != "SHA256SUMS"}
    return files | {"SHA256SUMS": format_sums(sums)}
