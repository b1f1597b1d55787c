"""The SQL files, as written and as planned by Terraform."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp

from scripts.local_aws.athena.planned import PlannedTable

SQL = Path(__file__).parents[2] / "sql"


def names(kind: str) -> list[str]:
    """The names of the statements of a kind: tables, views or reports."""
    return sorted(path.stem for path in (SQL / kind).glob("*.sql"))


def source(kind: str, name: str) -> str:
    """A statement as written, with its placeholders."""
    return (SQL / kind / f"{name}.sql").read_text()


def view_document(planned: PlannedTable) -> dict[str, Any]:
    """The JSON in a view's text, as Athena reads it."""
    match = re.fullmatch(r"/\* Presto View: ([A-Za-z0-9+/=]+) \*/", planned["view_original_text"])
    assert match is not None
    document: dict[str, Any] = json.loads(b64decode(match[1]))
    return document


def declared_columns(view: str) -> list[tuple[str, str]]:
    """The columns that a view's header names."""
    return re.findall(r"^-- @column (\w+) (\w+)$", source("views", view), re.MULTILINE)


def parsed(sql: str) -> exp.Expr:
    """One statement, read as Athena's."""
    return sqlglot.parse_one(sql, read="athena")
