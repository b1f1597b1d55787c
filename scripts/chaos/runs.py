"""The runs: each makes its faults, and checks what became of what it put."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from custody.recorder.redelivery import delay_seconds
from scripts.chaos.events import Batches
from scripts.chaos.world import World, chaos, shares

LOAD_RATE, OUTAGE_RATE = 300.0, 60.0
REFUSED_RATE = 20.0
"""On a busy machine, too, a clock is right again before a message has been received ten times."""
COPIES = 3
POISON = 20
OUTAGE_SECONDS = 600
TOLERATED_SKEW, FOUND_SKEW, REFUSED_SKEW = 45, 300, 1200
"""Seconds. ``custody verify`` tolerates one minute; Amazon S3 refuses what is signed 15 minutes off."""


@dataclass(frozen=True)
class Sizes:
    """How much each run does."""

    objects: int
    outage: int
    events: int


def load(world: World, sizes: Sizes) -> None:
    """Every event three times and out of order, 30 % of all calls fail, and functions die between any two."""
    run = "load"
    poison = [f"chaos {world.seed}: message {number} is no notification" for number in range(POISON)]
    with chaos(world, rate=LOAD_RATE, copies=COPIES):
        world.pipeline.aws.admin("faults", seed=world.seed, services=shares(sizes.objects))
        for body in poison:
            _send(world, body)
        versions = world.put(run, sizes.objects)
        world.await_idle(run)
        met = world.pipeline.aws.admin("faults")["met"]
    for service, counts in met.items():
        calls = counts.pop("calls")
        share, words = sum(counts.values()) / calls, ", ".join(f"{n} {name}" for name, n in counts.items())
        seen = f"{share:.0%} of {calls} ({words})"
        world.expect(run, f"calls of {service} that failed", "25 to 35 %", seen, 0.25 <= share <= 0.35)
    deaths = sum(counts.get("kill", 0) + counts.get("expire", 0) for counts in met.values())
    world.expect(run, "functions that died in a call", "some", deaths, deaths > 0)
    world.check_receipts(run, versions)
    dead = world.dead_letters("recorder")
    world.expect(run, "dead letters: the messages that mean nothing", POISON, len(set(dead) & set(poison)))
    world.expect(
        run, "dead letters of the recorder besides", 0, len([one for one in dead if one not in poison])
    )
    world.expect(run, "dead letters of the sealer", 0, len(world.dead_letters("sealer")))
    world.check_verifies(run, sizes.objects)


def outage(world: World, sizes: Sizes) -> None:
    """AWS KMS fails for ten minutes: nothing is signed, nothing is lost, all is recorded after."""
    run = "outage"
    before = world.pipeline.log_size()
    with chaos(world, rate=OUTAGE_RATE):
        world.pipeline.aws.admin("kms/outage", on=True)
        versions = world.put(run, sizes.outage)
        world.tell(
            f"{run}: AWS KMS fails for {OUTAGE_SECONDS} s, {OUTAGE_RATE:.0f} times as fast as they pass by"
        )
        time.sleep(OUTAGE_SECONDS / OUTAGE_RATE)
        world.expect(run, "receipts while AWS KMS fails", 0, world.receipts(run).total())
        world.expect(run, "new entries of the log while it fails", 0, world.pipeline.log_size() - before)
        world.pipeline.aws.admin("kms/outage", on=False)
        world.await_idle(run)
    world.check_receipts(run, versions)
    for queue in ("recorder", "sealer"):
        world.expect(run, f"dead letters of the {queue}", 0, len(world.dead_letters(queue)))
    seconds = _patience(world)
    world.expect(
        run,
        "seconds until the first dead letter",
        f"over {OUTAGE_SECONDS}",
        seconds,
        seconds > OUTAGE_SECONDS,
    )
    world.check_verifies(run, sizes.outage)


def long_outage(world: World, sizes: Sizes) -> None:
    """AWS KMS fails until the recorder gives up: every event is a dead letter, and recorded once redriven."""
    run = "long-outage"
    with chaos(world, rate=LOAD_RATE):
        world.pipeline.aws.admin("kms/outage", on=True)
        versions = world.put(run, sizes.outage)
        world.await_idle(run)
        dead = world.dead_letters("recorder")
        world.expect(run, "dead letters", sizes.outage, len(dead))
        world.expect(run, "receipts while AWS KMS fails", 0, world.receipts(run).total())
        world.pipeline.aws.admin("kms/outage", on=False)
        for body in dead:
            _send(world, body)
        world.await_idle(run)
    world.check_receipts(run, versions)
    world.check_verifies(run, sizes.outage)


def clock_skew(world: World, sizes: Sizes) -> None:
    """The recorder's clock is wrong: a little is tolerated, more is found, the refused is recorded later."""
    for seconds in (-TOLERATED_SKEW, TOLERATED_SKEW):
        run = f"clock-{seconds:+d}-s"
        with chaos(world, rate=LOAD_RATE, skew_seconds=seconds):
            versions = world.put(run, sizes.outage)
            world.await_idle(run)
        world.check_receipts(run, versions)
        world.check_verifies(run, sizes.outage)

    run = f"clock-{FOUND_SKEW:+d}-s"
    with chaos(world, rate=LOAD_RATE, skew_seconds=FOUND_SKEW):
        versions = world.put(run, sizes.outage)
        world.await_idle(run)
    world.check_receipts(run, versions)
    found = {finding["subject"] for finding in world.verify(run)["findings"]}
    world.expect(
        run, "objects that custody verify finds", len(versions), len(found & {v.uri for v in versions})
    )

    run = f"clock-{REFUSED_SKEW:+d}-s"
    with chaos(world, rate=REFUSED_RATE, skew_seconds=REFUSED_SKEW):
        invoked = _invocations(world)
        versions = world.put(run, sizes.outage)
        while _invocations(world) == invoked:
            time.sleep(0.1)
        world.expect(run, "receipts while Amazon S3 refuses", 0, world.receipts(run).total())
        world.pipeline.aws.admin("clock", rate=LOAD_RATE)
        world.await_idle(run)
    world.check_receipts(run, versions)
    world.expect(run, "dead letters of the recorder", 0, len(world.dead_letters("recorder")))
    world.check_verifies(run, sizes.outage)


def fuzz(world: World, sizes: Sizes) -> None:
    """Events that are broken in every way: none ends the process, and each ends in one of three ways."""
    run = "fuzz"
    known = world.put(run, 20)
    world.await_idle(run)
    functions, name = world.client("lambda"), world.pipeline.deployment.functions["recorder"]
    log = world.pipeline.aws.home / "functions" / name.rpartition(":")[2] / "log.txt"
    start = log.stat().st_size
    batches = Batches(world.seed, known, world.pipeline.deployment.buckets["provenance"])
    ends = {"failed": 0, "ended": 0, "refused with its batch": 0}
    crashes = refused = 0
    for number, batch in enumerate(batches.some(sizes.events)):
        if number % 100 == 99:
            world.tell(f"{run}: {batches.made} of {sizes.events} events")
        answer = functions.invoke(FunctionName=name, Payload=json.dumps(batch.event))
        payload = json.loads(answer["Payload"].read())
        if "FunctionError" not in answer:
            failed = {str(item["itemIdentifier"]) for item in payload["batchItemFailures"]}
            ends["failed"] += len(batch.ids & failed)
            ends["ended"] += len(batch.ids - failed)
            continue
        ends["refused with its batch"] += len(batch.ids)
        is_crash = payload["errorType"].startswith(("Runtime.", "Sandbox."))
        crashes += is_crash
        refused += not batch.is_misshapen
        if is_crash or not batch.is_misshapen:
            world.tell(f"{run}: {payload['errorType']} {payload['errorMessage']}: {json.dumps(batch.event)}")
    world.expect(run, "processes that died", 0, crashes)
    world.expect(run, "batches of Amazon SQS refused as a whole", 0, refused)
    words = ", ".join(f"{count} {end}" for end, count in ends.items())
    world.expect(run, "events", sizes.events, words, sum(ends.values()) == sizes.events)
    with log.open("rb") as lines:
        lines.seek(start)
        named = _named(lines.read().decode(errors="replace"))
    enough = sum(named.values()) >= ends["ended"] > 0 and named.get("receipt", 0) > 0 < named.get("skip", 0)
    world.expect(
        run, "events with a receipt or a named skip", f"at least {ends['ended']}", json.dumps(named), enough
    )
    world.check_receipts(run, known)


def _named(log: str) -> dict[str, int]:
    """How the recorder's log says that events ended."""
    counts = {"receipt": 0, "skip": 0}
    for line in log.split("\n"):  # not at the other separators, which are in what is quoted
        if '"message":' not in line:
            continue
        message = json.loads(line).get("message", "")
        if message in ("ReceiptsWritten", "AlreadyRecorded"):
            counts["receipt"] += 1
        elif isinstance(message, str) and message.startswith("Skipped"):
            counts["skip"] += 1
    return counts


def _invocations(world: World) -> int:
    status: dict[str, Any] = world.pipeline.aws.admin("status")["functions"]
    name = world.pipeline.deployment.functions["recorder"].rpartition(":")[2]
    return int(status.get(name, {}).get("invocations", 0))


def _patience(world: World) -> int:
    """Seconds from an event's first failure to its last receive, if every receive fails at once."""
    url = world.pipeline.deployment.queues["recorder"]
    asked = world.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])
    receives = int(json.loads(asked["Attributes"]["RedrivePolicy"])["maxReceiveCount"])
    return sum(delay_seconds(receive) for receive in range(1, receives))


def _send(world: World, body: str) -> None:
    world.client("sqs").send_message(QueueUrl=world.pipeline.deployment.queues["recorder"], MessageBody=body)


RUNS: tuple[Callable[[World, Sizes], None], ...] = (load, outage, long_outage, clock_skew, fuzz)
