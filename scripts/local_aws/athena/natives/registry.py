"""The Python functions that a database knows, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
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
    if name not in _NATIVES:
        raise KeyError(name)
    call = f"native_{name}({', '.join(arguments)})"
    return f"CAST({call} AS DOUBLE)" if _NATIVES[name].result == "DOUBLE" else call


def register(database: duckdb.DuckDBPyConnection) -> None:
    """Make every provided function known to a database."""
    for name, each in _NATIVES.items():
        function, result = _guarded(each.function), each.result
        if result == "DOUBLE":  # DuckDB's client takes NaN for NULL: a double goes through as text
            function, result = _as_text(function), "VARCHAR"
        database.create_function(
            f"native_{name}", function, each.parameters, result, null_handling="special"
        )


def _guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def call(*arguments: Any) -> Any:
        if any(argument is None for argument in arguments):
            return None
        try:
            return function(*arguments)
        except QueryError as error:
            raise ValueError(f"{OPEN}{error}{CLOSE}") from None
        except (OverflowError, RecursionError) as error:
            raise ValueError(f"{OPEN}NOT_SUPPORTED: {error}{CLOSE}") from None

    return call


def _as_text(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def call(*arguments: Any) -> Any:
        result = function(*arguments)
        return None if result is None else repr(result)

    return call


def invalid(message: str) -> QueryError:
    """Return the error of an argument that the function does not take."""
    return QueryError("INVALID_FUNCTION_ARGUMENT", message)


@provide("VARCHAR -> VARCHAR")
def failure(complaint: str) -> str:
    """Fail with a code and words: ``CODE: words``."""
    code, _, message = complaint.partition(": ")
    raise QueryError(code, message)
