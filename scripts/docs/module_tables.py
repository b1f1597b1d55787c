"""The tables of inputs and outputs in every Terraform module's README, generated from the code.

    python -m scripts.docs.module_tables [--check]

They are between the markers of terraform-docs and in its format (https://terraform-docs.io), so that the tool
itself could be used instead. Exit status 0, or with ``--check`` 1 if a README is out of date.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.toolchain.toolchain import REPO, ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator

BEGIN = "<!-- BEGIN_TF_DOCS -->"
END = "<!-- END_TF_DOCS -->"
MEND = "make docs"

_BLOCK = re.compile(r'^(\w+) "([^"]+)" {\n(.*?)^}$', re.MULTILINE | re.DOTALL)
_ATTRIBUTE = re.compile(r"^  (\w+) *= (.*(?:\n(?: {3,}|  [])}]|$).*)*)", re.MULTILINE)
"""An attribute of a block and all lines of its value, in code formatted by ``terraform fmt``."""


@dataclass(frozen=True)
class Block:
    """One ``variable`` or ``output``: its name, and the source text of each attribute."""

    name: str
    attributes: dict[str, str]

    @property
    def description(self) -> str:
        """The description, unquoted."""
        return self.attributes.get("description", '""')[1:-1].replace('\\"', '"')

    @property
    def is_required(self) -> bool:
        """Whether a caller must set it."""
        return "default" not in self.attributes


def read_blocks(path: Path, kind: str) -> list[Block]:
    """Return the blocks of a kind in a file, in order.

    Raises ``ToolError`` if a block cannot be parsed, so that nothing is missing in a table.
    """
    text = path.read_text()
    blocks = [
        Block(name, {attribute: value.rstrip() for attribute, value in _ATTRIBUTE.findall(body)})
        for found, name, body in _BLOCK.findall(text)
        if found == kind
    ]
    if len(blocks) != len(re.findall(rf"\b{kind}\s+\"", text)):
        raise ToolError(f"{path} is not formatted by terraform fmt. Run: make fmt")
    return blocks


def module_folders(root: Path) -> list[Path]:
    """Return the folders of both roots, the kit and bootstrap, and of every module."""
    return [root, root / "bootstrap", *sorted(path.parent for path in root.glob("modules/*/variables.tf"))]


def tables(folder: Path) -> str:
    """Return the tables of a module for its README, markers included."""
    inputs = [
        f'| <a name="input_{block.name}"></a> [{block.name}](#input\\_{_escaped(block.name)}) '
        f"| {_cell(block.description)} | {_code(block.attributes.get('type', 'any'))} "
        f"| {'n/a' if block.is_required else _code(block.attributes['default'])} "
        f"| {'yes' if block.is_required else 'no'} |"
        for block in read_blocks(folder / "variables.tf", "variable")
    ]
    outputs = [
        f'| <a name="output_{block.name}"></a> [{block.name}](#output\\_{_escaped(block.name)}) '
        f"| {_cell(block.description)} |"
        for block in read_blocks(folder / "outputs.tf", "output")
    ]
    return "\n".join(
        [
            BEGIN,
            "## Inputs",
            "",
            "| Name | Description | Type | Default | Required |",
            "|------|-------------|------|---------|:--------:|",
            *inputs,
            "",
            "## Outputs",
            "",
            "| Name | Description |",
            "|------|-------------|",
            *outputs,
            END,
        ]
    )


def rewritten(folder: Path) -> str:
    """Return a module's README with current tables; raises ``ToolError`` if it has no markers."""
    path = folder / "README.md"
    if not path.is_file():
        raise ToolError(f"{path} is missing: describe the module, and show how to use it.")
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ToolError(f"{path} has no place for its tables: add {BEGIN} and {END}.")
    return before + tables(folder) + after


def _escaped(name: str) -> str:
    return name.replace("_", "\\_")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(text: str) -> str:
    """Return code for a table's cell: on one line, or several lines as in terraform-docs."""
    if "\n" not in text:
        return f"`{text}`"
    lines = [re.sub(r"^  ", "", line) for line in text.splitlines()]
    return f"<pre>{'<br/>'.join(lines)}</pre>"


def _stale(root: Path) -> Iterator[tuple[Path, str]]:
    for folder in module_folders(root):
        text = rewritten(folder)
        if text != (folder / "README.md").read_text():
            yield folder / "README.md", text


def main() -> int:
    """Write the tables, or report which are out of date."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.docs.module_tables", description="Tables in the modules' READMEs."
    )
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit with status 1 if something would change"
    )
    options = parser.parse_args()
    try:
        stale = list(_stale(REPO / "terraform"))
    except ToolError as error:
        print(error, file=sys.stderr)
        return 2
    for path, text in stale:
        if options.check:
            print(f"{path.relative_to(REPO)} is out of date. Run: {MEND}")
        else:
            path.write_text(text)
            print(f"{path.relative_to(REPO)} has been updated.")
    return 1 if stale and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
