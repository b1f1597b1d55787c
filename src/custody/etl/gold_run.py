"""Processed to analytics: one gold table, what of it changed, in one commit, with its lineage.

A run reads the silver tables at versions that have lineage documents, so that what it makes can be walked
back to raw objects. A table whose inputs go by a day is made anew for the days that changed since: these
stand in the documents of the silver runs that the newest gold document does not cover yet. If another of its
inputs moved, all of it is made anew, and so is always a table without inputs that go by a day. Making rows
anew replaces them by those that the same versions always give; so a run that did not come to its end is
simply run again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F  # noqa: N812

from custody.errors import CannotCheckError, EvidenceError, UsageError
from custody.etl.contract import ADDED, Contract
from custody.etl.delta import DeltaTable, conformed, describe_commits
from custody.etl.gold import LOST, gold_rows, one_sentence
from custody.etl.lineage import Published, Run, complete, publish, published, read_lineage
from custody.etl.quality import Counts, QualityError, assert_quality
from custody.etl.silver_run import Lake

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


@dataclass(frozen=True, slots=True)
class Request:
    """What to make anew. Without days: what changed. Without versions: from the newest silver."""

    days: Collection[date] = ()
    versions: Mapping[str, int] | None = None
    """By input, the version to make the table from, as a document names it."""


@dataclass(frozen=True, slots=True)
class _Source:
    """An input, at the version that is read."""

    table: DeltaTable
    by: str | None
    version: int
    runs: list[Published]
    """The lineage documents up to that version."""

    def as_document(self) -> dict[str, Any]:
        return {"table": self.table.uri, "delta_version": self.version}


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be made: these days, perhaps none, or all of the table."""

    days: list[date] | None
    facts: dict[str, Any]

    def condition(self, by: str | None) -> str | None:
        """The rows to replace, as a SQL condition; ``None`` for all."""
        if self.days is None:
            return None
        return f"{by} IN ({', '.join(repr(day.isoformat()) for day in self.days)})"


def processed_to_analytics(
    processed: Lake,
    analytics: Lake,
    contract: Contract,
    request: Request,
    run: Run,
    *,
    inputs: Mapping[str, Contract] | None = None,
) -> dict[str, Any] | None:
    """Bring a gold table up to date; return the lineage document of what was published, if anything was.

    ``inputs`` are the contracts of its inputs by table: versions from before they changed are read as if they
    had been made by them. A table whose own contract changed is made anew.

    Raises ``UsageError`` if there is no silver to read or the SELECT or function does not fit,
    ``QualityError`` if a row breaks the table's contract; nothing is published then.
    """
    sources = [
        _source(processed, item.table, item.by, (request.versions or {}).get(item.table))
        for item in contract.inputs
    ]
    table = analytics.table(contract.table)
    work = _work(processed, contract, sources, _newest(analytics, table), request)
    if work is None:
        return None
    if work.days is None:
        analytics.say(f"{table.name}: making it anew")
    else:
        analytics.say(f"{table.name}: making {len(work.days)} days anew")
    with gold_rows(
        analytics.spark,
        contract,
        {source.table.name: _rows(source, work, (inputs or {}).get(source.table.name)) for source in sources},
    ) as rows:
        return _publish(analytics, table, rows, contract, sources=sources, work=work, run=run)


def _source(lake: Lake, name: str, by: str | None, version: int | None) -> _Source:
    """A silver table at one version, or the newest, with the lineage documents up to that version."""
    table = lake.table(name)
    runs = published(lake.store, table.uri)
    if not any(version in {None, item.delta_version} for item in runs):
        what = "no lineage document" if version is None else f"no lineage document of version {version}"
        raise UsageError(
            f"{table.uri} has {what}.", "Run raw_to_processed first, or name a version that has one."
        )
    pinned = runs[-1].delta_version if version is None else version
    return _Source(table, by, pinned, [item for item in runs if item.delta_version <= pinned])


def _newest(lake: Lake, table: DeltaTable) -> dict[str, Any]:
    """A gold table's newest document, or an empty one; its OpenLineage event is completed on the way.

    Runs that changed nothing share a version with the one before them. What is no document of a run is passed
    over: the table is made anew then.
    """
    runs = published(lake.store, table.uri)
    newest: dict[str, Any] = {}
    for item in runs:
        if item.delta_version == runs[-1].delta_version:
            try:
                document = read_lineage(lake.store, item)
                complete(lake.store, item, document)
            except EvidenceError as error:
                lake.say(f"{error} Passing it over")
                continue
            newest = max(newest, document, key=lambda each: str(each.get("committed_at", "")))
    return newest


def _work(
    processed: Lake, contract: Contract, sources: list[_Source], newest: dict[str, Any], request: Request
) -> _Work | None:
    """What is to be made; ``None`` if nothing moved."""
    is_other = newest.get("contract_sha256", contract.sha256) != contract.sha256
    if contract.by is None:
        inputs = [source.as_document() for source in sources]
        if newest.get("inputs") == inputs and not is_other and not (request.days and request.versions):
            return None
        return _Work(None, {})
    covered, versions = _covered(newest), {source.table.uri: source.version for source in sources}
    if request.days and not is_other:
        days = sorted(request.days)
        least = {uri: min(covered.get(uri, -1), version) for uri, version in versions.items()}
        return _Work(days, {"days": [day.isoformat() for day in days], "covers": _document(least)})
    if covered == versions and not is_other:
        return None
    facts = {"covers": _document(versions)}
    if is_other or any(
        covered.get(source.table.uri) != source.version for source in sources if source.by is None
    ):
        return _Work(None, facts)
    days = sorted(
        {
            day
            for source in sources
            if source.by
            for day in _changed_days(processed, source, covered.get(source.table.uri, -1))
        }
    )
    return _Work(days, {"days": [day.isoformat() for day in days], **facts})


def _covered(document: dict[str, Any]) -> dict[str, int]:
    """By input, the version that every day of the table is made from, or a newer one.

    None, so that all is made anew, if the document does not say it of each, in so many words.
    """
    try:
        covers = {item["table"]: item["delta_version"] for item in document["covers"]}
    except (KeyError, TypeError):
        return {}
    return covers if all(type(version) is int for version in covers.values()) else {}


def _document(versions: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"table": uri, "delta_version": version} for uri, version in versions.items()]


def _changed_days(processed: Lake, source: _Source, covered: int) -> set[date]:
    """The days that silver runs changed after the version ``covered``."""
    days: set[date] = set()
    for item in source.runs:
        if item.delta_version > covered:
            try:
                days.update(map(date.fromisoformat, read_lineage(processed.store, item)["days"]))
            except (EvidenceError, KeyError, TypeError, ValueError):
                processed.say(f"{item.uri} is no lineage document of a run: passing it over")
    return days


def _rows(source: _Source, work: _Work, contract: Contract | None) -> DataFrame:
    """The rows of an input that the work is of, with the columns of its contract."""
    frame = source.table.frame(source.version)
    if contract is not None:
        kept = {*ADDED, *(contract.day or ())[:1]}
        wanted = {
            **{
                field.name: field.dataType.simpleString()
                for field in frame.schema.fields
                if field.name in kept
            },
            **{column.name: column.kind.sql for column in contract.columns},
        }
        frame = conformed(frame, wanted, contract.aliases)
    if source.by is None or work.days is None:
        return frame
    return frame.where(F.col(source.by).isin(work.days)) if work.days else frame.limit(0)


def _publish(
    lake: Lake,
    table: DeltaTable,
    rows: DataFrame,
    contract: Contract,
    *,
    sources: list[_Source],
    work: _Work,
    run: Run,
) -> dict[str, Any]:
    """Check the rows, put them in their place in one commit, and write the lineage."""
    inputs = [source.as_document() for source in sources]
    names = [column.name for column in contract.columns]
    if work.days == []:  # nothing to put anywhere: the document says up to where that is so
        table.ensure(rows.select(*names), contract.by)
        count = 0
    else:
        with one_sentence(contract):
            rows = lake.stage(rows)
            count = _checked(rows, contract, work.days)
        rows = rows.select(*names)
        describe_commits(lake.spark, run.facts() | {"inputs": json.dumps(inputs)})
        where = work.condition(contract.by)
        if where is None:
            table.make(rows, contract.by)
        else:
            table.ensure(rows, contract.by)
            table.replace(rows, where)
        written = table.frame().where(where) if where else table.frame()
        if (found := written.count()) != count:
            raise CannotCheckError(
                f"{table.uri} holds {found} rows where {count} were made.",
                "Its lineage is not written. Run it again.",
            )
    version = table.version() or 0
    document = {
        "contract_sha256": contract.sha256,
        "inputs": inputs,
        "outputs": [{"table": table.uri, "delta_version": version, "rows": count}],
        "counts": Counts(count, count).as_document(),
        **work.facts,
    }
    made_from = json.dumps([inputs, work.facts], sort_keys=True).encode()
    identity = hashlib.sha256(made_from).hexdigest()
    lake.say(f"{table.name}: writing the lineage of version {version}")
    return publish(lake.store, run, table.uri, version, identity=identity, facts=document)


def _checked(rows: DataFrame, contract: Contract, days: list[date] | None) -> int:
    """How many rows there are. Raises ``QualityError`` if they break the contract."""
    broken = _broken(contract)
    if LOST in rows.columns:
        broken |= {
            f"{column.name}:not_{column.kind.name}": F.col(LOST) == column.name for column in contract.columns
        }
    if days is not None:
        broken[f"{contract.by}:not_of_the_days_asked_for"] = ~F.col(str(contract.by)).isin(days)
    measured = rows.agg(
        F.count(F.lit(1)), *(F.count(F.when(condition, F.lit(1))) for condition in broken.values())
    ).collect()[0]
    found = [f"{name} ({number})" for name, number in zip(broken, measured[1:], strict=True) if number]
    if keys := measured[0] - rows.select(*contract.key).distinct().count():
        found.append(f"{' '.join(contract.key)}:not_unique ({keys})")
    if found:
        raise QualityError(f"{contract.table} is not published: rows break its contract: {', '.join(found)}.")
    assert_quality(contract, Counts(measured[0], measured[0]), _present(rows, contract))
    return int(measured[0])


def _broken(contract: Contract) -> dict[str, Column]:
    """By name, when a row breaks each of the contract's rules."""
    broken = {}
    for column in contract.columns:
        value = F.col(column.name)
        if column.required:
            broken[f"{column.name}:missing"] = value.isNull()
        if column.kind.name == "double":
            broken[f"{column.name}:not_finite"] = F.isnan(value) | (F.abs(value) == float("inf"))
        if column.minimum is not None:
            broken[f"{column.name}:too_low"] = value < F.lit(column.minimum).cast(column.kind.sql)
        if column.maximum is not None:
            broken[f"{column.name}:too_high"] = value > F.lit(column.maximum).cast(column.kind.sql)
        if column.pattern is not None:
            broken[f"{column.name}:malformed"] = ~value.rlike(rf"\A(?:{column.pattern})\z")
        if column.allowed:
            broken[f"{column.name}:not_allowed"] = ~value.isin(list(column.allowed))
        if column.max_length is not None:
            broken[f"{column.name}:too_long"] = F.length(value) > column.max_length
        if column.not_before is not None:
            broken[f"{column.name}:before_{column.not_before}"] = value < F.col(column.not_before)
    return broken


def _present(rows: DataFrame, contract: Contract) -> dict[str, int]:
    """How many rows have a value in each column that a check is about."""
    names = sorted({check.column for check in contract.checks if check.column})
    if not names:
        return {}
    return dict(zip(names, rows.agg(*(F.count(name) for name in names)).collect()[0], strict=True))
