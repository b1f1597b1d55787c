from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.local_aws.account import Account


def redrive_policies_come_back_as_set(account: Account) -> None:
    sqs = account.client("sqs")
    dead_url, dead_arn = account.queue()
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 5}, separators=(",", ":"))
    url, arn = account.queue(RedrivePolicy=redrive)
    told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]
    assert told["RedrivePolicy"] == redrive
    allow = json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": [arn]}, separators=(",", ":"))
    sqs.set_queue_attributes(QueueUrl=dead_url, Attributes={"RedriveAllowPolicy": allow})
    told = sqs.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["All"])["Attributes"]
    assert told["RedriveAllowPolicy"] == allow


def test_redrive_policies_come_back_as_set(aws: Account) -> None:
    redrive_policies_come_back_as_set(aws)


def test_moto_changes_and_drops_them(moto: Account) -> None:
    with pytest.raises(AssertionError):
        redrive_policies_come_back_as_set(moto)


def other_attributes_leave_the_policy_alone(account: Account) -> None:
    sqs = account.client("sqs")
    url, arn = account.queue()
    statement = {"Effect": "Deny", "Principal": "*", "Action": "sqs:PurgeQueue", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "60"})
    told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (json.loads(told["Policy"])["Statement"], told["VisibilityTimeout"]) == ([statement], "60")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert not told.get("Policy")


def test_other_attributes_leave_the_policy_alone(aws: Account) -> None:
    other_attributes_leave_the_policy_alone(aws)


def test_moto_removes_it(moto: Account) -> None:
    with pytest.raises((AssertionError, KeyError)):
        other_attributes_leave_the_policy_alone(moto)


def test_no_message_is_lost_between_senders_and_deleters(aws: Account) -> None:
    sqs = aws.client("sqs")
    url, _ = aws.queue(VisibilityTimeout="600")
    sent = 200

    def send(number: int) -> None:
        sqs.send_message(QueueUrl=url, MessageBody=str(number))

    def take() -> set[str]:
        taken = set()
        while batch := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get(
            "Messages"
        ):
            for message in batch:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                taken.add(message["Body"])
        return taken

    with ThreadPoolExecutor(12) as threads:
        takers = [threads.submit(take) for _ in range(4)]
        list(threads.map(send, range(sent)))
        taken = set().union(*(taker.result() for taker in takers))
    assert taken == {str(number) for number in range(sent)}
