"""The images of tasks: their base is pinned, their packages are locked, and they run as nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest

from scripts.toolchain.toolchain import REPO

FOLDER = REPO / "task"
TEXT = (FOLDER / "Dockerfile").read_text()


def instructions(text: str) -> list[tuple[str, str]]:
    """Each instruction and what follows it, without comments and with joined lines."""
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip() and line[0] != "#"]
    return [(word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def faults(text: str) -> Iterator[str]:
    found = instructions(text)
    for word, rest in found:
        if word == "FROM" and not re.fullmatch(r"[\w./:-]+@sha256:[0-9a-f]{64}", rest):
            yield f"the base {rest} has no digest"
        is_fetched = word == "RUN" and "pip install" in rest and "--no-index" not in rest
        if is_fetched and not {"--require-hashes", "--no-deps"} <= set(rest.split()):
            yield "a package is not of a lock file"
        if word in {"ADD", "VOLUME"}:
            yield f"{word} fetches or keeps what is not in the repository"
        if word == "COPY":
            *sources, _ = rest.split()
            for source in sources:
                if PurePosixPath(source).parts[0] != "build" and not (REPO / source).exists():
                    yield f"there is no {source}"
    users = [rest for word, rest in found if word == "USER"]
    if not users or users[-1].split(":")[0] in {"0", "root"}:
        yield "it runs as root"
    if [word for word, _ in found].count("ENTRYPOINT") != 1:
        yield "it has no entry point"


@pytest.mark.parametrize(("name", "module"), [("Dockerfile", "hasher"), ("Dockerfile.loader", "loader")])
def test_the_image_is_pinned_and_runs_as_nobody(name: str, module: str) -> None:
    text = (FOLDER / name).read_text()
    assert list(faults(text)) == []
    assert ("ENTRYPOINT", f'["python", "-m", "{module}"]') in instructions(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r"@sha256:[0-9a-f]{64}", ""),
        (r"--require-hashes ", ""),
        (r"USER .*", ""),
        (r"USER .*", "USER root"),
        (r"COPY task/hasher.py", "COPY task/gone.py"),
        (r"COPY task/hasher.py", "ADD https://example.org/hasher.py"),
        (r"ENTRYPOINT .*", ""),
    ],
)
def test_an_image_that_is_not_is_found(old: str, new: str) -> None:
    changed = re.sub(old, new, TEXT, count=1)
    assert changed != TEXT
    assert list(faults(changed)) != []
