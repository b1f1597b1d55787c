"""Set-up: skips what is up to date, recreates the rest, and rejects an old Python with a message."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.toolchain.setup import make, pip_install, stamp_of
from scripts.toolchain.toolchain import REPO, ToolError


class Recipe:
    """Makes a folder with one file, and counts how often."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, folder: Path) -> None:
        self.made += 1
        folder.mkdir()
        (folder / f"made-{self.made}").touch()


def test_what_is_up_to_date_is_left_alone(tmp_path: Path) -> None:
    lock, recipe = tmp_path / "lock.txt", Recipe()
    lock.write_text("a==1")
    assert make(tmp_path / "env", "it", [lock], recipe)
    assert not make(tmp_path / "env", "it", [lock], recipe)
    assert recipe.made == 1


def test_a_changed_lock_makes_it_anew_with_nothing_left_over(tmp_path: Path) -> None:
    lock, recipe = tmp_path / "lock.txt", Recipe()
    lock.write_text("a==1")
    make(tmp_path / "env", "it", [lock], recipe)
    lock.write_text("a==2")
    assert make(tmp_path / "env", "it", [lock], recipe)
    assert sorted(path.name for path in (tmp_path / "env").iterdir()) == [".stamp", "made-2"]


def test_what_was_interrupted_is_made_anew(tmp_path: Path) -> None:
    def interrupted(folder: Path) -> None:
        folder.mkdir()
        (folder / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "env", "it", [], interrupted)
    assert make(tmp_path / "env", "it", [], Recipe())
    assert not (tmp_path / "env" / "half").exists()


def test_the_settings_of_linters_do_not_outdate_an_installation(tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    original = (REPO / "pyproject.toml").read_text()
    project.write_text(original)
    before = stamp_of(project)
    project.write_text(original.replace("line-length = 110", "line-length = 111"))
    assert stamp_of(project) == before
    project.write_text(original.replace('"boto3"', '"boto3>=1"'))
    assert stamp_of(project) != before


def test_a_package_that_is_not_the_locked_one_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "thing-1.0-py3-none-any.whl"
    wheel.write_bytes(b"not what was locked")
    lock = tmp_path / "lock.txt"
    lock.write_text(f"thing @ {wheel.as_uri()} --hash=sha256:{'0' * 64}\n")
    with pytest.raises(ToolError, match="DO NOT MATCH THE HASHES"):
        pip_install(
            Path(sys.executable), "--require-hashes", "--no-deps", "--target", tmp_path / "t", "-r", lock
        )


def test_an_old_python_is_told_in_one_sentence() -> None:
    pretend = (
        "import runpy, sys; sys.version_info = (3, 10, 4);"
        "runpy.run_module('scripts.toolchain.setup', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", pretend], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith(
        "Python 3.11 or later is needed, this is 3.10. Name a newer one: make PYTHON="
    )
    assert len(done.stderr.splitlines()) == 1
