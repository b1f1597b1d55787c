"""Patterns compared as sets, tested with all strings up to a length."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.review.patterns import covers, covers_arn, disjoint, disjoint_arns

SPACES = [("ab", 3), ("a", 4)]
"""The letters of patterns and how long these may be. Where two differ, they do so on a string no longer than
both together and one more, of these letters and another one."""


def strings(letters: str, size: int) -> Iterator[str]:
    for length in range(2 * size + 2):
        yield from ("".join(string) for string in itertools.product(f"{letters}z", repeat=length))


@cache
def meant(pattern: str, space: tuple[str, int]) -> frozenset[str]:
    expression = re.compile("".join({"*": ".*", "?": "."}.get(letter, letter) for letter in pattern))
    return frozenset(string for string in strings(*space) if expression.fullmatch(string))


@pytest.mark.parametrize("space", SPACES)
@given(data=st.data())
def test_patterns_are_compared_as_the_sets_they_stand_for(
    space: tuple[str, int], data: st.DataObject
) -> None:
    letters, size = space
    one, other = (data.draw(st.text(f"{letters}*?", max_size=size)) for _ in range(2))
    assert covers(one, other) == (meant(other, space) <= meant(one, space))
    assert disjoint(one, other) == (not meant(one, space) & meant(other, space))


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
