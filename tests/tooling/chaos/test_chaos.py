"""Chaos without a deployment: what is a fault, what is printed, and that a seed makes the same events."""

from __future__ import annotations

import json
from io import StringIO
from typing import cast

import pytest
from rich.console import Console

from custody.evidence.objects import ObjectVersion
from custody.recorder.notification import MalformedMessageError, Skipped, parse_message
from scripts.chaos.__main__ import table
from scripts.chaos.events import BATCH, Batches
from scripts.chaos.world import Check, shares
from scripts.local_aws.faults import Fault

KNOWN = [ObjectVersion("raw", f"incoming/{number}", "v") for number in range(3)]


def batches(seed: int, events: int) -> list[str]:
    return [json.dumps(batch.event) for batch in Batches(seed, KNOWN, "provenance").some(events)]


def test_a_seed_makes_the_same_events() -> None:
    assert batches(1, 200) == batches(1, 200)
    assert batches(1, 200) != batches(2, 200)
    assert len(batches(1, 2 * BATCH + 1)) == 3


def test_events_are_of_every_kind() -> None:
    ends = set()
    maker = Batches(1, KNOWN, "provenance")
    for _ in range(500):
        try:
            parsed = parse_message(maker.body())
        except MalformedMessageError:
            ends.add("malformed")
        else:
            ends |= {one.reason if isinstance(one, Skipped) else one.name for one in parsed}
    assert ends >= {"malformed", "ObjectCreated:Put", "Backfill", "test_event", "not_created"}


@pytest.mark.parametrize("objects", [1, 200, 10_000, 1_000_000])
def test_three_of_ten_calls_fail_and_some_processes_die(objects: int) -> None:
    for rates in shares(objects).values():
        assert set(rates) == set(Fault)
        assert sum(rates.values()) == pytest.approx(0.3, abs=0.01)
        assert 0 < rates["kill"] + rates["expire"] <= 0.002


def test_the_table_says_what_must_be_and_what_was() -> None:
    console = Console(width=120, file=StringIO())
    checks = [
        Check("load", "receipts", "200", "199", holds=False),
        Check("fuzz", "events", "[10]", "10", True),
    ]
    console.print(table(checks, 7))
    written = cast("StringIO", console.file).getvalue()
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in written.splitlines()]
    assert "seed 7" in written
    assert [row for row in rows if row] == [
        ["load", "receipts", "200", "199"],
        ["fuzz", "events", "[10]", "10"],
    ]
