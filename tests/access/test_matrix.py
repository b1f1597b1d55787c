"""The matrix as a file: large enough, every row with its own reason, and without duplicates."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml

from scripts.access import page
from scripts.access.matrix import MATRIX, Matrix, read_matrix
from scripts.access.summary import cells, kind_of, subject_of
from scripts.toolchain.toolchain import ToolError

HEAD = """
contexts:
  write-once: {"s3:if-none-match": "*"}
topics:
- title: T
  says: s
  rows:
"""


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    return read_matrix()


def written(folder: Path, rows: str) -> Path:
    path = folder / "matrix.yaml"
    path.write_text(HEAD + rows)
    return path


def test_it_asks_enough_and_denies_at_least_half(matrix: Matrix) -> None:
    assert len(matrix.rows) >= 250
    assert 2 * sum(row.effect == "deny" for row in matrix.rows) >= len(matrix.rows)


def test_every_row_has_a_reason_of_its_own(matrix: Matrix) -> None:
    told = Counter(row.why for row in matrix.rows)
    assert [why for why, times in told.items() if times > 1] == []
    assert [str(row) for row in matrix.rows if len(row.why) < 15] == []


def test_every_row_has_its_place_in_the_grid(matrix: Matrix) -> None:
    assert all(subject_of(row) and kind_of(row.action) for row in matrix.rows)


def test_no_context_is_named_for_nobody(matrix: Matrix) -> None:
    named = yaml.safe_load(MATRIX.read_text())["contexts"]
    used = {name for row in matrix.rows for name in row.named}
    assert named.keys() - used == set()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("  - deny: role/etl s3:GetObject raw-data/a\n", "has no why"),
        ("  - deny: role/etl s3:GetObject\n    why: w\n", "a row must say who, what and on which resource"),
        ("  - forbid: role/etl s3:GetObject raw-data/a\n    why: w\n", "a row needs one allow or deny"),
        (
            "  - allow: role/etl s3:GetObject a\n    deny: role/etl s3:GetObject a\n    why: w\n",
            "one allow or deny",
        ),
        (
            "  - deny: role/etl s3:GetObject raw-data/a\n    with: nonsense\n    why: w\n",
            "there is no context 'nonsense'",
        ),
        (
            '  - deny: role/etl s3:GetObject a\n    with: {"aws:SecureTransport": false}\n    why: w\n',
            "quote the value of aws:SecureTransport",
        ),
        (
            "  - deny: role/etl s3:GetObject raw-data/a\n    why: w\n"
            "  - allow: role/etl s3:GetObject raw-data/a\n    why: v\n",
            "has the same question twice",
        ),
    ],
)
def test_a_row_that_is_wrong_is_named(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        read_matrix(written(tmp_path, rows))


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="cannot be read"):
        read_matrix(tmp_path / "absent.yaml")
    (tmp_path / "list.yaml").write_text("- a\n")
    with pytest.raises(ToolError, match="has no topics"):
        read_matrix(tmp_path / "list.yaml")


def test_capitals_are_allowed_and_small_letters_denied(tmp_path: Path) -> None:
    matrix = read_matrix(
        written(
            tmp_path,
            "  - allow: role/etl s3:GetObject raw-data/incoming/a\n    why: w\n"
            "  - deny: role/etl s3:GetObject raw-data/other/a\n    why: w\n"
            "  - deny: role/etl s3:PutObject raw-data/incoming/a\n    why: w\n",
        )
    )
    found = cells(matrix.rows, frozenset(matrix.rows[:1]))
    assert {place: (cell.letters, cell.broken) for place, cell in found.items()} == {
        ("role/etl", "raw-data"): ("Rrw", True)
    }


def test_the_page_is_what_the_matrix_says(matrix: Matrix) -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.page(matrix), f"Run: {page.MEND}"


def test_the_page_changes_with_a_row(tmp_path: Path, matrix: Matrix) -> None:
    row = "  - deny: role/etl s3:GetObject raw-data/a|b\n    why: a | in a cell, <b>\n"
    text = page.page(read_matrix(written(tmp_path, row)))
    assert text != page.page(matrix)
    assert r"| a \| in a cell, \<b\> |" in text


def test_the_page_knows_everybody(tmp_path: Path) -> None:
    path = written(tmp_path, "  - deny: people/nobody s3:GetObject raw-data/a\n    why: w\n")
    with pytest.raises(ToolError, match="has no description of people/nobody"):
        page.page(read_matrix(path))
