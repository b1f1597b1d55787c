"""By whom the calls of this process are decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scripts.local_aws.enforcement.authority import Authority

_chosen: list[Authority] = []


def authority() -> Authority | None:
    """What decides every call; ``None`` if nothing is enforced."""
    return _chosen[-1] if _chosen else None


def choose(one: Authority) -> None:
    """Have every call of this process decided from here on."""
    _chosen.append(one)
