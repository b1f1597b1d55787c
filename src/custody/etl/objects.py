"""The objects of a JSON text that is not divided into lines.

They may follow each other, as Amazon Data Firehose writes them by default (``{…}{…}``), or be the elements of
arrays (``[{…}, {…}]``), with whitespace anywhere between. An object is found by its braces; what is in it is
read by ``records``. Bytes that are no object are pieces of their own, and so is each other element of an
array. What is never closed affects the bytes up to the next line end or the next ``}{``.

This is the reference implementation, one object at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from custody.etl import records
from custody.etl.records import MAX_RECORD_BYTES, cut

_MAX_SPAN = 4 * MAX_RECORD_BYTES
"""How far the end of an object is looked for: one that is too long is a single piece up to here."""
_FREE_SCANS, _SCANS_PER_BYTE = 64 * _MAX_SPAN, 2
"""How many bytes may be scanned in vain for the end of an object, and how many more for each byte of the
text: after that, what is not closed is a piece of the largest size."""
_SPACES = re.compile(rb"[ \t\r\n]*+")
_STRING = rb'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"'
_NEXT_BRACE = re.compile(rb'[^"{}]*+(?:%s[^"{}]*+)*+([{}]?)' % _STRING)
_NEXT_BRACKET = re.compile(rb'[^"\[\]]*+(?:%s[^"\[\]]*+)*+([\[\]]?)' % _STRING)
_OTHER = re.compile(rb'(?:[^"{\[\n]++|%s|")++' % _STRING)
_OTHER_ELEMENT = re.compile(rb'(?:[^"{\[,\]\n]++|%s|")++' % _STRING)
_BOUNDARY = re.compile(rb"\n|\}(?=[ \t\r]*+\{)")


class Piece(NamedTuple):
    """An object, or what is there instead of one."""

    number: int
    data: bytes
    """Truncated if it is too long."""
    size: int
    """The number of its bytes in the text."""


class Pieces:
    """The pieces of a text, in order; those at ``at`` in ``data`` may be read elsewhere, and passed."""

    def __init__(self, text: Iterable[bytes]) -> None:
        self._text = iter(text)
        self.data = b""
        """A part of the text, some MiB."""
        self.at = 0
        """How much of it is read."""
        self.number = 0
        """The number of pieces read."""
        self.in_array = False
        self._after_element = self._after_comma = False
        self._behind = 0
        self._scanned_in_vain = 0

    def __iter__(self) -> Iterator[Piece]:
        while (end := self._find()) is not None:
            self.number += 1
            found = self.data[self.at : end].rstrip(b" \t\r\n")
            self.at = end
            self._skip()
            yield Piece(self.number, cut(found), len(found))
        if self.in_array:  # and not closed
            self.number += 1
            yield Piece(self.number, b"[", 0)

    def pass_to(self, at: int, count: int, *, after_comma: bool) -> None:
        """Pass this many pieces that were read elsewhere, and their separators, up to here."""
        self.at, self.number = at, self.number + count
        self._after_element, self._after_comma = not after_comma, after_comma

    def _find(self) -> int | None:
        """Find the next piece, which begins at ``at``: its end, or ``None`` at the end of the text."""
        while True:
            self._skip()
            first = self.data[self.at : self.at + 1]
            if not first:
                return None
            if first == b"[" and not self.in_array:
                self.in_array, self._after_element, self._after_comma = True, False, False
                self.at += 1
            elif first == b"]" and self.in_array:
                self.in_array = False
                if self._after_comma:
                    return self.at + 1
                self.at += 1
            elif first == b"," and self.in_array:
                return self.at + 1
            else:
                self._after_element, self._after_comma = True, False
                return self._end(first)

    def _skip(self) -> None:
        """Go past whitespace, and past a comma that may be here."""
        self._skip_spaces()
        if self.in_array and self._after_element and self.data[self.at : self.at + 1] == b",":
            self._after_element, self._after_comma = False, True
            self.at += 1
            self._skip_spaces()

    def _skip_spaces(self) -> None:
        while True:
            found = _SPACES.match(self.data, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self.data) or not self._more():
                return

    def _end(self, first: bytes) -> int:
        if first in b"{[":
            return self._closed(first) or self._given_up()
        self._fill()
        found = (_OTHER_ELEMENT if self.in_array else _OTHER).match(self.data, self.at, self.at + _MAX_SPAN)
        return found.end() if found else self.at + 1

    def _closed(self, first: bytes) -> int | None:
        """The end of the object or array here; ``None`` if it is not closed."""
        next_one = _NEXT_BRACE if first == b"{" else _NEXT_BRACKET
        while True:
            depth, place, brace = 1, self.at + 1, first
            while depth and brace:
                found = next_one.match(self.data, place, self.at + _MAX_SPAN)
                place, brace = (found.end(), found[1]) if found else (place, b"")
                depth += 1 if brace == first else -1
            if brace:
                return place
            if len(self.data) >= self.at + _MAX_SPAN or not self._more():
                self._scanned_in_vain += place - self.at
                return None

    def _given_up(self) -> int:
        """The end of what is not closed."""
        allowed = _FREE_SCANS + _SCANS_PER_BYTE * (self._behind + self.at)
        if self._scanned_in_vain > allowed:
            return min(self.at + MAX_RECORD_BYTES, len(self.data))
        limit = min(self.at + _MAX_SPAN, len(self.data))
        found = _BOUNDARY.search(self.data, self.at + 1, limit)
        return found.end() if found else limit

    def _fill(self) -> None:
        """Have as much of the text as a piece may be long."""
        while len(self.data) < self.at + _MAX_SPAN and self._more():
            pass

    def _more(self) -> bool:
        """Read on, and forget what is behind."""
        parts: list[bytes] = []
        while sum(map(len, parts)) < records.BLOCK_BYTES and (chunk := next(self._text, b"")):
            parts.append(chunk)
        if parts:
            self._behind += self.at
            self.data, self.at = b"".join((self.data[self.at :], *parts)), 0
        return bool(parts)
