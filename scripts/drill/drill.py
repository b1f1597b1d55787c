"""Runs attacks, and finds out whether each was seen, and after how long."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from custody.ledger.auditor import DAILY_HISTORY
from custody.ledger.rules import all_rules
from custody.times import format_time
from scripts.drill.alerts import Alert, Kind
from scripts.drill.attacks import Attack
from scripts.drill.ear import Ear
from scripts.drill.scene import DrillError, Scene
from scripts.drill.stack import Stack

SETTLING_LOOKS = 10
"""A metric without datapoints leaves an alarm after these at the latest."""
_FOUND, _NOTHING_CHECKED = 1, 3


@dataclass
class Outcome:
    """What became of one attack."""

    attack: Attack
    skipped: str = ""
    """Why it was not tried."""
    is_refused: bool = False
    is_let_through: bool = False
    """Whether a call was made that may be denied and was not."""
    seconds: float | None = None
    """After how long it was seen; ``None`` if it was not."""
    message: dict[str, Any] = field(default_factory=dict)
    """What the topic was told, or the finding."""
    failed: str = ""
    """Why it could not be tried to its end."""
    left: list[str] = field(default_factory=list)
    """What could not be undone."""
    started: float = 0.0
    mark: int = 0
    """Of the ear, when it started."""
    is_known: bool = False
    """Whether it was looked for to the end."""

    @property
    def is_to_be_told(self) -> bool:
        """Whether somebody must be told of it."""
        return not self.skipped and not (self.is_refused and self.attack.may_be_refused)

    @property
    def is_silent(self) -> bool:
        """Whether nobody was told who must be."""
        return self.is_known and self.is_to_be_told and self.seconds is None

    @property
    def faults(self) -> list[str]:
        """What must not be: silence, an attack that nobody stopped, something that is left."""
        found = [self.failed] if self.failed else ["silent: nobody was told"] if self.is_silent else []
        if self.attack.must_be_refused and self.is_let_through:
            found.append("it was not refused")
        return [*found, *(f"not undone: {what}" for what in self.left)]


class Drill:
    """Attacks on one stack, heard by one ear. ``tell`` is given each outcome when it is known."""

    def __init__(self, stack: Stack, ear: Ear, tell: Callable[[Outcome], None] = lambda _: None) -> None:
        self._stack = stack
        self._ear = ear
        self._tell = tell
        self.outcomes: list[Outcome] = []
        """In the order of the attacks; if one is interrupted, it is the last."""
        self._run = secrets.token_hex(4)
        self._since = format_time(datetime.now(UTC).replace(microsecond=0))

    def attack(self, attack: Attack) -> Outcome:
        """Make one attack and undo it, in any case; look for its alert, but not yet among the anomalies."""
        outcome = Outcome(attack)
        self.outcomes.append(outcome)
        if attack.only_local and self._stack.local is None:
            outcome.skipped = attack.only_local
        elif attack.alert.kind is Kind.ALARM and not self._is_quiet(attack.alert):
            outcome.skipped = "the alarm is on already"
        else:
            self._make(attack, outcome)
        if outcome.failed or outcome.skipped or attack.alert.kind is not Kind.ANOMALY:
            outcome.is_known = True
            self._tell(outcome)
        return outcome

    def _make(self, attack: Attack, outcome: Outcome) -> None:
        scene = Scene(self._stack, attack.name, self._run)
        outcome.mark, outcome.started = self._ear.mark, time.monotonic()
        try:
            attack.act(scene)
            if not attack.is_held:
                outcome.left = scene.undo.now()
            self._look(scene, attack.alert, outcome)
        except (BotoCoreError, ClientError, DrillError) as error:
            outcome.failed = f"it could not be tried: {error}"
        finally:
            outcome.left += scene.undo.now()
            outcome.is_refused, outcome.is_let_through = scene.is_refused, scene.is_let_through
        if attack.alert.kind is Kind.ALARM and self._stack.local is not None:
            self._is_quiet(attack.alert)

    def _look(self, scene: Scene, alert: Alert, outcome: Outcome) -> None:
        patience = self._stack.patience
        if alert.kind is Kind.ANOMALY:
            return
        if alert.kind is Kind.CLAIM:
            found = self._findings("verify", scene.subject)
            wanted = (one for one in found if one["claim"] == alert.name and one["subject"] == scene.subject)
            message = next(wanted, None)
        else:
            message = self._ear.hear(
                lambda told: alert.is_told_by(told, self._stack.prefix),
                outcome.mark,
                patience.rule if alert.kind is Kind.RULE else patience.alarm,
                lambda: self._evaluate(alert) if alert.kind is Kind.ALARM else None,
            )
        if message is not None:
            outcome.seconds, outcome.message = time.monotonic() - outcome.started, message

    def hear_anomalies(self) -> None:
        """Wait for what the auditor tells of attacks that its rules must find.

        On this machine it asks now. In an account it asks by its schedule, but some rules only once a day:
        these are asked here.
        """
        asked = [one for one in self.outcomes if not one.is_known]
        if self._stack.local is not None:
            self._stack.local.admin("trail/flush", digest=True)
            self._stack.local.admin("events/tick", rule=f"{self._stack.prefix}-auditor-schedule")
        deadline = time.monotonic() + self._stack.patience.anomaly
        next_question = time.monotonic()
        waiting = [one for one in asked if one.is_to_be_told]
        while waiting and time.monotonic() < deadline:
            may_ask = self._stack.local is None and time.monotonic() >= next_question
            if may_ask:
                next_question = time.monotonic() + self._stack.patience.ask
            for one in waiting:
                if message := self._told(one) or (self._found(one) if may_ask else None):
                    one.seconds, one.message = time.monotonic() - one.started, message
            waiting = [one for one in waiting if one.seconds is None]
            time.sleep(self._stack.patience.look if waiting else 0)
        for outcome in asked:
            outcome.is_known = True
            self._tell(outcome)

    def _told(self, outcome: Outcome) -> dict[str, Any] | None:
        alert = outcome.attack.alert
        return self._ear.find(lambda message: alert.is_told_by(message, self._stack.prefix), outcome.mark)

    def _found(self, outcome: Outcome) -> dict[str, Any] | None:
        """What a rule that is asked once a day finds now."""
        name = outcome.attack.alert.name
        if all_rules()[name].history <= DAILY_HISTORY:
            return None
        return next(iter(self._findings("anomalies", "--since", self._since, "--rule", name)), None)

    def _findings(self, *arguments: str) -> list[dict[str, Any]]:
        """What a command of ``custody`` found. Raises ``DrillError`` if it could not look."""
        done = self._stack.custody(*arguments, "--format", "json")
        if done.returncode not in (0, _FOUND, _NOTHING_CHECKED):
            raise DrillError(f"custody {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
        findings: list[dict[str, Any]] = json.loads(done.stdout)["findings"] if done.stdout else []
        return findings

    def _is_quiet(self, alert: Alert) -> bool:
        """Whether an alarm is off; on this machine, after looks enough to let it go off."""
        name = f"{self._stack.prefix}-{alert.name}"
        for _ in range(SETTLING_LOOKS if self._stack.local is not None else 0):
            if self._evaluate(alert) == "OK":
                break
        cloudwatch = self._stack.client("cloudwatch")
        alarms = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return all(alarm["StateValue"] != "ALARM" for alarm in alarms)

    def _evaluate(self, alert: Alert) -> str:
        """On this machine an alarm is evaluated when it is asked for; in an account AWS does that."""
        if self._stack.local is None:
            return ""
        name = f"{self._stack.prefix}-{alert.name}"
        states: dict[str, str] = self._stack.local.admin("alarms/evaluate", alarms=[name])["states"]
        return states[name]
