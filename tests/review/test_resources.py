"""Changes of resources: weakenings and similar harmless changes, additions, deletions and moves."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.review.__main__ import compare
from scripts.review.findings import Finding
from scripts.review.moves import Moves
from scripts.review.resources import compare_resources
from scripts.review.rules import all_rules
from scripts.review.sides import applied_sides, planned_sides
from tests.review.documents import ACCOUNT, planned, policy, resource, role, state

ELSEWHERE = "999988887777"
TOPIC = f"arn:aws:sns:eu-west-1:{ACCOUNT}:alerts"
OURS = [
    resource("aws_s3_bucket.lake", bucket="lake", arn="arn:aws:s3:::lake"),
    resource("aws_sns_topic.alerts", name="alerts", arn=TOPIC),
    role("etl"),
]

Change = tuple[str, dict[str, Any], dict[str, Any]]

EVASIONS: dict[str, list[Change]] = yaml.load(
    Path(__file__).with_name("evasions.yaml").read_text(), yaml.CSafeLoader
)
ADDED: dict[str, list[tuple[str, dict[str, Any]]]] = yaml.load(
    Path(__file__).with_name("added.yaml").read_text(), yaml.CSafeLoader
)


def changed(kind: str, before: dict[str, Any], change: dict[str, Any]) -> list[Finding]:
    return differ(
        [*OURS, resource(f"{kind}.x", **before)], [*OURS, resource(f"{kind}.x", **{**before, **change})]
    )


def differ(
    before: list[dict[str, Any]], after: list[dict[str, Any]], code: Moves | None = None
) -> list[Finding]:
    return compare(*applied_sides(state(*before), state(*after), code))


@pytest.mark.parametrize("change", [change for changes in EVASIONS.values() for change in changes], ids=str)
def test_an_evasion_is_one_wider_finding_and_no_change_is_none(change: Change) -> None:
    kind, before, after = change
    assert [finding.direction for finding in changed(kind, before, after)] == ["wider"]
    assert changed(kind, before, {}) == []


SAFER: list[Change] = [
    ("aws_cloudwatch_metric_alarm", {"alarm_actions": []}, {"alarm_actions": [TOPIC]}),
    ("aws_cloudwatch_log_group", {"name": "g", "retention_in_days": 365}, {"retention_in_days": 731}),
    ("aws_sqs_queue", {"name": "q"}, {"kms_master_key_id": "alias/ours"}),
    (
        "aws_s3_bucket_versioning",
        {"versioning_configuration": [{"status": "Suspended"}]},
        {"versioning_configuration": [{"status": "Enabled"}]},
    ),
    ("aws_lakeformation_permissions", {"permissions": ["SELECT", "DROP"]}, {"permissions": ["SELECT"]}),
    ("aws_route_table", {"route": [{"cidr_block": "0.0.0.0/0"}]}, {"route": []}),
    (
        "aws_iam_role",
        {"name": "r", "assume_role_policy": "{}", "max_session_duration": 43200},
        {"max_session_duration": 3600},
    ),
]
HARMLESS: list[Change] = [
    ("aws_lambda_function", {"memory_size": 128}, {"memory_size": 3008}),
    ("aws_lambda_function", {"description": "a"}, {"description": "b"}),
    ("aws_sqs_queue", {"tags": {"team": "a"}}, {"tags": {"team": "b"}}),
    ("aws_sqs_queue", {"policy": '{"Version": "1"}'}, {"policy": '{ "Version" : "1" }'}),
    ("aws_glue_job", {"number_of_workers": 2}, {"number_of_workers": 9}),
    ("aws_s3_object", {"key": "k", "version_id": "1"}, {"version_id": "2"}),
    ("aws_newer_thing", {"timeouts": {"create": "1m"}}, {"timeouts": {"create": "2m"}}),
]


@pytest.mark.parametrize("change", SAFER, ids=str)
def test_what_is_safer_needs_no_approval_and_its_reverse_does(change: Change) -> None:
    kind, before, after = change
    assert [finding.direction for finding in changed(kind, before, after)] == ["narrower"]
    back = {name: before.get(name) for name in after}
    assert [finding.direction for finding in changed(kind, {**before, **after}, back)] == ["wider"]


@pytest.mark.parametrize("change", HARMLESS, ids=str)
def test_what_is_harmless_is_not_told(change: Change) -> None:
    assert changed(*change) == []


def test_a_tag_that_policies_ask_for_is_told() -> None:
    (finding,) = changed("aws_sqs_queue", {"tags": {"project": "a"}}, {"tags": {"project": "b"}})
    assert finding.direction == "wider"


@pytest.mark.parametrize("added", ADDED.values(), ids=ADDED)
def test_what_is_new_and_not_known_to_be_harmless_is_one_wider_finding(
    added: list[tuple[str, dict[str, Any]]],
) -> None:
    new = [resource(f"{kind}.x", **values) for kind, values in added]
    (finding,) = differ(OURS, [*OURS, *new])
    assert finding.direction == "wider"


GUARDED = [
    resource("aws_s3_bucket.x", bucket="new", arn="arn:aws:s3:::new", force_destroy=False),
    resource(
        "aws_s3_bucket_public_access_block.x",
        bucket="new",
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
    ),
    resource("aws_s3_bucket_versioning.x", bucket="new", versioning_configuration=[{"status": "Enabled"}]),
    resource(
        "aws_s3_bucket_server_side_encryption_configuration.x",
        bucket="new",
        rule=[{"apply_server_side_encryption_by_default": [{"sse_algorithm": "aws:kms"}]}],
    ),
    resource(
        "aws_s3_bucket_lifecycle_configuration.x",
        bucket="new",
        rule=[{"status": "Enabled", "expiration": [{"days": 1}]}],
    ),
    resource(
        "aws_s3_bucket_policy.x",
        bucket="new",
        policy=policy({"Sid": "Tls", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}),
    ),
]


def test_a_new_bucket_with_all_that_guards_it_is_one_finding_that_needs_no_approval() -> None:
    (finding,) = differ(OURS, [*OURS, *GUARDED])
    assert finding.direction == "narrower"
    assert finding.text.startswith("s3 bucket `new` is new")


@pytest.mark.parametrize("number", range(1, len(GUARDED)))
def test_a_new_bucket_that_lacks_a_guard_needs_one(number: int) -> None:
    kept = [guard for place, guard in enumerate(GUARDED) if place != number]
    (finding,) = differ(OURS, [*OURS, *kept])
    lifecycle = GUARDED[number]["type"] == "aws_s3_bucket_lifecycle_configuration"
    assert finding.direction == ("narrower" if lifecycle else "wider")


PROTECTING = {
    "an alarm": resource("aws_cloudwatch_metric_alarm.x", alarm_name="a", arn="x"),
    "a composite alarm": resource("aws_cloudwatch_composite_alarm.x", alarm_name="a", arn="x"),
    "a rule": resource("aws_cloudwatch_event_rule.x", name="r", event_bus_name="default"),
    "a target": resource("aws_cloudwatch_event_target.x", rule="r", target_id="t", arn=TOPIC),
    "a metric filter": resource("aws_cloudwatch_log_metric_filter.x", name="f", log_group_name="g"),
    "a boundary of a permission set": resource(
        "aws_ssoadmin_permissions_boundary_attachment.x", permission_set_arn="p"
    ),
    "a filter of rows": resource("aws_lakeformation_data_cells_filter.x", table_data=[{"name": "f"}]),
    "exclusive policies": resource("aws_iam_role_policies_exclusive.x", role_name="etl", policy_names=[]),
    "ownership": resource(
        "aws_s3_bucket_ownership_controls.x",
        bucket="lake",
        rule=[{"object_ownership": "BucketOwnerEnforced"}],
    ),
}


@pytest.mark.parametrize("protecting", PROTECTING.values(), ids=PROTECTING)
def test_what_protects_by_being_there_is_missed(protecting: dict[str, Any]) -> None:
    (gone,) = differ([*OURS, protecting], OURS)
    assert gone.direction == "wider"
    assert " is gone" in gone.text
    assert [finding.direction for finding in differ(OURS, [*OURS, protecting])] == ["narrower"]


@pytest.mark.parametrize(
    "kind",
    [
        "aws_flow_log",
        "aws_sns_topic_subscription",
        "aws_lambda_event_source_mapping",
        "aws_vpc_endpoint",
        "aws_newer_thing",
    ],
)
def test_what_is_gone_and_not_known_to_be_harmless_is_wider(kind: str) -> None:
    assert [finding.direction for finding in differ([*OURS, resource(f"{kind}.x", policy="{}")], OURS)] == [
        "wider"
    ]


def test_what_gave_and_is_gone_is_narrower() -> None:
    for kind in ("aws_lakeformation_permissions", "aws_ssoadmin_account_assignment", "aws_iam_access_key"):
        (finding,) = differ([resource(f"{kind}.x", principal_id="p")], [])
        assert finding.direction == "narrower"


def test_the_same_grant_elsewhere_in_the_code_is_the_same() -> None:
    before = [
        resource(f"aws_lakeformation_permissions.x[{n}]", principal=name) for n, name in enumerate("abc")
    ]
    after = [resource(f"aws_lakeformation_permissions.x[{n}]", principal=name) for n, name in enumerate("bc")]
    (finding,) = differ(before, after)
    assert (finding.direction, '`principal = "a"`' in finding.text) == ("narrower", True)


def test_a_second_one_for_the_same_thing_does_not_hide_behind_the_first() -> None:
    first = resource("aws_s3_bucket_lifecycle_configuration.x", bucket="lake", rule=[])
    second = resource(
        "aws_s3_bucket_lifecycle_configuration.y",
        bucket="lake",
        rule=[{"status": "Enabled", "expiration": [{"days": 1}]}],
    )
    for after in ([first, second], [second, first]):
        assert [finding.direction for finding in differ([*OURS, first], [*OURS, *after])] == ["wider"]


HOLDING = sorted(kind for kind, rules in all_rules().items() if rules.data and not rules.locked)


def holding(kind: str, name: str = "x", address: str = "x") -> dict[str, Any]:
    return resource(f"{kind}.{address}", **dict.fromkeys(all_rules()[kind].named, name))


@pytest.mark.parametrize("kind", HOLDING)
def test_what_holds_data_is_missed_renamed_and_recreated(kind: str) -> None:
    (gone,) = differ([holding(kind)], [])
    assert (gone.direction, gone.about) == ("wider", "destruction")
    assert gone.text.endswith("is destroyed")
    if kind != "aws_kms_key":  # which AWS names
        (moved,) = differ([holding(kind)], [holding(kind, address="y")])
        assert moved.about == "destruction"
        assert "no `moved` block says that it is the same" in moved.text
        (renamed,) = differ([holding(kind)], [holding(kind, "other")])
        assert " is replaced: " in renamed.text


def test_an_object_under_no_lock_may_go_and_one_under_a_lock_not() -> None:
    plain = resource("aws_s3_object.x", bucket="x", key="k")
    locked = resource("aws_s3_object.x", bucket="x", key="k", object_lock_mode="GOVERNANCE")
    assert differ([plain], []) == []
    (finding,) = differ([locked], [])
    assert finding.about == "destruction"


def test_what_goes_with_its_bucket_is_within_that_finding() -> None:
    bucket, versioning = GUARDED[0], GUARDED[2]
    (finding,) = differ([bucket, versioning], [])
    assert (finding.about, len(finding.parts)) == ("destruction", 2)


@pytest.mark.parametrize(
    ("actions", "said"),
    [
        (["delete"], "s3 bucket `x` is destroyed"),
        (["delete", "create"], "s3 bucket `x` is replaced"),
        (["create", "delete"], "s3 bucket `x` is replaced"),
        (["forget"], "s3 bucket `x` is no longer managed"),
        (["update"], None),
        (["no-op"], None),
    ],
)
def test_of_a_plan_what_it_says_counts(actions: list[str], said: str | None) -> None:
    before = state(resource("aws_s3_bucket.x", bucket="x"))
    found = compare(*planned_sides(planned(before, before)), {"aws_s3_bucket.x": actions})
    assert [finding.text for finding in found] == ([said] if said else [])


def test_what_is_forgotten_stays_and_is_told_even_if_it_is_a_grant() -> None:
    grant = resource("aws_ssoadmin_account_assignment.x", principal_id="p")
    (finding,) = compare(*planned_sides(planned(state(grant), state())), {grant["address"]: ["forget"]})
    assert (finding.direction, "is no longer managed, and stays as it is" in finding.text) == ("wider", True)


@pytest.mark.parametrize(
    ("before", "argument", "told"),
    [
        ("arn:key", "kms_master_key_id", "is not known until apply, before `arn:key`"),
        ("", "kms_master_key_id", "is not known until apply"),
        (9, "kms_data_key_reuse_period_seconds", "is not known until apply, before `9`"),
        (None, "kms_data_key_reuse_period_seconds", ""),  # AWS fills it in
        ("https://q", "url", ""),
        ("a", "description", ""),
    ],
)
def test_what_a_plan_does_not_know_is_said(before: Any, argument: str, told: str) -> None:
    olds = state(resource("aws_sqs_queue.x", name="x", **{argument: before}))
    news = state(resource("aws_sqs_queue.x", name="x"))
    found = compare(*planned_sides(planned(olds, news, {"aws_sqs_queue.x": {argument: True}})), {})
    assert [(finding.direction, finding.text) for finding in found] == (
        [("wider", f"sqs queue `x`: `{argument}` {told}")] if told else []
    )


def test_what_two_plans_do_not_know_is_the_same_and_what_one_knows_is_not() -> None:
    def side(address: str, *, known: str | None) -> dict[str, Any]:
        alias = resource("aws_kms_alias.k", name="alias/k", target_key_id=known)
        unknown = {} if known else {"aws_kms_alias.k": {"target_key_id": True}}
        return planned(state(), state(alias), unknown)

    assert compare(*applied_sides(side("a", known=None), side("b", known=None))) == []
    for before, after in ((None, "evil"), ("ours", None)):
        (finding,) = compare(*applied_sides(side("a", known=before), side("a", known=after)))
        assert finding.direction == "wider"


def test_a_secret_is_said_to_change_and_not_shown_nor_hashed() -> None:
    def side(value: str) -> list[dict[str, Any]]:
        connection = resource("aws_glue_connection.x", name="c", connection_properties={"PASSWORD": value})
        return [{**connection, "sensitive_values": {"connection_properties": True}}]

    (one,), (other,) = differ(side("tiger"), side("lion")), differ(side("tiger"), side("bear"))
    assert one.text == "glue connection `c`: `connection_properties.PASSWORD` changes (not shown)"
    assert one.id == other.id
    for found in (differ([], side("tiger")), differ(side("tiger"), [])):
        assert "tiger" not in found[0].text
        assert "not shown" in found[0].text


def test_an_id_covers_what_is_not_shown_of_a_change() -> None:
    def ids(end: str) -> str:
        long = "x" * 500
        (finding,) = changed(
            "aws_glue_catalog_table", {"view_original_text": "a"}, {"view_original_text": long + end + long}
        )
        return finding.id

    assert ids("a") != ids("b")
    many = {f"V{number}": "1" for number in range(20)}
    (one,), (other,) = (
        differ([], [resource("aws_newer_thing.x", mode={**many, "V19": value})]) for value in ("1", "2")
    )
    assert one.id != other.id


def test_of_long_texts_the_place_is_shown_where_they_differ() -> None:
    sql = "SELECT status FROM receipts WHERE " + " AND ".join(f"c{number} = {number}" for number in range(60))
    (finding,) = changed(
        "aws_glue_catalog_table",
        {"view_original_text": sql},
        {"view_original_text": sql.replace("c30 = 30", "true")},
    )
    assert "c30 = 30 AND" in finding.text
    assert "true AND" in finding.text
    assert len(finding.text) < 300


def test_of_a_view_its_sql_is_shown() -> None:
    def view(sql: str) -> dict[str, Any]:
        said = base64.b64encode(json.dumps({"originalSql": sql, "schema": "s"}).encode()).decode()
        return {"view_original_text": f"/* Presto View: {said} */"}

    (finding,) = changed("aws_glue_catalog_table", view("SELECT 1"), view("SELECT 2"))
    assert finding.text.endswith(": `view_original_text` `SELECT 1` → `SELECT 2`")
    (finding,) = changed(
        "aws_glue_catalog_table", view("SELECT 1"), {"view_original_text": "/* Presto View: A */"}
    )
    assert finding.text.endswith(" → `/* Presto View: A */`")


def test_it_says_what_is_lost() -> None:
    (finding,) = changed(
        "aws_cloudwatch_metric_alarm", {"alarm_name": "a", "alarm_actions": [TOPIC]}, {"alarm_actions": []}
    )
    assert finding.text == f"cloudwatch metric alarm `a`: whom it tells: no longer `{TOPIC}`"
    (finding,) = changed(
        "aws_s3_bucket_lifecycle_configuration",
        {"bucket": "x"},
        {"rule": [{"status": "Enabled", "transition": [{"days": 3, "storage_class": "GLACIER"}]}]},
    )
    assert finding.text == (
        "s3 bucket lifecycle configuration `x`: deletion and archiving `never` → "
        "`transition to GLACIER 3 days`"
    )


def test_what_makes_an_endpoint_open_is_wider_whether_aws_says_it_or_nothing_does() -> None:
    own = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}
    closed = {**own, "Condition": {"StringEquals": {"aws:ResourceAccount": ACCOUNT}}}
    for after in (policy({**own, "Action": "*"}), None, ""):
        (finding,) = differ(
            [*OURS, resource("aws_vpc_endpoint.x", id="e", arn="arn:e", policy=policy(closed))],
            [*OURS, resource("aws_vpc_endpoint.x", id="e", arn="arn:e", policy=after)],
        )
        assert (finding.direction, "anyone may now `*`" in finding.text) == ("wider", True)


def test_ids_that_an_apply_draws_are_no_change_and_others_are() -> None:
    def side(vpc: str, key: str, *more: str) -> list[dict[str, Any]]:
        arn = f"arn:aws:kms:r:{ACCOUNT}:key/{key}"
        pem = f"-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----\n"
        data = resource("aws_kms_public_key.k", key_id=arn, public_key_pem=pem)
        return [
            resource("aws_vpc.v", id=vpc),
            resource("aws_subnet.s", id=f"subnet-{vpc[-8:]}", vpc_id=vpc),
            resource("aws_kms_key.k", id=key, key_id=key, arn=arn),
            resource("aws_kms_alias.k", name="alias/k", target_key_id=key, target_key_arn=arn),
            {**data, "mode": "data", "address": "data.aws_kms_public_key.k"},
            resource("aws_s3_object.r", bucket="b", key="r", content=json.dumps([arn, pem, *more])),
        ]

    one, other = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
    first, second = side("vpc-0123abcd", one), side("vpc-4567ef01", other)
    assert differ(first, second) == []
    evil = f"arn:aws:kms:r:{ELSEWHERE}:key/33333333-3333-3333-3333-333333333333"
    for more in (evil, "-----BEGIN PUBLIC KEY-----\nevil\n-----END PUBLIC KEY-----\n"):
        (finding,) = differ(first, side("vpc-4567ef01", other, more))
        assert (finding.direction, "`content`" in finding.text) == ("wider", True)
    second[1]["values"]["vpc_id"] = "vpc-99999999"
    (finding,) = differ(first, second)
    assert "`vpc_id` `<aws_vpc.v>` → `vpc-99999999`" in finding.text


def test_a_stranger_s_topic_does_not_make_his_account_ours() -> None:
    target = resource(
        "aws_cloudwatch_event_target.x", rule="r", target_id="t", arn=f"arn:aws:sns:r:{ELSEWHERE}:t"
    )
    grant = policy(
        {
            "Sid": "S",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ELSEWHERE}:role/x"},
            "Action": "sns:Publish",
            "Resource": "*",
        }
    )
    given = resource("aws_sns_topic_policy.x", arn=TOPIC, policy=grant)
    found = compare_resources(*applied_sides(state(*OURS), state(*OURS, target)))
    assert [finding.direction for finding in found] == ["wider"]
    found = differ([*OURS, target], [*OURS, target, given])
    assert [finding.about for finding in found] == ["exposure"]


def test_a_contract_by_which_a_table_would_lose_values_is_destruction() -> None:
    columns = [
        {"name": name, "type": "string", "required": True, "meaning": "Some."} for name in ("id", "more")
    ]
    source = {"prefix": "incoming/t/", "format": "csv", "wins": "latest", "unknown_columns": "keep"}
    sides = [
        state(
            resource(
                'aws_s3_object.contract["t"]',
                content=json.dumps(
                    {"table": "t", "meaning": "Some.", "key": ["id"], "source": source, "columns": kept}
                ),
            ),
            module="module.jobs[0]",
        )
        for kept in (columns, columns[:1])
    ]
    lost = [
        finding
        for found in (compare(*applied_sides(*sides)), compare(*planned_sides(planned(*sides))))
        for finding in found
        if finding.about == "destruction"
    ]
    assert [(finding.direction, finding.subject) for finding in lost] == [("wider", "table t")] * 2
    assert "The column more is gone" in lost[0].text
