"""The metrics that alarms and dashboards may be about, and whether a plan has what they name.

"Viewing metrics for Lambda functions", "Available CloudWatch metrics for Amazon SQS", "Monitor Amazon Data
Firehose using CloudWatch metrics", "Monitoring Amazon EventBridge", "List of CloudWatch metrics and
dimensions for Athena".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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
    "AWS/SQS": ({"QueueName"}, {"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"}),
}
"""By namespace, the dimensions of its metrics, which are always all of them, and their names."""

NAMED_BY = {
    "DeliveryStreamName": ("aws_kinesis_firehose_delivery_stream", "name"),
    "FunctionName": ("aws_lambda_function", "function_name"),
    "QueueName": ("aws_sqs_queue", "name"),
    "RuleName": ("aws_cloudwatch_event_rule", "name"),
    "WorkGroup": ("aws_athena_workgroup", "name"),
}
"""The resources whose names a dimension has."""

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


def _names(plan: Plan, kind: str, argument: str) -> set[object]:
    return {each.values.get(argument) for each in plan.of(kind)}


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))
