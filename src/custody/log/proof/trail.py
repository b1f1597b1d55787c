"""What CloudTrail says of one write: the log file with its event, and the digest that covers the file."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from custody.concurrency import map_concurrently
from custody.deployment import Deployment
from custody.errors import CannotCheckError, EvidenceError
from custody.evidence.fetch import GoneError, UnreadableError, fetch
from custody.evidence.hashing import read_body
from custody.evidence.objects import ObjectVersion
from custody.evidence.receipt import Receipt
from custody.log.proof.page import Written
from custody.times import format_time
from custody.trail.chains import parse_chain
from custody.trail.digests import parse_digest_content
from custody.trail.log_files import MAX_LOG_FILE_BYTES, LogFile, decompress, list_log_files, parse_log_content
from custody.trail.public_keys import DigestKeys

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

_WORKERS = 16
_CLOCKS_APART = timedelta(minutes=1)
_DELIVERED_WITHIN = timedelta(days=2)
"""CloudTrail delivers in minutes; later than this, the event is not looked for."""


@dataclass(frozen=True, slots=True)
class Event:
    """The log file that witnesses a write."""

    file: LogFile
    content: bytes
    """Uncompressed."""
    written: Written


@dataclass(frozen=True, slots=True)
class CoveringDigest:
    """The digest that names a log file."""

    key: str
    content: bytes
    """Uncompressed."""
    signature: bytes
    fingerprint: str
    public_key: bytes
    """SubjectPublicKeyInfo in DER."""


@dataclass(frozen=True, slots=True)
class TrailReader:
    """Reads the files of a deployment's trail."""

    s3: S3Client
    deployment: Deployment

    def find_event(self, receipt: Receipt, now: datetime) -> Event:
        """The first log file delivered with the event that wrote a receipt's object version.

        Raises ``CannotCheckError`` if there is none, or not yet.
        """
        version = receipt.version
        since, until = delivery_of(receipt)
        for file, content, found in self.find_events({version}, since, min(until, now)):
            return Event(file, content, _describe(content, found[version]))
        raise CannotCheckError(
            f"No log file of the trail has the event that wrote {version.uri} yet.",
            "CloudTrail delivers within minutes, but does not guarantee it. Try again later.",
        )

    def find_events(
        self, versions: Collection[ObjectVersion], since: datetime, until: datetime
    ) -> Iterator[tuple[LogFile, bytes, dict[ObjectVersion, str]]]:
        """The log files delivered in a period with events that wrote these versions.

        Each with its uncompressed content and the events' ids. What an earlier file has told is not looked
        for in a later one.
        """
        missing = set(versions)
        region = f"/CloudTrail/{self.deployment.region}/"
        files = (file for file in self._list(since, until, digests=False) if region in file.key)
        for file, content, _ in self._read(files):
            try:
                writes = parse_log_content(content).writes
            except EvidenceError:
                continue  # custody verify reports it; if the event was in it, there is none to be found
            named = ((ObjectVersion(each.bucket, each.key, each.version_id or ""), each) for each in writes)
            if found := {version: write.event_id for version, write in named if version in missing}:
                missing -= found.keys()
                yield file, content, found
            if not missing:
                return

    def find_digest(
        self, file: LogFile, content_sha256: str, keys: DigestKeys, now: datetime
    ) -> CoveringDigest:
        """A digest that names a log file with this content, and is signed by CloudTrail.

        Raises ``CannotCheckError`` if there is none, or not yet.
        """
        for digest, _ in self.find_digests({file.key: content_sha256}, file.stored_at, keys, now):
            return digest
        raise CannotCheckError(
            f"No digest covers the log file {file.key}, delivered at {format_time(file.stored_at)}, yet.",
            "CloudTrail writes one every hour. Try again later; after three hours, run custody verify.",
        )

    def find_digests(
        self, files: Mapping[str, str], since: datetime, keys: DigestKeys, now: datetime
    ) -> Iterator[tuple[CoveringDigest, set[str]]]:
        """The digests, signed by CloudTrail, that name log files with this content, and which of them.

        ``files`` has the SHA-256 of each, by its key; ``since`` is when the first was delivered.
        """
        missing = dict(files)
        for stored, content, metadata in self._read(self._list(since - _CLOCKS_APART, now, digests=True)):
            chain = parse_chain(stored.key)
            if chain is None or chain.region != self.deployment.region:
                continue
            try:
                digest = parse_digest_content(content, metadata)
            except EvidenceError:
                continue
            named = {each.key for each in digest.files if missing.get(each.key) == each.sha256}
            if not named:
                continue
            key = keys.find(chain.region, digest.fingerprint, digest.signed_about)
            if key is not None and digest.is_signed_by(key):
                public = load_der_public_key(key).public_bytes(
                    Encoding.DER, PublicFormat.SubjectPublicKeyInfo
                )
                signature = bytes.fromhex(digest.signature)
                yield CoveringDigest(stored.key, content, signature, digest.fingerprint, public), named
                for each in named:
                    del missing[each]
            if not missing:
                return

    def _list(self, since: datetime, until: datetime, *, digests: bool) -> list[LogFile]:
        """The files delivered in a period, in the order of their delivery."""
        days = since.astimezone(UTC).date(), until.astimezone(UTC).date()
        bucket, folder = self.deployment.buckets["cloudtrail-log"], self.deployment.trail_folder
        found = list_log_files(self.s3, bucket, folder, *days, digests=digests)
        within = [file for file in found if since <= file.stored_at]
        return sorted(within, key=lambda file: (file.stored_at, file.key))

    def _read(self, files: Iterable[LogFile]) -> Iterator[tuple[LogFile, bytes, dict[str, str]]]:
        """Files in order, uncompressed, with their metadata; what is no file of CloudTrail is left out."""
        source = iter(files)
        while some := list(islice(source, 2 * _WORKERS)):
            read = {
                file.key: (content, about)
                for file, content, about in map_concurrently(self._fetch, some, _WORKERS)
            }
            for file in some:
                content, about = read[file.key]
                if content is not None:
                    yield file, content, about

    def _fetch(self, file: LogFile) -> tuple[LogFile, bytes | None, dict[str, str]]:
        def read(found: GetObjectOutputTypeDef) -> tuple[LogFile, bytes | None, dict[str, str]]:
            return file, decompress(read_body(found, MAX_LOG_FILE_BYTES)), found["Metadata"]

        version = ObjectVersion(self.deployment.buckets["cloudtrail-log"], file.key, file.version_id)
        try:
            return fetch(self.s3, version, read)
        except EvidenceError:
            return file, None, {}
        except (GoneError, UnreadableError) as error:
            raise CannotCheckError(f"The trail's file {version.uri} cannot be read: {error}") from error


def delivery_of(receipt: Receipt) -> tuple[datetime, datetime]:
    """The period in which the event of a receipt's write is looked for."""
    times = receipt.event.time, receipt.last_modified
    return min(times) - _CLOCKS_APART, max(times) + _DELIVERED_WITHIN


def _describe(content: bytes, event_id: str) -> Written:
    """Who wrote, for the page: of the record with this event id."""
    for record in json.loads(content)["Records"]:
        if event_id in (record.get("eventID"), (record.get("addendum") or {}).get("originalEventID")):
            identity = record.get("userIdentity") or {}
            named = (identity.get(name) for name in ("arn", "principalId", "invokedBy"))
            who = next((str(name) for name in named if name), "an identity that the event does not name")
            return Written(event_id, str(record.get("eventTime")), who, str(record.get("sourceIPAddress")))
    raise EvidenceError(f"The log file has no record {event_id[:80]!r}.")
