"""Text of SQL for Snowflake: names and types are validated and quoted here; values are bound, never written.

https://docs.snowflake.com/en/sql-reference/identifiers-syntax#double-quoted-identifiers
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime

from custody.errors import UsageError
from custody.etl.types import Type

MAX_IDENTIFIER = 255
RESERVED = "CUSTODY_"
"""How the names of the kit's own tables and columns begin in the warehouse."""

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?", re.ASCII)
"""One with digits alone would be a number of seconds to Snowflake."""
_STAGED = re.compile(r"[A-Za-z0-9_.=%/-]{1,1024}", re.ASCII)
_TYPES = {
    "string": "VARCHAR",
    "integer": "NUMBER(18,0)",
    "bigint": "NUMBER(19,0)",
    "double": "FLOAT",
    "date": "DATE",
    "timestamp": "TIMESTAMP_NTZ(6)",
    "boolean": "BOOLEAN",
    "binary": "BINARY",
    "array": "ARRAY",
    "struct": "OBJECT",
}


def identifier(name: str) -> str:
    """A name of an object or a column, quoted. Raises ``UsageError`` for one that cannot be a name."""
    if not 1 <= len(name) <= MAX_IDENTIFIER or not name.isprintable():
        raise UsageError(
            f"{name[:80]!r} cannot be a name in the warehouse.",
            f"A name has 1 to {MAX_IDENTIFIER} printable characters.",
        )
    return '"' + name.replace('"', '""') + '"'


def identifiers(names: Sequence[str]) -> str:
    """Names, quoted and separated by commas."""
    return ", ".join(map(identifier, names))


def literal(text: str) -> str:
    """A string constant, for what Snowflake lets nobody bind: comments, and roles in a policy.

    https://docs.snowflake.com/en/sql-reference/data-types-text#single-quoted-string-constants
    """
    if not text.isprintable():
        raise UsageError(f"{text[:80]!r} has characters that are not printable.")
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def staged_file(path: str) -> str:
    """The path of a file below a stage, as a constant: ``FILES`` of ``COPY INTO`` takes no bound values.

    Raises ``UsageError`` for a path with anything but what Delta writers put into one.
    """
    if not _STAGED.fullmatch(path):
        raise UsageError(
            f"The data file {path[:200]!r} has a name that is not loaded.",
            "A file's path has letters, digits and _ . = % / - only.",
        )
    return literal(path)


def column_type(kind: Type) -> str:
    """The type of a column in the warehouse. Times are UTC; every session sets its time zone so."""
    if kind.name == "decimal":
        return f"NUMBER({kind.digits},{kind.places})"
    return _TYPES[kind.name]


def holds(kind: str, data_type: str, digits: int | None, places: int | None) -> bool:
    """Whether a column as the information schema has it takes all values of a type, as they are."""
    name, _, size = kind.partition("(")
    if name == "NUMBER":
        needed = [int(part) for part in size.rstrip(")").split(",")]
        return data_type == name and (digits or 0) >= needed[0] and places == needed[1]
    # What is semi-structured is never converted in silence.
    return name in {"ARRAY", "OBJECT"} or data_type == {"VARCHAR": "TEXT"}.get(name, name)


def is_text_of(kind: Type, text: str) -> bool:
    """Whether a text is exactly a value of a type: ``CAST`` would round it, or take a part of it."""
    try:
        text.encode()
        if kind.name in {"integer", "bigint", "decimal"}:
            places = rf"(\.[0-9]{{1,{kind.places}}})?" if kind.places else ""
            return re.fullmatch(rf"-?[0-9]{{1,38}}{places}", text) is not None
        if kind.name == "date":
            return date.fromisoformat(text).isoformat() == text
        if kind.name == "timestamp":
            return _MOMENT.fullmatch(text) is not None and bool(datetime.fromisoformat(text))
    except ValueError:
        return False
    return True
