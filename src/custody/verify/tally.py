"""What verification has found so far, claim by claim."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from custody.findings import Claim, Finding
from custody.verify.report import ClaimCount

MAX_UNCHECKED = 1000
"""So many subjects that could not be checked are told of one by one; the others are counted."""


class Tally:
    """Counts subjects claim by claim, and keeps what is found."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.unchecked: list[str] = []
        """A sentence each, of the first ``MAX_UNCHECKED``."""
        self.unchecked_count = 0
        self._passed: Counter[Claim] = Counter()
        self._pending: Counter[Claim] = Counter()
        self._failed: dict[Claim, set[str]] = {claim: set() for claim in Claim}

    def judge(self, claim: Claim, subject: str, findings: Iterable[Finding] = ()) -> None:
        """Count one subject: failed if there are findings, or were before; else passed."""
        found = list(findings)
        if found:
            self.findings += found
            self._failed[claim].add(subject)
        elif subject not in self._failed[claim]:
            self._passed[claim] += 1

    def wait(self, claim: Claim) -> None:
        """Count one subject as pending."""
        self._pending[claim] += 1

    def leave(self, sentence: str, subjects: int = 1) -> None:
        """Note what could not be checked."""
        self.unchecked_count += subjects
        if len(self.unchecked) < MAX_UNCHECKED:
            self.unchecked.append(sentence)

    @property
    def is_empty(self) -> bool:
        """Whether no claim was judged of any subject, one way or the other."""
        return not self.findings and not self._passed.total()

    @property
    def pending(self) -> int:
        """How many subjects wait, each counted for each claim."""
        return self._pending.total()

    def counts(self) -> dict[Claim, ClaimCount]:
        """The counts of every claim."""
        return {
            claim: ClaimCount(
                checked=self._passed[claim] + self._pending[claim] + len(self._failed[claim]),
                passed=self._passed[claim],
                failed=len(self._failed[claim]),
                pending=self._pending[claim],
            )
            for claim in Claim
        }
