"""From a statement's tree to the DuckDB query that gives Athena's answer.

Names are resolved, types derived and operators checked by Trino's rules, as Athena does before it runs a
statement: statements that fail in Athena fail here. Only nodes of the types named here are supported.

No name or value of the statement is passed to DuckDB unchanged: relations are ``t1``, ``t2``…, columns
``c0``, ``c1``…, texts are literals escaped by ``quote_text``. https://trino.io/docs/current/sql/select.html
"""

# ruff: noqa: S608 - writing SQL is the purpose; the docstring says what it is made from

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from sqlglot import exp

from scripts.local_aws.athena.casts import Typed
from scripts.local_aws.athena.expressions import Expressions
from scripts.local_aws.athena.model import QueryError
from scripts.local_aws.athena.parse import parse
from scripts.local_aws.athena.scope import CATALOG, Column, Field, Rows, Scope, Statement, View, converted
from scripts.local_aws.athena.types import BIGINT, Type, common_type, quote_text


@dataclass(frozen=True, slots=True)
class _Relation:
    """A relation in FROM: its SQL with alias, and its columns."""

    sql: str
    fields: tuple[Field, ...]


@lru_cache(maxsize=64)
def _parsed(view: str) -> object:
    return parse(view)


class Analyzer(Expressions):
    """Analyses one text; ``database`` is the default for table names."""

    def __init__(self, statement: Statement, sql: str, database: str) -> None:
        super().__init__(statement, sql)
        self._database = database

    def analyze(self, tree: exp.Query) -> Rows:
        """Return the DuckDB query for ``tree``. Raises ``QueryError`` with Athena's code and position."""
        return self._statement.whole(self.query(tree, Scope()))

    # --- Queries

    def query(self, node: exp.Expr, scope: Scope) -> Rows:
        """Analyse a query of any form."""
        scope = self._with(node.args.get("with_"), scope)
        match node:
            case exp.Select():
                return self._select(node, scope)
            case exp.SetOperation():
                return self._set_operation(node, scope)
            case exp.Subquery():
                self.only(node, "this", "with_", "order", "limit", "offset")
                return self._ordered(node, self.query(node.this, scope), scope)
            case exp.Values():
                self.only(node, "expressions", "with_", "order", "limit", "offset")
                return self._ordered(node, self._values(node, scope), scope)
            case _:
                raise self.error(node, "NOT_SUPPORTED", f"a {type(node).__name__} as a query")

    def _with(self, node: exp.Expr | None, scope: Scope) -> Scope:
        if node is None:
            return scope
        self.only(node, "expressions")
        for cte in node.expressions:
            self.only(cte, "this", "alias")
            rows = self._statement.define(self.query(cte.this, Scope(ctes=scope.ctes)))
            names = [column.name.lower() for column in cte.args["alias"].columns]
            named = replace(rows, columns=self._renamed(cte, rows.columns, names))
            scope = replace(scope, ctes={**scope.ctes, cte.alias.lower(): named})
        return scope

    def _select(self, node: exp.Select, scope: Scope) -> Rows:
        self.only(
            node,
            *("with_", "expressions", "from_", "joins", "where", "group", "having", "distinct", "order"),
            *("limit", "offset"),
        )
        source = self._from(node, scope)
        inner = scope.within(source.fields if source else ())
        items = list(self._items(node, inner))
        clauses = [f"FROM {source.sql}"] if source else []
        if where := node.args.get("where"):
            clauses.append(f"WHERE {self.condition(where.this, inner)}")
        if group := node.args.get("group"):
            clauses.append(f"GROUP BY {self._group(group, items, inner)}")
        if having := node.args.get("having"):
            clauses.append(f"HAVING {self.condition(having.this, inner)}")
        if order := node.args.get("order"):
            by = self._order(order, items, inner, among=bool(node.args.get("distinct")))
            clauses.append(f"ORDER BY {by}")
        clauses.extend(self._limits(node))
        distinct = node.args.get("distinct")
        if distinct:
            self.only(distinct)
        listed = ", ".join(f"{value.sql} AS c{at}" for at, (_, value) in enumerate(items))
        return Rows(
            f"SELECT {'DISTINCT ' if distinct else ''}{listed} {' '.join(clauses)}",
            tuple(Column(name, value.type, value.domain) for name, value in items),
        )

    def _items(self, node: exp.Select, scope: Scope) -> Iterator[tuple[str | None, Typed]]:
        for item in node.expressions:
            star = item.this if isinstance(item, exp.Column) else item
            if isinstance(star, exp.Star):
                self.only(star)
                of = [part.name.lower() for part in item.parts[:-1]] if star is not item else []
                yield from self._star(item, of, scope)
            elif isinstance(item, exp.Alias):
                yield item.alias, self.expression(item.this, scope)
            else:
                named = isinstance(item, (exp.Column, exp.Dot))
                yield item.name if named else None, self.expression(item, scope)

    def _star(self, node: exp.Expr, of: list[str], scope: Scope) -> Iterator[tuple[str | None, Typed]]:
        found = [f for f in scope.fields if not of or [f.database, f.qualifier][-len(of) :] == of]
        if not found:
            raise self.error(
                node, "COLUMN_NOT_FOUND", "SELECT * not allowed from relation that has no columns"
            )
        yield from ((f.name, f.value) for f in found if not f.hidden)

    def _group(self, node: exp.Expr, items: Sequence[tuple[str | None, Typed]], scope: Scope) -> str:
        self.only(node, "expressions", "rollup", "cube", "grouping_sets")

        def key(part: exp.Expr) -> str:
            if isinstance(part, (exp.Tuple, exp.Paren)):
                inner = part.expressions if isinstance(part, exp.Tuple) else [part.this]
                return f"({', '.join(map(key, inner))})"
            at = self._ordinal(part, len(items), "GROUP BY")
            return items[at][1].sql if at is not None else self.expression(part, scope).sql

        parts = []
        for part in (part for name in node.args for part in node.args.get(name) or []):
            kind = {exp.Rollup: "ROLLUP", exp.Cube: "CUBE", exp.GroupingSets: "GROUPING SETS"}.get(type(part))
            parts.append(f"{kind} ({', '.join(map(key, part.expressions))})" if kind else key(part))
        return ", ".join(parts)

    def _ordinal(self, node: exp.Expr, count: int, clause: str) -> int | None:
        if not isinstance(node, exp.Literal) or node.is_string:
            return None
        if not node.name.isdecimal() or not 1 <= int(node.name) <= count:
            message = f"{clause} position {node.name} is not in select list"
            raise self.error(node, "INVALID_COLUMN_REFERENCE", message)
        return int(node.name) - 1

    def _order(
        self, node: exp.Expr, items: Sequence[tuple[str | None, Typed]], scope: Scope, *, among: bool = False
    ) -> str:
        """Write an ORDER BY; names refer to the query's own columns first, then to those of its tables.

        ``among``: only the query's own columns are allowed, as after DISTINCT.
        """
        self.only(node, "expressions")
        own = tuple(Field(name.lower() if name else None, value) for name, value in items)
        ordering = replace(scope, fields=own, outer=scope)
        keys = []
        for ordered in node.expressions:
            at = self._ordinal(ordered.this, len(items), "ORDER BY")
            key = items[at][1].sql if at is not None else self.expression(ordered.this, ordering).sql
            same = [n for n, (_, value) in enumerate(items, start=1) if value.sql == key]
            if among and not same:
                message = "For SELECT DISTINCT, ORDER BY expressions must appear in select list"
                raise self.error(ordered, "EXPRESSION_NOT_IN_DISTINCT", message)
            keys.append(f"{same[0] if same else key}{self.direction(ordered)}")
        return ", ".join(keys)

    def _limits(self, node: exp.Expr) -> Iterator[str]:
        limit, offset = node.args.get("limit"), node.args.get("offset")
        if isinstance(limit, exp.Fetch):
            self.only(limit, "direction", "count", "limit_options")
            if options := limit.args.get("limit_options"):
                self.only(options, "rows")
            yield f"LIMIT {self._count(limit.args.get('count') or exp.Literal.number(1))}"
        elif limit:
            self.only(limit, "expression")
            if limit.expression.name.upper() != "ALL":
                yield f"LIMIT {self._count(limit.expression)}"
        if offset:
            self.only(offset, "expression")
            yield f"OFFSET {self._count(offset.expression)}"

    def _count(self, node: exp.Expr) -> int:
        if isinstance(node, exp.Literal) and not node.is_string and node.name.isdecimal():
            return int(node.name)
        raise self.error(node, "SYNTAX_ERROR", f"mismatched input {node.name!r}. Expecting: <integer>")

    def _ordered(self, node: exp.Expr, rows: Rows, scope: Scope) -> Rows:
        """Put the ORDER BY and LIMIT of ``node`` around rows that already have their own."""
        if not any(node.args.get(key) for key in ("order", "limit", "offset")):
            return rows
        alias = self.new_name()
        items = [(c.name, Typed(f"{alias}.c{at}", c.type)) for at, c in enumerate(rows.columns)]
        clauses = []
        if order := node.args.get("order"):
            clauses.append(f"ORDER BY {self._order(order, items, scope.within(()))}")
        clauses.extend(self._limits(node))
        return replace(rows, sql=f"SELECT {alias}.* FROM ({rows.sql}) AS {alias} {' '.join(clauses)}")

    def _set_operation(self, node: exp.SetOperation, scope: Scope) -> Rows:
        self.only(node, "this", "expression", "distinct", "with_", "order", "limit", "offset")
        left, right = self.query(node.this, scope), self.query(node.expression, scope)
        operator = {exp.Union: "UNION", exp.Intersect: "INTERSECT", exp.Except: "EXCEPT"}[type(node)]
        if len(left.columns) != len(right.columns):
            message = (
                f"{operator} query has different number of fields: {len(left.columns)}, {len(right.columns)}"
            )
            raise self.error(node, "TYPE_MISMATCH", message)
        types = [self._shared(node, operator, left, right, at) for at in range(len(left.columns))]
        one, other = (converted(rows, types, self.new_name()) or rows for rows in (left, right))
        sql = f"({one.sql}) {operator}{'' if node.args.get('distinct') else ' ALL'} ({other.sql})"
        columns = tuple(
            replace(a, domain=a.domain | b.domain if a.domain is not None and b.domain is not None else None)
            for a, b in zip(one.columns, other.columns, strict=True)
        )
        return self._ordered(node, Rows(sql, columns), scope)

    def _shared(self, node: exp.Expr, operator: str, left: Rows, right: Rows, at: int) -> Type:
        one, other = left.columns[at].type, right.columns[at].type
        found = common_type(one, other)
        if found is None:
            message = f"column {at + 1} in {operator} query has incompatible types: {one}, {other}"
            raise self.error(node, "TYPE_MISMATCH", message)
        return found

    def _values(self, node: exp.Expr, scope: Scope) -> Rows:
        table = [
            [
                self.expression(value, scope)
                for value in (row.expressions if isinstance(row, exp.Tuple) else [row])
            ]
            for row in node.expressions
        ]
        if len({len(row) for row in table}) != 1:
            raise self.error(node, "TYPE_MISMATCH", "Values rows have mismatched sizes")
        columns = [self.unified(node, column) for column in zip(*table, strict=True)]
        rows = ", ".join(f"({', '.join(value.sql for value in row)})" for row in zip(*columns, strict=True))
        inner, heads = self.new_name(), ", ".join(f"c{at}" for at in range(len(columns)))
        return Rows(
            f"SELECT * FROM (VALUES {rows}) AS {inner}({heads})",
            tuple(Column(None, column[0].type) for column in columns),
        )

    # --- Relations

    def _from(self, node: exp.Select, scope: Scope) -> _Relation | None:
        source = node.args.get("from_")
        if source is None:
            return None
        self.only(source, "this")
        relation = self._relation(source.this, scope.within(()))
        for join in node.args.get("joins") or []:
            relation = self._join(relation, join, scope)
        return relation

    def _join(self, left: _Relation, node: exp.Expr, scope: Scope) -> _Relation:
        self.only(node, "this", "side", "kind", "on", "using")
        if isinstance(node.this, exp.Unnest) and (node.args.get("kind") or "").upper() == "CROSS":
            return self._unnest(node.this, left, scope.within(left.fields))
        right = self._relation(node.this, scope.within(left.fields))
        side, kind = (node.args.get("side") or "").upper(), (node.args.get("kind") or "").upper()
        fields = (*left.fields, *right.fields)
        if kind not in ("", "INNER", "OUTER", "CROSS"):
            raise self.error(node, "NOT_SUPPORTED", f"{kind} JOIN")
        if kind == "CROSS" or not (side or kind or node.args.get("on") or node.args.get("using")):
            return _Relation(f"{left.sql} CROSS JOIN {right.sql}", fields)
        if using := node.args.get("using"):
            condition, fields = self._using(node, left, right, [name.name.lower() for name in using])
        elif on := node.args.get("on"):
            condition = self.condition(on, scope.within(fields))
        else:
            raise self.error(node, "SYNTAX_ERROR", "mismatched input '<EOF>'. Expecting: 'ON', 'USING'")
        return _Relation(f"{left.sql} {side or 'INNER'} JOIN {right.sql} ON {condition}", fields)

    def _using(
        self, node: exp.Expr, left: _Relation, right: _Relation, names: Sequence[str]
    ) -> tuple[str, tuple[Field, ...]]:
        side = (node.args.get("side") or "").upper()
        joined, conditions = [], []
        for name in names:
            one, other = (self._sole(node, relation, name) for relation in (left, right))
            conditions.append(self.compare(node, "=", one, other).sql)
            kept = {"RIGHT": other, "FULL": Typed(f"coalesce({one.sql}, {other.sql})", one.type)}.get(
                side, one
            )
            joined.append(Field(name, kept))
        rest = [column for column in (*left.fields, *right.fields) if column.name not in names]
        return " AND ".join(conditions), (*joined, *rest)

    def _sole(self, node: exp.Expr, relation: _Relation, name: str) -> Typed:
        matches = [column.value for column in relation.fields if column.name == name]
        if len(matches) != 1:
            raise self.error(node, "COLUMN_NOT_FOUND", f"Column '{name}' is missing from one side of join")
        return matches[0]

    def _relation(self, node: exp.Expr, scope: Scope) -> _Relation:
        match node:
            case exp.Table() if isinstance(node.this, exp.Identifier):
                self.only(node, "this", "db", "catalog", "alias")
                return self._table(node, scope)
            case exp.Table():
                message = f"Table function '{node.this.name}' not registered"
                raise self.error(node, "FUNCTION_NOT_FOUND", message)
            case exp.Subquery() if isinstance(node.this, exp.Query):
                self.only(node, "this", "alias")
                rows = self.query(node.this, scope.within(()))
                return self._aliased(node, Rows(f"({rows.sql})", rows.columns))
            case exp.Values():
                self.only(node, "expressions", "alias")
                rows = self._values(node, scope)
                return self._aliased(node, Rows(f"({rows.sql})", rows.columns))
            case exp.Unnest():
                nothing = _Relation(f"(SELECT 1) AS {self.new_name()}", ())
                inner = self._unnest(node, nothing, scope)
                return replace(inner, sql=f"LATERAL {inner.sql}")
            case _:
                raise self.error(node, "NOT_SUPPORTED", f"a {type(node).__name__} in FROM")

    def _renamed(self, node: exp.Expr, columns: Sequence[Column], names: Sequence[str]) -> tuple[Column, ...]:
        visible = [column for column in columns if not column.hidden]
        if not names:
            return tuple(columns)
        if len(names) != len(visible):
            message = f"Column alias list has {len(names)} entries but relation has {len(visible)} columns"
            raise self.error(node, "MISMATCHED_COLUMN_ALIASES", message)
        renamed = [replace(column, name=name) for column, name in zip(visible, names, strict=True)]
        return (*renamed, *columns[len(visible) :])

    def _aliased(
        self,
        node: exp.Expr,
        rows: Rows,
        default: tuple[str | None, str] | None = None,
        last: Sequence[str] = (),
    ) -> _Relation:
        """Qualify a relation's columns with the alias of ``node``, or with the ``default`` (database, table).

        ``last`` are column names of the alias that sqlglot keeps apart from it.
        """
        alias = node.args.get("alias")
        names = [*(column.name.lower() for column in alias.columns), *last] if alias else []
        database, qualifier = (None, alias.name.lower()) if alias and alias.name else default or (None, None)
        here = self.new_name()
        fields = tuple(
            Field(
                column.name.lower() if column.name else None,
                Typed(f"{here}.c{at}", column.type, domain=column.domain),
                qualifier,
                database,
                column.hidden,
            )
            for at, column in enumerate(self._renamed(node, rows.columns, names))
        )
        return _Relation(f"{rows.sql} AS {here}", fields)

    def _table(self, node: exp.Table, scope: Scope) -> _Relation:
        name, database = node.name.lower(), node.db.lower()
        if not database and name in scope.ctes:
            return self._aliased(node, scope.ctes[name], (None, name))
        if node.catalog and node.catalog.lower() != CATALOG:
            raise self.error(node, "CATALOG_NOT_FOUND", f"Catalog '{node.catalog}' does not exist")
        database = database or self._database
        if not database:
            message = "Schema must be specified when session schema is not set"
            raise self.error(node, "MISSING_SCHEMA_NAME", message)
        with self.placing(node):
            found = self._statement.tables.resolve(database, name)
        full = f"{CATALOG}.{database}.{name}"
        if found is None:
            raise self.error(node, "TABLE_NOT_FOUND", f"Table '{full}' does not exist")
        if not isinstance(found, View):
            return self._aliased(node, Rows(found.relation, found.columns), (database, name))
        if (database, name) not in self._statement.views:
            try:
                rows = self._view(found)
            except QueryError as error:
                message = f"Failed analyzing stored view '{full}': {error.message}"
                raise self.error(node, "INVALID_VIEW", message) from error
            self._statement.views[database, name] = self._statement.define(rows)
        return self._aliased(node, self._statement.views[database, name], (database, name))

    def _view(self, view: View) -> Rows:
        tree = _parsed(view.sql)
        if not isinstance(tree, exp.Query):
            raise QueryError("INVALID_VIEW", "the stored text is no query")
        rows = Analyzer(self._statement, view.sql, view.database).query(tree, Scope())
        if len(rows.columns) != len(view.columns):
            message = (
                f"stored view column count ({len(view.columns)}) does not match column count derived from"
            )
            raise QueryError("VIEW_IS_STALE", f"{message} the view query analysis ({len(rows.columns)})")
        for at, (column, stored) in enumerate(zip(rows.columns, view.columns, strict=True)):
            if (column.name or "").lower() != stored.name or common_type(
                column.type, stored.type
            ) != stored.type:
                message = (
                    f"column [{column.name}] of type {column.type} projected from query view at position {at}"
                )
                message += (
                    f" cannot be coerced to column [{stored.name}] of type {stored.type} stored in view"
                )
                raise QueryError("VIEW_IS_STALE", f"{message} definition")
        stored_types = [column.type for column in view.columns]
        return converted(rows, stored_types, self.new_name()) or rows

    def _unnest(self, node: exp.Unnest, left: _Relation, scope: Scope) -> _Relation:
        """Add the elements of arrays to the columns of ``left``, so that filters can still be pushed down."""
        self.only(node, "expressions", "alias", "offset")
        sources: list[str] = []
        columns: list[Column] = []
        reads: list[str] = []
        inner = self.new_name()
        for at, expression in enumerate(node.expressions):
            source, element = self._elements(node, self.expression(expression, scope))
            sources.append(source)
            if element.name == "row":
                reads.extend(f"struct_extract({inner}.u{at}, {quote_text(name)})" for name in element.fields)
                columns.extend(Column(f, t) for f, t in zip(element.fields, element.args, strict=True))
            else:
                reads.append(f"{inner}.u{at}")
                columns.append(Column(None, element))
        selected = [f"unnest({source}) AS u{at}" for at, source in enumerate(sources)]
        ordinality = node.args.get("offset")
        if ordinality:
            longest = ", ".join(f"coalesce(len({source}), 0)" for source in sources)
            selected.append(f"unnest(range(1, greatest({longest}) + 1)) AS o")
            reads.append(f"{inner}.o")
            columns.append(Column(None, BIGINT))
        kept = [f"{column.value.sql} AS l{at}" for at, column in enumerate(left.fields)]
        reads += [f"{inner}.l{at}" for at in range(len(kept))]
        values = ", ".join(f"{read} AS c{at}" for at, read in enumerate(reads))
        sql = f"(SELECT {values} FROM (SELECT {', '.join([*selected, *kept])} FROM {left.sql}) AS {inner})"
        last = [ordinality.name.lower()] if isinstance(ordinality, exp.Identifier) else []
        relation = self._aliased(node, Rows(sql, tuple(columns)), last=last)
        here = relation.sql.rpartition(" ")[2]
        moved = [
            replace(column, value=replace(column.value, sql=f"{here}.c{at}"))
            for at, column in enumerate(left.fields, start=len(columns))
        ]
        return replace(relation, fields=(*moved, *relation.fields))

    def _elements(self, node: exp.Expr, value: Typed) -> tuple[str, Type]:
        """Return an array's elements, or a map's as rows of key and value."""
        if value.type.name == "map":
            return f"map_entries({value.sql})", Type("row", value.type.args, ("key", "value"))
        if value.type.name == "array":
            return value.sql, value.type.args[0]
        raise self.error(node, "TYPE_MISMATCH", f"Cannot unnest type: {value.type}")
