"""Consoles: plain text for people, on a terminal, in a file or through a pipe."""

from __future__ import annotations

import os
from typing import IO

from rich.console import Console

PIPE_WIDTH = 200
"""Width in columns of a table written to a file or a pipe, where no terminal gives a width."""


class _Console(Console):
    """A console that leaves a closed output pipe to the root handler."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def text_console(stream: IO[str]) -> Console:
    """Return a console that prints text unchanged: no markup, no emoji codes, no automatic highlighting."""
    console = _Console(file=stream, markup=False, emoji=False, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    return console
