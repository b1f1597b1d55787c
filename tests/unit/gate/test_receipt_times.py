"""The gate compares a receipt's time with Amazon S3's, and reads a new key during an invocation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from custody.etl.manifest import Entry
from custody.evidence.keyring import parse_registry
from custody.evidence.objects import ObjectVersion
from custody.evidence.registry import CurrentKeyRing, KeyRing
from custody.gate.receipts import Reason, ReceiptGate
from custody.listing import VersionEntry
from tests.support.evidence import LocalSigner
from tests.unit.gate_world import S3, SIGNER, START, GateWorld, Lifeline

KEY = "incoming/customers/2026-01-15.csv"


def check(world: GateWorld, version: ObjectVersion, ring: KeyRing | CurrentKeyRing) -> Any:
    s3: Any = S3(world, Lifeline())
    stored = world.stored(version)
    entry = VersionEntry(
        version.key, version.version_id, stored.last_modified, False, len(stored.body or b""), stored.etag
    )
    gate = ReceiptGate(s3, "provenance", ring, world.now, timedelta(hours=1))
    return gate.check("raw", entry)


def ring_of(*signers: LocalSigner) -> KeyRing:
    return parse_registry(json.dumps({"keys": [signer.registered() for signer in signers]}).encode())


@pytest.mark.parametrize(
    ("recorded_at", "why"),
    [
        (START - timedelta(hours=2), "backdated"),
        (START + timedelta(days=300_000), "after Amazon S3 stored it"),
        (START - timedelta(minutes=5), "before the object version was created"),
    ],
)
def test_a_receipt_of_an_impossible_time_is_withheld(
    world: GateWorld, recorded_at: datetime, why: str
) -> None:
    version = world.arrive(KEY, recorded=False)
    world.record(version, recorded_at=recorded_at)
    verdict = check(world, version, ring_of(SIGNER))
    assert verdict.reason == Reason.RECORDED_AT
    assert why in verdict.detail


def test_a_key_registered_during_the_call_is_known(world: GateWorld) -> None:
    successor = LocalSigner("arn:aws:kms:us-east-1:123456789012:key/successor")
    rings: Iterator[KeyRing] = iter([ring_of(SIGNER), ring_of(SIGNER, successor)])
    ring = CurrentKeyRing(lambda: next(rings))
    version = world.arrive(KEY, recorded=False)
    world.record(version, successor)
    assert isinstance(check(world, version, ring), Entry)


@pytest.fixture
def world() -> GateWorld:
    return GateWorld()
