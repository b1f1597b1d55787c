from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.account import Account


def a_deleted_object_is_told_from_one_that_never_was(account: Account) -> None:
    s3, bucket = account.client("s3"), account.bucket(lock=True)
    s3.put_object(Bucket=bucket, Key="deleted", Body=b"x", ChecksumAlgorithm="SHA256")
    s3.delete_object(Bucket=bucket, Key="deleted")
    found = {}
    for key in ("deleted", "never"):
        with pytest.raises(ClientError, match="NoSuchKey") as refused:
            s3.get_object(Bucket=bucket, Key=key)
        found[key] = refused.value.response["ResponseMetadata"]["HTTPHeaders"].get("x-amz-delete-marker")
    assert found == {"deleted": "true", "never": None}


def test_the_local_aws(aws: Account) -> None:
    a_deleted_object_is_told_from_one_that_never_was(aws)


def test_moto_alone_does_not(moto: Account) -> None:
    with pytest.raises(AssertionError):
        a_deleted_object_is_told_from_one_that_never_was(moto)
