"""One condition implies another only if every request that meets the one meets the other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.local_aws.identity import Principal
from scripts.local_aws.policy import Decision, Request, evaluate
from scripts.review.conditions import all_imply, clauses

KEYS = ("aws:One", "aws:Two")
TEXTS = ["a", "b", "ab", "A", "true"]
PATTERNS = ["a", "b", "a*", "?", "*"]
NUMBERS = ["1", "2", "3"]
TEXT_OPERATORS = {
    "StringEquals": TEXTS,
    "StringNotEquals": TEXTS,
    "StringLike": PATTERNS,
    "StringNotLike": PATTERNS,
    "StringEqualsIgnoreCase": TEXTS,
    "Bool": ["true", "false"],
}
NUMBER_OPERATORS = dict.fromkeys(
    [
        "NumericEquals",
        "NumericNotEquals",
        "NumericLessThan",
        "NumericLessThanEquals",
        "NumericGreaterThan",
        "NumericGreaterThanEquals",
    ],
    NUMBERS,
)


def conditions(operators: dict[str, list[str]]) -> st.SearchStrategy[dict[str, Any]]:
    one = st.sampled_from(sorted(operators)).flatmap(
        lambda name: st.tuples(
            st.sampled_from([name, f"{name}IfExists"]),
            st.dictionaries(
                st.sampled_from(KEYS),
                st.lists(st.sampled_from(operators[name]), min_size=1, max_size=3, unique=True),
                min_size=1,
            ),
        )
    )
    null = st.tuples(
        st.just("Null"), st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["true", "false"]))
    )
    return st.lists(one | null, max_size=2).map(dict)


def holds(condition: dict[str, Any], context: dict[str, str]) -> bool:
    """What the local AWS's own evaluation says."""
    statement = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*", "Condition": condition}
    request = Request(
        Principal("IAMUser", "AIDA", "arn:aws:iam::123456789012:user/x", "123456789012", "AKIA"),
        "s3:GetObject",
        "arn:aws:s3:::b/k",
        context,
        frozenset(key.lower() for key in KEYS),
    )
    return evaluate({"Statement": statement}, request) is Decision.ALLOW


def contexts(values: list[str]) -> Iterator[dict[str, str]]:
    """Every context of the two keys, each missing or with one of the values."""
    for pair in itertools.product([None, *values], repeat=len(KEYS)):
        yield {key.lower(): value for key, value in zip(KEYS, pair, strict=True) if value is not None}


@pytest.mark.parametrize(
    ("operators", "values"),
    [(TEXT_OPERATORS, [*TEXTS, "zz"]), (NUMBER_OPERATORS, ["0", "1", "1.5", "2", "3", "4"])],
    ids=["texts", "numbers"],
)
@given(data=st.data())
def test_what_is_implied_holds(
    operators: dict[str, list[str]], values: list[str], data: st.DataObject
) -> None:
    one, other = data.draw(conditions(operators)), data.draw(conditions(operators))
    if all_imply(clauses(one), clauses(other)):
        for context in contexts(values):
            assert holds(other, context) or not holds(one, context), context


@given(conditions(TEXT_OPERATORS | NUMBER_OPERATORS))
def test_a_condition_implies_itself_and_less_of_itself(condition: dict[str, Any]) -> None:
    every = clauses(condition)
    assert all_imply(every, every)
    assert all_imply(every, every[:1])
    assert all_imply(every, ())
    assert all_imply((), every) == (not every)


@pytest.mark.parametrize(
    ("stricter", "looser"),
    [
        ({"StringEquals": {"k": "a"}}, {"StringEquals": {"K": ["a", "b"]}}),
        ({"StringEquals": {"k": "ab"}}, {"StringLike": {"k": "a*"}}),
        ({"StringLike": {"k": "ab*"}}, {"StringLike": {"k": "a*"}}),
        ({"ArnEquals": {"k": "arn:a:b:c:d:x"}}, {"ArnLike": {"k": "arn:a:b:c:d:*"}}),
        ({"StringNotEquals": {"k": ["a", "b"]}}, {"StringNotEquals": {"k": "a"}}),
        ({"StringNotLike": {"k": "a*"}}, {"StringNotEquals": {"k": "ab"}}),
        ({"StringEquals": {"k": "a"}}, {"StringEqualsIfExists": {"k": "a"}}),
        ({"StringEquals": {"k": "a"}}, {"Null": {"k": "false"}}),
        ({"NumericLessThan": {"k": 5}}, {"NumericLessThan": {"k": "10"}}),
        ({"NumericGreaterThanEquals": {"k": "10"}}, {"NumericGreaterThanEquals": {"k": ["5", "20"]}}),
        ({"IpAddress": {"k": "10.1.0.0/16"}}, {"IpAddress": {"k": "10.0.0.0/8"}}),
        ({"NotIpAddress": {"k": "10.0.0.0/8"}}, {"NotIpAddress": {"k": "10.1.0.0/16"}}),
        ({"ForAnyValue:StringEquals": {"k": "a"}}, {"ForAnyValue:StringEquals": {"k": ["a", "b"]}}),
        ({"ForAllValues:StringEquals": {"k": "a"}}, {"ForAllValues:StringEquals": {"k": ["a", "b"]}}),
        ({"StringEquals": {"k": "a", "l": "b"}}, {"StringEquals": {"k": "a"}}),
    ],
)
def test_the_stricter_implies_the_looser_and_not_the_other_way(
    stricter: dict[str, Any], looser: dict[str, Any]
) -> None:
    assert all_imply(clauses(stricter), clauses(looser))
    assert not all_imply(clauses(looser), clauses(stricter))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"ForAnyValue:StringEquals": {"k": "a"}}, {"ForAllValues:StringEquals": {"k": "a"}}),
        ({"StringEquals": {"k": "a"}}, {"StringEquals": {"l": "a"}}),
        ({"StringEquals": {"k": "a"}}, {"StringNotEquals": {"k": "a"}}),
        ({"Bool": {"k": "true"}}, {"Bool": {"k": "false"}}),
        ({"StringEquals": {"k": "a*"}}, {"StringLike": {"k": "a?"}}),
        ({"DateLessThan": {"k": "2026-01-01"}}, {"DateLessThan": {"k": "2027-01-01"}}),
        ({"IpAddress": {"k": "10.0.0.0/8"}}, {"IpAddress": {"k": "::/0"}}),
    ],
)
def test_what_is_not_sure_is_not_implied(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert not all_imply(clauses(one), clauses(other))
    assert not all_imply(clauses(other), clauses(one))


def test_a_negated_operator_holds_without_its_key_as_with_if_exists() -> None:
    plain = clauses({"ArnNotLike": {"aws:PrincipalArn": "arn:a:b:c:d:x"}})
    if_exists = clauses({"ArnNotLikeIfExists": {"aws:PrincipalArn": "arn:a:b:c:d:x"}})
    assert all_imply(plain, if_exists)
    assert all_imply(if_exists, plain)
