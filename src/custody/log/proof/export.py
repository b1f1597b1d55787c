"""An export: the evidence about every object below a prefix, verified without this kit and without AWS.

What the objects share is there once: the checkpoint, one inclusion proof for all receipts, CloudTrail's
files, the keys. What cannot be exported is a finding, named in the bundle too, and the rest goes on. Files
are written one after the other; of each receipt only its names and hashes are in memory.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from custody.concurrency import map_concurrently
from custody.deployment import Deployment
from custody.errors import CannotCheckError, EvidenceError, UsageError
from custody.evidence.envelope import parse_envelope
from custody.evidence.fetch import GoneError, UnreadableError
from custody.evidence.hashing import CHUNK_BYTES, hash_stream
from custody.evidence.keyring import read_history
from custody.evidence.objects import LONG_RECEIPT_PREFIX, RECEIPT_PREFIX, ObjectVersion, S3Location
from custody.evidence.receipt import parse_statement
from custody.evidence.registry import KeyRing
from custody.evidence.registry_versions import read_versions
from custody.findings import Claim, Finding, Severity, Status
from custody.listing import VersionEntry, list_versions, list_versions_concurrently
from custody.log.index import INDEX_PREFIX, key_hash, parse_index, path_before, stored_hash
from custody.log.keys import note_key, read_log_history
from custody.log.merkle import prove_leaves
from custody.log.policy import format_policy, parse_policy
from custody.log.proof.bundle import HASHES, NOTE, PAGE, SUMS, format_sums
from custody.log.proof.check import BundleReport
from custody.log.proof.page import format_export_page
from custody.log.proof.prove import (
    ReadLog,
    common_parts,
    digest_parts,
    download,
    log_part,
    read_log,
    require_holding,
    zip_info,
)
from custody.log.proof.trail import TrailReader, delivery_of
from custody.log.store import LOG_PREFIX, LogStore
from custody.log.tiles import TILE_WIDTH
from custody.log.versions import versions_in_bucket
from custody.trail.public_keys import DigestKeys

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_WORKERS = 16


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is to be exported, and with what."""

    location: S3Location
    """A bucket, or the beginning of keys in it."""
    since: datetime | None = None
    until: datetime | None = None
    """Versions last modified in this period, which ends before ``until``."""
    policy: bytes | None = None
    """A C2SP tlog-policy; by default the log's own keys, without witnesses."""
    checkpoint: bytes | None = None
    """A checkpoint of the log, such as one with cosignatures; by default the newest."""
    with_objects: bool = False

    def has(self, moment: datetime) -> bool:
        """Whether a version last modified then is asked for."""
        return (self.since is None or self.since <= moment) and (self.until is None or moment < self.until)


@dataclass(frozen=True, slots=True)
class Exported:
    """What became of an export."""

    report: BundleReport | None
    """The claims of the bundle; ``None`` if there was nothing to write."""
    receipts: int
    findings: tuple[Finding, ...]
    """What could not be exported."""

    @property
    def exit_code(self) -> int:
        """0 everything was exported, 1 something was not."""
        return 1 if self.findings else 0


def export(
    s3: S3Client,
    deployment: Deployment,
    request: ExportRequest,
    output: Path,
    *,
    digest_keys: DigestKeys,
    now: datetime,
    tell: Callable[[str], None],
) -> Exported:
    """Write the evidence to a folder, or to a zip file if ``output`` ends in ``.zip``.

    It is verified before it gets its name. Raises ``UsageError`` if the folder exists, ``CannotCheckError``
    if there is nothing to export, and ``EvidenceError`` if the log or the key registry does not hold.
    """
    packs = output.suffix == ".zip"
    if not packs and output.exists():
        raise UsageError(f"{output} exists.", "Name a new folder, or a file that ends in .zip.")
    with tempfile.TemporaryDirectory(prefix=f"{output.name}.", dir=output.parent) as beside:
        folder = Path(beside, "bundle")
        folder.mkdir(mode=0o755)
        exporter = _Exporter(s3, deployment, request, folder, digest_keys, now, tell)
        report = exporter.run()
        if report is not None and packs:
            tell("Packing")
            packed = Path(beside, "bundle.zip")
            _pack(folder, packed)
            packed.replace(output)
        elif report is not None:
            folder.replace(output)
    return Exported(report, len(exporter.kept), tuple(exporter.findings))


@dataclass(frozen=True, slots=True)
class _Kept:
    """A receipt that is exported."""

    version: ObjectVersion
    sha256: str
    size_bytes: int


@dataclass
class _Exporter:
    s3: S3Client
    deployment: Deployment
    request: ExportRequest
    folder: Path
    digest_keys: DigestKeys
    now: datetime
    tell: Callable[[str], None]
    kept: dict[int, _Kept] = field(default_factory=dict)
    """By index in the log."""
    findings: list[Finding] = field(default_factory=list)
    period: tuple[datetime, datetime] | None = None
    """In which the trail told of the writes."""

    def run(self) -> BundleReport | None:
        provenance = self.deployment.buckets["provenance"]
        store = LogStore(self.s3, provenance)
        versions, _ = read_versions(self.s3, provenance)
        ring, problems = read_history(versions)
        log, others = read_log_history(versions)
        if problems := [*problems, *others]:
            raise EvidenceError(f"The key registry cannot be trusted. {problems[0]}", "Run custody verify.")
        own = [note_key(log.origin, key) for key in log.trusted()]
        policy = format_policy(own) if self.request.policy is None else self.request.policy
        checkpoints = versions_in_bucket(self.s3, provenance, LOG_PREFIX)
        read = read_log(store, parse_policy(policy), self.request.checkpoint, checkpoints)
        self.tell("Listing objects and receipts")
        stored, listed = self._list(provenance)
        self.tell("Reading the log")
        self._read_receipts(
            read, ring, self._find_leaves(store, stored, listed, read.checkpoint.size), listed
        )
        self.tell("Reading the trail")
        self._read_trail()
        if self.request.with_objects:
            self._download_objects()
        if not self.kept and not self.findings:
            raise CannotCheckError("There is nothing to export: no object and no receipt is there.")
        if not self.kept:
            return None
        self.tell("Writing and verifying the bundle")
        for name, data in common_parts(policy, versions, read.extension).items():
            self._write(name, data)
        self._write(NOTE, read.note.to_bytes())
        hashes = prove_leaves(sorted(self.kept), read.checkpoint.size, read.tree.subtree)
        self._write(HASHES, b"".join(hashes))
        self._write(PAGE, self._page(read))
        sums = dict(_hash_all(self.folder))
        self._write(SUMS, format_sums(sums))
        return require_holding(self.folder)

    def _list(self, provenance: str) -> tuple[dict[str, VersionEntry], set[str]]:
        """The receipts as they were first stored, by key, and which of them are of versions that exist."""
        bucket, prefix = self.request.location.bucket, self.request.location.key
        stored = {
            entry.key: entry  # the newest version of a key comes first, so that the first one stays
            for entry in list_versions_concurrently(self.s3, provenance, f"{RECEIPT_PREFIX}{bucket}/{prefix}")
            if not entry.is_delete_marker
        }
        listed = set()
        for entry in list_versions_concurrently(self.s3, bucket, prefix):
            if entry.is_delete_marker:
                continue
            version = ObjectVersion(bucket, entry.key, entry.version_id)
            key = version.receipt_key
            if not self.request.has(entry.last_modified):
                stored.pop(key, None)
                continue
            if key.startswith(LONG_RECEIPT_PREFIX):
                found = list_versions(self.s3, provenance, key)
                stored |= {each.key: each for each in found if not each.is_delete_marker}
            if key in stored:
                listed.add(key)
            else:
                self._miss(Claim.RECEIPT_SIGNATURE, version.uri, "It has no receipt.")
        return stored, listed

    def _find_leaves(
        self, store: LogStore, stored: dict[str, VersionEntry], listed: set[str], size: int
    ) -> dict[int, str]:
        """The receipts' keys by their index in the log, as its index says."""
        wanted = {
            (key_hash(key), stored_hash(entry.version_id, entry.etag)): key for key, entry in stored.items()
        }
        leaves: dict[int, str] = {}
        earliest = min((entry.last_modified for entry in stored.values()), default=self.now)
        for page in store.list(LOG_PREFIX + INDEX_PREFIX, LOG_PREFIX + path_before(earliest)):
            paths = [item.key.removeprefix(LOG_PREFIX) for item in page]
            for data in map_concurrently(store.fetch, paths, _WORKERS):
                for row in parse_index(data):
                    key = wanted.get((row.key_hash, row.stored_hash))
                    if key is not None and row.leaf < size:
                        leaves[row.leaf] = key
        for key in sorted(stored.keys() - set(leaves.values())):
            if key in listed or self.request.since is None or stored[key].last_modified >= self.request.since:
                place = ObjectVersion(self.deployment.buckets["provenance"], key, stored[key].version_id)
                self._miss(Claim.LOG_COMPLETE, place.uri, f"It is not among the {size} entries of the log.")
        return leaves

    def _read_receipts(self, read: ReadLog, ring: KeyRing, leaves: dict[int, str], listed: set[str]) -> None:
        """Write those receipts that are what the log's index says, and hold."""
        done = 0
        for bundle, group in groupby(sorted(leaves), lambda leaf: leaf // TILE_WIDTH):
            entries = read.tree.entries(bundle)
            for leaf in group:
                self._read_receipt(
                    ring, leaf, entries[leaf % TILE_WIDTH], leaves[leaf], leaves[leaf] in listed
                )
                done += 1
            self.tell(f"Reading receipts: {done:,} of {len(leaves):,}")

    def _read_receipt(self, ring: KeyRing, leaf: int, entry: bytes, key: str, is_listed: bool) -> None:
        try:
            envelope = parse_envelope(entry)
            receipt = parse_statement(envelope.payload)
            ring.verify(envelope)
            ring.require_in_force(envelope, receipt.recorded_at, receipt.recorded_at)
        except EvidenceError as error:
            place = ObjectVersion(self.deployment.buckets["provenance"], key, "")
            self._fail(Claim.RECEIPT_SIGNATURE, place.uri, error.message)
            return
        if receipt.version.receipt_key != key:
            words = f"The log's index says entry {leaf}, which is the receipt of {receipt.version.uri}."
            self._fail(Claim.LOG_INCLUSION, f"s3://{self.deployment.buckets['provenance']}/{key}", words)
            return
        if not is_listed and not (
            receipt.version.key.startswith(self.request.location.key)
            and self.request.has(receipt.last_modified)
        ):
            return
        self.kept[leaf] = _Kept(receipt.version, receipt.sha256, receipt.size_bytes)
        begin, end = delivery_of(receipt)
        before = self.period or (begin, end)
        self.period = min(begin, before[0]), max(end, before[1])
        self._write(_receipt_name(leaf), entry)

    def _read_trail(self) -> None:
        """Write CloudTrail's files about the writes; without them, a receipt is not exported."""
        if self.period is None:
            return
        leaves: dict[ObjectVersion, list[int]] = {}
        for leaf, kept in self.kept.items():
            leaves.setdefault(kept.version, []).append(leaf)
        reader = TrailReader(self.s3, self.deployment)
        since, until = self.period[0], min(self.period[1], self.now)
        told: dict[str, set[ObjectVersion]] = {}
        sums: dict[str, str] = {}
        first = self.now
        for file, content, found in reader.find_events(leaves.keys(), since, until):
            self.tell(f"Reading the trail: {file.key}")
            told[file.key] = set(found)
            first = min(first, file.stored_at)
            sums[file.key] = self._write(log_part(file.key), content)
        for version in sorted(leaves.keys() - set().union(*told.values())):
            words = "No log file of the trail has the event that wrote it yet."
            self._drop(leaves[version], Claim.TRAIL_EVENT, version, words)
        if sums:
            for digest, named in reader.find_digests(sums, first, self.digest_keys, self.now):
                for name, data in digest_parts(digest).items():
                    self._write(name, data)
                for key in named:
                    del told[key]
        for key, versions in told.items():
            (self.folder / log_part(key)).unlink()
            for version in sorted(versions):
                words = f"No digest covers the log file {key} yet."
                self._drop(leaves[version], Claim.TRAIL_DIGEST, version, words)

    def _download_objects(self) -> None:
        for done, (leaf, kept) in enumerate(self.kept.items(), start=1):
            path = self.folder / "objects" / str(leaf)
            path.parent.mkdir(exist_ok=True)
            try:
                with path.open("w+b") as file:
                    download(self.s3, kept.version, file)
                    file.seek(0)
                    found = hash_stream(file)
            except (GoneError, UnreadableError) as error:
                path.unlink()
                self._miss(Claim.OBJECT_HASH, kept.version.uri, f"The object cannot be read: {error}.")
                continue
            if found != (kept.sha256, kept.size_bytes):
                path.unlink()
                words = "The object is not the one that was recorded."
                self._fail(Claim.OBJECT_HASH, kept.version.uri, words)
            self.tell(f"Reading objects: {done:,} of {len(self.kept):,}")

    def _page(self, read: ReadLog) -> bytes:
        words = [f"{each.subject}  {each.claim}: {each.detail}" for each in self.findings]
        location = self.request.location
        return format_export_page(
            f"s3://{location.bucket}/{location.key}",
            (self.request.since, self.request.until),
            len(self.kept),
            read.checkpoint,
            region=self.deployment.region,
            end=read.end,
            missing=words,
        )

    def _write(self, name: str, data: bytes) -> str:
        """Write one file, and return the SHA-256 of its bytes."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        with path.open("rb") as file:
            return hash_stream(file)[0]

    def _drop(self, leaves: list[int], claim: Claim, version: ObjectVersion, words: str) -> None:
        for leaf in leaves:
            del self.kept[leaf]
            (self.folder / _receipt_name(leaf)).unlink()
        self._miss(claim, version.uri, words)

    def _miss(self, claim: Claim, subject: str, words: str) -> None:
        self.findings.append(Finding(claim, Status.MISSING, subject, words, Severity.HIGH))

    def _fail(self, claim: Claim, subject: str, words: str) -> None:
        self.findings.append(Finding(claim, Status.FAILED, subject, words, Severity.CRITICAL))


def _receipt_name(leaf: int) -> str:
    return f"receipts/{leaf}.json"


def _hash_all(folder: Path) -> Iterator[tuple[str, str]]:
    """Every file below a folder, and its SHA-256."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                yield path.relative_to(folder).as_posix(), hash_stream(file)[0]


def _pack(folder: Path, output: Path) -> None:
    """A zip file of a folder; the same files give the same bytes."""
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                info = zip_info(path.relative_to(folder).as_posix())
                info.compress_type = zipfile.ZIP_DEFLATED
                with path.open("rb") as file, packed.open(info, "w", force_zip64=True) as inside:
                    shutil.copyfileobj(file, inside, CHUNK_BYTES)
