"""Fixes for differences between moto 5.2.5 and AWS: one module per behaviour, each with a test."""

from __future__ import annotations

from scripts.local_aws.patches import (
    athena,
    athena_named_queries,
    cloudtrail_describe_trails,
    ec2_rule_descriptions,
    glue_data_quality_rulesets,
    glue_update_job,
    instance_tracking,
    kms_key_arns,
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
    s3_notifications,
    s3_object_lock,
    sqs_redrive_policies,
    sqs_threads,
    sso_permission_sets,
)

_PATCHES = (
    athena,
    athena_named_queries,
    cloudtrail_describe_trails,
    ec2_rule_descriptions,
    glue_data_quality_rulesets,
    glue_update_job,
    instance_tracking,
    kms_key_arns,
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
    s3_notifications,
    s3_object_lock,
    sqs_redrive_policies,
    sqs_threads,
    sso_permission_sets,
)


def apply_all() -> None:
    """Apply every patch to the moto of this process. Call it once."""
    for patch in _PATCHES:
        patch.apply()
