r"""The records of an object as columns: same result as ``records``, but for a block of plain lines at once.

A line is plain if it needs no special handling. JSON: an object without a backslash, whose values are
scalars, or objects and arrays of scalars. CSV: no quotes, and as many fields as the header. Arrow and NumPy
split all plain lines of a block into fields at once; they release the GIL, so that tasks run concurrently.
Every other line is read by ``records``, one at a time.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from custody.etl.batches import Tally, as_batch, make_batch
from custody.etl.contract import Contract, Csv
from custody.etl.decoding import Decoded
from custody.etl.objects import Piece, Pieces
from custody.etl.parquet import read_parquet
from custody.etl.records import (
    MAX_RECORD_BYTES,
    CsvRecords,
    Record,
    cut,
    extra_text,
    json_objects,
    read_blocks,
    read_json,
    unreadable,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Places = NDArray[np.intp]
    Mask = NDArray[np.bool_]

_MAX_PLAIN_FIELDS = 200
"""More fields would make the regular expression too large."""
_NOT_ASCII = (
    r"[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]"
    r"|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}"
)
"""A character of more than one byte (RFC 3629, section 4)."""
_JSON_TEXT = rf'"(?:[\x20\x21\x23-\x5b\x5d-\x7f]|{_NOT_ASCII})*"'
_JSON_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_JSON_SCALAR = f"(?:{_JSON_TEXT}|{_JSON_NUMBER}|true|false|null)"


def _json_object(value: str) -> str:
    field = f"{_JSON_TEXT}: ?{value}"
    return rf"\{{{field}(?:, ?{field})*\}}"


_JSON_ARRAY = rf"\[{_JSON_SCALAR}(?:, ?{_JSON_SCALAR})*\]"
_JSON_LINE = _json_object(rf"(?:{_JSON_SCALAR}|{_json_object(_JSON_SCALAR)}|{_JSON_ARRAY}|\[\]|\{{\}})")
_LINE_END = r"\r?\n"
_SPACES = r"[ \t\r\n]*"
_SEPARATOR = {False: _SPACES, True: f"{_SPACES},?{_SPACES}"}
"""What follows an object: without an array, and in one."""
_MAX_SEPARATOR_BYTES = 3
"""More between two objects is read one at a time."""
_IS_SEPARATOR = np.isin(np.arange(256), np.frombuffer(b", \t\r\n", np.uint8))
_WHITESPACE = (
    r"(?:[\x09-\x0d\x1c-\x20]|\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f"
    r"|\xe3\x80\x80)"
)
"""What Python takes for whitespace, in UTF-8."""
_WHITESPACE_BEGINS = b"\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \xc2\xe1\xe2\xe3"


def read_columns(
    chunks: Iterable[bytes], contract: Contract, tally: Tally | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the records of one object, in no particular order.

    Columns: ``source_row``, ``text_<column>`` for each column of the contract, ``extra``, ``problem`` and
    ``unreadable``, as in a ``Record``. An object that breaks off has a last record with the reason.
    """
    source = contract.raw()
    text = Decoded(chunks, None if source.format == "parquet" else source.csv.encoding)
    decoded, last = Tally(), 0
    for batch in _READERS[source.format](text, contract, decoded):
        if batch.num_rows:
            last = max(last, pc.max(batch["source_row"]).as_py())
            yield batch
    text.drain()
    if text.broken is not None:
        yield as_batch([unreadable(last + 1, len(contract.columns), *text.broken)], contract)
    elif tally is not None:
        unread = (text.bytes_ - decoded.read_bytes) * text.stored_bytes
        tally.read_bytes += text.stored_bytes - -(-unread // max(text.bytes_, 1))


class _Block:
    """Some complete lines of a text, or objects with what separates them."""

    def __init__(self, data: bytes, begins: Places, ends: Places) -> None:
        """Divide ``data`` at ``begins``, the last of which is its length; ``ends`` are without separators."""
        self.data = data
        self._begins = begins.astype(np.int32)
        self._lengths = ends - begins[:-1]
        self.size = len(ends)
        """The number of lines."""
        self.numbers: Places = np.zeros(self.size, np.intp)
        """For each line its record number if it is read together with the others; else 0."""

    @classmethod
    def of_lines(cls, data: bytes) -> _Block:
        """The lines of a text."""
        bytes_ = np.frombuffer(data, np.uint8)
        feeds = np.flatnonzero(bytes_ == ord("\n"))
        ends = feeds - (bytes_[feeds - 1] == ord("\r"))
        if data and not data.endswith(b"\n"):
            feeds, ends = np.append(feeds, len(data) - 1), np.append(ends, len(data))
        return cls(data, np.concatenate(([0], feeds + 1)), ends)

    @classmethod
    def of_objects(cls, data: bytes) -> _Block:
        """The objects of a text, divided where a closing and an opening brace are next to each other."""
        bytes_ = np.frombuffer(data, np.uint8)
        begins = np.flatnonzero(bytes_ == ord("{"))
        ends = begins.copy()
        for _ in range(_MAX_SEPARATOR_BYTES):
            ends -= _IS_SEPARATOR[bytes_[ends - 1]]
        divides = (ends > 0) & (bytes_[ends - 1] == ord("}"))
        begins, ends = begins[divides], ends[divides]
        return cls(data, np.concatenate(([0], begins, [len(data)])), np.append(ends, len(data)))

    def line(self, place: int) -> bytes:
        """One line with its end, truncated if it is too long."""
        return cut(self.data[self._begins[place] : self._begins[place + 1]])

    def content(self, place: int) -> bytes:
        """One line without its end."""
        begin = self._begins[place]
        return self.data[begin : begin + self._lengths[place]]

    def separator(self, place: int) -> bytes:
        """What follows the content of one line."""
        return self.data[self._begins[place] + self._lengths[place] : self._begins[place + 1]]

    def begin(self, place: int) -> int:
        """Where a line begins."""
        return int(self._begins[place])

    def at(self, begin: int) -> int | None:
        """The line that begins here, if there is one."""
        place = int(np.searchsorted(self._begins[:-1], np.int32(begin)))  # of its type: no copy
        return place if place < self.size and self._begins[place] == begin else None

    def length(self, begin: int, end: int) -> int:
        """The number of bytes of a range of lines, the last one excluded."""
        return int(self._begins[end] - self._begins[begin])

    def match(self, pattern: str, separator: str = _LINE_END) -> Mask:
        """For each line, whether it matches the pattern, has its end, and is not too long."""
        found: Mask = pc.match_substring_regex(self._lines(), rf"\A{pattern}{separator}\z").to_numpy(
            zero_copy_only=False
        )
        return found & (np.diff(self._begins) <= MAX_RECORD_BYTES)

    def is_empty(self, delimiter: str) -> Mask:
        """For each line, whether all its fields are empty."""
        firsts = np.frombuffer(self.data, np.uint8)[self._begins[:-1]]
        empty: Mask = np.isin(firsts, np.frombuffer(delimiter.encode() + _WHITESPACE_BEGINS, np.uint8))
        if empty.any():
            lines = self._lines().filter(pa.array(empty))
            pattern = rf"\A(?:{re.escape(delimiter)}|{_WHITESPACE})*\z"
            empty[empty] = pc.match_substring_regex(lines, pattern).to_numpy(zero_copy_only=False)
        return empty

    def numbered(self) -> _Lines:
        """The numbered lines, in order."""
        is_numbered = self.numbers > 0
        lines = self._lines().filter(pa.array(is_numbered))
        _, offsets, text = lines.buffers()
        begins = np.frombuffer(offsets, np.int32)[: len(lines)].astype(np.intp)
        return _Lines(text, np.frombuffer(text, np.uint8), begins, begins + self._lengths[is_numbered])

    def _lines(self) -> pa.BinaryArray:
        buffers = [None, pa.py_buffer(self._begins), pa.py_buffer(self.data)]
        return pa.Array.from_buffers(pa.binary(), self.size, buffers)


class _Lines(NamedTuple):
    """Lines of a text, with the start of each, and its end without what separates it from the next."""

    text: pa.Buffer
    bytes_: NDArray[np.uint8]
    begins: Places
    ends: Places


class _Pieces:
    """Pieces of a text, in order."""

    def __init__(self, text: pa.Buffer, begins: Places, ends: Places) -> None:
        offsets = np.zeros(2 * len(begins) + 1, np.int32)
        offsets[:-1:2], offsets[1::2], offsets[-1:] = begins, ends, ends[-1:]
        buffers = [None, pa.py_buffer(offsets), text]
        self._with_gaps = pa.Array.from_buffers(pa.string(), 2 * len(begins), buffers)

    def take(self, which: Places, missing: Mask | None = None) -> pa.StringArray:
        """The pieces with these numbers, and null for a missing one."""
        return self._with_gaps.take(pa.array(2 * which, mask=missing))


def _json_lines(text: Decoded, contract: Contract, tally: Tally) -> Iterator[pa.RecordBatch]:
    before = 1
    for block in map(_Block.of_lines, read_blocks(text)):
        plain = block.match(_JSON_LINE)
        block.numbers[plain] = before + np.flatnonzero(plain)
        yield from _plain_json(block, contract)
        odd = ((before + place, block.line(place)) for place in np.flatnonzero(block.numbers == 0).tolist())
        if records := list(read_json(odd, contract)):
            yield as_batch(records, contract)
        unread = [record.number - before for record in records if record.problem is not None]
        tally.read_bytes += block.length(0, block.size) - sum(block.length(n, n + 1) for n in unread)
        before += block.size


def _json_objects(text: Decoded, contract: Contract, tally: Tally) -> Iterator[pa.RecordBatch]:
    pieces = Pieces(text)
    block, odd = _Block.of_objects(b""), list[Piece]()
    skipped: dict[bool, Places] = {}
    for piece in pieces:
        if pieces.data is not block.data:
            yield from _json_behind(block, odd, contract, tally)
            block, odd, skipped = _Block.of_objects(pieces.data), [], {}
        odd.append(piece)
        if (begin := block.at(pieces.at)) is None:
            continue
        if pieces.in_array not in skipped:
            plain = block.match(_JSON_LINE, _SEPARATOR[pieces.in_array])
            plain[-1] = False  # nobody knows yet what follows it
            skipped[pieces.in_array] = np.flatnonzero(~plain)
        places = skipped[pieces.in_array]
        end = int(places[np.searchsorted(places, begin)])
        if end > begin:
            block.numbers[begin:end] = np.arange(pieces.number + 1, pieces.number + 1 + end - begin)
            pieces.pass_to(block.begin(end), end - begin, after_comma=b"," in block.separator(end - 1))
    yield from _json_behind(block, odd, contract, tally)
    tally.read_bytes += text.bytes_


def _json_behind(
    block: _Block, pieces: list[Piece], contract: Contract, tally: Tally
) -> Iterator[pa.RecordBatch]:
    """Yield the objects of a block, and the pieces that were read one at a time."""
    numbers = block.numbers.copy()
    yield from _plain_json(block, contract)
    unfit = np.flatnonzero(numbers != block.numbers).tolist()
    odd = [(piece.number, piece.data) for piece in pieces]
    odd += [(int(numbers[place]), block.content(place)) for place in unfit]
    if records := list(read_json(odd, contract)):
        yield as_batch(records, contract)
    sizes = {piece.number: piece.size for piece in pieces}
    sizes |= {int(numbers[place]): len(block.content(place)) for place in unfit}
    tally.read_bytes -= sum(sizes[record.number] for record in records if record.problem is not None)


def _plain_json(block: _Block, contract: Contract) -> Iterator[pa.RecordBatch]:
    """Yield the numbered lines of a block; those that are not plain after all lose their numbers."""
    if block.numbers.any():
        numbers = block.numbers[block.numbers > 0]
        batch, fine = _json_batch(block.numbered(), numbers, contract)
        yield batch if fine.all() else batch.filter(pa.array(fine))
        block.numbers[np.isin(block.numbers, numbers[~fine])] = 0


class _Fields(NamedTuple):
    """The fields of plain lines of JSON, in order."""

    row: Places
    """The line of each field."""
    names: pa.StringArray
    begins: Places
    """The start of each field, including its name."""
    value_begins: Places
    ends: Places


def _json_fields(lines: _Lines) -> _Fields:
    text, bytes_, begins, ends = lines
    quotes = _top_level(lines, np.flatnonzero(bytes_ == ord('"')))
    opening, closing = quotes[::2], quotes[1::2]
    is_name = bytes_[closing + 1] == ord(":")
    names, name_ends = opening[is_name], closing[is_name]
    first = np.searchsorted(names, begins)
    value_begins = name_ends + 2
    value_begins += bytes_[value_begins] == ord(" ")
    value_ends = np.roll(names, -1) - 1
    value_ends -= bytes_[value_ends] == ord(" ")
    value_ends[np.append(first[1:], len(names)) - 1] = ends - 1
    return _Fields(
        row=np.repeat(np.arange(len(begins)), np.diff(first, append=len(names))),
        names=_Pieces(text, names + 1, name_ends).take(np.arange(len(names))),
        begins=names,
        value_begins=value_begins,
        ends=value_ends,
    )


def _top_level(lines: _Lines, quotes: Places) -> Places:
    """The quotes, except those in objects nested in the line's own object."""
    opening, closing = (np.flatnonzero(lines.bytes_ == ord(brace)) for brace in "{}")
    opening = np.delete(opening, np.searchsorted(opening, lines.begins))  # without the lines' own objects
    closing = np.delete(closing, np.searchsorted(closing, lines.ends - 1))
    first, after = (np.searchsorted(quotes, braces) for braces in (opening, closing))
    first, after = first[first % 2 == 0], after[after % 2 == 0]  # without those within strings
    depth = np.zeros(len(quotes) + 1, np.int8)
    depth[first[first < after]] = 1
    depth[after[first < after]] = -1
    top: Mask = depth[:-1].cumsum(dtype=np.int8) == 0
    return quotes[top]


def _json_batch(lines: _Lines, numbers: Places, contract: Contract) -> tuple[pa.RecordBatch, Mask]:
    """The records of plain lines, and which of them are right: the others' lines are not plain after all."""
    names = [name for column in contract.columns for name in (column.name, *column.aliases)]
    fields = _json_fields(lines)
    name = pc.index_in(fields.names, value_set=pa.array(names)).fill_null(-1).to_numpy()
    fine = np.ones(len(numbers), np.bool_)

    kind = lines.bytes_[fields.value_begins]
    is_text = kind == ord('"')
    begins, ends = fields.value_begins + is_text, fields.ends - is_text
    values = _Pieces(lines.text, begins, ends)
    known = name >= 0
    fine[fields.row[known & ((kind == ord("{")) | (kind == ord("[")))]] = False
    times = np.bincount(fields.row[known] * len(names) + name[known], minlength=len(names) * len(numbers))
    fine[(times > 1).reshape(-1, len(names)).any(axis=1)] = False
    there = np.flatnonzero(known & (kind != ord("n")) & (begins < ends))
    by_name = np.full((len(names), len(numbers)), len(name))
    by_name[name[there], fields.row[there]] = there
    texts = []
    for column in contract.columns:
        which = by_name[names.index(column.name)]
        if column.aliases:
            others = by_name[[names.index(alias) for alias in column.aliases]].min(axis=0)
            which = np.where(which < len(name), which, others)
        texts.append(values.take(which, which == len(name)))

    extra: list[str | None] = [None] * len(numbers)
    unknown: defaultdict[int, list[bytes]] = defaultdict(list)
    data = lines.text.to_pybytes()
    others = (column[~known].tolist() for column in (fields.row, fields.begins, fields.ends))
    for row, begin, end in zip(*others, strict=True):
        unknown[row].append(data[begin:end])
    for row, text in zip(unknown, json_objects(map(b",".join, unknown.values())), strict=True):
        extra[row] = text
        if text is None:
            fine[row] = False
    return make_batch(contract, numbers, texts, extra), fine


class _Cursor:
    """The lines of an object: one by one for ``CsvRecords``, or all the next plain lines at once."""

    def __init__(self, text: Decoded) -> None:
        self._blocks = map(_Block.of_lines, read_blocks(text))
        self._block = _Block.of_lines(b"")
        self._place = 0
        self._odd: Places | None = None
        """Which lines of the block are not plain; computed when first needed."""
        self.behind: list[_Block] = []
        """The blocks behind the cursor; skipped lines are numbered."""
        self.bytes_ = 0
        """The number of bytes of lines yielded or skipped."""

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        while self._place == self._block.size:
            self.behind.append(self._block)
            self._block, self._place, self._odd = _Block.of_lines(b""), 0, None
            self._block = next(self._blocks)
        self._place += 1
        line = self._block.line(self._place - 1)
        self.bytes_ += len(line)
        return line

    def pass_plain(self, pattern: str, delimiter: str, number: int) -> int:
        """Skip the next plain lines of the block and number them from here; return how many."""
        if self._odd is None:
            plain = self._block.match(pattern) & ~self._block.is_empty(delimiter)
            self._odd = np.append(np.flatnonzero(~plain), self._block.size)
        end = self._odd[np.searchsorted(self._odd, self._place)]
        count = int(end) - self._place
        self._block.numbers[self._place : end] = np.arange(number, number + count)
        self.bytes_ += self._block.length(self._place, int(end))
        self._place += count
        return count


def _csv_pattern(dialect: Csv, width: int, named: int) -> str:
    """A line of fields without quotes, of which those after the last one with a name are empty."""
    special = {0, *b"\r\n", *dialect.delimiter.encode(), *dialect.quote.encode()}
    plain = "".join(rf"\x{byte:02x}" for byte in range(128) if byte not in special)
    text, delimiter = f"(?:[{plain}]|{_NOT_ASCII})*", re.escape(dialect.delimiter)
    return rf"{text}(?:{delimiter}{text}){{{max(named - 1, 0)}}}(?:{delimiter}){{{width - named}}}"


def _csv(text: Decoded, contract: Contract, tally: Tally) -> Iterator[pa.RecordBatch]:
    lines, dialect = _Cursor(text), contract.raw().csv
    reader = CsvRecords(lines, contract)
    width = reader.width
    pattern = _csv_pattern(dialect, width, len(reader.header))
    records: list[Record] = []
    for record in reader:
        records.append(record)
        if reader.at_line and 1 < width <= _MAX_PLAIN_FIELDS:
            reader.number += lines.pass_plain(pattern, dialect.delimiter, reader.number + 1)
        if lines.behind:
            yield from _csv_behind(lines, reader, contract)
            yield as_batch(records, contract)
            records = []
    yield from _csv_behind(lines, reader, contract)
    if records:
        yield as_batch(records, contract)
    tally.read_bytes += lines.bytes_ - reader.unread_bytes


def _csv_behind(lines: _Cursor, reader: CsvRecords, contract: Contract) -> Iterator[pa.RecordBatch]:
    """Yield the skipped lines in the blocks behind the cursor."""
    for block in lines.behind:
        if block.numbers.any():
            yield _csv_batch(block.numbered(), block.numbers[block.numbers > 0], reader, contract)
    lines.behind.clear()


def _csv_batch(lines: _Lines, numbers: Places, reader: CsvRecords, contract: Contract) -> pa.RecordBatch:
    width, delimiter = reader.width, ord(contract.raw().csv.delimiter)
    delimiters = np.flatnonzero(lines.bytes_ == delimiter).reshape(-1, width - 1)
    begins = np.column_stack((lines.begins, delimiters + 1)).ravel()
    ends = np.column_stack((delimiters, lines.ends)).ravel()
    fields = _Pieces(lines.text, begins, ends)

    def column(place: int | None) -> pa.StringArray:
        if place is None:
            return pa.nulls(len(numbers), pa.string())
        which = np.arange(place, len(begins), width)
        return fields.take(which, begins[which] == ends[which])

    texts = [column(place) for place in reader.at]
    if not reader.others:
        return make_batch(contract, numbers, texts)
    names = [name for name, _ in reader.others]
    others = zip(*(column(place).to_pylist() for _, place in reader.others), strict=True)
    extra = [extra_text(dict(zip(names, values, strict=True))) for values in others]
    return make_batch(contract, numbers, texts, extra)


_READERS = {"csv": _csv, "jsonl": _json_lines, "json": _json_objects, "parquet": read_parquet}
