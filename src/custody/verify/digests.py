"""CloudTrail's digest files: the trail's log files are what CloudTrail delivered, and none is missing.

``trail.digest``: each digest is signed by CloudTrail and follows the one before it, and each log file that
one names still has the content that it names. ``trail.complete``: every log file is in a digest, no time is
without one, and the newest is not older than it should be.

A chain of digests does not show what came after its end: log files without a digest are pending until it is
due.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from custody.deployment import Deployment
from custody.errors import CannotCheckError, CustodyError, EvidenceError, describe_defect
from custody.evidence.fetch import SERVICE_ERRORS, GoneError, Reader, UnreadableError, fetch
from custody.evidence.hashing import read_body
from custody.evidence.objects import ObjectVersion, quote_key
from custody.findings import Claim, Finding, Severity, Status
from custody.times import format_time, from_microseconds
from custody.trail.chains import parse_chain
from custody.trail.digests import Digest, parse_digest
from custody.trail.log_files import MAX_LOG_FILE_BYTES, LogFile, list_log_files
from custody.trail.public_keys import DigestKeys
from custody.verify.tally import Tally
from custody.verify.trail_index import Link, TrailIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

    from custody.verify.reading import Readers

DIGEST_DUE = timedelta(hours=3)
"""A log file is in a digest this long after its delivery at the latest: CloudTrail delivers a digest every
hour, of the log files of the hour before."""

_DAY = re.compile(r"/([0-9]{4}/[0-9]{2}/[0-9]{2})/")
_LOG_FILE = re.compile(
    r"((?:.+/)?AWSLogs/(?:o-[a-z0-9]+/)?[0-9]{12}/)CloudTrail/([a-z0-9-]+)/[0-9]{4}/[0-9]{2}/[0-9]{2}/[^/]+"
)
_DIGEST, _COMPLETE = Claim.TRAIL_DIGEST, Claim.TRAIL_COMPLETE


@dataclass(frozen=True, slots=True)
class ReadDigests:
    """Reads digest files."""

    bucket: str

    def __call__(self, s3: Reader) -> Callable[[LogFile], tuple[LogFile, Digest | str, bool]]:
        """Return the reader of one file: it returns file, digest or sentence, and whether it was checked."""

        def parse(found: GetObjectOutputTypeDef) -> Digest:
            return parse_digest(read_body(found, MAX_LOG_FILE_BYTES), found["Metadata"])

        def read(file: LogFile) -> tuple[LogFile, Digest | str, bool]:
            version = ObjectVersion(self.bucket, file.key, file.version_id)
            try:
                return file, fetch(s3, version, parse), True
            except EvidenceError as error:
                return file, error.message, True
            except (GoneError, UnreadableError) as error:
                return file, f"The trail's digest {version.uri} could not be read: {error}", False
            except (*SERVICE_ERRORS, CustodyError):
                raise
            except Exception as error:  # noqa: BLE001 - it is reported, and one file must not end the run
                return file, f"{version.uri}: {describe_defect(error)}", False

        return read


class DigestVerification:
    """Verifies the digests, and with them the log files in ``index``."""

    def __init__(
        self,
        *,
        readers: Readers,
        deployment: Deployment,
        keys: DigestKeys,
        index: TrailIndex,
        tally: Tally,
        first_day: date | None,
        now: datetime,
        tell: Callable[[str, int], None],
        note: Callable[[LogFile], None],
    ) -> None:
        self._readers = readers
        self._deployment = deployment
        self._bucket = deployment.buckets["cloudtrail-log"]
        *_, self._home, _, name = deployment.trail_arn.split(":", 5)
        self._trail = name.removeprefix("trail/")
        self._keys = keys
        self._index = index
        self._tally = tally
        self._first_day = first_day
        """Neither log files nor digests of earlier days are listed."""
        self._now = now
        self._due_before = now - DIGEST_DUE
        self._tell = tell
        self._note = note
        """Called with each digest file of the listing."""
        self._has_keys = True
        self._unread = 0
        self._set_aside: set[str] = set()
        """Keys of files that are no digests of CloudTrail's, or could not be read."""

    @property
    def is_whole(self) -> bool:
        """Whether every digest of the listing could be read."""
        return self._has_keys and not self._unread

    def sha256_of(self, key: str) -> str | None:
        """The hash of a digest's content; ``None`` if it is not there, empty if it is no digest by itself."""
        return "" if key in self._set_aside else self._index.digest_sha256(key)

    def read(self) -> None:
        """Read every digest: before the log files are listed, so that those that they name are there."""
        for done, (file, digest, is_checked) in enumerate(
            self._readers.map(ReadDigests(self._bucket), self._files()), start=1
        ):
            self._note(file)
            try:
                self._take(file, digest, is_checked=is_checked)
            except CannotCheckError as error:
                self._tally.leave(f"The trail's digests were not checked: {error}")
                self._has_keys = False
                return
            self._tell("trail digests read", done)

    def _files(self) -> Iterator[LogFile]:
        """List every digest; of somebody else's trail that cannot be listed, that is noted."""
        first, last, folder = self._first_day, self._now.date(), self._deployment.trail_folder
        try:
            yield from list_log_files(self._readers.s3, self._bucket, folder, first, last, digests=True)
        except ClientError as error:
            if self._deployment.has_own_trail:
                raise
            self._unread += 1
            where = f"s3://{self._bucket}/{folder}"
            self._tally.leave(f"The existing trail's digests {where} cannot be listed: {error}")

    def judge(self) -> None:
        """Judge the digests, and the log files in the index; nothing without the public keys."""
        if not self._has_keys:
            return
        ends = {}
        for (folder, late), links in groupby(self._index.links(), lambda link: (link.folder, link.late)):
            end = self._judge_chain(list(links))
            if not late:
                ends[folder] = from_microseconds(end)
        self._judge_named_files()
        self._judge_unnamed_files(ends)

    def _take(self, file: LogFile, digest: Digest | str, *, is_checked: bool) -> None:
        """Check one digest by itself, and add it to the index if it is CloudTrail's.

        Raises ``CannotCheckError`` if the public keys cannot be had.
        """
        chain = parse_chain(file.key)
        self._set_aside.add(file.key)
        if chain is None or (chain.trail, chain.home_region) != (self._trail, self._home):
            what = "It is not a digest of the deployment's trail."
            self._find(_COMPLETE, file.key, Status.UNEXPECTED, what)
        elif not is_checked:
            self._unread += 1
            self._tally.leave(str(digest))
        elif isinstance(digest, str):
            self._find(_DIGEST, file.key, Status.FAILED, digest)
        elif (digest.bucket, digest.key) != (self._bucket, file.key):
            what = f"It is the digest s3://{digest.bucket}/{quote_key(digest.key)}, moved or copied here."
            self._find(_DIGEST, file.key, Status.FAILED, what)
        elif problem := self._signature_problem(digest, chain.region):
            self._find(_DIGEST, file.key, Status.FAILED, problem)
        else:
            self._set_aside.remove(file.key)
            self._index.add_digest(digest, chain.folder, late=chain.late)
            if elsewhere := sum(item.bucket != self._bucket for item in digest.files):
                what = f"{elsewhere:,} log files that {self._uri(file.key)} names are in another bucket."
                self._tally.leave(what, elsewhere)

    def _signature_problem(self, digest: Digest, region: str) -> str:
        """What is wrong with its signature; empty if nothing is."""
        key = self._keys.find(region, digest.fingerprint, digest.signed_about)
        if key is None:
            return f"It names a public key that CloudTrail does not list: {digest.fingerprint[:80]}."
        return "" if digest.is_signed_by(key) else "Its signature is not valid: it was changed."

    def _judge_chain(self, links: list[Link]) -> int:
        """Judge a chain's digests and the times between them; return the end of the newest."""
        earlier: Link | None = None
        for link, after in zip(links, [*links[1:], None], strict=True):
            problem = ""
            if link.before is not None and link.is_there and not link.is_same:
                problem = f"The digest before it, {quote_key(link.before)}, is not the one that it names."
            elif after is not None and after.is_there and not link.is_named:
                problem = "It is outside the chain: the digest after it names another one before it."
            self._judge(_DIGEST, link.key, problem)
            self._judge_time_before(link, earlier)
            earlier = link
        return links[-1].ends

    def _judge_time_before(self, link: Link, earlier: Link | None) -> None:
        """Report a missing digest before one, and a time without a digest."""
        gap = ""
        if earlier is not None and not link.late and link.starts > earlier.ends:
            since, until = (format_time(from_microseconds(moment)) for moment in (earlier.ends, link.starts))
            gap = f"No digest is of the time from {since} to {until}"
        before = link.before
        if before is not None and not link.is_there and before not in self._set_aside:
            if self._is_listed_day(before):
                what = f"It is gone, and the digest {quote_key(link.key)} names it. {gap and gap + '.'}"
                self._find(_DIGEST, before, Status.MISSING, what.rstrip())
        elif gap and earlier and not any(earlier.key < key < link.key for key in self._set_aside):
            what = f"{gap}: the trail did not log or wrote no digests, or they were removed."
            self._find(_COMPLETE, link.key, Status.MISSING, what, Severity.HIGH)

    def _judge_named_files(self) -> None:
        for key, is_read, is_same in self._index.named_files():
            if is_read is not None:
                self._judge(_COMPLETE, key)
            if is_read is None and self._is_listed_day(key):
                self._find(_DIGEST, key, Status.MISSING, "The log file is gone, and a digest names it.")
            elif is_read:
                problem = "" if is_same else "The log file does not have the content that its digest names."
                self._judge(_DIGEST, key, problem)

    def _judge_unnamed_files(self, ends: dict[str, datetime]) -> None:
        """Judge the log files that no digest names; ``ends`` has the ends of the chains, by folder."""
        after_end: Counter[str] = Counter()
        unknown = 0
        for key, stored in self._index.unnamed_files():
            folder = _folder_of_digests(key)
            if stored >= self._due_before:
                self._tally.wait(_COMPLETE)
            elif self._unread:
                unknown += 1
            elif folder is not None and stored >= ends.get(folder, stored):
                after_end[folder] += 1
            else:
                self._find(_COMPLETE, key, Status.UNEXPECTED, "No digest names this log file.")
        if unknown:
            self._tally.leave(
                f"{unknown:,} log files are in none of the digests that could be read.", unknown
            )
        for folder in sorted(ends.keys() | after_end.keys()):
            self._judge_end(folder, ends.get(folder), after_end[folder])

    def _judge_end(self, folder: str, end: datetime | None, log_files: int) -> None:
        """Judge whether a region's newest digest is as new as it should be."""
        problem = ""
        if (end is None or end < self._due_before) and not self._unread:
            since = "" if end is None else f" of the time since {format_time(end)}"
            problem = (
                f"There is no digest{since}, and {log_files:,} log files that one should name: the trail "
                "does not log or writes no digests, or they were removed."
            )
        self._judge(_COMPLETE, folder, problem, Status.MISSING, Severity.HIGH)

    def _is_listed_day(self, key: str) -> bool:
        """Whether a file of this name would have been listed."""
        found = _DAY.search(key)
        return self._first_day is None or found is None or found[1] >= f"{self._first_day:%Y/%m/%d}"

    def _uri(self, key: str) -> str:
        return f"s3://{self._bucket}/{quote_key(key)}"

    def _find(
        self, claim: Claim, key: str, status: Status, detail: str, severity: Severity = Severity.CRITICAL
    ) -> None:
        subject = self._uri(key)
        self._tally.judge(claim, subject, [Finding(claim, status, subject, detail, severity)])

    def _judge(
        self,
        claim: Claim,
        key: str,
        problem: str = "",
        status: Status = Status.FAILED,
        severity: Severity = Severity.CRITICAL,
    ) -> None:
        """Count one subject: failed if there is a problem."""
        if problem:
            self._find(claim, key, status, problem, severity)
        else:
            self._tally.judge(claim, self._uri(key))


def _folder_of_digests(key: str) -> str | None:
    """The folder of the digests that name a log file; ``None`` if no log file has such a name."""
    found = _LOG_FILE.fullmatch(key)
    return None if found is None else f"{found[1]}CloudTrail-Digest/{found[2]}/"
