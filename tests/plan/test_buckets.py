"""Every bucket's hardening, read from the plan."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plan.document import UNKNOWN, PlanDocument, Statement

pytestmark = pytest.mark.xdist_group("plan")

ACCOUNT = "123456789012"
RECORDER = f"arn:aws:iam::{ACCOUNT}:role/custody-local-recorder"
SHORT = (
    "access-logs",
    "analytics",
    "artifacts",
    "athena-results",
    "cloudtrail-log",
    "processed",
    "provenance",
    "raw-data",
)
EVIDENCE = ("cloudtrail-log", "provenance")


def name(short: str) -> str:
    return f"custody-local-{short}-{ACCOUNT}"


def denials(plan: PlanDocument, short: str) -> dict[str, Statement]:
    """The denials in a bucket's own policy, by sid."""
    arn = f"arn:aws:s3:::{name(short)}"
    return {
        statement.sid: statement
        for statement in plan.statements()
        if statement.effect == "Deny"
        and any(r == arn or r.startswith(f"{arn}/") for r in statement.resources)
    }


def test_these_are_the_buckets(plan: PlanDocument) -> None:
    assert sorted(plan.by_bucket("aws_s3_bucket")) == [name(short) for short in SHORT]


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (
            "aws_s3_bucket_public_access_block",
            dict.fromkeys(
                ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"),
                True,
            ),
        ),
        ("aws_s3_bucket_ownership_controls", {"rule": [{"object_ownership": "BucketOwnerEnforced"}]}),
    ],
)
def test_every_bucket_is_private(plan: PlanDocument, kind: str, wanted: dict[str, Any]) -> None:
    found = plan.by_bucket(kind)
    assert sorted(found) == [name(short) for short in SHORT]
    for bucket, values in found.items():
        assert {key: values[key] for key in wanted} == wanted, bucket


def test_every_version_is_kept(plan: PlanDocument) -> None:
    found = plan.by_bucket("aws_s3_bucket_versioning")
    assert {bucket: values["versioning_configuration"][0]["status"] for bucket, values in found.items()} == {
        name(short): "Enabled" for short in SHORT
    }


def test_every_bucket_encrypts(plan: PlanDocument) -> None:
    found = {
        bucket: (
            rule["bucket_key_enabled"],
            [default["sse_algorithm"] for default in rule["apply_server_side_encryption_by_default"]],
        )
        for bucket, values in plan.by_bucket("aws_s3_bucket_server_side_encryption_configuration").items()
        for rule in values["rule"]
    }
    assert found == {
        name(short): (False, ["AES256"]) if short == "access-logs" else (True, ["aws:kms"]) for short in SHORT
    }


def test_access_is_logged(plan: PlanDocument) -> None:
    found = plan.by_bucket("aws_s3_bucket_logging")
    assert {
        bucket: (values["target_bucket"], values["target_prefix"]) for bucket, values in found.items()
    } == {name(short): (name("access-logs"), f"{name(short)}/") for short in SHORT if short != "access-logs"}


def test_lifecycle_ends_uploads_and_leaves_evidence(plan: PlanDocument) -> None:
    rules = {
        bucket: values["rule"][0]
        for bucket, values in plan.by_bucket("aws_s3_bucket_lifecycle_configuration").items()
    }
    assert sorted(rules) == [name(short) for short in SHORT]
    locks = plan.by_bucket("aws_s3_bucket_object_lock_configuration")
    for bucket, rule in rules.items():
        assert rule["abort_incomplete_multipart_upload"], bucket
        if bucket in locks:
            days = locks[bucket]["rule"][0]["default_retention"][0]["days"]
            assert rule["noncurrent_version_expiration"][0]["noncurrent_days"] >= days
    expiring = [bucket for bucket, rule in rules.items() if rule["expiration"]]
    assert sorted(expiring) == [name("access-logs"), name("athena-results")]


def test_evidence_is_locked(plan: PlanDocument) -> None:
    locked = [
        bucket for bucket, values in plan.by_bucket("aws_s3_bucket").items() if values["object_lock_enabled"]
    ]
    retention = {
        bucket: values["rule"][0]["default_retention"][0]
        for bucket, values in plan.by_bucket("aws_s3_bucket_object_lock_configuration").items()
    }
    assert sorted(locked) == sorted(retention) == [name(short) for short in EVIDENCE]
    assert {(entry["mode"], entry["days"]) for entry in retention.values()} == {("GOVERNANCE", 1)}


@pytest.mark.parametrize("short", SHORT)
def test_every_bucket_refuses_what_is_not_tls(plan: PlanDocument, short: str) -> None:
    denial = denials(plan, short)["NobodyWithoutTls"]
    assert denial.principals == ("*",)
    assert denial.actions == ("s3:*",)
    assert denial.resources == (f"arn:aws:s3:::{name(short)}", f"arn:aws:s3:::{name(short)}/*")
    assert denial.conditions == (("Bool", "aws:SecureTransport", ("false",)),)


@pytest.mark.parametrize("short", [short for short in SHORT if short != "access-logs"])
def test_every_bucket_refuses_another_key_and_lets_its_default_through(
    plan: PlanDocument, short: str
) -> None:
    variable = "s3:x-amz-server-side-encryption-aws-kms-key-id"
    denial = denials(plan, short)["NobodyWithAnotherKey"]
    assert denial.principals == ("*",)
    assert denial.actions == ("s3:PutObject",)
    assert sorted(denial.conditions) == [
        ("Null", variable, ("false",)),
        ("StringNotEquals", variable, (UNKNOWN,)),
    ]


@pytest.mark.parametrize("short", SHORT)
def test_every_bucket_refuses_a_key_of_the_callers(plan: PlanDocument, short: str) -> None:
    denial = denials(plan, short)["NobodyWithTheirOwnKey"]
    assert denial.conditions == (("Null", "s3:x-amz-server-side-encryption-customer-algorithm", ("false",)),)


@pytest.mark.parametrize("short", SHORT)
def test_nobody_re_encrypts_evidence_at_all_or_anything_with_another_key(
    plan: PlanDocument, short: str
) -> None:
    denial = denials(plan, short)["NobodyReencrypts"]
    assert (denial.principals, denial.actions) == (("*",), ("s3:UpdateObjectEncryption",))
    assert denial.resources == (f"arn:aws:s3:::{name(short)}/*",)
    unless = (("StringNotEquals", "s3:x-amz-server-side-encryption-aws-kms-key-id", (UNKNOWN,)),)
    assert denial.conditions == (() if short in (*EVIDENCE, "access-logs") else unless)


@pytest.mark.parametrize("short", SHORT)
def test_every_bucket_refuses_what_cannot_be_read_at_once(plan: PlanDocument, short: str) -> None:
    denial = denials(plan, short)["NobodyIntoAnArchive"]
    assert (denial.principals, denial.actions) == (("*",), ("s3:PutObject",))
    assert denial.resources == (f"arn:aws:s3:::{name(short)}/*",)
    at_once = ("GLACIER_IR", "INTELLIGENT_TIERING", "STANDARD", "STANDARD_IA")
    assert sorted((test, key, tuple(sorted(values))) for test, key, values in denial.conditions) == [
        ("Null", "s3:x-amz-storage-class", ("false",)),
        ("StringNotEquals", "s3:x-amz-storage-class", at_once),
    ]


@pytest.mark.parametrize("short", EVIDENCE)
def test_nobody_deletes_evidence(plan: PlanDocument, short: str) -> None:
    found = denials(plan, short)
    deleting = found["NobodyDeletesEvidence"]
    assert (deleting.principals, deleting.conditions) == (("*",), ())
    assert set(deleting.actions) == {
        "s3:BypassGovernanceRetention",
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:ReplicateDelete",
    }
    shortening = found["NobodyShortensRetention"]
    assert (shortening.principals, shortening.actions) == (("*",), ("s3:PutObjectRetention",))
    assert shortening.conditions == (("NumericLessThan", "s3:object-lock-remaining-retention-days", ("1",)),)


def role(short: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/custody-local-{short}"


OPERATOR = f"arn:aws:iam::{ACCOUNT}:user/operator"
PRINCIPALS = {
    "access-logs": [role("people-break-glass"), OPERATOR],
    "analytics": [
        *(role(short) for short in ("etl", "gate", "people-analyst", "people-auditor")),
        *(role(short) for short in ("people-break-glass", "people-data-engineer", "recorder")),
        OPERATOR,
    ],
    "artifacts": [
        *(role(short) for short in ("auditor", "etl", "people-analyst", "people-auditor")),
        *(role("people-data-engineer"), role("people-producer"), OPERATOR),
    ],
    "athena-results": [
        *(role(short) for short in ("auditor", "people-analyst", "people-auditor", "people-data-engineer")),
        OPERATOR,
    ],
    "cloudtrail-log": [
        *(role(short) for short in ("auditor", "people-auditor", "people-break-glass", "sealer")),
        OPERATOR,
    ],
    "processed": [
        *(role(short) for short in ("etl", "gate", "people-auditor", "people-break-glass")),
        *(role(short) for short in ("people-data-engineer", "recorder")),
        OPERATOR,
    ],
    "provenance": [
        *(role(short) for short in ("auditor", "gate", "people-auditor", "people-break-glass")),
        *(role(short) for short in ("people-producer", "recorder", "sealer")),
        OPERATOR,
    ],
    "raw-data": [
        *(role(short) for short in ("etl", "ingest", "people-auditor", "people-break-glass")),
        *(role(short) for short in ("people-producer", "recorder")),
        OPERATOR,
    ],
}


@pytest.mark.parametrize("short", SHORT)
def test_every_bucket_refuses_whom_it_does_not_name(plan: PlanDocument, short: str) -> None:
    denial = denials(plan, short)["NobodyElseTouchesObjects"]
    assert denial.actions == ("s3:*",)
    assert denial.resources == (f"arn:aws:s3:::{name(short)}/*",)
    assert denial.principals == ("*",)
    conditions = {(test, variable): sorted(values) for test, variable, values in denial.conditions}
    assert conditions == {
        ("ArnNotLike", "aws:PrincipalArn"): PRINCIPALS[short],
        ("Bool", "aws:PrincipalIsAWSService"): ["false"],
    }


@pytest.mark.parametrize(
    ("short", "prefix", "writer", "unless"),
    [
        ("artifacts", "deployments/", OPERATOR, set()),
        ("artifacts", "functions/", OPERATOR, set()),
        ("artifacts", "glue/", OPERATOR, set()),
        ("processed", "erasures/", OPERATOR, {"s3:if-none-match"}),
        ("processed", "manifests/", role("gate"), {"s3:if-none-match"}),
        ("provenance", "keys/", OPERATOR, set()),
        ("provenance", "log/", role("sealer"), {"s3:if-match", "s3:if-none-match"}),
        ("provenance", "provenance/", RECORDER, {"s3:if-none-match"}),
        ("provenance", "segments/", role("sealer"), {"s3:if-none-match"}),
    ],
)
def test_a_prefix_has_one_writer(
    plan: PlanDocument, short: str, prefix: str, writer: str, unless: set[str]
) -> None:
    """Who writes there, and which headers of a conditional write are required."""
    found = denials(plan, short)
    word = prefix.removesuffix("/").capitalize()
    others = found[f"NobodyElseCreatesUnder{word}"]
    assert others.resources == (f"arn:aws:s3:::{name(short)}/{prefix}*",)
    assert others.conditions == (("ArnNotLike", "aws:PrincipalArn", (writer,)),)
    again = found.get(f"NobodyOverwritesUnder{word}")
    if again is None:
        assert not unless
        return
    assert again.resources == others.resources
    assert set(again.conditions) == {
        ("Bool", "s3:ObjectCreationOperation", ("true",)),
        *(("Null", header, ("true",)) for header in unless),
    }


def test_no_bucket_gives_anything_but_to_services(plan: PlanDocument) -> None:
    given = [
        statement
        for statement in plan.statements()
        if statement.effect == "Allow"
        and (statement.principals or statement.services)
        and any(resource.startswith("arn:aws:s3:::") for resource in statement.resources)
    ]
    assert {statement.services for statement in given} == {
        ("cloudtrail.amazonaws.com",),
        ("logging.s3.amazonaws.com",),
    }
    assert [statement.principals for statement in given if statement.principals] == []


def test_the_recorder_hears_of_everything_recorded_and_the_sealer_of_every_receipt(
    plan: PlanDocument,
) -> None:
    found = {
        bucket: [(queue["filter_prefix"], queue["events"], queue["queue_arn"]) for queue in values["queue"]]
        for bucket, values in plan.by_bucket("aws_s3_bucket_notification").items()
    }
    queue = f"arn:aws:sqs:us-east-1:{ACCOUNT}:custody-local-recorder"
    assert found == {
        name("analytics"): [("", ["s3:ObjectCreated:*"], queue)],
        name("processed"): [("", ["s3:ObjectCreated:*"], queue)],
        name("raw-data"): [("incoming/", ["s3:ObjectCreated:*"], queue)],
        name("provenance"): [("provenance/", ["s3:ObjectCreated:*"], queue.replace("recorder", "sealer"))],
    }
