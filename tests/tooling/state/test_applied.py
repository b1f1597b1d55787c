"""A cached state is reused only for the same Terraform, SQL and zips."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from scripts.state import applied
from scripts.state.applied import applied_state, tree_key
from scripts.terraform import BESIDE, SOURCE
from scripts.toolchain.toolchain import REPO


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copytree(SOURCE, tmp_path / "terraform", ignore=shutil.ignore_patterns(".terraform"))
    for folder in BESIDE:
        shutil.copytree(REPO / folder, tmp_path / folder)
    return tmp_path


def test_a_copy_elsewhere_is_the_same(tree: Path) -> None:
    assert tree_key(tree / "terraform") == tree_key()


@pytest.mark.parametrize(
    "file",
    [
        "examples/streaming/silver/new.yaml",
        "sql/new.sql",
        "terraform/env/local.tfvars",
        "terraform/modules/key/main.tf",
        "terraform/storage.tf",
    ],
)
def test_what_decides_the_state_changes_the_key(tree: Path, file: str) -> None:
    with (tree / file).open("a") as changed:
        changed.write("\n")
    assert tree_key(tree / "terraform") != tree_key()


@pytest.mark.parametrize("file", ["terraform/README.md", "terraform/env/dev.tfvars"])
def test_what_does_not_leaves_it(tree: Path, file: str) -> None:
    with (tree / file).open("a") as changed:
        changed.write("\n")
    assert tree_key(tree / "terraform") == tree_key()


def test_what_is_kept_is_not_applied_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applied, "APPLIED", tmp_path)
    (tmp_path / "key.json").write_text(json.dumps({"values": {}}))
    said: list[str] = []
    assert applied_state(tmp_path / "no-terraform-here", "key", say=said.append) == {"values": {}}
    assert said == []
