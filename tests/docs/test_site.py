"""The documentation as a site, before mkdocs has it: make site fails if a link leads nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.docs.site import indented, lay_out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a\n  b\n\n  c\n", "- a\n    b\n\n    c\n"),
        ("1. a\n   - b\n     c\n2. d\n", "1. a\n    - b\n        c\n2. d\n"),
        (
            "1. a\n\n   ```sh\n   - b\n     c\n   ```\n\n   d\n",
            "1. a\n\n    ```sh\n    - b\n      c\n    ```\n\n    d\n",
        ),
        ("```yaml\n- a:\n  - b\n```\n- c\n", "```yaml\n- a:\n  - b\n```\n- c\n"),
        ("a\n\n    code\n", "a\n\n    code\n"),
        ("- a\n\nb\n  c\n", "- a\n\nb\n  c\n"),
    ],
)
def test_what_is_in_an_item_is_indented_for_python_markdown(text: str, expected: str) -> None:
    assert indented(text) == expected


def test_pages_and_what_they_link_to_keep_their_places(tmp_path: Path) -> None:
    repo, pages = tmp_path / "repo", tmp_path / "pages"
    (repo / "docs").mkdir(parents=True)
    (repo / "sql").mkdir()
    (repo / "README.md").write_text("[one](docs/one.md) [site](https://example.org/x)\n")
    (repo / "docs" / "one.md").write_text("1. [it](../sql/it.sql)\n   [there](#there)\n")
    (repo / "sql" / "it.sql").write_text("SELECT 1\n")
    (repo / "sql" / "other.sql").write_text("SELECT 2\n")
    pages.mkdir()
    (pages / "old.md").touch()
    lay_out(repo, pages)
    found = {path.relative_to(pages).as_posix(): path.read_text() for path in pages.rglob("*.*")}
    assert found == {
        "README.md": (repo / "README.md").read_text(),
        "docs/one.md": "1. [it](../sql/it.sql)\n    [there](#there)\n",
        "sql/it.sql": "SELECT 1\n",
    }
