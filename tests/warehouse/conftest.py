"""Tests of what is loaded into Snowflake: ``make test-warehouse``, in an environment of their own.

Elsewhere nothing here is collected.
"""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("fakesnow") else ["test_*.py"]
