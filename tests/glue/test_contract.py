from __future__ import annotations

import pytest

from custody.errors import UsageError
from custody.etl.contract import ENCODINGS, Csv, Input, assert_inputs, parse_contract
from tests.glue.local import DATA_SET, contract

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
    assert sorted(path.stem for path in DATA_SET.glob("*/*.yaml")) == sorted(TABLES)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("table: things", "table: 'x; drop'", "document.table is 'x; drop', which is not a valid name"),
        ("table: things", "table: x_rejected", "so the quarantine of another table would be called"),
        ("meaning: Things.", "meaning: Things.\nsurprise: 1", "document.surprise is unknown"),
        ("key: [id]", "key: [other]", "document.key is not a list of columns"),
        ("key: [id]", "key: [size]", "key has size, which is not required"),
        ("format: csv", "format: xml", "source.format is 'xml', not one of csv, jsonl, json, parquet"),
        ("format: csv", "format: json, csv: {header: false}", "source.csv is there, but the format is json"),
        (
            "source: {prefix: incoming/things/, format: csv",
            "source: {from: stream, prefix: incoming/stream/things/, format: parquet",
            "source.format is parquet, and a stream delivers lines",
        ),
        (
            "source: {prefix: incoming/things/",
            "source: {from: stream, prefix: incoming/stream/things/",
            "source.csv has a header, which the objects of a stream have not",
        ),
        ("format: csv", "format: csv, csv: {escape: x}", "source.csv.escape is unknown"),
        ("format: csv", "format: csv, csv: {delimiter: '||'}", "delimiter is '||', not one ASCII character"),
        ("format: csv", "format: csv, csv: {delimiter: §}", "delimiter is '§', not one ASCII character"),
        ("format: csv", "format: csv, csv: {delimiter: a}", "delimiter is 'a', not one ASCII character"),
        ("format: csv", 'format: csv, csv: {quote: "\\n"}', "quote is '\\n', not one ASCII character"),
        ("format: csv", "format: csv, csv: {delimiter: ';', quote: ;}", "quote is ';', like the delimiter"),
        ("format: csv", "format: csv, csv: {header: 'no'}", "source.csv.header is not of type bool"),
        ("format: csv", "format: csv, csv: {encoding: latin}", "csv.encoding is 'latin', not one of utf-8"),
        ("format: csv", "format: csv, csv: {decimal_mark: ';'}", "is ';', neither a point nor a comma"),
        ("format: csv", "format: csv, csv: {decimal_mark: ','}", "decimal_mark is ',', like the delimiter"),
        ("format: csv", "format: csv, csv: {thousands_mark: .}", "thousands_mark is '.', like the decimal"),
        ("format: csv", "format: csv, csv: {thousands_mark: x}", "thousands_mark is 'x', not a point"),
        ("format: csv", "format: csv, csv: {thousands_mark: ',', quote: ''}", "and there is no quote"),
        ("incoming/things/", "incoming/things", "source.prefix does not end in /"),
        ("incoming/things/", "things/", "source.prefix does not begin with incoming/"),
        ("incoming/things/", "incoming/stream/things/", "below incoming/stream/ if it is from a stream"),
        ("source: {", "source: {from: stream, ", "below incoming/stream/ if it is from a stream"),
        ("source: {", "source: {from: mail, ", "source.from is 'mail', not one of files, stream"),
        ("key: [id]", "key: [id]\ninputs: [{table: other}]\nsql: SELECT 1", "stands beside source"),
        ("key: [id]", "key: [id]\nsql: SELECT 1", "one of them is missing"),
        ("name: size", "name: source_row", "name is 'source_row', which is not a valid name"),
        ("name: size", "name: id", "names a column (or an alias) twice"),
        ("type: integer", "type: float", "column size.type is 'float', not one of"),
        ("required: true, pattern", "required: 1, pattern", "column id.required is not of type bool"),
        ('"[A-Z]{3}"', '"[A-Z"', "column id.pattern is not a regular expression"),
        ('"[A-Z]{3}"', '"a++"', "column id.pattern contains one of"),
        ('"[A-Z]{3}"', "'\\d'", "column id.pattern contains one of"),
        ('["a", "b"]', '["a", NO]', "column kind.allowed is not a list of different texts"),
        ('minimum: "1"', 'minimum: "one"', "column size.minimum is 'one', which is not a valid integer"),
        ('minimum: "1"', "minimum: 1", "column size.minimum is not of type str"),
        (
            'type: integer, minimum: "1", maximum: "9"',
            'type: integer, pattern: "x"',
            "size.type is not a string",
        ),
        ('"2020-01-01"', '"soon"', "column made.minimum is 'soon', which is not a valid date"),
        ('minimum: "2020-01-01"', "not_before: size", "made.not_before, which is not the name"),
        (
            'minimum: "1"',
            'minimum: "10"',
            "column size.minimum is '10', over the maximum: no value is allowed",
        ),
        ("max_length: 1", "max_length: 0", "column kind.max_length is 0: no value is so short"),
        ('maximum: "9"', "max_length: 0", "size.type is not a string"),
        ('minimum: "2020-01-01"', "not_before: made", "made.not_before, which is not the name of another"),
        (
            '["a", "b"]',
            '["a", " b"]',
            "column kind.allowed has ' b', which no value is: whitespace is collapsed",
        ),
        ('["a", "b"]', '["a", "b\\u202e"]', "column kind.allowed has 'b\\u202e', which no value is"),
        (
            '["a", "b"]',
            '["a"], spellings: {a: ["A  A"]}',
            "column kind.spellings has 'a  a', which no value is",
        ),
        (
            'type: integer, minimum: "1", maximum: "9"',
            'type: boolean, true_words: ["ja "], false_words: ["nein"]',
            "column size.true_words has 'ja ', which no value is",
        ),
        ("meaning: Its size.", 'meaning: "Its\\nsize."', "column size.meaning is not one line"),
        ("meaning: Its size.", f"meaning: {'x' * 256}", "column size.meaning has 256 bytes, of 255 at most"),
        ("meaning: Things.", f"meaning: {'é' * 951}", "document.meaning has 1902 bytes, of 1900 at most"),
        *(
            (
                'type: date, required: true, minimum: "2020-01-01"',
                f'type: timestamp, formats: ["{text}"]',
                sentence,
            )
            for text, sentence in (
                ("%Y-%m-%d  %H:%M%z", "column made.formats has '%Y-%m-%d  %H:%M%z', which no value is"),
                ("%-d%-m%Y %H:%M%z", "has two numbers of no fixed length with nothing but digits between"),
                ("%-m1%-d.%Y %H:%M%z", "has two numbers of no fixed length with nothing but digits between"),
                ("%Y%m%d%-H%M%S%f%z", "has two numbers of no fixed length with nothing but digits between"),
            )
        ),
        ("kind: row_count", "kind: mood", "checks[0].kind is 'mood'"),
        *(
            (
                'at_least: "10"',
                f'at_least: "{text}"',
                f"checks[0].at_least is {text!r}, which is not a number",
            )
            for text in ("NaN", "sNaN", "Infinity", "1e3", "1_0", " 10", "\u0663", "-1")
        ),
        ('at_least: "10"', 'at_least: "1.5"', "checks[0].at_least is out of range"),
        ('at_most: "0.1"', 'at_most: "2"', "checks[1].at_most is out of range"),
        ('at_most: "0.1"', 'at_most: "few"', "checks[1].at_most is 'few', which is not a number"),
        ("column: size", "column: weight", "checks[2].column is 'weight', which is not a column"),
        ("key: [id]", "key: [id]\nday: {column: day, of: made}", "day is not a new column"),
        (
            'type: date, required: true, minimum: "2020-01-01", meaning: When.}',
            "type: timestamp, required: true, meaning: When.}\nday: {column: on_day, of: made}",
            "key lacks on_day",
        ),
        (SMALL, "- a", "document is not a mapping"),
        (SMALL, "a: [", "is not YAML"),
    ],
)
def test_refused(old: str, new: str, sentence: str) -> None:
    assert old in SMALL
    with pytest.raises(UsageError, match="contract") as caught:
        parse_contract(SMALL.replace(old, new, 1))
    assert sentence in str(caught.value)


def test_the_dialect_of_csv() -> None:
    assert parse_contract(SMALL).raw().csv == Csv()
    dialect = (
        "{delimiter: ';', quote: \"'\", header: false, encoding: cp932, decimal_mark: ',', thousands_mark: .}"
    )
    rules = parse_contract(SMALL.replace("format: csv", f"format: csv, csv: {dialect}"))
    assert rules.raw().csv == Csv(";", "'", False, "cp932", ",", ".")
    for encoding in ENCODINGS:
        assert "a;1\r\n".encode(encoding).decode(encoding) == "a;1\r\n"


def test_a_table_made_of_others_has_no_raw_objects() -> None:
    with pytest.raises(UsageError, match="made from other tables"):
        contract("customer_value").raw()


GOLD = """
table: days
meaning: Days.
key: [day]
inputs: [{table: things, by: day}, {table: kinds}]
sql: SELECT day, 1 AS n FROM things CROSS JOIN kinds
columns:
  - {name: day, type: date, required: true, meaning: The day.}
  - {name: n, type: integer, meaning: A number.}
"""


def test_a_table_made_of_others_says_how() -> None:
    rules = parse_contract(GOLD)
    assert rules.inputs == (Input("things", "day"), Input("kinds"))
    assert rules.by == "day"
    assert str(rules.sql).startswith("SELECT")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("inputs: [{table: things, by: day}, {table: kinds}]\n", "", "one of them is missing"),
        ("sql: SELECT day, 1 AS n FROM things CROSS JOIN kinds\n", "", "one of them is missing"),
        ("{table: kinds}", "{table: things}", "inputs names a table twice"),
        ("{table: kinds}", "{table: Kinds}", "inputs[1].table is 'Kinds', which is not a valid name"),
        ("sql:", "python: a = 1\nsql:", "python stands beside sql"),
        ("by: day", "by: n", "inputs[0].by is 'n', which is no required date of this table"),
        ("by: day", "by: other", "inputs[0].by is 'other', which is no required date"),
        ("by: day", "for: day", "inputs[0].for is unknown"),
        ("integer, meaning", "integer, aliases: [m], meaning", "has n with what only a delivered column has"),
    ],
)
def test_of_a_table_made_of_others_refused(old: str, new: str, sentence: str) -> None:
    assert old in GOLD
    with pytest.raises(UsageError) as caught:
        parse_contract(GOLD.replace(old, new, 1))
    assert sentence in str(caught.value)


def test_inputs_are_silver_tables_that_are_there_by_their_own_day() -> None:
    things = parse_contract(SMALL)
    other = parse_contract(SMALL.replace("table: things", "table: kinds"))
    rules = parse_contract(GOLD)
    with pytest.raises(UsageError, match="names the input things, and there is no such table"):
        assert_inputs(rules, {"kinds": other})
    with pytest.raises(UsageError, match="by day, which is not the day of things"):
        assert_inputs(rules, {"things": things, "kinds": other})
    with pytest.raises(UsageError, match="names the input kinds, which is made from other tables"):
        assert_inputs(parse_contract(GOLD.replace(", by: day", "")), {"things": things, "kinds": rules})
