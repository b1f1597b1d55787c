"""The comparison of statements agrees with the decisions of policies for every possible request."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scripts.local_aws.identity import Principal
from scripts.local_aws.policy import Decision, Request, evaluate
from scripts.review.access import compare_statements
from scripts.review.findings import Finding
from scripts.review.grants import Stated, stated
from scripts.state.policies import Policy

ACCOUNT = "123456789012"
ROLES = [f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("a", "b")]
ACTIONS = ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"]
RESOURCES = ["arn:aws:s3:::b", "arn:aws:s3:::b/x/1", "arn:aws:s3:::b/y/1"]
KEYS = {"aws:securetransport": ["true", "false"], "s3:prefix": ["x/", "y/"]}

PRINCIPALS = st.sampled_from(["*", {"AWS": ROLES[0]}, {"AWS": ROLES}, {"AWS": "*"}])
CONDITIONS = st.sampled_from(
    [
        {},
        {"Bool": {"aws:SecureTransport": "true"}},
        {"Bool": {"aws:SecureTransport": "false"}},
        {"BoolIfExists": {"aws:SecureTransport": "true"}},
        {"StringEquals": {"s3:prefix": ["x/", "y/"]}},
        {"StringLike": {"s3:prefix": "x*"}},
        {"StringNotLike": {"s3:prefix": "x*"}},
        {"StringNotEquals": {"s3:prefix": ["x/", "y/"]}},
        {"StringEquals": {"s3:prefix": "x/"}, "Bool": {"aws:SecureTransport": "true"}},
        {"Null": {"s3:prefix": "true"}},
    ]
)
ACTION_SETS = st.lists(
    st.sampled_from([*ACTIONS, "s3:Get*", "s3:*", "*", "S3:getobject"]), min_size=1, max_size=2
)
RESOURCE_SETS = st.lists(
    st.sampled_from([*RESOURCES, "arn:aws:s3:::b/*", "arn:aws:s3:::b/?/1", "*"]), min_size=1, max_size=2
)


@st.composite
def statements(draw: st.DrawFn, effects: tuple[str, ...] = ("Allow", "Deny")) -> dict[str, Any]:
    return {
        "Effect": draw(st.sampled_from(effects)),
        draw(st.sampled_from(["Principal", "Principal", "NotPrincipal"])): draw(PRINCIPALS),
        draw(st.sampled_from(["Action", "Action", "NotAction"])): draw(ACTION_SETS),
        draw(st.sampled_from(["Resource", "Resource", "NotResource"])): draw(RESOURCE_SETS),
        "Condition": draw(CONDITIONS),
    }


POLICIES = st.lists(statements(), max_size=3)


def taken(found: list[dict[str, Any]]) -> list[Stated]:
    return stated(Policy("it", "resource", "arn:aws:s3:::b", "policy", {"Statement": found}))


def changes(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[Finding]:
    return compare_statements(taken(before), taken(after), [ACCOUNT])


def requests() -> list[Request]:
    contexts = [
        {key: value for key, value in zip(KEYS, values, strict=True) if value is not None}
        for values in itertools.product(*([None, *values] for values in KEYS.values()))
    ]
    callers = [Principal("AssumedRole", "AROA", role, ACCOUNT, "ASIA", role_arn=role) for role in ROLES]
    return [
        Request(caller, action, resource, context, frozenset(KEYS))
        for caller in callers
        for action in ACTIONS
        for resource in RESOURCES
        for context in contexts
    ]


REQUESTS = requests()


def allowed(found: list[dict[str, Any]]) -> set[int]:
    return {
        number
        for number, request in enumerate(REQUESTS)
        if evaluate({"Statement": found}, request) is Decision.ALLOW
    }


@given(POLICIES, POLICIES)
def test_nothing_more_is_allowed_without_a_finding(
    before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    if allowed(after) - allowed(before):
        assert [finding for finding in changes(before, after) if finding.direction == "wider"]


@given(POLICIES)
def test_a_policy_is_no_different_from_itself(policy: list[dict[str, Any]]) -> None:
    assert changes(policy, policy) == []
    assert changes(policy, [*reversed(policy), *policy]) == []


@given(POLICIES, POLICIES)
def test_what_is_wider_one_way_is_narrower_the_other(
    before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    def said(findings: list[Finding], direction: str) -> list[tuple[object, ...]]:
        return sorted(
            (finding.effect, finding.principal, finding.actions, finding.resources)
            for finding in findings
            if finding.direction == direction
        )

    there, back = changes(before, after), changes(after, before)
    assert said(there, "wider") == said(back, "narrower")
    assert said(there, "narrower") == said(back, "wider")


@given(POLICIES, statements(("Deny",)))
def test_one_more_denial_never_widens(policy: list[dict[str, Any]], denial: dict[str, Any]) -> None:
    assert {finding.direction for finding in changes(policy, [*policy, denial])} <= {"narrower"}


@given(POLICIES, statements(("Allow",)))
def test_one_more_permission_never_narrows(policy: list[dict[str, Any]], grant: dict[str, Any]) -> None:
    assert {finding.direction for finding in changes(policy, [*policy, grant])} <= {"wider"}
