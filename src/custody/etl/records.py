"""A raw object's bytes, in chunks of any size, as numbered records of text. Nothing is dropped.

Input that cannot be read as a record becomes a record with its number and the problem, so that it can be
counted and put into quarantine. Values stay text; the contract's types decide what they mean (``frames``). A
JSON number keeps its digits, ``true`` and ``false`` become those words, and a nested value becomes its JSON.
An empty field counts as absent; so do empty fields after the last one with a name, and a row with only empty
fields is not a record. Fields that are not in the contract keep their types.

Memory is bounded for any object: a record has at most 64 KiB and 100 lines. A quote that is never closed
affects only its own line.

This is the reference implementation. Jobs run ``columns``, which gives the same result and uses this module
only for lines that are not plain.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from custody.etl.contract import Contract, Csv

if TYPE_CHECKING:
    from custody.etl.decoding import Decoded

MAX_RECORD_BYTES = 64 * 1024
MAX_RECORD_LINES = 100
MAX_UNREADABLE_CHARACTERS = 1_000
"""How much of an unreadable record is kept for the person who examines it."""
BLOCK_BYTES = 2 * 1024 * 1024
"""Thousands of lines, which still fit into a processor's cache."""
_CUT_BYTES = MAX_RECORD_BYTES + 1
"""How much of a too long line is kept: enough to see that it is too long."""


class Record(NamedTuple):
    """One record: ``values`` in the order of the contract's columns, or a ``problem``."""

    number: int
    """From 1. CSV: the number of the record, after the header if there is one; JSON lines: of the line. Blank
    lines are not records."""
    values: Sequence[str | None]
    extra: str | None = None
    """The fields that are not in the contract, as a JSON object."""
    problem: str | None = None
    unreadable: str | None = None
    """What was found instead of a record, cut to 1,000 characters."""


def read_blocks(text: Decoded) -> Iterator[bytes]:
    """Yield a text in blocks of complete lines, some MiB each.

    A line that is longer than a block is truncated. A line in which a broken object ends is left out.
    """
    parts, size = [b""], 0
    for chunk in text:
        parts.append(chunk)
        size += len(chunk)
        if size < BLOCK_BYTES:
            continue
        rest = b"".join(parts)
        if end := rest.rfind(b"\n") + 1:
            yield rest[:end]
            rest = rest[end:]
        else:
            rest = rest[:_CUT_BYTES]
        parts, size = [rest], len(rest)
    rest = b"".join(parts)
    yield rest if text.broken is None else rest[: rest.rfind(b"\n") + 1]


def cut(line: bytes) -> bytes:
    """A line, truncated if it is too long; with its line end, if it has one."""
    return line if len(line) <= _CUT_BYTES else line[:_CUT_BYTES] + (b"\n" if line.endswith(b"\n") else b"")


def not_encoded(encoding: str) -> str:
    """The problem of bytes that are no text in this encoding: ``not_utf8``, ``not_windows1252``."""
    return f"not_{encoding.replace('-', '')}"


def unreadable(number: int, width: int, problem: str, text: str) -> Record:
    """A record that cannot be read; lone surrogates in ``text`` are shown as escapes."""
    shown = text.rstrip("\r\n")[:MAX_UNREADABLE_CHARACTERS].encode("utf-8", "backslashreplace").decode()
    return Record(number, (None,) * width, problem=problem, unreadable=shown)


def _half_character(text: str) -> bool:
    """Whether there is a lone surrogate: JSON can escape one, and invalid UTF-8 is read as surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def read_json(lines: Iterable[tuple[int, bytes]], contract: Contract) -> Iterator[Record]:
    """Yield the records of numbered lines of JSON."""
    width = len(contract.columns)
    places = {column.name: place for place, column in enumerate(contract.columns)}
    aliases = {name: place for place, column in enumerate(contract.columns) for name in column.aliases}
    place_of = places.get
    for number, line in lines:
        if not line.strip():
            continue
        problem, document = _document(line)
        if problem is not None:
            yield unreadable(number, width, problem, line.decode("utf-8", "backslashreplace"))
            continue
        values: list[str | None] = [None] * width
        others: dict[str, Any] = {}
        for name, value in document.items():
            place = place_of(name)
            if place is None:
                others[name] = value
            elif value is not None and value != "":
                values[place] = _plain(value)
        for name in [name for name in others if name in aliases]:
            value, place = others.pop(name), aliases[name]
            if values[place] is None and value is not None and value != "":
                values[place] = _plain(value)
        yield Record(number, values, _json_text(others) if others else None)


def _document(line: bytes) -> tuple[str | None, dict[str, Any]]:
    """Read one line: the problem, or the object."""
    if len(line) > MAX_RECORD_BYTES:
        return "too_long", {}
    try:
        document = _DECODER.decode(line.decode())
        if not isinstance(document, dict):
            return "not_an_object", {}
        if b"\\u" in line and _HALF_CHARACTER.search(line) and _has_half_character(line):
            return "half_character", {}
    except (ValueError, RecursionError) as error:
        return _PROBLEMS.get(type(error), "not_json"), {}
    return None, document


class _TwiceError(ValueError):
    """A name is used twice in one object, and readers differ on which one counts."""


_PROBLEMS: dict[type[Exception], str] = {UnicodeDecodeError: "not_utf8", _TwiceError: "name_twice"}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise _TwiceError
    return document


def _no_constant(name: str) -> Any:
    raise ValueError(name)


_NUMBER_MARK = "\udfff"
"""Marks the digits of a number, which are kept unchanged: no text contains a lone surrogate."""
_MARKED = re.compile(f'"{_NUMBER_MARK}([^"]*)"')
_HALF_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")
_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_int=_NUMBER_MARK.__add__,
    parse_float=_NUMBER_MARK.__add__,
    parse_constant=_no_constant,
)


def _has_half_character(line: bytes) -> bool:
    """Whether a line of valid JSON has escapes of surrogates that are not pairs."""
    return _half_character(_ENCODE(json.loads(line, parse_int=str, parse_float=str)))


def _plain(value: Any) -> str:
    """A value as the text of a column."""
    return value.removeprefix(_NUMBER_MARK) if type(value) is str else _json_text(value)


def json_value(text: str) -> Any:
    """The value of a JSON text, its numbers for ``plain_text``; ``None`` if it is not one, or is null."""
    try:
        value = _DECODER.decode(text)
        return None if "\\u" in text and _has_half_character(text.encode()) else value
    except (ValueError, RecursionError):
        return None


def plain_text(value: Any) -> str | None:
    """A part of a ``json_value`` as the text of a column."""
    return None if value is None or value == "" else _plain(value)


def json_objects(fields: Iterable[bytes]) -> list[str | None]:
    """Objects of these fields, valid JSON, as in ``extra``; ``None`` if a name is used twice."""
    objects = [b"{%s}" % part for part in fields]
    try:
        return [_json_text(document) for document in _DECODER.decode(f"[{b','.join(objects).decode()}]")]
    except _TwiceError:
        found = map(_document, objects)
        return [None if problem else _json_text(document) for problem, document in found]


_ENCODE = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode


def _json_text(value: object) -> str:
    """A value as JSON; numbers keep their original digits."""
    return _MARKED.sub(r"\1", _ENCODE(value))


class _UnclosedError(Exception):
    """The current record exceeds its limits: a quote is not closed."""


class _Text:
    """The lines of an object as text, for ``csv.reader``; those of the current record can be given back."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._next: Callable[[], bytes] = iter(lines).__next__
        self.again: list[bytes] = []
        """Lines given back, the last one first."""
        self.taken: list[bytes] = []
        self._size = 0
        self.last_size = 0
        """The number of bytes of the last record."""

    def __iter__(self) -> _Text:
        return self

    def __next__(self) -> str:
        if self.taken and (self._size > MAX_RECORD_BYTES or len(self.taken) >= MAX_RECORD_LINES):
            raise _UnclosedError
        line = self.again.pop() if self.again else self._next()
        self.taken.append(line)
        self._size += len(line)
        return line.decode("utf-8", "surrogateescape")

    def done(self) -> None:
        """The current record is complete."""
        self.taken.clear()
        self.last_size, self._size = self._size, 0

    def give_back(self) -> str:
        """Give back all lines of the current record except the first, and return the first."""
        first, *rest = self.taken
        self.again.extend(reversed(rest))
        self._size = len(first)
        self.done()
        return first.decode("utf-8", "surrogateescape")


def _rows(text: _Text, dialect: Csv) -> Iterator[tuple[list[str] | None, str]]:
    """Yield each record's fields, or ``None`` and the line that is not a record."""
    quote = dialect.quote or None
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE
    while True:
        reader = csv.reader(text, strict=True, delimiter=dialect.delimiter, quotechar=quote, quoting=quoting)
        try:
            for row in reader:
                text.done()
                if any(map(str.strip, row)):
                    yield row, ""
        except (csv.Error, _UnclosedError):
            yield None, text.give_back()
        else:
            return


class CsvRecords:
    """The records of a CSV object, one after the other.

    If ``at_line`` is true, its lines may be read elsewhere: complete records, which are counted in
    ``number``.
    """

    def __init__(self, lines: Iterable[bytes], contract: Contract) -> None:
        dialect = contract.raw().csv
        names = [column.name for column in contract.columns]
        self._text = _Text(lines)
        self._rows = _rows(self._text, dialect)
        self._join = dialect.delimiter.join
        self._not_text = not_encoded(dialect.encoding)
        self._width = len(contract.columns)
        header, self._bad_header = next(self._rows, (None, "")) if dialect.header else (names, "")
        self.width = len(header or ())
        """The number of fields of the header, including fields without a name at its end."""
        self.header = _cut_end(header or [], 0)
        self.number = 0
        """The number of records read."""
        places = _places([name.strip() for name in self.header], contract) if header else None
        self.unread_bytes = 0
        """The number of bytes that were not a record."""
        self.places = places
        """The position of each column by its name in the contract; ``None`` without a header of this
        table."""
        self.at = [(places or {}).get(name) for name in names]
        """The position of each column of the contract."""
        self.others = [(name, place) for name, place in (places or {}).items() if name not in names]
        """The positions of the columns that are not in the contract."""

    @property
    def at_line(self) -> bool:
        """Whether the next record begins with the next line."""
        return self.places is not None and not self._text.again

    def __iter__(self) -> Iterator[Record]:
        if self.places is None and (self.header or self._bad_header):
            self.number = 1
            problem = _is_cr(self._bad_header) or "no_header"
            yield self._unreadable(problem, self._bad_header or self._join(self.header))
        for fields, bad_line in self._rows:
            self.number += 1
            if fields is None:
                yield self._unreadable(_is_cr(bad_line) or "not_csv", bad_line)
                continue
            row = _cut_end(fields, len(self.header))
            if self.places is None:
                yield self._unreadable("no_header", self._join(row))
            elif len(row) != len(self.header):
                yield self._unreadable("field_count", self._join(fields))
            elif not all(map(str.isascii, row)) and any(map(_half_character, row)):
                yield self._unreadable(self._not_text, self._join(row))
            elif sum(map(len, row)) > MAX_RECORD_BYTES:
                yield self._unreadable("too_long", self._join(row))
            else:
                values = [None if place is None else row[place] or None for place in self.at]
                yield Record(self.number, values, extra_text({name: row[at] for name, at in self.others}))

    def _unreadable(self, problem: str, text: str) -> Record:
        self.unread_bytes += self._text.last_size
        return unreadable(self.number, self._width, problem, text)


def _cut_end(row: list[str], width: int) -> list[str]:
    """The fields without empty ones at the end, as long as there are more than ``width``."""
    end = len(row)
    while end > width and not row[end - 1].strip():
        end -= 1
    return row[:end]


def _is_cr(line: str) -> str | None:
    """The problem of a line that contains a carriage return: lines of the object end in CR only."""
    return "cr_line_end" if "\r" in line.rstrip("\r\n") else None


def extra_text(fields: Mapping[str, str | None]) -> str | None:
    """The non-empty CSV fields that are not in the contract, as JSON."""
    there = {name: text for name, text in fields.items() if text}
    return _json_text(there) if there else None


def _places(header: list[str], contract: Contract) -> dict[str, int] | None:
    """The position of each column by its name in the contract; ``None`` if this is not the table's header."""
    known = {name: column.name for column in contract.columns for name in (column.name, *column.aliases)}
    places = {known.get(name, name): place for place, name in enumerate(header)}
    key = known.keys() & contract.key
    no_text = any(map(_half_character, header))
    return None if no_text or len(places) != len(header) or not places.keys() >= key else places
