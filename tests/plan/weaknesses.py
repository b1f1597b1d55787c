"""What no statement of the kit may contain."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.plan.document import UNKNOWN, Statement

ACTION_FAMILIES = {"kms:GenerateDataKey*", "kms:ReEncrypt*"}
"""The only wildcards an Allow has: AWS documents these two as one permission each."""

WITHOUT_RESOURCE = {
    "cloudtrail:ListPublicKeys",
    "cloudwatch:DescribeAlarmHistory",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:GetMetricData",
    "cloudwatch:ListDashboards",
    "cloudwatch:ListMetrics",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcEndpoints",
    "ecr:GetAuthorizationToken",
    "lakeformation:GetDataAccess",
    "lambda:ListEventSourceMappings",
}
"""Actions without resource-level permissions, or whose permission on one resource shows too little: classic
metrics, composite alarms."""

SOURCE = re.compile(r"aws:SourceArn|kms:EncryptionContext:.+")
"""Condition keys for the resource for which a service acts. Its account alone would allow any resource in
it."""


def weaknesses(statement: Statement) -> Iterator[str]:
    """Yield what is wrong with a statement, in words."""
    if not re.fullmatch(r"[A-Z][A-Za-z0-9]+", statement.sid):
        yield "does not say its intent in a sid"
    for negation in statement.negations:
        yield f"uses {negation}, which means everything else"
    if statement.effect == "Deny":
        return
    for action in statement.actions:
        if "*" in action and action not in ACTION_FAMILIES:
            yield f"allows {action}"
    for resource in statement.resources:
        if resource == "*" and not (statement.in_key_policy or set(statement.actions) <= WITHOUT_RESOURCE):
            yield "allows it on every resource"
        # The boundary's keys: their ids are random, their aliases are the kit's.
        if "kms:ResourceAliases" not in statement.condition_keys and re.search(
            r":(key|function|role|queue|bucket)/\*$|^arn:[^:]+:s3:::\*", resource
        ):
            yield f"allows it on all of a kind: {resource}"
    for principal in statement.principals:
        if principal == "*" or re.fullmatch(r"arn:[^:]+:iam::\*.*|arn:[^:]+:iam::\d+:\*", principal):
            yield "lets anybody in"
        if principal == UNKNOWN:
            yield "names a principal that the plan does not know"
    if statement.services and not any(SOURCE.fullmatch(key) for key in statement.condition_keys):
        yield f"lets {', '.join(statement.services)} in for any resource"
