"""Names that a contract can have, made of the names that a sample has."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from custody.etl.contract import is_name

MAX_CHARACTERS = 63
_WORD = re.compile(r"[a-z0-9]+")
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def column_names(delivered: Sequence[str]) -> dict[str, str]:
    """A valid name for each delivered one, in the same order: its own where that is one."""
    found = {name: name for name in delivered if is_name(name)}
    for number, name in enumerate(delivered, start=1):
        if name and name not in found:
            found[name] = _unused(_valid(name) or f"column_{number}", {*found.values(), *delivered})
    return {name: found[name] for name in delivered if name}


def _valid(name: str) -> str:
    letters = unicodedata.normalize("NFKD", _CAPITAL.sub("_", name).replace("ß", "ss")).encode(
        "ascii", "ignore"
    )
    words = "_".join(_WORD.findall(letters.decode().lower()))[:MAX_CHARACTERS]
    return words if is_name(words) else f"field_{words}"[:MAX_CHARACTERS] if words else ""


def _unused(name: str, used: set[str]) -> str:
    number, free = 1, name
    while free in used or not is_name(free):
        number += 1
        free = f"{name[: MAX_CHARACTERS - 1 - len(str(number))]}_{number}"
    return free
