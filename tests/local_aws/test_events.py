from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.events.models import Rule

from scripts.local_aws import LocalAws, LocalAwsError
from scripts.local_aws.events import input_of
from tests.local_aws.account import ACCOUNT, Account

EVENT = {
    "version": "0",
    "id": "e-1",
    "detail-type": "Glue Job State Change",
    "source": "aws.glue",
    "account": ACCOUNT,
    "time": "2026-01-15T10:00:00Z",
    "region": "us-east-1",
    "resources": ["arn:one", "arn:two"],
    "detail": {"jobName": 'a "job"', "state": "FAILED", "counts": {"rows": 3}},
}


class Listener:
    """A queue, and what brings to it: a function, and a topic."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._url, self._queue = account.queue()

    def function(self) -> str:
        """The ARN of a function that sends what it is given to the queue."""
        code = f"""
import json, boto3
def handler(event, context):
    boto3.client("sqs").send_message(QueueUrl={self._url!r}, MessageBody=json.dumps(event))
"""
        name = self._account.function(code)
        return str(
            self._account.client("lambda").get_function_configuration(FunctionName=name)["FunctionArn"]
        )

    def topic(self, source_arn: str) -> str:
        """The ARN of a topic that sends what these rules publish to the queue."""
        sns = self._account.client("sns")
        arn = str(sns.create_topic(Name=self._account.name("topic"))["TopicArn"])
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": arn,
            "Condition": {
                "ArnLike": {"aws:SourceArn": source_arn},
                "StringEquals": {"aws:SourceAccount": ACCOUNT},
            },
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)
        sns.subscribe(
            TopicArn=arn, Protocol="sqs", Endpoint=self._queue, Attributes={"RawMessageDelivery": "true"}
        )
        return arn

    def messages(self, count: int) -> list[Any]:
        return self._account.messages(self._url, count)


@pytest.fixture
def listener(aws: Account) -> Listener:
    return Listener(aws)


def rule(account: Account, pattern: dict[str, Any] | None, target: dict[str, Any], **more: Any) -> str:
    """A rule with one target; its name."""
    name = account.name("rule")
    events = account.client("events")
    if pattern is not None:
        more["EventPattern"] = json.dumps(pattern)
    events.put_rule(Name=name, **more)
    events.put_targets(Rule=name, Targets=[{"Id": "1", **target}])
    return name


def permit(account: Account, function_arn: str, rule_name: str) -> None:
    account.client("lambda").add_permission(
        FunctionName=function_arn,
        StatementId=rule_name,
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=f"arn:aws:events:us-east-1:{ACCOUNT}:rule/{rule_name}",
    )


def put(account: Account, source: str, **detail: Any) -> dict[str, Any]:
    entry = {"Source": source, "DetailType": "Test", "Detail": json.dumps(detail)}
    return dict(account.client("events").put_events(Entries=[entry]))


def one_rule_after_another(account: Account) -> None:
    """Send an event for two rules, the first with a function as target, the second with a queue."""
    source = account.name("source")
    url, queue = account.rules_queue()
    function = account.function("def handler(event, context): ...")
    arn = account.client("lambda").get_function_configuration(FunctionName=function)["FunctionArn"]
    rule(account, {"source": [source]}, {"Arn": arn})
    rule(account, {"source": [source]}, {"Arn": queue})
    put(account, source, n=1)
    [event] = account.messages(url, 1)
    assert (event["source"], event["detail"]) == (source, {"n": 1})


def test_a_rule_is_served_whatever_becomes_of_another(aws: Account) -> None:
    one_rule_after_another(aws)


def test_moto_serves_none_after_a_function(moto: Account) -> None:
    with pytest.raises(ClientError):
        one_rule_after_another(moto)


def test_a_queue_takes_only_what_its_policy_allows(aws: Account, server: LocalAws) -> None:
    source, (_, closed), (url, open_) = aws.name("source"), aws.queue(), aws.rules_queue()
    refused = rule(aws, {"source": [source]}, {"Arn": closed})
    rule(aws, {"source": [source]}, {"Arn": open_})
    put(aws, source, n=1)
    assert aws.messages(url, 1)[0]["source"] == source
    assert server.admin("status")["rules"][refused] == {"invocations": 1, "failed": 1}
    assert server.admin("status")["queues"][closed.rpartition(":")[2]]["visible"] == 0


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ({"state": ["FAILED"]}, True),
        ({"state": ["SUCCEEDED", "STOPPED"]}, False),
        ({"job": [{"prefix": "custody-"}], "state": ["FAILED", "TIMEOUT"]}, True),
        ({"job": [{"prefix": "other-"}]}, False),
        ({"state": [{"anything-but": ["SUCCEEDED", "STOPPED"]}]}, True),
        ({"state": [{"anything-but": ["SUCCEEDED", "FAILED"]}]}, False),
        ({"job": [{"anything-but": {"prefix": "custody-"}}]}, False),
        ({"absent": ["x"]}, False),
    ],
)
def test_targets_are_called_if_the_pattern_matches(
    aws: Account, listener: Listener, pattern: dict[str, Any], matches: bool
) -> None:
    source = aws.name("source")
    topic = listener.topic(f"arn:aws:events:us-east-1:{ACCOUNT}:rule/*")
    rule(aws, {"source": [source], "detail": pattern}, {"Arn": topic, "InputPath": "$.detail"})
    rule(aws, {"source": [source]}, {"Arn": topic, "Input": '{"last": true}'})
    detail = {"job": "custody-gold", "state": "FAILED"}
    put(aws, source, **detail)
    assert listener.messages(1 + matches) == [detail] * matches + [{"last": True}]


def test_a_function_is_given_the_event(aws: Account, listener: Listener) -> None:
    source, function = aws.name("source"), listener.function()
    name = rule(aws, {"source": [source]}, {"Arn": function})
    permit(aws, function, name)
    answer = put(aws, source, n=1)
    [event] = listener.messages(1)
    assert event.pop("time").endswith("Z")
    assert event == {
        "version": "0",
        "id": answer["Entries"][0]["EventId"],
        "detail-type": "Test",
        "source": source,
        "account": ACCOUNT,
        "region": "us-east-1",
        "resources": [],
        "detail": {"n": 1},
    }


def test_who_does_not_let_the_rule_in_is_not_called(
    aws: Account, server: LocalAws, listener: Listener
) -> None:
    source, function = aws.name("source"), listener.function()
    other = f"arn:aws:events:us-east-1:{ACCOUNT}:rule/other"
    refused = [
        rule(aws, {"source": [source]}, {"Arn": arn})
        for arn in (function, listener.topic(other), function.replace("function:", "function:absent-"))
    ]
    permit(aws, function, "other")
    allowed = rule(aws, {"source": [source]}, {"Arn": function})
    permit(aws, function, allowed)
    put(aws, source, n=1)
    assert [event["detail"] for event in listener.messages(1)] == [{"n": 1}]
    told = server.admin("status")["rules"]
    assert [told[name] for name in (*refused, allowed)] == [{"invocations": 1, "failed": 1}] * 3 + [
        {"invocations": 1, "failed": 0}
    ]
    log = (server.home / "server.log").read_text()
    assert f"rule {refused[0]}, target {function}: its policy does not allow lambda:InvokeFunction" in log


def test_a_rule_that_is_disabled_or_has_a_schedule_alone_hears_nothing(
    aws: Account, server: LocalAws, listener: Listener
) -> None:
    source = aws.name("source")
    topic = listener.topic(f"arn:aws:events:us-east-1:{ACCOUNT}:rule/*")
    names = [
        rule(aws, {"source": [source]}, {"Arn": topic}, State="DISABLED"),
        rule(aws, None, {"Arn": topic}, ScheduleExpression="rate(15 minutes)"),
    ]
    put(aws, source)
    assert not server.admin("status")["rules"].keys() & set(names)


READING = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"


@pytest.mark.parametrize(
    ("detail_type", "detail", "states"),
    [
        ("AWS API Call via CloudTrail", {"readOnly": True, "managementEvent": True}, [READING]),
        ("AWS API Call via CloudTrail", {"readOnly": True}, [READING]),
        ("AWS API Call via CloudTrail", {"readOnly": False, "managementEvent": True}, ["ENABLED", READING]),
        ("AWS API Call via CloudTrail", {"readOnly": True, "managementEvent": False}, ["ENABLED", READING]),
        ("Glue Job State Change", {"readOnly": True}, ["ENABLED", READING]),
    ],
)
def test_a_rule_hears_what_its_state_lets_it_hear(
    aws: Account,
    server: LocalAws,
    listener: Listener,
    detail_type: str,
    detail: dict[str, Any],
    states: list[str],
) -> None:
    topic = listener.topic(f"arn:aws:events:us-east-1:{ACCOUNT}:rule/*")
    mark = aws.name("mark")
    for state in ("DISABLED", "ENABLED", READING):
        rule(
            aws,
            {"source": ["aws.sts"], "detail": {"mark": [mark]}},
            {"Arn": topic, "Input": json.dumps(state)},
            State=state,
        )
    event = {"source": "aws.sts", "detail-type": detail_type, "detail": {**detail, "mark": mark}}
    server.admin("events/put", **event)
    rule(aws, {"source": ["aws.sts"], "detail": {"mark": [mark]}}, {"Arn": topic, "Input": '"last"'})
    server.admin("events/put", **{**event, "detail": {"mark": mark}})
    heard = listener.messages(len(states) + 3)
    assert sorted(heard) == sorted([*states, "ENABLED", READING, "last"])


def test_a_disabled_rule_hears_again_once_it_is_enabled(aws: Account, listener: Listener) -> None:
    source = aws.name("source")
    topic = listener.topic(f"arn:aws:events:us-east-1:{ACCOUNT}:rule/*")
    name = rule(aws, {"source": [source]}, {"Arn": topic, "InputPath": "$.detail"}, State=READING)
    events = aws.client("events")
    put(aws, source, n=1)
    events.disable_rule(Name=name)
    put(aws, source, n=2)
    events.enable_rule(Name=name)
    put(aws, source, n=3)
    assert sorted(one["n"] for one in listener.messages(2)) == [1, 3]


def test_no_user_speaks_for_aws(aws: Account, listener: Listener) -> None:
    topic = listener.topic(f"arn:aws:events:us-east-1:{ACCOUNT}:rule/*")
    source = aws.name("source")
    rule(aws, {"source": ["aws.glue", source]}, {"Arn": topic, "InputPath": "$.detail"})
    entries = [
        {"Source": name, "DetailType": "Glue Job State Change", "Detail": json.dumps({"by": name})}
        for name in ("aws.glue", source)
    ]
    answer = aws.client("events").put_events(Entries=entries)
    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"
    assert listener.messages(1) == [{"by": source}]


def test_a_schedule_fires_when_told_to(aws: Account, server: LocalAws, listener: Listener) -> None:
    function = listener.function()
    schedule = {"ScheduleExpression": "rate(15 minutes)", "State": READING}
    name = rule(aws, None, {"Arn": function, "Input": '{"table": "customers"}'}, **schedule)
    permit(aws, function, name)
    assert server.admin("events/tick", rule=name) == {"targets": 1}
    assert listener.messages(1) == [{"table": "customers"}]
    aws.client("events").put_targets(Rule=name, Targets=[{"Id": "1", "Arn": function}])
    server.admin("events/tick", rule=name)
    [event] = listener.messages(1)
    assert (event["detail-type"], event["source"]) == ("Scheduled Event", "aws.events")
    assert event["resources"] == [f"arn:aws:events:us-east-1:{ACCOUNT}:rule/{name}"]
    aws.client("events").disable_rule(Name=name)
    for wrong in (name, "absent", rule(aws, {"source": ["x"]}, {"Arn": function})):
        with pytest.raises(LocalAwsError, match=r"there is no rule|has no schedule, or is disabled"):
            server.admin("events/tick", rule=wrong)


def test_rules_hear_how_job_runs_ended(aws: Account, listener: Listener) -> None:
    function = listener.function()
    well, badly = aws.job(""), aws.job("import sys\nsys.exit('why')")
    pattern = {"source": ["aws.glue"], "detail-type": ["Glue Job State Change"]}
    detail = {"state": ["SUCCEEDED"], "jobName": [well, badly]}
    permit(aws, function, rule(aws, pattern | {"detail": detail}, {"Arn": function}))
    runs = {name: aws.run_job(name)["Id"] for name in (well, badly)}
    [event] = listener.messages(1)
    assert event["detail"] == {
        "jobName": well,
        "severity": "INFO",
        "state": "SUCCEEDED",
        "jobRunId": runs[well],
        "message": "Job run succeeded",
    }
    topic = listener.topic(f"arn:aws:events:us-east-1:{ACCOUNT}:rule/*")
    transformer = {
        "InputPathsMap": {"job": "$.detail.jobName", "state": "$.detail.state", "why": "$.detail.message"},
        "InputTemplate": '"<job> ended <state>: <why>"',
    }
    detail = {"state": ["FAILED", "STOPPED", "TIMEOUT"], "jobName": [badly]}
    rule(aws, pattern | {"detail": detail}, {"Arn": topic, "InputTransformer": transformer})
    runs[badly] = aws.run_job(badly)["Id"]
    assert listener.messages(1) == [
        f"{badly} ended FAILED: JobName:{badly} and JobRunId:{runs[badly]} failed to execute"
        " with exception why"
    ]


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ({}, json.dumps(EVENT)),
        ({"Input": "{}"}, "{}"),
        ({"InputPath": "$.resources[1]"}, '"arn:two"'),
        ({"InputPath": "$.detail.counts"}, '{"rows": 3}'),
        (
            {"InputTransformer": {"InputTemplate": '"Rule <aws.events.rule-name>: <aws.events.rule-arn>"'}},
            f'"Rule r: arn:aws:events:us-east-1:{ACCOUNT}:rule/r"',
        ),
        (
            {
                "InputTransformer": {
                    "InputPathsMap": {"job": "$.detail.jobName", "n": "$.detail.counts", "no": "$.no"},
                    "InputTemplate": '{"job": <job>, "text": "of <job>, \\"<n>\\"<no>", "all": <n>}',
                }
            },
            r'{"job": "a \"job\"", "text": "of a \"job\", \"{\"rows\": 3}\"", "all": {"rows": 3}}',
        ),
        (
            {
                "InputTransformer": {
                    "InputPathsMap": {"state": "$.detail.state"},
                    "InputTemplate": '"First <state>"\n"Then <unknown>"',
                }
            },
            '"First FAILED"\n"Then <unknown>"',
        ),
    ],
)
def test_what_a_target_is_given(target: dict[str, Any], text: str) -> None:
    given = Rule("r", ACCOUNT, "us-east-1", None, None, "rate(1 day)", None, "default", None)
    assert input_of(given, target, EVENT) == text


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ({"InputPath": "$..jobName"}, "is no JSON path"),
        (
            {"InputTransformer": {"InputTemplate": "Job without quotes"}},
            "does not produce JSON: Job without quotes",
        ),
    ],
)
def test_what_no_target_can_be_given(target: dict[str, Any], error: str) -> None:
    given = Rule("r", ACCOUNT, "us-east-1", None, None, "rate(1 day)", None, "default", None)
    with pytest.raises(ValueError, match=error):
        input_of(given, target, EVENT)
