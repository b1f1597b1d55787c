"""Aggregates and window functions.

https://trino.io/docs/current/functions/aggregate.html and functions/window.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from scripts.local_aws.athena.casts import Typed, cast_sql, coerce, let
from scripts.local_aws.athena.functions.building import (
    Aggregate,
    NoOverloadError,
    as_text,
    as_type,
    numeric,
    of,
)
from scripts.local_aws.athena.functions.collections import grouped
from scripts.local_aws.athena.model import QueryError
from scripts.local_aws.athena.natives import native
from scripts.local_aws.athena.types import (
    BIGINT,
    BOOLEAN,
    DAY_INTERVAL,
    DOUBLE,
    MONTH_INTERVAL,
    REAL,
    VARCHAR,
    Type,
    array,
    decimal,
    duckdb_type,
)

AggregateBuilder = Callable[[Sequence[Typed], str, str], Aggregate]


def _simple(template: str, result: Type | None = None, *types: Type, wrap: str = "{}") -> AggregateBuilder:
    """Build ``template`` (``{d}`` DISTINCT, ``{o}`` ORDER BY); its type is ``result``, or the argument's."""
    count = len(set(re.findall(r"\{(\d)\}", template)))

    def build(arguments: Sequence[Typed], distinct: str, order: str) -> Aggregate:
        if len(arguments) != count:
            raise NoOverloadError
        _only(template, distinct, order)
        sqls = [
            as_type(value, types[at]) if at < len(types) else value.sql for at, value in enumerate(arguments)
        ]
        found = result or arguments[0].type
        return Aggregate(template.format(*sqls, d=distinct, o=order), found, wrap)

    return build


def _only(template: str, distinct: str, order: str) -> None:
    """Refuse what an aggregate is not written with here; Athena takes both with every one."""
    if distinct and "{d}" not in template:
        raise QueryError("NOT_SUPPORTED", "DISTINCT in this aggregate")
    if order and "{o}" not in template:
        raise QueryError("NOT_SUPPORTED", "ORDER BY in this aggregate")


def _count(arguments: Sequence[Typed], distinct: str, order: str) -> Aggregate:
    if len(arguments) > 1:
        raise NoOverloadError
    _only("{d}", distinct, order)
    return Aggregate(f"count({distinct}{arguments[0].sql if arguments else '*'})", BIGINT)


def _sum(arguments: Sequence[Typed], distinct: str, order: str) -> Aggregate:
    if len(arguments) != 1:
        raise NoOverloadError
    _only("{d}", distinct, order)
    source = arguments[0].type
    if source == DAY_INTERVAL:
        return Aggregate(
            f"sum({distinct}epoch_ms({arguments[0].sql}))", source, "to_milliseconds(CAST({} AS BIGINT))"
        )
    if source == MONTH_INTERVAL:
        raise QueryError("NOT_SUPPORTED", f"sum of {source}")
    value = numeric(arguments[0])
    result = BIGINT if source.is_integer else value.type
    if source.name == "decimal":
        result = decimal(38, source.params[1])
    return Aggregate(f"sum({distinct}{value.sql})", result, f"CAST({{}} AS {duckdb_type(result)})")


def _avg(arguments: Sequence[Typed], distinct: str, order: str) -> Aggregate:
    if len(arguments) != 1:
        raise NoOverloadError
    _only("{d}", distinct, order)
    if arguments[0].type in (DAY_INTERVAL, MONTH_INTERVAL):
        raise QueryError("NOT_SUPPORTED", f"avg of {arguments[0].type}")
    value = numeric(arguments[0])
    if value.type.name == "decimal":
        written = f"list({distinct}CAST({value.sql} AS VARCHAR))"
        mean = cast_sql(native("decimal_average", "{}", str(value.type.params[1])), value.type)
        return Aggregate(written, value.type, mean)
    result = REAL if value.type == REAL else DOUBLE
    return Aggregate(f"avg({distinct}{value.sql})", result, f"CAST({{}} AS {duckdb_type(result)})")


def _array_agg(arguments: Sequence[Typed], distinct: str, order: str) -> Aggregate:
    if len(arguments) != 1:
        raise NoOverloadError
    return Aggregate(f"list({distinct}{arguments[0].sql}{order})", array(arguments[0].type))


def _listagg(arguments: Sequence[Typed], distinct: str, order: str) -> Aggregate:
    if len(arguments) not in (1, 2):
        raise NoOverloadError
    separator = as_type(arguments[1], VARCHAR) if len(arguments) == 2 else "''"
    return Aggregate(f"string_agg({distinct}{as_text(arguments[0])}, {separator}{order})", VARCHAR)


def _entries(arguments: Sequence[Typed], distinct: str, order: str) -> tuple[str, Type, Type]:
    if len(arguments) != 2:
        raise NoOverloadError
    key, value = arguments
    return f"list({distinct}{{'key': {key.sql}, 'value': {value.sql}}}{order})", key.type, value.type


_KEYS = "list_transform(v.e, lambda y: y.key)"
_FIRST_OF_KEY = f"list_filter(v.e, lambda x, i: coalesce(list_position({_KEYS}, x.key), 0) = i)"


def _first_of_each(entries: str) -> str:
    """Write a map of entries: the first of a key stays, a key that is NULL is left out."""
    return let(
        f"CASE WHEN v.e IS NOT NULL THEN map_from_entries({_FIRST_OF_KEY}) END",
        e=f"list_filter({entries}, lambda x: x.key IS NOT NULL)",
    )


def _map_agg(arguments: Sequence[Typed], distinct: str, order: str) -> Aggregate:
    entries, key, value = _entries(arguments, distinct, order)
    return Aggregate(entries, Type("map", (key, value)), _escaped(_first_of_each("\0")))


def _multimap_agg(arguments: Sequence[Typed], distinct: str, order: str) -> Aggregate:
    entries, key, value = _entries(arguments, distinct, order)
    return Aggregate(entries, Type("map", (key, array(value))), _escaped(grouped("\0")))


def _escaped(sql: str) -> str:
    """Return an expression of the character 0 as a template of ``{}``."""
    return sql.replace("{", "{{").replace("}", "}}").replace("\0", "{}")


def _map_union(arguments: Sequence[Typed], distinct: str, order: str) -> Aggregate:
    if len(arguments) != 1:
        raise NoOverloadError
    _only("{o}", distinct, order)
    of(arguments[0], "map")
    entries = f"list(map_entries({arguments[0].sql}){order})"
    return Aggregate(entries, arguments[0].type, _escaped(_first_of_each("flatten(\0)")))


def _histogram(arguments: Sequence[Typed], distinct: str, order: str) -> Aggregate:
    if len(arguments) != 1:
        raise NoOverloadError
    _only("", distinct, order)
    counts = "list_transform(v.k, lambda y: CAST(len(list_filter(v.l, lambda x: x = y)) AS BIGINT))"
    inner = let(f"map(v.k, {counts})", l="v.l", k="list_sort(list_distinct(v.l))")
    body = f"CASE WHEN v.l IS NOT NULL THEN {inner} END"
    return Aggregate(
        f"list({arguments[0].sql})", Type("map", (arguments[0].type, BIGINT)), _escaped(let(body, l="\0"))
    )


def _extreme(name: str) -> AggregateBuilder:
    """Build ``max`` or ``min``: of one argument, or the first n as an array."""

    def build(arguments: Sequence[Typed], distinct: str, order: str) -> Aggregate:
        if len(arguments) not in (1, 2):
            raise NoOverloadError
        _only("", "", order)
        value = arguments[0]
        if len(arguments) == 1:
            return Aggregate(f"{name}({value.sql})", value.type)
        sort = "list_reverse_sort" if name == "max" else "list_sort"
        count = _literal_count(arguments[1])
        kept = f"list_slice({sort}(list_filter(\0, lambda x: x IS NOT NULL)), 1, {count})"
        body = "CASE WHEN len(v.l) > 0 THEN v.l END"
        return Aggregate(f"list({distinct}{value.sql})", array(value.type), _escaped(let(body, l=kept)))

    return build


def _extreme_by(name: str) -> AggregateBuilder:
    def build(arguments: Sequence[Typed], distinct: str, order: str) -> Aggregate:
        if len(arguments) not in (2, 3):
            raise NoOverloadError
        _only("", distinct, order)
        value, by = arguments[:2]
        if len(arguments) == 2:
            return Aggregate(f"arg_{name}_null({value.sql}, {by.sql})", value.type)
        sort = "list_reverse_sort" if name == "max" else "list_sort"
        count = _literal_count(arguments[2])
        kept = f"list_slice({sort}(list_filter(\0, lambda x: x.k IS NOT NULL)), 1, {count})"
        body = "CASE WHEN len(v.l) > 0 THEN list_transform(v.l, lambda x: x.v) END"
        entries = f"list({{'k': {by.sql}, 'v': {value.sql}}})"
        return Aggregate(entries, array(value.type), _escaped(let(body, l=kept)))

    return build


def _literal_count(value: Typed) -> str:
    if not value.type.is_integer or not value.sql.isdigit():
        raise QueryError("NOT_SUPPORTED", "a count of results that is no literal")
    if not 0 < int(value.sql) <= 10_000:
        message = (
            f"third argument of max_by/min_by or second of max/min must be in (0, 10000]; found {value.sql}"
        )
        raise QueryError("INVALID_FUNCTION_ARGUMENT", message)
    return value.sql


def _approx_percentile(arguments: Sequence[Typed], distinct: str, order: str) -> Aggregate:
    """Take the value at a share of the sorted values: what Athena's digest answers of not too many."""
    if len(arguments) != 2:
        raise QueryError("NOT_SUPPORTED", "approx_percentile with weights or an accuracy")
    _only("{d}", distinct, order)
    value = numeric(arguments[0])
    result = value.type if (value.type.is_integer and value.type == BIGINT) or value.type == REAL else None
    result = result or (BIGINT if value.type.is_integer else DOUBLE)
    listed = f"list({distinct}{cast_sql(value.sql, DOUBLE)})"
    shares = arguments[1]
    if shares.type.name == "array":
        each = cast_sql(native("percentile", "v.l", "x"), result)
        values = "len(list_filter(v.l, lambda x: x IS NOT NULL))"
        many = f"list_transform({as_type(shares, array(DOUBLE))}, lambda x: {each})"
        body = f"CASE WHEN {values} > 0 THEN {many} END"
        return Aggregate(listed, array(result), _escaped(let(body, l="\0")))
    return Aggregate(listed, result, cast_sql(native("percentile", "{}", as_type(shares, DOUBLE)), result))


def _approx_distinct(arguments: Sequence[Typed], distinct: str, order: str) -> Aggregate:
    if len(arguments) not in (1, 2):
        raise NoOverloadError
    _only("", distinct, order)
    return Aggregate(f"count(DISTINCT {arguments[0].sql})", BIGINT)


def _bits(name: str) -> AggregateBuilder:
    return _simple(f"bit_{name}({{d}}{{0}})", BIGINT, BIGINT)


def _shape(name: str) -> AggregateBuilder:
    return _simple("list({d}{0})", DOUBLE, DOUBLE, wrap=native(name, "{}"))


def _geometric_mean(arguments: Sequence[Typed], distinct: str, order: str) -> Aggregate:
    if len(arguments) != 1:
        raise NoOverloadError
    _only("{d}", distinct, order)
    value = as_type(numeric(arguments[0]), DOUBLE)
    logarithm = native("real_function", "'ln'", value)
    return Aggregate(f"avg({distinct}{logarithm})", DOUBLE, native("real_function", "'exp'", "{}"))


def _of_two(template: str) -> AggregateBuilder:
    return _simple(template, DOUBLE, DOUBLE, DOUBLE)


def _offset(name: str) -> AggregateBuilder:
    """Build ``lag`` and ``lead``: a value, how far away, what to give where there is none."""

    def build(arguments: Sequence[Typed], distinct: str, order: str) -> Aggregate:
        if not 1 <= len(arguments) <= 3:
            raise NoOverloadError
        _only("", distinct, order)
        value, *rest = arguments
        if rest and rest[0].sql.startswith(("-", "(-")):
            raise QueryError("INVALID_FUNCTION_ARGUMENT", "Offset must be at least 0")
        sqls = [value.sql, *[as_type(a, t) for a, t in zip(rest, (BIGINT, value.type), strict=False)]]
        return Aggregate(f"{name}({', '.join(sqls)})", value.type)

    return build


def _grouping(arguments: Sequence[Typed], distinct: str, order: str) -> Aggregate:
    if not arguments:
        raise NoOverloadError
    _only("", distinct, order)
    return Aggregate(f"grouping({', '.join(value.sql for value in arguments)})", BIGINT, "CAST({} AS BIGINT)")


def _nth_value(arguments: Sequence[Typed], distinct: str, order: str) -> Aggregate:
    if len(arguments) != 2:
        raise NoOverloadError
    _only("", distinct, order)
    offset = coerce(arguments[1], BIGINT)
    if offset is None:
        raise NoOverloadError
    if arguments[1].sql.startswith(("-", "(-")) or arguments[1].sql == "0":
        raise QueryError("INVALID_FUNCTION_ARGUMENT", "Offset must be at least 1")
    return Aggregate(f"nth_value({arguments[0].sql}, {offset.sql})", arguments[0].type)


AGGREGATES: dict[str, AggregateBuilder] = {
    "count": _count,
    "count_if": _simple("count_if({0})", BIGINT, BOOLEAN, wrap="CAST({} AS BIGINT)"),
    "sum": _sum,
    "avg": _avg,
    "min": _extreme("min"),
    "max": _extreme("max"),
    "min_by": _extreme_by("min"),
    "max_by": _extreme_by("max"),
    "arbitrary": _simple("any_value({d}{0}{o})"),
    "any_value": _simple("any_value({d}{0}{o})"),
    "bool_and": _simple("bool_and({d}{0})", BOOLEAN, BOOLEAN),
    "every": _simple("bool_and({d}{0})", BOOLEAN, BOOLEAN),
    "bool_or": _simple("bool_or({d}{0})", BOOLEAN, BOOLEAN),
    "bitwise_and_agg": _bits("and"),
    "bitwise_or_agg": _bits("or"),
    "approx_distinct": _approx_distinct,
    "approx_percentile": _approx_percentile,
    "geometric_mean": _geometric_mean,
    "stddev": _simple("stddev_samp({d}{0})", DOUBLE, DOUBLE),
    "stddev_samp": _simple("stddev_samp({d}{0})", DOUBLE, DOUBLE),
    "stddev_pop": _simple("stddev_pop({d}{0})", DOUBLE, DOUBLE),
    "variance": _simple("var_samp({d}{0})", DOUBLE, DOUBLE),
    "var_samp": _simple("var_samp({d}{0})", DOUBLE, DOUBLE),
    "var_pop": _simple("var_pop({d}{0})", DOUBLE, DOUBLE),
    "skewness": _shape("skewness"),
    "kurtosis": _shape("kurtosis"),
    "corr": _of_two("corr({0}, {1})"),
    "covar_pop": _of_two("covar_pop({0}, {1})"),
    "covar_samp": _of_two("covar_samp({0}, {1})"),
    "regr_intercept": _of_two("regr_intercept({0}, {1})"),
    "regr_slope": _of_two("regr_slope({0}, {1})"),
    "array_agg": _array_agg,
    "listagg": _listagg,
    "map_agg": _map_agg,
    "map_union": _map_union,
    "multimap_agg": _multimap_agg,
    "histogram": _histogram,
    "grouping": _grouping,
}
WINDOWS: dict[str, AggregateBuilder] = {
    "row_number": _simple("row_number()", BIGINT),
    "rank": _simple("rank()", BIGINT),
    "dense_rank": _simple("dense_rank()", BIGINT),
    "ntile": _simple("ntile({0})", BIGINT, BIGINT),
    "percent_rank": _simple("percent_rank()", DOUBLE),
    "cume_dist": _simple("cume_dist()", DOUBLE),
    "first_value": _simple("first_value({0})"),
    "last_value": _simple("last_value({0})"),
    "nth_value": _nth_value,
    "lag": _offset("lag"),
    "lead": _offset("lead"),
}
AGGREGATES_AND_WINDOWS = AGGREGATES | WINDOWS
