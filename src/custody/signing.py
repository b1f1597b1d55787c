"""Who signs: AWS KMS with an ECC NIST P-256 key, which no one can take out of it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Protocol

from custody.errors import CannotCheckError

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient


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

    ``key_id`` is the key's ARN, never an alias: it goes into the envelope, and an alias may point elsewhere
    tomorrow. The digest is sent rather than the message, which AWS KMS limits to 4,096 bytes
    (AWS KMS API Reference, "Sign").
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
