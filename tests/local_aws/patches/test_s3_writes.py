from __future__ import annotations

from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.account import Account


def of_many_conditional_writers_one_wins(account: Account) -> None:
    s3, bucket = account.client("s3"), account.bucket()

    def create(key: str) -> int:
        try:
            s3.put_object(Bucket=bucket, Key=key, Body=b"x" * 20_000, IfNoneMatch="*")
        except ClientError as error:
            return 0 if error.response["Error"]["Code"] == "PreconditionFailed" else -1
        return 1

    keys = [f"key-{number}" for number in range(60) for _ in range(8)]
    with ThreadPoolExecutor(16) as threads:
        won = sum(threads.map(create, keys))
    versions = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert won == len(versions) == 60


def every_version_of_a_key_is_kept(account: Account) -> None:
    s3, bucket = account.client("s3"), account.bucket()
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda n: s3.put_object(Bucket=bucket, Key="key", Body=str(n)), range(200)))
    assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 200


def a_key_that_is_written_meanwhile_is_read_with_its_own_checksum(account: Account) -> None:
    s3, bucket = account.client("s3"), account.bucket()
    s3.put_object(Bucket=bucket, Key="key", Body="0")

    def read(_: int) -> bytes:
        body: bytes = s3.get_object(Bucket=bucket, Key="key")["Body"].read()
        return body

    with ThreadPoolExecutor(16) as threads:
        written = [
            threads.submit(s3.put_object, Bucket=bucket, Key="key", Body=str(number) * 200_000)
            for number in range(200)
        ]
        assert all(threads.map(read, range(400)))
        assert all(each.result() for each in written)


def a_part_of_an_unknown_upload_is_refused(account: Account) -> None:
    s3, bucket = account.client("s3"), account.bucket()
    with pytest.raises(ClientError, match="NoSuchUpload"):
        s3.upload_part(Bucket=bucket, Key="key", UploadId="none", PartNumber=1, Body=b"")


def other_bytes_than_were_hashed_are_refused(account: Account) -> None:
    s3, bucket = account.client("s3"), account.bucket()
    wrong = b64encode(sha256(b"date").digest()).decode()
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="key", ChecksumAlgorithm="SHA256")["UploadId"]
    for send in (s3.put_object, partial(s3.upload_part, UploadId=upload_id, PartNumber=1)):
        code = None
        try:
            send(Bucket=bucket, Key="key", Body=b"data", ChecksumSHA256=wrong)
        except ClientError as error:
            code = error.response["Error"]["Code"]
        assert code == "BadDigest"
    assert "Versions" not in s3.list_object_versions(Bucket=bucket)
    assert "Parts" not in s3.list_parts(Bucket=bucket, Key="key", UploadId=upload_id)


def parts_are_listed_with_their_checksums(account: Account) -> None:
    s3, bucket = account.client("s3"), account.bucket()
    checksum = b64encode(sha256(b"data").digest()).decode()
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="key", ChecksumAlgorithm="SHA256")["UploadId"]
    upload: dict[str, Any] = {"Bucket": bucket, "Key": "key", "UploadId": upload_id}
    s3.upload_part(**upload, PartNumber=1, Body=b"data", ChecksumSHA256=checksum)
    assert [part["ChecksumSHA256"] for part in s3.list_parts(**upload)["Parts"]] == [checksum]


def a_saved_request_writes_no_log(account: Account) -> None:
    s3, source, target = account.client("s3"), account.bucket(), account.bucket()
    s3.put_bucket_policy(
        Bucket=target,
        Policy='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:PutObject",'
        '"Principal":{"Service":"logging.s3.amazonaws.com"},'
        f'"Resource":"arn:aws:s3:::{target}/*"}}]}}',
    )
    s3.put_bucket_logging(
        Bucket=source,
        BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": "log/"}},
    )
    s3.put_object(Bucket=source, Key="key", Body=b"")
    assert "Contents" not in s3.list_objects_v2(Bucket=target)


def a_key_may_hold_any_character(account: Account) -> None:
    s3, bucket = account.client("s3"), account.bucket()
    keys = ["a\nb", "a b+c%20", "ключ/文", "../x", "//", "e'\"&<", "k" * 1024]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert {entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]} == set(keys)


def an_error_names_the_request_of_its_header(account: Account) -> None:
    s3 = account.client("s3")
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=account.bucket(), Key="none")
    metadata = error.value.response["ResponseMetadata"]
    assert metadata["RequestId"] == metadata["HTTPHeaders"]["x-amz-request-id"]
    assert len(metadata["RequestId"]) == 16
    assert metadata["HostId"] == metadata["HTTPHeaders"]["x-amz-id-2"]


BEHAVIOURS = [
    of_many_conditional_writers_one_wins,
    a_part_of_an_unknown_upload_is_refused,
    other_bytes_than_were_hashed_are_refused,
    parts_are_listed_with_their_checksums,
    a_saved_request_writes_no_log,
    a_key_may_hold_any_character,
    an_error_names_the_request_of_its_header,
]


OF_ONE_AT_A_TIME = [
    every_version_of_a_key_is_kept,
    a_key_that_is_written_meanwhile_is_read_with_its_own_checksum,
]
"""What moto alone does if nothing else happens meanwhile."""


@pytest.mark.parametrize("behaviour", [*BEHAVIOURS, *OF_ONE_AT_A_TIME])
def test_the_local_aws(behaviour: Any, aws: Account) -> None:
    behaviour(aws)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_moto_alone_does_not(behaviour: Any, moto: Account) -> None:
    with pytest.raises((AssertionError, ClientError, KeyError)):
        behaviour(moto)
