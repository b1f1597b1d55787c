"""One object's story: each version, who wrote it, its receipt, its witnesses, and what is missing.

``gather_story`` collects the facts, ``tell_version`` puts those of one version into words.
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
    access_summary,
    ledger_rows,
)
from custody.lineage.document import TABLES
from custody.terminal import beginning
from custody.times import format_time
from custody.verify.verify import VerificationReport, verify

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_VERIFIED = 10
"""How many versions of one object are verified for its story; an older one is if it is asked for by name."""


class Stored(StrEnum):
    """What the bucket has of a version."""

    CURRENT = "current"
    EARLIER = "earlier"
    DELETE_MARKER = "delete_marker"
    GONE = "gone"
    """Not there any more, but known from a receipt or the trail."""


@dataclass(frozen=True, slots=True)
class VersionStory:
    """What is known of one version."""

    version: ObjectVersion
    stored: Stored
    size_bytes: int | None
    last_modified: datetime | None
    receipt: Receipt | None
    receipt_problem: str
    """Why there is no receipt to read; empty if there is one."""
    ledger: tuple[LedgerRow, ...]
    verification: VerificationReport | None
    """None where nothing is recorded, and for older versions than are verified."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The claims that do not hold for this version."""
        return self.verification.findings if self.verification else ()

    def to_dict(self) -> dict[str, Any]:
        """The version as it stands in a JSON document."""
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
    """What is known of one object: its versions, newest first, and who was let through to it."""

    bucket: str
    key: str
    is_recorded: bool
    versions: tuple[VersionStory, ...]
    unassigned: tuple[LedgerRow, ...]
    """Writes of which nobody knows the version."""
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
    """One sentence of a story, under a word that says what it is about. It may quote text from outside."""

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
    now: datetime,
    on_progress: Callable[[str], None] = lambda words: None,
) -> Story:
    """Collect what storage, receipts, trail and verification know of an object, or of one version of it.

    Raises ``UsageError`` if none of them knows it.
    """
    if not location.key:
        raise UsageError("That names a bucket and no object.", "Write s3://bucket/key.")
    on_progress("Looking at the versions")
    entries = {entry.version_id: entry for entry in _stored_versions(s3, location)}
    for version_id in _receipted_versions(s3, deployment, location):
        entries.setdefault(version_id, _Entry(version_id, Stored.GONE))
    rows: dict[str, list[LedgerRow]] = {}
    for row in ledger_rows(athena, bucket=location.bucket, key=location.key, version_id=location.version_id):
        rows.setdefault(row.version_id or "", []).append(row)
    for version_id in rows:
        if version_id:
            entries.setdefault(version_id, _Entry(version_id, Stored.GONE))
    if location.version_id is not None:
        entries = {key: entry for key, entry in entries.items() if key == location.version_id}
    if not entries and "" not in rows:
        name = f"s3://{location.bucket}/{quote_key(location.key)}"
        raise UsageError(f"Neither storage nor receipts nor the ledger know {name}.", "See custody ledger.")

    is_recorded = deployment.is_recorded(location.bucket, location.key)
    to_verify = [entry for entry in entries.values() if entry.stored is not Stored.DELETE_MARKER]
    stories: list[VersionStory] = []
    for entry in entries.values():
        version = ObjectVersion(location.bucket, location.key, entry.version_id)
        verification = None
        if is_recorded and entry in to_verify[:MAX_VERIFIED]:
            on_progress(f"Verifying version {entry.version_id}")
            scope = S3Location(version.bucket, version.key, version.version_id)
            verification = verify(s3, deployment, now=now, scope=scope)
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
    on_progress("Asking Athena who read it")
    return Story(
        bucket=location.bucket,
        key=location.key,
        is_recorded=is_recorded,
        versions=tuple(stories),
        unassigned=tuple(rows.get("", ())),
        accesses=tuple(access_summary(athena, bucket=location.bucket, key=location.key, limit=20)),
    )


def tell_version(story: VersionStory, *, is_recorded: bool) -> list[Sentence]:
    """Put one version into sentences, in the order in which things happened to it."""
    if story.stored is Stored.DELETE_MARKER:
        time = _time(story.last_modified)
        return [Sentence("deleted", f"A delete marker since {time}: the object looks deleted.", Tone.WAIT)]
    sentences = [_tell_written(story)]
    if not is_recorded:
        sentences.append(Sentence("recorded", "No: nothing is recorded where it lies.", Tone.WAIT))
    else:
        sentences += _tell_receipt(story)
    sentences += [tell_witness(row) for row in story.ledger]
    if story.stored is Stored.GONE:
        sentences.append(Sentence("today", "The version is not in the bucket any more.", Tone.BAD))
    sentences += _tell_verification(story.verification)
    return sentences


def _tell_written(story: VersionStory) -> Sentence:
    seen = next((row for row in story.ledger if row.event_time is not None), None)
    if seen is None:
        time = story.last_modified or (story.receipt.last_modified if story.receipt else None)
        return Sentence("written", f"{_time(time)}; who wrote it, the trail does not say (yet).", Tone.WAIT)
    words = f"{_time(seen.event_time)} by {seen.who or 'somebody unknown'}"
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
        + (", asked for afterwards." if receipt.event.request_id is None else "."),
    )
    yield Sentence("sha-256", receipt.sha256)
    yield Sentence("size", f"{receipt.size_bytes:,} bytes, {receipt.content_type or 'of no stated type'}.")


_WITNESS: dict[str, tuple[str, Tone]] = {
    LedgerStatus.VERIFIED: ("The trail and the receipt agree.", Tone.GOOD),
    LedgerStatus.LATE: ("The trail and the receipt agree, but it was recorded late.", Tone.WAIT),
    LedgerStatus.PENDING: ("One side is still to come; it is young enough.", Tone.WAIT),
    LedgerStatus.MISMATCH: ("The trail and the receipt contradict each other.", Tone.BAD),
    LedgerStatus.UNPROVENANCED: ("The trail saw the write, but there is no receipt.", Tone.BAD),
    LedgerStatus.UNWITNESSED: ("There is a receipt, but the trail saw no such write.", Tone.BAD),
    LedgerStatus.UNTRACKED: ("The trail saw the write; nothing is recorded there.", Tone.WAIT),
}


def tell_witness(row: LedgerRow) -> Sentence:
    """Put into a sentence what the ledger says of one write."""
    words, tone = _WITNESS.get(row.status, ("", Tone.PLAIN))
    request = f" Request {row.request_id}." if row.request_id else ""
    joined = f" Joined by {row.match_basis.replace('_', ' ')}." if row.match_basis != "none" else ""
    differs = f" In: {row.contradicts}." if row.contradicts else ""
    return Sentence("witnessed", f"{row.status}: {words}{differs}{request}{joined}", tone)


def tell_access(access: AccessSummary) -> Sentence:
    """Put into a sentence how often somebody did one thing."""
    times = f"{access.rows:,} time{'' if access.rows == 1 else 's'} by {access.who or 'somebody unknown'}"
    last = f", last {_time(access.last)}" if access.last else ""
    if access.access == BATCH_DELETION:
        unsaid = " in its bucket: the trail does not say of which keys, this one may be among them"
        return Sentence(access.access, f"{times}{last},{unsaid}.", Tone.WAIT)
    return Sentence(access.access, times + last)


def tell_lineage(story: Story, deployment: Deployment) -> Sentence | None:
    """Put into a sentence how to learn what an object was made from, or what of it; ``None`` if neither."""
    if not story.is_recorded:
        return None
    command = f"custody lineage {shlex.quote(f's3://{story.bucket}/{quote_key(story.key)}')}"
    if story.bucket == deployment.buckets["raw-data"]:
        return Sentence("lineage", f"{command} tells what was made from it.")
    folder, _, rest = story.key.removeprefix(TABLES).partition("/")
    if story.key.startswith(TABLES) and rest:
        return Sentence("lineage", f"Part of the table {folder}: {command} tells what it was made from.")
    return None


_HOLDS = {
    Claim.OBJECT_HASH: "The bytes stored today hash to the SHA-256 in the receipt.",
    Claim.RECEIPT_SIGNATURE: "The receipt's signature holds, by a key of the registry.",
    Claim.RECEIPT_UNIQUE: "There is one receipt, and it was never replaced or hidden.",
    Claim.TRAIL_EVENT: "CloudTrail's own files have the write.",
    Claim.LINEAGE_INPUTS: "What it says it was made from was there, verified, and has its receipts.",
}


def _tell_verification(verification: VerificationReport | None) -> Iterator[Sentence]:
    if verification is None:
        return
    for claim, count in verification.claims.items():
        findings = [finding for finding in verification.findings if finding.claim is claim]
        for finding in findings:
            yield Sentence(claim.value, f"{finding.status.value}: {finding.detail}", Tone.BAD)
        if not findings and count.passed:
            yield Sentence(claim.value, _HOLDS[claim], Tone.GOOD)
        elif not findings and count.pending:
            yield Sentence(claim.value, "Too young to say.", Tone.WAIT)
    for words in verification.unchecked:
        yield Sentence("unchecked", words, Tone.WAIT)


def _stored_versions(s3: S3Client, location: S3Location) -> Iterator[_Entry]:
    """List the versions of exactly this key, newest first; a listing begins with the shortest key."""
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
    """Of two versions stored within a second (as finely as Amazon S3 says it), the latest is the newer."""
    return entry.is_latest, entry.last_modified.timestamp() if entry.last_modified else 0.0


def _receipted_versions(s3: S3Client, deployment: Deployment, location: S3Location) -> Iterator[str]:
    """List the version ids of this key that have a receipt in the plain place."""
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
