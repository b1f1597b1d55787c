"""The documentation as a site, ``build/site/html``: every link leads somewhere, or nothing is built.

    python -m scripts.docs.site         what make site runs

Pages keep their places in the repository, and files that they link to lie beside them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.toolchain.setup import SITE
from scripts.toolchain.toolchain import BUILD, REPO

PAGES = BUILD / "site" / "pages"
INDEX = PAGES.with_name("html") / "index.html"
CONFIGURATION = REPO / "docs" / "mkdocs.yml"
_ROOTS = ("docs", "examples", "findings", "terraform")
_ITEM = re.compile(r"( *)(?:[-*]|\d+\.) +")
_LINK = re.compile(r"\]\(([^)\s#]+)")


def lay_out(repo: Path = REPO, pages: Path = PAGES) -> None:
    """Copy every page, and each file that one links to, to where it lies in the repository."""
    shutil.rmtree(pages, ignore_errors=True)
    found = [*repo.glob("*.md"), *(page for root in _ROOTS for page in (repo / root).rglob("*.md"))]
    linked = {
        (page.parent / link).resolve()
        for page in found
        for link in _LINK.findall(page.read_text())
        if not re.match(r"[a-z]+:", link)
    }
    for path in {*found, *(path for path in linked if path.is_file())}:
        copy = pages / path.relative_to(repo)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            copy.write_text(indented(path.read_text()))
        else:
            shutil.copyfile(path, copy)


def indented(text: str) -> str:
    """What is in an item of a list, by four columns a level: Python-Markdown takes nothing less.

    CommonMark, which GitHub follows, has it begin below the first character of the item's text (section 5.2).
    """
    columns: list[int] = []
    lines, in_fence, deeper = [], False, 0
    for line in text.splitlines():
        words = line.lstrip(" ")
        if words and not in_fence:
            depth = len(line) - len(words)
            columns = [column for column in columns if column <= depth]
            deeper = 4 * len(columns) - max(columns, default=0)
        lines.append(" " * deeper + line if words else "")
        if words.startswith("```"):
            in_fence = not in_fence
        elif not in_fence and (item := _ITEM.match(line)):
            columns.append(item.end())
    return "\n".join(lines) + "\n"


def main() -> int:
    """Build the site; the exit status is that of mkdocs."""
    lay_out()
    command = [str(SITE / "bin" / "python"), "-m", "mkdocs", "build", "--strict", "-f", str(CONFIGURATION)]
    environ = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    status = subprocess.run(command, env=environ, check=False).returncode
    if status == 0:
        print(f"{INDEX.relative_to(REPO)} is its first page.")
    return status


if __name__ == "__main__":
    sys.exit(main())
