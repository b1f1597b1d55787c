"""Signing and checking with AWS KMS: an ECC NIST P-256 key, whose private key never leaves KMS."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import ClientError

from custody.errors import CannotCheckError, EvidenceError

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

    from custody.evidence.registry import RegisteredKey


class Signer(Protocol):
    """Signs bytes with ECDSA over P-256 and SHA-256."""

    @property
    def keyid(self) -> str:
        """The key's name in the key registry."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The DER signature over SHA-256 of ``message``."""
        ...


class KmsSigner:
    """Signs with a key in AWS KMS.

    ``key_id`` is the key's ARN, never an alias: it goes into the envelope, and an alias may later point to
    another key. The digest is sent instead of the message, which AWS KMS limits to 4,096 bytes (AWS KMS API
    Reference, "Sign").
    """

    def __init__(self, kms: KMSClient, key_id: str) -> None:
        self._kms = kms
        self._key_id = key_id

    @property
    def keyid(self) -> str:
        """The key's ARN."""
        return self._key_id

    def sign(self, message: bytes) -> bytes:
        """The DER signature over SHA-256 of ``message``.

        Raises botocore's ``ClientError`` if AWS KMS refuses, ``CannotCheckError`` if another key signed.
        """
        answer = self._kms.sign(
            KeyId=self._key_id,
            Message=hashlib.sha256(message).digest(),
            MessageType="DIGEST",
            SigningAlgorithm="ECDSA_SHA_256",
        )
        if answer["KeyId"] != self._key_id:
            raise CannotCheckError(f"AWS KMS signed with {answer['KeyId']}, not with {self._key_id}.")
        return answer["Signature"]


class UnusableKeyError(EvidenceError):
    """AWS KMS no longer has the key, or it is in an unusable state."""


class KmsSignatureCheck:
    """Checks signatures with AWS KMS: for Lambda functions, which cannot do so themselves.

    It uses the key with the registered id in AWS KMS. That this is the registered public key is checked by
    ``custody verify``, which does not use AWS KMS.
    """

    _LONGEST_SIGNATURE = 72
    """Maximum bytes of an ECDSA signature over P-256 in DER (RFC 3279 section 2.2.3)."""
    _UNUSABLE = frozenset(
        {
            "DisabledException",
            "InvalidArnException",
            "InvalidKeyUsageException",
            "KMSInvalidStateException",
            "NotFoundException",
        }
    )

    def __init__(self, kms: KMSClient) -> None:
        self._kms = kms

    def require_readable(self, key: RegisteredKey) -> None:
        """Nothing: the public key in the registry is not used."""

    def is_signed(self, key: RegisteredKey, signature: bytes, message: bytes) -> bool:
        """Whether the signature verifies (AWS KMS API Reference, "Verify").

        Raises ``UnusableKeyError``, or botocore's ``ClientError`` if AWS KMS refuses.
        """
        if not 0 < len(signature) <= self._LONGEST_SIGNATURE:
            return False
        try:
            answer = self._kms.verify(
                KeyId=key.key_id,
                Message=hashlib.sha256(message).digest(),
                MessageType="DIGEST",
                Signature=signature,
                SigningAlgorithm="ECDSA_SHA_256",
            )
        except ClientError as error:
            code = error.response["Error"].get("Code", "")
            if code == "KMSInvalidSignatureException":
                return False
            if code in self._UNUSABLE:
                raise UnusableKeyError(
                    f"AWS KMS cannot check signatures with the key {key.key_id}: {code}."
                ) from error
            raise
        return answer["SignatureValid"] and answer["KeyId"] == key.key_id
