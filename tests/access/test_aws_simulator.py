"""IAM's own simulator: its model accepts the calls, and answers are assigned to their rows."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from scripts.access.aws_simulator import left_out, parameters, simulate_on_aws
from scripts.access.simulator import ANONYMOUS, NamedPolicy, Request

HERE, THERE = "111122223333", "444455556666"
ROLE = f"arn:aws:iam::{HERE}:role/etl"
STAND_IN = f"arn:aws:iam::{HERE}:user/etl"
SESSION = f"arn:aws:sts::{HERE}:assumed-role/etl/session"
USER = f"arn:aws:iam::{HERE}:user/administrator"
BUCKET = "arn:aws:s3:::lake"


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


OWN = NamedPolicy(
    "etl read", document({"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{BUCKET}/*"})
)
CAP = NamedPolicy("service-boundary", document({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}))
NAMED = NamedPolicy(
    "policy of lake",
    document(
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": f"{BUCKET}/*",
            "Condition": {"ArnNotLike": {"aws:PrincipalArn": [ROLE, f"{ROLE}-other"]}},
        }
    ),
)


def ask(action: str = "s3:GetObject", principal: str = SESSION, **more: Any) -> Request:
    given: dict[str, Any] = {
        "resource": f"{BUCKET}/a",
        "resource_account": HERE,
        "identity": (OWN,),
        "boundary": CAP,
        "resource_policy": NAMED,
        "context": {
            "aws:PrincipalArn": ROLE if principal == SESSION else principal,
            "aws:SecureTransport": "true",
            "s3:object-lock-remaining-retention-days": "3",
            "aws:CalledVia": ["athena.amazonaws.com"],
        },
    }
    return Request(principal, action, **(given | more))


@pytest.fixture
def iam() -> Any:
    return boto3.client(
        "iam", region_name="us-east-1", aws_access_key_id="unused", aws_secret_access_key="unused"
    )


def evaluated(action: str, decision: str, *matched: str) -> dict[str, Any]:
    statements = [{"SourcePolicyId": place} for place in matched]
    return {"EvalActionName": action, "EvalDecision": decision, "MatchedStatements": statements}


def test_every_policy_has_its_place_and_a_user_stands_for_the_role() -> None:
    asked = parameters([ask(), ask("s3:PutObject")])
    assert asked["ActionNames"] == ["s3:GetObject", "s3:PutObject"]
    assert asked["ResourceArns"] == [f"{BUCKET}/a"]
    assert [json.loads(policy) for policy in asked["PolicyInputList"]] == [OWN.document]
    assert [json.loads(policy) for policy in asked["PermissionsBoundaryPolicyInputList"]] == [CAP.document]
    condition = json.loads(asked["ResourcePolicy"])["Statement"][0]["Condition"]
    assert condition == {"ArnNotLike": {"aws:PrincipalArn": [STAND_IN, f"{ROLE}-other"]}}
    assert asked["CallerArn"] == STAND_IN
    assert asked["ResourceOwner"] == f"arn:aws:iam::{HERE}:root"
    assert asked["ContextEntries"] == [
        entry("aws:CalledVia", "stringList", "athena.amazonaws.com"),
        entry("aws:PrincipalArn", "string", STAND_IN),
        entry("aws:SecureTransport", "boolean", "true"),
        entry("s3:object-lock-remaining-retention-days", "numeric", "3"),
    ]


def entry(name: str, kind: str, *values: str) -> dict[str, Any]:
    return {"ContextKeyName": name, "ContextKeyType": kind, "ContextKeyValues": list(values)}


def test_without_a_resource_policy_nobody_stands_for_anybody() -> None:
    asked = parameters([ask("glue:GetTable", resource_policy=None, boundary=None)])
    assert not asked.keys() & {"ResourcePolicy", "CallerArn", "PermissionsBoundaryPolicyInputList"}


def test_requests_that_differ_in_their_action_share_a_call_and_pages_are_read(iam: Any) -> None:
    requests = [ask(), ask("s3:PutObject"), ask(principal=USER)]
    first = parameters(requests[:2])
    with Stubber(iam) as stub:
        stub.add_response(
            "simulate_custom_policy",
            {
                "EvaluationResults": [evaluated("s3:PutObject", "explicitDeny", "ResourcePolicy")],
                "IsTruncated": True,
                "Marker": "more",
            },
            first,
        )
        stub.add_response(
            "simulate_custom_policy",
            {"EvaluationResults": [evaluated("s3:GetObject", "allowed", "PolicyInputList.1")]},
            first | {"Marker": "more"},
        )
        stub.add_response(
            "simulate_custom_policy",
            {"EvaluationResults": [evaluated("s3:GetObject", "implicitDeny")]},
            parameters(requests[2:]) | {"CallerArn": USER, "ContextEntries": ANY},
        )
        answers = simulate_on_aws(iam, requests)
        stub.assert_no_pending_responses()
    assert [(answer.decision, answer.reasons) for answer in answers] == [
        ("allow", ("etl read",)),
        ("deny", ("policy of lake",)),
        ("deny", ("implicitDeny",)),
    ]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (ask("sts:AssumeRole", resource=ROLE), "no trust policies"),
        (ask(principal="s3.amazonaws.com"), "not a service or an anonymous caller"),
        (ask(principal=ANONYMOUS), "not a service or an anonymous caller"),
        (ask("kms:Decrypt", resource=f"arn:aws:kms:us-east-1:{HERE}:key/1"), "no key policies"),
        (ask("s3:PutObject", resource_account=THERE, resource_policy=None), "another account"),
        (ask(), ""),
        (ask("glue:GetTable", resource_policy=None), ""),
    ],
)
def test_what_it_cannot_be_asked_is_said(request_: Request, reason: str) -> None:
    assert reason in left_out(request_)
    assert bool(left_out(request_)) == bool(reason)
