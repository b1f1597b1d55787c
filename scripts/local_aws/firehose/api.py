"""Firehose's operations on records, with buffering streams; moto writes the records of each call at once.

Also AWS's limits of a call, and its checks of prefixes.
https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html
"""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from moto.firehose.exceptions import (
    InvalidArgumentException,
    ResourceNotFoundException,
    ValidationException,
)
from moto.firehose.models import DeliveryStream, FirehoseBackend

from scripts.local_aws.firehose.names import check_prefixes
from scripts.local_aws.firehose.streams import Streams, destination

MAX_RECORDS = 500
MAX_RECORD_BYTES = 1000 * 1024
MAX_REQUEST_BYTES = 4 * 1024 * 1024


def install(streams: Streams) -> None:
    """Serve PutRecord and PutRecordBatch with ``streams``; check what streams are made with."""

    def put_record_batch(self: FirehoseBackend, name: str, records: Sequence[Mapping[str, bytes]]) -> Any:
        stream = _stream(self, name)
        if len(records) > MAX_RECORDS:
            raise _too_long("records", MAX_RECORDS)
        bodies = [record["Data"] for record in records]
        if sum(map(len, bodies)) > MAX_REQUEST_BYTES:
            raise InvalidArgumentException("Records size exceeds 4 MB limit")
        _put(streams, stream, bodies)
        responses = [{"RecordId": str(uuid.uuid4())} for _ in records]
        return {"FailedPutCount": 0, "Encrypted": _is_encrypted(stream), "RequestResponses": responses}

    def put_record(self: FirehoseBackend, name: str, record: Mapping[str, bytes]) -> Any:
        stream = _stream(self, name)
        _put(streams, stream, [record["Data"]])
        return {"RecordId": str(uuid.uuid4()), "Encrypted": _is_encrypted(stream)}

    FirehoseBackend.put_record_batch = put_record_batch  # type: ignore[method-assign,assignment]
    FirehoseBackend.put_record = put_record  # type: ignore[method-assign,assignment]
    _check("create_delivery_stream", "extended_s3_destination_configuration")
    _check("update_destination", "extended_s3_destination_update")


def _check(operation: str, argument: str) -> None:
    """Have an operation refuse an S3 destination of which the prefixes are wrong."""
    serve = getattr(FirehoseBackend, operation)
    signature = inspect.signature(serve)

    def checking(self: FirehoseBackend, *args: Any, **kwargs: Any) -> Any:
        to = signature.bind(self, *args, **kwargs).arguments.get(argument) or {}
        try:
            check_prefixes(to.get("Prefix") or "", to.get("ErrorOutputPrefix") or "")
        except ValueError as error:
            raise InvalidArgumentException(str(error)) from error
        return serve(self, *args, **kwargs)

    setattr(FirehoseBackend, operation, checking)


def _stream(backend: FirehoseBackend, name: str) -> DeliveryStream:
    stream = backend.delivery_streams.get(name)
    if stream is None:
        raise ResourceNotFoundException(f"Firehose {name} under account {backend.account_id} not found.")
    return stream


def _put(streams: Streams, stream: DeliveryStream, bodies: Sequence[bytes]) -> None:
    if any(len(body) > MAX_RECORD_BYTES for body in bodies):
        raise _too_long("data", MAX_RECORD_BYTES)
    to = destination(stream)
    if to is None:
        raise NotImplementedError(f"{stream.delivery_stream_name} delivers elsewhere than to S3")
    processing = to.get("ProcessingConfiguration") or {}
    kinds = {processor["Type"] for processor in processing.get("Processors", [])}
    if (
        kinds - {"AppendDelimiterToRecord"}
        or (to.get("DataFormatConversionConfiguration") or {}).get("Enabled")
        or (to.get("DynamicPartitioningConfiguration") or {}).get("Enabled")
        or to.get("CompressionFormat", "UNCOMPRESSED") != "UNCOMPRESSED"
        or to.get("CustomTimeZone", "UTC") not in {"", "UTC"}
    ):
        raise NotImplementedError(
            f"{stream.delivery_stream_name} converts, compresses, partitions or has a time zone of its own"
        )
    streams.put(stream, bodies)


def _is_encrypted(stream: DeliveryStream) -> bool:
    return (stream.delivery_stream_encryption_configuration or {}).get("Status") == "ENABLED"


def _too_long(field: str, limit: int) -> ValidationException:
    return ValidationException(
        f"1 validation error detected: Value at '{field}' failed to satisfy constraint: "
        f"Member must have length less than or equal to {limit}"
    )
