from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from scripts.local_aws import LocalAws, LocalAwsError
from scripts.local_aws.cloudwatch.evaluation import Settings, State, state_of
from scripts.local_aws.cloudwatch.rules import parse
from tests.local_aws.account import ACCOUNT, REGION, Account, eventually

KEPT = None


@pytest.mark.parametrize(
    ("datapoints", "to_alarm", "missing", "ignore", "breaching", "not_breaching"),
    [
        ("0-X-X", 3, "OK", "OK", "OK", "OK"),
        ("0----", 3, "OK", "OK", "OK", "OK"),
        ("-----", 3, "INSUFFICIENT_DATA", KEPT, "ALARM", "OK"),
        ("0XX-X", 3, "ALARM", "ALARM", "ALARM", "ALARM"),
        ("--X--", 3, "ALARM", KEPT, "ALARM", "OK"),
        ("0-X-X", 2, "ALARM", "ALARM", "ALARM", "ALARM"),
        ("00X0X", 2, "ALARM", "ALARM", "ALARM", "ALARM"),
        ("0-X--", 2, "OK", "OK", "ALARM", "OK"),
        ("----0", 2, "OK", "OK", "ALARM", "OK"),
        ("---X-", 2, "ALARM", KEPT, "ALARM", "OK"),
    ],
)
def test_states_are_those_of_the_documentations_tables(
    datapoints: str, to_alarm: int, missing: str, ignore: str | None, breaching: str, not_breaching: str
) -> None:
    """ "Configuring how CloudWatch alarms treat missing data", both tables."""
    values = [{"0": 0.0, "X": 1.0, "-": None}[one] for one in datapoints]
    found = {
        treatment: state_of(values, Settings(lambda value: value > 0, 3, to_alarm, treatment))
        for treatment in ("missing", "ignore", "breaching", "notBreaching")
    }
    assert found == {
        "missing": missing,
        "ignore": ignore,
        "breaching": breaching,
        "notBreaching": not_breaching,
    }


@pytest.mark.parametrize("datapoints", ["----X", "---X-"])
def test_no_alarm_is_premature(datapoints: str) -> None:
    """ "Avoiding premature transitions to alarm state"."""
    values = [{"X": 1.0, "-": None}[one] for one in datapoints]
    assert state_of(values, Settings(lambda value: value > 0, 3, 3, "missing")) is State.OK


class Watch:
    """A topic with a listening queue, for alarms and events of this account alone."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.cloudwatch = account.client("cloudwatch")
        self.namespace = account.name("Namespace")
        self._url, queue = account.queue()
        self._sns = account.client("sns")
        self.topic = str(self._sns.create_topic(Name=account.name("alarms"))["TopicArn"])
        self.permit(f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:*")
        self._sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=queue)

    def permit(self, alarm_arn: str) -> None:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": self.topic,
            "Condition": {
                "ArnLike": {"aws:SourceArn": alarm_arn},
                "StringEquals": {"aws:SourceAccount": ACCOUNT},
            },
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._sns.set_topic_attributes(TopicArn=self.topic, AttributeName="Policy", AttributeValue=policy)

    def alarm(self, name: str = "", **more: Any) -> str:
        name = name or self.account.name("alarm")
        settings: dict[str, Any] = {
            "AlarmName": name,
            "AlarmDescription": "Too many.",
            "Namespace": self.namespace,
            "MetricName": "Errors",
            "Statistic": "Sum",
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": 2,
            "Period": 60,
            "EvaluationPeriods": 1,
            "TreatMissingData": "notBreaching",
            "AlarmActions": [self.topic],
            "OKActions": [self.topic],
        }
        if "ExtendedStatistic" in more:
            del settings["Statistic"]
        self.cloudwatch.put_metric_alarm(**settings | more)
        return name

    def put(self, *values: float, name: str = "Errors", **more: Any) -> None:
        data = [{"MetricName": name, "Value": value, **more} for value in values]
        self.cloudwatch.put_metric_data(Namespace=self.namespace, MetricData=data)

    def state(self, name: str) -> str:
        (alarm,) = self.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return str(alarm["StateValue"])

    def told(self, count: int) -> list[tuple[str, dict[str, Any]]]:
        """Subject and message of what the topic was told."""
        return [
            (one["Subject"], json.loads(one["Message"])) for one in self.account.messages(self._url, count)
        ]


@pytest.fixture
def watch(aws: Account) -> Iterator[Watch]:
    return Watch(aws)


def evaluate(server: LocalAws, *alarms: str) -> list[str]:
    states = server.admin("alarms/evaluate", alarms=[*alarms])["states"]
    return [states[name] for name in alarms]


def test_an_alarm_follows_its_metric_and_tells(watch: Watch, server: LocalAws) -> None:
    alarm = watch.alarm()
    assert watch.state(alarm) == "INSUFFICIENT_DATA"
    assert evaluate(server, alarm) == ["OK"]
    watch.put(1, 2)
    assert evaluate(server, alarm) == ["ALARM"]
    watch.put(1)
    assert evaluate(server, alarm) == ["OK"]
    assert watch.state(alarm) == "OK"

    first, (subject, message), last = watch.told(3)
    assert [one["NewStateValue"] for _, one in (first, last)] == ["OK", "OK"]
    assert first[1]["NewStateReason"] == (
        "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as "
        "[NonBreaching]."
    )
    assert subject == f'ALARM: "{alarm}" in US East (N. Virginia)'
    reason = message.pop("NewStateReason")
    assert reason.startswith("Threshold Crossed: 1 datapoint [3.0 (")
    assert reason.endswith(")] was greater than the threshold (2.0).")
    assert message.pop("StateChangeTime").endswith("+0000")
    assert message.pop("AlarmConfigurationUpdatedTimestamp").endswith("+0000")
    assert message == {
        "AlarmName": alarm,
        "AlarmDescription": "Too many.",
        "AWSAccountId": ACCOUNT,
        "NewStateValue": "ALARM",
        "Region": "US East (N. Virginia)",
        "AlarmArn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{alarm}",
        "OldStateValue": "OK",
        "OKActions": [watch.topic],
        "AlarmActions": [watch.topic],
        "InsufficientDataActions": [],
        "Trigger": {
            "MetricName": "Errors",
            "Namespace": watch.namespace,
            "StatisticType": "Statistic",
            "Statistic": "SUM",
            "Unit": None,
            "Dimensions": [],
            "Period": 60,
            "EvaluationPeriods": 1,
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": 2.0,
            "TreatMissingData": "notBreaching",
            "EvaluateLowSampleCountPercentile": "",
        },
    }


def test_plain_moto_evaluates_nothing(moto: Account) -> None:
    watch = Watch(moto)
    alarm = watch.alarm()
    watch.put(5)
    assert watch.state(alarm) == "OK"
    assert watch.told(0) == []


def test_a_change_is_an_event(watch: Watch, aws: Account, server: LocalAws) -> None:
    url, queue = aws.rules_queue()
    alarm = watch.alarm(Dimensions=[{"Name": "by", "Value": "one"}])
    rule, events = aws.name("rule"), aws.client("events")
    pattern = {
        "source": ["aws.cloudwatch"],
        "detail-type": ["CloudWatch Alarm State Change"],
        "detail": {"alarmName": [alarm], "state": {"value": ["ALARM"]}},
    }
    events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": queue}])
    evaluate(server, alarm)
    watch.put(3, Dimensions=[{"Name": "by", "Value": "one"}])
    watch.put(3, Dimensions=[{"Name": "by", "Value": "other"}])
    evaluate(server, alarm)
    [event] = aws.messages(url, 1)
    assert event["resources"] == [f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{alarm}"]
    detail = event["detail"]
    assert (detail["previousState"]["value"], detail["state"]["value"]) == ("OK", "ALARM")
    assert json.loads(detail["state"]["reasonData"])["recentDatapoints"] == [3.0]
    assert detail["configuration"]["description"] == "Too many."
    [metric] = detail["configuration"]["metrics"]
    assert metric["metricStat"] == {
        "metric": {"namespace": watch.namespace, "name": "Errors", "dimensions": {"by": "one"}},
        "period": 60,
        "stat": "Sum",
    }


@pytest.mark.parametrize(
    ("statistic", "value"),
    [("Sum", 9.0), ("Average", 3.0), ("Maximum", 5.0), ("Minimum", 1.0), ("SampleCount", 3.0)],
)
def test_statistics(watch: Watch, server: LocalAws, statistic: str, value: float) -> None:
    below = watch.alarm(Statistic=statistic, Threshold=value)
    at = watch.alarm(Statistic=statistic, Threshold=value, ComparisonOperator="GreaterThanOrEqualToThreshold")
    watch.put(1, 3, 5)
    assert evaluate(server, below, at) == ["OK", "ALARM"]


STATES = {"a": "ALARM", "b": "OK", "c.d-e": "INSUFFICIENT_DATA"}


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("ALARM(a)", True),
        ('ALARM("b")', False),
        ("OK(b) AND INSUFFICIENT_DATA(c.d-e)", True),
        ("ALARM(a) AND ALARM(b) OR OK(b)", True),
        ("OK(b) OR ALARM(a) AND ALARM(b)", True),
        ("(OK(b) OR ALARM(a)) AND ALARM(b)", False),
        ("NOT ALARM(b) AND NOT (ALARM(a) AND FALSE)", True),
        ("NOT ALARM(b) AND ALARM(b)", False),
        ("TRUE AND NOT FALSE", True),
        (f' ALARM( "arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:a" ) ', True),
    ],
)
def test_a_rule_is_of_other_alarms_states(rule: str, holds: bool) -> None:
    assert parse(rule).holds(STATES) is holds


@pytest.mark.parametrize(
    "rule", ["", "ALARM()", "ALARM(a", "ALARM(a) ALARM(b)", "(ALARM(a)", "LOUD(a)", "OK(a) OR"]
)
def test_what_is_no_rule_is_refused(rule: str) -> None:
    with pytest.raises(ValueError, match=r"expected|closed"):
        parse(rule)


def test_a_composite_alarm_follows_and_tells(watch: Watch, server: LocalAws) -> None:
    child, other = (
        watch.alarm(AlarmActions=[], OKActions=[]),
        watch.alarm(Threshold=9, AlarmActions=[], OKActions=[]),
    )
    inner, outer = watch.account.name("inner"), watch.account.name("outer")
    rule = f'ALARM("{child}") OR ALARM("{other}")'
    actions = {"AlarmActions": [watch.topic], "OKActions": [watch.topic]}
    watch.cloudwatch.put_composite_alarm(
        AlarmName=inner, AlarmRule=rule, AlarmDescription="Which.", **actions
    )
    watch.cloudwatch.put_composite_alarm(AlarmName=outer, AlarmRule=f"NOT OK({inner})")
    assert evaluate(server, child, other, inner, outer) == ["OK"] * 4
    watch.put(5)
    assert evaluate(server, child, outer) == ["ALARM", "ALARM"]
    watch.put(1)
    assert evaluate(server, child, inner, outer) == ["OK", "OK", "OK"]

    (_, first), (subject, message), (_, last) = watch.told(3)
    arn = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:"
    assert first["NewStateReason"] == f"{arn}{inner} was created and its alarm rule evaluates to OK"
    assert subject == f'ALARM: "{inner}" in US East (N. Virginia)'
    assert message["NewStateReason"].startswith(f"{arn}{child} transitioned to ALARM at ")
    assert (message["OldStateValue"], message["NewStateValue"]) == ("OK", "ALARM")
    assert (message["AlarmRule"], message["AlarmDescription"]) == (rule, "Which.")
    [triggering] = message["TriggeringChildren"]
    assert (triggering["Arn"], triggering["State"]["Value"]) == (f"{arn}{child}", "ALARM")
    assert "Trigger" not in message
    assert {one["Arn"] for one in last["TriggeringChildren"]} == {f"{arn}{child}", f"{arn}{other}"}


def test_actions_that_are_disabled_or_not_allowed_tell_nobody(watch: Watch, server: LocalAws) -> None:
    disabled, refused = watch.alarm(ActionsEnabled=False), watch.alarm()
    watch.permit(f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:other")
    assert evaluate(server, disabled, refused) == ["OK", "OK"]
    assert watch.told(0) == []
    log = (server.home / "server.log").read_text()
    assert f"alarm {refused}, action {watch.topic}: its policy does not allow sns:Publish" in log


def test_an_alarm_that_is_put_again_keeps_its_state(watch: Watch, server: LocalAws) -> None:
    alarm = watch.alarm()
    watch.put(5)
    assert evaluate(server, alarm) == ["ALARM"]
    watch.alarm(alarm, Threshold=9)
    assert watch.state(alarm) == "ALARM"


def queue_alarm(watch: Watch, url: str, metric: str, above: float) -> str:
    return watch.alarm(
        Namespace="AWS/SQS",
        MetricName=metric,
        Dimensions=[{"Name": "QueueName", "Value": url.rpartition("/")[2]}],
        Statistic="Maximum",
        Threshold=above,
    )


def test_a_queue_has_depth_and_age(watch: Watch, aws: Account, server: LocalAws) -> None:
    url, _ = aws.queue()
    depth = queue_alarm(watch, url, "ApproximateNumberOfMessagesVisible", 0)
    age = queue_alarm(watch, url, "ApproximateAgeOfOldestMessage", 0)
    old = queue_alarm(watch, url, "ApproximateAgeOfOldestMessage", 3600)
    assert evaluate(server, depth, age, old) == ["OK", "OK", "OK"]
    aws.client("sqs").send_message(QueueUrl=url, MessageBody="m")
    assert evaluate(server, depth, age, old) == ["ALARM", "ALARM", "OK"]
    [message] = aws.client("sqs").receive_message(QueueUrl=url)["Messages"]
    assert evaluate(server, depth, age) == ["OK", "ALARM"]
    aws.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert evaluate(server, depth, age) == ["OK", "OK"]


def function_alarm(watch: Watch, function: str, metric: str, **more: Any) -> str:
    by = [{"Name": "FunctionName", "Value": function}]
    return watch.alarm(Namespace="AWS/Lambda", MetricName=metric, Dimensions=by, Threshold=0, **more)


def test_a_function_has_invocations_errors_throttles_and_what_it_prints(
    watch: Watch, aws: Account, server: LocalAws
) -> None:
    document: dict[str, Any] = {
        "_aws": {
            "CloudWatchMetrics": [
                {
                    "Namespace": watch.namespace,
                    "Dimensions": [["service"]],
                    "Metrics": [{"Name": "Withheld", "Unit": "Count"}],
                }
            ],
        },
        "service": "gate",
        "Withheld": [1.0, 2.0],
    }
    function = aws.function(
        f"""
import json, time
DOCUMENT = {document!r}
def handler(event, context):
    DOCUMENT["_aws"]["Timestamp"] = int(time.time() * 1000)
    print(json.dumps(DOCUMENT))
    print('no document, "CloudWatchMetrics"')
    if event:
        raise ValueError
"""
    )
    invoked, errors, throttles, dropped = (
        function_alarm(watch, function, metric)
        for metric in ("Invocations", "Errors", "Throttles", "AsyncEventsDropped")
    )
    printed = watch.alarm(
        MetricName="Withheld",
        Dimensions=[{"Name": "service", "Value": "gate"}],
        Statistic="Maximum",
        Threshold=1,
    )
    alarms = invoked, errors, throttles, dropped, printed
    assert evaluate(server, *alarms) == ["OK"] * 5
    client = aws.client("lambda")
    client.invoke(FunctionName=function, Payload=b"{}")
    assert evaluate(server, *alarms) == ["ALARM", "OK", "OK", "OK", "ALARM"]
    client.invoke(FunctionName=function, Payload=b'{"fail": true}')
    assert evaluate(server, invoked, errors, throttles) == ["ALARM", "ALARM", "OK"]
    client.invoke(FunctionName=function, Payload=b'{"fail": true}', InvocationType="Event")
    eventually(lambda: evaluate(server, dropped) == ["ALARM"])
    client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    with pytest.raises(client.exceptions.TooManyRequestsException):
        client.invoke(FunctionName=function, Payload=b"{}")
    assert evaluate(server, throttles) == ["ALARM"]


def test_a_function_that_may_not_run_leaves_messages_in_their_queue(
    watch: Watch, aws: Account, server: LocalAws
) -> None:
    url, queue = aws.queue()
    function = aws.function("def handler(event, context): ...")
    client = aws.client("lambda")
    client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    throttles, invoked = (function_alarm(watch, function, metric) for metric in ("Throttles", "Invocations"))
    client.create_event_source_mapping(FunctionName=function, EventSourceArn=queue)
    aws.client("sqs").send_message(QueueUrl=url, MessageBody="m")
    eventually(lambda: evaluate(server, throttles) == ["ALARM"])
    assert evaluate(server, invoked) == ["OK"]
    client.delete_function_concurrency(FunctionName=function)
    eventually(lambda: evaluate(server, invoked) == ["ALARM"])


def test_a_function_that_nobody_invokes_is_silent(watch: Watch, aws: Account, server: LocalAws) -> None:
    alarm = function_alarm(
        watch,
        aws.name("function"),
        "Invocations",
        ComparisonOperator="LessThanThreshold",
        EvaluationPeriods=3,
        TreatMissingData="breaching",
    )
    assert evaluate(server, alarm) == ["ALARM"]
    [(_, message)] = watch.told(1)
    assert message["NewStateReason"] == (
        "Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints were treated "
        "as [Breaching]."
    )


def test_a_rule_that_cannot_deliver_is_known(watch: Watch, aws: Account, server: LocalAws) -> None:
    source, rule, events = aws.name("source"), aws.name("rule"), aws.client("events")
    events.put_rule(Name=rule, EventPattern=json.dumps({"source": [source]}))
    absent = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:absent"
    events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": absent}])
    by = [{"Name": "RuleName", "Value": rule}]
    alarm = watch.alarm(Namespace="AWS/Events", MetricName="FailedInvocations", Dimensions=by, Threshold=0)
    assert evaluate(server, alarm) == ["OK"]
    events.put_events(Entries=[{"Source": source, "DetailType": "t", "Detail": "{}"}])
    assert evaluate(server, alarm) == ["ALARM"]


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"Namespace": "AWS/Firehose"}, "the metric AWS/Firehose Errors by nothing"),
        ({"Namespace": "AWS/Lambda"}, "the metric AWS/Lambda Errors by nothing"),
        ({"ExtendedStatistic": "p99"}, "the statistic p99"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "the comparison GreaterThanUpperThreshold"),
        ({"AlarmActions": ["arn:aws:automate:us-east-1:ec2:stop"]}, "the action arn:aws:automate"),
    ],
)
def test_what_is_not_known_is_said_and_not_guessed(
    watch: Watch, server: LocalAws, settings: dict[str, Any], what: str
) -> None:
    alarm = watch.alarm(**settings)
    with pytest.raises(LocalAwsError, match=f"NotImplementedError: {what}"):
        evaluate(server, alarm)
    assert watch.state(alarm) == "INSUFFICIENT_DATA"
    with pytest.raises(LocalAwsError, match="there is no alarm 'absent'"):
        evaluate(server, "absent")
