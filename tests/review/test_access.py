"""Findings for changed policies: who may now do what, on which resources, and what was before."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.review.access import compare_access
from scripts.review.findings import Finding
from scripts.review.sides import applied_sides, planned_sides
from tests.review.documents import ACCOUNT, planned, policy, resource, role, state, statement

OBJECTS = "arn:aws:s3:::b/*"
CAP = f"arn:aws:iam::{ACCOUNT}:policy/cap"
BUCKET = resource("aws_s3_bucket.b", bucket="b", arn="arn:aws:s3:::b")


def inline(*statements: dict[str, Any], name: str = "objects", to: str = "etl") -> dict[str, Any]:
    return resource(f"aws_iam_role_policy.{name}", name=name, role=to, policy=policy(*statements))


def bucket_policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return resource("aws_s3_bucket_policy.b", bucket="b", policy=policy(*statements))


def cap(*statements: dict[str, Any], name: str = "cap") -> dict[str, Any]:
    arn = f"arn:aws:iam::{ACCOUNT}:policy/{name}"
    return resource(f"aws_iam_policy.{name}", name=name, path="/", arn=arn, policy=policy(*statements))


def changes(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[Finding]:
    return compare_access(*applied_sides(state(*before), state(*after)))


def said(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(finding.direction, finding.about, finding.text) for finding in changes(before, after)]


def test_a_role_that_may_do_more_is_named_with_action_and_resource() -> None:
    read = statement("s3:GetObject", OBJECTS, Sid="ReadInput")
    (finding,) = changes([role("etl"), BUCKET], [role("etl"), BUCKET, inline(read)])
    assert (finding.direction, finding.about, finding.effect) == ("wider", "access", "Allow")
    assert (finding.principal, finding.actions, finding.resources) == ("etl", ("s3:GetObject",), (OBJECTS,))
    assert (finding.policy, finding.statement, finding.address) == (
        "objects",
        "ReadInput",
        "aws_iam_role_policy.objects",
    )
    assert finding.text == (
        "role `etl` may now `s3:GetObject` on `arn:aws:s3:::b/*`: identity policy `objects`, statement "
        "`ReadInput`; not allowed before"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            [statement(["s3:GetObject", "s3:PutObject"], [OBJECTS, "arn:aws:s3:::c/*"])],
            [
                statement("s3:PutObject", OBJECTS, Sid="Other"),
                statement("s3:GetObject", [OBJECTS, "arn:aws:s3:::c/*"]),
                statement("S3:putobject", "arn:aws:s3:::c/*"),
            ],
        ),
        (
            [statement("s3:GetObject", OBJECTS, Condition={"StringEquals": {"aws:x": ["a", "b"]}})],
            [statement("s3:GetObject", OBJECTS, Condition={"StringEquals": {"AWS:X": ["b", "a"]}})],
        ),
    ],
    ids=["statements cut another way", "values in another order"],
)
def test_the_same_in_other_words_is_no_change(
    before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    other_name = inline(*after, name="renamed")
    assert said([role("etl"), inline(*before)], [role("etl"), other_name]) == []


READ = statement("s3:GetObject", OBJECTS, Sid="Read")
HERE = "identity policy `objects`, statement `Read`"


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        (
            {**READ, "Condition": {"StringEquals": {"aws:x": "a"}}},
            READ,
            f"role `etl` may now `s3:GetObject` on `arn:aws:s3:::b/*`: {HERE}; "
            "before only where `aws:x` `StringEquals` `a`",
        ),
        (
            {**READ, "Condition": {"StringEquals": {"aws:x": "a"}}},
            {**READ, "Condition": {"StringEquals": {"aws:x": ["a", "b"]}}},
            "role `etl` may now `s3:GetObject` on `arn:aws:s3:::b/*` where `aws:x` `StringEquals` `a`, `b`: "
            f"{HERE}; before only where `aws:x` `StringEquals` `a` (`b` added)",
        ),
        (
            READ,
            {**READ, "Action": "s3:Get*"},
            f"role `etl` may now `s3:Get*` on `arn:aws:s3:::b/*`: {HERE}; "
            "before only `s3:GetObject` on `arn:aws:s3:::b/*`",
        ),
        (
            {**READ, "Resource": ["arn:aws:s3:::b/in/*"]},
            READ,
            f"role `etl` may now `s3:GetObject` on `arn:aws:s3:::b/*`: {HERE}; "
            "before only `s3:GetObject` on `arn:aws:s3:::b/in/*`",
        ),
        (
            {"Sid": "Not", "Effect": "Deny", "NotAction": "s3:GetObject", "Resource": "*"},
            {"Sid": "Not", "Effect": "Deny", "NotAction": ["s3:GetObject", "s3:PutObject"], "Resource": "*"},
            "role `etl` is no longer denied `everything except s3:GetObject` on `*`: identity policy "
            "`objects`, statement `Not`; now only `everything except s3:GetObject, s3:PutObject` on `*`",
        ),
        (
            {**READ, "Effect": "Deny", "Condition": {"ArnNotEquals": {"aws:PrincipalArn": "arn:a:b:c:d:x"}}},
            {
                **READ,
                "Effect": "Deny",
                "Condition": {"ArnNotEquals": {"aws:PrincipalArn": ["arn:a:b:c:d:x", "arn:a:b:c:d:y"]}},
            },
            "role `etl` is no longer denied `s3:GetObject` on `arn:aws:s3:::b/*` where `aws:PrincipalArn` "
            f"`ArnNotEquals` `arn:a:b:c:d:x`: {HERE}; now only where "
            "`aws:PrincipalArn` `ArnNotEquals` `arn:a:b:c:d:x`, `arn:a:b:c:d:y` (`arn:a:b:c:d:y` added)",
        ),
    ],
    ids=["condition dropped", "value added", "action", "resource", "denial of all but", "one more excepted"],
)
def test_wider_one_way_is_narrower_the_other(
    before: dict[str, Any], after: dict[str, Any], wanted: str
) -> None:
    old, new = [role("etl"), inline(before)], [role("etl"), inline(after)]
    assert said(old, new) == [("wider", "access", wanted)]
    assert [finding.direction for finding in changes(new, old)] == ["narrower"]


def test_denials_that_overlap_do_not_explain_each_other() -> None:
    tls = statement("s3:*", OBJECTS, "Deny", Sid="Tls", Condition={"Bool": {"aws:SecureTransport": "false"}})
    deletes = statement("s3:DeleteObject", OBJECTS, "Deny", Sid="NobodyDeletes")
    (finding,) = changes([role("etl"), inline(tls)], [role("etl"), inline(tls, deletes)])
    assert finding.direction == "narrower"
    assert finding.text.endswith("statement `NobodyDeletes`; not denied before")


@pytest.mark.parametrize(
    ("principal", "condition", "about", "who"),
    [
        ("*", {}, "exposure", "anyone"),
        ({"AWS": "*"}, {"Bool": {"aws:SecureTransport": "true"}}, "exposure", "anyone"),
        ("*", {"StringNotEquals": {"aws:SourceAccount": "1"}}, "exposure", "anyone"),
        ("*", {"StringEquals": {"aws:SourceAccount": ACCOUNT}}, "access", "anyone"),
        ({"AWS": "999999999999"}, {}, "exposure", "account `999999999999`"),
        (
            {"AWS": "arn:aws:iam::999999999999:role/x"},
            {},
            "exposure",
            "role `x` of another account, `999999999999`",
        ),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:role/etl"}, {}, "access", "role `etl`"),
        ({"AWS": ACCOUNT}, {}, "access", f"account `{ACCOUNT}`"),
        ({"Service": "s3.amazonaws.com"}, {}, "access", "service `s3.amazonaws.com`"),
    ],
)
def test_who_is_let_in_by_a_resource(principal: Any, condition: dict[str, Any], about: str, who: str) -> None:
    grant = statement("s3:GetObject", OBJECTS, Principal=principal, Condition=condition)
    (finding,) = changes([role("etl"), BUCKET], [role("etl"), BUCKET, bucket_policy(grant)])
    assert (finding.direction, finding.about, finding.subject) == ("wider", about, who)
    assert "policy of `arn:aws:s3:::b`" in finding.text


def test_a_trust_policy_is_about_the_role() -> None:
    opened = policy(
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    )
    found = said([role("etl")], [role("etl", assume_role_policy=opened)])
    assert found[0] == (
        "wider",
        "access",
        "service `ec2.amazonaws.com` may now `sts:AssumeRole` on `etl`: trust policy of role `etl`; "
        "not allowed before",
    )
    assert [direction for direction, _, _ in found] == ["wider", "narrower"]


def test_keys_go_by_their_aliases() -> None:
    def side(key: str, sid: str) -> list[dict[str, Any]]:
        arn = f"arn:aws:kms:r:{ACCOUNT}:key/{key}"
        use = statement("kms:Decrypt", "*", Sid=sid, Principal={"Service": "s3.amazonaws.com"})
        return [
            role("etl"),
            resource("aws_kms_key.k", arn=arn, policy=policy(use)),
            resource("aws_kms_alias.k", name="alias/data", target_key_arn=arn),
            inline(statement("kms:Decrypt", arn)),
        ]

    assert said(side("1", "Use"), side("2", "Use")) == []
    more = [*side("2", "Use"), inline(statement("kms:Sign", f"arn:aws:kms:r:{ACCOUNT}:key/2"), name="more")]
    (finding,) = changes(side("1", "Use"), more)
    assert finding.resources == (f"arn:aws:kms:r:{ACCOUNT}:alias/data",)


def test_in_a_plan_an_alias_that_moves_to_another_key_is_two_keys() -> None:
    def side(key: str) -> dict[str, Any]:
        arn = f"arn:aws:kms:r:{ACCOUNT}:key/{key}"
        alias = resource("aws_kms_alias.k", name="alias/data", target_key_arn=arn)
        return state(role("etl"), alias, inline(statement("kms:Decrypt", arn)))

    found = compare_access(*planned_sides(planned(side("1"), side("2"))))
    assert {(finding.direction, finding.resources) for finding in found} == {
        ("wider", (f"arn:aws:kms:r:{ACCOUNT}:key/2",)),
        ("narrower", (f"arn:aws:kms:r:{ACCOUNT}:key/1",)),
    }


def test_a_new_role_is_told_and_its_boundary_missed() -> None:
    found = said([], [role("etl")])
    assert ("wider", "access", "role `etl` is new") in found
    assert ("wider", "access", "role `etl` has no permissions boundary") in found
    capped = said([cap(READ)], [role("etl", permissions_boundary=CAP), cap(READ)])
    assert all("no permissions boundary" not in text for _, _, text in capped)
    assert said([role("etl"), inline(READ)], []) == [
        ("narrower", "access", "role `etl` is gone, with all its permissions")
    ]


def test_a_bucket_that_is_gone_refuses_nothing_any_more() -> None:
    denial = statement("s3:*", OBJECTS, "Deny", Principal="*")
    assert said([BUCKET, bucket_policy(denial)], []) == []
    assert [finding.direction for finding in changes([BUCKET, bucket_policy(denial)], [BUCKET])] == ["wider"]


def test_a_new_bucket_is_asked_only_whom_it_lets_in() -> None:
    denial = statement("s3:*", OBJECTS, "Deny", Principal="*")
    grant = statement("s3:GetObject", OBJECTS, Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/etl"})
    found = changes([role("etl")], [role("etl"), BUCKET, bucket_policy(denial, grant)])
    assert [(finding.direction, finding.effect) for finding in found] == [("wider", "Allow")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"Action": "s3:Get*", "Resource": "*"}, {"NotAction": "s3:Put*", "Resource": "*"}),
        ({"Action": ["s3:Get*", "s3:Put*"], "Resource": "*"}, {"NotAction": "s3:Delete*", "Resource": "*"}),
        ({"NotAction": ["s3:Put*", "s3:Get*"], "Resource": "*"}, {"NotAction": "s3:P*", "Resource": "*"}),
        ({"Action": "s3:*", "Resource": OBJECTS}, {"Action": "s3:*", "NotResource": "arn:aws:s3:::c/*"}),
    ],
)
def test_all_but_some_is_more_than_some(before: dict[str, Any], after: dict[str, Any]) -> None:
    old, new = ([role("etl"), inline({"Sid": "It", "Effect": "Allow", **part})] for part in (before, after))
    assert "wider" in {finding.direction for finding in changes(old, new)}


def test_a_denial_for_all_but_the_account_does_not_replace_one_for_its_role() -> None:
    refused = f"arn:aws:iam::{ACCOUNT}:role/etl"
    before = statement("s3:*", OBJECTS, "Deny", Principal={"AWS": refused})
    after = statement("s3:*", OBJECTS, "Deny", NotPrincipal={"AWS": ACCOUNT})
    found = changes([BUCKET, bucket_policy(before)], [BUCKET, bucket_policy(after)])
    assert {finding.direction for finding in found} == {"wider", "narrower"}


def test_a_boundary_counts_once_for_all_who_are_within() -> None:
    within = [role(name, permissions_boundary=CAP) for name in ("etl", "gate")]
    (finding,) = changes([*within, cap(READ)], [*within, cap(READ, statement("s3:PutObject", OBJECTS))])
    assert finding.direction == "wider"
    assert finding.text.startswith("whoever is within `cap` may now `s3:PutObject`")


@pytest.mark.parametrize(
    ("before", "after", "direction"),
    [
        (CAP, "", "wider"),
        ("", CAP, "narrower"),
        (CAP, CAP.replace("cap", "more"), "wider"),
        (CAP.replace("cap", "more"), CAP, "narrower"),
        (CAP, "arn:aws:iam::aws:policy/ReadOnlyAccess", "wider"),
    ],
    ids=["gone", "new", "more", "less", "managed elsewhere"],
)
def test_another_boundary(before: str, after: str, direction: str) -> None:
    caps = [cap(READ), cap(READ, statement("s3:PutObject", OBJECTS), name="more")]
    old, new = ([role("etl", permissions_boundary=arn), *caps] for arn in (before, after))
    found = [finding for finding in changes(old, new) if finding.policy == "permissions boundary"]
    assert [finding.direction for finding in found] == [direction]
    assert found[0].subject == "role `etl`"


def test_a_policy_made_elsewhere_is_not_decided() -> None:
    admin = resource(
        "aws_iam_role_policy_attachment.x",
        role="etl",
        policy_arn="arn:aws:iam::aws:policy/AdministratorAccess",
    )
    (given,) = changes([role("etl")], [role("etl"), admin])
    assert (given.direction, given.about) == ("wider", "unknown")
    assert "`arn:aws:iam::aws:policy/AdministratorAccess`, which is managed elsewhere" in given.text
    (taken,) = changes([role("etl"), admin], [role("etl")])
    assert taken.direction == "narrower"
    assert said([role("etl"), admin], [role("etl"), admin]) == []


def test_a_policy_that_a_plan_does_not_know_is_not_decided_and_nothing_else_is_said_of_it() -> None:
    before = state(role("etl"), inline(READ), inline(READ, name="kept"))
    unknown = resource("aws_iam_role_policy.objects", name="objects", role="etl")
    after = state(role("etl"), unknown, inline(READ, name="kept"))
    plan = planned(before, after, {"aws_iam_role_policy.objects": {"policy": True}})
    (finding,) = compare_access(*planned_sides(plan))
    assert (finding.direction, finding.about) == ("wider", "unknown")
    assert finding.text.endswith("is not known until apply: `aws_iam_role_policy.objects`")


def test_names_from_policies_do_nothing_in_markdown() -> None:
    odd = statement("s3:GetObject", "arn:aws:s3:::b/`<img src=x>`\n@team\u202e*", Sid="Odd")
    (finding,) = changes([role("etl")], [role("etl"), inline(odd)])
    assert "`` arn:aws:s3:::b/`<img src=x>`\\x0a@team\\u202e* ``" in finding.text
    assert "\n" not in finding.text
