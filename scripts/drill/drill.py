"""Runs attacks, and finds out whether each was seen, and after how long."""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

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
    seconds: float | None = None
    """After how long it was seen; ``None`` if it was not."""
    message: dict[str, Any] = field(default_factory=dict)
    """What the topic was told, or the finding."""
    failed: str = ""
    """Why it could not be tried to its end."""
    left: list[str] = field(default_factory=list)
    """What could not be undone."""
    started: float = 0.0
    is_known: bool = False
    """Whether it was looked for to the end."""

    @property
    def is_silent(self) -> bool:
        """Whether nobody was told."""
        needs_none = self.is_refused and self.attack.may_be_refused
        return self.is_known and not self.skipped and not needs_none and self.seconds is None

    @property
    def faults(self) -> list[str]:
        """What must not be: silence, an attack that nobody stopped, something that is left."""
        found = [self.failed] if self.failed else ["silent: nobody was told"] if self.is_silent else []
        if (
            self.attack.must_be_refused
            and self.is_known
            and not (self.skipped or self.failed or self.is_refused)
        ):
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
        mark = self._ear.mark
        outcome.started = time.monotonic()
        try:
            attack.act(scene)
            if not attack.is_held:
                outcome.left = scene.undo.now()
            self._look(scene, attack.alert, outcome, mark)
        except (BotoCoreError, ClientError, DrillError) as error:
            outcome.failed = f"it could not be tried: {error}"
        finally:
            outcome.left += scene.undo.now()
            outcome.is_refused = scene.is_refused
        if attack.alert.kind is Kind.ALARM and self._stack.local is not None:
            self._is_quiet(attack.alert)

    def _look(self, scene: Scene, alert: Alert, outcome: Outcome, mark: int) -> None:
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
                mark,
                patience.rule if alert.kind is Kind.RULE else patience.alarm,
                lambda: self._evaluate(alert) if alert.kind is Kind.ALARM else None,
            )
        if message is not None:
            outcome.seconds, outcome.message = time.monotonic() - outcome.started, message

    def ask(self) -> None:
        """Look for the attacks that anomaly rules must find, until all are found or time is up."""
        asked = [one for one in self.outcomes if not one.is_known]
        waiting = asked
        deadline = time.monotonic() + self._stack.patience.anomaly
        while waiting:
            if self._stack.local is not None:
                self._stack.local.admin("trail/flush", digest=True)
            wanted = sorted({one.attack.alert.name for one in waiting})
            rules = [word for name in wanted for word in ("--rule", name)]
            found = self._findings("anomalies", "--since", self._since, *rules)
            waiting = self._unseen(waiting, found)
            if not waiting or time.monotonic() > deadline:
                break
            time.sleep(self._stack.patience.ask)
        for outcome in asked:
            outcome.is_known = True
            self._tell(outcome)

    def _unseen(self, waiting: list[Outcome], found: list[dict[str, Any]]) -> list[Outcome]:
        """Note what was found; an anomaly is of as many attacks as it has occurrences."""
        occurrences: Counter[str] = Counter()
        first: dict[str, dict[str, Any]] = {}
        for one in found:
            occurrences[one["claim"]] += int(one["occurrences"])
            first.setdefault(one["claim"], one)
        left = []
        for outcome in waiting:
            claim = f"anomaly.{outcome.attack.alert.name}"
            if occurrences[claim] > 0:
                occurrences[claim] -= 1
                outcome.seconds, outcome.message = time.monotonic() - outcome.started, first[claim]
            elif not (outcome.is_refused and outcome.attack.may_be_refused):
                left.append(outcome)
        return left

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
