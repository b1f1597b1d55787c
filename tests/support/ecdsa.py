"""Keys and signatures of P-256 from their numbers, however wrong."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

to_der = encode_dss_signature
PREFIX = (
    ec.derive_private_key(1, ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)[:-64]
)


def spki(x: int, y: int) -> bytes:
    """SubjectPublicKeyInfo in DER, even if there is no such point."""
    return PREFIX + x.to_bytes(32) + y.to_bytes(32)
