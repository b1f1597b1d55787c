"""What DuckDB has not, or has otherwise: functions of Trino in Python, called from the SQL that runs here.

Each module is a subject. A function takes and gives values, never NULL among its arguments, and fails with
``QueryError`` in Trino's words; ``register`` makes known to a database what a statement calls by ``native``.
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
