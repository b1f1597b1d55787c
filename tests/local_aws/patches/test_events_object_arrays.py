from __future__ import annotations

import json

from tests.local_aws.account import Account

WANTED = {"kind": ["change"], "resources": {"ARN": ["arn:one", "arn:two"], "type": ["key"]}}


def heard(account: Account) -> list[int]:
    """The numbers of the events that the rule's pattern matches."""
    events, source = account.client("events"), account.name("source")
    url, queue = account.rules_queue()
    rule = account.name("rule")
    events.put_rule(Name=rule, EventPattern=json.dumps({"source": [source], "detail": WANTED}))
    events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": queue}])
    one, other = {"ARN": "arn:one", "type": "key"}, {"ARN": "arn:other", "type": "key"}
    split = [{"ARN": "arn:two", "type": "alias"}, other]
    sent = [
        {"kind": "change", "resources": [one]},
        {"kind": "change", "resources": [other]},
        {"kind": "change", "resources": [other, one]},
        {"kind": "change", "resources": split},
        {"kind": "change", "resources": []},
        {"kind": "read", "resources": [one]},
        {"kind": "change", "resources": one},
        {"kind": "change"},
    ]
    for number, detail in enumerate(sent):
        entry = {"Source": source, "DetailType": "t", "Detail": json.dumps({"n": number, **detail})}
        events.put_events(Entries=[entry])
    found = []
    while (
        messages := account.client("sqs")
        .receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        .get("Messages")
    ):
        for message in messages:
            found.append(int(json.loads(message["Body"])["detail"]["n"]))
            account.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return sorted(found)


def test_the_local_aws(aws: Account) -> None:
    assert heard(aws) == [0, 2, 6]


def test_moto_alone_does_not(moto: Account) -> None:
    assert heard(moto) == [6]
