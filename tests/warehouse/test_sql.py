"""A text is a value of a type only as a whole."""

from __future__ import annotations

import pytest

from custody.etl.types import parse_type
from custody.warehouse.sql import is_text_of

VALUES = {
    "string": ["", "x", "\x00", "1.5"],
    "integer": ["0", "-12"],
    "bigint": ["9223372036854775807"],
    "decimal(5,2)": ["1", "1.5", "-1.55"],
    "date": ["2026-02-28"],
    "timestamp": ["2026-02-28 10:00:00", "2026-02-28T10:00:00.123456"],
}
OTHERS = {
    "string": ["\udc80"],
    "integer": ["1.5", "1.0", " 1", "1e3", "", "x", "\u0663", "9" * 39, "1\n"],
    "bigint": ["0x1"],
    "decimal(5,2)": ["1.555", "NaN", "1.", "1,5"],
    "date": ["2026-02-30", "20260228", "2026-02-28 10:00", "today"],
    "timestamp": [
        *("2026-02-28T10:00:00.1234567", "2026-02-28T10:00:00+02:00", "2026-02-28T10:00:00Z", "now"),
        *("20260228", "20260228T100000", "2026-W09-6", "2026-02-28 10:00:00,5", "2026-02-30 10:00:00"),
    ],
}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in VALUES.items() for text in texts])
def test_value(kind: str, text: str) -> None:
    assert is_text_of(parse_type(kind), text)


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in OTHERS.items() for text in texts])
def test_what_a_cast_would_change(kind: str, text: str) -> None:
    assert not is_text_of(parse_type(kind), text)
