"""The thresholds of a contract, compared with measured values before anything is published."""

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
    """The outcome of a run's rows. Each row is one of the three."""

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


def failures(
    contract: Contract, counts: Counts, present: Mapping[str, int], unread_share: Decimal = Decimal(0)
) -> list[str]:
    """Name each threshold that is not met, with the measured value.

    ``present`` has, for each column of a completeness check, the number of valid rows with a value.
    ``unread_share`` is the share of an object's bytes that could not be read as rows. An unreadable line may
    contain a thousand rows: so the rejected ratio is the larger of that share and the share of rejected rows.
    """
    return [
        f"{check.sentence} is required, found {measured.quantize(Decimal('0.0001')):f}"
        if check.kind != "row_count"
        else f"{check.sentence} is required, found {measured:f}"
        for check in contract.checks
        if not _meets(check, measured := _measure(check, counts, present, unread_share))
    ]


def assert_quality(contract: Contract, counts: Counts, present: Mapping[str, int]) -> None:
    """Raise ``QualityError`` if a table made from other tables does not meet its thresholds."""
    if found := failures(contract, counts, present):
        raise QualityError(
            f"{contract.table} is not published: {'; '.join(found)}.",
            "Change the thresholds in the contract if they are wrong.",
        )


def _measure(check: Check, counts: Counts, present: Mapping[str, int], unread_share: Decimal) -> Decimal:
    if check.kind == "row_count":
        return Decimal(counts.valid)
    if check.kind == "completeness":
        return _share(present[str(check.column)], counts.valid, Decimal(1))
    return max(_share(counts.rejected, counts.rows, Decimal(0)), unread_share)


def _share(part: int, whole: int, of_nothing: Decimal) -> Decimal:
    return Decimal(part) / Decimal(whole) if whole else of_nothing


def _meets(check: Check, measured: Decimal) -> bool:
    return measured <= check.bound if check.kind.endswith("_ratio") else measured >= check.bound
