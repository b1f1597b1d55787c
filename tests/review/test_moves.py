"""Moved resources, compared with Terraform's own result for the same code."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from scripts.review.__main__ import compare
from scripts.review.moves import Moves, read_moves
from scripts.review.sides import applied_sides, planned_sides
from scripts.state.policies import resources
from scripts.toolchain.environment import without_aws
from scripts.toolchain.toolchain import terraform_environ, terraform_program
from tests.review.documents import planned, resource, state

BEFORE = """
resource "terraform_data" "renamed" {}
resource "terraform_data" "renamed_each" { for_each = toset(["a", "b.c", "d\\"]e"]) }
resource "terraform_data" "gets_count" {}
resource "terraform_data" "loses_count" { count = 1 }
resource "terraform_data" "gets_each" {}
resource "terraform_data" "gets_each_unsaid" {}
resource "terraform_data" "first" {}
resource "terraform_data" "into" {}
resource "terraform_data" "commented" {}
resource "terraform_data" "quoted" {}
resource "terraform_data" "stays" {}
resource "terraform_data" "would_be_the_other" {}
resource "terraform_data" "forgotten" {}
resource "terraform_data" "destroyed" {}
module "renamed" { source = "./old" }
module "gets_each" { source = "./old" }
module "changes_key" {
  source   = "./old"
  for_each = toset(["a", "b"])
}
module "unsaid" { source = "./old" }
"""
AFTER = """
resource "terraform_data" "new_name" {}
resource "terraform_data" "new_each" { for_each = toset(["a", "b.c", "d\\"]e"]) }
resource "terraform_data" "gets_count" { count = 1 }
resource "terraform_data" "loses_count" {}
resource "terraform_data" "gets_each" { for_each = toset(["a"]) }
resource "terraform_data" "gets_each_unsaid" { for_each = toset(["a"]) }
resource "terraform_data" "third" {}
resource "terraform_data" "uncommented" {}
resource "terraform_data" "unquoted" {}
resource "terraform_data" "stays" {}
moved {
  from = terraform_data.renamed # from here
  to   = terraform_data.new_name /* to there */
}
moved {
  to   = terraform_data.new_each
  from = terraform_data.renamed_each
}
moved {
  from = terraform_data.gets_each
  to   = terraform_data.gets_each["a"]
}
moved {
  from = terraform_data.second
  to   = terraform_data.third
}
moved {
  from = terraform_data.first
  to   = terraform_data.second
}
moved {
  from = terraform_data.into
  to   = module.new_name.terraform_data.taken
}
moved {
  from = terraform_data.would_be_the_other
  to   = terraform_data.stays
}
# moved {
#   from = terraform_data.commented
#   to   = terraform_data.uncommented
# }
/*
moved {
  from = terraform_data.commented
  to   = terraform_data.uncommented
}
*/
// "
locals {
  nested = "${"}"}${jsonencode({ a = "moved {" })}"
  quoted = <<-EOT
    }
    moved {
      from = terraform_data.quoted
      to   = terraform_data.unquoted
    }
    EOT
  object = {
    moved = "{ from = terraform_data.quoted, to = terraform_data.unquoted }"
  }
}
removed {
  from = terraform_data.forgotten
  lifecycle { destroy = false }
}
removed {
  from = terraform_data.destroyed
  lifecycle { destroy = true }
}
module "new_name" { source = "./new" }
module "gets_each" {
  source   = "./new"
  for_each = toset(["x"])
}
module "changes_key" {
  source   = "./new"
  for_each = toset(["c", "b"])
}
module "unsaid_new" { source = "./new" }
moved {
  from = module.renamed
  to   = module.new_name
}
moved {
  from = module.gets_each
  to   = module.gets_each["x"]
}
moved {
  from = module.changes_key["a"]
  to   = module.changes_key["c"]
}
"""
OLD = 'resource "terraform_data" "inner" {}\nmodule "deeper" { source = "../deeper" }\n'
NEW = """
resource "terraform_data" "within" {}
resource "terraform_data" "taken" {}
moved {
  from = terraform_data.inner
  to   = terraform_data.within
}
module "deeper" { source = "../deeper" }
"""


def terraform(folder: Path, *words: str) -> str:
    environ = terraform_environ(without_aws(os.environ))
    command = [str(terraform_program()), *words]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """The code after, the state before, and the plan that Terraform makes of both."""
    folder = tmp_path_factory.mktemp("moves")
    for name, text in (("old", OLD), ("new", NEW), ("deeper", 'resource "terraform_data" "leaf" {}\n')):
        (folder / name).mkdir()
        (folder / name / "main.tf").write_text(text)
    (folder / "main.tf").write_text(BEFORE)
    terraform(folder, "init", "-input=false")
    terraform(folder, "apply", "-auto-approve", "-input=false")
    before = json.loads(terraform(folder, "show", "-json"))
    (folder / "main.tf").write_text(AFTER)
    terraform(folder, "init", "-input=false")
    terraform(folder, "plan", "-out=plan", "-input=false")
    return folder, before, json.loads(terraform(folder, "show", "-json", "plan"))


def test_what_moves_is_what_terraform_moves(both: tuple[Path, dict[str, Any], dict[str, Any]]) -> None:
    folder, before, plan = both
    olds, news = ([entry.address for entry in resources(side)] for side in (before, plan))
    said = {
        change["previous_address"]: change["address"]
        for change in plan["resource_changes"]
        if "previous_address" in change
    }
    assert len(said) > 14
    assert read_moves(folder).of(olds, news) == said


def test_what_is_forgotten_is_what_terraform_forgets(
    both: tuple[Path, dict[str, Any], dict[str, Any]],
) -> None:
    folder, before, plan = both
    forgotten = {
        change["address"] for change in plan["resource_changes"] if "forget" in change["change"]["actions"]
    }
    assert forgotten == {"terraform_data.forgotten"}
    assert read_moves(folder).forgotten([entry.address for entry in resources(before)]) == forgotten


def test_a_source_in_a_nested_block_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "evil").mkdir()
    moved = "moved {\n  from = aws_kms_key.a\n  to   = aws_kms_key.b\n}\n"
    (tmp_path / "evil" / "main.tf").write_text(moved)
    (tmp_path / "main.tf").write_text(
        'module "x" {\n  source = "./none"\n  a = {\n    source = "./evil"\n  }\n}\n'
    )
    assert read_moves(tmp_path) == Moves()


def test_a_module_that_calls_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('module "x" {\n  source = "./"\n}\nmodule "y" {\n  source = "./"\n}\n')
    assert read_moves(tmp_path) == Moves()


KEY = resource("aws_kms_key.this", arn="arn:aws:kms:r:1:key/k", key_id="k", id="k")
KEYS = resource('aws_kms_key.this["a"]', arn="arn:aws:kms:r:1:key/k", key_id="k", id="k")


def code(tmp_path: Path, text: str) -> Moves:
    (tmp_path / "main.tf").write_text(text)
    return read_moves(tmp_path)


RIGHT = 'moved {\n  from = aws_kms_key.this\n  to   = aws_kms_key.this["a"]\n}\n'
OTHER = 'moved {\n  from = aws_kms_key.this\n  to   = aws_kms_key.this["b"]\n}\n'
FORGET = "removed {\n  from = aws_kms_key.this\n  lifecycle {\n    destroy = false\n  }\n}\n"


def test_a_right_move_is_no_destruction_and_none_a_wrong_one_and_another_are_not_one_finding(
    tmp_path: Path,
) -> None:
    def found(text: str) -> list[tuple[str, str]]:
        sides = applied_sides(state(KEY), state(KEYS), code(tmp_path, text))
        return [(finding.about, finding.id) for finding in compare(*sides)]

    assert found(RIGHT) == []
    (without,), (forgotten,) = found(""), found(FORGET)
    assert found(OTHER)[0][0] == without[0] == forgotten[0] == "destruction"
    assert without[1] != forgotten[1]


def test_a_plan_says_itself_what_moves() -> None:
    def found(before: dict[str, Any], previous: str | None, *actions: str) -> list[str]:
        plan = planned(state(before), state(KEYS))
        plan["resource_changes"] = [
            {
                "address": KEYS["address"],
                "change": {"actions": list(actions)},
                **({"previous_address": previous} if previous else {}),
            }
        ]
        sides = planned_sides(plan)
        planned_actions = {
            change["address"]: change["change"]["actions"] for change in plan["resource_changes"]
        }
        return [finding.about for finding in compare(*sides, planned_actions)]

    for before in (KEY, KEYS):  # a plan's prior state has the new addresses
        assert found(before, KEY["address"], "no-op") == []
        assert found(before, KEY["address"], "delete", "create") == ["destruction"]
    assert found(KEY, None, "create") == ["destruction"]
