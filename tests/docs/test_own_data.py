"""The README's section "Your own data" is one of the examples, and what it says happens."""

from __future__ import annotations

import os
import re
import shlex
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


def recipe(words: list[str], places: dict[str, str]) -> None:
    """Run what ``make`` would run at last, with other places for those that the page names."""
    for place, here in places.items():
        words = [word.replace(place, here) for word in words]
    shown = subprocess.run(
        ["make", "-n", "--no-print-directory", *words], cwd=REPO, capture_output=True, text=True, check=True
    )
    variables = dict(word.split("=", 1) for word in words[1:])
    command = shown.stdout.splitlines()[-1].removeprefix(".venv/bin/python")
    subprocess.run(
        ["/bin/sh", "-c", f"{shlex.quote(sys.executable)}{command}"],
        cwd=REPO,
        env=os.environ | variables,
        check=True,
    )


def test_the_smallest_data_set_is_an_example(tmp_path: Path) -> None:
    own, example = load_dataset(own_data(tmp_path / "own")), load_dataset(REPO / "examples" / "minimal")
    assert own.contracts == example.contracts


def test_a_sample_gives_that_contract_but_for_its_rules(tmp_path: Path) -> None:
    (sample,), (command, _) = blocks("csv"), blocks("sh")
    (tmp_path / "sample.csv").write_text(sample)
    recipe(command.partition("#")[0].split()[1:], {"/data": str(tmp_path)})
    guessed = load_dataset(tmp_path / "machines").silver["machines"]
    corrected = load_dataset(REPO / "examples" / "minimal").silver["machines"]
    assert guessed.key == corrected.key
    assert guessed.raw() == corrected.raw()
    for guess, column in zip(guessed.columns, corrected.columns, strict=True):
        assert (guess.name, guess.type, guess.required, guess.pii) == (
            column.name,
            column.type,
            column.required,
            column.pii,
        )


def test_make_writes_its_dictionary(tmp_path: Path) -> None:
    own = own_data(tmp_path / "own")
    _, commands = blocks("sh")
    assert "make docs DATASET=/data/machines" in commands
    recipe(["docs", "DATASET=/data/machines"], {"/data/machines": str(own)})
    assert (own / "dictionary.md").read_text().count("| `machine_id` | string |") == 1
