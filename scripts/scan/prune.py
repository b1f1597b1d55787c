"""Remove from a root module all that some addresses do not depend on.

``-target`` leaves out of a plan what nobody asked for, but Terraform reads, validates and resolves it all the
same, which takes longer than the plan itself; so do the validations of variables. Of a module that is called
for an output alone, such as the ARN of a role, only that output and what it is made of is left, in a copy for
that call; the plan of the addresses stays the same. The files must be formatted as ``terraform fmt`` does.
"""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scripts.toolchain.toolchain import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_BLOCK = re.compile(r'^(\w+)((?: "[\w-]+")*) \{(?:\}|\n(.*?)^\})\n', re.MULTILINE | re.DOTALL)
_ARGUMENT = re.compile(r"^  (\w+) += .*\n(?:(?!  \w+ += ).*\n)*", re.MULTILINE)
_VALIDATION = re.compile(r"^  validation \{\n.*?^  \}\n", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"^(?:#.*)?\n", re.MULTILINE)
_REFERENCE = re.compile(r'(?<![\w.])((?:data\.)?\w+\.[\w-]+)(?:(?:\[(?:\d+|"[^"]*")\])?\.(\w+))?')
"""What is referred to, and what of it: all, as for Terraform, behind an index that is not written out."""
_SOURCE = re.compile(r'^  source += "(.+)"$', re.MULTILINE)
_OF_EVERY_CALL = {"count", "depends_on", "for_each", "providers", "source"}


@dataclass
class _Module:
    """The files of a folder, by what is in them."""

    folder: Path
    always: list[str] = field(default_factory=list)
    parts: dict[str, str] = field(default_factory=dict)
    overrides: dict[str, str] = field(default_factory=dict)
    """What override files say of the same parts."""
    _made_of: dict[tuple[Path, str], set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in sorted(self.folder.glob("*.tf")):
            text = path.read_text()
            if rest := _COMMENT.sub("", _BLOCK.sub("", text)):
                raise ToolError(f"{path.name} holds what is no block: {rest.splitlines()[0]}")
            of_file = self.overrides if path.stem.endswith("override") else self.parts
            for block in _BLOCK.finditer(text):
                kind, labels, body = block.group(1), block.group(2).replace('"', "").split(), block.group(3)
                if kind == "terraform":
                    self.always.append(block.group())
                elif kind == "locals":
                    for local in _ARGUMENT.finditer(body):
                        of_file[f"local.{local.group(1)}"] = f"locals {{\n{local.group()}}}\n"
                else:
                    kind = "var" if kind == "variable" else kind
                    of_file[".".join(labels if kind == "resource" else [kind, *labels])] = block.group()

    def needed(self, addresses: Iterable[str]) -> dict[str, set[str]]:
        """Return all that addresses depend on, each with what of it: outputs of a module, or "" for all."""
        needed: dict[str, set[str]] = defaultdict(set)
        found = {(address, "") for address in addresses}
        while found:
            for address, output in found:
                needed[address].add(output)
            found = {one for name in found for one in self._references(*name)}
            found = {one for one in found if one[0] in self.parts and one[1] not in needed.get(one[0], ())}
        return needed

    def called(self, address: str) -> Path:
        """Return the folder of the module that is called there."""
        source = _SOURCE.search(self.parts[address])
        if source is None:
            raise ToolError(f"{address} names no source.")
        return (self.folder / source.group(1)).resolve()

    def variables(self, called: Path, output: str) -> set[str]:
        """Return the variables that an output of a called module is made of."""
        if (called, output) not in self._made_of:
            needed = _Module(called).needed([f"output.{output}"])
            names = {address.removeprefix("var.") for address in needed if address.startswith("var.")}
            self._made_of[called, output] = names
        return self._made_of[called, output]

    def call(self, address: str, names: set[str]) -> str:
        """Return the call of a module with the arguments of these names alone."""
        block = _BLOCK.fullmatch(self.parts[address])
        body = block.group(3) if block and block.group(3) else ""
        kept = _OF_EVERY_CALL | names
        return _ARGUMENT.sub(lambda found: found.group() if found.group(1) in kept else "", body)

    def _references(self, address: str, output: str) -> Iterator[tuple[str, str]]:
        text = self.parts[address] + self.overrides.get(address, "")
        if output:
            text = self.call(address, self.variables(self.called(address), output))
        for name, attribute in _REFERENCE.findall(text):
            yield name, attribute if name.startswith("module.") else ""

    def keep(self, addresses: Iterable[str]) -> Iterable[str]:
        """Leave in the folder's files the addresses and all that they depend on; return what is left."""
        needed = self.needed(addresses)
        for address, outputs in needed.items():
            if address.startswith("module.") and "" not in outputs:
                self._narrow(address, outputs)
        for path in self.folder.glob("*.tf"):
            path.unlink()
        kept = sorted(needed)
        (self.folder / "main.tf").write_text("\n".join([*self.always, *(self.parts[one] for one in kept)]))
        if overrides := "\n".join(self.overrides[one] for one in kept if one in self.overrides):
            (self.folder / "override.tf").write_text(overrides)
        return kept

    def _narrow(self, address: str, outputs: set[str]) -> None:
        """Have one call of a module call a copy in which there are these outputs alone."""
        source, name = self.called(address), address.removeprefix("module.")
        copy = source.with_name(f"{source.name}_for_{self.folder.name}_{name}")
        shutil.copytree(source, copy)
        _Module(copy).keep(f"output.{output}" for output in outputs)
        kept = set().union(*(self.variables(source, output) for output in outputs))
        body = self.call(address, kept).replace(f'/{source.name}"', f'/{copy.name}"', 1)
        self.parts[address] = f'module "{name}" {{\n{body}}}\n'


def drop_validations(folder: Path) -> None:
    """Remove what variables are checked by, below a folder: whether values are valid is no part of a plan."""
    for path in folder.rglob("*.tf"):
        path.write_text(_VALIDATION.sub("", path.read_text()))


def prune(folder: Path, addresses: Iterable[str]) -> set[str]:
    """Keep of the ``.tf`` files in a folder the addresses and what they refer to; return which variables.

    Raises ``ToolError`` if a file holds what is no block, or none holds an address.
    """
    root = _Module(folder)
    wanted = set(addresses)
    if missing := wanted - root.parts.keys():
        raise ToolError(f"There is no {', '.join(sorted(missing))} to plan.")
    return {address.removeprefix("var.") for address in root.keep(wanted) if address.startswith("var.")}
