"""What services do in somebody's name, and not by calls to this AWS: Athena, Lambda, Glue.

Each function does nothing if nothing is enforced, and raises ``PermissionError`` for what is not allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from moto.s3.models import S3Backend
from moto.sqs.models import Queue

from scripts.local_aws.account import ACCOUNT_ID
from scripts.local_aws.enforcement.actions import Need, needs
from scripts.local_aws.enforcement.current import authority
from scripts.local_aws.enforcement.keys import with_keys
from scripts.local_aws.enforcement.s3 import needs_of_read, needs_of_write
from scripts.local_aws.identity import ANONYMOUS, Principal, issued

_VIA_ATHENA: dict[str, str | list[str]] = {
    "aws:CalledVia": ["athena.amazonaws.com"],
    "aws:ViaAWSService": "true",
}
_asking: ContextVar[Principal | None] = ContextVar("asking", default=None)
"""For whom Athena runs a statement in this thread."""


@contextmanager
def athena_for(access_key_id: str) -> Iterator[None]:
    """Have the functions below ask for the owner of an access key."""
    credentials = issued(access_key_id)
    token = _asking.set(credentials.principal if credentials else ANONYMOUS)
    try:
        yield
    finally:
        _asking.reset(token)


def athena_finds(database: str, table: str) -> None:
    """Athena looks a table up."""
    if authority() is not None:
        _athena(needs("glue", "GetDatabase", {"Name": database}))
        _athena(needs("glue", "GetTable", {"DatabaseName": database, "Name": table}))


def athena_lists(bucket: str, prefix: str) -> None:
    """Athena lists what is below a table's location."""
    _athena([Need("s3:ListBucket", f"arn:aws:s3:::{bucket}", {"s3:prefix": prefix})])


def athena_reads(s3: S3Backend, objects: Iterable[tuple[str, str]]) -> None:
    """Athena reads objects: bucket and key of each."""
    for bucket, key in objects if authority() is not None else ():
        _athena([Need("s3:GetObject", f"arn:aws:s3:::{bucket}/{key}"), *needs_of_read(s3, bucket, key)])


def athena_writes(s3: S3Backend, bucket: str, key: str, kms_key: str | None) -> None:
    """Athena writes a result, with a key or as the bucket has it."""
    if authority() is None:
        return
    context = {"s3:ObjectCreationOperation": "true"}
    if kms_key:
        context["s3:x-amz-server-side-encryption"] = "aws:kms"
        context["s3:x-amz-server-side-encryption-aws-kms-key-id"] = kms_key
    _athena([Need("s3:GetBucketLocation", f"arn:aws:s3:::{bucket}")])
    _athena([Need("s3:PutObject", f"arn:aws:s3:::{bucket}/{key}", context)])
    _athena(needs_of_write(s3, bucket, key, "PutObject", kms_key))


def _athena(found: Iterable[Need]) -> None:
    principal, deciding = _asking.get(), authority()
    if principal is not None and deciding is not None:
        for need in found:
            deciding.require(principal, Need(need.action, need.resource, {**need.context, **_VIA_ATHENA}))


def poll(role: str, function: str, queue: Queue, operation: str) -> None:
    """Lambda does something to a queue in the name of a function's role."""
    in_name_of(role, function, "sqs", operation, {"QueueName": queue.name})


def in_name_of(role: str, session: str, service: str, operation: str, parameters: dict[str, Any]) -> None:
    """A service makes a call with a session of a role."""
    if authority() is not None:
        _require(_session(role, session), with_keys(needs(service, operation, parameters)))


def assumes(service: str, role: str, source_arn: str) -> None:
    """A service assumes a role for a resource."""
    context = {"aws:SourceAccount": ACCOUNT_ID, "aws:SourceArn": source_arn}
    principal = Principal("AWSService", "", f"{service}.amazonaws.com", "", "")
    _require(principal, [Need("sts:AssumeRole", role, context)])


def _require(principal: Principal, found: Iterable[Need]) -> None:
    if deciding := authority():
        for need in found:
            deciding.require(principal, need)


def _session(role: str, name: str) -> Principal:
    arn = f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/{role.rpartition('/')[2]}/{name}"
    return Principal("AssumedRole", "", arn, ACCOUNT_ID, "", role_arn=role)
