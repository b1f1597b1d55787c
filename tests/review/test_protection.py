"""Each rule on what protects data, with a change that weakens it, its reverse, and no change."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scripts.review.findings import Finding
from scripts.review.protection import compare_protection
from scripts.review.rules import IDENTITY, PROTECTIVE, RULES, STATEFUL
from scripts.review.sides import applied_sides, planned_sides
from scripts.state.policies import resources
from tests.review.documents import planned, resource, state

SELECTOR = {
    "name": "objects",
    "field_selector": [
        {"field": "eventCategory", "equals": ["Data"], "starts_with": []},
        {"field": "resources.ARN", "equals": [], "starts_with": ["arn:aws:s3:::a/", "arn:aws:s3:::b/"]},
    ],
}
FEWER = json.loads(json.dumps(SELECTOR).replace('"arn:aws:s3:::a/", ', ""))
WRITES_ONLY = {
    **SELECTOR,
    "field_selector": [*SELECTOR["field_selector"], {"field": "readOnly", "equals": ["false"]}],
}


def expiring(days: int | None, status: str = "Enabled", **more: Any) -> list[dict[str, Any]]:
    return [
        {"id": "r", "status": status, "filter": [], "expiration": [{"days": days}] if days else [], **more}
    ]


def events(*names: str, **more: Any) -> str:
    return json.dumps({"source": ["aws.s3"], "detail": {"eventName": list(names), **more}})


WEAKER: dict[tuple[str, str], list[tuple[Any, Any]]] = {
    ("aws_athena_workgroup", "configuration.enforce_workgroup_configuration"): [(True, False)],
    (
        "aws_athena_workgroup",
        "configuration.result_configuration.encryption_configuration.encryption_option",
    ): [("SSE_KMS", "SSE_S3"), ("SSE_KMS", None)],
    ("aws_athena_workgroup", "configuration.publish_cloudwatch_metrics_enabled"): [(True, False)],
    ("aws_cloudtrail", "enable_logging"): [(True, False)],
    ("aws_cloudtrail", "enable_log_file_validation"): [(True, False)],
    ("aws_cloudtrail", "include_global_service_events"): [(True, False)],
    ("aws_cloudtrail", "is_multi_region_trail"): [(True, False)],
    ("aws_cloudtrail", "is_organization_trail"): [(True, False)],
    ("aws_cloudtrail", "advanced_event_selector"): [
        ([SELECTOR], [FEWER]),
        ([SELECTOR], [WRITES_ONLY]),
        ([SELECTOR], []),
    ],
    ("aws_cloudtrail", "event_selector"): [([{"read_write_type": "All"}], [])],
    ("aws_cloudtrail", "insight_selector"): [([{"insight_type": "ApiCallRateInsight"}], [])],
    ("aws_cloudwatch_event_rule", "state"): [("ENABLED", "DISABLED")],
    ("aws_cloudwatch_event_rule", "event_pattern"): [
        (events("StopLogging", "DeleteTrail"), events("StopLogging")),
        (events("StopLogging"), events("StopLogging", region=["us-east-1"])),
    ],
    ("aws_cloudwatch_log_group", "retention_in_days"): [(365, 30), (0, 365)],
    ("aws_cloudwatch_metric_alarm", "actions_enabled"): [(True, False)],
    ("aws_cloudwatch_metric_alarm", "alarm_actions"): [(["arn:a", "arn:b"], ["arn:a"]), (["arn:a"], [])],
    ("aws_dynamodb_table", "deletion_protection_enabled"): [(True, False)],
    ("aws_dynamodb_table", "point_in_time_recovery.enabled"): [(True, False)],
    ("aws_iam_role", "max_session_duration"): [(3600, 43200)],
    ("aws_kinesis_firehose_delivery_stream", "server_side_encryption.enabled"): [(True, False)],
    (
        "aws_kinesis_firehose_delivery_stream",
        "extended_s3_configuration.cloudwatch_logging_options.enabled",
    ): [(True, False)],
    ("aws_kms_key", "enable_key_rotation"): [(True, False)],
    ("aws_kms_key", "rotation_period_in_days"): [(90, 365)],
    ("aws_kms_key", "deletion_window_in_days"): [(30, 7)],
    ("aws_kms_key", "is_enabled"): [(True, False)],
    ("aws_kms_key", "bypass_policy_lockout_safety_check"): [(False, True)],
    ("aws_lambda_event_source_mapping", "enabled"): [(True, False)],
    ("aws_lambda_event_source_mapping", "function_response_types"): [(["ReportBatchItemFailures"], [])],
    ("aws_s3_bucket", "force_destroy"): [(False, True)],
    ("aws_s3_bucket_lifecycle_configuration", "rule"): [
        (expiring(365), expiring(30)),
        (expiring(None), expiring(3650)),
        (expiring(365, "Disabled"), expiring(365)),
        ([], expiring(None, noncurrent_version_expiration=[{"noncurrent_days": 1}])),
    ],
    ("aws_s3_bucket_notification", "queue"): [([{"queue_arn": "arn:q"}], [])],
    ("aws_s3_bucket_notification", "topic"): [([{"topic_arn": "arn:t"}], [])],
    ("aws_s3_bucket_notification", "lambda_function"): [([{"lambda_function_arn": "arn:f"}], [])],
    ("aws_s3_bucket_notification", "eventbridge"): [(True, False)],
    ("aws_s3_bucket_object_lock_configuration", "object_lock_enabled"): [("Enabled", None)],
    ("aws_s3_bucket_object_lock_configuration", "rule.default_retention.mode"): [
        ("COMPLIANCE", "GOVERNANCE")
    ],
    ("aws_s3_bucket_object_lock_configuration", "rule.default_retention"): [
        ([{"days": 30}], [{"days": 1}]),
        ([{"years": 1}], [{"days": 364, "years": 0}]),
        ([{"days": 30}], []),
    ],
    ("aws_s3_bucket_ownership_controls", "rule.object_ownership"): [("BucketOwnerEnforced", "ObjectWriter")],
    (
        "aws_s3_bucket_server_side_encryption_configuration",
        "rule.apply_server_side_encryption_by_default.sse_algorithm",
    ): [("aws:kms", "AES256")],
    ("aws_s3_bucket_versioning", "versioning_configuration.status"): [("Enabled", "Suspended")],
    ("aws_s3_bucket_versioning", "versioning_configuration.mfa_delete"): [("Enabled", "Disabled")],
    ("aws_s3_object", "object_lock_mode"): [("COMPLIANCE", "GOVERNANCE")],
    ("aws_s3_object", "object_lock_retain_until_date"): [("2036-01-01T00:00:00Z", "2035-01-01T00:00:00Z")],
    ("aws_s3_object", "object_lock_legal_hold_status"): [("ON", "OFF")],
    ("aws_secretsmanager_secret", "recovery_window_in_days"): [(30, 7)],
    ("aws_secretsmanager_secret_rotation", "rotation_rules.automatically_after_days"): [(30, 90)],
    ("aws_sqs_queue", "sqs_managed_sse_enabled"): [(True, False)],
    ("aws_sqs_queue", "message_retention_seconds"): [(1209600, 3600)],
    **{
        (kind, path): [(True, False)]
        for kind in ("aws_s3_account_public_access_block", "aws_s3_bucket_public_access_block")
        for path in (
            *("block_public_acls", "block_public_policy"),
            *("ignore_public_acls", "restrict_public_buckets"),
        )
    },
}

EITHER_WAY = {
    (kind, rule.path)
    for kind, rules in RULES.items()
    for rule in rules
    if (kind, rule.path) not in WEAKER and rule.weaker("one", "other") and rule.weaker("other", "one")
}
"""The rules by which any other value counts, such as another key."""


def holder(kind: str, path: str, value: Any) -> dict[str, Any]:
    """A resource of a type, with a name, and a value at a path."""
    argument, *inner = path.split(".")
    for name in reversed(inner):
        value = [{name: value}]
    names = dict.fromkeys(IDENTITY.get(kind, ()), "x")
    return resource(f"{kind}.x", **{**names, argument: value})


def changes(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[Finding]:
    return compare_protection(*applied_sides(state(*before), state(*after)))


def directions(kind: str, path: str, before: Any, after: Any) -> list[str]:
    found = changes([holder(kind, path, before)], [holder(kind, path, after)])
    return [finding.direction for finding in found]


def test_every_rule_has_a_case() -> None:
    every = {(kind, rule.path) for kind, rules in RULES.items() for rule in rules}
    assert every == WEAKER.keys() | EITHER_WAY


@pytest.mark.parametrize(
    ("kind", "path", "before", "after"),
    [(*rule, before, after) for rule, pairs in WEAKER.items() for before, after in pairs],
)
def test_weaker_is_wider_and_its_reverse_is_not(kind: str, path: str, before: Any, after: Any) -> None:
    assert set(directions(kind, path, before, after)) == {"wider"}
    assert set(directions(kind, path, after, before)) == {"narrower"}
    assert directions(kind, path, before, before) == []


@pytest.mark.parametrize(
    ("kind", "path"),
    # Of what a resource is called, another one is another resource.
    sorted(
        (kind, path)
        for kind, path in EITHER_WAY
        if kind != "aws_kms_alias" and path not in IDENTITY.get(kind, ())
    ),
)
def test_another_value_is_wider_whichever_it_is(kind: str, path: str) -> None:
    assert directions(kind, path, "one", "other") == ["wider"]
    assert directions(kind, path, "other", "one") == ["wider"]
    assert directions(kind, path, "one", "one") == []


def test_a_word_that_nobody_knows_is_wider_whichever_way() -> None:
    path = "rule.apply_server_side_encryption_by_default.sse_algorithm"
    kind = "aws_s3_bucket_server_side_encryption_configuration"
    assert directions(kind, path, "aws:kms", "newer") == ["wider"]
    assert directions(kind, path, "newer", "aws:kms") == ["wider"]


def test_an_alias_is_moved_where_keys_are_known() -> None:
    def side(key: str) -> dict[str, Any]:
        return state(resource("aws_kms_alias.k", name="alias/k", target_key_arn=f"arn:aws:kms:r:1:key/{key}"))

    (finding,) = compare_protection(*planned_sides(planned(side("1"), side("2"))), {})
    assert finding.text == ("kms alias `alias/k`: key `arn:aws:kms:r:1:key/1` → `arn:aws:kms:r:1:key/2`")
    assert compare_protection(*applied_sides(side("1"), side("2"))) == []


def test_where_nothing_was_set_something_is_no_weakening() -> None:
    assert directions("aws_sqs_queue", "kms_master_key_id", None, "arn:key") == ["narrower"]
    assert directions("aws_sqs_queue", "kms_master_key_id", "arn:key", None) == ["wider"]


@pytest.mark.parametrize(
    ("kind", "path", "before", "after", "text"),
    [
        (
            "aws_cloudtrail",
            "advanced_event_selector",
            [SELECTOR],
            [FEWER],
            "cloudtrail `x`: events: no longer `resources.ARN starts with arn:aws:s3:::a/`",
        ),
        (
            "aws_s3_bucket_lifecycle_configuration",
            "rule",
            expiring(None),
            expiring(30),
            "s3 bucket lifecycle configuration `x`: deletion of objects `never` → `expiration 30 days`",
        ),
        (
            "aws_cloudwatch_metric_alarm",
            "alarm_actions",
            ["arn:a"],
            [],
            "cloudwatch metric alarm `x`: whom it tells: no longer `arn:a`",
        ),
        (
            "aws_cloudwatch_event_rule",
            "event_pattern",
            events("StopLogging", "DeleteTrail"),
            events("StopLogging"),
            "cloudwatch event rule `x/x`: events: no longer `detail.eventName DeleteTrail`",
        ),
        (
            "aws_s3_bucket_object_lock_configuration",
            "rule.default_retention",
            [{"days": 30, "mode": "GOVERNANCE"}],
            [{"days": 1, "mode": "GOVERNANCE"}],
            "s3 bucket object lock configuration `x`: days of retention `30` → `1`",
        ),
    ],
)
def test_it_says_what_is_lost(kind: str, path: str, before: Any, after: Any, text: str) -> None:
    (finding,) = changes([holder(kind, path, before)], [holder(kind, path, after)])
    assert finding.text == text


PARENTS = [
    resource("aws_s3_bucket.x", bucket="x"),
    resource("aws_iam_role.x", name="x", assume_role_policy=""),
    resource("aws_cloudwatch_event_rule.x", event_bus_name="x", name="x"),
]


@pytest.mark.parametrize("kind", sorted(PROTECTIVE - {"aws_cloudwatch_event_rule"}))
def test_what_protects_by_being_there_is_missed(kind: str) -> None:
    protecting = holder(kind, "any", None)
    (gone,) = changes([*PARENTS, protecting], PARENTS)
    assert gone.direction == "wider"
    assert gone.text.endswith("is gone")
    public = "public" in kind or "ownership" in kind
    assert gone.about == ("exposure" if public else "protection")
    assert [finding.direction for finding in changes(PARENTS, [*PARENTS, protecting])] == ["narrower"]


def test_what_goes_with_its_bucket_is_not_missed_as_well() -> None:
    bucket, versioning = PARENTS[0], holder("aws_s3_bucket_versioning", "any", None)
    assert [finding.about for finding in changes([bucket, versioning], [])] == ["destruction"]


@pytest.mark.parametrize("kind", sorted(STATEFUL))
def test_what_holds_data_is_missed(kind: str) -> None:
    held = resource(f"{kind}.x", **dict.fromkeys(IDENTITY[kind], "x"), object_lock_mode="GOVERNANCE")
    (gone,) = changes([held], [])
    assert (gone.direction, gone.about) == ("wider", "destruction")
    assert gone.text.endswith("is destroyed")
    assert changes([], [held]) == []


@pytest.mark.parametrize("kind", sorted(STATEFUL.keys() - {"aws_kms_key"}))
def test_another_name_is_another_one_and_another_address_may_be(kind: str) -> None:
    one, other = (
        resource(f"{kind}.x", **dict.fromkeys(IDENTITY[kind], name), object_lock_mode="GOVERNANCE")
        for name in ("x", "y")
    )
    assert any(finding.text.endswith("is replaced") for finding in changes([one], [other]))
    (moved,) = changes([one], [{**one, "address": f"{kind}.y"}])
    assert "`moved` block" in moved.text


def test_an_argument_that_cannot_change_in_place_replaces() -> None:
    (finding,) = changes(
        [resource("aws_s3_bucket.x", bucket="x", object_lock_enabled=True)],
        [resource("aws_s3_bucket.x", bucket="x", object_lock_enabled=False)],
    )
    assert finding.text == "s3 bucket `x` is replaced: `object_lock_enabled` changes"


def test_an_object_under_no_lock_may_go() -> None:
    assert changes([resource("aws_s3_object.x", bucket="x", key="k")], []) == []


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
    sides = planned_sides(planned(before, before))
    found = compare_protection(*sides, {"aws_s3_bucket.x": actions})
    assert [finding.text for finding in found] == ([said] if said else [])


def test_what_a_plan_does_not_know_is_said() -> None:
    before = state(resource("aws_sqs_queue.x", name="x", kms_master_key_id="arn:key"))
    after = state(resource("aws_sqs_queue.x", name="x"))
    plan = planned(before, after, {"aws_sqs_queue.x": {"kms_master_key_id": True}})
    (finding,) = compare_protection(*planned_sides(plan), {})
    assert finding.direction == "wider"
    assert finding.text == "sqs queue `x`: encryption key is not known until apply, before `arn:key`"


def test_a_holder_is_what_terraform_makes() -> None:
    (made,) = resources(state(holder("aws_kms_key", "enable_key_rotation", True)))
    assert made.values == {"arn": "x", "enable_key_rotation": True}
