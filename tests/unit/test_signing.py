"""Signing with AWS KMS: what is asked, and that the answer is the one asked for."""

from __future__ import annotations

import hashlib
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from custody.errors import CannotCheckError
from custody.signing import KmsSigner
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
