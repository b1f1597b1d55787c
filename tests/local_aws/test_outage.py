from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from scripts.local_aws import LocalAws, LocalAwsError
from tests.local_aws.account import Account


def test_kms_fails_while_it_is_out_and_answers_after(aws: Account, server: LocalAws) -> None:
    kms = aws.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    server.admin("kms/outage", on=True)
    try:
        with pytest.raises(ClientError) as caught:
            kms.describe_key(KeyId=key)
    finally:
        server.admin("kms/outage", on=False)
    assert caught.value.response["Error"]["Code"] == "KMSInternalException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyId"] == key


def test_messages_have_waited_as_long_as_they_are_made_to(aws: Account, server: LocalAws) -> None:
    url, _ = aws.queue()
    sqs = aws.client("sqs")
    sqs.send_message(QueueUrl=url, MessageBody="m")
    assert server.admin("queues/wait", queue=url.rpartition("/")[2], seconds=3600) == {"messages": 1}
    later = sqs.send_message(QueueUrl=url, MessageBody="n")
    old, new = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["SentTimestamp"]
    )["Messages"]
    assert new["MessageId"] == later["MessageId"]
    sent = [int(one["Attributes"]["SentTimestamp"]) for one in (old, new)]
    assert sent[1] - sent[0] >= 3_600_000
    with pytest.raises(LocalAwsError, match="there is no queue 'absent'"):
        server.admin("queues/wait", queue="absent", seconds=1)
