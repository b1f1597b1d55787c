"""Records are buffered in their stream, then delivered as one object, with a session of the stream's role.

A buffer is delivered at the size, or at the age of its first record, given by the stream's buffering hints.
Failed deliveries are logged to the stream's log and retried.
https://docs.aws.amazon.com/firehose/latest/dev/basic-deliver.html
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.core.utils import unix_time_millis
from moto.firehose.models import DeliveryStream, firehose_backends
from moto.logs.models import logs_backends

from scripts.local_aws.account import ACCOUNT_ID
from scripts.local_aws.enforcement.behalf import assumes
from scripts.local_aws.firehose.names import object_key
from scripts.local_aws.identity import assume

SESSION_NAME = "AWSFirehoseToS3"
RETRY_SECONDS = 1.0
"""Firehose retries for a day, with growing delays."""
_DEFAULT_MIB, _DEFAULT_SECONDS = 5, 300
_MIB = 1024 * 1024


@dataclass(slots=True, eq=False)
class _Buffer:
    stream: DeliveryStream
    due: float
    """When it is to be delivered, by the monotonic clock."""
    arrived: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When its first record came."""
    records: list[bytes] = field(default_factory=list)
    size: int = 0
    error: str = ""


def destination(stream: DeliveryStream) -> dict[str, Any] | None:
    """The stream's S3 destination, as ``ExtendedS3DestinationConfiguration`` has it; ``None`` for others."""
    return next((d["ExtendedS3"] for d in stream.destinations if "ExtendedS3" in d), None)


class Streams:
    """Takes records and delivers them. Thread-safe. ``endpoint`` is the S3 that is delivered into."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._session = boto3.Session()
        self._changed = threading.Condition()
        self._open: dict[str, _Buffer] = {}
        self._closed: list[_Buffer] = []
        self._delivering = threading.Lock()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="firehose", daemon=True)

    def start(self) -> None:
        """Deliver what is full or due from here on."""
        self._thread.start()

    def stop(self) -> None:
        """Deliver what waits, whatever its age; say what cannot be."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join()
        for failed in self.flush()["failed"]:
            print(f"firehose: lost {failed['records']} records of {failed['stream']}", file=sys.stderr)

    def put(self, stream: DeliveryStream, records: Iterable[bytes]) -> None:
        """Take records, in order. They are stored here until they are delivered."""
        hints = (destination(stream) or {}).get("BufferingHints", {})
        limit = hints.get("SizeInMBs", _DEFAULT_MIB) * _MIB
        seconds = hints.get("IntervalInSeconds", _DEFAULT_SECONDS)
        arn = stream.delivery_stream_arn
        with self._changed:
            for record in records:
                buffer = self._open.get(arn)
                if buffer is None:
                    buffer = self._open[arn] = _Buffer(stream, time.monotonic() + seconds)
                buffer.records.append(record)
                buffer.size += len(record)
                if buffer.size >= limit:
                    buffer.due = 0.0
                    self._closed.append(self._open.pop(arn))
            self._changed.notify_all()

    def flush(self) -> dict[str, list[Any]]:
        """Deliver all that waits, now, once.

        Returns ``delivered``, the URIs of the objects, and ``failed``, what waits on: ``stream``, ``records``
        and ``error`` of each.
        """
        return self._deliver_those(lambda _: True)

    def status(self) -> dict[str, int]:
        """How many records wait, by stream."""
        with self._changed:
            waiting: dict[str, int] = {}
            for buffer in self._buffers():
                name = buffer.stream.delivery_stream_name
                waiting[name] = waiting.get(name, 0) + len(buffer.records)
            return waiting

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._stopped and (wait := self._seconds_to_next()) != 0:
                    self._changed.wait(wait)
                if self._stopped:
                    return
            self._deliver_those(lambda buffer: buffer.due <= time.monotonic())

    def _buffers(self) -> list[_Buffer]:
        return [*self._closed, *self._open.values()]

    def _seconds_to_next(self) -> float | None:
        """How long until a buffer is due; ``None`` if none waits."""
        due = min((buffer.due for buffer in self._buffers()), default=None)
        return None if due is None else max(0.0, due - time.monotonic())

    def _deliver_those(self, chosen: Callable[[_Buffer], bool]) -> dict[str, list[Any]]:
        outcome: dict[str, list[Any]] = {"delivered": [], "failed": []}
        with self._delivering:
            with self._changed:
                buffers = [buffer for buffer in self._buffers() if chosen(buffer)]
                self._closed = [buffer for buffer in self._closed if buffer not in buffers]
                self._open = {arn: buffer for arn, buffer in self._open.items() if buffer not in buffers}
            for buffer in buffers:
                try:
                    outcome["delivered"].append(self._deliver(buffer))
                except Exception as error:  # noqa: BLE001 - whatever is in the way, the records wait
                    outcome["failed"].append(self._keep(buffer, error))
        return outcome

    def _deliver(self, buffer: _Buffer) -> str:
        """Write one object; return its URI."""
        stream = buffer.stream
        to = destination(stream) or {}
        assumes("firehose", to["RoleARN"], stream.delivery_stream_arn)
        keys = assume(to["RoleARN"], SESSION_NAME)
        s3 = self._session.client(
            "s3",
            region_name=stream.delivery_stream_arn.split(":")[3],
            endpoint_url=self._endpoint,
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=keys["AWS_SESSION_TOKEN"],
            config=Config(retries={"total_max_attempts": 1}),
        )
        bucket = to["BucketARN"].rpartition(":::")[2]
        name, version = stream.delivery_stream_name, stream.version_id
        key = object_key(to.get("Prefix") or "", name, version, buffer.arrived, to.get("FileExtension") or "")
        end = b"\n" if _appends_newline(to) else b""
        s3.put_object(
            Bucket=bucket,
            Key=key,
            Body=b"".join(record + end for record in buffer.records),
            **_encryption(to),
        )
        return f"s3://{bucket}/{key}"

    def _keep(self, buffer: _Buffer, error: Exception) -> dict[str, Any]:
        """Let a buffer wait for another try, unless its stream is gone; say what is wrong, once."""
        stream = buffer.stream
        failed = {
            "stream": stream.delivery_stream_name,
            "records": len(buffer.records),
            "error": str(error),
        }
        if str(error) != buffer.error:
            buffer.error = str(error)
            _log(stream, error)
        region = stream.delivery_stream_arn.split(":")[3]
        if stream.delivery_stream_name in firehose_backends[ACCOUNT_ID][region].delivery_streams:
            buffer.due = time.monotonic() + RETRY_SECONDS
            with self._changed:
                self._closed.append(buffer)
                self._changed.notify_all()
        return failed


def _appends_newline(to: dict[str, Any]) -> bool:
    processing = to.get("ProcessingConfiguration") or {}
    kinds = [processor["Type"] for processor in processing.get("Processors", [])]
    return bool(processing.get("Enabled")) and "AppendDelimiterToRecord" in kinds


def _encryption(to: dict[str, Any]) -> dict[str, Any]:
    """How the stream wants its objects encrypted; without a key of its own, as the bucket does."""
    key = ((to.get("EncryptionConfiguration") or {}).get("KMSEncryptionConfig") or {}).get("AWSKMSKeyARN")
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}


def _log(stream: DeliveryStream, error: Exception) -> None:
    """Tell the stream's log, if it has one.

    https://docs.aws.amazon.com/firehose/latest/dev/monitoring-with-cloudwatch-logs.html
    """
    to = destination(stream) or {}
    options = to.get("CloudWatchLoggingOptions") or {}
    group, log_stream = options.get("LogGroupName", ""), options.get("LogStreamName", "")
    backend = logs_backends[ACCOUNT_ID][stream.delivery_stream_arn.split(":")[3]]
    if not options.get("Enabled") or log_stream not in getattr(backend.groups.get(group), "streams", {}):
        return
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else "InternalError"
    message = {
        "deliveryStreamARN": stream.delivery_stream_arn,
        "destination": to["BucketARN"],
        "deliveryStreamVersionId": int(stream.version_id),
        "message": str(error),
        "errorCode": f"S3.{code}",
    }
    event = {"timestamp": int(unix_time_millis()), "message": json.dumps(message)}
    backend.put_log_events(group, log_stream, [event])
