"""The README's section "Your own data" is one of the examples, and what it says happens."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from scripts.datasets import load_dataset
from scripts.toolchain.toolchain import REPO

SECTION = re.search(r"^## Your own data\n(.*?)^## ", (REPO / "README.md").read_text(), re.M | re.S)


def blocks(kind: str) -> list[str]:
    assert SECTION
    return re.findall(rf"^```{kind}\n(.*?)^```", SECTION[1], re.M | re.S)


def own_data(folder: Path) -> Path:
    """The data set that the section describes, in a folder of its own."""
    (contract,) = blocks("yaml")
    (folder / "silver").mkdir(parents=True)
    (folder / "silver" / "machines.yaml").write_text(contract)
    return folder


def test_the_smallest_data_set_is_an_example(tmp_path: Path) -> None:
    own, example = load_dataset(own_data(tmp_path / "own")), load_dataset(REPO / "examples" / "minimal")
    assert own.contracts == example.contracts


def test_make_writes_its_dictionary(tmp_path: Path) -> None:
    own = own_data(tmp_path / "own")
    (commands,) = blocks("sh")
    assert "make docs DATASET=/data/machines" in commands
    shown = subprocess.run(
        ["make", "-n", "--no-print-directory", "docs", f"DATASET={own}"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    )
    recipe = shown.stdout.splitlines()[-1].replace('"', "").split()
    assert recipe[0].endswith("python")
    subprocess.run([sys.executable, *recipe[1:]], cwd=REPO, check=True)
    assert (own / "dictionary.md").read_text().count("| `machine_id` | string |") == 1
