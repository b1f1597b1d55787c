"""Who may do what, read from the plan: nobody has more permissions than listed here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import pytest

from tests.plan.document import UNKNOWN, PlanDocument, Statement
from tests.plan.weaknesses import weaknesses

pytestmark = pytest.mark.xdist_group("plan")

ACCOUNT = "123456789012"
RECORDER = f"arn:aws:iam::{ACCOUNT}:role/custody-local-recorder"
SOUND = Statement(
    document="data.aws_iam_policy_document.this",
    sid="RecorderReads",
    effect="Allow",
    actions=("s3:GetObjectVersion",),
    resources=("arn:aws:s3:::custody/incoming/*",),
    services=(),
    principals=(RECORDER,),
    conditions=(),
    negations=(),
)


def bucket(short: str) -> str:
    return f"arn:aws:s3:::custody-local-{short}-{ACCOUNT}"


def allowed(statements: Iterable[Statement], *documents: str) -> dict[str, list[str]]:
    """What the named documents allow: resource → actions."""
    found: dict[str, set[str]] = {}
    for statement in statements:
        if statement.effect == "Allow" and statement.document in documents:
            for resource in statement.resources:
                found.setdefault(resource, set()).update(statement.actions)
    return {resource: sorted(actions) for resource, actions in found.items()}


def test_no_statement_is_weak(plan: PlanDocument) -> None:
    found = [
        f"{statement.document}: {statement.sid} {weakness}"
        for statement in plan.statements()
        for weakness in weaknesses(statement)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("weak", "words"),
    [
        (replace(SOUND, sid=""), "intent"),
        (replace(SOUND, negations=("not_actions",)), "everything else"),
        (replace(SOUND, actions=("s3:*",)), "allows s3:*"),
        (replace(SOUND, actions=("s3:Get*",)), "allows s3:Get*"),
        (replace(SOUND, resources=("*",)), "every resource"),
        (
            replace(SOUND, actions=("cloudtrail:ListPublicKeys", "s3:GetObject"), resources=("*",)),
            "every resource",
        ),
        (replace(SOUND, resources=(f"arn:aws:kms:us-east-1:{ACCOUNT}:key/*",)), "all of a kind"),
        (replace(SOUND, resources=("arn:aws:s3:::*",)), "all of a kind"),
        (replace(SOUND, principals=("*",)), "anybody in"),
        (replace(SOUND, principals=(UNKNOWN,)), "does not know"),
        (replace(SOUND, principals=(), services=("s3.amazonaws.com",)), "any resource"),
        (
            replace(
                SOUND,
                principals=(),
                services=("s3.amazonaws.com",),
                conditions=(("StringEquals", "aws:SourceAccount", (ACCOUNT,)),),
            ),
            "any resource",
        ),
    ],
)
def test_a_weak_statement_is_found(weak: Statement, words: str) -> None:
    assert list(weaknesses(SOUND)) == []
    assert any(words in weakness for weakness in weaknesses(weak))


def test_statements_of_a_document_have_ids_of_their_own(plan: PlanDocument) -> None:
    ids = [(statement.document, statement.sid) for statement in plan.statements()]
    assert sorted(set(ids)) == sorted(ids)


def test_the_recorder_may_do_this_and_no_more(plan: PlanDocument) -> None:
    documents = [
        f"data.aws_iam_policy_document.{document}"
        for document in (
            'function_log["recorder"]',
            'function_queue["recorder"]',
            "recorder_keys",
            "recorder_objects",
        )
    ]
    assert allowed(plan.statements(), *documents) == {
        f"{bucket('raw-data')}/incoming/*": ["s3:GetObjectVersion"],
        f"{bucket('processed')}/*": ["s3:GetObjectVersion"],
        f"{bucket('analytics')}/*": ["s3:GetObjectVersion"],
        **{
            bucket(short): ["s3:ListBucket", "s3:ListBucketVersions"]
            for short in ("raw-data", "processed", "analytics")
        },
        f"{bucket('provenance')}/provenance/*": ["s3:GetObject", "s3:PutObject"],
        f"arn:aws:sqs:us-east-1:{ACCOUNT}:custody-local-recorder": [
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
        ],
        f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/lambda/custody-local-recorder:log-stream:*": [
            "logs:CreateLogStream",
            "logs:PutLogEvents",
        ],
        # Which keys these are is in the references below: their ids are random.
        UNKNOWN: ["kms:Decrypt", "kms:GenerateDataKey", "kms:Sign"],
    }


def test_each_key_is_named_by_its_own_arn(plan: PlanDocument) -> None:
    """The plan does not know which key a statement names, but the code does.

    Of the trail's key alone, which there may not be, no block is listed (terraform/tests).
    """
    named = {
        entry["name"]: {
            block["sid"]["constant_value"]: sorted(
                name
                for name in block["resources"]["references"]
                if re.search(r"^module\..*\.(key_)?arn$|^module\.trail_key$|^local\.trail_key_arns$", name)
            )
            or [
                name
                for name in block["resources"]["references"]
                if name in {"module.log_key", "module.signing_key", "local.log_signing_arns"}
            ]
            for block in entry["expressions"]["statement"]
            if re.search(r"module\.|local\.log_signing_arns", str(block["resources"]))
        }
        for entry in plan.document["configuration"]["root_module"]["resources"]
        if entry["type"] == "aws_iam_policy_document" and entry["name"].endswith("_keys")
    }
    alerts, data, provenance, stream, trail = (
        "module.alerts.key_arn",
        "module.data_key.arn",
        "module.provenance_key.arn",
        "module.stream_key[0].arn",
        "module.trail_key",
    )
    every_key = [alerts, data, provenance, stream, trail]
    assert named == {
        "auditor_keys": {
            "DecryptEvidence": ["local.trail_key_arns", provenance],
            "EncryptFindings": [alerts],
            "EncryptResultsAndWhatIsKnown": [data],
        },
        "etl_keys": {"EncryptTables": [data]},
        "evidence_copy_keys": {"DecryptOriginals": [data, provenance, trail]},
        "gate_keys": {
            "DecryptReceipts": [provenance],
            "EncryptAlerts": [alerts],
            "EncryptManifests": [data],
            "VerifySignatures": ["module.signing_key"],
        },
        "ingest_keys": {"EncryptDeliveries": [data]},
        "lake_formation_keys": {"DecryptGold": [data]},
        "orchestrator_keys": {
            "DecryptEvidence": ["local.trail_key_arns", provenance],
            "DecryptObjectsAndEncryptResultsAndMessages": [alerts, data],
        },
        "people_auditor_keys": {
            "DecryptEvidence": [provenance, trail],
            "DecryptObjectsAndEncryptResults": [data],
            "ExamineSigningKeys": ["module.log_key", "module.signing_key"],
        },
        "people_break_glass_keys": {
            "SaveKeys": every_key,
            "DecryptAndEncryptFilesAndMessages": [data, provenance],
        },
        "people_producer_keys": {"EncryptFiles": [data], "DecryptReceipts": [provenance]},
        "people_reader_keys": {"DecryptTablesAndEncryptResults": [data]},
        "people_security_admin_keys": {"ReadAndDisableKeys": every_key},
        "recorder_keys": {
            "DecryptObjects": [data],
            "EncryptReceipts": [provenance],
            "SignReceipts": ["module.signing_key"],
        },
        "rotator_keys": {
            "DecryptSettings": ["module.rotator_key[0].arn"],
            "EncryptVersions": ["module.warehouse_secret[0].key_arn"],
        },
        "sealer_keys": {
            "EncryptLog": [provenance],
            "SignCheckpoints": ["local.log_signing_arns"],
        },
        "verifier_keys": {
            "DecryptObjectsAndEncryptReports": [data],
            "DecryptSegments": [provenance],
        },
    }


def test_only_the_recorder_and_the_sealer_sign_each_with_its_own_key(plan: PlanDocument) -> None:
    signing = [
        statement
        for statement in plan.statements()
        if statement.effect == "Allow" and "kms:Sign" in statement.actions and not statement.in_boundary
    ]
    assert {(statement.document, statement.sid) for statement in signing} == {
        ("data.aws_iam_policy_document.recorder_keys", "SignReceipts"),
        ('module.signing_key["a"].data.aws_iam_policy_document.this', "RecorderSigns"),
        ("data.aws_iam_policy_document.sealer_keys", "SignCheckpoints"),
        ('module.log_key["a"].data.aws_iam_policy_document.this', "SealerSigns"),
    }
    by_key = {statement.sid: statement.principals for statement in signing if statement.in_key_policy}
    assert by_key == {"RecorderSigns": (RECORDER,), "SealerSigns": (RECORDER.replace("recorder", "sealer"),)}


def test_only_the_gate_starts_jobs(plan: PlanDocument) -> None:
    starting = [
        statement
        for statement in plan.statements()
        if statement.effect == "Allow"
        and "glue:StartJobRun" in statement.actions
        and not statement.in_boundary
    ]
    assert {(statement.document, statement.sid) for statement in starting} == {
        ("data.aws_iam_policy_document.gate_jobs", "StartAndWatchJobs")
    }
    jobs = {job["name"] for job in plan.resources("aws_glue_job").values()}
    assert set(starting[0].resources) == {f"arn:aws:glue:us-east-1:{ACCOUNT}:job/{name}" for name in jobs}


def test_who_may_call_functions_is_pinned(plan: PlanDocument) -> None:
    """By EventBridge for its own rules, and by the data engineer, whose policy allows it."""
    permissions = plan.resources("aws_lambda_permission").values()
    assert {(it["principal"], it["source_account"], it["source_arn"]) for it in permissions} == {
        (
            "events.amazonaws.com",
            ACCOUNT,
            f"arn:aws:events:us-east-1:{ACCOUNT}:rule/custody-local-{rule}",
        )
        for rule in ("auditor-schedule", "gate-schedule", "gate-silver-done", "sealer-hourly")
    }
    calling = [
        statement.document
        for statement in plan.statements()
        if "lambda:InvokeFunction" in statement.actions and not statement.in_boundary
    ]
    assert calling == ["data.aws_iam_policy_document.people_data_engineer"]


def test_administering_a_key_is_not_using_it(plan: PlanDocument) -> None:
    """kms:CreateGrant is allowed only for services: with a grant, a principal could give itself the rest."""
    use = {
        "kms:Decrypt",
        "kms:Encrypt",
        "kms:GenerateDataKey",
        "kms:GenerateDataKey*",
        "kms:ReEncrypt*",
        "kms:Sign",
    }
    administering = [
        statement
        for statement in plan.statements()
        if statement.in_key_policy and "kms:PutKeyPolicy" in statement.actions
    ]
    assert len(administering) == len(plan.resources("aws_kms_key"))
    for statement in plan.statements():
        if not statement.in_key_policy or f"arn:aws:iam::{ACCOUNT}:root" not in statement.principals:
            continue
        if use & set(statement.actions):
            assert {"aws:PrincipalArn", "kms:ViaService", "kms:CallerAccount"} <= statement.condition_keys
        if "kms:CreateGrant" in statement.actions:
            assert {
                "aws:PrincipalArn",
                "kms:ViaService",
                "kms:CallerAccount",
                "kms:GrantIsForAWSResource",
            } <= statement.condition_keys


SERVICES = {
    "auditor": ("lambda", "ArnEquals", f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:custody-local-auditor"),
    "etl": (
        "glue",
        "ArnLike",
        f"arn:aws:glue:us-east-1:{ACCOUNT}:job/custody-local-processed-to-analytics-*",
        f"arn:aws:glue:us-east-1:{ACCOUNT}:job/custody-local-raw-to-processed-*",
    ),
    "gate": ("lambda", "ArnEquals", f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:custody-local-gate"),
    "ingest": (
        "firehose",
        "ArnEquals",
        f"arn:aws:firehose:us-east-1:{ACCOUNT}:deliverystream/custody-local-viewing-events",
    ),
    "recorder": (
        "lambda",
        "ArnEquals",
        f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:custody-local-recorder",
    ),
    "sealer": ("lambda", "ArnEquals", f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:custody-local-sealer"),
    "trail-logs": ("cloudtrail", "ArnEquals", f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/custody-local"),
}
PEOPLE = ("analyst", "auditor", "break-glass", "data-engineer", "producer", "security-admin")


def test_every_role_has_the_boundary_of_its_kind(plan: PlanDocument) -> None:
    boundaries = {
        role["name"]: role["permissions_boundary"] for role in plan.resources("aws_iam_role").values()
    }
    assert boundaries == {
        **{
            f"custody-local-{short}": f"arn:aws:iam::{ACCOUNT}:policy/custody-local-service-boundary"
            for short in SERVICES
        },
        **{
            f"custody-local-people-{persona}": f"arn:aws:iam::{ACCOUNT}:policy/custody-local-people-boundary"
            for persona in PEOPLE
        },
    }


def trusts(plan: PlanDocument, services: bool) -> dict[str, Statement]:
    """The statement by which services, or people, assume a role; by the role's name."""
    names = {
        address.removesuffix(".aws_iam_role.this"): role["name"]
        for address, role in plan.resources("aws_iam_role").items()
    }
    found = [
        statement
        for statement in plan.statements()
        if statement.effect == "Allow" and "sts:AssumeRole" in statement.actions
    ]
    assert len(found) == len(names)
    return {
        names[statement.document.removesuffix(".data.aws_iam_policy_document.trust")]: statement
        for statement in found
        if bool(statement.services) == services
    }


def test_trust_names_service_account_and_resource(plan: PlanDocument) -> None:
    found = {
        name: (
            statement.services,
            {(test, key, tuple(sorted(values))) for test, key, values in statement.conditions},
            statement.principals,
        )
        for name, statement in trusts(plan, services=True).items()
    }
    assert found == {
        f"custody-local-{short}": (
            (f"{service}.amazonaws.com",),
            {("StringEquals", "aws:SourceAccount", (ACCOUNT,)), (test, "aws:SourceArn", tuple(sources))},
            (),
        )
        for short, (service, test, *sources) in SERVICES.items()
    }


def test_people_come_in_by_name_and_with_mfa(plan: PlanDocument) -> None:
    found = {
        name: (statement.principals, set(statement.conditions))
        for name, statement in trusts(plan, services=False).items()
    }
    assert found == {
        f"custody-local-people-{persona}": (
            (f"arn:aws:iam::{ACCOUNT}:user/operator",),
            {
                ("Bool", "aws:MultiFactorAuthPresent", ("true",)),
                ("StringEquals", "sts:RoleSessionName", ("&{aws:username}",)),
                (
                    "NumericLessThan",
                    "aws:MultiFactorAuthAge",
                    ("900" if persona == "break-glass" else "3600",),
                ),
            },
        )
        for persona in PEOPLE
    }


@pytest.mark.parametrize(
    ("queue", "shorts"),
    [("recorder", ("analytics", "processed", "raw-data")), ("sealer", ("provenance",))],
)
def test_a_queue_takes_from_its_buckets_alone(
    plan: PlanDocument, queue: str, shorts: tuple[str, ...]
) -> None:
    (sending,) = [
        statement
        for statement in plan.statements()
        if statement.effect == "Allow"
        and "sqs:SendMessage" in statement.actions
        and statement.services
        and statement.resources == (f"arn:aws:sqs:us-east-1:{ACCOUNT}:custody-local-{queue}",)
    ]
    assert sending.services == ("s3.amazonaws.com",)
    assert sending.principals == ()
    assert {(variable, tuple(sorted(values))) for _, variable, values in sending.conditions} == {
        ("aws:SourceAccount", (ACCOUNT,)),
        ("aws:SourceArn", tuple(bucket(short) for short in shorts)),
    }


def test_the_buckets_use_the_queues_key_for_their_notifications_alone(plan: PlanDocument) -> None:
    (use,) = [statement for statement in plan.statements() if statement.sid == "BucketsNotifyQueue"]
    assert use.actions == ("kms:Decrypt", "kms:GenerateDataKey")
    shorts = ("analytics", "processed", "provenance", "raw-data")
    assert {(variable, tuple(sorted(values))) for _, variable, values in use.conditions} == {
        ("aws:SourceAccount", (ACCOUNT,)),
        ("aws:SourceArn", tuple(bucket(short) for short in shorts)),
    }


def test_queues_and_topic_are_reached_over_tls_alone(plan: PlanDocument) -> None:
    denied = {
        resource: statement.actions
        for statement in plan.statements()
        if statement.sid == "NobodyWithoutTls" and statement.effect == "Deny"
        for resource in statement.resources
        if not resource.startswith("arn:aws:s3:")
    }
    assert denied == {
        **{
            f"arn:aws:sqs:us-east-1:{ACCOUNT}:custody-local-{queue}": ("sqs:*",)
            for queue in ("recorder", "recorder-dlq", "sealer", "sealer-dlq")
        },
        f"arn:aws:sns:us-east-1:{ACCOUNT}:custody-local-alerts": ("sns:Publish",),
    }
