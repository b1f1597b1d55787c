"""Verifying a proof with this kit: the same claims as ``verify.py`` in it, which shares no code with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from custody.errors import EvidenceError
from custody.evidence.envelope import parse_envelope
from custody.evidence.keyring import parse_registry, read_history
from custody.evidence.receipt import PAYLOAD_TYPE, Receipt, parse_statement
from custody.evidence.registry import KeyRing, RegisteredKey
from custody.log.extension import parse_extension
from custody.log.keys import RegisteredLog, note_key, parse_log_registry, read_log_history
from custody.log.merkle import verify_consistency
from custody.log.note import NoteKey
from custody.log.policy import Judged, Policy, parse_policy
from custody.log.proof.bundle import (
    DIGESTS,
    EXTENSION,
    KEYS,
    LOGS,
    OBJECT,
    POLICY,
    PROOF,
    RECEIPT,
    REGISTRIES,
    Bundle,
)
from custody.log.proof_file import parse_proof_file
from custody.times import format_time
from custody.trail.digests import parse_digest_content
from custody.trail.log_files import TrailWrite, parse_log_content

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
        BundleClaim.OBJECT: OBJECT not in bundle.sums,
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


class _Check:
    """The claims, and what they learn of each other. Each raises ``EvidenceError`` if it does not hold."""

    ring: KeyRing
    log: RegisteredLog
    receipt: Receipt
    entry: bytes
    policy: Policy
    judged: Judged
    log_files: Mapping[str, bytes]

    def __init__(self, bundle: Bundle, trusted: bytes | None) -> None:
        self.bundle = bundle
        self.trusted = trusted
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
        versions = [(name, _stored_at(name), data) for name, data in self.bundle.read_all(REGISTRIES).items()]
        self.ring, problems = read_history(versions)
        self.log, others = read_log_history(versions)
        if problems := [*problems, *others]:
            raise EvidenceError(problems[0])
        return "No version of the key registry takes a key back."

    def receipt_signature(self) -> str:
        self.entry = self.bundle.read(RECEIPT)
        envelope = parse_envelope(self.entry)
        if envelope.payload_type != PAYLOAD_TYPE:
            raise EvidenceError(f"The payload's type is {envelope.payload_type[:80]!r}, not {PAYLOAD_TYPE}.")
        self.ring.verify(envelope)
        self.receipt = parse_statement(envelope.payload)
        self.ring.require_in_force(envelope, self.receipt.recorded_at, self.receipt.recorded_at)
        self.used |= {_anonymous(self.ring.keys[key_id]) for key_id in envelope.signatures}
        return f"{self.receipt.version.uri} has SHA-256 {self.receipt.sha256}."

    def checkpoint(self) -> str:
        self.proof = parse_proof_file(self.bundle.read(PROOF))
        self.policy = parse_policy(self.bundle.read(POLICY))
        self.judged = self._require_registered(self.policy.judge(self.proof.checkpoint))
        found = self.judged.checkpoint
        seen = ", ".join(sorted(self.judged.seen_at)) or "no witness"
        return f"{found.origin} has {found.size} entries, root {found.root.hex()}, cosigned by {seen}."

    def inclusion(self) -> str:
        self.proof.verify(self.entry, self.policy)
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
        for name, content in self.bundle.read_all(DIGESTS).items():
            signature = self.bundle.read(f"{name.removesuffix('.json')}.sig").hex()
            # A digest of late files has this time, which only tells when to ask AWS for its key.
            digest = parse_digest_content(content, {"signature": signature, _LATE: "1970-01-01T00:00:00Z"})
            if not digest.is_signed_by(self.bundle.read(f"{KEYS}{digest.fingerprint}.der")):
                raise EvidenceError(f"The signature of {name} does not verify.")
            named |= {(file.key.rpartition("/")[2], file.sha256) for file in digest.files}
        self.log_files = self.bundle.read_all(LOGS)
        for name in self.log_files:
            sha256, _ = self.bundle.measure(name)
            if (f"{name.rpartition('/')[2]}.gz", sha256) not in named:
                raise EvidenceError(f"No digest names {name}.")
        return f"CloudTrail has signed for {len(self.log_files)} log file(s)."

    def event(self) -> str:
        for content in self.log_files.values():
            for write in parse_log_content(content).writes:
                if _is_of(write, self.receipt):
                    return f"It was written at {format_time(write.event_time)} (event {write.event_id})."
        raise EvidenceError("No event of the log files wrote this version.")

    def object_hash(self) -> str:
        if self.bundle.measure(OBJECT) != (self.receipt.sha256, self.receipt.size_bytes):
            raise EvidenceError("The object is not the one that was recorded.")
        return "The object in this bundle is the one that was recorded."

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


def _is_of(write: TrailWrite, receipt: Receipt) -> bool:
    version = receipt.version
    return (write.bucket, write.key, write.version_id) == (version.bucket, version.key, version.version_id)


def _anonymous(key: RegisteredKey) -> NoteKey:
    return note_key("", key)


def _stored_at(name: str) -> datetime:
    try:
        return datetime.strptime(name.split("-", 1)[1], "%Y%m%dT%H%M%SZ.json").replace(tzinfo=UTC)
    except ValueError as error:
        raise EvidenceError(f"{name} names no time.") from error
