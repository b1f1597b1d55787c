"""Comparison of the evidence with its second copy: every version is there, with the same bytes.

Version ids and keys are compared by both listings, sizes too. Nothing else in them can be: under SSE-KMS an
ETag is no hash of the bytes, and Amazon S3's own checksums are its word about what it stores. So the bytes of
both are read and hashed.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from secrets import token_hex
from typing import TYPE_CHECKING, NamedTuple

from custody.concurrency import map_concurrently
from custody.deployment import Deployment
from custody.errors import CannotCheckError, CustodyError, UsageError, describe_defect
from custody.evidence.copy import copied_buckets, copy_of
from custody.evidence.fetch import SERVICE_ERRORS, GoneError, UnreadableError, fetch
from custody.evidence.hashing import hash_stream
from custody.evidence.objects import ObjectVersion
from custody.findings import CLAIMS_OF_COPY, Claim, Finding, Severity, Status
from custody.listing import VersionEntry, list_versions
from custody.verify.reading import is_drawn
from custody.verify.report import Progress, VerificationReport
from custody.verify.tally import Tally

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

_TELL_EVERY = 100


class _Pair(NamedTuple):
    """A version of evidence with its bucket, and its replica; one of both may be missing."""

    bucket: str
    original: VersionEntry | None
    replica: VersionEntry | None
    superseded_at: datetime | None = None
    """When something newer came over the one whose other is missing."""


def compare_with_copy(
    s3: S3Client,
    copy_s3: S3Client,
    deployment: Deployment,
    *,
    now: datetime,
    sample: float = 1.0,
    seed: str | None = None,
    progress: Progress | None = None,
    workers: int = 16,
) -> VerificationReport:
    """Compare all evidence with its copy, which ``copy_s3`` reads.

    ``now`` (aware), ``sample``, ``seed`` and ``workers`` are as for ``custody.verify.verify.verify``: of the
    versions that are not drawn, ids and sizes are compared. Memory does not grow with their number.

    Raises ``UsageError`` if there is no copy or for an invalid sample, ``CannotCheckError`` if one of both
    cannot be listed before there were findings.
    """
    if not 0 < sample <= 1:
        raise UsageError(f"A sample of {sample} is not possible.", "Give a share above 0 and up to 1.")
    comparison = _Comparison(
        s3, copy_s3, deployment, now=now, draw=(token_hex(16) if seed is None else seed, sample)
    )
    return comparison.run(progress or _no_progress, workers)


class _Comparison:
    def __init__(
        self,
        s3: S3Client,
        copy_s3: S3Client,
        deployment: Deployment,
        *,
        now: datetime,
        draw: tuple[str, float],
    ) -> None:
        self._s3, self._copy_s3, self._deployment = s3, copy_s3, deployment
        (self._seed, self._sample), self._now = draw, now
        self._copy = copy_of(deployment)
        self._settled_before = now - timedelta(minutes=deployment.watermark_minutes)
        self._tally = Tally(CLAIMS_OF_COPY)
        self._versions = self._paired = self._read = 0

    def run(self, progress: Progress, workers: int) -> VerificationReport:
        tally = self._tally
        try:
            self._compare_deployment_file()
            for version, differs, unread in map_concurrently(self._read_both, self._to_read(), workers):
                self._read += 1
                if unread:
                    self._tally.leave(unread)
                else:
                    self._judge_bytes(version, differs)
                if self._read % _TELL_EVERY == 0:
                    progress("versions compared", self._read, None)
            progress("versions compared", self._read, self._read)
        except (*SERVICE_ERRORS, CannotCheckError) as error:
            if not tally.findings:
                if isinstance(error, CannotCheckError):
                    raise
                raise CannotCheckError(f"Amazon S3 cannot be used: {error}.") from error
            tally.leave(f"The run ended before everything was compared: {error}")
        if not self._paired and not tally.findings and not tally.unchecked_count:
            why = "all may still arrive" if self._versions else "there is no evidence yet"
            tally.leave(f"Nothing was compared: {why}.")
        return VerificationReport(
            claims=tally.counts(),
            findings=tuple(sorted(tally.findings, key=lambda found: (found.subject, found.claim))),
            unchecked=tuple(tally.unchecked),
            sample=self._sample,
            seed=self._seed,
            unchecked_count=tally.unchecked_count,
            notes=(f"The copy is s3://{self._copy.bucket}, by the deployment's file.",),
            receipts=self._versions,
            receipts_read=self._read,
        )

    def _to_read(self) -> Iterator[ObjectVersion]:
        """Judge what the listings say, and yield the originals whose bytes are to be compared."""
        for bucket, original, replica, superseded_at in _pairs(self._originals(), self._replicas()):
            if original is None:
                if replica is not None:
                    self._judge_surplus(replica, superseded_at)
                continue
            self._versions += 1
            version = ObjectVersion(bucket, original.key, original.version_id)
            if replica is None:
                self._judge_missing(version, original, superseded_at)
                continue
            self._paired += 1
            self._tally.judge(Claim.COPY_COMPLETE, version.uri)
            if original.size_bytes != replica.size_bytes:
                sizes = f"{replica.size_bytes:,} bytes, the original {original.size_bytes:,}"
                self._judge_bytes(version, f"The replica has {sizes}.")
            elif is_drawn(self._seed, version.uri, self._sample):
                yield version

    def _originals(self) -> Iterator[tuple[str, VersionEntry]]:
        """Every version of evidence, by key; a delete marker is none, and is not replicated."""
        buckets = copied_buckets(self._deployment)
        named = [_with_bucket(bucket, _list(self._s3, bucket)) for bucket in buckets]
        for bucket, entry in heapq.merge(*named, key=lambda each: each[1].key):
            if not entry.is_delete_marker:
                yield bucket, entry

    def _replicas(self) -> Iterator[VersionEntry]:
        for entry in _list(self._copy_s3, self._copy.bucket):
            if entry.is_delete_marker:
                version = ObjectVersion(self._copy.bucket, entry.key, entry.version_id)
                self._find(
                    Claim.COPY_COMPLETE,
                    Status.UNEXPECTED,
                    version.uri,
                    "A delete marker hides a replica.",
                    Severity.CRITICAL,
                )
            elif entry.key != self._copy.deployment_key:
                yield entry

    def _judge_missing(
        self, original: ObjectVersion, entry: VersionEntry, superseded_at: datetime | None
    ) -> None:
        """An original without its replica: the copy's lifecycle rule may have been applied first."""
        if self._may_be_gone(superseded_at):
            return
        if self._is_young(entry.latest_creation):
            self._tally.wait(Claim.COPY_COMPLETE)
        else:
            detail = f"The copy s3://{self._copy.bucket} has no such version."
            self._find(Claim.COPY_COMPLETE, Status.MISSING, original.uri, detail, Severity.HIGH)

    def _judge_surplus(self, replica: VersionEntry, superseded_at: datetime | None) -> None:
        """A replica without its original: a lifecycle rule deletes that, but not within its retention."""
        if self._may_be_gone(superseded_at) or self._is_young(replica.latest_creation):
            return  # a young one may have been written after the originals were listed
        uri = ObjectVersion(self._copy.bucket, replica.key, replica.version_id).uri
        detail = "Its original was deleted; this is what the copy has of it."
        self._find(Claim.COPY_COMPLETE, Status.UNEXPECTED, uri, detail, Severity.CRITICAL)

    def _read_both(self, version: ObjectVersion) -> tuple[ObjectVersion, str, str]:
        """A version; what is different about its replica, and why that is not known, each in a sentence."""
        replica = replace(version, bucket=self._copy.bucket)
        try:
            own, other = _hash(self._s3, version), _hash(self._copy_s3, replica)
        except (GoneError, UnreadableError) as error:
            return version, "", f"{version.uri} could not be compared with {replica.uri}: {error}"
        except (*SERVICE_ERRORS, CustodyError):
            raise
        except Exception as error:  # noqa: BLE001 - it is reported, and one version must not end the run
            return version, "", f"{version.uri}: {describe_defect(error)}"
        same = own == other
        return version, "" if same else f"The replica has the SHA-256 {other}, the original {own}.", ""

    def _judge_bytes(self, version: ObjectVersion, differs: str) -> None:
        if differs:
            self._find(Claim.COPY_HASH, Status.FAILED, version.uri, differs, Severity.CRITICAL)
        else:
            self._tally.judge(Claim.COPY_HASH, version.uri)

    def _compare_deployment_file(self) -> None:
        """The file without which nobody could verify from the copy: the current one, which changes."""
        bucket, key = self._deployment.buckets["artifacts"], self._copy.deployment_key
        version = ObjectVersion(bucket, key, "")
        try:
            sha256, stored_at = fetch(self._s3, version, _hash_and_time)
        except (GoneError, UnreadableError) as error:
            self._tally.leave(f"The deployment's file s3://{bucket}/{key} could not be read: {error}")
            return
        try:
            replica = _hash(self._copy_s3, replace(version, bucket=self._copy.bucket))
        except GoneError:
            replica = ""
        except UnreadableError as error:
            self._tally.leave(f"The deployment's file in the copy could not be read: {error}")
            return
        if replica == sha256:
            self._tally.judge(Claim.COPY_COMPLETE, f"s3://{bucket}/{key}")
        elif self._is_young(stored_at):
            self._tally.wait(Claim.COPY_COMPLETE)
        else:
            has = "another" if replica else "no"
            detail = f"The copy s3://{self._copy.bucket} has {has} deployment's file."
            uri = f"s3://{bucket}/{key}"
            self._find(Claim.COPY_COMPLETE, Status.MISSING, uri, detail, Severity.HIGH)

    def _find(self, claim: Claim, status: Status, uri: str, detail: str, severity: Severity) -> None:
        self._tally.judge(claim, uri, [Finding(claim, status, uri, detail, severity)])

    def _may_be_gone(self, superseded_at: datetime | None) -> bool:
        """Whether a lifecycle rule deletes it, in either account, whenever S3 comes to it."""
        days = self._deployment.evidence_days
        return superseded_at is not None and days > 0 and superseded_at + timedelta(days=days) <= self._now

    def _is_young(self, moment: datetime) -> bool:
        """Whether a replica of something of that time may still arrive."""
        return moment > self._settled_before


def _pairs(
    originals: Iterator[tuple[str, VersionEntry]], replicas: Iterator[VersionEntry]
) -> Iterator[_Pair]:
    """Match two listings in the same order of keys by version id; of a key, the order may differ a little.

    Kept are the versions of one key that are still without the other.
    """
    nothing = ("", None)
    (bucket, original), replica = next(originals, nothing), next(replicas, None)
    while original is not None or replica is not None:
        key = min(each.key for each in (original, replica) if each is not None)
        unmatched: dict[str, _Pair] = {}
        surplus: dict[str, _Pair] = {}
        over_original: datetime | None = None
        over_replica: datetime | None = None
        while True:
            if original is not None and original.key == key:
                if (match := surplus.pop(original.version_id, None)) is not None:
                    yield _Pair(bucket, original, match.replica)
                else:
                    unmatched[original.version_id] = _Pair(bucket, original, None, over_original)
                over_original = original.last_modified
                bucket, original = next(originals, nothing)
            elif replica is None or replica.key != key:
                break
            if replica is not None and replica.key == key:
                if (found := unmatched.pop(replica.version_id, None)) is not None:
                    yield _Pair(found.bucket, found.original, replica)
                else:
                    surplus[replica.version_id] = _Pair("", None, replica, over_replica)
                over_replica = replica.last_modified
                replica = next(replicas, None)
        yield from unmatched.values()
        yield from surplus.values()


def _list(s3: S3Client, bucket: str) -> Iterator[VersionEntry]:
    try:
        yield from list_versions(s3, bucket, "")
    except SERVICE_ERRORS as error:
        raise CannotCheckError(f"s3://{bucket} cannot be listed: {error}.") from error


def _with_bucket(bucket: str, entries: Iterator[VersionEntry]) -> Iterator[tuple[str, VersionEntry]]:
    return ((bucket, entry) for entry in entries)


def _hash(s3: S3Client, version: ObjectVersion) -> str:
    return fetch(s3, version, lambda found: hash_stream(found["Body"], found["ContentLength"]))[0]


def _hash_and_time(found: GetObjectOutputTypeDef) -> tuple[str, datetime]:
    return hash_stream(found["Body"], found["ContentLength"])[0], found["LastModified"]


def _no_progress(_stage: str, _done: int, _total: int | None) -> None:
    """The default: no progress."""
