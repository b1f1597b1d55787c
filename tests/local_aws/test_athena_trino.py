"""Trino's results for edge cases: ``trino/<subject>.txt`` has a line for each, ``expression => value``.

``queries.rows`` has statements with their rows. ``NULL`` is NULL, and ``!`` precedes an error message. The
results are from Trino's source and documentation; formats of dates and numbers are those of Joda-Time and
``java.util.Formatter``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.local_aws.athena.engine import QueryError
from tests.local_aws.lake import Lake

CASES = [
    pytest.param(*line.split(" => "), id=f"{path.stem}:{number}")
    for path in sorted(Path(__file__).with_name("trino").glob("*.txt"))
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
]

QUERIES = [
    pytest.param(*line.split(" => "), id=str(number))
    for number, line in enumerate(
        (Path(__file__).with_name("trino") / "queries.rows").read_text(encoding="utf-8").splitlines(), start=1
    )
]


@pytest.fixture(scope="module")
def lake() -> Iterator[Lake]:
    lake = Lake()
    yield lake
    lake.engine.close()


@pytest.mark.parametrize(("expression", "answer"), CASES)
def test_trinos_answer(lake: Lake, expression: str, answer: str) -> None:
    if answer.startswith("!"):
        with pytest.raises(QueryError) as refused:
            lake.value(expression)
        assert answer[1:] in str(refused.value)
    else:
        value = lake.value(expression)
        assert ("NULL" if value is None else value) == answer


@pytest.mark.parametrize(("sql", "answer"), QUERIES)
def test_trinos_rows(lake: Lake, sql: str, answer: str) -> None:
    if answer.startswith("!"):
        with pytest.raises(QueryError) as refused:
            lake.run(sql)
        assert answer[1:] in str(refused.value)
    else:
        assert lake.rows(sql) == ast.literal_eval(answer)


ATOMS = [*"ab1-_ :/", r"\d", r"\w", r"\.", r"\$", ".", "[ab]", "[^a]", "[a-c]", "[0-9a]"]
REPEATS = ["", "*", "+", "?", "*?", "+?", "{2}", "{1,2}", "{0,}"]
PARTS = st.tuples(st.sampled_from(ATOMS), st.sampled_from(REPEATS)).map("".join)
GROUPS = st.sampled_from(["(a.)", "([0-9]+)", "(.*)", "(?:a|b1)", "(?:ab|a)", "(?:a)"])


@given(
    st.sampled_from(["", "^"]),
    st.lists(PARTS | GROUPS, min_size=1, max_size=4),
    st.sampled_from(["", "$"]),
    st.text("ab1-_ :/.$c9Z\té\n", max_size=9),
)
def test_a_plain_pattern_finds_in_duckdb_what_it_finds_in_athena(
    begin: str, atoms: list[str], end: str, source: str
) -> None:
    """The one is asked of a column, the other of a literal, which never goes to DuckDB."""
    pattern = begin + "".join(atoms) + end
    literal = "'" + source + "'"
    all_ = "regexp_extract({0}, '{1}'), regexp_like({0}, '{1}'), regexp_replace({0}, '{1}', '<>')"
    if re.search(r"\((?!\?)", pattern.replace(r"\(", "")):
        all_ += ", regexp_extract({0}, '{1}', 1)"

    rows = _shared().rows(f"SELECT {all_.format('x', pattern)} FROM (VALUES {literal}) AS t(x)")

    assert rows == _shared().rows(f"SELECT {all_.format(literal, pattern)}")


_LAKE: list[Lake] = []


def _shared() -> Lake:
    """One lake for the property, which takes no fixtures."""
    if not _LAKE:
        _LAKE.append(Lake())
    return _LAKE[0]


def test_there_are_cases() -> None:
    assert len(CASES) > 500
    assert len(QUERIES) > 100
