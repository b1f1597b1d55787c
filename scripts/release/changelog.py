"""The releases, as ``CHANGELOG.md`` has them.

    python -m scripts.release.changelog        # the notes of this version, for its release

Exit status 0 done, 1 if the changelog has no entry of this version (``custody.__version__``).
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from datetime import date

import custody
from scripts.toolchain.toolchain import REPO

CHANGELOG = REPO / "CHANGELOG.md"
_HEADING = re.compile(
    r"^## \[(?P<version>[^\]]+)\](?: - (?P<day>\d{4}-\d\d-\d\d))?$", re.MULTILINE | re.ASCII
)
_COMMIT = re.compile(r"^Commit: `([0-9a-f]{40})`\.$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Release:
    """One entry. ``commit`` is ``None`` from the release until the next commit, which names it."""

    version: str
    day: date
    commit: str | None
    notes: str


def parse_changelog(text: str) -> list[Release]:
    """The releases of a changelog in the form of keepachangelog.com 1.1.0, newest first.

    What is not released yet (``[Unreleased]``) is not among them. Raises ``ValueError``.
    """
    headings = list(_HEADING.finditer(text))
    if not headings:
        raise ValueError("There is no heading such as ## [0.1.0] - 2026-11-30.")
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    found = []
    for heading, end in zip(headings, ends, strict=True):
        version, day = heading["version"], heading["day"]
        if version == "Unreleased":
            continue
        if day is None:
            raise ValueError(f"The release {version} has no date.")
        notes = text[heading.end() : end]
        commit = _COMMIT.search(notes)
        try:
            released = date.fromisoformat(day)
        except ValueError as error:
            raise ValueError(f"The release {version} has no date: {day}.") from error
        found.append(Release(version, released, commit and commit[1], _COMMIT.sub("", notes).strip()))
    return found


def last_release() -> Release:
    """The newest release whose commit is known. Raises ``ValueError``."""
    for release in parse_changelog(CHANGELOG.read_text()):
        if release.commit is not None:
            return release
    raise ValueError(f"{CHANGELOG.name} names no release with its commit.")


def main() -> int:
    """Print the notes of this version."""
    try:
        releases = parse_changelog(CHANGELOG.read_text())
    except ValueError as error:
        print(f"{CHANGELOG.name} cannot be read: {error}", file=sys.stderr)
        return 1
    for release in releases:
        if release.version == custody.__version__:
            print(release.notes)
            return 0
    print(f"{CHANGELOG.name} has no entry of the version {custody.__version__}.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
