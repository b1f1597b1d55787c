"""One table's arrivals: which object versions are new, which may be processed, and which are withheld.

New versions are checked first, however many are withheld. Versions withheld before are checked again after
that, a bounded number in each invocation; the others keep their earlier result.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from custody.errors import CannotCheckError
from custody.etl.manifest import Entry
from custody.evidence.fetch import SERVICE_ERRORS
from custody.evidence.hashing import ShortStreamError
from custody.evidence.objects import ObjectVersion
from custody.gate.decisions import Again
from custody.gate.manifests import Chain, Handed
from custody.gate.receipts import Pending, ReceiptGate, Withheld
from custody.gate.withheld import WithheldVersions
from custody.listing import VersionEntry

MAX_ENTRIES = 10_000
MAX_BYTES = 20 * 1000**3
"""Maximum size of a manifest, and so of the work of a job run. A larger object is a manifest by itself."""
MAX_AGAIN = 20_000
"""This many versions withheld before are checked again in one invocation: drawn at random if there are
more."""
MAX_ERRORS = 100
"""After this many versions that could not be checked, the invocation stops checking."""
CHECKS_AT_ONCE = 32
"""Most of the time of a check is spent waiting for Amazon S3 and AWS KMS."""
_LOOK_AT_CLOCK_EVERY = 1000

_Unchecked = BotoCoreError | ClientError | HTTPError | ShortStreamError


@dataclass
class Arrivals:
    """The results for versions that were in no manifest, and for those that a job withheld."""

    manifests: list[Handed] = field(default_factory=list)
    """The manifests that were written."""
    verified: int = 0
    size_bytes: int = 0
    pending: int = 0
    withheld: WithheldVersions = field(default_factory=WithheldVersions)
    cut_short: bool = False
    """Whether the time ran out, or too much failed, before all new versions were checked."""
    errors: list[str] = field(default_factory=list)
    """A sentence for each version that could not be checked."""

    def require_whole(self) -> None:
        """Raise ``CannotCheckError`` if something was not checked and will not be next time either."""
        if self.errors:
            raise CannotCheckError(
                f"{len(self.errors)} object versions could not be checked; the first: {self.errors[0]}"
            )
        if self.cut_short and self.verified < MAX_ENTRIES:
            raise CannotCheckError(
                "Listing and checking the object versions did not finish in time.",
                "Give the function more time or memory, or archive old objects.",
            )


@dataclass(frozen=True, slots=True)
class Before:
    """Earlier results for versions that are not new."""

    known: WithheldVersions
    """Versions that were withheld."""
    by_job: Mapping[ObjectVersion, Withheld]
    """What jobs withheld without a decision since: it stays withheld until a later version of its key is
    handed out, or it no longer exists."""
    again: Mapping[ObjectVersion, Sequence[Again]]
    """Versions to hand out once more for each of these decisions."""


class Examination:
    """Checks the versions of one listing, and hands out the verified ones."""

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
        self._decided = before.again
        self._has_time = has_time
        self._now = now
        self._arrivals = Arrivals()
        self._again: list[VersionEntry] = []
        self._of_known = 0
        self._keys = {version.key for version in before.by_job}
        self._beside: dict[str, list[VersionEntry]] = {}
        """The versions of those keys of which a job withheld one."""

    def run(self, listing: Iterable[VersionEntry]) -> Arrivals:
        """Go through the listing once.

        A version that cannot be checked does not hold up the others. Raises botocore's exceptions if the
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
        """Versions to hand out that are in no manifest; those withheld before are put aside."""
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
                if self._due(version) is not None:
                    yield listed
            elif version in self._known:
                self._put_aside(version, listed)
            else:
                yield listed

    def _due(self, version: ObjectVersion) -> Again | None:
        """The first decision for which a version was not handed out yet."""
        decided = self._decided.get(version, ())
        return next((each for each in decided if not self._chain.has_for(version, each.decision)), None)

    def _put_aside(self, version: ObjectVersion, listed: VersionEntry) -> None:
        """Keep it for later if it is drawn (reservoir sampling); otherwise keep its earlier result."""
        self._of_known += 1
        if len(self._again) < MAX_AGAIN:
            self._again.append(listed)
            return
        place = random.randrange(self._of_known)  # noqa: S311 - not a secret
        if place < MAX_AGAIN:
            out, self._again[place] = self._again[place], listed
            version = ObjectVersion(self._bucket, out.key, out.version_id)
        self._arrivals.withheld.keep_one(version, self._known)

    def _is_alone(self, version: ObjectVersion) -> bool:
        """Whether it exists, and no later version of its key was handed out."""
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
        """The result; ``None`` if there is no time left for it."""
        if not self._goes_on():
            return None
        try:
            found = self._receipts.check(self._bucket, listed)
        except (*SERVICE_ERRORS, ShortStreamError) as error:
            return error
        if isinstance(found, Entry) and (again := self._due(found.version)) and found.version in self._chain:
            return replace(found, decision=again.decision, is_withheld=again.is_withheld)
        return found


def _bounded(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The entries in groups of a manifest's size."""
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
