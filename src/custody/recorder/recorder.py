"""The recorder: one signed receipt for each new object version.

Every event ends in one of four ways. There is a receipt (new, or existing), the event is skipped for a named
reason, the event of a large object is handed over to a task that runs this code without a time limit, or
``process`` raises an exception: then the queue delivers the message again, and finally moves it to the
dead-letter queue, which has an alarm. Processing an event twice is harmless, since a receipt is created only
once.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError

from custody.errors import CustodyError, EvidenceError
from custody.evidence.creation import create_object
from custody.evidence.dsse import CONTENT_TYPE, MAX_ENVELOPE_BYTES, read_payload, sign_envelope
from custody.evidence.hashing import ShortStreamError, hash_stream, read_body
from custody.evidence.receipt import PAYLOAD_TYPE, Receipt, RecorderIdentity, parse_statement
from custody.recorder.notification import (
    MalformedMessageError,
    ObjectCreated,
    Skipped,
    SkipReason,
    event_message,
    parse_message,
)
from custody.times import format_time

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger, Metrics
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

    from custody.evidence.objects import ObjectVersion
    from custody.evidence.signing import Signer


_Result = TypeVar("_Result")


class ObjectGoneError(CustodyError):
    """The object version was deleted before it could be hashed."""


class StreamBrokenError(CustodyError):
    """The object's stream ended early."""


class WrongVersionError(CustodyError):
    """Amazon S3 returned another version than the requested one."""


class KeyNotInForceError(CustodyError):
    """The signing key is not valid yet: receipts signed now would never be valid."""


class PlaceTakenError(CustodyError):
    """There is another object under the receipt's key, and nothing there is ever replaced."""


class Result(StrEnum):
    """How an event ended; the value is the name of its metric."""

    RECORDED = "ReceiptsWritten"
    ALREADY_RECORDED = "AlreadyRecorded"
    SKIPPED = "Skipped"
    HANDED_OVER = "HandedOver"
    """A large object: its event was sent to the queue of those."""


class Failure(StrEnum):
    """Why an event failed; the value is the name of its metric."""

    MALFORMED = "FailedMalformed"
    OBJECT_GONE = "FailedObjectGone"
    STREAM_BROKEN = "FailedStreamBroken"
    THROTTLED = "FailedThrottled"
    ACCESS_DENIED = "FailedAccessDenied"
    KEY_NOT_IN_FORCE = "FailedKeyNotInForce"
    PLACE_TAKEN = "FailedPlaceTaken"
    ARCHIVED = "FailedArchived"
    OTHER = "FailedOther"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one event that did not fail."""

    result: Result
    subject: str
    """The object version's URI."""
    size_bytes: int = 0
    """The number of bytes hashed for it."""
    reason: SkipReason | None = None
    """Why it was skipped."""
    lag_seconds: float | None = None
    """Of a new receipt: from the write, or the request of a backfill, to the receipt."""


@dataclass(frozen=True, slots=True)
class LargeObjects:
    """What is not hashed here, and where its events go."""

    above_bytes: int
    """Objects with more bytes are handed over."""
    send: Callable[[str], object]
    """Sends one message; raises what Amazon SQS answers if it does not take it."""


_THROTTLING_CODES = frozenset(
    {
        "LimitExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_DENIAL_CODES = frozenset({"AccessDenied", "AccessDeniedException"})
_GONE_CODES = frozenset({"NoSuchKey", "NoSuchVersion"})
_ARCHIVED_CODE = "InvalidObjectState"
"""Of an object in a storage class that has to be restored first (Amazon S3 API Reference, GetObject)."""


class Recorder:
    """Records object versions. One instance handles any number of messages, also concurrently."""

    def __init__(
        self,
        *,
        s3: S3Client,
        signer: Signer,
        provenance_bucket: str,
        identity: RecorderIdentity,
        logger: Logger,
        metrics: Metrics,
        key_valid_from: datetime | None = None,
        large_objects: LargeObjects | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._s3 = s3
        self._signer = signer
        self._provenance_bucket = provenance_bucket
        self._identity = identity
        self._logger = logger
        self._metrics = metrics
        self._key_valid_from = key_valid_from
        self._large_objects = large_objects
        self._clock = clock
        self._counting = Lock()
        """Powertools' metrics are not thread-safe."""

    def process(self, body: str) -> list[Outcome]:
        """Process every event of one message.

        If one event fails, the others are still processed; all failures are then raised as an
        ``ExceptionGroup``, so that the message is delivered again. A message that cannot be read raises
        ``MalformedMessageError``.
        """
        try:
            events = parse_message(body)
        except MalformedMessageError as error:
            self._count_failure(error, "message")
            raise
        outcomes = []
        failures = []
        for event in events:
            try:
                outcome = self._skip_or_record(event)
            except Exception as error:  # noqa: BLE001 - raised again below, with the others
                self._count_failure(error, event.subject)
                failures.append(error)
            else:
                self._count(outcome)
                outcomes.append(outcome)
        if failures:
            raise ExceptionGroup(f"{len(failures)} of {len(events)} events were not recorded", failures)
        return outcomes

    def _skip_or_record(self, event: ObjectCreated | Skipped) -> Outcome:
        if isinstance(event, Skipped):
            return Outcome(Result.SKIPPED, event.subject, reason=event.reason)
        if event.version.bucket == self._provenance_bucket:
            return Outcome(Result.SKIPPED, event.subject, reason=SkipReason.RECEIPT)
        return self.record(event)

    def record(self, event: ObjectCreated) -> Outcome:
        """Hash one object version and write its receipt, unless it has one; hand it over if it is large.

        Raises ``ObjectGoneError``, ``StreamBrokenError``, ``WrongVersionError``, ``KeyNotInForceError``,
        ``PlaceTakenError``, or botocore's exceptions if Amazon S3 or AWS KMS deny or cannot be reached.
        """
        self._require_key_in_force(self._clock())  # before reading an object, which may be large
        version = event.version
        try:
            found = self._s3.get_object(Bucket=version.bucket, Key=version.key, VersionId=version.version_id)
        except ClientError as error:
            if _is_delete_marker(error):
                return Outcome(Result.SKIPPED, version.uri, reason=SkipReason.DELETE_MARKER)
            if _code(error) in _GONE_CODES:
                raise ObjectGoneError(f"{version.uri} was deleted before it was hashed.") from error
            raise
        if self._large_objects is not None and found["ContentLength"] > self._large_objects.above_bytes:
            found["Body"].close()
            self._large_objects.send(event_message(event))
            return Outcome(Result.HANDED_OVER, version.uri)
        sha256, size_bytes = _hash(found, version.uri)
        if (answered := found.get("VersionId")) != version.version_id:
            raise WrongVersionError(f"Amazon S3 returned version {answered} for {version.uri}.")
        recorded_at = self._clock()
        self._require_key_in_force(recorded_at)
        receipt = Receipt(
            event=event,
            sha256=sha256,
            size_bytes=size_bytes,
            etag=found["ETag"],
            last_modified=found["LastModified"],
            content_type=found.get("ContentType"),
            recorded_at=recorded_at,
            recorder=self._identity,
        )
        envelope = sign_envelope(receipt.to_statement(), PAYLOAD_TYPE, self._signer)
        created = create_object(
            self._s3, self._provenance_bucket, version.receipt_key, envelope, CONTENT_TYPE
        )
        if created is None:
            self._require_receipt(version, sha256)
            return Outcome(Result.ALREADY_RECORDED, version.uri, size_bytes=size_bytes)
        # The clocks of two services: an object may seem to be written after its receipt.
        lag_seconds = max(0.0, (recorded_at - event.time).total_seconds())
        return Outcome(Result.RECORDED, version.uri, size_bytes=size_bytes, lag_seconds=lag_seconds)

    def _require_key_in_force(self, moment: datetime) -> None:
        """Raise ``KeyNotInForceError`` if the signing key is not valid yet."""
        if self._key_valid_from is not None and moment < self._key_valid_from:
            raise KeyNotInForceError(
                f"It is {format_time(moment)}, and the signing key is valid only from "
                f"{format_time(self._key_valid_from)} on: no receipt was made.",
                "Correct signing_keys and apply, then redrive the dead-letter queue.",
            )

    def _require_receipt(self, version: ObjectVersion, sha256: str) -> None:
        """Check that the existing object under a receipt's key is the receipt; its signature is not checked.

        Raises ``PlaceTakenError`` if it is not, ``StreamBrokenError`` if it could not be read whole.
        """
        found = self._s3.get_object(Bucket=self._provenance_bucket, Key=version.receipt_key)
        with closing(found["Body"]):
            data = _whole(lambda: read_body(found, MAX_ENVELOPE_BYTES), version.receipt_key)
        try:
            receipt = parse_statement(read_payload(data, PAYLOAD_TYPE))
        except EvidenceError as error:
            why = error.message
        else:
            if (receipt.version, receipt.sha256) == (version, sha256):
                return
            why = f"It is of {receipt.version.uri} with SHA-256 {receipt.sha256}."
        raise PlaceTakenError(
            f"The object under the key of the receipt of {version.uri} is not its receipt. {why}",
            "It was not written by the recorder: see CloudTrail.",
        )

    def _count(self, outcome: Outcome) -> None:
        name = str(outcome.result)
        if outcome.reason is not None:
            name += "".join(word.capitalize() for word in outcome.reason.split("_"))
        with self._counting:
            self._metrics.add_metric(name=name, unit="Count", value=1)
            if outcome.size_bytes:
                self._metrics.add_metric(name="BytesHashed", unit="Bytes", value=outcome.size_bytes)
            if outcome.lag_seconds is not None:
                self._metrics.add_metric(name="ReceiptLag", unit="Seconds", value=outcome.lag_seconds)
        self._logger.info(name, extra={"object": outcome.subject, "size_bytes": outcome.size_bytes})

    def _count_failure(self, error: Exception, subject: str) -> None:
        name = str(classify(error))
        with self._counting:
            self._metrics.add_metric(name=name, unit="Count", value=1)
        self._logger.error(name, extra={"object": subject, "error": str(error)})


_FAILURES: tuple[tuple[type[Exception], Failure], ...] = (
    (MalformedMessageError, Failure.MALFORMED),
    (ObjectGoneError, Failure.OBJECT_GONE),
    (StreamBrokenError, Failure.STREAM_BROKEN),
    (KeyNotInForceError, Failure.KEY_NOT_IN_FORCE),
    (PlaceTakenError, Failure.PLACE_TAKEN),
)


def classify(error: Exception) -> Failure:
    """The failure that an exception of ``Recorder.process`` is counted as."""
    for kind, failure in _FAILURES:
        if isinstance(error, kind):
            return failure
    if isinstance(error, ClientError):
        code = _code(error)
        if code in _THROTTLING_CODES:
            return Failure.THROTTLED
        if code in _DENIAL_CODES:
            return Failure.ACCESS_DENIED
        if code == _ARCHIVED_CODE:
            return Failure.ARCHIVED
    return Failure.OTHER


def _hash(found: GetObjectOutputTypeDef, subject: str) -> tuple[str, int]:
    with closing(found["Body"]) as body:
        return _whole(lambda: hash_stream(body, found["ContentLength"]), subject)


def _whole(read: Callable[[], _Result], subject: str) -> _Result:
    try:
        return read()
    except (HTTPClientError, IncompleteReadError, ShortStreamError) as error:
        raise StreamBrokenError(f"The stream of {subject} ended early: {error}") from error


def _code(error: ClientError) -> str:
    """The error code; Amazon S3 returns those of AWS KMS as ``KMS.…``."""
    return error.response["Error"].get("Code", "").removeprefix("KMS.")


def _is_delete_marker(error: ClientError) -> bool:
    """A GET for a delete marker's version returns 405 (Amazon S3 API Reference, GetObject)."""
    return error.response["ResponseMetadata"]["HTTPStatusCode"] == 405
