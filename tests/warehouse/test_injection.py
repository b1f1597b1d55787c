"""Hostile text as values and as names: stored as it is, and none of it executed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlglot import exp

from custody.errors import UsageError
from custody.evidence.objects import ObjectVersion
from custody.warehouse.connection import Session
from custody.warehouse.gold import GoldFile
from custody.warehouse.load import Checks, load
from custody.warehouse.sql import MAX_IDENTIFIER, identifier, literal, staged_file
from custody.warehouse.tables import Target
from scripts.local_warehouse import parse, runs_here
from tests.warehouse.gold_files import Lake, contract, opened, rows_of, version
from tests.warehouse.hostile import CORPUS

NAMES = [text for text in CORPUS if 1 <= len(text) <= MAX_IDENTIFIER and text.isprintable()]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


@pytest.fixture
def session(lake: Lake, tmp_path: Path) -> Iterator[Session]:
    with opened(lake, tmp_path / "snowflake") as opened_session:
        yield opened_session


def tables(session: Session) -> set[str]:
    rows = session.run("SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'GOLD'")
    return {row[0] for row in rows}


def test_corpus_is_large() -> None:
    assert len(CORPUS) >= 200
    assert len(NAMES) >= 150


def test_values_in_data_files_are_stored_as_they_are(lake: Lake, session: Session) -> None:
    before = tables(session)
    file = lake.file("a.parquet", [{"id": text, "amount": number} for number, text in enumerate(CORPUS)], 1)

    load(session, version(1, [file]), Checks())

    assert {key: row[0] for key, row in rows_of(session).items()} == {
        text: n for n, text in enumerate(CORPUS)
    }
    assert tables(session) == before


def test_values_in_statements_are_stored_as_they_are(lake: Lake, session: Session) -> None:
    """What the history keeps: URIs, hashes, documents."""
    before = tables(session)
    file = lake.file("a.parquet", [{"id": "x", "amount": 1}], 0)
    odd = [_named(lake, number, text) for number, text in enumerate(CORPUS)]
    gold = replace(version(1, [file, *odd]), document=CORPUS[0], document_sha256=CORPUS[1])

    load(session, gold, Checks())

    kept = session.run("SELECT SHA256, RECEIPT FROM CUSTODY_FILES ORDER BY LEAF_INDEX")
    assert kept[1:] == [(text, text) for text in CORPUS]
    assert session.run("SELECT DOCUMENT, DOCUMENT_SHA256 FROM CUSTODY_LOADS") == [(CORPUS[0], CORPUS[1])]
    assert tables(session) == before


def _named(lake: Lake, number: int, text: str) -> GoldFile:
    """A file without rows, of which the evidence has the text everywhere."""
    file = lake.file(f"empty-{number}.parquet", [], number + 1)
    proven = replace(
        file.proven, version=ObjectVersion("gold", text or "-", str(number)), sha256=text, receipt=text
    )
    return replace(file, proven=proven)


def test_values_that_are_asked_for_match_nothing_else(lake: Lake, session: Session) -> None:
    file = lake.file("a.parquet", [{"id": text, "amount": n} for n, text in enumerate(CORPUS)], 1)
    load(session, version(1, [file]), Checks())

    for number, text in enumerate(CORPUS):
        assert session.run("SELECT AMOUNT FROM VISITS WHERE ID = ?", [text]) == [(number,)]


@pytest.mark.parametrize("text", NAMES)
def test_name_is_one_identifier(text: str) -> None:
    (select,) = parse(f"SELECT 1 AS {identifier(text)}").expressions

    assert isinstance(select, exp.Alias)
    assert select.alias == text


@pytest.mark.parametrize("text", [text for text in CORPUS if text not in NAMES])
def test_what_cannot_be_a_name_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="cannot be a name in the warehouse"):
        identifier(text)


def test_names_are_stored_as_they_are(session: Session) -> None:
    before = tables(session)
    names = [*{text.upper(): text for text in NAMES}.values()]  # DuckDB's names differ by more than case
    session.run(
        f"CREATE TEMPORARY TABLE hostile ({', '.join(f'{identifier(name)} NUMBER' for name in names)})"
    )
    session.run(f"INSERT INTO hostile SELECT {', '.join(map(str, range(len(names))))}")

    row = session.run(f"SELECT {', '.join(identifier(name) for name in reversed(names))} FROM hostile")

    assert row == [tuple(reversed(range(len(names))))]
    assert tables(session) == before


@pytest.mark.parametrize("text", [text for text in CORPUS if text.isprintable()])
def test_constant_is_one_literal(text: str) -> None:
    (found,) = parse(f"SELECT {literal(text)}").expressions

    assert isinstance(found, exp.Literal)
    assert (found.is_string, found.name) == (True, text)


@pytest.mark.parametrize("text", CORPUS)
def test_file_is_a_plain_constant_or_refused(text: str) -> None:
    try:
        constant = staged_file(text)
    except UsageError:
        return
    assert constant == f"'{text}'"
    assert not set(text) & set("'\\\n ;")


def test_meanings_and_roles_are_constants_of_the_definition(session: Session) -> None:
    before = tables(session)
    printable = [text for text in CORPUS if text.isprintable() and 0 < len(text.encode()) <= 255]
    columns = [{"name": "id", "type": "string", "required": True, "pii": True, "meaning": "Who."}]
    columns += [
        {"name": f"c{number}", "type": "string", "meaning": text} for number, text in enumerate(printable)
    ]
    target = Target(contract(columns=columns, meaning=printable[0], table="hostile"))

    for statement in target.definition(printable[1]):
        parse(statement)
        if runs_here(statement) and statement.startswith("CREATE"):
            session.run(statement)

    assert tables(session) == before | {"HOSTILE"}


def test_contract_refuses_hostile_names() -> None:
    for text in CORPUS:
        if text not in {"visits", "q", "x"} and not text.islower():
            with pytest.raises(UsageError):
                contract(table=text)


@pytest.mark.parametrize("own", ["custody_loads", "custody_files", "custody_object"])
def test_own_names_are_not_a_table_s(own: str) -> None:
    with pytest.raises(UsageError, match="begins like those of the kit"):
        _ = Target(contract(table=own)).name
