"""The Python functions of a database, by name.

A function reports an unsupported case twice: it fails, and it records that for the statement, which ``TRY``
cannot undo. Otherwise the statement would continue with NULL where Athena has a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import Any, TypeVar

import duckdb

from scripts.local_aws.athena.model import QueryError

OPEN, CLOSE = "⟦", "⟧"
"""What an error of ours stands between in DuckDB's, where ``engine`` finds it again."""


@dataclass(frozen=True, slots=True)
class _Native:
    function: Callable[..., Any]
    parameters: list[str]
    result: str


_NATIVES: dict[str, _Native] = {}
_NOTED: dict[str, QueryError] = {}
"""What is not supported of each statement that runs."""
Function = TypeVar("Function", bound=Callable[..., Any])


def provide(signature: str) -> Callable[[Function], Function]:
    """Make a function callable from SQL; ``signature`` is ``types -> type`` in DuckDB's names."""
    left, _, right = signature.partition(" -> ")

    def add(function: Function) -> Function:
        parameters = [part.strip() for part in left.split(",") if part.strip()]
        _NATIVES[function.__name__] = _Native(function, parameters, right)
        return function

    return add


def native(name: str, *arguments: str) -> str:
    """Write the call of a provided function."""
    call = f"native_{name}({', '.join([*arguments, '''getvariable('statement')'''])})"
    return f"CAST({call} AS DOUBLE)" if _NATIVES[name].result == "DOUBLE" else call


def register(database: duckdb.DuckDBPyConnection, sql: str, known: set[str]) -> None:
    """Make the functions that ``sql`` calls known to a database that knows ``known``, which is added to."""
    for name in set(re.findall(r"\bnative_(\w+)\(", sql)) & _NATIVES.keys() - known:
        each = _NATIVES[name]
        # DuckDB's client takes NaN for NULL: a double goes through as text.
        result = "VARCHAR" if each.result == "DOUBLE" else each.result
        parameters = [*each.parameters, "VARCHAR"]
        create: Any = database.create_function
        create(f"native_{name}", _called(each), parameters, result, null_handling="special")
        known.add(name)


def begin(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    """Say which statement runs on a connection; ``statement`` is an identifier of letters and digits."""
    connection.execute(f"SET VARIABLE statement = '{statement}'")


def noted(statement: str) -> QueryError | None:
    """Return, once, what of a statement was not supported."""
    return _NOTED.pop(statement, None)


def _called(each: _Native) -> Callable[..., Any]:
    """Return what DuckDB calls: of NULL it is NULL, its errors stand between brackets."""

    def call(*arguments: Any) -> Any:
        *given, statement = arguments
        if any(argument is None for argument in given):
            return None
        try:
            result = each.function(*given)
        except QueryError as error:
            raise _failure(error, statement) from None
        except (OverflowError, RecursionError) as error:
            raise _failure(QueryError("NOT_SUPPORTED", str(error)), statement) from None
        except Exception as error:
            words = f"{each.function.__name__}: {type(error).__name__}: {error}"
            raise _failure(QueryError("GENERIC_INTERNAL_ERROR", words), statement) from error
        return repr(result) if each.result == "DOUBLE" and result is not None else result

    names = [Parameter(f"a{at}", Parameter.POSITIONAL_ONLY) for at in range(len(each.parameters) + 1)]
    call.__signature__ = Signature(names)  # type: ignore[attr-defined]
    return call


def _failure(error: QueryError, statement: str | None) -> ValueError:
    if error.code in ("NOT_SUPPORTED", "GENERIC_INTERNAL_ERROR") and statement:
        _NOTED[statement] = error
    return ValueError(f"{OPEN}{error}{CLOSE}")


def invalid(message: str) -> QueryError:
    """Return the error of an argument that the function does not take."""
    return QueryError("INVALID_FUNCTION_ARGUMENT", message)


@provide("VARCHAR -> VARCHAR")
def failure(complaint: str) -> str:
    """Fail with a code and words: ``CODE: words``."""
    code, _, message = complaint.partition(": ")
    raise QueryError(code, message)
