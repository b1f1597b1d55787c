"""Raw to processed: one manifest into its silver table, exactly once.

The steps, in this order: read and check; merge into the table; put the rejected rows in their place; write
the lineage document. The document is what says that the manifest is done. Until it is there every step can
be taken again, and comes out the same: rows are merged by a rule that depends on the deliveries alone,
rejected rows replace those of the same manifest, and nobody else writes these tables. So a crash between
two steps loses nothing and doubles nothing, and no document speaks of what was not committed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F  # noqa: N812

from custody.errors import CannotCheckError, UsageError
from custody.etl.contract import Contract
from custody.etl.delta import DeltaTable, describe_commits
from custody.etl.frames import judged, rejected, typed, winners
from custody.etl.lineage import Run, complete, publish, published, read_lineage
from custody.etl.manifest import Entry, Manifest
from custody.etl.quality import Counts, assert_quality
from custody.etl.source import OpenVersion, evidence_error, read_manifest
from custody.etl.store import Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Say = Callable[[str], None]
Stage = Callable[["DataFrame"], "DataFrame"]
"""Keeps a DataFrame's rows while the run lasts, so that they are not made again for each use of them."""
_NEWER = {"first": ">", "latest": "<"}
_SOURCE = ("source_bucket", "source_key", "source_version_id")


def persist(frame: DataFrame) -> DataFrame:
    """Keep rows where Spark keeps them: in its executors' memory and on their disks."""
    return frame.persist()


@dataclass(frozen=True, slots=True)
class Lake:
    """Where a run works: the engine, the small objects, and the folder of tables."""

    spark: SparkSession
    store: Store
    tables: str
    stage: Stage = persist
    say: Say = lambda _: None
    """Told each step before it is taken."""

    def table(self, name: str) -> DeltaTable:
        """A table of this lake."""
        return DeltaTable(self.spark, self.store, self.tables, name)


def raw_to_processed(
    lake: Lake,
    manifest: Manifest,
    manifest_uri: str,
    contract: Contract,
    *,
    open_version: OpenVersion,
    run: Run,
) -> dict[str, Any]:
    """Process one manifest; return its lineage document, the one there is if it was processed before.

    Raises ``EvidenceError`` if bytes are not those of the manifest, ``QualityError`` if a threshold is not
    met, ``UsageError`` if manifest, contract and table do not fit; nothing is published then.
    """
    _assert_belongs(manifest, contract)
    silver, refused = lake.table(contract.table), lake.table(contract.rejected_table)
    if done := [item for item in published(lake.store, silver.uri) if item.id == manifest.sha256]:
        lake.say(f"{contract.table}: this manifest is processed already")
        document = read_lineage(lake.store, done[0])
        complete(lake.store, done[0], document)
        return document

    lake.say(f"{contract.table}: reading {len(manifest.entries)} object versions")
    try:
        rows = lake.stage(typed(read_manifest(lake.spark, manifest, contract, open_version), contract))
        by_object = _measure_objects(rows)
    except Exception as error:
        if (sentence := evidence_error(error, manifest)) is not None:
            raise sentence from error
        raise
    best = winners(rows, contract)
    silver.ensure(
        best.withColumn("manifest_id", F.lit(manifest.sha256)), contract.day[0] if contract.day else None
    )
    before = silver.version()
    within = _within(rows, contract)
    there = silver.frame(before)
    verdict = lake.stage(judged(best, there.where(within) if within else there, contract, manifest.sha256))
    _assert_all_judged(rows, verdict, contract)
    stand = verdict.where("stands").drop("stands")
    standing, present, days = _measure_standing(stand, contract)
    inputs = [_input(entry, by_object, standing) for entry in manifest.entries]
    counts = _total(inputs)
    assert_quality(contract, counts, present, _worst(rows) if counts.rejected else "")

    describe_commits(lake.spark, run.facts() | {"manifest_sha256": manifest.sha256})
    lake.say(f"{contract.table}: merging {counts.valid} of {counts.rows} rows")
    silver.merge(stand, contract.key, _NEWER[contract.raw().wins], within)
    lake.say(f"{refused.name}: {counts.rejected} rows")
    out = rejected(rows, contract, manifest.sha256)
    refused.ensure(out, None)
    refused.replace(out, f"manifest_id = '{manifest.sha256}'")
    _assert_published(silver, counts.valid, manifest.sha256)
    _assert_published(refused, counts.rejected, manifest.sha256)
    if silver.version() == before:
        lake.say(f"{contract.table}: marking the version")
        silver.mark()  # each document has a version of its own, and later documents have later ones

    lake.say(f"{contract.table}: writing the lineage")
    facts = {
        "manifest": {"uri": manifest_uri, "sha256": manifest.sha256},
        "contract_sha256": contract.sha256,
        "inputs": inputs,
        "outputs": [
            {"table": silver.uri, "delta_version": silver.version(), "rows": counts.valid},
            {"table": refused.uri, "delta_version": refused.version(), "rows": counts.rejected},
        ],
        "counts": counts.as_document(),
        "days": days,
    }
    return publish(lake.store, run, silver.uri, silver.version() or 0, identity=manifest.sha256, facts=facts)


def _assert_belongs(manifest: Manifest, contract: Contract) -> None:
    prefix = contract.raw().prefix
    if manifest.table != contract.table:
        raise UsageError(
            f"The manifest is for the table {manifest.table!r}, the contract for {contract.table}."
        )
    for entry in manifest.entries:
        if not entry.version.key.startswith(prefix):
            raise UsageError(f"The manifest names {entry.version.uri}, which is not below {prefix}.")


def _within(rows: DataFrame, contract: Contract) -> str | None:
    """The days of the valid rows, as a SQL condition; ``None`` for a table without days, and for no rows."""
    if contract.day is None:
        return None
    name = contract.day[0]
    found = rows.where(F.col("reason").isNull() & F.col(name).isNotNull()).select(name).distinct().collect()
    days = sorted(f"DATE '{row[0].isoformat()}'" for row in found)
    return f"{name} IN ({', '.join(days)})" if days else None


def _measure_objects(rows: DataFrame) -> dict[tuple[str, ...], tuple[int, int, int]]:
    """By object version: how many records it has, how many came here, how many of these are rejected."""
    is_record = F.col("source_row") > 0
    measured = rows.groupBy(*_SOURCE).agg(
        F.sum("object_rows"),
        F.count(F.when(is_record, F.lit(1))),
        F.count(F.when(is_record & F.col("reason").isNotNull(), F.lit(1))),
    )
    return {tuple(row[:3]): (row[3], row[4], row[5]) for row in measured.collect()}


def _measure_standing(
    stand: DataFrame, contract: Contract
) -> tuple[dict[tuple[str, ...], int], dict[str, int], list[str]]:
    """Rows by object version; values by column that a check is about; the days that change."""
    columns = sorted({check.column for check in contract.checks if check.column})
    day = [contract.day[0]] if contract.day else []
    measured = (
        stand.groupBy(*_SOURCE, *day)
        .agg(
            F.count(F.lit(1)).alias("count"), *(F.count(F.col(name)).alias(f"of_{name}") for name in columns)
        )
        .collect()
    )
    rows: dict[tuple[str, ...], int] = {}
    for row in measured:
        rows[tuple(row[:3])] = rows.get(tuple(row[:3]), 0) + row["count"]
    present = {name: sum(row[f"of_{name}"] for row in measured) for name in columns}
    days = sorted({row[day[0]].isoformat() for row in measured}) if day else []
    return rows, present, days


def _assert_all_judged(rows: DataFrame, verdict: DataFrame, contract: Contract) -> None:
    """Raise ``CannotCheckError`` unless exactly one row of each key that is valid was judged."""
    keys = (
        rows.where(F.col("reason").isNull() & (F.col("source_row") > 0))
        .select(*contract.key)
        .distinct()
        .count()
    )
    if (found := verdict.count()) != keys:
        raise CannotCheckError(
            f"The delivery has {keys} different keys, the engine judged {found}.",
            "Nothing was published; run the job again.",
        )


def _input(
    entry: Entry,
    by_object: dict[tuple[str, ...], tuple[int, int, int]],
    standing: dict[tuple[str, ...], int],
) -> dict[str, Any]:
    """One object version and what became of its rows. Raises ``CannotCheckError`` if the engine lost any."""
    version = entry.version
    identity = (version.bucket, version.key, version.version_id)
    told, rows, refused = by_object.get(identity, (None, 0, 0))
    if told != rows:
        raise CannotCheckError(
            f"{version.uri} has {'an unknown number of' if told is None else told} rows, {rows} arrived.",
            "Nothing was published; run the job again.",
        )
    valid = standing.get(identity, 0)
    return {
        "bucket": version.bucket,
        "key": version.key,
        "version_id": version.version_id,
        "sha256": entry.sha256,
        "size_bytes": entry.size_bytes,
        **Counts(rows, valid, refused, rows - refused - valid).as_document(),
    }


def _total(inputs: list[dict[str, Any]]) -> Counts:
    return Counts(
        *(sum(item[name] for item in inputs) for name in ("rows", "valid", "rejected", "duplicates"))
    )


def _worst(rows: DataFrame) -> str:
    """The commonest reasons for rejection, as a sentence."""
    reasons = rows.where(F.col("reason").isNotNull()).groupBy("reason").count()
    top = reasons.orderBy(F.col("count").desc(), "reason").limit(3).collect()
    return f" Most were rejected for: {', '.join(f'{row[0]} ({row[1]})' for row in top)}."


def _assert_published(table: DeltaTable, wanted: int, manifest_id: str) -> None:
    """Raise ``CannotCheckError`` if the table does not hold as many rows of the manifest as were counted."""
    found = table.frame().where(F.col("manifest_id") == manifest_id).count()
    if found != wanted:
        raise CannotCheckError(
            f"{table.uri} holds {found} rows of the manifest {manifest_id}, {wanted} were counted.",
            "Its lineage is not written. Run the job again; if it repeats, restore the version before.",
        )
