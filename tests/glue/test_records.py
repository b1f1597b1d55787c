from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custody.etl import objects
from custody.etl.contract import Csv
from custody.etl.records import MAX_RECORD_BYTES, MAX_RECORD_LINES, Record
from tests.glue.local import contract, contract_with
from tests.glue.records import read_records

CUSTOMERS, EVENTS = contract("customers"), contract("viewing_events")
OBJECTS = contract_with("viewing_events", ("format: jsonl", "format: json"))
NAMES = [column.name for column in CUSTOMERS.columns]
HEADER = (",".join(NAMES) + "\n").encode()
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=12)


def of_csv(body: bytes) -> list[Record]:
    return list(read_records([body], CUSTOMERS))


def of_json(body: bytes) -> list[Record]:
    return list(read_records([body], EVENTS))


def of_objects(body: bytes) -> list[Record]:
    return list(read_records([body], OBJECTS))


def with_dialect(dialect: str, body: bytes) -> list[Record]:
    rules = contract_with("customers", ("format: csv", f"format: csv\n  csv: {{{dialect}}}"))
    return list(read_records([body], rules))


def cut(body: bytes, places: list[int]) -> list[bytes]:
    at = sorted({0, len(body), *(place % (len(body) + 1) for place in places)})
    return [body[begin:end] for begin, end in pairwise(at)]


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=5), st.booleans())
def test_chunks_do_not_matter_and_nothing_raises(body: bytes, places: list[int], header: bool) -> None:
    for rules in (CUSTOMERS, EVENTS, OBJECTS):
        whole = HEADER + body if header and rules is CUSTOMERS else body
        assert list(read_records(cut(whole, places), rules)) == list(read_records([whole], rules))


@given(
    st.lists(st.lists(TEXT, min_size=10, max_size=10), max_size=5),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_csv_gives_back_what_was_written(table: list[list[str]], end: str, mark: bool) -> None:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([NAMES, *table])
    table = [row for row in table if any(map(str.strip, row))]
    read = of_csv((b"\xef\xbb\xbf" if mark else b"") + out.getvalue().encode())
    assert [record.number for record in read] == list(range(1, len(table) + 1))
    assert [list(record.values) for record in read] == [[text or None for text in row] for row in table]
    assert all(record.problem is None and record.extra is None for record in read)


@given(
    st.lists(st.dictionaries(st.sampled_from(["event_id", "title_id", "note"]), TEXT, min_size=1), max_size=5)
)
def test_json_gives_back_what_was_written(documents: list[dict[str, str]]) -> None:
    read = of_json("".join(json.dumps(document) + "\n" for document in documents).encode())
    assert [record.values[0] for record in read] == [
        document.get("event_id") or None for document in documents
    ]
    assert [record.extra and json.loads(record.extra) for record in read] == [
        {"note": document["note"]} if "note" in document else None for document in documents
    ]


@given(st.lists(st.sampled_from([b'{"event_id":"a"}', b"", b"x", b"\xff", b"[]", b'"', b" "]), max_size=12))
def test_every_line_that_is_not_blank_is_a_record(lines: list[bytes]) -> None:
    read = of_json(b"\n".join(lines))
    assert [record.number for record in read] == [n for n, line in enumerate(lines, 1) if line.strip()]


@settings(max_examples=50)
@given(st.lists(st.sampled_from(['"', "a", ",", '"a"', "\n", '""']), max_size=30))
def test_no_line_of_csv_is_lost(pieces: list[str]) -> None:
    body = "".join(pieces)
    read = of_csv(HEADER + body.encode())
    kept = "".join("".join(filter(None, record.values)) + (record.unreadable or "") for record in read)
    assert kept.count("a") == body.count("a")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "not_json"),
        (b"NaN", "not_json"),
        (b'{"a": NaN}', "not_json"),
        (b"[" * 100_000, "too_long"),
        (b"[" * 60_000, "not_json"),
        (b"[1]", "not_an_object"),
        (b'{"a": 1, "a": 2}', "name_twice"),
        (b'{"a":1,"a":2}', "name_twice"),
        (b'{"a":1,"a" :2}', "name_twice"),
        (b'{"a":1,"a"\t:2}', "name_twice"),
        (b'{"a":1,"\\u0061":2}', "name_twice"),
        (b'{"a":{"b":1,"b":2}}', "name_twice"),
        (b'{"a":[{"b":1,"b":2}]}', "name_twice"),
        (b'{"a": "\\udc00"}', "half_character"),
        (b'{"\\ud800": 1}', "half_character"),
        (b'{"a": "\xe9"}', "not_utf8"),
        (b'{"a": "' + b"x" * MAX_RECORD_BYTES + b'"}', "too_long"),
    ],
)
def test_unreadable_json(line: bytes, problem: str) -> None:
    good = b'{"event_id": "a"}\n'
    before, bad, after = of_json(good + line + b"\n" + good)
    assert (before.problem, bad.problem, after.problem) == (None, problem, None)
    assert (bad.number, set(bad.values)) == (2, {None})
    assert bad.unreadable is not None
    assert len(bad.unreadable) <= 1_000


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("12.50", "12.50"),
        ("true", "true"),
        ("null", None),
        ('""', None),
        ("1e3", "1e3"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_json_values_keep_their_text(value: str, text: str | None) -> None:
    (record,) = of_json(f'{{"event_id": {value}}}'.encode())
    assert record.values[0] == text


def test_an_alias_stands_for_its_column() -> None:
    place = [column.name for column in EVENTS.columns].index("device")
    old, both, empty = of_json(
        b'{"device_type":"tv"}\n{"device":"web","device_type":"tv"}\n{"device":"","device_type":"tv"}'
    )
    assert [old.values[place], both.values[place], empty.values[place]] == ["tv", "web", "tv"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("C1,only,three", "field_count"),
        ("C1" + ",x" * 30, "field_count"),
        ('"C1"x' + ",a" * 9, "not_csv"),
        ('C1,"never closed' + ",a" * 8, "not_csv"),
    ],
)
def test_unreadable_csv_costs_its_own_line(line: str, problem: str) -> None:
    good = ",".join("abcdefghij") + "\n"
    read = of_csv(HEADER + f"{good}{line}\n{good}{good}".encode())
    assert [record.problem for record in read] == [None, problem, None, None]
    assert read[1].unreadable == line


def test_a_field_may_hold_a_few_lines_and_no_more() -> None:
    def body(lines: int) -> bytes:
        return HEADER + b'C1,"' + b"x\n" * lines + b'y"' + b",a" * 8 + b"\n"

    assert [record.problem for record in of_csv(body(MAX_RECORD_LINES - 1))] == [None]
    assert {record.problem for record in of_csv(body(MAX_RECORD_LINES))} == {"not_csv", "field_count"}


def test_bytes_that_are_no_text_are_shown_as_escapes() -> None:
    (record,) = of_csv(HEADER + b"C1,Ren\xe9" + b",a" * 8)
    assert (record.problem, record.unreadable) == ("not_utf8", "C1,Ren\\udce9" + ",a" * 8)


def test_columns_come_in_any_order_and_unknown_ones_are_kept() -> None:
    (record,) = of_csv(b"loyalty,customer_id,email\ngold,C00001,a@example.com\n")
    assert (record.values[0], record.values[3]) == ("C00001", "a@example.com")
    assert record.extra == '{"loyalty": "gold"}'


def test_without_a_header_every_line_is_rejected() -> None:
    read = of_csv(b"C00001,Amara\nC00002,Jun\n")
    assert [(record.number, record.problem) for record in read] == [(1, "no_header"), (2, "no_header")]


@pytest.mark.parametrize("body", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_object_has_no_records(body: bytes) -> None:
    assert of_csv(body) == of_json(body) == of_objects(body) == []


DIALECTS = st.tuples(
    st.sampled_from(",;|\t:^ "),
    st.sampled_from(["'", '"', "`"]),
    st.booleans(),
    st.sampled_from(["utf-8", "utf-16", "utf-16-be", "gb18030"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)


@given(st.lists(st.lists(TEXT, min_size=10, max_size=10), max_size=4), DIALECTS)
def test_csv_gives_back_what_was_written_in_any_dialect(
    table: list[list[str]], dialect: tuple[str, str, bool, str, Literal[0, 1]]
) -> None:
    delimiter, quote, header, encoding, quoting = dialect
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quotechar=quote, quoting=quoting, lineterminator="\r\n")
    writer.writerows([NAMES, *table] if header else table)
    source = replace(CUSTOMERS.raw(), csv=Csv(delimiter, quote, header, encoding))
    read = list(read_records([out.getvalue().encode(encoding)], replace(CUSTOMERS, source=source)))
    table = [row for row in table if any(map(str.strip, row))]
    assert [list(record.values) for record in read] == [[text or None for text in row] for row in table]
    assert all(record.problem is None and record.extra is None for record in read)


def test_without_quotes_a_quote_is_a_character() -> None:
    (record,) = with_dialect(r'delimiter: "\t", quote: ""', b'customer_id\temail\nC1"\t"5\n')
    assert (record.values[0], record.values[3]) == ('C1"', '"5')


@pytest.mark.parametrize(
    ("encoding", "bad", "problem", "shown"),
    [
        ("windows-1252", b"\x81", "not_windows1252", "\\udcff"),
        ("shift_jis", b"\x81", "not_shift_jis", "\\udcff"),
        ("utf-8", b"\xe9", "not_utf8", "\\udce9"),
        ("utf-16-le", b"\x00\xd8", "not_utf16le", "\\udcff"),
    ],
)
def test_bytes_that_are_no_text_in_the_encoding(encoding: str, bad: bytes, problem: str, shown: str) -> None:
    head, end = "customer_id,email\nC0,a\nC1,".encode(encoding), "\nC2,a\n".encode(encoding)
    one, two, three = with_dialect(f"encoding: {encoding}", head + bad + end)
    assert (one.problem, two.problem, three.problem) == (None, problem, None)
    assert two.unreadable == f"C1,{shown}"


def test_utf_16_without_a_byte_order_mark_is_not_read() -> None:
    (record,) = with_dialect("encoding: utf-16", "customer_id\nC1\n".encode("utf-16-le"))
    assert record.problem == "not_utf16"


@pytest.mark.parametrize(
    ("dialect", "text", "problems"),
    [
        ("delimiter: ;", "customer_id;email;;\nC1;a;;;;\n;;\n \nC2;b\n", [None, None]),
        ("delimiter: ;", "customer_id;email\rC1;a\rC2;b", ["cr_line_end"]),
        ("delimiter: ;", "CUSTOMER_ID;email\nC1;a\n", ["no_header", "no_header"]),
        ("delimiter: ;", "customer_id,email\nC1,a\n", ["no_header", "no_header"]),
        ("delimiter: ;, quote: '|'", "customer_id;email\nC1;|a\nC2;b\n", ["not_csv", None]),
        ("header: false", "C1" + ",a" * 9 + ",,\nC2,b\n,,,\n", [None, "field_count"]),
        ("header: false", "C1" + ",a" * 10, ["field_count"]),
    ],
)
def test_every_dialect_has_the_same_oddities(dialect: str, text: str, problems: list[str | None]) -> None:
    assert [record.problem for record in with_dialect(dialect, text.encode())] == problems


def test_rfc_4180() -> None:
    """Section 2, with the definitions' own examples as records."""
    body = b'aaa,bbb,ccc\r\nzzz,yyy,xxx\r\n"aaa","bbb","ccc"\r\n"aaa","b\r\nbb","ccc"\r\n"aaa","b""bb","ccc"'
    read = of_csv(b"customer_id,first_name,last_name\r\n" + body)
    second = [record.values[1] for record in read]
    assert second == ["bbb", "yyy", "bbb", "b\r\nbb", 'b"bb']


def test_rfc_8259() -> None:
    """Section 13: one example is an object with an object and an array, the other an array of objects."""
    image = b"""{ "Image": { "Width":  800, "Height": 600, "Title":  "View from 15th Floor", "Thumbnail": {
        "Url":    "http://www.example.com/image/481989943", "Height": 125, "Width":  100 },
        "Animated" : false, "IDs": [116, 943, 234, 38793] } }"""
    places = b"""[ { "precision": "zip", "Latitude":  37.7668, "Longitude": -122.3959, "Country":   "US" },
        { "precision": "zip", "Latitude":  37.371991, "Longitude": -122.026020, "Country":   "US" } ]"""
    read = of_objects(image + places)
    assert [record.number for record in read] == [1, 2, 3]
    assert [json.loads(str(record.extra)) for record in read] == [json.loads(image), *json.loads(places)]
    assert "-122.026020" in str(read[2].extra)


@given(
    st.lists(st.dictionaries(st.sampled_from(["event_id", "title_id", "note"]), TEXT), max_size=5),
    st.sampled_from([None, 2, "\t"]),
    st.sampled_from(
        [("[", ",", "]"), ("", "", ""), ("", "\n", ""), (" [ ", "\r\n,\t", " ]\n"), ("[", "][", "]")]
    ),
)
def test_objects_are_read_wherever_they_are(
    documents: list[dict[str, str]], indent: int | str | None, between: tuple[str, str, str]
) -> None:
    begin, separator, end = between
    body = begin + separator.join(json.dumps(document, indent=indent) for document in documents) + end
    read = of_objects(body.encode())
    assert [(record.number, record.problem) for record in read] == [
        (number, None) for number in range(1, len(documents) + 1)
    ]
    assert [record.values[0] for record in read] == [
        document.get("event_id") or None for document in documents
    ]


GOOD = '{"event_id":"a"}'


@pytest.mark.parametrize(
    ("body", "problems"),
    [
        (f"{GOOD}x{GOOD}", [None, "not_json", None]),
        (f"{GOOD},{GOOD}", [None, "not_json", None]),
        (f"[{GOOD},,{GOOD}]", [None, "not_json", None]),
        (f"[,{GOOD},]", ["not_json", None, "not_json"]),
        (f"[{GOOD}", [None, "not_json"]),
        (f"{GOOD}]{GOOD}", [None, "not_json", None]),
        (f'[1, "a,{{", null, [{GOOD}], {GOOD}]', ["not_an_object"] * 4 + [None]),
        (f'{GOOD}{{"a":{GOOD}', [None, "not_json"]),
        (f'{{"a":"never closed}}{GOOD}{GOOD}', ["not_json", None, None]),
        (f'{{"a":"x\n{GOOD}\n', ["not_json", None]),
        (f'{{"a":{{"b":1}}\n{GOOD}\n', ["not_json", None]),
        (f'{{"a":1,"a":2}}{GOOD}', ["name_twice", None]),
        (f'{{"a":tru}}{GOOD}', ["not_json", None]),
        (f'{{"a":"{"x" * MAX_RECORD_BYTES}"}}{GOOD}', ["too_long", None]),
        (f"[{GOOD},{'9' * MAX_RECORD_BYTES}9,{GOOD}]", [None, "too_long", None]),
        ("{" * 30, ["not_json"]),
        ("\0\1\2", ["not_json"]),
    ],
)
def test_what_is_no_object_is_a_record_with_a_problem(body: str, problems: list[str | None]) -> None:
    read = of_objects(body.encode())
    assert [record.problem for record in read] == problems
    assert [record.number for record in read] == list(range(1, len(problems) + 1))


def test_what_is_never_closed_takes_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each brace begins an object that is not closed: only the first ones are looked through to the end."""
    monkeypatch.setattr(objects, "_FREE_SCANS", 1024 * 1024)
    read = of_objects(b"{\n" * 100_000)
    assert {record.problem for record in read} <= {"not_json", "too_long"}
    assert len(read) < 100
