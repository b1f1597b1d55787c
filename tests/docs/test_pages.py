"""The documentation: its links work, and what it names exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.toolchain.toolchain import REPO

PAGES = [
    REPO / "README.md",
    REPO / "findings" / "README.md",
    *sorted((REPO / "docs").rglob("*.md")),
    *sorted((REPO / "terraform").rglob("*.md")),
]
TARGETS = set(re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(), re.MULTILINE))

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_MAKE = re.compile(r"\bmake ((?:[a-z-]+ ?)+)")


def anchors(page: Path) -> set[str]:
    """What a link into a page may name: its headings as GitHub spells them, and its own anchors.

    Not a heading with ``<``: what follows is a tag to the site (pymdownx.slugs), which leaves it out, and a
    word to GitHub.
    """
    text = _FENCE.sub("", page.read_text())
    found = set(re.findall(r'<a (?:id|name)="([^"]+)"', text))
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        if "<" in heading:
            continue
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


def dead_links(page: Path, text: str) -> Iterator[str]:
    """The broken links of a page; links to other sites are not followed."""
    for link in _LINK.findall(_FENCE.sub("", text)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        known = anchors(target) if target.suffix == ".md" and target.exists() else {anchor}
        if not target.exists() or (anchor and anchor.replace("\\", "") not in known):
            yield link


def unknown_targets(text: str) -> set[str]:
    """The targets of make that code in a page names and the Makefile does not have."""
    code = re.findall(r"`([^`\n]+)`", _FENCE.sub("", text)) + _FENCE.findall(text)
    return {
        word
        for words in _MAKE.findall("\n".join(line.partition("#")[0] for line in "\n".join(code).splitlines()))
        for word in words.split()
    } - TARGETS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_links_lead_somewhere(page: Path) -> None:
    assert list(dead_links(page, page.read_text())) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_the_targets_that_a_page_names_are_there(page: Path) -> None:
    assert unknown_targets(page.read_text()) == set()


def test_a_dead_link_is_found() -> None:
    text = "[a](adr/README.md) [b](nowhere.md) [c](design.md#claims) [d](design.md#hopes) [e](https://example.org/x)"
    assert list(dead_links(REPO / "docs" / "x.md", text)) == ["nowhere.md", "design.md#hopes"]


def test_a_link_that_the_site_does_not_have_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# `table-<name>`\n\n## `table-NAME`\n")
    assert list(dead_links(tmp_path / "b.md", "[a](a.md#table-name)")) == []
    (tmp_path / "a.md").write_text("# `table-<name>`\n")
    assert list(dead_links(tmp_path / "b.md", "[a](a.md#table-name)")) == ["a.md#table-name"]


def test_an_unknown_target_is_found() -> None:
    text = "`make plan hope ENV=dev`, make believe\n```sh\nmake test  # make sure\nmake certain\n```\n"
    assert unknown_targets(text) == {"hope", "certain"}


def rows(page: str, heading: str) -> set[str]:
    """The first cells of the first table whose head begins so."""
    text = (REPO / "docs" / page).read_text()
    table = re.search(rf"^\| {heading} \|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert table, f"{page} has no table of {heading}"
    return {line.split("|")[1].strip() for line in table.group(1).splitlines()}


def named(file: str, local: str) -> set[str]:
    """The words in the value of a local of the root."""
    text = (REPO / "terraform" / file).read_text()
    found = re.search(rf"^  {local} *= (.*?)(?=^  \w+ *= |^}}$|^$)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{file} has no {local}"
    return set(re.findall(r'"([\w-]+)"', found.group(1)))


def test_the_security_model_has_every_role_and_persona() -> None:
    assert rows("security_model.md", "role") == named("locals.tf", "service_roles")
    assert rows("security_model.md", "persona") == named("access.tf", "personas")


def test_the_page_on_monitoring_names_every_page_of_the_console() -> None:
    text = (REPO / "terraform" / "console.tf").read_text()
    pages = set(re.findall(r"(\w+) += (?:\{ tool = |\"https://)", text))
    assert "dashboard" in pages
    assert rows("monitoring.md", "page") == {f"`{page}`" for page in pages}


def test_the_page_on_monitoring_names_every_graph() -> None:
    text = (REPO / "terraform" / "dashboard.tf").read_text()
    titles = set(re.findall(r'title +=\s"([^"$]+)"', text))
    named = " ".join(rows("monitoring.md", "graphs")).lower()
    assert "Dead letters" in titles
    assert [title for title in sorted(titles) if beginning(title) not in named] == []


def beginning(title: str) -> str:
    """What a graph is of: ``functions`` of ``Functions: errors``."""
    return re.split(r"[:,]", title)[0].lower()


def test_the_security_model_names_what_the_workflows_read() -> None:
    workflows = sorted((REPO / ".github" / "workflows").glob("*.yml"))
    variables = {name for path in workflows for name in re.findall(r"\bvars\.(\w+)", path.read_text())}
    text = (REPO / "docs" / "security_model.md").read_text()
    assert variables == set(re.findall(r"`((?:AWS_|ENV)[A-Z_]+)`", text))
    assert all(f"(../.github/workflows/{path.name})" in text for path in workflows)
