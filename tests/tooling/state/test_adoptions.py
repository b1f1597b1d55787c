"""A plan does not move an adoption to a later time."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.terraform import refuse_later_adoptions
from scripts.toolchain.toolchain import ToolError

SINCE = {"archive": "2026-11-30T09:00:00Z", "letters": "2026-11-01T00:00:00Z"}


def plan(before: object, after: object) -> dict[str, Any]:
    change = {"actions": ["update"], "before": before, "after": after}
    return {"output_changes": {"adopted_since": change}}


def test_an_adoption_is_not_moved_on() -> None:
    later = {**SINCE, "archive": "2026-11-30T09:00:00.5Z"}
    with pytest.raises(
        ToolError, match=r"^archive is adopted since 2026-11-30T09:00:00Z, and.*\n"
    ) as refused:
        refuse_later_adoptions(plan(SINCE, later))
    assert "docs/adopting.md" in str(refused.value)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (SINCE, SINCE),
        (SINCE, {**SINCE, "archive": "2026-11-29T09:00:00Z", "more": "2026-11-30T10:00:00Z"}),
        (SINCE, {"archive": SINCE["archive"]}),
        ({}, SINCE),
        (None, SINCE),
    ],
)
def test_more_may_be_adopted_and_earlier_and_less(before: object, after: object) -> None:
    refuse_later_adoptions(plan(before, after))
    refuse_later_adoptions({})
