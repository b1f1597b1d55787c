"""What a local apply does not show: bootstrap, and the effect of the variables of real environments.

Both sides are planned with every policy known and examples for placeholders, without server and credentials.
Only what differs is planned: an environment if its variables do, bootstrap also if its code does, then for
the first environment it has variables for. Code that all environments share is reviewed as applied.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from scripts.scan.known import Tree, known_plans
from scripts.terraform import LOCAL

_BOOTSTRAP = ("bootstrap/*.tf", "modules/*/*.tf")

Pair = tuple[dict[str, Any], dict[str, Any]]


def planned_pairs(base: Path, head: Path, work: Path) -> dict[str, Pair]:
    """Return the plans of two folders of Terraform where they differ, by the file of variables they are with.

    A side that has no such file is empty. ``work`` is recreated and removed. Raises ``ToolError`` with
    Terraform's words if a side cannot be planned.
    """
    wanted = sorted(
        (variables, root) for variables, root, decided in _roots(base, head) if _differ(base, head, decided)
    )
    trees = [
        [
            Tree(f"{side}_{number}", source, source / variables, root)
            for side, source in (("base", base), ("head", head))
            if (source / variables).is_file()
        ]
        for number, (variables, root) in enumerate(wanted)
    ]
    if not trees:
        return {}
    try:
        plans = known_plans([tree for pair in trees for tree in pair], work, say=lambda _: None)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return {
        variables: (plans.get(f"base_{number}", {}), plans.get(f"head_{number}", {}))
        for number, (variables, _) in enumerate(wanted)
    }


def _roots(base: Path, head: Path) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield files of variables, with the folder of the root each is for and what decides its plan."""
    for root, code in ((".", ()), ("bootstrap", _BOOTSTRAP)):
        folders = [source / root / "env" for source in (base, head)]
        files = {path.name for folder in folders for path in folder.glob("*.tfvars")} - {f"{LOCAL}.tfvars"}
        for number, name in enumerate(sorted(files)):
            variables = str(Path(root) / "env" / name)
            yield variables, root, (variables, *(code if number == 0 else ()))


def _differ(base: Path, head: Path, patterns: Iterable[str]) -> bool:
    contents = [
        {
            str(path.relative_to(source)): path.read_bytes()
            for pattern in patterns
            for path in source.glob(pattern)
        }
        for source in (base, head)
    ]
    return contents[0] != contents[1]
