"""Making a proof: all that shows what one object version is, who wrote it, and that it was recorded.

What is gathered is not believed: the finished bundle is verified before it gets its name.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import IO, TYPE_CHECKING

from custody.deployment import Deployment
from custody.errors import CannotCheckError, EvidenceError, UsageError
from custody.evidence.envelope import parse_envelope
from custody.evidence.fetch import GoneError, UnreadableError, fetch, fetch_bytes
from custody.evidence.hashing import CHUNK_BYTES, ShortStreamError
from custody.evidence.objects import ObjectVersion, S3Location
from custody.evidence.receipt import parse_statement
from custody.evidence.registry_versions import RegistryVersion, read_versions
from custody.listing import VersionEntry, list_versions
from custody.log.checkpoint import Checkpoint
from custody.log.extension import Extension
from custody.log.index import INDEX_PREFIX, key_hash, parse_index, path_before, stored_hash
from custody.log.keys import note_key, read_log_history
from custody.log.merkle import prove_inclusion, verify_consistency
from custody.log.note import Note, parse_note
from custody.log.policy import Policy, format_policy, parse_policy
from custody.log.proof.bundle import (
    EXTENSION,
    KEYS,
    OBJECT,
    PAGE,
    POLICY,
    PROOF,
    RECEIPT,
    SUMS,
    VERIFIER,
    format_sums,
    open_bundle,
)
from custody.log.proof.check import BundleReport, check_bundle
from custody.log.proof.page import format_page
from custody.log.proof.trail import CoveringDigest, TrailReader
from custody.log.proof_file import ProofFile
from custody.log.store import LOG_PREFIX, LogStore
from custody.log.succession import LogEnd, end_at
from custody.log.tiles import CHECKPOINT, MAX_ENTRY_BYTES, TILE_WIDTH
from custody.log.tree import AbsentError, Tree
from custody.log.versions import newest_valid, versions_in_bucket
from custody.recorder.backfill import find_version
from custody.trail.public_keys import DigestKeys

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be proven, and with what."""

    location: S3Location
    policy: bytes | None = None
    """A C2SP tlog-policy; by default the log's own keys, without witnesses."""
    checkpoint: bytes | None = None
    """A checkpoint of the log; by default the newest that satisfies the policy."""
    with_object: bool = False


def prove(
    s3: S3Client,
    deployment: Deployment,
    request: Request,
    output: Path,
    *,
    digest_keys: DigestKeys,
    now: datetime,
    tell: Callable[[str], None],
) -> BundleReport:
    """Write the proof to a zip file; an existing one is replaced only by one that holds.

    Raises ``UsageError`` if there is no such object, ``CannotCheckError`` if something is not there yet, and
    ``EvidenceError`` if the evidence does not hold.
    """
    version = _find(s3, deployment, request.location)
    provenance = deployment.buckets["provenance"]
    tell("Reading the receipt")
    stored, envelope = _read_receipt(s3, provenance, version)
    receipt = parse_statement(parse_envelope(envelope).payload)
    if receipt.version != version:
        raise EvidenceError(
            f"What is stored as the receipt of {version.uri} is that of {receipt.version.uri}."
        )
    versions, _ = read_versions(s3, provenance)
    log, _ = read_log_history(versions)
    own = [note_key(log.origin, key) for key in log.trusted()]
    policy = format_policy(own) if request.policy is None else request.policy
    tell("Reading the log")
    store = LogStore(s3, provenance)
    checkpoints = versions_in_bucket(s3, provenance, LOG_PREFIX)
    read = read_log(store, parse_policy(policy), request.checkpoint, checkpoints)
    proof = _prove_entry(store, read, stored, envelope)
    tell("Reading the trail")
    trail = TrailReader(s3, deployment)
    event = trail.find_event(receipt, now)
    digest = trail.find_digest(event.file, hashlib.sha256(event.content).hexdigest(), digest_keys, now)
    page = format_page(
        receipt,
        event.written,
        proof.index,
        read.checkpoint,
        deployment.region,
        end=read.end,
        has_object=request.with_object,
    )
    parts = {
        PAGE: page,
        RECEIPT: envelope,
        PROOF: proof.to_bytes(),
        log_part(event.file.key): event.content,
        **digest_parts(digest),
        **common_parts(policy, versions, read.extension),
    }
    with tempfile.TemporaryFile() as spool:
        if request.with_object:
            tell("Reading the object")
            _download(s3, version, spool)
        tell("Writing and verifying the bundle")
        return _write(output, parts, spool if request.with_object else None)


def _find(s3: S3Client, deployment: Deployment, location: S3Location) -> ObjectVersion:
    """The version to prove; one that is named need not exist any more."""
    if location.key and location.version_id:
        return ObjectVersion(location.bucket, location.key, location.version_id)
    return find_version(s3, deployment, location)


def _read_receipt(s3: S3Client, provenance: str, version: ObjectVersion) -> tuple[VersionEntry, bytes]:
    """The first version of the object's receipt, which is the one that was sealed."""
    key = version.receipt_key
    found = [
        entry
        for entry in list_versions(s3, provenance, key)
        if entry.key == key and not entry.is_delete_marker
    ]
    if not found:
        raise UsageError(f"{version.uri} has no receipt.", "Run custody record to have it recorded.")
    stored = found[-1]
    place = ObjectVersion(provenance, key, stored.version_id)
    try:
        return stored, fetch_bytes(s3, place, MAX_ENTRY_BYTES)
    except (GoneError, UnreadableError) as error:
        raise CannotCheckError(f"The receipt {place.uri} cannot be read: {error}") from error


@dataclass(frozen=True, slots=True)
class ReadLog:
    """The log, and the checkpoint to prove by."""

    note: Note
    checkpoint: Checkpoint
    tree: Tree
    """At its newest size."""
    extension: Extension | None
    """To the newest checkpoint, if that is another."""
    end: LogEnd | None
    """The statement that the log has ended."""


def read_log(store: LogStore, policy: Policy, checkpoint: bytes | None, versions: Iterable[bytes]) -> ReadLog:
    """The log by a checkpoint, or by the newest of its ``versions`` that satisfies the policy.

    Raises ``EvidenceError``, and ``CannotCheckError`` if no version has the cosignatures.
    """
    newest_note = parse_note(store.fetch(CHECKPOINT))
    note = newest_valid(policy, newest_note, versions) if checkpoint is None else parse_note(checkpoint)
    head = policy.judge(note).checkpoint
    newest = Policy(policy.logs).judge(newest_note).checkpoint
    tree = Tree(store.fetch, newest.size)
    return ReadLog(note, head, tree, _extend(tree, head, newest, newest_note), _end(tree, newest))


def _end(tree: Tree, newest: Checkpoint) -> LogEnd | None:
    try:
        return end_at(tree, newest.size, newest.root)
    except (AbsentError, EvidenceError):
        return None  # it is only told of: what is proven is verified


def log_part(key: str) -> str:
    """The name of one of CloudTrail's log files."""
    return f"trail/logs/{key.rpartition('/')[2].removesuffix('.gz')}"


def digest_parts(digest: CoveringDigest) -> dict[str, bytes]:
    """A digest, its signature and its key, by their names."""
    name = digest.key.rpartition("/")[2].removesuffix(".json.gz")
    return {
        f"trail/digests/{name}.json": digest.content,
        f"trail/digests/{name}.sig": digest.signature,
        f"{KEYS}{digest.fingerprint}.der": digest.public_key,
    }


def common_parts(
    policy: bytes, versions: Iterable[RegistryVersion], extension: Extension | None
) -> dict[str, bytes]:
    """What a proof and an export have alike, by their names."""
    parts = {
        VERIFIER: files("custody.log.proof").joinpath("verify.py").read_bytes(),
        POLICY: policy,
    }
    parts |= {
        f"registry/{number:04}-{each.stored_at:%Y%m%dT%H%M%SZ}.json": each.data
        for number, each in enumerate(versions, start=1)
    }
    if extension is not None:
        parts[EXTENSION] = extension.to_bytes()
    return parts


def _prove_entry(store: LogStore, read: ReadLog, stored: VersionEntry, envelope: bytes) -> ProofFile:
    """The receipt's proof."""
    size = read.checkpoint.size
    leaf = _find_leaf(store, read.tree, stored, envelope)
    if leaf is None or leaf >= size:
        words = f"The receipt is not among the {size} entries of the checkpoint"
        if leaf is not None:
            advice = "Use a newer checkpoint, or wait until witnesses have cosigned one."
            raise CannotCheckError(f"{words}: it is the entry {leaf}.", advice)
        if read.end is not None:
            raise CannotCheckError(f"{words}, and the log has ended: nothing is added to it.")
        raise CannotCheckError(f"{words} yet.", "The sealer adds receipts every minute: try again later.")
    return ProofFile(leaf, tuple(prove_inclusion(leaf, size, read.tree.subtree)), read.note)


def _extend(tree: Tree, checkpoint: Checkpoint, newest: Checkpoint, note: Note) -> Extension | None:
    path = tree.consistency(checkpoint.size) if checkpoint.size <= newest.size else []
    verify_consistency(checkpoint.size, newest.size, checkpoint.root, newest.root, path)
    return Extension(checkpoint.size, tuple(path), note) if checkpoint.size < newest.size else None


def _find_leaf(store: LogStore, tree: Tree, stored: VersionEntry, envelope: bytes) -> int | None:
    """The entry that is this receipt; the log's index is only a hint where to look."""
    wanted = key_hash(stored.key), stored_hash(stored.version_id, stored.etag)
    for page in store.list(LOG_PREFIX + INDEX_PREFIX, LOG_PREFIX + path_before(stored.last_modified)):
        for item in page:
            for row in parse_index(store.read(item.key).data):
                if (row.key_hash, row.stored_hash) == wanted and row.leaf < tree.size:
                    bundle, place = divmod(row.leaf, TILE_WIDTH)
                    if tree.entries(bundle)[place] == envelope:
                        return row.leaf
    return None


def _download(s3: S3Client, version: ObjectVersion, spool: IO[bytes]) -> None:
    try:
        download(s3, version, spool)
    except GoneError as error:
        raise UsageError(
            f"There is no object version {version.uri} any more.", "Leave out --object."
        ) from error
    except UnreadableError as error:
        raise CannotCheckError(str(error)) from error
    spool.seek(0)


def download(s3: S3Client, version: ObjectVersion, spool: IO[bytes]) -> None:
    """Write an object to a file. Raises ``GoneError`` or ``UnreadableError``."""

    def write(found: GetObjectOutputTypeDef) -> None:
        spool.seek(0)
        spool.truncate()
        shutil.copyfileobj(found["Body"], spool, CHUNK_BYTES)
        if spool.tell() != found["ContentLength"]:
            raise ShortStreamError(f"The stream gave {spool.tell()} bytes of {found['ContentLength']}.")

    fetch(s3, version, write)


def _write(output: Path, parts: dict[str, bytes], spool: IO[bytes] | None) -> BundleReport:
    """Write the zip file beside its place, verify it, and put it there."""
    beside = output.with_name(output.name + ".part")
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}
    try:
        with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, data in parts.items():
                packed.writestr(zip_info(name), data, zipfile.ZIP_DEFLATED)
            if spool is not None:
                sums[OBJECT] = _write_object(packed, spool)
            packed.writestr(zip_info(SUMS), format_sums(sums), zipfile.ZIP_DEFLATED)
        report = require_holding(beside)
        beside.replace(output)
    finally:
        beside.unlink(missing_ok=True)
    return report


def require_holding(path: Path) -> BundleReport:
    """Check what was written. Raises ``EvidenceError`` if a claim does not hold."""
    with open_bundle(path) as bundle:
        report = check_bundle(bundle)
    if report.exit_code:
        failed = [f"{result.claim}: {result.detail}" for result in report.results if not result.holds]
        raise EvidenceError("There is no proof, since the evidence does not hold. " + " ".join(failed))
    return report


def _write_object(packed: zipfile.ZipFile, spool: IO[bytes]) -> str:
    digest = hashlib.sha256()
    with packed.open(zip_info(OBJECT), "w", force_zip64=True) as file:
        while chunk := spool.read(CHUNK_BYTES):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def zip_info(name: str) -> zipfile.ZipInfo:
    """A file that everybody may read; without a time, so that the same evidence gives the same bytes."""
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o644 << 16
    return info
