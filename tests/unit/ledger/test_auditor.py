"""The auditor tells each change once, whatever happens between two of its steps."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from custody.errors import CannotCheckError
from custody.ledger import auditor
from custody.ledger.athena import Athena, Row
from custody.ledger.auditor import STATE_KEY, Auditor
from custody.ledger.notices import Notice, event_of, message_of
from tests.support.normal_life import DEPLOYMENT

BUCKET = "artifacts"
QUEUES = "arn:aws:sqs:us-east-1:123456789012"
NOON = datetime(2026, 4, 21, 12, tzinfo=UTC)
EVENT = "996ad860-2a9a-504f-8861-aeafd0b2ae29"


class Answers(Athena):
    """An Athena that has found these: rule and subject, each at 10:00."""

    def __init__(self, *found: tuple[str, str]) -> None:
        self.found = found
        self.asked: list[str] = []
        self.broken = ""

    def query(self, sql: str, parameters: object = ()) -> Iterator[Row]:
        if self.broken and self.broken in sql:
            raise CannotCheckError("Athena ended query q-1 as FAILED.")
        self.asked.append(sql)
        ten = NOON - timedelta(hours=2)
        for rule, subject in self.found:
            if f"'{rule}'" in sql:
                yield {
                    "rule": rule,
                    "subject": subject,
                    "principal": "arn:x/mallory",
                    "source_ip": "192.0.2.1",
                    **dict.fromkeys(("hour_start", "first_time", "last_time"), ten),
                    "occurrences": 1,
                    "detail": "StopLogging {}",
                    "evidence": EVENT,
                }


class Stopping:
    """A client that ends the run at its nth call of a method, before or after the call is made."""

    def __init__(self, client: Any, method: str, call: int, *, after: bool) -> None:
        self._client, self._method, self._call, self._after = client, method, call, after

    def __getattr__(self, name: str) -> Any:
        own = getattr(self._client, name)
        if name != self._method:
            return own

        def stopping(**arguments: Any) -> Any:
            self._call -= 1
            if self._call == 0 and not self._after:
                raise KeyboardInterrupt
            answer = own(**arguments)
            if self._call == 0:
                raise KeyboardInterrupt
            return answer

        return stopping


class World:
    """The topic and the event bus, each with a queue that hears it, the bucket, and a time."""

    def __init__(self) -> None:
        session = boto3.session.Session("testing", "testing", region_name="us-east-1")
        names = ("s3", "sns", "sqs", "events")
        self.s3, self.sns, self._sqs, self.events = (session.client(name) for name in names)
        self.s3.create_bucket(Bucket=BUCKET)
        topic = self.sns.create_topic(Name="custody-local-alerts")["TopicArn"]
        self._messages, self._events = (
            self._sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("messages", "events")
        )
        self.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"{QUEUES}:messages")
        self.events.put_rule(Name="all", EventPattern=json.dumps({"source": ["custody"]}))
        self.events.put_targets(Rule="all", Targets=[{"Id": "queue", "Arn": f"{QUEUES}:events"}])
        self.athena = Answers()
        self.now = NOON

    def run(self, *found: tuple[str, str], **clients: Any) -> Any:
        self.athena.found = found
        clients = {"s3": self.s3, "sns": self.sns, "events": self.events} | clients
        self.now += timedelta(minutes=10)
        return Auditor(
            athena=self.athena, deployment=DEPLOYMENT, bucket=BUCKET, clock=lambda: self.now, **clients
        ).run()

    def heard(self) -> list[tuple[str, str, str]]:
        """Change, rule and notice of each message since the last time."""
        told = [json.loads(body)["MessageAttributes"] for body in self._received(self._messages)]
        return [(each["change"]["Value"], each["rule"]["Value"], each["notice"]["Value"]) for each in told]

    def events_heard(self) -> list[tuple[str, str, str]]:
        """The same of each event."""
        told = [json.loads(body)["detail"] for body in self._received(self._events)]
        return [(each["change"], each["rule"], each["notice"]) for each in told]

    def _received(self, queue: str) -> Iterator[str]:
        while messages := self._sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self._sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                yield message["Body"]


@pytest.fixture
def world() -> Iterator[World]:
    with mock_aws():
        yield World()


STOPPED, OPENED = ("trail-stopped", "custody-local"), ("evidence-opened", "s3://evidence")


def changes(heard: list[tuple[str, str, str]]) -> list[tuple[str, str]]:
    return sorted((change, rule) for change, rule, _ in heard)


def test_a_finding_is_told_once(world: World) -> None:
    assert world.run(STOPPED) == {"told": 1, "known": 1}
    heard = world.heard()
    assert changes(heard) == [("found", "trail-stopped")]
    assert world.events_heard() == heard
    assert world.run(STOPPED) == {"told": 0, "known": 1}
    assert world.heard() == world.events_heard() == []


def test_it_is_closed_when_it_is_gone_and_opened_when_it_comes_back(world: World) -> None:
    world.run(STOPPED, OPENED)
    world.run(OPENED)
    world.run(OPENED)
    world.run(STOPPED, OPENED)
    world.run(OPENED)

    told = [each for each in world.heard() if each[1] == "trail-stopped"]
    assert changes(told) == [
        ("found", "trail-stopped"),
        ("found again", "trail-stopped"),
        ("gone", "trail-stopped"),
        ("gone", "trail-stopped"),
    ]
    assert len({notice for _, _, notice in told}) == 4


def test_what_has_left_the_period_is_not_gone(world: World) -> None:
    for _ in range(3):
        world.run(STOPPED)
        world.now += timedelta(hours=16)
    world.run()

    assert changes(world.heard()) == [("found", "trail-stopped")]


def test_a_rule_that_could_not_be_asked_is_an_error_and_closes_nothing(world: World) -> None:
    world.run(STOPPED)
    world.athena.broken = "'StopLogging'"
    with pytest.raises(CannotCheckError, match=r"trail-stopped could not be asked: .* q-1"):
        world.run(OPENED)

    assert changes(world.heard()) == [("found", "evidence-opened"), ("found", "trail-stopped")]


def test_what_there_is_no_time_for_is_an_error_and_the_rest_is_told(world: World) -> None:
    time_for = [True]
    found = STOPPED, ("unprovenanced", "s3://raw/a")
    with pytest.raises(CannotCheckError, match=r"could not be asked: There was no time left for it\."):
        world.run(*found, may_ask=lambda: bool(time_for and time_for.pop()))

    assert changes(world.heard()) == [("found", "trail-stopped")]
    world.now += timedelta(days=3)
    world.athena.asked.clear()
    world.run(*found)
    assert since(world, "unprovenanced") == "2026-04-20 12:10:00.000", "the first period, too"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("service", "method", "calls"),
    [
        ("s3", "get_object", 1),
        ("s3", "put_object", 3),
        ("sns", "publish", 2),
        ("events", "put_events", 2),
    ],
)
def test_a_run_that_ends_anywhere_loses_nothing(
    world: World, service: str, method: str, calls: int, after: bool
) -> None:
    world.run()
    for call in range(1, calls + 1):
        subject = f"trail-{call}"
        found = (("trail-stopped", subject), ("evidence-opened", subject))
        client = Stopping(getattr(world, service), method, call, after=after)
        with pytest.raises(KeyboardInterrupt):
            world.run(*found, **{service: client})
        world.run(*found)
        world.run(*found)

        for kind, all_heard in (("publish", world.heard()), ("put_events", world.events_heard())):
            heard = [each for each in all_heard if each[0] != "gone"]
            assert {rule for _, rule, _ in heard} == {"trail-stopped", "evidence-opened"}
            assert len({notice for _, _, notice in heard}) == 2
            stored_call = {"publish": 2, "put_events": 3}[kind]
            sent_before_the_end = method == kind or (method == "put_object" and call == stored_call)
            assert len(heard) == 2 or sent_before_the_end


def test_a_bus_that_refuses_an_event_repeats_no_message(world: World) -> None:
    class Refusing:
        def put_events(self, **_: Any) -> Any:
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}

    for _ in range(2):
        with pytest.raises(CannotCheckError, match="EventBridge did not take an event: InternalFailure"):
            world.run(STOPPED, events=Refusing())
    world.run(STOPPED)

    assert changes(world.heard()) == changes(world.events_heard()) == [("found", "trail-stopped")]


def test_what_is_told_is_stored_some_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditor, "TOLD_AT_ONCE", 2)
    found = tuple(("trail-stopped", str(number)) for number in range(5))
    with pytest.raises(KeyboardInterrupt):
        world.run(*found, sns=Stopping(world.sns, "publish", 4, after=True))
    assert len(world.heard()) == 4
    world.run(*found)

    assert len(world.heard()) == 3  # the third and the fourth again, as it was not stored, and the fifth
    assert len(world.events_heard()) == 5


def test_a_flood_is_told_in_part_and_what_is_known_stays_small(world: World) -> None:
    flood = [("unprovenanced", f"s3://raw/{'é' * 500}/{number}") for number in range(auditor.TOLD_APART + 30)]
    world.run(*flood[:10])
    assert len(world.heard()) == 10
    told = world.run(*flood, STOPPED)["told"]
    assert told == auditor.TOLD_APART - 10 + 2
    assert ("found", "trail-stopped") in changes(world.heard()), "a flood of one rule hides no other"
    told_apart = {notice["subject"]: notice["rule"] for notice in state(world)["known"]}
    assert told_apart.pop("more than 50 findings of this rule within an hour") == "unprovenanced"
    assert world.run(*flood, *[("unprovenanced", f"more-{i}") for i in range(9)], STOPPED)["told"] == 0
    assert world.run(*((rule, subject) for subject, rule in told_apart.items()))["told"] == 1
    assert changes(world.heard()) == [("gone", "unprovenanced")]


def test_of_a_flood_that_is_not_asked_for_as_a_whole_nothing_is_told_as_gone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditor, "MOST_FOUND", 3)
    world.run(STOPPED, ("trail-stopped", "other"), ("trail-stopped", "third"))
    assert all("WHERE place <= 3" in sql for sql in world.athena.asked)
    assert world.run(*(("trail-stopped", f"earlier-{number}") for number in range(3)))["told"] == 3
    assert {change for change, _ in changes(world.heard())} == {"found"}


def test_what_no_rule_is_asked_about_again_is_not_known(world: World) -> None:
    world.run(STOPPED)
    world.now += timedelta(hours=22)
    assert world.run(STOPPED) == {"told": 0, "known": 1}, "the next run still asks about a part of its hour"
    world.now += timedelta(minutes=50)
    assert world.run() == {"told": 0, "known": 0}


def test_what_a_rule_dates_to_before_the_period_is_told_once(world: World) -> None:
    """A file that is missing is dated to when it was due, however long ago that is."""
    for _ in range(5):
        world.run(("file-missing", "incoming/"), STOPPED)
        world.now += timedelta(hours=18)
    assert changes(world.heard()) == [("found", "file-missing"), ("found", "trail-stopped")]


def test_an_object_with_a_longer_name_is_not_taken_for_what_is_known(world: World) -> None:
    world.s3.put_object(Bucket=BUCKET, Key=f"{STATE_KEY}.old", Body=b"")
    assert world.run(STOPPED)["told"] == 1


def state(world: World) -> Any:
    return json.loads(world.s3.get_object(Bucket=BUCKET, Key=STATE_KEY)["Body"].read())


def test_of_two_runs_at_a_time_one_gives_up(world: World) -> None:
    class Meanwhile(Stopping):
        def __getattr__(self, name: str) -> Any:
            if name == "put_object":
                world.s3.put_object(Bucket=BUCKET, Key=STATE_KEY, Body=b"{}")
            return getattr(self._client, name)

    world.run(STOPPED)
    with pytest.raises(CannotCheckError, match="Another run"):
        world.run(STOPPED, OPENED, s3=Meanwhile(world.s3, "", 0, after=False))

    assert changes(world.heard()) == [("found", "trail-stopped")]


def test_rules_that_read_weeks_are_asked_once_a_day(world: World) -> None:
    counts = []
    for _ in range(3):
        world.athena.asked.clear()
        world.run()
        counts.append(sum("'new-principal'" in sql for sql in world.athena.asked))
        world.now += timedelta(hours=8)

    assert counts == [1, 0, 1]


def since(world: World, rule: str) -> str:
    """The beginning of the period that a rule was asked about, once."""
    (asked,) = [sql for sql in world.athena.asked if f"'{rule}'" in sql]
    (moment,) = re.findall(r"AND event_time >= TIMESTAMP '([^']+)' AND event_time < ", asked)
    return str(moment)


def test_a_rule_that_could_not_be_asked_is_asked_about_all_of_it_later(world: World) -> None:
    world.run()
    world.athena.broken = "'StopLogging'"
    for _ in range(3):
        world.now += timedelta(days=1)
        with pytest.raises(CannotCheckError):
            world.run()
    world.athena.broken = ""
    world.athena.asked.clear()
    world.run()

    assert since(world, "trail-stopped") == "2026-04-20 12:10:00.000"
    assert since(world, "evidence-opened") == "2026-04-23 12:40:00.000"


def test_a_stored_time_in_the_future_blinds_no_rule(world: World) -> None:
    """Whoever can write the state, or a clock that was wrong once, must not silence the auditor."""
    world.run()
    state = json.loads(world.s3.get_object(Bucket=BUCKET, Key=STATE_KEY)["Body"].read())
    state["daily"] = "9999-12-31T23:59:59Z"
    for each in state["asked"]:
        each["until"] = "9999-12-31T23:59:59Z"
    world.s3.put_object(Bucket=BUCKET, Key=STATE_KEY, Body=json.dumps(state).encode())
    world.athena.asked.clear()
    world.run()

    assert since(world, "trail-stopped") == "2026-04-20 12:20:00.000"
    assert any("'new-principal'" in sql for sql in world.athena.asked)


def test_a_daily_rule_that_could_not_be_asked_fails_every_run_until_it_is(world: World) -> None:
    world.athena.broken = "'new-principal'"
    for _ in range(2):
        with pytest.raises(CannotCheckError, match="new-principal could not be asked"):
            world.run()
    world.athena.broken = ""
    with pytest.raises(CannotCheckError, match="new-principal could not be asked"):
        world.run()
    assert not any("'new-principal'" in sql for sql in world.athena.asked)
    world.now += timedelta(days=1)

    assert world.run() == {"told": 0, "known": 0}
    assert any("'new-principal'" in sql for sql in world.athena.asked)


STOPPED_NOTICE = Notice(
    change="found",
    anomaly_id="a" * 64,
    number=1,
    rule="trail-stopped",
    severity="critical",
    subject="custody-local",
    principal="arn:aws:sts::123456789012:assumed-role/Admin/\u202emallory",
    source_ip="192.0.2.1",
    occurrences=2,
    first="2026-04-21T10:00:00Z",
    last="2026-04-21T10:05:00Z",
    detail='StopLogging {"name": "x"}\n',
    evidence=EVENT,
)


def test_a_message_says_what_and_what_to_do() -> None:
    notice = STOPPED_NOTICE

    message = message_of(notice, "custody-local", "us-east-1")

    assert message["Subject"] == "[critical] custody-local: trail-stopped"
    assert {name: each["StringValue"] for name, each in message["MessageAttributes"].items()} == {
        "kind": "anomaly",
        "deployment": "custody-local",
        "rule": "trail-stopped",
        "severity": "critical",
        "change": "found",
        "anomaly": "a" * 64,
        "notice": notice.id,
    }
    assert message["Message"] == (
        "custody-local: critical\n"
        "\n"
        "What:            Did somebody stop or delete the trail, or try to?\n"
        "State:           found\n"
        "Where:           custody-local\n"
        "Who:             arn:aws:sts::123456789012:assumed-role/Admin/\\u202emallory\n"
        "From:            192.0.2.1\n"
        "When:            2026-04-21T10:00:00Z, 2 times, the last at 2026-04-21T10:05:00Z within that hour\n"
        'First:           StopLogging {"name": "x"}\\x0a\n'
        "Why it matters:  What is done while the trail does not log leaves no record.\n"
        "May be harmless: None: nobody stops it in normal operation.\n"
        "What to do:      docs/runbook_failures.md, section trail-stopped\n"
        "Look:            custody anomalies --since 2026-04-21T10:00:00Z --rule trail-stopped\n"
        f"Evidence:        {EVENT}\n"
        "Console:         https://us-east-1.console.aws.amazon.com/cloudtrailv2/home?region=us-east-1"
        f"#/events/{EVENT}\n"
    )


def test_an_event_has_what_a_program_needs() -> None:
    event = event_of(STOPPED_NOTICE, "custody-local")

    assert (event["Source"], event["DetailType"]) == ("custody", "Custody Anomaly")
    assert json.loads(event["Detail"]) == STOPPED_NOTICE.to_dict() | {
        "deployment": "custody-local",
        "notice": STOPPED_NOTICE.id,
        "runbook": "trail-stopped",
    }
