"""One object's story: each version, its writer, its receipt, its trail event, and what is missing.

``gather_story`` collects the facts, ``tell_version`` puts those of one version into sentences.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from custody.deployment import Deployment
from custody.errors import EvidenceError, UsageError
from custody.evidence.dsse import MAX_ENVELOPE_BYTES
from custody.evidence.envelope import parse_envelope
from custody.evidence.fetch import GoneError, UnreadableError, fetch_bytes
from custody.evidence.objects import RECEIPT_PREFIX, ObjectVersion, S3Location, quote_key
from custody.evidence.receipt import Receipt, parse_statement
from custody.findings import Claim, Finding
from custody.ledger.athena import Athena
from custody.ledger.ledger import (
    BATCH_DELETION,
    AccessSummary,
    LedgerRow,
    LedgerStatus,
    Scope,
    access_summary,
    ledger_rows,
)
from custody.lineage.document import TABLES
from custody.terminal import beginning
from custody.times import format_time
from custody.verify.verify import VerificationReport, verify

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from custody.trail.public_keys import DigestKeys

MAX_VERIFIED = 10
"""How many versions of one object are verified for its story; an older one only if it is named."""


class Stored(StrEnum):
    """The state of a version in the bucket."""

    CURRENT = "current"
    EARLIER = "earlier"
    DELETE_MARKER = "delete_marker"
    GONE = "gone"
    """No longer there, but known from a receipt or the trail."""


@dataclass(frozen=True, slots=True)
class VersionStory:
    """What is known about one version."""

    version: ObjectVersion
    stored: Stored
    size_bytes: int | None
    last_modified: datetime | None
    receipt: Receipt | None
    receipt_problem: str
    """Why no receipt could be read; empty if it was read."""
    ledger: tuple[LedgerRow, ...]
    verification: VerificationReport | None
    """None outside recorded prefixes, and for older versions, which are not verified."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The claims that do not hold for this version."""
        return self.verification.findings if self.verification else ()

    def to_dict(self) -> dict[str, Any]:
        """The version for a JSON document."""
        return {
            "uri": self.version.uri,
            "version_id": self.version.version_id,
            "stored": self.stored.value,
            "size_bytes": self.size_bytes,
            "last_modified": None if self.last_modified is None else format_time(self.last_modified),
            "receipt": None if self.receipt is None else json.loads(self.receipt.to_statement()),
            "receipt_problem": self.receipt_problem,
            "ledger": [row.to_dict() for row in self.ledger],
            "verification": None if self.verification is None else self.verification.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class Story:
    """What is known about one object: its versions, newest first, and who accessed it."""

    bucket: str
    key: str
    is_recorded: bool
    versions: tuple[VersionStory, ...]
    unassigned: tuple[LedgerRow, ...]
    """Writes with unknown version."""
    accesses: tuple[AccessSummary, ...]

    @property
    def exit_code(self) -> int:
        """1 if a claim does not hold for a version, 3 if one could not be checked, else 0."""
        codes = {version.verification.exit_code for version in self.versions if version.verification}
        return 1 if 1 in codes else max(codes, default=0)

    def to_dict(self) -> dict[str, Any]:
        """The story as one JSON document."""
        return {
            "bucket": self.bucket,
            "key": self.key,
            "is_recorded": self.is_recorded,
            "versions": [version.to_dict() for version in self.versions],
            "unassigned": [row.to_dict() for row in self.unassigned],
            "accesses": [access.to_dict() for access in self.accesses],
        }


class Tone(StrEnum):
    """Whether a sentence is good news."""

    GOOD = "good"
    BAD = "bad"
    WAIT = "wait"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a story, with a topic. It may quote text from outside."""

    about: str
    words: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class _Entry:
    version_id: str
    stored: Stored
    size_bytes: int | None = None
    last_modified: datetime | None = None
    is_latest: bool = False


def gather_story(
    s3: S3Client,
    athena: Athena,
    deployment: Deployment,
    location: S3Location,
    *,
    digest_keys: DigestKeys,
    now: datetime,
    on_progress: Callable[[str], None] = lambda words: None,
) -> Story:
    """Collect what storage, receipts, trail and verification say about an object, or one version of it.

    Raises ``UsageError`` if it is unknown to all of them.
    """
    if not location.key:
        raise UsageError("The URI names a bucket but no object.", "Write s3://bucket/key.")
    on_progress("Listing the versions")
    entries = {entry.version_id: entry for entry in _stored_versions(s3, location)}
    for version_id in _receipted_versions(s3, deployment, location):
        entries.setdefault(version_id, _Entry(version_id, Stored.GONE))
    rows: dict[str, list[LedgerRow]] = {}
    place = Scope(bucket=location.bucket)
    for row in ledger_rows(athena, place, key=location.key, version_id=location.version_id):
        rows.setdefault(row.version_id or "", []).append(row)
    for version_id in rows:
        if version_id:
            entries.setdefault(version_id, _Entry(version_id, Stored.GONE))
    if location.version_id is not None:
        entries = {key: entry for key, entry in entries.items() if key == location.version_id}
    if not entries and "" not in rows:
        name = f"s3://{location.bucket}/{quote_key(location.key)}"
        if location.version_id is not None:
            name = ObjectVersion(location.bucket, location.key, location.version_id).uri
        raise UsageError(
            f"{name} is not in the bucket, in the receipts or in the ledger.", "See custody ledger."
        )

    is_recorded = deployment.is_recorded(location.bucket, location.key)
    to_verify = [entry for entry in entries.values() if entry.stored is not Stored.DELETE_MARKER]
    stories: list[VersionStory] = []
    for entry in entries.values():
        version = ObjectVersion(location.bucket, location.key, entry.version_id)
        verification = None
        if is_recorded and entry in to_verify[:MAX_VERIFIED]:
            on_progress(f"Verifying version {entry.version_id}")
            scope = S3Location(version.bucket, version.key, version.version_id)
            verification = verify(s3, deployment, digest_keys=digest_keys, now=now, scope=scope)
        receipt, problem = _read_receipt(s3, deployment, version)
        stories.append(
            VersionStory(
                version=version,
                stored=entry.stored,
                size_bytes=entry.size_bytes,
                last_modified=entry.last_modified,
                receipt=receipt,
                receipt_problem=problem,
                ledger=tuple(rows.get(entry.version_id, ())),
                verification=verification,
            )
        )
    on_progress("Querying accesses with Athena")
    return Story(
        bucket=location.bucket,
        key=location.key,
        is_recorded=is_recorded,
        versions=tuple(stories),
        unassigned=tuple(rows.get("", ())),
        accesses=tuple(access_summary(athena, place, key=location.key, limit=20)),
    )


def tell_version(story: VersionStory, *, is_recorded: bool) -> list[Sentence]:
    """Describe one version in sentences, in chronological order."""
    if story.stored is Stored.DELETE_MARKER:
        time = _time(story.last_modified)
        return [Sentence("deleted", f"A delete marker since {time}: the object appears deleted.", Tone.WAIT)]
    sentences = [_tell_written(story)]
    if not is_recorded:
        sentences.append(Sentence("recorded", "No: it is outside the recorded prefixes.", Tone.WAIT))
    else:
        sentences += _tell_receipt(story)
    sentences += [tell_witness(row) for row in story.ledger]
    if story.stored is Stored.GONE:
        deletions = story.verification.deletions if story.verification else ()
        sentences += [Sentence(deletion.state.value, deletion.detail, Tone.WAIT) for deletion in deletions]
        if not deletions:
            sentences.append(Sentence("today", "The version is not in the bucket any more.", Tone.BAD))
    sentences += _tell_verification(story.verification)
    return sentences


def _tell_written(story: VersionStory) -> Sentence:
    seen = next((row for row in story.ledger if row.event_time is not None), None)
    if seen is None:
        time = story.last_modified or (story.receipt.last_modified if story.receipt else None)
        return Sentence("written", f"{_time(time)}; the trail does not say by whom (yet).", Tone.WAIT)
    words = f"{_time(seen.event_time)} by {seen.who or 'an unknown caller'}"
    if seen.source_ip:
        words += f" from {seen.source_ip}"
    if seen.user_agent:
        words += f" with {beginning(seen.user_agent, 60)}"
    return Sentence("written", f"{words} ({seen.event_name}).")


def _tell_receipt(story: VersionStory) -> Iterator[Sentence]:
    receipt = story.receipt
    if receipt is None:
        yield Sentence("recorded", story.receipt_problem, Tone.BAD)
        return
    yield Sentence(
        "recorded",
        f"{_time(receipt.recorded_at)} by {receipt.recorder.function} {receipt.recorder.version} "
        f"(code {receipt.recorder.code_sha256[:12]}…)"
        + (", requested afterwards." if receipt.event.request_id is None else "."),
    )
    yield Sentence("sha-256", receipt.sha256)
    yield Sentence("size", f"{receipt.size_bytes:,} bytes, {receipt.content_type or 'no content type'}.")


_WITNESS: dict[str, tuple[str, Tone]] = {
    LedgerStatus.VERIFIED: ("The trail and the receipt agree.", Tone.GOOD),
    LedgerStatus.LATE: ("The trail and the receipt agree, but it was recorded late.", Tone.WAIT),
    LedgerStatus.PENDING: ("One side is not there yet; it may still arrive in time.", Tone.WAIT),
    LedgerStatus.MISMATCH: ("The trail and the receipt contradict each other.", Tone.BAD),
    LedgerStatus.UNPROVENANCED: ("The trail has the write, but there is no receipt.", Tone.BAD),
    LedgerStatus.UNWITNESSED: ("There is a receipt, but the trail has no such write.", Tone.BAD),
    LedgerStatus.UNTRACKED: (
        "The trail has the write; the object is outside the recorded prefixes.",
        Tone.WAIT,
    ),
}


def tell_witness(row: LedgerRow) -> Sentence:
    """Describe one write in the ledger in a sentence."""
    words, tone = _WITNESS.get(row.status, ("", Tone.PLAIN))
    request = f" Request {row.request_id}." if row.request_id else ""
    joined = f" Joined by {row.match_basis.replace('_', ' ')}." if row.match_basis != "none" else ""
    differs = f" In: {row.contradicts}." if row.contradicts else ""
    return Sentence("witnessed", f"{row.status}: {words}{differs}{request}{joined}", tone)


def tell_access(access: AccessSummary) -> Sentence:
    """Describe one kind of access in a sentence."""
    times = f"{access.rows:,} time{'' if access.rows == 1 else 's'} by {access.who or 'an unknown caller'}"
    last = f", last {_time(access.last)}" if access.last else ""
    if access.access == BATCH_DELETION:
        unsaid = " in its bucket: the trail does not log the keys, this one may be among them"
        return Sentence(access.access, f"{times}{last},{unsaid}.", Tone.WAIT)
    return Sentence(access.access, times + last)


def tell_lineage(story: Story, deployment: Deployment) -> Sentence | None:
    """Say which command shows an object's lineage; ``None`` if it can have none."""
    if not story.is_recorded:
        return None
    command = f"custody lineage {shlex.quote(f's3://{story.bucket}/{quote_key(story.key)}')}"
    if story.bucket == deployment.buckets["raw-data"]:
        return Sentence("lineage", f"{command} shows what was made from it.")
    folder, _, rest = story.key.removeprefix(TABLES).partition("/")
    if story.key.startswith(TABLES) and rest:
        return Sentence("lineage", f"Part of the table {folder}: {command} shows what it was made from.")
    return None


_HOLDS = {
    Claim.OBJECT_HASH: "The bytes stored today hash to the SHA-256 in the receipt.",
    Claim.RECEIPT_SIGNATURE: "The receipt's signature is valid, with a key of the registry.",
    Claim.RECEIPT_UNIQUE: "There is one receipt, and it was never replaced or hidden.",
    Claim.TRAIL_EVENT: "CloudTrail's own files have the write.",
    Claim.TRAIL_DIGEST: "Those files since then are as CloudTrail delivered and signed them.",
    Claim.TRAIL_COMPLETE: "None of them is missing or was added.",
    Claim.LINEAGE_INPUTS: "The inputs that it names were verified and have their receipts.",
    Claim.LOG_CHECKPOINT: "The log's newest checkpoint is signed with its key.",
    Claim.LOG_CONSISTENCY: "Every checkpoint of the log extends the one before.",
    Claim.LOG_INCLUSION: "The receipt is in the sealed log, byte for byte.",
    Claim.LOG_COMPLETE: "What was sealed of it is there.",
    Claim.LEDGER_ROW: "The ledger's row is what the receipt says.",
    Claim.KEY_USE: "No key has signed outside its time.",
}


def _tell_verification(verification: VerificationReport | None) -> Iterator[Sentence]:
    if verification is None:
        return
    for claim, count in verification.claims.items():
        findings = [finding for finding in verification.findings if finding.claim is claim]
        for finding in findings:
            yield Sentence(claim.value, f"{finding.status.value}: {finding.detail}", Tone.BAD)
        if not findings and count.passed and not (claim is Claim.OBJECT_HASH and verification.deletions):
            yield Sentence(claim.value, _HOLDS[claim], Tone.GOOD)
        elif not findings and count.pending:
            yield Sentence(claim.value, "Too recent to decide.", Tone.WAIT)
    for words in verification.unchecked:
        yield Sentence("unchecked", words, Tone.WAIT)


def _stored_versions(s3: S3Client, location: S3Location) -> Iterator[_Entry]:
    """List the versions of exactly this key, newest first; the shortest key is listed first."""
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=location.bucket, Prefix=location.key)
    for page in pages:
        found = [
            _Entry(
                entry["VersionId"],
                Stored.CURRENT if entry["IsLatest"] else Stored.EARLIER,
                entry["Size"],
                entry["LastModified"],
                entry["IsLatest"],
            )
            for entry in page.get("Versions", [])
            if entry["Key"] == location.key
        ]
        found += [
            _Entry(entry["VersionId"], Stored.DELETE_MARKER, None, entry["LastModified"], entry["IsLatest"])
            for entry in page.get("DeleteMarkers", [])
            if entry["Key"] == location.key
        ]
        yield from sorted(found, key=_recency, reverse=True)
        if page.get("NextKeyMarker", location.key) != location.key:
            return


def _recency(entry: _Entry) -> tuple[bool, float]:
    """Of two versions with the same time (Amazon S3 gives whole seconds), the latest is the newer one."""
    return entry.is_latest, entry.last_modified.timestamp() if entry.last_modified else 0.0


def _receipted_versions(s3: S3Client, deployment: Deployment, location: S3Location) -> Iterator[str]:
    """List the version ids of this key that have a receipt under the plain key."""
    prefix = f"{RECEIPT_PREFIX}{location.bucket}/{location.key}/"
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=deployment.buckets["provenance"], Prefix=prefix, Delimiter="/"
    )
    for page in pages:
        for entry in page.get("Contents", []):
            yield entry["Key"].removeprefix(prefix).removesuffix(".json")


def _read_receipt(s3: S3Client, deployment: Deployment, version: ObjectVersion) -> tuple[Receipt | None, str]:
    place = ObjectVersion(deployment.buckets["provenance"], version.receipt_key, "")
    try:
        return parse_statement(parse_envelope(fetch_bytes(s3, place, MAX_ENVELOPE_BYTES)).payload), ""
    except GoneError:
        return None, "There is no receipt."
    except (EvidenceError, UnreadableError) as error:
        return None, f"The receipt cannot be read: {error}"


def _time(moment: datetime | None) -> str:
    return "at an unknown time" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
