"""Turns rows of the access matrix that deny into calls, made with the credentials of whom they deny it to.

A row counts as refused only if its own action on its own resource was what the refusal is about.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import boto3
from botocore import UNSIGNED, xform_name
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import ListShape, MapShape, Shape, StructureShape

from scripts.access.matrix import Row
from scripts.access.simulator import ANONYMOUS
from scripts.access.world import AbsentError, World
from scripts.local_aws.enforcement.actions import NAMES, UnknownActionError, forms, pattern

Credentials = Mapping[str, str]
"""As boto3's clients take them; empty for nobody's."""
_REFUSED = re.compile(
    r"not authorized to perform: (\S+) on resource: (.*?) (?:because|with an explicit deny)"
)
_S3: dict[str, tuple[str, dict[str, Any]]] = {
    "AbortMultipartUpload": ("AbortMultipartUpload", {"UploadId": "u"}),
    "DeleteBucket": ("DeleteBucket", {}),
    "DeleteBucketPolicy": ("DeleteBucketPolicy", {}),
    "DeleteObject": ("DeleteObject", {}),
    "DeleteObjectVersion": ("DeleteObject", {"VersionId": "v1"}),
    "GetBucketNotification": ("GetBucketNotificationConfiguration", {}),
    "GetObject": ("GetObject", {}),
    "GetObjectTagging": ("GetObjectTagging", {}),
    "GetObjectVersion": ("GetObject", {"VersionId": "v1"}),
    "GetObjectVersionTagging": ("GetObjectTagging", {"VersionId": "v1"}),
    "ListBucket": ("ListObjectsV2", {}),
    "ListBucketVersions": ("ListObjectVersions", {}),
    "PutBucketNotification": ("PutBucketNotificationConfiguration", {}),
    "PutBucketObjectLockConfiguration": ("PutObjectLockConfiguration", {}),
    "PutBucketPolicy": ("PutBucketPolicy", {"Policy": "{}"}),
    "PutBucketPublicAccessBlock": ("PutPublicAccessBlock", {}),
    "PutBucketVersioning": ("PutBucketVersioning", {}),
    "PutLifecycleConfiguration": ("PutBucketLifecycleConfiguration", {}),
    "PutObject": ("PutObject", {"Body": b"forged"}),
    "PutObjectAcl": ("PutObjectAcl", {"ACL": "public-read"}),
    "PutObjectVersionTagging": ("PutObjectTagging", {"VersionId": "v1"}),
    "RestoreObject": ("RestoreObject", {}),
}
"""Action of S3 → the operation that needs it, and what it is asked with."""
_PARAMETERS: dict[str, str] = {
    "events:source": "",
    "s3:if-match": "IfMatch",
    "s3:if-none-match": "IfNoneMatch",
    "s3:prefix": "Prefix",
    "s3:versionid": "VersionId",
    "s3:x-amz-acl": "ACL",
    "s3:x-amz-server-side-encryption": "ServerSideEncryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "s3:x-amz-storage-class": "StorageClass",
    "secretsmanager:VersionStage": "VersionStage",
    "sts:ExternalId": "ExternalId",
    "sts:RoleSessionName": "RoleSessionName",
}
"""Condition key → the parameter that has its value."""
_ARNS = {"KeyId", "PolicyArn", "RoleArn", "SecretId", "TopicArn"}
"""Parameters that take the resource's ARN."""
_OPERATIONS = {"lambda:InvokeFunction": "Invoke"}
"""Operations that are named otherwise than their action."""
_NOT_HERE = ("adopted/", "copy/")
"""What the matrix has beside the kit."""
_WITH_MFA = {"aws:MultiFactorAuthPresent": "true", "aws:MultiFactorAuthAge": "60"}


class CannotCallError(Exception):
    """A row that no call can be made of; the message says why."""


@dataclass
class Outcome:
    """What became of the rows. passed: those that were not refused, each with what was answered instead."""

    refused: int = 0
    by: Counter[str] = field(default_factory=Counter)
    elsewhere: list[str] = field(default_factory=list)
    """Refused, but for another action or resource than the row's."""
    passed: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """Why no call was made, and of how many rows."""


def attempt(
    rows: Iterable[Row], world: World, endpoint: str, credentials: Callable[[str], Credentials]
) -> Outcome:
    """Make a call of every row that denies, and see whether it is refused.

    credentials: of whom a row is about. Raises ``CannotCallError`` for whom there are none.
    """
    outcome = Outcome()
    clients = _Clients(world.region, endpoint, credentials)
    for row in rows:
        try:
            service, operation, parameters = call_of(row, world)
            client = clients.client(row.who, service)
        except AbsentError:
            outcome.left_out["of what the demonstration does not deploy"] += 1
            continue
        except CannotCallError as error:
            outcome.left_out[str(error)] += 1
            continue
        _judge(outcome, row, world.arn(row.resource), _answer(client, operation, parameters))
    return outcome


def _judge(outcome: Outcome, row: Row, arn: str, answer: str) -> None:
    found = _REFUSED.search(answer)
    if found is None:
        outcome.passed.append(f"{row}: {answer}")
    elif (found[1], found[2]) != (row.action, arn):
        outcome.elsewhere.append(f"{row}: {found[1]} on {found[2]}")
    else:
        outcome.refused += 1
        outcome.by[row.who] += 1


def _answer(client: Any, operation: str, parameters: Mapping[str, Any]) -> str:
    try:
        getattr(client, xform_name(operation))(**parameters)
    except ClientError as error:
        return str(error.response.get("Error", {}).get("Message", error))
    return "it was allowed"


def call_of(row: Row, world: World) -> tuple[str, str, dict[str, Any]]:
    """Return the service, the operation and the parameters that ask for what a row denies.

    Raises ``CannotCallError``, or ``AbsentError`` if the row's resource is not there.
    """
    if row.resource.startswith(_NOT_HERE):
        raise AbsentError(f"There is no {row.resource} here.")
    if row.guarded or row.parts:
        raise CannotCallError("of control policies, or of optional parts")
    prefix, _, action = row.action.partition(":")
    arn = world.arn(row.resource)
    given = _of_context(row, world)
    if prefix == "s3":
        if action not in _S3:
            raise CannotCallError(f"no operation is {row.action} alone, or none that is emulated")
        operation, own = _S3[action]
        bucket, _, key = arn.partition(":::")[2].partition("/")
        required = _required("s3", operation)
        return (
            "s3",
            operation,
            {**required, "Bucket": bucket, **({"Key": key} if key else {}), **own, **given},
        )
    if row.who == ANONYMOUS:
        raise CannotCallError("of nobody, who is heard by S3 alone here")
    operation = _OPERATIONS.get(row.action, action)
    shape = _shape(prefix, operation)
    place = dict(_place(row.action, arn, shape))
    if "Entries" in shape.members and "events:source" in row.context:
        sources = row.context["events:source"]
        given["Entries"] = [{"Source": source, "EventBusName": arn} for source in sources]
    return prefix, operation, {**_required(prefix, operation), **place, **given}


def _place(action: str, arn: str, shape: StructureShape) -> Iterator[tuple[str, Any]]:
    """Yield the parameters that name a resource."""
    if "SubscriptionArn" in shape.members:
        yield "SubscriptionArn", f"{arn}:0"
    if "QueueUrl" in shape.members:
        yield "QueueUrl", f"https://sqs/{'/'.join(arn.split(':')[4:])}"
    try:
        known = forms(action).values()
    except UnknownActionError as error:
        raise CannotCallError(str(error)) from error
    found = next((match for form in known if (match := pattern(form).fullmatch(arn))), None)
    for variable, value in found.groupdict().items() if found else ():
        for path in NAMES.get(variable, (variable,)):
            name, _, inner = path.partition(".")
            if name in shape.members:
                is_list = shape.members[name].type_name == "list"
                yield name, {inner: value} if inner else [value] if is_list else value
                break
    for name in _ARNS & shape.members.keys():
        yield name, arn


def _of_context(row: Row, world: World) -> dict[str, Any]:
    context = dict(row.context)
    given: dict[str, Any] = {}
    if _WITH_MFA.items() <= context.items():
        given = {"SerialNumber": f"arn:aws:iam::{world.account}:mfa/device", "TokenCode": "000000"}
        context = {key: value for key, value in context.items() if key not in _WITH_MFA}
    for key, value in context.items():
        if key not in _PARAMETERS or not (isinstance(value, str) or key == "events:source"):
            raise CannotCallError(
                "of what no call says itself: that it has no TLS, by which service it comes"
            )
        if name := _PARAMETERS[key]:
            given[name] = world.fill(str(value))
    if "SSEKMSKeyId" in given:
        given["ServerSideEncryption"] = "aws:kms"
    return given


@cache
def _model(service: str) -> Any:
    try:
        return boto3.Session()._session.get_service_model(service)
    except Exception as error:
        raise CannotCallError(f"boto3 does not call {service}") from error


def _shape(service: str, operation: str) -> StructureShape:
    model = _model(service)
    if operation not in model.operation_names:
        raise CannotCallError(f"no operation is {service}:{operation} alone, or none that is emulated")
    shape: StructureShape = model.operation_model(operation).input_shape
    return shape


def _required(service: str, operation: str) -> dict[str, Any]:
    """Return the least that an operation must be asked with."""
    shape = _shape(service, operation)
    return {name: _least(shape.members[name]) for name in shape.required_members}


def _least(shape: Shape) -> Any:
    if isinstance(shape, StructureShape):
        return {name: _least(shape.members[name]) for name in shape.required_members}
    if isinstance(shape, ListShape):
        return [_least(shape.member)]
    if isinstance(shape, MapShape):
        return {}
    words = {"blob": b"0" * 32, "boolean": False, "integer": 1, "long": 1, "timestamp": 0, "double": 1.0}
    enum = getattr(shape, "enum", None)
    return words.get(shape.type_name, enum[0] if enum else "x" * int(shape.metadata.get("min", 1) or 1))


@dataclass
class _Clients:
    """A client for each caller and service."""

    region: str
    endpoint: str
    credentials: Callable[[str], Credentials]
    _made: dict[tuple[str, str], Any] = field(default_factory=dict)

    def client(self, who: str, service: str) -> Any:
        if (who, service) not in self._made:
            keys = self.credentials(who)
            signed = {} if who != ANONYMOUS else {"signature_version": UNSIGNED}
            config = Config(retries={"total_max_attempts": 1}, parameter_validation=False, **signed)
            where = {"region_name": self.region, "endpoint_url": self.endpoint}
            self._made[who, service] = boto3.client(service, config=config, **where, **keys)  # type: ignore[call-overload]
        return self._made[who, service]
