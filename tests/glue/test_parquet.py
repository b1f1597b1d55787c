from __future__ import annotations

import base64
import gzip
import io
import json
import struct
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet as pq

from custody.etl import decoding, values
from custody.etl.batches import Tally
from custody.etl.columns import read_columns
from custody.etl.contract import parse_contract
from custody.etl.records import MAX_RECORD_BYTES

NAMES = ("id", "whole", "double", "money", "day", "at", "yes", "raw")
RULES = parse_contract(
    json.dumps(
        {
            "table": "things",
            "meaning": "Things.",
            "key": ["id"],
            "source": {
                "prefix": "incoming/things/",
                "format": "parquet",
                "wins": "latest",
                "unknown_columns": "keep",
            },
            "columns": [
                {"name": name, "type": "string", "meaning": "", "required": name == "id"}
                for name in NAMES[:-1]
            ]
            + [{"name": "raw", "type": "string", "meaning": "", "aliases": ["bytes", "blob"]}],
        }
    )
)
SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "whole": pa.int64(),
        "double": pa.float64(),
        "money": pa.decimal128(38, 10),
        "day": pa.date32(),
        "at": pa.timestamp("us", "UTC"),
        "yes": pa.bool_(),
        "raw": pa.binary(),
    }
)


def written(table: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def read(body: bytes) -> list[dict[str, Any]]:
    tally = Tally()
    rows = [row for batch in read_columns([body[:7], body[7:]], RULES, tally) for row in batch.to_pylist()]
    assert 0 <= tally.read_bytes <= len(body)
    assert not body or (tally.read_bytes == len(body)) == all(row["problem"] is None for row in rows)
    rows.sort(key=lambda row: row["source_row"])
    assert [row["source_row"] for row in rows] == list(range(1, len(rows) + 1))
    return rows


def problems(body: bytes) -> list[str | None]:
    return [row["problem"] for row in read(body)]


VALUES = st.fixed_dictionaries(
    {
        "id": st.text(max_size=5),
        "whole": st.integers(-(2**63), 2**63 - 1),
        "double": st.floats(),
        "money": st.decimals(-(10**27), 10**27, allow_nan=False, places=10),
        "day": st.dates(),
        "at": st.datetimes(timezones=st.just(UTC)).map(lambda at: at.replace(fold=0)),
        "yes": st.booleans(),
        "raw": st.binary(max_size=9),
    }
).flatmap(lambda row: st.sets(st.sampled_from(NAMES)).map(lambda none: row | dict.fromkeys(none)))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(VALUES, max_size=6),
    st.sampled_from(["none", "snappy", "gzip", "zstd", "brotli", "lz4"]),
    st.sampled_from(["1.0", "2.6"]),
    st.booleans(),
    st.integers(1, 4),
)
def test_values_are_read_as_exact_text(
    rows: list[dict[str, Any]], compression: str, version: str, dictionary: bool, group: int
) -> None:
    found = read(
        written(
            pa.Table.from_pylist(rows, SCHEMA),
            compression=compression,
            version=version,
            use_dictionary=dictionary,
            row_group_size=group,
        )
    )
    assert len(found) == len(rows)
    for row, texts in zip(rows, found, strict=True):
        text = {name: texts[f"text_{name}"] for name in NAMES}
        assert [name for name in NAMES if text[name] is None] == [
            name for name in NAMES if row[name] is None or row[name] in ("", b"")
        ]
        exact = {
            "id": str,
            "whole": int,
            "double": float,
            "money": Decimal,
            "day": date.fromisoformat,
            "at": datetime.fromisoformat,
            "yes": {"true": True, "false": False}.__getitem__,
            "raw": base64.b64decode,
        }
        for name, value in text.items():
            if value is not None:
                assert repr(exact[name](value)) == repr(row[name]), name
        assert text["money"] is None or "E" not in text["money"]
        assert (
            text["double"] in (None, "nan", "inf", "-inf")
            or float(json.loads(str(text["double"]))) == row["double"]
        )


TYPED = {
    "id": ("string", ["a", "b"], pa.string()),
    "whole": ("bigint", [2**63 - 1, -(2**63)], pa.int64()),
    "float": ("integer", [5.0, None], pa.float64()),
    "double": ("double", [1e22, 5e-324], pa.float64()),
    "single": ("double", [0.5, None], pa.float32()),
    "money": ("decimal(38,10)", [Decimal("1.20"), Decimal("-1E-10")], pa.decimal128(38, 10)),
    "day": ("date", [date(2024, 1, 2), date(1999, 12, 31)], pa.date32()),
    "at": ("timestamp", [datetime(2024, 1, 2, 3, 4, 5, 678901, UTC), None], pa.timestamp("ns", "UTC")),
    "yes": ("boolean", [True, False], pa.bool_()),
    "raw": ("binary", [b"\0\xff", b"x"], pa.binary()),
    "list": ("array<double>", [[1.5, None], []], pa.list_(pa.float64())),
    "nested": (
        "struct<x:decimal(5,2),y:binary>",
        [{"x": Decimal("1.25"), "y": b"q"}, {"x": None, "y": None}],
        pa.struct({"x": pa.decimal128(5, 2), "y": pa.binary()}),
    ),
}


def test_values_become_the_same_values_of_a_contracts_types() -> None:
    columns = [
        {"name": name, "type": kind, "meaning": "", "required": name == "id"}
        for name, (kind, *_) in TYPED.items()
    ]
    source = {"prefix": "incoming/things/", "format": "parquet", "wins": "latest", "unknown_columns": "keep"}
    document = {"table": "things", "meaning": "", "key": ["id"], "source": source, "columns": columns}
    rules = parse_contract(json.dumps(document))
    table = pa.table({name: pa.array(found, kind) for name, (_, found, kind) in TYPED.items()})
    (batch,) = read_columns([written(table)], rules)
    for column in rules.columns:
        found = values.read(values.cleaned(batch[f"text_{column.name}"]), column, rules.raw().csv)
        assert found.to_pylist() == TYPED[column.name][1], column.name


def test_times() -> None:
    at = {
        "seconds": pa.array([0], pa.timestamp("s", "UTC")),
        "offset": pa.array([1], pa.timestamp("ms", "America/New_York")),
        "finest": pa.array([1], pa.timestamp("ns", "UTC")),
        "rounder": pa.array([1000], pa.timestamp("ns", "UTC")),
        "local": pa.array([1], pa.timestamp("us")),
    }
    (row,) = read(written(pa.table({"id": ["a"]} | at)))
    assert json.loads(row["extra"]) == {
        "seconds": "1970-01-01T00:00:00.000Z",  # Parquet has no seconds
        "offset": "1970-01-01T00:00:00.001Z",
        "finest": "1970-01-01T00:00:00.000000001Z",
        "rounder": "1970-01-01T00:00:00.000001Z",
        "local": "1970-01-01T00:00:00.000001",
    }
    (old,) = read(written(pa.table({"id": ["a"], "at": at["local"]}), use_deprecated_int96_timestamps=True))
    assert old["text_at"] == "1970-01-01T00:00:00.000001Z"


NESTED = [
    ([[1, None], [], None], pa.list_(pa.int8()), ["[1, null]", "[]", None]),
    ([[1, 2], None], pa.list_(pa.int16(), 2), ["[1, 2]", None]),
    ([{"b": 1.5, "a": 'é"'}, None, {"b": None}], pa.struct({"b": pa.float64(), "a": pa.string()}), None),
    (
        [[("k", 1), ("l", None)], None, []],
        pa.map_(pa.string(), pa.int64()),
        ['{"k": 1, "l": null}', None, "{}"],
    ),
    ([[{"x": Decimal("1.20")}]], pa.list_(pa.struct({"x": pa.decimal128(5, 2)})), ['[{"x": 1.20}]']),
    ([float("inf"), 0.1], pa.float32(), ['"inf"', "0.10000000149011612"]),
    (["u", None, "u"], pa.dictionary(pa.int8(), pa.string()), ['"u"', None, '"u"']),
    ([b"\0", b""], pa.binary(), ['"AA=="', '""']),
    ([2**64 - 1], pa.uint64(), ["18446744073709551615"]),
]


@pytest.mark.parametrize(("column", "kind", "texts"), NESTED, ids=[str(kind) for _, kind, _ in NESTED])
def test_other_columns_are_kept_as_json(
    column: list[Any], kind: pa.DataType, texts: list[str | None]
) -> None:
    table = pa.table({"id": ["a"] * len(column), "other": pa.array(column, kind)})
    texts = texts or ['{"b": 1.5, "a": "é\\""}', None, '{"b": null, "a": null}']
    rows = read(written(table)) + read(written(table.slice(1)))
    assert [row["extra"] for row in rows] == [text and f'{{"other": {text}}}' for text in texts + texts[1:]]


def test_a_uuid_is_written_as_usual() -> None:
    value = pa.array([bytes(range(16))], pa.binary(16))
    (row,) = read(written(pa.table({"id": pa.ExtensionArray.from_storage(pa.uuid(), value)})))
    assert row["text_id"] == "00010203-0405-0607-0809-0a0b0c0d0e0f"


def test_an_alias_stands_for_its_column() -> None:
    table = pa.table(
        {"blob": ["3", "3", "3"], "bytes": ["2", "2", None], "raw": ["1", "", None], "id": ["a"] * 3}
    )
    assert [row["text_raw"] for row in read(written(table))] == ["1", "2", "3"]


GOOD = written(
    pa.table({"id": [f"{number}" for number in range(1000)]}), row_group_size=300, compression="none"
)


def with_footer_size(size: int) -> bytes:
    return GOOD[:-8] + struct.pack("<I", size) + GOOD[-4:]


UNREADABLE = {
    "empty": (b"", "not_parquet"),
    "CSV": (b"id\na\n", "not_parquet"),
    "magic alone": (b"PAR1", "not_parquet"),
    "cut off": (GOOD[:-1], "not_parquet"),
    "no footer": (with_footer_size(0), "not_parquet"),
    "footer before the file": (with_footer_size(16_000_000), "not_parquet"),
    "large footer": (with_footer_size(2**32 - 1), "too_large"),
    "another table": (written(pa.table({"ID": ["a"]})), "no_header"),
    "a name twice": (written(pa.table([["a"], ["b"]], names=["id", "id"])), "name_twice"),
    "broken gzip": (gzip.compress(GOOD)[:-1], "broken_gzip"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_cannot_be_read_is_one_record(name: str) -> None:
    body, problem = UNREADABLE[name]
    assert problems(body) == [problem]


def test_an_encrypted_file_is_one_record() -> None:
    (row,) = read(b"PAR1" + GOOD[4:-4] + b"PARE")
    assert (row["problem"], row["unreadable"]) == ("not_parquet", "It is encrypted.")


def test_a_file_may_be_compressed_as_a_whole() -> None:
    assert read(gzip.compress(GOOD)) == read(GOOD)
    assert len(read(GOOD)) == 1000


def test_rows_before_the_damage_are_read() -> None:
    at = GOOD.index(b"999") - 100
    body = GOOD[: at - 400] + bytes(500) + GOOD[at + 100 :]
    rows = read(body)
    assert [row["problem"] for row in rows] == [None] * (len(rows) - 1) + ["not_parquet"]
    assert 300 <= len(rows) <= 901


def test_a_row_that_is_no_text_or_too_long_costs_itself() -> None:
    ids = pa.array([b"a", b"\xff", b"b", b"x" * (MAX_RECORD_BYTES + 1), b"c"]).view(pa.string())
    table = pa.table({"id": ids, "other": pa.array([b"", b"", b"", b"", b"x" * MAX_RECORD_BYTES])})
    rows = read(written(table))
    assert [row["problem"] for row in rows] == [None, "not_utf8", None, "too_long", "too_long"]
    assert rows[1]["unreadable"] == "\\xff,"
    assert rows[3]["unreadable"] == "x" * 1000


def test_a_small_file_of_very_many_long_texts_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_FREE_BYTES", 1_000_000)
    one = pa.array(["x" * 10_000]).dictionary_encode()
    body = written(pa.table({"id": one.take(pa.array([0] * 100_000))}))
    assert len(body) < 10_000
    found = problems(body)
    assert found[-1] == "too_large"
    assert len(found) < 2_000


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=5), st.booleans())
def test_any_bytes(changes: list[tuple[int, int]], packed: bool) -> None:
    body = bytearray(SMALL[packed])
    for at, byte in changes:
        body[-1 - at % len(body)] = byte
    read(bytes(body))


SMALL = [
    written(pa.Table.from_pylist([{"id": "a", "double": 1.5}, {"id": "b"}], SCHEMA), compression=name)
    for name in ("none", "zstd")
]
