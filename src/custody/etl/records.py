"""A raw object's bytes, in chunks of any size, as numbered records of text. Permissive: nothing is dropped.

Whatever cannot be read as a record comes out as one all the same, with its number and the problem, so that
it can be put into quarantine and counted. Values stay text; what they mean is decided by the contract's
types (``frames``). A JSON number keeps its digits as they stand, ``true`` and ``false`` become those words,
and a nested value its JSON. An empty field is an absent one.

Memory is bounded whatever the object: a record has at most 64 KiB and 100 lines. A quote that is never closed
costs its own line alone.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from custody.etl.contract import Contract

MAX_RECORD_BYTES = 64 * 1024
MAX_RECORD_LINES = 100
MAX_UNREADABLE_CHARACTERS = 1_000
"""As much of an unreadable record as is kept for the person who looks into it."""
_BOM = b"\xef\xbb\xbf"


class Record(NamedTuple):
    """One record: ``values`` in the order of the contract's columns, or a ``problem``."""

    number: int
    """CSV: of the record below the header. JSON lines: of the line. From 1; blank lines are no records."""
    values: Sequence[str | None]
    extra: str | None = None
    """The fields that the contract does not know, as a JSON object."""
    problem: str | None = None
    unreadable: str | None = None
    """What was there instead of a record, cut to 1,000 characters."""


def read_records(chunks: Iterable[bytes], contract: Contract) -> Iterator[Record]:
    """Yield the records of one object, in order."""
    lines = _lines(chunks)
    return (_csv if contract.raw().format == "csv" else _json_lines)(lines, contract)


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines, without a byte-order mark; one that is too long is cut one byte over the limit."""
    limit = MAX_RECORD_BYTES + 1
    first, rest = True, b""
    for chunk in chunks:
        pieces = (rest + chunk).split(b"\n")
        rest = pieces.pop()
        if len(rest) > 2 * limit:
            rest = rest[:limit]
        for piece in pieces:
            yield (piece.removeprefix(_BOM) if first else piece)[:limit] + b"\n"
            first = False
    if rest:
        yield (rest.removeprefix(_BOM) if first else rest)[:limit]


def _unreadable(number: int, width: int, problem: str, text: str) -> Record:
    """A record that cannot be read; halves of characters in ``text`` are shown as escapes."""
    shown = text.rstrip("\r\n")[:MAX_UNREADABLE_CHARACTERS].encode("utf-8", "backslashreplace").decode()
    return Record(number, (None,) * width, problem=problem, unreadable=shown)


def _half_character(text: str) -> bool:
    """Whether there is a lone surrogate: JSON can escape one, and bad UTF-8 is read as some."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _json_lines(lines: Iterable[bytes], contract: Contract) -> Iterator[Record]:
    width = len(contract.columns)
    places = {column.name: place for place, column in enumerate(contract.columns)}
    aliases = {name: place for place, column in enumerate(contract.columns) for name in column.aliases}
    place_of = places.get
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        problem, document = _document(line)
        if problem is not None:
            yield _unreadable(number, width, problem, line.decode("utf-8", "backslashreplace"))
            continue
        values: list[str | None] = [None] * width
        others: dict[str, Any] = {}
        for name, value in document.items():
            place = place_of(name)
            if place is None:
                others[name] = value
            elif value is not None and value != "":
                values[place] = value if type(value) is str else _json_text(value)
        for name in [name for name in others if name in aliases]:
            value, place = others.pop(name), aliases[name]
            if values[place] is None and value is not None and value != "":
                values[place] = value if type(value) is str else _json_text(value)
        extra = _json_text(others) if others else None
        if b"\\u" in line and any(map(_half_character, (*filter(None, values), extra or ""))):
            yield _unreadable(number, width, "half_character", line.decode())
        else:
            yield Record(number, values, extra)


def _document(line: bytes) -> tuple[str | None, dict[str, Any]]:
    """Read one line: the problem, or the object."""
    if len(line) > MAX_RECORD_BYTES:
        return "too_long", {}
    try:
        document = _DECODER.decode(line.decode())
    except UnicodeDecodeError:
        return "not_utf8", {}
    except _TwiceError:
        return "name_twice", {}
    except (ValueError, RecursionError):
        return "not_json", {}
    return (None, document) if isinstance(document, dict) else ("not_an_object", {})


class _TwiceError(ValueError):
    """A name stands twice in one object, and readers differ on which one counts."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise _TwiceError
    return document


def _no_constant(name: str) -> Any:
    raise ValueError(name)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=str, parse_float=str, parse_constant=_no_constant
)


def _json_text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


class _UnclosedError(Exception):
    """The record under way has grown over its limits: a quote that is not closed."""


class _Text:
    """The lines of an object as text, for ``csv.reader``; those of the record under way can be given back."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._next: Callable[[], bytes] = iter(lines).__next__
        self._again: list[bytes] = []
        self.taken: list[bytes] = []
        self._size = 0

    def __iter__(self) -> _Text:
        return self

    def __next__(self) -> str:
        if self.taken and (self._size > MAX_RECORD_BYTES or len(self.taken) >= MAX_RECORD_LINES):
            raise _UnclosedError
        line = self._again.pop() if self._again else self._next()
        self.taken.append(line)
        self._size += len(line)
        return line.decode("utf-8", "surrogateescape")

    def done(self) -> None:
        """The record under way is complete."""
        self.taken.clear()
        self._size = 0

    def give_back(self) -> str:
        """Give back all lines of the record under way but the first; return that one."""
        first, *rest = self.taken
        self._again.extend(reversed(rest))
        self.done()
        return first.decode("utf-8", "surrogateescape")


def _rows(text: _Text) -> Iterator[tuple[list[str] | None, str]]:
    """Yield each record's fields, or ``None`` and the line that is none."""
    while True:
        reader = csv.reader(text, strict=True)
        try:
            for row in reader:
                if row:
                    yield row, ""
                text.done()
        except (csv.Error, _UnclosedError):
            yield None, text.give_back()
        else:
            return


def _csv(lines: Iterable[bytes], contract: Contract) -> Iterator[Record]:
    width = len(contract.columns)
    text = _Text(lines)
    rows = _rows(text)
    header, line = next(rows, (None, ""))
    places = _places([name.strip() for name in header], contract) if header else None
    if header is None and not line:
        return
    number = 0
    if header is None or places is None:
        number = 1
        yield _unreadable(number, width, "no_header", line or ",".join(header or ()))
    at = [(places or {}).get(column.name) for column in contract.columns]
    names = {column.name for column in contract.columns}
    others = [(name, place) for name, place in (places or {}).items() if name not in names]
    fields_wanted = len(header or ())
    for row, bad_line in rows:
        number += 1
        if row is None:
            yield _unreadable(number, width, "not_csv", bad_line)
        elif places is None:
            yield _unreadable(number, width, "no_header", ",".join(row))
        elif len(row) != fields_wanted:
            yield _unreadable(number, width, "field_count", ",".join(row))
        elif not all(map(str.isascii, row)) and any(map(_half_character, row)):
            yield _unreadable(number, width, "not_utf8", ",".join(row))
        elif sum(map(len, row)) > MAX_RECORD_BYTES:
            yield _unreadable(number, width, "too_long", ",".join(row))
        else:
            unknown = {name: row[place] for name, place in others if row[place]}
            yield Record(
                number,
                [None if place is None else row[place] or None for place in at],
                _json_text(unknown) if unknown else None,
            )


def _places(header: list[str], contract: Contract) -> dict[str, int] | None:
    """Where each column is, by the contract's name for it; ``None`` if this is no header of the table."""
    known = {name: column.name for column in contract.columns for name in (column.name, *column.aliases)}
    places = {known.get(name, name): place for place, name in enumerate(header)}
    key = known.keys() & contract.key
    no_text = any(map(_half_character, header))
    return None if no_text or len(places) != len(header) or not places.keys() >= key else places
