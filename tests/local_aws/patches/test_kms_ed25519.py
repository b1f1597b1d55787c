from __future__ import annotations

import hashlib
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

SPEC = "ECC_NIST_EDWARDS25519"
MESSAGE = b"logs.example\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"


def create(kms: Any) -> str:
    return str(kms.create_key(KeySpec=SPEC, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"])


def a_raw_message_is_signed_as_rfc_8032_has_it(account: Any) -> None:
    kms = account.client("kms")
    key = create(kms)
    found = kms.get_public_key(KeyId=key)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeySpec"] == SPEC
    assert found["SigningAlgorithms"] == ["ED25519_SHA_512", "ED25519_PH_SHA_512"]
    public = load_der_public_key(found["PublicKey"])
    assert isinstance(public, Ed25519PublicKey)
    for message in (MESSAGE, b"x" * 4096):
        request = {
            "KeyId": key,
            "Message": message,
            "SigningAlgorithm": "ED25519_SHA_512",
            "MessageType": "RAW",
        }
        signed = kms.sign(**request)
        assert (signed["KeyId"], signed["SigningAlgorithm"]) == (key, "ED25519_SHA_512")
        public.verify(signed["Signature"], message)
        assert kms.verify(**request, Signature=signed["Signature"])["SignatureValid"]


def test_a_raw_message_is_signed_as_rfc_8032_has_it(aws: Any) -> None:
    a_raw_message_is_signed_as_rfc_8032_has_it(aws)


def test_moto_knows_no_such_key(moto: Any) -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        a_raw_message_is_signed_as_rfc_8032_has_it(moto)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        (
            {"MessageType": "DIGEST", "Message": hashlib.sha512(MESSAGE).digest()},
            "MessageType DIGEST is not valid",
        ),
        ({"Message": b"x" * 4097}, "less than or equal to 4096"),
        ({"SigningAlgorithm": "ECDSA_SHA_256"}, "InvalidKeyUsageException"),
        ({"SigningAlgorithm": "ED25519_PH_SHA_512"}, "MessageType RAW is not valid"),
        (
            {
                "SigningAlgorithm": "ED25519_PH_SHA_512",
                "MessageType": "DIGEST",
                "Message": hashlib.sha512(MESSAGE).digest(),
            },
            "does not sign Ed25519ph",
        ),
    ],
)
def test_other_messages_and_algorithms_are_refused(aws: Any, changes: dict[str, Any], error: str) -> None:
    kms = aws.client("kms")
    request = {"KeyId": create(kms), "Message": MESSAGE, "SigningAlgorithm": "ED25519_SHA_512"}
    with pytest.raises(ClientError, match=error):
        kms.sign(**request | changes)


def test_a_wrong_signature_is_an_error(aws: Any) -> None:
    kms = aws.client("kms")
    request = {"KeyId": create(kms), "SigningAlgorithm": "ED25519_SHA_512"}
    signature = kms.sign(**request, Message=MESSAGE)["Signature"]
    with pytest.raises(ClientError, match="KMSInvalidSignatureException"):
        kms.verify(**request, Message=MESSAGE + b"x", Signature=signature)


def test_such_a_key_only_signs(aws: Any) -> None:
    with pytest.raises(ClientError, match="not compatible"):
        aws.client("kms").create_key(KeySpec=SPEC, KeyUsage="ENCRYPT_DECRYPT")
