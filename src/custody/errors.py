"""The errors that this package raises on purpose.

Every error has one clear sentence for a person and the exit code of the command line:
``UsageError`` 2 (wrong use or configuration), ``CannotCheckError`` 3 (there could be no answer),
``EvidenceError`` 1 (evidence is malformed or not valid).
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
    """A service, a file or a permission needed for the answer was not available."""

    exit_code = 3


class EvidenceError(CustodyError):
    """Evidence (a receipt, a signature, a key registry, a trail file) is malformed or not valid."""

    exit_code = 1


def describe_defect(error: Exception) -> str:
    """A sentence for an unexpected exception that concerns one subject of many.

    It is a defect of this program: the subject counts as not checked, and the others are still checked.
    """
    return f"custody failed on it ({type(error).__name__}: {error}). This is a defect: please report it."
