"""Whole blocks of lines are read as ``records`` reads each of them, whatever the bytes."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from custody.etl import records
from custody.etl.batches import Tally
from custody.etl.columns import read_columns
from custody.etl.records import MAX_RECORD_BYTES, MAX_RECORD_LINES, Record
from examples.streaming.generate import customer_files, event_files
from tests.glue.local import CUSTOMER_HEADER, contract, contract_with
from tests.glue.records import read_records

if TYPE_CHECKING:
    from collections.abc import Iterable

    from custody.etl.contract import Contract

CUSTOMERS = contract("customers")
ALIASED = ("aliases: [timestamp]", "aliases: [timestamp, when, 'at (UTC)']")
EVENTS = contract_with("viewing_events", ALIASED)
OBJECTS = contract_with("viewing_events", ALIASED, ("format: jsonl", "format: json"))

pytestmark = pytest.mark.usefixtures("_small_blocks")


@pytest.fixture(params=[1, 150, 1024 * 1024])
def _small_blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "BLOCK_BYTES", request.param)


def read(chunks: Iterable[bytes], rules: Contract, tally: Tally | None = None) -> list[Record]:
    """The records out of the batches, in the order of their numbers."""
    rows = [
        Record(row[0], list(row[1:-3]), *row[-3:])
        for batch in read_columns(chunks, rules, tally)
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    ]
    return sorted(rows, key=lambda row: row.number)


def assert_same(chunks: list[bytes], rules: Contract) -> None:
    wanted = [record._replace(values=list(record.values)) for record in read_records(chunks, rules)]
    tally = Tally()
    assert read(chunks, rules, tally) == wanted
    if all(record.problem is None for record in wanted):
        assert tally.read_bytes == sum(map(len, chunks))
    else:
        assert 0 <= tally.read_bytes <= sum(map(len, chunks))


def cut(body: bytes, places: list[int]) -> list[bytes]:
    at = sorted({0, len(body), *(place % (len(body) + 1) for place in places)})
    return [body[begin:end] for begin, end in pairwise(at)]


def joined(pieces: list[str | bytes]) -> bytes:
    return b"".join(piece.encode() if isinstance(piece, str) else piece for piece in pieces)


LETTER = st.sampled_from(
    ["a", " ", ",", ":", "é", "芽", "🎬", "\x7f", "\t", "\0", "\\", '"', "\\u00e9", "\\ud83d", "{", b"\xff"]
)
PLAIN_LETTER = st.sampled_from(
    ["a", "b", "1", " ", ",", ":", "é", "芽", "🎬", "\x7f", ":5,", "null", b"\xed\xa0\x80"]
)
JSON_TEXT = st.lists(PLAIN_LETTER | PLAIN_LETTER | LETTER, max_size=4).map(
    lambda text: joined(['"', *text, '"'])
)
SCALARS = ("0", "-0", "7", "1.50", "1e5", "1E-05", "9" * 30, "true", "false", "null", '""', '"null"')
NOT_JSON = ("01", "1.", "-", "+1", "NaN", "nul", "")
NESTED = ("[]", "{}", '{"a":1,"a":2}', '{"b": "]{", "a":null}', '["}",{}]', "[1, 2]")
JSON_VALUE = st.one_of(JSON_TEXT, JSON_TEXT, st.sampled_from([*SCALARS, *NESTED, *NOT_JSON]))
NAME = st.sampled_from(
    [
        "event_id",
        "event_time",
        "timestamp",
        "when",
        "at (UTC)",
        "device",
        "device_type",
        "title_id",
        "mood",
        "",
    ]
)
FIELD = st.tuples(NAME, st.sampled_from([":", ":", ": ", ":  ", " :"]), JSON_VALUE).map(
    lambda field: joined([f'"{field[0]}"{field[1]}', field[2]])
)
OBJECT = st.tuples(st.lists(FIELD, max_size=5), st.sampled_from([b",", b",", b", ", b" ,", b",,"])).map(
    lambda fields: b"{" + fields[1].join(fields[0]) + b"}"
)
END = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\n\n", b"\r", b" \n", b""])
LINES = st.lists(st.tuples(OBJECT | OBJECT | st.binary(max_size=9), END).map(b"".join), max_size=8).map(
    b"".join
)
MARK = st.sampled_from([b"", b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf\xef\xbb\xbf"])
PLACES = st.lists(st.integers(0, 500), max_size=3)
EXAMPLES = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@EXAMPLES
@given(MARK, LINES, PLACES)
def test_json(mark: bytes, lines: bytes, places: list[int]) -> None:
    assert_same(cut(mark + lines, places), EVENTS)


PLAIN_TEXT = st.lists(st.sampled_from(["a", " ", ",", ":", "{", "}", "[", "]", "é", "🎬"]), max_size=3).map(
    lambda text: joined(['"', *text, '"'])
)
PLAIN_SCALAR = PLAIN_TEXT | st.sampled_from([scalar.encode() for scalar in SCALARS])
COLON, COMMA = st.sampled_from([b":", b": "]), st.sampled_from([b",", b", "])


def plain_object(name: st.SearchStrategy[bytes], value: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    fields = st.lists(st.tuples(name, COLON, value).map(b"".join), min_size=1, max_size=3)
    return st.tuples(COMMA, fields).map(lambda parts: b"{" + parts[0].join(parts[1]) + b"}")


PLAIN_NESTED = st.one_of(
    plain_object(PLAIN_TEXT, PLAIN_SCALAR),
    st.tuples(COMMA, st.lists(PLAIN_SCALAR, max_size=3)).map(
        lambda parts: b"[" + parts[0].join(parts[1]) + b"]"
    ),
    st.just(b"{}"),
)
PLAIN_LINE = st.tuples(
    plain_object(NAME.map(lambda name: f'"{name}"'.encode()), PLAIN_SCALAR | PLAIN_NESTED),
    st.sampled_from([b"\n", b"\r\n"]),
).map(b"".join)


ALIASES = b"""{"event_time":"x","when":"y"}
{"when":"y","event_time":"x"}
{"when":"y","timestamp":"x"}
{"event_time":null,"when":"y"}
"""


@EXAMPLES
@example(ALIASES, [])
@given(st.lists(PLAIN_LINE, min_size=1, max_size=6).map(b"".join), PLACES)
def test_plain_lines_of_json(lines: bytes, places: list[int]) -> None:
    assert_same(cut(lines, places), EVENTS)


CSV_FIELD = st.lists(
    st.sampled_from(["a", "1", " ", "é", "芽", "\t", "\0", "", '"', '""', "\n", "\r", ",", b"\xff", b"\xc3"])
    | PLAIN_LETTER,
    max_size=2,
).map(joined)
QUOTED = CSV_FIELD.map(lambda text: b'"' + text.replace(b'"', b'""') + b'"')
CSV_LINE = st.lists(
    st.sampled_from([b"a", b"", b"x y", "é".encode()]) | CSV_FIELD | QUOTED, min_size=2, max_size=4
)
HEADER = st.sampled_from(
    [
        *(
            b"customer_id,email,tier\n",
            b"email, customer_id ,tier\r\n",
            b"customer_id,email\n",
            b"customer_id\n",
        ),
        *(b'"customer_id","email","tier"\n', b"customer_id,email,email\n", b"", b'"', b"tier,x\n"),
        *(
            b"customer_id,tier,mood\n",
            b"customer_id," + b",".join(b"x%d" % number for number in range(300)) + b"\n",
        ),
    ]
)


DIALECTS = [
    *(
        '"",""',
        "delimiter: ';'",
        "delimiter: ':', quote: \"'\"",
        "delimiter: ' '",
        'delimiter: "\\t", quote: ""',
    ),
    *(
        "delimiter: '|', header: false",
        "encoding: windows-1252",
        "encoding: utf-16-le",
        "encoding: shift_jis",
    ),
]


@cache
def in_dialect(dialect: str) -> Contract:
    if dialect == DIALECTS[0]:
        return CUSTOMERS
    return contract_with("customers", ("format: csv", f"format: csv\n  csv: {{{dialect}}}"))


@EXAMPLES
@given(
    st.sampled_from(DIALECTS),
    MARK,
    HEADER,
    st.lists(st.tuples(CSV_LINE.map(b",".join), END).map(b"".join), max_size=9),
    PLACES,
)
def test_csv(dialect: str, mark: bytes, header: bytes, lines: list[bytes], places: list[int]) -> None:
    rules = in_dialect(dialect)
    csv = rules.raw().csv
    swapped = bytes.maketrans(f",{csv.delimiter}".encode(), f"{csv.delimiter},".encode())
    body = mark + header + b"".join(lines)
    assert_same(cut(body.translate(swapped), places), rules)
    assert_same(
        cut(body.translate(swapped).decode(errors="replace").encode(csv.encoding, "replace"), places), rules
    )


THREE = [b'{"event_id":"%d"}' % number for number in range(3)]
SEPARATOR = st.sampled_from(
    [b"", b"", b",", b", ", b",\n", b"\n", b" ", b"[", b"]", b"[\n", b"\r\n", b",,", b"\t \n  "]
)
OTHERS = st.one_of(
    st.sampled_from(
        [b"null", b'"a,{b"', b"-1.5e3", b"[1,2]", b"[{}]", b"{", b'{"', b"}", b'"', b'{"a":{"b":1', b"\0"]
    ),
    st.binary(max_size=5),
)
BETWEEN = st.sampled_from(
    [(b"", b"", b""), (b"[", b",", b"]"), (b"[\n", b",\n", b"\n]\n"), (b"", b"\n", b"\n")]
)


@EXAMPLES
@example(b"[%s,,%s]" % (b",".join(THREE), b",".join(THREE)), [])
@example(b"%s,%s" % (b"".join(THREE), b"".join(THREE)), [])
@given(
    st.lists(
        st.tuples(OBJECT | OTHERS | PLAIN_LINE.map(bytes.strip), SEPARATOR).map(b"".join), max_size=9
    ).map(b"".join),
    PLACES,
)
def test_json_objects(body: bytes, places: list[int]) -> None:
    assert_same(cut(body, places), OBJECTS)


@EXAMPLES
@given(BETWEEN, st.lists(PLAIN_LINE.map(bytes.strip), max_size=8), st.integers(0, 500), PLACES)
def test_plain_json_objects(
    between: tuple[bytes, ...], objects: list[bytes], end: int, places: list[int]
) -> None:
    begin, separator, close = between
    body = begin + separator.join(objects) + close
    assert_same(cut(body, places), OBJECTS)
    assert_same(cut(body[:end], places), OBJECTS)
    assert len(read([body], OBJECTS)) == len(objects)


@EXAMPLES
@given(
    st.sampled_from(["gzip", "zstd"]),
    st.sampled_from([CUSTOMERS, EVENTS, OBJECTS]),
    LINES,
    st.integers(0, 200),
    st.integers(0, 255),
    PLACES,
)
def test_compressed(
    codec: str, rules: Contract, lines: bytes, place: int, byte: int, places: list[int]
) -> None:
    body = CUSTOMER_HEADER.encode() + lines if rules is CUSTOMERS else lines
    assume(
        not body.startswith((b"\x1f\x8b", b"(\xb5/\xfd")) and body[1:4] != b"*M\x18"
    )  # it is not packed itself
    packed = pa.Codec(codec).compress(body).to_pybytes()
    assert read([packed], rules) == read([body], rules)
    changed = bytearray(packed)
    changed[place % len(packed)] = byte
    for stored in (packed + packed, packed[:place], bytes(changed), packed + lines):
        assert_same(cut(stored, places), rules)


@EXAMPLES
@given(st.binary(max_size=300), PLACES)
def test_any_bytes(body: bytes, places: list[int]) -> None:
    for rules in (CUSTOMERS, EVENTS, OBJECTS):
        assert_same(cut(body, places), rules)
    assert_same(cut(CUSTOMER_HEADER.encode() + body, places), CUSTOMERS)


@pytest.mark.parametrize(
    "size", [MAX_RECORD_BYTES + more for more in (-20, -15, -14, -13, -1, 0, 1, 2, 9)] + [300_000]
)
def test_long_lines(size: int) -> None:
    line = b'{"event_id":"' + b"x" * (size - 15) + b'"}\n'
    good = b'{"event_id":"a"}\n'
    for body in (good + line + good, line, good + line[:-1], b"\xef\xbb\xbf" + line):
        assert_same([body], EVENTS)
        assert_same([body[:70_000], body[70_000:]], EVENTS)
    row = b"C1," + b"x" * (size - 12) + b"," * 8 + b"\n"
    good = b"C1" + b",a" * 9 + b"\n"
    for quoted in (row, row.replace(b"C1,", b'"C1",')):
        assert_same([CUSTOMER_HEADER.encode() + good + quoted + good], CUSTOMERS)


def test_a_quote_that_is_not_closed_gives_its_lines_back() -> None:
    good = b"C1" + b",a" * 9 + b"\n"
    for lines in (1, MAX_RECORD_LINES - 2, MAX_RECORD_LINES, MAX_RECORD_LINES + 50):
        body = CUSTOMER_HEADER.encode() + good + b'C1,"' + b",a" * 8 + b"\n" + good * lines + b'"' + good
        assert_same([body], CUSTOMERS)
        assert len(read([body], CUSTOMERS)) >= lines


def test_what_the_generator_makes() -> None:
    for _, chunks in customer_files(300, 3, dirt=0.3):
        assert_same(list(chunks), CUSTOMERS)
    for _, chunks in event_files(800, 3, 100, days=1, dirt=0.3):
        assert_same(list(chunks), EVENTS)
