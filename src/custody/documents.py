"""JSON documents that are evidence: read strictly, and in one place only.

Messages, envelopes, receipts and the key registry are all read here, so that no two readers can interpret
the same bytes differently: UTF-8 only, no duplicate names in an object, no ``NaN``, no number too large for
a double, no lone surrogates (RFC 8259 sections 4, 6, 8.1 and 8.2 leave each of these to the reader).
"""

from __future__ import annotations

import json
import math
import re
from datetime import datetime
from typing import Any, NoReturn

from custody.errors import EvidenceError
from custody.times import parse_time

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
MAX_NATURAL = 2**63 - 1
"""The largest signed 64-bit integer: the limit of databases, Delta tables and other readers of JSON."""


def parse_object(data: bytes | str, what: str, max_bytes: int) -> dict[str, Any]:
    """Read one JSON object of at most ``max_bytes``.

    Raises ``EvidenceError``, which calls the document ``what``.
    """
    try:
        raw = data.encode() if isinstance(data, str) else data
        if len(raw) > max_bytes:
            raise EvidenceError(f"The {what} is {len(raw)} bytes long, over the limit of {max_bytes}.")
        document = _DECODER.decode(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise EvidenceError(f"The {what} is not strict JSON: {error}.") from error
    if not isinstance(document, dict):
        raise EvidenceError(f"The {what} is not a JSON object.")
    return document


class Fields:
    """The named fields of one JSON object, each read with its required type.

    Every method raises ``EvidenceError`` naming the document and the field. Unknown fields are ignored, as
    in-toto and DSSE both require of a reader.
    """

    def __init__(self, document: object, what: str) -> None:
        if not isinstance(document, dict):
            raise EvidenceError(f"The {what} is not a JSON object.")
        self._document: dict[str, Any] = document
        self._what = what

    def text(self, name: str) -> str:
        """A required string that can be encoded as UTF-8."""
        value = self._document.get(name)
        if not isinstance(value, str):
            raise self._error(name, "is not a string")
        if value.isascii():
            return value
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise self._error(name, "contains a lone surrogate") from error
        return value

    def words(self, name: str) -> str:
        """A required string that is not empty."""
        value = self.text(name)
        if not value:
            raise self._error(name, "is empty")
        return value

    def optional_text(self, name: str) -> str | None:
        """A string, or ``None`` if the field is ``null`` or absent."""
        return None if self._document.get(name) is None else self.text(name)

    def optional_texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; empty if there is none."""
        value = self._document.get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise self._error(name, "is not a list")
        return tuple(
            Fields({name: item}, f"{self._what}'s {name}[{index}]").text(name)
            for index, item in enumerate(value)
        )

    def flag(self, name: str) -> bool:
        """Whether the field is ``true``; it may be ``false`` or absent."""
        value = self._document.get(name, False)
        if not isinstance(value, bool):
            raise self._error(name, "is neither true nor false")
        return value

    def natural(self, name: str, most: int = MAX_NATURAL) -> int:
        """A whole number from zero to ``most``."""
        value = self._document.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self._error(name, "is not a whole number of zero or more")
        if value > most:
            raise self._error(name, f"is over {most}")
        return value

    def time(self, name: str) -> datetime:
        """An RFC 3339 time in UTC, written with ``Z``."""
        value = self.text(name)
        if not value.endswith("Z"):
            raise self._error(name, "is not a time in UTC, written with Z")
        try:
            return parse_time(value)
        except EvidenceError as error:
            raise self._error(name, f"is not a time: {error}") from error

    def optional_time(self, name: str) -> datetime | None:
        """Like ``time``, or ``None`` if the field is ``null`` or absent."""
        return None if self._document.get(name) is None else self.time(name)

    def sha256(self, name: str) -> str:
        """A SHA-256 in 64 lower-case hexadecimal digits."""
        value = self.text(name)
        if not is_sha256(value):
            raise self._error(name, "is not a SHA-256 in lower-case hexadecimal")
        return value

    def object(self, name: str) -> Fields:
        """A nested object."""
        return Fields(self._document.get(name), f"{self._what}'s {name}")

    def optional_object(self, name: str) -> Fields:
        """A nested object; one without fields if it is ``null`` or absent."""
        return Fields({}, self._what) if self._document.get(name) is None else self.object(name)

    def objects(self, name: str) -> list[Fields]:
        """A list of nested objects."""
        value = self._document.get(name)
        if not isinstance(value, list):
            raise self._error(name, "is not a list")
        return [Fields(item, f"{self._what}'s {name}[{index}]") for index, item in enumerate(value)]

    def _error(self, name: str, reason: str) -> EvidenceError:
        return EvidenceError(f"The {self._what}'s {name} {reason}.")


def is_sha256(text: str) -> bool:
    """Whether ``text`` is a SHA-256 in lower-case hexadecimal."""
    return _SHA256.fullmatch(text) is not None


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a name is used twice in one object")
    return document


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:40]} is too large")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_names, parse_constant=_refuse_constant, parse_float=_finite
)
