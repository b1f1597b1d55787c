"""How fast time goes by for those who wait, and how wrong the clocks of functions are.

By itself nothing is simulated. With a rate, a message that failed comes again when the queue's visibility
timeout ends, or the one that ChangeMessageVisibility set; and this timeout, what a function sleeps and how
long it waits for an answer all pass by so many times as fast.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Clock:
    """The settings of a local AWS. What is in work takes as long as it takes: no rate hastens it."""

    rate: float | None = None
    skew_seconds: float = 0.0

    def set(self, rate: float | None, skew_seconds: float) -> None:
        """Change both. Raises ``ValueError`` for a rate of less than 1."""
        if rate is not None and rate < 1:
            raise ValueError("a rate is 1 or more")
        self.rate, self.skew_seconds = rate, skew_seconds
