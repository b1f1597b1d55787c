"""The changelog names every release, and nothing else has a version."""

from __future__ import annotations

import re
import subprocess
from datetime import date

import pytest

import custody
from scripts.release import changelog
from scripts.release.changelog import CHANGELOG, Release, parse_changelog
from scripts.toolchain.toolchain import REPO

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TEXT = f"""# Changelog

## [Unreleased]

### Added
- Something.

## [0.2.0] - 2027-01-31

- Two.

## [0.1.0] - 2026-11-30

One.

Commit: `{COMMIT}`.
"""


def test_a_changelog_is_read() -> None:
    assert parse_changelog(TEXT) == [
        Release("0.2.0", date(2027, 1, 31), None, "- Two."),
        Release("0.1.0", date(2026, 11, 30), COMMIT, "One."),
    ]


@pytest.mark.parametrize("day", ["", " - 2027-02-31"])
def test_a_release_without_a_date_is_refused(day: str) -> None:
    with pytest.raises(ValueError, match=r"0\.2\.0 has no date"):
        parse_changelog(TEXT.replace(" - 2027-01-31", day))


def test_a_changelog_without_headings_is_refused() -> None:
    with pytest.raises(ValueError, match="There is no heading"):
        parse_changelog("## 0.1.0\n")


def test_ours() -> None:
    """Newest first; each has its evidence, and all but the newest, just made, name their commit."""
    found = parse_changelog(CHANGELOG.read_text())
    numbers = [tuple(map(int, release.version.split("."))) for release in found]
    assert numbers == sorted(numbers, reverse=True)
    assert [release.day for release in found] == sorted((each.day for each in found), reverse=True)
    assert all(release.commit for release in found[1:])
    assert {path.stem for path in (REPO / "tests" / "releases").glob("*.zip")} == {
        release.version for release in found
    }


def test_a_version_that_is_not_released_is_told_apart() -> None:
    """What is installed from main is neither the last release nor older."""
    newest = parse_changelog(CHANGELOG.read_text())[0]
    released = tuple(map(int, newest.version.split(".")))
    match = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)(\.dev0)?", custody.__version__)
    assert match is not None
    current = tuple(map(int, match.groups()[:3]))
    assert current > released if match[4] else current == released
    assert bool(match[4]) == (newest.commit is not None)


def test_the_notes_of_this_version(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(custody, "__version__", "0.1.0")
    assert changelog.main() == 0
    assert "evidence" in capsys.readouterr().out
    monkeypatch.setattr(custody, "__version__", "99.0.0")
    assert changelog.main() == 1
    assert "no entry of the version 99.0.0" in capsys.readouterr().err


def test_the_commit_of_a_release_is_one_of_this_history() -> None:
    commit = changelog.last_release().commit
    shallow = subprocess.run(
        ["git", "rev-parse", "--is-shallow-repository"], cwd=REPO, capture_output=True, text=True, check=True
    )
    if shallow.stdout.strip() == "true":
        pytest.skip("a shallow clone has no history")
    done = subprocess.run(["git", "merge-base", "--is-ancestor", str(commit), "HEAD"], cwd=REPO, check=False)
    assert done.returncode == 0
