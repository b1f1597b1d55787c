"""One finding for one change: a role renamed, names exchanged, and what comes with something new."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from scripts.review.__main__ import compare
from scripts.review.approvals import Approval, judge
from scripts.review.findings import Finding
from scripts.review.page import Compared, as_json, as_markdown
from scripts.review.sides import applied_sides
from tests.review.documents import ACCOUNT, policy, resource, role, state, statement

TODAY = date(2026, 11, 20)


def differ(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[Finding]:
    return compare(*applied_sides(state(*before), state(*after)))


def arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def named(name: str, address: str, *, objects: str = "arn:aws:s3:::b/*") -> list[dict[str, Any]]:
    """A role, all that is its own, and what others say of it."""
    denied = {
        "Sid": "NobodyElse",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": "arn:aws:s3:::b/*",
        "Condition": {"ArnNotEquals": {"aws:PrincipalArn": [arn(name), arn("auditor")]}},
    }
    lent = {
        "Sid": "Use",
        "Effect": "Allow",
        "Principal": {"AWS": arn(name)},
        "Action": "kms:Decrypt",
        "Resource": "*",
    }
    return [
        {**role(name), "address": f"aws_iam_role.{address}"},
        *(
            resource(
                f'aws_iam_role_policy.{address}["{number}"]',
                name=str(number),
                role=name,
                policy=policy(statement("s3:GetObject", objects)),
            )
            for number in range(3)
        ),
        resource(
            f"aws_iam_role_policy_attachment.{address}", role=name, policy_arn="arn:aws:iam::aws:policy/X"
        ),
        resource(f"aws_iam_role_policies_exclusive.{address}", role_name=name, policy_names=["0", "1", "2"]),
        resource("aws_lambda_function.f", function_name="f", role=arn(name)),
        resource("aws_s3_bucket.b", bucket="b", arn="arn:aws:s3:::b"),
        resource("aws_s3_bucket_policy.b", bucket="b", policy=policy(denied)),
        resource("aws_kms_key.k", arn=f"arn:aws:kms:r:{ACCOUNT}:key/k", policy=policy(lent)),
        resource("aws_lakeformation_permissions.l", principal=arn(name), permissions=["SELECT"]),
    ]


@pytest.mark.parametrize("address", ["this", "new_name"], ids=["in place", "also in the code"])
def test_a_role_that_is_renamed_is_one_finding(address: str) -> None:
    (finding,) = differ(named("etl", "this"), named("jobs", address))
    assert finding.direction == "wider"
    assert finding.text.startswith("role `jobs` was called `etl`: it is recreated")


def test_a_role_that_is_renamed_and_may_do_more_is_told_both() -> None:
    renamed, more = differ(named("etl", "this"), named("jobs", "this", objects="*"))
    assert "was called" in renamed.text
    assert more.text.startswith("role `jobs` may now `s3:GetObject` on `*`")


def test_a_renamed_role_whose_name_begins_another_s_renames_that_one_not() -> None:
    others = [role("etl-2"), role("my-etl")]
    found = differ([*named("etl", "this"), *others], [*named("jobs", "this"), *others])
    assert len(found) == 1
    found = differ([*named("etl", "this"), role("etl-2")], [*named("jobs", "this"), role("jobs-2")])
    assert len(found) == 2


def test_two_roles_that_change_places_are_no_renaming() -> None:
    def side(first: str, second: str) -> list[dict[str, Any]]:
        reads = [
            resource(
                f"aws_iam_role_policy.{address}", name="p", role=name, policy=policy(statement(action, "*"))
            )
            for address, name, action in (("a", first, "s3:GetObject"), ("b", second, "s3:DeleteObject"))
        ]
        return [
            {**role(first), "address": "aws_iam_role.a"},
            {**role(second), "address": "aws_iam_role.b"},
            *reads,
        ]

    assert any(finding.direction == "wider" for finding in differ(side("one", "two"), side("two", "one")))


BUCKET = resource("aws_s3_bucket.b", bucket="b", arn="arn:aws:s3:::b")


def denial(*names: str, key: str = "aws:PrincipalArn", **more: Any) -> list[dict[str, Any]]:
    said = {
        "Sid": "NobodyElse",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": "arn:aws:s3:::b/*",
        "Condition": {"ArnNotLike": {key: list(names)}},
        **more,
    }
    return [BUCKET, resource("aws_s3_bucket_policy.b", bucket="b", policy=policy(said))]


def test_a_name_exchanged_in_a_list_is_told_as_that() -> None:
    (finding,) = differ(denial(arn("a"), arn("b")), denial(arn("a"), arn("c")))
    assert finding.direction == "wider"
    assert finding.text == (
        "policy of `arn:aws:s3:::b`, statement `NobodyElse` that refuses `s3:*`: `aws:PrincipalArn` excepts "
        f"`{arn('c')}` instead of `{arn('b')}`"
    )
    (back,) = differ(denial(arn("a"), arn("c")), denial(arn("a"), arn("b")))
    assert back.id != finding.id


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            {"Principal": {"AWS": [arn("a"), arn("b")]}},
            {"Principal": {"AWS": [arn("a"), arn("c")]}},
            f"`Principal` `{arn('c')}` instead of `{arn('b')}`",
        ),
        (
            {"Resource": ["arn:aws:s3:::b/x/*", "arn:aws:s3:::b/y/*"]},
            {"Resource": ["arn:aws:s3:::b/x/*", "arn:aws:s3:::b/z/*"]},
            "`Resource` `arn:aws:s3:::b/z/*` instead of `arn:aws:s3:::b/y/*`",
        ),
        (
            {"Condition": {"StringEquals": {"aws:SourceAccount": "1"}}},
            {"Condition": {"StringEquals": {"aws:SourceAccount": "2"}}},
            "`aws:SourceAccount` `2` instead of `1`",
        ),
    ],
)
def test_so_is_one_in_what_is_allowed(before: dict[str, Any], after: dict[str, Any], said: str) -> None:
    def side(more: dict[str, Any]) -> list[dict[str, Any]]:
        given = {
            "Sid": "Give",
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": "*",
            **more,
        }
        return [BUCKET, resource("aws_s3_bucket_policy.b", bucket="b", policy=policy(given))]

    (finding,) = differ(side(before), side(after))
    assert (finding.direction, finding.text) == (
        "wider",
        f"policy of `arn:aws:s3:::b`, statement `Give` that allows `s3:GetObject`: {said}",
    )
    approval = Approval(
        1, "Ada", "x", TODAY, principal=finding.principal, actions=("s3:*",), resources=("*",)
    )
    assert judge([finding], [approval], TODAY).refused == ()


def test_more_than_names_is_told_as_before() -> None:
    found = differ(denial(arn("a")), denial(arn("c"), Resource="arn:aws:s3:::b/in/*"))
    assert {finding.direction: finding.text[:28] for finding in found} == {
        "wider": "anyone is no longer denied `",
        "narrower": "anyone is now denied `s3:*` ",
    }


def test_the_same_statement_of_several_policies_is_told_once() -> None:
    def side(*names: str) -> list[dict[str, Any]]:
        buckets = [
            resource(f'aws_s3_bucket.x["{name}"]', bucket=name, arn=f"arn:aws:s3:::{name}") for name in "bcd"
        ]
        policies = [{**denial(*names)[1], "address": f'aws_s3_bucket_policy.x["{name}"]'} for name in "bcd"]
        for name, holder in zip("bcd", policies, strict=True):
            holder["values"] = {**holder["values"], "bucket": name}
        return buckets + policies

    (finding,) = differ(side(arn("a")), side(arn("c")))
    assert len(finding.parts) == 3
    assert finding.text.endswith("; the same in 2 more statements")


def test_a_name_exchanged_in_several_statements_is_told_once() -> None:
    def side(name: str) -> list[dict[str, Any]]:
        bucket, holder = denial(arn("a"), arn(name))
        (first,) = json.loads(holder["values"]["policy"])["Statement"]
        second = {
            **first,
            "Sid": "NobodyElseReads",
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::b/in/*",
        }
        return [bucket, resource("aws_s3_bucket_policy.b", bucket="b", policy=policy(first, second))]

    (finding,) = differ(side("b"), side("c"))
    assert [part.statement for part in finding.parts] == ["NobodyElse", "NobodyElseReads"]


def test_the_same_change_of_several_resources_is_told_once_and_its_parts_stay() -> None:
    def side(days: int, *, last: int) -> list[dict[str, Any]]:
        groups = {"a": days, "b": days, "c": last}
        return [
            resource(f'aws_cloudwatch_log_group.g["{name}"]', name=name, retention_in_days=kept)
            for name, kept in groups.items()
        ]

    (finding,) = differ(side(365, last=365), side(731, last=731))
    assert (finding.direction, finding.text) == (
        "narrower",
        "cloudwatch log group `a`, `b`, `c`: `retention_in_days` `365` → `731`",
    )
    one, other = differ(side(365, last=365), side(731, last=30))
    assert {one.direction, other.direction} == {"narrower", "wider"}
    (few,), (all_three,) = (
        differ(side(365, last=365), side(30, last=365)),
        differ(side(365, last=365), side(30, last=30)),
    )
    assert few.id != all_three.id


def test_a_person_who_gets_into_several_things_is_one_finding() -> None:
    def side(*names: str) -> list[dict[str, Any]]:
        users = [f"arn:aws:iam::{ACCOUNT}:user/{name}" for name in names]
        trust = {"Sid": "S", "Effect": "Allow", "Principal": {"AWS": users}, "Action": "sts:AssumeRole"}
        grants = [
            resource(f'aws_lakeformation_permissions.p["{user}"]', principal=user, permissions=["SELECT"])
            for user in users
        ]
        people = [role(name, assume_role_policy=policy(trust)) for name in ("analyst", "auditor")]
        return [*people, *grants]

    (finding,) = differ(side("ada"), side("ada", "grace"))
    assert (finding.direction, finding.text) == (
        "wider",
        "`grace` was not named before: 3 differences, 3 of them wider",
    )


def test_an_approval_of_the_whole_or_of_every_wider_part_approves_it() -> None:
    trusted = [
        role("helper"),
        resource(
            "aws_iam_role_policy.p", name="p", role="helper", policy=policy(statement("s3:GetObject", "*"))
        ),
    ]
    (finding,) = differ([], trusted)
    assert finding.text.startswith("role `helper` is new: ")
    wider = [part for part in finding.parts if part.direction == "wider"]
    assert len(wider) > 1
    by_id = [Approval(number, "Ada", "x", TODAY, finding=part.id) for number, part in enumerate(wider, 1)]
    whole = Approval(9, "Ada", "x", TODAY, finding=finding.id)
    assert judge([finding], [whole], TODAY).refused == ()
    judged = judge([finding], by_id, TODAY)
    assert (judged.refused, judged.stale, judged.approved[finding.id]) == ((), (), tuple(by_id))
    assert judge([finding], by_id[1:], TODAY).refused == (finding,)
    (other,) = differ(
        [],
        [
            *trusted,
            resource("aws_iam_role_policy.q", name="q", role="helper", policy=policy(statement("s3:*", "*"))),
        ],
    )
    assert judge([other], [whole], TODAY).refused == (other,)


def test_the_page_and_the_data_show_the_parts() -> None:
    judged = judge(differ([], [role("helper")]), [], TODAY)
    (finding,) = judged.findings
    page = as_markdown(Compared("a", "b"), judged)
    assert all(f"\n  - {part.text}\n" in page for part in finding.parts)
    told = as_json(Compared("a", "b"), judged)["findings"][0]
    assert [part["id"] for part in told["parts"]] == [part.id for part in finding.parts]
