"""A module's README agrees with its code."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from scripts.docs.module_tables import MEND, module_folders, read_blocks, rewritten, tables
from scripts.toolchain.toolchain import REPO, ToolError

ROOT = REPO / "terraform"
FOLDERS = module_folders(ROOT)
MODULES = [folder for folder in FOLDERS if folder.parent.name == "modules"]


def label(folder: Path) -> str:
    return folder.name


def usage(folder: Path) -> set[str]:
    """The inputs that the README's example of use sets."""
    text = (folder / "README.md").read_text()
    example = re.search(
        rf'^module "\w+" {{\n  source = "\./modules/{folder.name}"\n(.*?)^}}$', text, re.M | re.S
    )
    assert example, f"{folder.name}/README.md shows no use of ./modules/{folder.name}"
    return set(re.findall(r"^  (\w+) *=", example.group(1), re.M))


@pytest.mark.parametrize("folder", FOLDERS, ids=label)
def test_the_tables_are_what_the_code_says(folder: Path) -> None:
    assert (folder / "README.md").read_text() == rewritten(folder), f"run: {MEND}"


@pytest.mark.parametrize("folder", MODULES, ids=label)
def test_the_example_of_use_sets_what_it_must_and_nothing_else(folder: Path) -> None:
    inputs = {block.name: block.is_required for block in read_blocks(folder / "variables.tf", "variable")}
    shown = usage(folder)
    assert shown <= inputs.keys()
    assert {name for name, required in inputs.items() if required} <= shown


@pytest.mark.parametrize("folder", FOLDERS, ids=label)
def test_inputs_and_outputs_are_described_and_in_order(folder: Path) -> None:
    for kind in ("variable", "output"):
        blocks = read_blocks(folder / f"{kind}s.tf", kind)
        names = [block.name for block in blocks]
        assert names == sorted(names)
        assert [block.name for block in blocks if not block.description.endswith(".")] == []


@pytest.mark.parametrize("folder", FOLDERS, ids=label)
def test_inputs_are_typed_and_say_whether_null_is_meant(folder: Path) -> None:
    for block in read_blocks(folder / "variables.tf", "variable"):
        assert "type" in block.attributes, block.name
        assert not re.search(r"\bany\b", block.attributes["type"]), block.name
        nullable = block.attributes.get("nullable") != "false"
        assert nullable == (block.attributes.get("default") == "null"), block.name


@pytest.mark.parametrize("folder", MODULES, ids=label)
def test_a_module_has_a_dozen_inputs_at_most(folder: Path) -> None:
    assert len(read_blocks(folder / "variables.tf", "variable")) <= 12


def unused_inputs(folder: Path) -> list[str]:
    """The inputs that nothing in the module reads, their own validations aside."""
    code = "".join(path.read_text() for path in folder.glob("*.tf"))
    code = re.sub(r'^variable "\w+" {\n.*?^}$', "", code, flags=re.M | re.S)
    return [
        block.name
        for block in read_blocks(folder / "variables.tf", "variable")
        if not re.search(rf"\bvar\.{block.name}\b", code)
    ]


@pytest.mark.parametrize("folder", FOLDERS, ids=label)
def test_every_input_is_read(folder: Path) -> None:
    assert unused_inputs(folder) == []


def test_an_input_that_nothing_reads_is_found(module: Path) -> None:
    text = (module / "main.tf").read_text()
    (module / "main.tf").write_text(text.replace("var.description", '"A role"'))
    assert unused_inputs(module) == ["description"]


@pytest.fixture
def module(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "modules" / "role", tmp_path / "role"))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("variables.tf", 'variable "trust"', 'variable "trusts"'),
        ("variables.tf", 'description = "Name of the role."', 'description = "The role\'s name."'),
        ("variables.tf", "map(string)", "map(any)"),
        ("outputs.tf", 'output "ready_arn"', 'output "arn_when_ready"'),
    ],
)
def test_a_table_that_is_out_of_date_is_found(module: Path, file: str, old: str, new: str) -> None:
    assert (module / "README.md").read_text() == rewritten(module)
    text = (module / file).read_text()
    assert old in text
    (module / file).write_text(text.replace(old, new))
    assert (module / "README.md").read_text() != rewritten(module)


def test_types_of_several_lines_and_defaults_are_shown(module: Path) -> None:
    (module / "variables.tf").write_text(
        'variable "size" {\n'
        "  type = object({\n"
        "    memory_mb = optional(number, 512)\n"
        "  })\n"
        "  nullable    = false\n"
        "  default     = {}\n"
        '  description = "a|b"\n'
        "\n"
        "  validation {\n"
        "    condition     = var.size.memory_mb > 0\n"
        '    error_message = "size."\n'
        "  }\n"
        "}\n"
    )
    assert (
        '| <a name="input_size"></a> [size](#input\\_size) | a\\|b '
        "| <pre>object({<br/>  memory_mb = optional(number, 512)<br/>})</pre> | `{}` | no |"
    ) in tables(module).splitlines()


def test_a_block_that_cannot_be_read_is_refused(module: Path) -> None:
    with (module / "variables.tf").open("a") as file:
        file.write('\nvariable "hidden" { type = string }\n')
    with pytest.raises(ToolError, match="make fmt"):
        tables(module)


@pytest.mark.parametrize("text", ["# role\n", "# role\n<!-- BEGIN_TF_DOCS -->\n"])
def test_a_readme_without_a_place_for_tables_is_refused(module: Path, text: str) -> None:
    (module / "README.md").write_text(text)
    with pytest.raises(ToolError, match="no place"):
        rewritten(module)


def test_a_missing_readme_is_refused(module: Path) -> None:
    (module / "README.md").unlink()
    with pytest.raises(ToolError, match="missing"):
        rewritten(module)
