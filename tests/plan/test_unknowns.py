"""A plan knows everything except what only AWS can know: the ids of keys, and values derived from them."""

from __future__ import annotations

import copy
import re

import pytest

from tests.plan.document import UNKNOWN, PlanDocument

pytestmark = pytest.mark.xdist_group("plan")

MADE_OF_KEYS = {
    # the key itself, named by what it encrypts
    r".*aws_kms_alias\.this": {"target_key_id"},
    r".*aws_s3_bucket_server_side_encryption_configuration\.this": {"rule"},
    r".*aws_sqs_queue\.(this|dead_letter)\[0\]": {"kms_master_key_id"},
    r".*aws_sns_topic\.this": {"kms_master_key_id"},
    r".*aws_cloudwatch_log_group\.this(\[.*\])?": {"kms_key_id"},
    r".*aws_glue_security_configuration\.this": {"encryption_configuration"},
    r".*aws_cloudtrail\.this(\[0\])?": {"kms_key_id"},
    r"module\.trail\.aws_cloudwatch_event_rule\.this\[\"key-changed\"\]": {"event_pattern"},
    r".*aws_athena_workgroup\.this": {"configuration"},
    r".*aws_kinesis_firehose_delivery_stream\.this": {"server_side_encryption"},
    r".*aws_lambda_function\.this": {"kms_key_arn", "environment"},
    # the statements that name a key, and the policies these stand in
    r"data\.aws_iam_policy_document\.\w+_keys": {"statement"},
    r"module\.\w+_role(\[.*\])?\.aws_iam_role_policy\.this\[\"use-keys\"\]": {"policy"},
    r".*data\.aws_iam_policy_document\.this": {"statement"},
    r".*aws_s3_bucket_policy\.this": {"policy"},
    # the deployment's file, which names the keys
    r"aws_s3_object\.deployment": {"content"},
    # the public keys, and the registry of them
    r"data\.aws_kms_public_key\.(log|signing)\[.*\]": {"key_id"},
    r"module\.provenance\.aws_s3_object\.this\[\"keys/registry\.json\"\]": {"content"},
}


def surprises(plan: PlanDocument) -> list[tuple[str, str]]:
    return [
        (address, argument)
        for address, argument in plan.unknown_arguments()
        if not any(
            re.fullmatch(pattern, address) and argument in arguments
            for pattern, arguments in MADE_OF_KEYS.items()
        )
    ]


def test_all_but_keys_is_known(plan: PlanDocument) -> None:
    assert surprises(plan) == []


def test_something_unknown_is_found(plan: PlanDocument) -> None:
    document = copy.deepcopy(plan.document)
    (change,) = [
        change
        for change in document["resource_changes"]
        if change["address"] == "module.recorder.aws_lambda_event_source_mapping.this[0]"
    ]
    change["change"]["after_unknown"]["event_source_arn"] = True
    assert surprises(PlanDocument(document)) == [(change["address"], "event_source_arn")]


def test_within_a_policy_only_keys_are_unknown(plan: PlanDocument) -> None:
    """In a statement that names a key, everything else is known."""
    unknown = {
        (statement.sid, part)
        for statement in plan.statements()
        for part, values in [
            ("resource", statement.resources),
            ("principal", (*statement.principals, *statement.services)),
            *((variable, values) for _, variable, values in statement.conditions),
        ]
        if UNKNOWN in values
    }
    assert {part for _, part in unknown} == {
        "resource",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    }
    of_keys = {
        statement.sid
        for statement in plan.statements()
        if all(action.startswith("kms:") for action in statement.actions)
    }
    assert {sid for sid, part in unknown if part == "resource"} <= of_keys
    assert {sid for sid, part in unknown if part != "resource"} == {
        "NobodyReencrypts",
        "NobodyWithAnotherKey",
    }


@pytest.mark.parametrize("output", ["functions", "keys", "queues", "signing_keys"])
def test_outputs_that_aws_gives(plan: PlanDocument, output: str) -> None:
    assert plan.document["output_changes"][output]["after_unknown"]


def test_all_other_outputs_are_known(plan: PlanDocument) -> None:
    known = {
        name: change["after"]
        for name, change in plan.document["output_changes"].items()
        if not change["after_unknown"]
    }
    assert sorted(known) == [
        "account_id",
        "adopted_bucket_statements",
        "adopted_since",
        "buckets",
        "control_policies",
        "database",
        "datasets",
        "deployer_arns",
        "deployment_uri",
        "evidence_copy",
        "evidence_days",
        "existing_trail_folder",
        "existing_trail_owner",
        "expected_files",
        "jobs",
        "kit_version",
        "ledger_since",
        "loader_network",
        "log_origin",
        "management_trail_arn",
        "monitoring_urls",
        "noncurrent_days",
        "recorded_prefixes",
        "region",
        "roles",
        "snowflake",
        "sources",
        "streams",
        "tables",
        "topic_arn",
        "trail_arn",
        "trusted_networks",
        "watermark_minutes",
        "witnesses",
        "workgroup",
    ]
