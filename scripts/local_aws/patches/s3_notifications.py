"""S3's event notifications have the shape S3 gives them, one for each object created.

moto leaves out who, from where, which request, which version and in which order; and sends a second event,
``ObjectCreated:Put``, for a completed multipart upload. Its events for EventBridge all have the same id,
request, address and sequencer.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
"""

from __future__ import annotations

import itertools
import json
import time
import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

from moto.events.models import events_backends
from moto.s3 import notifications
from moto.s3.models import FakeBucket, FakeDeleteMarker, FakeKey
from moto.s3.notifications import S3NotificationEvent

from scripts.local_aws.calls import S3Call, current
from scripts.local_aws.delivery import DELIVERY
from scripts.local_aws.identity import operator

EVENT_VERSION = "2.6"
_OWNER_ID = "A3NL1KOZZKExample"
_sequence = itertools.count(time.time_ns() // 1000)


def apply() -> None:
    """Replace the events, the way to the queue, the test event, and which events are sent."""
    send = notifications.send_event

    def send_once(account_id: str, event_name: S3NotificationEvent, bucket: FakeBucket, key: Any) -> None:
        is_put = event_name == S3NotificationEvent.OBJECT_CREATED_PUT_EVENT
        if is_put and getattr(key, "multipart", None) is not None:
            return  # The event for the completed upload follows.
        call = current()
        if is_put and call is not None and call.operation is not None and call.operation.name == "PostObject":
            event_name = S3NotificationEvent.OBJECT_CREATED_POST_EVENT
        send(account_id, event_name, bucket, key)

    notifications.send_event = send_once
    notifications._get_s3_event = _event
    notifications._send_sqs_message = _send_to_queue
    notifications._get_test_event = _test_event
    notifications._send_event_bridge_message = _send_to_bus


def _event(
    event_name: str, bucket: FakeBucket, key: FakeKey | FakeDeleteMarker, notification_id: str
) -> dict[str, list[dict[str, Any]]]:
    call = current()
    record = {
        "eventVersion": EVENT_VERSION,
        "eventSource": "aws:s3",
        "awsRegion": bucket.region_name,
        "eventTime": _now(),
        "eventName": str(S3NotificationEvent(event_name).value).removeprefix("s3:"),
        "userIdentity": {"principalId": _principal_id(call)},
        "requestParameters": {"sourceIPAddress": call.source_ip if call else "127.0.0.1"},
        "responseElements": {
            "x-amz-request-id": call.request_id if call else "",
            "x-amz-id-2": call.host_id if call else "",
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": notification_id,
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": {"principalId": _OWNER_ID},
                "arn": bucket.arn,
            },
            "object": _object(bucket, key),
        },
    }
    return {"Records": [record]}


def _object(bucket: FakeBucket, key: FakeKey | FakeDeleteMarker) -> dict[str, Any]:
    described: dict[str, Any] = {"key": quote_plus(key.name, safe="/")}
    if isinstance(key, FakeKey):
        described["size"] = key.size
        described["eTag"] = key.etag.replace('"', "")
    if bucket.is_versioned:
        described["versionId"] = key.version_id
    described["sequencer"] = f"{next(_sequence):018X}"
    return described


_REASONS = {
    S3NotificationEvent.OBJECT_CREATED_PUT_EVENT: "PutObject",
    S3NotificationEvent.OBJECT_CREATED_POST_EVENT: "POST Object",
    S3NotificationEvent.OBJECT_CREATED_COPY_EVENT: "CopyObject",
    S3NotificationEvent.OBJECT_CREATED_COMPLETE_MULTIPART_UPLOAD_EVENT: "CompleteMultipartUpload",
}


def _send_to_bus(
    account_id: str, bucket: FakeBucket, event_name: str, key: FakeKey | FakeDeleteMarker
) -> None:
    name = S3NotificationEvent(event_name)
    if name not in _REASONS:
        return  # Nothing listens to deletions here.
    call = current()
    described = _object(bucket, key)
    event: Any = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": account_id,
        "time": time.time(),
        "region": bucket.region_name,
        "resources": [bucket.arn],
        "detail": {
            "version": "0",
            "bucket": {"name": bucket.name},
            "object": {
                "key": key.name,
                "size": described["size"],
                "etag": described["eTag"],
                **({"version-id": key.version_id} if bucket.is_versioned else {}),
                "sequencer": described["sequencer"],
            },
            "request-id": call.request_id if call else "",
            "requester": (call.principal if call else operator()).account_id,
            "source-ip-address": call.source_ip if call else "127.0.0.1",
            "reason": _REASONS[name],
        },
    }
    bus = events_backends[account_id][bucket.region_name].event_buses["default"]
    for rule in list(bus.rules.values()):
        rule.send_to_targets(event)


def _principal_id(call: S3Call | None) -> str:
    principal = call.principal if call else operator()
    return "Anonymous" if principal.is_anonymous else f"AWS:{principal.principal_id}"


def _send_to_queue(account_id: str, event_body: Any, queue_name: str, region_name: str) -> None:
    DELIVERY.send(f"arn:aws:sqs:{region_name}:{account_id}:{queue_name}", json.dumps(event_body))


def _test_event(bucket_name: str) -> dict[str, Any]:
    call = current()
    return {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": _now(),
        "Bucket": bucket_name,
        "RequestId": call.request_id if call else "",
        "HostId": call.host_id if call else "",
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
