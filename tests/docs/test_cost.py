"""The page of costs is what its model says, and the model's sizes are those of what is stored."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta

import pytest

from custody.evidence.dsse import sign_envelope
from custody.evidence.objects import ObjectVersion
from custody.evidence.receipt import PAYLOAD_TYPE, Receipt
from custody.ledger.auditor import DAILY_HISTORY
from custody.ledger.rules import Period, all_rules, questions
from custody.log.batch import Batch, Sealable, format_batch
from custody.log.segments import format_segments
from custody.recorder.notification import ObjectCreated
from scripts.docs import cost
from tests.support.evidence import IDENTITY
from tests.support.log import RECEIPTS
from tests.support.memory_s3 import MemoryS3
from tests.support.normal_life import DEPLOYMENT

NOW = MemoryS3().now


def _item(number: int) -> Sealable:
    """A receipt whose ids and hashes are as random as real ones."""
    version = ObjectVersion(
        "custody-prod-raw-data-123456789012",
        f"incoming/orders/2026/03/01/part-{number:05d}.csv",
        os.urandom(16).hex(),
    )
    event = ObjectCreated(
        version,
        "ObjectCreated:Put",
        NOW,
        os.urandom(8).hex().upper(),
        "AWS:AROAEXAMPLE:loader",
        "203.0.113.7",
        "00" * 9,
    )
    receipt = Receipt(
        event, os.urandom(32).hex(), 123_456, f'"{os.urandom(16).hex()}"', NOW, "text/csv", NOW, IDENTITY
    )
    entry = sign_envelope(receipt.to_statement(), PAYLOAD_TYPE, RECEIPTS)
    return Sealable(version.receipt_key, os.urandom(16).hex(), f'"{os.urandom(16).hex()}"', NOW, entry)


ITEMS = tuple(_item(number) for number in range(300))


def test_the_page_is_what_the_model_says() -> None:
    assert cost.PAGE.read_text(encoding="utf-8") == cost.render(), "Run: make docs"


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        (cost.RECEIPT_BYTES, sum(len(item.entry) for item in ITEMS)),
        (cost.BATCH_BYTES, len(format_batch(0, ITEMS))),
        (
            cost.SEGMENT_BYTES,
            sum(len(rows) for _, rows in format_segments(Batch(0, NOW, ITEMS), date(2026, 1, 1))),
        ),
    ],
    ids=["receipt", "batch", "segment"],
)
def test_a_size_is_not_below_what_is_stored(said: int, stored: int) -> None:
    """And at most half as much again."""
    assert stored / len(ITEMS) <= said <= 1.5 * stored / len(ITEMS)


def test_the_log_saves_most_of_what_asking_and_verifying_costs() -> None:
    assert cost.question(1e6) < cost.question_without_log(1e6, 365) / 20
    assert cost.verify(1e6, sealed=True) < 0.55 * cost.verify(1e6, sealed=False)


def test_twice_the_objects_cost_twice() -> None:
    assert cost.record(2e6) == pytest.approx(2 * cost.record(1e6))


def test_the_auditor_costs_what_its_statements_read() -> None:
    """The model counts as many statements as the auditor asks."""
    now = datetime(2026, 4, 21, 12, tzinfo=UTC)
    rules = all_rules().values()
    period = Period(now - timedelta(days=1), now)
    often = [rule for rule in rules if rule.history <= DAILY_HISTORY]
    daily = [rule for rule in rules if rule.history > DAILY_HISTORY]

    assert len(questions(often, DEPLOYMENT, period)) == cost.STATEMENTS_OF_AN_AUDIT
    assert len(questions(daily, DEPLOYMENT, period)) == cost.STATEMENTS_ONCE_A_DAY
    assert cost.audit(1e6, 60) < cost.audit(1e6, 15) < 4 * cost.audit(1e6, 60)
