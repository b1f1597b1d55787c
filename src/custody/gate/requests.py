"""The events of the gate, read strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from custody.documents import Fields, parse_object
from custody.errors import UsageError

MAX_DAYS = 366


@dataclass(frozen=True, slots=True)
class SilverTable:
    """A silver table: the only job that writes it, and the prefix of its raw objects."""

    job: str
    prefix: str


@dataclass(frozen=True, slots=True)
class GoldTable:
    """A gold table: the job that alone writes it, and the silver tables it is made of."""

    job: str
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LookAtTables:
    """Check the arrived objects of these tables."""

    tables: tuple[str, ...]
    by_schedule: bool
    """For all tables and gold, with a delay before a failed run is retried."""


@dataclass(frozen=True, slots=True)
class RemakeDays:
    """Make these days of gold again."""

    days: tuple[date, ...]


@dataclass(frozen=True, slots=True)
class SilverDone:
    """The job of this table succeeded."""

    table: str


def parse_silver_tables(text: str) -> dict[str, SilverTable]:
    """Read ``{"<table>": {"job": …, "prefix": …}, …}``. Raises ``EvidenceError``."""
    what = "list of silver tables"
    document = parse_object(text, what, 64 * 1024)
    tables = {name: Fields(document, what).object(name) for name in document}
    return {name: SilverTable(table.words("job"), table.words("prefix")) for name, table in tables.items()}


def parse_gold_tables(text: str) -> dict[str, GoldTable]:
    """Read ``{"<table>": {"job": …, "inputs": "<table>,…"}, …}``. Raises ``EvidenceError``."""
    what = "list of gold tables"
    document = parse_object(text, what, 64 * 1024)
    tables = {name: Fields(document, what).object(name) for name in document}
    return {
        name: GoldTable(table.words("job"), tuple(table.words("inputs").split(",")))
        for name, table in tables.items()
    }


def parse_event(event: object, silver: Mapping[str, SilverTable]) -> LookAtTables | RemakeDays | SilverDone:
    """Parse an event. Raises ``UsageError``."""
    match event:
        case {"detail-type": "Glue Job State Change", "detail": {"jobName": str(job), "state": "SUCCEEDED"}}:
            for name, table in silver.items():
                if table.job == job:
                    return SilverDone(name)
            raise UsageError(f"The job {job[:80]!r} does not make a silver table.")
        case {"table": str(name), **others} if not others:
            if name not in silver:
                raise UsageError(
                    f"There is no silver table {name[:80]!r}.", f"There are {', '.join(silver)}."
                )
            return LookAtTables((name,), by_schedule=False)
        case {"days": list(days), **others} if not others:
            return RemakeDays(_parse_days(days))
        case {**others} if not others:
            return LookAtTables(tuple(silver), by_schedule=True)
        case _:
            raise UsageError(
                f"The gate does not know the event {json.dumps(event)[:200]}.",
                'Invoke it with {}, {"table": "…"} or {"days": ["2026-01-15"]}.',
            )


def _parse_days(days: list[Any]) -> tuple[date, ...]:
    remedy = 'Write {"days": ["2026-01-15"]}.'
    if not 0 < len(days) <= MAX_DAYS:
        raise UsageError(f"An event must name 1 to {MAX_DAYS} days, not {len(days)}.", remedy)
    return tuple(sorted({_parse_day(day, remedy) for day in days}))


def _parse_day(day: object, remedy: str) -> date:
    try:
        if isinstance(day, str) and (found := date.fromisoformat(day)).isoformat() == day:
            return found
    except ValueError:
        pass
    raise UsageError(f"{json.dumps(day)[:80]} is not a day.", remedy)
