"""The metrics that alarms and dashboards may be about, and whether a plan has what they name.

"Viewing metrics for Lambda functions", "Available CloudWatch metrics for Amazon SQS", "Monitor Amazon Data
Firehose using CloudWatch metrics", "Monitoring Amazon EventBridge", "List of CloudWatch metrics and
dimensions for Athena", "Using S3 Replication metrics" (Amazon S3; those alone that are published in the
source bucket's Region).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kit import Plan

METRICS = {
    "AWS/Athena": (
        {"QueryState", "QueryType", "WorkGroup"},
        {
            "EngineExecutionTime",
            "ProcessedBytes",
            "QueryPlanningTime",
            "QueryQueueTime",
            "TotalExecutionTime",
        },
    ),
    "AWS/Events": ({"RuleName"}, {"FailedInvocations", "Invocations", "MatchedEvents", "ThrottledRules"}),
    "AWS/Firehose": (
        {"DeliveryStreamName"},
        {"DeliveryToS3.DataFreshness", "DeliveryToS3.Success", "KMSKeyAccessDenied", "ThrottledRecords"},
    ),
    "AWS/Lambda": (
        {"FunctionName"},
        {"AsyncEventsDropped", "ConcurrentExecutions", "Duration", "Errors", "Invocations", "Throttles"},
    ),
    "AWS/S3": ({"DestinationBucket", "RuleId", "SourceBucket"}, {"OperationsFailedReplication"}),
    "AWS/SQS": ({"QueueName"}, {"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"}),
}
"""By namespace, the dimensions of its metrics, which are always all of them, and their names."""

NAMED_BY = {
    "DeliveryStreamName": ("aws_kinesis_firehose_delivery_stream", "name"),
    "DestinationBucket": ("aws_s3_bucket_replication_configuration", "rule.destination.bucket"),
    "FunctionName": ("aws_lambda_function", "function_name"),
    "QueueName": ("aws_sqs_queue", "name"),
    "RuleId": ("aws_s3_bucket_replication_configuration", "rule.id"),
    "RuleName": ("aws_cloudwatch_event_rule", "name"),
    "SourceBucket": ("aws_s3_bucket_replication_configuration", "bucket"),
    "WorkGroup": ("aws_athena_workgroup", "name"),
}
"""The resources, and the path of the argument, whose names a dimension has; of an ARN the name in it."""

VALUES = {
    "QueryState": {"CANCELED", "FAILED", "QUEUED", "RUNNING", "SUCCEEDED"},
    "QueryType": {"DDL", "DML", "UTILITY"},
}
"""The values of the other dimensions."""

ALARMS = ("aws_cloudwatch_composite_alarm", "aws_cloudwatch_metric_alarm")


def faults(namespace: str, metric: str, dimensions: Mapping[str, str], plan: Plan) -> Iterator[str]:
    """Yield why there never is such a metric of AWS's own."""
    wanted, metrics = METRICS.get(namespace, (set[str](), set[str]()))
    if metric not in metrics:
        yield f"{namespace} has no metric {metric}"
    elif dimensions.keys() != wanted:
        yield f"{metric} has the dimension {_listed(wanted)}, not {_listed(set(dimensions)) or 'none'}"
    else:
        for dimension, value in dimensions.items():
            known = VALUES[dimension] if dimension in VALUES else _names(plan, *NAMED_BY[dimension])
            if value not in known:
                yield f"{value} is no {dimension} of this deployment"


def _names(plan: Plan, kind: str, path: str) -> set[str]:
    found: list[Any] = [each.values for each in plan.of(kind)]
    for argument in path.split("."):
        values = [each.get(argument) for each in found]
        found = [one for value in values for one in (value if isinstance(value, list) else [value])]
    return {str(name).rpartition(":::")[2] for name in found}


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))
