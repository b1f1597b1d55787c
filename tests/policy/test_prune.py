"""What is left of a root module for the addresses that are planned."""

from pathlib import Path

import pytest

from scripts.scan.prune import drop_validations, prune
from scripts.toolchain.toolchain import ToolError

MAIN = """\
# Keys.
module "key" {
  source = "./modules/key"
  policy = data.aws_iam_policy_document.key.json
}

data "aws_iam_policy_document" "key" {}

module "other" {
  source   = "./modules/other"
  for_each = toset([local.folder])
  name     = local.day
  policy   = module.key.arn
}

resource "aws_s3_object" "note" {
  key     = "${local.folder}/note"
  content = module.other["a"].text
}
"""
LOCALS = """\
locals {
  folder = join("/", [
    var.name,
    local.day,
  ])
  day    = "2026-01-01"
  unused = module.key.arn
}

output "key" {
  value = module.key.arn
}
"""
KEY = """\
variable "policy" {}

resource "aws_kms_key" "this" {
  policy = var.policy
}

output "arn" {
  value = aws_kms_key.this.arn
}
"""
VALIDATION = """\
  validation {
    condition = var.name != var.prefix
  }
"""
OTHER = f"""\
variable "name" {{
{VALIDATION}}}
"""
OTHER += """\
variable "policy" {}
variable "prefix" {
  default = "p"
}

module "key" {
  source = "../key"
  policy = var.policy
}

locals {
  text = "${var.name}/${data.aws_partition.current.partition}"
}

data "aws_partition" "current" {}

output "text" {
  value = local.text
}

output "key" {
  value = module.key.arn
}
"""
VARIABLES = """\
terraform {
  required_version = ">= 1.11.0"
}

variable "name" {}
variable "asked_for_by_nobody" {}
"""


def pruned(folder: Path, *addresses: str) -> str:
    for name, text in (("main", MAIN), ("locals", LOCALS), ("variables", VARIABLES)):
        (folder / f"{name}.tf").write_text(text)
    for name, text in (("key", KEY), ("other", OTHER)):
        (folder / "modules" / name).mkdir(parents=True)
        (folder / "modules" / name / "main.tf").write_text(text)
    prune(folder, addresses)
    assert [path.name for path in folder.glob("*.tf")] == ["main.tf"]
    return (folder / "main.tf").read_text()


def test_a_module_keeps_its_policy(tmp_path: Path) -> None:
    text = pruned(tmp_path, "module.key")
    assert all(
        part in text for part in ('module "key"', 'data "aws_iam_policy_document" "key"', "required_version")
    )
    assert not any(part in text for part in ('module "other"', "resource", "locals", "output", "variable"))


def test_of_the_variables_those_that_are_used_are_kept_and_returned(tmp_path: Path) -> None:
    text = pruned(tmp_path, "aws_s3_object.note")
    assert [line for line in text.splitlines() if line.startswith("variable")] == ['variable "name" {}']
    assert prune(tmp_path, ["aws_s3_object.note"]) == {"name"}


def test_validations_are_dropped_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "modules" / "other" / "main.tf"
    path.parent.mkdir(parents=True)
    path.write_text(OTHER)
    drop_validations(tmp_path)
    assert path.read_text() == OTHER.replace(VALIDATION, "")


def test_a_local_is_kept_with_what_it_refers_to_and_its_neighbours_are_not(tmp_path: Path) -> None:
    text = pruned(tmp_path, "aws_s3_object.note")
    assert all(part in text for part in ('module "other"', "    local.day,\n  ])\n}", "  day    = "))
    assert not any(part in text for part in ('module "key"', "unused", "output"))


def test_of_a_module_an_output_is_kept_with_what_it_is_made_of(tmp_path: Path) -> None:
    text = pruned(tmp_path, "aws_s3_object.note")
    name = f"other_for_{tmp_path.name}_other"
    assert f'source   = "./modules/{name}"' in text
    assert "for_each = toset([local.folder])\n  name     = local.day\n}" in text
    left = (tmp_path / "modules" / name / "main.tf").read_text()
    kept = ('data "aws_partition"', "locals", 'output "text"', 'variable "name"', 'variable "prefix"')
    assert all(part in left for part in kept)
    assert left.count("\noutput ") == 1
    assert not any(part in left for part in ("module", 'variable "policy"'))
    assert (tmp_path / "modules" / "other" / "main.tf").read_text() == OTHER


def test_a_module_that_is_asked_for_stays_whole_and_so_does_one_whose_output_is_made_of_it(
    tmp_path: Path,
) -> None:
    text = pruned(tmp_path, "module.other")
    assert 'source   = "./modules/other"' in text
    assert "policy   = module.key.arn" in text
    name = f"key_for_{tmp_path.name}_key"
    assert f'source = "./modules/{name}"' in text
    left = (tmp_path / "modules" / name / "main.tf").read_text()
    assert sorted(left.replace("\n\n", "\n").splitlines()) == sorted(KEY.replace("\n\n", "\n").splitlines())


def test_of_a_module_behind_an_index_that_is_not_written_out_all_is_kept(tmp_path: Path) -> None:
    use = 'resource "aws_s3_object" "dynamic" {\n  content = module.other[var.name].text\n}\n'
    (tmp_path / "dynamic.tf").write_text(use)
    assert 'source   = "./modules/other"' in pruned(tmp_path, "aws_s3_object.dynamic")


def test_what_an_override_says_stays_one_and_is_followed(tmp_path: Path) -> None:
    over = 'module "key" {\n  policy = module.other["a"].text\n}\n'
    (tmp_path / "known_override.tf").write_text(over)
    (tmp_path / "modules" / "other").mkdir(parents=True)
    (tmp_path / "modules" / "other" / "main.tf").write_text(OTHER)
    (tmp_path / "main.tf").write_text(MAIN)
    (tmp_path / "locals.tf").write_text(LOCALS)
    prune(tmp_path, ["module.key"])
    assert (tmp_path / "override.tf").read_text() == over
    assert 'module "other"' in (tmp_path / "main.tf").read_text()


def test_what_is_no_block_is_refused(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('module "key" {\nsource = "./modules/key" }\n')
    with pytest.raises(ToolError, match=r"main\.tf holds what is no block: module"):
        prune(tmp_path, ["module.key"])


def test_an_address_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"There is no module\.lock to plan"):
        pruned(tmp_path, "module.lock")
