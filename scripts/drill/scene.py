"""What an attack is given, and what it leaves to be undone."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from custody.evidence.objects import ObjectVersion
from scripts.drill.stack import Stack

DENIED = frozenset({"AccessDenied", "AccessDeniedException", "AuthorizationError"})


class DrillError(Exception):
    """Something that a drill needs did not come about; the message says what."""


class Undo:
    """What is to be undone, in the opposite order. It is noted before the change is made."""

    def __init__(self) -> None:
        self._steps: list[tuple[str, Callable[[], object]]] = []

    def later(self, what: str, step: Callable[[], object]) -> None:
        """Note a step; ``what`` says what is left if it fails."""
        self._steps.append((what, step))

    def forget(self) -> None:
        """Forget the last step: the change was not made."""
        self._steps.pop()

    def now(self) -> list[str]:
        """Undo all of it, whatever fails and whoever interrupts; return what is left, and why."""
        left = []
        with _uninterrupted():
            while self._steps:
                what, step = self._steps.pop()
                try:
                    step()
                except Exception as error:  # noqa: BLE001 - the other steps are to be taken in any case
                    left.append(f"{what}: {error}")
        return left


@contextmanager
def _uninterrupted() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [(number, signal.signal(number, signal.SIG_IGN)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


@dataclass
class Scene:
    """One attack under way."""

    stack: Stack
    name: str
    """The attack's name: its objects have it in their keys."""
    run: str
    """The drill's: no two drills' objects have the same key."""
    undo: Undo = field(default_factory=Undo)
    is_refused: bool = False
    """Whether AWS denied something that was tried."""
    is_let_through: bool = False
    """Whether AWS did something that was tried."""
    subject: str = ""
    """What ``custody verify`` is to look at."""

    @property
    def raw(self) -> str:
        """The bucket of raw data."""
        return self.stack.deployment.buckets["raw-data"]

    @property
    def provenance(self) -> str:
        """The bucket of receipts."""
        return self.stack.deployment.buckets["provenance"]

    def attempt(self, call: Callable[..., Any], **arguments: Any) -> Any:
        """Make a call that may be denied: that is noted, and ``None`` is returned."""
        try:
            answer = call(**arguments)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in DENIED:
                raise
            self.is_refused = True
            return None
        self.is_let_through = True
        return answer

    def change(
        self, call: Callable[..., Any], left: str, step: Callable[[], object], **arguments: Any
    ) -> None:
        """Make a call that may be denied, having noted how it is undone; what was denied is not undone.

        ``left`` says what is left if ``step`` fails.
        """
        self.undo.later(left, step)
        if self.attempt(call, **arguments) is None:
            self.undo.forget()

    def drop(self, folder: str = "incoming/drill", body: bytes = b"a drill\n") -> ObjectVersion:
        """Put an object of the drill's own into the raw bucket."""
        key = f"{folder}/{self.run}/{self.name}.txt"
        answer = self.stack.client("s3").put_object(Bucket=self.raw, Key=key, Body=body)
        return ObjectVersion(self.raw, key, answer["VersionId"])

    def recorded(self) -> tuple[ObjectVersion, ObjectVersion]:
        """An object of the drill's own, and its receipt. Raises ``DrillError`` if it gets none in time."""
        version = self.drop()
        return version, self.receipt_of(version)

    def receipt_of(self, version: ObjectVersion) -> ObjectVersion:
        """The receipt of a version, once it is there. Raises ``DrillError`` if that takes too long."""
        s3 = self.stack.client("s3")
        deadline = time.monotonic() + self.stack.patience.rule
        while True:
            try:
                head = s3.head_object(Bucket=self.provenance, Key=version.receipt_key)
            except ClientError as error:
                if time.monotonic() > deadline or error.response["Error"]["Code"] != "404":
                    raise DrillError(f"{version.uri} has no receipt yet: {error}") from error
                time.sleep(self.stack.patience.look)
            else:
                return ObjectVersion(self.provenance, version.receipt_key, head["VersionId"])

    def behind_the_api(self, path: str, **body: Any) -> dict[str, Any]:
        """Have the local AWS do what AWS offers to nobody."""
        if self.stack.local is None:
            raise DrillError(f"{self.name} needs the local AWS.")
        return self.stack.local.admin(path, **body)
