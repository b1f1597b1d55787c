"""Set up what this kit needs, by locked hashes: ``make setup``. Standard library only, Python 3.11 or later.

    python3 -m scripts.toolchain.setup [--checkov] [--simulator]

Makes ``.venv`` (everything that runs here), ``build/runtime`` (boto3 as the Lambda runtime brings it),
Terraform and its provider and, if requested, ``.venv-checkov`` and ``build/node`` (the policy simulator, with
its own Node.js if ``PATH`` has none). Each has a stamp with the digest of its inputs, written last: an
environment that is up to date is skipped, an interrupted or outdated one is recreated.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - the system's Python may be older than what we need
    sys.exit(
        "Python 3.11 or later is needed, this is %d.%d. Name a newer one: make PYTHON=python3.13 …"  # noqa: UP031
        % sys.version_info[:2]
    )

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import time
import tomllib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.toolchain import node
from scripts.toolchain.toolchain import (
    BUILD,
    LOCK_FILE,
    PROVIDER_HOME,
    REPO,
    ToolError,
    download_terraform,
    find_provider_mirror,
    find_terraform,
    locked_provider_version,
    terraform_environ,
    terraform_program,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

REQUIREMENTS = REPO / "requirements"
VENV = REPO / ".venv"
CHECKOV = REPO / ".venv-checkov"
RUNTIME = BUILD / "runtime"
CLIENTS = BUILD / "clients"
RECIPES = 1
"""Raised when a recipe below changes, so that what the old one made is made anew."""


def stamp_of(*inputs: Path) -> str:
    """Return the digest of what an environment is made from: inputs, recipe, interpreter, place."""
    digest = hashlib.sha256(f"{RECIPES}\n{sys.version}\n{sys.base_prefix}\n{REPO}\n".encode())
    for path in inputs:
        content = _installed_from(path) if path.name == "pyproject.toml" else path.read_bytes()
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def _installed_from(pyproject: Path) -> bytes:
    """Return what of ``pyproject.toml`` an installation depends on; the rest configures linters and tests."""
    document = tomllib.loads(pyproject.read_text())
    parts = document["build-system"], document["project"], document["tool"]["hatch"]
    return json.dumps(parts, sort_keys=True).encode()


def make(folder: Path, what: str, inputs: Sequence[Path], recipe: Callable[[Path], None]) -> bool:
    """Have ``folder`` made by ``recipe`` unless its stamp says it is up to date; return whether it was made.

    The folder is removed first, so that nothing of an older or an interrupted one stays.
    """
    stamp, wanted = folder / ".stamp", stamp_of(*inputs)
    if stamp.is_file() and stamp.read_text() == wanted:
        return False
    start = time.monotonic()
    print(f"setup: {what} …", flush=True)
    stamp.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    recipe(folder)
    stamp.write_text(wanted)
    print(f"setup: {what}: {time.monotonic() - start:.0f} s", flush=True)
    return True


def _run(command: Sequence[str | Path], remedy: str) -> None:
    """Run one command quietly; raises ``ToolError`` with the end of what it printed if it fails."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environ |= {"PIP_USER": "0", "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=REPO, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        raise ToolError(f"{' '.join(words)}\n{tail}\nThat failed. {remedy}")


def pip_install(python: Path, *arguments: str | Path) -> None:
    """Run ``pip install`` by the given Python. Raises ``ToolError`` with what pip said."""
    _run(
        [python, "-m", "pip", "install", "--quiet", *arguments],
        "pip uses its own configuration: check that its package index is reachable (pip config list).",
    )


def virtual_environment(*locks: Path, project: bool) -> Callable[[Path], None]:
    """Return a recipe: a virtual environment with the locked packages and, asked for, this project, editable.

    Packages without a wheel are built with the locked build tools, never in an environment that pip fetches
    unlocked. Nothing is compiled: most modules are never imported, and Python compiles those that are.
    """

    def recipe(folder: Path) -> None:
        _run(
            [sys.executable, "-m", "venv", folder],
            "Is Python's venv module installed? On Debian and Ubuntu: apt-get install python3-venv",
        )
        python = folder / "bin" / "python"
        for lock in locks:
            pip_install(
                *(python, "--require-hashes", "--no-deps", "--no-build-isolation", "--no-compile"),
                *("-r", lock),
            )
        if project:
            pip_install(python, "--no-deps", "--no-build-isolation", "--editable", REPO)

    return recipe


def _lambda_runtime(folder: Path) -> None:
    lock = REQUIREMENTS / "lambda-runtime.txt"
    python = VENV / "bin" / "python"
    pip_install(
        python, "--require-hashes", "--no-deps", "--only-binary=:all:", "--target", folder, "-r", lock
    )


def _node_wheel(folder: Path) -> None:
    python = VENV / "bin" / "python"
    lock = REQUIREMENTS / "node.txt"
    pip_install(
        python, "--require-hashes", "--no-deps", "--only-binary=:all:", "--target", folder, "-r", lock
    )


def _simulator() -> None:
    """See that there is a Node.js, and what evaluates the access matrix on it."""
    if node.on_path() is None:
        make(node.WHEEL, "Node.js, from its wheel", (REQUIREMENTS / "node.txt",), _node_wheel)
    make(
        node.PACKAGES,
        "build/node, the policy simulator",
        node.MANIFESTS,
        lambda folder: node.install(folder, node.MANIFESTS),
    )


def _provider(folder: Path) -> None:
    """Have Terraform fetch and check the provider once: no later (or parallel) init downloads it again.

    What is kept is the lock file with this machine's checksum, and Terraform's plugin cache if it has one.
    """
    folder.mkdir(parents=True)
    shutil.copy(LOCK_FILE, folder)
    (folder / "versions.tf").write_text(
        "terraform {\n  required_providers {\n"
        f'    aws = {{ source = "hashicorp/aws", version = "{locked_provider_version()}" }}\n  }}\n}}\n'
    )
    done = subprocess.run(
        [str(terraform_program()), "init", "-input=false", "-no-color"],
        cwd=folder,
        env=terraform_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ToolError(f"{done.stdout}\nTerraform's provider could not be installed.")
    shutil.rmtree(folder / ".terraform")


def _terraform() -> None:
    """See that there is a Terraform, and its provider."""
    if find_terraform() is None:
        print("setup: terraform, the pinned release …", flush=True)
        download_terraform()
    configuration = Path(terraform_environ()["TF_CLI_CONFIG_FILE"])
    mirrored = find_provider_mirror(locked_provider_version()) is not None
    what = "Terraform's provider" if mirrored else "Terraform's provider, from the registry (150 MB)"
    make(PROVIDER_HOME, what, (LOCK_FILE, configuration), _provider)


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the lock that keeps two set-ups at once from getting into each other's way."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / ".setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def set_up_clients() -> None:
    """See that other people's clients of S3 and Athena are there, for the test that uses them.

    Raises ``ToolError``.
    """
    build, lock = REQUIREMENTS / "build.txt", REQUIREMENTS / "clients.txt"
    with _alone():
        make(
            CLIENTS,
            "build/clients, other people's clients of S3 and Athena",
            (build, lock),
            virtual_environment(build, lock, project=False),
        )
        if node.on_path() is None:
            make(node.WHEEL, "Node.js, from its wheel", (REQUIREMENTS / "node.txt",), _node_wheel)
        make(
            node.CLIENTS,
            "build/clients-node, the JavaScript SDK",
            node.CLIENT_MANIFESTS,
            lambda folder: node.install(folder, node.CLIENT_MANIFESTS),
        )


def set_up(*, checkov: bool = False, simulator: bool = False) -> None:
    """Bring everything up to date. Raises ``ToolError``."""
    build, dev = REQUIREMENTS / "build.txt", REQUIREMENTS / "dev.txt"
    with _alone():
        make(
            VENV,
            ".venv, everything that runs here",
            (build, dev, REPO / "pyproject.toml"),
            virtual_environment(build, dev, project=True),
        )
        if checkov:
            lock = REQUIREMENTS / "checkov.txt"
            make(
                CHECKOV,
                ".venv-checkov, the policy scanner",
                (build, lock),
                virtual_environment(build, lock, project=False),
            )
        make(
            RUNTIME,
            "build/runtime, boto3 as Lambda brings it",
            (REQUIREMENTS / "lambda-runtime.txt",),
            _lambda_runtime,
        )
        if simulator:
            _simulator()
        _terraform()


def main() -> int:
    """Set up; 0 done, 2 not."""
    parser = argparse.ArgumentParser(
        prog="python3 -m scripts.toolchain.setup", description="Install what this kit needs."
    )
    parser.add_argument(
        "--checkov", action="store_true", help="also the policy scanner, in its own environment"
    )
    parser.add_argument(
        "--simulator", action="store_true", help="also the simulator that evaluates the access matrix"
    )
    options = parser.parse_args()
    try:
        set_up(checkov=options.checkov, simulator=options.simulator)
    except ToolError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nsetup: interrupted; the next run repeats what was not finished.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
