"""Consoles: text for people, as it is, to a terminal, a file or a pipe."""

from __future__ import annotations

import os
from typing import IO

from rich.console import Console

PIPE_WIDTH = 200
"""Columns of a table that goes into a file or a pipe, where no terminal says how many there are."""


class _Console(Console):
    """A console that leaves it to the root handler what happens when the reader of our output goes away."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def text_console(stream: IO[str]) -> Console:
    """Return a console that takes text as it is: no markup, no emoji codes, nothing highlighted by guess."""
    console = _Console(file=stream, markup=False, emoji=False, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    return console
