"""The rules of composite alarms: AND, OR and NOT of other alarms' states.

``NOT`` binds closest, then ``AND``, then ``OR``; the documentation says to use parentheses.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from scripts.local_aws.cloudwatch.evaluation import State

States = Mapping[str, str]
"""Alarm name → state."""
_Holds = Callable[[States], bool]
_TOKEN = re.compile(
    r"""\s*(?:(?P<state>ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?:"(?P<quoted>[^"]+)"|(?P<bare>[^\s"()]+))\s*\)
    |(?P<word>AND|OR|NOT|TRUE|FALSE)\b|(?P<mark>[()]))""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that has been read."""

    holds: _Holds
    """Whether it is true, by the states of the alarms it names."""
    names: frozenset[str]
    """The alarms it names."""


def parse(text: str) -> Rule:
    """Read a rule. Raises ``ValueError`` with the place where it is none."""
    reader = _Reader(text)
    holds = reader.either()
    if reader.place < len(text.rstrip()):
        raise ValueError(f"nothing is expected at {text[reader.place :].strip()!r}")
    return Rule(holds, frozenset(reader.names))


@dataclass(slots=True)
class _Reader:
    text: str
    place: int = 0
    names: set[str] = field(default_factory=set)

    def either(self) -> _Holds:
        parts = [self._all()]
        while self._takes("OR"):
            parts.append(self._all())
        return lambda states: any(part(states) for part in parts)

    def _all(self) -> _Holds:
        parts = [self._one()]
        while self._takes("AND"):
            parts.append(self._one())
        return lambda states: all(part(states) for part in parts)

    def _one(self) -> _Holds:
        if self._takes("TRUE"):
            return lambda _: True
        if self._takes("FALSE"):
            return lambda _: False
        if self._takes("NOT"):
            inner = self._one()
            return lambda states: not inner(states)
        if self._takes("("):
            inner = self.either()
            if not self._takes(")"):
                raise ValueError(f"a parenthesis is not closed before {self.text[self.place :].strip()!r}")
            return inner
        return self._state()

    def _state(self) -> _Holds:
        found = _TOKEN.match(self.text, self.place)
        if found is None or found["state"] is None:
            raise ValueError(f"an alarm's state is expected at {self.text[self.place :].strip()!r}")
        self.place = found.end()
        state, name = State(found["state"]), (found["quoted"] or found["bare"]).rpartition(":alarm:")[2]
        self.names.add(name)
        return lambda states: states[name] == state

    def _takes(self, word: str) -> bool:
        found = _TOKEN.match(self.text, self.place)
        if found is None or word not in (found["word"], found["mark"]):
            return False
        self.place = found.end()
        return True
