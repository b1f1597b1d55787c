"""Processed to analytics: the days that changed, each gold table in one commit, with its lineage.

A run reads the silver tables at the versions named by their newest lineage documents, so that its output can
be traced back to raw objects. The documents of the silver runs that the newest gold document does not cover
yet say which days have changed. Making a day again replaces its rows, and the same versions always give the
same rows: so a run that did not finish is simply run again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F  # noqa: N812

from custody.errors import CannotCheckError, EvidenceError, UsageError
from custody.etl.contract import Contract
from custody.etl.delta import DeltaTable, describe_commits
from custody.etl.frames import SPARK_TYPES
from custody.etl.gold import customer_value, daily_engagement
from custody.etl.lineage import Published, Run, complete, publish, published, read_lineage
from custody.etl.quality import Counts, QualityError, assert_quality
from custody.etl.silver_run import Lake

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

EVENTS, CUSTOMERS = "viewing_events", "customers"


@dataclass(frozen=True, slots=True)
class Request:
    """What to make again. Without days: those that changed. Without versions: from the newest silver."""

    days: Collection[date] = ()
    versions: tuple[int, int] | None = None
    """The input versions of ``viewing_events`` and ``customers``, as a document names them."""


def processed_to_analytics(
    processed: Lake, analytics: Lake, contracts: dict[str, Contract], request: Request, run: Run
) -> list[dict[str, Any]]:
    """Update both gold tables; return the lineage documents of what was published, possibly none.

    Raises ``UsageError`` if there is no silver table to read, ``QualityError`` if a row breaks the table's
    contract; that table is then not published.
    """
    events, events_runs = _input(processed, EVENTS, request.versions and request.versions[0])
    customers, _ = _input(processed, CUSTOMERS, request.versions and request.versions[1])
    engagement, value = analytics.table("daily_engagement"), analytics.table("customer_value")
    documents = []

    event_rows = processed.table(EVENTS).frame(events["delta_version"])
    covered = _newest(analytics, engagement).get("covers", -1)
    if request.days:
        days, covers = sorted(request.days), min(covered, events["delta_version"])
    else:
        days, covers = _changed_days(processed, events_runs, covered), events["delta_version"]
    if days:
        analytics.say(f"{engagement.name}: making {len(days)} days again")
        rows = daily_engagement(event_rows.where(F.col("event_date").isin(days)))
        where = f"event_date IN ({', '.join(repr(day.isoformat()) for day in days)})"
        facts = {"days": [day.isoformat() for day in days], "covers": covers}
        documents += _publish(
            analytics,
            engagement,
            rows,
            contracts[engagement.name],
            inputs=[events],
            facts=facts,
            run=run,
            where=where,
            partition="event_date",
        )

    sources = [customers, events]
    if (request.versions and request.days) or _newest(analytics, value).get("inputs") != sources:
        analytics.say(f"{value.name}: making it again")
        rows = customer_value(processed.table(CUSTOMERS).frame(customers["delta_version"]), event_rows)
        documents += _publish(
            analytics,
            value,
            rows,
            contracts[value.name],
            inputs=sources,
            facts={},
            run=run,
            where=None,
            partition=None,
        )
    return documents


def _input(lake: Lake, name: str, version: int | None) -> tuple[dict[str, Any], list[Published]]:
    """A silver table at one version, as a document names it, and the lineage documents up to that version."""
    table = lake.table(name)
    runs = [item for item in published(lake.store, table.uri) if version in {None, item.delta_version}]
    if not runs:
        what = "no lineage document" if version is None else f"no lineage document of version {version}"
        raise UsageError(
            f"{table.uri} has {what}.", "Run raw_to_processed first, or name a version that has one."
        )
    pinned = runs[-1].delta_version
    upto = [item for item in published(lake.store, table.uri) if item.delta_version <= pinned]
    return {"table": table.uri, "delta_version": pinned}, upto


def _newest(lake: Lake, table: DeltaTable) -> dict[str, Any]:
    """A gold table's newest document, or an empty one; its OpenLineage event is written if it is missing."""
    runs = published(lake.store, table.uri)
    if not runs:
        return {}
    document = read_lineage(lake.store, runs[-1])
    complete(lake.store, runs[-1], document)
    return document


def _changed_days(processed: Lake, events_runs: list[Published], covered: int) -> list[date]:
    """The days that silver runs changed after the version ``covered`` of the events."""
    days: set[date] = set()
    for item in events_runs:
        if item.delta_version > covered:
            try:
                days.update(map(date.fromisoformat, read_lineage(processed.store, item)["days"]))
            except (EvidenceError, KeyError, TypeError, ValueError):
                processed.say(f"{item.uri} is not a lineage document of a run: skipping it")
    return sorted(days)


def _publish(
    lake: Lake,
    table: DeltaTable,
    rows: DataFrame,
    contract: Contract,
    *,
    inputs: list[dict[str, Any]],
    facts: dict[str, Any],
    run: Run,
    where: str | None,
    partition: str | None,
) -> list[dict[str, Any]]:
    """Check the rows, write them in one commit, and write the lineage."""
    rows = lake.stage(
        rows.select(
            *(F.col(item.name).cast(SPARK_TYPES[item.type]).alias(item.name) for item in contract.columns)
        )
    )
    count = _checked(rows, contract)
    describe_commits(lake.spark, run.facts() | {"inputs": json.dumps(inputs)})
    table.ensure(rows, partition)
    table.replace(rows, where)
    written = table.frame().where(where) if where else table.frame()
    if (found := written.count()) != count:
        raise CannotCheckError(
            f"{table.uri} has {found} rows, but {count} were made.",
            "Its lineage is not written. Run the job again.",
        )
    version = table.version() or 0
    document = {
        "contract_sha256": contract.sha256,
        "inputs": inputs,
        "outputs": [{"table": table.uri, "delta_version": version, "rows": count}],
        "counts": Counts(count, count).as_document(),
        **facts,
    }
    made_from = json.dumps([inputs, facts], sort_keys=True).encode()
    identity = hashlib.sha256(made_from).hexdigest()
    lake.say(f"{table.name}: writing the lineage of version {version}")
    return [publish(lake.store, run, table.uri, version, identity=identity, facts=document)]


def _checked(rows: DataFrame, contract: Contract) -> int:
    """The number of rows. Raises ``QualityError`` if they break the contract."""
    broken = {}
    for column in contract.columns:
        value = F.col(column.name)
        if column.required:
            broken[f"{column.name}:missing"] = value.isNull()
        if column.minimum is not None:
            broken[f"{column.name}:too_low"] = value < F.lit(column.minimum).cast(SPARK_TYPES[column.type])
        if column.allowed:
            broken[f"{column.name}:not_allowed"] = ~value.isin(list(column.allowed))
        if column.not_before is not None:
            broken[f"{column.name}:before_{column.not_before}"] = value < F.col(column.not_before)
    measured = rows.agg(
        F.count(F.lit(1)), *(F.count(F.when(condition, F.lit(1))) for condition in broken.values())
    ).collect()[0]
    found = [f"{name} ({number})" for name, number in zip(broken, measured[1:], strict=True) if number]
    if keys := measured[0] - rows.select(*contract.key).distinct().count():
        found.append(f"{' '.join(contract.key)}:not_unique ({keys})")
    if found:
        raise QualityError(f"{contract.table} is not published: rows break its contract: {', '.join(found)}.")
    assert_quality(contract, Counts(measured[0], measured[0]), {})
    return int(measured[0])
