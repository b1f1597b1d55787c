"""Adopted buckets in a plan: a later adoption would excuse what was written until then."""

from __future__ import annotations

from datetime import datetime
from typing import Any


def later_adoptions(plan: dict[str, Any]) -> list[str]:
    """A sentence for each bucket that would be adopted later than it was, by the output ``adopted_since``."""
    change = plan.get("output_changes", {}).get("adopted_since", {})
    before, after = change.get("before") or {}, change.get("after") or {}
    return [
        f"{bucket} is adopted since {since}, and would be since {after[bucket]}: "
        "what was written until then would need no event of the trail."
        for bucket, since in sorted(before.items())
        if bucket in after and datetime.fromisoformat(after[bucket]) > datetime.fromisoformat(since)
    ]
