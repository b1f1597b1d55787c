from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.account import Account

NOW = datetime.now(UTC).replace(microsecond=0)
NEXT_YEAR, NEXT_WEEK = NOW + timedelta(days=365), NOW + timedelta(days=7)


def locked(account: Account, mode: str, until: datetime = NEXT_YEAR) -> tuple[str, str]:
    """Bucket and version of an object under retention."""
    bucket = account.bucket(lock=True)
    put = account.client("s3").put_object(
        Bucket=bucket,
        Key="key",
        Body=b"evidence",
        ObjectLockMode=mode,
        ObjectLockRetainUntilDate=until,
        ChecksumAlgorithm="SHA256",
    )
    return bucket, put["VersionId"]


def retain(account: Account, bucket: str, version: str, mode: str, until: datetime, **more: Any) -> None:
    account.client("s3").put_object_retention(
        Bucket=bucket,
        Key="key",
        VersionId=version,
        Retention={"Mode": mode, "RetainUntilDate": until},
        **more,
    )


def compliance_is_never_shortened(account: Account) -> None:
    bucket, version = locked(account, "COMPLIANCE")
    for mode, until in (("COMPLIANCE", NEXT_WEEK), ("GOVERNANCE", NEXT_YEAR + timedelta(days=1))):
        with pytest.raises(ClientError, match="AccessDenied"):
            retain(account, bucket, version, mode, until, BypassGovernanceRetention=True)
    with pytest.raises(ClientError, match="AccessDenied"):
        account.client("s3").delete_object(
            Bucket=bucket, Key="key", VersionId=version, BypassGovernanceRetention=True
        )


def an_upload_in_parts_gets_the_default_retention(account: Account) -> None:
    s3, bucket = account.client("s3"), account.bucket(lock=True)
    s3.put_object_lock_configuration(
        Bucket=bucket,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 2}},
        },
    )
    upload = s3.create_multipart_upload(Bucket=bucket, Key="key")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="key", UploadId=upload, PartNumber=1, Body=b"x")
    done = s3.complete_multipart_upload(
        Bucket=bucket,
        Key="key",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=bucket, Key="key", VersionId=done["VersionId"])


def versioning_stays_on_under_object_lock(account: Account) -> None:
    bucket = account.bucket(lock=True)
    with pytest.raises(ClientError, match="InvalidBucketState"):
        account.client("s3").put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}
        )


def a_bucket_in_use_can_be_configured(account: Account) -> None:
    s3 = account.client("s3")
    bucket, _ = locked(account, "GOVERNANCE")
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})


def retention_is_told(account: Account) -> None:
    bucket, version = locked(account, "GOVERNANCE")
    told = account.client("s3").get_object_retention(Bucket=bucket, Key="key", VersionId=version)
    assert told["Retention"] == {"Mode": "GOVERNANCE", "RetainUntilDate": NEXT_YEAR}


BEHAVIOURS = [
    compliance_is_never_shortened,
    an_upload_in_parts_gets_the_default_retention,
    versioning_stays_on_under_object_lock,
    a_bucket_in_use_can_be_configured,
    retention_is_told,
]


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_the_local_aws(behaviour: Any, aws: Account) -> None:
    behaviour(aws)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_moto_alone_does_not(behaviour: Any, moto: Account) -> None:
    with pytest.raises((AssertionError, ClientError, pytest.fail.Exception)):
        behaviour(moto)


def test_governance_yields_to_who_bypasses_it(aws: Account) -> None:
    s3 = aws.client("s3")
    bucket, version = locked(aws, "GOVERNANCE")
    retain(aws, bucket, version, "GOVERNANCE", NEXT_YEAR + timedelta(days=1))
    with pytest.raises(ClientError, match="AccessDenied"):
        retain(aws, bucket, version, "GOVERNANCE", NEXT_WEEK)
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=bucket, Key="key", VersionId=version, BypassGovernanceRetention=False)
    retain(aws, bucket, version, "GOVERNANCE", NEXT_WEEK, BypassGovernanceRetention=True)
    s3.delete_object(Bucket=bucket, Key="key", VersionId=version, BypassGovernanceRetention=True)


def test_retention_ends_in_the_future(aws: Account) -> None:
    bucket, version = locked(aws, "GOVERNANCE")
    with pytest.raises(ClientError, match="must be in the future"):
        retain(aws, bucket, version, "GOVERNANCE", NOW - timedelta(days=1))
    with pytest.raises(ClientError, match="NoSuchVersion"):
        retain(aws, bucket, "none", "GOVERNANCE", NEXT_YEAR)
