"""Raw to processed: one manifest into its silver table, exactly once.

The steps, in this order: read and check; merge into the table; write the rejected rows; write the lineage
document. The document means that the manifest is done. Until it exists, every step can be repeated with the
same result: rows are merged by a rule that depends only on the deliveries, rejected rows replace those of
the same manifest, and nobody else writes these tables. So a crash between two steps neither loses nor
duplicates anything, and no document describes anything that was not committed.

An object is published or withheld as a whole. If it does not meet the contract's thresholds it is withheld:
the document names it with the reason, its rejected rows go into quarantine with their reasons, and none of
its rows into the table. The gate reports it until it is replaced or a decision is made (``custody.gate``).

An object version that no longer exists, or whose bytes do not match the manifest, is refused: none of its
rows is used, the document names it, and the run, having published all others, ends with an error that names
it.

Another run would have the same result in both cases; so the manifest is done.

An object version may be handed out once more, for a decision: to release it, or to judge it by a contract
that changed since. Its rows that are in the table stay there as they were judged; every other row of it is
judged by the contract of today, and those rejected replace those that were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from pyspark.sql import functions as F  # noqa: N812

from custody.documents import Fields
from custody.errors import CannotCheckError, EvidenceError, UsageError
from custody.etl.contract import Contract
from custody.etl.delta import DeltaTable, conformed, describe_commits
from custody.etl.frames import (
    SOURCE,
    VERSION,
    is_contested,
    judged,
    kept,
    rejected,
    silver_rows,
    source_order,
)
from custody.etl.lineage import (
    MAX_UNKNOWN_COLUMNS,
    Published,
    Run,
    complete,
    publish,
    published,
    read_lineage,
)
from custody.etl.manifest import Entry, Manifest
from custody.etl.quality import Counts, failures
from custody.etl.source import OpenVersion, entries_frame, numbered, ranked, read_entries
from custody.etl.store import Store
from custody.evidence.objects import ObjectVersion
from custody.times import parse_time

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Say = Callable[[str], None]
Stage = Callable[["DataFrame"], "DataFrame"]
"""Keeps a DataFrame's rows during the run, so that they are not computed again for each use."""
NEWER = {"first": ">", "latest": "<"}
_NAMED = 3
"""How many refused objects an error names, and how many reasons for rejection are given for a withheld
object."""
_REASONS = 100_000
"""How many reasons for rejection are examined, the most common first."""


def persist(frame: DataFrame) -> DataFrame:
    """Keep rows in the memory and on the disks of Spark's executors."""
    return frame.persist()


class _Arrived(NamedTuple):
    """What the engine read of one object version."""

    told: int | None = None
    """The number of records that the reader reports; ``None`` if it has not reported."""
    read_bytes: int | None = None
    """The number of bytes read as records."""
    rows: int = 0
    rejected: int = 0
    fit: int = 0
    """Rows not rejected that no other manifest has put into the table before."""
    first_day: date | None = None
    last_day: date | None = None
    refused: str | None = None
    """What was found instead of the manifest's bytes."""
    unknown: tuple[str, ...] = ()
    """Names of fields that the contract does not list."""
    present: tuple[int, ...] = ()
    """For each column with a check, the number of rows not rejected that have a value."""


@dataclass(frozen=True, slots=True)
class Lake:
    """The environment of a run: the engine, the store of small objects, and the folder of tables."""

    spark: SparkSession
    store: Store
    tables: str
    stage: Stage = persist
    say: Say = lambda _: None
    """Called with a message before each step."""

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
    disregard: Collection[str] = (),
) -> dict[str, Any]:
    """Process one manifest; return its lineage document, the existing one if it was processed before.

    ``disregard`` names documents of the table that no run of a job wrote, as found by the gate: they are
    ignored.

    Raises ``UsageError`` if manifest, contract and table do not fit; nothing is published then. Raises
    ``EvidenceError`` naming the refused object versions if there are any, in every run; everything else is
    published.
    """
    _assert_belongs(manifest, contract)
    silver, quarantine = lake.table(contract.table), lake.table(contract.rejected_table)
    runs = _believed(lake, published(lake.store, silver.uri), silver.version(), disregard)
    if done := [item for item in runs if item.id == manifest.sha256]:
        lake.say(f"{contract.table}: this manifest has already been processed")
        document = read_lineage(lake.store, done[0])
        complete(lake.store, done[0], document)
        _assert_none_refused(document)
        return document

    lake.say(f"{contract.table}: reading {len(manifest.entries)} object versions")
    order = ranked(manifest, contract)
    number, entries = numbered(order), lake.stage(entries_frame(lake.spark, order))
    rows = lake.stage(read_entries(lake.spark, order, contract, open_version))
    again = {entry.version for entry in manifest.entries if entry.decision}
    rows = _pardoned(lake, rows, entries, _standing(lake, silver, manifest, again))
    arrived = _measure_objects(rows, number, contract)
    refused = [_refusal(entry, why) for entry in manifest.entries if (why := arrived[entry.version].refused)]
    if refused:
        lake.say(f"{contract.table}: refusing {len(refused)} object versions")
        rows = _without(rows, refused, number)
    if withheld := _withhold(rows, manifest, number, arrived, contract):
        lake.say(f"{contract.table}: withholding {len(withheld)} object versions")
    fit = _without(rows, withheld, number).where(~F.col("source_stands"))
    unused = {
        ObjectVersion(item["bucket"], item["key"], item["version_id"]) for item in (*refused, *withheld)
    }
    used = [entry for entry in manifest.entries if entry.version not in unused]
    silver.ensure(
        silver_rows(fit, entries, contract, manifest.sha256),
        contract.day[0] if contract.day else None,
        contract.aliases,
    )
    undone = _undo(lake, runs, manifest, contract) if refused or withheld else set()
    what = [arrived[entry.version] for entry in used]
    chosen = _choose(lake, fit, entries, contract, manifest.sha256, arrived=what)
    valid = chosen.by_entry()
    inputs = [_input(entry, arrived[entry.version], valid[number[entry.version]]) for entry in used]
    counts = _total(inputs)
    quarantined = counts.rejected + sum(item["rejected"] for item in withheld)

    describe_commits(lake.spark, run.facts() | {"manifest_sha256": manifest.sha256})
    lake.say(f"{contract.table}: merging {counts.valid} of {counts.rows} rows")
    silver.merge(chosen.rows, contract.key, NEWER[contract.raw().wins], chosen.within)
    lake.say(f"{quarantine.name}: {quarantined} rows")
    again = {version for version in again if not arrived[version].refused}
    _quarantine(lake, rejected(rows, entries, contract, manifest.sha256), contract, again, manifest.sha256)
    _assert_published(silver, counts.valid, manifest.sha256)
    _assert_published(quarantine, quarantined, manifest.sha256)

    while f"{silver.version() or 0:020d}-{manifest.sha256}.json" in disregard:
        silver.touch()  # so that the document has a version of its own
    lake.say(f"{contract.table}: writing the lineage")
    facts = {
        "manifest": {"uri": manifest_uri, "sha256": manifest.sha256},
        "contract_sha256": contract.sha256,
        "inputs": inputs,
        "refused": refused,
        "withheld": withheld,
        "outputs": [
            {"table": silver.uri, "delta_version": silver.version(), "rows": counts.valid},
            {"table": quarantine.uri, "delta_version": quarantine.version(), "rows": quarantined},
        ],
        "counts": counts.as_document(),
        **_unknown_columns(lake, runs, arrived.values()),
        "days": sorted({*chosen.days(), *undone}),
    }
    document = publish(
        lake.store, run, silver.uri, silver.version() or 0, identity=manifest.sha256, facts=facts
    )
    _assert_none_refused(document)
    return document


def _believed(
    lake: Lake, documents: list[Published], newest: int | None, disregard: Collection[str]
) -> list[Published]:
    """The documents except those to disregard and those of versions that do not exist."""
    believed = [
        item
        for item in documents
        if newest is not None
        and item.delta_version <= newest
        and item.uri.rpartition("/")[2] not in disregard
    ]
    if len(believed) < len(documents):
        lake.say(f"disregarding {len(documents) - len(believed)} lineage documents that no run wrote")
    return believed


def _assert_belongs(manifest: Manifest, contract: Contract) -> None:
    prefix = contract.raw().prefix
    if manifest.table != contract.table:
        raise UsageError(
            f"The manifest is for the table {manifest.table!r}, the contract for {contract.table}."
        )
    for entry in manifest.entries:
        if not entry.version.key.startswith(prefix):
            raise UsageError(f"The manifest names {entry.version.uri}, which is not below {prefix}.")


class _Chosen(NamedTuple):
    """The rows that the table has after the merge, and what is known of them."""

    rows: DataFrame
    number: Counter[tuple[int, date | None]]
    """How many there are, by entry and day."""
    within: str | None
    """The days of the valid rows, as a SQL condition; ``None`` for a table without days, or without rows."""

    def by_entry(self) -> Counter[int]:
        """How many there are of each entry."""
        found: Counter[int] = Counter()
        for (entry, _), count in self.number.items():
            found[entry] += count
        return found

    def days(self) -> set[str]:
        """Their days."""
        return {day.isoformat() for _, day in self.number if day is not None}


def _choose(
    lake: Lake,
    fit: DataFrame,
    entries: DataFrame,
    contract: Contract,
    manifest_id: str,
    *,
    arrived: list[_Arrived],
) -> _Chosen:
    """Choose among the rows of a delivery and those of the table.

    Raises ``CannotCheckError`` unless all rows to be judged were.
    """
    silver = lake.table(contract.table)
    there = silver.frame(silver.version())
    day = F.lit(None).cast("date")
    ends = [end for what in arrived for end in (what.first_day, what.last_day) if end is not None]
    if contract.day is not None and ends:
        day = F.col(contract.day[0])
        there = there.where(day.between(F.lit(min(ends)), F.lit(max(ends))))
    verdict = lake.stage(judged(fit, entries, there, contract, manifest_id))
    measured = verdict.groupBy("source_entry", day.alias("day"), "source_kept").agg(
        F.count(F.lit(1)), F.sum("source_rows"), F.count(F.when(is_contested(), F.lit(1)))
    )
    found = measured.collect()
    wanted, seen = sum(what.fit for what in arrived), sum(row[4] for row in found)
    if wanted != seen:
        raise CannotCheckError(
            f"The delivery has {wanted} valid rows, but the engine judged {seen}.",
            "Nothing was published; run the job again.",
        )
    days = sorted({f"DATE '{row[1].isoformat()}'" for row in found if row[1] is not None})
    return _Chosen(
        silver_rows(
            kept(fit, verdict, contract, contested=sum(row[5] for row in found)),
            entries,
            contract,
            manifest_id,
        ),
        Counter({(row[0], row[1]): row[3] for row in found if row[2]}),
        f"{contract.day[0]} IN ({', '.join(days)})" if contract.day and days else None,
    )


def _checked_columns(contract: Contract) -> list[str]:
    return sorted({check.column for check in contract.checks if check.column})


def _measure_objects(
    rows: DataFrame, number: Mapping[ObjectVersion, int], contract: Contract
) -> dict[ObjectVersion, _Arrived]:
    """What was read of each object version of the manifest, in one pass."""
    day = F.col(contract.day[0]) if contract.day else F.lit(None).cast("date")
    is_record = F.col("source_row") > 0
    is_valid = is_record & F.col("reason").isNull()
    is_fit = is_valid & ~F.col("source_stands")
    measured = rows.groupBy("source_entry").agg(
        F.sum("object_rows"),
        F.sum("read_bytes"),
        F.count(F.when(is_record, F.lit(1))),
        F.count(F.when(is_record & F.col("reason").isNotNull(), F.lit(1))),
        F.count(F.when(is_fit, F.lit(1))),
        F.min(F.when(is_fit, day)),
        F.max(F.when(is_fit, day)),
        F.count("refused"),
        F.count("unknown_columns"),
        *(F.count(F.when(is_valid, F.col(name))) for name in _checked_columns(contract)),
    )
    found = measured.collect()
    why: dict[int, str] = {}
    if any(row[8] for row in found):  # not measured above: Spark would sort all rows for a text
        why = dict(rows.where(F.col("refused").isNotNull()).select("source_entry", "refused").collect())
    names: dict[int, tuple[str, ...]] = {}
    if any(row[9] for row in found):
        told = rows.where(F.col("unknown_columns").isNotNull()).select("source_entry", "unknown_columns")
        names = {row[0]: tuple(row[1]) for row in told.collect()}
    arrived = {
        row[0]: _Arrived(*row[1:8])._replace(
            refused=why.get(row[0]), unknown=names.get(row[0], ()), present=tuple(row[10:])
        )
        for row in found
    }
    return {version: arrived.get(place, _Arrived()) for version, place in number.items()}


def _unknown_columns(lake: Lake, runs: list[Published], arrived: Iterable[_Arrived]) -> dict[str, list[str]]:
    """The columns that the contract does not list, seen until now, and those that no run has seen before.

    Of a table with ``MAX_UNKNOWN_COLUMNS`` of them, whose fields have no fixed names, no more are new.
    """
    before: list[str] = []
    for item in reversed(runs):
        with suppress(EvidenceError):  # not written by a run of a job
            told = Fields(read_lineage(lake.store, item), "lineage document").optional_texts(
                "unknown_columns"
            )
            before = sorted({*told})[:MAX_UNKNOWN_COLUMNS]
            break
    seen = {name for what in arrived if not what.refused for name in what.unknown}
    new = sorted(seen - {*before})[: max(0, MAX_UNKNOWN_COLUMNS - len(before))]
    return {"unknown_columns": sorted([*before, *new]), "new_columns": new}


def _refusal(entry: Entry, reason: str) -> dict[str, str]:
    """One object version that was refused, for the document."""
    return {**_object(entry), "reason": reason}


def _object(entry: Entry) -> dict[str, str]:
    version = entry.version
    return {
        "bucket": version.bucket,
        "key": version.key,
        "version_id": version.version_id,
        "sha256": entry.sha256,
        **({} if entry.decision is None else {"decision": entry.decision}),
    }


def _withhold(
    rows: DataFrame,
    manifest: Manifest,
    number: Mapping[ObjectVersion, int],
    arrived: dict[ObjectVersion, _Arrived],
    contract: Contract,
) -> list[dict[str, Any]]:
    """The object versions that do not meet a threshold and that no decision releases, for the document."""
    found = {}
    for entry in manifest.entries:
        what = arrived[entry.version]
        is_let_through = entry.decision is not None and not entry.is_withheld
        if what.refused or is_let_through or what.told != what.rows:
            continue
        counts = Counts(what.rows, what.rows - what.rejected, what.rejected)
        unread = Decimal(entry.size_bytes - (what.read_bytes or 0)) / Decimal(max(entry.size_bytes, 1))
        if broken := failures(
            contract, counts, dict(zip(_checked_columns(contract), what.present, strict=True)), unread
        ):
            found[entry] = f"{'; '.join(broken)}."
    worst = _worst(rows, number) if found else {}
    return [
        {
            **_object(entry),
            "size_bytes": entry.size_bytes,
            "rows": arrived[entry.version].rows,
            "rejected": arrived[entry.version].rejected,
            "reason": reason + worst.get(entry.version, ""),
        }
        for entry, reason in found.items()
    ]


def _without(rows: DataFrame, unused: list[dict[str, Any]], number: Mapping[ObjectVersion, int]) -> DataFrame:
    """The rows except those of refused or withheld objects."""
    if not unused:
        return rows
    numbers = [number[ObjectVersion(item["bucket"], item["key"], item["version_id"])] for item in unused]
    return rows.where(~F.col("source_entry").isin(numbers))


def _versions(lake: Lake, versions: Collection[ObjectVersion]) -> DataFrame:
    return lake.spark.createDataFrame(
        [astuple(version) for version in versions], ", ".join(f"{name} string" for name in VERSION)
    )


def _standing(
    lake: Lake, silver: DeltaTable, manifest: Manifest, again: Collection[ObjectVersion]
) -> DataFrame | None:
    """The rows of the manifest that are in the table by now, if there are any.

    They have ``source_stands``: true for those of ``again`` that other manifests put there, false for those
    of an interrupted run of this one.
    """
    if silver.version() is None:
        return None
    ours = F.col("manifest_id") == manifest.sha256
    there = silver.frame().where(ours)
    if again:
        others = silver.frame().where(~ours).join(_versions(lake, again), [*VERSION], "left_semi")
        there = there.unionByName(others.select(*there.columns))
    elif not there.limit(1).count():
        return None
    return there.select(*SOURCE, (~ours).alias("source_stands"))


def _pardoned(lake: Lake, rows: DataFrame, entries: DataFrame, there: DataFrame | None) -> DataFrame:
    """The rows with ``source_stands``: whether another manifest has put it into the table before.

    Those that are in the table, of an interrupted run of this manifest too, are not rejected, whatever the
    contract says of them today. What stands counts as a duplicate of itself.
    """
    if there is None:
        return rows.withColumn("source_stands", F.lit(False))
    standing = (
        entries.join(there, [*VERSION])
        .where(F.col("source_order") == source_order())
        .select("source_entry", "source_row", "source_stands")
    )
    return lake.stage(
        standing.join(rows, ["source_entry", "source_row"], "right").withColumns(
            {
                "reason": F.when(F.col("source_stands").isNull(), F.col("reason")),
                "source_stands": F.coalesce(F.col("source_stands"), F.lit(False)),
            }
        )
    )


def _quarantine(
    lake: Lake, out: DataFrame, contract: Contract, again: Collection[ObjectVersion], manifest_id: str
) -> None:
    """Write the rejected rows, instead of those of the same manifest and of versions handed out again."""
    quarantine = lake.table(contract.rejected_table)
    quarantine.ensure(out, None, contract.aliases)
    if again:
        kept = quarantine.frame().where(F.col("manifest_id") != manifest_id)
        kept = kept.join(_versions(lake, again), [*VERSION], "left_anti")
        quarantine.replace(kept.unionByName(out))
    else:
        quarantine.replace(out, f"manifest_id = '{manifest_id}'")


def _undo(lake: Lake, runs: list[Published], manifest: Manifest, contract: Contract) -> set[str]:
    """Undo what an interrupted run of this manifest merged: at that time, all objects may have been valid.

    The replaced rows are restored from the newest documented version without rows of the manifest. Returns
    the days of its rows in any version since, not only in the newest: gold may have been made from one of
    them, and a run that undid everything may have been interrupted before it wrote its document.
    """
    silver, ours = lake.table(contract.table), F.col("manifest_id") == manifest.sha256
    days: set[str] = set()
    if contract.day is not None:
        for version in range(_last_before(manifest, runs, lake.store), (silver.version() or 0) + 1):
            found = silver.frame(version).where(ours).select(contract.day[0]).distinct().collect()
            days.update(row[0].isoformat() for row in found)
    now = silver.frame()
    if not now.where(ours).count():
        return days
    kept, then = now.where(~ours), now.limit(0)
    for item in reversed(runs):
        if not silver.frame(item.delta_version).where(ours).count():
            columns = {field.name: field.dataType.simpleString() for field in now.schema.fields}
            then = conformed(silver.frame(item.delta_version), columns, contract.aliases)
            break
    replaced = then.join(kept.select(*contract.key), [*contract.key], "left_anti")
    silver.replace(kept.unionByName(replaced, allowMissingColumns=True))
    return days


def _last_before(manifest: Manifest, runs: list[Published], store: Store) -> int:
    """The newest documented version that is older than the manifest, or the first."""
    for item in reversed(runs):
        try:
            committed_at = parse_time(read_lineage(store, item)["committed_at"])
        except (EvidenceError, KeyError, TypeError):
            continue  # not written by a run of a job
        if committed_at < manifest.created_at:
            return item.delta_version
    return 0


def _assert_none_refused(document: dict[str, Any]) -> None:
    """Raise ``EvidenceError`` naming the object versions that the run of this document refused."""
    refused = [
        f"{ObjectVersion(item['bucket'], item['key'], item['version_id']).uri} {item['reason']}"
        for item in document["refused"]
    ]
    if refused:
        total = sum(len(document.get(name, ())) for name in ("inputs", "refused", "withheld"))
        more = f"; and {len(refused) - _NAMED} more" if len(refused) > _NAMED else ""
        raise EvidenceError(
            f"{len(refused)} of {total} object versions of the manifest are "
            f"not what it says, and none of their rows were used: {'; '.join(refused[:_NAMED])}{more}.",
            "All others are published. Find out who changed them; upload again what is still needed.",
        )


def _input(entry: Entry, arrived: _Arrived, valid: int) -> dict[str, Any]:
    """One object version and the outcome of its rows. Raises ``CannotCheckError`` if the engine lost any."""
    version = entry.version
    told, rows, rejected = arrived.told, arrived.rows, arrived.rejected
    if told != rows:
        raise CannotCheckError(
            f"{version.uri} has {'an unknown number of' if told is None else told} rows, but {rows} arrived.",
            "Nothing was published; run the job again.",
        )
    return {
        **_object(entry),
        "size_bytes": entry.size_bytes,
        **Counts(rows, valid, rejected, rows - rejected - valid).as_document(),
    }


def _total(inputs: list[dict[str, Any]]) -> Counts:
    return Counts(
        *(sum(item[name] for item in inputs) for name in ("rows", "valid", "rejected", "duplicates"))
    )


def _worst(rows: DataFrame, number: Mapping[ObjectVersion, int]) -> dict[ObjectVersion, str]:
    """The most common reasons for rejection by object version, as a sentence."""
    reasons = rows.where(F.col("reason").isNotNull()).groupBy("source_entry", "reason").count()
    top = reasons.orderBy(F.col("count").desc(), "reason", "source_entry").limit(_REASONS).collect()
    by_entry: dict[int, list[str]] = {}
    for row in top:
        by_entry.setdefault(row[0], []).append(f"{row[1]} ({row[2]})")
    return {
        version: f" Most common reasons for rejection: {', '.join(by_entry[place][:_NAMED])}."
        for version, place in number.items()
        if place in by_entry
    }


def _assert_published(table: DeltaTable, wanted: int, manifest_id: str) -> None:
    """Raise ``CannotCheckError`` if the table does not have as many rows of the manifest as were counted."""
    found = table.frame().where(F.col("manifest_id") == manifest_id).count()
    if found != wanted:
        raise CannotCheckError(
            f"{table.uri} has {found} rows of the manifest {manifest_id}, but {wanted} were counted.",
            "Its lineage is not written. Run the job again; if it repeats, restore the previous version.",
        )
