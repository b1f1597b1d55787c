"""Every policy in Terraform's JSON is found, with its owner; unknown ones are reported."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.state.policies import Policy, key_names, policies, resources, roles, statements
from tests.review.documents import ACCOUNT, planned, policy, resource, role, state, statement
from tests.support.plans import local_plan

READ = policy(statement("s3:GetObject", "arn:aws:s3:::b/*"))
WRITE = policy(statement("s3:PutObject", "arn:aws:s3:::b/*"))


def found(document: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(entry.kind, entry.owner, entry.name) for entry in policies(document)}


def arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:policy/{name}"


@pytest.mark.parametrize(
    ("holder", "wanted"),
    [
        (
            resource("aws_iam_role_policy.x", name="read", role="etl", policy=READ),
            ("identity", "etl", "read"),
        ),
        (
            resource("aws_iam_user_policy.x", name="read", user="u", policy=READ),
            ("identity", "user/u", "read"),
        ),
        (
            resource("aws_s3_bucket_policy.x", bucket="b", policy=READ),
            ("resource", "arn:aws:s3:::b", "policy"),
        ),
        (
            resource("aws_kms_key.x", arn="arn:aws:kms:r:1:key/k", policy=READ),
            ("resource", "arn:aws:kms:r:1:key/k", "policy"),
        ),
        (
            resource("aws_sns_topic.x", name="t", arn="arn:aws:sns:r:1:t", policy=READ),
            ("resource", "arn:aws:sns:r:1:t", "t"),
        ),
        (
            resource("aws_newer_service_thing.x", arn="arn:aws:newer:r:1:x", access_rules=READ),
            ("resource", "arn:aws:newer:r:1:x", "access_rules"),
        ),
    ],
)
def test_a_policy_is_found_where_it_is_held(holder: dict[str, Any], wanted: tuple[str, str, str]) -> None:
    assert found(state(holder, module='module.lake["raw"]')) == {wanted}
    (only,) = policies(state(holder))
    assert only.document == READ
    assert only.address == holder["address"]


def test_a_queue_s_policy_is_the_queue_s() -> None:
    queue = resource("aws_sqs_queue.q", arn="arn:aws:sqs:r:1:q", url="https://sqs/1/q", policy="")
    own = resource("aws_sqs_queue_policy.q", queue_url="https://sqs/1/q", policy=READ)
    assert found(state(queue, own)) == {("resource", "arn:aws:sqs:r:1:q", "policy")}


def test_a_permission_set_is_named_by_its_name() -> None:
    permission_set = resource("aws_ssoadmin_permission_set.a", name="Analyst", arn="arn:aws:sso:::p")
    inline = resource(
        "aws_ssoadmin_permission_set_inline_policy.a",
        permission_set_arn="arn:aws:sso:::p",
        inline_policy=READ,
    )
    assert found(state(permission_set, inline)) == {("identity", "permission-set/Analyst", "inline_policy")}


def test_a_permission_of_a_function_is_the_statement_lambda_makes_of_it() -> None:
    function = resource("aws_lambda_function.f", function_name="f", arn="arn:aws:lambda:r:1:function:f")
    permission = resource(
        "aws_lambda_permission.p",
        statement_id="Rules",
        function_name="f",
        action="lambda:InvokeFunction",
        principal="events.amazonaws.com",
        source_arn="arn:aws:events:r:1:rule/x",
        source_account=None,
    )
    (made,) = policies(state(function, permission))
    assert made.owner == "arn:aws:lambda:r:1:function:f"
    assert statements(made.document) == [
        {
            "Sid": "Rules",
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "lambda:InvokeFunction",
            "Resource": "arn:aws:lambda:r:1:function:f",
            "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:events:r:1:rule/x"}},
        }
    ]


def test_a_role_has_its_trust_boundary_and_policies() -> None:
    cap = resource("aws_iam_policy.cap", name="cap", path="/", arn=arn("cap"), policy=WRITE)
    shared = resource("aws_iam_policy.shared", name="shared", path="/", arn=arn("shared"), policy=READ)
    spare = resource("aws_iam_policy.spare", name="spare", path="/", arn=arn("spare"), policy=READ)
    attachment = resource("aws_iam_role_policy_attachment.x", role="etl", policy_arn=arn("shared"))
    inline = resource("aws_iam_role_policy.x", name="own", role="etl", policy=READ)
    etl = role(
        "etl",
        permissions_boundary=arn("cap"),
        inline_policy=[
            {"name": "own", "policy": '{"Statement": []}'},
            {"name": "by-block", "policy": '{"Statement": []}'},
        ],
        managed_policy_arns=[arn("shared"), "arn:aws:iam::aws:policy/ReadOnlyAccess"],
    )
    document = state(etl, cap, shared, spare, attachment, inline)

    made = roles(document)["etl"]

    assert made.boundary == Policy("aws_iam_policy.cap", "boundary", "etl", "cap", WRITE)
    assert made.boundary_arn == arn("cap")
    assert made.arn == f"arn:aws:iam::{ACCOUNT}:role/etl"
    assert statements(made.trust.document)[0]["Action"] == "sts:AssumeRole"
    assert {(entry.name, entry.document is None) for entry in made.policies} == {
        ("own", False),
        ("by-block", False),
        ("shared", False),
        ("arn:aws:iam::aws:policy/ReadOnlyAccess", True),
    }
    assert [entry.document for entry in made.policies if entry.name == "own"] == [READ]
    assert ("identity", arn("spare"), "spare") in found(document)


def test_an_exclusive_list_attaches_too() -> None:
    exclusive = resource(
        "aws_iam_role_policy_attachments_exclusive.x", role_name="etl", policy_arns=[arn("elsewhere")]
    )
    (held,) = roles(state(role("etl"), exclusive))["etl"].policies
    assert (held.name, held.document) == (arn("elsewhere"), None)


def test_what_a_plan_does_not_know_has_no_document() -> None:
    before = state(role("etl"))
    inline = resource("aws_iam_role_policy.x", name="own", role="etl")
    boundary = resource("aws_iam_policy.cap", name="cap", path="/", policy=WRITE)
    bucket = resource("aws_s3_bucket_policy.x", bucket="b")
    after = state(role("etl", permissions_boundary=arn("cap"), arn=None), inline, boundary, bucket)
    unknown = {
        "aws_iam_role_policy.x": {"policy": True, "id": True},
        "aws_s3_bucket_policy.x": {"policy": True},
        "aws_iam_policy.cap": {"arn": True},
    }
    document = planned(before, after, unknown)

    assert {(entry.owner, entry.document is None) for entry in policies(document)} == {
        ("etl", False),
        ("etl", True),
        ("arn:aws:s3:::b", True),
    }
    made = roles(document)["etl"]
    assert made.arn == "aws_iam_role.etl"
    assert [entry.document for entry in made.policies] == [None]
    assert made.boundary is not None
    assert made.boundary.document == WRITE


def test_what_a_plan_takes_away_is_gone_even_if_it_is_read_back() -> None:
    """Until the plan is applied, roles and queues still say what other resources gave them."""
    queue = resource("aws_sqs_queue.q", arn="arn:aws:sqs:r:1:q", url="https://q", policy=WRITE)
    of_queue = resource("aws_sqs_queue_policy.q", queue_url="https://q", policy=WRITE)
    inline = resource("aws_iam_role_policy.x", name="own", role="etl", policy=READ)
    blocks = [
        {"name": "own", "policy": '{"Statement": []}'},
        {"name": "block", "policy": '{"Statement": []}'},
    ]
    etl = role("etl", inline_policy=blocks)
    before = state(queue, of_queue, etl, inline)
    assert [entry.name for entry in roles(before)["etl"].policies] == ["own", "block"]
    assert ("resource", "arn:aws:sqs:r:1:q", "policy") in found(before)

    after = planned(before, state(queue, etl))
    assert found(after) == {("trust", "etl", "etl"), ("identity", "etl", "block")}
    assert found(planned(before, before)) == found(before)


def test_a_role_keeps_what_is_attached_when_its_own_policy_goes() -> None:
    shared = resource("aws_iam_policy.shared", name="shared", path="/", arn=arn("shared"), policy=READ)
    attachment = resource("aws_iam_role_policy_attachment.x", role="etl", policy_arn=arn("shared"))
    own = resource("aws_iam_role_policy.x", name="own", role="etl", policy=READ)
    plan = planned(state(role("etl"), shared, attachment, own), state(role("etl"), shared, attachment))
    assert [entry.name for entry in roles(plan)["etl"].policies] == ["shared"]


def test_an_alias_names_the_key() -> None:
    alias = resource("aws_kms_alias.x", name="alias/data", target_key_arn="arn:aws:kms:r:1:key/k")
    assert key_names(state(alias, resource("aws_kms_alias.y", name="alias/new"))) == {
        "arn:aws:kms:r:1:key/k": "alias/data"
    }


def test_a_single_statement_may_stand_without_its_list() -> None:
    assert statements({"Statement": statement("s3:GetObject")}) == [statement("s3:GetObject")]
    assert statements(None) == []


@pytest.mark.xdist_group("plan")
def test_the_kit_s_own_plan_is_read_whole() -> None:
    document = local_plan()
    made = policies(document)
    names = {"aws_iam_role": "name", "aws_s3_bucket_policy": "bucket", "aws_kms_key": "description"}
    holders = {entry.address for entry in resources(document) if entry.type in names}
    assert holders <= {entry.address for entry in made}
    recorder = roles(document)["custody-local-recorder"]
    assert {"objects", "use-keys"} <= {entry.name for entry in recorder.policies}
    assert {entry.kind for entry in made} >= {"identity", "trust", "resource"}
    unknown = {entry.name for entry in recorder.policies if entry.document is None}
    assert unknown == {"use-keys"}
