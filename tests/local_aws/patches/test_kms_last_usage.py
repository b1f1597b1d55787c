from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.account import Account


def a_key_tells_when_it_was_last_used(account: Account) -> None:
    kms = account.client("kms")
    made = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    what = {"KeyId": made["Arn"], "Message": b"message", "SigningAlgorithm": "ECDSA_SHA_256"}
    answer = kms.get_key_last_usage(KeyId=made["KeyId"])
    assert (answer["KeyId"], answer["KeyLastUsage"]) == (made["Arn"], {})
    assert answer["TrackingStartDate"] == answer["KeyCreationDate"] == made["CreationDate"]

    before = datetime.now(UTC)
    signature = kms.sign(**what)["Signature"]
    used = kms.get_key_last_usage(KeyId=made["Arn"])["KeyLastUsage"]
    assert used["Operation"] == "Sign"
    assert before - timedelta(seconds=1) <= used["Timestamp"] <= datetime.now(UTC) + timedelta(seconds=1)
    assert used["CloudTrailEventId"]

    kms.verify(**what, Signature=signature)
    assert kms.get_key_last_usage(KeyId=made["Arn"])["KeyLastUsage"]["Operation"] == "Verify"


def a_use_that_fails_is_none(account: Account) -> None:
    kms = account.client("kms")
    key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    kms.disable_key(KeyId=key)
    with pytest.raises(ClientError):
        kms.sign(KeyId=key, Message=b"message", SigningAlgorithm="ECDSA_SHA_256")
    assert kms.get_key_last_usage(KeyId=key)["KeyLastUsage"] == {}
    with pytest.raises(ClientError, match="NotFoundException"):
        kms.get_key_last_usage(KeyId=key[:-1] + ("0" if key[-1] != "0" else "1"))


def test_the_local_aws(aws: Account) -> None:
    a_key_tells_when_it_was_last_used(aws)
    a_use_that_fails_is_none(aws)


def test_moto_alone_does_not(moto: Account) -> None:
    with pytest.raises(ClientError):
        a_key_tells_when_it_was_last_used(moto)
