"""How a function is written for DuckDB: its arguments read and checked, its templates filled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scripts.local_aws.athena.casts import Typed, coerce
from scripts.local_aws.athena.model import QueryError
from scripts.local_aws.athena.types import BOOLEAN, DOUBLE, UNKNOWN, VARCHAR, Type, common_type, parse_type


@dataclass(frozen=True, slots=True)
class Lambda:
    """A lambda among the arguments: the count of its parameters, its body for given ones, names for them."""

    parameters: int
    body: Callable[[Sequence[Typed]], Typed]
    new_name: Callable[[], str]

    def named(self, *types: Type) -> tuple[str, Typed]:
        """Return the lambda's head in DuckDB, with names of its own, and its body."""
        names = [self.new_name() for _ in types]
        return f"lambda {', '.join(names)}:", self.body(
            [Typed(n, t) for n, t in zip(names, types, strict=True)]
        )


Argument = Typed | Lambda
Builder = Callable[[Sequence[Argument]], Typed]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """An aggregate's call, which FILTER and OVER can follow, and what is put around the whole."""

    call: str
    type: Type
    wrap: str = "{}"


class NoOverloadError(Exception):
    """The arguments fit no form of the function."""


def unexpected(name: str, arguments: Sequence[Argument]) -> QueryError:
    """Return Athena's error for arguments that fit no form of a function."""
    types = ", ".join(str(a.type) if isinstance(a, Typed) else "function" for a in arguments)
    return QueryError("FUNCTION_NOT_FOUND", f"Unexpected parameters ({types}) for function {name.lower()}")


# --- Reading arguments


def typed(arguments: Sequence[Argument], *counts: int) -> list[Typed]:
    """Return arguments that are all values, and as many as may be."""
    values = [argument for argument in arguments if isinstance(argument, Typed)]
    if len(values) != len(arguments) or (counts and len(values) not in counts):
        raise NoOverloadError
    return values


def as_type(value: Argument, to: Type) -> str:
    """Return an argument converted as Athena does it without being asked."""
    converted = coerce(value, to) if isinstance(value, Typed) else None
    if converted is None:
        raise NoOverloadError
    return converted.sql


def as_text(value: Argument) -> str:
    """Return a text; a ``char`` with the spaces that belong to it."""
    if isinstance(value, Typed) and value.type.name == "char":
        return value.sql
    return as_type(value, VARCHAR)


def constant(value: Argument, what: str) -> str:
    """Return the text of a literal."""
    if isinstance(value, Typed) and value.text is not None:
        return value.text
    raise QueryError("NOT_SUPPORTED", f"a {what} that is no literal")


def common(values: Sequence[Typed]) -> tuple[list[str], Type]:
    """Return values converted to the one type they share."""
    found = UNKNOWN
    for value in values:
        wider = common_type(found, value.type)
        if wider is None:
            raise NoOverloadError
        found = wider
    return [as_type(value, found) for value in values], found


def of(value: Argument, name: str) -> Type:
    """Return the type of a value, which must have this name."""
    if not isinstance(value, Typed) or value.type.name != name:
        raise NoOverloadError
    return value.type


def numeric(value: Typed) -> Typed:
    """Return a number; NULL is one."""
    if value.type == UNKNOWN:
        return Typed(as_type(value, DOUBLE), DOUBLE)
    if not value.type.is_numeric:
        raise NoOverloadError
    return value


# --- Writing


def predicate(body: Typed) -> str:
    """Return the body of a lambda that is a condition."""
    return as_type(body, BOOLEAN)


def form(*overloads: str) -> Builder:
    """Build from forms ``argument types -> result type := template``, tried in order."""
    parsed = []
    for overload in overloads:
        signature, _, template = overload.partition(" := ")
        left, _, right = signature.partition(" -> ")
        parsed.append(([parse_type(part) for part in left.split(", ") if part], parse_type(right), template))

    def build(arguments: Sequence[Argument]) -> Typed:
        for types, result, template in parsed:
            if len(types) != len(arguments):
                continue
            values = [
                coerce(argument, to) if isinstance(argument, Typed) else None
                for argument, to in zip(arguments, types, strict=True)
            ]
            if None not in values:
                return Typed(template.format(*[value.sql for value in values if value]), result)
        raise NoOverloadError

    return build


def generic(name: str, *counts: int) -> Builder:
    """Build a DuckDB function over values of one common type, with that type as its result."""

    def build(arguments: Sequence[Argument]) -> Typed:
        sqls, found = common(typed(arguments, *counts))
        return Typed(f"{name}({', '.join(sqls)})", found)

    return build
