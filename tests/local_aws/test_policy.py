from __future__ import annotations

from typing import Any

import pytest

from scripts.local_aws.identity import ANONYMOUS, Principal
from scripts.local_aws.policy import Decision, Request, evaluate

USER = Principal("IAMUser", "AIDA", "arn:aws:iam::123456789012:user/ana", "123456789012", "AKIA")
ROLE = "arn:aws:iam::123456789012:role/recorder"
SESSION = Principal(
    "AssumedRole",
    "AROA:f",
    "arn:aws:sts::123456789012:assumed-role/recorder/f",
    "123456789012",
    "ASIA",
    role_arn=ROLE,
)
RESOURCE = "arn:aws:s3:::lake/incoming/a.csv"
KNOWN = frozenset({"aws:securetransport", "aws:principalarn", "s3:prefix", "s3:days", "aws:sourceip"})


def decide(statement: dict[str, Any], principal: Principal = USER, **context: str) -> Decision:
    whole = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "*", **statement}
    for name, other in (("NotPrincipal", "Principal"), ("NotAction", "Action"), ("NotResource", "Resource")):
        if name in statement:
            del whole[other]
    keys = {name.replace("_", ":", 1): value for name, value in context.items()}
    request = Request(principal, "s3:GetObject", RESOURCE, keys, KNOWN)
    return evaluate({"Statement": whole}, request)


@pytest.mark.parametrize(
    ("statement", "applies"),
    [
        ({}, True),
        ({"Action": "s3:*"}, True),
        ({"Action": ["s3:PutObject", "S3:getobject"]}, True),
        ({"Action": "s3:GetObject?"}, False),
        ({"NotAction": "s3:GetObject"}, False),
        ({"NotAction": "s3:Put*"}, True),
        ({"Resource": "arn:aws:s3:::lake"}, False),
        ({"Resource": "arn:aws:s3:::lake/incoming/*"}, True),
        ({"Resource": "arn:aws:s3:::LAKE/*"}, False),
        ({"NotResource": "arn:aws:s3:::lake/*"}, False),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Principal": {"AWS": USER.arn}}, True),
        ({"Principal": {"AWS": ["123456789012"]}}, True),
        ({"Principal": {"AWS": "arn:aws:iam::123456789012:root"}}, True),
        ({"Principal": {"AWS": "arn:aws:iam::999999999999:root"}}, False),
        ({"Principal": {"Service": "logging.s3.amazonaws.com"}}, False),
        ({"NotPrincipal": {"AWS": USER.arn}}, False),
        ({"NotPrincipal": {"AWS": ROLE}}, True),
    ],
)
def test_a_statement_names_whom_what_and_where(statement: dict[str, Any], applies: bool) -> None:
    assert decide(statement) is (Decision.DENY if applies else Decision.NEUTRAL)


@pytest.mark.parametrize(
    ("condition", "context", "applies"),
    [
        ({"Bool": {"aws:SecureTransport": "false"}}, {"aws_securetransport": "true"}, False),
        ({"Bool": {"aws:SecureTransport": False}}, {"aws_securetransport": "false"}, True),
        ({"StringEquals": {"s3:prefix": ["a/", "b/"]}}, {"s3_prefix": "b/"}, True),
        ({"StringEquals": {"s3:prefix": "a/"}}, {}, False),
        ({"StringEqualsIfExists": {"s3:prefix": "a/"}}, {}, True),
        ({"StringNotEquals": {"s3:prefix": "a/"}}, {}, True),
        ({"StringNotEquals": {"s3:prefix": ["a/", "b/"]}}, {"s3_prefix": "b/"}, False),
        ({"StringNotLike": {"s3:prefix": "a/*"}}, {"s3_prefix": "a/b"}, False),
        ({"StringLike": {"s3:prefix": "a/?"}}, {"s3_prefix": "a/b"}, True),
        ({"Null": {"s3:prefix": "true"}}, {}, True),
        ({"Null": {"s3:prefix": "true"}}, {"s3_prefix": ""}, False),
        ({"Null": {"s3:prefix": "false"}}, {"s3_prefix": ""}, True),
        ({"ArnNotEquals": {"aws:PrincipalArn": ROLE}}, {"aws_principalarn": ROLE}, False),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}}, {"aws_principalarn": ROLE}, True),
        ({"NumericLessThan": {"s3:days": 30}}, {"s3_days": "29"}, True),
        ({"NumericGreaterThanEquals": {"s3:days": "30"}}, {"s3_days": "29"}, False),
        ({"NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8"]}}, {"aws_sourceip": "10.1.2.3"}, False),
        (
            {"Bool": {"aws:SecureTransport": "true"}, "Null": {"s3:prefix": "true"}},
            {"aws_securetransport": "true", "s3_prefix": "a"},
            False,
        ),
    ],
)
def test_conditions_hold_as_iam_says(
    condition: dict[str, Any], context: dict[str, str], applies: bool
) -> None:
    assert decide({"Condition": condition}, **context) is (Decision.DENY if applies else Decision.NEUTRAL)


def test_a_session_is_its_role(capsys: pytest.CaptureFixture[str]) -> None:
    for name in (ROLE, SESSION.arn):
        assert decide({"Effect": "Allow", "Principal": {"AWS": name}}, SESSION) is Decision.ALLOW


def test_anonymous_is_nobody_by_name() -> None:
    assert decide({"Principal": {"AWS": "ANONYMOUS_PRINCIPAL"}}, ANONYMOUS) is Decision.NEUTRAL
    assert decide({"Effect": "Allow"}, ANONYMOUS) is Decision.ALLOW


def test_a_deny_wins() -> None:
    allow = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
    request = Request(USER, "s3:GetObject", RESOURCE, {}, KNOWN)
    assert evaluate({"Statement": [allow]}, request) is Decision.ALLOW
    assert evaluate({"Statement": [allow, {**allow, "Effect": "Deny"}]}, request) is Decision.DENY
    assert evaluate({}, request) is Decision.NEUTRAL


@pytest.mark.parametrize(
    "condition", [{"StringEquals": {"aws:Unheard": "x"}}, {"DateLessThan": {"s3:prefix": "x"}}]
)
def test_what_is_not_known_is_left_out_and_said(
    condition: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert decide({"Condition": condition, "Sid": "Odd"}, s3_prefix="x") is Decision.NEUTRAL
    assert "'Odd' left out" in capsys.readouterr().err


SSO = "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com"


@pytest.mark.parametrize(
    ("context", "denied"),
    [
        ({"aws_principalarn": ROLE, "aws_principalisawsservice": "false"}, False),
        (
            {
                "aws_principalarn": f"{SSO}/eu-west-1/AWSReservedSSO_lake-auditor_0f1e2d3c4b5a6978",
                "aws_principalisawsservice": "false",
            },
            False,
        ),
        (
            {
                "aws_principalarn": f"{SSO}/AWSReservedSSO_other-auditor_0f1e2d3c4b5a6978",
                "aws_principalisawsservice": "false",
            },
            True,
        ),
        ({"aws_principalarn": USER.arn, "aws_principalisawsservice": "false"}, True),
        ({"aws_principalisawsservice": "true"}, False),
        ({}, False),
    ],
    ids=["named", "named by its beginning", "another permission set", "a stranger", "a service", "anonymous"],
)
def test_who_is_not_named_is_refused_but_for_services(context: dict[str, str], denied: bool) -> None:
    """A bucket's deny for other principals. It does not match anonymous callers, whom no statement allows."""
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": "arn:aws:s3:::lake/*",
        "Condition": {
            "ArnNotLike": {"aws:PrincipalArn": [ROLE, f"{SSO}/*AWSReservedSSO_lake-auditor_*"]},
            "Bool": {"aws:PrincipalIsAWSService": "false"},
        },
    }
    keys = {name.replace("_", ":", 1): value for name, value in context.items()}
    known = KNOWN | {"aws:principalisawsservice"}
    decision = evaluate({"Statement": statement}, Request(USER, "s3:GetObject", RESOURCE, keys, known))
    assert decision is (Decision.DENY if denied else Decision.NEUTRAL)
