"""Which operation of Amazon S3 a request is, and what IAM and CloudTrail call it.

Sources: "Amazon S3 API Reference"; "Actions, resources, and condition keys for Amazon S3" (Service
Authorization Reference) for the actions; "Amazon S3 CloudTrail events" (S3 User Guide) for the data events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import botocore.session


@dataclass(frozen=True, slots=True)
class Operation:
    """One S3 operation."""

    name: str
    """As the API and CloudTrail's ``eventName`` name it."""
    action: str
    """The IAM action without its ``s3:``."""
    read_only: bool
    is_data_event: bool
    """Whether CloudTrail logs it as a data event of ``AWS::S3::Object``."""


def _data(name: str, action: str, *, read_only: bool) -> Operation:
    return Operation(name, action, read_only, is_data_event=True)


# Method → (subresource in the query string → operation): the first that is there wins, "" always is.
_OBJECT: dict[str, dict[str, Operation]] = {
    "GET": {
        "uploadId": _data("ListParts", "ListMultipartUploadParts", read_only=True),
        "acl": _data("GetObjectAcl", "GetObjectAcl", read_only=True),
        "tagging": _data("GetObjectTagging", "GetObjectTagging", read_only=True),
        "retention": _data("GetObjectRetention", "GetObjectRetention", read_only=True),
        "legal-hold": _data("GetObjectLegalHold", "GetObjectLegalHold", read_only=True),
        "attributes": _data("GetObjectAttributes", "GetObjectAttributes", read_only=True),
        "": _data("GetObject", "GetObject", read_only=True),
    },
    "HEAD": {"": _data("HeadObject", "GetObject", read_only=True)},
    "PUT": {
        "uploadId": _data("UploadPart", "PutObject", read_only=False),
        "acl": _data("PutObjectAcl", "PutObjectAcl", read_only=False),
        "tagging": _data("PutObjectTagging", "PutObjectTagging", read_only=False),
        "retention": _data("PutObjectRetention", "PutObjectRetention", read_only=False),
        "legal-hold": _data("PutObjectLegalHold", "PutObjectLegalHold", read_only=False),
        "": _data("PutObject", "PutObject", read_only=False),
    },
    "POST": {
        "uploads": _data("CreateMultipartUpload", "PutObject", read_only=False),
        "uploadId": _data("CompleteMultipartUpload", "PutObject", read_only=False),
        "restore": _data("RestoreObject", "RestoreObject", read_only=False),
        "select": _data("SelectObjectContent", "GetObject", read_only=True),
    },
    "DELETE": {
        "uploadId": _data("AbortMultipartUpload", "AbortMultipartUpload", read_only=False),
        "tagging": _data("DeleteObjectTagging", "DeleteObjectTagging", read_only=False),
        "": _data("DeleteObject", "DeleteObject", read_only=False),
    },
}
_COPIES = {
    "PutObject": _data("CopyObject", "PutObject", read_only=False),
    "UploadPart": _data("UploadPartCopy", "PutObject", read_only=False),
}
_BUCKET_DATA: dict[str, dict[str, Operation]] = {
    "GET": {
        "versions": _data("ListObjectVersions", "ListBucketVersions", read_only=True),
        "uploads": _data("ListMultipartUploads", "ListBucketMultipartUploads", read_only=True),
        "": _data("ListObjects", "ListBucket", read_only=True),
    },
    "HEAD": {"": _data("HeadBucket", "ListBucket", read_only=True)},
    "POST": {
        "delete": _data("DeleteObjects", "DeleteObject", read_only=False),
        "": _data("PostObject", "PutObject", read_only=False),
    },
}
# Subresource → what follows the verb in the name of the operation, and in that of the IAM action.
_BUCKET_CONFIGURATION = {
    "accelerate": ("BucketAccelerateConfiguration", "AccelerateConfiguration"),
    "acl": ("BucketAcl", "BucketAcl"),
    "cors": ("BucketCors", "BucketCORS"),
    "encryption": ("BucketEncryption", "EncryptionConfiguration"),
    "inventory": ("BucketInventoryConfiguration", "InventoryConfiguration"),
    "lifecycle": ("BucketLifecycleConfiguration", "LifecycleConfiguration"),
    "location": ("BucketLocation", "BucketLocation"),
    "logging": ("BucketLogging", "BucketLogging"),
    "notification": ("BucketNotificationConfiguration", "BucketNotification"),
    "object-lock": ("ObjectLockConfiguration", "BucketObjectLockConfiguration"),
    "ownershipControls": ("BucketOwnershipControls", "BucketOwnershipControls"),
    "policy": ("BucketPolicy", "BucketPolicy"),
    "policyStatus": ("BucketPolicyStatus", "BucketPolicyStatus"),
    "publicAccessBlock": ("PublicAccessBlock", "BucketPublicAccessBlock"),
    "replication": ("BucketReplication", "ReplicationConfiguration"),
    "requestPayment": ("BucketRequestPayment", "BucketRequestPayment"),
    "tagging": ("BucketTagging", "BucketTagging"),
    "versioning": ("BucketVersioning", "BucketVersioning"),
    "website": ("BucketWebsite", "BucketWebsite"),
}
OBJECT_SUBRESOURCES = frozenset(name for table in _OBJECT.values() for name in table if name)
"""What a request's query string may name of an object; it names one at most."""
BUCKET_SUBRESOURCES = frozenset(
    [*_BUCKET_CONFIGURATION, *(name for table in _BUCKET_DATA.values() for name in table if name)]
)
"""As ``OBJECT_SUBRESOURCES``, of a bucket."""
_VERBS = {"GET": "Get", "PUT": "Put", "DELETE": "Delete"}
_VERSIONED = {
    "GetObject",
    "GetObjectAcl",
    "GetObjectTagging",
    "GetObjectAttributes",
    "DeleteObject",
    "PutObjectAcl",
    "PutObjectTagging",
    "DeleteObjectTagging",
}


def classify(
    method: str, bucket: str, key: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> Operation | None:
    """The operation of a request, or ``None`` if S3 has none like it. ``headers`` has lower-case names."""
    if not bucket:
        return Operation("ListBuckets", "ListAllMyBuckets", True, False) if method == "GET" else None
    if not key:
        return _of_bucket(method, query)
    operation = _first(_OBJECT.get(method, {}), query)
    if operation is not None and "x-amz-copy-source" in headers:
        operation = _COPIES.get(operation.name, operation)
    if operation is not None and "versionId" in query and operation.action in _VERSIONED:
        verb, _, rest = operation.action.partition("Object")
        return Operation(
            operation.name, f"{verb}ObjectVersion{rest}", operation.read_only, operation.is_data_event
        )
    return operation


def not_emulated(method: str, bucket: str, key: str, query: Mapping[str, str]) -> str:
    """The operation that a request asks for by a subresource that is not emulated here; empty if by none.

    moto would take it for the operation without the subresource: UpdateObjectEncryption for a PutObject,
    which stores the document that was sent as the object.
    """
    if not bucket:
        return ""
    known = OBJECT_SUBRESOURCES if key else BUCKET_SUBRESOURCES
    names = _subresources(is_object=bool(key))
    return next((names[method, name] for name in query if name not in known and (method, name) in names), "")


@cache
def _subresources(*, is_object: bool) -> dict[tuple[str, str], str]:
    """Method and subresource → operation, of every operation that boto3 knows."""
    model = botocore.session.get_session().get_service_model("s3")
    found = {}
    for name in model.operation_names:
        http = model.operation_model(name).http
        path, _, query = http["requestUri"].partition("?")
        subresource = query.partition("&")[0]
        if subresource and "=" not in subresource and ("{Key" in path) is is_object:
            found[http["method"], subresource] = name
    return found


def _of_bucket(method: str, query: Mapping[str, str]) -> Operation | None:
    if method in _VERBS:
        for subresource, (name, action) in _BUCKET_CONFIGURATION.items():
            if subresource in query:
                verb = _VERBS[method]
                # Deleting a configuration takes the permission to put it, but for policy and website.
                action_verb = "Put" if verb == "Delete" and subresource not in {"policy", "website"} else verb
                return Operation(f"{verb}{name}", f"{action_verb}{action}", verb == "Get", False)
    if method == "PUT":
        return Operation("CreateBucket", "CreateBucket", False, False)
    if method == "DELETE":
        return Operation("DeleteBucket", "DeleteBucket", False, False)
    return _first(_BUCKET_DATA.get(method, {}), query)


def _first(table: Mapping[str, Operation], query: Mapping[str, str]) -> Operation | None:
    for subresource, operation in table.items():
        if not subresource or subresource in query:
            return operation
    return None
