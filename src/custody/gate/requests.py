"""The events of the gate, read strictly."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from custody.documents import Fields, parse_object
from custody.errors import EvidenceError, UsageError

MAX_DAYS = 366
_MAX_TABLES_BYTES = 1024 * 1024


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
class LookAtGold:
    """Make this gold table if one of its inputs has moved on."""

    table: str


@dataclass(frozen=True, slots=True)
class RemakeDays:
    """Make these days of gold again."""

    days: tuple[date, ...]


@dataclass(frozen=True, slots=True)
class SilverDone:
    """The job of this table succeeded."""

    table: str


def parse_tables(text: str) -> tuple[dict[str, SilverTable], dict[str, GoldTable]]:
    """Read the silver and the gold tables of a deployment. Raises ``EvidenceError``.

    ``text`` is ``{"silver": [{"table", "job", "prefix"}, …], "gold": [{"table", "job", "inputs":
    "<table>,…"}, …]}`` as Terraform's ``base64gzip`` packs it, since a function's environment has 4 KB.
    """
    what = "list of tables"
    try:
        gunzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
        document = gunzip.decompress(base64.b64decode(text, validate=True), _MAX_TABLES_BYTES)
    except (ValueError, zlib.error) as error:
        raise EvidenceError(f"The {what} is not packed with base64gzip: {error}.") from error
    if not gunzip.eof:
        raise EvidenceError(f"The {what} is cut off, or too long.")
    fields = Fields(parse_object(document, what, _MAX_TABLES_BYTES), what)
    silver, gold = fields.objects("silver"), fields.objects("gold")
    return (
        {item.words("table"): SilverTable(item.words("job"), item.words("prefix")) for item in silver},
        {
            item.words("table"): GoldTable(item.words("job"), tuple(item.words("inputs").split(",")))
            for item in gold
        },
    )


def parse_event(
    event: object, silver: Mapping[str, SilverTable], gold: Collection[str]
) -> LookAtTables | LookAtGold | RemakeDays | SilverDone:
    """Parse an event. Raises ``UsageError``."""
    match event:
        case {"detail-type": "Glue Job State Change", "detail": {"jobName": str(job), "state": "SUCCEEDED"}}:
            for name, table in silver.items():
                if table.job == job:
                    return SilverDone(name)
            raise UsageError(f"The job {job[:80]!r} does not make a silver table.")
        case {"table": str(name), **others} if not others:
            if name in gold:
                return LookAtGold(name)
            if name not in silver:
                raise UsageError(
                    f"There is no table {name[:80]!r}.", f"There are {', '.join([*silver, *gold])}."
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
