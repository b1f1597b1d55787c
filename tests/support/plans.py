"""Plans of the kit as it is here, by the real Terraform, without server and credentials."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from scripts.state.applied import kept, tree_key
from scripts.terraform import Terraform

WATERMARK = timedelta(minutes=60)
"""What is planned here, whatever ``local`` has."""


def local_plan(variables: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Return the plan for ``local`` with these variables; made once, until the code changes."""
    variables = {"watermark_minutes": WATERMARK // timedelta(minutes=1), **(variables or {})}
    given = json.dumps(variables, sort_keys=True)

    def plan(work_dir: Path) -> dict[str, Any]:
        terraform = Terraform("local", work_dir=work_dir, variables=variables, say=lambda _: None)
        return terraform.plan().document

    digest = hashlib.sha256(f"{tree_key()} {given}".encode()).hexdigest()
    return kept(f"plan-{digest[:32]}", plan)
