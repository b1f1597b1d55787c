"""Fixes for differences between moto 5.2.5 and AWS: one module per behaviour, each with a test."""

from __future__ import annotations

from importlib import import_module

from scripts.local_aws.patches import (
    athena,
    athena_named_queries,
    cloudtrail_describe_trails,
    cloudwatch_alarm_states,
    cloudwatch_composite_alarms,
    events_object_arrays,
    glue_connections,
    glue_data_quality_rulesets,
    glue_update_job,
    instance_tracking,
    kms_ed25519,
    kms_key_arns,
    kms_last_usage,
    kms_sign,
    lakeformation_data_cells_filters,
    lakeformation_revocation,
    lambda_configuration,
    lambda_event_invoke_config,
    lambda_mappings_of_function,
    request_ids,
    s3_access_logs,
    s3_atomic_writes,
    s3_bucket_policy,
    s3_checksums,
    s3_delete_markers,
    s3_delete_objects,
    s3_large_objects,
    s3_list_versions,
    s3_multipart_uploads,
    s3_notification_settings,
    s3_notifications,
    s3_object_lock,
    s3_replication,
    sqs_queue_policies,
    sqs_redrive_policies,
    sqs_threads,
    sso_permission_sets,
)

_PATCHES = (
    athena,
    athena_named_queries,
    cloudtrail_describe_trails,
    cloudwatch_alarm_states,
    cloudwatch_composite_alarms,
    events_object_arrays,
    glue_connections,
    glue_data_quality_rulesets,
    glue_update_job,
    instance_tracking,
    kms_ed25519,
    kms_key_arns,
    kms_sign,
    kms_last_usage,
    lakeformation_data_cells_filters,
    lakeformation_revocation,
    lambda_configuration,
    lambda_event_invoke_config,
    lambda_mappings_of_function,
    request_ids,
    s3_access_logs,
    s3_atomic_writes,
    s3_bucket_policy,
    s3_checksums,
    s3_delete_markers,
    s3_delete_objects,
    s3_large_objects,
    s3_list_versions,
    s3_multipart_uploads,
    s3_notification_settings,
    s3_notifications,
    s3_object_lock,
    s3_replication,
    sqs_queue_policies,
    sqs_redrive_policies,
    sqs_threads,
    sso_permission_sets,
)


_AT_FIRST_USE = {"ec2": "ec2_rule_descriptions"}
"""Patches of services that few need and moto takes long to import: a third of the time a server starts in."""


def apply_all() -> None:
    """Apply every patch to the moto of this process, except those ``at_first_use``. Call it once."""
    for patch in _PATCHES:
        patch.apply()


def at_first_use(service: str) -> None:
    """Apply the patch that waits until a service is asked for, if there is one. Call it once for each."""
    if service in _AT_FIRST_USE:
        import_module(f"{__name__}.{_AT_FIRST_USE[service]}").apply()
