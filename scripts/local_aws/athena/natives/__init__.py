"""Trino functions that DuckDB lacks or implements differently, in Python, called from SQL.

There is one module per subject. A function is never called with NULL, and fails with ``QueryError`` and
Trino's message; ``register`` registers the functions that a statement calls by ``native`` in a database.
"""

from __future__ import annotations

from scripts.local_aws.athena.natives import (
    binary,
    date_formats,
    documents,
    formatter,
    moments,
    numbers,
    paths,
    patterns,
    texts,
    urls,
)
from scripts.local_aws.athena.natives.registry import native, register

__all__ = [
    "binary",
    "date_formats",
    "documents",
    "formatter",
    "moments",
    "native",
    "numbers",
    "paths",
    "patterns",
    "register",
    "texts",
    "urls",
]
