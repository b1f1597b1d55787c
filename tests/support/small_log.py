"""A log in memory, its keys, and wrong copies of what rests on it."""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from custody.log.checkpoint import Checkpoint
from custody.log.cosignature import cosignature, cosigned_message
from custody.log.merkle import leaf_hash, root_of
from custody.log.note import Algorithm, Note, NoteKey, NoteSignature
from custody.log.tiles import (
    CHECKPOINT,
    TILE_HEIGHT,
    TILE_WIDTH,
    entries_path,
    pack_entries,
    tile_path,
    tile_widths,
)
from custody.log.tree import AbsentError

ORIGIN = "custody.example/log"


def subtrees_of(leaves: Sequence[bytes]) -> Callable[[int, int], bytes]:
    """Complete subtrees over these leaves' hashes."""
    return lambda level, index: root_of(leaves[index << level : (index + 1) << level])


@dataclass(frozen=True)
class NoteSigner:
    """A private key of any type that is known here."""

    name: str = ORIGIN
    algorithm: Algorithm = Algorithm.ECDSA
    ecdsa: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    ed25519: ed25519.Ed25519PrivateKey = field(default_factory=ed25519.Ed25519PrivateKey.generate)

    @property
    def key(self) -> NoteKey:
        if self.algorithm is Algorithm.ECDSA:
            public = self.ecdsa.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            public = self.ed25519.public_key().public_bytes_raw()
        return NoteKey(self.name, self.algorithm, public)

    @property
    def public_key(self) -> str:
        """SubjectPublicKeyInfo in PEM."""
        private = self.ecdsa if self.algorithm is Algorithm.ECDSA else self.ed25519
        return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def sign(self, text: str, seconds: int = 1_763_640_000) -> NoteSignature:
        if self.algorithm is Algorithm.ED25519_COSIGNATURE:
            return cosignature(self.key, seconds, self.ed25519.sign(cosigned_message(text, seconds)))
        if self.algorithm is Algorithm.ED25519:
            return NoteSignature(self.name, self.key.key_id, self.ed25519.sign(text.encode()))
        return NoteSignature(self.name, self.key.key_id, self.ecdsa.sign(text.encode(), ec.ECDSA(SHA256())))


@dataclass
class MemoryLog:
    """A log with every tile and bundle of its present size."""

    entries: list[bytes] = field(default_factory=list)
    signer: NoteSigner = field(default_factory=NoteSigner)
    files: dict[str, bytes] = field(default_factory=dict)

    def extend(self, entries: Sequence[bytes], *cosigners: NoteSigner) -> Note:
        """Append entries, write what changed, and return the new checkpoint."""
        self.entries += entries
        leaves = [leaf_hash(entry) for entry in self.entries]
        size = len(leaves)
        for level in range(3):
            hashes = subtrees_of(leaves)
            for index, width in tile_widths(size, level):
                first = index * TILE_WIDTH
                self.files[tile_path(level, index, width)] = b"".join(
                    hashes(level * TILE_HEIGHT, at) for at in range(first, first + width)
                )
                if level == 0:
                    bundle = pack_entries(self.entries[first : first + width])
                    self.files[entries_path(index, width)] = bundle
        text = Checkpoint(self.signer.name, size, root_of(leaves)).to_text()
        note = Note(text, tuple(signer.sign(text) for signer in (self.signer, *cosigners)))
        self.files[CHECKPOINT] = note.to_bytes()
        return note

    def fetch(self, path: str) -> bytes:
        try:
            return self.files[path]
        except KeyError as error:
            raise AbsentError(f"There is no {path}.") from error


def flips(data: bytes) -> Iterator[bytes]:
    """Each byte of ``data`` changed, one at a time, in one of its bits."""
    chance = random.Random(len(data))
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << chance.randrange(8)
        yield bytes(changed)


def stranger(chance: random.Random) -> NoteSignature:
    """The line of a key that nobody knows: of any length, and maybe with a name that somebody has."""
    name = chance.choice([ORIGIN, "example.com/unknown", "é", b64encode(chance.randbytes(6)).decode()[:7]])
    return NoteSignature(
        name.replace("+", "-"), chance.randbytes(4), chance.randbytes(chance.choice([1, 64, 72, 2420]))
    )
