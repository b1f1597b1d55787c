"""One pipeline, deployed by the real Terraform from the zip that ships, for all tests that need no other."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from custody.evidence.objects import ObjectVersion
from examples.streaming.generate import customer_files, event_files
from scripts.demo.lake import Delivery, Lake
from scripts.demo.pipeline import Landed, Pipeline, deployed
from scripts.state.applied import kept, tree_key
from scripts.toolchain.toolchain import BUILD
from tests.glue.local import customer, customers

CUSTOMERS, EVENTS = 300, 2000
SILVER, GOLD = ("customers", "viewing_events"), ("customer_value", "daily_engagement")


@pytest.fixture(scope="session")
def pipeline() -> Iterator[Pipeline]:
    work_dir = BUILD / "test" / "pipeline"
    shutil.rmtree(work_dir, ignore_errors=True)
    with deployed(work_dir) as running:
        kept(tree_key(), lambda _: running.terraform.show_json())  # for the tests that compare such states
        yield running


@pytest.fixture(scope="session")
def landed(pipeline: Pipeline) -> list[Landed]:
    """The sample objects, uploaded, recorded and delivered by the trail."""
    dropped = pipeline.drop_sample()
    pipeline.await_receipts([entry.version for entry in dropped])
    pipeline.deliver_trail()
    return dropped


@dataclass
class Made:
    """The delivered data, objects that must not become rows, and the alerts so far."""

    customers: Delivery
    events: Delivery
    corrected: int
    """How many customers were corrected."""
    bereft: ObjectVersion
    """It has no receipt, since its notification was lost; until ``pending_until`` it counts as pending."""
    pending_until: float
    """In seconds since the epoch."""
    forged: ObjectVersion
    """A byte of its receipt is changed."""
    documents: dict[str, list[dict[str, Any]]]
    """The lineage documents of the first run, by table."""
    _sqs: Any
    _queue_url: str
    _told: list[str] = field(default_factory=list)

    def alerts(self) -> list[str]:
        """Every message of the alerts' topic so far."""
        while messages := self._sqs.receive_message(QueueUrl=self._queue_url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                self._told.append(str(json.loads(message["Body"])["Message"]))
                self._sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])
        return self._told


def drop_customer(pipeline: Pipeline, key: str, number: int) -> ObjectVersion:
    """Upload a file of one customer under ``key``."""
    body = b"".join(customers(customer(number)))
    bucket = pipeline.deployment.buckets["raw-data"]
    answer = pipeline.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
    return ObjectVersion(bucket, key, answer["VersionId"])


def drop_unheard(pipeline: Pipeline, key: str, body: bytes) -> ObjectVersion:
    """Upload an object whose notification is lost: it gets no receipt."""
    functions, sqs = pipeline.client("lambda"), pipeline.client("sqs")
    recorder, queue = pipeline.deployment.functions["recorder"], pipeline.deployment.queues["recorder"]
    (mapping,) = functions.list_event_source_mappings(FunctionName=recorder)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    time.sleep(2)  # until it is no longer polled
    try:
        bucket = pipeline.deployment.buckets["raw-data"]
        answer = pipeline.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
        (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"]
        assert answer["VersionId"] in message["Body"]
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    finally:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    return ObjectVersion(bucket, key, answer["VersionId"])


def tamper(pipeline: Pipeline, version: ObjectVersion, action: str, **how: Any) -> None:
    """Change what is stored, behind the API."""
    pipeline.aws.admin(
        "tamper",
        action=action,
        bucket=version.bucket,
        key=version.key,
        version_id=version.version_id,
        **how,
    )


@pytest.fixture(scope="session")
def lake(pipeline: Pipeline) -> Lake:
    return Lake(pipeline)


@pytest.fixture(scope="session")
def made(lake: Lake, landed: list[Landed], tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Customers and events, with dirty rows, made into silver and gold; two objects lack valid receipts."""
    pipeline = lake.pipeline
    sqs, sns = pipeline.client("sqs"), pipeline.client("sns")
    queue_url = sqs.create_queue(QueueName="heard-of-alerts")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    sns.subscribe(
        TopicArn=pipeline.deployment.topic_arn, Protocol="sqs", Endpoint=queue["Attributes"]["QueueArn"]
    )
    forged = drop_customer(pipeline, "incoming/customers/forged-receipt.csv", 66002)
    pipeline.await_receipts([forged])
    receipt = ObjectVersion(
        pipeline.deployment.buckets["provenance"], forged.receipt_key, pipeline.receipt_version(forged)
    )
    tamper(pipeline, receipt, "flip_byte")
    body = b"".join(customers(customer(66001)))
    bereft = drop_unheard(pipeline, "incoming/customers/without-receipt.csv", body)
    pending_until = time.time() + 60 * pipeline.deployment.watermark_minutes + 1
    uploaded = lake.upload(customer_files(CUSTOMERS, 1), tmp_path_factory.mktemp("customers"))
    events = lake.stream("viewing_events", event_files(EVENTS, 1, CUSTOMERS))
    lake.process()
    documents = {
        table: lake.documents(bucket, table)
        for bucket, tables in (("processed", SILVER), ("analytics", GOLD))
        for table in tables
    }
    corrected = max(1, CUSTOMERS // 50)
    return Made(
        uploaded, events, corrected, bereft, pending_until, forged, documents, _sqs=sqs, _queue_url=queue_url
    )
