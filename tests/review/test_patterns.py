"""Patterns compared as sets, against all the strings there are up to a length."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.review.patterns import covers, covers_arn, disjoint, disjoint_arns

LETTERS = "abz"
"""Two that patterns use, and one that none does: it stands for all others."""

STRINGS = ["".join(letters) for length in range(7) for letters in itertools.product(LETTERS, repeat=length)]
PATTERNS = st.text("ab*?", max_size=5)


def meant(pattern: str) -> set[str]:
    expression = re.compile("".join({"*": ".*", "?": "."}.get(letter, letter) for letter in pattern))
    return {string for string in STRINGS if expression.fullmatch(string)}


@given(PATTERNS, PATTERNS)
def test_covers_is_inclusion(wider: str, narrower: str) -> None:
    assert covers(wider, narrower) == (meant(narrower) <= meant(wider))


@given(PATTERNS, PATTERNS)
def test_disjoint_is_an_empty_intersection(one: str, other: str) -> None:
    assert disjoint(one, other) == (not meant(one) & meant(other))
    assert disjoint(one, other) == disjoint(other, one)


@pytest.mark.parametrize(
    ("wider", "narrower", "expected"),
    [
        ("*", "${aws:username}", True),
        ("home/${aws:username}/*", "home/${aws:username}/x", True),
        ("home/*", "home/${aws:username}/x", True),
        ("home/${aws:username}/*", "home/ann/x", False),
        ("home/?", "home/${aws:username}", False),
        ("home/${aws:username}", "home/${aws:userid}", False),
    ],
)
def test_a_variable_is_any_text(wider: str, narrower: str, expected: bool) -> None:
    assert covers(wider, narrower) is expected
    assert not disjoint("home/${aws:username}", "home/ann")


@pytest.mark.parametrize(
    ("wider", "narrower", "expected"),
    [
        ("*", "arn:aws:s3:::b/k", True),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/a/k", True),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b", False),
        ("arn:aws:s3:::b/*", "*", False),
        ("arn:aws:sqs:*:1:q", "arn:aws:sqs:eu-west-1:1:q", True),
        ("arn:aws:sqs:*:q", "arn:aws:sqs:eu-west-1:1:q", False),
        ("arn:aws:sqs", "arn:aws:sqs:eu-west-1:1:q", True),
        ("arn:aws:logs:r:1:log-group:g:*", "arn:aws:logs:r:1:log-group:g:log-stream:s", True),
    ],
)
def test_the_parts_of_an_arn_are_patterns_of_their_own(wider: str, narrower: str, expected: bool) -> None:
    assert covers_arn(wider, narrower) is expected


def test_arns_are_disjoint_where_a_part_is() -> None:
    assert disjoint_arns("arn:aws:s3:::a/*", "arn:aws:s3:::b/*")
    assert not disjoint_arns("arn:aws:s3:::*", "arn:aws:s3:::b/*")
    assert not disjoint_arns("*", "arn:aws:s3:::b/*")


def test_a_pattern_made_to_take_long_does_not() -> None:
    assert not covers("*a" * 40 + "b", "*a" * 60)
    assert disjoint("*a" * 40 + "b", "*a" * 40 + "c")
