"""One table's arrivals: which object versions are new, which of them may be processed, and what is left.

What was left before is checked again only after all that is new, so that it never keeps anything back; and a
check that ends for want of time says of those only what was said before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from botocore.exceptions import BotoCoreError, ClientError

from custody.errors import CannotCheckError
from custody.etl.manifest import Entry
from custody.evidence.hashing import ShortStreamError
from custody.evidence.objects import ObjectVersion
from custody.gate.manifests import Chain, Handed
from custody.gate.receipts import Left, Pending, ReceiptGate
from custody.listing import VersionEntry

MAX_ENTRIES = 10_000
MAX_BYTES = 20 * 1000**3
"""What a manifest may hold, and so a run of the job has to do. A single larger object is a manifest."""
MAX_LEFT = 20_000
"""With so many versions left something is broken as a whole: what is new waits until that is mended."""
MAX_ERRORS = 100
"""After so many versions that could not be checked, the others of the call are not tried."""
CHECKS_AT_ONCE = 32
"""Most of a check's time is spent waiting for Amazon S3 and AWS KMS."""
_LOOK_AT_CLOCK_EVERY = 1000

_Unchecked = BotoCoreError | ClientError | ShortStreamError


@dataclass
class Arrivals:
    """What became of the versions that were in no manifest."""

    manifests: list[Handed] = field(default_factory=list)
    """Those that were written."""
    verified: int = 0
    size_bytes: int = 0
    pending: int = 0
    left: dict[ObjectVersion, Left] = field(default_factory=dict)
    skipped: int = 0
    """How many new ones were not looked at because too many are left."""
    cut_short: bool = False
    """Whether time ended, or too much failed, before all that is new was looked at."""
    errors: list[str] = field(default_factory=list)
    """A sentence each of versions that could not be checked."""

    def require_whole(self) -> None:
        """Raise ``CannotCheckError`` if something was not looked at and will not be next time either."""
        if self.errors:
            raise CannotCheckError(
                f"{len(self.errors)} object versions could not be checked; the first: {self.errors[0]}"
            )
        if self.skipped:
            raise CannotCheckError(
                f"{len(self.left)} object versions are left; {self.skipped} new ones were not looked at.",
                "Find out what those left have in common: the report names them.",
            )
        if self.cut_short and self.verified < MAX_ENTRIES:
            raise CannotCheckError(
                "Listing and checking the object versions did not come to their end in time.",
                "Give the function more time or memory, or archive old objects.",
            )


class Examination:
    """Checks what one listing gives, and hands out what holds."""

    def __init__(
        self,
        chain: Chain,
        receipts: ReceiptGate,
        known: Mapping[ObjectVersion, Left],
        has_time: Callable[[], bool],
        now: datetime,
    ) -> None:
        self._chain = chain
        self._receipts = receipts
        self._bucket = chain.source.bucket
        self._known = known
        self._has_time = has_time
        self._now = now
        self._arrivals = Arrivals()

    def run(self, listing: Iterable[VersionEntry]) -> Arrivals:
        """Go through the listing once.

        A version that cannot be checked keeps none of the others back. Raises botocore's exceptions if the
        listing itself fails or a manifest cannot be written.
        """
        arrivals = self._arrivals
        known: list[VersionEntry] = []
        with ThreadPoolExecutor(CHECKS_AT_ONCE) as pool:
            new = self._new(listing, known)
            while batch := list(islice(new, MAX_ENTRIES)):
                self._check(pool, batch)
            again = iter(known)
            while batch := list(islice(again, MAX_ENTRIES)):
                self._check(pool, batch)
        if arrivals.cut_short:
            for version, before in self._known.items():
                if version not in self._chain:
                    arrivals.left.setdefault(version, before)
        return arrivals

    def _new(self, listing: Iterable[VersionEntry], known: list[VersionEntry]) -> Iterator[VersionEntry]:
        """What no manifest holds; of that, what was left before goes into ``known`` instead."""
        for number, listed in enumerate(listing):
            if number % _LOOK_AT_CLOCK_EVERY == 0 and not self._goes_on():
                self._arrivals.cut_short = True
                return
            if listed.is_delete_marker:
                continue
            version = ObjectVersion(self._bucket, listed.key, listed.version_id)
            if version in self._chain:
                continue
            if version in self._known:
                known.append(listed)
            elif len(self._arrivals.left) + len(known) < MAX_LEFT:
                yield listed
            else:
                self._arrivals.skipped += 1

    def _goes_on(self) -> bool:
        return len(self._arrivals.errors) < MAX_ERRORS and self._has_time()

    def _check(self, pool: ThreadPoolExecutor, batch: list[VersionEntry]) -> None:
        arrivals = self._arrivals
        entries = []
        for listed, verdict in zip(batch, pool.map(self._check_one, batch), strict=True):
            if isinstance(verdict, Entry):
                entries.append(verdict)
            elif isinstance(verdict, Left):
                arrivals.left[verdict.version] = verdict
            elif isinstance(verdict, Pending):
                arrivals.pending += 1
            else:
                version = ObjectVersion(self._bucket, listed.key, listed.version_id)
                if version in self._known:
                    arrivals.left[version] = self._known[version]
                elif verdict is None:
                    arrivals.cut_short = True
                if verdict is not None:
                    arrivals.errors.append(f"{version.uri}: {verdict}")
        for group in _bounded(entries):
            written = self._chain.append(group, self._now)
            if written is not None:
                manifest, held = written
                arrivals.manifests.append(manifest)
                arrivals.verified += len(held)
                arrivals.size_bytes += sum(entry.size_bytes for entry in held)

    def _check_one(self, listed: VersionEntry) -> Entry | Left | Pending | _Unchecked | None:
        """The verdict; ``None`` if there is no time left for it."""
        if not self._goes_on():
            return None
        try:
            return self._receipts.check(self._bucket, listed)
        except (BotoCoreError, ClientError, ShortStreamError) as error:
            return error


def _bounded(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The entries in groups that a manifest may hold."""
    group: list[Entry] = []
    size = 0
    for entry in entries:
        if group and (len(group) == MAX_ENTRIES or size + entry.size_bytes > MAX_BYTES):
            yield group
            group, size = [], 0
        group.append(entry)
        size += entry.size_bytes
    if group:
        yield group
