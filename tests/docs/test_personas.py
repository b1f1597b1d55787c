"""Each persona has a page, and what it names is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from scripts.toolchain.toolchain import REPO
from tests.docs.test_runbook import mistakes

FOLDER = REPO / "docs" / "personas"
PAGES = sorted(FOLDER.glob("[a-z]*.md"))


def test_each_persona_of_the_access_matrix_has_its_page() -> None:
    asked = re.findall(r"^## people/([a-z-]+)$", (REPO / "docs" / "access.md").read_text(), re.MULTILINE)
    listed = re.findall(r"\]\(([a-z-]+)\.md\)", (FOLDER / "README.md").read_text())
    assert sorted(asked) == [page.stem for page in PAGES] == sorted(listed)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_its_commands_are_there(page: Path) -> None:
    said = re.findall(r"`((?:aws|custody) [^`]+)`", page.read_text())
    assert said
    assert [
        mistake for words in said for mistake in mistakes(shlex.split(words)) if " needs " not in mistake
    ] == []


def test_a_command_that_is_not_there_is_found() -> None:
    assert list(mistakes(["custody", "release", "orders"])) == ["custody has no release"]
