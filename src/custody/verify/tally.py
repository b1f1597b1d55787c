"""The results of verification so far, by claim."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from custody.findings import CLAIMS, Claim, Finding
from custody.verify.report import ClaimCount, Deleted, Deletion

MAX_UNCHECKED = 1000
"""This many subjects that could not be checked are named; the others are only counted."""
MAX_DELETIONS = 1000
"""This many lawful deletions of each state are named; the others are only counted."""

_OF_OBJECTS = frozenset(
    {
        Claim.OBJECT_HASH,
        Claim.RECEIPT_SIGNATURE,
        Claim.RECEIPT_UNIQUE,
        Claim.TRAIL_EVENT,
        Claim.LINEAGE_INPUTS,
    }
)


class Tally:
    """Counts subjects by claim, and keeps findings."""

    def __init__(self, claims: Sequence[Claim] = CLAIMS) -> None:
        self._claims = claims
        self.findings: list[Finding] = []
        self.unchecked: list[str] = []
        """A sentence for each of the first ``MAX_UNCHECKED``."""
        self.unchecked_count = 0
        self.deletions: list[Deletion] = []
        """The first ``MAX_DELETIONS`` of each state."""
        self.deletion_counts: Counter[Deleted] = Counter()
        self._passed: Counter[Claim] = Counter()
        self._pending: Counter[Claim] = Counter()
        self._failed: dict[Claim, set[str]] = {claim: set() for claim in claims}

    def judge(self, claim: Claim, subject: str, findings: Iterable[Finding] = ()) -> None:
        """Count one subject: failed if it has findings, now or before; otherwise passed."""
        found = list(findings)
        if found:
            self.findings += found
            self._failed[claim].add(subject)
        elif subject not in self._failed[claim]:
            self._passed[claim] += 1

    def hold(self, claim: Claim, count: int) -> None:
        """Count subjects for which the claim holds."""
        self._passed[claim] += count

    def wait(self, claim: Claim) -> None:
        """Count one subject as pending."""
        self._pending[claim] += 1

    def leave(self, sentence: str, subjects: int = 1) -> None:
        """Note a subject that could not be checked."""
        self.unchecked_count += subjects
        if len(self.unchecked) < MAX_UNCHECKED:
            self.unchecked.append(sentence)

    def delete(self, deletion: Deletion) -> None:
        """Note a lawful deletion."""
        self.deletion_counts[deletion.state] += 1
        if self.deletion_counts[deletion.state] <= MAX_DELETIONS:
            self.deletions.append(deletion)

    @property
    def is_empty(self) -> bool:
        """Whether no claim about an object was judged, but at most claims about trail and log as a whole."""
        return not any(self._passed[claim] or self._failed[claim] for claim in _OF_OBJECTS)

    @property
    def pending(self) -> int:
        """How many objects are pending, counted once for each claim."""
        return sum(self._pending[claim] for claim in _OF_OBJECTS)

    def counts(self) -> dict[Claim, ClaimCount]:
        """The counts of every claim."""
        return {
            claim: ClaimCount(
                checked=self._passed[claim] + self._pending[claim] + len(self._failed[claim]),
                passed=self._passed[claim],
                failed=len(self._failed[claim]),
                pending=self._pending[claim],
            )
            for claim in self._claims
        }
