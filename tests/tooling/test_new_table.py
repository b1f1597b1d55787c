"""``make new-table``: what it writes of a sample reads that sample, whatever is in it."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custody.etl.columns import read_columns
from custody.etl.contract import Contract, parse_contract
from custody.etl.rows import typed
from scripts.datasets import contract_text, load_dataset
from scripts.new_table.__main__ import contract_of, new_table
from scripts.toolchain.toolchain import REPO, ToolError

TODAY = date(2026, 1, 20)


def contract(tmp_path: Path, name: str, data: bytes, table: str = "things") -> Contract:
    (tmp_path / name).write_bytes(data)
    return parse_contract(contract_of(table, tmp_path / name))


def types(rules: Contract) -> dict[str, str]:
    return {column.name: str(column.type) for column in rules.columns}


def read(rules: Contract, data: bytes) -> list[dict[str, Any]]:
    """The rows of a sample by the contract, in order; none may be rejected."""
    found = []
    for records in read_columns(iter([data]), rules):
        batch = typed(records, rules, 0, TODAY)
        assert batch["reason"].null_count == batch.num_rows, set(batch["reason"].to_pylist())
        found += batch.to_pylist()
    return sorted(found, key=lambda row: int(row["source_row"]))


@dataclass(frozen=True)
class Kind:
    """A kind of column: what is in it, how it is written, and the type that must be guessed."""

    type: str
    """A regular expression."""
    values: st.SearchStrategy[Any]
    write: Callable[[Any], Any] = str


WORDS = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=9).map("Ab{}".format)
DAYS = st.dates(date(1900, 1, 1), date(2099, 12, 31))
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
KINDS = [
    Kind("string", WORDS),
    Kind("string", st.integers(0, 99).map("0{}".format)),
    Kind("integer|bigint", st.integers(-(10**18) + 1, 10**18 - 1)),
    Kind("bigint", st.integers(10**18, 2**63 - 1)),
    Kind("decimal.*", st.decimals(-(10**15), 10**15, places=2).filter(bool)),
    Kind("decimal.*", st.decimals(-(10**25), 10**25, places=4).filter(bool)),
    Kind("double|decimal.*|integer", st.floats(allow_nan=False, allow_infinity=False)),
    Kind("date", DAYS, date.isoformat),
    Kind("date", DAYS, lambda it: f"{it:%d.%m.%Y}"),
    Kind("timestamp", TIMES, datetime.isoformat),
    Kind("timestamp", TIMES.map(lambda it: it.replace(microsecond=0)), lambda it: f"{it:%d/%m/%Y %H:%M:%S}"),
    Kind("boolean", st.booleans(), lambda it: str(it).lower()),
    Kind("boolean", st.booleans(), lambda it: "ja" if it else "nein"),
    Kind("array<bigint>", st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=3), json.dumps),
]


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Kind], list[list[Any]]]:
    """Columns, and rows; the first column is a key, and the others may lack values."""
    kinds = [Kind("integer|bigint", st.nothing()), *draw(st.lists(st.sampled_from(KINDS), max_size=5))]
    rows = draw(st.lists(st.tuples(*(st.none() | kind.values for kind in kinds[1:])), min_size=1, max_size=5))
    return kinds, [[number, *row] for number, row in enumerate(rows)]


@dataclass(frozen=True)
class Written:
    """A way to write a table."""

    delimiter: str = ""
    """Of CSV; else it is JSON."""
    encoding: str = "utf-8"
    header: bool = True
    between: str = "\n"
    """What is between two objects."""
    decimal_mark: str = "."
    compress: Callable[[bytes], bytes] = bytes

    def __call__(self, kinds: list[Kind], rows: list[list[Any]]) -> bytes:
        names = [f"Column {place}" for place in range(1, len(kinds) + 1)]
        texts = [
            [None if it is None else self.text(kind, it) for kind, it in zip(kinds, row, strict=True)]
            for row in rows
        ]
        if self.delimiter:
            out = io.StringIO(newline="")
            writer = csv.writer(out, delimiter=self.delimiter, lineterminator="\n")
            writer.writerows([names] * self.header + texts)
            return self.compress(out.getvalue().encode(self.encoding))
        objects = [
            {name: it if type(it) is int else text for name, it, text in zip(names, row, line, strict=True)}
            for row, line in zip(rows, texts, strict=True)
        ]
        return self.compress((self.between.join(map(json.dumps, objects)) + self.between).encode())

    def text(self, kind: Kind, value: Any) -> str:
        """A value as it is written."""
        text = str(kind.write(value))
        return text.replace(".", self.decimal_mark) if isinstance(value, Decimal | float) else text


def as_parquet(_: list[Kind], rows: list[list[Any]]) -> bytes:
    out, names = io.BytesIO(), [f"Column {place}" for place in range(1, len(rows[0]) + 1)]
    pq.write_table(pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows]), out)
    return out.getvalue()


WAYS: list[Callable[..., bytes]] = [
    Written(","),
    Written(";", "utf-16", decimal_mark=","),
    Written("\t", header=False),
    Written("|", compress=gzip.compress),
    Written(),
    Written(between="", compress=gzip.compress),
    as_parquet,
]


@settings(max_examples=50, deadline=None)
@given(tables(), st.sampled_from(WAYS))
def test_every_row_of_the_sample_is_valid_and_equal(
    table: tuple[list[Kind], list[list[Any]]], write: Callable[..., bytes]
) -> None:
    kinds, rows = table
    data = write(kinds, rows)
    with TemporaryDirectory() as folder:
        rules = contract(Path(folder), "sample", data)
    assert rules.key == ("column_1",)
    for place, (kind, column) in enumerate(zip(kinds, rules.columns, strict=True)):
        values = [row[place] for row in rows]
        assert column.name == f"column_{place + 1}"
        assert column.aliases == ((f"Column {place + 1}",) if getattr(write, "header", True) else ())
        assert column.required == (None not in values)
        assert re.fullmatch(kind.type if any(it is not None for it in values) else "string", column.type)
    found = [[row[column.name] for column in rules.columns] for row in read(rules, data)]
    assert [
        [float(it) if isinstance(wanted, float) else it for it, wanted in zip(*both, strict=True)]
        for both in zip(found, rows, strict=True)
    ] == rows


@pytest.mark.parametrize("field", ["[0, 0, 0]", '{"a": 1, "b": 2}'])
def test_commas_in_an_array_or_object_do_not_delimit(field: str, tmp_path: Path) -> None:
    rules = contract(tmp_path, "sample", f"0\t{field}\n".encode())
    assert (rules.source.csv.delimiter, len(rules.columns)) == ("\t", 2)


HOSTILE = st.text(max_size=12) | st.sampled_from(
    [
        "on",
        "y",
        "N",
        "no",
        "null",
        "~",
        "# a",
        "a: b",
        "- a",
        "*a",
        "&a",
        "!!python/object:a",
        "{a",
        "'",
        '"',
        "\n key: [b]",
    ]
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        HOSTILE.filter(lambda name: name.isprintable() or name < "\ud800"),
        min_size=1,
        max_size=6,
        unique=True,
    )
)
def test_a_name_is_a_name_and_nothing_more(names: list[str]) -> None:
    """Neither in YAML nor in a comment."""
    line = json.dumps(dict.fromkeys(["id", *names], 1)).encode()
    with TemporaryDirectory() as folder:
        (Path(folder) / "sample\n# x.jsonl").write_bytes(line)
        path = new_table("things", Path(folder) / "sample\n# x.jsonl", Path(folder))
        document = json.loads(contract_text(path))
    rules = parse_contract(json.dumps(document))
    assert document.keys() == {"table", "meaning", "key", "source", "columns", "checks"}
    delivered = [column.aliases[0] if column.aliases else column.name for column in rules.columns]
    assert delivered == list(dict.fromkeys(name for name in ["id", *names] if name))
    assert len(read(rules, line)) == 1


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("deviceId,SENSOR Temp (°C),Größe", ["device_id", "sensor_temp_c", "grosse"]),
        ("a b,a_b,A-B", ["a_b_2", "a_b", "a_b_3"]),
        ("source_key,extra,manifest_id", ["field_source_key", "field_extra", "field_manifest_id"]),
        (f"{'x' * 70},{'x' * 63},{'x' * 63}y", ["x" * 61 + "_2", "x" * 63, "x" * 61 + "_3"]),
        ("漢字,1st,_", ["column_1", "field_1st", "column_3"]),
        ("order,group,select", ["order", "group", "select"]),
    ],
)
def test_names_that_a_contract_can_have(header: str, names: list[str], tmp_path: Path) -> None:
    rules = contract(tmp_path, "sample.csv", f"{header}\n1,2,3\n".encode())
    assert [column.name for column in rules.columns] == names
    assert [column.aliases or (column.name,) for column in rules.columns] == [
        (it,) for it in header.split(",")
    ]


@pytest.mark.parametrize(
    ("rows", "key"),
    [
        ("a,id,b\n1,1,1\n1,2,2\n", ("id",)),
        ("a,b,c\n1,1,x\n1,2,y\n2,1,x\n", ("a", "b")),
        ("a,b\n,1\n2,1\n", ("b",)),
        ("price,at\n1.50,2026-01-15\n2.50,2026-01-16\n", ("at",)),
    ],
)
def test_a_key_is_guessed(rows: str, key: tuple[str, ...], tmp_path: Path) -> None:
    assert contract(tmp_path, "sample.csv", rows.encode()).key == key


def test_personal_data_is_marked_by_its_name(tmp_path: Path) -> None:
    header = "id,E-Mail,lastName,site_name,phone_number,customer id,shipping"
    rules = contract(tmp_path, "sample.csv", f"{header}\n1,2,3,4,5,6,7\n".encode())
    assert [column.name for column in rules.columns if column.pii] == [
        "e_mail",
        "last_name",
        "phone_number",
        "customer_id",
    ]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "sample is empty"),
        (b"\n \n", "sample is empty"),
        (b"a,b\n", "sample has no record"),
        (b"a,a\n1,2\n", "names the field a twice"),
        (b"a,b\n1,2\n1,2,3\n", "Record 2 of .*sample cannot be read: it does not have the 2 fields of"),
        (b'{"a": 1}\n{"a": 1, "a": 2}\n', "Record 2 of .*sample cannot be read: it has a name twice"),
        (b"a,b\n1,\n,2\n", "No field of .*sample has a value in every row"),
        (b'{"a":1}\n[2]\n', "sample has JSON that is no object: 2"),
        (b'{"a":1', "sample is not JSON"),
        (b"{}\n", "sample has no field with a name"),
        (b"PAR1 and no more", "sample is not Parquet"),
        (b"\x1f\x8b and no more", "sample cannot be decompressed"),
        (b"PK\x03\x04 and more", "sample is a workbook or another ZIP archive, and no job reads that"),
        (b"BZh91AY&SY and more", "sample is compressed by bzip2, and no job reads that"),
        (b"\xfd7zXZ\x00 and more", "sample is compressed by xz, and no job reads that"),
        (b"BZhx,b\n", "sample has no record"),
        (b"%PDF-1.7 and more", "sample is a PDF document, and no job reads that"),
    ],
)
def test_what_is_no_sample_is_told_in_one_sentence(data: bytes, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=sentence) as caught:
        contract(tmp_path, "sample", data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "Things", "../things", "source_things", "things_rejected", "t" * 64])
def test_a_table_cannot_have_every_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="NAME is "):
        new_table(name, tmp_path / "sample.csv", tmp_path / "own")
    assert list(tmp_path.iterdir()) == []


def test_make_writes_a_data_set_beside_the_sample_once(tmp_path: Path) -> None:
    sample = tmp_path / "sample $HOME.csv"
    sample.write_text("id,size\n1,2\n")
    command = [sys.executable, "-m", "scripts.new_table", "things", str(sample)]
    for status in (0, 2):
        done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
    assert "is there already, and a contract is never overwritten" in done.stderr
    data_set = load_dataset(tmp_path / "things")
    assert types(data_set.silver["things"]) == {"id": "integer", "size": "integer"}
    assert data_set.silver["things"].raw().prefix == "incoming/things/"
    assert (tmp_path / "things" / "samples" / "things" / sample.name).read_text() == sample.read_text()
