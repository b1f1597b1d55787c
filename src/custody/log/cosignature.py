"""Cosignatures: what a witness signs, and how the sealer, which has no ``cryptography``, checks one.

Standard: C2SP tlog-cosignature at commit 5ba5ee8 (https://c2sp.org/tlog-cosignature), type Ed25519.
"""

from __future__ import annotations

from custody.errors import EvidenceError
from custody.log.note import Algorithm, NoteKey, NoteSignature

TIME_BYTES = 8
MAX_TIME = 2**63 - 1

_KEY_BYTES = 32
_PRIME = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of the field and of the group of Ed25519 (RFC 8032 section 5.1)."""


def cosigned_message(text: str, seconds: int) -> bytes:
    """What a witness signs (tlog-cosignature, "Format")."""
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def cosignature(key: NoteKey, seconds: int, signature: bytes) -> NoteSignature:
    """The line of a cosignature: the time, then the signature over ``cosigned_message``."""
    return NoteSignature(key.name, key.key_id, seconds.to_bytes(TIME_BYTES) + signature)


def require_witness_key(key: NoteKey) -> None:
    """Raise ``EvidenceError`` if the key is not one with which ``verify_cosignature`` can check a line."""
    if key.algorithm != Algorithm.ED25519_COSIGNATURE:
        raise EvidenceError(
            f"The key of {key.name[:200]!r} is of type 0x{key.algorithm:02x}, not one that cosigns (0x04)."
        )
    require_ed25519(key)


def require_ed25519(key: NoteKey) -> None:
    """Raise ``EvidenceError`` if no line by this key can be checked with ``verify_ed25519``."""
    if not _is_plain_point(key.public_key):
        raise EvidenceError(f"The key of {key.name[:200]!r} is not one of Ed25519.")


def verify_cosignature(text: str, line: NoteSignature, key: NoteKey) -> None:
    """Check that a line is this witness's cosignature of a checkpoint's text. Raises ``EvidenceError``.

    A line that is accepted here is stored for every reader, and a reader refuses the whole checkpoint over
    one that does not verify. So what implementations of Ed25519 disagree on is refused, which no honest
    signer makes: a scalar that is not below the group's order, and a point with more than one encoding.
    """
    seconds = int.from_bytes(line.signature[:TIME_BYTES])
    if seconds > MAX_TIME:
        raise EvidenceError(f"The cosignature of {key.name[:200]!r} has a time out of range.")
    verify_ed25519(key, line.signature[TIME_BYTES:], cosigned_message(text, seconds))


def verify_ed25519(key: NoteKey, signature: bytes, message: bytes) -> None:
    """Check a signature with a key of Ed25519, without ``cryptography``. Raises ``EvidenceError``.

    What implementations disagree on is refused, as in ``verify_cosignature``.
    """
    # Slow to import, which most runs of the sealer need not wait for.
    from securesystemslib.exceptions import UnverifiedSignatureError  # noqa: PLC0415
    from securesystemslib.signer import Signature, SSlibKey  # type: ignore[attr-defined]  # noqa: PLC0415

    point, scalar = signature[:_KEY_BYTES], signature[_KEY_BYTES:]
    if (
        len(scalar) != _KEY_BYTES
        or int.from_bytes(scalar, "little") >= _ORDER
        or not _is_plain_point(point)
        or not _is_plain_point(key.public_key)
    ):
        raise EvidenceError(f"The signature of {key.name[:200]!r} is not one of Ed25519.")
    public = SSlibKey(key.name, "ed25519", "ed25519", {"public": key.public_key.hex()})
    try:
        public.verify_signature(Signature(key.name, signature.hex()), message)
    except UnverifiedSignatureError as error:
        raise EvidenceError(f"The signature of {key.name[:200]!r} does not verify.") from error


def _is_plain_point(data: bytes) -> bool:
    """Whether it encodes the y of a point as RFC 8032 section 5.1.2 has it, other than 0, 1 and -1."""
    return len(data) == _KEY_BYTES and 1 < int.from_bytes(data, "little") % 2**255 < _PRIME - 1
