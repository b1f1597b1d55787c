from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.account import Account


def a_key_is_named_by_its_arn(account: Account) -> None:
    kms = account.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    kms.disable_key(KeyId=key)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Disabled"
    kms.enable_key(KeyId=key)
    assert kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)["KeyId"] == key
    kms.cancel_key_deletion(KeyId=key)


def test_the_local_aws(aws: Account) -> None:
    a_key_is_named_by_its_arn(aws)


def test_moto_alone_does_not(moto: Account) -> None:
    with pytest.raises(ClientError):
        a_key_is_named_by_its_arn(moto)
