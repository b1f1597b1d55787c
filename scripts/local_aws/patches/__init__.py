"""What moto 5.2.5 does unlike AWS, mended: one module a behaviour, each with the test that states it."""

from __future__ import annotations

from scripts.local_aws.patches import (
    cloudtrail_describe_trails,
    instance_tracking,
    kms_sign,
    s3_atomic_writes,
    s3_bucket_policy,
    s3_notifications,
    sqs_redrive_policies,
    sqs_threads,
)

_PATCHES = (
    cloudtrail_describe_trails,
    instance_tracking,
    kms_sign,
    s3_atomic_writes,
    s3_bucket_policy,
    s3_notifications,
    sqs_redrive_policies,
    sqs_threads,
)


def apply_all() -> None:
    """Apply every patch to the moto of this process. Call it once."""
    for patch in _PATCHES:
        patch.apply()
