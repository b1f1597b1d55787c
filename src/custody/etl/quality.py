"""The thresholds of a contract, held against what a run measured before it publishes anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from custody.errors import CustodyError
from custody.etl.contract import Check, Contract


class QualityError(CustodyError):
    """The data do not meet a threshold of their contract; nothing was published."""

    exit_code: ClassVar[int] = 1


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of a run's rows. Each row is one of the three."""

    rows: int
    valid: int
    rejected: int = 0
    duplicates: int = 0

    def as_document(self) -> dict[str, int]:
        """The counts by name."""
        return {
            "rows": self.rows,
            "valid": self.valid,
            "rejected": self.rejected,
            "duplicates": self.duplicates,
        }


def assert_quality(contract: Contract, counts: Counts, present: Mapping[str, int], worst: str = "") -> None:
    """Raise ``QualityError`` naming each threshold that is not met, and by how much.

    ``present`` has, for each column of a completeness check, how many of the valid rows have a value.
    ``worst`` is what a person should look at first; it is added to the sentence.
    """
    failures = [
        f"{check.sentence} is wanted, {measured:f} found"
        for check in contract.checks
        if not _meets(check, measured := _measure(check, counts, present))
    ]
    if failures:
        raise QualityError(
            f"{contract.table} is not published: {'; '.join(failures)}.{worst}",
            "Mend the delivery, or change the thresholds in the contract if they are wrong.",
        )


def _measure(check: Check, counts: Counts, present: Mapping[str, int]) -> Decimal:
    if check.kind == "row_count":
        return Decimal(counts.valid)
    if check.kind == "completeness":
        return _share(present[str(check.column)], counts.valid, Decimal(1))
    part = counts.rejected if check.kind == "rejected_ratio" else counts.duplicates
    return _share(part, counts.rows, Decimal(0))


def _share(part: int, whole: int, of_nothing: Decimal) -> Decimal:
    return (Decimal(part) / Decimal(whole)).quantize(Decimal("0.0001")) if whole else of_nothing


def _meets(check: Check, measured: Decimal) -> bool:
    return measured <= check.bound if check.kind.endswith("_ratio") else measured >= check.bound
