"""Signing with AWS KMS: the request, and that the answer matches it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from custody.errors import CannotCheckError
from custody.evidence.registry import RegisteredKey
from custody.evidence.signing import KmsSignatureCheck, KmsSigner, UnusableKeyError
from tests.support.evidence import KEY_ID, REGION

MESSAGE = b"x" * 5000  # longer than AWS KMS takes as it is
QUESTION = {
    "KeyId": KEY_ID,
    "Message": hashlib.sha256(MESSAGE).digest(),
    "MessageType": "DIGEST",
    "SigningAlgorithm": "ECDSA_SHA_256",
}


@pytest.fixture
def kms() -> Any:
    return boto3.client("kms", region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b")


def test_the_digest_is_sent_and_the_signature_given(kms: Any) -> None:
    with Stubber(kms) as stub:
        stub.add_response("sign", {"KeyId": KEY_ID, "Signature": b"0E"}, QUESTION)
        assert KmsSigner(kms, KEY_ID).sign(MESSAGE) == b"0E"
        stub.assert_no_pending_responses()


def test_a_signature_by_another_key_is_refused(kms: Any) -> None:
    with Stubber(kms) as stub:
        stub.add_response("sign", {"KeyId": "another", "Signature": b"0E"}, QUESTION)
        with pytest.raises(CannotCheckError, match="another"):
            KmsSigner(kms, KEY_ID).sign(MESSAGE)


def test_a_refusal_is_passed_on(kms: Any) -> None:
    with Stubber(kms) as stub:
        stub.add_client_error("sign", "ThrottlingException")
        with pytest.raises(ClientError, match="ThrottlingException"):
            KmsSigner(kms, KEY_ID).sign(MESSAGE)


KEY = RegisteredKey(KEY_ID, "never read", datetime(2026, 1, 1, tzinfo=UTC), None, None)
SIGNED = QUESTION | {"Signature": b"0E"}


@pytest.mark.parametrize(
    ("answer", "holds"),
    [
        ({"KeyId": KEY_ID, "SignatureValid": True}, True),
        ({"KeyId": KEY_ID, "SignatureValid": False}, False),
        ({"KeyId": "another", "SignatureValid": True}, False),
    ],
)
def test_kms_checks_the_digest_with_the_registered_key(kms: Any, answer: dict[str, Any], holds: bool) -> None:
    with Stubber(kms) as stub:
        stub.add_response("verify", answer, SIGNED)
        check = KmsSignatureCheck(kms)
        check.require_readable(KEY)
        assert check.is_signed(KEY, b"0E", MESSAGE) is holds
        stub.assert_no_pending_responses()


def test_a_wrong_signature_is_an_answer(kms: Any) -> None:
    with Stubber(kms) as stub:
        stub.add_client_error("verify", "KMSInvalidSignatureException")
        assert KmsSignatureCheck(kms).is_signed(KEY, b"0E", MESSAGE) is False


@pytest.mark.parametrize("signature", [b"", b"0" * 73])
def test_what_can_be_no_signature_is_not_asked(kms: Any, signature: bytes) -> None:
    with Stubber(kms):
        assert KmsSignatureCheck(kms).is_signed(KEY, signature, MESSAGE) is False


@pytest.mark.parametrize("code", ["DisabledException", "NotFoundException", "KMSInvalidStateException"])
def test_a_key_that_kms_will_not_use_is_named(kms: Any, code: str) -> None:
    with Stubber(kms) as stub:
        stub.add_client_error("verify", code)
        with pytest.raises(UnusableKeyError, match=f"{KEY_ID}: {code}"):
            KmsSignatureCheck(kms).is_signed(KEY, b"0E", MESSAGE)


@pytest.mark.parametrize("code", ["ThrottlingException", "AccessDeniedException", "KMSInternalException"])
def test_a_refusal_to_check_is_no_answer(kms: Any, code: str) -> None:
    with Stubber(kms) as stub:
        stub.add_client_error("verify", code)
        with pytest.raises(ClientError, match=code):
            KmsSignatureCheck(kms).is_signed(KEY, b"0E", MESSAGE)
