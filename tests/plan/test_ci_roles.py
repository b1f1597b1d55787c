"""The roles by which workflows plan and apply may do what the provider does for each resource in the plan.

The calls are those in the provider's own log (``TF_LOG_PROVIDER=DEBUG``) of an apply, a plan that refreshes,
and a destroy; calls that it makes only on changes are from its source. A type that is missing here fails: add
the calls that read and change it, and allow them to the roles.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import pytest

from scripts.access.planned import planned_parts, planned_workflows
from scripts.state.policies import roles, statements
from tests.plan.document import PlanDocument

pytestmark = pytest.mark.xdist_group("plan")

PREFIX = "custody-local"


@dataclass(frozen=True)
class Calls:
    """What the provider does to a resource of a type.

    arn: the ARN, filled in with the resource's planned values; ``*`` where AWS has no other form.
    """

    arn: str
    reads: str
    changes: str = ""


def bucket(reads: str, changes: str) -> Calls:
    return Calls("arn:aws:s3:::{bucket}", reads, changes)


QUERY = "arn:aws:athena:us-east-1:123456789012:workgroup/{}"
ROLE = "arn:aws:iam::123456789012:role/{}"
RULE = "arn:aws:events:us-east-1:123456789012:rule/{}"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:{}"
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:{}-000000"
LOG_GROUP = "arn:aws:logs:us-east-1:123456789012:log-group:{}"


def network(kind: str, reads: str, changes: str) -> list[Calls]:
    """A part of a network: to list has no resource, and what is made is tagged."""
    own = Calls(f"arn:aws:ec2:us-east-1:123456789012:{kind}/1", "", f"ec2:CreateTags {changes}")
    return [Calls("*", reads), own]


def rule(direction: str) -> list[Calls]:
    """A rule of a security group: it is of its group, and has an id of its own."""
    authorize = f"ec2:AuthorizeSecurityGroup{direction}"
    of_group = f"{authorize} ec2:RevokeSecurityGroup{direction} ec2:ModifySecurityGroupRules"
    return [
        *network("security-group", "ec2:DescribeSecurityGroupRules", of_group),
        Calls("arn:aws:ec2:us-east-1:123456789012:security-group-rule/1", "", f"{authorize} ec2:CreateTags"),
    ]


CALLS = {
    "aws_athena_named_query": [
        Calls(
            QUERY.format("{workgroup}"),
            "athena:GetNamedQuery",
            "athena:CreateNamedQuery athena:UpdateNamedQuery athena:DeleteNamedQuery",
        )
    ],
    "aws_athena_workgroup": [
        Calls(
            QUERY.format("{name}"),
            "athena:GetWorkGroup athena:ListTagsForResource",
            "athena:CreateWorkGroup athena:UpdateWorkGroup athena:DeleteWorkGroup athena:TagResource",
        )
    ],
    "aws_cloudtrail": [
        Calls("*", "cloudtrail:DescribeTrails"),
        Calls(
            "arn:aws:cloudtrail:us-east-1:123456789012:trail/{name}",
            "cloudtrail:GetTrailStatus cloudtrail:ListTags cloudtrail:GetEventSelectors",
            "cloudtrail:CreateTrail cloudtrail:UpdateTrail cloudtrail:PutEventSelectors"
            " cloudtrail:StartLogging cloudtrail:AddTags",
        ),
    ],
    "aws_cloudwatch_event_rule": [
        Calls(
            RULE.format("{name}"),
            "events:DescribeRule events:ListTagsForResource",
            "events:PutRule events:DeleteRule events:TagResource",
        )
    ],
    "aws_cloudwatch_event_target": [
        Calls(RULE.format("{rule}"), "events:ListTargetsByRule", "events:PutTargets events:RemoveTargets")
    ],
    "aws_cloudwatch_log_group": [
        Calls("*", "logs:DescribeLogGroups"),
        Calls(
            LOG_GROUP.format("{name}"),
            "logs:ListTagsForResource",
            "logs:CreateLogGroup logs:PutRetentionPolicy logs:AssociateKmsKey logs:TagResource"
            " logs:DeleteLogGroup",
        ),
    ],
    "aws_cloudwatch_log_metric_filter": [
        Calls(
            LOG_GROUP.format("{log_group_name}"),
            "logs:DescribeMetricFilters",
            "logs:PutMetricFilter logs:DeleteMetricFilter",
        )
    ],
    "aws_cloudwatch_log_stream": [
        Calls(
            LOG_GROUP.format("{log_group_name}"),
            "logs:DescribeLogStreams",
            "logs:CreateLogStream logs:DeleteLogStream",
        )
    ],
    "aws_cloudwatch_composite_alarm": [
        Calls("*", "cloudwatch:DescribeAlarms"),
        Calls(
            "arn:aws:cloudwatch:us-east-1:123456789012:alarm:{alarm_name}",
            "cloudwatch:ListTagsForResource",
            "cloudwatch:PutCompositeAlarm cloudwatch:DeleteAlarms cloudwatch:TagResource",
        ),
    ],
    "aws_cloudwatch_dashboard": [
        Calls(
            "arn:aws:cloudwatch::123456789012:dashboard/{dashboard_name}",
            "cloudwatch:GetDashboard",
            "cloudwatch:PutDashboard cloudwatch:DeleteDashboards",
        )
    ],
    "aws_cloudwatch_metric_alarm": [
        Calls(
            "arn:aws:cloudwatch:us-east-1:123456789012:alarm:{alarm_name}",
            "cloudwatch:DescribeAlarms cloudwatch:ListTagsForResource",
            "cloudwatch:PutMetricAlarm cloudwatch:DeleteAlarms cloudwatch:TagResource",
        )
    ],
    "aws_default_security_group": network(
        "security-group",
        "ec2:DescribeSecurityGroups ec2:DescribeSecurityGroupRules",
        "ec2:RevokeSecurityGroupIngress ec2:RevokeSecurityGroupEgress",
    ),
    "aws_flow_log": [
        *network("vpc-flow-log", "ec2:DescribeFlowLogs", "ec2:CreateFlowLogs ec2:DeleteFlowLogs"),
        Calls("arn:aws:ec2:us-east-1:123456789012:vpc/1", "", "ec2:CreateFlowLogs"),
        Calls(ROLE.format(f"{PREFIX}-flow-logs"), "", "iam:PassRole"),
    ],
    "aws_glue_catalog_database": [
        Calls(
            "arn:aws:glue:us-east-1:123456789012:database/{name}",
            "glue:GetDatabase glue:GetTags",
            "glue:CreateDatabase glue:UpdateDatabase glue:DeleteDatabase glue:TagResource",
        )
    ],
    "aws_ecs_cluster": [
        Calls(
            "arn:aws:ecs:us-east-1:123456789012:cluster/{name}",
            "ecs:DescribeClusters ecs:ListTagsForResource",
            "ecs:CreateCluster ecs:UpdateCluster ecs:DeleteCluster ecs:TagResource",
        )
    ],
    # Revisions are only added: parts.tf says why none is removed.
    "aws_ecs_task_definition": [
        Calls("*", "ecs:DescribeTaskDefinition"),
        Calls(
            "arn:aws:ecs:us-east-1:123456789012:task-definition/{family}:1",
            "",
            "ecs:RegisterTaskDefinition ecs:TagResource",
        ),
    ],
    "aws_glue_connection": [
        Calls(
            "arn:aws:glue:us-east-1:123456789012:connection/{name}",
            "glue:GetConnection glue:GetTags",
            "glue:CreateConnection glue:UpdateConnection glue:DeleteConnection glue:TagResource",
        )
    ],
    "aws_glue_catalog_table": [
        Calls(
            "arn:aws:glue:us-east-1:123456789012:table/{database_name}/{name}",
            "glue:GetTable glue:GetPartitionIndexes",
            "glue:CreateTable glue:UpdateTable glue:DeleteTable",
        )
    ],
    "aws_glue_data_quality_ruleset": [
        Calls(
            "arn:aws:glue:us-east-1:123456789012:dataQualityRuleset/{name}",
            "glue:GetDataQualityRuleset glue:GetTags",
            "glue:CreateDataQualityRuleset glue:UpdateDataQualityRuleset glue:DeleteDataQualityRuleset"
            " glue:TagResource",
        )
    ],
    "aws_glue_job": [
        Calls(
            "arn:aws:glue:us-east-1:123456789012:job/{name}",
            "glue:GetJob glue:GetTags",
            "glue:CreateJob glue:UpdateJob glue:DeleteJob glue:TagResource",
        )
    ],
    "aws_glue_trigger": [
        Calls(
            "arn:aws:glue:us-east-1:123456789012:trigger/{name}",
            "glue:GetTrigger glue:GetTags",
            "glue:CreateTrigger glue:UpdateTrigger glue:DeleteTrigger glue:StartTrigger glue:StopTrigger"
            " glue:TagResource",
        )
    ],
    "aws_glue_security_configuration": [
        Calls(
            "*",
            "glue:GetSecurityConfiguration",
            "glue:CreateSecurityConfiguration glue:DeleteSecurityConfiguration",
        )
    ],
    "aws_iam_role": [
        Calls(
            ROLE.format("{name}"),
            "iam:GetRole iam:GetRolePolicy iam:ListRolePolicies iam:ListAttachedRolePolicies",
            "iam:CreateRole iam:UpdateAssumeRolePolicy iam:UpdateRole iam:PutRolePermissionsBoundary"
            " iam:TagRole iam:ListInstanceProfilesForRole iam:DeleteRole",
        )
    ],
    "aws_iam_role_policies_exclusive": [
        Calls(ROLE.format("{role_name}"), "iam:ListRolePolicies", "iam:DeleteRolePolicy")
    ],
    "aws_iam_role_policy": [
        Calls(ROLE.format("{role}"), "iam:GetRolePolicy", "iam:PutRolePolicy iam:DeleteRolePolicy")
    ],
    "aws_iam_role_policy_attachments_exclusive": [
        Calls(ROLE.format("{role_name}"), "iam:ListAttachedRolePolicies", "iam:DetachRolePolicy")
    ],
    "aws_kinesis_firehose_delivery_stream": [
        Calls(
            "arn:aws:firehose:us-east-1:123456789012:deliverystream/{name}",
            "firehose:DescribeDeliveryStream firehose:ListTagsForDeliveryStream",
            "firehose:CreateDeliveryStream firehose:UpdateDestination firehose:DeleteDeliveryStream"
            " firehose:StartDeliveryStreamEncryption firehose:StopDeliveryStreamEncryption"
            " firehose:TagDeliveryStream",
        ),
        Calls("arn:aws:kms:us-east-1:123456789012:key/1", "", "kms:CreateGrant"),
    ],
    "aws_kms_alias": [
        Calls("*", "kms:ListAliases"),
        Calls(
            "arn:aws:kms:us-east-1:123456789012:{name}",
            "",
            "kms:CreateAlias kms:UpdateAlias kms:DeleteAlias",
        ),
    ],
    "aws_kms_key": [
        Calls("*", "", "kms:CreateKey"),
        Calls(
            "arn:aws:kms:us-east-1:123456789012:key/1",
            "kms:DescribeKey kms:GetKeyPolicy kms:GetKeyRotationStatus kms:ListResourceTags kms:GetPublicKey",
            "kms:PutKeyPolicy kms:EnableKeyRotation kms:UpdateKeyDescription kms:TagResource kms:CreateAlias",
        ),
    ],
    "aws_lambda_event_source_mapping": [
        Calls("*", "", "lambda:CreateEventSourceMapping"),
        Calls(
            "arn:aws:lambda:us-east-1:123456789012:event-source-mapping:1",
            "lambda:GetEventSourceMapping lambda:ListTags",
            "lambda:UpdateEventSourceMapping lambda:DeleteEventSourceMapping lambda:TagResource",
        ),
    ],
    "aws_lambda_function": [
        Calls(
            "arn:aws:lambda:us-east-1:123456789012:function:{function_name}",
            "lambda:GetFunction lambda:GetFunctionCodeSigningConfig lambda:ListVersionsByFunction",
            "lambda:CreateFunction lambda:UpdateFunctionCode lambda:UpdateFunctionConfiguration"
            " lambda:DeleteFunction lambda:TagResource",
        )
    ],
    "aws_lambda_function_event_invoke_config": [
        Calls(
            FUNCTION.format("{function_name}"),
            "lambda:GetFunctionEventInvokeConfig",
            "lambda:PutFunctionEventInvokeConfig lambda:DeleteFunctionEventInvokeConfig",
        )
    ],
    "aws_lambda_invocation": [Calls(FUNCTION.format("{function_name}"), "", "lambda:InvokeFunction")],
    "aws_lambda_permission": [
        Calls(
            FUNCTION.format("{function_name}"),
            "lambda:GetPolicy",
            "lambda:AddPermission lambda:RemovePermission",
        )
    ],
    "aws_mwaa_environment": [
        Calls(
            "arn:aws:airflow:us-east-1:123456789012:environment/{name}",
            "airflow:GetEnvironment",
            "airflow:CreateEnvironment airflow:UpdateEnvironment airflow:DeleteEnvironment"
            " airflow:TagResource",
        ),
        Calls(ROLE.format(f"{PREFIX}-orchestrator"), "", "iam:PassRole"),
        Calls("arn:aws:kms:us-east-1:123456789012:key/1", "kms:DescribeKey", "kms:CreateGrant"),
        *(
            Calls(f"arn:aws:ec2:us-east-1:123456789012:{kind}/1", "", f"ec2:{action}")
            for action, kinds in (
                ("CreateNetworkInterface", ("network-interface", "subnet")),
                ("CreateVpcEndpoint", ("security-group", "subnet", "vpc", "vpc-endpoint")),
            )
            for kind in kinds
        ),
    ],
    "aws_route_table": [
        *network("route-table", "ec2:DescribeRouteTables", "ec2:CreateRouteTable ec2:DeleteRouteTable"),
        Calls("arn:aws:ec2:us-east-1:123456789012:vpc/1", "", "ec2:CreateRouteTable"),
    ],
    "aws_route_table_association": [
        *network(
            "route-table",
            "ec2:DescribeRouteTables",
            "ec2:AssociateRouteTable ec2:DisassociateRouteTable",
        ),
        Calls("arn:aws:ec2:us-east-1:123456789012:subnet/1", "", "ec2:AssociateRouteTable"),
    ],
    "aws_s3_bucket": [
        bucket(
            "s3:ListBucket s3:GetBucketPolicy s3:GetBucketAcl s3:GetBucketCORS s3:GetBucketWebsite"
            " s3:GetBucketVersioning s3:GetAccelerateConfiguration s3:GetBucketRequestPayment"
            " s3:GetBucketLogging s3:GetLifecycleConfiguration s3:GetReplicationConfiguration"
            " s3:GetEncryptionConfiguration s3:GetBucketObjectLockConfiguration s3:GetBucketTagging",
            "s3:CreateBucket s3:PutBucketTagging s3:DeleteBucket",
        )
    ],
    "aws_s3_bucket_lifecycle_configuration": [
        bucket("s3:GetLifecycleConfiguration", "s3:PutLifecycleConfiguration")
    ],
    "aws_s3_bucket_logging": [bucket("s3:GetBucketLogging", "s3:PutBucketLogging")],
    "aws_s3_bucket_notification": [bucket("s3:GetBucketNotification", "s3:PutBucketNotification")],
    "aws_s3_bucket_object_lock_configuration": [
        bucket("s3:GetBucketObjectLockConfiguration", "s3:PutBucketObjectLockConfiguration")
    ],
    "aws_s3_bucket_ownership_controls": [
        bucket("s3:GetBucketOwnershipControls", "s3:PutBucketOwnershipControls")
    ],
    "aws_s3_bucket_replication_configuration": [
        bucket("s3:GetReplicationConfiguration", "s3:PutReplicationConfiguration")
    ],
    "aws_s3_bucket_policy": [
        bucket("s3:GetBucketPolicy", "s3:PutBucketPolicy s3:DeleteBucketPolicy"),
    ],
    "aws_s3_bucket_public_access_block": [
        bucket("s3:GetBucketPublicAccessBlock", "s3:PutBucketPublicAccessBlock")
    ],
    "aws_s3_bucket_server_side_encryption_configuration": [
        bucket("s3:GetEncryptionConfiguration", "s3:PutEncryptionConfiguration")
    ],
    "aws_s3_bucket_versioning": [bucket("s3:GetBucketVersioning", "s3:PutBucketVersioning")],
    "aws_s3_object": [
        Calls(
            "arn:aws:s3:::{bucket}/{key}",
            "s3:GetObject s3:GetObjectTagging",
            "s3:PutObject s3:PutObjectTagging",
        ),
        # The registry alone has a lock, which HeadObject shows to those who may read it.
        Calls(
            f"arn:aws:s3:::{PREFIX}-provenance-123456789012/keys/registry.json",
            "s3:GetObjectRetention",
        ),
        Calls("arn:aws:kms:us-east-1:123456789012:key/1", "kms:Decrypt", "kms:GenerateDataKey"),
    ],
    "aws_secretsmanager_secret": [
        Calls(
            SECRET.format("{name}"),
            "secretsmanager:DescribeSecret secretsmanager:GetResourcePolicy",
            "secretsmanager:CreateSecret secretsmanager:UpdateSecret secretsmanager:DeleteSecret"
            " secretsmanager:PutResourcePolicy secretsmanager:TagResource",
        )
    ],
    "aws_secretsmanager_secret_rotation": [
        Calls(
            SECRET.format(f"{PREFIX}-warehouse"),
            "secretsmanager:DescribeSecret",
            "secretsmanager:RotateSecret secretsmanager:CancelRotateSecret",
        ),
        Calls(FUNCTION.format(f"{PREFIX}-rotator"), "", "lambda:InvokeFunction"),
    ],
    "aws_security_group": [
        *network(
            "security-group",
            "ec2:DescribeSecurityGroups ec2:DescribeNetworkInterfaces",
            "ec2:CreateSecurityGroup ec2:RevokeSecurityGroupEgress ec2:DeleteSecurityGroup",
        ),
        Calls("arn:aws:ec2:us-east-1:123456789012:vpc/1", "", "ec2:CreateSecurityGroup"),
    ],
    "aws_sns_topic": [
        Calls(
            "arn:aws:sns:us-east-1:123456789012:{name}",
            "sns:GetTopicAttributes sns:ListTagsForResource",
            "sns:CreateTopic sns:SetTopicAttributes sns:DeleteTopic sns:TagResource",
        )
    ],
    # It is only added: apply.tf says why it is neither changed nor removed.
    "aws_sns_topic_subscription": [
        Calls("*", "sns:GetSubscriptionAttributes"),
        Calls("{topic_arn}", "", "sns:Subscribe"),
    ],
    "aws_sqs_queue": [
        Calls(
            "arn:aws:sqs:us-east-1:123456789012:{name}",
            "sqs:GetQueueAttributes sqs:ListQueueTags",
            "sqs:CreateQueue sqs:SetQueueAttributes sqs:DeleteQueue sqs:TagQueue",
        )
    ],
    "aws_subnet": [
        *network(
            "subnet",
            "ec2:DescribeSubnets ec2:DescribeNetworkInterfaces",
            "ec2:CreateSubnet ec2:ModifySubnetAttribute ec2:DeleteSubnet",
        ),
        Calls("arn:aws:ec2:us-east-1:123456789012:vpc/1", "", "ec2:CreateSubnet"),
    ],
    "aws_vpc": [
        *network(
            "vpc",
            "ec2:DescribeVpcs ec2:DescribeNetworkAcls ec2:DescribeRouteTables ec2:DescribeSecurityGroups",
            "ec2:CreateVpc ec2:ModifyVpcAttribute ec2:DeleteVpc",
        ),
        Calls("arn:aws:ec2:us-east-1:123456789012:vpc/1", "ec2:DescribeVpcAttribute"),
    ],
    "aws_vpc_endpoint": [
        *network(
            "vpc-endpoint",
            "ec2:DescribeVpcEndpoints ec2:DescribePrefixLists",
            "ec2:CreateVpcEndpoint ec2:ModifyVpcEndpoint ec2:DeleteVpcEndpoints",
        ),
        *(
            Calls(f"arn:aws:ec2:us-east-1:123456789012:{kind}/1", "", "ec2:CreateVpcEndpoint")
            for kind in ("route-table", "security-group", "subnet", "vpc")
        ),
    ],
    "aws_vpc_security_group_egress_rule": rule("Egress"),
    "aws_vpc_security_group_ingress_rule": rule("Ingress"),
}
OF_BOOTSTRAP = {"aws_iam_policy"}
"""The boundaries: on AWS bootstrap makes them, and a workflow may not touch them."""

ADMINISTRATORS = (
    f"cloudtrail:DeleteTrail arn:aws:cloudtrail:us-east-1:123456789012:trail/{PREFIX}",
    f"cloudtrail:StopLogging arn:aws:cloudtrail:us-east-1:123456789012:trail/{PREFIX}",
    "kms:ScheduleKeyDeletion arn:aws:kms:us-east-1:123456789012:key/1",
    "kms:DisableKey arn:aws:kms:us-east-1:123456789012:key/1",
    "kms:Sign arn:aws:kms:us-east-1:123456789012:key/1",
    f"iam:CreatePolicyVersion arn:aws:iam::123456789012:policy/{PREFIX}-service-boundary",
    f"iam:AttachRolePolicy arn:aws:iam::123456789012:role/{PREFIX}-recorder",
    f"iam:DeleteRolePermissionsBoundary arn:aws:iam::123456789012:role/{PREFIX}-recorder",
    f"lambda:InvokeFunction arn:aws:lambda:us-east-1:123456789012:function:{PREFIX}-recorder",
    f"s3:GetObject arn:aws:s3:::{PREFIX}-raw-data-123456789012/incoming/a.csv",
    f"s3:PutObject arn:aws:s3:::{PREFIX}-provenance-123456789012/provenance/a.json",
    f"s3:DeleteObject arn:aws:s3:::{PREFIX}-provenance-123456789012/keys/registry.json",
    f"s3:PutObject arn:aws:s3:::{PREFIX}-state-123456789012/custody/local/bootstrap.tfstate",
    f"secretsmanager:GetSecretValue {SECRET.format(f'{PREFIX}-warehouse')}",
    "lakeformation:GetDataAccess *",
)


@pytest.fixture(scope="module")
def parts() -> PlanDocument:
    """The kit with the parts that an environment may do without."""
    return PlanDocument(planned_parts(print))


@pytest.fixture(scope="module")
def workflows() -> dict[str, Any]:
    return planned_workflows(print)


def stated(workflows: dict[str, Any], role: str, effect: str) -> list[dict[str, Any]]:
    """The statements of a role's own policies that have an effect."""
    made = roles(workflows)[f"{PREFIX}-{role}"]
    return [
        statement
        for policy in made.policies
        for statement in statements(policy.document)
        if statement["Effect"] == effect
    ]


def allowed(workflows: dict[str, Any], role: str) -> list[dict[str, Any]]:
    """The statements that allow something to a role."""
    return stated(workflows, role, "Allow")


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def gives(given: list[dict[str, Any]], action: str, arn: str) -> bool:
    """Whether a statement names action and resource; the access matrix tests the conditions."""
    return any(
        any(fnmatchcase(action, pattern) for pattern in listed(statement["Action"]))
        and any(fnmatchcase(arn, pattern) for pattern in listed(statement["Resource"]))
        for statement in given
    )


def filled(calls: Calls, change: dict[str, Any]) -> str:
    """The ARN; a function is named by its ARN or its name alike."""
    values = change["change"]["after"]
    return calls.arn.format_map(
        {**values, "function_name": values.get("function_name", "").rpartition(":")[2]}
    )


def missing(given: list[dict[str, Any]], plan: PlanDocument, *, changes: bool) -> set[str]:
    """Calls of the provider on resources of the plan that nothing allows."""
    found = set()
    for change in plan.changes:
        if change["mode"] != "managed" or change["type"] in OF_BOOTSTRAP:
            continue
        for calls in CALLS[change["type"]]:
            arn = filled(calls, change)
            for action in f"{calls.reads} {calls.changes if changes else ''}".split():
                if not gives(given, action, arn):
                    found.add(f"{action} {arn}")
    return found


def test_every_type_is_known(plan: PlanDocument, parts: PlanDocument) -> None:
    changes = [*plan.changes, *parts.changes]
    types = {change["type"] for change in changes if change["mode"] == "managed"}
    assert types - OF_BOOTSTRAP == set(CALLS)


def test_a_plan_may_read_everything_in_it(
    plan: PlanDocument, parts: PlanDocument, workflows: dict[str, Any]
) -> None:
    for planned in (plan, parts):
        assert missing(allowed(workflows, "plan"), planned, changes=False) == set()


def test_an_apply_may_make_change_and_remove_everything_in_it(
    plan: PlanDocument, parts: PlanDocument, workflows: dict[str, Any]
) -> None:
    for planned in (plan, parts):
        assert missing(allowed(workflows, "apply"), planned, changes=True) == set()


def test_a_plan_may_change_nothing(
    plan: PlanDocument, parts: PlanDocument, workflows: dict[str, Any]
) -> None:
    for planned in (plan, parts):
        wanted = missing(allowed(workflows, "plan"), planned, changes=True)
        every = {
            f"{action} {filled(calls, change)}"
            for change in planned.changes
            if change["type"] in CALLS
            for calls in CALLS[change["type"]]
            for action in calls.changes.split()
        }
        assert wanted == every


@pytest.mark.parametrize("call", ADMINISTRATORS)
def test_neither_may_do_what_is_an_administrators(workflows: dict[str, Any], call: str) -> None:
    for role in ("plan", "apply"):
        assert not gives(allowed(workflows, role), *call.split())


DENIED = (
    f"cloudtrail:StopLogging arn:aws:cloudtrail:us-east-1:123456789012:trail/{PREFIX}",
    "kms:Sign arn:aws:kms:us-east-1:123456789012:key/1",
    f"iam:DeleteRolePermissionsBoundary arn:aws:iam::123456789012:role/{PREFIX}-recorder",
    "lakeformation:GetDataAccess *",
    f"s3:DeleteObjectVersion arn:aws:s3:::{PREFIX}-provenance-123456789012/keys/registry.json",
    f"s3:PutObject arn:aws:s3:::{PREFIX}-state-123456789012/custody/local/bootstrap.tfstate",
    f"secretsmanager:GetSecretValue {SECRET.format(f'{PREFIX}-warehouse')}",
)
"""What the boundary has no room to deny: their own policies do, whatever a policy of a resource allows."""


@pytest.mark.parametrize("role", ["apply", "plan"])
@pytest.mark.parametrize("call", DENIED)
def test_both_are_denied_what_a_policy_of_a_resource_could_allow(
    workflows: dict[str, Any], role: str, call: str
) -> None:
    assert gives(stated(workflows, role, "Deny"), *call.split())


@pytest.mark.parametrize("role", ["apply", "plan"])
def test_neither_can_take_its_denies_away(workflows: dict[str, Any], role: str) -> None:
    made = roles(workflows)[f"{PREFIX}-{role}"]
    assert made.boundary is not None
    denied = [one for one in statements(made.boundary.document) if one["Effect"] == "Deny"]
    for policy in made.policies:
        if policy.name == f"{PREFIX}-ci-limits":
            assert gives(denied, "iam:CreatePolicyVersion", f"arn:aws:iam::123456789012:policy/{policy.name}")
            break
    else:
        raise AssertionError(f"{role} has no policy of denies")
    for action in ("DetachRolePolicy", "PutRolePolicy", "UpdateAssumeRolePolicy"):
        assert gives(denied, f"iam:{action}", f"arn:aws:iam::123456789012:role/{PREFIX}-{role}")


def test_a_call_that_is_no_longer_allowed_is_found(plan: PlanDocument, workflows: dict[str, Any]) -> None:
    given = json.loads(json.dumps(allowed(workflows, "plan")).replace("events:DescribeRule", "events:List"))
    assert {call.split()[0] for call in missing(given, plan, changes=False)} == {"events:DescribeRule"}
