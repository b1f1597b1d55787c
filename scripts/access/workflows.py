"""The roles by which workflows plan and apply, from a plan of ``terraform/bootstrap`` for this machine.

Bootstrap is a root of its own, which no environment's state holds. None of its policies waits for an apply.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.applied import digest_of, kept
from scripts.scan.known import Tree, known_plans
from scripts.terraform import SOURCE

_NAME = "bootstrap_local"
_VARIABLES = """\
account_id     = "123456789012"
administrators = ["arn:aws:iam::123456789012:role/administrators"]
environment    = "local"
github         = { repository = "owner/repository" }
region         = "us-east-1"
"""
"""As ``terraform/env/local.tfvars``, so that the roles work on the names of the kit as applied here."""


def planned_workflows(say: Callable[[str], None]) -> dict[str, Any]:
    """Return ``terraform show -json`` of that plan, every policy known; kept until it changes.

    Raises ``ToolError`` if it cannot be planned.
    """

    def plan(work_dir: Path) -> dict[str, Any]:
        variables = work_dir / f"{_NAME}.tfvars"
        variables.write_text(_VARIABLES)
        tree = Tree(_NAME, SOURCE, variables, root="bootstrap")
        return known_plans([tree], work_dir / "plan", say=say)[_NAME]

    files = [*SOURCE.glob("bootstrap/*.tf"), *SOURCE.glob("modules/*/*.tf")]
    key = digest_of((str(path.relative_to(SOURCE)), path) for path in files)
    return kept(f"{_NAME}-{key}", plan)
