"""All the functions that Athena documents, by name: ``functions.tsv``."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_LIST = Path(__file__).with_name("functions.tsv")


@dataclass(frozen=True, slots=True)
class Documented:
    """A function of Athena's list: where Trino documents it, an expression of it and its value.

    ``example`` is empty where this engine does not run the function.
    """

    name: str
    page: str
    example: str
    value: str


@lru_cache(maxsize=1)
def documented() -> tuple[Documented, ...]:
    """Return Athena's functions in the order of their names."""
    with _LIST.open(encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return tuple(Documented(*row) for row in rows)


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(each.name for each in documented())


def is_athenas(name: str) -> bool:
    """Say whether Athena has a function of this name, in lower case."""
    return name in _names()
