"""KMS has keys for Ed25519, and tells their public key.

moto knows no such key spec. What they sign is in ``kms_sign``.
https://docs.aws.amazon.com/kms/latest/developerguide/symm-asymm-choose-key-spec.html
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from moto.kms import models
from moto.kms.exceptions import ValidationException
from moto.kms.models import Key, KmsBackend

KEY_SPEC = "ECC_NIST_EDWARDS25519"
ALGORITHMS = ["ED25519_SHA_512", "ED25519_PH_SHA_512"]

_KNOWN = "_KmsBackend__ensure_valid_key_spec"


class _PrivateKey:
    """A key as moto holds one."""

    def __init__(self) -> None:
        self.private_key = Ed25519PrivateKey.generate()

    def public_key(self) -> bytes:
        """SubjectPublicKeyInfo in DER (RFC 8410 section 4)."""
        return self.private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def apply() -> None:
    """Let moto create such keys."""
    generate = models.generate_private_key  # type: ignore[attr-defined]
    is_known, create = getattr(KmsBackend, _KNOWN), KmsBackend.create_key
    signing_algorithms = Key.signing_algorithms.fget  # type: ignore[attr-defined]

    def generating(key_spec: str) -> Any:
        return _PrivateKey() if key_spec == KEY_SPEC else generate(key_spec)

    def knowing(self: KmsBackend, key_spec: str) -> None:
        if key_spec != KEY_SPEC:
            is_known(self, key_spec)

    def algorithms(self: Key) -> Any:
        return ALGORITHMS if self.key_spec == KEY_SPEC else signing_algorithms(self)

    def creating(
        self: KmsBackend, policy: Any, key_usage: str, key_spec: str, *args: Any, **kwargs: Any
    ) -> Any:
        if key_spec == KEY_SPEC and key_usage != "SIGN_VERIFY":
            raise ValidationException(f"KeyUsage {key_usage} is not compatible with KeySpec {key_spec}")
        return create(self, policy, key_usage, key_spec, *args, **kwargs)

    models.generate_private_key = generating  # type: ignore[attr-defined]
    setattr(KmsBackend, _KNOWN, knowing)
    KmsBackend.create_key = creating  # type: ignore[method-assign]
    Key.signing_algorithms = property(algorithms)  # type: ignore[assignment,method-assign]
