"""The runbook's sections: subject and content of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from scripts.toolchain.toolchain import REPO

PAGE = REPO / "docs" / "runbook_failures.md"
PARTS = ("Means", "Look", "Do", "Never")
"""What every section answers, in this order."""


@dataclass(frozen=True)
class Section:
    """``### `name`, `name```, below a heading of the page."""

    chapter: str
    names: tuple[str, ...]
    body: str

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(re.findall(r"^\*\*(\w+)\.\*\*", self.body, re.MULTILINE))


def sections(text: str) -> Iterator[Section]:
    """The sections of a runbook, in their order."""
    chapter = ""
    for block in re.split(r"^(?=##+ )", text, flags=re.MULTILINE):
        heading, _, body = block.partition("\n")
        if heading.startswith("## "):
            chapter = heading.removeprefix("## ")
        elif heading.startswith("### "):
            yield Section(chapter, tuple(re.findall(r"`([^`]+)`", heading)), body)


def named(text: str, chapter: str) -> list[str]:
    """What the sections of a chapter are of."""
    return [name for section in sections(text) if section.chapter == chapter for name in section.names]


def first_cells(text: str, heading: str) -> list[str]:
    """The first cells of the table whose head begins so."""
    table = re.search(rf"^\| {heading} \|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    return re.findall(r"^\| `?([^|`]+)`? \|", table[1], re.MULTILINE) if table else []
