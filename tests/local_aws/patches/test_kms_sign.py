from __future__ import annotations

import hashlib
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

MESSAGE = b"what was received"


def a_signed_digest_verifies_over_the_message(account: Any) -> None:
    kms = account.client("kms")
    key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    digest = hashlib.sha256(MESSAGE).digest()
    signature = kms.sign(KeyId=key, Message=digest, MessageType="DIGEST", SigningAlgorithm="ECDSA_SHA_256")[
        "Signature"
    ]
    public = load_der_public_key(kms.get_public_key(KeyId=key)["PublicKey"])
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(signature, MESSAGE, ec.ECDSA(hashes.SHA256()))
    for message, kind in ((MESSAGE, "RAW"), (digest, "DIGEST")):
        verified = kms.verify(
            KeyId=key,
            Message=message,
            MessageType=kind,
            Signature=signature,
            SigningAlgorithm="ECDSA_SHA_256",
        )
        assert verified["SignatureValid"]


def a_disabled_key_signs_nothing(account: Any) -> None:
    kms = account.client("kms")
    key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=key)
    with pytest.raises(ClientError, match="DisabledException"):
        kms.sign(KeyId=key, Message=MESSAGE, SigningAlgorithm="ECDSA_SHA_256")


def test_a_signed_digest_verifies_over_the_message(aws: Any) -> None:
    a_signed_digest_verifies_over_the_message(aws)


def test_moto_hashes_a_digest_again(moto: Any) -> None:
    with pytest.raises(InvalidSignature):
        a_signed_digest_verifies_over_the_message(moto)


def test_a_disabled_key_signs_nothing(aws: Any) -> None:
    a_disabled_key_signs_nothing(aws)


def test_moto_signs_with_a_disabled_key(moto: Any) -> None:
    with pytest.raises(pytest.fail.Exception):
        a_disabled_key_signs_nothing(moto)


@pytest.mark.parametrize(
    ("message", "kind", "error"),
    [
        (b"x" * 31, "DIGEST", "Digest is invalid length"),
        (b"x" * 4097, "RAW", "less than or equal to 4096"),
    ],
)
def test_messages_of_a_wrong_length_are_refused(aws: Any, message: bytes, kind: str, error: str) -> None:
    kms = aws.client("kms")
    key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    with pytest.raises(ClientError, match=error):
        kms.sign(KeyId=key, Message=message, MessageType=kind, SigningAlgorithm="ECDSA_SHA_256")


def test_a_wrong_signature_is_an_error(aws: Any) -> None:
    kms = aws.client("kms")
    key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    signature = kms.sign(KeyId=key, Message=MESSAGE, SigningAlgorithm="ECDSA_SHA_256")["Signature"]
    with pytest.raises(ClientError, match="KMSInvalidSignatureException"):
        kms.verify(
            KeyId=key, Message=b"something else", Signature=signature, SigningAlgorithm="ECDSA_SHA_256"
        )


def test_rsa_keys_sign_too(aws: Any) -> None:
    kms = aws.client("kms")
    key = kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    public = load_der_public_key(kms.get_public_key(KeyId=key)["PublicKey"])
    assert isinstance(public, rsa.RSAPublicKey)
    digest = hashlib.sha256(MESSAGE).digest()
    for algorithm, pad in (
        ("RSASSA_PKCS1_V1_5_SHA_256", padding.PKCS1v15()),
        ("RSASSA_PSS_SHA_256", padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)),
    ):
        signature = kms.sign(KeyId=key, Message=digest, MessageType="DIGEST", SigningAlgorithm=algorithm)
        public.verify(signature["Signature"], MESSAGE, pad, hashes.SHA256())
