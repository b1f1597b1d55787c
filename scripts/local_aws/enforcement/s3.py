"""What a call of S3 needs of KMS, which S3 calls in the caller's name for what is encrypted with a key.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import unquote

from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeBucket, FakeKey, S3Backend

from scripts.local_aws.account import REGION
from scripts.local_aws.calls import S3Call
from scripts.local_aws.enforcement import policies
from scripts.local_aws.enforcement.actions import Need

_KMS = "aws:kms"
_WRITES = {
    "CompleteMultipartUpload": ("Decrypt",),
    "CopyObject": ("GenerateDataKey",),
    "CreateMultipartUpload": ("GenerateDataKey",),
    "PostObject": ("GenerateDataKey",),
    "PutObject": ("GenerateDataKey",),
    "UploadPart": ("Decrypt", "GenerateDataKey"),
    "UploadPartCopy": ("Decrypt", "GenerateDataKey"),
}


def key_needs(backend: S3Backend, call: S3Call) -> Iterator[Need]:
    """Yield the uses of keys for a call; none for a bucket or an object that is not there."""
    operation = call.operation.name if call.operation else ""
    if operation in _WRITES and call.headers.get("x-amz-server-side-encryption", _KMS) == _KMS:
        named = call.headers.get("x-amz-server-side-encryption-aws-kms-key-id")
        yield from needs_of_write(backend, call.bucket, call.key, operation, named)
    if operation == "GetObject":
        yield from needs_of_read(backend, call.bucket, call.key, call.query.get("versionId"))
    if "x-amz-copy-source" in call.headers and call.key:
        path, _, version = call.headers["x-amz-copy-source"].partition("?versionId=")
        name, _, key = unquote(path).lstrip("/").partition("/")
        yield from needs_of_read(backend, name, key, version or None)


def needs_of_read(backend: S3Backend, name: str, key: str, version: str | None = None) -> Iterator[Need]:
    """Yield the use of the key that an object is encrypted with."""
    bucket = _bucket(backend, name)
    found = backend.get_object(name, key, version) if bucket else None
    if bucket and isinstance(found, FakeKey) and found.encryption == _KMS and found.kms_key_id:
        yield from _uses(["Decrypt"], found.kms_key_id, bucket, key)


def needs_of_write(
    backend: S3Backend, name: str, key: str, operation: str, kms_key: str | None
) -> Iterator[Need]:
    """Yield the uses of the key that an object will be encrypted with: by default the bucket's."""
    if bucket := _bucket(backend, name):
        rule = (bucket.encryption or {}).get("Rule", {}).get("ApplyServerSideEncryptionByDefault", {})
        own = rule.get("KMSMasterKeyID") if rule.get("SSEAlgorithm") == _KMS else None
        yield from _uses(_WRITES[operation], kms_key or own or "", bucket, key)


def _uses(actions: Iterable[str], kms_key: str, bucket: FakeBucket, key: str) -> Iterator[Need]:
    found = policies.key(kms_key)
    if found is None:
        return
    enabled = (bucket.encryption or {}).get("Rule", {}).get("BucketKeyEnabled", False)
    place = bucket.name if str(enabled).lower() == "true" else f"{bucket.name}/{key}"
    context = {
        "aws:ViaAWSService": "true",
        "kms:EncryptionContext:aws:s3:arn": f"arn:aws:s3:::{place}",
        "kms:ViaService": f"s3.{REGION}.amazonaws.com",
    }
    yield from (Need(f"kms:{action}", found.arn, context) for action in actions)


def _bucket(backend: S3Backend, name: str) -> FakeBucket | None:
    try:
        return backend.get_bucket(name)
    except S3ClientError:
        return None
