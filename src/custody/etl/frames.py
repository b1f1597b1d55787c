"""From typed to valid, unique rows: pure DataFrame functions with the same result on every engine.

All times are in UTC; the session's time zone must be UTC.

Joins have the side with few columns or rows on the left: pysail keeps that side in memory, whichever is
larger.
"""

from __future__ import annotations

from functools import reduce
from operator import and_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from custody.etl.contract import Contract

VERSION = ("source_bucket", "source_key", "source_version_id")
"""The object version that a row comes from."""
SOURCE = (*VERSION, "source_row", "source_order")
"""The origin of a row, and its position in the order that decides which of several rows with one key is
kept."""
_ROWS = 10**12
"""No object has as many."""


def silver_columns(contract: Contract) -> list[str]:
    """The columns of the published table except ``manifest_id``, in order."""
    day = [contract.day[0]] if contract.day else []
    return [*day, *(column.name for column in contract.columns), "extra", *SOURCE]


def valid(rows: DataFrame) -> DataFrame:
    """The rows that are records and not rejected."""
    return rows.where(F.col("reason").isNull() & (F.col("source_row") > 0))


def source_order() -> Column:
    """A row's position in the order of deliveries: by its entry's rank, then by its number."""
    return F.concat("source_rank", F.lit("|"), F.format_string("%012d", F.col("source_row")))


def winners(rows: DataFrame, entries: DataFrame, contract: Contract) -> DataFrame:
    """The one valid row of each key that is kept, by ``source_order``: the first or the latest.

    No two rows have the same ``source_order``, and it depends only on the deliveries: not on the order in
    which they are processed, nor on how often.
    """
    day = [contract.day[0]] if contract.day else []
    columns = [*day, *(column.name for column in contract.columns), "extra", "source_entry", "source_row"]
    place = F.col("source_entry") * F.lit(_ROWS) + F.col("source_row")
    placed = valid(rows).select(*columns, place.alias("source_place"))
    kept = F.min("source_place") if contract.raw().wins == "first" else F.max("source_place")
    best = placed.groupBy(*contract.key).agg(kept.alias("source_place")).select("source_place")
    return (
        entries.join(best.join(placed, "source_place"), "source_entry")
        .withColumn("source_order", source_order())
        .select(*silver_columns(contract))
    )


def judged(batch: DataFrame, table: DataFrame, contract: Contract, manifest_id: str) -> DataFrame:
    """A batch's winners with ``manifest_id``, and ``source_kept``: whether the table has it after the merge.

    A winner is kept if the table has no row of its key, or one that loses against it; or if a run of the same
    manifest that did not finish has already written it.
    """
    there = table.select(
        *(F.col(name).alias(f"source_there_{name}") for name in contract.key),
        F.col("source_order").alias("source_other_order"),
        F.col("manifest_id").alias("source_other_manifest"),
    )
    same_key = reduce(and_, (F.col(name) == F.col(f"source_there_{name}") for name in contract.key))
    order, other = F.col("source_order"), F.col("source_other_order")
    wins = order < other if contract.raw().wins == "first" else order > other
    ours = (order == other) & (F.col("source_other_manifest") == manifest_id)
    return there.join(batch, same_key, "right").select(
        *silver_columns(contract),
        F.lit(manifest_id).alias("manifest_id"),
        (other.isNull() | wins | ours).alias("source_kept"),
    )


def rejected(rows: DataFrame, entries: DataFrame, contract: Contract, manifest_id: str) -> DataFrame:
    """The rejected rows: origin, reason, and the fields as delivered, all text."""
    texts = (F.col("source_texts")[place].alias(column.name) for place, column in enumerate(contract.columns))
    broken = rows.where(F.col("reason").isNotNull())
    columns = broken.select("source_entry", "source_row", "reason", *texts, "extra", "unreadable")
    return entries.join(columns, "source_entry").select(
        *VERSION, *columns.columns[1:], F.lit(manifest_id).alias("manifest_id")
    )
