"""The auditor: asks the rules on a schedule, and tells what has changed, each change once.

What is known is one object, replaced by conditional writes (``If-Match``), so that of two runs at a time
only one goes on. A run first stores what it is going to tell, then tells it, some at a time, and stores that
it has told those: the messages of Amazon SNS first, then the events of Amazon EventBridge, so that a failure
of the one does not repeat the other. If a run ends between any two of these steps, the next one tells what
waits. Only what was sent just before such an end, or by two runs at a time, is sent again, since neither
service can be asked: it has the same ``notice``. No time is left out: a rule that could not be asked is
asked later about the whole time since it last was. If a rule finds more within an hour than anybody reads,
the first of them are told, and that there are more: whoever puts many objects must not fill what is known
until it can be read no more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import ClientError

from custody.deployment import Deployment
from custody.documents import Fields, parse_object
from custody.errors import CannotCheckError
from custody.ledger.anomalies import Anomaly, Found, find_anomalies
from custody.ledger.athena import Athena
from custody.ledger.notices import Change, Notice, event_of, message_of
from custody.ledger.rules import Period, Rule, all_rules
from custody.times import format_time, parse_time

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

STATE_KEY = "anomalies/known.json"
LATE = timedelta(days=1)
"""A rule is asked about this time before it was last asked again: CloudTrail delivers late."""
DAILY_HISTORY = timedelta(days=7)
"""Rules that read more days than this are asked once a day: they read weeks of the trail."""
REMEMBERED = timedelta(days=60)
"""What is older is not asked about, nor known, however long a rule could not be asked."""
TOLD_APART = 50
"""So many anomalies of one rule and hour are told one by one, the others together."""
MOST_FOUND = 1000
"""So many of one rule and hour are asked for: all of a flood would not fit into the function's memory."""
TOLD_AT_ONCE = 100
"""Of so many, at most, it is not stored yet that they are told."""
MAX_STATE_BYTES = 64 * 1024 * 1024
_WHAT = "auditor's state"


class SnsClient(Protocol):
    """The part of the Amazon SNS client that is used."""

    def publish(self, **arguments: Any) -> Any:
        """Send a message to a topic."""
        ...


class EventsClient(Protocol):
    """The part of the Amazon EventBridge client that is used."""

    def put_events(self, *, Entries: list[dict[str, Any]]) -> Any:  # noqa: N803 - the service's name
        """Send events to the default bus; those that it did not take are in the answer."""
        ...


@dataclass(slots=True)
class State:
    """What is known: the anomalies that rules are still asked about, and what is still to be told."""

    asked: dict[str, datetime] = field(default_factory=dict)
    """By its name, until when a rule was asked."""
    failed: dict[str, str] = field(default_factory=dict)
    """Rules that could not be asked when they last were due, and why."""
    daily: datetime | None = None
    """When the daily rules were last due."""
    known: dict[str, Notice] = field(default_factory=dict)
    """The last notice of each anomaly, by the anomaly's id."""
    messages: list[Notice] = field(default_factory=list)
    """Notices whose message is still to be sent, the oldest first."""
    events: list[Notice] = field(default_factory=list)
    """Notices whose event is still to be sent, the oldest first."""

    def unasked(self) -> dict[str, str]:
        """The rules of this version that could not be asked when they last were due, and why."""
        return {name: why for name, why in self.failed.items() if name in all_rules()}

    def tell(self, notice: Notice) -> None:
        """Make this the last notice of its anomaly, to be told."""
        self.known[notice.anomaly_id] = notice
        self.messages.append(notice)
        self.events.append(notice)

    def to_json(self) -> bytes:
        """The document as it is stored."""
        document = {
            "asked": [{"rule": rule, "until": format_time(until)} for rule, until in self.asked.items()],
            "failed": [{"rule": rule, "why": why} for rule, why in self.failed.items()],
            "daily": None if self.daily is None else format_time(self.daily),
            "known": [notice.to_dict() for notice in self.known.values()],
            "messages": [notice.to_dict() for notice in self.messages],
            "events": [notice.to_dict() for notice in self.events],
        }
        return json.dumps(document).encode()


def parse_state(data: bytes) -> State:
    """Read the stored document. Raises ``EvidenceError``."""
    fields = Fields(parse_object(data, _WHAT, MAX_STATE_BYTES), _WHAT)
    known = [Notice.parse(each) for each in fields.objects("known")]
    return State(
        asked={each.text("rule"): each.time("until") for each in fields.objects("asked")},
        failed={each.text("rule"): each.text("why") for each in fields.objects("failed")},
        daily=fields.optional_time("daily"),
        known={notice.anomaly_id: notice for notice in known},
        messages=[Notice.parse(each) for each in fields.objects("messages")],
        events=[Notice.parse(each) for each in fields.objects("events")],
    )


@dataclass(frozen=True, slots=True)
class Auditor:
    """One deployment's auditor."""

    s3: S3Client
    sns: SnsClient
    events: EventsClient
    athena: Athena
    deployment: Deployment
    bucket: str
    """Where the state is stored, at ``STATE_KEY``."""
    may_ask: Callable[[], bool] = lambda: True
    """Whether there is time for another statement: what is found by then must still be told."""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def run(self) -> Mapping[str, Any]:
        """Tell what waits, ask what is due, tell what has changed; return how many of each.

        Raises ``CannotCheckError`` if a rule could not be asked when it was due (the others were, and what
        they found is told), or if another run is at work.
        """
        state, etag = self._read()
        etag = self._tell(state, etag)
        now = self.clock()
        for rules, period in _due(state, now):
            found = find_anomalies(
                self.athena, self.deployment, period, rules, most=MOST_FOUND, may_ask=self.may_ask
            )
            _compare(state, found, rules, period)
            for rule in rules:
                state.failed.pop(rule.name, None)
                if rule.name not in found.unasked:
                    state.asked[rule.name] = now
                state.asked.setdefault(rule.name, now)  # a rule's first period, too, is asked about later
            state.failed |= found.unasked
        state.known = _recent(state.known, now)
        etag = self._write(state, etag)
        told = len(state.messages)
        self._tell(state, etag)
        if unasked := state.unasked():
            (name, words), *more = unasked.items()
            others = f" and {len(more)} more" if more else ""
            raise CannotCheckError(f"The rule {name}{others} could not be asked: {words}")
        return {"told": told, "known": len(state.known)}

    def _tell(self, state: State, etag: str | None) -> str | None:
        """Send everything that waits, the oldest first, and store that it waits no more."""
        for waiting, send in ((state.messages, self._send_message), (state.events, self._send_event)):
            while waiting:
                for notice in waiting[:TOLD_AT_ONCE]:
                    send(notice)
                del waiting[:TOLD_AT_ONCE]
                etag = self._write(state, etag)
        return etag

    def _send_message(self, notice: Notice) -> None:
        words = message_of(notice, self.deployment.name, self.deployment.region)
        self.sns.publish(TopicArn=self.deployment.topic_arn, **words)

    def _send_event(self, notice: Notice) -> None:
        """One at a time: the role may name no other source, and a policy compares one only."""
        answer = self.events.put_events(Entries=[event_of(notice, self.deployment.name)])
        if answer["FailedEntryCount"]:
            entry = answer["Entries"][0]
            raise CannotCheckError(
                f"EventBridge did not take an event: {entry.get('ErrorCode')} {entry.get('ErrorMessage')}."
            )

    def _read(self) -> tuple[State, str | None]:
        # Listed before it is read: the role may list this one key, and S3 would deny what is not there.
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=STATE_KEY, MaxKeys=1).get("Contents", ())
        if STATE_KEY not in {each["Key"] for each in listed}:
            return State(), None
        answer = self.s3.get_object(Bucket=self.bucket, Key=STATE_KEY)
        return parse_state(answer["Body"].read()), answer["ETag"]

    def _write(self, state: State, etag: str | None) -> str:
        condition: dict[str, Any] = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        try:
            answer = self.s3.put_object(
                Bucket=self.bucket,
                Key=STATE_KEY,
                Body=state.to_json(),
                ContentType="application/json",
                **condition,
            )
        except ClientError as error:
            if error.response["Error"].get("Code") in ("PreconditionFailed", "ConditionalRequestConflict"):
                raise CannotCheckError(
                    "Another run of the auditor is at work; it tells what is new."
                ) from error
            raise
        return answer["ETag"]


def _due(state: State, now: datetime) -> list[tuple[tuple[Rule, ...], Period]]:
    """The rules to ask now, and about when: together those that were last asked at the same time.

    A stored time that is later than ``now`` leaves no rule out.
    """
    are_daily_due = state.daily is None or state.daily.date() != now.date()
    if are_daily_due:
        state.daily = now
    due: dict[datetime, list[Rule]] = {}
    for rule in all_rules().values():
        if are_daily_due or rule.history <= DAILY_HISTORY:
            since = max(min(state.asked.get(rule.name, now), now) - LATE, now - REMEMBERED)
            due.setdefault(since, []).append(rule)
    return [(tuple(rules), Period(since, now)) for since, rules in due.items()]


def _compare(state: State, found: Found, rules: tuple[Rule, ...], period: Period) -> None:
    """Note what is new, back or gone, in ``state``."""
    alike = _alike(found.anomalies)
    told = _told_apart(alike.values(), state.known)
    for anomaly in told:
        known = state.known.get(anomaly.id)
        if known is None or known.change == Change.GONE:
            change = Change.FOUND if known is None else Change.FOUND_AGAIN
            state.tell(Notice.of(anomaly, change, 1 if known is None else known.number + 1))
    here = {one.id for one in (*told, *found.anomalies)}
    asked = {rule.name for rule in rules} - found.unasked.keys()
    for anomaly_id, known in list(state.known.items()):
        is_asked = known.rule in asked and period.since <= parse_time(known.first) < period.until
        is_all = len(alike.get((known.rule, _hour(known)), ())) < MOST_FOUND
        if is_asked and is_all and known.change != Change.GONE and anomaly_id not in here:
            state.tell(_gone(known))
        # Some rules date what they find to before the period: what they still find stays known.
        is_over = parse_time(known.last) <= period.until - LATE - timedelta(hours=1)
        if known.rule in asked and is_over and anomaly_id not in here:
            del state.known[anomaly_id]


def _alike(anomalies: Iterable[Anomaly]) -> dict[tuple[str, datetime], list[Anomaly]]:
    """By rule and hour."""
    alike: dict[tuple[str, datetime], list[Anomaly]] = {}
    for anomaly in anomalies:
        alike.setdefault((anomaly.rule.name, anomaly.hour), []).append(anomaly)
    return alike


def _hour(notice: Notice) -> datetime:
    return parse_time(notice.first).replace(minute=0, second=0, microsecond=0)


def _told_apart(groups: Iterable[list[Anomaly]], known: Container[str]) -> list[Anomaly]:
    """Without those of which there are too many of one rule and hour: one in their place says so."""
    told = []
    for group in groups:
        group.sort(key=lambda one: (one.id not in known, one.first, one.id))
        told += group[:TOLD_APART]
        if rest := group[TOLD_APART:]:
            told.append(_together(rest))
    return told


def _together(rest: list[Anomaly]) -> Anomaly:
    """One anomaly for many of one rule and hour, the same however many there are."""
    first = min(rest, key=lambda one: one.first)
    return replace(
        first,
        subject=f"more than {TOLD_APART} findings of this rule within an hour",
        principal=None,
        source_ip=None,
        occurrences=len(rest),
        last=max(one.last for one in rest),
        detail=f"At least {len(rest)} more, which are not told one by one, such as {first.subject}",
    )


def _gone(known: Notice) -> Notice:
    return Notice(**{**known.to_dict(), "change": Change.GONE.value, "number": known.number + 1})


def _recent(known: dict[str, Notice], now: datetime) -> dict[str, Notice]:
    """Without anomalies that are too old to be asked about again, of whatever rule."""
    return {one: notice for one, notice in known.items() if parse_time(notice.last) > now - REMEMBERED}
