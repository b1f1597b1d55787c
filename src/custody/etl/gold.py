"""From silver to gold: the SELECT or the function of a gold table, over its inputs; the same on every engine.

It is a function of its inputs' rows alone: from the same versions of the silver tables come the same rows.

Where SQL will not do, a table is made by a Python module with one function, ``rows(spark, inputs)``: it is
given the session and a DataFrame for each input by its table's name, and returns one. The module is part of
the contract, as a SELECT is, and so of the digest that the lineage has of it.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pyspark.errors import PySparkException
from pyspark.sql import functions as F  # noqa: N812

from custody.errors import UsageError
from custody.etl.change import widens
from custody.etl.contract import FUNCTION, Contract
from custody.terminal import beginning, visible

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

_SHOWN_CHARACTERS = 500
LOST = "source_lost"
_INTEGERS = {"tinyint": "decimal(3,0)", "smallint": "decimal(5,0)", "int": "decimal(10,0)"}
"""Types that no contract has, as one that holds all their values."""


@contextmanager
def gold_rows(
    spark: SparkSession, contract: Contract, inputs: Mapping[str, DataFrame]
) -> Iterator[DataFrame]:
    """The rows of a gold table, of the types of its contract, for as long as the block lasts.

    If a column was of another type, there is one more, ``LOST``: the name of the first column of whose value
    the contract's type would lose something, or NULL.

    ``inputs`` are what may be read, by the tables' names. Raises ``UsageError`` if the SELECT or the function
    cannot be run, or gives other columns than the contract's.
    """
    for name, frame in inputs.items():
        frame.createOrReplaceTempView(name)
    try:
        with one_sentence(contract):
            rows = spark.sql(contract.sql) if contract.sql is not None else _call(spark, contract, inputs)
            columns = rows.columns
        wanted = [column.name for column in contract.columns]
        if sorted(columns) != sorted(wanted):
            raise UsageError(
                f"{_subject(contract)} gives the columns {', '.join(map(visible, columns))}; "
                f"its contract has {', '.join(wanted)}."
            )
        yield rows.select(
            *(F.col(item.name).cast(item.kind.sql).alias(item.name) for item in contract.columns),
            *_lost(rows, contract),
        )
    finally:
        for name in inputs:
            spark.catalog.dropTempView(name)


def _lost(rows: DataFrame, contract: Contract) -> list[Column]:
    """The column ``LOST``, if there is something to lose."""
    there = {field.name: field.dataType.simpleString() for field in rows.schema.fields}
    lost = []
    for item in contract.columns:
        was, wanted = there[item.name], item.kind.sql
        if not widens(_INTEGERS.get(was, was), wanted):
            value = F.col(item.name)
            again = value.cast(wanted).cast(was)
            is_lost = value.isNotNull() & (again.isNull() | (again != value))
            lost.append(F.when(is_lost, F.lit(item.name)))
    return [F.coalesce(*lost).alias(LOST)] if lost else []


@contextmanager
def one_sentence(contract: Contract) -> Iterator[None]:
    """Raise ``UsageError`` for what the engine says of the SELECT or the function in the block."""
    try:
        yield
    except PySparkException as error:
        raise _failed(contract, error) from error


def _call(spark: SparkSession, contract: Contract, inputs: Mapping[str, DataFrame]) -> DataFrame:
    """What the function returns."""
    scope: dict[str, Any] = {"__name__": contract.table}
    try:
        exec(compile(str(contract.python), _file(contract), "exec"), scope)  # noqa: S102 - as the job's own script
        function = scope.get(FUNCTION)
        rows = function(spark, dict(inputs)) if callable(function) else None
    except (Exception, SystemExit) as error:
        raise _failed(contract, error) from error
    if not callable(function):
        raise UsageError(f"{_file(contract)} has no function {FUNCTION}(spark, inputs).")
    if not isinstance(rows, type(next(iter(inputs.values())))):
        raise UsageError(f"{_subject(contract)} returns {type(rows).__name__}, not a DataFrame.")
    return rows


def _subject(contract: Contract) -> str:
    return f"The {'SELECT' if contract.sql is not None else 'function'} of {contract.table}"


def _file(contract: Contract) -> str:
    return f"{contract.table}.py"


def _failed(contract: Contract, error: BaseException) -> UsageError:
    """One sentence: the table, the line of its module if one is known, and what is wrong."""
    if contract.sql is not None:
        return UsageError(f"{_subject(contract)} cannot be run: {_first_line(str(error))}")
    text = "".join(traceback.format_exception(error))
    lines = re.findall(rf'File "{re.escape(_file(contract))}", line ([0-9]+)', text)
    where = f" in line {lines[-1]} of {_file(contract)}" if lines else ""
    what = str(error)
    if isinstance(error, PySparkException):  # it may quote the traceback of a function that ran in a worker
        what = re.sub(r"\A.*?^Traceback [^\n]*\n(?: [^\n]*\n)*", "", what, flags=re.MULTILINE | re.DOTALL)
    else:
        what = f"{type(error).__name__}: {getattr(error, 'msg', what)}"
    return UsageError(f"{_subject(contract)} fails{where}: {_first_line(what)}")


def _first_line(text: str) -> str:
    return beginning(visible(text.strip().partition("\n")[0]), _SHOWN_CHARACTERS)
