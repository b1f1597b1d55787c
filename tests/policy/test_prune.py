"""What is left of a root module for the addresses that are planned."""

from pathlib import Path

import pytest

from scripts.scan.prune import prune
from scripts.toolchain.toolchain import ToolError

MAIN = """\
# Keys.
module "key" {
  source = "./modules/key"
  policy = data.aws_iam_policy_document.key.json
}

data "aws_iam_policy_document" "key" {}

module "other" {
  source = "./modules/other"
}

resource "aws_s3_object" "note" {
  key     = "${local.folder}/note"
  content = module.other.text
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
    prune(folder, addresses)
    assert [path.name for path in folder.iterdir()] == ["main.tf"]
    return (folder / "main.tf").read_text()


def test_a_module_keeps_its_policy_and_every_variable(tmp_path: Path) -> None:
    text = pruned(tmp_path, "module.key")
    assert all(
        part in text for part in ('module "key"', 'data "aws_iam_policy_document" "key"', "required_version")
    )
    assert text.count("variable ") == 2
    assert not any(part in text for part in ('module "other"', "resource", "locals", "output"))


def test_a_local_is_kept_with_what_it_refers_to_and_its_neighbours_are_not(tmp_path: Path) -> None:
    text = pruned(tmp_path, "aws_s3_object.note")
    assert all(part in text for part in ('module "other"', "    local.day,\n  ])\n}", "  day    = "))
    assert not any(part in text for part in ('module "key"', "unused", "output"))


def test_what_is_no_block_is_refused(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('module "key" {\nsource = "./modules/key" }\n')
    with pytest.raises(ToolError, match=r"main\.tf holds what is no block: module"):
        prune(tmp_path, ["module.key"])


def test_an_address_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"There is no module\.lock to plan"):
        pruned(tmp_path, "module.lock")
