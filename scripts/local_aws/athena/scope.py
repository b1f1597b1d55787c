"""What names mean at one place of a statement, and what an analysed query is."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from scripts.local_aws.athena.casts import Typed, coerce
from scripts.local_aws.athena.types import Type

CATALOG = "awsdatacatalog"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a relation; ``domain`` as in ``Typed``; ``*`` leaves out what is ``hidden``."""

    name: str | None
    type: Type
    domain: frozenset[str] | None = None
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class BaseTable:
    """A stored table: the DuckDB relation that holds it, its columns being ``c0``, ``c1`` and so on."""

    relation: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class View:
    """A view: its query, the database its names are read in, the columns it was stored with."""

    sql: str
    database: str
    columns: tuple[Column, ...]


class Tables(Protocol):
    """Where the names of tables lead."""

    def resolve(self, database: str, name: str) -> BaseTable | View | None:
        """Return what ``database.name`` is, or ``None`` if there is no such thing."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A query written for DuckDB, its columns being ``c0``, ``c1`` and so on."""

    sql: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """What all parts of one statement share.

    ``now``: when it runs, aware. ``evaluate``, if it is only to be planned, runs a DuckDB query of constants:
    an expression of one column with known values becomes a list of its results. DuckDB moves a filter through
    a view only if it cannot fail, and takes a cast or a date's arithmetic to be something that can: this is
    how a filter on what a view makes of a partition column reaches the partitions.

    ``names`` numbers relations and parameters; ``queries`` are those that have a name, each after those it
    reads; ``views`` are those of them that are views, by database and name.
    """

    tables: Tables
    now: datetime
    evaluate: Callable[[str], Sequence[tuple[str | None, str | None]]] | None = None
    names: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    queries: dict[str, str] = field(default_factory=dict)
    views: dict[tuple[str, str], Rows] = field(default_factory=dict)

    def define(self, rows: Rows) -> Rows:
        """Give a query a name, under which it can be read any number of times."""
        name = f"q{next(self.names)}"
        self.queries[name] = rows.sql
        return replace(rows, sql=name)

    def whole(self, rows: Rows) -> Rows:
        """Put the named queries before the one that is asked for.

        For a plan each is written out wherever it is named, as Athena does it, so that filters reach into it.
        """
        how = "AS NOT MATERIALIZED" if self.evaluate else "AS"
        named = ", ".join(f"{name} {how} ({sql})" for name, sql in self.queries.items())
        return replace(rows, sql=f"WITH {named} {rows.sql}") if named else rows


@dataclass(frozen=True, slots=True)
class Field:
    """A column in scope: how it can be named, how DuckDB reads it."""

    name: str | None
    value: Typed
    qualifier: str | None = None
    database: str | None = None
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """The columns, lambda parameters and WITH queries that names can mean, here or in the query around."""

    fields: tuple[Field, ...] = ()
    outer: Scope | None = None
    parameters: Mapping[str, Typed] = field(default_factory=dict)
    ctes: Mapping[str, Rows] = field(default_factory=dict)

    def within(self, fields: Iterable[Field]) -> Scope:
        """Return the scope with these columns instead."""
        return replace(self, fields=tuple(fields))

    def below(self) -> Scope:
        """Return the scope of a subquery."""
        return Scope(outer=self, ctes=self.ctes)

    def matches(self, parts: Sequence[str]) -> Iterator[tuple[int, list[Typed]]]:
        """Yield, for each way to read a dotted name, how many of its parts name a column, and the columns."""
        if len(parts) > 3 and parts[0] == CATALOG:
            yield 4, [f.value for f in self.fields if [f.database, f.qualifier, f.name] == list(parts[1:4])]
        if len(parts) > 2:
            yield 3, [f.value for f in self.fields if [f.database, f.qualifier, f.name] == list(parts[:3])]
        if len(parts) > 1:
            yield 2, [f.value for f in self.fields if [f.qualifier, f.name] == list(parts[:2])]
        yield 1, [f.value for f in self.fields if f.name == parts[0]]


def converted(rows: Rows, types: Sequence[Type], alias: str) -> Rows | None:
    """Coerce the columns to these types; ``None`` if one cannot be. ``alias`` is a new name."""
    if [column.type for column in rows.columns] == list(types):
        return rows
    values, columns = [], []
    for at, (column, to) in enumerate(zip(rows.columns, types, strict=True)):
        value = coerce(Typed(f"{alias}.c{at}", column.type), to)
        if value is None:
            return None
        values.append(f"{value.sql} AS c{at}")
        columns.append(replace(column, type=to, domain=column.domain if column.type == to else None))
    sql = f"SELECT {', '.join(values)} FROM ({rows.sql}) AS {alias}"  # noqa: S608 - of names made here
    return Rows(sql, tuple(columns))
