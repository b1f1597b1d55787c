"""Functions of JSON.

https://trino.io/docs/current/functions/json.html
"""

from __future__ import annotations

from collections.abc import Sequence

from scripts.local_aws.athena.casts import Typed, once
from scripts.local_aws.athena.functions.building import (
    Argument,
    Builder,
    NoOverloadError,
    as_type,
    constant,
    typed,
)
from scripts.local_aws.athena.natives import documents, native, paths
from scripts.local_aws.athena.types import BIGINT, BOOLEAN, DOUBLE, JSON, VARCHAR, Type, quote_text

_NO_NUMBER = r"\s*[-+]?(?i:nan|inf)"
_UNCERTAIN = (f"^{_NO_NUMBER}", f":{_NO_NUMBER}", rf"\[{_NO_NUMBER}", rf",(?:{_NO_NUMBER}|\s*[\]}}])")
"""Where DuckDB may find JSON to be valid that Athena does not: looked for within strings, too. One pattern of
all, which begins with no certain character, takes twice as long."""


def _document(value: Argument) -> str:
    """Return JSON's text."""
    if isinstance(value, Typed) and value.type == JSON:
        return f"CAST({value.sql} AS VARCHAR)"
    return as_type(value, VARCHAR)


def _path(value: Argument) -> str:
    path = constant(value, "JSON path")
    paths.tokens(path)
    return quote_text(path)


def _json_extract(arguments: Sequence[Argument]) -> Typed:
    document, path = typed(arguments, 2)
    return Typed(f"CAST({native('json_extract', _document(document), _path(path))} AS JSON)", JSON)


def _json_extract_scalar(arguments: Sequence[Argument]) -> Typed:
    """Leave to DuckDB what it reads alike, texts and booleans of valid documents; it is many times faster."""
    document, path = typed(arguments, 2)
    sql = _document(document)
    steps = paths.tokens(constant(path, "JSON path"))
    if document.text is not None or any(set(step) & set('"\\*') for step in steps):
        return Typed(native("json_extract_scalar", sql, _path(path)), VARCHAR)
    return Typed(once(sql, lambda text: _scalar(text, path, steps, parsed=document.type == JSON)), VARCHAR)


def _scalar(sql: str, path: Typed, steps: Sequence[str], *, parsed: bool) -> str:
    exact = native("json_extract_scalar", sql, _path(path))
    own = quote_text("$" + "".join(f"[{step}]" if step.isdecimal() else f'."{step}"' for step in steps))
    kind = f"json_type({sql}, {own})"
    is_place = any(step.isdecimal() for step in steps)  # it may be a member's name, too
    missing = f"WHEN {kind} IS NULL THEN {exact} " if is_place else ""
    read = (
        f"CASE WHEN {kind} IN ('VARCHAR', 'BOOLEAN', 'UBIGINT') THEN json_extract_string({sql}, {own}) "
        f"WHEN {kind} IN ('BIGINT', 'HUGEINT', 'UHUGEINT', 'DOUBLE') "
        f"THEN {native('json_number', sql, _path(path))} "
        f"{missing}END"
    )
    uncertain = " OR ".join(f"regexp_matches({sql}, {quote_text(pattern)})" for pattern in _UNCERTAIN)
    sure = f"json_valid({sql}) AND NOT ({uncertain})"
    return read if parsed else f"CASE WHEN {sure} THEN {read} ELSE {exact} END"


def _of_document(name: str, result: Type) -> Builder:
    def build(arguments: Sequence[Argument]) -> Typed:
        (value,) = typed(arguments, 1)
        return Typed(native(name, _document(value)), result)

    return build


def _json_parse(arguments: Sequence[Argument]) -> Typed:
    (value,) = typed(arguments, 1)
    return Typed(f"CAST({native('json_parse', as_type(value, VARCHAR))} AS JSON)", JSON)


def _json_format(arguments: Sequence[Argument]) -> Typed:
    (value,) = typed(arguments, 1)
    return Typed(f"CAST({as_type(value, JSON)} AS VARCHAR)", VARCHAR)


def _json_size(arguments: Sequence[Argument]) -> Typed:
    document, path = typed(arguments, 2)
    return Typed(native("json_size", _document(document), _path(path)), BIGINT)


def _json_array_get(arguments: Sequence[Argument]) -> Typed:
    document, index = typed(arguments, 2)
    return Typed(
        f"CAST({native('json_array_get', _document(document), as_type(index, BIGINT))} AS JSON)", JSON
    )


def _json_array_contains(arguments: Sequence[Argument]) -> Typed:
    document, wanted = typed(arguments, 2)
    for name, to in (("boolean", BOOLEAN), ("integer", BIGINT), ("double", DOUBLE), ("text", VARCHAR)):
        if (
            wanted.type == to
            or (to == BIGINT and wanted.type.is_integer)
            or (to == DOUBLE and wanted.type.is_numeric)
        ):
            call = native(f"json_array_contains_{name}", _document(document), as_type(wanted, to))
            return Typed(call, BOOLEAN)
    raise NoOverloadError


def _by_sql_path(name: str, result: Type) -> Builder:
    """Build a function of a path of SQL/JSON, which must be a literal."""

    def build(arguments: Sequence[Argument]) -> Typed:
        document, path = typed(arguments, 2)
        written = constant(path, "JSON path")
        documents.check_path(written)
        return Typed(native(name, as_type(document, VARCHAR), quote_text(written)), result)

    return build


DOCUMENTS: dict[str, Builder] = {
    "json_extract": _json_extract,
    "json_extract_scalar": _json_extract_scalar,
    "json_parse": _json_parse,
    "json_format": _json_format,
    "json_size": _json_size,
    "json_array_length": _of_document("json_array_length", BIGINT),
    "json_array_get": _json_array_get,
    "json_array_contains": _json_array_contains,
    "is_json_scalar": _of_document("is_json_scalar", BOOLEAN),
    "json_value": _by_sql_path("json_value", VARCHAR),
    "json_query": _by_sql_path("json_query", VARCHAR),
    "json_exists": _by_sql_path("json_exists", BOOLEAN),
}
