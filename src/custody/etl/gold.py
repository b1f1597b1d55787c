"""From silver to gold: the SELECT of a gold table, over its inputs; the same on every engine.

It is a function of its inputs' rows alone: from the same versions of the silver tables come the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException
from pyspark.sql import functions as F  # noqa: N812

from custody.errors import UsageError
from custody.etl.contract import Contract
from custody.etl.frames import SPARK_TYPES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@contextmanager
def selected(spark: SparkSession, contract: Contract, inputs: Mapping[str, DataFrame]) -> Iterator[DataFrame]:
    """The rows of a gold table, of the types of its contract, for as long as the block lasts.

    ``inputs`` are what the SELECT may read, by the tables' names. Raises ``UsageError`` if it cannot be run,
    or gives other columns than the contract's.
    """
    for name, frame in inputs.items():
        frame.createOrReplaceTempView(name)
    try:
        try:
            rows = spark.sql(str(contract.sql))
            columns = rows.columns
        except PySparkException as error:
            raise UsageError(f"The SELECT of {contract.table} cannot be run: {_first_line(error)}") from error
        wanted = [column.name for column in contract.columns]
        if sorted(columns) != sorted(wanted):
            raise UsageError(
                f"The SELECT of {contract.table} gives the columns {', '.join(columns)}; its contract has "
                f"{', '.join(wanted)}."
            )
        yield rows.select(
            *(F.col(item.name).cast(SPARK_TYPES[item.type]).alias(item.name) for item in contract.columns)
        )
    finally:
        for name in inputs:
            spark.catalog.dropTempView(name)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:500]
