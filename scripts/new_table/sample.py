"""A sample of a table's objects: its format, and its records as text, as the jobs read them.

What is seen here (delimiter, encoding, names) is put into a contract whose columns are all text, and the
sample is read by it as a job would. So what is guessed from the records is guessed from what a job gets.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from custody.etl.columns import read_columns
from custody.etl.contract import parse_contract
from custody.etl.decoding import Decoded
from custody.terminal import visible
from scripts.toolchain.toolchain import ToolError

MAX_BYTES = 64 * 1024 * 1024
_PARQUET = b"PAR1"
_OTHERS = {
    rb"PK\x03\x04": "a workbook or another ZIP archive",
    rb"BZh[1-9]1AY&SY": "compressed by bzip2",
    rb"\xfd7zXZ\x00": "compressed by xz",
    rb"%PDF-": "a PDF document",
}
"""By their first bytes, what people have beside CSV, JSON and Parquet."""
_PROBLEMS = {
    "cr_line_end": "a carriage return alone ends its line",
    "field_count": "it does not have the {fields} fields of the header",
    "half_character": "it has half of a character of two (a lone surrogate)",
    "name_twice": "it has a name twice",
    "not_csv": "its quotation marks do not match",
}
"""What the jobs say of a record (``custody.etl.records``), in words."""
_DELIMITERS = ",;\t|"
_DIALECT_RECORDS = 1_000
"""How many records a delimiter is judged by."""
_VALUE = re.compile(r"[-+]?[0-9][0-9.,:/'\u2019 TZ+-]*")
"""What is no name of a column: a number, a date, a time."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A file that was looked at."""

    path: Path
    data: bytes
    source: dict[str, Any]
    """``format`` of the contract's source, and ``csv``, what differs from the defaults."""
    names: list[str]
    """The fields, by the names that they are delivered under; ``""`` for one without a name."""
    schema: pa.Schema | None = None
    """The types, where the format has them."""

    def records(self, table: str, columns: Mapping[str, str]) -> pa.RecordBatch:
        """Every record, as ``read_columns`` yields them. ``columns``: the name of each delivered one.

        Raises ``ToolError`` if there is none, or one of them cannot be read.
        """
        document = {
            "table": table,
            "meaning": "",
            "key": [*columns.values()],
            "source": {"prefix": "incoming/x/", "wins": "latest", "unknown_columns": "keep", **self.source},
            "columns": [
                {
                    "name": name,
                    "type": "string",
                    "required": True,
                    "meaning": "",
                    "aliases": aliases(name, delivered),
                }
                for delivered, name in columns.items()
            ],
        }
        batches = list(read_columns(iter([self.data]), parse_contract(json.dumps(document))))
        records = pa.Table.from_batches(batches).combine_chunks().to_batches() if batches else []
        if not records:
            raise ToolError(f"{self.path} has no record.")
        for number, problem in zip(
            *(records[0][name].to_pylist() for name in ("source_row", "problem")), strict=True
        ):
            if problem:
                words = _PROBLEMS.get(problem, problem.replace("_", " ")).format(fields=len(self.names))
                raise ToolError(f"Record {number} of {self.path} cannot be read: {words}.")
        return records[0]


def aliases(name: str, delivered: str) -> list[str]:
    """What a column is also called."""
    return [] if name == delivered else [delivered]


def look(path: Path) -> Sample:
    """Read a sample. Raises ``ToolError`` with one sentence if there is nothing to learn from it."""
    data = _bytes(path)
    if data.startswith(_PARQUET):
        try:
            schema = pq.read_schema(io.BytesIO(data))
        except pa.ArrowException as error:
            raise ToolError(f"{path} is not Parquet: {visible(str(error))}") from error
        return _named(Sample(path, data, {"format": "parquet"}, schema.names, schema))
    if other := next((words for begin, words in _OTHERS.items() if re.match(begin, data)), None):
        raise ToolError(
            f"{path} is {other}, and no job reads that. Give CSV, JSON or Parquet, plain, gzip or zstd."
        )
    plain = _decompressed(path, data)
    if not plain.strip():
        raise ToolError(f"{path} is empty.")
    if plain.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"["):
        return _named(_json(path, data, plain))
    return _named(_csv(path, data, plain))


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ToolError(f"{path} cannot be read: {getattr(error, 'strerror', error)}.") from error
    if len(data) > MAX_BYTES:
        raise _too_large(path)
    return data


def _too_large(path: Path) -> ToolError:
    return ToolError(f"{path} has more than {MAX_BYTES >> 20} MiB. Its beginning is enough: give that.")


def _decompressed(path: Path, data: bytes) -> bytes:
    decoded, pieces = Decoded([data]), []
    for piece in decoded:
        pieces.append(piece)
        if decoded.bytes_ > MAX_BYTES:
            raise _too_large(path)
    if decoded.broken:
        raise ToolError(f"{path} cannot be decompressed: {visible(decoded.broken.reason)}")
    return b"".join(pieces)


def _named(sample: Sample) -> Sample:
    names = [name for name in sample.names if name]
    if not names:
        raise ToolError(f"{sample.path} has no field with a name.")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ToolError(
            f"{sample.path} names the field {visible(twice)} twice: nobody could tell which is which."
        )
    return sample


def _json(path: Path, data: bytes, plain: bytes) -> Sample:
    """Objects: one a line, or in any other sequence or array."""
    lines = [line for line in plain.removeprefix(b"\xef\xbb\xbf").splitlines() if line.strip()]
    try:
        objects, kind = [json.loads(line) for line in lines], "jsonl"
        if not all(isinstance(item, dict) for item in objects):
            raise ValueError  # noqa: TRY301 - to be read as one document
    except (ValueError, RecursionError):
        objects, kind = list(_objects(path, plain)), "json"
    return Sample(
        path, data, {"format": kind}, list(dict.fromkeys(name for item in objects for name in item))
    )


def _objects(path: Path, plain: bytes) -> Iterator[dict[str, Any]]:
    decode = json.JSONDecoder().raw_decode
    try:
        text = plain.decode("utf-8-sig")
        at = _after_space(text, 0)
        while at < len(text):
            value, end = decode(text, at)
            for item in value if isinstance(value, list) else [value]:
                if not isinstance(item, dict):
                    raise ToolError(f"{path} has JSON that is no object: {visible(str(item))[:80]}")
                yield item
            at = _after_space(text, end)
    except (ValueError, RecursionError) as error:
        raise ToolError(f"{path} is not JSON: {error}.") from error


def _after_space(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\t", "\r", "\n"):
        at += 1
    return at


def _csv(path: Path, data: bytes, plain: bytes) -> Sample:
    encoding = _encoding(plain)
    text = plain.decode(encoding).removeprefix("\ufeff")
    delimiter, quote = max(
        ((delimiter, quote) for quote in ('"', "") for delimiter in _DELIMITERS),
        key=lambda dialect: _share(text, *dialect),
    )
    try:
        first = next(_rows(text, delimiter, quote), [])
    except csv.Error as error:
        raise ToolError(f"{path} is neither CSV nor JSON nor Parquet: {error}.") from error
    has_header = not any(_VALUE.fullmatch(field.strip()) for field in first)
    dialect: dict[str, Any] = {}
    if delimiter != ",":
        dialect["delimiter"] = delimiter
    if not quote:
        dialect["quote"] = ""
    if not has_header:
        dialect["header"] = False
    if encoding != "utf-8":
        dialect["encoding"] = encoding
    names = [field.strip() for field in first]
    while has_header and names and not names[-1]:
        names.pop()
    if not has_header:
        names = [f"column_{number}" for number in range(1, len(first) + 1)]
    return Sample(path, data, {"format": "csv"} | ({"csv": dialect} if dialect else {}), names)


def _encoding(plain: bytes) -> str:
    if plain.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    for encoding in ("utf-8", "windows-1252"):
        try:
            plain.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "iso-8859-1"


def _rows(text: str, delimiter: str, quote: str) -> Iterator[list[str]]:
    lines = io.StringIO(text, newline="")
    if quote:
        reader = csv.reader(lines, delimiter=delimiter, quotechar=quote, strict=True)
    else:
        reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    return (row for row in reader if any(map(str.strip, row)))


def _share(text: str, delimiter: str, quote: str) -> tuple[float, bool, int]:
    """How well a dialect fits: the share of records as wide as the first, no array cut, the width."""
    try:
        rows = list(islice(_rows(text, delimiter, quote), _DIALECT_RECORDS))
    except csv.Error:
        return 0.0, False, 0
    width = len(rows[0]) if rows else 0
    share = sum(len(row) == width for row in rows) / len(rows) if width > 1 else 0.0
    return share, all(_is_whole(field.strip()) for row in rows for field in row), width


def _is_whole(field: str) -> bool:
    return all(field.startswith(begin) == field.endswith(end) for begin, end in ("[]", "{}"))
