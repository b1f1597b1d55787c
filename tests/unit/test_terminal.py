from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.terminal import beginning, shorten, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("incoming/customers.csv", "incoming/customers.csv"),
        ("naïve café 日本.csv", "naïve café 日本.csv"),
        ("\x1b[2J\x1b]0;owned\x07", r"\x1b[2J\x1b]0;owned\x07"),
        ("a\r\nverified", r"a\x0d\x0averified"),
        ("invoice\u202efdp.exe", r"invoice\u202efdp.exe"),
        ("a\u2066b\u200bc\ufeff", r"a\u2066b\u200bc\ufeff"),
        ("tab\there", r"tab\x09here"),
        ("no\u00a0break", r"no\xa0break"),
        ("line\u2028sep", r"line\u2028sep"),
        ("\U000e0041tag", r"\U000e0041tag"),
        ("hangul\u3164filler\u2800", r"hangul\u3164filler\u2800"),
        ("half \ud800 pair", r"half \ud800 pair"),
        (r"literal \x1b", r"literal \\x1b"),
        ("\x9b31m", r"\x9b31m"),
        ("", ""),
    ],
)
def test_what_would_act_or_hide_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(st.characters()))
def test_nothing_is_left_that_a_terminal_acts_on(text: str) -> None:
    shown = visible(text)
    assert shown.isprintable()
    assert not any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for character in shown)
    shown.encode()


@given(st.text(st.characters()), st.text(st.characters()))
def test_different_texts_look_different(one: str, other: str) -> None:
    assert (visible(one) == visible(other)) == (one == other)


@given(st.text(max_size=60), st.integers(min_value=1, max_value=60))
def test_shortened_text_fits_and_keeps_its_ends(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert len(short) <= limit
    if len(text) <= limit:
        assert short == text
    elif limit >= 3:
        assert short[0] == text[0]
        assert short[-1] == text[-1]
        assert "…" in short


@given(st.text(max_size=60), st.integers(min_value=1, max_value=60))
def test_a_beginning_fits_and_says_that_it_is_one(text: str, limit: int) -> None:
    short = beginning(text, limit)
    assert len(short) <= limit
    assert short == text if len(text) <= limit else short == text[: limit - 1] + "…"
