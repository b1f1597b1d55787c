"""Arrow's values as exact text: what a value is, and nothing that its type lost or a display would round.

The digits of a decimal as they are, the shortest text of a double that reads back the same, times as in RFC
3339 (in UTC; without an offset if they are local), base64 of binary values, and JSON of nested ones.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

_NO_NUMBERS = frozenset({"nan", "inf", "-inf"})
json_word = json.JSONEncoder(ensure_ascii=False).encode
"""A text as JSON."""


def is_string_like(of: pa.DataType) -> bool:
    """Whether values of this type are texts, or bytes of any number."""
    return pa.types.is_string(of) or pa.types.is_large_string(of) or _is_bytes(of)


def _is_bytes(of: pa.DataType) -> bool:
    return bool(pa.types.is_binary(of) or pa.types.is_large_binary(of))


def text_of(values: pa.Array, kind: str | None = None) -> pa.StringArray:
    """Each value as text; null for null.

    ``kind`` is what is known beside the type: ``UUID``, ``ENUM`` (a text), ``INT96`` (a time in UTC).
    """
    if isinstance(values, pa.DictionaryArray):
        return text_of(values.dictionary, kind).take(values.indices)
    values = _stored(values)
    of = values.type
    if pa.types.is_timestamp(of):
        return _times(values, is_utc=of.tz is not None or kind == "INT96")
    if pa.types.is_nested(of):
        texts = json_of(values)
    elif kind == "UUID":
        texts = [value and str(uuid.UUID(bytes=value)) for value in values.to_pylist()]
    elif pa.types.is_fixed_size_binary(of) or (_is_bytes(of) and kind != "ENUM"):
        texts = [value and base64.b64encode(value).decode() for value in values.to_pylist()]
    else:
        return _scalars(values)
    return pa.array(texts, pa.string())


def _stored(values: pa.Array) -> pa.Array:
    return values.storage if isinstance(values, pa.ExtensionArray) else values


def _scalars(values: pa.Array) -> pa.StringArray:
    if pa.types.is_floating(values.type):
        values = values.cast(pa.float64())
    elif pa.types.is_duration(values.type):
        values = values.cast(pa.int64())
    text = values.cast(pa.string())
    if pa.types.is_decimal(values.type) and pc.any(pc.match_substring(text, "E")).as_py():
        return pa.array(
            [value if value is None else f"{value:f}" for value in values.to_pylist()], pa.string()
        )
    return text


def _times(values: pa.TimestampArray, *, is_utc: bool) -> pa.StringArray:
    plain = values.view(pa.int64()).view(pa.timestamp(values.type.unit))
    if values.type.unit == "ns":
        with suppress(pa.ArrowInvalid):  # a value has parts of a microsecond
            plain = plain.cast(pa.timestamp("us"))
    text = pc.replace_substring(plain.cast(pa.string()), " ", "T")
    return pc.binary_join_element_wise(text, "Z", "") if is_utc else text


def json_of(values: pa.Array, kind: str | None = None) -> list[str | None]:
    """Each value as JSON; ``None`` for null, at the top."""
    if isinstance(values, pa.DictionaryArray):
        values = values.dictionary_decode()
    values = _stored(values)
    of = values.type
    if pa.types.is_struct(of):
        return _structs(values)
    if pa.types.is_map(of):
        return _maps(values.cast(pa.list_(pa.struct({"key": of.key_type, "value": of.item_type}))))
    if pa.types.is_nested(of):
        elements = iter(json_of(values.flatten()))
        return [size if size is None else _array(islice(elements, size)) for size in _sizes(values)]
    texts = cast("list[str | None]", text_of(values, kind).to_pylist())
    if pa.types.is_boolean(of) or pa.types.is_integer(of) or pa.types.is_decimal(of):
        return texts
    is_number = pa.types.is_floating(of)
    return [
        text if text is None or (is_number and text not in _NO_NUMBERS) else json_word(text) for text in texts
    ]


def _structs(values: pa.StructArray) -> list[str | None]:
    names = [json_word(field.name) for field in values.type]
    rows = zip(*map(json_of, values.flatten()), strict=True) if names else ((),) * len(values)
    texts = [_object(zip(names, row, strict=True)) for row in rows]
    return [text if valid else None for text, valid in zip(texts, values.is_valid().to_pylist(), strict=True)]


def _maps(values: pa.ListArray) -> list[str | None]:
    keys, items = values.flatten().flatten()
    entries = zip(map(json_word, text_of(keys).to_pylist()), json_of(items), strict=True)
    return [size if size is None else _object(islice(entries, size)) for size in _sizes(values)]


def _sizes(values: pa.Array) -> list[int | None]:
    return cast("list[int | None]", pc.list_value_length(values).to_pylist())


def _object(fields: Iterable[tuple[str, str | None]]) -> str:
    return "{" + ", ".join(f"{name}: {value or 'null'}" for name, value in fields) + "}"


def _array(values: Iterable[str | None]) -> str:
    return "[" + ", ".join(value or "null" for value in values) + "]"
