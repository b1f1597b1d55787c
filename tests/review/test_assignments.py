"""Assignments, grants and filters: more of them is more access, and less of what limits is too."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.review.assignments import GRANTS, LIMITS, UNDECIDED, compare_assignments
from scripts.review.findings import Finding
from scripts.review.sides import applied_sides
from tests.review.documents import resource, state


def changes(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[Finding]:
    return list(compare_assignments(*applied_sides(state(*before), state(*after))))


def directions(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[str]:
    return [finding.direction for finding in changes(before, after)]


@pytest.mark.parametrize(
    ("kinds", "new", "gone"),
    [(GRANTS, "wider", "narrower"), (LIMITS, "narrower", "wider"), (UNDECIDED, "wider", "wider")],
    ids=["grants", "limits", "undecided"],
)
def test_what_is_new_and_what_is_gone(kinds: frozenset[str], new: str, gone: str) -> None:
    for kind in sorted(kinds):
        one, other = (resource(f"{kind}.x", principal=name) for name in ("a", "b"))
        assert directions([], [one]) == [new], kind
        assert directions([one], []) == [gone], kind
        assert directions([one], [other]) == ["wider"], kind
        assert directions([one], [one]) == [], kind


def permissions(*names: str, address: str = "x", **more: Any) -> dict[str, Any]:
    return resource(
        f"aws_lakeformation_permissions.{address}", principal="analyst", permissions=list(names), **more
    )


def test_a_shorter_list_is_less_and_a_longer_one_more() -> None:
    assert directions([permissions("SELECT", "DESCRIBE")], [permissions("SELECT")]) == ["narrower"]
    (more,) = changes([permissions("SELECT")], [permissions("SELECT", "DROP")])
    assert more.direction == "wider"
    assert more.text == (
        'lakeformation permissions `aws_lakeformation_permissions.x` changes: `permissions` `["SELECT"]` → '
        '`["SELECT", "DROP"]`'
    )


def test_a_shorter_list_of_a_limit_is_not_less_access() -> None:
    one, other = (
        resource("aws_lakeformation_data_cells_filter.x", excluded_column_names=names)
        for names in (["email", "name"], ["name"])
    )
    assert directions([one], [other]) == ["wider"]
    assert directions([other], [one]) == ["wider"]


def test_no_list_at_all_is_not_a_shorter_one() -> None:
    filtered = resource("aws_lakeformation_permissions.x", principal="a", columns=["id"])
    whole = resource("aws_lakeformation_permissions.x", principal="a", columns=[])
    assert directions([filtered], [whole]) == ["wider"]


def test_the_same_elsewhere_in_the_code_is_the_same() -> None:
    before = permissions("SELECT", id="1", tags={"a": "b"})
    assert directions([before], [permissions("SELECT", address="y", id="2")]) == []


def test_a_permission_set_goes_by_its_name() -> None:
    def side(arn: str) -> list[dict[str, Any]]:
        return [
            resource("aws_ssoadmin_permission_set.a", name="Analyst", arn=arn),
            resource("aws_ssoadmin_account_assignment.a", permission_set_arn=arn, principal_id="p"),
        ]

    assert directions(side("arn:aws:sso:::permissionSet/1"), side("arn:aws:sso:::permissionSet/2")) == []
