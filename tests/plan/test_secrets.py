"""A saved plan may be stored: it has no value that Terraform or its provider marks as sensitive."""

from __future__ import annotations

from typing import Any

from tests.plan.document import PlanDocument


def secrets(document: dict[str, Any]) -> list[str]:
    """The addresses of what has a value marked as sensitive, before the change or after it."""
    entries = [(change["address"], change["change"]) for change in document["resource_changes"]]
    entries += document.get("output_changes", {}).items()
    return [
        address
        for address, change in entries
        if any(_has_secret(change.get(f"{side}_sensitive"), change.get(side)) for side in ("before", "after"))
    ]


def _has_secret(mark: Any, value: Any) -> bool:
    """Whether a value, or a part of it, is present and marked."""
    if isinstance(mark, dict):
        return any(_has_secret(each, (value or {}).get(name)) for name, each in mark.items())
    if isinstance(mark, list):
        return any(_has_secret(each, part) for each, part in zip(mark, value or (), strict=False))
    return mark is True and value is not None


def test_a_plan_holds_no_secret(plan: PlanDocument) -> None:
    assert secrets(plan.document) == []


def test_a_secret_in_a_plan_is_found() -> None:
    def function(password: str | None) -> dict[str, Any]:
        return {
            "before": None,
            "before_sensitive": False,
            "after": {"environment": [{"variables": {"PASSWORD": password}}]},
            "after_sensitive": {"environment": [{"variables": {"PASSWORD": True}}]},
        }

    document = {
        "resource_changes": [
            {"address": "aws_lambda_function.with", "change": function("x")},
            {"address": "aws_lambda_function.without", "change": function(None)},
        ],
        "output_changes": {
            "password": {"after": "x", "after_sensitive": True},
            "buckets": {"after": "x", "after_sensitive": False},
        },
    }
    assert secrets(document) == ["aws_lambda_function.with", "password"]
