"""The keys of the log, as the key registry has them: its section ``log``, with the log's origin.

The same rules as for the keys of receipts hold (``custody.evidence.registry``): keys are added and ended,
never changed or removed. The origin never changes: it is the name that every checkpoint and key has.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from custody.documents import Fields, parse_object
from custody.errors import EvidenceError
from custody.evidence.registry import (
    ALGORITHM,
    ED25519,
    MAX_REGISTRY_BYTES,
    RegisteredKey,
    merge_history,
    parse_keys,
)
from custody.log.note import Algorithm, NoteKey

_ED25519_PREFIX = bytes.fromhex("302a300506032b6570032100")
"""What precedes the 32 bytes of a key in its SubjectPublicKeyInfo (RFC 8410 section 4)."""


@dataclass(frozen=True, slots=True)
class RegisteredLog:
    """A log's origin and keys, by key id."""

    origin: str
    keys: Mapping[str, RegisteredKey]

    def note_keys(self) -> list[NoteKey]:
        """The keys, to check a checkpoint with. Raises ``EvidenceError``."""
        return [note_key(self.origin, key) for key in self.keys.values()]

    def trusted(self) -> list[RegisteredKey]:
        """The keys that are not revoked. A checkpoint has no time: one by a revoked key proves nothing."""
        return [key for key in self.keys.values() if key.revoked_at is None]


def parse_log_registry(data: bytes) -> RegisteredLog:
    """Read the section ``log`` of one version of the key registry. Raises ``EvidenceError``."""
    registry = Fields(parse_object(data, "key registry", MAX_REGISTRY_BYTES), "key registry")
    log = registry.object("log")
    keys = parse_keys(log.objects("keys"), {ALGORITHM, ED25519})
    for key in keys.values():
        note_key(log.words("origin"), key)
    return RegisteredLog(log.words("origin"), keys)


def read_log_history(versions: Iterable[tuple[str, datetime, bytes]]) -> tuple[RegisteredLog, list[str]]:
    """The log according to every version of the registry, oldest first, and problems, in sentences.

    Versions before the first one with a log are passed over. Raises ``EvidenceError`` if no version has one.
    """
    origins: list[str] = []

    def parse(data: bytes) -> Mapping[str, RegisteredKey]:
        if not origins and b'"log"' not in data:
            return {}
        log = parse_log_registry(data)
        origins.append(log.origin)
        if log.origin != origins[0]:
            raise EvidenceError(f"It names the log {log.origin[:200]!r}, which was {origins[0]!r} before.")
        return log.keys

    keys, problems = merge_history(versions, parse)
    if not origins:
        raise EvidenceError("The key registry names no log.")
    return RegisteredLog(origins[0], keys), problems


def note_key(origin: str, key: RegisteredKey) -> NoteKey:
    """A registered key as the key of a signed note. Raises ``EvidenceError``."""
    lines = key.public_key.strip().splitlines()
    try:
        if (lines[0], lines[-1]) != ("-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"):
            raise ValueError("it is no public key in PEM")  # noqa: TRY301 - one message for both
        der = b64decode("".join(lines[1:-1]), validate=True)
    except (IndexError, ValueError) as error:
        raise EvidenceError(f"The public key of {key.key_id[:200]} cannot be read: {error}.") from error
    if key.algorithm == ALGORITHM:
        return NoteKey(origin, Algorithm.ECDSA, der)
    return NoteKey(origin, Algorithm.ED25519, ed25519_public_key(key.key_id, der))


def ed25519_public_key(key_id: str, der: bytes) -> bytes:
    """The 32 bytes of a key in its SubjectPublicKeyInfo. Raises ``EvidenceError``, which names ``key_id``."""
    if not der.startswith(_ED25519_PREFIX) or len(der) != len(_ED25519_PREFIX) + 32:
        raise EvidenceError(f"The public key of {key_id[:200]} is not one of Ed25519.")
    return der.removeprefix(_ED25519_PREFIX)
