"""What every run of chaos does: put objects, wait until all is processed, and look at what became of them."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from custody.concurrency import map_concurrently
from custody.evidence.objects import RECEIPT_PREFIX, ObjectVersion
from scripts.demo.pipeline import Pipeline, PipelineError

PUTS_AT_ONCE = 4
LARGEST_BYTES = 2048
QUEUES = ("recorder", "sealer")
LOOK_SECONDS = 0.5
PATIENCE_SECONDS = 900.0
"""How long nothing may end before a run is given up."""

SHARES = {
    "throttle": 0.1,
    "error": 0.0845,
    "reset": 0.05,
    "lost": 0.04,
    "cut": 0.025,
    "silence": 0.0001,
}
"""Of the calls of a service, those that meet each fault."""
ENDS_OF_PROCESSES = {"kill": 0.75, "expire": 0.25}
CALLS_FOR_AN_OBJECT = 20
"""About: its events, with what is tried again."""


def shares(objects: int) -> dict[str, dict[str, float]]:
    """The shares of each service for a run of so many objects: some dozens of processes die."""
    deaths = min(0.002, 60 / (objects * CALLS_FOR_AN_OBJECT))
    dying = {fault: deaths * part for fault, part in ENDS_OF_PROCESSES.items()}
    return {service: {**SHARES, **dying} for service in ("s3", "kms", "sqs")}


@dataclass(frozen=True)
class Check:
    """What must be, and what was."""

    run: str
    what: str
    expected: str
    seen: str
    holds: bool


@dataclass
class World:
    """A deployment on this machine, the seed of its faults, and who is told of progress and of each check."""

    pipeline: Pipeline
    seed: int
    tell: Callable[[str], None]
    note: Callable[[Check], None]
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """One client of a service for all threads."""
        return self.clients.setdefault(service, self.pipeline.client(service))

    @property
    def raw(self) -> str:
        """The bucket of raw data."""
        return self.pipeline.deployment.buckets["raw-data"]

    def prefix(self, run: str) -> str:
        """Where the objects of a run are."""
        return f"incoming/chaos/{run}/"

    def put(self, run: str, count: int) -> list[ObjectVersion]:
        """Put objects of up to two KiB; the same for the same seed."""
        s3 = self.client("s3")

        def put(number: int) -> ObjectVersion:
            dice = random.Random(f"{self.seed}/{run}/{number}")  # noqa: S311 - data, not a secret
            key, body = f"{self.prefix(run)}{number:06d}.csv", dice.randbytes(dice.randrange(LARGEST_BYTES))
            answer = s3.put_object(Bucket=self.raw, Key=key, Body=body)
            if number % 1000 == 999:
                self.tell(f"{run}: {number + 1} of {count} objects are put")
            return ObjectVersion(self.raw, key, answer["VersionId"])

        return sorted(map_concurrently(put, range(count), PUTS_AT_ONCE))

    def waiting(self) -> dict[str, int]:
        """How many messages are not processed yet, by queue; those on their way to it are the recorder's."""
        status = self.pipeline.aws.admin("status")
        depths = {
            short: sum(status["queues"][self.pipeline.deployment.queues[short].rpartition("/")[2]].values())
            for short in QUEUES
        }
        depths["recorder"] += status["notifications"]["held"]
        return depths

    def await_idle(self, run: str) -> None:
        """Wait until every message is processed. Raises ``PipelineError`` if nothing ends any more."""
        least, since = None, time.monotonic()
        told = since
        while any((depths := self.waiting()).values()):
            left, now = sum(depths.values()), time.monotonic()
            if least is None or left < least:
                least, since = left, now
            if now - since > PATIENCE_SECONDS:
                raise PipelineError(f"{run}: for {PATIENCE_SECONDS:.0f} s no message has ended: {depths}.")
            if now - told > 10:
                self.tell(
                    f"{run}: {depths['recorder']} messages wait to be recorded, {depths['sealer']} sealed"
                )
                told = now
            time.sleep(LOOK_SECONDS)

    def receipts(self, run: str) -> Counter[str]:
        """The versions below the receipts' keys of a run's objects, delete markers included, by key."""
        pages = self.client("s3").get_paginator("list_object_versions")
        bucket = self.pipeline.deployment.buckets["provenance"]
        found: Counter[str] = Counter()
        for page in pages.paginate(Bucket=bucket, Prefix=f"{RECEIPT_PREFIX}{self.raw}/{self.prefix(run)}"):
            for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                found[entry["Key"]] += 1
        return found

    def dead_letters(self, queue: str) -> list[str]:
        """Take everything out of a function's dead-letter queue."""
        sqs, url = self.client("sqs"), self.pipeline.deployment.queues[f"{queue}-dlq"]
        bodies: list[str] = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                bodies.append(message["Body"])
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    def check_receipts(self, run: str, versions: list[ObjectVersion]) -> None:
        """One receipt for each version, and no other."""
        receipts, wanted = self.receipts(run), {version.receipt_key for version in versions}
        self.expect(run, "receipts", len(versions), receipts.total())
        self.expect(run, "objects without a receipt", 0, len(wanted - receipts.keys()))
        self.expect(run, "receipts of nothing", 0, len(receipts.keys() - wanted))

    def verify(self, run: str) -> dict[str, Any]:
        """``custody verify`` of a run's objects, its counts by claim; what it finds goes to ``tell``.

        Raises ``PipelineError`` if it cannot verify.
        """
        self.pipeline.deliver_trail()
        self.tell(f"{run}: custody verify")
        done = self.pipeline.custody("verify", f"s3://{self.raw}/{self.prefix(run)}", "--format", "json")
        if done.returncode not in (0, 1):
            raise PipelineError(f"custody verify ended with {done.returncode}: {done.stderr[-2000:]}")
        document: dict[str, Any] = json.loads(done.stdout)
        for finding in document["findings"][:5]:
            self.tell(
                f"{run}: {finding['claim']} {finding['status']} {finding['subject']}: {finding['detail']}"
            )
        return document

    def check_verifies(self, run: str, count: int) -> None:
        """Each of ``count`` objects has a receipt that verifies, and is in the log."""
        document = self.verify(run)
        for claim in ("object.hash", "receipt.signature", "receipt.unique", "log.inclusion"):
            self.expect(run, f"{claim} holds", count, document["claims"][claim]["passed"])
        self.expect(run, "findings of custody verify", 0, len(document["findings"]))
        self.expect(run, "not checked by custody verify", 0, document["unchecked_count"])

    def expect(self, run: str, what: str, expected: object, seen: object, holds: bool | None = None) -> None:
        """Note a check; without ``holds`` it holds if the two are equal."""
        self.note(Check(run, what, str(expected), str(seen), expected == seen if holds is None else holds))


@contextmanager
def chaos(world: World, *, rate: float, copies: int = 1, skew_seconds: float = 0.0) -> Iterator[None]:
    """Time passes by ``rate`` times as fast for who waits; events come several times and out of order.

    All of it ends with the block, faults included.
    """
    aws = world.pipeline.aws
    try:
        aws.admin("clock", rate=rate, skew_seconds=skew_seconds)
        aws.admin("events", duplicate=copies, shuffle=world.seed if copies > 1 else None)
        yield
    finally:
        aws.admin("events")
        aws.admin("faults")
        aws.admin("kms/outage", on=False)
        aws.admin("clock")
