"""Functions of JSON.

https://trino.io/docs/current/functions/json.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

from scripts.local_aws.athena.model import QueryError
from scripts.local_aws.athena.natives import numbers
from scripts.local_aws.athena.natives.paths import MalformedError, Members, Number, Value, find, read, tokens
from scripts.local_aws.athena.natives.registry import invalid, provide
from scripts.local_aws.athena.types import Type, java_double, parse_type

_CONTROLS = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def write(value: Value, *, ordered: bool) -> str:
    """Write a value as Jackson does: without spaces, doubles as in Java; ``ordered``: by keys, each once."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return json_text(value)
        case Number():
            return _number(value)
        case list():
            return f"[{','.join(write(item, ordered=ordered) for item in value)}]"
        case Members():
            items = list(value.items)
            if ordered:
                items = sorted(value.last().items(), key=lambda item: item[0].encode("utf-16-be"))
            return f"{{{','.join(f'{json_text(k)}:{write(v, ordered=ordered)}' for k, v in items)}}}"


def _number(number: Number) -> str:
    if number.is_integer:
        return str(int(number.text))
    value = float(number.text)
    return f'"{java_double(value)}"' if value in (float("inf"), float("-inf")) else java_double(value)


@provide("VARCHAR -> VARCHAR")
def json_text(text: str) -> str:
    """Write a JSON string."""
    escaped = re.sub(r'["\\\x00-\x1f]', lambda m: _CONTROLS.get(m[0]) or f"\\u{ord(m[0]):04X}", text)
    return f'"{escaped}"'


@provide("DOUBLE -> VARCHAR")
def json_double(value: float) -> str:
    """Write a number; what JSON has no number for becomes a string."""
    finite = value - value == 0
    return java_double(value) if finite else f'"{java_double(value)}"'


def _not_plain(written: str) -> None:
    """Leave what Python writes otherwise than Jackson, if it is JSON at all, to the exact way."""
    raise ValueError(written)


@provide("VARCHAR -> VARCHAR")
def json_parse(text: str) -> str:
    """Read a whole document; keys are sorted, the last of a key twice wins."""
    if text.isascii() and "\\u" not in text:
        with suppress(ValueError, RecursionError):
            plain = json.loads(text, parse_float=_not_plain, parse_constant=_not_plain)
            return json.dumps(plain, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
    try:
        return write(read(text), ordered=True)
    except MalformedError as error:
        raise invalid(f"Cannot convert value to JSON: '{text}'") from error


@provide("VARCHAR, VARCHAR -> VARCHAR")
def json_extract(text: str, path: str) -> str | None:
    """Return the value at a path."""
    return next((write(value, ordered=False) for value in find(text, path)), None)


@provide("VARCHAR, VARCHAR -> VARCHAR")
def json_extract_scalar(text: str, path: str) -> str | None:
    """Return the scalar at a path as it is written; NULL for ``null``, an array and an object."""
    for value in find(text, path):
        match value:
            case bool():
                return "true" if value else "false"
            case Number():
                return value.text
            case str():
                return value
    return None


_WRITTEN = json.JSONDecoder(
    parse_float=str, parse_int=str, object_pairs_hook=lambda members: dict(reversed(members))
)
"""Reads numbers as they are written; the first of a name wins."""


@provide("VARCHAR, VARCHAR -> VARCHAR")
def json_number(text: str, path: str) -> str:
    """Return the number that DuckDB has found at a path of a valid document, as it is written."""
    value = _WRITTEN.decode(text)
    for step in tokens(path):
        value = value[int(step)] if isinstance(value, list) else value[step]
    return str(value)


@provide("VARCHAR, VARCHAR -> BIGINT")
def json_size(text: str, path: str) -> int | None:
    """Return how many members the value at a path has; 0 for a scalar."""
    for value in find(text, path):
        match value:
            case list():
                return len(value)
            case Members():
                return len(value.items)
            case _:
                return 0
    return None


def _elements(text: str) -> list[Value] | None:
    for value in find(text, "$"):
        if isinstance(value, list):
            return value
    return None


@provide("VARCHAR -> BIGINT")
def json_array_length(text: str) -> int | None:
    """Return the length of an array, NULL of anything else."""
    elements = _elements(text)
    return None if elements is None else len(elements)


@provide("VARCHAR, BIGINT -> VARCHAR")
def json_array_get(text: str, index: int) -> str | None:
    """Return an element of an array; a negative index counts from its end."""
    elements = _elements(text) or []
    if not -len(elements) <= index < len(elements):
        return None
    return write(elements[index], ordered=False)


def _contains(text: str, same: Callable[[Value], bool]) -> bool | None:
    elements = _elements(text)
    return None if elements is None else any(same(element) for element in elements)


@provide("VARCHAR, VARCHAR -> BOOLEAN")
def json_array_contains_text(text: str, wanted: str) -> bool | None:
    """Say whether an array has this string."""
    return _contains(text, lambda element: isinstance(element, str) and element == wanted)


@provide("VARCHAR, BIGINT -> BOOLEAN")
def json_array_contains_integer(text: str, wanted: int) -> bool | None:
    """Say whether an array has this number, written without a fraction."""
    return _contains(
        text,
        lambda element: isinstance(element, Number) and element.is_integer and int(element.text) == wanted,
    )


@provide("VARCHAR, DOUBLE -> BOOLEAN")
def json_array_contains_double(text: str, wanted: float) -> bool | None:
    """Say whether an array has this number, written with a fraction or an exponent."""
    return _contains(
        text,
        lambda element: (
            isinstance(element, Number) and not element.is_integer and float(element.text) == wanted
        ),
    )


@provide("VARCHAR, BOOLEAN -> BOOLEAN")
def json_array_contains_boolean(text: str, wanted: bool) -> bool | None:
    """Say whether an array has this boolean."""
    return _contains(text, lambda element: element is wanted)


@provide("VARCHAR -> BOOLEAN")
def is_json_scalar(text: str) -> bool:
    """Say whether a document is neither array nor object."""
    try:
        return not isinstance(read(text), list | Members)
    except MalformedError as error:
        raise invalid(f"Invalid JSON value: {text}") from error


# --- Casts

_INTEGER_LIMITS = {"tinyint": 7, "smallint": 15, "integer": 31, "bigint": 63}


@provide("VARCHAR, VARCHAR -> VARCHAR")
def json_cast(text: str, to: str) -> str | None:
    """Return JSON that has the shape of a type: of a scalar's the value alone, as text.

    DuckDB casts what comes back without a choice of its own.
    """
    kind = parse_type(to)
    value = read(text)
    if kind.name in ("array", "map", "row"):
        return None if value is None else write(_shaped(value, kind), ordered=False)
    shaped = _shaped(value, kind)
    match shaped:
        case None:
            return None
        case bool():
            return "true" if shaped else "false"
        case Number():
            return shaped.text
        case str():
            return shaped
    return write(shaped, ordered=False)


def _shaped(value: Value, kind: Type) -> Value:
    if value is None:
        return None
    match kind.name:
        case "array":
            if not isinstance(value, list):
                raise _not_castable(value, kind)
            return [_shaped(item, kind.args[0]) for item in value]
        case "map":
            if not isinstance(value, Members):
                raise _not_castable(value, kind)
            key, item = kind.args
            return Members(tuple((_key(k, key), _shaped(v, item)) for k, v in value.items))
        case "row":
            return _row(value, kind)
        case "json":
            return read(write(value, ordered=True))
    if isinstance(value, list | Members):
        raise _not_castable(value, kind)
    return _scalar(value, kind)


def _key(key: str, kind: Type) -> str:
    shaped = _scalar(key, kind)
    return shaped.text if isinstance(shaped, Number) else str(shaped)


def _row(value: Value, kind: Type) -> Value:
    if isinstance(value, list):
        if len(value) != len(kind.args):
            raise _not_castable(value, kind)
        items = list(value)
    elif isinstance(value, Members):
        given = {name.lower(): item for name, item in value.items}
        items = [given.get(name.lower()) for name in kind.fields]
    else:
        raise _not_castable(value, kind)
    named = zip(kind.fields, items, kind.args, strict=True)
    return Members(tuple((name, _shaped(item, inner)) for name, item, inner in named))


def _scalar(value: Number | str | bool, kind: Type) -> Value:
    if kind.name == "varchar":
        if isinstance(value, Number) and not value.is_integer:
            raise QueryError("NOT_SUPPORTED", f"cast of the JSON number {value.text} to varchar")
        return (
            value.text
            if isinstance(value, Number)
            else write(value, ordered=False)
            if isinstance(value, bool)
            else value
        )
    if kind.name == "boolean":
        if isinstance(value, Number):
            return float(value.text) != 0
        return numbers.to_boolean(value) if isinstance(value, str) else value
    if kind.is_integer:
        return Number(str(_integer(value, kind)))
    if kind.name in ("double", "real"):
        number = numbers.to_double(value) if isinstance(value, str) else float(_text(value))
        return Number(repr(number)) if number - number == 0 else str(number)
    if kind.name == "decimal":
        written = numbers.to_decimal(_text(value), *kind.params)
        return Number(written)
    raise QueryError("TYPE_MISMATCH", f"Cannot cast json to {kind}")


def _integer(value: Number | str | bool, kind: Type) -> int:
    if isinstance(value, str):
        return numbers.to_integer(value, kind.name)
    number = (
        int(_text(value))
        if isinstance(value, bool) or value.is_integer
        else numbers.rounded(float(value.text))
    )
    limit = 2 ** _INTEGER_LIMITS[kind.name]
    if not -limit <= number < limit:
        raise QueryError("INVALID_CAST_ARGUMENT", f"Cannot cast '{_text(value)}' to {kind.name.upper()}")
    return number


def _text(value: Number | str | bool) -> str:
    return str(int(value)) if isinstance(value, bool) else value.text if isinstance(value, Number) else value


def _not_castable(value: Value, kind: Type) -> QueryError:
    return QueryError("INVALID_CAST_ARGUMENT", f"Cannot cast to {kind}. {write(value, ordered=False)}")


# --- SQL/JSON paths

_SQL_STEP = re.compile(
    r"""\s*(?:\.\s*(?P<name>[A-Za-z_$][\w$]*)(?!\s*\() | \.\s*"(?P<quoted>(?:[^"\\]|\\.)*)"
      | \.\s*(?P<members>\*) | \[\s*(?P<index>\d+)\s*\] | \[\s*(?P<elements>\*)\s*\])""",
    re.VERBOSE,
)


class StructuralError(Exception):
    """The path of a strict mode names what is not there."""


def sequence(text: str, path: str) -> list[Value]:
    """Return the items of a path: members, elements and wildcards, lax or strict; more is not supported."""
    written = re.fullmatch(r"\s*(lax|strict)\s+\$(.*)", path, re.DOTALL)
    if written is None:
        raise QueryError(
            "INVALID_PATH", f"mismatched input in the JSON path {path!r}, which begins with lax or strict"
        )
    lax, steps, at = written[1] == "lax", written[2], 0
    items = [read(text)]
    while steps[at:].strip():
        step = _SQL_STEP.match(steps, at)
        if step is None:
            raise QueryError("NOT_SUPPORTED", f"{steps[at:]!r} in a JSON path")
        at = step.end()
        items = [found for item in items for found in _selected(item, step, lax=lax)]
    return items


def _selected(item: Value, step: re.Match[str], *, lax: bool) -> list[Value]:
    if step["index"] is not None or step["elements"]:
        if not isinstance(item, list):
            if not lax:
                raise StructuralError
            item = [item]
        if step["elements"]:
            return list(item)
        index = int(step["index"])
        if index >= len(item):
            if lax:
                return []
            raise StructuralError
        return [item[index]]
    if lax and isinstance(item, list):
        return [found for inner in item for found in _member(inner, step, lax=True)]
    return _member(item, step, lax=lax)


def _member(item: Value, step: re.Match[str], *, lax: bool) -> list[Value]:
    if isinstance(item, Members):
        members = item.last()
        if step["members"]:
            return list(members.values())
        name = step["name"] if step["name"] is not None else re.sub(r"\\(.)", r"\1", step["quoted"])
        if name in members:
            return [members[name]]
    if lax:
        return []
    raise StructuralError


def check_path(path: str) -> None:
    """Raise ``QueryError`` if a path is none, or more than is supported."""
    with suppress(StructuralError):
        sequence("null", path.replace("strict", "lax", 1))


@provide("VARCHAR, VARCHAR -> VARCHAR")
def json_value(text: str, path: str) -> str | None:
    """Return the one scalar of a path as text; NULL where it is empty or an error, as by default."""
    items = _items(text, path)
    if items is None or len(items) != 1 or isinstance(items[0], list | Members) or items[0] is None:
        return None
    (value,) = items
    if isinstance(value, Number):
        return _plain(value)
    return value if isinstance(value, str) else write(value, ordered=False)


def _plain(number: Number) -> str:
    """Print a number of a path: an integer or a decimal."""
    if re.search("[eE]", number.text):
        raise QueryError("NOT_SUPPORTED", f"json_value of {number.text}")
    return str(int(number.text)) if number.is_integer else f"{Decimal(number.text):f}"


@provide("VARCHAR, VARCHAR -> VARCHAR")
def json_query(text: str, path: str) -> str | None:
    """Return the one item of a path as JSON, NULL if there is none, more than one, or an error."""
    items = _items(text, path)
    return write(items[0], ordered=False) if items is not None and len(items) == 1 else None


@provide("VARCHAR, VARCHAR -> BOOLEAN")
def json_exists(text: str, path: str) -> bool:
    """Say whether a path has items; an error says no."""
    return bool(_items(text, path))


def _items(text: str, path: str) -> list[Value] | None:
    try:
        return sequence(text, path)
    except (MalformedError, StructuralError):
        return None
