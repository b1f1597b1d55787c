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
    """The addresses of data, evidence and what protects or reads them that a plan would end.

    It destroys or replaces them, or gives them away: to an address that is protected no more (``moved``), or
    to nobody (``removed``). The plan after that one could destroy them without a word. A trail that does not
    log has ended, too.
    """
    return [
        change["address"]
        for change in plan.get("resource_changes", ())
        if (
            is_kept(change["type"], change["address"])
            and not {"delete", "forget"}.isdisjoint(change["change"]["actions"])
        )
        or (change["type"] == "aws_cloudtrail" and _stops_logging(change["change"]))
        or (
            is_kept(change["type"], change.get("previous_address", ""))
            and not is_kept(change["type"], change["address"])
        )
    ]


def _stops_logging(change: dict[str, Any]) -> bool:
    """Whether a trail that is there logs no more; a new one that never logs is a finding of the scan."""
    return bool(change.get("before")) and (change.get("after") or {}).get("enable_logging") is False


def is_kept(kind: str, address: str) -> bool:
    """Whether a resource of this type must stay where it is at this address."""
    _, _, rest = address.partition("module.")
    module = rest.partition(".")[0].partition("[")[0]
    return kind in TYPES and module in MODULES
