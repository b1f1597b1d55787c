"""Functions that exist and a network that does not: the AWS provider cannot plan both at once.

Where a function had none, the provider takes a ``vpc_config`` whose ids are not known yet for none at all,
and the apply ends in "Provider produced inconsistent final plan" (hashicorp/aws 5.100).
"""

from __future__ import annotations

from typing import Any

NETWORK = "module.network"


def is_network_first(plan: dict[str, Any]) -> bool:
    """Whether a plan has functions join a network that it makes."""
    changes = plan.get("resource_changes", ())
    is_new = any(
        change["address"].startswith(f"{NETWORK}[") and change["change"]["actions"] == ["create"]
        for change in changes
        if change["type"] == "aws_vpc"
    )
    return is_new and any(
        change["type"] == "aws_lambda_function" and change["change"]["before"] for change in changes
    )
