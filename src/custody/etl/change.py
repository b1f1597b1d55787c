"""Changes of a contract: which of them keep what is there, and what the others would lose.

A silver table lives on under its changed contract. It may gain columns, rename them (the old name becomes an
alias) and widen exact numbers; its rules may change in any way, since rows that are there stay as they were
judged. What would lose values, or give rows another key or another order of deliveries, needs a new table.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from custody.etl.contract import Contract

_DECIMAL = re.compile(r"decimal\(\s*([0-9]+)\s*,\s*([0-9]+)\s*\)")
_INTEGERS = {"integer": 18, "bigint": 19}
"""How many digits a value may have."""
_HOLDS = {"integer": 18, "bigint": 18}
"""How many digits every value of which fits."""


def sources(
    there: Iterable[str], wanted: Iterable[str], aliases: Mapping[str, Iterable[str]]
) -> dict[str, str | None]:
    """For each wanted column, the column that has its values: itself, or one with an earlier name of it.

    ``None`` for a column that is new. A column that is still wanted itself is not an earlier one.
    """
    present, names = set(there), list(wanted)
    kept = present.intersection(names)
    return {
        name: name
        if name in present
        else next((alias for alias in aliases.get(name, ()) if alias in present - kept), None)
        for name in names
    }


def widens(old: str, new: str) -> bool:
    """Whether a type holds every value of another exactly, as a contract or as Spark writes them."""
    if old == new:
        return True
    was, becomes = _digits(old, _INTEGERS), _digits(new, _HOLDS)
    return was is not None and becomes is not None and was[0] <= becomes[0] and was[1] <= becomes[1]


def losses(old: Contract, new: Contract) -> list[str]:
    """A sentence for each thing that would be lost if a silver table went on under a changed contract."""
    if new.source is None:
        return ["It is made of raw objects, and would be made of other tables: its rows would be replaced."]
    before = {column.name: column for column in old.columns}
    after = {column.name: column for column in new.columns}
    came_from = sources(before, after, {column.name: column.aliases for column in new.columns})
    found = [
        f"The column {name} is gone, and with it the values of the rows that are there. Keep it (it need not "
        "be required), or list its name in the aliases of the column that has its values now."
        for name in before.keys() - set(came_from.values())
    ]
    for name, source in came_from.items():
        if source is None or before[source].kind == after[name].kind:
            continue
        if not widens(was := before[source].type, now := after[name].type):
            found.append(
                f"The column {name} is {was} and would become {now}, which does not hold every value of it."
            )
    names = {source: name for name, source in came_from.items() if source is not None}
    found += _rules(old, new, names)
    return sorted(found)


def _rules(old: Contract, new: Contract, names: Mapping[str, str]) -> Iterable[str]:
    """What is about the rows as a whole; ``names`` has the new name of each column that is kept."""
    if _renamed(old.key, names) != {*new.key}:
        yield (
            f"The key is {_list(old.key)} and would become {_list(new.key)}: rows that are there would be "
            "replaced by rows that are not about the same, or stand twice."
        )
    day = old.day and (old.day[0], names.get(old.day[1], old.day[1]))
    if day != new.day:
        yield (
            f"The day is {_day(old.day)} and would become {_day(new.day)}: rows that are there would be of "
            "another day than they say."
        )
    before, after = old.raw(), new.raw()
    if before.wins != after.wins:
        yield (
            f"Of rows with one key the {before.wins} stays, and the {after.wins} would: of those there only "
            f"the {before.wins} was kept."
        )
    if (before.arrives, before.prefix) != (after.arrives, after.prefix):
        yield (
            f"Its objects arrive under {before.prefix} and would under {after.prefix}: what has arrived and "
            "is not processed would never be."
        )


def _renamed(columns: Collection[str], names: Mapping[str, str]) -> set[str]:
    return {names.get(column, column) for column in columns}


def _list(names: Collection[str]) -> str:
    return ", ".join(names)


def _day(day: tuple[str, str] | None) -> str:
    return "none" if day is None else f"{day[0]} of {day[1]}"


def _digits(kind: str, integers: Mapping[str, int]) -> tuple[int, int] | None:
    """The digits before and after the point of an exact number; ``None`` for another type."""
    if kind in integers:
        return integers[kind], 0
    match = _DECIMAL.fullmatch("decimal(18,2)" if kind == "decimal" else kind)
    return (int(match[1]) - int(match[2]), int(match[2])) if match else None
