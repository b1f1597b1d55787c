"""The functions' zips: dependent only on their inputs, small, pure Python, and importable on their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from scripts.build import (
    PRUNED,
    SIZE_LIMIT_BYTES,
    belongs,
    build_mwaa,
    build_wheel,
    build_zips,
    functions,
    write_zip,
)
from scripts.toolchain.setup import RUNTIME
from scripts.toolchain.toolchain import BUILD, REPO, ToolError

DEPENDENCIES = BUILD / "lambda-dependencies"


def clone(folder: Path) -> tuple[Path, Path]:
    """Copy what a zip is made from: the project and the dependencies."""
    project, dependencies = folder / "project", folder / "dependencies"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("src", "lambda"):
        shutil.copytree(REPO / name, project / name, ignore=ignored)
    shutil.copy(REPO / "pyproject.toml", project)
    shutil.copytree(DEPENDENCIES, dependencies, ignore=ignored)
    return project, dependencies


def build(folder: Path, project: Path, dependencies: Path) -> dict[str, str]:
    return build_zips(project, folder / "out", build_wheel(project, folder / "dist"), dependencies)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one")
    build(folder, *clone(folder))
    return folder / "out"


@pytest.fixture(scope="module")
def recorder(built: Path) -> Path:
    return built / "recorder.zip"


def test_another_day_folder_and_user_give_the_same_bytes(
    tmp_path: Path, recorder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "another folder"
    project, dependencies = clone(here)
    for root in (project, dependencies):
        for number, path in enumerate(sorted(root.rglob("*"), reverse=True)):
            path.chmod(0o700 if path.is_dir() else 0o600)
            os.utime(path, (1e9 + number, 1e9 + number))
        (root / "__pycache__").mkdir()
        (root / "__pycache__" / "x.cpython-313.pyc").write_bytes(b"-")
    (dependencies / "jmespath" / "__pycache__").mkdir()
    (dependencies / "jmespath" / "__pycache__" / "x.pyc").write_bytes(b"-")
    (dependencies / "jmespath" / "sourceless.pyc").write_bytes(b"-")
    (dependencies / "bin").mkdir(exist_ok=True)
    (dependencies / "bin" / "tool").write_text(f"#!{here}/python\n")
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    time.tzset()
    mask = os.umask(0o077)
    try:
        build(here, project, dependencies)
    finally:
        os.umask(mask)
        monkeypatch.undo()
        time.tzset()
    assert (here / "out" / "recorder.zip").read_bytes() == recorder.read_bytes()
    (wheel,) = (here / "dist").glob("*.whl")
    assert wheel.read_bytes() == (recorder.parent.parent / "dist" / wheel.name).read_bytes()


def test_another_source_gives_other_bytes(tmp_path: Path, recorder: Path) -> None:
    project, dependencies = clone(tmp_path)
    handler = project / "lambda" / "recorder" / "handler.py"
    handler.write_text(handler.read_text() + "\n")
    build(tmp_path, project, dependencies)
    assert (tmp_path / "out" / "recorder.zip").read_bytes() != recorder.read_bytes()


def test_a_zip_holds_the_handler_our_package_and_licences_and_nothing_that_is_not_needed(
    recorder: Path,
) -> None:
    with zipfile.ZipFile(recorder) as archive:
        names = archive.namelist()
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
    assert {
        "recorder/handler.py",
        "custody/recorder/recorder.py",
        "aws_lambda_powertools/__init__.py",
    } <= set(names)
    assert names == sorted(names)
    assert not [name for name in names if name.endswith((".pyc", ".so", "/RECORD")) or "test_" in name]
    assert not [name for name in names if name.startswith(("boto", "cryptography", "bin/"))]
    assert len([name for name in names if ".dist-info/" in name and "LICEN" in name.upper()]) >= 4
    assert recorder.stat().st_size <= SIZE_LIMIT_BYTES


def test_a_zip_imports_on_its_own(recorder: Path) -> None:
    path = [str(recorder), str(RUNTIME)]
    program = f"import sys; sys.path[:0] = {path!r}; import recorder.handler as h; print(h.__file__)"
    environ = {
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_DEFAULT_REGION": "us-east-1",
        "CODE_SHA256": "0" * 64,
        "POWERTOOLS_METRICS_NAMESPACE": "Custody",
        "POWERTOOLS_SERVICE_NAME": "recorder",
        "PROVENANCE_BUCKET": "provenance",
        "SIGNING_KEY_ID": "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000",
        "SIGNING_KEY_VALID_FROM": "2025-01-01T00:00:00Z",
    }
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", program],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{recorder}/recorder/handler.py"


USELESS = {
    "recorder": {"cli", "etl", "gate", "ledger", "proof", "report", "rotation", "upload", "verify"},
    "gate": {"cli", "ledger", "report", "rotation", "upload", "verify"},
    "rotator": {"cli", "etl", "evidence", "gate", "ledger", "recorder", "report", "upload", "verify"},
}
"""Packages that a function has no use for."""


@pytest.mark.parametrize("function", [folder.name for folder in functions(REPO)])
def test_a_zip_has_all_that_its_code_imports(built: Path, function: str) -> None:
    path = built / f"{function}.zip"
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".py")]
    ours = [name for name in names if name.startswith("custody/")]
    packages = {name.split("/")[1] for name in ours}
    assert not packages & USELESS.get(function, {"cli", "doctor", "proof", "report"})
    modules = [name.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".") for name in ours]
    program = f"""
import importlib, sys
sys.path[:0] = {[str(path), str(RUNTIME)]!r}
for name in {modules!r}:
    assert importlib.import_module(name).__file__.startswith({str(path)!r}), name
from custody.errors import UsageError
try:
    importlib.import_module({f"{function}.handler"!r})
except UsageError as error:  # after all imports
    assert "environment variable" in str(error), error
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", program],
        env={"AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_nothing_in_a_zip_is_imported_by_a_computed_name(built: Path) -> None:
    found = set()
    for path in built.glob("*.zip"):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".py") and re.search(rb"import_module|__import__", archive.read(name)):
                    found.add(name)
    assert found == {"aws_lambda_powertools/shared/lazy_import.py"}  # of aws_xray_sdk, which is not installed


def test_data_are_beside_the_modules_that_use_them(tmp_path: Path) -> None:
    project, dependencies = clone(tmp_path)
    for name in (
        "lambda/recorder/own.json",
        "src/custody/recorder/data/used.json",
        "src/custody/cli/no.json",
    ):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text("{}")
    build(tmp_path, project, dependencies)
    with zipfile.ZipFile(tmp_path / "out" / "recorder.zip") as archive:
        data = [name for name in archive.namelist() if name.endswith(".json")]
    assert data == ["custody/recorder/data/used.json", "recorder/own.json"]


def test_every_pruned_path_is_there_to_be_pruned() -> None:
    names = [path.relative_to(DEPENDENCIES).as_posix() for path in DEPENDENCIES.rglob("*")]
    for prefix in PRUNED:
        assert any(name.startswith(prefix) for name in names), prefix


def test_every_function_has_its_zip() -> None:
    names = {folder.name for folder in functions(REPO)}
    assert "recorder" in names
    assert {path.stem for path in (BUILD / "lambda").glob("*.zip")} == names


def test_machine_code_is_refused() -> None:
    with pytest.raises(ToolError, match="is not pure Python"):
        belongs("package/fast.cpython-313-aarch64-linux-gnu.so")


def test_two_parts_with_one_file_are_refused(tmp_path: Path) -> None:
    project, dependencies = clone(tmp_path)
    (dependencies / "custody").mkdir()
    (dependencies / "custody" / "__init__.py").touch()
    with pytest.raises(ToolError, match=r"custody/__init__\.py is in two"):
        build(tmp_path, project, dependencies)


def test_a_zip_that_grows_too_large_is_refused(tmp_path: Path) -> None:
    project, dependencies = clone(tmp_path)
    (project / "lambda" / "recorder" / "data").write_bytes(bytes(SIZE_LIMIT_BYTES))
    with pytest.raises(ToolError, match=r"recorder\.zip has .* the limit is 1,500,000"):
        build(tmp_path, project, dependencies)


def test_the_order_of_files_does_not_matter(tmp_path: Path) -> None:
    files = {"b/x.py": b"1", "a.py": b"2", "b/a.py": b"3"}
    first = write_zip(tmp_path / "1.zip", files)
    assert write_zip(tmp_path / "2.zip", dict(reversed(files.items()))) == first
    with zipfile.ZipFile(tmp_path / "1.zip") as archive:
        assert archive.namelist() == ["a.py", "b/", "b/a.py", "b/x.py"]
        assert archive.testzip() is None


def test_what_airflow_installs_is_the_same_for_the_same_wheels_and_names_each(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for name in ("b_b-2.0-cp312-cp312-linux_x86_64.whl", "a-1.0.dev0-py3-none-any.whl"):
        (wheels / name).write_bytes(name.encode())
    paths = sorted(wheels.iterdir())
    digests = {build_mwaa(tmp_path / "one", paths), build_mwaa(tmp_path / "two", reversed(paths))}
    assert len(digests) == 1
    (wheels / "a-1.0.dev0-py3-none-any.whl").write_bytes(b"other")
    assert build_mwaa(tmp_path / "three", wheels.iterdir()) not in digests
    assert (tmp_path / "one" / "requirements.txt").read_text().splitlines() == [
        "--no-index",
        "--find-links /usr/local/airflow/plugins",
        "a==1.0.dev0",
        "b_b==2.0",
    ]
    with zipfile.ZipFile(tmp_path / "one" / "plugins.zip") as archive:
        assert archive.namelist() == ["a-1.0.dev0-py3-none-any.whl", "b_b-2.0-cp312-cp312-linux_x86_64.whl"]
