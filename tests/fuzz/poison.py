"""Invalid documents, made from valid ones: values replaced, and bytes changed at random.

These are harmless to other software: they are small, and not a known attack on a reader.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

TIMES = (
    "9999-12-31T23:59:60Z",
    "9999-12-31T23:59:59.999999Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+23:59",
    "2026-02-30T00:00:00Z",
    "2026-11-20T24:00:00Z",
    "2026-11-20T13:00:00",
    "2026-11-20T13:00:00.0000000000000000001Z",
    "٢٠٢٦-11-20T13:00:00Z",
)
TEXTS = (
    "",
    "\x00",
    "a\x00b",
    "\ud800",
    "\udcff\ud800",
    "../..",
    "s3://",
    "s3:///tables/a",
    "s3://b/%ff",
    "s3://b/k?versionId=%00",
    "s3://b/k?a=b",
    "=",
    "é" * 600,
    "k" * 1100,
    "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    "0" * 64,
    "A===",
    "__proto__",
    "\u202e\x1b[31m",
)
NUMBERS = (True, False, -1, 0, 0.5, 1e308, -0.0, 2**31, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**400)
SHAPES: tuple[Any, ...] = (None, [], {}, [None], [[]], [{}], {"": None}, {"a": {"b": {}}})
VALUES: tuple[Any, ...] = TIMES + TEXTS + NUMBERS + SHAPES

RAW = {
    "deep list": b"[" * 3_000 + b"]" * 3_000,
    "deep object": b'{"a":' * 3_000 + b"1" + b"}" * 3_000,
    "long number": b"9" * 5_000,
    "large number": b"1e999",
    "not a number": b"NaN",
    "infinity": b"-Infinity",
    "not utf-8": b'"\xff\xfe"',
    "a lone surrogate": b'"\\ud800"',
    "unended": b'"',
    "name twice": b'{"a":1,"a":2}',
}
"""Bytes in place of a value that are not JSON, or that JSON readers interpret differently."""

WHOLE = {
    "nothing": b"",
    "nul": b"\x00" * 16,
    "mark": b"\xef\xbb\xbf{}",
    "utf-16": '{"a":1}'.encode("utf-16"),
    "text": b"hello",
    "list": b"[]",
    "object": b"{}",
    "list of one": b"[1]",
}

_MARK = "here stands the poison"


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _places(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _places(inner, (*path, index))


def _changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    first, *rest = path
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[first] = _changed(document[first], tuple(rest), value)
    return copy


def _without(document: Any, path: tuple[Any, ...]) -> Any:
    first, *rest = path
    copy = dict(document) if isinstance(document, dict) else list(document)
    if rest:
        copy[first] = _without(document[first], tuple(rest))
    else:
        del copy[first]
    return copy


def documents(document: Any) -> Iterator[Any]:
    """Every value of a JSON document replaced by every wrong one, and left out; still documents."""
    for path in _places(document):
        for value in VALUES:
            yield _changed(document, path, value)
        if path:
            yield _without(document, path)
    for name, value in (("unknown", {"a": 1}), ("", ""), ("\x00", None)):
        if isinstance(document, dict):
            yield {**document, name: value}


def texts(document: Any) -> Iterator[bytes]:
    """The same as bytes, also with invalid JSON in place of every value."""
    for wrong in documents(document):
        yield json.dumps(wrong).encode()
    for path in _places(document):
        marked = json.dumps(_changed(document, path, _MARK)).encode()
        for raw in RAW.values():
            yield marked.replace(json.dumps(_MARK).encode(), raw)
    yield from WHOLE.values()


def scrambled(data: bytes, count: int, seed: str) -> Iterator[bytes]:
    """Bytes changed, removed, inserted and duplicated at random, the same each time."""
    chance = random.Random(seed)
    for _ in range(count):
        changed = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            start = chance.randrange(len(changed) + 1)
            end = min(len(changed), start + chance.randint(0, 12))
            piece = chance.choice(
                [
                    b"",
                    chance.randbytes(3),
                    bytes(changed[start:end]) * 2,
                    b'"',
                    b"{",
                    b"\xff",
                    b"\\u0000",
                    b"9",
                ]
            )
            changed[start:end] = piece
        yield bytes(changed)
