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
_BROADCAST_KEYS = 500_000
"""Up to as many contested keys, Spark looks them up and moves no row for them; some 100 MB of memory."""


def silver_columns(contract: Contract) -> list[str]:
    """The columns of the published table except ``manifest_id``, in order."""
    day = [contract.day[0]] if contract.day else []
    return [*day, *(column.name for column in contract.columns), "extra", *SOURCE]


def valid(rows: DataFrame) -> DataFrame:
    """The rows that are records and not rejected."""
    return rows.where(F.col("reason").isNull() & (F.col("source_row") > 0))


def source_order() -> Column:
    """A row's position in the order of deliveries: by its entry's rank, then by its number."""
    return F.concat("source_rank", F.lit("|"), F.lpad(F.col("source_row").cast("string"), 12, "0"))


def _place() -> Column:
    """A row's position in the same order as one number, of this manifest's rows."""
    return F.col("source_entry") * F.lit(_ROWS) + F.col("source_row")


def judged(
    rows: DataFrame, entries: DataFrame, table: DataFrame, contract: Contract, manifest_id: str
) -> DataFrame:
    """For each key of the valid rows, which of them is kept, and whether the table has it after the merge.

    Columns: the key; ``source_place`` and ``source_entry`` of the row that is kept, the first or the latest
    delivered; ``source_rows``, how many rows have the key; ``source_kept``. The table has the row after the
    merge if it has none of the key, or one that loses against it; or if a run of the same manifest that did
    not finish has already written it.

    No two rows have the same place, and their order depends only on the deliveries: not on the order in which
    they are processed, nor on how often.
    """
    there = table.select(
        *(F.col(name).alias(f"source_there_{name}") for name in contract.key),
        F.col("source_order").alias("source_other_order"),
        F.col("manifest_id").alias("source_other_manifest"),
    )
    best = F.min if contract.raw().wins == "first" else F.max
    keys = valid(rows).groupBy(*contract.key)
    found = keys.agg(best(_place()).alias("source_place"), F.count(F.lit(1)).alias("source_rows"))
    met = there.join(found, _same_key(contract), "right").withColumns(
        {
            "source_entry": F.expr(f"CAST(source_place DIV {_ROWS} AS INT)"),
            "source_row": F.col("source_place") % F.lit(_ROWS),
        }
    )
    order, other = source_order(), F.col("source_other_order")
    wins = order < other if contract.raw().wins == "first" else order > other
    ours = (order == other) & (F.col("source_other_manifest") == manifest_id)
    return (
        entries.select("source_entry", "source_rank")
        .join(met, "source_entry")
        .select(*found.columns, "source_entry", (other.isNull() | wins | ours).alias("source_kept"))
    )


def is_contested() -> Column:
    """Whether some valid row of a ``judged`` key is not in the table after the merge."""
    return (F.col("source_rows") > 1) | ~F.col("source_kept")


def kept(rows: DataFrame, verdict: DataFrame, contract: Contract, *, contested: int) -> DataFrame:
    """The valid rows that the table has after the merge; ``verdict`` is ``judged``, ``contested`` of it."""
    lost = verdict.where(is_contested()).select(
        *(F.col(name).alias(f"source_there_{name}") for name in contract.key),
        F.when(F.col("source_kept"), F.col("source_place")).otherwise(F.lit(-1)).alias("source_stands_at"),
    )
    if contested <= _BROADCAST_KEYS:
        lost = F.broadcast(lost)
    at = F.col("source_stands_at")
    found = lost.join(valid(rows), _same_key(contract), "right")
    return found.where(at.isNull() | (at == _place())).select(*rows.columns)


def _same_key(contract: Contract) -> Column:
    return reduce(and_, (F.col(name) == F.col(f"source_there_{name}") for name in contract.key))


def silver_rows(rows: DataFrame, entries: DataFrame, contract: Contract, manifest_id: str) -> DataFrame:
    """Rows as the table has them."""
    day = [contract.day[0]] if contract.day else []
    columns = [*day, *(column.name for column in contract.columns), "extra", "source_entry", "source_row"]
    named = entries.join(rows.select(*columns), "source_entry").withColumn("source_order", source_order())
    return named.select(*silver_columns(contract), F.lit(manifest_id).alias("manifest_id"))


def rejected(rows: DataFrame, entries: DataFrame, contract: Contract, manifest_id: str) -> DataFrame:
    """The rejected rows: origin, reason, and the fields as delivered, all text."""
    texts = (F.col("source_texts")[place].alias(column.name) for place, column in enumerate(contract.columns))
    broken = rows.where(F.col("reason").isNotNull())
    columns = broken.select("source_entry", "source_row", "reason", *texts, "extra", "unreadable")
    return entries.join(columns, "source_entry").select(
        *VERSION, *columns.columns[1:], F.lit(manifest_id).alias("manifest_id")
    )
