from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from tests.local_aws.account import Account


def statement(bucket: str, **more: Any) -> dict[str, Any]:
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        **more,
    }


def set_policy(account: Account, bucket: str, *statements: dict[str, Any]) -> None:
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    account.client("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps(document))


def calls_over_tls_pass_a_policy_that_wants_tls(account: Account) -> None:
    s3, bucket = account.client("s3"), account.bucket()
    set_policy(account, bucket, statement(bucket, Condition={"Bool": {"aws:SecureTransport": "false"}}))
    s3.put_object(Bucket=bucket, Key="key", Body=b"bytes")
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"bytes"


def a_denied_call_is_answered_access_denied(account: Account) -> None:
    s3, bucket = account.client("s3"), account.bucket()
    s3.put_object(Bucket=bucket, Key="kept", Body=b"")
    set_policy(account, bucket, statement(bucket, Action="s3:DeleteObject*"))
    with pytest.raises(ClientError) as error:
        s3.delete_object(Bucket=bucket, Key="kept")
    assert error.value.response["Error"]["Code"] == "AccessDenied"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_calls_over_tls_pass_a_policy_that_wants_tls(aws: Account) -> None:
    calls_over_tls_pass_a_policy_that_wants_tls(aws)


def test_moto_refuses_everything_then(moto: Account) -> None:
    with pytest.raises(ClientError):
        calls_over_tls_pass_a_policy_that_wants_tls(moto)


def test_a_denied_call_is_answered_access_denied(aws: Account) -> None:
    a_denied_call_is_answered_access_denied(aws)


def test_moto_answers_without_an_error_document(moto: Account) -> None:
    with pytest.raises(AssertionError):
        a_denied_call_is_answered_access_denied(moto)


def test_each_key_of_a_multiple_delete_is_decided(aws: Account) -> None:
    s3, bucket = aws.client("s3"), aws.bucket()
    set_policy(
        aws,
        bucket,
        statement(bucket, Action="s3:DeleteObject", Resource=f"arn:aws:s3:::{bucket}/kept/*"),
    )
    for key in ("kept/a", "free/a"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "kept/a"}, {"Key": "free/a"}]})
    assert [deleted["Key"] for deleted in answer["Deleted"]] == ["free/a"]
    assert [(error["Key"], error["Code"]) for error in answer["Errors"]] == [("kept/a", "AccessDenied")]


def test_one_role_alone_may_create_and_only_new_objects(aws: Account) -> None:
    bucket = aws.bucket()
    role = f"arn:aws:iam::123456789012:role/{aws.name('role')}"
    aws.client("iam").create_role(RoleName=role.rpartition("/")[2], AssumeRolePolicyDocument="{}")
    set_policy(
        aws,
        bucket,
        statement(
            bucket,
            Action="s3:PutObject",
            Condition={"ArnNotEquals": {"aws:PrincipalArn": [role]}},
        ),
        statement(
            bucket,
            Action="s3:PutObject",
            Condition={
                "Null": {"s3:if-none-match": "true"},
                "Bool": {"s3:ObjectCreationOperation": "true"},
            },
        ),
    )
    session = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="writer")
    writer = Account(aws.endpoint, session["Credentials"]).client("s3")
    writer.put_object(Bucket=bucket, Key="once", Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        writer.put_object(Bucket=bucket, Key="once", Body=b"2", IfNoneMatch="*")
    with pytest.raises(ClientError, match="AccessDenied"):
        writer.put_object(Bucket=bucket, Key="twice", Body=b"")
    with pytest.raises(ClientError, match="AccessDenied"):
        aws.client("s3").put_object(Bucket=bucket, Key="other", Body=b"", IfNoneMatch="*")
    # Uploading a part creates no object; completing the upload does.
    upload = writer.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    part = writer.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")
    with pytest.raises(ClientError, match="AccessDenied"):
        writer.complete_multipart_upload(
            Bucket=bucket,
            Key="parts",
            UploadId=upload,
            MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
        )


def test_who_names_another_key_is_refused_and_who_names_none_is_not(aws: Account) -> None:
    s3, bucket = aws.client("s3"), aws.bucket()
    name = "s3:x-amz-server-side-encryption-aws-kms-key-id"
    condition = {"StringNotEquals": {name: "ours"}, "Null": {name: "false"}}
    set_policy(aws, bucket, statement(bucket, Action="s3:PutObject", Condition=condition))
    s3.put_object(Bucket=bucket, Key="default", Body=b"")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(
            Bucket=bucket, Key="theirs", Body=b"", ServerSideEncryption="aws:kms", SSEKMSKeyId="theirs"
        )


def test_a_copy_needs_to_read_its_source(aws: Account) -> None:
    s3, source, target = aws.client("s3"), aws.bucket(), aws.bucket()
    s3.put_object(Bucket=source, Key="key", Body=b"")
    set_policy(aws, source, statement(source, Action="s3:GetObject"))
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.copy_object(Bucket=target, Key="key", CopySource={"Bucket": source, "Key": "key"})


def test_an_anonymous_call_needs_an_allow(aws: Account) -> None:
    s3, bucket = aws.client("s3"), aws.bucket()
    s3.put_object(Bucket=bucket, Key="page", Body=b"open")
    url = f"{aws.endpoint}/{bucket}/page"
    refused = requests.get(url, timeout=10)
    assert refused.status_code == 403
    assert "<Code>AccessDenied</Code>" in refused.text
    set_policy(aws, bucket, statement(bucket, Effect="Allow", Action="s3:GetObject"))
    assert requests.get(url, timeout=10).content == b"open"


def test_a_presigned_url_is_its_signers(aws: Account) -> None:
    s3, bucket = aws.client("s3"), aws.bucket()
    s3.put_object(Bucket=bucket, Key="key", Body=b"signed")
    signer = aws.client("s3", signature_version="s3v4")
    url = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "key"})
    assert requests.get(url, timeout=10).content == b"signed"
