"""From a statement's tree to the DuckDB query that gives Athena's answer.

Names are resolved, types worked out and operators checked by Trino's rules, as Athena does before it runs
anything: what Athena would refuse is refused here. Only node types named below are known; any other is an error.

No name or value of the statement reaches DuckDB as it stands: relations are ``t1``, ``t2``…, columns ``c0``,
``c1``…, texts are literals escaped by ``quote_text``. https://trino.io/docs/current/sql/select.html
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from sqlglot import exp

from scripts.local_aws.athena import functions
from scripts.local_aws.athena.casts import Mode, Typed, coerce, explicit_cast, text, try_cast
from scripts.local_aws.athena.functions import AGGREGATES_AND_WINDOWS, WINDOWS, Lambda
from scripts.local_aws.athena.model import QueryError
from scripts.local_aws.athena.parse import parse, position
from scripts.local_aws.athena.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DAY_INTERVAL,
    DOUBLE,
    INTEGER,
    JSON,
    MONTH_INTERVAL,
    TIMESTAMP,
    UNKNOWN,
    VARCHAR,
    Type,
    array,
    common_type,
    decimal,
    decimal_of,
    duckdb_type,
    parse_type,
    quote_text,
)

CATALOG = "awsdatacatalog"


@dataclass(frozen=True, slots=True)
class BaseTable:
    """A stored table: the DuckDB relation that holds it and its columns ``c0``…; ``hidden`` follow them."""

    relation: str
    columns: tuple[tuple[str, Type], ...]
    hidden: tuple[tuple[str, Type], ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """A view: its query, the database its names are read in, the columns it was stored with."""

    sql: str
    database: str
    columns: tuple[tuple[str, Type], ...]


class Tables(Protocol):
    """Where the names of tables lead."""

    def resolve(self, database: str, name: str) -> BaseTable | View | None:
        """Return what ``database.name`` is, or ``None`` if there is no such thing."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A query written for DuckDB; its columns are ``c0``… there, and have these names (or none) and types."""

    sql: str
    columns: tuple[tuple[str | None, Type], ...]


@dataclass(frozen=True, slots=True)
class _Field:
    """A column in scope: how it can be named, how DuckDB reads it."""

    name: str | None
    value: Typed
    qualifier: str | None = None
    database: str | None = None
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class _Scope:
    fields: tuple[_Field, ...] = ()
    outer: _Scope | None = None
    parameters: Mapping[str, Typed] = field(default_factory=dict)
    ctes: Mapping[str, Rows] = field(default_factory=dict)

    def within(self, fields: Iterable[_Field]) -> _Scope:
        return replace(self, fields=tuple(fields))


@dataclass(frozen=True, slots=True)
class _Relation:
    sql: str
    fields: tuple[_Field, ...]


@dataclass(frozen=True, slots=True)
class _Item:
    name: str | None
    value: Typed


class Analyzer:
    """Analyses one text, a statement or a view's query; see the module."""

    def __init__(
        self, tables: Tables, mode: Mode, sql: str, database: str, names: Iterator[int] | None = None
    ) -> None:
        self._tables = tables
        self._mode = mode
        self._sql = sql
        self._database = database
        self._names = names or itertools.count(1)

    def analyze(self, tree: exp.Query) -> Rows:
        """Return the DuckDB query for ``tree``. Raises ``QueryError`` with Athena's code and position."""
        return self._query(tree, _Scope())

    # --- Errors

    def _error(self, node: exp.Expr, code: str, message: str) -> QueryError:
        return QueryError(code, f"{position(node, self._sql)}: {message}")

    @contextmanager
    def _placing(self, node: exp.Expr) -> Iterator[None]:
        """Give errors raised below the position of ``node``, if they have none."""
        try:
            yield
        except QueryError as error:
            if error.message.startswith("line "):
                raise
            raise self._error(node, error.code, error.message) from error

    def _only(self, node: exp.Expr, *known: str) -> None:
        """Refuse a node with a part that is not known here: what is not understood must not be ignored."""
        for name, value in node.args.items():
            if value not in (None, False, []) and name not in known:
                raise self._error(
                    node, "NOT_SUPPORTED", f"{name.strip('_')} in {type(node).__name__.lower()}"
                )

    # --- Queries

    def _query(self, node: exp.Expr, scope: _Scope) -> Rows:
        prefix, scope = self._ctes(node.args.get("with_"), scope)
        match node:
            case exp.Select():
                rows = self._select(node, scope)
            case exp.SetOperation():
                rows = self._set_operation(node, scope)
            case exp.Subquery():
                self._only(node, "this", "with_", "order", "limit", "offset")
                rows = self._query(node.this, scope)
                rows = self._ordered(node, rows, scope)
            case _:
                raise self._error(node, "NOT_SUPPORTED", f"a {type(node).__name__} as a query")
        return replace(rows, sql=f"{prefix}{rows.sql}")

    def _ctes(self, node: exp.Expr | None, scope: _Scope) -> tuple[str, _Scope]:
        if node is None:
            return "", scope
        self._only(node, "expressions")
        written = []
        for cte in node.expressions:
            self._only(cte, "this", "alias")
            rows = self._query(cte.this, replace(scope, fields=()))
            names = [column.name.lower() for column in cte.args["alias"].columns]
            rows = replace(rows, columns=self._renamed(cte, rows.columns, names))
            alias = self._name()
            # Athena runs a WITH query wherever it is named, so that filters reach into it.
            written.append(f"{alias} AS NOT MATERIALIZED ({rows.sql})")
            scope = replace(scope, ctes={**scope.ctes, cte.alias.lower(): replace(rows, sql=alias)})
        return f"WITH {', '.join(written)} ", scope

    def _select(self, node: exp.Select, scope: _Scope) -> Rows:
        self._only(
            node,
            *(
                "with_",
                "expressions",
                "from_",
                "joins",
                "where",
                "group",
                "having",
                "distinct",
                "order",
                "limit",
            ),
            "offset",
        )
        source = self._from(node, scope)
        inner = scope.within(source.fields if source else ())
        items = list(self._items(node, inner))
        clauses = [f"FROM {source.sql}"] if source else []
        if where := node.args.get("where"):
            clauses.append(f"WHERE {self._condition(where.this, inner)}")
        if group := node.args.get("group"):
            clauses.append(f"GROUP BY {self._group(group, items, inner)}")
        if having := node.args.get("having"):
            clauses.append(f"HAVING {self._condition(having.this, inner)}")
        if order := node.args.get("order"):
            clauses.append(f"ORDER BY {self._order(order, items, inner)}")
        clauses.extend(self._limits(node))
        distinct = node.args.get("distinct")
        if distinct:
            self._only(distinct)
        columns = ", ".join(f"{item.value.sql} AS c{at}" for at, item in enumerate(items))
        return Rows(
            f"SELECT {'DISTINCT ' if distinct else ''}{columns} {' '.join(clauses)}",
            tuple((item.name, item.value.type) for item in items),
        )

    def _items(self, node: exp.Select, scope: _Scope) -> Iterator[_Item]:
        for expression in node.expressions:
            star = expression.this if isinstance(expression, exp.Column) else expression
            if isinstance(star, exp.Star):
                self._only(star)
                wanted = (
                    [part.name.lower() for part in expression.parts[:-1]] if star is not expression else []
                )
                yield from self._star(expression, wanted, scope)
            elif isinstance(expression, exp.Alias):
                yield _Item(expression.alias, self._expression(expression.this, scope))
            else:
                named = isinstance(expression, (exp.Column, exp.Dot))
                yield _Item(expression.name if named else None, self._expression(expression, scope))

    def _star(self, node: exp.Expr, wanted: list[str], scope: _Scope) -> Iterator[_Item]:
        known = [f for f in scope.fields if not wanted or [f.database, f.qualifier][-len(wanted) :] == wanted]
        if not known:
            raise self._error(
                node, "SYNTAX_ERROR" if not wanted else "TABLE_NOT_FOUND", "SELECT * has no table"
            )
        for column in known:
            if not column.hidden:
                yield _Item(column.name, column.value)

    def _group(self, node: exp.Expr, items: Sequence[_Item], scope: _Scope) -> str:
        self._only(node, "expressions", "rollup", "cube", "grouping_sets")

        def key(expression: exp.Expr) -> str:
            if isinstance(expression, (exp.Tuple, exp.Paren)):
                inner = expression.expressions if isinstance(expression, exp.Tuple) else [expression.this]
                return f"({', '.join(map(key, inner))})"
            ordinal = self._ordinal(expression, len(items), "GROUP BY")
            return (
                items[ordinal].value.sql if ordinal is not None else self._expression(expression, scope).sql
            )

        parts = []
        for expression in [*node.expressions, *_listed(node, "rollup", "cube", "grouping_sets")]:
            kind = {exp.Rollup: "ROLLUP", exp.Cube: "CUBE", exp.GroupingSets: "GROUPING SETS"}.get(
                type(expression)
            )
            inner = ", ".join(map(key, expression.expressions)) if kind else ""
            parts.append(f"{kind} ({inner})" if kind else key(expression))
        return ", ".join(parts)

    def _ordinal(self, node: exp.Expr, count: int, clause: str) -> int | None:
        if not isinstance(node, exp.Literal) or node.is_string:
            return None
        if not node.name.isdecimal() or not 1 <= int(node.name) <= count:
            raise self._error(
                node, "INVALID_COLUMN_REFERENCE", f"{clause} position {node.name} is not in select list"
            )
        return int(node.name) - 1

    def _order(self, node: exp.Expr, items: Sequence[_Item], scope: _Scope) -> str:
        """Write an ORDER BY; its names mean the query's own columns first, then those of its tables."""
        self._only(node, "expressions")
        outputs = [_Field(item.name.lower() if item.name else None, item.value) for item in items]
        ordering = replace(scope, fields=tuple(outputs), outer=scope)
        keys = []
        for ordered in node.expressions:
            at = self._ordinal(ordered.this, len(items), "ORDER BY")
            key = str(at + 1) if at is not None else self._expression(ordered.this, ordering).sql
            same = [n for n, item in enumerate(items, start=1) if item.value.sql == key]
            keys.append(f"{same[0] if same else key}{self._direction(ordered)}")
        return ", ".join(keys)

    def _direction(self, node: exp.Expr) -> str:
        self._only(node, "this", "desc", "nulls_first")
        direction = " DESC" if node.args.get("desc") else " ASC"
        return f"{direction} NULLS {'FIRST' if node.args.get('nulls_first') else 'LAST'}"

    def _limits(self, node: exp.Expr) -> Iterator[str]:
        limit, offset = node.args.get("limit"), node.args.get("offset")
        if isinstance(limit, exp.Fetch):
            self._only(limit, "direction", "count", "limit_options")
            options = limit.args.get("limit_options")
            if options:
                self._only(options, "rows")
            yield f"LIMIT {self._count(limit.args.get('count') or exp.Literal.number(1))}"
        elif limit:
            self._only(limit, "expression")
            if limit.expression.name.upper() != "ALL":
                yield f"LIMIT {self._count(limit.expression)}"
        if offset:
            self._only(offset, "expression")
            yield f"OFFSET {self._count(offset.expression)}"

    def _count(self, node: exp.Expr) -> int:
        if isinstance(node, exp.Literal) and not node.is_string and node.name.isdecimal():
            return int(node.name)
        raise self._error(node, "SYNTAX_ERROR", f"mismatched input {node.name!r}. Expecting: <integer>")

    def _ordered(self, node: exp.Expr, rows: Rows, scope: _Scope) -> Rows:
        """Put the ORDER BY and LIMIT of ``node`` around rows whose own are done with."""
        if not any(node.args.get(key) for key in ("order", "limit", "offset")):
            return rows
        alias = self._name()
        items = [_Item(name, Typed(f"{alias}.c{at}", kind)) for at, (name, kind) in enumerate(rows.columns)]
        clauses = []
        if order := node.args.get("order"):
            clauses.append(f"ORDER BY {self._order(order, items, scope.within(()))}")
        clauses.extend(self._limits(node))
        return replace(rows, sql=f"SELECT {alias}.* FROM ({rows.sql}) AS {alias} {' '.join(clauses)}")

    def _set_operation(self, node: exp.SetOperation, scope: _Scope) -> Rows:
        self._only(node, "this", "expression", "distinct", "with_", "order", "limit", "offset")
        left, right = self._query(node.this, scope), self._query(node.expression, scope)
        operator = {exp.Union: "UNION", exp.Intersect: "INTERSECT", exp.Except: "EXCEPT"}[type(node)]
        if len(left.columns) != len(right.columns):
            message = (
                f"{operator} query has different number of fields: {len(left.columns)}, {len(right.columns)}"
            )
            raise self._error(node, "TYPE_MISMATCH", message)
        types = []
        for at, ((_, one), (_, other)) in enumerate(zip(left.columns, right.columns, strict=True), start=1):
            found = common_type(one, other)
            if found is None:
                message = f"column {at} in {operator} query has incompatible types: {one}, {other}"
                raise self._error(node, "TYPE_MISMATCH", message)
            types.append(found)
        sides = f" {operator}{'' if node.args.get('distinct') else ' ALL'} ".join(
            f"({self._converted(rows, types).sql})" for rows in (left, right)
        )
        names = [name for name, _ in left.columns]
        return self._ordered(node, Rows(sides, tuple(zip(names, types, strict=True))), scope)

    def _converted(self, rows: Rows, types: Sequence[Type]) -> Rows:
        if [kind for _, kind in rows.columns] == list(types):
            return rows
        alias = self._name()
        values = []
        for at, ((_, kind), to) in enumerate(zip(rows.columns, types, strict=True)):
            value = coerce(self._mode, Typed(f"{alias}.c{at}", kind), to)
            if value is None:
                raise QueryError("TYPE_MISMATCH", f"Cannot coerce {kind} to {to}")
            values.append(f"{value.sql} AS c{at}")
        names = [name for name, _ in rows.columns]
        sql = f"SELECT {', '.join(values)} FROM ({rows.sql}) AS {alias}"
        return Rows(sql, tuple(zip(names, types, strict=True)))

    # --- Relations

    def _name(self) -> str:
        return f"t{next(self._names)}"

    def _from(self, node: exp.Select, scope: _Scope) -> _Relation | None:
        source = node.args.get("from_")
        if source is None:
            return None
        self._only(source, "this")
        relation = self._relation(source.this, scope.within(()))
        for join in node.args.get("joins") or []:
            relation = self._join(relation, join, scope)
        return relation

    def _join(self, left: _Relation, node: exp.Expr, scope: _Scope) -> _Relation:
        self._only(node, "this", "side", "kind", "on", "using")
        right = self._relation(node.this, scope.within(left.fields))
        side, kind = (node.args.get("side") or "").upper(), (node.args.get("kind") or "").upper()
        fields = (*left.fields, *right.fields)
        if kind not in ("", "INNER", "OUTER", "CROSS"):
            raise self._error(node, "NOT_SUPPORTED", f"{kind} JOIN")
        if kind == "CROSS" or not (side or kind or node.args.get("on") or node.args.get("using")):
            return _Relation(f"{left.sql} CROSS JOIN {right.sql}", fields)
        if using := node.args.get("using"):
            condition, fields = self._using(node, left, right, [name.name.lower() for name in using], side)
        elif on := node.args.get("on"):
            condition = self._condition(on, scope.within(fields))
        else:
            raise self._error(node, "SYNTAX_ERROR", "mismatched input '<EOF>'. Expecting: 'ON', 'USING'")
        return _Relation(f"{left.sql} {side or 'INNER'} JOIN {right.sql} ON {condition}", fields)

    def _using(
        self, node: exp.Expr, left: _Relation, right: _Relation, names: Sequence[str], side: str
    ) -> tuple[str, tuple[_Field, ...]]:
        joined, conditions = [], []
        for name in names:
            pair = [self._sole(node, relation, name) for relation in (left, right)]
            conditions.append(self._compare(node, "=", *pair).sql)
            keep = {"RIGHT": pair[1].sql, "FULL": f"coalesce({pair[0].sql}, {pair[1].sql})"}
            joined.append(_Field(name, Typed(keep.get(side, pair[0].sql), pair[0].type)))
        rest = [column for column in (*left.fields, *right.fields) if column.name not in names]
        return " AND ".join(conditions), (*joined, *rest)

    def _sole(self, node: exp.Expr, relation: _Relation, name: str) -> Typed:
        matches = [column.value for column in relation.fields if column.name == name]
        if len(matches) != 1:
            raise self._error(node, "COLUMN_NOT_FOUND", f"Column '{name}' is missing from one side of join")
        return matches[0]

    def _relation(self, node: exp.Expr, scope: _Scope) -> _Relation:
        match node:
            case exp.Table():
                self._only(node, "this", "db", "catalog", "alias")
                return self._table(node, scope)
            case exp.Subquery() if isinstance(node.this, exp.Query):
                self._only(node, "this", "alias")
                rows = self._query(node.this, scope.within(()))
                return self._aliased(node, f"({rows.sql})", rows.columns)
            case exp.Values():
                self._only(node, "expressions", "alias")
                return self._values(node, scope)
            case exp.Unnest():
                self._only(node, "expressions", "alias", "offset")
                return self._unnest(node, scope)
            case _:
                raise self._error(node, "NOT_SUPPORTED", f"a {type(node).__name__} in FROM")

    def _renamed(
        self, node: exp.Expr, columns: Sequence[tuple[str | None, Type]], names: Sequence[str]
    ) -> tuple[tuple[str | None, Type], ...]:
        if names and len(names) != len(columns):
            message = f"Column alias list has {len(names)} entries but relation has {len(columns)} columns"
            raise self._error(node, "MISMATCHED_COLUMN_ALIASES", message)
        return tuple((names[at] if names else name, kind) for at, (name, kind) in enumerate(columns))

    def _aliased(
        self,
        node: exp.Expr,
        sql: str,
        columns: Sequence[tuple[str | None, Type]],
        hidden: Sequence[tuple[str, Type]] = (),
        default: tuple[str | None, str | None] = (None, None),
        last: Sequence[str] = (),
    ) -> _Relation:
        """Name a relation's columns by the alias of ``node``, or by the ``default`` (database, table).

        ``last`` are names that sqlglot keeps apart from the alias's.
        """
        alias = node.args.get("alias")
        names = [*(column.name.lower() for column in alias.columns), *last] if alias else []
        known = self._renamed(node, columns, names)
        database, qualifier = (None, alias.name.lower()) if alias and alias.name else default
        here = self._name()
        fields = tuple(
            _Field(
                name.lower() if name else None,
                Typed(f"{here}.c{at}", kind),
                qualifier,
                database,
                at >= len(known),
            )
            for at, (name, kind) in enumerate((*known, *hidden))
        )
        return _Relation(f"{sql} AS {here}", fields)

    def _table(self, node: exp.Table, scope: _Scope) -> _Relation:
        name, database = node.name.lower(), node.db.lower()
        if not database and name in scope.ctes:
            rows = scope.ctes[name]
            return self._aliased(node, rows.sql, rows.columns, default=(None, name))
        if node.catalog and node.catalog.lower() != CATALOG:
            raise self._error(node, "CATALOG_NOT_FOUND", f"Catalog '{node.catalog}' does not exist")
        database = database or self._database
        if not database:
            raise self._error(
                node, "MISSING_SCHEMA_NAME", "Schema must be specified when session schema is not set"
            )
        with self._placing(node):
            found = self._tables.resolve(database, name)
        full = f"{CATALOG}.{database}.{name}"
        if found is None:
            raise self._error(node, "TABLE_NOT_FOUND", f"Table '{full}' does not exist")
        if isinstance(found, View):
            try:
                rows = self._view(found)
            except QueryError as error:
                message = f"Failed analyzing stored view '{full}': {error.message}"
                raise self._error(node, "INVALID_VIEW", message) from error
            return self._aliased(node, f"({rows.sql})", rows.columns, default=(database, name))
        return self._aliased(node, found.relation, found.columns, found.hidden, (database, name))

    def _view(self, view: View) -> Rows:
        tree = parse(view.sql)
        if not isinstance(tree, exp.Query):
            raise QueryError("INVALID_VIEW", "the stored text is no query")
        rows = Analyzer(self._tables, self._mode, view.sql, view.database, self._names).analyze(tree)
        if len(rows.columns) != len(view.columns):
            message = (
                f"stored view column count ({len(view.columns)}) does not match column count derived from"
            )
            raise QueryError("VIEW_IS_STALE", f"{message} the view query analysis ({len(rows.columns)})")
        for at, ((name, kind), (stored, wanted)) in enumerate(zip(rows.columns, view.columns, strict=True)):
            if (name or "").lower() != stored or common_type(kind, wanted) != wanted:
                message = f"column [{name}] of type {kind} projected from query view at position {at}"
                raise QueryError(
                    "VIEW_IS_STALE",
                    f"{message} cannot be coerced to column [{stored}] of type {wanted} stored in view definition",
                )
        return self._converted(rows, [kind for _, kind in view.columns])

    def _values(self, node: exp.Values, scope: _Scope) -> _Relation:
        table = [
            [
                self._expression(value, scope)
                for value in (row.expressions if isinstance(row, exp.Tuple) else [row])
            ]
            for row in node.expressions
        ]
        if len({len(row) for row in table}) != 1:
            raise self._error(node, "TYPE_MISMATCH", "Values rows have mismatched sizes")
        columns = [self._unified(node, list(column)) for column in zip(*table, strict=True)]
        rows = [f"({', '.join(value.sql for value in row)})" for row in zip(*columns, strict=True)]
        inner = self._name()
        heads = ", ".join(f"c{at}" for at in range(len(columns)))
        sql = f"(SELECT * FROM (VALUES {', '.join(rows)}) AS {inner}({heads}))"
        return self._aliased(node, sql, [(None, column[0].type) for column in columns])

    def _unnest(self, node: exp.Unnest, scope: _Scope) -> _Relation:
        inner = self._name()
        sources: list[str] = []
        columns: list[tuple[str | None, Type]] = []
        reads: list[str] = []
        for at, expression in enumerate(node.expressions):
            value = self._expression(expression, scope)
            if value.type.name == "map":
                sources.append(f"map_entries({value.sql})")
                element = Type("row", value.type.args, ("key", "value"))
            elif value.type.name == "array":
                sources.append(value.sql)
                (element,) = value.type.args
            else:
                raise self._error(node, "TYPE_MISMATCH", f"Cannot unnest type: {value.type}")
            if element.name == "row":
                reads.extend(f"struct_extract({inner}.u{at}, {quote_text(name)})" for name in element.fields)
                columns.extend(zip(element.fields, element.args, strict=True))
            else:
                reads.append(f"{inner}.u{at}")
                columns.append((None, element))
        selected = [f"unnest({source}) AS u{at}" for at, source in enumerate(sources)]
        ordinality = node.args.get("offset")
        if ordinality:
            longest = ", ".join(f"coalesce(len({source}), 0)" for source in sources)
            selected.append(f"unnest(range(1, greatest({longest}) + 1)) AS o")
            reads.append(f"{inner}.o")
            columns.append((None, BIGINT))
        values = ", ".join(f"{read} AS c{at}" for at, read in enumerate(reads))
        sql = f"LATERAL (SELECT {values} FROM (SELECT {', '.join(selected)}) AS {inner})"
        last = [ordinality.name.lower()] if isinstance(ordinality, exp.Identifier) else []
        return self._aliased(node, sql, columns, last=last)

    # --- Expressions

    def _condition(self, node: exp.Expr, scope: _Scope) -> str:
        value = self._expression(node, scope)
        if value.type not in (BOOLEAN, UNKNOWN):
            raise self._error(
                node, "TYPE_MISMATCH", f"a condition must evaluate to a boolean: actual type {value.type}"
            )
        return value.sql

    def _expression(self, node: exp.Expr, scope: _Scope) -> Typed:
        with self._placing(node):
            return self._dispatch(node, scope)

    def _dispatch(self, node: exp.Expr, scope: _Scope) -> Typed:
        match node:
            case exp.Literal():
                return text(node.name) if node.is_string else _number(node.name)
            case exp.Boolean():
                return Typed("true" if node.this else "false", BOOLEAN)
            case exp.Null():
                return Typed("NULL", UNKNOWN)
            case exp.Paren():
                inner = self._expression(node.this, scope)
                return replace(inner, sql=f"({inner.sql})")
            case exp.Column():
                self._only(node, "this", "table", "db", "catalog")
                return self._column(node, [part.name.lower() for part in node.parts], scope)
            case exp.Identifier():
                return self._column(node, [node.name.lower()], scope)
            case exp.Dot():
                return self._dereference(self._expression(node.this, scope), node.expression.name.lower())
            case exp.Anonymous():
                return self._call(node, scope)
            case exp.Filter() | exp.Window() | exp.WithinGroup() | exp.IgnoreNulls() | exp.RespectNulls():
                return self._over(node, scope)
            case exp.Case():
                return self._case(node, scope)
            case exp.If():
                return self._branches(node, [(node.this, node.args["true"])], node.args.get("false"), scope)
            case exp.Subquery() | exp.Exists():
                return self._subquery(node, scope)
            case exp.Cast():
                return self._cast(node, scope)
            case _:
                return self._operator(node, scope)

    def _operator(self, node: exp.Expr, scope: _Scope) -> Typed:
        match node:
            case exp.And() | exp.Or():
                joiner = " AND " if isinstance(node, exp.And) else " OR "
                return Typed(
                    f"({joiner.join(self._condition(part, scope) for part in node.flatten())})", BOOLEAN
                )
            case exp.Not():
                return Typed(f"(NOT {self._condition(node.this, scope)})", BOOLEAN)
            case exp.Is() if isinstance(node.expression, exp.Null):
                return Typed(f"({self._expression(node.this, scope).sql} IS NULL)", BOOLEAN)
            case exp.Between():
                self._only(node, "this", "low", "high")
                parts = [self._expression(node.args[key], scope) for key in ("this", "low", "high")]
                low = self._compare(node, ">=", parts[0], parts[1])
                return Typed(f"({low.sql} AND {self._compare(node, '<=', parts[0], parts[2]).sql})", BOOLEAN)
            case exp.In():
                return self._in(node, scope)
            case exp.Like():
                return self._like(node, scope)
            case exp.Escape() if isinstance(node.this, exp.Like):
                escape = self._expression(node.expression, scope)
                return Typed(f"({self._like(node.this, scope).sql} ESCAPE {escape.sql})", BOOLEAN)
            case exp.Neg():
                value = self._expression(node.this, scope)
                if not value.type.is_numeric and value.type not in (DAY_INTERVAL, MONTH_INTERVAL):
                    raise self._error(node, "TYPE_MISMATCH", f"Cannot negate {value.type}")
                return Typed(f"(-{value.sql})", value.type)
            case exp.DPipe():
                return functions.call(
                    self._mode, "concat", [self._expression(s, scope) for s in node.flatten()]
                )
            case exp.Binary() if type(node) in _COMPARISONS:
                left, right = self._expression(node.left, scope), self._expression(node.right, scope)
                return self._compare(node, _COMPARISONS[type(node)], left, right)
            case exp.Binary() if type(node) in _ARITHMETIC:
                left, right = self._expression(node.left, scope), self._expression(node.right, scope)
                return self._arithmetic(node, _ARITHMETIC[type(node)], left, right)
            case _:
                return self._special(node, scope)

    def _special(self, node: exp.Expr, scope: _Scope) -> Typed:
        """Write what has a syntax of its own."""
        match node:
            case exp.CurrentDate():
                self._only(node)
                return explicit_cast(self._mode, functions.moment(self._mode), DATE)
            case exp.CurrentTimestamp():
                self._only(node)
                return functions.moment(self._mode)
            case exp.Localtimestamp():
                self._only(node)
                return explicit_cast(self._mode, functions.moment(self._mode), TIMESTAMP)
            case exp.AtTimeZone():
                return functions.at_zone(
                    self._mode, self._expression(node.this, scope), self._expression(node.args["zone"], scope)
                )
            case exp.Extract():
                return functions.field(
                    self._mode, node.name.lower(), self._expression(node.expression, scope)
                )
            case exp.Interval():
                return self._interval(node)
            case exp.StrPosition():
                self._only(node, "this", "substr")
                parts = [self._expression(node.this, scope), self._expression(node.args["substr"], scope)]
                return functions.call(self._mode, "strpos", parts)
            case exp.Trim():
                return self._trim(node, scope)
            case exp.Array():
                self._only(node, "expressions")
                values = self._unified(node, [self._expression(part, scope) for part in node.expressions])
                element = values[0].type if values else UNKNOWN
                return Typed(f"[{', '.join(value.sql for value in values)}]", array(element))
            case exp.Bracket() if len(node.expressions) == 1:
                self._only(node, "this", "expressions")
                key = self._expression(node.expressions[0], scope)
                return functions.subscript(self._mode, self._expression(node.this, scope), key)
            case _:
                raise self._error(node, "NOT_SUPPORTED", f"{type(node).__name__} in an expression")

    def _column(self, node: exp.Expr, parts: list[str], scope: _Scope) -> Typed:
        here: _Scope | None = scope
        while here is not None:
            if parts[0] in here.parameters:
                return self._dereference(here.parameters[parts[0]], *parts[1:])
            for used, matches in _matches(here, parts):
                if len({match.value.sql for match in matches}) > 1:
                    raise self._error(node, "AMBIGUOUS_NAME", f"Column '{'.'.join(parts)}' is ambiguous")
                if matches:
                    return self._dereference(matches[0].value, *parts[used:])
            here = here.outer
        message = f"Column '{'.'.join(parts)}' cannot be resolved or requester is not authorized to access"
        raise self._error(node, "COLUMN_NOT_FOUND", f"{message} requested resources")

    def _dereference(self, value: Typed, *names: str) -> Typed:
        for name in names:
            found = [f for f in value.type.fields if f.lower() == name]
            if value.type.name != "row" or len(found) != 1:
                raise QueryError("TYPE_MISMATCH", f"Expression is not of type ROW with a field '{name}'")
            kind = value.type.args[value.type.fields.index(found[0])]
            value = Typed(f"struct_extract({value.sql}, {quote_text(found[0])})", kind)
        return value

    def _unified(self, node: exp.Expr, values: Sequence[Typed]) -> list[Typed]:
        found = UNKNOWN
        for value in values:
            wider = common_type(found, value.type)
            if wider is None:
                raise self._error(
                    node, "TYPE_MISMATCH", f"All values must be the same type: {found}, {value.type}"
                )
            found = wider
        return [converted for value in values if (converted := coerce(self._mode, value, found))]

    def _compare(self, node: exp.Expr, operator: str, left: Typed, right: Typed) -> Typed:
        found = common_type(left.type, right.type)
        one, other = (coerce(self._mode, side, found) if found else None for side in (left, right))
        if one is None or other is None or (found == JSON and operator not in ("=", "<>")):
            sign = operator if len(operator) < 3 else "IS DISTINCT FROM"
            raise self._error(
                node, "TYPE_MISMATCH", f"Cannot apply operator: {left.type} {sign} {right.type}"
            )
        return Typed(f"({one.sql} {operator} {other.sql})", BOOLEAN)

    def _in(self, node: exp.In, scope: _Scope) -> Typed:
        self._only(node, "this", "expressions", "query")
        value = self._expression(node.this, scope)
        if query := node.args.get("query"):
            rows = self._query(query, _Scope(outer=scope, ctes=scope.ctes))
            if len(rows.columns) != 1:
                raise self._error(
                    node, "TYPE_MISMATCH", "Multiple columns returned by subquery are not supported"
                )
            found = common_type(value.type, rows.columns[0][1])
            if found is None:
                message = f"value and result of subquery must be of the same type for IN expression: {value.type} vs"
                raise self._error(node, "TYPE_MISMATCH", f"{message} {rows.columns[0][1]}")
            (one,) = self._unified(node, [value, Typed("NULL", found)])[:1]
            return Typed(f"({one.sql} IN ({self._converted(rows, [found]).sql}))", BOOLEAN)
        values = self._unified(node, [value, *(self._expression(item, scope) for item in node.expressions)])
        return Typed(f"({values[0].sql} IN ({', '.join(item.sql for item in values[1:])}))", BOOLEAN)

    def _like(self, node: exp.Like, scope: _Scope) -> Typed:
        self._only(node, "this", "expression")
        sides = [self._expression(side, scope) for side in (node.this, node.expression)]
        if any(side.type not in (VARCHAR, UNKNOWN) for side in sides):
            raise self._error(node, "TYPE_MISMATCH", f"Cannot apply LIKE to {sides[0].type}, {sides[1].type}")
        return Typed(f"{sides[0].sql} LIKE {sides[1].sql}", BOOLEAN)

    def _arithmetic(self, node: exp.Expr, operator: str, left: Typed, right: Typed) -> Typed:
        found = common_type(left.type, right.type)
        if not found or not found.is_numeric:
            moment = self._moment_arithmetic(operator, left, right)
            if moment is None:
                raise self._error(
                    node, "TYPE_MISMATCH", f"Cannot apply operator: {left.type} {operator} {right.type}"
                )
            return moment
        if found.name == "decimal":
            return self._decimal_arithmetic(node, operator, left, right)
        one, other = (coerce(self._mode, side, found) or side for side in (left, right))
        symbol = "//" if operator == "/" and found.is_integer else operator
        return Typed(f"({one.sql} {symbol} {other.sql})", found)

    def _decimal_arithmetic(self, node: exp.Expr, operator: str, left: Typed, right: Typed) -> Typed:
        (p1, s1), (p2, s2) = decimal_of(left.type).params, decimal_of(right.type).params
        if operator == "*":
            result = decimal(p1 + p2, s1 + s2)
        elif operator in ("+", "-"):
            scale = max(s1, s2)
            result = decimal(max(p1 - s1, p2 - s2) + scale + 1, scale)
        else:
            raise self._error(node, "NOT_SUPPORTED", f"decimal {operator}: cast a side to double")
        return Typed(self._mode.cast(f"{left.sql} {operator} {right.sql}", result), result)

    def _moment_arithmetic(self, operator: str, left: Typed, right: Typed) -> Typed | None:
        intervals = (DAY_INTERVAL, MONTH_INTERVAL)
        if operator in ("+", "-") and left.type.is_moment and right.type in intervals:
            moved = Typed(f"({functions.local(self._mode, left)} {operator} {right.sql})", TIMESTAMP)
            return explicit_cast(self._mode, moved, left.type)
        if operator == "+" and left.type in intervals and right.type.is_moment:
            return self._moment_arithmetic(operator, right, left)
        if operator == "-" and left.type.is_moment and right.type.is_moment:
            sides = [functions.local(self._mode, side) for side in (left, right)]
            return Typed(f"({sides[0]} - {sides[1]})", DAY_INTERVAL)
        if operator in ("+", "-") and left.type == right.type and left.type in intervals:
            return Typed(f"({left.sql} {operator} {right.sql})", left.type)
        if operator == "*" and left.type in intervals and right.type.is_integer:
            return Typed(f"({left.sql} * {right.sql})", left.type)
        return None

    def _interval(self, node: exp.Interval) -> Typed:
        self._only(node, "this", "unit")
        unit = (node.args["unit"].name if node.args.get("unit") else "").lower()
        if unit not in ("second", "minute", "hour", "day", "month", "year") or not re.fullmatch(
            r"-?\d+", node.this.name
        ):
            raise self._error(node, "NOT_SUPPORTED", f"the interval {node.this.name!r} {unit}")
        kind = MONTH_INTERVAL if unit in ("month", "year") else DAY_INTERVAL
        return Typed(f"INTERVAL '{node.this.name} {unit}'", kind)

    def _trim(self, node: exp.Trim, scope: _Scope) -> Typed:
        self._only(node, "this", "position", "expression")
        position_ = (node.args.get("position") or "BOTH").upper()
        name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(position_, "trim")
        value = self._expression(node.this, scope)
        if node.expression is None:
            return functions.call(self._mode, name, [value])
        characters = self._expression(node.expression, scope)
        if value.type != VARCHAR or characters.type != VARCHAR:
            raise self._error(node, "TYPE_MISMATCH", f"Cannot trim {characters.type} from {value.type}")
        return Typed(f"{name}({value.sql}, {characters.sql})", VARCHAR)

    def _case(self, node: exp.Case, scope: _Scope) -> Typed:
        pairs = [(branch.this, branch.args["true"]) for branch in node.args["ifs"]]
        return self._branches(node, pairs, node.args.get("default"), scope, operand=node.this)

    def _branches(
        self,
        node: exp.Expr,
        pairs: Sequence[tuple[exp.Expr, exp.Expr]],
        default: exp.Expr | None,
        scope: _Scope,
        operand: exp.Expr | None = None,
    ) -> Typed:
        subject = self._expression(operand, scope) if operand is not None else None
        conditions = [
            self._compare(node, "=", subject, self._expression(when, scope)).sql
            if subject
            else self._condition(when, scope)
            for when, _ in pairs
        ]
        values = [self._expression(then, scope) for _, then in pairs]
        values = self._unified(node, [*values, self._expression(default or exp.Null(), scope)])
        whens = " ".join(f"WHEN {c} THEN {v.sql}" for c, v in zip(conditions, values[:-1], strict=True))
        return Typed(f"CASE {whens} ELSE {values[-1].sql} END", values[0].type)

    def _subquery(self, node: exp.Expr, scope: _Scope) -> Typed:
        self._only(node, "this")
        rows = self._query(node.this, _Scope(outer=scope, ctes=scope.ctes))
        if isinstance(node, exp.Exists):
            return Typed(f"EXISTS ({rows.sql})", BOOLEAN)
        if len(rows.columns) != 1:
            raise self._error(
                node, "TYPE_MISMATCH", "Multiple columns returned by subquery are not supported"
            )
        return Typed(f"({rows.sql})", rows.columns[0][1])

    def _cast(self, node: exp.Cast, scope: _Scope) -> Typed:
        self._only(node, "this", "to", "safe")
        value = self._expression(node.this, scope)
        written = node.to.sql(dialect="trino").lower()
        literal = isinstance(node.this, exp.Literal) and node.this.is_string
        precision = re.fullmatch(r"timestamp\(([0-3])\)( with time zone)?", written)
        if precision and (literal or precision[1] == "3"):
            written = f"timestamp{precision[2] or ''}"
        if re.fullmatch(r"char(\(\d+\))?", written):
            raise self._error(node, "NOT_SUPPORTED", f"cast to {written}")
        try:
            to = parse_type(written)
        except ValueError as error:
            raise self._error(node, "NOT_SUPPORTED", f"cast to {written}") from error
        if literal and to == TIMESTAMP and re.search(r"(UTC|Z|\+00:00)$", node.this.name):
            to = parse_type("timestamp with time zone")
        convert = try_cast if isinstance(node, exp.TryCast) else explicit_cast
        result = convert(self._mode, value, to)
        if length := re.fullmatch(r"varchar\((\d+)\)", written):
            return replace(result, sql=f"substr({result.sql}, 1, {length[1]})", text=None)
        return result

    # --- Functions

    def _call(self, node: exp.Anonymous, scope: _Scope) -> Typed:
        name = node.name.lower()
        if name in AGGREGATES_AND_WINDOWS:
            return self._over(node, scope)
        arguments = [
            self._lambda(part, scope) if isinstance(part, exp.Lambda) else self._expression(part, scope)
            for part in node.expressions
        ]
        return functions.call(self._mode, name, arguments)

    def _lambda(self, node: exp.Lambda, scope: _Scope) -> Lambda:
        parameters = [parameter.name.lower() for parameter in node.expressions]

        def body(types: Sequence[Type]) -> tuple[list[str], Typed]:
            names = [f"l{next(self._names)}" for _ in parameters]
            bound = {p: Typed(n, t) for p, n, t in zip(parameters, names, types, strict=True)}
            inner = replace(scope, parameters={**scope.parameters, **bound})
            return names, self._expression(node.this, inner)

        return Lambda(len(parameters), body)

    def _over(self, node: exp.Expr, scope: _Scope) -> Typed:
        """Write an aggregate or window function with what surrounds it: OVER, FILTER, WITHIN GROUP, IGNORE NULLS."""
        window = filtered = within = None
        ignore_nulls = False
        while not isinstance(node, exp.Anonymous):
            match node:
                case exp.Window():
                    window = node
                case exp.Filter():
                    filtered = node
                case exp.WithinGroup():
                    within = node
                case exp.IgnoreNulls():
                    ignore_nulls = True
                case exp.RespectNulls():
                    ignore_nulls = False
                case _:
                    raise self._error(node, "NOT_SUPPORTED", f"{type(node).__name__} as a function")
            node = node.this
        name = node.name.lower()
        if name not in AGGREGATES_AND_WINDOWS:
            raise self._error(
                node, "FUNCTION_NOT_FOUND", f"Function '{name}' is not an aggregate or window function"
            )
        if name in WINDOWS and window is None:
            raise self._error(node, "MISSING_OVER", f"Window function {name} requires an OVER clause")
        if ignore_nulls and name not in ("lag", "lead", "first_value", "last_value", "nth_value"):
            raise self._error(node, "NOT_SUPPORTED", f"IGNORE NULLS on {name}")
        written = self._arguments(node, within, scope)
        call = f"{written.call[:-1]} IGNORE NULLS)" if ignore_nulls else written.call
        if filtered is not None:
            call += f" FILTER (WHERE {self._condition(filtered.expression.this, scope)})"
        if window is not None:
            call += f" OVER ({self._window(window, scope)})"
        return Typed(written.wrap.format(call), written.type)

    def _arguments(
        self, node: exp.Anonymous, within: exp.WithinGroup | None, scope: _Scope
    ) -> functions.Aggregate:
        parts, distinct = list(node.expressions), False
        order = within.expression if within is not None else None
        if parts and isinstance(parts[-1], exp.Order):
            order = parts[-1]
            parts[-1] = order.this
        if len(parts) == 1 and isinstance(parts[0], exp.Distinct):
            self._only(parts[0], "expressions")
            parts, distinct = list(parts[0].expressions), True
        if len(parts) == 1 and isinstance(parts[0], exp.Star) and node.name.lower() == "count":
            parts = []
        sort = ""
        if order is not None:
            keys = [
                f"{self._expression(key.this, scope).sql}{self._direction(key)}" for key in order.expressions
            ]
            sort = f" ORDER BY {', '.join(keys)}"
        values = [self._expression(part, scope) for part in parts]
        return functions.aggregate(self._mode, node.name, values, distinct=distinct, order=sort)

    def _window(self, node: exp.Window, scope: _Scope) -> str:
        self._only(node, "this", "partition_by", "order", "spec", "over")
        clauses = []
        if partition := node.args.get("partition_by"):
            clauses.append(
                f"PARTITION BY {', '.join(self._expression(part, scope).sql for part in partition)}"
            )
        if order := node.args.get("order"):
            keys = [
                f"{self._expression(key.this, scope).sql}{self._direction(key)}" for key in order.expressions
            ]
            clauses.append(f"ORDER BY {', '.join(keys)}")
        if spec := node.args.get("spec"):
            self._only(spec, "kind", "start", "start_side", "end", "end_side")
            bounds = [self._bound(spec, side, scope) for side in ("start", "end") if spec.args.get(side)]
            frame = f"BETWEEN {' AND '.join(bounds)}" if len(bounds) == 2 else bounds[0]
            clauses.append(f"{'ROWS' if spec.args['kind'].upper() == 'ROWS' else 'RANGE'} {frame}")
        return " ".join(clauses)

    def _bound(self, spec: exp.Expr, side: str, scope: _Scope) -> str:
        bound, direction = spec.args[side], (spec.args.get(f"{side}_side") or "").upper()
        if isinstance(bound, exp.Expr):
            return f"{self._expression(bound, scope).sql} {'PRECEDING' if direction == 'PRECEDING' else 'FOLLOWING'}"
        if bound.upper() == "UNBOUNDED":
            return f"UNBOUNDED {'PRECEDING' if direction == 'PRECEDING' else 'FOLLOWING'}"
        return "CURRENT ROW"


_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM",
    exp.NullSafeNEQ: "IS DISTINCT FROM",
}
_ARITHMETIC: dict[type[exp.Expr], str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Mod: "%",
}


def _listed(node: exp.Expr, *names: str) -> Iterator[exp.Expr]:
    for name in names:
        yield from node.args.get(name) or []


def _matches(scope: _Scope, parts: Sequence[str]) -> Iterator[tuple[int, list[_Field]]]:
    """Yield, for each way to read a dotted name, how many of its parts name the column, and the columns."""
    if len(parts) > 3 and parts[0] == CATALOG:
        yield 4, [f for f in scope.fields if (f.database, f.qualifier, f.name) == tuple(parts[1:4])]
    if len(parts) > 2:
        yield 3, [f for f in scope.fields if (f.database, f.qualifier, f.name) == tuple(parts[:3])]
    if len(parts) > 1:
        yield 2, [f for f in scope.fields if (f.qualifier, f.name) == tuple(parts[:2])]
    yield 1, [f for f in scope.fields if f.name == parts[0]]


def _number(written: str) -> Typed:
    if re.fullmatch(r"\d+", written):
        value = int(written)
        if value >= 2**63:
            raise QueryError("INVALID_LITERAL", f"Invalid numeric literal: {written}")
        return Typed(written, INTEGER if value < 2**31 else BIGINT)
    if match := re.fullmatch(r"(\d*)\.(\d*)", written):
        whole, fraction = match.groups()
        kind = decimal(max(1, len(whole.lstrip("0")) + len(fraction)), len(fraction))
        return Typed(f"CAST('{written}' AS {duckdb_type(kind)})", kind)
    if re.fullmatch(r"(\d+\.?\d*|\.\d+)[eE][+-]?\d+", written):
        return Typed(f"CAST('{written}' AS DOUBLE)", DOUBLE)
    raise QueryError("INVALID_LITERAL", f"Invalid numeric literal: {written}")
