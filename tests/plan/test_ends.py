"""What the plan's own check protects is there."""

from __future__ import annotations

import pytest

from scripts.state.ends import MODULES, TYPES, is_kept
from tests.support.plans import local_plan

pytestmark = pytest.mark.xdist_group("plan")


def test_every_module_that_must_stay_is_one_of_the_root() -> None:
    """Renamed, it would be protected no more."""
    changes = local_plan()["resource_changes"]
    kept = [change for change in changes if is_kept(change["type"], change["address"])]
    modules = {each["address"].removeprefix("module.").partition(".")[0].partition("[")[0] for each in kept}
    assert modules == MODULES
    assert {each["type"] for each in kept} == TYPES
