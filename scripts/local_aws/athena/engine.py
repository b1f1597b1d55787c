"""The engine: one Athena statement in, one result out."""

from __future__ import annotations

from scripts.local_aws.athena.model import Catalog, QueryError, Result, ScanLimitExceededError, Store

__all__ = ["Catalog", "QueryError", "Result", "ScanLimitExceededError", "Store"]
