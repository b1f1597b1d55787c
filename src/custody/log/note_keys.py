"""Checking the signatures of a note with public keys alone.

It needs ``cryptography``, which the Lambda functions do not have.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from custody.errors import EvidenceError
from custody.log.cosignature import MAX_TIME, TIME_BYTES, cosigned_message
from custody.log.note import Algorithm, Note, NoteKey, NoteSignature, verify_lines


class UncheckableKeyError(EvidenceError):
    """A key of a type that is not known here, or that cannot be read."""


class WrongNoteSignatureError(EvidenceError):
    """A line by a known key does not verify: the whole note is refused."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that verifies."""

    key: NoteKey
    seconds: int | None = None
    """For a cosignature, when its witness saw the checkpoint, in seconds since 1970."""


def require_readable(key: NoteKey) -> None:
    """Raise ``UncheckableKeyError`` if signatures with this key cannot be checked here."""
    _load(key)


def verify_note(note: Note, keys: Iterable[NoteKey]) -> list[Signed]:
    """The signatures of ``note`` by these keys, each checked; at least one.

    Lines by other keys are ignored (signed-note, "Verification"). Raises ``WrongNoteSignatureError`` if a
    line by a known key does not verify, ``EvidenceError`` if no key of ``keys`` has signed.
    """
    return verify_lines(note, keys, verify_signature)


def verify_signature(text: str, line: NoteSignature, key: NoteKey) -> Signed:
    """Check one line of a note by this key. Raises ``WrongNoteSignatureError``."""
    public = _load(key)
    message, signature, seconds = text.encode(), line.signature, None
    try:
        if isinstance(public, EllipticCurvePublicKey):
            public.verify(signature, message, ECDSA(SHA256()))
        else:
            if key.algorithm == Algorithm.ED25519_COSIGNATURE:
                seconds = int.from_bytes(signature[:TIME_BYTES])
                message, signature = cosigned_message(text, seconds), signature[TIME_BYTES:]
            public.verify(signature, message)
    except InvalidSignature as error:
        raise WrongNoteSignatureError(f"The signature of {key.name} does not verify.") from error
    if seconds is not None and seconds > MAX_TIME:
        raise WrongNoteSignatureError(f"The cosignature of {key.name} has a time out of range.")
    return Signed(key, seconds)


def _load(key: NoteKey) -> EllipticCurvePublicKey | Ed25519PublicKey:
    try:
        if key.algorithm in (Algorithm.ED25519, Algorithm.ED25519_COSIGNATURE):
            return Ed25519PublicKey.from_public_bytes(key.public_key)
        if key.algorithm == Algorithm.ECDSA:
            public = load_der_public_key(key.public_key)
            if isinstance(public, EllipticCurvePublicKey) and isinstance(public.curve, SECP256R1):
                return public
            raise UncheckableKeyError(f"The key of {key.name} is not on the curve P-256.")
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UncheckableKeyError(f"The key of {key.name} cannot be read: {error}.") from error
    raise UncheckableKeyError(
        f"The key of {key.name} is of type 0x{key.algorithm:02x}, which cannot be checked here."
    )
