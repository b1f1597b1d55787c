"""Build the wheel and the functions' zips: ``make build``.

    python -m scripts.build

``build/dist/custody-<version>-py3-none-any.whl``, and ``build/lambda/<function>.zip`` for each
``lambda/<function>/handler.py``: the handler, what it can import (``scripts.imports``) of our wheel and the
locked dependencies (``requirements/lambda.txt``), and all licences. A zip depends only on these inputs:
entries sorted and stored uncompressed (compressed bytes would differ between zlib versions), a fixed time and
mode for all, no bytecode, no files written by an installer.
``build/mwaa`` is what an environment of Amazon MWAA installs, without a package index: ``plugins.zip``, with
our wheel and what it needs that is not there already (``requirements/mwaa.txt``), and ``requirements.txt``.
The same sources give the same SHA-256 in another folder, on another day and with another Python; that digest
is in every receipt of the function. What has changed is said on stderr; nothing, if nothing has.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from scripts.imports import imported
from scripts.toolchain.setup import REQUIREMENTS, make, pip_download, pip_install
from scripts.toolchain.toolchain import BUILD, REPO, ToolError

if TYPE_CHECKING:
    from collections.abc import Iterable

LAMBDA_PYTHON = "3.13"
MWAA_PYTHON, MWAA_PLATFORM = "3.12", "manylinux2014_x86_64"
"""Of Airflow 3 (Amazon MWAA User Guide, "Apache Airflow versions")."""
SIZE_LIMIT_BYTES = 1_500_000
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can store."""
FILE_ATTRIBUTES = 0o100644 << 16
FOLDER_ATTRIBUTES = (0o040755 << 16) | 0x10
SOURCE_DATE_EPOCH = "1580601600"
"""The time of the wheel's entries (reproducible-builds.org), whatever the caller has set."""

_INSTALLED_BY = frozenset(
    {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "WHEEL", "entry_points.txt"}
)
PRUNED = (
    # serves HTTP APIs; imported only for models of pydantic, which is not among the dependencies
    "aws_lambda_powertools/event_handler/",
    # tests of a bundled implementation, and their vectors
    "securesystemslib/_vendor/ed25519/test_",
    "securesystemslib/_vendor/test-",
)
"""Parts of the dependencies that no function uses, though imports lead to them or they are data."""


def build_wheel(project: Path, out: Path) -> Path:
    """Build the project's wheel into the folder ``out``; return its path. Raises ``ToolError``."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
            cwd=project,
            env={**os.environ, "SOURCE_DATE_EPOCH": SOURCE_DATE_EPOCH},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ToolError(f"{done.stdout}\nThe wheel cannot be built.")
        (built,) = Path(folder).glob("*.whl")
        out.mkdir(parents=True, exist_ok=True)
        for old in out.glob("*.whl"):
            old.unlink()
        return Path(shutil.move(built, out / built.name))


def install_dependencies(folder: Path) -> None:
    """Install the functions' locked dependencies: only pure Python, for Lambda's Python version."""
    pip_install(
        Path(sys.executable),
        *("--no-compile", "--only-binary=:all:", "--target", folder),
        *("--platform", "any", "--implementation", "py", "--abi", "none", "--python-version", LAMBDA_PYTHON),
        lock=REQUIREMENTS / "lambda.txt",
    )


def fetch_wheels(folder: Path) -> None:
    """Fetch the wheels that an environment of Amazon MWAA needs beside ours."""
    place = ("--platform", MWAA_PLATFORM, "--python-version", MWAA_PYTHON)
    pip_download(Path(sys.executable), folder, *place, lock=REQUIREMENTS / "mwaa.txt")


def build_mwaa(out: Path, wheels: Iterable[Path]) -> str:
    """Write ``plugins.zip`` with these wheels, and ``requirements.txt`` of exactly them; the zip's digest.

    The service unpacks the one into the folder that the other names
    (https://docs.aws.amazon.com/mwaa/latest/userguide/best-practices-dependencies.html).
    """
    files = {path.name: path.read_bytes() for path in wheels}
    digest = write_zip(out / "plugins.zip", files)
    named = ("==".join(name.split("-")[:2]) for name in sorted(files))
    lines = ["--no-index", "--find-links /usr/local/airflow/plugins", *named]
    (out / "requirements.txt").write_text("".join(f"{line}\n" for line in lines))
    return digest


def belongs(name: str) -> bool:
    """Whether an installed file belongs into a zip: code, data and licences, not files of the installer."""
    path = PurePosixPath(name)
    if "__pycache__" in path.parts or path.suffix == ".pyc" or path.parts[0] == "bin":
        return False
    if path.suffix in {".so", ".pyd", ".dylib"}:
        raise ToolError(f"{name} is not pure Python: remove its package from requirements/lambda.in.")
    if name.startswith(PRUNED) or path.name == ".stamp":
        return False
    return not (path.parts[0].endswith(".dist-info") and path.name in _INSTALLED_BY)


def files_of(folder: Path) -> dict[str, bytes]:
    """Return a folder's files that belong into a zip, by their path below it."""
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and belongs(name):
            found[name] = path.read_bytes()
    return found


def wheel_files(wheel: Path) -> dict[str, bytes]:
    """Return a wheel's files that belong into a zip, by their name in it."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if belongs(name)}


def write_zip(path: Path, files: dict[str, bytes]) -> str:
    """Write one deterministic zip atomically; return its SHA-256 in hex."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    with zipfile.ZipFile(partial, "w") as archive:
        for name in sorted(files.keys() | _folders(files)):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = 3
            entry.external_attr = FOLDER_ATTRIBUTES if entry.is_dir() else FILE_ATTRIBUTES
            archive.writestr(entry, files.get(name, b""), zipfile.ZIP_STORED)
    partial.replace(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _folders(names: Iterable[str]) -> set[str]:
    """Return the folders of these files, each with its slash.

    Without entries for them, Python before 3.13 finds no package in a zip that has no ``__init__.py``.
    """
    return {f"{parent}/" for name in names for parent in PurePosixPath(name).parents if parent.name}


def functions(project: Path) -> list[Path]:
    """Return the folders of the functions: those below ``lambda/`` with a ``handler.py``."""
    return sorted(path.parent for path in project.glob("lambda/*/handler.py"))


def build_zips(project: Path, out: Path, wheel: Path, dependencies: Path) -> dict[str, str]:
    """Build every function's zip into ``out``, which then has nothing else; return digests by function.

    Raises ``ToolError`` if a zip is over the limit, or if two of its parts have the same file.
    """
    shared = _disjoint([files_of(dependencies), wheel_files(wheel)])
    for old in out.glob("*"):
        old.unlink()
    digests = {}
    for folder in functions(project):
        own = {f"{folder.name}/{name}": content for name, content in files_of(folder).items()}
        path = out / f"{folder.name}.zip"
        digests[folder.name] = write_zip(path, _needed(_disjoint([shared, own]), own))
        if path.stat().st_size > SIZE_LIMIT_BYTES:
            raise ToolError(
                f"{path.name} has {path.stat().st_size:,} bytes; the limit is {SIZE_LIMIT_BYTES:,}."
            )
    return digests


def _needed(files: dict[str, bytes], own: Iterable[str]) -> dict[str, bytes]:
    """Return ``own`` files and what they can import, with the data of its packages and all licences."""
    kept = imported(files, (name for name in own if name.endswith(".py")))
    dropped = {PurePosixPath(name).parent for name in files.keys() - kept if name.endswith("/__init__.py")}
    return {
        name: content
        for name, content in files.items()
        if name in kept or not (name.endswith(".py") or dropped.intersection(PurePosixPath(name).parents))
    }


def _disjoint(parts: Iterable[dict[str, bytes]]) -> dict[str, bytes]:
    whole: dict[str, bytes] = {}
    for part in parts:
        twice = sorted(whole.keys() & part.keys())
        if twice:
            raise ToolError(f"{twice[0]} is in two parts of a zip.")
        whole |= part
    return whole


def _digests() -> dict[str, str]:
    """Return the digests of the zips that are there, by function."""
    zips = (BUILD / "lambda").glob("*.zip")
    return {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in zips}


def main() -> int:
    """Build everything; 0 done, 2 not."""
    before = _digests()
    try:
        dependencies = BUILD / "lambda-dependencies"
        make(
            dependencies, "the functions' dependencies", (REQUIREMENTS / "lambda.txt",), install_dependencies
        )
        wheel = build_wheel(REPO, BUILD / "dist")
        digests = build_zips(REPO, BUILD / "lambda", wheel, dependencies)
        wheels = BUILD / "mwaa-wheels"
        make(wheels, "the wheels for Airflow", (REQUIREMENTS / "mwaa.txt",), fetch_wheels)
        build_mwaa(BUILD / "mwaa", [wheel, *wheels.glob("*.whl")])
    except ToolError as error:
        print(f"build: {error}", file=sys.stderr)
        return 2
    for name, digest in digests.items():
        if digest != before.get(name):
            size = (BUILD / "lambda" / f"{name}.zip").stat().st_size
            print(
                f"build: build/lambda/{name}.zip  {size:,} bytes  sha256 {digest}",
                file=sys.stderr,
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
