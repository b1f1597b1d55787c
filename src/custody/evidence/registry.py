"""The key registry: the public keys with which receipts may be signed, and when.

``keys/registry.json`` in the provenance bucket; Object Lock keeps every version of it. A new version may only
add keys or end them: a version that removes a key, or changes anything else of one, is evidence of tampering.
One date may be corrected: a ``valid_from`` in the future, since no signature of the key is valid before it.

The rules are here, for both ways to check signatures: ``custody.evidence.keyring`` with the public keys, the
gate through AWS KMS.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from custody.documents import Fields, parse_object
from custody.errors import EvidenceError
from custody.times import format_time

if TYPE_CHECKING:
    from securesystemslib.dsse import Envelope

REGISTRY_KEY = "keys/registry.json"
ALGORITHM = "ecdsa-sha2-nistp256"
ED25519 = "ed25519"
"""Only for keys of the log, which others than the kit may sign."""
MAX_REGISTRY_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class RegisteredKey:
    """One public key and its period of validity. Times are aware UTC; ``None`` is open."""

    key_id: str
    public_key: str
    """SubjectPublicKeyInfo in PEM (RFC 7468 section 13)."""
    valid_from: datetime
    valid_until: datetime | None
    revoked_at: datetime | None
    algorithm: str = ALGORITHM


class SignatureCheck(Protocol):
    """A means of checking signatures made with registered keys."""

    def require_readable(self, key: RegisteredKey) -> None:
        """Raise ``EvidenceError`` if the registered public key cannot be used."""
        ...

    def is_signed(self, key: RegisteredKey, signature: bytes, message: bytes) -> bool:
        """Whether ``signature`` (DER) is a signature of ``message`` (SHA-256) with this key."""
        ...


class NotRegisteredError(EvidenceError):
    """A signature names a key that is not in the key registry."""


class WrongSignatureError(EvidenceError):
    """A signature does not verify for these bytes with the key it names."""


class NotInForceError(EvidenceError):
    """A receipt was made at a time when its key was not valid."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of a registry by key id, and a way to check their signatures."""

    keys: Mapping[str, RegisteredKey]
    check: SignatureCheck

    def verify(self, envelope: Envelope) -> None:
        """Check that each signature of ``envelope`` was made with a registered key.

        Raises ``NotRegisteredError`` or ``WrongSignatureError`` for the first one that is not.
        """
        message = bytes(envelope.pae())
        for signature in envelope.signatures.values():
            key = self.keys.get(signature.keyid)
            if key is None:
                raise NotRegisteredError(
                    f"The signing key {signature.keyid[:200]!r} is not in the key registry."
                )
            if not self.check.is_signed(key, bytes.fromhex(signature.signature), message):
                raise WrongSignatureError(f"The signature does not verify with the key {key.key_id}.")

    def require_in_force(self, envelope: Envelope, recorded_at: datetime, stored_at: datetime) -> None:
        """Check that each signature's key, if registered, was valid when the receipt was recorded.

        That is, ``valid_from <= recorded_at < valid_until``, and neither ``recorded_at`` nor ``stored_at``
        (when Amazon S3 stored the envelope) is at or after ``revoked_at``. Raises ``NotInForceError``.
        """
        for key_id in envelope.signatures:
            if key_id in self.keys:
                _require_in_force(self.keys[key_id], recorded_at, stored_at)


class CurrentKeyRing:
    """A key ring that is read again when a signature names an unknown key.

    A key is registered before it signs. So a key that was registered after the registry was read, and has
    signed since, is legitimate: a rotation during a run is not a finding. May be used from several threads.
    """

    _MOST_STRANGERS = 100
    """After this many unknown keys the registry is not read again: somebody is inventing them."""

    def __init__(self, read: Callable[[], KeyRing]) -> None:
        self._read = read
        self._ring = read()
        self._strangers: set[str] = set()
        self._lock = Lock()

    def verify(self, envelope: Envelope) -> None:
        """Like ``KeyRing.verify``; also raises what reading the registry raises."""
        if envelope.signatures.keys() - self._ring.keys.keys():
            self._ask_for(envelope.signatures.keys())
        self._ring.verify(envelope)

    def holds(
        self, key_id: str, signature: bytes, message: bytes, recorded_at: datetime, stored_at: datetime
    ) -> bool:
        """Whether one signature is by a key of the ring as it was read, and ``require_in_force`` holds."""
        key = self._ring.keys.get(key_id)
        if key is None or not self._ring.check.is_signed(key, signature, message):
            return False
        try:
            _require_in_force(key, recorded_at, stored_at)
        except NotInForceError:
            return False
        return True

    def require_in_force(self, envelope: Envelope, recorded_at: datetime, stored_at: datetime) -> None:
        """As ``KeyRing.require_in_force``."""
        self._ring.require_in_force(envelope, recorded_at, stored_at)

    def _ask_for(self, key_ids: Iterable[str]) -> None:
        with self._lock:
            unknown = set(key_ids) - self._ring.keys.keys() - self._strangers
            if unknown and len(self._strangers) < self._MOST_STRANGERS:
                self._ring = self._read()
                self._strangers |= unknown - self._ring.keys.keys()


def parse_registry(data: bytes, check: SignatureCheck) -> KeyRing:
    """Read one version of the registry. Raises ``EvidenceError``."""
    registry = Fields(parse_object(data, "key registry", MAX_REGISTRY_BYTES), "key registry")
    keys = parse_keys(registry.objects("keys"), {ALGORITHM})
    for key in keys.values():
        check.require_readable(key)
    return KeyRing(keys, check)


def parse_keys(entries: Iterable[Fields], algorithms: Collection[str]) -> dict[str, RegisteredKey]:
    """Read a list of keys of these algorithms, by key id. Raises ``EvidenceError``."""
    keys: dict[str, RegisteredKey] = {}
    for entry in entries:
        algorithm = entry.text("algorithm")
        if algorithm not in algorithms:
            allowed = " or ".join(sorted(algorithms))
            raise EvidenceError(f"The key registry has a key for {algorithm[:80]!r}, not {allowed}.")
        key = RegisteredKey(
            key_id=entry.words("key_id"),
            public_key=entry.words("public_key"),
            valid_from=entry.time("valid_from"),
            valid_until=entry.optional_time("valid_until"),
            revoked_at=entry.optional_time("revoked_at"),
            algorithm=algorithm,
        )
        if key.key_id in keys:
            raise EvidenceError(f"The key registry has the key {key.key_id[:200]!r} twice.")
        keys[key.key_id] = key
    return keys


def read_history(
    versions: Iterable[tuple[str, datetime, bytes]], check: SignatureCheck
) -> tuple[KeyRing, list[str]]:
    """Read every version of the registry, oldest first, as (version id, when it was stored, bytes).

    Returns the key ring and the problems of the history, in sentences (``merge_history``).
    """
    known, problems = merge_history(versions, lambda data: parse_registry(data, check).keys)
    return KeyRing(known, check), problems


def merge_history(
    versions: Iterable[tuple[str, datetime, bytes]], parse: Callable[[bytes], Mapping[str, RegisteredKey]]
) -> tuple[dict[str, RegisteredKey], list[str]]:
    """The keys of every version of the registry, oldest first, and the history's problems, in sentences.

    Each key is as it was first registered (or as its future date was corrected) and has each end from the
    first version that has it, so that tampering with a later version can neither replace a key nor make an
    ended one valid again.
    """
    known: dict[str, RegisteredKey] = {}
    problems: list[str] = []
    for version_id, stored_at, data in versions:
        try:
            current = parse(data)
        except EvidenceError as error:
            problems.append(f"Version {version_id}: {error.message}")
            continue
        problems += [
            f"Version {version_id} removes the key {key_id}." for key_id in known.keys() - current.keys()
        ]
        for key_id, key in current.items():
            before = known.setdefault(key_id, key)
            if before.valid_from > stored_at:
                before = replace(before, valid_from=key.valid_from)
            problems += [
                f"Version {version_id} {what} the key {key_id}." for what in _alterations(before, key)
            ]
            known[key_id] = replace(
                before,
                valid_until=_earlier(before.valid_until, key.valid_until),
                revoked_at=_earlier(before.revoked_at, key.revoked_at),
            )
    return known, problems


def _alterations(before: RegisteredKey, after: RegisteredKey) -> list[str]:
    alterations = []
    if after.public_key != before.public_key:
        alterations.append("replaces the public key of")
    if after.algorithm != before.algorithm:
        alterations.append("changes the algorithm of")
    if after.valid_from != before.valid_from:
        alterations.append("changes valid_from of")
    if before.valid_until is not None and after.valid_until != before.valid_until:
        alterations.append("changes valid_until of")
    if before.revoked_at is not None and after.revoked_at != before.revoked_at:
        alterations.append("changes revoked_at of")
    return alterations


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)


def _require_in_force(key: RegisteredKey, recorded_at: datetime, stored_at: datetime) -> None:
    if recorded_at < key.valid_from:
        recorded, since = format_time(recorded_at), format_time(key.valid_from)
        raise NotInForceError(f"The receipt was recorded at {recorded}, before its key was valid ({since}).")
    if key.valid_until is not None and recorded_at >= key.valid_until:
        recorded = format_time(recorded_at)
        raise NotInForceError(
            f"The receipt was recorded at {recorded}, but its key ended at {format_time(key.valid_until)}."
        )
    if key.revoked_at is not None and max(recorded_at, stored_at) >= key.revoked_at:
        recorded = format_time(recorded_at)
        raise NotInForceError(
            f"The receipt was recorded at {recorded} and stored at {format_time(stored_at)}, "
            f"but its key was revoked at {format_time(key.revoked_at)}."
        )
