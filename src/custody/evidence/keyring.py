"""The key registry for a verifier, which checks signatures with its public keys only.

It needs ``cryptography``, which the Lambda functions do not have.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from custody.errors import EvidenceError
from custody.evidence import registry
from custody.evidence.registry import KeyRing, RegisteredKey

_ECDSA = ECDSA(SHA256())


class PublicKeyCheck:
    """Checks signatures with the public keys in the registry."""

    def require_readable(self, key: RegisteredKey) -> None:
        """Raise ``EvidenceError`` unless the public key is on the curve P-256."""
        _load_public_key(key.public_key)

    def is_signed(self, key: RegisteredKey, signature: bytes, message: bytes) -> bool:
        """Whether the signature verifies with the public key."""
        try:
            _load_public_key(key.public_key).verify(signature, message, _ECDSA)
        except InvalidSignature:
            return False
        return True


def parse_registry(data: bytes) -> KeyRing:
    """Read one version of the registry. Raises ``EvidenceError``."""
    return registry.parse_registry(data, PublicKeyCheck())


def read_history(versions: Iterable[tuple[str, datetime, bytes]]) -> tuple[KeyRing, list[str]]:
    """Read every version of the registry, oldest first, as ``registry.read_history`` does."""
    return registry.read_history(versions, PublicKeyCheck())


@lru_cache(maxsize=64)
def _load_public_key(pem: str) -> EllipticCurvePublicKey:
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise EvidenceError(f"The key registry has a public key that cannot be read: {error}.") from error
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise EvidenceError("The key registry has a public key that is not on the curve P-256.")
    return key
