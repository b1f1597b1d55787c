"""What a plan would destroy although data or evidence rest on it."""

from __future__ import annotations

from typing import Any

TYPES = frozenset({"aws_cloudtrail", "aws_kms_key", "aws_s3_bucket"})
MODULES = frozenset(
    {
        "cloudtrail_log",
        "data_key",
        "lake",
        "log_key",
        "provenance",
        "provenance_key",
        "signing_key",
        "trail",
        "trail_key",
    }
)
"""Modules of the root whose buckets, keys and trail are there for as long as the deployment."""


def ends(plan: dict[str, Any]) -> list[str]:
    """The addresses of data, evidence and what protects or reads them that a plan destroys or replaces."""
    return [
        change["address"]
        for change in plan.get("resource_changes", ())
        if "delete" in change["change"]["actions"] and is_kept(change)
    ]


def is_kept(resource: dict[str, Any]) -> bool:
    """Whether a resource of a plan must stay."""
    _, _, rest = resource["address"].partition("module.")
    module = rest.partition(".")[0].partition("[")[0]
    return resource["type"] in TYPES and module in MODULES
