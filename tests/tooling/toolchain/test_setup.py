"""Set-up: skips what is up to date, recreates the rest, and rejects an old Python with a message."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import venv
import zipfile
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


def test_another_python_does_not_throw_an_environment_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def recipe(folder: Path) -> None:
        venv.create(folder, symlinks=True, with_pip=False)
        (folder / "lib" / f"python3.{sys.version_info.minor}" / "site-packages" / "pip.py").touch()

    env = tmp_path / "env"
    assert make(env, "it", [], recipe)
    monkeypatch.setattr(sys, "version", "3.99.0 (another)")
    monkeypatch.setattr(sys, "base_prefix", "/elsewhere")
    monkeypatch.setattr(sys, "executable", "/elsewhere/bin/python3")
    assert not make(env, "it", [], recipe)
    python = (env / "bin" / "python").resolve()
    (env / "bin" / "python").unlink()
    assert make(env, "it", [], recipe), "its Python is gone"
    (env / "bin" / "python").unlink()
    (env / "bin" / "python").write_text(f'#!/bin/sh\nexec {python} -S "$@"\n')
    (env / "bin" / "python").chmod(0o755)
    assert make(env, "it", [], recipe), "its Python does not find its packages"


def test_it_says_how_far_it_is_and_nothing_once_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("scripts.toolchain.setup.TELL_EVERY_SECONDS", 0)
    lock = tmp_path / "lock.txt"
    lines = []
    for name in ("one", "two"):
        wheel = tmp_path / f"{name}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            info = f"{name}-1.0.dist-info"
            archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            archive.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            archive.writestr(f"{info}/RECORD", "")
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{name}==1.0 \\\n    --hash=sha256:{digest}\n    # via it\n")
    lock.write_text("".join(lines))

    def recipe(folder: Path) -> None:
        pip_install(
            *(Path(sys.executable), "--no-index", "--find-links", tmp_path, "--target", folder), lock=lock
        )

    make(tmp_path / "env", "it", [lock], recipe)
    said = capsys.readouterr()
    assert said.out == ""
    assert re.sub(r"\d+ s$", "0 s", said.err, flags=re.MULTILINE).splitlines() == [
        "setup: it …",
        "setup:   fetching package 1 of 2",
        "setup:   fetching package 2 of 2",
        "setup:   2 packages fetched, installing",
        "setup: it: 0 s",
    ]
    make(tmp_path / "env", "it", [lock], recipe)
    assert capsys.readouterr() == ("", "")


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
        pip_install(Path(sys.executable), "--target", tmp_path / "t", lock=lock)


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
