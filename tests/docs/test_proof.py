"""The lines of ``docs/proof.md`` that verify a proof by hand verify one, and see what was changed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from custody.log.proof.check import BundleClaim
from scripts.toolchain.toolchain import REPO
from tests.support.evidence import World, worlds
from tests.support.proofs import ProvableWorld
from tests.unit.log.proof.conftest import summed, unpack, write

TEXT = (REPO / "docs" / "proof.md").read_text(encoding="utf-8")
BY_HAND = TEXT[TEXT.index("## By hand") : TEXT.index("## Who watches the log")]
LINES = re.findall(r"^```sh\n(.*?)^```$", BY_HAND, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def new_world() -> Iterator[Callable[[], World]]:
    with worlds() as new:
        yield new


@pytest.fixture(scope="module")
def files(new_world: Callable[[], World], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    world = ProvableWorld(new_world())
    versions = [world.put(f"incoming/{number}", b"data") for number in range(7)]
    world.seal(*versions)
    output = tmp_path_factory.mktemp("docs") / "proof.zip"
    assert world.prove(versions[5], output, with_object=True).exit_code == 0
    return unpack(output)


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    script = "set -eu\nexport LC_ALL=C.UTF-8\n" + "\n".join(LINES)
    return subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, text=True, check=False)


def is_verified(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether a person sees all that there is to see."""
    said = ("The receipt is in the log.", "The digest names the log file.")
    return (
        done.returncode == 0
        and done.stdout.count("Verified OK") == 3
        and all(words in done.stdout for words in said)
    )


def test_the_lines_verify_a_proof(files: dict[str, bytes], tmp_path: Path) -> None:
    done = run(write(tmp_path, files))
    assert is_verified(done), done


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("receipt.json", b'"sig":"MEU', b'"sig":"MEV'),
        ("receipt.json", b'{"payload"', b'{ "payload"'),
        ("receipt.tlog-proof", b"index 5", b"index 4"),
        ("policy.txt", b"+Ajb", b"+Ajc"),
        ("trail/logs/", b"alice", b"mallo"),
        ("trail/digests/", b"f00d", b"f00e"),
    ],
)
def test_the_lines_see_a_change(
    files: dict[str, bytes], tmp_path: Path, name: str, before: bytes, after: bytes
) -> None:
    [path] = [each for each in files if each.startswith(name) and not each.endswith(".sig")]
    changed = files[path].replace(before, after, 1)
    if changed == files[path]:  # random within a signature or key: any other byte
        place = files[path].rindex(b'"') if name.endswith(".json") else len(files[path]) // 2
        changed = files[path][: place - 9] + b"AAAAAAAA" + files[path][place - 1 :]
    done = run(write(tmp_path, summed(files | {path: changed})))
    assert not is_verified(done)


def test_the_lines_see_a_file_that_was_changed_and_nothing_else(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    assert not is_verified(run(write(tmp_path, files | {"object": b"DATA"})))


def test_the_page_has_every_claim_and_file(files: dict[str, bytes]) -> None:
    of_one, of_many = (
        re.findall(r"^\| `([^`]+)` \|", part, re.MULTILINE) for part in TEXT.split("## Many objects at once")
    )
    assert {str(claim) for claim in BundleClaim} <= set(of_one)
    folders = {name.split("/")[0] for name in files} | {"extension.txt"}
    assert folders == {cell.split("/")[0] for cell in of_one} - {str(claim) for claim in BundleClaim}
    assert {cell.split("/")[0] for cell in of_many} == {"receipts", "log", "objects"}
