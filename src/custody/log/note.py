"""Signed notes: a text, and lines with signatures by named keys.

Standard: C2SP signed-note (https://c2sp.org/signed-note), and tlog-cosignature for what a witness signs. A
note is read here without checking any signature: ``custody.log.note_keys`` checks them, and the sealer, which
has no cryptography of its own, signs through AWS KMS.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from custody.errors import EvidenceError

MAX_NOTE_BYTES = 64 * 1024
"""Far above any checkpoint, with a hundred signatures."""

_MAX_SIGNATURES = 100
"""The standard asks readers to accept at least 16."""
_SIGNATURE_LINE = re.compile(r"— ([^ +\s]+) ([A-Za-z0-9+/]+={0,2})")
_VERIFIER_KEY = re.compile(r"([^ +\s\ud800-\udfff]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})")
_ID_BYTES = 4

Verified = TypeVar("Verified")


class Algorithm(IntEnum):
    """Types of signatures (signed-note, "Signature types")."""

    ED25519 = 0x01
    ECDSA = 0x02
    """ECDSA over SHA-256, in DER; the key is its SubjectPublicKeyInfo in DER."""
    ED25519_COSIGNATURE = 0x04
    """A witness's: over the text and the time at which it saw it."""
    ML_DSA_44_COSIGNATURE = 0x06


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A public key with the name that its signatures have."""

    name: str
    algorithm: int
    """An ``Algorithm``, or the number of one that is not known here."""
    public_key: bytes
    """32 bytes for Ed25519, SubjectPublicKeyInfo in DER for ECDSA."""

    @property
    def key_id(self) -> bytes:
        """The four bytes before each of its signatures: a hint, not a secure identity.

        SHA-256 of name, newline, type and key; for ECDSA of the key alone, which is how that type came to be.
        """
        body = self.public_key
        if self.algorithm != Algorithm.ECDSA:
            body = f"{self.name}\n".encode() + bytes([self.algorithm]) + self.public_key
        return hashlib.sha256(body).digest()[:_ID_BYTES]

    def to_verifier_key(self) -> str:
        """The key as one line of text (signed-note, "Verifier keys")."""
        body = b64encode(bytes([self.algorithm]) + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{body}"


def parse_verifier_key(text: str) -> NoteKey:
    """Read a key's line of text. Raises ``EvidenceError``, also if its id is not that of the key."""
    match = _VERIFIER_KEY.fullmatch(text)
    if match is None:
        raise EvidenceError(f"{text[:200]!r} is not a verifier key (name+id+key).")
    raw = decode_base64(match[3], "verifier key")
    key = NoteKey(match[1], raw[0], raw[1:])
    if key.key_id.hex() != match[2]:
        raise EvidenceError(f"The verifier key of {match[1][:200]!r} does not have the id {match[2]}.")
    return key


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One line below a note's text."""

    name: str
    key_id: bytes
    signature: bytes

    def is_by(self, key: NoteKey) -> bool:
        """Whether the line claims to be by this key."""
        return (self.name, self.key_id) == (key.name, key.key_id)

    def to_line(self) -> str:
        """The line, with its newline."""
        return f"— {self.name} {b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signatures, none of them checked."""

    text: str
    """It ends in a newline."""
    signatures: tuple[NoteSignature, ...]

    def to_bytes(self) -> bytes:
        """The note as it is stored and sent."""
        return (self.text + "\n" + "".join(line.to_line() for line in self.signatures)).encode()


def parse_note(data: bytes) -> Note:
    """Read a note. Raises ``EvidenceError``.

    The signatures begin after the last empty line, so a text may have empty lines itself.
    """
    if len(data) > MAX_NOTE_BYTES:
        raise EvidenceError(f"The note is {len(data)} bytes long, over the limit of {MAX_NOTE_BYTES}.")
    try:
        whole = data.decode()
    except UnicodeDecodeError as error:
        raise EvidenceError(f"The note is not UTF-8: {error}.") from error
    if any(character < " " and character != "\n" for character in whole):
        raise EvidenceError("The note has a control character.")
    text, separator, below = whole.rpartition("\n\n")
    if not separator or not below.endswith("\n"):
        raise EvidenceError("The note has no signatures after an empty line.")
    lines = below[:-1].split("\n")
    if len(lines) > _MAX_SIGNATURES:
        raise EvidenceError(f"The note has {len(lines)} signatures, over the limit of {_MAX_SIGNATURES}.")
    return Note(text + "\n", tuple(_parse_signature(line) for line in lines))


def _parse_signature(line: str) -> NoteSignature:
    match = _SIGNATURE_LINE.fullmatch(line)
    if match is None:
        raise EvidenceError(f"{line[:200]!r} is not the line of a signature.")
    raw = decode_base64(match[2], "signature")
    if len(raw) <= _ID_BYTES:
        raise EvidenceError(f"The signature of {match[1][:200]!r} is empty.")
    return NoteSignature(match[1], raw[:_ID_BYTES], raw[_ID_BYTES:])


def verify_lines(
    note: Note, keys: Iterable[NoteKey], verify: Callable[[str, NoteSignature, NoteKey], Verified]
) -> list[Verified]:
    """What ``verify`` returns for each different line of ``note`` by one of these keys; at least one.

    Lines by other keys are ignored (signed-note, "Verification"). Raises what ``verify`` raises for a wrong
    line, ``EvidenceError`` if no key of ``keys`` has signed.
    """
    known = list(keys)
    lines = dict.fromkeys(note.signatures)
    verified = [verify(note.text, line, key) for line in lines for key in known if line.is_by(key)]
    if not verified:
        names = ", ".join(sorted({key.name for key in known})) or "none is known"
        raise EvidenceError(f"The note is signed by no known key ({names}).")
    return verified


def decode_base64(text: str, what: str) -> bytes:
    """The bytes of canonical base64. Raises ``EvidenceError``, which calls the text ``what``."""
    try:
        raw = b64decode(text, validate=True)
    except ValueError as error:
        raise EvidenceError(f"The {what} is not base64: {error}.") from error
    if b64encode(raw).decode() != text:
        raise EvidenceError(f"The {what} is not canonical base64.")
    return raw
