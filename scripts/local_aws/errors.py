"""The error that this package raises on purpose: a sentence for the user."""

from __future__ import annotations


class LocalAwsError(Exception):
    """The local AWS cannot do this; the text says why and what to do."""
