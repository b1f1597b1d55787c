from __future__ import annotations

import pytest

from scripts.local_aws.operations import classify
from tests.local_aws.account import Account
from tests.local_aws.s3_requests import Client


@pytest.mark.parametrize(
    ("method", "key", "query", "headers", "name", "action"),
    [
        ("PUT", "k", "", "", "PutObject", "PutObject"),
        ("PUT", "k", "", "x-amz-copy-source", "CopyObject", "PutObject"),
        ("PUT", "k", "uploadId partNumber", "", "UploadPart", "PutObject"),
        ("PUT", "k", "uploadId partNumber", "x-amz-copy-source", "UploadPartCopy", "PutObject"),
        ("PUT", "k", "retention versionId", "", "PutObjectRetention", "PutObjectRetention"),
        ("PUT", "k", "tagging", "", "PutObjectTagging", "PutObjectTagging"),
        ("POST", "k", "uploads", "", "CreateMultipartUpload", "PutObject"),
        ("POST", "k", "uploadId", "", "CompleteMultipartUpload", "PutObject"),
        ("GET", "k", "", "", "GetObject", "GetObject"),
        ("GET", "k", "versionId", "", "GetObject", "GetObjectVersion"),
        ("GET", "k", "tagging versionId", "", "GetObjectTagging", "GetObjectVersionTagging"),
        ("GET", "k", "uploadId", "", "ListParts", "ListMultipartUploadParts"),
        ("HEAD", "k", "", "", "HeadObject", "GetObject"),
        ("HEAD", "k", "versionId", "", "HeadObject", "GetObjectVersion"),
        ("DELETE", "k", "", "", "DeleteObject", "DeleteObject"),
        ("DELETE", "k", "versionId", "", "DeleteObject", "DeleteObjectVersion"),
        ("DELETE", "k", "uploadId", "", "AbortMultipartUpload", "AbortMultipartUpload"),
        ("GET", "", "list-type", "", "ListObjects", "ListBucket"),
        ("GET", "", "versions", "", "ListObjectVersions", "ListBucketVersions"),
        ("POST", "", "delete", "", "DeleteObjects", "DeleteObject"),
        ("POST", "", "", "", "PostObject", "PutObject"),
        ("HEAD", "", "", "", "HeadBucket", "ListBucket"),
    ],
)
def test_data_operations(method: str, key: str, query: str, headers: str, name: str, action: str) -> None:
    operation = classify(
        method, "bucket", key, dict.fromkeys(query.split(), ""), dict.fromkeys(headers.split(), "")
    )
    assert operation is not None
    assert (operation.name, operation.action) == (name, action)
    assert operation.is_data_event
    assert operation.read_only == name.startswith(("Get", "Head", "List"))


@pytest.mark.parametrize(
    ("method", "query", "name", "action"),
    [
        ("PUT", "", "CreateBucket", "CreateBucket"),
        ("DELETE", "", "DeleteBucket", "DeleteBucket"),
        ("PUT", "policy", "PutBucketPolicy", "PutBucketPolicy"),
        ("DELETE", "policy", "DeleteBucketPolicy", "DeleteBucketPolicy"),
        ("DELETE", "lifecycle", "DeleteBucketLifecycleConfiguration", "PutLifecycleConfiguration"),
        ("GET", "encryption", "GetBucketEncryption", "GetEncryptionConfiguration"),
        ("PUT", "object-lock", "PutObjectLockConfiguration", "PutBucketObjectLockConfiguration"),
    ],
)
def test_operations_on_a_buckets_configuration(method: str, query: str, name: str, action: str) -> None:
    operation = classify(method, "bucket", "", dict.fromkeys(query.split(), ""), {})
    assert operation is not None
    assert (operation.name, operation.action) == (name, action)
    assert not operation.is_data_event


def test_what_s3_has_not() -> None:
    assert classify("PATCH", "bucket", "key", {}, {}) is None
    assert classify("POST", "bucket", "key", {}, {}) is None
    listing = classify("GET", "", "", {}, {})
    assert listing is not None
    assert listing.name == "ListBuckets"


@pytest.mark.parametrize(
    ("method", "subresource"),
    [
        ("PUT", "encryption"),
        ("PUT", "annotation"),
        ("PUT", "renameObject"),
        ("GET", "torrent"),
        ("DELETE", "annotation"),
    ],
)
def test_what_is_not_emulated_is_refused_and_changes_nothing(
    aws: Account, method: str, subresource: str
) -> None:
    bucket, client = aws.bucket(), Client(aws)
    assert client.call("PUT", f"/{bucket}/key", b"body").status == 200
    answer = client.call(method, f"/{bucket}/key?{subresource}", b"" if method == "GET" else b"<x/>")
    assert (answer.status, b"NotImplemented" in answer.body) == (501, True)
    versions = aws.client("s3").list_object_versions(Bucket=bucket)
    assert [version["Size"] for version in versions["Versions"]] == [4]
    assert "DeleteMarkers" not in versions


def test_a_configuration_that_is_not_emulated_is_refused(aws: Account) -> None:
    answer = Client(aws).call("PUT", f"/{aws.bucket()}?abac", b"<x/>")
    assert (answer.status, b"NotImplemented" in answer.body) == (501, True)


def test_a_query_that_names_no_subresource_changes_no_operation(aws: Account) -> None:
    bucket, client = aws.bucket(), Client(aws)
    assert client.call("PUT", f"/{bucket}/key?x-id=PutObject", b"body").status == 200
    assert client.call("GET", f"/{bucket}?list-type=2").status == 200
