"""Answers as tables for people. All text from outside goes through ``visible``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice

from rich.table import Table
from rich.text import Text

from custody.cli.options import Run
from custody.ledger import LedgerRow, LedgerStatus
from custody.terminal import shorten, visible
from custody.times import format_time

STYLES: dict[str, str] = {
    LedgerStatus.VERIFIED: "green",
    LedgerStatus.LATE: "yellow",
    LedgerStatus.PENDING: "cyan",
    LedgerStatus.UNTRACKED: "magenta",
    LedgerStatus.MISMATCH: "bold red",
    LedgerStatus.UNPROVENANCED: "bold red",
    LedgerStatus.UNWITNESSED: "bold red",
}

_BLOCK_ROWS = 500
"""A table is laid out in memory: a ledger of any length is printed in blocks, each with the same widths."""


def print_ledger(run: Run, rows: Iterable[LedgerRow]) -> None:
    """Print the ledger as it streams in, then how many rows of each status there were."""
    counts: Counter[str] = Counter()
    # time, status, layer and the digest's beginning have fixed widths; who, from and object share the rest
    fixed = {"time": 20, "status": 13, "layer": 10, "sha-256": 12}
    room = max(run.out.width - sum(fixed.values()) - 2 * 6, 45)
    widths = fixed | {"who": room * 3 // 10, "from": min(room * 2 // 10, 39)}
    widths["object"] = room - widths["who"] - widths["from"]
    remaining = iter(rows)
    while block := list(islice(remaining, _BLOCK_ROWS)):
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=not counts, header_style="bold")
        for name in ("time", "status", "layer", "object", "who", "from", "sha-256"):
            table.add_column(name, width=widths[name], overflow="fold")
        for row in block:
            counts[row.status] += 1
            table.add_row(
                format_time(row.time.replace(microsecond=0)) if row.time else "unknown",
                Text(visible(row.status), style=STYLES.get(row.status, "")),
                visible(row.layer),
                visible(row.object_key),
                shorten(visible(row.who), widths["who"]),
                shorten(visible(row.source_ip or row.invoked_by or ""), widths["from"]),
                (row.sha256 or "none")[:12],
            )
        run.out.print(table)
    if not counts:
        run.say("No row of the ledger answers to that.")
        return
    run.say(
        f"{plural(counts.total(), 'row')}: "
        + ", ".join(f"{number:,} {status}" for status, number in counts.most_common())
    )


def plural(number: int, noun: str) -> str:
    """``1 row``, ``2,000 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
