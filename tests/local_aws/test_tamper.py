from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from scripts.local_aws import LocalAws, LocalAwsError
from tests.local_aws.account import Account


@pytest.mark.parametrize("size", [10, 6 * 1024 * 1024])
def test_a_flipped_byte_shows_in_nothing_but_the_bytes(aws: Account, server: LocalAws, size: int) -> None:
    s3, bucket = aws.client("s3"), aws.bucket()
    put = s3.put_object(Bucket=bucket, Key="key", Body=b"a" * size)
    s3.put_object(Bucket=bucket, Key="key", Body=b"newer")
    before = s3.head_object(Bucket=bucket, Key="key", VersionId=put["VersionId"])
    server.admin(
        "tamper", action="flip_byte", bucket=bucket, key="key", version_id=put["VersionId"], offset=7
    )
    after = s3.get_object(Bucket=bucket, Key="key", VersionId=put["VersionId"])
    body = after["Body"].read()
    assert (after["ETag"], after["LastModified"]) == (before["ETag"], before["LastModified"])
    assert body[7] == ord("a") ^ 0xFF
    assert body[:7] + body[8:] == b"a" * (size - 1)
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"newer"


def test_no_lock_withstands_a_deletion_behind_the_api(aws: Account, server: LocalAws) -> None:
    s3, bucket = aws.client("s3"), aws.bucket(lock=True)
    put = s3.put_object(
        Bucket=bucket,
        Key="key",
        Body=b"evidence",
        ObjectLockMode="COMPLIANCE",
        ObjectLockRetainUntilDate=datetime.now(UTC) + timedelta(days=1),
        ChecksumAlgorithm="SHA256",
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=bucket, Key="key", VersionId=put["VersionId"])
    server.admin("tamper", action="delete", bucket=bucket, key="key", version_id=put["VersionId"])
    assert "Versions" not in s3.list_object_versions(Bucket=bucket)


def test_there_must_be_something_to_change(aws: Account, server: LocalAws) -> None:
    bucket = aws.bucket()
    aws.client("s3").put_object(Bucket=bucket, Key="empty", Body=b"")
    with pytest.raises(LocalAwsError, match="the object has 0 bytes"):
        server.admin("tamper", action="flip_byte", bucket=bucket, key="empty")
    with pytest.raises(LocalAwsError, match="there is no version"):
        server.admin("tamper", action="delete", bucket=bucket, key="empty", version_id="none")


def test_what_was_deleted_behind_the_api_can_be_put_back(aws: Account, server: LocalAws) -> None:
    s3, bucket = aws.client("s3"), aws.bucket()
    versions = [s3.put_object(Bucket=bucket, Key="key", Body=b"%d" % n)["VersionId"] for n in range(3)]
    before = s3.list_object_versions(Bucket=bucket)["Versions"]
    place = {"bucket": bucket, "key": "key", "version_id": versions[1]}
    server.admin("tamper", action="delete", **place)
    assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 2
    server.admin("tamper", action="restore", **place)
    assert s3.list_object_versions(Bucket=bucket)["Versions"] == before
    read = s3.get_object(Bucket=bucket, Key="key", VersionId=versions[1])["Body"].read()
    assert read == b"1"
    with pytest.raises(LocalAwsError, match="KeyError"):
        server.admin("tamper", action="restore", **place)
