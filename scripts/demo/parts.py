"""What the demonstration shows only if it is asked for: ``--with NAME,…``, ``make demo WITH=NAME,…``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from rich.console import Console

from scripts.demo.lake import Lake
from scripts.local_aws import LocalAws


class Part(Protocol):
    """One part: a step, and what is there before the deployment for it."""

    @property
    def before_tampering(self) -> bool:
        """Whether it needs evidence that is whole; if not, it is a step at the end."""
        ...

    @property
    def title(self) -> str:
        """The step's title."""
        ...

    def set_up(self) -> None:
        """Install what it needs. Raises ``ToolError``."""
        ...

    def prepare(self, aws: LocalAws) -> Mapping[str, object]:
        """Make what is there before the deployment; Terraform's variables with which it is deployed."""
        ...

    def run(self, lake: Lake, work_dir: Path, console: Console) -> None:
        """Show it. Raises ``PipelineError`` if something is not as it should be."""
        ...
