"""One table's arrivals: which object versions are new, which may be processed, what is withheld.

All that is new is looked at first, however much is withheld. What was withheld before is checked again after
it, a bounded number in each call; of those that a call does not come to, it says what was said before.
"""

from __future__ import annotations

import random
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
from custody.gate.receipts import Pending, ReceiptGate, Withheld
from custody.gate.withheld import WithheldVersions
from custody.listing import VersionEntry

MAX_ENTRIES = 10_000
MAX_BYTES = 20 * 1000**3
"""What a manifest may hold, and so a run of the job has to do. A single larger object is a manifest."""
MAX_AGAIN = 20_000
"""So many of those withheld before are checked again in one call: drawn at random, if there are more."""
MAX_ERRORS = 100
"""After so many versions that could not be checked, the others of the call are not tried."""
CHECKS_AT_ONCE = 32
"""Most of a check's time is spent waiting for Amazon S3 and AWS KMS."""
_LOOK_AT_CLOCK_EVERY = 1000

_Unchecked = BotoCoreError | ClientError | ShortStreamError


@dataclass
class Arrivals:
    """What became of the versions that were in no manifest, and of those that a job withheld."""

    manifests: list[Handed] = field(default_factory=list)
    """Those that were written."""
    verified: int = 0
    size_bytes: int = 0
    pending: int = 0
    withheld: WithheldVersions = field(default_factory=WithheldVersions)
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
        if self.cut_short and self.verified < MAX_ENTRIES:
            raise CannotCheckError(
                "Listing and checking the object versions did not come to their end in time.",
                "Give the function more time or memory, or archive old objects.",
            )


@dataclass(frozen=True, slots=True)
class Before:
    """What was said before of versions that are not new."""

    known: WithheldVersions
    """What was withheld."""
    by_job: Mapping[ObjectVersion, Withheld]
    """What jobs withheld, and nobody has decided about: it is withheld until another version of its key is
    handed out later, or it is no more."""
    released: Mapping[ObjectVersion, str]
    """What is handed out once more, and the URI of the decision that says so."""


class Examination:
    """Checks what one listing gives, and hands out what holds."""

    def __init__(
        self,
        chain: Chain,
        receipts: ReceiptGate,
        before: Before,
        has_time: Callable[[], bool],
        now: datetime,
    ) -> None:
        self._chain = chain
        self._receipts = receipts
        self._bucket = chain.source.bucket
        self._known = before.known
        self._by_job = before.by_job
        self._released = before.released
        self._has_time = has_time
        self._now = now
        self._arrivals = Arrivals()
        self._again: list[VersionEntry] = []
        self._of_known = 0
        self._keys = {version.key for version in before.by_job}
        self._beside: dict[str, list[VersionEntry]] = {}
        """The versions of keys of which a job withheld one."""

    def run(self, listing: Iterable[VersionEntry]) -> Arrivals:
        """Go through the listing once.

        A version that cannot be checked keeps none of the others back. Raises botocore's exceptions if the
        listing itself fails or a manifest cannot be written.
        """
        arrivals = self._arrivals
        with ThreadPoolExecutor(CHECKS_AT_ONCE) as pool:
            new = self._new(listing)
            while batch := list(islice(new, MAX_ENTRIES)):
                self._check(pool, batch)
            again = iter(self._again)
            while batch := list(islice(again, MAX_ENTRIES)):
                self._check(pool, batch)
        if arrivals.cut_short:
            arrivals.withheld.keep(self._known, lambda version: version not in self._chain)
        for version, withheld in self._by_job.items():
            if arrivals.cut_short or self._is_alone(version):
                arrivals.withheld.add(withheld)
        return arrivals

    def _new(self, listing: Iterable[VersionEntry]) -> Iterator[VersionEntry]:
        """What is to be handed out and no manifest holds; what was withheld before is put aside."""
        for number, listed in enumerate(listing):
            if number % _LOOK_AT_CLOCK_EVERY == 0 and not self._goes_on():
                self._arrivals.cut_short = True
                return
            if listed.is_delete_marker:
                continue
            version = ObjectVersion(self._bucket, listed.key, listed.version_id)
            if listed.key in self._keys:
                self._beside.setdefault(listed.key, []).append(listed)
            if version in self._chain:
                decision = self._released.get(version)
                if decision is not None and not self._chain.is_released(version, decision):
                    yield listed
            elif version in self._known:
                self._put_aside(version, listed)
            else:
                yield listed

    def _put_aside(self, version: ObjectVersion, listed: VersionEntry) -> None:
        """Keep it for later if it is one of those drawn (reservoir sampling); else what was said of it."""
        self._of_known += 1
        if len(self._again) < MAX_AGAIN:
            self._again.append(listed)
            return
        place = random.randrange(self._of_known)  # noqa: S311 - no secret
        if place < MAX_AGAIN:
            out, self._again[place] = self._again[place], listed
            version = ObjectVersion(self._bucket, out.key, out.version_id)
        self._arrivals.withheld.keep_one(version, self._known)

    def _is_alone(self, version: ObjectVersion) -> bool:
        """Whether it is there, and no later version of its key was handed out."""
        beside = self._beside.get(version.key, ())
        mine = [entry.last_modified for entry in beside if entry.version_id == version.version_id]
        return bool(mine) and not any(
            entry.last_modified >= mine[0]
            and entry.version_id != version.version_id
            and ObjectVersion(self._bucket, entry.key, entry.version_id) in self._chain
            and ObjectVersion(self._bucket, entry.key, entry.version_id) not in self._by_job
            for entry in beside
        )

    def _goes_on(self) -> bool:
        return len(self._arrivals.errors) < MAX_ERRORS and self._has_time()

    def _check(self, pool: ThreadPoolExecutor, batch: list[VersionEntry]) -> None:
        arrivals = self._arrivals
        entries = []
        for listed, verdict in zip(batch, pool.map(self._check_one, batch), strict=True):
            if isinstance(verdict, Entry):
                entries.append(verdict)
            elif isinstance(verdict, Withheld):
                arrivals.withheld.add(verdict)
            elif isinstance(verdict, Pending):
                arrivals.pending += 1
            else:
                version = ObjectVersion(self._bucket, listed.key, listed.version_id)
                if version in self._known:
                    arrivals.withheld.keep_one(version, self._known)
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

    def _check_one(self, listed: VersionEntry) -> Entry | Withheld | Pending | _Unchecked | None:
        """The verdict; ``None`` if there is no time left for it."""
        if not self._goes_on():
            return None
        try:
            found = self._receipts.check(self._bucket, listed)
        except (BotoCoreError, ClientError, ShortStreamError) as error:
            return error
        if isinstance(found, Entry) and found.version in self._chain:
            return Entry(
                found.version,
                found.sha256,
                found.size_bytes,
                found.last_modified,
                self._released.get(found.version),
            )
        return found


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
