"""The public keys of CloudTrail's digest files.

Source: AWS CloudTrail API Reference, "ListPublicKeys". Each region signs with keys of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from custody.errors import CannotCheckError

if TYPE_CHECKING:
    from mypy_boto3_cloudtrail import CloudTrailClient

_MARGIN = timedelta(hours=1)
"""How far from a digest's time a key is looked for, as the AWS CLI does."""


class DigestKeys(Protocol):
    """Where a verification gets public keys from."""

    def find(self, region: str, fingerprint: str, about: datetime) -> bytes | None:
        """The key (PKCS #1, DER) that signed in a region at about that time; ``None`` if there is none.

        Raises ``CannotCheckError`` if that cannot be said.
        """
        ...


class ListedKeys:
    """The keys that CloudTrail's API lists; each region and day is asked about once."""

    def __init__(self, client: Callable[[str], CloudTrailClient]) -> None:
        self._client = client
        self._known: dict[tuple[str, str], bytes] = {}
        self._asked: set[tuple[str, datetime]] = set()

    def find(self, region: str, fingerprint: str, about: datetime) -> bytes | None:
        """As ``DigestKeys`` says."""
        day = about.replace(hour=0, minute=0, second=0, microsecond=0)
        if (region, fingerprint) not in self._known and (region, day) not in self._asked:
            self._ask(region, day - _MARGIN, day + timedelta(days=1) + _MARGIN)
            self._asked.add((region, day))
        return self._known.get((region, fingerprint))

    def _ask(self, region: str, start: datetime, end: datetime) -> None:
        try:
            pages = (
                self._client(region).get_paginator("list_public_keys").paginate(StartTime=start, EndTime=end)
            )
            for page in pages:
                for key in page["PublicKeyList"]:
                    self._known[region, key["Fingerprint"]] = key["Value"]
        except (BotoCoreError, ClientError) as error:
            raise CannotCheckError(
                f"CloudTrail does not list its public keys in {region}: {error}",
                "The role needs cloudtrail:ListPublicKeys.",
            ) from error
