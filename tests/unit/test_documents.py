"""Strict reading of JSON documents."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.documents import Fields, is_sha256, parse_object
from custody.errors import EvidenceError

TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(max_size=5),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=3), children, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), TREES, max_size=5))
def test_an_object_is_read_as_it_is(document: dict[str, Any]) -> None:
    assert parse_object(json.dumps(document).encode(), "note", 100_000) == document


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not strict JSON"),
        (b"{", "not strict JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'{"a":1}x', "not strict JSON"),
        (b'{"a":1,"a":1}', "is used twice"),
        (b'{"a":{"b":1,"b":2}}', "is used twice"),
        (b'{"a":NaN}', "NaN is not JSON"),
        (b'{"a":-Infinity}', "Infinity is not JSON"),
        (b'{"a":"\xff"}', "not strict JSON"),
        ('{"a":1}'.encode("utf-16"), "not strict JSON"),
        (b"\xef\xbb\xbf{}", "not strict JSON"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not strict JSON"),
        (b'{"a":' + b"9" * 10_000 + b"}", "not strict JSON"),
        (b'{"a":"' + b"x" * 300_000 + b'"}', "over the limit of 250000"),
    ],
)
def test_what_is_not_strict_json_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(EvidenceError, match=why):
        parse_object(data, "note", 250_000)


def test_a_text_with_half_a_character_is_refused() -> None:
    with pytest.raises(EvidenceError, match="note"):
        parse_object('{"a":"\ud800"}', "note", 100)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        parse_object(data, "note", 100)
    except EvidenceError:
        return


DOCUMENT = {
    "text": "a",
    "empty": "",
    "null": None,
    "surrogate": "\ud800",
    "zero": 0,
    "negative": -1,
    "float": 1.0,
    "true": True,
    "time": "2026-11-20T13:00:00Z",
    "offset": "2026-11-20T13:00:00+00:00",
    "day": "2026-11-20Z",
    "digest": "0f" * 32,
    "capitals": "0F" * 32,
    "object": {"a": 1},
    "list": [{"a": 1}, 2],
}


@pytest.mark.parametrize(
    ("method", "name", "why"),
    [
        ("text", "absent", "absent is not a string"),
        ("text", "null", "null is not a string"),
        ("text", "zero", "not a string"),
        ("text", "surrogate", "a lone surrogate"),
        ("words", "empty", "is empty"),
        ("optional_text", "zero", "not a string"),
        ("natural", "negative", "whole number"),
        ("natural", "float", "whole number"),
        ("natural", "true", "whole number"),
        ("natural", "text", "whole number"),
        ("natural", "absent", "whole number"),
        ("time", "offset", "written with Z"),
        ("time", "day", "is not a time"),
        ("time", "null", "not a string"),
        ("optional_time", "text", "written with Z"),
        ("sha256", "capitals", "SHA-256"),
        ("sha256", "text", "SHA-256"),
        ("object", "list", "note's list is not a JSON object"),
        ("object", "absent", "note's absent is not a JSON object"),
        ("optional_object", "text", "not a JSON object"),
        ("objects", "object", "not a list"),
        ("objects", "list", r"note's list\[1\] is not a JSON object"),
    ],
)
def test_a_field_of_another_type_is_refused_by_name(method: str, name: str, why: str) -> None:
    with pytest.raises(EvidenceError, match=why):
        getattr(Fields(DOCUMENT, "note"), method)(name)


def test_fields_are_given_as_what_they_are() -> None:
    fields = Fields(DOCUMENT, "note")
    assert fields.text("empty") == ""
    assert fields.optional_text("null") is None
    assert fields.optional_text("absent") is None
    assert fields.optional_time("null") is None
    assert fields.natural("zero") == 0
    assert fields.time("time") == fields.optional_time("time")
    assert fields.sha256("digest") == "0f" * 32
    assert fields.object("object").natural("a") == 1
    assert fields.optional_object("null").optional_text("a") is None


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("0f" * 32, True),
        ("0F" * 32, False),
        ("0f" * 31, False),
        ("", False),
        ("0g" * 32, False),
        ("١" * 64, False),
    ],
)
def test_sha256_in_hexadecimal(text: str, is_one: bool) -> None:
    assert is_sha256(text) is is_one
