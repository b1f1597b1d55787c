from __future__ import annotations

import pytest

from custody.errors import UsageError
from custody.etl.contract import parse_contract
from custody.etl.dqdl import render_dqdl
from tests.glue.local import REPO, contract

TABLES = ("customers", "viewing_events", "daily_engagement", "customer_value")
SMALL = """
table: things
meaning: Things.
key: [id]
source: {prefix: incoming/things/, format: csv, wins: latest, unknown_columns: keep}
columns:
  - {name: id, type: string, required: true, pattern: "[A-Z]{3}", meaning: Its name.}
  - {name: size, type: integer, minimum: "1", maximum: "9", meaning: Its size.}
  - {name: kind, type: string, allowed: ["a", "b"], max_length: 1, meaning: Its kind.}
  - {name: made, type: date, required: true, minimum: "2020-01-01", meaning: When.}
checks:
  - {kind: row_count, at_least: "10"}
  - {kind: rejected_ratio, at_most: "0.1"}
  - {kind: completeness, column: size, at_least: "0.5"}
"""


@pytest.mark.parametrize("table", TABLES)
def test_contracts_of_the_kit(table: str) -> None:
    assert contract(table).table == table


def test_every_file_is_a_contract_of_the_table_it_is_named_after() -> None:
    assert sorted(path.stem for path in (REPO / "glue" / "quality").glob("*.yaml")) == sorted(TABLES)


def test_as_dqdl() -> None:
    assert render_dqdl(parse_contract(SMALL)) == (
        "Rules = [\n"
        '    IsPrimaryKey "id",\n'
        '    IsComplete "id",\n'
        '    ColumnValues "id" matches "^([A-Z]{3})$",\n'
        '    ColumnValues "size" >= 1 where "size is not null",\n'
        '    ColumnValues "size" <= 9 where "size is not null",\n'
        '    ColumnValues "kind" in [ "a", "b" ] where "kind is not null",\n'
        '    ColumnLength "kind" <= 1 where "kind is not null",\n'
        '    IsComplete "made",\n'
        '    ColumnValues "made" >= "2020-01-01",\n'
        "    RowCount >= 10,\n"
        '    Completeness "size" >= 0.5\n'
        "]\n"
    )


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("table: things", "table: 'x; drop'", "document.table is 'x; drop', which is no name"),
        ("meaning: Things.", "meaning: Things.\nsurprise: 1", "document.surprise is not known"),
        ("key: [id]", "key: [other]", "document.key is not a list of columns"),
        ("key: [id]", "key: [size]", "key holds size, which is not required"),
        ("format: csv", "format: xml", "source.format is 'xml', not one of csv, jsonl"),
        ("incoming/things/", "incoming/things", "source.prefix does not end in /"),
        ("name: size", "name: source_row", "name is 'source_row', which is no name"),
        ("name: size", "name: id", "names a column (or an alias) twice"),
        ("type: integer", "type: float", "column size.type is 'float', not one of"),
        ("required: true, pattern", "required: 1, pattern", "column id.required is not of type bool"),
        ('"[A-Z]{3}"', '"[A-Z"', "column id.pattern is no regular expression"),
        ('"[A-Z]{3}"', '"a++"', "column id.pattern holds one of"),
        ('"[A-Z]{3}"', "'\\d'", "column id.pattern holds one of"),
        ('["a", "b"]', '["a", NO]', "column kind.allowed is not a list of different texts"),
        ('minimum: "1"', 'minimum: "one"', "column size.minimum is 'one', which is no integer"),
        ('minimum: "1"', "minimum: 1", "column size.minimum is not of type str"),
        (
            'type: integer, minimum: "1", maximum: "9"',
            'type: integer, pattern: "x"',
            "size.type is not string",
        ),
        ('"2020-01-01"', '"soon"', "column made.minimum is 'soon', which is no date"),
        ('minimum: "2020-01-01"', "not_before: size", "made.not_before, which names no other date"),
        ("kind: row_count", "kind: mood", "checks[0].kind is 'mood'"),
        ('at_least: "10"', 'at_least: "1.5"', "checks[0].at_least is out of range"),
        ('at_most: "0.1"', 'at_most: "2"', "checks[1].at_most is out of range"),
        ('at_most: "0.1"', 'at_most: "few"', "checks[1].at_most is 'few', which is no number"),
        ("column: size", "column: weight", "checks[2].column is 'weight', which the table has not"),
        ("key: [id]", "key: [id]\nday: {column: day, of: made}", "day is not a new column"),
        (SMALL, "- a", "document is not a mapping"),
        (SMALL, "a: [", "is not YAML"),
    ],
)
def test_refused(old: str, new: str, sentence: str) -> None:
    assert old in SMALL
    with pytest.raises(UsageError, match="contract") as caught:
        parse_contract(SMALL.replace(old, new, 1))
    assert sentence in str(caught.value)


def test_a_table_made_of_others_has_no_raw_objects() -> None:
    with pytest.raises(UsageError, match="made from other tables"):
        contract("customer_value").raw()
