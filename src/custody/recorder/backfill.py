"""Receipts for objects without one: find them, send requests to the recorder, wait for the receipt.

Nothing here signs. A request is a message in the recorder's queue and ends as a receipt like any other, or in
the dead-letter queue; if it is requested twice, a receipt is still made once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from custody.deployment import Deployment
from custody.errors import CannotCheckError, EvidenceError, UsageError
from custody.evidence.objects import RECEIPT_PREFIX, ObjectVersion, S3Location, quote_key
from custody.recorder.notification import backfill_message

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

BATCH_MESSAGES = 10
"""The maximum for SendMessageBatch (Amazon SQS API Reference)."""

SEND_ATTEMPTS = 5
"""Attempts to send a message that Amazon SQS rejects because of an error on its side."""


class ReceiptState(StrEnum):
    """Whether an object version has its receipt."""

    PRESENT = "present"
    MISSING = "missing"
    HIDDEN = "hidden"
    """It is hidden by a delete marker: somebody wanted to hide it. A new one would cover that up."""


@dataclass(slots=True)
class BackfillCounts:
    """The counts of a backfill, in object versions."""

    listed: int = 0
    recorded: int = 0
    """Already had a receipt."""
    sent: int = 0
    """Sent to the recorder."""
    failed: int = 0
    """Not accepted by Amazon SQS: run it again."""
    hidden: int = 0
    """Have a receipt hidden by a delete marker: a finding."""
    outside: int = 0
    """Outside the recorded prefixes."""
    unversioned: int = 0
    """Written before versioning was enabled: they have no version id that a receipt could name."""

    def to_dict(self) -> dict[str, int]:
        """The counts for a JSON document."""
        return asdict(self)

    @property
    def exit_code(self) -> int:
        """1 if receipts are hidden, 3 if requests were not accepted, else 0."""
        return EvidenceError.exit_code if self.hidden else CannotCheckError.exit_code if self.failed else 0


def backfill(
    s3: S3Client,
    sqs: SQSClient,
    deployment: Deployment,
    scope: S3Location,
    *,
    requested_at: datetime,
    on_progress: Callable[[BackfillCounts], None] = lambda counts: None,
    sleep: Callable[[float], None] = time.sleep,
) -> BackfillCounts:
    """Request a receipt for every object version under ``scope`` that must have one and has none.

    Only one page of the listing is in memory. It can be stopped and started again: versions that have a
    receipt by then are skipped, and those still in the queue are nevertheless recorded once. Raises
    ``UsageError`` if nothing under ``scope`` is recorded.
    """
    _require_recorded_scope(deployment, scope)
    counts = BackfillCounts()
    for page in _version_pages(s3, scope):
        counts.listed += len(page)
        versions = []
        for version in page:
            if not may_have_receipt(deployment, version):
                counts.outside += 1
            elif version.version_id == "null":
                counts.unversioned += 1
            else:
                versions.append(version)
        states = receipt_states(s3, deployment, versions)
        missing = [version for version in versions if states[version] is ReceiptState.MISSING]
        counts.hidden += sum(state is ReceiptState.HIDDEN for state in states.values())
        counts.recorded += sum(state is ReceiptState.PRESENT for state in states.values())
        remaining = iter(missing)
        while batch := list(islice(remaining, BATCH_MESSAGES)):
            failed = request_receipts(sqs, deployment, batch, requested_at=requested_at, sleep=sleep)
            counts.sent += len(batch) - len(failed)
            counts.failed += len(failed)
            on_progress(counts)
        on_progress(counts)
    return counts


def receipt_states(
    s3: S3Client, deployment: Deployment, versions: Collection[ObjectVersion]
) -> dict[ObjectVersion, ReceiptState]:
    """Look up the receipts of object versions of one bucket that are close together in a listing.

    Receipts sort almost as their objects do, so a page of objects costs about one page of receipts.
    """
    keys = {version.receipt_key: version for version in versions}
    states = dict.fromkeys(versions, ReceiptState.MISSING)
    plain = sorted(key for key in keys if not key.startswith(f"{RECEIPT_PREFIX}_long/"))
    spans = [(key, key) for key in keys if key.startswith(f"{RECEIPT_PREFIX}_long/")]
    if plain:
        spans.append((plain[0], plain[-1]))
    for first, last in spans:
        for key, state in _listed_receipts(s3, deployment.buckets["provenance"], first, last):
            if key in keys:
                states[keys[key]] = state
    return states


def request_receipts(
    sqs: SQSClient,
    deployment: Deployment,
    versions: Sequence[ObjectVersion],
    *,
    requested_at: datetime,
    sleep: Callable[[float], None] = time.sleep,
) -> list[ObjectVersion]:
    """Request the receipts of up to ten object versions; return those for which the request failed.

    Amazon SQS accepts or rejects each message of a batch separately: messages rejected because of an error on
    its side are sent again with growing delays; those with a sender fault are not.
    """
    waiting: dict[str, ObjectVersion] = {str(index): version for index, version in enumerate(versions)}
    refused: list[ObjectVersion] = []
    for attempt in range(SEND_ATTEMPTS):
        if attempt:
            sleep(0.2 * 2**attempt)
        entries: list[SendMessageBatchRequestEntryTypeDef] = [
            {"Id": entry_id, "MessageBody": backfill_message(version, requested_at)}
            for entry_id, version in waiting.items()
        ]
        answer = sqs.send_message_batch(QueueUrl=deployment.queues["recorder"], Entries=entries)
        failures = {failure["Id"]: failure["SenderFault"] for failure in answer.get("Failed", [])}
        refused += [waiting[entry_id] for entry_id, our_fault in failures.items() if our_fault]
        waiting = {entry_id: waiting[entry_id] for entry_id, our_fault in failures.items() if not our_fault}
        if not waiting:
            break
    return refused + list(waiting.values())


def find_version(s3: S3Client, deployment: Deployment, location: S3Location) -> ObjectVersion:
    """Return the object version that ``location`` names, or the current one.

    Raises ``UsageError`` if there is no such version or it is not recorded.
    """
    if not location.key:
        raise UsageError("The URI names a bucket but no object.", "Use custody backfill for many objects.")
    name = f"s3://{location.bucket}/{quote_key(location.key)}"
    try:
        if location.version_id is None:
            head = s3.head_object(Bucket=location.bucket, Key=location.key)
        else:
            head = s3.head_object(Bucket=location.bucket, Key=location.key, VersionId=location.version_id)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 404, 405):
            raise UsageError(
                f"There is no object version {name} {location.version_id or ''}".rstrip() + ".",
                "See custody show for the versions there are.",
            ) from error
        raise
    version = ObjectVersion(location.bucket, location.key, head.get("VersionId", "null"))
    if not may_have_receipt(deployment, version):
        raise UsageError(
            f"{name} is outside the recorded prefixes.", "Add its prefix to recorded_prefixes and apply."
        )
    if version.version_id == "null":
        raise UsageError(f"{name} has no version id.", "Write it again: versioning is enabled now.")
    return version


def await_receipt(
    s3: S3Client,
    deployment: Deployment,
    version: ObjectVersion,
    *,
    timeout_seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Return once the receipt is there; raises ``CannotCheckError`` if it does not arrive in time."""
    deadline = clock() + timeout_seconds
    while receipt_states(s3, deployment, [version])[version] is not ReceiptState.PRESENT:
        if clock() > deadline:
            raise CannotCheckError(
                f"No receipt within {timeout_seconds:.0f} s. The request stays in the queue.",
                "Run custody doctor to see which stage is broken.",
            )
        sleep(1)


def _version_pages(s3: S3Client, scope: S3Location) -> Iterator[list[ObjectVersion]]:
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=scope.bucket, Prefix=scope.key)
    for page in pages:
        yield [
            ObjectVersion(scope.bucket, entry["Key"], entry["VersionId"])
            for entry in page.get("Versions", [])
        ]


def _listed_receipts(s3: S3Client, bucket: str, first: str, last: str) -> Iterator[tuple[str, ReceiptState]]:
    """List the receipts with keys from ``first`` to ``last``; Amazon S3 lists in the order of UTF-8 bytes."""
    # a listing starts after its marker, and any prefix of a key sorts before the key
    marker: dict[str, str] = {"KeyMarker": first[:-1]}
    while marker["KeyMarker"] <= last:
        page = s3.list_object_versions(Bucket=bucket, Prefix=RECEIPT_PREFIX, **marker)  # type: ignore[arg-type]
        for entries, state in (
            (page.get("Versions", []), ReceiptState.PRESENT),
            (page.get("DeleteMarkers", []), ReceiptState.HIDDEN),
        ):
            for entry in entries:
                if entry["IsLatest"] and first <= entry["Key"] <= last:
                    yield entry["Key"], state
        if not page["IsTruncated"]:
            return
        marker = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}


def may_have_receipt(deployment: Deployment, version: ObjectVersion) -> bool:
    """Whether the recorder makes receipts for this key; it never does for the provenance bucket."""
    is_provenance = version.bucket == deployment.buckets["provenance"]
    return deployment.is_recorded(version.bucket, version.key) and not is_provenance


def _require_recorded_scope(deployment: Deployment, scope: S3Location) -> None:
    prefixes = deployment.recorded_prefixes.get(scope.bucket, [])
    if not any(scope.key.startswith(prefix) or prefix.startswith(scope.key) for prefix in prefixes):
        recorded = ", ".join(
            f"s3://{bucket}/{quote_key(prefix)}"
            for bucket, bucket_prefixes in deployment.recorded_prefixes.items()
            for prefix in bucket_prefixes
        )
        raise UsageError(
            f"Nothing under s3://{scope.bucket}/{quote_key(scope.key)} is recorded.",
            f"Recorded are {recorded}.",
        )
    if scope.version_id is not None:
        raise UsageError("A backfill takes a prefix, not a version.", "Use custody record for one version.")
