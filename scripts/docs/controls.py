"""The map of controls, ``docs/controls.md``, generated from ``docs/controls.yaml``.

    python -m scripts.docs.controls [--check]

A line of a framework names measures; a measure names its resources (or a file outside Terraform), its proof
and its evidence. All of these must exist: resources in Terraform's source, tests, topics of the access
matrix, gates, checks of the scanner, claims, commands, buckets, files. A check must apply to a resource of
its measure, and not be skipped there. Exit status 0, 1 if a reference does not exist or, with ``--check``, if
the page is out of date, 2 if the data cannot be read.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import typer
import yaml

from custody.cli.commands import app
from custody.findings import Claim
from scripts.gates import chosen
from scripts.toolchain.toolchain import REPO, ToolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DATA = REPO / "docs" / "controls.yaml"
PAGE = REPO / "docs" / "controls.md"
MEND = "make docs"

_CHECK = re.compile(r"CKV2?_[A-Z]+_\d+")
_ACCESS = "access: "
_GATE = "gate "
_COMMAND = re.compile(r"(make|custody) ([a-z-]+)(?: .*)?")
_PLACE = re.compile(r"s3 ([a-z-]+) \S+/")
_BLOCK = re.compile(r'^(resource|module) "(\w+)"(?: "(\w+)")? {\n(.*?)^}$', re.MULTILINE | re.DOTALL)


class Measure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something the kit does: description, resources, proof, and place of its evidence."""

    title: str
    does: str
    resources: list[str]
    proof: list[str]
    evidence: list[str]


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a framework: number, requirement, measures that support it, what is left to you."""

    line: str
    asks: str
    measures: list[str]
    left: str = ""


class Framework(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One framework, in the edition of these numbers."""

    name: str
    edition: str
    lines: list[Line]


class Controls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of ``controls.yaml``."""

    measures: dict[str, Measure]
    frameworks: list[Framework]


def read_controls(text: str) -> Controls:
    """Return the content of a ``controls.yaml``. Raises ``ToolError`` naming the first error."""
    try:
        return msgspec.convert(yaml.safe_load(text), Controls)
    except (msgspec.ValidationError, yaml.YAMLError) as error:
        raise ToolError(f"docs/controls.yaml cannot be read: {' '.join(str(error).split())}") from error


@dataclass(frozen=True)
class Project:
    """What the map of controls may refer to, in one tree. ``scanner``: the folder of checkov's own checks."""

    root: Path = REPO
    scanner: Path = field(default_factory=lambda: _scanner(REPO))

    def block(self, address: str) -> str | None:
        """Return the text of a resource by its address in the root, or after ``bootstrap.`` in the bootstrap.

        A block with ``for_each`` has one address without an index. None if there is none.
        """
        folder, path = self.root / "terraform", address.split(".")
        if path[0] == "bootstrap":
            folder, path = folder / "bootstrap", path[1:]
        while len(path) > 2 and path[0] == "module":
            call = _blocks(folder).get(("module", path[1], ""), "")
            source = re.search(r'^ *source *= "([^"]+)"$', call, re.MULTILINE)
            if source is None:
                return None
            folder, path = (folder / source.group(1)).resolve(), path[2:]
        return _blocks(folder).get(("resource", path[0], path[1])) if len(path) == 2 else None

    def has_test(self, reference: str) -> bool:
        """Whether ``file::name`` is a test of pytest or a run of ``terraform test``."""
        name, _, test = reference.partition("::")
        path = self.root / name
        return path.is_file() and test in _tests(path)

    @cached_property
    def checks(self) -> dict[str, str]:
        """The scanner's own checks by id, each with the text of its files."""
        found: dict[str, str] = {}
        for path in sorted(self.scanner.rglob("*")):
            if path.suffix in {".py", ".yaml", ".json"}:
                text = path.read_text()
                for check in set(_CHECK.findall(text)):
                    found[check] = found.get(check, "") + text
        return found

    @cached_property
    def own_checks(self) -> set[str]:
        """The ids of the checks in ``terraform/policies/plan``."""
        texts = [path.read_text() for path in (self.root / "terraform" / "policies" / "plan").glob("*.py")]
        numbers = re.findall(r"^    number = (\d+)$", "\n".join(texts), re.MULTILINE)
        return {f"CKV_CUSTODY_{number}" for number in numbers}

    @cached_property
    def topics(self) -> set[str]:
        """The titles of the topics of the access matrix."""
        text = (self.root / "tests" / "access" / "matrix.yaml").read_text()
        return set(re.findall(r"^- title: (.+)$", text, re.MULTILINE))

    @cached_property
    def targets(self) -> set[str]:
        """The targets of the Makefile."""
        return set(re.findall(r"^([a-z-]+):", (self.root / "Makefile").read_text(), re.MULTILINE))

    @cached_property
    def buckets(self) -> set[str]:
        """The short names of the buckets."""
        text = (self.root / "terraform" / "locals.tf").read_text()
        listed = re.search(r"bucket_names = {\s*for short in \[(.*?)\]", text, re.DOTALL)
        return set(re.findall(r'"([a-z-]+)"', listed.group(1))) if listed else set()


@cache
def _blocks(folder: Path) -> dict[tuple[str, str, str], str]:
    text = "\n".join(path.read_text() for path in sorted(folder.glob("*.tf")))
    return {(kind, first, second): body for kind, first, second, body in _BLOCK.findall(text)}


@cache
def _tests(path: Path) -> set[str]:
    text = path.read_text()
    if path.suffix == ".py":
        found = {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
        return {name for name in found if name.startswith("test_")}
    return set(re.findall(r'^run "(\w+)" {$', text, re.MULTILINE))


def _scanner(root: Path) -> Path:
    found = sorted(root.glob(".venv-checkov/lib/python*/site-packages/checkov/terraform/checks"))
    if not found:
        raise ToolError("The policy scanner is not set up. Run: python3 -m scripts.toolchain.setup --checkov")
    return found[-1]


def dangling(controls: Controls, project: Project) -> Iterator[str]:
    """Yield a sentence for every reference of a measure or a line that does not exist."""
    for name, measure in controls.measures.items():
        files = [path for path in measure.resources if "/" in path or "." not in path]
        blocks = {address: project.block(address) for address in measure.resources if address not in files}
        absent = [address for address, block in blocks.items() if block is None]
        absent += [path for path in files if not (project.root / path).is_file()]
        yield from (f"{name}: there is no resource {address}." for address in absent)
        for reference in measure.proof:
            yield from (f"{name}: {words}" for words in _proof(reference, blocks, project))
        for reference in measure.evidence:
            if not _is_there(reference, project):
                yield f"{name}: there is no {reference}."
        if not (measure.resources and measure.proof and measure.evidence):
            yield f"{name}: a measure needs resource, proof and evidence."
    for framework in controls.frameworks:
        for line in framework.lines:
            for measure_name in line.measures:
                if measure_name not in controls.measures:
                    yield f"{framework.name} {line.line}: there is no measure {measure_name}."
            if not line.measures:
                yield f"{framework.name} {line.line}: nothing supports it: leave it out."
    used = {name for framework in controls.frameworks for line in framework.lines for name in line.measures}
    yield from (f"{name}: no line names it." for name in sorted(controls.measures.keys() - used))


def _proof(reference: str, blocks: dict[str, str | None], project: Project) -> Iterator[str]:
    if _CHECK.fullmatch(reference):
        text = project.checks.get(reference)
        if text is None and reference not in project.own_checks:
            yield f"there is no check {reference}."
        elif text is not None and not any(_type(address) in text for address in blocks):
            yield f"{reference} applies to none of its resources."
        skipped = [
            address for address, block in blocks.items() if f"checkov:skip={reference}:" in (block or "")
        ]
        yield from (f"{reference} is skipped for {address}." for address in skipped)
    elif reference.startswith(_GATE):
        if not chosen(reference.removeprefix(_GATE)):
            yield f"there is no {reference}."
    elif reference.startswith(_ACCESS):
        if reference.removeprefix(_ACCESS) not in project.topics:
            yield f"the access matrix has no topic {reference.removeprefix(_ACCESS)!r}."
    elif "::" in reference:
        if not project.has_test(reference):
            yield f"there is no test {reference}."
    elif reference not in set(Claim):
        yield f"there is no claim {reference}."


def _type(address: str) -> str:
    return address.split(".")[-2] if "." in address else address


def _is_there(reference: str, project: Project) -> bool:
    """Whether a command, a place in a bucket or a file exists."""
    if command := _COMMAND.fullmatch(reference):
        program, word = command.groups()
        return word in (project.targets if program == "make" else _commands())
    if place := _PLACE.fullmatch(reference):
        return place.group(1) in project.buckets
    return (project.root / reference).is_file()


@cache
def _commands() -> set[str]:
    group = typer.main.get_command(app)
    return set(getattr(group, "commands", {}))


def page(controls: Controls) -> str:
    """Return ``docs/controls.md``."""
    parts = [_HEAD]
    for framework in controls.frameworks:
        parts.append(f"## {framework.name}\n\n{framework.edition}\n")
        rows = [
            (
                line.line,
                line.asks,
                ", ".join(f"[{name}](#{name})" for name in line.measures),
                line.left,
            )
            for line in framework.lines
        ]
        parts.append(_table(("line", "asks for", "supported by", "your responsibility"), rows))
    parts.append("## Measures\n")
    for name, measure in controls.measures.items():
        parts.append(f'<a id="{name}"></a>\n\n### {measure.title}\n\n{_one_line(measure.does)}\n')
        facts = [
            ("resources", "<br>".join(_linked(address) for address in measure.resources)),
            ("proved by", "<br>".join(_linked(reference) for reference in measure.proof)),
            ("evidence", "<br>".join(_linked(reference) for reference in measure.evidence)),
        ]
        parts.append(_table(("", ""), facts))
    return "\n".join(parts)


_HEAD = """\
# Controls

<!-- Generated by make docs from controls.yaml. -->

Which lines of SOC 2, HIPAA, GDPR and the CIS benchmark the kit supports: each line names measures, each
measure its Terraform resources, its proof, and where an auditor finds the evidence. **The kit alone does not
make you compliant.** It supports these lines only for the data that it stores: policies, people, contracts,
risk analyses, training and the rest of the account are your responsibility. Lines without a proof here are
left out.

- A proof that begins with `CKV` is a check of `make scan`, which has no failures. A file with a name is a
test
  of `make test`, and a gate is one of its gates. A title with access.md is a topic of the access matrix, each
  of whose rows is a test. A name such as `object.hash` is a [claim](design.md#claims) of `custody verify`.
- Resources are addresses in `terraform/`; those that begin with `bootstrap` are in `terraform/bootstrap/`.
- `s3 provenance provenance/` means the objects under `provenance/` in the bucket with the short name
provenance.

A test checks that everything named here exists.
"""


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "".join(
        f"| {' | '.join(_one_line(cell).replace('|', chr(92) + '|') for cell in row)} |\n" for row in lines
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _linked(reference: str) -> str:
    """Return a reference as the page shows it: a file and a test with a link to the file."""
    if reference.startswith(_ACCESS):
        return f"[access.md](access.md): {reference.removeprefix(_ACCESS)}"
    path, _, test = reference.partition("::")
    if "/" not in path or _PLACE.fullmatch(reference) or _COMMAND.fullmatch(reference):
        return f"`{reference}`"
    link = path.removeprefix("docs/") if path.startswith("docs/") else f"../{path}"
    return f"[{path}]({link})" + (f" `{test}`" if test else "")


def main() -> int:
    """Write the page, or report what is wrong with it."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.docs.controls", description="The map of controls."
    )
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit with status 1 if something would change"
    )
    options = parser.parse_args()
    try:
        controls = read_controls(DATA.read_text())
        faults = list(dangling(controls, Project()))
    except ToolError as error:
        print(error, file=sys.stderr)
        return 2
    for fault in faults:
        print(f"docs/controls.yaml: {fault}", file=sys.stderr)
    if faults:
        return 1
    text = page(controls)
    if PAGE.is_file() and PAGE.read_text() == text:
        return 0
    if options.check:
        print(f"docs/controls.md is out of date. Run: {MEND}")
        return 1
    PAGE.write_text(text)
    print("docs/controls.md has been updated.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
