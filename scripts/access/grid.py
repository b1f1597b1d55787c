"""The matrix for a terminal: a line per principal, a column per subject, and every row that does not hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from custody.terminal import visible
from scripts.access.evaluate import Outcome
from scripts.access.summary import KINDS, SUBJECTS, Cell, cells, group_of, principals

WIDTH = 160


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    """Print the grid, each row that does not hold with the statement that decided it, and the totals."""
    rows = [outcome.row for outcome in outcomes]
    broken = [outcome for outcome in outcomes if not outcome.holds]
    found = cells(rows, frozenset(outcome.row for outcome in broken))
    for title, subjects in SUBJECTS.items():
        console.print(_half(title, subjects, principals(rows), found))
        console.print()
    console.print(
        "capital: allowed, [dim]small: denied[/], both: it depends, [red]![/]: not as the matrix says;  "
        + ", ".join(f"{letter} {meaning}" for letter, meaning in KINDS.items())
    )
    for outcome in broken:
        console.print(f"[red]![/] {escape(visible(str(outcome)))}\n    {escape(outcome.row.why)}")
    console.print(_sum(outcomes))


def _half(
    title: str, subjects: Sequence[str], who: Sequence[str], found: Mapping[tuple[str, str], Cell]
) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column(title.replace(", ", ",\n"), no_wrap=True)
    for subject in subjects:
        table.add_column(subject.replace(" ", "\n").replace("-", "-\n"), no_wrap=True)
    shown = [one for one in who if any((one, subject) in found for subject in subjects)]
    for before, one in zip([None, *shown], shown, strict=False):
        if before is not None and group_of(before) != group_of(one):
            table.add_row()
        table.add_row(one, *(_cell(found.get((one, subject))) for subject in subjects))
    return table


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return ""
    allowed = "".join(letter for letter in cell.letters if letter.isupper())
    denied = "".join(letter for letter in cell.letters if letter.islower())
    mark = "[red]![/]" if cell.broken else ""
    return f"{mark}[bold green]{allowed}[/][dim]{denied}[/]"


def _sum(outcomes: Sequence[Outcome]) -> str:
    denials = sum(outcome.row.effect == "deny" for outcome in outcomes)
    undecided = sum(outcome.answer.decision is None for outcome in outcomes)
    wrong = sum(not outcome.holds for outcome in outcomes) - undecided
    return (
        f"{len(outcomes)} rows, {denials} of them denials:"
        f" {len(outcomes) - wrong - undecided} hold, {wrong} do not, {undecided} inconclusive"
    )
