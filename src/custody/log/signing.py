"""Signing checkpoints with AWS KMS, by keys that the key registry has for the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from custody.errors import CannotCheckError, UsageError
from custody.evidence.signing import KmsSigner
from custody.log.keys import note_key, parse_log_registry
from custody.log.note import Algorithm, NoteKey

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient


@dataclass(frozen=True, slots=True)
class KmsNoteSigner:
    """One key of the log in AWS KMS."""

    kms: KMSClient
    key_id: str
    """The key's ARN."""
    key: NoteKey

    def sign(self, message: bytes) -> bytes:
        """The signature over ``message``: DER for ECDSA, 64 bytes for Ed25519 (RFC 8032).

        Ed25519 is signed by AWS KMS as ``ED25519_SHA_512`` of the raw message; the form of a digest is
        Ed25519ph, which a signed note does not have. Raises botocore's ``ClientError`` if AWS KMS refuses,
        ``CannotCheckError`` if another key signed.
        """
        if self.key.algorithm == Algorithm.ECDSA:
            return KmsSigner(self.kms, self.key_id).sign(message)
        answer = self.kms.sign(
            KeyId=self.key_id,
            Message=message,
            MessageType="RAW",
            SigningAlgorithm="ED25519_SHA_512",
        )
        if answer["KeyId"] != self.key_id:
            raise CannotCheckError(f"AWS KMS signed with {answer['KeyId']}, not with {self.key_id}.")
        return answer["Signature"]


def signers_of(registry: bytes, origin: str, key_ids: Sequence[str], kms: KMSClient) -> list[KmsNoteSigner]:
    """The signers with these keys of the registered log.

    Raises ``EvidenceError`` if the registry is malformed, ``UsageError`` if it has another log or lacks one.
    """
    log = parse_log_registry(registry)
    if log.origin != origin:
        raise UsageError(f"The key registry has the log {log.origin!r}, not {origin!r}.", "Apply again.")
    if missing := [key_id for key_id in key_ids if key_id not in log.keys]:
        raise UsageError(f"The key registry has no key {missing[0]} for the log.", "Apply again.")
    return [KmsNoteSigner(kms, key_id, note_key(origin, log.keys[key_id])) for key_id in key_ids]
