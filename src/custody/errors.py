"""The one family of errors this package raises on purpose.

Every error carries one clear sentence for a person and the exit code of the command line:
``UsageError`` 2 (wrong use or configuration), ``CannotCheckError`` 3 (the answer could not be had),
``EvidenceError`` 1 (evidence that does not say what it must).
"""

from __future__ import annotations

from typing import ClassVar


class CustodyError(Exception):
    """Root of the family.

    ``message`` says what is wrong, ``remedy`` what to do about it (may be empty).
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()


class UsageError(CustodyError):
    """The caller's input or the configuration is wrong; nothing was done."""

    exit_code = 2


class CannotCheckError(CustodyError):
    """A service, a file or a permission needed for the answer was not there."""

    exit_code = 3


class EvidenceError(CustodyError):
    """Evidence (a receipt, a signature, a key registry, a trail file) is malformed or does not hold."""

    exit_code = 1


def describe_defect(error: Exception) -> str:
    """A sentence for an exception that nobody foresaw, where it concerns one subject of many.

    It is a defect of ours and no answer: the subject counts as not checked, and the others are.
    """
    return f"custody failed on it ({type(error).__name__}: {error}). This is a defect: please report it."
