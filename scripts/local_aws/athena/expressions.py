"""Expressions: names resolved, types and operators checked by Trino's rules, written for DuckDB.

https://trino.io/docs/current/functions.html and https://trino.io/docs/current/language/types.html
"""

# ruff: noqa: S608 - writing SQL is the purpose; ``analyze`` says what it is made from

from __future__ import annotations

import itertools
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from sqlglot import exp

from scripts.local_aws.athena import functions
from scripts.local_aws.athena.casts import (
    Typed,
    cast_sql,
    coerce,
    explicit_cast,
    instant,
    let,
    text,
    to_length,
    try_cast,
)
from scripts.local_aws.athena.functions import AGGREGATES_AND_WINDOWS, WINDOWS, Lambda
from scripts.local_aws.athena.model import QueryError
from scripts.local_aws.athena.operators import arithmetic
from scripts.local_aws.athena.parse import position
from scripts.local_aws.athena.scope import Rows, Scope, Statement, converted
from scripts.local_aws.athena.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DAY_INTERVAL,
    DOUBLE,
    INTEGER,
    JSON,
    MONTH_INTERVAL,
    REAL,
    TIMESTAMP,
    TIMESTAMP_TZ,
    UNKNOWN,
    UUID,
    VARCHAR,
    Type,
    array,
    common_type,
    decimal,
    duckdb_type,
    parse_type,
    quote_text,
)

_NOT_ONE_COLUMN = Typed("", UNKNOWN)
_LISTED = ("boolean", "tinyint", "smallint", "integer", "bigint", "double", "varchar", "date", "timestamp")
"""Types whose values can be converted to text and back, for lists of results."""


class Expressions(ABC):
    """Analyses the expressions of one text: a statement, or a view's query."""

    def __init__(self, statement: Statement, sql: str) -> None:
        self._statement = statement
        self._sql = sql
        self._used: dict[str, Typed] = {}

    @abstractmethod
    def query(self, node: exp.Expr, scope: Scope) -> Rows:
        """Analyse a subquery."""

    # --- Errors

    def error(self, node: exp.Expr, code: str, message: str) -> QueryError:
        """Return an error with the position of ``node``."""
        return QueryError(code, f"{position(node, self._sql)}: {message}")

    @contextmanager
    def placing(self, node: exp.Expr) -> Iterator[None]:
        """Give errors raised below the position of ``node``, if they have none."""
        try:
            yield
        except QueryError as error:
            if error.message.startswith("line "):
                raise
            raise self.error(node, error.code, error.message) from error

    def only(self, node: exp.Expr, *known: str) -> None:
        """Reject a node with an unsupported part, so that nothing is ignored."""
        for name, value in node.args.items():
            if value not in (None, False, []) and name not in known:
                raise self.error(node, "NOT_SUPPORTED", f"{name.strip('_')} in {type(node).__name__.lower()}")

    def new_name(self) -> str:
        """Return a name that no other relation of the statement has."""
        return f"t{next(self._statement.names)}"

    # --- Expressions

    def condition(self, node: exp.Expr, scope: Scope) -> str:
        """Write a condition."""
        value = self.expression(node, scope)
        if value.type not in (BOOLEAN, UNKNOWN):
            message = f"a condition must evaluate to a boolean: actual type {value.type}"
            raise self.error(node, "TYPE_MISMATCH", message)
        return value.sql

    def expression(self, node: exp.Expr, scope: Scope) -> Typed:
        """Write an expression. Raises ``QueryError`` with Athena's code and position."""
        writer = _WRITERS.get(type(node))
        if writer is None:
            raise self.error(node, "NOT_SUPPORTED", f"{type(node).__name__} in an expression")
        around, self._used = self._used, {}
        with self.placing(node):
            value = writer(self, node, scope)
            if type(node) not in _NEVER_FAILING:
                value = self._tabulated(value)
        self._used = around | self._used
        return value

    def _tabulated(self, value: Typed) -> Typed:
        """Make an expression of one column with known values a list of its results; see ``Statement``."""
        (column, *others) = list(self._used.values()) or [_NOT_ONE_COLUMN]
        evaluate, domain = self._statement.evaluate, column.domain
        if evaluate is None or domain is None or others or value.type.name not in _LISTED:
            return value
        relation, _, name = column.sql.partition(".")
        inputs = ", ".join(["NULL", *map(quote_text, sorted(domain))])
        given = f"SELECT x, {cast_sql('x', column.type)} AS {name} FROM (SELECT unnest([{inputs}]) AS x)"
        of = dict(evaluate(f"SELECT x, CAST(TRY({value.sql}) AS VARCHAR) FROM ({given}) AS {relation}"))
        written = {given: "NULL" if result is None else quote_text(result) for given, result in of.items()}
        known = sorted(domain)
        froms = cast_sql(f"[{', '.join(map(quote_text, known))}]", array(column.type))
        tos = cast_sql(f"[{', '.join(written[given] for given in known)}]", array(value.type))
        return Typed(
            f"CASE WHEN {column.sql} IS NULL THEN {cast_sql(written[None], value.type)} "
            f"ELSE {tos}[list_position({froms}, {column.sql})] END",
            value.type,
            domain=frozenset(result for result in of.values() if result is not None),
        )

    def _literal(self, node: exp.Expr, _: Scope) -> Typed:
        return text(node.name) if node.is_string else _number(node.name)

    def _hex_string(self, node: exp.Expr, _: Scope) -> Typed:
        return functions.call("from_hex", [text(node.name)])

    def _json_literal(self, node: exp.Expr, scope: Scope) -> Typed:
        self.only(node, "this", "is_literal")
        return functions.call("json_parse", [self.expression(node.this, scope)])

    def _boolean(self, node: exp.Expr, _: Scope) -> Typed:
        return Typed("true" if node.this else "false", BOOLEAN)

    def _null(self, *_: object) -> Typed:
        return Typed("NULL", UNKNOWN)

    def _paren(self, node: exp.Expr, scope: Scope) -> Typed:
        inner = self.expression(node.this, scope)
        return replace(inner, sql=f"({inner.sql})")

    # --- Names

    def _column(self, node: exp.Expr, scope: Scope) -> Typed:
        self.only(node, "this", "table", "db", "catalog", "quoted")
        parts = (
            [part.name.lower() for part in node.parts]
            if isinstance(node, exp.Column)
            else [node.name.lower()]
        )
        here: Scope | None = scope
        while here is not None:
            if parts[0] in here.parameters:
                return dereference(self._note(here.parameters[parts[0]]), *parts[1:])
            for used, matches in here.matches(parts):
                if len({match.sql for match in matches}) > 1:
                    raise self.error(node, "AMBIGUOUS_NAME", f"Column '{'.'.join(parts)}' is ambiguous")
                if matches:
                    return dereference(self._note(matches[0]), *parts[used:])
            here = here.outer
        if parts == ["current_schema"]:
            raise self.error(node, "NOT_SUPPORTED", "current_schema")
        message = f"Column '{'.'.join(parts)}' cannot be resolved or requester is not authorized to access"
        raise self.error(node, "COLUMN_NOT_FOUND", f"{message} requested resources")

    def _note(self, column: Typed) -> Typed:
        self._used[column.sql] = column
        return column

    def _dot(self, node: exp.Expr, scope: Scope) -> Typed:
        return dereference(self.expression(node.this, scope), node.expression.name.lower())

    # --- Operators

    def unified(self, node: exp.Expr, values: Sequence[Typed]) -> list[Typed]:
        """Coerce values to the one type they share."""
        found = UNKNOWN
        for value in values:
            wider = common_type(found, value.type)
            if wider is None:
                message = f"All values must be the same type: {found}, {value.type}"
                raise self.error(node, "TYPE_MISMATCH", message)
            found = wider
        return [converted for value in values if (converted := coerce(value, found))]

    def compare(self, node: exp.Expr, operator: str, left: Typed, right: Typed) -> Typed:
        """Write a comparison; two types are comparable only by coercion."""
        if left.type.name == right.type.name == "row":
            return self._compare_rows(node, operator, left, right)
        left, right = comparable(operator, left), comparable(operator, right)
        found = common_type(left.type, right.type)
        one, other = (coerce(side, found) if found else None for side in (left, right))
        if one is None or other is None or (found == JSON and operator not in ("=", "<>")):
            sign = operator if len(operator) < 3 else "IS DISTINCT FROM"
            raise self.error(node, "TYPE_MISMATCH", f"Cannot apply operator: {left.type} {sign} {right.type}")
        if found in (DOUBLE, REAL) and operator in _NUMBERS_ONLY:
            numbers = f"NOT isnan({one.sql}) AND NOT isnan({other.sql})"
            compared = f"{one.sql} {operator} {other.sql}"
            return Typed(
                f"({compared} AND {numbers})" if operator != "<>" else f"({compared} OR NOT ({numbers}))",
                BOOLEAN,
            )
        if found and found.name == "array" and operator in ("=", "<>"):
            equal = _equal_arrays(one.sql, other.sql)
            return Typed(equal if operator == "=" else f"(NOT {equal})", BOOLEAN)
        return Typed(f"({one.sql} {operator} {other.sql})", BOOLEAN)

    def _compare_rows(self, node: exp.Expr, operator: str, left: Typed, right: Typed) -> Typed:
        """Compare field by field: NULL where one is NULL and no other decides."""
        if operator not in ("=", "<>", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"):
            raise self.error(node, "NOT_SUPPORTED", f"rows compared by {operator}")
        if len(left.type.args) != len(right.type.args):
            raise self.error(
                node, "TYPE_MISMATCH", f"Cannot apply operator: {left.type} {operator} {right.type}"
            )
        pairs = [[field_of(side, at) for side in (left, right)] for at in range(len(left.type.args))]
        joiner = " AND " if operator in ("=", "IS NOT DISTINCT FROM") else " OR "
        return Typed(f"({joiner.join(self.compare(node, operator, *pair).sql for pair in pairs)})", BOOLEAN)

    def _comparison(self, node: exp.Expr, scope: Scope) -> Typed:
        if isinstance(node.expression, (exp.Any, exp.All)):
            return self._quantified(node, scope)
        left, right = self.expression(node.this, scope), self.expression(node.expression, scope)
        return self.compare(node, _COMPARISONS[type(node)], left, right)

    def _quantified(self, node: exp.Expr, scope: Scope) -> Typed:
        """Write ``value operator ANY (query)`` or ``ALL``."""
        value, query = self.expression(node.this, scope), node.expression.this
        rows = self._rows(query.this if isinstance(query, exp.Subquery) else query, scope, columns=1)
        one = comparable(_COMPARISONS[type(node)], value)
        self.compare(node, _COMPARISONS[type(node)], one, Typed("NULL", rows.columns[0].type))
        kind = common_type(one.type, rows.columns[0].type)
        left = coerce(one, kind) if kind else None
        others = converted(rows, [kind], self.new_name()) if kind else None
        if left is None or others is None or kind == JSON or kind is None or kind.name in ("row", "char"):
            raise self.error(node, "NOT_SUPPORTED", f"a comparison of {value.type} with a query")
        how = "ANY" if isinstance(node.expression, exp.Any) else "ALL"
        return Typed(f"({left.sql} {_COMPARISONS[type(node)]} {how} ({others.sql}))", BOOLEAN)

    def _connector(self, node: exp.Expr, scope: Scope) -> Typed:
        joiner = " AND " if isinstance(node, exp.And) else " OR "
        return Typed(f"({joiner.join(self.condition(part, scope) for part in node.flatten())})", BOOLEAN)

    def _not(self, node: exp.Expr, scope: Scope) -> Typed:
        return Typed(f"(NOT {self.condition(node.this, scope)})", BOOLEAN)

    def _is(self, node: exp.Expr, scope: Scope) -> Typed:
        if not isinstance(node.expression, exp.Null):
            raise self.error(
                node, "SYNTAX_ERROR", f"mismatched input {node.expression.name!r}. Expecting: 'NULL'"
            )
        return Typed(f"({self.expression(node.this, scope).sql} IS NULL)", BOOLEAN)

    def _between(self, node: exp.Expr, scope: Scope) -> Typed:
        self.only(node, "this", "low", "high")
        value, low, high = (self.expression(node.args[key], scope) for key in ("this", "low", "high"))
        lower, upper = self.compare(node, ">=", value, low), self.compare(node, "<=", value, high)
        return Typed(f"({lower.sql} AND {upper.sql})", BOOLEAN)

    def _in(self, node: exp.Expr, scope: Scope) -> Typed:
        self.only(node, "this", "expressions", "query")
        value = self.expression(node.this, scope)
        query = node.args.get("query")
        if query is None:
            listed = [self.expression(item, scope) for item in node.expressions]
            if value.type.name in ("row", "char", "timestamp with time zone"):
                equal = [self.compare(node, "=", value, item).sql for item in listed]
                return Typed(f"({' OR '.join(equal)})", BOOLEAN)
            values = self.unified(node, [value, *listed])
            return Typed(f"({values[0].sql} IN ({', '.join(item.sql for item in values[1:])}))", BOOLEAN)
        if value.type.name == "row":
            raise self.error(node, "NOT_SUPPORTED", "rows IN a subquery")
        rows = self._rows(query, scope, columns=1)
        kind = common_type(value.type, rows.columns[0].type)
        one, others = (
            (coerce(value, kind), converted(rows, [kind], self.new_name())) if kind else (None, None)
        )
        if one is None or others is None:
            message = "value and result of subquery must be of the same type for IN expression"
            raise self.error(node, "TYPE_MISMATCH", f"{message}: {value.type} vs {rows.columns[0].type}")
        return Typed(f"({one.sql} IN ({others.sql}))", BOOLEAN)

    def _like(self, node: exp.Expr, scope: Scope) -> Typed:
        self.only(node, "this", "expression", "negate")
        value, pattern = self.expression(node.this, scope), self.expression(node.expression, scope)
        texts = ("varchar", "unknown")
        if value.type.name not in (*texts, "char") or pattern.type.name not in texts:
            raise self.error(node, "TYPE_MISMATCH", f"Cannot apply LIKE to {value.type}, {pattern.type}")
        operator = "NOT LIKE" if node.args.get("negate") else "LIKE"
        return Typed(f"({value.sql} {operator} {pattern.sql})", BOOLEAN)

    def _escape(self, node: exp.Expr, scope: Scope) -> Typed:
        if not isinstance(node.this, exp.Like) or not isinstance(node.expression, exp.Literal):
            raise self.error(node, "NOT_SUPPORTED", "this ESCAPE")
        escape, pattern = node.expression.name, node.this.expression
        if len(escape) != 1:
            message = "Escape string must be a single character"
            raise self.error(node, "INVALID_FUNCTION_ARGUMENT", message)
        if not isinstance(pattern, exp.Literal):
            raise self.error(node, "NOT_SUPPORTED", "ESCAPE of a pattern that is no literal")
        if re.search(
            rf"{re.escape(escape)}(?![%_{re.escape(escape)}])",
            re.sub(f"{re.escape(escape)}{{2}}", "", pattern.name),
        ):
            message = "Escape character must be followed by '%', '_' or the escape character itself"
            raise self.error(node, "INVALID_FUNCTION_ARGUMENT", message)
        like = self._like(node.this, scope).sql.removesuffix(")")
        return Typed(f"{like} ESCAPE {quote_text(escape)})", BOOLEAN)

    def _neg(self, node: exp.Expr, scope: Scope) -> Typed:
        if isinstance(node.this, exp.Literal) and node.this.name == str(2**63) and not node.this.is_string:
            return Typed(f"(-{2**63 - 1} - 1)", BIGINT)
        value = self.expression(node.this, scope)
        if not value.type.is_numeric and value.type not in (DAY_INTERVAL, MONTH_INTERVAL):
            raise self.error(node, "TYPE_MISMATCH", f"Cannot negate {value.type}")
        if value.type.name in ("tinyint", "smallint", "integer"):
            return Typed(cast_sql(f"-{value.sql}", value.type), value.type)
        return Typed(f"(-{value.sql})", value.type)

    def _concat(self, node: exp.Expr, scope: Scope) -> Typed:
        return functions.call("concat", [self.expression(side, scope) for side in node.flatten()])

    def _arithmetic(self, node: exp.Expr, scope: Scope) -> Typed:
        operator = _ARITHMETIC[type(node)]
        left, right = self.expression(node.this, scope), self.expression(node.expression, scope)
        result = arithmetic(operator, left, right)
        if result is None:
            message = f"Cannot apply operator: {left.type} {operator} {right.type}"
            raise self.error(node, "TYPE_MISMATCH", message)
        return result

    # --- What has a syntax of its own

    def _now(self, node: exp.Expr, _: Scope) -> Typed:
        self.only(node)
        moment = functions.moment(self._statement.now)
        if isinstance(node, exp.CurrentTimestamp):
            return moment
        return explicit_cast(moment, DATE if isinstance(node, exp.CurrentDate) else TIMESTAMP)

    def _at_time_zone(self, node: exp.Expr, scope: Scope) -> Typed:
        zone = self.expression(node.args["zone"], scope)
        return functions.call("at_timezone", [self.expression(node.this, scope), zone])

    def _extract(self, node: exp.Expr, scope: Scope) -> Typed:
        return functions.field(node.name.lower(), self.expression(node.expression, scope))

    def _interval(self, node: exp.Expr, _: Scope) -> Typed:
        self.only(node, "this", "unit")
        unit = node.args.get("unit")
        written = unit.sql().lower() if unit is not None else ""
        text_ = node.this.name.strip()
        sign, text_ = ("-", text_[1:]) if text_.startswith("-") else ("", text_.removeprefix("+"))
        form, kind = _INTERVALS.get(written.replace("_", " "), (None, DAY_INTERVAL))
        match = re.fullmatch(form, text_) if form else None
        if form is None:
            raise self.error(node, "NOT_SUPPORTED", f"the interval {node.this.name!r} {written}")
        if match is None:
            raise self.error(node, "INVALID_LITERAL", f"'{node.this.name}' is not a valid INTERVAL literal")
        parts = {name: value for name, value in match.groupdict().items() if value}
        if kind == MONTH_INTERVAL:
            months = int(parts.get("year", 0)) * 12 + int(parts.get("month", 0))
            return Typed(f"to_months({sign}{months})", kind)
        sizes = {"day": 86_400_000, "hour": 3_600_000, "minute": 60_000, "second": 1000}
        millis = sum(int(parts.get(name, 0)) * size for name, size in sizes.items())
        millis += int(parts.get("fraction", "").ljust(3, "0")[:3])
        return Typed(f"to_milliseconds({sign}{millis})", kind)

    def _substring(self, node: exp.Expr, scope: Scope) -> Typed:
        self.only(node, "this", "start", "length")
        parts = [node.args.get(name) for name in ("this", "start", "length")]
        return functions.call(
            "substring", [self.expression(part, scope) for part in parts if part is not None]
        )

    def _position(self, node: exp.Expr, scope: Scope) -> Typed:
        self.only(node, "this", "substr")
        return functions.call(
            "strpos", [self.expression(node.args[key], scope) for key in ("this", "substr")]
        )

    def _trim(self, node: exp.Expr, scope: Scope) -> Typed:
        self.only(node, "this", "position", "expression")
        side = (node.args.get("position") or "BOTH").upper()
        name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(side, "trim")
        parts = [part for part in (node.this, node.args.get("expression")) if part is not None]
        return functions.call(name, [self.expression(part, scope) for part in parts])

    def _array(self, node: exp.Expr, scope: Scope) -> Typed:
        self.only(node, "expressions")
        values = self.unified(node, [self.expression(part, scope) for part in node.expressions])
        kind = array(values[0].type if values else UNKNOWN)
        return Typed(f"[{', '.join(value.sql for value in values)}]", kind)

    def _row(self, node: exp.Expr, scope: Scope) -> Typed:
        values = [self.expression(part, scope) for part in node.expressions]
        fields = tuple(f"field{at}" for at in range(len(values)))
        packed = ", ".join(f"{name} := {value.sql}" for name, value in zip(fields, values, strict=True))
        kind = Type("row", tuple(value.type for value in values), fields)
        return Typed(cast_sql(f"struct_pack({packed})", kind), kind)

    def _subscript(self, node: exp.Expr, scope: Scope) -> Typed:
        self.only(node, "this", "expressions")
        if len(node.expressions) != 1:
            raise self.error(node, "SYNTAX_ERROR", "a subscript takes one index")
        value, key = self.expression(node.this, scope), self.expression(node.expressions[0], scope)
        return functions.call(functions.SUBSCRIPT, [value, key])

    def _case(self, node: exp.Expr, scope: Scope) -> Typed:
        self.only(node, "this", "ifs", "default")
        pairs = [(branch.this, branch.args["true"]) for branch in node.args["ifs"]]
        return self._branches(node, pairs, node.args.get("default"), scope)

    def _if(self, node: exp.Expr, scope: Scope) -> Typed:
        self.only(node, "this", "true", "false")
        branch = exp.If(this=node.this, true=node.args["true"])
        return self._branches(exp.Case(), [(branch.this, branch.args["true"])], node.args.get("false"), scope)

    def _branches(
        self,
        node: exp.Expr,
        pairs: Sequence[tuple[exp.Expr, exp.Expr]],
        default: exp.Expr | None,
        scope: Scope,
    ) -> Typed:
        operand = node.args.get("this")
        subject = self.expression(operand, scope) if operand is not None else None
        conditions = [
            self.compare(when, "=", subject, self.expression(when, scope)).sql
            if subject
            else self.condition(when, scope)
            for when, _ in pairs
        ]
        values = [self.expression(then, scope) for _, then in pairs]
        values = self.unified(node, [*values, self.expression(default or exp.Null(), scope)])
        whens = " ".join(f"WHEN {c} THEN {v.sql}" for c, v in zip(conditions, values[:-1], strict=True))
        return Typed(f"CASE {whens} ELSE {values[-1].sql} END", values[0].type)

    def _rows(self, node: exp.Expr, scope: Scope, columns: int | None) -> Rows:
        """Analyse a subquery within an expression, which then is no expression of one column."""
        used = self._used
        rows = self.query(node, scope.below())
        self._used = {**used, "": _NOT_ONE_COLUMN}
        if columns is not None and len(rows.columns) != columns:
            message = "Multiple columns returned by subquery are not supported"
            raise self.error(node, "TYPE_MISMATCH", message)
        return rows

    def _scalar_subquery(self, node: exp.Expr, scope: Scope) -> Typed:
        self.only(node, "this")
        rows = self._rows(node.this, scope, columns=1)
        return Typed(f"({rows.sql})", rows.columns[0].type)

    def _exists(self, node: exp.Expr, scope: Scope) -> Typed:
        self.only(node, "this")
        return Typed(f"EXISTS ({self._rows(node.this, scope, columns=None).sql})", BOOLEAN)

    def _cast(self, node: exp.Expr, scope: Scope) -> Typed:
        self.only(node, "this", "to", "safe")
        value, to = self.expression(node.this, scope), node.args["to"]
        written = to.sql(dialect="trino").lower()
        literal = isinstance(node.this, exp.Literal) and node.this.is_string
        precision = re.fullmatch(r"timestamp\(([0-3])\)( with time zone)?", written)
        digits = re.search(r"\.(\d*)", node.this.name) if literal else None
        if precision and (
            precision[1] == "3" or (literal and len(digits[1] if digits else "") <= int(precision[1]))
        ):
            written = f"timestamp{precision[2] or ''}"
        length = re.fullmatch(r"varchar\((\d+)\)", written)
        convert = try_cast if isinstance(node, exp.TryCast) else explicit_cast
        if length:
            cut = to_length(value, int(length[1]))
            return replace(cut, sql=f"TRY({cut.sql})") if isinstance(node, exp.TryCast) else cut
        try:
            kind = UUID if written == "uuid" else parse_type(written)
        except ValueError as error:
            raise self.error(node, "NOT_SUPPORTED", f"cast to {written}") from error
        return convert(value, kind)

    # --- Functions

    def _call(self, node: exp.Expr, scope: Scope) -> Typed:
        name = node.name.lower()
        if name in AGGREGATES_AND_WINDOWS:
            return self._over(node, scope)
        if name == "now" and not node.expressions:
            return functions.moment(self._statement.now)
        if name == "row" and node.expressions:
            return self._row(node, scope)
        if name == "normalize" and len(node.expressions) == 2:
            return functions.call(
                name, [self.expression(node.expressions[0], scope), text(node.expressions[1].name.upper())]
            )
        arguments = [
            self._lambda(part, scope) if isinstance(part, exp.Lambda) else self.expression(part, scope)
            for part in node.expressions
        ]
        return functions.call(name, arguments)

    def _lambda(self, node: exp.Lambda, scope: Scope) -> Lambda:
        parameters = [parameter.name.lower() for parameter in node.expressions]

        def body(values: Sequence[Typed]) -> Typed:
            bound = dict(zip(parameters, values, strict=True))
            return self.expression(node.this, replace(scope, parameters={**scope.parameters, **bound}))

        # Numbered from those around it, not through the statement: the same lambda is the same text again.
        around = [int(n) for value in scope.parameters.values() for n in re.findall(r"\bl(\d+)\b", value.sql)]
        numbers = itertools.count(max(around, default=0) + 1)
        return Lambda(len(parameters), body, lambda: f"l{next(numbers)}")

    def _over(self, node: exp.Expr, scope: Scope) -> Typed:
        """Write an aggregate or window function with OVER, FILTER, WITHIN GROUP or IGNORE NULLS around it."""
        around: dict[type[exp.Expr], exp.Expr] = {}
        while not isinstance(node, exp.Anonymous):
            if type(node) not in _AROUND or type(node) in around:
                raise self.error(node, "NOT_SUPPORTED", f"{type(node).__name__} as a function")
            around[type(node)] = node
            node = node.this
        name = node.name.lower()
        window = around.get(exp.Window)
        if name in WINDOWS and window is None:
            raise self.error(node, "MISSING_OVER", f"Window function {name} requires an OVER clause")
        written = self._aggregate(node, around.get(exp.WithinGroup), scope)
        call = written.call
        if exp.IgnoreNulls in around:
            if name not in ("lag", "lead", "first_value", "last_value", "nth_value"):
                raise self.error(node, "NOT_SUPPORTED", f"IGNORE NULLS on {name}")
            call = f"{call[:-1]} IGNORE NULLS)"
        if filtered := around.get(exp.Filter):
            call += f" FILTER (WHERE {self.condition(filtered.expression.this, scope)})"
        if window is not None:
            call += f" OVER ({self._window(window, scope)})"
        self._used[""] = _NOT_ONE_COLUMN
        return Typed(written.wrap.format(call), written.type)

    def _aggregate(self, node: exp.Anonymous, within: exp.Expr | None, scope: Scope) -> functions.Aggregate:
        parts, distinct = list(node.expressions), False
        order = within.expression if within is not None else None
        if parts and isinstance(parts[-1], exp.Order):
            order = parts[-1]
            parts[-1] = order.this
        if len(parts) == 1 and isinstance(parts[0], exp.Distinct):
            self.only(parts[0], "expressions")
            parts, distinct = list(parts[0].expressions), True
        if len(parts) == 1 and isinstance(parts[0], exp.Star) and node.name.lower() == "count":
            parts = []
        sort = f" ORDER BY {self._sort_keys(order, scope)}" if order is not None else ""
        values = [self.expression(part, scope) for part in parts]
        return functions.aggregate(node.name, values, distinct=distinct, order=sort)

    def _sort_keys(self, node: exp.Expr, scope: Scope) -> str:
        return ", ".join(f"{self.expression(k.this, scope).sql}{self.direction(k)}" for k in node.expressions)

    def direction(self, node: exp.Expr) -> str:
        """Write a sort key's direction; NULLs are last in Athena either way."""
        self.only(node, "this", "desc", "nulls_first")
        direction = " DESC" if node.args.get("desc") else " ASC"
        return f"{direction} NULLS {'FIRST' if node.args.get('nulls_first') else 'LAST'}"

    def _window(self, node: exp.Expr, scope: Scope) -> str:
        self.only(node, "this", "partition_by", "order", "spec", "over")
        clauses = []
        if partition := node.args.get("partition_by"):
            clauses.append(
                f"PARTITION BY {', '.join(self.expression(part, scope).sql for part in partition)}"
            )
        if order := node.args.get("order"):
            clauses.append(f"ORDER BY {self._sort_keys(order, scope)}")
        if spec := node.args.get("spec"):
            self.only(spec, "kind", "start", "start_side", "end", "end_side")
            bounds = [self._bound(spec, side, scope) for side in ("start", "end") if spec.args.get(side)]
            frame = f"BETWEEN {' AND '.join(bounds)}" if len(bounds) == 2 else bounds[0]
            kind = spec.args["kind"].upper()
            if kind not in ("ROWS", "RANGE", "GROUPS"):
                raise self.error(node, "NOT_SUPPORTED", f"a frame of {kind}")
            clauses.append(f"{kind} {frame}")
        return " ".join(clauses)

    def _bound(self, spec: exp.Expr, side: str, scope: Scope) -> str:
        bound = spec.args[side]
        preceding = (spec.args.get(f"{side}_side") or "").upper() == "PRECEDING"
        direction = "PRECEDING" if preceding else "FOLLOWING"
        if isinstance(bound, exp.Expr):
            return f"{self.expression(bound, scope).sql} {direction}"
        return f"UNBOUNDED {direction}" if bound.upper() == "UNBOUNDED" else "CURRENT ROW"


_AROUND = (exp.Window, exp.Filter, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls)
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
_NUMBERS_ONLY = ("=", "<>", "<", ">", "<=", ">=")
"""Comparisons that are false for NaN; DuckDB treats it like another number."""
_ARITHMETIC: dict[type[exp.Expr], str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Mod: "%",
}
_WRITERS: Mapping[type[exp.Expr], Callable[[Expressions, exp.Expr, Scope], Typed]] = {
    exp.Literal: Expressions._literal,
    exp.Boolean: Expressions._boolean,
    exp.Null: Expressions._null,
    exp.Paren: Expressions._paren,
    exp.Column: Expressions._column,
    exp.Identifier: Expressions._column,
    exp.Dot: Expressions._dot,
    **dict.fromkeys(_COMPARISONS, Expressions._comparison),
    **dict.fromkeys(_ARITHMETIC, Expressions._arithmetic),
    exp.And: Expressions._connector,
    exp.Or: Expressions._connector,
    exp.Not: Expressions._not,
    exp.Is: Expressions._is,
    exp.Between: Expressions._between,
    exp.In: Expressions._in,
    exp.Like: Expressions._like,
    exp.Escape: Expressions._escape,
    exp.Neg: Expressions._neg,
    exp.DPipe: Expressions._concat,
    exp.CurrentDate: Expressions._now,
    exp.CurrentTimestamp: Expressions._now,
    exp.Localtimestamp: Expressions._now,
    exp.AtTimeZone: Expressions._at_time_zone,
    exp.Extract: Expressions._extract,
    exp.Interval: Expressions._interval,
    exp.StrPosition: Expressions._position,
    exp.Substring: Expressions._substring,
    exp.Trim: Expressions._trim,
    exp.Array: Expressions._array,
    exp.Tuple: Expressions._row,
    exp.HexString: Expressions._hex_string,
    exp.ParseJSON: Expressions._json_literal,
    exp.Bracket: Expressions._subscript,
    exp.Case: Expressions._case,
    exp.If: Expressions._if,
    exp.Subquery: Expressions._scalar_subquery,
    exp.Exists: Expressions._exists,
    exp.Cast: Expressions._cast,
    exp.TryCast: Expressions._cast,
    exp.Anonymous: Expressions._call,
    **dict.fromkeys(_AROUND, Expressions._over),
}
_NEVER_FAILING = (
    *(exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.Column, exp.Identifier, exp.Dot, *_COMPARISONS),
    *(exp.And, exp.Or, exp.Not, exp.Is, exp.Between, exp.In, exp.Like),
)
"""Expressions that cannot fail for DuckDB, or that only combine their parts."""


_DAYS, _HOURS = r"(?P<day>\d+)", r"(?P<hour>\d+)"
_MINUTES, _SECONDS = r"(?P<minute>\d+)", r"(?P<second>\d+)(?:\.(?P<fraction>\d{1,3})\d*)?"
_INTERVALS: dict[str, tuple[str | None, Type]] = {
    "year": (r"(?P<year>\d+)", MONTH_INTERVAL),
    "month": (r"(?P<month>\d+)", MONTH_INTERVAL),
    "year to month": (r"(?P<year>\d+)-(?P<month>\d+)", MONTH_INTERVAL),
    "day": (_DAYS, DAY_INTERVAL),
    "hour": (_HOURS, DAY_INTERVAL),
    "minute": (_MINUTES, DAY_INTERVAL),
    "second": (_SECONDS, DAY_INTERVAL),
    "day to hour": (f"{_DAYS} {_HOURS}", DAY_INTERVAL),
    "day to minute": (f"{_DAYS} {_HOURS}:{_MINUTES}", DAY_INTERVAL),
    "day to second": (f"{_DAYS} {_HOURS}:{_MINUTES}:{_SECONDS}", DAY_INTERVAL),
    "hour to minute": (f"{_HOURS}:{_MINUTES}", DAY_INTERVAL),
    "hour to second": (f"{_HOURS}:{_MINUTES}:{_SECONDS}", DAY_INTERVAL),
    "minute to second": (f"{_MINUTES}:{_SECONDS}", DAY_INTERVAL),
}
"""The forms of interval literals. https://trino.io/docs/current/language/types.html#interval-day-to-second"""


def comparable(operator: str, value: Typed) -> Typed:
    """Return a value for comparison: an instant without its zone, a ``char`` without trailing spaces."""
    if value.type.name == "timestamp with time zone":
        return Typed(f"({instant(value)} AT TIME ZONE 'UTC')", TIMESTAMP_TZ)
    if value.type.name == "char":
        return Typed(f"rtrim({value.sql}, ' ')", VARCHAR)
    return value


def _equal_arrays(one: str, other: str) -> str:
    """Write the equality of two arrays: NULL where an element is NULL and no other decides."""
    pairs = "list_transform(list_zip(v.a, v.b), lambda x: x[1] = x[2])"
    decided = let(
        "CASE WHEN list_contains(v.r, false) THEN false "
        "WHEN len(list_filter(v.r, lambda e: e IS NULL)) > 0 THEN NULL ELSE true END",
        r=pairs,
    )
    unlike = "WHEN v.a IS NULL OR v.b IS NULL THEN NULL WHEN len(v.a) <> len(v.b) THEN false"
    return let(f"CASE {unlike} ELSE {decided} END", a=one, b=other)


def field_of(row: Typed, at: int) -> Typed:
    """Return a row's field by its place."""
    return Typed(f"struct_extract({row.sql}, {quote_text(row.type.fields[at])})", row.type.args[at])


def dereference(value: Typed, *names: str) -> Typed:
    """Return a field of a row."""
    for name in names:
        found = [f for f in value.type.fields if f.lower() == name]
        if value.type.name != "row" or len(found) != 1:
            raise QueryError("TYPE_MISMATCH", f"Expression is not of type ROW with a field '{name}'")
        kind = value.type.args[value.type.fields.index(found[0])]
        value = Typed(f"struct_extract({value.sql}, {quote_text(found[0])})", kind)
    return value


def _number(written: str) -> Typed:
    if re.fullmatch(r"\d+", written):
        if int(written) >= 2**63:
            raise QueryError("INVALID_LITERAL", f"Invalid numeric literal: {written}")
        return Typed(written, INTEGER if int(written) < 2**31 else BIGINT)
    if match := re.fullmatch(r"(\d*)\.(\d*)", written):
        whole, fraction = match.groups()
        kind = decimal(max(1, len(whole.lstrip("0")) + len(fraction)), len(fraction))
        return Typed(f"CAST('{written}' AS {duckdb_type(kind)})", kind)
    if re.fullmatch(r"(\d+\.?\d*|\.\d+)[eE][+-]?\d+", written):
        return Typed(f"CAST('{written}' AS DOUBLE)", DOUBLE)
    raise QueryError("INVALID_LITERAL", f"Invalid numeric literal: {written}")
