"""What the demonstration shows only if it is asked for: ``--with NAME,…``, ``make demo WITH=NAME,…``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from rich.console import Console

from scripts.demo.lake import Lake


class Part(Protocol):
    """One part: a step at the end."""

    @property
    def title(self) -> str:
        """The step's title."""
        ...

    @property
    def variables(self) -> Mapping[str, object]:
        """Terraform's variables with which it is deployed."""
        ...

    def set_up(self) -> None:
        """Install what it needs. Raises ``ToolError``."""
        ...

    def run(self, lake: Lake, work_dir: Path, console: Console) -> None:
        """Show it. Raises ``PipelineError`` if something is not as it should be."""
        ...
