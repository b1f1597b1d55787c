"""The chains of CloudTrail's digests, by the digests' names.

Source: AWS CloudTrail User Guide, "CloudTrail digest file structure". A digest whose name ends in
``_backfill`` names log files that came too late for the digest of their period; those digests are a chain of
their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(
    r"(?P<folder>(?:.+/)?AWSLogs/(?:o-[a-z0-9]+/)?(?P<account>[0-9]{12})/CloudTrail-Digest/(?P<region>[a-z0-9-]+)/)"
    r"[0-9]{4}/[0-9]{2}/[0-9]{2}/"
    r"(?P=account)_CloudTrail-Digest_(?P=region)_(?P<trail>[A-Za-z0-9._-]+)_(?P<home>[a-z0-9-]+)"
    r"_[0-9]{8}T[0-9]{6}Z(?P<late>_backfill)?\.json\.gz"
)


@dataclass(frozen=True, slots=True)
class Chain:
    """The digests of one trail and region; those of late files are a chain of their own."""

    folder: str
    region: str
    trail: str
    home_region: str
    late: bool


def parse_chain(key: str) -> Chain | None:
    """The chain that a digest belongs to by its key; ``None`` if no digest has such a key."""
    found = _NAME.fullmatch(key)
    if found is None:
        return None
    folder, region, trail, home, late = found.group("folder", "region", "trail", "home", "late")
    return Chain(folder, region, trail, home, late is not None)
