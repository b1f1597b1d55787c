"""What a local apply does not show is planned: bootstrap, and variables of real environments."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scripts.review.__main__ import compare
from scripts.review.plans import planned_pairs
from scripts.review.sides import applied_sides
from scripts.toolchain.toolchain import REPO


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    for side in ("base", "head"):
        for folder in ("glue", "sql", "terraform"):
            ignored = shutil.ignore_patterns(".terraform", "*.tfstate*", "policies", "tests")
            shutil.copytree(REPO / folder, tmp_path / side / folder, ignore=ignored)
    return tmp_path / "base" / "terraform", tmp_path / "head" / "terraform"


def test_what_does_not_differ_is_not_planned(trees: tuple[Path, Path], tmp_path: Path) -> None:
    base, head = trees
    (head / "env" / "local.tfvars").write_text("is_applied = true")
    (head / "etl.tf").write_text("# is applied, too")
    assert planned_pairs(base, head, tmp_path / "work") == {}


@pytest.mark.xdist_group("plan")
def test_a_role_of_ci_that_may_do_more_is_named(trees: tuple[Path, Path], tmp_path: Path) -> None:
    base, head = trees
    source = head / "bootstrap" / "read.tf"
    text, place = source.read_text(), '  statement {\n    sid       = "ReadPlacedObjects"\n'
    assert place in text
    more = '  statement {\n    sid = "ReadAll"\n    actions = ["s3:GetObject"]\n    resources = ["*"]\n  }\n'
    source.write_text(text.replace(place, more + place))

    pairs = planned_pairs(base, head, tmp_path / "work")

    (variables,) = pairs
    assert variables == "bootstrap/env/dev.tfvars"
    found = compare(*applied_sides(*pairs[variables]))
    assert {
        (finding.direction, finding.principal, finding.actions, finding.resources, finding.statement)
        for finding in found
    } == {
        ("wider", role, ("s3:GetObject",), ("*",), "ReadAll")
        for role in ("custody-dev-apply", "custody-dev-plan")
    }
    assert not (tmp_path / "work").exists()
