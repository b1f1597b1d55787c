"""The threat model names rules, alarms and drills that exist, and every rule and drill."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from custody.ledger.rules import all_rules
from scripts.drill.attacks import ATTACKS
from scripts.toolchain.toolchain import REPO
from tests.support.runbook import PAGE, named

TEXT = (REPO / "docs" / "threat_model.md").read_text(encoding="utf-8")
ALARMS = set(named(PAGE.read_text(encoding="utf-8"), "Alarms"))

DRILLS = {attack.name for attack in ATTACKS}


def gaps(text: str) -> Iterator[str]:
    """What the table of techniques names and is not there, and rules that it does not name."""
    table = re.search(
        r"^\| technique \| rule \| alarm \| drill \|\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE
    )
    rows = [line.strip("|").split("|") for line in table[1].splitlines()] if table else []
    rules = {name for row in rows for name in re.findall(r"`([^`]+)`", row[1])}
    alarms = {name for row in rows for name in re.findall(r"`([^`]+)`", row[2])}
    drills = {name for row in rows for name in re.findall(r"`([^`]+)`", row[3])}
    yield from (f"there is no rule {name}" for name in sorted(rules - all_rules().keys()))
    yield from (f"no technique for {name}" for name in sorted(all_rules().keys() - rules))
    yield from (f"there is no alarm {name}" for name in sorted(alarms - ALARMS))
    yield from (f"there is no drill {name}" for name in sorted(drills - DRILLS))
    yield from (f"no technique for the drill {name}" for name in sorted(DRILLS - drills))


def test_every_technique_has_what_sees_it() -> None:
    assert list(gaps(TEXT)) == []


@pytest.mark.parametrize(
    ("old", "new", "gap"),
    [
        ("| `trail-narrowed` |", "| `trail-narrow` |", "there is no rule trail-narrow"),
        ("| `trail-narrowed` |", "| none |", "no technique for trail-narrowed"),
        ("| `key-changed` |", "| `key-turned` |", "there is no alarm key-turned"),
        ("| `key-disabled` |", "| `key-turned` |", "there is no drill key-turned"),
        ("| `key-disabled` |", "| none |", "no technique for the drill key-disabled"),
    ],
)
def test_what_is_missing_is_found(old: str, new: str, gap: str) -> None:
    assert old in TEXT
    assert gap in list(gaps(TEXT.replace(old, new, 1)))
