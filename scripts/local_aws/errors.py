"""The one error this package raises on purpose: a sentence for the person who started it."""

from __future__ import annotations


class LocalAwsError(Exception):
    """The local AWS cannot do what was asked; the text says why and what to do about it."""
