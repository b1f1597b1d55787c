"""Texts as values of a contract's types, in Arrow: the same values on every engine.

What Arrow would read more liberally than the contract, or round, is checked before a cast. A value that its
type cannot hold is no value of it: its row is rejected, and nothing is rounded.
"""

from __future__ import annotations

import base64
import binascii
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from custody.etl.contract import Column, Csv
from custody.etl.moments import UTC_TIME, dates, only, timestamps
from custody.etl.records import json_value, plain_text
from custody.etl.types import Type

_WHITESPACE = r"[ \t\n\x0b\f\r]+"
_UNTIDY = r"[\t\n\x0b\f\r]|  |\A | \z"
"""Whitespace that is not one space between words."""
_CONTROL = r"[\x00-\x1f\x7f-\x{9f}\x{202a}-\x{202e}\x{2066}-\x{2069}\x{feff}]"
_INTEGER = r"\A[+-]?[0-9]{1,18}\z"
_BIGINT = r"\A[+-]?[0-9]{1,19}\z"
_LIMITS = (-(2**63), 2**63 - 1)
_DOUBLE = r"\A[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?\z"
_SHORT_DOUBLE = r"\A[+-]?[0-9]{1,8}(?:\.[0-9]{0,7})?\z"
"""A double has room for any 15 digits."""
_SCALARS = {
    "string": pa.string(),
    "integer": pa.int64(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": UTC_TIME,
    "boolean": pa.bool_(),
    "binary": pa.binary(),
}


def arrow_type(kind: Type) -> pa.DataType:
    """The type in Arrow."""
    if kind.name == "decimal":
        return pa.decimal128(kind.digits, kind.places)
    if kind.name == "array":
        return pa.list_(arrow_type(kind.parts[0][1]))
    if kind.name == "struct":
        return pa.struct([pa.field(name, arrow_type(part)) for name, part in kind.parts])
    return _SCALARS[kind.name]


def bytes_range(texts: pa.StringArray) -> tuple[int, int]:
    """The smallest and the largest byte of all texts."""
    _, offsets, data = texts.buffers()
    if data is None or offsets is None:
        return 0x40, 0x40
    ends = np.frombuffer(offsets, np.int32)
    begin, end = ends[texts.offset], ends[texts.offset + len(texts)]
    bytes_ = np.frombuffer(data, np.uint8)[begin:end]
    return (int(bytes_.min()), int(bytes_.max())) if bytes_.size else (0x40, 0x40)


def cleaned(texts: pa.StringArray) -> pa.StringArray:
    """The texts with whitespace collapsed and trimmed; null if nothing is left."""
    if bytes_range(texts)[0] > ord(" "):
        return texts
    untidy = pc.match_substring_regex(texts, _UNTIDY)
    if not pc.any(untidy).as_py():
        return texts
    tidied = pc.replace_substring_regex(texts.filter(untidy), _WHITESPACE, " ")
    tidied = pc.utf8_trim(tidied, characters=" ")
    tidied = pc.if_else(pc.equal(tidied, ""), None, tidied)
    return pc.replace_with_mask(texts, untidy.fill_null(False), tidied)


def control_characters(texts: pa.StringArray) -> pa.BooleanArray:
    """Which texts have characters that are no text, or that change how others are shown."""
    low, high = bytes_range(texts)
    if low >= ord(" ") and high < 0x7F:
        return pa.repeat(pa.scalar(False), len(texts))
    return pc.match_substring_regex(texts, _CONTROL)


def is_in(texts: pa.StringArray, allowed: tuple[str, ...]) -> pa.BooleanArray:
    """Which texts are one of these."""
    return pc.is_in(texts, value_set=pa.array(allowed, pa.string()))


def read(texts: pa.StringArray, column: Column, csv: Csv) -> pa.Array:
    """Cleaned texts as values of the column's type; null for what is not one.

    Numbers have the marks of ``csv``. An integer has at most 18 digits, a bigint 64 bits; a decimal has no
    more digits before and after the point than its type (more zeros at the end are none). A double is finite,
    and the text is its shortest one, or what it gives if it is written with as many digits. A boolean is one
    of the column's words, ``true`` or ``false`` without any, in any case. Binary is base64. An array or a
    struct is JSON; a struct has no other fields than its type, and those that it does not have are null.
    """
    kind = column.kind
    if kind.name in {"integer", "bigint", "decimal", "double"}:
        texts = _unmarked(texts, csv)
    return _read(texts, kind, column)


def _read(texts: pa.StringArray, kind: Type, column: Column) -> pa.Array:
    match kind.name:
        case "string":
            return texts
        case "integer":
            return pc.utf8_ltrim(only(texts, _INTEGER), characters="+").cast(pa.int64())
        case "date":
            return dates(texts, column)
        case "timestamp":
            return timestamps(texts, column)
        case "boolean":
            return _booleans(texts, column)
    reader = {
        "bigint": _bigints,
        "decimal": _decimals,
        "double": _doubles,
        "binary": _binaries,
    }.get(kind.name)
    return reader(texts, kind) if reader else _nested(texts, kind, column)


def _unmarked(texts: pa.StringArray, csv: Csv) -> pa.StringArray:
    """Numbers with a point and nothing between their digits, from numbers with the marks of a dialect."""
    point, between = csv.decimal_mark, csv.thousands_mark
    if point == "." and not between:
        return texts
    grouped = f"|[0-9]{{1,3}}(?:[{between}][0-9]{{3}})+" if between else ""
    pattern = rf"\A[+-]?(?:[0-9]+{grouped})?(?:[{point}][0-9]*)?(?:[eE][+-]?[0-9]+)?\z"
    marked = only(texts, pattern)
    if between:
        marked = pc.replace_substring(marked, between, "")
    return pc.replace_substring(marked, point, ".")


def _bigints(texts: pa.StringArray, _: Type) -> pa.Int64Array:
    numbers = only(texts, _BIGINT).cast(pa.decimal128(19, 0))
    low, high = (pa.scalar(Decimal(limit), numbers.type) for limit in _LIMITS)
    fits = pc.and_(pc.greater_equal(numbers, low), pc.less_equal(numbers, high))
    return pc.if_else(fits, numbers, None).cast(pa.int64())


def _decimals(texts: pa.StringArray, kind: Type) -> pa.Decimal128Array:
    whole = f"[0-9]{{1,{kind.digits - kind.places}}}" if kind.digits > kind.places else "0"
    places = rf"\.[0-9]{{1,{kind.places}}}" if kind.places else r"\.0"
    fitting = only(texts, rf"\A[+-]?{whole}(?:{places}0*)?\z")
    longest = pc.max(pc.binary_length(fitting)).as_py() or 0
    if longest > kind.digits + 3:  # Arrow overflows on more digits than a decimal has
        kept = rf"(\.[0-9]{{{kind.places}}})0+\z"
        fitting = pc.replace_substring_regex(fitting, kept, r"\1" if kind.places else "")
    return fitting.cast(arrow_type(kind))


def _doubles(texts: pa.StringArray, _: Type) -> pa.DoubleArray:
    short = pc.match_substring_regex(texts, _SHORT_DOUBLE)
    values = pc.if_else(short, texts, None).cast(pa.float64())
    if values.null_count != texts.null_count:
        odd = pc.and_(texts.is_valid(), values.is_null())
        others = only(texts.filter(odd), _DOUBLE).to_pylist()
        found = [None if text is None else _exact_double(text) for text in others]
        values = pc.replace_with_mask(values, odd, pa.array(found, pa.float64()))
    return pc.add(values, 0.0)  # engines differ on whether -0.0 is 0.0


def _exact_double(text: str) -> float | None:
    """The double of a text, if the text is its shortest one, or the double written with as many digits."""
    value, wanted = float(text), Decimal(text)
    digits = len("".join(map(str, wanted.as_tuple().digits)).strip("0")) or 1
    texts = (repr(value), f"{value:.{digits - 1}e}")
    return value if wanted in map(Decimal, texts) else None


def _booleans(texts: pa.StringArray, column: Column) -> pa.BooleanArray:
    true, false = column.true_words or ("true",), column.false_words or ("false",)
    lower = pc.utf8_lower(texts)
    true, false = (tuple(word.lower() for word in words) for words in (true, false))
    return pc.if_else(is_in(lower, true + false), is_in(lower, true), None)


def _binaries(texts: pa.StringArray, _: Type) -> pa.BinaryArray:
    return pa.array([None if text is None else _decoded(text) for text in texts.to_pylist()], pa.binary())


def _decoded(text: str) -> bytes | None:
    """The bytes of base64 (RFC 4648, section 4), padded, with nothing between."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64.b64encode(data).decode() == text else None


def _nested(texts: pa.StringArray, kind: Type, column: Column) -> pa.Array:
    """JSON as arrays or structs; the texts in it are read like those of a column of their type."""
    values = [None if text is None else _json(text, kind) for text in texts.to_pylist()]
    if kind.name == "array":
        lengths = np.array([0 if value is None else len(value) for value in values], np.int64)
        items = [item for value in values if value is not None for item in value]
        parts = {"": (kind.parts[0][1], items, np.repeat(np.arange(len(values)), lengths))}
    else:
        rows = np.arange(len(values))
        parts = {
            name: (part, [None if value is None else value.get(name) for value in values], rows)
            for name, part in kind.parts
        }
    bad = np.array([value is None for value in values], np.bool_)
    found = []
    for part, items, rows in parts.values():
        inner = cleaned(pa.array([plain_text(item) for item in items], pa.string()))
        read_inner = _read(inner, part, column)
        lost = pc.and_(inner.is_valid(), read_inner.is_null())
        if part.name == "string":
            lost = control_characters(inner)
        bad[rows[lost.fill_null(False).to_numpy(zero_copy_only=False)]] = True
        found.append(read_inner)
    if kind.name == "struct":
        fields = [pa.field(name, array.type) for name, array in zip(parts, found, strict=True)]
        return pa.StructArray.from_arrays(found, fields=fields, mask=pa.array(bad))
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), found[0], mask=pa.array(bad))


def _json(text: str, kind: Type) -> Any:
    """A JSON array, or an object that has no other fields than the type; else ``None``."""
    value = json_value(text)
    if kind.name == "array":
        return value if isinstance(value, list) else None
    if not isinstance(value, dict) or not value.keys() <= {name for name, _ in kind.parts}:
        return None
    return value
