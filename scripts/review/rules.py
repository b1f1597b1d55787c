"""What weaker means: by resource type and argument, which change protects data less than before.

A path leads through blocks with dots; of a block that may stand several times the first is meant. Where
Terraform's documentation of the argument does not say which way is weaker, every change is.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scripts.review.findings import About

FOREVER = float("inf")


@dataclass(frozen=True)
class Rule:
    """An argument that protects.

    ``weaker`` is asked with its value before and after, None if not set. ``lost``, where the value is a
    collection, says what the first of two has that the second lacks; ``shown`` puts one value into words.
    """

    path: str
    says: str
    weaker: Callable[[Any, Any], bool]
    about: About = "protection"
    lost: Callable[[Any, Any], list[str]] | None = None
    shown: Callable[[Any], str] = json.dumps


def _off(before: Any, after: Any) -> bool:
    return bool(before) and not after


def _on(before: Any, after: Any) -> bool:
    return bool(after) and not before


def _changed(before: Any, after: Any) -> bool:
    """Whether it is something else now: from nothing to something is no weakening."""
    return before is not None and before != after


def _members_lost(before: Any, after: Any) -> list[str]:
    return sorted(_members(before) - _members(after))


def _members(value: Any) -> set[str]:
    return {item if isinstance(item, str) else json.dumps(item, sort_keys=True) for item in value or ()}


def _less(before: Any, after: Any) -> bool:
    return float(after or 0) < float(before or 0)


def _more(before: Any, after: Any) -> bool:
    return float(after or 0) > float(before or 0)


def _less_of_forever(before: Any, after: Any) -> bool:
    """Compare durations of which 0 is for ever."""
    return float(after or FOREVER) < float(before or FOREVER)


def _less_locked(before: Any, after: Any) -> bool:
    return _days_locked(after) < _days_locked(before)


def _days_locked(retention: Any) -> int:
    block = (retention or [{}])[0]
    return (block.get("days") or 0) + 365 * (block.get("years") or 0)


def _falls(*order: str | None) -> Callable[[Any, Any], bool]:
    """Compare words that are known from the weakest to the strongest; to an unknown one is a fall."""

    def weaker(before: Any, after: Any) -> bool:
        if before == after or before not in order:
            return bool(before != after)
        return after not in order or order.index(after) < order.index(before)

    return weaker


def _earlier(before: Any, after: Any) -> bool:
    return str(after or "") < str(before or "")


def _unmatched(before: Any, after: Any) -> list[str]:
    """Return what an event pattern (JSON) matched and no longer does: values gone, fields newly asked for."""
    old, new = _asked(json.loads(before or "{}")), _asked(json.loads(after or "{}"))
    gone = [
        f"{field} {value}" for field in old.keys() & new.keys() for value in sorted(old[field] - new[field])
    ]
    asked = [f"{field} other than {', '.join(sorted(new[field]))}" for field in new.keys() - old.keys()]
    return sorted(gone + asked)


def _asked(pattern: Any, path: str = "") -> dict[str, set[str]]:
    if isinstance(pattern, dict):
        inner = [_asked(value, f"{path}.{name}" if path else name) for name, value in pattern.items()]
        return {field: values for found in inner for field, values in found.items()}
    return {path: _members(pattern)}


def _unselected(before: Any, after: Any) -> list[str]:
    """Return what advanced event selectors of a trail logged and no longer do, value by value."""
    return [
        said
        for selector in before or ()
        for atom, said in _atoms(_fields(selector))
        if not any(_selector_covers(_fields(other), atom) for other in after or ())
    ]


_Fields = dict[tuple[str, str], set[str]]


def _fields(selector: dict[str, Any]) -> _Fields:
    return {
        (entry["field"], operator): {str(value) for value in values}
        for entry in selector.get("field_selector", ())
        for operator, values in entry.items()
        if operator != "field" and values
    }


def _atoms(fields: _Fields) -> list[tuple[_Fields, str]]:
    """Take the longest list of alternatives of a selector apart."""
    alternatives = {key: values for key, values in fields.items() if not key[1].startswith("not_")}
    if not alternatives:
        return [(fields, "all events")]
    longest = max(sorted(alternatives), key=lambda key: len(alternatives[key]))
    name = f"{longest[0]} {longest[1].replace('_', ' ')}"
    return [(fields | {longest: {value}}, f"{name} {value}") for value in sorted(fields[longest])]


def _selector_covers(wide: _Fields, narrow: _Fields) -> bool:
    return all(
        (values <= narrow.get(key, set()))
        if key[1].startswith("not_")
        else (key in narrow and narrow[key] <= values)
        for key, values in wide.items()
    )


def _expires_sooner(before: Any, after: Any) -> bool:
    old, new = _expiries(before), _expiries(after)
    return any(days < old.get(what, FOREVER) for what, days in new.items())


def _expiries_shown(rules: Any) -> str:
    found = [f"{argument} {days:g} days" for (_, argument), days in sorted(_expiries(rules).items())]
    return ", ".join(found) or "never"


def _expiries(rules: Any) -> dict[tuple[str, str], float]:
    """Return after how many days lifecycle rules delete, by what they are for and which versions of it."""
    found: dict[tuple[str, str], float] = {}
    for rule in rules or ():
        where = json.dumps([rule.get("filter"), rule.get("prefix")], sort_keys=True)
        if rule.get("status") != "Enabled":
            continue
        for argument, days in (("expiration", "days"), ("noncurrent_version_expiration", "noncurrent_days")):
            for block in rule.get(argument) or ():
                after = block.get(days) or (1 if block.get("date") else None)
                if after:
                    found[where, argument] = min(float(after), found.get((where, argument), FOREVER))
    return found


def _key(path: str) -> Rule:
    return Rule(path, "encryption key", _changed)


def _loses(path: str, says: str, lost: Callable[[Any, Any], list[str]] = _members_lost) -> Rule:
    return Rule(path, says, lambda before, after: bool(lost(before, after)), lost=lost)


def _private(path: str) -> Rule:
    return Rule(path, path.replace("_", " "), _off, "exposure")


_PUBLIC_ACCESS = tuple(
    _private(path)
    for path in ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
)

RULES: dict[str, tuple[Rule, ...]] = {
    "aws_athena_workgroup": (
        Rule("configuration.enforce_workgroup_configuration", "enforcement of its configuration", _off),
        Rule(
            "configuration.result_configuration.encryption_configuration.encryption_option",
            "encryption of results",
            _falls(None, "SSE_S3", "SSE_KMS", "CSE_KMS"),
        ),
        _key("configuration.result_configuration.encryption_configuration.kms_key_arn"),
        Rule("configuration.result_configuration.output_location", "place of results", _changed),
        Rule(
            "configuration.result_configuration.expected_bucket_owner",
            "owner of the results' bucket",
            _changed,
        ),
        Rule("configuration.publish_cloudwatch_metrics_enabled", "metrics", _off),
    ),
    "aws_cloudtrail": (
        Rule("enable_logging", "logging", _off),
        Rule("enable_log_file_validation", "validation of log files", _off),
        Rule("include_global_service_events", "events of global services", _off),
        Rule("is_multi_region_trail", "logging of all regions", _off),
        Rule("is_organization_trail", "logging of all accounts", _off),
        _key("kms_key_id"),
        Rule("s3_bucket_name", "bucket", _changed),
        Rule("cloud_watch_logs_group_arn", "log group", _changed),
        Rule("cloud_watch_logs_role_arn", "role that writes the log group", _changed),
        _loses("advanced_event_selector", "events", _unselected),
        _loses("event_selector", "events"),
        _loses("insight_selector", "insights"),
    ),
    "aws_cloudwatch_event_rule": (
        Rule(
            "state", "state", _falls("DISABLED", "ENABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")
        ),
        _loses("event_pattern", "events", _unmatched),
        Rule("schedule_expression", "schedule", _changed),
    ),
    "aws_cloudwatch_event_target": (Rule("arn", "target", _changed),),
    "aws_cloudwatch_log_group": (
        Rule("retention_in_days", "days of retention", _less_of_forever),
        _key("kms_key_id"),
    ),
    "aws_cloudwatch_metric_alarm": (
        Rule("actions_enabled", "actions", _off),
        _loses("alarm_actions", "whom it tells"),
        *(
            Rule(path, path.replace("_", " "), _changed)
            for path in (
                *("comparison_operator", "dimensions", "evaluation_periods", "metric_name", "namespace"),
                *("period", "statistic", "threshold", "treat_missing_data"),
            )
        ),
    ),
    "aws_dynamodb_table": (
        Rule("deletion_protection_enabled", "protection from deletion", _off),
        Rule("point_in_time_recovery.enabled", "recovery to a point in time", _off),
        _key("server_side_encryption.kms_key_arn"),
    ),
    "aws_glue_data_catalog_encryption_settings": (
        Rule("data_catalog_encryption_settings", "encryption of the catalogue", _changed),
    ),
    "aws_glue_security_configuration": (Rule("encryption_configuration", "encryption of jobs", _changed),),
    "aws_iam_role": (Rule("max_session_duration", "longest session, seconds", _more),),
    "aws_kinesis_firehose_delivery_stream": (
        Rule("server_side_encryption.enabled", "encryption", _off),
        _key("extended_s3_configuration.kms_key_arn"),
        Rule("extended_s3_configuration.bucket_arn", "bucket", _changed),
        Rule("extended_s3_configuration.cloudwatch_logging_options.enabled", "log of errors", _off),
    ),
    "aws_kms_alias": (Rule("target_key_arn", "key", _changed),),
    "aws_kms_key": (
        Rule("enable_key_rotation", "rotation", _off),
        Rule("rotation_period_in_days", "days between rotations", _more),
        Rule("deletion_window_in_days", "days until a deletion is final", _less),
        Rule("is_enabled", "use", _off),
        Rule("bypass_policy_lockout_safety_check", "lock-out check bypassed", _on),
    ),
    "aws_lambda_event_source_mapping": (
        Rule("enabled", "reading of events", _off),
        Rule("function_name", "function", _changed),
        _loses("function_response_types", "answers"),
        Rule("filter_criteria", "filter", lambda before, after: before != after),
    ),
    "aws_lambda_function": (
        _key("kms_key_arn"),
        Rule("code_signing_config_arn", "check of the code's signature", _changed),
        Rule("logging_config.log_group", "log group", _changed),
    ),
    "aws_s3_account_public_access_block": _PUBLIC_ACCESS,
    "aws_s3_bucket": (Rule("force_destroy", "deletion with all objects", _on),),
    "aws_s3_bucket_lifecycle_configuration": (
        Rule("rule", "deletion of objects", _expires_sooner, shown=_expiries_shown),
    ),
    "aws_s3_bucket_logging": (Rule("target_bucket", "bucket of access logs", _changed),),
    "aws_s3_bucket_notification": (
        _loses("queue", "queues told"),
        _loses("topic", "topics told"),
        _loses("lambda_function", "functions told"),
        Rule("eventbridge", "events on the bus", _off),
    ),
    "aws_s3_bucket_object_lock_configuration": (
        Rule("object_lock_enabled", "Object Lock", _off),
        Rule("rule.default_retention.mode", "mode of retention", _falls(None, "GOVERNANCE", "COMPLIANCE")),
        Rule(
            "rule.default_retention",
            "days of retention",
            _less_locked,
            shown=lambda value: str(_days_locked(value)),
        ),
    ),
    "aws_s3_bucket_ownership_controls": (
        Rule(
            "rule.object_ownership",
            "ownership of objects",
            _falls(None, "ObjectWriter", "BucketOwnerPreferred", "BucketOwnerEnforced"),
            "exposure",
        ),
    ),
    "aws_s3_bucket_public_access_block": _PUBLIC_ACCESS,
    "aws_s3_bucket_server_side_encryption_configuration": (
        Rule(
            "rule.apply_server_side_encryption_by_default.sse_algorithm",
            "encryption",
            _falls(None, "AES256", "aws:kms", "aws:kms:dsse"),
        ),
        _key("rule.apply_server_side_encryption_by_default.kms_master_key_id"),
    ),
    "aws_s3_bucket_versioning": (
        Rule(
            "versioning_configuration.status", "versioning", _falls(None, "Disabled", "Suspended", "Enabled")
        ),
        Rule("versioning_configuration.mfa_delete", "MFA for deletes", _falls(None, "Disabled", "Enabled")),
    ),
    "aws_s3_object": (
        Rule("object_lock_mode", "mode of retention", _falls(None, "GOVERNANCE", "COMPLIANCE")),
        Rule("object_lock_retain_until_date", "end of retention", _earlier),
        Rule("object_lock_legal_hold_status", "legal hold", _falls(None, "OFF", "ON")),
        _key("kms_key_id"),
    ),
    "aws_secretsmanager_secret": (
        _key("kms_key_id"),
        Rule("recovery_window_in_days", "days until a deletion is final", _less),
    ),
    "aws_secretsmanager_secret_rotation": (
        Rule("rotation_rules.automatically_after_days", "days between rotations", _more),
    ),
    "aws_sns_topic": (_key("kms_master_key_id"),),
    "aws_sns_topic_subscription": (Rule("endpoint", "whom it tells", _changed),),
    "aws_sqs_queue": (
        _key("kms_master_key_id"),
        Rule("sqs_managed_sse_enabled", "encryption", _off),
        Rule("message_retention_seconds", "seconds a message is kept", _less),
        Rule("redrive_policy", "dead-letter queue", _changed),
    ),
    "aws_ssoadmin_permission_set": (Rule("session_duration", "longest session", _changed),),
}

PROTECTIVE = frozenset(
    {
        "aws_cloudwatch_event_rule",
        "aws_cloudwatch_event_target",
        "aws_cloudwatch_metric_alarm",
        "aws_glue_data_catalog_encryption_settings",
        "aws_iam_role_policies_exclusive",
        "aws_iam_role_policy_attachments_exclusive",
        "aws_lambda_event_source_mapping",
        "aws_s3_account_public_access_block",
        "aws_s3_bucket_logging",
        "aws_s3_bucket_notification",
        "aws_s3_bucket_object_lock_configuration",
        "aws_s3_bucket_ownership_controls",
        "aws_s3_bucket_public_access_block",
        "aws_s3_bucket_server_side_encryption_configuration",
        "aws_s3_bucket_versioning",
        "aws_secretsmanager_secret_rotation",
        "aws_sns_topic_subscription",
    }
)
"""What protects by being there."""

STATEFUL: dict[str, tuple[str, ...]] = {
    "aws_athena_workgroup": ("name",),
    "aws_cloudtrail": ("name",),
    "aws_cloudwatch_log_group": ("name",),
    "aws_dynamodb_table": ("name", "hash_key", "range_key"),
    "aws_glue_catalog_database": ("catalog_id", "name"),
    "aws_glue_catalog_table": ("catalog_id", "database_name", "name"),
    "aws_kinesis_firehose_delivery_stream": ("name",),
    "aws_kms_key": ("customer_master_key_spec", "key_usage", "multi_region"),
    "aws_s3_bucket": ("bucket", "object_lock_enabled"),
    "aws_s3_object": ("bucket", "key"),
    "aws_secretsmanager_secret": ("name",),
    "aws_sns_topic": ("fifo_topic", "name"),
    "aws_sqs_queue": ("fifo_queue", "name"),
}
"""What holds data, or what data depends on, with the arguments that a change of replaces it."""

IDENTITY: dict[str, tuple[str, ...]] = {
    **{kind: ("name",) for kind in (RULES | STATEFUL) if not kind.startswith("aws_s3")},
    **{kind: ("bucket",) for kind in RULES if kind.startswith("aws_s3_bucket")},
    **{kind: ("role_name",) for kind in PROTECTIVE if kind.startswith("aws_iam_role")},
    "aws_cloudwatch_event_rule": ("event_bus_name", "name"),
    "aws_cloudwatch_event_target": ("event_bus_name", "rule", "target_id"),
    "aws_cloudwatch_metric_alarm": ("alarm_name",),
    "aws_glue_catalog_table": ("database_name", "name"),
    "aws_kms_key": ("arn",),
    "aws_lambda_event_source_mapping": ("event_source_arn", "function_name"),
    "aws_lambda_function": ("function_name",),
    "aws_s3_object": ("bucket", "key"),
    "aws_sns_topic_subscription": ("topic_arn", "protocol", "endpoint"),
}
"""What a resource is called in AWS. What is not here goes by its address."""
