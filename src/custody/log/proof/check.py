"""Verifying a proof or an export: the same claims as ``verify.py`` in it, which shares no code with this."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from custody.errors import EvidenceError
from custody.evidence.envelope import parse_envelope
from custody.evidence.keyring import parse_registry, read_history
from custody.evidence.objects import ObjectVersion
from custody.evidence.receipt import PAYLOAD_TYPE, parse_statement
from custody.evidence.registry import KeyRing, RegisteredKey
from custody.log.extension import parse_extension
from custody.log.keys import RegisteredLog, note_key, parse_log_registry, read_log_history
from custody.log.merkle import HASH_BYTES, leaf_hash, verify_consistency, verify_inclusion, verify_leaves
from custody.log.note import NoteKey, parse_note
from custody.log.policy import Judged, Policy, parse_policy
from custody.log.proof.bundle import (
    DIGESTS,
    EXTENSION,
    HASHES,
    KEYS,
    LOGS,
    NOTE,
    OBJECT,
    OBJECTS,
    POLICY,
    PROOF,
    RECEIPT,
    RECEIPTS,
    REGISTRIES,
    Bundle,
)
from custody.log.proof_file import parse_proof_file
from custody.times import format_time
from custody.trail.digests import parse_digest_content
from custody.trail.log_files import parse_log_content

_LATE = "backfill-generation-timestamp"


class BundleClaim(StrEnum):
    """What a proof claims; the names are a contract."""

    FILES = "bundle.files"
    HISTORY = "registry.history"
    RECEIPT = "receipt.signature"
    CHECKPOINT = "log.checkpoint"
    INCLUSION = "log.inclusion"
    CONSISTENCY = "log.consistency"
    DIGEST = "trail.digest"
    EVENT = "trail.event"
    OBJECT = "object.hash"
    TRUSTED = "registry.trusted"


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """Whether one claim holds, and what it is about or why not, in a sentence."""

    claim: BundleClaim
    holds: bool
    detail: str


@dataclass(frozen=True, slots=True)
class BundleReport:
    """Every claim of a proof, in order. Claims about files that need not be there may be absent."""

    results: tuple[ClaimResult, ...]

    @property
    def exit_code(self) -> int:
        """0 all hold, 1 one does not."""
        return 0 if all(result.holds for result in self.results) else 1

    def to_dict(self) -> dict[str, Any]:
        """The JSON document."""
        return {
            "claims": [
                {"claim": str(result.claim), "holds": result.holds, "detail": result.detail}
                for result in self.results
            ]
        }


def check_bundle(bundle: Bundle, trusted: bytes | None = None) -> BundleReport:
    """Check every claim; one that rests on another fails with it.

    ``trusted`` is a copy of the key registry that came another way: then the keys that signed must be in it.
    """
    check = _Check(bundle, trusted)
    claims: list[tuple[BundleClaim, Callable[[], str], tuple[BundleClaim, ...]]] = [
        (BundleClaim.FILES, check.files, ()),
        (BundleClaim.HISTORY, check.history, ()),
        (BundleClaim.RECEIPT, check.receipt_signature, (BundleClaim.HISTORY,)),
        (BundleClaim.CHECKPOINT, check.checkpoint, (BundleClaim.HISTORY,)),
        (BundleClaim.INCLUSION, check.inclusion, (BundleClaim.RECEIPT, BundleClaim.CHECKPOINT)),
        (BundleClaim.CONSISTENCY, check.consistency, (BundleClaim.CHECKPOINT,)),
        (BundleClaim.DIGEST, check.digest, ()),
        (BundleClaim.EVENT, check.event, (BundleClaim.RECEIPT, BundleClaim.DIGEST)),
        (BundleClaim.OBJECT, check.object_hash, (BundleClaim.FILES, BundleClaim.RECEIPT)),
        (BundleClaim.TRUSTED, check.trusted_registry, (BundleClaim.RECEIPT, BundleClaim.CHECKPOINT)),
    ]
    absent = {
        BundleClaim.CONSISTENCY: EXTENSION not in bundle.sums,
        BundleClaim.OBJECT: not check.objects,
        BundleClaim.TRUSTED: trusted is None,
    }
    results: dict[BundleClaim, ClaimResult] = {}
    for claim, verify, basis in claims:
        if absent.get(claim):
            continue
        if failed := [str(each) for each in basis if not results[each].holds]:
            results[claim] = ClaimResult(claim, False, f"It rests on {' and '.join(failed)}.")
            continue
        try:
            results[claim] = ClaimResult(claim, True, verify())
        except EvidenceError as error:
            results[claim] = ClaimResult(claim, False, error.message)
    return BundleReport(tuple(results.values()))


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a receipt says, and what the log has of it."""

    version: ObjectVersion
    sha256: str
    size_bytes: int
    leaf: bytes


class _Check:
    """The claims, and what they learn of each other. Each raises ``EvidenceError`` if it does not hold."""

    ring: KeyRing
    log: RegisteredLog
    shown: Mapping[int, _Shown]
    """By index in an export; of a proof's one receipt, at 0."""
    policy: Policy
    judged: Judged
    log_files: Sequence[str]

    def __init__(self, bundle: Bundle, trusted: bytes | None) -> None:
        self.bundle = bundle
        self.trusted = trusted
        self.is_export = NOTE in bundle.sums
        self.objects = {
            name: int(name.removeprefix(OBJECT).removeprefix("s/") or 0)
            for name in bundle.sums
            if (OBJECTS.fullmatch(name) if self.is_export else name == OBJECT)
        }
        self.used: set[NoteKey] = set()
        """The keys that have signed the receipt or a checkpoint."""

    def files(self) -> str:
        if self.bundle.problem:
            raise EvidenceError(self.bundle.problem)
        for name, expected in self.bundle.sums.items():
            if self.bundle.measure(name)[0] != expected:
                raise EvidenceError(f"{name} was changed.")
        return f"{len(self.bundle.sums)} files are as they were put in."

    def history(self) -> str:
        versions = [
            (name, _stored_at(name), self.bundle.read(name)) for name in self.bundle.names(REGISTRIES)
        ]
        self.ring, problems = read_history(versions)
        self.log, others = read_log_history(versions)
        if problems := [*problems, *others]:
            raise EvidenceError(problems[0])
        return "No version of the key registry takes a key back."

    def receipt_signature(self) -> str:
        found = {}
        for name in self.bundle.names(RECEIPTS) if self.is_export else [RECEIPT]:
            entry = self.bundle.read(name)
            envelope = parse_envelope(entry)
            if envelope.payload_type != PAYLOAD_TYPE:
                raise EvidenceError(
                    f"The payload's type is {envelope.payload_type[:80]!r}, not {PAYLOAD_TYPE}."
                )
            self.ring.verify(envelope)
            receipt = parse_statement(envelope.payload)
            self.ring.require_in_force(envelope, receipt.recorded_at, receipt.recorded_at)
            self.used |= {_anonymous(self.ring.keys[key_id]) for key_id in envelope.signatures}
            index = int(name.removeprefix("receipts/").removesuffix(".json")) if self.is_export else 0
            found[index] = _Shown(receipt.version, receipt.sha256, receipt.size_bytes, leaf_hash(entry))
        self.shown = found
        if self.is_export:
            return f"{len(found)} receipt(s) are signed."
        return f"{receipt.version.uri} has SHA-256 {receipt.sha256}."

    def checkpoint(self) -> str:
        if self.is_export:
            note = parse_note(self.bundle.read(NOTE))
        else:
            self.proof = parse_proof_file(self.bundle.read(PROOF))
            note = self.proof.checkpoint
        self.policy = parse_policy(self.bundle.read(POLICY))
        self.judged = self._require_registered(self.policy.judge(note))
        found = self.judged.checkpoint
        seen = ", ".join(sorted(self.judged.seen_at)) or "no witness"
        return f"{found.origin} has {found.size} entries, root {found.root.hex()}, cosigned by {seen}."

    def inclusion(self) -> str:
        size, root = self.judged.checkpoint.size, self.judged.checkpoint.root
        if self.is_export:
            raw = self.bundle.read(HASHES)
            hashes = (raw[at : at + HASH_BYTES] for at in range(0, len(raw), HASH_BYTES))
            verify_leaves({index: each.leaf for index, each in self.shown.items()}, size, hashes, root)
            return (
                f"{len(self.shown)} receipt(s) are among the {size} entries, up to entry {max(self.shown)}."
            )
        verify_inclusion(self.proof.index, size, self.shown[0].leaf, self.proof.path, root)
        return f"The receipt is the entry {self.proof.index} of {self.judged.checkpoint.size}."

    def consistency(self) -> str:
        extension = parse_extension(self.bundle.read(EXTENSION))
        alone = Policy(self.policy.logs)
        old, new = (
            self.judged.checkpoint,
            self._require_registered(alone.judge(extension.checkpoint)).checkpoint,
        )
        if (extension.old, new.origin) != (old.size, old.origin) or not old.size < new.size:
            raise EvidenceError("It extends another checkpoint.")
        verify_consistency(old.size, new.size, old.root, new.root, extension.path)
        return f"The newest checkpoint, of {new.size} entries, begins with the same entries."

    def digest(self) -> str:
        named: set[tuple[str, str]] = set()
        for name in self.bundle.names(DIGESTS):
            content = self.bundle.read(name)
            signature = self.bundle.read(f"{name.removesuffix('.json')}.sig").hex()
            # A digest of late files has this time, which only tells when to ask AWS for its key.
            digest = parse_digest_content(content, {"signature": signature, _LATE: "1970-01-01T00:00:00Z"})
            if not digest.is_signed_by(self.bundle.read(f"{KEYS}{digest.fingerprint}.der")):
                raise EvidenceError(f"The signature of {name} does not verify.")
            named |= {(file.key.rpartition("/")[2], file.sha256) for file in digest.files}
        self.log_files = self.bundle.names(LOGS)
        for name in self.log_files:
            sha256, _ = self.bundle.measure(name)
            if (f"{name.rpartition('/')[2]}.gz", sha256) not in named:
                raise EvidenceError(f"No digest names {name}.")
        return f"CloudTrail has signed for {len(self.log_files)} log file(s)."

    def event(self) -> str:
        missing = {each.version for each in self.shown.values()}
        for name in self.log_files:
            for write in parse_log_content(self.bundle.read(name)).writes:
                if write.version_id is None:
                    continue
                version = ObjectVersion(write.bucket, write.key, write.version_id)
                if version not in missing:
                    continue
                missing.remove(version)
                if not missing:
                    last = f"at {format_time(write.event_time)} (event {write.event_id})."
                    return (
                        f"{len(self.shown)} writes, one {last}"
                        if self.is_export
                        else f"It was written {last}"
                    )
        raise EvidenceError(f"No event of the log files wrote {min(missing).uri}.")

    def object_hash(self) -> str:
        for name, index in self.objects.items():
            said = self.shown.get(index)
            if said is None or self.bundle.measure(name) != (said.sha256, said.size_bytes):
                raise EvidenceError(f"{name} is not the object that was recorded.")
        return f"{len(self.objects)} object(s) in this bundle are as they were recorded."

    def trusted_registry(self) -> str:
        trusted = self.trusted or b""
        keys = [*parse_registry(trusted).keys.values(), *parse_log_registry(trusted).keys.values()]
        if not self.used <= set(map(_anonymous, keys)):
            raise EvidenceError("A key that signed is not in the registry that you trust.")
        return "The keys that signed are in the registry that you trust."

    def _require_registered(self, judged: Judged) -> Judged:
        """Require that a key which is registered for the log, and not revoked, has signed a checkpoint."""
        valid = {note_key(self.log.origin, key): _anonymous(key) for key in self.log.trusted()}
        if not (signed := valid.keys() & set(judged.log_keys)):
            raise EvidenceError("The log has not signed the checkpoint with a registered key.")
        self.used |= {valid[key] for key in signed}
        return judged


def _anonymous(key: RegisteredKey) -> NoteKey:
    return note_key("", key)


def _stored_at(name: str) -> datetime:
    try:
        return datetime.strptime(name.split("-", 1)[1], "%Y%m%dT%H%M%SZ.json").replace(tzinfo=UTC)
    except ValueError as error:
        raise EvidenceError(f"{name} names no time.") from error
