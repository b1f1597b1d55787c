"""The key pair that signs digests, kept in the home of the local AWS so that digests outlive a server."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

_FILE = "trail-digest-key.pem"
_VALIDITY = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class DigestKey:
    """An RSA key pair as CloudTrail uses one."""

    private: rsa.RSAPrivateKey
    created: datetime

    @property
    def public_der(self) -> bytes:
        """The public key as ListPublicKeys returns it: PKCS #1, DER."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.PKCS1
        )

    @property
    def fingerprint(self) -> str:
        """The name digests call it by."""
        return hashlib.md5(self.public_der, usedforsecurity=False).hexdigest()

    @property
    def valid_from(self) -> datetime:
        """Start of its validity."""
        return self.created - timedelta(hours=1)

    @property
    def valid_until(self) -> datetime:
        """End of its validity."""
        return self.created + _VALIDITY

    def sign(self, message: bytes) -> str:
        """SHA256withRSA (PKCS #1 v1.5), in hexadecimal."""
        return self.private.sign(message, padding.PKCS1v15(), hashes.SHA256()).hex()


def load_or_create(home: Path) -> DigestKey:
    """The key of this home; a new one if it has none."""
    path = home / _FILE
    if not path.exists():
        pem = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path.touch(mode=0o600)
        path.write_bytes(pem)
    private = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(private, rsa.RSAPrivateKey):
        raise TypeError(f"{path} holds no RSA key")
    return DigestKey(private, datetime.fromtimestamp(path.stat().st_mtime, UTC))
