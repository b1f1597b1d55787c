"""Findings of a review: one change of access or protection, in words and in fields."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal

Direction = Literal["wider", "narrower"]
About = Literal["access", "exposure", "protection", "destruction", "unknown"]


@dataclass(frozen=True)
class Finding:
    """One change.

    direction: ``wider`` needs an approval (more access, less protection, data destroyed, or not decided);
    ``narrower`` does not. subject: whom or what it is about, the heading it stands under. text: a sentence in
    Markdown. principal, actions, resources: what an approval can name, for grants of access alone; principal
    is a role's or service's name, an ARN, or ``*``. effect: ``Allow``, ``Deny``, or empty if it is not about
    a statement. policy, statement, address: where it stands. change: the digest of all that changes, of which
    the text may show a part. parts: what one change brings with it, each a finding of its own.
    """

    direction: Direction
    about: About
    subject: str
    text: str
    principal: str = ""
    actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    effect: str = ""
    policy: str = ""
    statement: str = ""
    address: str = ""
    change: str = ""
    parts: tuple[Finding, ...] = ()

    @property
    def id(self) -> str:
        """A name for it that stays the same as long as it would do the same: twelve hexadecimal digits."""
        said = [self.direction, self.about, self.subject, self.text, self.principal, self.effect]
        said += [*self.actions, "on", *self.resources, self.policy, self.statement, self.address]
        said += [self.change, *(part.id for part in self.parts)]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:12]


def digest(*values: Any) -> str:
    """Return what ``Finding.change`` says of values that change, however much of them is shown."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:12]
