"""Conditions, and what is said of a value or of the session."""

from __future__ import annotations

from collections.abc import Sequence

from scripts.local_aws.athena.casts import Typed, text, tried
from scripts.local_aws.athena.functions.building import Argument, Builder, common, generic, typed
from scripts.local_aws.athena.model import QueryError
from scripts.local_aws.athena.types import Type


def _nullif(arguments: Sequence[Argument]) -> Typed:
    values = typed(arguments, 2)
    sqls, _ = common(values)
    return Typed(f"CASE WHEN {sqls[0]} = {sqls[1]} THEN NULL ELSE {values[0].sql} END", values[0].type)


def _extreme(name: str) -> Builder:
    def build(arguments: Sequence[Argument]) -> Typed:
        sqls, found = common(typed(arguments))
        missing = " OR ".join(f"{sql} IS NULL" for sql in sqls)
        return Typed(f"CASE WHEN {missing} THEN NULL ELSE {name}({', '.join(sqls)}) END", found)

    return build


def _try(arguments: Sequence[Argument]) -> Typed:
    (value,) = typed(arguments, 1)
    return tried(value)


def _typeof(arguments: Sequence[Argument]) -> Typed:
    (value,) = typed(arguments, 1)
    if value.text is not None:
        return text(f"varchar({len(value.text)})")
    return text(_type_name(value.type))


def _type_name(of: Type) -> str:
    """Return a type as Trino writes it. A varchar's length, which is part of its name, is not known here."""
    match of.name:
        case "varchar":
            raise QueryError("NOT_SUPPORTED", "typeof a varchar that is no literal: its length is not known")
        case "timestamp":
            return f"timestamp({(of.params or (3,))[0]})"
        case "timestamp with time zone":
            return f"timestamp({(of.params or (3,))[0]}) with time zone"
        case "row":
            names = ["" if name.startswith("field") else f"{name} " for name in of.fields]
            parts = [f"{name}{_type_name(t)}" for name, t in zip(names, of.args, strict=True)]
            return f"row({', '.join(parts)})"
        case "decimal" | "char":
            return f"{of.name}({','.join(map(str, of.params))})"
    if of.args:
        return f"{of.name}({', '.join(map(_type_name, of.args))})"
    return of.name


CONDITIONAL: dict[str, Builder] = {
    "coalesce": generic("coalesce"),
    "nullif": _nullif,
    "try": _try,
    "greatest": _extreme("greatest"),
    "least": _extreme("least"),
    "typeof": _typeof,
    "current_timezone": lambda arguments: text("UTC") if not typed(arguments, 0) else text(""),
}
