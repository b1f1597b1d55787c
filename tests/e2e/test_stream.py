"""Records of the stream, end to end: sent by a producer, delivered by Firehose, recorded like a file."""

from __future__ import annotations

import base64
import json

import pytest

from custody.evidence.objects import ObjectVersion
from scripts.demo.pipeline import Pipeline

pytestmark = pytest.mark.xdist_group("pipeline")


def test_records_become_an_object_with_a_receipt(pipeline: Pipeline) -> None:
    deployment = pipeline.deployment
    firehose = pipeline.client("firehose", role_arn=pipeline.roles["people-producer"], session="alice")
    answer = firehose.put_record_batch(
        DeliveryStreamName=deployment.streams["viewing-events"],
        Records=[{"Data": b'{"event_id":"e-stream-1"}'}, {"Data": b'{"event_id":"e-stream-2"}'}],
    )
    assert (answer["FailedPutCount"], answer["Encrypted"]) == (0, True)

    outcome = pipeline.aws.admin("firehose/flush")
    assert outcome["failed"] == []
    (uri,) = outcome["delivered"]
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    assert bucket == deployment.buckets["raw-data"]
    assert key.startswith("incoming/stream/viewing_events/")
    s3 = pipeline.client("s3")
    stored = s3.get_object(Bucket=bucket, Key=key)
    assert stored["Body"].read() == b'{"event_id":"e-stream-1"}\n{"event_id":"e-stream-2"}\n'
    assert stored["SSEKMSKeyId"] == deployment.keys["data"]

    version = ObjectVersion(bucket, key, stored["VersionId"])
    pipeline.await_receipts([version])
    receipt = s3.get_object(Bucket=deployment.buckets["provenance"], Key=version.receipt_key)
    payload = json.loads(base64.b64decode(json.loads(receipt["Body"].read())["payload"]))
    assert payload["predicate"]["event"]["principal_id"].endswith(":AWSFirehoseToS3")
