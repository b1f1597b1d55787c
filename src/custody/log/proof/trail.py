"""What CloudTrail says of one write: the log file with its event, and the digest that covers the file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from custody.concurrency import map_concurrently
from custody.deployment import Deployment
from custody.errors import CannotCheckError, EvidenceError
from custody.evidence.fetch import GoneError, UnreadableError, fetch, read_body
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
        since = min(receipt.event.time, receipt.last_modified) - _CLOCKS_APART
        until = min(max(receipt.event.time, receipt.last_modified) + _DELIVERED_WITHIN, now)
        region = f"/CloudTrail/{self.deployment.region}/"
        found = (file for file in self._list(since, until, digests=False) if region in file.key)
        for file, content, _ in self._read(found):
            try:
                writes = parse_log_content(content).writes
            except EvidenceError:
                continue  # custody verify reports it; if the event was in it, there is none to be found
            for write in writes:
                named = (write.bucket, write.key, write.version_id)
                if named == (version.bucket, version.key, version.version_id):
                    return Event(file, content, _describe(content, write.event_id))
        raise CannotCheckError(
            f"No log file of the trail has the event that wrote {version.uri} yet.",
            "CloudTrail delivers within minutes, but does not guarantee it. Try again later.",
        )

    def find_digest(
        self, file: LogFile, content_sha256: str, keys: DigestKeys, now: datetime
    ) -> CoveringDigest:
        """A digest that names a log file with this content, and is signed by CloudTrail.

        Raises ``CannotCheckError`` if there is none, or not yet.
        """
        region = file.key.split("/CloudTrail/")[1].split("/")[0]
        found = self._list(file.stored_at - _CLOCKS_APART, now, digests=True)
        for stored, content, metadata in self._read(found):
            chain = parse_chain(stored.key)
            if chain is None or chain.region != region:
                continue
            try:
                digest = parse_digest_content(content, metadata)
            except EvidenceError:
                continue
            if all((named.key, named.sha256) != (file.key, content_sha256) for named in digest.files):
                continue
            key = keys.find(region, digest.fingerprint, digest.signed_about)
            if key is not None and digest.is_signed_by(key):
                public = load_der_public_key(key).public_bytes(
                    Encoding.DER, PublicFormat.SubjectPublicKeyInfo
                )
                signature = bytes.fromhex(digest.signature)
                return CoveringDigest(stored.key, content, signature, digest.fingerprint, public)
        raise CannotCheckError(
            f"No digest covers the log file {file.key}, delivered at {format_time(file.stored_at)}, yet.",
            "CloudTrail writes one every hour. Try again later; after three hours, run custody verify.",
        )

    def _list(self, since: datetime, until: datetime, *, digests: bool) -> list[LogFile]:
        """The files delivered in a period, in the order of their delivery."""
        days = since.astimezone(UTC).date(), until.astimezone(UTC).date()
        bucket, account_id = self.deployment.buckets["cloudtrail-log"], self.deployment.account_id
        found = list_log_files(self.s3, bucket, account_id, *days, digests=digests)
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


def _describe(content: bytes, event_id: str) -> Written:
    """Who wrote, for the page: of the record with this event id."""
    for record in json.loads(content)["Records"]:
        if event_id in (record.get("eventID"), (record.get("addendum") or {}).get("originalEventID")):
            identity = record.get("userIdentity") or {}
            named = (identity.get(name) for name in ("arn", "principalId", "invokedBy"))
            who = next((str(name) for name in named if name), "an identity that the event does not name")
            return Written(event_id, str(record.get("eventTime")), who, str(record.get("sourceIPAddress")))
    raise EvidenceError(f"The log file has no record {event_id[:80]!r}.")
