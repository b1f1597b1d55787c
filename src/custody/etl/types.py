"""The types of columns: as contracts write them, and as engines, tables and the Data Catalog call them.

    string integer bigint decimal decimal(p,s) double date timestamp boolean binary array<T> struct<name:T,…>

``integer`` has at most 18 digits, ``bigint`` 64 bits; ``decimal`` is ``decimal(18,2)``. A type has no spaces.
Terraform translates the same words (``terraform/tables.tf``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

_SQL = {"integer": "bigint"}
_WORDS = frozenset({"string", "integer", "bigint", "double", "date", "timestamp", "boolean", "binary"})
_TOKEN = re.compile(r"[a-z][a-z0-9_]{0,62}|[0-9]{1,2}|[<>(),:]")
_MAX_DIGITS = 38
_MAX_DEPTH = 8
EXPECTED = (
    "string, integer, bigint, decimal, decimal(p,s), double, date, timestamp, boolean, binary, array<T>, "
    "struct<name:T,…>"
)


@dataclass(frozen=True, slots=True)
class Type:
    """A type: what a value of it is made of."""

    name: str
    digits: int = 0
    """Of a decimal: all digits, and those after the point."""
    places: int = 0
    parts: tuple[tuple[str, Type], ...] = ()
    """The fields of a struct; the element of an array, without a name."""

    @property
    def sql(self) -> str:
        """The type in the engine's SQL and in the Data Catalog."""
        if self.name == "decimal":
            return f"decimal({self.digits},{self.places})"
        if self.name == "array":
            return f"array<{self.parts[0][1].sql}>"
        if self.name == "struct":
            return f"struct<{','.join(f'{name}:{part.sql}' for name, part in self.parts)}>"
        return _SQL.get(self.name, self.name)


@cache
def parse_type(text: str) -> Type:
    """Read a type. Raises ``ValueError``, saying what is wrong."""
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != text:
        raise ValueError(f"not one of {EXPECTED}")
    found = _type(tokens, 0)
    if tokens:
        raise ValueError(f"not one of {EXPECTED}")
    return found


def _type(tokens: list[str], depth: int) -> Type:
    word = tokens.pop(0) if tokens else ""
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deep")
    if word in _WORDS:
        return Type(word)
    if word == "decimal":
        return _decimal(tokens)
    if word == "array":
        _expect(tokens, "<")
        element = _type(tokens, depth + 1)
        _expect(tokens, ">")
        return Type("array", parts=(("", element),))
    if word == "struct":
        return Type("struct", parts=_fields(tokens, depth + 1))
    raise ValueError(f"not one of {EXPECTED}")


def _decimal(tokens: list[str]) -> Type:
    if tokens[:1] != ["("]:
        return Type("decimal", 18, 2)
    numbers = tokens[1:5:2]
    if tokens[2:6:2] != [",", ")"] or not all(map(str.isdecimal, numbers)):
        raise ValueError("not decimal(p,s)")
    del tokens[:5]
    digits, places = map(int, numbers)
    if not 1 <= digits <= _MAX_DIGITS or places > digits:
        raise ValueError(f"not a decimal of 1 to {_MAX_DIGITS} digits, of which some are places")
    return Type("decimal", digits, places)


def _fields(tokens: list[str], depth: int) -> tuple[tuple[str, Type], ...]:
    fields: dict[str, Type] = {}
    _expect(tokens, "<")
    while not fields or tokens[:1] == [","]:
        if fields:
            tokens.pop(0)
        name = tokens.pop(0) if tokens else ""
        if not name[:1].isalpha() or name in fields:
            raise ValueError("a struct whose fields have no different names")
        _expect(tokens, ":")
        fields[name] = _type(tokens, depth)
    _expect(tokens, ">")
    return tuple(fields.items())


def _expect(tokens: list[str], token: str) -> None:
    if not tokens or tokens.pop(0) != token:
        raise ValueError(f"not one of {EXPECTED}")
