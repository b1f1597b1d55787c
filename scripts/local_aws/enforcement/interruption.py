"""Refuses whatever a role changes the first time: an apply breaks off at each of its steps."""

from __future__ import annotations

import threading

from scripts.local_aws.enforcement.actions import Need, changes
from scripts.local_aws.identity import Principal


class Interruption:
    """What a role meets whose policies have only just been attached: the next try succeeds. Thread-safe."""

    def __init__(self) -> None:
        self._role_arn = ""
        self._lock = threading.Lock()
        self._refused: dict[tuple[str, str, str], None] = {}

    def of(self, role_arn: str) -> list[tuple[str, str]]:
        """Refuse so from here on what this role does, nothing if it is empty.

        Returns action and resource of each call that was refused until now.
        """
        with self._lock:
            self._role_arn = role_arn
            return [(action, resource) for action, resource, _ in self._refused]

    def is_due(self, principal: Principal, need: Need, call: str) -> bool:
        """Whether to refuse this. ``call`` is what tells calls with the same need apart."""
        if not self._role_arn or principal.role_arn != self._role_arn or not changes(need.action):
            return False
        key = need.action, need.resource, call
        with self._lock:
            is_first = key not in self._refused
            self._refused[key] = None
        return is_first
