"""Functions of arrays, maps and lambdas.

https://trino.io/docs/current/functions/array.html, functions/map.html and functions/lambda.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scripts.local_aws.athena.casts import Typed, cast_sql, check, coerce, explicit_cast, let
from scripts.local_aws.athena.functions.building import (
    Argument,
    Builder,
    Lambda,
    NoOverloadError,
    as_type,
    common,
    of,
    predicate,
    typed,
)
from scripts.local_aws.athena.model import QueryError
from scripts.local_aws.athena.natives import native
from scripts.local_aws.athena.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DAY_INTERVAL,
    INTEGER,
    MONTH_INTERVAL,
    UNKNOWN,
    VARCHAR,
    Type,
    array,
    duckdb_type,
    quote_text,
)


def _invalid(message: str) -> str:
    """Write a complaint for ``check``."""
    return quote_text(f"INVALID_FUNCTION_ARGUMENT: {message}")


def _array_of(value: Argument) -> tuple[str, Type]:
    """Return an array's SQL and the type of its elements; NULL is an array."""
    if isinstance(value, Typed) and value.type == UNKNOWN:
        return cast_sql("NULL", array(UNKNOWN)), UNKNOWN
    (element,) = of(value, "array").args
    return value.sql, element  # type: ignore[union-attr]


def _arrays(arguments: Sequence[Argument]) -> list[Typed]:
    """Return two arguments that are arrays."""
    return [Typed(sql, array(element)) for sql, element in map(_array_of, typed(arguments, 2))]


def _map_of(value: Argument) -> tuple[str, Type, Type]:
    key, item = of(value, "map").args
    return value.sql, key, item  # type: ignore[union-attr]


def _map_type(key: Type, value: Type) -> Type:
    return Type("map", (key, value))


# --- One element


def _cardinality(arguments: Sequence[Argument]) -> Typed:
    (value,) = typed(arguments, 1)
    if value.type.name not in ("array", "map"):
        raise NoOverloadError
    return Typed(
        f"CAST({'len' if value.type.name == 'array' else 'cardinality'}({value.sql}) AS BIGINT)", BIGINT
    )


def _contains(arguments: Sequence[Argument]) -> Typed:
    values, wanted = typed(arguments, 2)
    (sql, item), _ = _with_element(values, wanted)
    has = f"list_contains({sql}, {item})"
    unsure = f"len({sql}) > len(list_filter({sql}, lambda e: e IS NOT NULL))"
    return Typed(
        f"CASE WHEN {item} IS NULL THEN NULL WHEN {has} THEN true WHEN {unsure} THEN NULL ELSE {has} END",
        BOOLEAN,
    )


def _with_element(values: Argument, wanted: Typed) -> tuple[tuple[str, str], Type]:
    """Return an array and an element for it, as the one type that both can have."""
    sql_, element = _array_of(values)
    (sql, item), found = common([Typed(sql_, array(element)), Typed(f"[{wanted.sql}]", array(wanted.type))])
    return (sql, f"({item})[1]" if item != f"[{wanted.sql}]" else wanted.sql), found


def _element_at(arguments: Sequence[Argument]) -> Typed:
    """Return an element, from the end if the index is negative, NULL if there is none."""
    values, key = typed(arguments, 2)
    if values.type.name == "map":
        return Typed(f"{values.sql}[{as_type(key, values.type.args[0])}]", values.type.args[1])
    sql, element = _array_of(values)
    index = as_type(key, BIGINT)
    complaint = _invalid("SQL array indices start at 1")
    return Typed(f"{sql}[{check(f'{index} IS NULL OR {index} <> 0', index, BIGINT, complaint)}]", element)


def subscript(arguments: Sequence[Argument]) -> Typed:
    """Return ``values[key]``, which fails where there is no such element."""
    values, key = typed(arguments, 2)
    if values.type.name == "row":
        return _row_field(values, key)
    if values.type.name == "map":
        sql, of_key, item = _map_of(values)
        wanted = as_type(key, of_key)
        there = f"map_contains({sql}, {wanted})"
        complaint = f"'INVALID_FUNCTION_ARGUMENT: Key not present in map: ' || CAST({wanted} AS VARCHAR)"
        present = check(f"{sql} IS NULL OR {wanted} IS NULL OR {there}", "true", BOOLEAN, complaint)
        return Typed(f"CASE WHEN {present} THEN {sql}[{wanted}] END", item)
    sql, item = _array_of(values)
    index = as_type(key, BIGINT)
    words = (
        f"CASE WHEN {index} = 0 THEN 'SQL array indices start at 1' "
        f"WHEN {index} < 0 THEN 'Array subscript is negative: ' || {index} "
        f"ELSE 'Array subscript must be less than or equal to array length: ' || {index} || ' > ' "
        f"|| len({sql}) END"
    )
    complaint = f"'INVALID_FUNCTION_ARGUMENT: ' || {words}"
    present = check(
        f"{sql} IS NULL OR {index} IS NULL OR {index} BETWEEN 1 AND len({sql})", "true", BOOLEAN, complaint
    )
    return Typed(f"CASE WHEN {present} THEN {sql}[{index}] END", item)


def _row_field(row: Typed, key: Typed) -> Typed:
    if not key.sql.isdigit() or not 1 <= int(key.sql) <= len(row.type.args):
        raise QueryError(
            "INVALID_FUNCTION_ARGUMENT", f"Invalid subscript index: {key.sql}. ROW indices start at 1"
        )
    at = int(key.sql) - 1
    return Typed(f"struct_extract({row.sql}, {quote_text(row.type.fields[at])})", row.type.args[at])


# --- Arrays


def _on_array(template: str, result: Callable[[Type], Type]) -> Builder:
    """Build a function of one array: ``{0}``, or ``v.a`` if it is needed more than once."""

    def build(arguments: Sequence[Argument]) -> Typed:
        (values,) = typed(arguments, 1)
        sql, element = _array_of(values)
        body = template.format(sql)
        return Typed(let(body, a=sql) if "v.a" in body else body, result(element))

    return build


def _with_one(template: str, result: Callable[[Type], Type]) -> Builder:
    """Build a function of an array ``v.a`` and a value ``v.x`` of its elements' type; of NULL it is NULL."""

    def build(arguments: Sequence[Argument]) -> Typed:
        values, wanted = typed(arguments, 2)
        (sql, item), found = _with_element(values, wanted)
        body = f"CASE WHEN v.a IS NOT NULL AND v.x IS NOT NULL THEN {template} END"
        return Typed(let(body, a=sql, x=item), result(found.args[0]))

    return build


def _on_arrays(template: str, result: Callable[[Type], Type]) -> Builder:
    """Build a function of two arrays of one type, ``v.a`` and ``v.b``; of NULL it is NULL."""

    def build(arguments: Sequence[Argument]) -> Typed:
        values = _arrays(arguments)
        (one, other), found = common(values)
        body = f"CASE WHEN v.a IS NOT NULL AND v.b IS NOT NULL THEN {template} END"
        return Typed(let(body, a=one, b=other), result(found))

    return build


_AT = "coalesce(list_position({}, e), 0)"
_DISTINCT = "list_filter({0}, lambda e, i: " + _AT.format("{0}") + " = i)"


def _distinct(sql: str) -> str:
    """Write an array without what it has before; NULL is a value."""
    return _DISTINCT.format(sql)


def _array_union(arguments: Sequence[Argument]) -> Typed:
    values = _arrays(arguments)
    (one, other), found = common(values)
    both = "CASE WHEN v.a IS NOT NULL AND v.b IS NOT NULL THEN list_concat(v.a, v.b) END"
    return Typed(let(_distinct("v.a"), a=let(both, a=one, b=other)), found)


_HAS_NULL = "len({0}) > len(list_filter({0}, lambda e: e IS NOT NULL))"
_ONE_HAS_NULL = f"({_HAS_NULL.format('v.a')} OR {_HAS_NULL.format('v.b')})"
_OVERLAP = (
    "CASE WHEN list_has_any(v.a, v.b) THEN true "
    f"WHEN len(v.a) > 0 AND len(v.b) > 0 AND {_ONE_HAS_NULL} THEN NULL ELSE false END"
)


def _extreme(name: str) -> Builder:
    body = f"CASE WHEN {_HAS_NULL.format('v.a')} THEN NULL ELSE list_{name}(v.a) END"
    return _on_array(body, lambda element: element)


def _array_sort(arguments: Sequence[Argument]) -> Typed:
    if len(arguments) == 2 and isinstance(arguments[1], Lambda):
        return _sorted_by(arguments[0], arguments[1])
    (values,) = typed(arguments, 1)
    sql, _ = _array_of(values)
    return Typed(f"list_sort({sql}, 'ASC', 'NULLS LAST')", values.type)


def _sorted_by(values: Argument, function: Lambda) -> Typed:
    """Sort by a comparison: one element after the other is put behind all that are not greater."""
    sql, element = _array_of(values)
    if function.parameters != 2:
        raise NoOverloadError
    done, item, other = (function.new_name() for _ in range(3))
    new = f"{item}[1]"
    order = function.body([Typed(other, element), Typed(new, element)])
    compared = as_type(order, INTEGER) if order.type != BIGINT else order.sql
    rule = _invalid("Lambda comparator must return either -1, 0, or 1")
    sign = check(f"{compared} IN (-1, 0, 1)", compared, BIGINT, rule)
    before = f"list_filter({done}, lambda {other}: {sign} <= 0)"
    after = f"list_filter({done}, lambda {other}: {sign} > 0)"
    step = f"list_concat({before}, [{new}], {after})"
    single = function.new_name()
    start = f"CAST([] AS {duckdb_type(array(element))})"
    listed = f"list_transform({sql}, lambda {single}: [{single}])"
    return Typed(f"list_reduce({listed}, lambda {done}, {item}: {step}, {start})", array(element))


def _array_join(arguments: Sequence[Argument]) -> Typed:
    values, separator, *instead = typed(arguments, 2, 3)
    sql, element = _array_of(values)
    written = (
        Typed("e", VARCHAR) if element in (VARCHAR, UNKNOWN) else explicit_cast(Typed("e", element), VARCHAR)
    )
    replaced = f"coalesce({written.sql}, {as_type(instead[0], VARCHAR)})" if instead else written.sql
    parts = f"list_transform({sql}, lambda e: {replaced})"
    joined = f"array_to_string({parts}, {as_type(separator, VARCHAR)})"
    missing = " OR ".join(f"{as_type(value, VARCHAR)} IS NULL" for value in (separator, *instead))
    return Typed(f"CASE WHEN {missing} THEN NULL ELSE {joined} END", VARCHAR)


def _slice(arguments: Sequence[Argument]) -> Typed:
    values, start, length = typed(arguments, 3)
    sql, element = _array_of(values)
    begin = check("v.s IS NULL OR v.s <> 0", "v.s", BIGINT, _invalid("SQL array indices start at 1"))
    count = check(
        "v.n IS NULL OR v.n >= 0", "v.n", BIGINT, _invalid("length must be greater than or equal to 0")
    )
    first = f"CASE WHEN {begin} < 0 THEN len(v.a) + v.s + 1 ELSE v.s END"
    empty = f"CAST([] AS {duckdb_type(array(element))})"
    body = (
        f"CASE WHEN v.a IS NULL OR v.s IS NULL OR v.n IS NULL THEN NULL WHEN {count} = 0 OR {first} < 1 "
        f"THEN {empty} ELSE list_slice(v.a, {first}, least({first} + v.n - 1, len(v.a))) END"
    )
    return Typed(
        let(body, a=sql, s=as_type(start, BIGINT), n=f"least({as_type(length, BIGINT)}, 2147483647)"),
        values.type,
    )


def _trim_array(arguments: Sequence[Argument]) -> Typed:
    values, count = typed(arguments, 2)
    sql, _ = _array_of(values)
    complaint = _invalid("size must not be negative and not exceed array cardinality")
    fits = "v.a IS NULL OR v.n IS NULL OR v.n BETWEEN 0 AND len(v.a)"
    kept = check(fits, "list_slice(v.a, 1, len(v.a) - v.n)", values.type, complaint)
    return Typed(let(kept, a=sql, n=as_type(count, BIGINT)), values.type)


def _flatten(arguments: Sequence[Argument]) -> Typed:
    sql, inner = _array_of(*typed(arguments, 1))
    of(Typed("", inner), "array")
    return Typed(f"flatten(list_filter({sql}, lambda e: e IS NOT NULL))", inner)


def _repeat(arguments: Sequence[Argument]) -> Typed:
    value, count = typed(arguments, 2)
    number = as_type(count, BIGINT)
    few = check(
        "v.n IS NULL OR v.n <= 10000",
        "v.n",
        BIGINT,
        _invalid("count argument of repeat function must be less than or equal to 10000"),
    )
    some = check(
        "v.n IS NULL OR v.n >= 0",
        few,
        BIGINT,
        _invalid("count argument of repeat function must be greater than or equal to 0"),
    )
    return Typed(
        let(f"list_transform(range({some}), lambda i: v.x)", x=value.sql, n=number), array(value.type)
    )


@dataclass(frozen=True, slots=True)
class _Steps:
    """How ``sequence`` goes from ``v.a`` to ``v.z``: the step ``v.s``, how often, what is at ``i``."""

    step: str
    count: str
    item: str


def _sequence(arguments: Sequence[Argument]) -> Typed:
    start, stop, *step = typed(arguments, 2, 3)
    if start.type.is_integer and stop.type.is_integer:
        by = as_type(step[0], BIGINT) if step else "CASE WHEN v.z < v.a THEN -1 ELSE 1 END"
        steps = _Steps(by, "(v.z - v.a) // v.s", "v.a + i * v.s")
        return _series(as_type(start, BIGINT), as_type(stop, BIGINT), steps, BIGINT)
    if start.type.name not in ("date", "timestamp") or start.type != stop.type:
        raise NoOverloadError
    if not step and start.type == DATE:
        step = [Typed("CASE WHEN v.z < v.a THEN to_days(-1) ELSE to_days(1) END", DAY_INTERVAL)]
    if not step or step[0].type not in (DAY_INTERVAL, MONTH_INTERVAL):
        raise NoOverloadError
    first, last = ("CAST(v.a AS TIMESTAMP)", "CAST(v.z AS TIMESTAMP)")
    by = step[0].sql
    if step[0].type == DAY_INTERVAL:
        moved = cast_sql(f"{first} + to_milliseconds(i * v.s)", start.type)
        steps = _Steps(f"epoch_ms({by})", f"(epoch_ms({last}) - epoch_ms({first})) // v.s", moved)
    else:
        months = f"CAST(date_part('year', {by}) * 12 + date_part('month', {by}) AS BIGINT)"
        moved = cast_sql(f"{first} + to_months(CAST(i * v.s AS INTEGER))", start.type)
        steps = _Steps(months, f"{native('months_between', quote_text('month'), first, last)} // v.s", moved)
    return _series(start.sql, stop.sql, steps, start.type)


def _series(first: str, last: str, steps: _Steps, kind: Type) -> Typed:
    direction = _invalid(
        "sequence stop value should be greater than or equal to start value if step is greater than zero "
        "otherwise stop should be less than or equal to start"
    )
    too_many = _invalid("result of sequence function must not have more than 10000 entries")
    moving = check("(v.s = 0) IS NOT TRUE", "true", BOOLEAN, _invalid("step must not be zero"))
    fitting = check("(v.a <> v.z AND (v.s > 0) <> (v.z > v.a)) IS NOT TRUE", steps.count, BIGINT, direction)
    few = check("v.n IS NULL OR v.n < 10000", "v.n", BIGINT, too_many)
    count = let(f"CASE WHEN {moving} THEN {fitting} END", a="v.a", z="v.z", s="v.s")
    items = f"list_transform(range({few} + 1), lambda i: {steps.item})"
    counted = let(items, a="v.a", z="v.z", s="v.s", n=count)
    return Typed(let(let(counted, a="v.a", z="v.z", s=steps.step), a=first, z=last), array(kind))


def _ngrams(arguments: Sequence[Argument]) -> Typed:
    values, count = typed(arguments, 2)
    sql, element = _array_of(values)
    size = check("v.n IS NULL OR v.n > 0", "v.n", BIGINT, _invalid("N must be positive"))
    starts = "range(1, greatest(len(v.a) - v.n + 1, 1) + 1)"
    parts = f"list_transform({starts}, lambda i: list_slice(v.a, i, i + v.n - 1))"
    body = f"CASE WHEN {size} IS NOT NULL AND v.a IS NOT NULL THEN {parts} END"
    return Typed(let(body, a=sql, n=as_type(count, BIGINT)), array(array(element)))


def _contains_sequence(arguments: Sequence[Argument]) -> Typed:
    values = _arrays(arguments)
    (one, other), _ = common(values)
    starts = "range(1, len(v.a) - len(v.b) + 2)"
    body = (
        "CASE WHEN v.a IS NULL OR v.b IS NULL THEN NULL ELSE len(v.b) = 0 OR "
        f"len(list_filter({starts}, lambda i: list_slice(v.a, i, i + len(v.b) - 1) = v.b)) > 0 END"
    )
    return Typed(let(body, a=one, b=other), BOOLEAN)


def _zip(arguments: Sequence[Argument]) -> Typed:
    values = typed(arguments)
    if not 2 <= len(values) <= 5:
        raise NoOverloadError
    pairs = [_array_of(value) for value in values]
    fields = tuple(f"field{at}" for at in range(len(pairs)))
    kind = Type("row", tuple(element for _, element in pairs), fields)
    missing = " OR ".join(f"{sql} IS NULL" for sql, _ in pairs)
    zipped = cast_sql(f"list_zip({', '.join(sql for sql, _ in pairs)})", array(kind))
    return Typed(f"CASE WHEN {missing} THEN NULL ELSE {zipped} END", array(kind))


# --- Lambdas


def _lambda(arguments: Sequence[Argument]) -> tuple[str, Type, str, Typed]:
    """Read ``(array, x -> …)``: the array, its element type, the lambda in DuckDB, its body."""
    if len(arguments) != 2 or not isinstance(arguments[1], Lambda) or arguments[1].parameters != 1:
        raise NoOverloadError
    sql, element = _array_of(arguments[0])
    head, body = arguments[1].named(element)
    return sql, element, f"{head} {body.sql}", body


def _filter(arguments: Sequence[Argument]) -> Typed:
    sql, element, function, body = _lambda(arguments)
    predicate(body)
    return Typed(f"list_filter({sql}, {function})", array(element))


def _transform(arguments: Sequence[Argument]) -> Typed:
    sql, _, function, body = _lambda(arguments)
    return Typed(f"list_transform({sql}, {function})", array(body.type))


def _match(decisive: str, found: str, *, otherwise: str) -> Builder:
    """Build ``any_match`` and its kin: ``found`` if a result is ``decisive``, NULL if one is NULL."""

    def build(arguments: Sequence[Argument]) -> Typed:
        sql, _, function, body = _lambda(arguments)
        predicate(body)
        results = f"list_transform({sql}, {function})"
        return Typed(
            f"CASE WHEN {sql} IS NULL THEN NULL "
            f"WHEN list_contains({results}, {decisive}) THEN {found} "
            f"WHEN len(list_filter({results}, lambda e: e IS NULL)) > 0 THEN NULL ELSE {otherwise} END",
            BOOLEAN,
        )

    return build


def _zip_with(arguments: Sequence[Argument]) -> Typed:
    if len(arguments) != 3 or not isinstance(arguments[2], Lambda) or arguments[2].parameters != 2:
        raise NoOverloadError
    (one, first), (other, second) = _array_of(arguments[0]), _array_of(arguments[1])
    item = arguments[2].new_name()
    body = arguments[2].body([Typed(f"{item}[1]", first), Typed(f"{item}[2]", second)])
    zipped = f"list_transform(list_zip({one}, {other}), lambda {item}: {body.sql})"
    return Typed(f"CASE WHEN {one} IS NULL OR {other} IS NULL THEN NULL ELSE {zipped} END", array(body.type))


def _reduce(arguments: Sequence[Argument]) -> Typed:
    if len(arguments) != 4 or not all(isinstance(a, Lambda) for a in arguments[2:]):
        raise NoOverloadError
    sql, element = _array_of(arguments[0])
    start, (step, finish) = typed(arguments[1:2])[0], (a for a in arguments[2:] if isinstance(a, Lambda))
    if (step.parameters, finish.parameters) != (2, 1):
        raise NoOverloadError
    state, item = step.new_name(), step.new_name()
    kind = start.type
    for _ in range(2):
        new = step.body([Typed(f"{state}.s", kind), Typed(f"{item}.x", element)])
        if coerce(new, kind) is not None:
            break
        _, kind = common([Typed("NULL", kind), new])  # the state is of the type that the step makes of it
    result = as_type(new, kind)
    given = step.new_name()
    states = cast_sql(f"{{'s': NULL, 'x': {given}}}", Type("row", (kind, element), ("s", "x")))
    listed = f"list_transform({sql}, lambda {given}: {states})"
    initial = cast_sql(
        f"{{'s': {as_type(start, kind)}, 'x': NULL}}", Type("row", (kind, element), ("s", "x"))
    )
    stepped = f"lambda {state}, {item}: {{'s': {cast_sql(result, kind)}, 'x': {item}.x}}"
    reduced = f"struct_extract(list_reduce({listed}, {stepped}, {initial}), 's')"
    head, body = finish.named(kind)
    finished = f"list_transform([{reduced}], {head} {body.sql})[1]"
    return Typed(f"CASE WHEN {sql} IS NOT NULL THEN {finished} END", body.type)


# --- Maps


def _map_part(name: str, part: int) -> Builder:
    def build(arguments: Sequence[Argument]) -> Typed:
        (value,) = typed(arguments, 1)
        return Typed(f"{name}({value.sql})", array(of(value, "map").args[part]))

    return build


def _map(arguments: Sequence[Argument]) -> Typed:
    values = typed(arguments, 0, 2)
    if not values:
        return Typed("map([], [])", _map_type(UNKNOWN, UNKNOWN))
    (keys, key), (items, item) = (_array_of(value) for value in values)
    same = check(
        "v.k IS NULL OR v.i IS NULL OR len(v.k) = len(v.i)",
        "true",
        BOOLEAN,
        _invalid("Key and value arrays must be the same length"),
    )
    present = check(_no_null("v.k"), same, BOOLEAN, _invalid("map key cannot be null"))
    unique = check(_unique("v.k"), present, BOOLEAN, _duplicates("v.k"))
    body = f"CASE WHEN v.k IS NULL OR v.i IS NULL THEN NULL WHEN {unique} THEN map(v.k, v.i) END"
    return Typed(let(body, k=keys, i=items), _map_type(key, item))


def _no_null(keys: str) -> str:
    return f"{keys} IS NULL OR NOT ({_HAS_NULL.format(keys)})"


def _unique(keys: str) -> str:
    return f"{keys} IS NULL OR len({_distinct(keys)}) = len({keys})"


def _duplicates(keys: str) -> str:
    twice = f"CAST(list_filter({keys}, lambda e, i: {_AT.format(keys)} <> i)[1] AS VARCHAR)"
    return f"'INVALID_FUNCTION_ARGUMENT: Duplicate map keys (' || {twice} || ') are not allowed'"


def _map_from_entries(arguments: Sequence[Argument]) -> Typed:
    sql, row = _array_of(*typed(arguments, 1))
    if row.name != "row" or len(row.args) != 2:
        raise NoOverloadError
    entry = check(_no_null("v.e"), "v.e", array(row), _invalid("map entry cannot be null"))
    first, second = (f"struct_extract(e, {quote_text(name)})" for name in row.fields)
    keys, items = (f"list_transform({entry}, lambda e: {part})" for part in (first, second))
    made = _map([Typed("v.k", array(row.args[0])), Typed("v.i", array(row.args[1]))])
    return Typed(let(let(made.sql, k=keys, i=items), e=sql), made.type)


def _multimap_from_entries(arguments: Sequence[Argument]) -> Typed:
    sql, row = _array_of(*typed(arguments, 1))
    if row.name != "row" or len(row.args) != 2:
        raise NoOverloadError
    key, item = row.args
    first, second = (f"struct_extract(e, {quote_text(name)})" for name in row.fields)
    entries = f"list_transform({sql}, lambda e: {{'key': {first}, 'value': {second}}})"
    return Typed(grouped(entries), _map_type(key, array(item)))


def grouped(entries: str) -> str:
    """Write a map of arrays from an array of rows ``key`` and ``value``; a key that is NULL is left out."""
    keys = _distinct("v.k")
    of_key = "list_transform(list_filter(v.e, lambda x: x.key = y), lambda z: z.value)"
    values = f"list_transform({keys}, lambda y: {of_key})"
    inner = let(f"map({keys}, {values})", e="v.e", k="list_transform(v.e, lambda x: x.key)")
    return let(
        f"CASE WHEN v.e IS NOT NULL THEN {inner} END",
        e=f"list_filter({entries}, lambda x: x.key IS NOT NULL)",
    )


def _map_entries(arguments: Sequence[Argument]) -> Typed:
    sql, key, item = _map_of(*typed(arguments, 1))
    entries = f"list_transform(map_entries({sql}), lambda e: {{'field0': e.key, 'field1': e.value}})"
    return Typed(entries, array(Type("row", (key, item), ("field0", "field1"))))


def _map_concat(arguments: Sequence[Argument]) -> Typed:
    values = typed(arguments)
    if len(values) < 2:
        raise NoOverloadError
    for value in values:
        of(value, "map")
    sqls, found = common(values)
    missing = " OR ".join(f"{sql} IS NULL" for sql in sqls)
    return Typed(f"CASE WHEN {missing} THEN NULL ELSE map_concat({', '.join(sqls)}) END", found)


def _on_entries(make: Callable[[str, Typed, Type, Type], tuple[str, Type]]) -> Builder:
    """Build a function of a map and of a lambda of key and value."""

    def build(arguments: Sequence[Argument]) -> Typed:
        if len(arguments) != 2 or not isinstance(arguments[1], Lambda) or arguments[1].parameters != 2:
            raise NoOverloadError
        sql, key, item = _map_of(arguments[0])
        name = arguments[1].new_name()
        body = arguments[1].body([Typed(f"{name}.key", key), Typed(f"{name}.value", item)])
        written, kind = make(name, body, key, item)
        entries = f"map_entries({sql})"
        if kind.name == "condition":
            made = f"map_from_entries(list_filter({entries}, lambda {name}: {written}))"
            return Typed(f"CASE WHEN {sql} IS NOT NULL THEN {made} END", _map_type(key, item))
        parts = f"list_transform({entries}, lambda {name}: {written})"
        keys, items = (f"list_transform({parts}, lambda e: e.{part})" for part in ("key", "value"))
        made = _map([Typed(keys, array(kind.args[0])), Typed(items, array(kind.args[1]))]).sql
        return Typed(f"CASE WHEN {sql} IS NOT NULL THEN {made} END", kind)

    return build


def _map_zip_with(arguments: Sequence[Argument]) -> Typed:
    if len(arguments) != 3 or not isinstance(arguments[2], Lambda) or arguments[2].parameters != 3:
        raise NoOverloadError
    (one, key, first), (other, key_, second) = _map_of(arguments[0]), _map_of(arguments[1])
    if key != key_:
        raise NoOverloadError
    name = arguments[2].new_name()
    body = arguments[2].body(
        [Typed(name, key), Typed(f"{one}[{name}]", first), Typed(f"{other}[{name}]", second)]
    )
    keys = let(_distinct("v.a"), a=f"list_concat(map_keys({one}), map_keys({other}))")
    made = f"map({keys}, list_transform({keys}, lambda {name}: {body.sql}))"
    return Typed(
        f"CASE WHEN {one} IS NULL OR {other} IS NULL THEN NULL ELSE {made} END", _map_type(key, body.type)
    )


COLLECTIONS: dict[str, Builder] = {
    "cardinality": _cardinality,
    "contains": _contains,
    "contains_sequence": _contains_sequence,
    "element_at": _element_at,
    "array_distinct": _on_array(_distinct("v.a"), array),
    "array_sort": _array_sort,
    "array_max": _extreme("max"),
    "array_min": _extreme("min"),
    "array_position": _with_one("CAST(coalesce(list_position(v.a, v.x), 0) AS BIGINT)", lambda _: BIGINT),
    "array_remove": _with_one("list_filter(v.a, lambda e: e IS DISTINCT FROM v.x)", array),
    "array_join": _array_join,
    "array_union": _array_union,
    "array_intersect": _on_arrays(
        f"list_filter({_distinct('v.a')}, lambda e: {_AT.format('v.b')} > 0)", lambda found: found
    ),
    "array_except": _on_arrays(
        f"list_filter({_distinct('v.a')}, lambda e: {_AT.format('v.b')} = 0)", lambda found: found
    ),
    "arrays_overlap": _on_arrays(_OVERLAP, lambda _: BOOLEAN),
    "slice": _slice,
    "trim_array": _trim_array,
    "flatten": _flatten,
    "repeat": _repeat,
    "sequence": _sequence,
    "ngrams": _ngrams,
    "zip": _zip,
    "zip_with": _zip_with,
    "filter": _filter,
    "transform": _transform,
    "reduce": _reduce,
    "any_match": _match("true", "true", otherwise="false"),
    "all_match": _match("false", "false", otherwise="true"),
    "none_match": _match("true", "false", otherwise="true"),
    "map": _map,
    "map_keys": _map_part("map_keys", 0),
    "map_values": _map_part("map_values", 1),
    "map_entries": _map_entries,
    "map_from_entries": _map_from_entries,
    "multimap_from_entries": _multimap_from_entries,
    "map_concat": _map_concat,
    "map_filter": _on_entries(lambda name, body, key, item: (predicate(body), Type("condition"))),
    "transform_keys": _on_entries(
        lambda name, body, key, item: (
            f"{{'key': {body.sql}, 'value': {name}.value}}",
            _map_type(body.type, item),
        )
    ),
    "transform_values": _on_entries(
        lambda name, body, key, item: (
            f"{{'key': {name}.key, 'value': {body.sql}}}",
            _map_type(key, body.type),
        )
    ),
    "map_zip_with": _map_zip_with,
}
