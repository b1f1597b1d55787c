"""Set up what this kit needs, by locked hashes: ``make setup``. Standard library only, Python 3.11 or later.

    python3 -m scripts.toolchain.setup [--checkov] [--simulator]
    python3 -m scripts.toolchain.setup --warehouse run|test    only build/warehouse or build/warehouse-test
    python3 -m scripts.toolchain.setup --airflow               only build/airflow and build/airflow-newest
    python3 -m scripts.toolchain.setup --site                  only build/mkdocs

Makes ``.venv`` (everything that runs here), ``build/runtime`` (boto3 as the Lambda runtime brings it),
Terraform and its provider and, if requested, ``.venv-checkov`` and ``build/node`` (the policy simulator and
what drives a browser, with their own Node.js if ``PATH`` has none). Each has a stamp with the digest of its
inputs, written last: an environment that is up to date is skipped, an interrupted or outdated one is
recreated. A virtual environment keeps the Python that it was made with, whichever ``python3`` runs this, for
as long as that one works.

What is done, and how far it is, goes to stderr; if there is nothing to do, nothing is said.
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
import re
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

    Recipe = Callable[[Path], None]
    """Makes the folder."""

REQUIREMENTS = REPO / "requirements"
VENV = REPO / ".venv"
CHECKOV = REPO / ".venv-checkov"
RUNTIME = BUILD / "runtime"
CLIENTS = BUILD / "clients"
WAREHOUSE = BUILD / "warehouse"
WAREHOUSE_TEST = BUILD / "warehouse-test"
AIRFLOW = BUILD / "airflow"
AIRFLOW_NEWEST = BUILD / "airflow-newest"
SITE = BUILD / "mkdocs"
OLDEST = (3, 11)
RECIPES = 2
"""Raised when a recipe below changes, so that what the old one made is made anew."""
TELL_EVERY_SECONDS = 5.0


def say(words: str) -> None:
    """Tell the person at the terminal."""
    print(f"setup: {words}", file=sys.stderr, flush=True)


def stamp_of(*inputs: Path) -> str:
    """Return the digest of what an environment is made from: inputs, recipe, place."""
    digest = hashlib.sha256(f"{RECIPES}\n{REPO}\n".encode())
    for path in inputs:
        content = _installed_from(path) if path.name == "pyproject.toml" else path.read_bytes()
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def _installed_from(pyproject: Path) -> bytes:
    """Return what of ``pyproject.toml`` an installation depends on; the rest configures linters and tests."""
    document = tomllib.loads(pyproject.read_text())
    parts = document["build-system"], document["project"], document["tool"]["hatch"]
    return json.dumps(parts, sort_keys=True).encode()


def make(folder: Path, what: str, inputs: Sequence[Path], recipe: Recipe) -> bool:
    """Have ``folder`` made by ``recipe`` unless it is up to date; return whether it was made.

    It is up to date if its stamp says so and, if it is a virtual environment, its Python still works. The
    folder is removed first, so that nothing of an older or an interrupted one stays.
    """
    stamp, wanted = folder / ".stamp", stamp_of(*inputs)
    if stamp.is_file() and stamp.read_text() == wanted and _has_working_python(folder):
        return False
    start = time.monotonic()
    say(f"{what} …")
    stamp.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    recipe(folder)
    stamp.write_text(wanted)
    say(f"{what}: {time.monotonic() - start:.0f} s")
    return True


def _has_working_python(folder: Path) -> bool:
    """Whether the Python of a virtual environment is there, finds its packages and is new enough.

    A Python that an upgrade of the system replaced by its next release looks for packages elsewhere. True for
    any other folder.
    """
    if not (folder / "pyvenv.cfg").is_file():
        return True
    probe = f"import pip, sys; sys.exit(sys.version_info < {OLDEST})"
    try:
        done = subprocess.run([folder / "bin" / "python", "-c", probe], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def _run(
    command: Sequence[str | Path], remedy: str, on_line: Callable[[str], None] = lambda line: None
) -> None:
    """Run one command quietly; raises ``ToolError`` with the end of what it printed if it fails."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environ |= {"PIP_USER": "0", "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    words = [str(word) for word in command]
    said = []
    with subprocess.Popen(
        words, cwd=REPO, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            said.append(line.rstrip())
            on_line(line)
    if process.returncode != 0:
        tail = "\n".join(said[-15:])
        raise ToolError(f"{' '.join(words)}\n{tail}\nThat failed. {remedy}")


def pip_install(python: Path, *arguments: str | Path, lock: Path | None = None) -> None:
    """Run ``pip install`` by the given Python, of exactly what ``lock`` has if one is given.

    Raises ``ToolError`` with what pip said.
    """
    _pip(python, "install", *arguments, lock=lock)


def pip_download(python: Path, folder: Path, *arguments: str, lock: Path) -> None:
    """Have ``pip download`` put what ``lock`` has into a folder, as wheels. Raises ``ToolError``."""
    _pip(python, "download", "--only-binary=:all:", "--dest", folder, *arguments, lock=lock)


def _pip(python: Path, verb: str, *arguments: str | Path, lock: Path | None) -> None:
    locked = () if lock is None else ("--require-hashes", "-r", lock)
    _run(
        [python, "-m", "pip", verb, "--no-deps", "--progress-bar=off", *arguments, *locked],
        "pip uses its own configuration: check that its package index is reachable (pip config list).",
        _PipProgress(0 if lock is None else len(_LOCKED.findall(lock.read_text()))).line,
    )


_LOCKED = re.compile(r"^[\w.-]+ ?[=@]", re.MULTILINE | re.ASCII)


class _PipProgress:
    """Reads what pip prints, and says how many of the packages it has begun with."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._begun = 0
        self._last = time.monotonic()

    def line(self, text: str) -> None:
        """Take one line of pip's output."""
        if text.startswith(("Collecting ", "Processing ")):
            self._begun += 1
            if time.monotonic() - self._last >= TELL_EVERY_SECONDS:
                self._last = time.monotonic()
                say(f"  fetching package {self._begun} of {self._total}")
        elif text.startswith("Installing collected packages") and self._total > 1:
            say(f"  {self._total} packages fetched, installing")


def virtual_environment(*locks: Path, project: bool) -> Recipe:
    """Return a recipe: a virtual environment with the locked packages and, asked for, this project, editable.

    Packages without a wheel are built with the locked build tools, never in an environment that pip fetches
    unlocked. Nothing is compiled: most modules are never imported, and Python compiles those that are.
    """

    def recipe(folder: Path) -> None:
        # Not the Python of the environment that has just been removed, if that ran this.
        _run(
            [getattr(sys, "_base_executable", sys.executable), "-m", "venv", folder],
            "Is Python's venv module installed? On Debian and Ubuntu: apt-get install python3-venv",
        )
        python = folder / "bin" / "python"
        for lock in locks:
            pip_install(python, "--no-build-isolation", "--no-compile", lock=lock)
        if project:
            pip_install(python, "--no-build-isolation", "--editable", REPO)

    return recipe


def _lambda_runtime(folder: Path) -> None:
    _install_into(folder, REQUIREMENTS / "lambda-runtime.txt")


def _node_wheel(folder: Path) -> None:
    _install_into(folder, REQUIREMENTS / "node.txt")


def _install_into(folder: Path, lock: Path) -> None:
    pip_install(VENV / "bin" / "python", "--only-binary=:all:", "--target", folder, lock=lock)


def _simulator() -> None:
    """See that there is a Node.js, and what evaluates the access matrix on it."""
    if node.on_path() is None:
        make(node.WHEEL, "Node.js, from its wheel", (REQUIREMENTS / "node.txt",), _node_wheel)
    make(
        node.PACKAGES,
        "build/node, the policy simulator and the browser's driver",
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
        say("terraform, the pinned release …")
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


def set_up_warehouse(*, test: bool) -> None:
    """See that the command line that loads a warehouse is there; with ``test``, with a Snowflake for tests.

    Raises ``ToolError``.
    """
    folder, name = (WAREHOUSE_TEST, "warehouse-test") if test else (WAREHOUSE, "warehouse")
    locks = REQUIREMENTS / "build.txt", REQUIREMENTS / f"{name}.txt"
    with _alone():
        make(
            folder,
            f"build/{name}, the connector of Snowflake",
            (*locks, REPO / "pyproject.toml"),
            virtual_environment(*locks, project=True),
        )


def set_up_airflow(*folders: Path) -> None:
    """See that the DAGs can be run: by the Airflow that Amazon MWAA has (``AIRFLOW``), by ``AIRFLOW_NEWEST``.

    Raises ``ToolError``.
    """
    with _alone():
        for folder in folders:
            lock = REQUIREMENTS / f"{folder.name}.txt"
            make(
                folder,
                f"build/{folder.name}, which runs the DAGs",
                (lock, REPO / "pyproject.toml"),
                virtual_environment(lock, project=True),
            )


def set_up_site() -> None:
    """See that the documentation can be built as a site. Raises ``ToolError``."""
    build, lock = REQUIREMENTS / "build.txt", REQUIREMENTS / "site.txt"
    with _alone():
        make(
            SITE,
            "build/mkdocs, which builds the documentation as a site",
            (build, lock),
            virtual_environment(build, lock, project=False),
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
    parser.add_argument(
        "--warehouse",
        choices=("run", "test"),
        help="only the command line that loads a warehouse, or its tests",
    )
    parser.add_argument("--airflow", action="store_true", help="only what runs the DAGs, for their tests")
    parser.add_argument("--site", action="store_true", help="only what builds the documentation as a site")
    options = parser.parse_args()
    try:
        if options.site:
            set_up_site()
        elif options.airflow:
            set_up_airflow(AIRFLOW, AIRFLOW_NEWEST)
        elif options.warehouse:
            set_up_warehouse(test=options.warehouse == "test")
        else:
            set_up(checkov=options.checkov, simulator=options.simulator)
    except ToolError as error:
        say(str(error))
        return 2
    except KeyboardInterrupt:
        say("interrupted; the next run repeats what was not finished.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
