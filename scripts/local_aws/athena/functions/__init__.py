"""The functions of Athena that this engine supports, translated to DuckDB.

The tables are the allow-list: a function that is not in them does not run, even if DuckDB has one of that
name. If DuckDB's function differs from Athena's, the entry restores Athena's semantics, in SQL or by a
function of ``natives``. A function that only Athena has is ``NOT_SUPPORTED``; any other unknown function
fails with Athena's own error. ``functions.tsv`` lists all of Athena's functions.
https://docs.aws.amazon.com/athena/latest/ug/functions-env3.html, https://trino.io/docs/current/functions.html
"""

from __future__ import annotations

from collections.abc import Sequence

from scripts.local_aws.athena.casts import Typed
from scripts.local_aws.athena.functions.aggregates import AGGREGATES_AND_WINDOWS, WINDOWS
from scripts.local_aws.athena.functions.building import (
    Aggregate,
    Argument,
    Builder,
    Lambda,
    NoOverloadError,
    unexpected,
)
from scripts.local_aws.athena.functions.catalogue import is_athenas
from scripts.local_aws.athena.functions.collections import COLLECTIONS, subscript
from scripts.local_aws.athena.functions.conditional import CONDITIONAL
from scripts.local_aws.athena.functions.documents import DOCUMENTS
from scripts.local_aws.athena.functions.moments import MOMENTS, field, moment
from scripts.local_aws.athena.functions.numbers import NUMBERS
from scripts.local_aws.athena.functions.texts import TEXTS, trimmed
from scripts.local_aws.athena.model import QueryError

__all__ = [
    "AGGREGATES_AND_WINDOWS",
    "SCALARS",
    "SUBSCRIPT",
    "WINDOWS",
    "Aggregate",
    "Argument",
    "Lambda",
    "aggregate",
    "call",
    "field",
    "moment",
    "trimmed",
]

SUBSCRIPT = "[]"
"""The name under which ``call`` knows ``values[key]``; no statement can write it."""

SCALARS: dict[str, Builder] = {
    SUBSCRIPT: subscript,
    **CONDITIONAL,
    **NUMBERS,
    **TEXTS,
    **DOCUMENTS,
    **MOMENTS,
    **COLLECTIONS,
}


def call(name: str, arguments: Sequence[Argument]) -> Typed:
    """Write the call of a scalar function. Raises ``QueryError`` if there is no such function or overload."""
    builder = SCALARS.get(name.lower())
    if builder is None:
        raise _unknown(name)
    try:
        return builder(arguments)
    except NoOverloadError as error:
        raise unexpected(name, arguments) from error


def aggregate(name: str, arguments: Sequence[Typed], *, distinct: bool, order: str) -> Aggregate:
    """Write the call of an aggregate or window function, as ``call`` does."""
    builder = AGGREGATES_AND_WINDOWS.get(name.lower())
    if builder is None:
        if name.lower() in SCALARS:
            raise QueryError("FUNCTION_NOT_AGGREGATE", f"Function '{name.lower()}' is no aggregate function")
        raise _unknown(name)
    try:
        return builder(arguments, "DISTINCT " if distinct else "", order)
    except NoOverloadError as error:
        raise unexpected(name, arguments) from error


def _unknown(name: str) -> QueryError:
    if is_athenas(name.lower()):
        return QueryError("NOT_SUPPORTED", f"the function {name.lower()}")
    return QueryError("FUNCTION_NOT_FOUND", f"Function '{name.lower()}' not registered")
