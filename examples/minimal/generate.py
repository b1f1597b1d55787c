"""Make machines to show the data set with: two lists, the second with a machine more."""

from __future__ import annotations

import random
from collections.abc import Iterator

from scripts.demo.dataset import File, Truth

HEADER = "machine_id,operator,installed_on,price\n"


def deliveries(rows: int, seed: int, dirt: float | None = 0.02) -> dict[str, Iterator[File]]:
    """Make a list of so many machines, and another a day later."""
    return {"machines": (_list(day, rows, seed, dirt or 0.0) for day in (15, 16))}


def _list(day: int, rows: int, seed: int, dirt: float) -> File:
    rng = random.Random(f"{seed} {day}")  # noqa: S311 - data, not a secret
    truth, lines = Truth(f"incoming/machines/2026-01-{day}.csv"), [HEADER]
    for number in range(rows + day - 15):
        truth.rows += 1
        installed = f"2025-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}"
        if rng.random() < dirt:
            installed = "2025-02-30"
            truth.rejected["installed_on:not_date"] += 1
        lines.append(f"m{number:05d},Operator {number % 7},{installed},{rng.randrange(20, 900)}.50\n")
    body = "".join(lines).encode()
    truth.size_bytes = len(body)
    return truth, iter([body])
