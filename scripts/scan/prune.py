"""Remove from a root module all that some addresses do not depend on.

``-target`` leaves out of a plan what nobody asked for, but Terraform reads, validates and resolves it all the
same, which takes longer than the plan itself. The files must be formatted as ``terraform fmt`` does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scripts.toolchain.toolchain import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_BLOCK = re.compile(r'^(\w+)((?: "[\w-]+")*) \{(?:\}|\n(.*?)^\})\n', re.MULTILINE | re.DOTALL)
_LOCAL = re.compile(r"^  (\w+) += .*\n(?:(?!  \w+ += ).*\n)*", re.MULTILINE)
_COMMENT = re.compile(r"^(?:#.*)?\n", re.MULTILINE)
_REFERENCE = re.compile(r"(?<![\w.])(?:data\.)?\w+\.[\w-]+")


def prune(folder: Path, addresses: Iterable[str]) -> None:
    """Keep of the ``.tf`` files in a folder the addresses, what they refer to, and every variable.

    Raises ``ToolError`` if a file holds what is no block, or none holds an address.
    """
    always: list[str] = []
    parts: dict[str, str] = {}
    for path in sorted(folder.glob("*.tf")):
        text = path.read_text()
        if rest := _COMMENT.sub("", _BLOCK.sub("", text)):
            raise ToolError(f"{path.name} holds what is no block: {rest.splitlines()[0]}")
        for block in _BLOCK.finditer(text):
            kind, labels, body = block.group(1), block.group(2).replace('"', "").split(), block.group(3)
            if kind in {"terraform", "variable"}:
                always.append(block.group())
            elif kind == "locals":
                for local in _LOCAL.finditer(body):
                    parts[f"local.{local.group(1)}"] = f"locals {{\n{local.group()}}}\n"
            elif kind in {"data", "module", "resource"}:
                parts[".".join(labels if kind == "resource" else [kind, *labels])] = block.group()
        path.unlink()
    needed: set[str] = set()
    found = set(addresses)
    if missing := found - parts.keys():
        raise ToolError(f"There is no {', '.join(sorted(missing))} to plan.")
    while found:
        needed |= found
        found = {name for address in found for name in _REFERENCE.findall(parts[address])}
        found = (found & parts.keys()) - needed
    (folder / "main.tf").write_text("\n".join([*always, *(parts[address] for address in sorted(needed))]))
